"""The alternative annotator test against plain loops and scipy, at its edges, and its rows."""

from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, t, ttest_1samp
from statsmodels.regression.linear_model import OLS

from data.store import Store
from pipelines.ingest import ingest
from pipelines.panel import read_panel
from pipelines.sections.replacement import replacement_rows
from pipelines.sections.view import Rules, UnparsedRule, View
from pipelines.stats.agreement import TieRule
from pipelines.stats.intervals import cluster_sums, smooth_interval
from pipelines.stats.replacement import (
    FEWEST_HUMANS,
    FEWEST_ITEMS,
    benjamini_yekutieli,
    clustered_p_value,
    replacement,
)
from tests.estimating import AGGREGATE, HUMAN, JUDGE, Rows, both, label, store_of

EPSILON = 0.15
CODES = {"a": 0, "t": 1, "b": 2, "-": -1}


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def labels_of(*humans):
    """Labels (n, J) of humans written as one text each: labels_of("aab-", "abt-")."""
    return np.array([[CODES[mark] for mark in marks] for marks in humans], dtype=np.int8).T


def shares_of(items):
    """Judge shares (n, 3) of texts, x for an unparsed one: "a", "ab", "", "ax"."""
    rows = [[item.count(c) / len(item) if item else np.nan for c in "atb"] for item in items]
    return np.array(rows, dtype=float).reshape(-1, 3)


def alt_test(labels, judge, clusters=None, epsilon=EPSILON):
    clusters = np.arange(len(labels)) if clusters is None else clusters
    return replacement(labels, judge, clusters, epsilon)


def by_loop(labels, items, epsilon=EPSILON):
    """(mean W_f, mean W_h - W_f, p) of each human by the paper's definition; items are texts."""
    found = []
    for j in range(labels.shape[1]):
        wins, differences = [], []
        for i, judged in enumerate(items):
            others = [x for k, x in enumerate(labels[i]) if k != j and x >= 0]
            if labels[i, j] < 0 or not others or not judged:
                continue
            s_h = np.mean([labels[i, j] == x for x in others])
            s_f = [np.mean([CODES.get(mark, -2) == x for x in others]) for mark in judged]
            w_f = np.mean([s >= s_h for s in s_f])
            w_h = np.mean([s_h >= s for s in s_f])
            wins.append(w_f)
            differences.append(w_h - w_f)
        p = None
        if len(wins) >= FEWEST_ITEMS and np.ptp(differences) > 1e-12:
            p = ttest_1samp(differences, epsilon, alternative="less").pvalue
        found.append((np.mean(wins), np.mean(differences), p) if wins else (None, None, None))
    return found


def random_panel(name, n=200, humans=4, missing=0.2, judge="atb"):
    """Labels and a judge's texts with some of both missing."""
    r = rng(name)
    truth = r.integers(0, 3, n)
    noisy = [np.where(r.random(n) < 0.6, truth, r.integers(0, 3, n)) for _ in range(humans)]
    labels = np.where(r.random((n, humans)) < missing, -1, np.stack(noisy, axis=1)).astype(np.int8)
    marks = np.array(list("atb"))
    items = [
        "".join(marks[truth[i]] if r.random() < 0.7 else r.choice(list(judge)) for _ in range(k))
        for i, k in enumerate(r.integers(0, 4, n))
    ]
    return labels, items


# Benjamini and Yekutieli


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
def test_false_discoveries_are_controlled_as_by_scipy(p_values, q):
    adjusted = false_discovery_control(p_values, method="by") if p_values else np.zeros(0)
    if (np.abs(adjusted - q) < 1e-12).any():
        return  # on the very edge rounding decides
    assert benjamini_yekutieli(np.array(p_values), q).tolist() == (adjusted <= q).tolist()


