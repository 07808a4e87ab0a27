"""The joint bootstrap over prompts: its draws, its spread, and intervals that hold together."""

from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import binom

from pipelines.stats.intervals import NO_VARIATION, ratio, smooth_interval
from pipelines.stats.power import standard_error_of
from pipelines.stats.resampling import (
    CHUNK,
    MOST_DRAWN,
    REPLICATES,
    Simultaneous,
    bootstrap,
    drawn_units,
    draws,
    percentile_interval,
    simultaneous_intervals,
)


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def mean_of(totals):
    """Share of the first total of the second: (B, 2) to (B,)."""
    return totals[:, 0] / totals[:, 1]


def columns_of(values):
    return np.stack([values, np.ones(len(values))], axis=1)


def sidak(m):
    """The factor with which m independent normal estimates are covered together in 95%."""
    return float(ndtri(0.5 + 0.5 * 0.95 ** (1 / m)))


# draws


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 400), st.integers(1, 300), st.integers(0, 2**32))
def test_every_replicate_draws_as_many_prompts_as_there_are(n_prompts, replicates, seed):
    chunks = list(draws(n_prompts, replicates, seed))
    counts = np.concatenate(chunks)
    assert counts.shape == (replicates, n_prompts)
    assert max(len(chunk) for chunk in chunks) <= CHUNK
    assert (counts.sum(axis=1) == n_prompts).all()
    assert (counts >= 0).all()
    assert np.array_equal(counts, counts.round())


