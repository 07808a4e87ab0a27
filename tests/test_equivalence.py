"""Human equivalence: every draw by brute force, values by hand, the edges of the curve."""

from itertools import combinations
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.stats.agreement import TIE, A, B, agreement_with_one, pair_agreement, shares
from pipelines.stats.equivalence import (
    MOST_HUMANS,
    SAME,
    human_equivalence,
    largest_majority,
    majority_agreement,
)
from pipelines.stats.leave_one_out import human_with_others
from pipelines.stats.resampling import draws


def counts(*items):
    """Counts (n, 3) of items written as their labels: counts("aab", "t", "")."""
    return np.array([[item.count(name) for name in "atb"] for item in items], dtype=float)


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def drawn_agreement(labels, k):
    """Every choice of one held-out label and k of the others, by a loop."""
    found = []
    for held, mine in enumerate(labels):
        for panel in combinations(labels[:held] + labels[held + 1 :], k):
            top = max(map(panel.count, panel))
            modes = {name for name in panel if panel.count(name) == top}
            found.append((mine in modes) / len(modes))
    return sum(found) / len(found)


def equivalence(judge, humans, **options):
    """With a prompt for each item."""
    return human_equivalence(judge, humans, np.arange(len(humans)), **options)


def curve_of(items):
    """The curve on items of as many labels each, by hand."""
    most = len(items[0]) - 1
    share = counts(*items).sum(axis=0) / sum(map(len, items))
    guess = max(share[TIE], (share[A] + share[B]) / 2)
    means = [np.mean([drawn_agreement(x, k) for x in items]) for k in range(1, most + 1)]
    return np.array([guess, *means])


# a majority of k


@pytest.mark.parametrize(
    ("labels", "k", "expected"),
    [
        ("ab", 1, 0.0),
        ("aab", 1, 1 / 3),
        ("aab", 2, 1 / 3),  # a held out meets ab: 1/2, twice; b meets aa: 0
        ("aaab", 3, 3 / 4),  # a held out meets aab
        ("aabb", 3, 0.0),  # a held out meets abb
        ("aaaab", 3, 4 / 5),  # a meets three of aaab: a each time; b meets aaa
        ("atb", 2, 0.0),
        ("ttttt", 3, 1.0),
    ],
)
def test_the_majority_of_k_and_one_held_out(labels, k, expected):
    assert majority_agreement(counts(labels), k) == pytest.approx([expected], abs=1e-15)


@settings(deadline=None)
@given(st.lists(st.text("atb", max_size=7), min_size=1, max_size=8), st.integers(1, 6))
def test_it_is_what_every_draw_gives(items, k):
    found = majority_agreement(counts(*items), k)
    for labels, value in zip(items, found, strict=True):
        if len(labels) <= k:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(drawn_agreement(labels, k), abs=1e-12)


def test_one_human_is_the_ceiling_and_two_are_no_better():
    humans = rng("ceiling").multinomial(5, [0.5, 0.2, 0.3], 300).astype(float)
    for k in (1, 2):  # the mode of two, split, is one of them drawn at random
        found = majority_agreement(humans, k)
        assert found == pytest.approx(pair_agreement(humans), abs=1e-12)


def test_all_the_others_are_the_leave_one_out_majority():
    humans = rng("others").multinomial(6, [0.5, 0.2, 0.3], 300).astype(float)
    assert majority_agreement(humans, 5) == pytest.approx(human_with_others(humans), abs=1e-12)


def test_many_humans_are_drawn_without_rounding():
    # 60 a, 40 b, majority of 3, c(60,3) and so on are exact in floats: a held out (.6) meets aaa or
    # aab from 59 a and 40 b, b (.4) meets bbb or bba from 60 a and 39 b.
    def choose(n, k):
        return n * (n - 1) / 2 if k == 2 else n * (n - 1) * (n - 2) / 6

    a = (choose(59, 3) + choose(59, 2) * 40) / choose(99, 3)
    b = (choose(39, 3) + choose(39, 2) * 60) / choose(99, 3)
    found = majority_agreement(np.array([[60.0, 0.0, 40.0]]), 3)
    assert found == pytest.approx([0.6 * a + 0.4 * b], abs=1e-12)


# how large a majority the data has


@pytest.mark.parametrize(
    ("m", "expected"),
    [
        ([], 0),
        ([0, 1, 1], 0),
        ([2], 1),
        ([3] * 10, 2),
        ([3] * 10 + [1] * 90, 2),  # those with one human do not count
        ([3] * 80 + [2] * 20, 2),
        ([3] * 79 + [2] * 21, 1),
        ([9] * 50 + [4] * 30 + [2] * 20, 3),
        ([50] * 10, MOST_HUMANS),
    ],
)
def test_four_fifths_of_the_items_have_the_largest_majority_and_one_more(m, expected):
    assert largest_majority(np.array(m, dtype=float)) == expected


