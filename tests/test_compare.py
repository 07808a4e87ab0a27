"""From a store to Estimate rows: by hand, at the edges, and against loops over dictionaries."""

from collections import Counter, defaultdict
from statistics import mean

import numpy as np
import pytest
from scipy.stats import t
from sklearn.metrics import cohen_kappa_score
from statsmodels.regression.linear_model import OLS

from data.errors import InputError
from data.names import RESERVED
from data.store import Store
from pipelines.compare import compare
from pipelines.estimates import COLUMNS, as_row
from pipelines.ingest import ingest
from pipelines.panel import read_panel
from pipelines.sections.view import CEILING, MAJORITY, ONE_HUMAN, MajorityRule, Rules, UnparsedRule
from pipelines.titles import section_title
from tests.estimating import AGGREGATE, BASELINE, HUMAN, JUDGE, both, compared, label, store_of

DROP, TIE, WRONG = (Rules(unparsed=rule) for rule in UnparsedRule)
SIGN = Rules(majority=MajorityRule.SIGN)
H3 = {"h1": HUMAN, "h2": HUMAN, "h3": HUMAN}


def humans(item, marks, **rest):
    return [
        label(item, f"h{k}", mark, **rest) for k, mark in enumerate(marks, start=1) if mark != " "
    ]


def panel_of(path, judge, votes, kinds=None, **options):
    """A store of humans h1, h2, ... and a judge j with one label per comparison."""
    labels = [cell for i, marks in enumerate(votes) for cell in humans(i, marks)]
    labels += [label(i, "j", mark) for i, mark in enumerate(judge) if mark != " "]
    m = max(map(len, votes))
    kinds = kinds or {**{f"h{k + 1}": HUMAN for k in range(m)}, "j": JUDGE}
    return store_of(path, labels, kinds, n_items=len(votes), **options)


# by hand: two orders, ties, parse errors, missing labels, comparisons that share a prompt


@pytest.fixture
def four(tmp_path):
    """Comparisons 0 and 1 share a prompt. Humans aab, tt, a, abt; the judge in both orders."""
    labels = [
        *humans(0, "aab"),
        *humans(1, "tt "),
        *humans(2, "a  "),
        *humans(3, "abt"),
        *both(0, "j", "a", "b"),
        *both(1, "j", "t", "x"),
        *both(2, "j", "a", "a"),
        *both(3, "j", "x", "x"),
    ]
    return store_of(tmp_path / "s", labels, {**H3, "j": JUDGE}, n_items=4, prompts="PPQR")


def figures(row):
    return (pytest.approx(row.estimate), row.n_items, row.n_prompts, row.n_labels)


@pytest.mark.parametrize(
    ("rules", "judge", "ceiling"),
    [
        # drop: comparison 0 (2/3 + 1/3)/2 = 1/2, 1 gives 1; 2 has one human, 3 no label
        (DROP, (0.75, 2, 1, 3), (2 / 3, 2, 1, 5)),  # ceiling (1/3 + 1)/2
        # tie: 0 gives 1/2, 1 gives 1, 3 gives 1/3
        (TIE, (11 / 18, 3, 2, 6), (4 / 9, 3, 2, 8)),  # ceiling (1/3 + 1 + 0)/3
        # wrong: 0 gives 1/2, 1 gives (1 + 0)/2, 3 gives 0
        (WRONG, (1 / 3, 3, 2, 6), (4 / 9, 3, 2, 8)),
    ],
)
def test_single_human_agreement_by_hand(four, rules, judge, ceiling):
    rows = compared(four, rules)
    mine, theirs = rows.one("single_human_agreement", "j"), rows.ceiling("j")
    assert figures(mine) == judge
    assert figures(theirs) == ceiling
    gap = rows.one("gap", "j")
    assert gap.estimate == pytest.approx(judge[0] - ceiling[0])
    assert (gap.reference, gap.unit, gap.n_items) == (CEILING, "share difference", judge[1])
    assert mine.method == gap.method == f"ties=class unparsed={rules.unparsed}"


def test_what_was_left_out_is_counted(four):
    few = "too few prompts for an interval"
    drop = compared(four).one("single_human_agreement", "j")
    assert drop.note == (
        f"left out: 1 with fewer than two humans, 1 without a usable label; {few} (1 of 20)"
    )
    tie = compared(four, TIE).one("single_human_agreement", "j")
    assert tie.note == f"left out: 1 with fewer than two humans; {few} (2 of 20)"
    majority = compared(four).one("majority_agreement", "j")
    assert majority.note == f"left out: 1 without a usable label or reference; {few} (2 of 20)"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        # majorities a, tie, a and tie (abt is split)
        (DROP, (2.5 / 3, 3, 2, 5)),  # 1/2, 1, 1
        (TIE, (3.5 / 4, 4, 3, 8)),  # 1/2, 1, 1, 1
        (WRONG, (0.5, 4, 3, 8)),  # 1/2, 1/2, 1, 0
        (SIGN, (2.5 / 3, 3, 2, 5)),
    ],
)
def test_majority_agreement_by_hand(four, rules, expected):
    row = compared(four, rules).one("majority_agreement", "j")
    assert figures(row) == expected
    assert row.reference == MAJORITY
    assert row.method == f"majority={rules.majority} ties=class unparsed={rules.unparsed}"


