"""Consistency: hand-derived values, loops over labels, statsmodels; rows through a small store."""

from collections import defaultdict
from itertools import combinations
from statistics import mean
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from statsmodels.regression.linear_model import WLS

from data.store import Store
from pipelines.ingest import ingest
from pipelines.panel import read_panel
from pipelines.sections.consistency import (
    ANONYMOUS,
    NO_HUMANS,
    NO_REPEATS,
    NO_SECOND,
    ONE_ORDER,
    consistency_rows,
)
from pipelines.sections.dawid_skene import FEW_HUMANS, NO_OVERLAP, NONE_IN_COMMON, dawid_skene_rows
from pipelines.sections.view import Rules, UnparsedRule, View
from pipelines.stats.agreement import shares
from pipelines.stats.consistency import (
    flip,
    places,
    regression,
    repeat_agreement,
    repeated_labels,
    reversal,
    slope,
)
from pipelines.stats.dawid_skene import WARNING
from pipelines.stats.intervals import cluster_sums, smooth_interval
from pipelines.stats.position import order_consistency
from tests.estimating import AGGREGATE, HUMAN, JUDGE, Rows, label, store_of

TURNED = str.maketrans("ab", "ba")
ORDERS = ("ab", "ba")


def counts(*items):
    """Counts (n, 3) of items written as their labels: counts("aab", "t", "")."""
    return np.array([[item.count(name) for name in "atb"] for item in items], dtype=float)


def by_order(*orders):
    """Counts (orders, n, 3): by_order(["aa"], ["b"])."""
    return np.stack([counts(*items) for items in orders])


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


marks = st.text("atb", max_size=4)
items_in_two_orders = st.lists(st.tuples(marks, marks, st.booleans()), min_size=1, max_size=30)


# repeats


@pytest.mark.parametrize(
    ("ab", "ba", "expected"),
    [
        ("aa", "", 1.0),
        ("ab", "", 0.0),
        ("tt", "b", 1.0),  # the label of the other order is compared with none
        ("aa", "bb", 1.0),  # each order agrees with itself
        ("ab", "bb", 1 / 2),  # one couple of two
        ("aab", "bb", 1 / 2),  # 1 of 3 and 1 of 1: 2 of 4 couples
        ("atb", "tt", 1 / 4),
    ],
)
def test_repeats_agree_as_often_as_the_couples_within_an_order(ab, ba, expected):
    assert repeat_agreement(by_order([ab], [ba])) == pytest.approx([expected])


@pytest.mark.parametrize(("ab", "ba"), [("", ""), ("a", ""), ("a", "b"), ("t", "t")])
def test_without_two_labels_in_one_order_there_is_no_repeat(ab, ba):
    table = by_order([ab], [ba])
    assert np.isnan(repeat_agreement(table)).all()
    assert repeated_labels(table).tolist() == [0]


@settings(deadline=None)
@given(st.lists(st.lists(marks, min_size=3, max_size=3), min_size=1, max_size=30))
def test_repeats_are_those_of_a_loop_over_couples(items):
    table = by_order(*zip(*items, strict=True))
    expected, n_labels = [], []
    for orders in items:
        couples = [x == y for labels in orders for x, y in combinations(labels, 2)]
        expected.append(mean(couples) if couples else np.nan)
        n_labels.append(sum(len(labels) for labels in orders if len(labels) > 1))
    assert repeat_agreement(table) == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert repeated_labels(table).tolist() == n_labels


def test_one_table_of_all_labels_compares_them_whatever_their_order():
    # aa in one order, b in the other: 1 of 3 couples agrees
    assert repeat_agreement(by_order(["aa"], ["b"]).sum(axis=0)[None]) == pytest.approx([1 / 3])


# the order swapped


@pytest.mark.parametrize(
    ("ab", "ba", "flips", "reverses"),
    [
        ("a", "a", 0.0, 0.0),
        ("a", "b", 1.0, 1.0),
        ("a", "t", 1.0, 0.0),
        ("t", "t", 0.0, 0.0),  # a tie is consistent with a tie
        ("ab", "b", 1 / 2, 1 / 2),
        ("at", "tb", 3 / 4, 1 / 4),  # a-t, a-b, t-t, t-b
    ],
)
def test_flips_and_reversals_by_hand(ab, ba, flips, reverses):
    one, other = shares(counts(ab)), shares(counts(ba))
    assert flip(one, other) == pytest.approx([flips])
    assert reversal(one, other) == pytest.approx([reverses])


