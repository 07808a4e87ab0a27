"""Leave-one-out majority: hand-derived values, real panels as oracle, what must not change."""

from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.store import Store
from pipelines.ingest import ingest
from pipelines.panel import read_panel
from pipelines.stats.agreement import (
    agreement_with_one,
    majority_by_mode,
    pair_agreement,
    share_of,
    shares,
    total,
)
from pipelines.stats.leave_one_out import human_with_others, judge_with_others, mode_shares

TURN = str.maketrans("ab", "ba")


def counts(*items):
    """Counts (n, 3) of items written as their labels: counts("aab", "t", "")."""
    return np.array([[item.count(name) for name in "atb"] for item in items], dtype=float)


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def modes(labels):
    """The most frequent of some labels, by a loop."""
    top = max(labels.count(name) for name in labels)
    return sorted({name for name in labels if labels.count(name) == top})


def with_others(labels, judge=None):
    """The mean over j of P(the label of j, or of the judge, = a mode of the others drawn)."""
    found = []
    for j, mine in enumerate(labels):
        others = modes(labels[:j] + labels[j + 1 :])
        found += [(name in others) / len(others) for name in judge or mine]
    return sum(found) / len(found)


# modes


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("aab", [1, 0, 0]),
        ("ab", [1 / 2, 0, 1 / 2]),
        ("atb", [1 / 3, 1 / 3, 1 / 3]),
        ("ttaab", [1 / 2, 1 / 2, 0]),
        ("b", [0, 0, 1]),
    ],
)
def test_a_split_mode_is_shared(labels, expected):
    assert mode_shares(counts(labels))[0] == pytest.approx(expected)


def test_without_labels_there_is_no_mode():
    assert np.isnan(mode_shares(counts(""))).all()


# a human and the others


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("aa", 1.0),
        ("ab", 0.0),
        ("aab", 1 / 3),  # a meets ab: 1/2, twice; b meets aa: 0
        ("atb", 0.0),
        ("aaab", 3 / 4),  # a meets aab: 1, three times; b meets aaa: 0
        ("aabb", 0.0),  # a meets abb: 0; b meets aab: 0
        ("aabt", 1 / 2 * 1 / 3),  # a meets abt: 1/3, twice; b and t meet aat, aab: 0
        ("aattb", 0.0),  # a meets attb: t; t meets aatb: a; b meets aatt
        ("aaabb", 3 / 5 * 1 / 2),  # a meets aabb: 1/2, three times; b meets aaab: 0
    ],
)
def test_a_human_against_the_mode_of_the_others(labels, expected):
    assert human_with_others(counts(labels)) == pytest.approx([expected], abs=1e-15)


@pytest.mark.parametrize("labels", ["", "a", "t"])
def test_below_two_humans_there_are_no_others(labels):
    assert np.isnan(human_with_others(counts(labels))).all()
    assert np.isnan(judge_with_others(shares(counts("a")), counts(labels))).all()


# a judge on the same reduced panels


@pytest.mark.parametrize(
    ("judge", "labels", "expected"),
    [
        ("a", "aab", 2 / 3),  # panels ab, ab, aa: (1/2 + 1/2 + 1)/3
        ("b", "aab", 1 / 3),
        ("ab", "aab", 1 / 2),
        ("a", "aabb", 1 / 2),  # abb, abb: 0; aab, aab: 1
        ("a", "aaab", 1.0),  # aab three times and aaa
        ("t", "aaab", 0.0),
    ],
)
def test_a_judge_against_the_same_reduced_panels(judge, labels, expected):
    assert judge_with_others(shares(counts(judge)), counts(labels)) == pytest.approx([expected])


def test_without_a_label_of_the_judge_there_is_no_agreement():
    assert np.isnan(judge_with_others(shares(counts("")), counts("aab"))).all()