@pytest.mark.parametrize(
    ("rules", "kept", "first"),
    [
        # both orders parsed: 0 turns, 2 stays; first shown: 2 of 2, 0 of 1, 1 of 2
        (DROP, (0.5, 2, 2, 4), (3 / 5, 3, 2, 5)),
        (WRONG, (0.5, 2, 2, 4), (3 / 5, 3, 2, 5)),
        (TIE, (0.75, 4, 3, 8), (3 / 8, 4, 3, 8)),  # an unparsed reply is a tie, and stays one
    ],
)
def test_position_by_hand(four, rules, kept, first):
    rows = compared(four, rules)
    unparsed = "tie" if rules is TIE else "drop"
    row = rows.one("position_consistency", "j")
    assert figures(row) == kept
    assert row.method == f"ties=class unparsed={unparsed}"
    row = rows.one("first_shown_share", "j")
    assert figures(row) == first
    assert row.method == f"ties=counted unparsed={unparsed}"


@pytest.mark.parametrize("rules", [DROP, TIE, WRONG])
def test_coverage_is_what_was_usable_under_every_rule(four, rules):
    row = compared(four, rules).one("coverage", "j")
    assert figures(row) == (2.5 / 4, 4, 3, 8)  # 2/2, 1/2, 2/2, 0/2
    assert figures(compared(four, rules).one("coverage", "h3")) == (1.0, 2, 2, 2)


@pytest.mark.parametrize(("rules", "n"), [(DROP, 8), (WRONG, 8), (TIE, 12)])
def test_kappa_counts_the_labels_it_rests_on(four, rules, n):
    # The judge has 2, 1 and 2 parsed labels on 0, 1 and 2, where h1 has 3; as ties, 8 beside 4.
    [row] = compared(four, rules).all("cohen_kappa", subject="j", reference="h1")
    assert row.n_items == (4 if rules is TIE else 3)
    assert row.n_labels == n


def test_an_unparsed_rule_is_for_the_judged_not_for_the_references(tmp_path):
    labels = [*humans(0, "ax"), *humans(1, "tt"), label(0, "gold", "x"), label(1, "gold", "t")]
    labels += [*both(0, "j", "t", "t"), *both(1, "j", "t", "t")]
    kinds = {"h1": HUMAN, "h2": HUMAN, "gold": AGGREGATE, "j": JUDGE}
    store = store_of(tmp_path / "s", labels, kinds, n_items=2)
    for rules in (DROP, TIE, WRONG):
        rows = compared(store, rules)
        assert rows.one("majority_agreement", "j", reference="gold").n_items == 1
        assert rows.one("single_human_agreement", "j").n_items == 1  # h2 gave no label on 0
        [kappa] = rows.all("cohen_kappa", subject="h2", reference="h1")
        assert (kappa.n_items, kappa.n_labels) == (1, 2)


# who counts as a human, and how often


def test_a_humans_repeats_are_no_further_humans_and_the_first_usable_one_counts(tmp_path):
    labels = [
        label(0, "h1", "x", repeat=0),
        label(0, "h1", "a", repeat=1),
        label(0, "h1", "b", repeat=2),
        label(0, "h2", "a"),
        label(0, "j", "a"),
    ]
    kinds = {"h1": HUMAN, "h2": HUMAN, "j": JUDGE}
    rows = compared(store_of(tmp_path / "s", labels, kinds, n_items=1))
    assert figures(rows.ceiling("j")) == (1.0, 1, 1, 2)
    assert figures(rows.one("coverage", "h1")) == (1.0, 1, 1, 1)


def test_a_judges_repeats_average(tmp_path):
    labels = [*humans(0, "aab"), *(label(0, "j", mark, repeat=k) for k, mark in enumerate("aba"))]
    rows = compared(store_of(tmp_path / "s", labels, {**H3, "j": JUDGE}, n_items=1))
    # (2/3 + 1/3 + 2/3)/3
    assert figures(rows.one("single_human_agreement", "j")) == (5 / 9, 1, 1, 3)
    assert figures(rows.one("majority_agreement", "j")) == (2 / 3, 1, 1, 3)


def test_of_a_human_who_saw_both_orders_neither_order_is_favoured(tmp_path):
    labels = [cell for i in range(40) for cell in both(i, "h1", "a", "b")]
    rows = compared(store_of(tmp_path / "s", labels, {"h1": HUMAN}, n_items=40))
    row = rows.one("first_shown_share", ONE_HUMAN)
    assert figures(row) == (1.0, 40, 40, 40)  # always the first, in whichever order was taken
    panel = read_panel(Store(tmp_path / "s"), "d")
    by_order = panel.ballots(0).counts.sum(axis=(1, 2))
    assert by_order.tolist() == [20, 20, 0]


def test_anonymous_humans_stand_as_one(tmp_path):
    votes = ["aab", "abb", "tt ", "b  "] * 10
    store = panel_of(tmp_path / "s", "abta" * 10, votes, anonymous=("h1", "h2", "h3"))
    rows = compared(store)
    assert {row.subject for row in rows.all("coverage")} == {"j"}
    assert {(row.subject, row.reference) for row in rows.all("cohen_kappa")} == {
        (ONE_HUMAN, ONE_HUMAN),
        ("j", ONE_HUMAN),
    }
    # 1/3, 1/3 and 1 over three of four comparisons; fourth: one label
    assert figures(rows.ceiling("j")) == (5 / 9, 30, 30, 80)
    among = rows.one("cohen_kappa", ONE_HUMAN)
    # per item aa 1/3, ab and ba 1/3; bb 1/3, ab and ba 1/3; tt 1: po 5/9; a 1/3, t 1/3, b 1/3
    assert among.estimate == pytest.approx((5 / 9 - 1 / 3) / (2 / 3))
    assert (among.n_items, among.n_labels) == (30, 80)