# the equivalence


FIVE = ["aaaab"] * 20 + ["bbbbb"] * 20 + ["aabbb"] * 20 + ["ttaab"] * 10


def test_the_curve_is_that_of_every_draw():
    found = equivalence(shares(counts(*["a"] * 70)), counts(*FIVE))
    assert found.most == 4
    assert found.curve == pytest.approx(curve_of(FIVE), abs=1e-12)


@pytest.mark.parametrize("right", [0.0, 0.2, 0.4, 0.55, 0.7, 0.8, 0.9, 1.0])
def test_it_is_the_first_place_at_which_the_curve_reaches_the_judge(right):
    # a judge that gives the mode of the five with some probability, else another class
    best = np.array([[labels.count(c) for c in "atb"] for labels in FIVE]).argmax(axis=1)
    judge = np.full((70, 3), (1 - right) / 2)
    judge[np.arange(70), best] = right
    agreement = agreement_with_one(judge, counts(*FIVE)).mean()
    curve = curve_of(FIVE)
    fine = np.linspace(0, 4, 400_001)
    reached = np.interp(fine, np.arange(5), curve) >= agreement - 1e-12
    found = equivalence(judge, counts(*FIVE))
    assert found.agreement == pytest.approx(agreement)
    if reached.any():
        assert found.estimate == pytest.approx(fine[reached.argmax()], abs=1.1e-5)
    else:
        assert found.estimate == np.inf


def test_by_hand_between_the_guess_and_one_human():
    # aab 30 and aaa 30: no ties, so the guess is a coin, 1/2; one human (1/3 + 1)/2 = 2/3. A judge
    # that says a on 20 of the aab and all aaa, b on 10: (20 2/3 + 10 1/3 + 30)/60 = 7/9: beyond.
    # b on 20 of the aab and 5 of the aaa: (10 2/3 + 20 1/3 + 25)/60 = .63889, a part
    # (.63889 - .5)/(2/3 - .5) = .83333 of the way from 0 to 1.
    humans = counts(*["aab"] * 30 + ["aaa"] * 30)
    above = shares(counts(*["a"] * 20 + ["b"] * 10 + ["a"] * 30))
    below = shares(counts(*["a"] * 10 + ["b"] * 20 + ["b"] * 5 + ["a"] * 25))
    assert equivalence(above, humans).estimate == np.inf
    assert equivalence(below, humans).estimate == pytest.approx(5 / 6)


def test_a_coin_and_a_judge_that_is_worse_are_worth_nobody():
    humans = counts(*["aaa"] * 20 + ["bbb"] * 20)
    for judge in ("ab", "t"):
        assert equivalence(shares(counts(*[judge] * 40)), humans).estimate == 0.0


def test_where_ties_are_common_always_a_tie_is_the_guess():
    humans = counts(*["ttt"] * 30 + ["aab"] * 10)
    found = equivalence(shares(counts(*["t"] * 40)), humans)
    assert found.curve[0] == pytest.approx(0.75)
    assert found.estimate == 0.0


def test_one_of_the_humans_is_worth_one():
    # The judge is exactly as good as one human: it takes each label of the item as often.
    humans = counts(*["aab"] * 15 + ["abb"] * 15 + ["bbb"] * 15)
    exact = np.array([[1 / 2, 0, 1 / 2]] * 30 + [[0, 1 / 6, 5 / 6]] * 15)
    one = pair_agreement(humans).mean()  # (1/3 + 1/3 + 1)/3 = 5/9; the judge: (1/2 + 1/2 + 5/6)/3
    scaled = exact * (one / agreement_with_one(exact, humans).mean())
    assert equivalence(scaled, humans).estimate == pytest.approx(1.0, abs=1e-9)


def test_the_majority_of_three_in_expectation_is_worth_three():
    # Simulated: the judge is the majority of three further people.
    r = rng("worth three")
    n = 60_000
    classes = r.dirichlet([0.8, 0.1, 0.8], n)
    panel, humans = (r.multinomial(m, classes).astype(float) for m in (3, 6))
    top = (panel == panel.max(axis=1, keepdims=True)).astype(float)
    found = equivalence(top / top.sum(axis=1, keepdims=True), humans, replicates=500)
    assert found.low < 3 < found.high
    assert found.high - found.low < 1


def test_only_items_with_the_largest_majority_count():
    humans = counts(*["aab"] * 80 + ["ab"] * 15 + ["a"] * 30)
    judge = shares(counts(*["a"] * 75 + [""] * 5 + ["b"] * 45))
    found = equivalence(judge, humans)
    assert found.most == 2
    assert np.flatnonzero(found.items).tolist() == list(range(75))
    assert found.agreement == pytest.approx(2 / 3)  # the judge says a


# intervals