@settings(deadline=None)
@given(items_in_two_orders)
def test_flips_and_reversals_are_those_of_a_loop_over_couples(items):
    one, other = (shares(counts(*(item[k] for item in items))) for k in (0, 1))
    flips, reversals = [], []
    for ab, ba, _ in items:
        couples = [{x, y} for x in ab for y in ba]
        flips.append(mean(len(c) == 2 for c in couples) if couples else np.nan)
        reversals.append(mean(c == {"a", "b"} for c in couples) if couples else np.nan)
    assert flip(one, other) == pytest.approx(flips, abs=1e-12, nan_ok=True)
    assert reversal(one, other) == pytest.approx(reversals, abs=1e-12, nan_ok=True)
    assert np.array_equal(flip(one, other), 1 - order_consistency(one, other), equal_nan=True)


@settings(deadline=None)
@given(items_in_two_orders)
def test_exchanging_the_responses_of_any_comparisons_changes_no_digit(items):
    # Response b becomes a: a label a is b now, and what was shown ab was shown ba.
    turned = [
        (ba.translate(TURNED), ab.translate(TURNED)) if turn else (ab, ba) for ab, ba, turn in items
    ]

    def figures(found):
        ab, ba = (counts(*(item[k] for item in found)) for k in (0, 1))
        one, other = shares(ab), shares(ba)
        return repeat_agreement(np.stack([ab, ba])), flip(one, other), reversal(one, other)

    for found, other in zip(figures(items), figures(turned), strict=True):
        assert np.array_equal(found, other, equal_nan=True)


def test_whoever_draws_labels_at_random_flips_as_often_as_it_does_not_repeat():
    # No bias of position: the flip rate is what repeats lack, 1 - sum p^2 = .62. The rows say so.
    r = rng("flips without bias")
    ab, ba = (r.multinomial(2, [0.5, 0.2, 0.3], 40_000).astype(float) for _ in range(2))
    repeats = repeat_agreement(np.stack([ab, ba]))
    flips = flip(shares(ab), shares(ba))
    assert repeats.mean() == pytest.approx(0.38, abs=0.01)
    assert flips.mean() == pytest.approx(0.62, abs=0.01)


# a straight line over time


def test_places_share_the_mean_of_equal_times():
    times = np.array([1.0, 2.0, 2.0, 5.0])
    found = places(times, np.array([5.0, 2.0, np.nan, 1.0]))
    assert found == pytest.approx([4.0, 2.5, np.nan, 1.0], nan_ok=True)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_places_are_the_ranks_of_scipy(numbers):
    at = np.array(numbers, dtype=float)
    assert places(np.sort(at), at).tolist() == rankdata(at).tolist()


def test_the_slope_by_hand():
    # Labels 1 to 4 match 0, 0, 1, 1: sum (x - 2.5)(y - .5) = .75 + .25 + .25 + .75 = 2 over
    # sum (x - 2.5)^2 = 5: .4 a label
    terms = np.stack([np.array([0.0, 0, 1, 1]), np.ones(4)], axis=1)
    columns = regression(np.arange(1.0, 5), terms)
    assert slope(columns.sum(axis=0)) == pytest.approx(0.4)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_slope_and_its_interval_are_the_cluster_robust_ones_of_statsmodels(weighted):
    r = rng(f"slope {weighted}")
    n, groups = 400, 45
    clusters = r.integers(0, groups, n)
    weight = r.uniform(0.1, 1, n) if weighted else np.ones(n)
    x = rankdata(r.integers(0, 300, n)) / 100
    y = r.random(n) + 0.1 * x + r.normal(size=groups)[clusters]
    columns = regression(x, np.stack([y * weight, weight], axis=1))
    found = smooth_interval(slope, cluster_sums(columns, clusters))
    design = np.stack([np.ones(n), x], axis=1)
    kinds = {"groups": clusters, "use_correction": True, "df_correction": True}
    fit = WLS(y, design, weights=weight).fit(cov_type="cluster", cov_kwds=kinds, use_t=True)
    low, high = fit.conf_int()[1]
    # statsmodels' small-sample factor has (N - 1)/(N - K) more, K = 2 regressors.
    half = (high - low) / 2 / np.sqrt((n - 1) / (n - 2))
    assert found.estimate == pytest.approx(fit.params[1], abs=1e-8)
    assert found.high - found.estimate == pytest.approx(half, abs=1e-8)