def test_identified_humans_have_kappas_of_their_own(tmp_path):
    votes = ["aab", "abb", "tta", "bbb", "atb"] * 5
    judge = "abtab" * 5
    rows = compared(panel_of(tmp_path / "s", judge, votes))
    columns = {f"h{k + 1}": [marks[k] for marks in votes] for k in range(3)} | {"j": list(judge)}
    found = {(r.subject, r.reference): r.estimate for r in rows.all("cohen_kappa")}
    assert len(found) == 6
    for (subject, reference), estimate in found.items():
        expected = cohen_kappa_score(columns[subject], columns[reference])
        assert estimate == pytest.approx(expected, abs=1e-12)


def test_an_aggregate_is_a_reference_and_never_a_human(tmp_path):
    labels = [cell for i in range(30) for cell in humans(i, "ab")]
    labels += [label(i, "gold", "a") for i in range(30)]
    labels += [label(i, "j", "a" if i < 24 else "t", cost_usd=0.002) for i in range(30)]
    kinds = {"h1": HUMAN, "h2": HUMAN, "gold": AGGREGATE, "j": JUDGE}
    rows = compared(store_of(tmp_path / "s", labels, kinds, n_items=30))
    assert figures(rows.ceiling("j")) == (0.0, 30, 30, 60)
    assert rows.one("majority_agreement", "j", reference="gold").estimate == pytest.approx(0.8)
    # humans ab: the mode is split, so a tie
    assert rows.one("majority_agreement", "j", reference=MAJORITY).estimate == pytest.approx(0.2)
    subjects = {row.subject for row in rows.rows if row.statistic != "coverage"}
    assert "gold" not in subjects - {r.reference for r in rows.all("cohen_kappa")}
    assert not rows.all("cost_usd_per_1000", subject="gold")


def test_a_gold_label_given_twice_with_two_answers_is_a_tie(tmp_path):
    labels = [label(0, "gold", "a"), label(0, "gold", "b", repeat=1), label(0, "j", "t")]
    rows = compared(store_of(tmp_path / "s", labels, {"gold": AGGREGATE, "j": JUDGE}, n_items=1))
    assert rows.one("majority_agreement", "j").estimate == 1.0


def test_a_baseline_is_judged_like_a_judge(tmp_path):
    votes = ["aab"] * 30
    labels = [cell for i, marks in enumerate(votes) for cell in humans(i, marks)]
    labels += [label(i, "longer", "a", "ab") for i in range(30)]
    rows = compared(store_of(tmp_path / "s", labels, {**H3, "longer": BASELINE}, n_items=30))
    assert rows.one("gap", "longer").estimate == pytest.approx(1 / 3)


# slices


def test_categories_are_slices_and_small_ones_have_no_interval(tmp_path):
    votes = ["aab"] * 25 + ["aaa"] * 5
    categories = ["big"] * 25 + ["small"] * 4 + [None]
    store = panel_of(tmp_path / "s", "a" * 30, votes, categories=categories)
    rows = compared(store)
    assert {row.slice for row in rows.rows} == {"all", "category=big", "category=small"}
    big = rows.one("coverage", "j", slice="category=big")
    assert (big.n_items, big.n_prompts, big.low is not None) == (25, 25, True)
    small = rows.one("single_human_agreement", "j", slice="category=small")
    assert (small.estimate, small.low, small.n_items) == (1.0, None, 4)
    assert small.note == "too few prompts for an interval (4 of 20)"
    assert rows.one("coverage", "j").n_items == 30  # with the one that has no category
    assert not rows.all("agreement_difference", slice="category=big")


def test_one_category_is_no_slice(tmp_path):
    store = panel_of(tmp_path / "s", "aa", ["aa", "ab"], categories=["x", "x"])
    assert {row.slice for row in compared(store).rows} == {"all"}


def test_who_has_nothing_in_a_slice_has_no_row_there(tmp_path):
    store = panel_of(tmp_path / "s", "a ", ["aa", "ab"], categories=["x", "y"])
    rows = compared(store)
    assert not [row for row in rows.rows if row.subject == "j" and row.slice == "category=y"]


# edges: null with its reason


def test_labels_without_texts_say_that_lengths_are_not_known(tmp_path):
    store = panel_of(tmp_path / "s", "ab" * 15, ["ab", "bb"] * 15, texts=False)
    rows = compared(store)
    for subject in (ONE_HUMAN, "j"):
        row = rows.one("longer_chosen_share", subject)
        assert (row.estimate, row.note) == (None, "the texts of the responses are not known")
    assert rows.one("gap", "j").estimate is not None


def test_responses_of_equal_length_say_so(tmp_path):
    store = panel_of(tmp_path / "s", "aa", ["ab", "bb"], responses=[("xy", "zw")] * 2)
    note = compared(store).one("longer_chosen_share", "j").note
    assert note == "no decided label on responses that differ in it"


def test_longer_by_hand(tmp_path):
    responses = [("long one", "short"), ("x", "longer"), ("same", "same"), ("longer", "x")]
    store = panel_of(tmp_path / "s", "abat", ["ab", "tb", "aa", "ba"], responses=responses)
    rows = compared(store)
    assert figures(rows.one("longer_chosen_share", "j")) == (1.0, 2, 2, 2)  # the tie is no choice
    # humans: a of ab; b of tb; a of ba: 3 of the 5 decided labels
    assert figures(rows.one("longer_chosen_share", ONE_HUMAN)) == (3 / 5, 3, 3, 5)