def test_false_discoveries_by_hand():
    # m = 3: the sum 1 + 1/2 + 1/3 is 11/6, the steps .05/3 * 6/11 = .009091, .018182, .027273.
    assert benjamini_yekutieli(np.array([0.03, 0.0091, 0.5])).tolist() == [False] * 3
    assert benjamini_yekutieli(np.array([0.03, 0.0090, 0.5])).tolist() == [False, True, False]
    # stepping up: the third is below its step, so the two above theirs are rejected with it
    assert benjamini_yekutieli(np.array([0.027, 0.02, 0.025])).tolist() == [True] * 3


# the t test


@pytest.mark.parametrize("seed", range(3))
def test_with_a_prompt_for_each_item_it_is_students_test(seed):
    differences = np.random.default_rng(seed).integers(-1, 2, 80).astype(float)
    expected = ttest_1samp(differences, EPSILON, alternative="less").pvalue
    found = clustered_p_value(differences, np.arange(80), EPSILON)
    assert found == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_with_prompts_it_is_the_cluster_robust_test_of_statsmodels(seed):
    r = np.random.default_rng(seed)
    clusters = r.integers(0, 30, 200)
    values = r.integers(-1, 2, 30)[clusters] * (r.random(200) < 0.7)
    kinds = {"groups": clusters, "use_correction": True, "df_correction": True}
    fit = OLS(values - EPSILON, np.ones(200)).fit(cov_type="cluster", cov_kwds=kinds, use_t=True)
    two_sided = float(fit.pvalues[0])
    expected = two_sided / 2 if fit.tvalues[0] < 0 else 1 - two_sided / 2
    found = clustered_p_value(values.astype(float), clusters, EPSILON)
    assert found == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, 0.0), (-1.0, 0.0), (0.1, 0.0), (EPSILON, 1.0), (1.0, 1.0)]
)
def test_constant_differences_decide_without_a_test(value, expected):
    assert clustered_p_value(np.full(40, value), np.arange(40), EPSILON) == expected
    # and so do prompts that differ within, but not between
    values = np.full(40, value) + np.tile([0.5, -0.5], 20)
    assert clustered_p_value(values, np.arange(40) // 2, EPSILON) == expected


def test_one_prompt_says_nothing():
    assert np.isnan(clustered_p_value(np.array([0.0, 1.0] * 20), np.zeros(40, int), EPSILON))


def test_prompts_of_like_items_make_the_test_more_cautious():
    values = np.repeat(np.tile([1.0, -1.0, -1.0, 0.0], 8), 6)
    alone = clustered_p_value(values, np.arange(192), EPSILON)
    together = clustered_p_value(values, np.arange(192) // 6, EPSILON)
    # 32 prompts of mean -.25 and variance .6875 32/31: t(31) = -.4/sqrt(.70968/32) = -2.6860
    assert together == pytest.approx(t.cdf(-2.6860, 31), abs=1e-6)
    assert alone < together / 1000


# the whole test


@pytest.mark.parametrize("judge", ["atb", "atbx"])
@pytest.mark.parametrize("missing", [0.0, 0.3, 0.7])
def test_it_is_what_plain_loops_and_scipy_give(judge, missing):
    labels, items = random_panel(f"loops {judge} {missing}", n=600, missing=missing, judge=judge)
    found = alt_test(labels, shares_of(items))
    expected = by_loop(labels, items)
    for row, (advantage, difference, p) in zip(found.humans, expected, strict=True):
        assert row.advantage == pytest.approx(advantage, abs=1e-8)
        assert row.difference == pytest.approx(difference, abs=1e-8)
        assert row.published.p == pytest.approx(p, abs=1e-8)
        assert row.clustered.p == pytest.approx(p, abs=1e-8)  # a prompt for each item
    rejected = false_discovery_control([p for *_, p in expected], method="by") <= 0.05
    assert [row.published.rejected for row in found.humans] == rejected.tolist()
    assert found.published.estimate == found.clustered.estimate == rejected.mean()
    advantages = [advantage for advantage, *_ in expected]
    assert found.advantage.estimate == pytest.approx(np.mean(advantages), abs=1e-8)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.text("atb-", min_size=3, max_size=3), st.text("atbx", max_size=3)),
        min_size=1,
        max_size=50,
    )
)
def test_it_is_what_plain_loops_give_on_any_labels(rows):
    labels = labels_of(*("".join(marks[j] for marks, _ in rows) for j in range(3)))
    items = [judged for _, judged in rows]
    found = alt_test(labels, shares_of(items))
    for row, (advantage, difference, p) in zip(found.humans, by_loop(labels, items), strict=True):
        assert row.advantage == pytest.approx(advantage, abs=1e-8)
        assert row.difference == pytest.approx(difference, abs=1e-8)
        if p is not None:
            assert row.published.p == pytest.approx(p, abs=1e-8)