def test_the_slope_does_not_depend_on_where_time_begins():
    r = rng("slope origin")
    x, terms = r.random(60), np.stack([r.random(60), np.ones(60)], axis=1)
    for shift in (0.0, 1e6):
        found = slope(regression(x + shift, terms).sum(axis=0))
        assert found == pytest.approx(np.polyfit(x, terms[:, 0], 1)[0], abs=1e-8)


# rows


def view_of(store, dataset="d", rules=None, keep=None, name="all"):
    panel = read_panel(store, dataset)
    keep = np.ones(panel.n_items, bool) if keep is None else keep(panel)
    return View(panel, rules or Rules(), name, keep)


def rows(store, function=consistency_rows, **options):
    return Rows(list(function(view_of(store, **options))))


def repeated(item, annotator, ab="", ba="", unknown=""):
    """Labels with a repeat each: repeated(0, "j", "ab") are two labels shown ab."""
    return [
        label(item, annotator, mark, shown, repeat=k)
        for shown, given in (("ab", ab), ("ba", ba), (None, unknown))
        for k, mark in enumerate(given)
    ]


def figures(row):
    return (row.estimate, row.n_items, row.n_prompts, row.n_labels)


def test_the_rows_of_a_judge_by_hand(tmp_path):
    labels = [
        *repeated(0, "j", "ab", "bb"),  # couples: 0 of 1, 1 of 1; flips: a-b b-b: 1/2
        *repeated(1, "j", "aa", "t"),  # 1 of 1; flips 1, reversals 0
        *repeated(2, "j", "tt"),  # 1 of 1; one order
        *repeated(3, "j", "", "a"),
        *repeated(4, "j", "a", "x"),  # a parse error
    ]
    store = store_of(tmp_path / "s", labels, {"j": JUDGE}, n_items=5, prompts="PPQRS")
    found = rows(store)
    repeat = found.one("repeat_agreement", "j")
    assert figures(repeat) == (pytest.approx((1 / 2 + 1 + 1) / 3), 3, 2, 8)
    assert (repeat.reference, repeat.unit) == ("asked again", "share")
    assert repeat.method == "ties=class unparsed=drop"
    assert figures(found.one("flip_rate", "j")) == (pytest.approx(3 / 4), 2, 1, 7)
    assert figures(found.one("reversal_rate", "j")) == (pytest.approx(1 / 4), 2, 1, 7)
    as_tie = rows(store, rules=Rules(unparsed=UnparsedRule.TIE))
    assert figures(as_tie.one("flip_rate", "j")) == (pytest.approx((1 / 2 + 1 + 1) / 3), 3, 2, 9)
    assert as_tie.one("flip_rate", "j").method == "ties=class unparsed=tie"
    assert found.one("test_retest", "one human").note == NO_HUMANS


def test_labels_whose_order_is_not_known_are_no_repeats(tmp_path):
    labels = [*repeated(0, "j", unknown="aa"), *repeated(1, "j", unknown="ab")]
    [row] = rows(store_of(tmp_path / "s", labels, {"j": JUDGE}, n_items=2)).all("repeat_agreement")
    assert figures(row) == (None, 0, 0, 0)
    assert row.note == f"{NO_REPEATS}; left out: 4 labels whose order is not known"


def test_what_was_never_asked_again_is_undefined_and_says_what_to_collect(tmp_path):
    labels = [label(i, name, "a", "ab") for i in range(30) for name in ("j", "h")]
    found = rows(store_of(tmp_path / "s", labels, {"j": JUDGE, "h": HUMAN}, n_items=30))
    assert found.one("repeat_agreement", "j").note == NO_REPEATS
    assert "concord label --repeats 2" in NO_REPEATS
    assert found.one("flip_rate", "j").note == ONE_ORDER
    assert found.one("reversal_rate", "j").note == ONE_ORDER
    assert found.one("test_retest", "one human").note == NO_SECOND
    assert "ask the same human again" in NO_SECOND
    assert len(found.rows) == 4