def test_the_interval_holds_order_statistics_of_the_joint_draws():
    r = rng("interval")
    clusters = r.integers(0, 40, 300)
    humans = r.multinomial(4, [0.7, 0.1, 0.2], 300).astype(float)
    judge = shares(r.multinomial(1, [0.55, 0.15, 0.3], 300).astype(float))
    found = human_equivalence(judge, humans, clusters, replicates=256)
    values = []
    for weights in np.concatenate(list(draws(40, 256))):
        w = weights[np.unique(clusters, return_inverse=True)[1]]
        share = (w @ shares(humans)) / w.sum()
        columns = [majority_agreement(humans, k) for k in (1, 2, 3)]
        curve = [max(share[TIE], (share[A] + share[B]) / 2), *((w @ c) / w.sum() for c in columns)]
        mine = (w @ agreement_with_one(judge, humans)) / w.sum()
        above = [k for k in range(4) if curve[k] >= mine - 1e-12]
        if not above or above[0] == 0:
            values.append(0.0 if above else np.inf)
            continue
        k = above[0]
        values.append(k - 1 + (mine - curve[k - 1]) / (curve[k] - curve[k - 1]))
    values.sort()
    assert found.low == pytest.approx(min(values[6], found.estimate))  # 2.5% of 256 is 6.4
    assert found.high == pytest.approx(max(values[-7], found.estimate))
    assert found.n_prompts == 40
    assert found.note == "few prompts: read with caution"


def test_sets_of_prompts_spread_as_prompts_do(monkeypatch):
    r = rng("sets")
    humans = r.multinomial(3, [0.7, 0.1, 0.2], 6000).astype(float)
    judge = shares(r.multinomial(1, [0.6, 0.1, 0.3], 6000).astype(float))
    clusters = np.arange(6000) // 2
    alone = human_equivalence(judge, humans, clusters)
    monkeypatch.setattr("pipelines.stats.equivalence.MOST_DRAWN", 400)
    in_sets = human_equivalence(judge, humans, clusters)
    assert in_sets.estimate == alone.estimate
    assert in_sets.n_prompts == 3000
    assert in_sets.low != alone.low
    # a standard deviation over 400 sets has a relative error of about 1/sqrt(800) = .035
    assert in_sets.high - in_sets.low == pytest.approx(alone.high - alone.low, rel=0.15)


def test_beyond_the_data_the_interval_has_a_low_end_only():
    r = rng("beyond")
    humans = counts(*(["aaa"] * 60 + ["aab"] * 40))
    judge = shares(counts(*("a" if r.random() < 0.9 else "b" for _ in range(100))))
    found = equivalence(judge, humans)
    assert found.most == 2
    assert found.high == np.inf
    assert 0 < found.low <= found.estimate


@pytest.mark.parametrize(("n", "note"), [(1, "1 of 20"), (19, "19 of 20")])
def test_few_prompts_give_no_interval(n, note):
    found = human_equivalence(
        shares(counts(*["ab"] * 40)), counts(*["aab"] * 40), np.arange(40) % n
    )
    assert found.estimate is not None
    assert (found.low, found.high) == (None, None)
    assert note in found.note


def test_prompts_that_are_all_alike_give_no_interval():
    found = equivalence(shares(counts(*["a"] * 40)), counts(*["tta"] * 40))
    # the guess (tie) 2/3, the judge 1/3: nobody, in every resample
    assert (found.estimate, found.low, found.note) == (0.0, None, SAME)


def test_all_ties_are_guessed():
    found = equivalence(shares(counts(*["t"] * 40)), counts(*["ttt"] * 40))
    assert found.estimate == 0.0


@pytest.mark.parametrize(("judge", "humans"), [("a", "a"), ("a", ""), ("", "aab"), ("", "")])
def test_without_two_humans_and_the_judge_it_is_undefined(judge, humans):
    found = equivalence(shares(counts(*[judge] * 30)), counts(*[humans] * 30))
    assert (found.estimate, found.agreement, found.most) == (None, None, 0)
    assert found.note.startswith("undefined")
    assert not found.items.any()


def test_no_items_at_all_are_undefined():
    assert equivalence(np.zeros((0, 3)), np.zeros((0, 3))).estimate is None


# exchanging a and b


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.text("atb", max_size=2), st.text("atb", max_size=6), st.booleans()),
        min_size=1,
        max_size=40,
    )
)
def test_exchanging_the_responses_of_any_comparisons_changes_nothing(items):
    turned = str.maketrans("ab", "ba")

    def found(turn):
        texts = [[t.translate(turned) if turn and x else t for t in (j, h)] for j, h, x in items]
        judge, humans = (counts(*(text[k] for text in texts)) for k in (0, 1))
        return equivalence(shares(judge), humans, replicates=40)

    one, other = found(False), found(True)
    for name in ("estimate", "low", "high", "most", "agreement", "note"):
        assert getattr(one, name) == getattr(other, name)  # exactly
    assert np.array_equal(one.curve, other.curve)
