"""Planning: hand-derived values, statsmodels and the noncentral t as oracles, simulated power."""

from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nct, t
from statsmodels.stats.power import NormalIndPower

from pipelines.stats.intervals import Interval, cluster_sums, ratio, smooth_interval
from pipelines.stats.power import (
    difference_at,
    most_design_effect,
    n_for_difference,
    n_for_position,
    smallest_difference,
    standard_error_of,
)

Z2 = (1.959963985 + 0.841621234) ** 2  # 7.848880


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


# items that find a position effect


@pytest.mark.parametrize(
    ("delta", "flip_rate", "expected"),
    [
        (0.05, None, 785),  # 7.84888 / 4 / .0025 = 784.89
        (0.05, 0.2, 157),  # 7.84888 * .05 / .0025 = 156.98
        (0.03, None, 2181),  # 7.84888 / 4 / .0009 = 2180.2
        (0.03, 0.2, 437),  # 7.84888 * .05 / .0009 = 436.05
    ],
)
def test_items_for_a_position_effect_by_hand(delta, flip_rate, expected):
    assert n_for_position(delta, flip_rate) == expected
    assert n_for_position(-delta, flip_rate) == expected


def test_the_design_effect_multiplies_the_items_before_they_are_rounded_up():
    assert n_for_position(0.05, design_effect=2.5) == 1963  # 784.89 * 2.5 = 1962.2
    assert n_for_difference(0.02, 0.1, design_effect=2.5) == 4886  # 1954.37 * 2.5 = 4885.9


@pytest.mark.parametrize(
    ("delta", "flip_rate"),
    [(0, None), (0.51, None), (0, 0.2), (0.11, 0.2), (0.05, 0.0), (0.05, 1.1), (np.nan, None)],
)
def test_a_position_effect_that_cannot_be_needs_no_number(delta, flip_rate):
    assert n_for_position(delta, flip_rate) is None


# items that find a difference in agreement


@pytest.mark.parametrize(
    ("discordance", "expected"),
    [
        (0.1, 1955),  # 7.84888 * .0996 / .0004 = 1954.4
        (0.2, 3917),  # 7.84888 * .1996 / .0004 = 3916.6
        (0.3, 5879),  # 7.84888 * .2996 / .0004 = 5878.8
    ],
)
def test_items_for_a_difference_of_two_points_by_hand(discordance, expected):
    assert n_for_difference(0.02, discordance) == expected
    assert n_for_difference(-0.02, discordance) == expected


@pytest.mark.parametrize(
    ("delta", "discordance"), [(0, 0.2), (0.2, 0.2), (0.3, 0.2), (0.02, 1.1), (0.02, 0), (0.1, -1)]
)
def test_a_difference_that_cannot_be_needs_no_number(delta, discordance):
    assert n_for_difference(delta, discordance) is None


@settings(deadline=None, max_examples=25)
@given(st.floats(0.005, 0.05), st.floats(0.1, 0.9))
def test_items_are_those_of_statsmodels(delta, discordance):
    # One sample (ratio 0) of mean delta and variance discordance - delta^2.
    size = delta / np.sqrt(discordance - delta**2)
    exact = NormalIndPower(ddof=0).solve_power(size, alpha=0.05, power=0.8, ratio=0)
    assert abs(n_for_difference(delta, discordance) - exact) <= 1 + 1e-4 * exact


@settings(deadline=None)
@given(st.integers(1, 10**6), st.floats(0.01, 1), st.floats(1, 30))
def test_the_difference_at_n_items_needs_n_items(n, discordance, design_effect):
    delta = difference_at(n, discordance, design_effect)
    exact = Z2 * (discordance - delta**2) / delta**2 * design_effect
    assert exact == pytest.approx(n, rel=1e-6)
    if delta < discordance * (1 - 1e-9):
        assert n_for_difference(delta, discordance, design_effect) in (n, n + 1)


@pytest.mark.parametrize(("n", "discordance"), [(0, 0.2), (100, 0), (100, 1.5)])
def test_without_items_or_discordance_no_difference_is_the_smallest(n, discordance):
    assert difference_at(n, discordance) is None


