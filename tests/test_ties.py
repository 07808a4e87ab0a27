"""What a tie is: a class, left out, or half of each; against every couple of labels."""

from itertools import permutations, product
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.store import Store
from pipelines.ingest import ingest
from pipelines.sections.view import MajorityRule, Rules, UnparsedRule
from pipelines.stats.agreement import (
    TieRule,
    agreement_with_one,
    matches,
    one_hot,
    pair_agreement,
    pair_matches,
    share_matches,
    shares,
    total,
)
from pipelines.titles import section_title
from tests.estimating import HUMAN, JUDGE, compared, label, store_of

CLASS, DROP, HALF = TieRule
WORTH = {"a": 1.0, "t": 0.5, "b": 0.0}
TURNED = str.maketrans("ab", "ba")
ITEMS = st.lists(
    st.tuples(st.text("atb?", max_size=4), st.text("atb", max_size=5), st.booleans()),
    min_size=1,
    max_size=30,
)  # ? is an unparsed reply
LABELS = st.lists(st.text("atb", max_size=6), min_size=1, max_size=30)


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def counts(*items):
    """Counts (n, 3) of items written as their labels: counts("aab", "t", "")."""
    return np.array([[item.count(name) for name in "atb"] for item in items], dtype=float)


def drawn(*items):
    """Shares (n, 3) of one label, where an unparsed reply ? may be drawn and is no class."""
    with np.errstate(invalid="ignore"):
        return counts(*items) / np.array([[float(len(item))] for item in items])


def couple(x, y, ties):
    """(match, weight) of one label each."""
    if ties is DROP:
        return float(x == y and x in "ab"), float("t" not in (x, y))
    if ties is CLASS or "?" in (x, y):
        return float(x == y and x != "?"), 1.0
    return 1 - abs(WORTH[x] - WORTH[y]), 1.0


def mean_of(couples, ties):
    """What a couple drawn at random gives; NaN without one."""
    terms = [couple(x, y, ties) for x, y in couples]
    return [sum(t[k] for t in terms) / len(terms) if terms else np.nan for k in (0, 1)]


# every couple of labels


