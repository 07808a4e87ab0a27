"""Agreement: hand-derived values, scikit-learn and statsmodels as oracles, what must not change."""

from itertools import combinations
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa

from pipelines.stats.agreement import (
    TIE,
    A,
    B,
    agreement_with_one,
    cohen_kappa,
    confusion,
    majority_by_mode,
    majority_by_sign,
    pair_agreement,
    pair_confusion,
    share_of,
    shares,
    total,
)
from pipelines.stats.intervals import cluster_sums, ratio, smooth_interval
from pipelines.stats.position import order_consistency

NAMES = {"a": A, "t": TIE, "b": B}


def counts(*items):
    """Counts (n, 3) of items written as their labels: counts("aab", "t", "")."""
    return np.array([[item.count(name) for name in "atb"] for item in items], dtype=float)


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


# shares


def test_shares_of_one_label_drawn_at_random():
    found = shares(counts("ab", "ttta", ""))
    assert found[:2].tolist() == [[0.5, 0.0, 0.5], [0.25, 0.75, 0.0]]
    assert np.isnan(found[2]).all()


# two humans


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("aa", 1.0),
        ("ab", 0.0),
        ("aab", 1 / 3),  # of the pairs aa, ab, ab one agrees
        ("atb", 0.0),
        ("aaab", 1 / 2),  # 3 of 6
        ("aabb", 1 / 3),  # 2 of 6
        ("aattb", 1 / 5),  # 2 of 10
    ],
)
def test_two_humans_agree_as_often_as_the_pairs_of_labels_do(labels, expected):
    assert pair_agreement(counts(labels)) == pytest.approx([expected])
    pairs = list(combinations(labels, 2))
    assert expected == pytest.approx(sum(x == y for x, y in pairs) / len(pairs))


@pytest.mark.parametrize("labels", ["", "a", "t"])
def test_below_two_labels_there_are_no_two_humans(labels):
    assert np.isnan(pair_agreement(counts(labels))).all()


# a judge and one human


@pytest.mark.parametrize(
    ("judge", "humans", "expected"),
    [
        ("a", "aab", 2 / 3),
        ("b", "aab", 1 / 3),
        ("t", "aab", 0.0),
        ("ab", "aab", 1 / 2),  # the mean of its two labels: (2/3 + 1/3)/2
        ("aat", "att", 4 / 9),  # 2/3 * 1/3 + 1/3 * 2/3
        ("t", "t", 1.0),
    ],
)
def test_a_judge_agrees_with_one_human_in_expectation_for_one_label_of_each(
    judge, humans, expected
):
    found = agreement_with_one(shares(counts(judge)), counts(humans))
    assert found == pytest.approx([expected])
    pairs = [(x, y) for x in judge for y in humans]
    assert expected == pytest.approx(sum(x == y for x, y in pairs) / len(pairs))


def test_without_a_label_of_either_there_is_no_agreement():
    found = agreement_with_one(shares(counts("", "a", "a")), counts("a", "", "a"))
    assert np.isnan(found[:2]).all()
    assert found[2] == 1.0


def test_an_unparsed_label_in_the_denominator_matches_nobody():
    half_lost = np.array([[0.5, 0.0, 0.0]])  # one label a, one unparsed
    assert agreement_with_one(half_lost, counts("aab")) == pytest.approx([1 / 3])


def test_whoever_of_exchangeable_people_is_called_the_judge_the_gap_is_zero_in_the_mean():
    # An identity, not a simulation: over the choice of the judge among m + 1 labels, both figures
    # are the share of agreeing pairs of the m + 1.
    for labels in ("aab", "atb", "aatb", "aabbt", "tttab", "aaaa"):
        whole = pair_agreement(counts(labels))[0]
        judge, rest = [], []
        for k, mine in enumerate(labels):
            others = counts(labels[:k] + labels[k + 1 :])
            judge.append(agreement_with_one(shares(counts(mine)), others)[0])
            rest.append(pair_agreement(others)[0])
        assert np.mean(judge) == pytest.approx(whole)
        assert np.mean(rest) == pytest.approx(whole)