def test_without_humans(tmp_path):
    labels = [cell for i in range(25) for cell in both(i, "j", "a", "b")]
    labels += [label(i, "k", "ab"[i % 2]) for i in range(25)]
    rows = compared(store_of(tmp_path / "s", labels, {"j": JUDGE, "k": JUDGE}, n_items=25))
    [row] = rows.all("single_human_agreement")
    assert (row.estimate, row.note) == (None, "the data set has no human labels")
    assert not rows.all("gap")
    assert not rows.all("majority_agreement")
    assert ONE_HUMAN not in {row.subject for row in rows.rows}
    assert rows.one("position_consistency", "j").estimate == 0.0


def test_with_one_human_there_is_a_majority_and_no_ceiling(tmp_path):
    rows = compared(panel_of(tmp_path / "s", "a" * 30, ["a", "b", "t"] * 10))
    row = rows.one("single_human_agreement", "j")
    assert (row.estimate, row.n_items) == (None, 0)
    assert row.note == "no comparison has labels of two humans and a usable label of this one"
    assert rows.one("majority_agreement", "j").estimate == pytest.approx(1 / 3)
    assert not rows.all("gap")


def test_the_kappa_of_a_constant_judge_says_that_it_is_constant(tmp_path):
    rows = compared(panel_of(tmp_path / "s", "a" * 30, ["ab", "bb", "ta"] * 10))
    for kappa in rows.all("cohen_kappa", subject="j"):
        assert (kappa.estimate, kappa.low) == (pytest.approx(0), None)
        assert kappa.note.startswith("no interval, as j always gives the same label")
    [humans] = [row for row in rows.all("cohen_kappa") if row.subject != "j"]
    assert humans.low is not None


def test_all_ties(tmp_path):
    rows = compared(panel_of(tmp_path / "s", "t" * 30, ["ttt"] * 30))
    row = rows.one("single_human_agreement", "j")
    assert (row.estimate, row.high) == (1.0, 1.0)
    assert row.low == pytest.approx(1 - t.ppf(0.975, 29) ** 2 / (30 + t.ppf(0.975, 29) ** 2))
    assert (rows.one("gap", "j").estimate, rows.one("gap", "j").low) == (0.0, None)
    assert rows.one("gap", "j").note == "no interval, as all prompts give the same value"
    for kappa in rows.all("cohen_kappa"):
        assert kappa.estimate is None
        assert kappa.note.startswith("undefined: chance agreement is 1")
    assert rows.one("longer_chosen_share", "j").estimate is None


def test_a_constant_judge(tmp_path):
    rows = compared(panel_of(tmp_path / "s", "a" * 40, ["aab", "abb", "bbb", "aaa"] * 10))
    assert rows.one("single_human_agreement", "j").estimate == pytest.approx(0.5)
    assert rows.one("cohen_kappa", "j", reference="h1").estimate == pytest.approx(0.0)


def test_no_overlap_between_judge_and_humans(tmp_path):
    store = panel_of(tmp_path / "s", " " * 30 + "a" * 30, ["ab"] * 30 + ["  "] * 30)
    rows = compared(store)
    assert rows.one("single_human_agreement", "j").n_items == 0
    majority = rows.one("majority_agreement", "j")
    assert (majority.estimate, majority.n_items, majority.n_labels) == (None, 0, 0)
    assert majority.note == (
        "left out: 30 without a usable label or reference; undefined: there is no such label"
    )
    kappa = rows.one("cohen_kappa", "j", reference="h1")
    assert kappa.note == "undefined: no comparison labelled by both"


def test_comparisons_without_any_label(tmp_path):
    store = store_of(tmp_path / "s", [], {}, n_items=5)
    for criterion in (None, "overall"):
        rows = compared(store, criterion=criterion)
        assert [(row.statistic, row.estimate) for row in rows.rows] == [
            ("single_human_agreement", None)
        ]


@pytest.mark.parametrize("mark", ["f", "s", "x", "r"])
@pytest.mark.parametrize("rules", [DROP, WRONG])
def test_an_annotator_with_nothing_usable(tmp_path, mark, rules):
    labels = [cell for i in range(30) for cell in humans(i, "ab")]
    labels += [cell for i in range(30) for cell in both(i, "j", mark, mark)]
    kinds = {"h1": HUMAN, "h2": HUMAN, "j": JUDGE}
    rows = compared(store_of(tmp_path / "s", labels, kinds, n_items=30), rules)
    coverage = rows.one("coverage", "j")
    assert figures(coverage) == (0.0, 30, 30, 60)
    assert 0 < coverage.high < 0.2  # Wilson's, of 30 prompts
    row = rows.one("single_human_agreement", "j")
    if rules is WRONG and mark in "xr":  # replies without a verdict; the others are no replies
        assert figures(row) == (0.0, 30, 30, 60)
    else:
        assert (row.estimate, row.n_items) == (None, 0)
    assert rows.one("first_shown_share", "j").estimate is None
    assert rows.one("position_consistency", "j").estimate is None


def test_a_human_with_nothing_usable_is_no_human_of_a_comparison(tmp_path):
    labels = [cell for i in range(30) for cell in humans(i, "af")]
    labels += [label(i, "j", "a") for i in range(30)]
    kinds = {"h1": HUMAN, "h2": HUMAN, "j": JUDGE}
    rows = compared(store_of(tmp_path / "s", labels, kinds, n_items=30))
    assert rows.one("single_human_agreement", "j").estimate is None
    assert rows.one("majority_agreement", "j").estimate == 1.0
    assert rows.one("coverage", "h2").estimate == 0.0


