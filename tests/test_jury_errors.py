"""How alike judges err: by hand, planted correlations under noisy humans, and what is undefined."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import pytest

from pipelines.stats.intervals import Interval, cluster_sums
from pipelines.stats.jury import (
    NOTHING_COMMON,
    columns_of,
    effective_size,
    error_columns,
    error_correlation,
    jury_correlation,
    pairs,
)

A, TIE, B = np.eye(3)


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def correlation(judges, humans, per_prompt=1):
    columns = error_columns(judges, humans)
    return jury_correlation(cluster_sums(columns, np.arange(len(columns)) // per_prompt))


def test_by_hand():
    # Two humans who agree on a throughout; j errs on items 0 and 1, k on items 1 and 2, of four.
    humans = np.tile(2 * A, (4, 1))
    j, k = np.stack([B, B, A, A]), np.stack([A, B, B, A])
    # matches .5 each; both match on one of four: C = .25 - .25 = 0; C_jj = .5 - .25
    assert correlation([j, k], humans).estimate == pytest.approx(0.0)
    # with k's second error on item 0: the same errors
    assert correlation([j, j], humans).estimate == pytest.approx(1.0)
    # three of four items: (.25 - .25 x .5) / sqrt(.25 x .1875)
    once = np.stack([B, A, A, A])
    expected = (0.5 - 0.5 * 0.75) / np.sqrt(0.25 * 0.1875)
    assert correlation([j, once], humans).estimate == pytest.approx(expected)


def test_two_different_humans_by_hand():
    # one human says a, the other b: a judge who says a matches one of the two, never both
    columns = error_columns([A[None], A[None]], (A + B)[None])
    np.testing.assert_allclose(columns, [[0.0, 0.0, 0.0, 0.5, 0.5, 1.0]])


@pytest.mark.parametrize("slips", [0.0, 0.15, 0.3])
@pytest.mark.parametrize("n_humans", [2, 4])
def test_slips_of_the_humans_change_nothing(slips, n_humans):
    """A planted correlation is found however often the humans are wrong."""
    random, n = rng(f"slips {slips} {n_humans}"), 30_000
    truth = 2 * random.integers(0, 2, n)
    common = random.random(n) < 0.15
    errors = [np.where(common, random.random(n) < 0.9, random.random(n) < 0.1) for _ in range(3)]
    planted = np.mean(
        [np.corrcoef(errors[i], errors[j])[0, 1] for i, j in ((0, 1), (0, 2), (1, 2))]
    )
    judges = [np.eye(3)[np.where(e, 2 - truth, truth)] for e in errors]
    humans = sum(np.eye(3)[np.where(random.random(n) < slips, 2 - truth, truth)]
                 for _ in range(n_humans))  # fmt: skip
    found = correlation(judges, humans, per_prompt=3)
    assert found.low <= planted <= found.high
    assert found.high - found.low < 0.25
    if slips == 0.3 and n_humans == 2:  # against one and the same human the slips are in common
        naive = [(judge * humans).sum(axis=1) / n_humans for judge in judges]
        assert np.corrcoef(naive)[0, 1] > found.high


def test_names_of_slots_and_the_order_of_judges_change_nothing():
    random = rng("slots")
    truth, draw = random.integers(0, 3, 200), lambda: random.integers(0, 3, 200)
    humans = sum(np.eye(3)[np.where(random.random(200) < 0.8, truth, draw())] for _ in range(3))
    judges = [np.eye(3)[np.where(random.random(200) < 0.6, truth, draw())] for _ in range(3)]
    found = correlation(judges, humans)
    turned = correlation([judge[:, ::-1] for judge in judges], humans[:, ::-1])
    other = correlation(judges[::-1], humans)
    assert -0.5 < found.estimate < 1
    for again in (turned, other):
        assert again.estimate == pytest.approx(found.estimate, abs=1e-12)


def test_columns_of_a_jury_are_those_of_its_members():
    random = rng("columns")
    humans = random.multinomial(3, [0.4, 0.2, 0.4], 50).astype(float)
    judges = [np.eye(3)[random.integers(0, 3, 50)] for _ in range(4)]
    of_all = error_columns(judges, humans)
    for jury in ((0, 2), (1, 2, 3), (0, 1, 2, 3)):
        alone = error_columns([judges[k] for k in jury], humans)
        np.testing.assert_array_equal(of_all[:, columns_of(jury, 4)], alone)
    assert len(pairs(4)) == 10


def test_judges_who_never_err_have_no_correlation():
    found = correlation([np.tile(A, (30, 1))] * 2, np.tile(2 * A, (30, 1)))
    assert found.estimate is None
    assert NOTHING_COMMON in found.note
    assert effective_size(found, 2).estimate is None
    assert np.isnan(error_correlation(np.array([4.0, 4.0, 4.0, 4.0, 4.0, 4.0])))


def test_what_a_jury_is_worth():
    found = effective_size(Interval(0.5, 0.25, 1.0, 40), 3)
    assert (found.estimate, found.low, found.high) == (1.5, 1.0, 2.0)
    assert effective_size(Interval(0.0, -0.1, 0.1, 40), 3).estimate == 3.0
    gone = effective_size(Interval(-0.5, -0.5, 0.1, 40), 3)
    assert gone.estimate is None
    assert "cancel" in gone.note
    open_end = effective_size(Interval(0.0, -0.5, 0.5, 40), 3)
    assert (open_end.estimate, open_end.low) == (3.0, None)
    assert "interval" in open_end.note