@pytest.mark.parametrize("ties", TieRule)
@settings(deadline=None)
@given(ITEMS)
def test_a_judge_and_one_human_are_every_couple_of_labels(ties, items):
    judge, humans = [j for j, _, _ in items], [h for _, h, _ in items]
    found = matches(drawn(*judge), counts(*humans), ties)
    expected = [mean_of(list(product(j, h)), ties) for j, h in zip(judge, humans, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("ties", TieRule)
@settings(deadline=None)
@given(LABELS)
def test_two_humans_are_every_couple_of_different_labels(ties, items):
    found = pair_matches(counts(*items), ties)
    expected = [mean_of(list(permutations(item, 2)), ties) for item in items]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@settings(deadline=None)
@given(ITEMS)
def test_a_tie_as_a_class_is_plain_agreement_to_the_last_digit(items):
    judge, humans = drawn(*(j for j, _, _ in items)), counts(*(h for _, h, _ in items))
    for found, plain in (
        (matches(judge, humans, CLASS), agreement_with_one(judge, humans)),
        (pair_matches(humans, CLASS), pair_agreement(humans)),
    ):
        assert np.array_equal(found[:, 0], plain, equal_nan=True)  # exactly
        assert np.array_equal(found[:, 1], np.where(np.isfinite(plain), 1, np.nan), equal_nan=True)


@pytest.mark.parametrize("ties", TieRule)
@settings(deadline=None)
@given(ITEMS)
def test_exchanging_the_responses_of_any_comparisons_changes_nothing(ties, items):
    def figures(turn):
        both = [
            tuple(text.translate(TURNED) if turn and turned else text for text in (j, h))
            for j, h, turned in items
        ]
        judge, humans = drawn(*(j for j, _ in both)), counts(*(h for _, h in both))
        return matches(judge, humans, ties), pair_matches(humans, ties)

    for found, other in zip(figures(turn=False), figures(turn=True), strict=True):
        assert np.array_equal(found, other, equal_nan=True)  # exactly


@pytest.mark.parametrize("ties", TieRule)
def test_an_exchange_changes_nothing_where_sums_would_round(ties):
    r = rng("round")
    judge, humans = r.dirichlet([1, 1, 1], 2000), r.integers(0, 30, (2000, 3)).astype(float)
    turn = [2, 1, 0]
    for one, other in (
        (matches(judge, humans, ties), matches(judge[:, turn], humans[:, turn], ties)),
        (pair_matches(humans, ties), pair_matches(humans[:, turn], ties)),
    ):
        assert np.array_equal(one, other, equal_nan=True)


# by hand


@pytest.mark.parametrize(
    ("judge", "humans", "ties", "expected"),
    [
        ("a", "aab", CLASS, (2 / 3, 1)),
        ("a", "aat", CLASS, (2 / 3, 1)),
        ("a", "aat", DROP, (2 / 3, 2 / 3)),  # two of three couples are decided, and both agree
        ("a", "aat", HALF, (5 / 6, 1)),  # 1, 1, 1/2
        ("t", "aab", CLASS, (0, 1)),
        ("t", "aab", DROP, (0, 0)),  # nothing is decided: no weight, not a disagreement
        ("t", "aab", HALF, (1 / 2, 1)),  # a tie is half right whoever is
        ("t", "ttt", DROP, (0, 0)),
        ("t", "ttt", HALF, (1, 1)),
        ("a", "b", HALF, (0, 1)),
        ("at", "ab", DROP, (1 / 4, 1 / 2)),  # aa of aa, ab, ta, tb; decided: aa, ab
        ("at", "ab", HALF, (1 / 2, 1)),  # (1 + 0 + 1/2 + 1/2)/4
        ("a?", "a", CLASS, (1 / 2, 1)),  # a reply without a verdict is wrong
        ("a?", "a", DROP, (1 / 2, 1)),  # it is no tie, so it is not left out
        ("a?", "a", HALF, (1 / 2, 1)),  # and not half right
        ("?", "t", DROP, (0, 0)),
    ],
)
def test_a_judge_by_hand(judge, humans, ties, expected):
    found = matches(drawn(judge), counts(humans), ties)
    assert found[0] == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("labels", "ties", "expected"),
    [
        ("aab", CLASS, (1 / 3, 1)),
        ("aat", CLASS, (1 / 3, 1)),
        ("aat", DROP, (1 / 3, 1 / 3)),  # of three couples one is decided, and agrees
        ("aat", HALF, (2 / 3, 1)),  # 1, 1/2, 1/2
        ("abt", DROP, (0, 1 / 3)),
        ("abt", HALF, (1 / 3, 1)),  # 0, 1/2, 1/2
        ("tt", DROP, (0, 0)),
        ("tt", HALF, (1, 1)),
        ("at", DROP, (0, 0)),  # one decided label is no couple
        ("aabbtt", DROP, (2 / 15, 6 / 15)),  # aa and bb of 15; six couples are decided
        ("aabbtt", HALF, (7 / 15, 1)),  # 3 equal couples, 8 with one tie: 3 + 4
    ],
)
def test_two_humans_by_hand(labels, ties, expected):
    assert pair_matches(counts(labels), ties)[0] == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("ties", TieRule)
def test_without_labels_of_both_there_is_no_match_and_no_weight(ties):
    found = matches(drawn("", "a", ""), counts("a", "", ""), ties)
    assert np.isnan(found).all()
    assert np.isnan(pair_matches(counts("", "a", "t"), ties)).all()
    assert matches(np.empty((0, 3)), np.empty((0, 3)), ties).shape == (0, 2)
    assert pair_matches(np.empty((0, 3)), ties).shape == (0, 2)


@pytest.mark.parametrize("ties", TieRule)
def test_a_judge_that_is_one_more_human_has_no_gap_over_all_choices(ties):
    # An identity: over who of m + 1 people is called the judge, both figures have the same sums.
    for labels in ("aab", "aatb", "aabbt", "tttab", "atb"):
        judge, rest = np.zeros(2), np.zeros(2)
        for k, mine in enumerate(labels):
            others = counts(labels[:k] + labels[k + 1 :])
            judge += matches(drawn(mine), others, ties)[0]
            rest += pair_matches(others, ties)[0]
        assert judge == pytest.approx(rest, abs=1e-14)


def test_half_lies_between_a_class_of_its_own_and_half_more():
    r = rng("between")
    judge, humans = r.dirichlet([1, 1, 1], 500), r.integers(0, 4, (500, 3)) + 1.0
    of = {ties: matches(judge, humans, ties)[:, 0] for ties in TieRule}
    assert (of[CLASS] <= of[HALF]).all()
    assert (of[DROP] <= of[CLASS]).all()
    one_tie = judge[:, 1] + shares(humans)[:, 1] - 2 * judge[:, 1] * shares(humans)[:, 1]
    assert of[HALF] == pytest.approx(of[CLASS] + one_tie / 2)


def test_one_label_of_each_class():
    assert one_hot(np.array([0, 1, 2, -1], dtype=np.int8)).tolist() == [
        [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]
    ]  # fmt: skip
    classes = rng("one hot").integers(-1, 3, 200).astype(np.int8)
    found = one_hot(classes)
    assert total(found).tolist() == (classes >= 0).tolist()
    assert np.array_equal(found.argmax(axis=1)[classes >= 0], classes[classes >= 0])


# through a store


@pytest.fixture
def small(tmp_path):
    """Four comparisons: two humans and a judge, written as labels."""
    marks = [("aa", "a"), ("at", "a"), ("ab", "t"), ("ta", "x")]
    cells = []
    for item, (people, judge) in enumerate(marks):
        cells += [label(item, f"h{n}", mark) for n, mark in enumerate(people)]
        cells.append(label(item, "j", judge, "ab"))
    return store_of(tmp_path / "s.duckdb", cells, {"h0": HUMAN, "h1": HUMAN, "j": JUDGE}, n_items=4)


@pytest.mark.parametrize(
    ("ties", "unparsed", "judge", "ceiling"),
    [
        # Comparisons 0 to 2: 1, 1/2 and 0 agree; two humans: 1, 0, 0.
        (CLASS, "drop", 1.5 / 3, 1 / 3),
        # Decided couples: 1 and 1 agree of 1, 1/2, none; two humans: 1 of 1, 0 of 0, 0 of 1.
        (DROP, "drop", 1.5 / 1.5, 1 / 2),
        # 1, 3/4, 1/2; two humans: 1, 1/2, 0.
        (HALF, "drop", 2.25 / 3, 1.5 / 3),
        # The reply without a verdict is wrong against the human who decided: weight 1/2 more.
        (DROP, "wrong", 1.5 / 2, 1 / 2),
        (HALF, "wrong", 2.25 / 4, 2 / 4),
        # As a tie: t against t and a. It is half of either under `half`, nothing under `drop`.
        (DROP, "tie", 1.5 / 1.5, 1 / 2),
        (HALF, "tie", (2.25 + 0.75) / 4, 2 / 4),
    ],
)
def test_rules_together_by_hand(small, ties, unparsed, judge, ceiling):
    rules = Rules(MajorityRule.MODE, UnparsedRule(unparsed), ties)
    rows = compared(small, rules, slices=None)
    found = rows.one("single_human_agreement", "j")
    assert found.estimate == pytest.approx(judge, abs=1e-12)
    assert f"ties={ties} unparsed={unparsed}" in found.method
    assert rows.ceiling("j").estimate == pytest.approx(ceiling, abs=1e-12)
    assert rows.one("gap", "j").estimate == pytest.approx(judge - ceiling, abs=1e-12)


def test_where_ties_are_left_out_the_share_that_is_left_stands_beside(small):
    rows = compared(small, Rules(ties=DROP), slices=None)
    assert rows.one("decided_share", "j").estimate == pytest.approx(1.5 / 3)
    assert not compared(small, slices=None).all("decided_share")


@pytest.mark.parametrize("ties", TieRule)
def test_all_ties(tmp_path, ties):
    cells = [label(i, who, "t", "ab") for i in range(30) for who in ("h0", "h1", "j")]
    kinds = {"h0": HUMAN, "h1": HUMAN, "j": JUDGE}
    rows = compared(
        store_of(tmp_path / "s.duckdb", cells, kinds, n_items=30), Rules(ties=ties), slices=None
    )
    for found in (rows.one("single_human_agreement", "j"), rows.one("majority_agreement", "j")):
        assert found.estimate == (None if ties is DROP else 1.0)
        assert ties is not DROP or "both labels are decided" in found.note


# Vicuna80 again in a loop


@pytest.fixture(scope="module")
def vicuna(real_data, tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("ties") / "s.duckdb", create=True)
    ingest(store, "prd", real_data / "prd-vicuna80")
    return store


def test_vicuna80_without_ties_again_in_a_loop(vicuna):
    with vicuna.reading() as con:
        cells = con.execute(
            "SELECT comparison_id, name, kind, preference FROM labels "
            "JOIN annotators USING (annotator_id) WHERE preference IS NOT NULL"
        ).fetchall()
    humans, judged = {}, {}
    for ident, name, kind, preference in cells:
        if kind == "human":
            humans.setdefault(ident, []).append(preference)
        else:
            judged.setdefault(name, {}).setdefault(ident, []).append(preference)
    rows = compared(vicuna, Rules(ties=DROP), "prd-vicuna80", sections=("agreement",), slices=None)
    assert len(judged) == 5
    for name, labels in judged.items():
        sums = np.zeros(4)
        for ident, mine in labels.items():
            theirs = humans.get(ident, [])
            if len(theirs) < 2:
                continue
            for k, pairs in enumerate((product(mine, theirs), permutations(theirs, 2))):
                couples = list(pairs)
                decided = [(x, y) for x, y in couples if "tie" not in (x, y)]
                sums[2 * k] += sum(x == y for x, y in decided) / len(couples)
                sums[2 * k + 1] += len(decided) / len(couples)
        judge, ceiling = sums[0] / sums[1], sums[2] / sums[3]
        found = rows.one("single_human_agreement", name)
        assert found.estimate == pytest.approx(judge, abs=1e-12)
        assert rows.ceiling(name).estimate == pytest.approx(ceiling, abs=1e-12)
        assert rows.one("gap", name).estimate == pytest.approx(judge - ceiling, abs=1e-12)
        assert rows.one("decided_share", name).estimate == pytest.approx(sums[1] / found.n_items)


def test_a_reference_that_is_a_tie_has_no_weight_where_ties_are_left_out():
    judge = drawn("a", "a", "t", "a")
    majority = shares(one_hot(np.array([0, 1, 2, -1], dtype=np.int8)))
    found = share_matches(judge, majority, DROP)
    assert found[:3].tolist() == [[1, 1], [0, 0], [0, 0]]
    assert np.isnan(found[3]).all()


def test_a_judge_with_an_agreement_and_no_ceiling_has_its_sentence(tmp_path):
    # Humans a and tie: the judge's a meets a decided label half of the time, two humans never do.
    marks = {"h0": "a", "h1": "t", "j": "a"}
    cells = [label(i, who, mark, "ab") for i in range(30) for who, mark in marks.items()]
    kinds = {"h0": HUMAN, "h1": HUMAN, "j": JUDGE}
    store = store_of(tmp_path / "s.duckdb", cells, kinds, n_items=30)
    rows = compared(store, Rules(ties=DROP), slices=None)
    assert (rows.one("gap", "j").estimate, rows.ceiling("j").estimate) == (None, None)
    assert section_title("agreement", rows.rows) == (
        "j agrees with one human 100% [88, 100] of the time (30 comparisons)."
    )
