"""Rows of humans: by hand, against loops and statsmodels, at the edges, on real data."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from statistics import mean
from zlib import crc32

import numpy as np
import pytest
from scipy.stats import rankdata
from statsmodels.regression.linear_model import OLS

from data.store import Store
from pipelines.ingest import ingest
from pipelines.panel import read_panel
from pipelines.sections.consistency import ANONYMOUS, NO_HUMANS
from pipelines.sections.humans import (
    FIXED,
    NO_LABEL,
    NO_OTHERS,
    NO_TIMES,
    ONE_MOMENT,
    humans_rows,
)
from pipelines.sections.view import Rules, TieRule, View
from pipelines.stats.consistency import regression, slope
from pipelines.stats.intervals import NO_VARIATION, cluster_sums, smooth_interval
from tests.estimating import AGGREGATE, HUMAN, JUDGE, Rows, label, store_of

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
TURNED = str.maketrans("ab", "ba")


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def at(minutes):
    return {"created_at": START + timedelta(minutes=float(minutes))}


def people_store(path, votes, *, times=None, kinds=None, **options):
    """Humans h1, h2, ...: their marks on each comparison, a space for none; minutes by item."""
    labels = [
        label(i, f"h{k}", mark, **(at(times[i]) if times is not None else {}))
        for i, marks in enumerate(votes)
        for k, mark in enumerate(marks, start=1)
        if mark != " "
    ]
    named = {f"h{k + 1}": HUMAN for k in range(max(map(len, votes)))}
    return store_of(path, labels, {**named, **(kinds or {})}, n_items=len(votes), **options)


def view_of(store, rules=None, keep=None, name="all", dataset="d"):
    panel = read_panel(store, dataset)
    keep = np.ones(panel.n_items, bool) if keep is None else keep(panel)
    return View(panel, rules or Rules(), name, keep)


def rows(store, **options):
    return Rows(list(humans_rows(view_of(store, **options))))


def figures(row):
    return (row.estimate, row.n_items, row.n_prompts, row.n_labels)


# agreement with the others


def test_agreement_with_the_others_by_hand(tmp_path):
    # h1: 1/2 of (a, b), 1 of (t, t), 0 of (b); alone on the fourth. h4 has one label: h1 and h2.
    votes = ["aab ", "ttt ", "ab  ", "a   ", "  ab"]
    store = people_store(tmp_path / "s", votes, prompts="PPQRS")
    found = rows(store)
    h1 = found.one("agreement_with_others", "h1")
    assert figures(h1) == (pytest.approx((1 / 2 + 1 + 0) / 3), 3, 2, 3)
    assert (h1.reference, h1.unit, h1.method) == ("other humans", "share", "ties=class")
    assert h1.note.startswith("left out: 1 without a label of another human; too few prompts")
    h3 = found.one("agreement_with_others", "h3")
    assert figures(h3) == (pytest.approx((0 + 1 + 0) / 3), 3, 2, 3)
    assert figures(found.one("tie_share", "h1")) == (pytest.approx(1 / 4), 4, 3, 4)
    assert figures(found.one("tie_share", "h4")) == (0, 1, 1, 1)
    assert len(found.all("agreement_with_others")) == 4


@pytest.mark.parametrize(
    ("ties", "expected"),
    [
        # h1 a against (t, b), t against (t, a), b against (b, b)
        (TieRule.CLASS, (0 + 1 / 2 + 1) / 3),
        (TieRule.HALF, (1 / 4 + (1 + 1 / 2) / 2 + 1) / 3),
        (TieRule.DROP, (0 + 1) / (1 / 2 + 1)),  # of half a couple and one
    ],
)
def test_the_tie_rule_in_force_holds_here_too(tmp_path, ties, expected):
    store = people_store(tmp_path / "s", ["atb", "tta", "bbb"])
    found = rows(store, rules=Rules(ties=ties)).one("agreement_with_others", "h1")
    assert found.estimate == pytest.approx(expected)
    assert found.method == f"ties={ties}"


def random_votes(name, n=150, people=4):
    r = rng(name)
    return ["".join(r.choice(list("aaabbt "), people)) for _ in range(n)]


def test_agreement_and_its_interval_are_those_of_a_loop_and_statsmodels(tmp_path):
    votes = random_votes("agreement of humans")
    prompts = rng("prompts of humans").integers(0, 50, len(votes)).tolist()
    store = people_store(tmp_path / "s", votes, prompts=prompts)
    found = rows(store)
    for k in range(4):
        values, clusters = [], []
        for prompt, marks in zip(prompts, votes, strict=True):
            others = (marks[:k] + marks[k + 1 :]).replace(" ", "")
            if marks[k] != " " and others:
                values.append(mean(mark == marks[k] for mark in others))
                clusters.append(prompt)
        kinds = {"groups": np.array(clusters), "use_correction": True, "df_correction": True}
        fit = OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds=kinds, use_t=True)
        [(low, high)] = fit.conf_int()
        row = found.one("agreement_with_others", f"h{k + 1}")
        assert [row.estimate, row.low, row.high] == pytest.approx([fit.params[0], low, high])
        assert (row.n_items, row.n_prompts) == (len(values), len(set(clusters)))


def test_exchanging_responses_changes_no_row(tmp_path):
    votes = random_votes("exchanged")
    minutes = rng("minutes").permutation(len(votes))
    turned = [v.translate(TURNED) if i % 3 == 0 else v for i, v in enumerate(votes)]
    one = people_store(tmp_path / "s", votes, times=minutes)
    other = people_store(tmp_path / "t", turned, times=minutes)
    assert rows(one).one("drift", "h1").estimate is not None
    assert rows(one).rows == rows(other).rows


def test_whoever_guesses_agrees_less_than_those_who_know(tmp_path):
    r = rng("a guesser")
    truth = r.choice(list("ab"), 300)
    votes = [f"{t}{t}{t}{r.choice(['a', 'b'])}" for t in truth]
    found = rows(people_store(tmp_path / "s", votes))
    guesser = found.one("agreement_with_others", "h4")
    assert guesser.low < 0.5 < guesser.high < 0.6
    assert found.one("agreement_with_others", "h1").low > 0.75  # 2/3 and half of a third


def test_judges_and_gold_labels_are_no_others(tmp_path):
    labels = [label(i, name, "b") for i in range(3) for name in ("j", "g")]
    labels += [label(i, name, "a") for i in range(3) for name in ("h1", "h2")]
    kinds = {"j": JUDGE, "g": AGGREGATE, "h1": HUMAN, "h2": HUMAN}
    found = rows(store_of(tmp_path / "s", labels, kinds, n_items=3))
    assert found.one("agreement_with_others", "h1").estimate == 1
    assert {row.subject for row in found.rows} == {"h1", "h2"}


# who cannot be told apart, or has nobody to agree with


def test_anonymous_humans_are_refused_in_one_row(tmp_path):
    votes = ["aab", "abb"]
    hidden = people_store(tmp_path / "s", votes, anonymous=("h1", "h2", "h3"))
    [row] = rows(hidden).rows
    assert (row.statistic, row.subject, row.note) == (
        "agreement_with_others",
        "one human",
        ANONYMOUS,
    )
    some = people_store(tmp_path / "t", votes, anonymous=("h3",))
    found = rows(some)
    assert found.one("agreement_with_others", "one human").note == ANONYMOUS
    assert found.one("agreement_with_others", "h1").estimate == pytest.approx(1 / 2 / 2 + 0 / 2)
    assert not found.all("tie_share", subject="h3")


def test_without_humans_there_is_one_row(tmp_path):
    store = store_of(tmp_path / "s", [label(0, "j", "a")], {"j": JUDGE}, n_items=1)
    [row] = rows(store).rows
    assert row.note == NO_HUMANS


def test_one_human_alone(tmp_path):
    found = rows(people_store(tmp_path / "s", ["a", "t", "b"], times=[0, 1, 2]))
    assert found.one("agreement_with_others", "h1").note == NO_OTHERS
    assert found.one("drift", "h1").note == NO_OTHERS
    assert found.one("tie_share", "h1").estimate == pytest.approx(1 / 3)
    assert found.one("seconds_per_label", "h1").note == NO_TIMES


def test_a_human_who_only_skipped(tmp_path):
    found = rows(people_store(tmp_path / "s", ["sa", "sb"]))
    assert found.one("agreement_with_others", "h1").note == NO_OTHERS
    assert found.one("tie_share", "h1").note == NO_LABEL
    assert found.one("drift", "h1").note == NO_TIMES


def test_all_ties(tmp_path):
    found = rows(people_store(tmp_path / "s", ["tt"] * 30, times=range(30)))
    assert found.one("tie_share", "h1").estimate == 1
    assert found.one("agreement_with_others", "h1").estimate == 1
    drift = found.one("drift", "h1")
    assert drift.estimate == pytest.approx(0)
    assert (drift.low, drift.note) == (None, NO_VARIATION)
    dropped = rows(
        people_store(tmp_path / "t", ["tt"] * 30, times=range(30)), rules=Rules(ties=TieRule.DROP)
    )
    assert dropped.one("agreement_with_others", "h1").estimate is None
    assert (
        dropped.one("drift", "h1").note == "undefined: no comparison where both labels are decided"
    )


def test_in_a_slice_nothing_is_said_of_what_is_absent(tmp_path):
    store = people_store(tmp_path / "s", ["a ", "ab", "ab"], categories=["x", "y", "y"])
    x = rows(store, keep=lambda panel: panel.category == "x", name="category=x")
    assert [(row.statistic, row.subject) for row in x.rows] == [("tie_share", "h1")]
    y = rows(store, keep=lambda panel: panel.category == "y", name="category=y")
    assert figures(y.one("agreement_with_others", "h1", slice="category=y")) == (0, 2, 2, 2)


# time


def test_seconds_are_the_mean_where_they_are_known(tmp_path):
    # h1: 10, 20 and 60 s; one label without time
    labels = [label(i, "h1", "a", seconds=s) for i, s in enumerate((10.0, 20.0, 60.0, None))]
    labels += [label(i, "h2", "a", seconds=5.0) for i in range(4)]
    store = store_of(tmp_path / "s", labels, {"h1": HUMAN, "h2": HUMAN}, n_items=4)
    h1 = rows(store).one("seconds_per_label", "h1")
    assert figures(h1) == (pytest.approx(30), 3, 3, 3)
    assert (h1.unit, h1.reference) == ("seconds", "human labels")
    assert h1.note.startswith("not known for 1 of 4 labels")


def test_the_same_time_on_all_labels_is_no_estimate(tmp_path):
    labels = [label(i, "h1", "a", seconds=5.0) for i in range(30)]
    found = rows(store_of(tmp_path / "s", labels, {"h1": HUMAN}, n_items=30))
    row = found.one("seconds_per_label", "h1")
    assert (row.estimate, row.low, row.note) == (5, None, FIXED)


# drift


def test_drift_by_hand(tmp_path):
    # In order of time h1 agrees on 0, 0, 1, 1: .4 a label (test_consistency), 40 per 100 labels.
    votes = ["aa", "ab", "aa", "ab"]
    store = people_store(tmp_path / "s", votes, times=[7, 1, 9, 2])
    row = rows(store).one("drift", "h1")
    assert figures(row) == (pytest.approx(40), 4, 4, 4)
    assert (row.unit, row.reference) == ("share difference", "other humans")
    assert row.method == "per=100 labels ties=class"


def test_drift_counts_labels_not_hours_and_all_of_them(tmp_path):
    # The second and third label have nobody to agree with, and keep their places: 1, 4, 5 agree
    # 0, 0, 1: mean place 10/3, sum (x - 10/3)(y - 1/3) = 5/3, sum (x - 10/3)^2 = 26/3: 5/26.
    votes = ["ab", "a ", "a ", "ab", "aa"]
    for k, times in enumerate(([0, 1, 2, 3, 4], [0, 50, 51, 52, 9000])):
        row = rows(people_store(tmp_path / str(k), votes, times=times)).one("drift", "h1")
        assert figures(row) == (pytest.approx(100 * 5 / 26), 3, 3, 3)


def test_drift_in_a_slice_keeps_the_places_in_all_of_the_work(tmp_path):
    votes, times = ["ab", "aa", "aa", "ab", "aa"], [0, 1, 2, 3, 4]
    categories = ["x", "y", "y", "x", "x"]  # as above
    store = people_store(tmp_path / "s", votes, times=times, categories=categories)
    found = rows(store, keep=lambda panel: panel.category == "x", name="category=x")
    row = found.one("drift", "h1", slice="category=x")
    assert figures(row) == (pytest.approx(100 * 5 / 26), 3, 3, 3)


def test_drift_is_that_of_statsmodels_clustered_by_prompt(tmp_path):
    r = rng("drift")
    n = 400
    minutes = r.permutation(n) // 2 * 1.5  # two labels share each moment
    truth = r.choice(list("ab"), n)
    chance = 0.95 - 0.4 * minutes / minutes.max()
    h1 = np.where(r.random(n) < chance, truth, np.where(truth == "a", "b", "a"))
    votes = [f"{mine}{t}{r.choice(['a', 'b', t, t])}" for mine, t in zip(h1, truth, strict=True)]
    prompts = r.integers(0, 60, n).tolist()
    store = people_store(tmp_path / "s", votes, times=minutes, prompts=prompts)
    row = rows(store).one("drift", "h1")
    y = [mean(other == marks[0] for other in marks[1:]) for marks in votes]
    design = np.stack([np.ones(n), rankdata(minutes) / 100], axis=1)
    kinds = {"groups": np.array(prompts), "use_correction": True, "df_correction": True}
    fit = OLS(y, design).fit(cov_type="cluster", cov_kwds=kinds, use_t=True)
    low, high = fit.conf_int()[1]
    half = (high - low) / 2 / np.sqrt((n - 1) / (n - 2))  # statsmodels' factor for two regressors
    assert row.estimate == pytest.approx(fit.params[1], abs=1e-8)
    assert [row.low, row.high] == pytest.approx([row.estimate - half, row.estimate + half])
    assert row.high < 0  # the planted decline is found


def test_repeats_are_work_too(tmp_path):
    # h1 says b, b, then a on the first comparison: places 1, 2 and 3 (the second comparison) and 4.
    labels = [label(0, "h1", mark, repeat=k, **at(k)) for k, mark in enumerate("bb")]
    labels += [label(1, "h1", "b", **at(5)), label(0, "h1", "a", repeat=2, **at(9))]
    labels += [label(i, "h2", "a", **at(i)) for i in range(2)]
    store = store_of(tmp_path / "s", labels, {"h1": HUMAN, "h2": HUMAN}, n_items=2)
    row = rows(store).one("drift", "h1")
    # 0, 0, 0, 1 at 1, 2, 3, 4: 1.5/5 a label
    assert figures(row) == (pytest.approx(30), 2, 2, 4)


@pytest.mark.parametrize(
    ("times", "note"),
    [
        (None, "40 labels share one moment: their order is not known"),  # the time of the import
        ([0] * 40, "40 labels share one moment: their order is not known"),
        ([0] * 20 + [1] * 20, "40 labels share 2 moments: their order is not known"),
        ([k // 3 for k in range(40)], "40 labels share 14 moments: their order is not known"),
    ],
)
def test_labels_of_few_moments_have_no_order(tmp_path, times, note):
    row = rows(people_store(tmp_path / "s", ["aa", "ab"] * 20, times=times)).one("drift", "h1")
    assert figures(row) == (None, 0, 0, 0)
    assert (row.note, row.unit) == (note, "share difference")


def test_half_as_many_moments_as_labels_are_an_order(tmp_path):
    times = [k // 2 for k in range(40)]
    row = rows(people_store(tmp_path / "s", ["aa", "ab"] * 20, times=times)).one("drift", "h1")
    assert row.estimate == pytest.approx(0, abs=1e-12)  # in each moment one agrees and one not
    assert row.low < 0 < row.high


def test_labels_to_compare_of_one_moment_have_no_slope(tmp_path):
    votes, times = ["ab", "aa", "a ", "a ", "a "], [0, 0, 1, 2, 3]
    row = rows(people_store(tmp_path / "s", votes, times=times)).one("drift", "h1")
    assert row.note == ONE_MOMENT


def test_the_drift_of_a_steady_human_covers_zero():
    # A thousand worlds of a human as good at the end: 1 in 20 intervals misses 0.
    r = rng("steady")
    missed = 0
    for _ in range(1000):
        prompts = np.repeat(np.arange(60), r.integers(2, 6, 60))
        hardness = r.beta(6, 2, 60)[prompts]  # shared by a prompt's comparisons
        y = (r.random(len(prompts)) < hardness).astype(float)
        x = np.argsort(r.permutation(len(prompts))) / 100.0
        columns = regression(x, np.stack([y, np.ones(len(y))], axis=1))
        found = smooth_interval(slope, cluster_sums(columns, prompts))
        missed += not found.low <= 0 <= found.high
    assert missed / 1000 == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 1000))


# real data


@pytest.fixture(scope="module")
def real_store(real_data, tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("humans") / "real.duckdb", create=True)
    ingest(store, "pandalm", real_data / "pandalm")
    ingest(store, "prd", real_data / "prd-vicuna80")
    return store


@pytest.mark.real_data
def test_the_annotators_of_pandalm_agree_as_their_couples_do(real_store):
    # Raw agreement of 1-2, 1-3 and 2-3: .913, .929 and .918 on the same 999 comparisons; each
    # annotator's is the mean of its two.
    found = rows(real_store, dataset="pandalm")
    couples = {"12": 0.913, "13": 0.929, "23": 0.918}
    by_annotator = defaultdict(list)
    for names, agreement in couples.items():
        for name in names:
            by_annotator[f"annotator{name}"].append(agreement)
    for name, values in by_annotator.items():
        row = found.one("agreement_with_others", name)
        assert row.estimate == pytest.approx(mean(values), abs=0.0006)
        assert figures(row)[1:] == (999, 170, 999)
        assert row.high - row.low > 0.03  # by prompt; by item it would be less
        assert "share one moment" in found.one("drift", name).note
    # Each of three couples counts for two annotators: the mean of the three is the ceiling.
    assert mean(row.estimate for row in found.all("agreement_with_others")) == pytest.approx(
        mean(couples.values()), abs=0.0006
    )


@pytest.mark.real_data
def test_the_anonymous_humans_of_prd_have_one_row(real_store):
    [row] = rows(real_store, dataset="prd-vicuna80").rows
    assert row.note == ANONYMOUS