def test_by_hand():
    # Left out: the first human. ab, judge a, first b: the others ab; both match 1 of 2, a tie: W_f
    # and W_h 1. Others aa: the judge matches 2, the human 0: W_f 1, W_h 0. Others bb: W_f 0, W_h 1.
    labels = labels_of("bbb", "aab", "bab")
    found = alt_test(labels, shares_of(["a", "a", "a"])).humans[0]
    assert (found.n_items, found.n_prompts) == (3, 3)
    assert found.advantage == pytest.approx(2 / 3)
    assert found.difference == pytest.approx(0.0)  # (1 - 1 + 0 - 1 + 1 - 0)/3


def test_several_labels_count_as_one_drawn_at_random():
    # The judge says a and b; the human b meets bb: a loses, b ties. W_f 1/2, W_h 1.
    found = alt_test(labels_of("b", "b", "b"), shares_of(["ab"])).humans[0]
    assert (found.advantage, found.difference) == (0.5, 0.5)


def test_an_unparsed_label_matches_nobody():
    # Against a human who matches the others it loses, against one who matches nobody it ties.
    wins = alt_test(labels_of("ba", "aa", "aa"), np.zeros((2, 3))).humans[0]
    assert (wins.advantage, wins.difference) == (0.5, 0.5)


def test_more_of_the_same_prompt_tells_less():
    labels, items = random_panel("same prompt", n=300, missing=0.0)
    r = rng("lucky prompts")
    lucky = r.random(25) < 0.5  # on half of the prompts the judge copies the first human
    clusters = r.integers(0, 25, 300)
    items = [
        "atb"[labels[i, 0]] if lucky[clusters[i]] else "atb"[(labels[i, 0] + 1) % 3]
        for i in range(300)
    ]
    one = alt_test(labels, shares_of(items), clusters).humans[1]
    assert one.n_prompts == 25
    # the same differences, so the same direction, with less of evidence
    assert abs(one.clustered.p - 0.5) < abs(one.published.p - 0.5)


def test_a_perfect_judge_of_a_unanimous_panel_replaces_everybody():
    found = alt_test(labels_of(*["a" * 40] * 3), shares_of(["a"] * 40))
    assert [row.clustered.p for row in found.humans] == [0.0] * 3
    assert found.clustered.estimate == found.published.estimate == 1.0
    assert found.advantage.estimate == 1.0
    assert found.advantage.low < 1.0 == found.advantage.high


def test_a_judge_that_is_always_wrong_replaces_nobody():
    found = alt_test(labels_of(*["a" * 40] * 3), shares_of(["b"] * 40))
    assert [row.clustered.p for row in found.humans] == [1.0] * 3
    assert found.clustered.estimate == 0.0
    assert found.advantage.estimate == 0.0


def test_all_ties_are_a_class_like_others():
    found = alt_test(labels_of(*["t" * 40] * 3), shares_of(["t"] * 40))
    assert found.clustered.estimate == 1.0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_exchanging_the_responses_of_any_comparisons_changes_nothing(seed):
    r = np.random.default_rng(seed)
    labels = r.integers(-1, 3, (60, 3)).astype(np.int8)
    judge = r.multinomial(3, [0.4, 0.2, 0.4], 60) / 3
    clusters, turned = r.integers(0, 30, 60), r.random(60) < 0.5
    labels2, judge2 = labels.copy(), judge.copy()
    labels2[turned] = np.where(labels[turned] >= 0, 2 - labels[turned], -1)
    judge2[turned] = judge[turned][:, ::-1]
    one, other = (
        replacement(x, f, clusters, EPSILON) for x, f in ((labels, judge), (labels2, judge2))
    )
    assert one.humans == other.humans  # exactly
    assert (one.published, one.clustered) == (other.published, other.clustered)
    assert one.advantage == other.advantage