def test_planned_items_find_the_difference_four_times_in_five():
    # 2,000 worlds: three standard errors of a power of .8 are .027.
    r, n, worlds = rng("planned items"), n_for_difference(0.1, 0.3), 2000
    better, worse = r.multinomial(n, [0.2, 0.1, 0.7], worlds).T[:2]
    mean = (better - worse) / n
    error = np.sqrt(((better + worse) / n - mean**2) / n)
    assert np.mean(np.abs(mean) > 1.959964 * error) == pytest.approx(0.8, abs=0.027)


# the largest design effect


def test_the_largest_design_effect_by_hand():
    assert most_design_effect(np.arange(7)) == 1.0
    assert most_design_effect(np.repeat(np.arange(4), 6)) == 6.0
    assert most_design_effect(np.array([0, 2, 2, 2])) == 2.5  # (1 + 9) / 4; code 1 is empty
    assert most_design_effect(np.array([], dtype=int)) is None


def test_copies_of_an_item_have_the_largest_design_effect():
    values = rng("copies").random(300)
    once = smooth_interval(ratio, np.stack([values, np.ones(300)], axis=1))
    copied, clusters = np.repeat(values, 4), np.repeat(np.arange(300), 4)
    columns = np.stack([copied, np.ones(1200)], axis=1)
    as_items = smooth_interval(ratio, columns)
    effect = (standard_error_of(once) / standard_error_of(as_items)) ** 2
    assert effect == pytest.approx(most_design_effect(clusters), rel=0.01)


# the smallest difference


def test_the_smallest_difference_by_hand():
    # 169 degrees of freedom: t = z + (z^3 + z)/(4 f) + (5 z^5 + 16 z^3 + 3 z)/(96 f^2), which is
    # 1.959964 + .014037 + .000099 and .841621 + .002127 + .000005
    assert smallest_difference(0.02, 170) == pytest.approx(0.02 * (1.974100 + 0.843753), abs=1e-7)
    assert smallest_difference(0.01, 10**9) == pytest.approx(0.01 * np.sqrt(Z2), abs=1e-8)


@pytest.mark.parametrize("n_prompts", [20, 35, 170, 5000])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.9])
def test_the_smallest_difference_has_its_power_by_the_noncentral_t(n_prompts, power):
    shift = smallest_difference(1.0, n_prompts, power)
    critical = t.ppf(0.975, n_prompts - 1)
    found = nct.sf(critical, n_prompts - 1, shift) + nct.cdf(-critical, n_prompts - 1, shift)
    assert found == pytest.approx(power, abs=0.012)  # t_.8 is the usual approximation


@pytest.mark.parametrize(
    ("error", "n_prompts"), [(None, 100), (np.nan, 100), (np.inf, 100), (0.02, 19), (0.02, 0)]
)
def test_without_an_interval_there_is_no_smallest_difference(error, n_prompts):
    assert smallest_difference(error, n_prompts) is None


@settings(deadline=None)
@given(st.integers(20, 80), st.integers(0, 1000))
def test_the_standard_error_is_the_cluster_robust_one(n_prompts, seed):
    # The sandwich written out: sqrt(G/(G-1) sum_g (sum of residuals)^2) / n.
    r = np.random.default_rng(seed)
    clusters = np.concatenate([np.arange(n_prompts), r.integers(0, n_prompts, 100)])
    values = r.normal(size=len(clusters))
    columns = np.stack([values, np.ones(len(values))], axis=1)
    found = standard_error_of(smooth_interval(ratio, cluster_sums(columns, clusters)))
    residuals = np.bincount(clusters, weights=values - values.mean())
    expected = np.sqrt(n_prompts / (n_prompts - 1) * (residuals**2).sum()) / len(values)
    assert found == pytest.approx(expected, rel=1e-8)


def test_an_interval_cut_on_one_side_still_gives_its_standard_error():
    whole, cut = Interval(0.9, 0.7, 1.1, 60), Interval(0.9, 0.7, 1.0, 60)
    assert standard_error_of(whole) == standard_error_of(cut) == pytest.approx(0.2 / 2.000995)


def test_without_an_interval_there_is_no_standard_error():
    assert standard_error_of(Interval(0.5, None, None, 12, "too few prompts")) is None
    assert standard_error_of(Interval(None, None, None, 0, "no data")) is None