def test_an_unparsed_label_in_the_denominator_matches_nobody():
    half_lost = np.array([[0.5, 0.0, 0.0]])
    assert judge_with_others(half_lost, counts("aab")) == pytest.approx([1 / 3])


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.text("atb", max_size=3), st.text("atb", max_size=8)), min_size=1, max_size=30
    )
)
def test_it_is_what_real_panels_give(items):
    judge, humans = counts(*(j for j, _ in items)), counts(*(h for _, h in items))
    human, machine = human_with_others(humans), judge_with_others(shares(judge), humans)
    for i, (mine, labels) in enumerate(items):
        if len(labels) < 2:
            assert np.isnan([human[i], machine[i]]).all()
            continue
        assert human[i] == pytest.approx(with_others(labels), abs=1e-12)
        if mine:
            assert machine[i] == pytest.approx(with_others(labels, mine), abs=1e-12)
        else:
            assert np.isnan(machine[i])


# what it is with three humans


def test_with_exactly_three_humans_it_is_the_agreement_with_one():
    r = rng("three")
    humans = r.multinomial(3, [0.45, 0.2, 0.35], 500).astype(float)
    judge = shares(r.multinomial(2, [0.4, 0.2, 0.4], 500).astype(float))
    assert human_with_others(humans) == pytest.approx(pair_agreement(humans), abs=1e-15)
    one = agreement_with_one(judge, humans)
    assert judge_with_others(judge, humans) == pytest.approx(one, abs=1e-15)


def test_with_more_humans_it_is_not():
    assert human_with_others(counts("aaab"))[0] > pair_agreement(counts("aaab"))[0] + 0.2


def test_an_exchangeable_judge_meets_the_humans_reduced_panels_as_a_human_does():
    r = rng("exchangeable")
    n = 200_000
    classes = r.dirichlet([0.6, 0.3, 0.9], n)
    judge, humans = (r.multinomial(m, classes).astype(float) for m in (1, 5))
    mine = shares(judge)
    gaps = judge_with_others(mine, humans) - human_with_others(humans)
    assert abs(gaps.mean()) < 3 * gaps.std() / np.sqrt(n)
    full = total(mine * mode_shares(humans)) - human_with_others(humans)  # five against four
    assert full.mean() > 5 * full.std() / np.sqrt(n)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.text("atb", max_size=4), st.text("atb", max_size=7), st.booleans()),
        min_size=1,
        max_size=40,
    )
)
def test_exchanging_the_responses_of_any_comparisons_changes_nothing(items):
    def figures(turn):
        texts = [[t.translate(TURN) if turn and x else t for t in (j, h)] for j, h, x in items]
        judge, humans = (counts(*(text[k] for text in texts)) for k in (0, 1))
        return human_with_others(humans), judge_with_others(shares(judge), humans)

    for found, other in zip(figures(False), figures(True), strict=True):
        assert np.array_equal(found, other, equal_nan=True)  # exactly


# why no human is compared with a majority that holds the own label


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("source", "folder", "judge", "n_items", "inflated", "honest"),
    [
        ("pandalm", "pandalm", "pandalm-7b", 999, 0.960, 0.920),
        ("prd", "prd-vicuna80", "gpt-4", 480, 0.742, 0.524),
    ],
)
def test_a_majority_that_includes_the_own_label_inflates(
    real_data, tmp_path, source, folder, judge, n_items, inflated, honest
):
    store = Store(tmp_path / "real.duckdb", create=True)
    ingest(store, source, real_data / folder)
    panel = read_panel(store, folder)
    [k] = [k for k, who in enumerate(panel.annotators) if who.name == judge]
    humans = panel.human_counts()
    three = humans[(total(humans) == 3) & (panel.ballots(k).rows > 0)]
    assert len(three) == n_items
    with_own = share_of(shares(three), majority_by_mode(three)).mean()
    assert with_own == pytest.approx(inflated, abs=5.1e-4)
    assert human_with_others(three).mean() == pytest.approx(honest, abs=5.1e-4)
    assert human_with_others(three).mean() == pytest.approx(pair_agreement(three).mean())