def test_the_order_of_the_humans_changes_only_the_order_of_their_rows():
    labels, items = random_panel("order")
    one = alt_test(labels, shares_of(items))
    other = alt_test(labels[:, ::-1], shares_of(items))
    assert [x.published for x in one.humans] == [x.published for x in other.humans][::-1]
    assert one.published == other.published


# its interval, its size


def test_the_interval_of_the_advantage_is_that_of_all_its_totals():
    labels, items = random_panel("all totals")
    clusters = rng("all totals clusters").integers(0, 40, len(items))
    judge = shares_of(items)
    columns = np.zeros((len(items), 8))
    for i, judged in enumerate(items):
        for j in range(4):
            wins, *_ = by_loop(labels[i : i + 1], [judged])[j]
            if wins is not None:
                columns[i, [2 * j, 2 * j + 1]] = wins, 1.0
    expected = smooth_interval(
        lambda sums: sum(sums[2 * j] / sums[2 * j + 1] for j in range(4)) / 4,
        cluster_sums(columns, clusters),
    )
    found = alt_test(labels, judge, clusters).advantage
    assert [found.estimate, found.low, found.high] == pytest.approx(
        [expected.estimate, expected.low, expected.high], abs=1e-8
    )
    assert found.n_prompts == expected.n_prompts


def test_the_clustered_test_keeps_its_size_and_the_published_one_does_not():
    # Six like items to a prompt, on the edge of H0: mean difference = epsilon exactly.
    r = rng("size")
    n_worlds, prompts, like = 2000, 40, 6
    hits = {"clustered": 0, "published": 0}
    for _ in range(n_worlds):
        drawn = r.choice([1.0, -1.0, 0.0], prompts, p=[0.375, 0.225, 0.4])
        values, clusters = np.repeat(drawn, like), np.repeat(np.arange(prompts), like)
        hits["clustered"] += clustered_p_value(values, clusters, EPSILON) < 0.05
        hits["published"] += clustered_p_value(values, np.arange(len(values)), EPSILON) < 0.05
    error = np.sqrt(0.05 * 0.95 / n_worlds)
    assert hits["clustered"] / n_worlds < 0.05 + 3 * error
    assert hits["published"] / n_worlds > 0.2


# what is missing


def test_a_human_with_few_comparisons_is_left_out():
    labels, items = random_panel("few", n=100, missing=0.0)
    items = [judged or "a" for judged in items]
    labels[FEWEST_ITEMS - 1 :, 3] = -1
    found = alt_test(labels, shares_of(items))
    assert found.humans[3].n_items == FEWEST_ITEMS - 1
    assert found.humans[3].published is None
    assert found.published.n_tested == 3
    without = alt_test(labels, shares_of(items))
    assert found.advantage.estimate == pytest.approx(
        np.mean([row.advantage for row in without.humans[:3]])
    )


def test_a_human_on_few_prompts_has_no_clustered_test():
    labels, items = random_panel("few prompts", missing=0.0)
    found = alt_test(labels, shares_of(items), np.arange(len(items)) % 19)
    assert [row.clustered for row in found.humans] == [None] * 4
    assert found.published.estimate is not None
    assert found.clustered.estimate is None
    assert "fewer than 3 humans (0) have 30 comparisons on 20 prompts" in found.clustered.reason
    assert found.advantage.estimate is not None
    assert "too few prompts" in found.advantage.note


@pytest.mark.parametrize("humans", [0, 1, 2])
def test_below_three_humans_nothing_is_decided(humans):
    labels, items = random_panel("two humans")
    found = alt_test(labels[:, :humans], shares_of(items))
    assert found.published.estimate is found.clustered.estimate is found.advantage.estimate is None
    assert f"fewer than {FEWEST_HUMANS} humans" in found.published.reason
    assert f"fewer than {FEWEST_HUMANS} humans" in found.advantage.note