def test_in_a_slice_nothing_is_said_of_what_is_absent(tmp_path):
    labels = [label(i, name, "a", "ab") for i in range(3) for name in ("j", "h")]
    store = store_of(tmp_path / "s", labels, {"j": JUDGE, "h": HUMAN}, n_items=3)
    sliced = {"keep": lambda panel: panel.prompt == 0, "name": "category=x"}
    assert list(consistency_rows(view_of(store, **sliced))) == []
    assert list(dawid_skene_rows(view_of(store, **sliced))) == []


def test_test_retest_by_hand(tmp_path):
    labels = [
        *repeated(0, "h1", "aab"),  # 1 of 3 couples, in the same order
        *repeated(1, "h1", "t", "t"),  # 1 of 1, swapped
        *repeated(2, "h1", "a"),
        *repeated(0, "h2", "b", unknown="ab"),  # 1 of 3, each with an order not known
        *repeated(1, "h3", "a"),
        *repeated(3, "h3", "a"),
        *repeated(3, "h1", "ax"),  # no second usable label
    ]
    kinds = dict.fromkeys(("h1", "h2", "h3"), HUMAN)
    store = store_of(tmp_path / "s", labels, kinds, n_items=4)
    found = rows(store)
    h1, h2, all_of_them = (found.one("test_retest", name) for name in ("h1", "h2", "one human"))
    assert figures(h1) == (pytest.approx((1 / 3 + 1) / 2), 2, 2, 5)
    assert "couples of labels: 3 in the same order, 1 in swapped orders;" in h1.note
    assert figures(h2) == (pytest.approx(1 / 3), 1, 1, 3)
    assert "couples of labels: 3 in an order not known;" in h2.note
    assert figures(all_of_them) == (pytest.approx((1 / 3 + 1 + 1 / 3) / 3), 2, 2, 8)
    assert all_of_them.note.startswith("of 2 of 3 identified humans; couples of labels: 3 in the")
    assert not found.all("test_retest", subject="h3")


def test_in_a_slice_test_retest_is_of_its_comparisons(tmp_path):
    labels = [
        cell for i, given in enumerate(("ab", "aa", "bb")) for cell in repeated(i, "h", given)
    ]
    store = store_of(tmp_path / "s", labels, {"h": HUMAN}, n_items=3, categories=["y", "x", "y"])
    found = {}
    for category in "xy":
        keep = {"keep": lambda panel, c=category: panel.category == c, "name": "category=x"}
        found[category] = rows(store, **keep).one("test_retest", "h", slice="category=x")
    assert figures(found["x"]) == (1, 1, 1, 2)
    assert figures(found["y"]) == (1 / 2, 2, 2, 4)


def test_anonymous_humans_have_no_test_retest(tmp_path):
    labels = [*repeated(0, "h1", "aa"), *repeated(0, "h2", "ab")]
    kinds = {"h1": HUMAN, "h2": HUMAN}
    hidden = store_of(tmp_path / "s", labels, kinds, n_items=1, anonymous=("h1", "h2"))
    assert rows(hidden).one("test_retest", "one human").note == ANONYMOUS
    half = store_of(tmp_path / "t", labels, kinds, n_items=1, anonymous=("h2",))
    assert rows(half).one("test_retest", "one human").estimate == 1
    assert len(rows(half).rows) == 2


def random_store(path, turned=()):
    """A judge and two humans with repeats, orders and gaps; responses exchanged on `turned`."""
    r = rng("a store of repeats")
    labels = []
    for i in range(120):
        for name in ("j", "h1", "h2"):
            for shown in ORDERS:
                for k in range(int(r.integers(0, 4))):
                    mark = str(r.choice(list("aaabtx")))
                    if i in turned:
                        mark, shown_now = mark.translate(TURNED), shown.translate(TURNED)
                    else:
                        shown_now = shown
                    labels.append(label(i, name, mark, shown_now, repeat=k))
    prompts = r.integers(0, 60, 120).tolist()
    kinds = {"j": JUDGE, "h1": HUMAN, "h2": HUMAN}
    return store_of(path, labels, kinds, n_items=120, prompts=prompts), labels