def test_the_same_seed_gives_the_same_draws_and_another_one_does_not():
    one, same, other = (np.concatenate(list(draws(50, 300, seed))) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    chunks = list(draws(50, 3 * CHUNK))
    assert not np.array_equal(chunks[0], chunks[1])
    assert not np.array_equal(chunks[1], chunks[2])


def test_fewer_replicates_are_the_first_of_more():
    more = np.concatenate(list(draws(60, 500)))
    for n in (1, CHUNK - 1, CHUNK, CHUNK + 1, 400):
        assert np.array_equal(np.concatenate(list(draws(60, n))), more[:n])


def test_each_prompt_is_drawn_as_a_multinomial_says():
    # Counts of one prompt: mean 1, variance 1 - 1/G; of two prompts: covariance -1/G.
    n_prompts, replicates = 10, 20_000
    counts = np.concatenate(list(draws(n_prompts, replicates)))
    found = np.cov(counts.T)
    expected = np.eye(n_prompts) - 1 / n_prompts
    assert np.abs(counts.mean(axis=0) - 1).max() < 4.5 / np.sqrt(replicates)
    assert np.abs(found - expected).max() < 6 * np.sqrt(2 / replicates)


def test_joint_statistics_rest_on_the_same_draws():
    r = rng("joint")
    one, other = r.random((2, 80))
    both = bootstrap(lambda t: np.stack([t[:, 0], t[:, 1]], axis=1), np.stack([one, other], 1))
    assert both.shape == (REPLICATES, 2)
    for k, values in enumerate((one, other)):
        assert bootstrap(lambda t: t[:, 0], values[:, None]) == pytest.approx(both[:, k])
    twins = bootstrap(lambda t: t[:, 0] - t[:, 1], np.stack([one, one], 1))
    assert np.abs(twins).max() < 1e-12


# spread


@pytest.mark.parametrize("n_prompts", [30, 200, 2000])
def test_the_spread_of_a_mean_is_the_known_one(n_prompts):
    # The bootstrap variance of a mean is exactly sum (x - mean)^2 / n^2: numpy's var / n. Its
    # estimate from 2,000 replicates has a relative error of 1/sqrt(4000) = 1.6%.
    values = rng(f"mean {n_prompts}").random(n_prompts)
    found = bootstrap(mean_of, columns_of(values))
    known = np.sqrt(np.var(values) / n_prompts)
    assert found.std() == pytest.approx(known, rel=0.06)
    assert abs(found.mean() - values.mean()) < 4 * known / np.sqrt(REPLICATES)


@pytest.mark.parametrize("n_prompts", [MOST_DRAWN, MOST_DRAWN + 1, 12_345])
def test_sets_of_prompts_spread_as_the_prompts_do(n_prompts):
    r = rng(f"sets {n_prompts}")
    sizes = r.integers(1, 6, n_prompts).astype(float)
    right = r.binomial(sizes.astype(int), r.beta(2, 1, n_prompts)).astype(float)
    sums = np.stack([right, sizes], axis=1)
    interval = smooth_interval(ratio, sums)
    found = bootstrap(mean_of, sums)
    assert found.std() == pytest.approx(standard_error_of(interval), rel=0.05)
    assert abs(found.mean() - interval.estimate) < 0.15 * found.std()


def test_prompts_beyond_the_most_are_drawn_in_sets_of_nearly_the_same_size():
    units = drawn_units(np.arange(12_345))
    sizes = np.bincount(units)
    assert len(sizes) == MOST_DRAWN
    assert set(sizes.tolist()) == {2, 3}
    assert drawn_units(np.arange(MOST_DRAWN)).tolist() == list(range(MOST_DRAWN))


def test_undefined_replicates_are_nan_without_a_warning():
    sums = np.zeros((20, 2))
    sums[0] = 1.0  # a replicate without the first prompt has nothing to divide by
    found = bootstrap(mean_of, sums)
    # P(a prompt is in none of 20 draws) = .95^20 = .358
    share = np.isnan(found).mean()
    assert abs(share - 0.95**20) < 4 * np.sqrt(0.36 * 0.64 / REPLICATES)
    assert (found[np.isfinite(found)] == 1.0).all()


def test_without_prompts_there_is_nothing_to_draw_from():
    with pytest.raises(ValueError, match="no prompts"):
        bootstrap(mean_of, np.empty((0, 2)))


# percentile intervals


def test_a_percentile_interval_by_hand():
    # 1, ..., 1001: the 2.5% point is 1 + 25, the 97.5% point 1 + 975.
    found = percentile_interval(500.0, np.arange(1.0, 1002.0), 80)
    assert [found.estimate, found.low, found.high] == pytest.approx([500, 26, 976], rel=1e-12)
    assert (found.n_prompts, found.note) == (80, None)


def test_the_percentile_interval_of_a_mean_is_nearly_students():
    values = rng("percentile").random(400)
    interval = smooth_interval(ratio, columns_of(values))
    found = percentile_interval(
        interval.estimate, bootstrap(mean_of, columns_of(values)), len(values)
    )
    width = interval.high - interval.low
    assert found.low == pytest.approx(interval.low, abs=0.06 * width)
    assert found.high == pytest.approx(interval.high, abs=0.06 * width)


def test_a_percentile_interval_always_holds_its_estimate():
    replicates = np.linspace(0.2, 0.4, 1000)
    assert percentile_interval(0.9, replicates, 80).high == 0.9
    assert percentile_interval(0.1, replicates, 80).low == 0.1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_undefined_estimate_has_its_reason(value):
    found = percentile_interval(value, np.ones(100), 80, undefined="no model has two ranks")
    assert (found.estimate, found.low, found.high) == (None, None, None)
    assert found.note == "undefined: no model has two ranks"


@pytest.mark.parametrize(
    ("n_prompts", "known", "words"),
    [
        (0, False, "too few prompts for an interval (0 of 20)"),
        (19, False, "too few prompts for an interval (19 of 20)"),
        (20, True, "few prompts: read with caution"),
        (49, True, "few prompts: read with caution"),
        (50, True, None),
    ],
)
def test_few_prompts(n_prompts, known, words):
    found = percentile_interval(0.5, np.linspace(0, 1, 100), n_prompts)
    assert found.estimate == 0.5
    assert (found.low is not None) is (found.high is not None) is known
    assert found.note == words


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_where_a_twentieth_is_undefined_there_is_no_interval(lost):
    replicates = np.linspace(0, 1, 1000)
    replicates[:50] = lost
    assert percentile_interval(0.5, replicates, 80).low is not None
    replicates[:51] = lost
    found = percentile_interval(0.5, replicates, 80)
    assert (found.estimate, found.low, found.high) == (0.5, None, None)
    assert found.note == "no interval, as 51 of 1,000 resamples leave it undefined"


def test_replicates_that_are_all_alike_give_no_interval_of_width_zero():
    found = percentile_interval(0.5, np.full(1000, 0.5), 80)
    assert (found.estimate, found.low, found.high, found.note) == (0.5, None, None, NO_VARIATION)


# intervals that hold together


@pytest.mark.parametrize("m", [1, 2, 5, 20])
def test_the_critical_value_of_independent_estimates_is_sidaks(m):
    values = rng(f"values {m}").normal(size=m)
    spread = np.geomspace(0.01, 100, m)
    replicates = values + spread * rng(f"replicates {m}").normal(size=(40_000, m))
    found = simultaneous_intervals(values, replicates)
    assert found.critical == pytest.approx(sidak(m), rel=0.02)
    half = found.critical * replicates.std(axis=0, ddof=1)
    assert found.low == pytest.approx(values - half)
    assert found.high == pytest.approx(values + half)


def test_estimates_that_are_one_and_the_same_need_no_widening():
    replicates = rng("same").normal(size=(20_000, 1)) * np.ones(6)
    found = simultaneous_intervals(np.zeros(6), replicates)
    assert found.critical == pytest.approx(sidak(1), rel=0.02)


def test_the_critical_value_does_not_depend_on_units_or_order():
    r = rng("units")
    values, replicates = r.normal(size=4), r.normal(size=(2000, 4)) @ r.normal(size=(4, 4))
    scale, shift, order = (
        np.array([1e-3, 1.0, 7.0, 1e5]),
        np.array([0.0, 5.0, -3.0, 1.0]),
        [2, 0, 3, 1],
    )
    found = simultaneous_intervals(values, values + replicates)
    other = simultaneous_intervals(
        (values * scale + shift)[order], ((values + replicates) * scale + shift)[:, order]
    )
    assert other.critical == pytest.approx(found.critical)
    assert other.low == pytest.approx((found.low * scale + shift)[order])


def without(found, k):
    """An answer where column k takes no part."""
    assert np.isnan([found.low[k], found.high[k]]).all()
    rest = np.arange(len(found.low)) != k
    return Simultaneous(found.critical, found.low[rest], found.high[rest])


@pytest.mark.parametrize("odd", ["value", "column", "a tenth", "constant"])
def test_what_is_undefined_takes_no_part_and_warns_nobody(odd):
    r = rng("odd")
    values, replicates = np.zeros(4), r.normal(size=(2000, 4))
    if odd == "value":
        values[2] = np.nan
    elif odd == "column":
        replicates[:, 2] = np.nan
    elif odd == "a tenth":
        replicates[:200, 2] = np.nan
    else:
        replicates[:, 2] = 0.0
    found = without(simultaneous_intervals(values, replicates), 2)
    rest = [0, 1, 3]
    expected = simultaneous_intervals(values[rest], replicates[:, rest])
    assert found.critical == pytest.approx(expected.critical, rel=1e-12)
    assert found.low == pytest.approx(expected.low, rel=1e-12)
    assert found.high == pytest.approx(expected.high, rel=1e-12)


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_a_few_undefined_replicates_are_left_out(lost):
    # In each of ten columns others are undefined: together they are more than a twentieth.
    values, replicates = np.zeros(10), rng("few").normal(size=(2000, 10))
    complete = simultaneous_intervals(values, replicates)
    for k in range(10):
        replicates[40 * k : 40 * (k + 1), k] = lost
    found = simultaneous_intervals(values, replicates)
    assert found.critical == pytest.approx(complete.critical, rel=0.03)
    assert np.isfinite(found.low).all()


def test_a_replicate_that_is_undefined_everywhere_is_left_out():
    values, replicates = np.zeros(3), rng("rows").normal(size=(1000, 3))
    holes = np.vstack([replicates, np.full((20, 3), np.nan)])
    assert simultaneous_intervals(values, holes).critical == pytest.approx(
        simultaneous_intervals(values, replicates).critical, rel=1e-12
    )


@pytest.mark.parametrize("m", [0, 1, 3])
def test_where_nothing_is_defined_there_is_no_critical_value(m):
    found = simultaneous_intervals(np.full(m, np.nan), np.full((100, m), np.nan))
    assert np.isnan(found.critical)
    assert found.low.shape == found.high.shape == (m,)
    assert np.isnan(found.low).all()


# coverage

WORLDS, M, G = 600, 8, 400  # with 150 prompts they cover 93%: normal, not Student's t


def world(r, truth):
    """Sums (G, 2 M) of M shares; the shares of a prompt move together."""
    common = r.normal(size=(G, 1)) * 0.8
    chance = 1 / (1 + np.exp(-(common + np.log(truth / (1 - truth)) + r.normal(size=(G, M)) * 0.3)))
    right = (r.random((G, M)) < chance).astype(float)
    used = (r.random((G, M)) < 0.9).astype(float)
    return np.stack([right * used, used], axis=2).reshape(G, 2 * M)


def shares_of(totals):
    pairs = totals.reshape(len(totals), M, 2)
    return pairs[..., 0] / pairs[..., 1]


def test_all_are_covered_together_and_pointwise_intervals_do_not_do_it():
    odds = np.linspace(0.4, 0.7, M)
    truth = shares_of(
        np.concatenate([world(rng(f"truth {k}"), odds) for k in range(1000)]).sum(axis=0)[None]
    )[0]
    together = alone = 0
    for k in range(WORLDS):
        sums = world(rng(f"world {k}"), odds)
        values = shares_of(sums.sum(axis=0)[None])[0]
        replicates = bootstrap(shares_of, sums, replicates=500, seed=k)
        found = simultaneous_intervals(values, replicates)
        together += bool(((found.low <= truth) & (truth <= found.high)).all())
        half = ndtri(0.975) * replicates.std(axis=0, ddof=1)
        alone += bool((np.abs(values - truth) <= half).all())
    low, high = binom.ppf([0.0005, 0.9995], WORLDS, 0.95)
    assert low <= together <= high
    assert alone < binom.ppf(0.0005, WORLDS, 0.9)