@pytest.mark.parametrize(
    ("labels", "judge"),
    [
        (np.full((50, 3), -1, np.int8), shares_of(["a"] * 50)),
        (np.zeros((50, 3), np.int8), shares_of([""] * 50)),
        (np.where(np.eye(3, dtype=bool)[np.arange(90) % 3], 0, -1), shares_of(["a"] * 90)),
        (np.zeros((0, 3), np.int8), np.zeros((0, 3))),
    ],
    ids=["no human labels", "no judge labels", "one human an item", "no items"],
)
def test_where_every_human_is_left_out_there_is_a_reason(labels, judge):
    found = alt_test(labels, judge)
    assert [row.n_items for row in found.humans] == [0, 0, 0]
    assert [row.advantage for row in found.humans] == [None] * 3
    assert found.n_items == 0
    assert found.clustered.estimate is None
    assert "(0) have 30 comparisons" in found.published.reason


# rows


def rows_of(store, rules=None, dataset="d", keep=None, name="all"):
    panel = read_panel(store, dataset)
    keep = np.ones(panel.n_items, bool) if keep is None else keep(panel)
    return Rows(list(replacement_rows(View(panel, rules or Rules(), name, keep))))


def kinds_of(*humans, **others):
    return {**dict.fromkeys(humans, HUMAN), "judge": JUDGE, **others}


CLUSTERED = "epsilon=.15 clustered q=.05 ties=class unparsed=drop"
PUBLISHED = "epsilon=.15 published i.i.d. ties=class unparsed=drop"
RULE = "majority=mode split ties=class unparsed=drop"
UNANIMOUS = [label(i, who, "ab"[i % 2]) for i in range(60) for who in ("x", "y", "z")]


def test_rows_of_a_judge_that_agrees_with_everybody(tmp_path):
    labels = [*UNANIMOUS, *(label(i, "judge", "ab"[i % 2]) for i in range(60))]
    store = store_of(tmp_path / "d.duckdb", labels, kinds_of("x", "y", "z"), n_items=60)
    rows = rows_of(store)
    for method in (CLUSTERED, PUBLISHED):
        row = rows.one("winning_rate", "judge", method=method, reference="the other humans")
        assert (row.estimate, row.n_items, row.n_prompts, row.n_labels) == (1.0, 60, 60, 60)
        assert row.note.startswith("3 of 3 humans: it may replace humans; no interval")
    assert rows.one("advantage_probability", "judge").estimate == 1.0
    equivalence = rows.one("human_equivalence", "judge", unit="humans", reference="one human")
    assert equivalence.estimate == 1.0  # the least that reaches all
    judge = rows.one("leave_one_out_agreement", "judge", method=RULE)
    ceiling = rows.one("leave_one_out_agreement", "human ceiling")
    assert judge.reference == ceiling.reference == "majority of the other humans"
    assert ceiling.method == f"{RULE} items of judge"
    assert (judge.estimate, judge.n_labels) == (1.0, 60)
    assert (ceiling.estimate, ceiling.n_labels) == (1.0, 180)


def test_a_judge_beyond_the_humans_is_more_than_the_largest_majority(tmp_path):
    # Of three the one who differs changes; the judge gives the majority.
    marks = [("b", "a", "a"), ("a", "b", "a"), ("a", "a", "b")]
    labels = [
        label(i, who, marks[i % 3][j]) for i in range(60) for j, who in enumerate(("x", "y", "z"))
    ]
    labels += [label(i, "judge", "a") for i in range(60)]
    row = rows_of(store_of(tmp_path / "d.duckdb", labels, kinds_of("x", "y", "z"), n_items=60)).one(
        "human_equivalence", "judge"
    )
    # The coin matches 1/2, more than one human (1/3), and less than the judge (2/3).
    assert row.estimate is None
    assert row.n_items == 60
    assert row.note == (
        "more than 2 humans, the largest majority that the data has; this with 95% confidence"
    )