def test_the_gap_of_an_exchangeable_judge_is_zero_in_expectation():
    r = rng("exchangeable")
    n = 200_000
    classes = r.dirichlet([0.6, 0.3, 0.9], n)
    judge, humans = (r.multinomial(m, classes).astype(float) for m in (1, 3))
    gaps = agreement_with_one(shares(judge), humans) - pair_agreement(humans)
    assert abs(gaps.mean()) < 3 * gaps.std() / np.sqrt(n)
    # Against the majority of three the same judge looks better than a human against two others.
    with_three = share_of(shares(judge), majority_by_mode(humans)).mean()
    assert with_three > pair_agreement(humans).mean() + 0.02


# majorities


@pytest.mark.parametrize(
    ("labels", "mode", "sign"),
    [
        ("aab", A, A),
        ("abb", B, B),
        ("ttb", TIE, B),  # the mean label is -1/3
        ("tta", TIE, A),
        ("ab", TIE, TIE),
        ("atb", TIE, TIE),
        ("aabbt", TIE, TIE),  # a split mode is a tie
        ("att", TIE, A),
        ("aatt", TIE, A),
        ("ttt", TIE, TIE),
        ("a", A, A),
        ("", -1, -1),
    ],
)
def test_the_majority_by_mode_and_by_sign(labels, mode, sign):
    assert majority_by_mode(counts(labels)).tolist() == [mode]
    assert majority_by_sign(counts(labels)).tolist() == [sign]


def test_the_share_of_the_class_that_the_majority_names():
    judge = shares(counts("ab", "t", "aat"))
    majority = np.array([B, A, TIE], dtype=np.int8)
    assert share_of(judge, majority) == pytest.approx([0.5, 0.0, 1 / 3])


# confusions and kappa


def test_the_expected_confusion_of_one_label_each():
    found = confusion(shares(counts("ab")), shares(counts("aat"))).reshape(3, 3)
    assert found.tolist() == pytest.approx(
        np.array([[1 / 3, 1 / 6, 0], [0, 0, 0], [1 / 3, 1 / 6, 0]])
    )


def test_the_expected_confusion_of_two_different_humans():
    # a, a, t: the ordered pairs aa 2, at 2, ta 2 of 6
    found = pair_confusion(counts("aat")).reshape(3, 3)
    assert found.tolist() == pytest.approx(np.array([[2, 2, 0], [2, 0, 0], [0, 0, 0]]) / 6)


@settings(deadline=None)
@given(st.lists(st.text(alphabet="atb", min_size=2, max_size=6), min_size=1, max_size=30))
def test_the_diagonal_of_a_confusion_is_the_agreement(items):
    humans = counts(*items)
    table = pair_confusion(humans).reshape(-1, 3, 3)
    assert np.trace(table, axis1=1, axis2=2) == pytest.approx(pair_agreement(humans))
    assert table.sum(axis=(1, 2)) == pytest.approx(np.ones(len(items)))
    assert table == pytest.approx(table.transpose(0, 2, 1))


def test_kappa_by_hand():
    # 10 items aa, 5 ab, 5 bb: po = 15/20, rows .75 .25, columns .5 .5, pe = .5, kappa = .5
    cells = np.zeros(9)
    cells[[0, 2, 8]] = 10, 5, 5
    assert cohen_kappa(cells) == pytest.approx(0.5)
    assert cohen_kappa(cells * 7) == pytest.approx(0.5)