def test_rows_are_those_of_a_loop_over_labels(tmp_path):
    store, labels = random_store(tmp_path / "s")
    given = defaultdict(list)
    for cell in labels:
        if cell["status"] == "ok":
            key = cell["annotator"], cell["item"]
            given[key].append((cell["shown"], cell["preference"]))
    found = rows(store)

    def average(name, judged):
        values = [judged(cells) for (annotator, _), cells in given.items() if annotator in name]
        return mean(v for v in values if v is not None)

    def share_of(couples, holds):
        couples = list(couples)
        return mean(holds(x, y) for (_, x), (_, y) in couples) if couples else None

    def within(cells):
        return (c for c in combinations(cells, 2) if c[0][0] == c[1][0])

    def across(cells):
        return (c for c in combinations(cells, 2) if c[0][0] != c[1][0])

    expected = {
        ("repeat_agreement", "j"): average("j", lambda c: share_of(within(c), str.__eq__)),
        ("flip_rate", "j"): average("j", lambda c: share_of(across(c), str.__ne__)),
        ("reversal_rate", "j"): average(
            "j", lambda c: share_of(across(c), lambda x, y: {x, y} == {"a", "b"})
        ),
        ("test_retest", "one human"): average(
            ("h1", "h2"), lambda c: share_of(combinations(c, 2), str.__eq__)
        ),
        ("test_retest", "h2"): average(("h2",), lambda c: share_of(combinations(c, 2), str.__eq__)),
    }
    for (statistic, subject), value in expected.items():
        assert found.one(statistic, subject).estimate == pytest.approx(value, abs=1e-12)
        assert found.one(statistic, subject).low is not None


def test_exchanging_responses_changes_no_row(tmp_path):
    store, _ = random_store(tmp_path / "s")
    other, _ = random_store(tmp_path / "t", turned=range(0, 120, 3))
    assert rows(store).rows == rows(other).rows


# Dawid-Skene


def three_humans(path, people, judge, names=("h1", "h2", "h3"), **options):
    labels = [
        label(i, name, mark)
        for i, given in enumerate(people)
        for name, mark in zip(names, given, strict=False)
        if mark != " "
    ]
    labels += [label(i, "j", mark, "ab") for i, mark in enumerate(judge) if mark != " "]
    kinds = {**dict.fromkeys(names, HUMAN), "j": JUDGE}
    return store_of(path, labels, kinds, n_items=len(people), **options)


def test_a_judge_against_the_dawid_skene_class_by_hand(tmp_path):
    # h1 and h2 agree throughout; h3 is alone on every fourth item. The class is theirs.
    people = ["aaa", "bbb", "aaa", "aab"] * 10
    store = three_humans(tmp_path / "s", people, "abba" * 10)
    found = rows(store, dawid_skene_rows).one("dawid_skene_agreement", "j")
    assert figures(found) == (pytest.approx(3 / 4), 40, 40, 40)  # the third of four is wrong
    assert found.reference == "Dawid-Skene class"
    assert found.method == "annotators=humans symmetrised ties=class unparsed=drop"
    assert WARNING in found.note
    assert "class from 3 humans, taken as known" in found.note


def test_no_judge_has_a_say_in_the_class(tmp_path):
    r = rng("no say")
    people = ["".join(r.choice(list("aabt"), 3)) for _ in range(40)]
    values = []
    for k, judge in enumerate(("a" * 40, "b" * 40, "t" * 40)):
        store = three_humans(tmp_path / str(k), people, judge)
        values.append(rows(store, dawid_skene_rows).one("dawid_skene_agreement", "j").estimate)
    assert sum(values) == pytest.approx(1)  # the shares of the same three classes
    assert min(values) > 0


def test_in_a_slice_the_class_is_that_of_the_whole_data_set(tmp_path):
    # Of the last comparison alone, a to h1 and b to h2, nothing could be told. Elsewhere h1 is with
    # h3 where h2 is not: it is a.
    people = ["aaa", "bbb", "aba", "bab", "aaa", "bbb"] * 5 + ["ab "]
    store = three_humans(tmp_path / "s", people, "a" * 31)

    def last(panel):
        [third] = [k for k, who in enumerate(panel.annotators) if who.name == "h3"]
        return panel.ballots(third).rows == 0

    [row] = dawid_skene_rows(view_of(store, keep=last, name="category=x"))
    assert (row.estimate, row.n_items) == (1.0, 1)