def test_one_fixed_order_is_said_and_unknown_orders_are_counted(tmp_path):
    labels = [label(i, "j", "a", "ab") for i in range(20)]
    labels += [label(i, "k", "a", "ab" if i < 10 else None) for i in range(20)]
    labels += [label(i, "l", "a", ("ab", "ba")[i % 2]) for i in range(20)]
    kinds = dict.fromkeys("jkl", JUDGE)
    rows = compared(store_of(tmp_path / "s", labels, kinds, n_items=20))
    assert rows.one("first_shown_share", "j").note.startswith("one fixed order")
    partly = rows.one("first_shown_share", "k")
    assert partly.n_items == 10
    assert "left out: 10 labels whose order is not known" in partly.note
    assert figures(rows.one("first_shown_share", "l")) == (0.5, 20, 20, 20)
    assert rows.one("first_shown_share", "l").note == "few prompts: read with caution"


def test_people_shown_one_order_each_are_pooled_by_label(tmp_path):
    # h1 sees ab, h2 sees ba. Comparison 0: both choose the first; 1: only h1 labels, the second.
    labels = [label(0, "h1", "a", "ab"), label(0, "h2", "b", "ba"), label(1, "h1", "b", "ab")]
    rows = compared(store_of(tmp_path / "s", labels, {"h1": HUMAN, "h2": HUMAN}, n_items=2))
    assert figures(rows.one("first_shown_share", ONE_HUMAN)) == (2 / 3, 2, 2, 3)
    assert not rows.all("position_consistency")  # two people differ for other reasons


# cost and time


def test_cost_and_time_by_hand(tmp_path):
    labels = [label(0, "j", "a", cost_usd=0.002, seconds=1.5), label(1, "j", "a", cost_usd=0.004)]
    labels += [label(2, "j", "x", cost_usd=0.003), label(3, "j", "a")]
    labels += [label(i, "h1", "a", cost_usd=0.5 + 0.1 * i, seconds=60) for i in range(2)]
    labels += [label(0, "h2", "b", cost_usd=0.9)]
    kinds = {"h1": HUMAN, "h2": HUMAN, "j": JUDGE}
    rows = compared(store_of(tmp_path / "s", labels, kinds, n_items=4))
    cost = rows.one("cost_usd_per_1000", "j")
    assert figures(cost) == (3.0, 3, 3, 3)  # (2 + 4 + 3)/3; the unparsed one was paid for
    assert cost.note.startswith("not known for 1 of 4 labels")
    assert figures(rows.one("seconds_per_1000", "j")) == (1500.0, 1, 1, 1)
    assert figures(rows.one("cost_usd_per_1000", ONE_HUMAN)) == (2000 / 3, 2, 2, 3)
    assert figures(rows.one("cost_usd_per_1000", "h1")) == (550.0, 2, 2, 2)
    assert rows.one("cost_usd_per_1000", ONE_HUMAN).reference == "human labels"
    unknown = rows.one("seconds_per_1000", "h2")
    assert (unknown.estimate, unknown.note) == (None, "the time of these labels is not known")


def test_whom_nobody_beats_in_price_and_agreement(tmp_path):
    """good costs more and agrees always, cheap less on half, bad costs most and never agrees."""
    labels = [label(i, name, "a") for i in range(40) for name in ("h1", "h2")]
    for i in range(40):
        labels += [label(i, "good", "a", cost_usd=0.02), label(i, "bad", "b", cost_usd=0.03)]
        labels += [label(i, "cheap", "ab"[i % 2], cost_usd=0.01), label(i, "free", "a")]
    kinds = dict.fromkeys(("good", "bad", "cheap", "free"), JUDGE) | {"h1": HUMAN, "h2": HUMAN}
    rows = compared(store_of(tmp_path / "s", labels, kinds, n_items=40))
    found = {row.subject: row for row in rows.all("front_share")}
    assert set(found) == {"good", "bad", "cheap"}  # the price of free and of humans is not known
    assert (found["good"].estimate, found["bad"].estimate) == (1.0, 0.0)
    assert found["bad"].method.endswith(": cheap, good")
    assert found["cheap"].estimate == 1.0
    assert {row.reference for row in found.values()} == {"price and agreement with one human"}
    assert "Unbeaten in price and agreement with one human, of 3: cheap" in section_title(
        "cost", rows.rows
    )


def test_a_cost_of_nothing_is_zero_and_an_unknown_one_is_not(tmp_path):
    labels = [label(i, "free", "a", cost_usd=0.0) for i in range(30)]
    labels += [label(i, "unknown", "a") for i in range(30)]
    kinds = {"free": BASELINE, "unknown": JUDGE}
    rows = compared(store_of(tmp_path / "s", labels, kinds, n_items=30))
    free = rows.one("cost_usd_per_1000", "free")
    assert (free.estimate, free.low, free.note) == (0.0, None, "the same on every prompt")
    assert rows.one("cost_usd_per_1000", "unknown").estimate is None


def test_a_cost_is_never_below_zero(tmp_path):
    labels = [label(i, "j", "a", cost_usd=10.0 if i == 0 else 0.0) for i in range(30)]
    row = compared(store_of(tmp_path / "s", labels, {"j": JUDGE}, n_items=30)).one(
        "cost_usd_per_1000", "j"
    )
    assert row.low == 0.0
    assert row.high > row.estimate == pytest.approx(1000 / 3)


# criteria and names