def test_kappa_of_expected_confusions_by_hand():
    # One item: the judge gave a and b, the human a. Another: the judge b and b, the human b.
    # Summed shares: a with a .5, b with a .5, b with b 1: po = 1.5/2, rows .25 .75, columns .5 .5,
    # pe = .5, kappa = .5. A draw of the first item's label gives kappa 1 or 0: also .5 in the mean.
    cells = confusion(shares(counts("ab", "bb")), shares(counts("a", "b"))).sum(axis=0)
    assert cohen_kappa(cells) == pytest.approx(0.5)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("atb-"), st.sampled_from("atb-")), min_size=1, max_size=60)
)
def test_kappa_is_that_of_scikit_learn_on_the_items_that_both_labelled(pairs):
    one, other = (counts(*(pair[k].strip("-") for pair in pairs)) for k in (0, 1))
    both = np.isfinite(shares(one)[:, 0]) & np.isfinite(shares(other)[:, 0])
    kept = [pair for pair in pairs if "-" not in pair]
    assert both.sum() == len(kept)
    if len({name for pair in kept for name in pair}) < 2:
        return  # undefined: the next test
    cells = confusion(shares(one[both]), shares(other[both]))
    found = smooth_interval(cohen_kappa, cluster_sums(cells, np.zeros(len(kept), dtype=int)))
    x, y = ([NAMES[pair[k]] for pair in kept] for k in (0, 1))
    assert found.estimate == pytest.approx(cohen_kappa_score(x, y), abs=1e-12)


@pytest.mark.parametrize("name", "atb")
def test_kappa_of_two_who_always_say_the_same_one_thing_is_undefined(name):
    same = shares(counts(*[name] * 30))
    assert np.isnan(cohen_kappa(confusion(same, same).sum(axis=0)))


def test_kappa_of_a_constant_judge_is_zero():
    # po = P(the human says a) = pe whatever the human says
    humans = shares(counts(*"aaatbb"))
    judge = shares(counts(*"aaaaaa"))
    assert cohen_kappa(confusion(judge, humans).sum(axis=0)) == pytest.approx(0.0)


def test_kappa_among_humans_is_fleiss_kappa_where_all_have_the_same_number():
    items = rng("fleiss").multinomial(4, [0.5, 0.2, 0.3], 50)
    cells = pair_confusion(items.astype(float)).sum(axis=0)
    assert cohen_kappa(cells) == pytest.approx(fleiss_kappa(items), abs=1e-12)


# exchanging a and b


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.text("atb", max_size=4), st.text("atb", max_size=4), st.booleans()),
        min_size=1,
        max_size=40,
    )
)
def test_exchanging_the_responses_of_any_comparisons_changes_no_agreement(items):
    turned = str.maketrans("ab", "ba")
    judge, humans = counts(*(j for j, _, _ in items)), counts(*(h for _, h, _ in items))
    judge2, humans2 = (
        counts(*(item[k].translate(turned) if item[2] else item[k] for item in items))
        for k in (0, 1)
    )

    def figures(judge, humans):
        mine = shares(judge)
        majorities = (majority_by_mode(humans), majority_by_sign(humans))
        return [
            agreement_with_one(mine, humans),
            pair_agreement(humans),
            order_consistency(mine, shares(humans)),
            *(np.where(found >= 0, share_of(mine, found), np.nan) for found in majorities),
        ]

    for found, other in zip(figures(judge, humans), figures(judge2, humans2), strict=True):
        assert np.array_equal(found, other, equal_nan=True)  # exactly


def test_kappa_depends_on_which_response_is_called_a():
    # 10 aa, 5 ab, 5 ba: po .5, rows and columns .75 .25, pe .625, kappa -1/3. With the responses of
    # 5 of the aa exchanged: po .5, pe .5, kappa 0. So its rows say "stated orientation".
    named, renamed = (["aa"] * 5 + rest + ["ab", "ba"] * 5 for rest in (["aa"] * 5, ["bb"] * 5))
    for items, expected in ((named, -1 / 3), (renamed, 0.0)):
        one, other = (shares(counts(*(item[k] for item in items))) for k in (0, 1))
        assert cohen_kappa(confusion(one, other).sum(axis=0)) == pytest.approx(expected)


def test_totals_are_exact_under_an_exchange():
    x = rng("totals").random((1000, 3))
    assert np.array_equal(total(x), total(x[:, [B, TIE, A]]))


def test_the_mean_over_items_weighs_items_equally_however_many_labels_they_have():
    judge, humans = counts("a", "b"), counts("aaaaaaaaab", "aa")
    terms = agreement_with_one(shares(judge), humans)
    columns = np.stack([terms, np.ones(2)], axis=1)
    assert smooth_interval(ratio, columns).estimate == pytest.approx(0.45)  # (.9 + 0)/2
