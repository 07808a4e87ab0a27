"""Choosing among strategies: the frontier, what may be best, an honest figure for the winner."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from pipelines.stats.choosing import (
    beaten_by,
    cross_chosen,
    cross_selected,
    frontier,
    may_be_best,
    prompts_to_tell,
)
from pipelines.stats.intervals import cluster_sums
from pipelines.stats.power import n_for_difference
from pipelines.stats.resampling import bootstrap

WORLDS = 1200
RESAMPLED = 300  # of them, where each needs a bootstrap


def test_the_frontier_holds_what_nothing_beats_at_its_price():
    quality = np.array([0.9, 0.7, 0.8, 0.8, 0.6, 0.95])
    cost = np.array([5.0, 1.0, 2.0, 3.0, 1.0, np.nan])
    np.testing.assert_array_equal(frontier(quality, cost), [1, 1, 1, 0, 0, 0])


def test_a_cost_that_is_the_same_but_for_rounding_is_the_same():
    found = frontier(np.array([0.7, 0.8]), np.array([0.3, 0.1 + 0.2]))
    assert list(found) == [False, True]


def test_of_equal_strategies_the_first_is_on_the_frontier():
    np.testing.assert_array_equal(frontier(np.array([0.5, 0.5]), np.array([1.0, 1.0])), [1, 0])


def test_who_beats_whom_in_two_things():
    quality, cost = np.array([0.9, 0.7, 0.7, 0.6, np.nan]), np.array([5.0, 1.0, 1.0, 2.0, 0.0])
    beaten = beaten_by(quality, cost)
    # only the fourth is beaten, by the two before it, who are equal; what is not known is no rival
    assert [list(np.flatnonzero(row)) for row in beaten] == [[], [], [], [1, 2], []]
    both = beaten_by(np.stack([quality, quality[::-1]]), np.stack([cost, cost[::-1]]))
    np.testing.assert_array_equal(both[0], beaten)
    np.testing.assert_array_equal(both[1], beaten[::-1, ::-1])


def replicates_of(columns, prompts):
    sums = cluster_sums(np.column_stack([columns, np.ones(len(columns))]), prompts)
    return bootstrap(lambda totals: totals[:, :-1] / totals[:, -1:], sums, replicates=500)


def test_what_is_far_behind_is_left_out_and_a_copy_of_the_best_is_in():
    random = np.random.default_rng(0)
    best = random.binomial(1, 0.8, 400).astype(float)
    columns = np.column_stack([best, best, random.binomial(1, 0.5, 400)])
    kept = may_be_best(columns.mean(axis=0), replicates_of(columns, np.arange(400)))
    np.testing.assert_array_equal(kept, [True, True, False])


def test_what_is_behind_in_every_resample_is_left_out():
    values = np.array([0.5, 0.4])
    replicates = np.tile(values, (50, 1)) + np.linspace(-0.1, 0.1, 50)[:, None]
    np.testing.assert_array_equal(may_be_best(values, replicates), [True, False])


def test_one_strategy_alone_is_the_best():
    assert may_be_best(np.array([0.3]), np.random.default_rng(0).normal(size=(20, 1))).all()


def test_the_order_of_strategies_changes_nothing():
    random = np.random.default_rng(1)
    columns = random.binomial(1, [0.7, 0.72, 0.6, 0.71], (200, 4)).astype(float)
    replicates = replicates_of(columns, np.arange(200))
    order = [2, 0, 3, 1]
    kept = may_be_best(columns.mean(axis=0), replicates)
    turned = may_be_best(columns[:, order].mean(axis=0), replicates[:, order])
    np.testing.assert_array_equal(kept[order], turned)


def highest(quality, cost):
    return int(np.argmax(quality))


def test_each_fold_is_scored_by_what_the_others_select():
    quality = np.zeros((20, 2))
    quality[:10, 0] = 1.0  # prompts 0 to 9: strategy 0 is right
    quality[10:, 1] = 1.0
    prompts = np.repeat([0, 1], 10)
    # Without prompt 0 strategy 1 looks best, and the other way round: both are wrong held out.
    found = cross_selected(quality, np.ones((20, 2)), prompts, highest)
    np.testing.assert_array_equal(found, np.zeros(20))


def test_what_is_chosen_is_what_is_scored():
    random = np.random.default_rng(3)
    quality, prompts = random.random((60, 3)), np.repeat(np.arange(30), 2)
    chosen = cross_chosen(quality, np.ones((60, 3)), prompts, highest)
    for fold in range(10):
        mine = prompts % 10 == fold
        assert set(chosen[mine]) == {quality[~mine].mean(axis=0).argmax()}
    scored = cross_selected(quality, np.ones((60, 3)), prompts, highest)
    np.testing.assert_array_equal(scored, quality[np.arange(60), chosen])


def test_one_fold_alone_or_no_strategy_has_no_figure():
    quality = np.ones((4, 2))
    assert cross_selected(quality, quality, np.zeros(4, int), highest) is None
    assert cross_selected(quality, quality, np.arange(4), lambda *_: None) is None


def test_prompts_to_tell_is_the_formula_of_planning():
    # a difference of 2 points at discordance .2: variance .2 - .0004 an item
    error = np.sqrt((0.2 - 0.02**2) / 500)
    found = prompts_to_tell(0.02, error, 500)
    assert found == pytest.approx(n_for_difference(0.02, 0.2), abs=2)
    assert prompts_to_tell(0.0, 0.01, 100) is None
    assert prompts_to_tell(0.1, 0.0, 100) is None


@pytest.fixture(scope="module")
def worlds():
    """Twelve strategies that differ little, on 300 comparisons of 150 prompts, 1,200 times.

    What makes a comparison hard is common to all: the columns go together.
    """
    truth = 0.7 + np.array([0.0, 0.0, 0.0, *-np.linspace(0.0, 0.05, 9)])
    random = np.random.default_rng(crc("choosing among twelve"))
    prompts = np.repeat(np.arange(150), 2)
    found = []
    for _ in range(WORLDS):
        hard = np.repeat(random.normal(size=150), 2)[:, None]
        own = random.normal(size=(300, 12))
        z = np.sqrt(0.5) * hard + np.sqrt(0.5) * own
        quality = (z < normal_quantile(truth)).astype(float)
        found.append((quality, prompts))
    return truth, found


def crc(name):
    from zlib import crc32

    return crc32(name.encode())


def normal_quantile(p):
    from scipy.special import ndtri

    return ndtri(p)


def test_the_winners_own_figure_is_too_good_and_the_cross_selected_one_is_not(worlds):
    truth, found = worlds
    naive, honest = [], []
    for quality, prompts in found:
        means = quality.mean(axis=0)
        luck = means.mean() - truth.mean()  # of the draw, which all strategies share: mean 0
        naive.append(means.max() - truth[means.argmax()] - luck)
        values = cross_selected(quality, np.ones_like(quality), prompts, highest)
        # what it estimates: the expected truth of what nine tenths of the prompts select
        chosen = [truth[quality[prompts % 10 != fold].mean(axis=0).argmax()] for fold in range(10)]
        honest.append(values.mean() - np.mean(chosen) - luck)
    error = np.std(honest) / np.sqrt(WORLDS)
    assert np.mean(naive) > 0.009
    assert abs(np.mean(honest)) < 3 * error
    assert 3 * error < 0.003


def test_the_true_best_is_among_those_that_may_be(worlds):
    """Three are equally good: any of them is the best."""
    _, found = worlds
    held, sizes = 0, []
    for quality, prompts in found[:RESAMPLED]:
        kept = may_be_best(quality.mean(axis=0), replicates_of(quality, prompts))
        held += kept[0]
        sizes.append(kept.sum())
    assert held >= binom.ppf(0.0005, RESAMPLED, 0.95)
    assert np.mean(sizes) < 11  # it leaves some out


def may_be_best_one_by_one(values, replicates):
    """The same in other words: each strategy against all that are apart from it."""
    kept = []
    for i in range(len(values)):
        apart = (replicates - replicates.mean(axis=0)).T
        apart = apart - apart[i]
        errors = np.sqrt((apart**2).mean(axis=1))
        others = errors > 1e-9
        ahead = values - values[i]
        moved = replicates.T - replicates[:, i] - ahead[:, None]
        furthest = (moved[others] / errors[others, None]).max(axis=0, initial=-np.inf)
        factor = np.quantile(furthest, 0.95) if others.any() else 0.0
        kept.append(
            (ahead[others] <= factor * errors[others]).all() and (ahead[~others] <= 1e-9).all()
        )
    return np.array(kept)


def test_all_couples_at_once_are_each_strategy_by_itself():
    random = np.random.default_rng(3)
    shares = []
    for m in range(1, 22):
        common = random.normal(scale=0.01, size=(600, 1))
        replicates = 0.7 + common + random.normal(scale=0.004, size=(600, m))
        replicates += random.normal(scale=0.01, size=m)
        replicates[:, m // 2] = replicates[:, 0]  # a copy, and one that is behind in each of them
        replicates[:, m // 3] = replicates[:, 0] - 0.01 * (m // 3 > 0)
        values = replicates.mean(axis=0) + 1e-4
        kept = may_be_best(values, replicates)
        np.testing.assert_array_equal(kept, may_be_best_one_by_one(values, replicates))
        shares.append(kept.mean())
    assert min(shares) < 0.5 < max(shares)
