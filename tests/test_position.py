"""Order and length: hand-derived values, plain loops as oracle, what must not change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.stats.agreement import shares
from pipelines.stats.position import (
    first_score_counts,
    first_shown_counts,
    order_consistency,
    swapped_effect,
    turned_to_first,
)

TURNED = str.maketrans("ab", "ba")
LABELS = st.text("atb", max_size=3)


def counts(*items):
    return np.array([[item.count(name) for name in "atb"] for item in items], dtype=float)


# the same preference in both orders


@pytest.mark.parametrize(
    ("ab", "ba", "expected"),
    [
        ("a", "a", 1.0),
        ("t", "t", 1.0),
        ("a", "b", 0.0),
        ("a", "t", 0.0),
        ("aab", "a", 2 / 3),  # repeats: one of each order drawn at random
        ("aab", "abb", 4 / 9),  # 2/3 * 1/3 + 1/3 * 2/3
    ],
)
def test_the_share_of_equal_preferences_over_the_orders(ab, ba, expected):
    assert order_consistency(shares(counts(ab)), shares(counts(ba))) == pytest.approx([expected])


@pytest.mark.parametrize(("ab", "ba"), [("a", ""), ("", "b"), ("", "")])
def test_one_order_alone_is_neither_consistent_nor_inconsistent(ab, ba):
    assert np.isnan(order_consistency(shares(counts(ab)), shares(counts(ba)))).all()


@settings(deadline=None)
@given(st.lists(st.tuples(LABELS, LABELS, st.booleans()), min_size=1, max_size=30))
def test_exchanging_responses_changes_no_consistency_and_no_share(items):
    ab, ba = counts(*(i[0] for i in items)), counts(*(i[1] for i in items))
    # Exchanged, what was shown a first is now shown b first, and a is called b.
    turned = [(y.translate(TURNED), x.translate(TURNED)) if t else (x, y) for x, y, t in items]
    ab2, ba2 = counts(*(x for x, _ in turned)), counts(*(y for _, y in turned))
    found = order_consistency(shares(ab), shares(ba))
    other = order_consistency(shares(ab2), shares(ba2))
    assert np.array_equal(found, other, equal_nan=True)
    assert np.array_equal(first_shown_counts(ab, ba), first_shown_counts(ab2, ba2))


# the one shown first


def test_first_shown_by_hand():
    # item 1: a of ab is first, b of ba is first; item 2: b of ab and a of ba are second;
    # item 3: a tie is in the total only; item 4: nothing
    found = first_shown_counts(counts("a", "b", "t", ""), counts("b", "a", "tb", ""))
    assert found.tolist() == [[2, 2], [0, 2], [1, 3], [0, 0]]


@settings(deadline=None)
@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=30))
def test_first_shown_is_a_count_of_labels(items):
    found = first_shown_counts(counts(*(x for x, _ in items)), counts(*(y for _, y in items)))
    for (ab, ba), (chosen, of) in zip(items, found.tolist(), strict=True):
        first = sum(name == "a" for name in ab) + sum(name == "b" for name in ba)
        assert (chosen, of) == (first, len(ab) + len(ba))


def test_who_always_takes_the_first_is_never_consistent_and_who_never_looks_is_half():
    always = counts(*"aaaa"), counts(*"bbbb")
    steady = counts(*"abab"), counts(*"abab")
    assert order_consistency(*map(shares, always)).tolist() == [0, 0, 0, 0]
    assert first_shown_counts(*always).sum(axis=0).tolist() == [8, 8]
    assert order_consistency(*map(shares, steady)).tolist() == [1, 1, 1, 1]
    assert first_shown_counts(*steady).sum(axis=0).tolist() == [4, 8]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("atb"), st.sampled_from("atb")), min_size=1))
def test_consistent_labels_choose_the_first_as_often_as_the_second(items):
    # of a decided consistent pair one label chose the first shown: f_i = 0 in methods.md, section 3
    same = [x for x, y in items if x == y]
    found = first_shown_counts(counts(*same), counts(*same)) if same else np.zeros((1, 2))
    assert found[:, 0].sum() == sum(x != "t" for x in same)


# the position effect


@pytest.mark.parametrize(
    ("ab", "ba", "effect"),
    [
        ("a", "b", 0.5),  # the first shown in both orders
        ("b", "a", -0.5),
        ("a", "a", 0.0),
        ("t", "t", 0.0),
        ("a", "t", 0.25),  # a tie counts half: no invented recency
        ("b", "t", -0.25),
        ("aab", "b", 1 / 3),
    ],
)
def test_the_effect_of_a_swapped_pair(ab, ba, effect):
    assert swapped_effect(counts(ab), counts(ba)) == pytest.approx([effect])


def test_the_effect_needs_both_orders():
    assert np.isnan(swapped_effect(counts("a", ""), counts("", "b"))).all()


def test_its_variance_without_ties_is_that_of_the_flip_rate():
    random = np.random.default_rng(1)
    ab, ba = (counts(*random.choice(["a", "b"], 500, p=p)) for p in ([0.7, 0.3], [0.4, 0.6]))
    effect = swapped_effect(ab, ba)
    flipped = 1 - order_consistency(shares(ab), shares(ba)).mean()
    assert effect.var() == pytest.approx(flipped / 4 - effect.mean() ** 2)


def test_orders_drawn_at_random_by_hand():
    # ab: a chosen is the first, b the second; ba: the other way round; a tie is neither
    found = first_score_counts(counts("a", "b", "t", ""), counts("", "b", "", "at"))
    assert found.tolist() == [[0.5, 1], [0.0, 2], [0.0, 1], [-0.5, 2]]


@pytest.mark.parametrize(
    ("ab", "ba", "expected"),
    [
        ("a", "b", (1, 1)),
        ("b", "a", (0, 1)),
        ("a", "t", (1, 1)),
        ("t", "a", (0, 1)),
        ("a", "a", (0, 0)),
        ("t", "t", (0, 0)),
        ("ab", "b", (1 / 2, 1 / 2)),
    ],
)
def test_where_changed_preferences_went(ab, ba, expected):
    found = turned_to_first(shares(counts(ab)), shares(counts(ba)))
    assert found[0] == pytest.approx(expected)
    turned = turned_to_first(*(shares(counts(x.translate(TURNED))) for x in (ba, ab)))
    assert turned == pytest.approx(found)