def test_a_criterion_is_looked_at_alone(tmp_path):
    labels = [cell for i in range(3) for cell in humans(i, "ab", criterion="overall")]
    labels += [label(i, "j", "a", criterion="overall") for i in range(3)]
    labels += [label(i, "j", "b", criterion="harmless") for i in range(3)]
    labels += [label(0, "k", "b", criterion="harmless")]
    kinds = {"h1": HUMAN, "h2": HUMAN, "j": JUDGE, "k": JUDGE}
    store = store_of(tmp_path / "s", labels, kinds, n_items=3)
    overall = compared(store)
    assert {row.criterion for row in overall.rows} == {"overall"}
    assert "k" not in {row.subject for row in overall.rows}
    harmless = compared(store, criterion="harmless")
    assert {row.subject for row in harmless.all("coverage")} == {"j", "k"}
    [row] = harmless.all("single_human_agreement")
    assert row.note == "the data set has no human labels"


def test_the_only_criterion_is_taken_and_a_choice_is_asked_for(tmp_path):
    labels = [label(0, "j", "a", criterion="helpful")]
    store = store_of(tmp_path / "one", labels, {"j": JUDGE}, n_items=1)
    assert {row.criterion for row in compared(store).rows} == {"helpful"}
    labels += [label(0, "j", "a", criterion="harmless")]
    store = store_of(tmp_path / "two", labels, {"j": JUDGE}, n_items=1)
    with pytest.raises(InputError) as error:
        compare(store, "d")
    assert "harmless, helpful" in error.value.fix
    with pytest.raises(InputError):
        compare(store, "d", criterion="funny")
    with pytest.raises(InputError):
        compare(store, "no such data set")


def test_two_annotators_of_one_name_are_told_apart(tmp_path):
    assert RESERVED == (ONE_HUMAN, CEILING, MAJORITY, "humans")
    labels = [*humans(0, "aa"), label(0, MAJORITY, "b"), label(0, "j", "b")]
    kinds = {"h1": HUMAN, "h2": HUMAN, MAJORITY: AGGREGATE, "j": JUDGE}
    rows = compared(store_of(tmp_path / "s", labels, kinds, n_items=1))
    found = {row.reference: row.estimate for row in rows.all("majority_agreement")}
    assert found == {MAJORITY: 0.0, "human majority (2)": 1.0}
    store = store_of(tmp_path / "t", labels, {**kinds, MAJORITY: JUDGE}, n_items=1)
    panel = read_panel(store, "d", judges=["human majority (2)"])
    assert [who.name for who in panel.annotators] == ["h1", "h2", "human majority (2)"]


# judges against each other


def test_judges_are_compared_on_what_both_labelled(tmp_path):
    # j is right on the easy half that k never saw; on the other half k does better than j.
    labels = [cell for i in range(80) for cell in humans(i, "aa")]
    labels += [label(i, "j", "a" if i < 70 else "b") for i in range(80)]
    labels += [label(i, "k", "a" if i % 8 else "b") for i in range(40, 80)]
    kinds = {"h1": HUMAN, "h2": HUMAN, "j": JUDGE, "k": JUDGE}
    rows = compared(store_of(tmp_path / "s", labels, kinds, n_items=80))
    assert rows.one("single_human_agreement", "j").estimate == pytest.approx(70 / 80)
    assert rows.one("single_human_agreement", "k").estimate == pytest.approx(35 / 40)
    row = rows.one("agreement_difference", "j")
    assert row.reference == "k"
    assert figures(row) == (30 / 40 - 35 / 40, 40, 40, 80)
    assert row.method == "ties=class unparsed=drop with one human"


def test_judges_without_a_comparison_in_common_have_no_difference(tmp_path):
    labels = [cell for i in range(60) for cell in humans(i, "aa")]
    labels += [label(i, "j" if i < 30 else "k", "a") for i in range(60)]
    kinds = {"h1": HUMAN, "h2": HUMAN, "j": JUDGE, "k": JUDGE}
    row = compared(store_of(tmp_path / "s", labels, kinds, n_items=60)).one(
        "agreement_difference", "j"
    )
    assert (row.estimate, row.note) == (None, "undefined: no comparison labelled by both")


def test_rows_are_plain_values_in_column_order(four):
    row = as_row(compare(four, "d")[0])
    assert tuple(row) == COLUMNS
    assert all(value is None or type(value) in (str, int, float) for value in row.values())


# exchanging a and b: no headline figure may move