def test_the_unparsed_rule_is_in_force_and_ties_are_a_class(tmp_path):
    labels = [*UNANIMOUS]
    labels += [x for i in range(60) for x in both(i, "judge", "ab"[i % 2], "x")]
    store = store_of(tmp_path / "d.duckdb", labels, kinds_of("x", "y", "z"), n_items=60)
    drop = rows_of(store)
    wrong = rows_of(store, Rules(unparsed=UnparsedRule.WRONG, ties=TieRule.DROP))
    assert drop.one("advantage_probability", "judge").estimate == 1.0
    row = wrong.one("advantage_probability", "judge")
    assert row.estimate == 0.5
    assert row.method == "ties=class unparsed=wrong"
    assert row.n_labels == 120
    assert wrong.one("leave_one_out_agreement", "judge").estimate == 0.5


def test_anonymous_humans_are_refused(tmp_path):
    labels = [*UNANIMOUS, *(label(i, "judge", "a") for i in range(60))]
    store = store_of(
        tmp_path / "d.duckdb",
        labels,
        kinds_of("x", "y", "z"),
        n_items=60,
        anonymous=("x", "y", "z"),
    )
    rows = rows_of(store)
    for row in (*rows.all("winning_rate"), *rows.all("advantage_probability")):
        assert row.estimate is None
        assert "anonymous" in row.note
    assert len(rows.all("winning_rate")) == 2
    assert rows.one("leave_one_out_agreement", "judge").estimate == 0.5  # needs no names
    assert rows.one("human_equivalence", "judge").estimate == 0.0  # half, as a coin


def test_anonymous_humans_beside_identified_ones_are_left_out(tmp_path):
    labels = [*UNANIMOUS]
    labels += [
        label(i, who, m) for i in range(60) for who, m in (("judge", "ab"[i % 2]), ("n", "t"))
    ]
    store = store_of(
        tmp_path / "d.duckdb", labels, kinds_of("x", "y", "z", "n"), n_items=60, anonymous=("n",)
    )
    row = rows_of(store).one("winning_rate", "judge", method=CLUSTERED)
    assert row.estimate == 1.0
    assert row.note.startswith("left out: 1 anonymous annotator; 3 of 3 humans")


def test_a_human_with_few_comparisons_is_told(tmp_path):
    labels = [*UNANIMOUS, *(label(i, "judge", "ab"[i % 2]) for i in range(60))]
    labels += [label(i, "w", "a") for i in range(10)]
    store = store_of(tmp_path / "d.duckdb", labels, kinds_of("x", "y", "z", "w"), n_items=60)
    row = rows_of(store).one("winning_rate", "judge", method=CLUSTERED)
    assert row.estimate == 1.0
    assert row.note.endswith("left out: 1 human with too few comparisons")


def test_two_humans_are_too_few_for_the_test_only(tmp_path):
    labels = [label(i, who, "ab"[i % 2]) for i in range(40) for who in ("x", "y", "judge")]
    rows = rows_of(store_of(tmp_path / "d.duckdb", labels, kinds_of("x", "y"), n_items=40))
    assert "fewer than 3 identified humans (2)" in rows.one(
        "winning_rate", "judge", method=CLUSTERED
    ).note  # fmt: skip
    assert rows.one("leave_one_out_agreement", "judge").estimate == 1.0


@pytest.mark.parametrize(
    ("labels", "kinds", "reason"),
    [
        ([label(0, "judge", "a")], {"judge": JUDGE}, "no human labels"),
        ([label(0, "judge", "a"), label(0, "g", "a")], kinds_of(g=AGGREGATE), "no human"),
        ([label(0, "judge", "a"), label(0, "x", "a")], kinds_of("x"), "labels of two humans"),
        ([label(0, "judge", "x"), label(0, "x", "a"), label(0, "y", "a")], kinds_of("x", "y"),
         "labels of two humans"),
    ],
)  # fmt: skip
def test_without_two_humans_and_the_judge_every_row_has_a_reason(tmp_path, labels, kinds, reason):
    rows = rows_of(store_of(tmp_path / "d.duckdb", labels, kinds, n_items=1))
    assert {row.statistic for row in rows.rows} == {
        "winning_rate", "advantage_probability", "human_equivalence", "leave_one_out_agreement",
    }  # fmt: skip
    assert all(row.estimate is None for row in rows.rows)
    assert reason in rows.one("human_equivalence", "judge").note
    assert reason in rows.one("leave_one_out_agreement", "judge").note