@pytest.mark.parametrize(
    ("people", "judge", "options", "why"),
    [
        (["aaa"] * 3, "aaa", {"anonymous": ("h1", "h2", "h3")}, ANONYMOUS),
        (["aaa"] * 3, "aaa", {"anonymous": ("h3",)}, FEW_HUMANS),
        (["aa "] * 3, "aaa", {}, FEW_HUMANS),
        (["a  ", " b ", "  t"], "aaa", {}, NO_OVERLAP),
        (["aaa", "bbb", "   "], "  a", {}, NONE_IN_COMMON),
        (["   "] * 3, "aaa", {}, NO_HUMANS),
    ],
)
def test_where_there_is_no_class_the_row_says_why(tmp_path, people, judge, options, why):
    store = three_humans(tmp_path / "s", people, judge, **options)
    found = rows(store, dawid_skene_rows).one("dawid_skene_agreement", "j")
    assert figures(found) == (None, 0, 0, 0)
    assert found.note == why


def test_anonymous_annotators_beside_enough_others_are_left_out(tmp_path):
    people = ["aaab", "bbba"] * 10
    names = ("h1", "h2", "h3", "h4")
    store = three_humans(tmp_path / "s", people, "ab" * 10, names, anonymous=("h4",))
    found = rows(store, dawid_skene_rows).one("dawid_skene_agreement", "j")
    assert found.estimate == 1
    assert found.note.startswith("left out: 1 anonymous annotators; class from 3 humans")


def test_a_gold_label_is_neither_judged_nor_one_of_the_humans(tmp_path):
    labels = [label(i, name, "a", repeat=k) for i in range(3) for name in "gh" for k in (0, 1)]
    store = store_of(tmp_path / "s", labels, {"g": AGGREGATE, "h": HUMAN}, n_items=3)
    assert {row.subject for row in rows(store).rows} == {"h", "one human"}
    assert rows(store, dawid_skene_rows).rows == []


# real data


@pytest.mark.real_data
def test_the_prd_judges_flip_as_their_labels_do(real_data, tmp_path):
    # Two labels, one in each order, on 800 comparisons: what does not agree is a flip, and these
    # are reversals or ties in one order.
    store = Store(tmp_path / "s", create=True)
    ingest(store, "prd", real_data / "prd-vicuna80")
    with store.reading() as con:
        couples = con.execute(
            "SELECT name, one.preference, other.preference FROM labels one JOIN labels other "
            "USING (comparison_id, annotator_id) JOIN annotators USING (annotator_id) "
            "WHERE kind = 'judge' AND one.shown = 'ab' AND other.shown = 'ba'"
        ).fetchall()
    found = rows(store, dataset="prd-vicuna80")
    judges = {name for name, _, _ in couples}
    assert len(judges) == 5
    for judge in judges:
        mine = [{x, y} for name, x, y in couples if name == judge]
        assert len(mine) == 800
        flips, reversals = found.one("flip_rate", judge), found.one("reversal_rate", judge)
        assert flips.estimate == pytest.approx(mean(len(c) == 2 for c in mine))
        assert reversals.estimate == pytest.approx(mean(c == {"a", "b"} for c in mine))
        assert (flips.n_labels, flips.n_prompts) == (1600, 80)
    assert found.one("test_retest", "one human").note == ANONYMOUS
    fitted = rows(store, dawid_skene_rows, dataset="prd-vicuna80")
    assert {row.note for row in fitted.rows} == {ANONYMOUS}


@pytest.mark.real_data
def test_the_dawid_skene_class_of_pandalm_is_nearly_its_majority(real_data, tmp_path):
    # 88% of the comparisons are unanimous; the rest have two labels against one.
    store = Store(tmp_path / "s", create=True)
    ingest(store, "pandalm", real_data / "pandalm")
    found = rows(store, dawid_skene_rows, dataset="pandalm")
    published = 0.6677  # pandalm-7b against the majority
    seven = found.one("dawid_skene_agreement", "pandalm-7b")
    assert seven.estimate == pytest.approx(published, abs=0.005)
    assert (seven.n_items, seven.n_prompts) == (999, 170)