@pytest.mark.parametrize("rules", [DROP, TIE, WRONG, SIGN])
def test_headline_figures_do_not_depend_on_which_response_is_called_a(tmp_path, rules):
    r = np.random.default_rng(1)
    cells = []
    for i in range(60):
        cells += humans(i, "".join(r.choice(list("abt "), 3)))
        cells += both(i, "j", *r.choice(list("abtx"), 2))
    turn = set(r.choice(60, 30, replace=False).tolist())
    names = {"a": "b", "b": "a", "tie": "tie", None: None, "ab": "ba", "ba": "ab"}
    turned = [
        {**c, "preference": names[c["preference"]], "shown": names[c["shown"]]}
        if c["item"] in turn
        else c
        for c in cells
    ]
    prompts = [i // 2 for i in range(60)]
    texts = [(f"{'x' * (i % 7)} {i}", f"{'y' * (i % 5)} {i}") for i in range(60)]
    other_texts = [text[::-1] if i in turn else text for i, text in enumerate(texts)]
    kinds = {**H3, "j": JUDGE}
    first, second = (
        compared(
            store_of(tmp_path / name, c, kinds, n_items=60, prompts=prompts, responses=found),
            rules,
        )
        for name, c, found in (("s", cells, texts), ("t", turned, other_texts))
    )
    moved = {"cohen_kappa"}
    for one, other in zip(first.rows, second.rows, strict=True):
        assert (one.statistic, one.subject, one.note) == (
            other.statistic,
            other.subject,
            other.note,
        )
        assert (one.n_items, one.n_prompts, one.n_labels) == (
            other.n_items,
            other.n_prompts,
            other.n_labels,
        )
        if one.statistic not in moved:
            assert [one.estimate, one.low, one.high] == pytest.approx(
                [other.estimate, other.low, other.high], abs=1e-12
            )


# the real data sets, and one with every fault at random, against loops over dictionaries


SOURCES = {"pandalm": "pandalm", "prd-vicuna80": "prd"}
RANDOM = "random"


@pytest.fixture(scope="module")
def real_store(real_data, tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("compare") / "real.duckdb", create=True)
    for folder, source in SOURCES.items():
        ingest(store, source, real_data / folder)
    return store


def random_store(path):
    """Missing labels, parse errors, failures, one order of two, categories large and small."""
    r = np.random.default_rng(2026)
    cells = []
    for i in range(150):
        cells += humans(i, "".join(r.choice(list("aabbt x"), 3)), shown=str(r.choice(["ab", "ba"])))
        for judge in "jk":
            cells += both(i, judge, *r.choice(list("aaabbbtxxrfs "), 2))
    words = [[f"{'x' * n}{i:03}" for n in r.integers(0, 5, 2).tolist()] for i in range(150)]
    return store_of(
        path,
        cells,
        {**H3, "j": JUDGE, "k": JUDGE},
        n_items=150,
        prompts=r.integers(0, 80, 150).tolist(),
        responses=words,
        categories=r.choice(["large", "small", None], 150, p=[0.8, 0.1, 0.1]).tolist(),
        dataset=RANDOM,
    )


class Loops:
    """Every figure again: dictionaries and loops over the label rows, nothing of pipelines."""

    def __init__(self, store, dataset):
        with store.reading() as con:
            found = con.execute(
                "SELECT comparison_id, prompt_id, category, length(response_a), length(response_b) "
                "FROM comparisons WHERE dataset = ?",
                [dataset],
            ).fetchall()
            rows = con.execute(
                "SELECT comparison_id, name, kind, shown, preference, status FROM labels "
                "JOIN annotators USING (annotator_id) JOIN comparisons USING (comparison_id) "
                "WHERE comparisons.dataset = ?",
                [dataset],
            ).fetchall()
        self.prompt = {row[0]: row[1] for row in found}
        self.category = {row[0]: row[2] for row in found}
        self.longer = {row[0]: "" for row in found}
        for ident, _, _, a, b in found:
            if a is not None and b is not None and a != b:
                self.longer[ident] = "a" if a > b else "b"
        self.humans = defaultdict(list)
        self.judged = defaultdict(lambda: defaultdict(list))
        for ident, name, kind, shown, preference, status in rows:
            if kind == "human" and preference is not None:
                self.humans[ident].append((shown, preference))
            elif kind == "judge":
                self.judged[name][ident].append((shown, preference, status))

    def labels(self, judge, ident, unparsed):
        """The preferences one is drawn from; an unparsed reply may be a tie or match nothing."""
        result = []
        for _, preference, status in self.judged[judge][ident]:
            if status in ("parse_error", "refused"):
                result += {"drop": [], "tie": ["tie"], "wrong": ["?"]}[unparsed]
            elif preference is not None:
                result.append(preference)
        return result

    def with_one_human(self, judge, unparsed, kept):
        """Terms of the judge, of two humans, and the number of the judge's labels."""
        mine, theirs, n = {}, {}, 0
        for ident in self.judged[judge]:
            votes = [preference for _, preference in self.humans[ident]]
            labels = self.labels(judge, ident, unparsed)
            if ident not in kept or len(votes) < 2 or not labels:
                continue
            mine[ident] = mean(x == y for x in labels for y in votes)
            others = [(x, y) for i, x in enumerate(votes) for j, y in enumerate(votes) if i != j]
            theirs[ident] = mean(x == y for x, y in others)
            n += len(labels)
        return mine, theirs, n

    def majority(self, ident, rule):
        votes = Counter(preference for _, preference in self.humans[ident])
        if not votes:
            return None
        if rule == "sign":
            return {1: "a", -1: "b", 0: "tie"}[np.sign(votes["a"] - votes["b"])]
        top = [name for name, n in votes.items() if n == max(votes.values())]
        return top[0] if len(top) == 1 else "tie"

    def with_majority(self, judge, rule, unparsed, kept):
        terms, n = {}, 0
        for ident in self.judged[judge]:
            labels, wanted = self.labels(judge, ident, unparsed), self.majority(ident, rule)
            if ident in kept and labels and wanted:
                terms[ident] = mean(x == wanted for x in labels)
                n += len(labels)
        return terms, n

    def consistency(self, judge, kept):
        terms = {}
        for ident, labels in self.judged[judge].items():
            orders = {s: p for s, p, _ in labels if p is not None and s is not None}
            if ident in kept and len(orders) == 2:
                terms[ident] = float(orders["ab"] == orders["ba"])
        return terms

    def coverage(self, judge, kept):
        return {
            ident: mean(preference is not None for _, preference, _ in labels)
            for ident, labels in self.judged[judge].items()
            if ident in kept
        }

    def shown_first(self, labels):
        """(chose the first, all) of labels whose order is known."""
        known = [(shown, p) for shown, p in labels if shown is not None and p is not None]
        first = [p == ("a" if shown == "ab" else "b") for shown, p in known]
        return sum(first), len(first)

    def chose_longer(self, ident, preferences):
        wanted = self.longer[ident]
        decided = [p for p in preferences if p in ("a", "b") and wanted]
        return decided.count(wanted), len(decided)

    def robust(self, terms):
        """Mean and prompt-clustered interval by statsmodels."""
        values = np.array(list(terms.values()), dtype=float)
        codes = {prompt: k for k, prompt in enumerate({self.prompt[i] for i in terms})}
        groups = np.array([codes[self.prompt[ident]] for ident in terms])
        fit = OLS(values, np.ones(len(values))).fit(
            cov_type="cluster", cov_kwds={"groups": groups}, use_t=True
        )
        [(low, high)] = fit.conf_int()
        return fit.params[0], low, high


def same(row, loops, terms, n_labels, *, cut=True):
    prompts = {loops.prompt[ident] for ident in terms}
    assert (row.n_items, row.n_prompts, row.n_labels) == (len(terms), len(prompts), n_labels)
    assert row.estimate == pytest.approx(mean(terms.values()), abs=1e-12)
    if row.low is None or row.estimate in (0.0, 1.0):
        return
    estimate, low, high = loops.robust(terms)
    if cut:
        low, high = max(0.0, low), min(1.0, high)
    assert [row.estimate, row.low, row.high] == pytest.approx([estimate, low, high], abs=1e-8)


@pytest.fixture(scope="module", params=[*sorted(SOURCES), RANDOM])
def loops(request, tmp_path_factory):
    if request.param == RANDOM:
        store = random_store(tmp_path_factory.mktemp("random") / "s.duckdb")
    else:
        store = request.getfixturevalue("real_store")
    found = Loops(store, request.param)
    found.store, found.dataset = store, request.param
    categories = {name for name in found.category.values() if name is not None}
    found.kept = {"all": set(found.prompt)}
    for name in categories if len(categories) > 1 else ():
        of = {ident for ident, category in found.category.items() if category == name}
        found.kept[f"category={name}"] = of
    return found


@pytest.mark.parametrize(
    "rules",
    [DROP, TIE, WRONG, SIGN, Rules(MajorityRule.SIGN, UnparsedRule.TIE)],
    ids=lambda rules: f"{rules.majority}-{rules.unparsed}",
)
def test_agreement_again_in_loops(loops, rules):
    rows = compared(loops.store, rules, loops.dataset, sections=("agreement",))
    assert {row.slice for row in rows.rows} == set(loops.kept)
    assert len(loops.kept) == {"pandalm": 1, "prd-vicuna80": 10, RANDOM: 3}[loops.dataset]
    for judge in loops.judged:
        for name, kept in loops.kept.items():
            mine, theirs, n = loops.with_one_human(judge, rules.unparsed, kept)
            same(rows.one("single_human_agreement", judge, slice=name), loops, mine, n)
            votes = sum(len(loops.humans[ident]) for ident in mine)
            same(rows.ceiling(judge, name), loops, theirs, votes)
            gaps = {ident: mine[ident] - theirs[ident] for ident in mine}
            same(rows.one("gap", judge, slice=name), loops, gaps, n, cut=False)
            terms, n = loops.with_majority(judge, rules.majority, rules.unparsed, kept)
            same(rows.one("majority_agreement", judge, slice=name), loops, terms, n)
            terms = loops.coverage(judge, kept)
            asked = sum(len(loops.judged[judge][ident]) for ident in terms)
            same(rows.one("coverage", judge, slice=name), loops, terms, asked)


def test_differences_between_judges_again_in_loops(loops):
    rows = compared(loops.store, DROP, loops.dataset, sections=("agreement",))
    found = rows.all("agreement_difference")
    assert len(found) == len(loops.judged) - 1
    kept = loops.kept["all"]
    for row in found:
        (mine, _, _), (others, _, _) = (
            loops.with_one_human(judge, "drop", kept) for judge in (row.subject, row.reference)
        )
        terms = {ident: mine[ident] - others[ident] for ident in mine if ident in others}
        n = sum(len(loops.labels(judge, i, "drop")) for i in terms
                for judge in (row.subject, row.reference))  # fmt: skip
        same(row, loops, terms, n, cut=False)
        assert row.estimate > 0 or row.n_items < len(mine)


def test_position_and_length_again_in_loops(loops):
    rows = compared(loops.store, DROP, loops.dataset, sections=("bias",))
    for name, kept in loops.kept.items():
        for judge in [*loops.judged, ONE_HUMAN]:
            labels = (
                loops.humans
                if judge == ONE_HUMAN
                else {i: [x[:2] for x in found] for i, found in loops.judged[judge].items()}
            )
            first, longer = [0, 0], [0, 0]
            for ident, found in labels.items():
                if ident in kept:
                    for into, pair in (
                        (first, loops.shown_first(found)),
                        (longer, loops.chose_longer(ident, [p for _, p in found])),
                    ):
                        into[0], into[1] = into[0] + pair[0], into[1] + pair[1]
            for statistic, (chosen, of) in (
                ("first_shown_share", first),
                ("longer_chosen_share", longer),
            ):
                if of:
                    row = rows.one(statistic, judge, slice=name)
                    assert row.estimate == pytest.approx(chosen / of, abs=1e-12)
                    assert row.n_labels == of
            terms = {} if judge == ONE_HUMAN else loops.consistency(judge, kept)
            if terms:
                row = rows.one("position_consistency", judge, slice=name)
                same(row, loops, terms, 2 * len(terms))