def test_slices_have_leave_one_out_agreement_only(tmp_path):
    labels = [*UNANIMOUS, *(label(i, "judge", "a") for i in range(60))]
    store = store_of(
        tmp_path / "d.duckdb", labels, kinds_of("x", "y", "z"), n_items=60,
        categories=["one", "other"] * 30,
    )  # fmt: skip
    rows = rows_of(store, keep=lambda panel: panel.category == "one", name="category=one")
    assert [row.statistic for row in rows.rows] == ["leave_one_out_agreement"] * 2
    assert rows.rows[0].estimate == 1.0
    none = rows_of(store, keep=lambda panel: panel.category == "none", name="category=none")
    assert none.rows == []


# public data


@pytest.fixture(scope="module")
def public(real_data, tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("replacement") / "real.duckdb", create=True)
    ingest(store, "pandalm", real_data / "pandalm")
    ingest(store, "prd", real_data / "prd-vicuna80")
    return store


@pytest.mark.real_data
def test_pandalm_judges_replace_nobody(public):
    rows = rows_of(public, dataset="pandalm")
    panel = read_panel(public, "pandalm")
    view = View(panel, Rules(), "all", np.ones(panel.n_items, bool))
    people = [k for k, who in enumerate(panel.annotators) if who.kind == HUMAN]
    labels = np.stack([view.counts(k).argmax(axis=1) for k in people], axis=1)
    for name, n_items in (("gpt-3.5-turbo", 974), ("pandalm-7b", 999)):
        [k] = [k for k, who in enumerate(panel.annotators) if who.name == name]
        marks = ["".join("atb"[c] for c in np.flatnonzero(row)) for row in view.counts(k)]
        expected = by_loop(labels, marks)
        rejected = false_discovery_control([p for *_, p in expected], method="by") <= 0.05
        assert rejected.sum() == 0
        for method in (CLUSTERED, PUBLISHED):
            row = rows.one("winning_rate", name, method=method)
            assert (row.estimate, row.n_items) == (0.0, n_items)
            assert "0 of 3 humans: not shown that it may replace humans" in row.note
        advantage = np.mean([advantage for advantage, *_ in expected])
        assert rows.one("advantage_probability", name).estimate == pytest.approx(advantage)
    # the ceiling is .920, the guess .4475 (ties 10.5%), the judge .660
    equivalence = rows.one("human_equivalence", "pandalm-7b")
    assert equivalence.estimate == pytest.approx(0.453, abs=5.1e-4)
    assert 0 < equivalence.low < equivalence.high < 1


@pytest.mark.real_data
def test_the_humans_of_prd_are_anonymous(public):
    rows = rows_of(public, dataset="prd-vicuna80")
    assert all("anonymous" in row.note for row in rows.all("winning_rate"))
    assert len(rows.all("winning_rate")) == 10
    judge = rows.one("leave_one_out_agreement", "gpt-4")
    assert (judge.n_items, judge.n_prompts, judge.n_labels) == (480, 80, 960)
    # three humans on every item: their agreement with one
    assert judge.estimate == pytest.approx(0.565, abs=5.1e-4)
    ceiling = rows.one("leave_one_out_agreement", "human ceiling", method=f"{RULE} items of gpt-4")
    assert ceiling.estimate == pytest.approx(0.524, abs=5.1e-4)
    beyond = rows.one("human_equivalence", "gpt-4")
    assert (beyond.estimate, beyond.n_items) == (None, 480)
    assert "more than 2 humans" in beyond.note
