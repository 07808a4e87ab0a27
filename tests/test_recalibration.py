"""Recalibration: by hand, scikit-learn and scipy, what is held out, symmetry, and the ends."""

from math import log
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression, minimize_scalar

from pipelines.stats.calibration import brier, calibration_slope, log_loss_columns, mean_score
from pipelines.stats.recalibration import FOLDS, cross_fitted, folds, isotonic, temperature

FITS = [temperature, isotonic]
items_of = st.lists(
    st.tuples(st.integers(0, 20), st.text("atb", max_size=5)), min_size=1, max_size=40
)


def counts(*items):
    """Counts (n, 3) of items written as their labels: counts("aab", "t", "")."""
    return np.array([[item.count(name) for name in "atb"] for item in items], dtype=float)


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def world(r, n, slope=0.5, n_prompts=None):
    """A judge that states sigma(logit(pi) / slope), and three labels of humans without ties."""
    share = r.beta(1.2, 1.2, n)
    a = r.binomial(3, share).astype(float)
    clusters = r.integers(0, n_prompts or n, n)
    p = 1 / (1 + ((1 - share) / share) ** (1 / slope))
    return p, np.stack([a, np.zeros(n), 3 - a], axis=1), clusters


def loss(p, humans):
    total, n = log_loss_columns(p, humans).sum(axis=0)
    return total / n


# temperature


def test_the_temperature_by_hand():
    # 3 of 4 labels a where .8 was stated: the curve makes .75 of it, and of .2 it makes .25.
    # 64/65 has three times the log odds of .8 (4 and 64): 3^3 = 27 to one.
    curve = temperature(np.array([0.8, 0.8]), counts("aab", "a"))
    found = curve(np.array([0.8, 0.2, 0.5, 64 / 65]))
    assert found == pytest.approx([0.75, 0.25, 0.5, 27 / 28], abs=1e-12)


def test_the_temperature_has_the_least_log_loss():
    p, humans, _ = world(rng("temperature"), 300)
    logits = np.log(np.clip(p, 0.001, 0.999)) - np.log(1 - np.clip(p, 0.001, 0.999))

    def at(slope):
        up = np.logaddexp(0, -slope * logits)
        down = np.logaddexp(0, slope * logits)
        return (humans[:, 0] * up + humans[:, 2] * down).sum()

    best = minimize_scalar(at, bounds=(0.01, 3), method="bounded", options={"xatol": 1e-10}).x
    expected = 1 / (1 + np.exp(-best * logits))
    assert temperature(p, humans)(p) == pytest.approx(expected, abs=1e-6)


def test_after_the_fit_the_slope_on_the_same_labels_is_one():
    p, humans, _ = world(rng("one"), 400, slope=0.7)
    p = np.clip(p, 0.02, 0.98)  # away from the clip, which would flatten it
    assert calibration_slope(p, humans) < 0.9
    assert calibration_slope(temperature(p, humans)(p), humans) == pytest.approx(1, abs=1e-8)


# isotonic


def test_the_isotonic_curve_by_hand():
    # On the favoured side .6: mean score 1 (a); .7 (written .3): 1/2 (t); .9: 1 (aa), pooled with
    # its mirror image. .6 and .7 violate the order: (1 + 1/2)/2 = .75. Between .7 and .9 a line.
    p, humans = np.array([0.6, 0.3, 0.9]), counts("a", "t", "aa")
    curve = isotonic(p, humans)
    found = curve(np.array([0.6, 0.7, 0.9, 0.8, 0.99, 0.5, 0.4, 0.1, 0.0]))
    expected = [0.75, 0.75, 1.0, 0.875, 1.0, 0.5, 0.25, 0.0, 0.0]
    assert found == pytest.approx(expected, abs=1e-12)


@given(items_of)
@settings(deadline=None)
def test_the_isotonic_curve_is_scipys_on_items_used_twice(items):
    p = np.array([twentieths / 20 for twentieths, _ in items])
    humans = counts(*(labels for _, labels in items))
    curve = isotonic(p, humans)
    known = humans.sum(axis=1) > 0
    assert (curve is None) == (not known.any())
    if curve is not None:
        score = mean_score(humans[known]) + 0.5
        grid = np.round(np.concatenate([p[known], 1 - p[known]]) * 20).astype(int)
        levels, place, size = np.unique(grid, return_inverse=True, return_counts=True)
        means = np.bincount(place, np.concatenate([score, 1 - score])) / size
        expected = isotonic_regression(means, weights=size).x
        assert curve(levels / 20) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("fit", FITS)
def test_curves_are_symmetric_to_the_last_digit(fit):
    p, humans, _ = world(rng("symmetric"), 200)
    curve, new = fit(p, humans), rng("new").random(500)
    up, down = curve(new), curve(1 - new)
    assert (up - 0.5 == 0.5 - down).all()
    assert curve(np.array([0.5])).tolist() == [0.5]
    assert (np.diff(curve(np.sort(new))) >= -1e-12).all()
    assert ((up >= 0) & (up <= 1)).all()
    swapped = rng("swap").random(200) < 0.5
    q = np.where(swapped, 1 - p, p)
    other = fit(q, np.where(swapped[:, None], humans[:, ::-1], humans))
    assert other(new) == pytest.approx(up, abs=1e-12)


# folds


def test_prompts_stay_together_and_folds_are_even():
    clusters = rng("folds").integers(0, 53, 1000) * 7
    found = folds(clusters)
    assert all(len(set(found[clusters == c].tolist())) == 1 for c in set(clusters.tolist()))
    prompts = [len(set(clusters[found == k].tolist())) for k in range(FOLDS)]
    assert sorted(prompts) == [10, 10, 11, 11, 11]
    assert found.tolist() == folds(clusters).tolist()
    assert found.tolist() != folds(clusters, seed=1).tolist()


@pytest.mark.parametrize("fit", FITS)
def test_an_item_gets_the_curve_of_the_other_prompts(fit):
    p, humans, clusters = world(rng("held out"), 300, n_prompts=60)
    found, fold = cross_fitted(fit, p, humans, clusters), folds(clusters)
    for k in range(FOLDS):
        curve = fit(p[fold != k], humans[fold != k])
        assert found[fold == k].tolist() == curve(p[fold == k]).tolist()
    # Whatever the labels of a prompt say, its own figures do not move.
    prompt = clusters == clusters[0]
    turned = np.where(prompt[:, None], humans[:, ::-1], humans)
    again = cross_fitted(fit, p, turned, clusters)
    assert again[prompt].tolist() == found[prompt].tolist()
    assert (again != found).any()


@pytest.mark.parametrize("fit", FITS)
def test_a_judge_that_is_too_sure_is_better_on_labels_it_was_not_fitted_to(fit):
    p, humans, clusters = world(rng("better"), 2000, slope=0.4)
    found = cross_fitted(fit, p, humans, clusters)
    assert loss(found, humans) < loss(p, humans) - 0.05
    assert brier(found, humans).mean() < brier(p, humans).mean() - 0.005
    assert calibration_slope(found, humans) == pytest.approx(1, abs=0.15)


def test_in_sample_a_curve_finds_an_improvement_in_pure_noise_and_cross_fitted_it_does_not():
    r = rng("noise")
    inside, outside = [], []
    for _ in range(40):
        p, a = r.random(100), r.binomial(3, 0.5, 100)
        humans = np.stack([a, np.zeros(100), 3 - a], axis=1).astype(float)
        inside.append(brier(isotonic(p, humans)(p), humans).mean())
        outside.append(brier(cross_fitted(isotonic, p, humans, np.arange(100)), humans).mean())
    # nothing beats 1/2 everywhere: (1/2)^2 = 1/4
    assert np.mean(inside) < 0.25 - 3 * np.std(inside) / np.sqrt(40)
    assert np.mean(outside) > 0.25


@pytest.mark.parametrize("fit", FITS)
def test_cross_fitted_figures_do_not_depend_on_which_response_is_called_a(fit):
    p, humans, clusters = world(rng("naming"), 200, n_prompts=80)
    swapped = rng("names").random(200) < 0.5
    q = np.where(swapped, 1 - p, p)
    other = cross_fitted(fit, q, np.where(swapped[:, None], humans[:, ::-1], humans), clusters)
    found = cross_fitted(fit, p, humans, clusters)
    assert np.where(swapped, 1 - other, other) == pytest.approx(found, abs=1e-12)


# the ends


@pytest.mark.parametrize("fit", FITS)
def test_one_prompt_has_no_other_to_fit_to(fit):
    p, humans = np.array([0.6, 0.7]), counts("ab", "ab")
    assert np.isnan(cross_fitted(fit, p, humans, np.zeros(2, dtype=int))).all()
    assert cross_fitted(fit, p[:0], humans[:0], np.zeros(0, dtype=int)).shape == (0,)


def test_a_fold_whose_others_have_no_decided_labels_stays_unknown():
    # All decided labels are of one prompt: only the others can be fitted to it.
    clusters = np.arange(20)
    p, humans = np.full(20, 0.8), counts("aab", *["t"] * 19)
    found = cross_fitted(temperature, p, humans, clusters)
    its_fold = folds(clusters) == folds(clusters)[0]
    assert np.isnan(found[its_fold]).all()
    assert found[~its_fold] == pytest.approx(2 / 3)
    # ties are scores of 1/2 to the isotonic curve, so it is known everywhere
    assert np.isfinite(cross_fitted(isotonic, p, humans, clusters)).all()


def test_labels_all_on_the_side_of_the_judge_have_an_isotonic_curve_only():
    p, humans = np.array([0.6, 0.3, 0.9]), counts("a", "b", "aa")
    assert temperature(p, humans) is None
    assert isotonic(p, humans)(p) == pytest.approx([1.0, 0.0, 1.0])


def test_a_constant_p_becomes_the_share_that_it_has():
    p, humans = np.full(4, 0.7), counts("ab", "ab", "a", "b")
    # log odds 0: 3 of 6
    for fit in FITS:
        assert fit(p, humans)(p) == pytest.approx(np.full(4, 0.5), abs=1e-12)
    # 5 of 8 decided labels; by items (1 + 1/2 + 1/2 + 1/2)/4
    humans = counts("aa", "ab", "ab", "ab")
    assert temperature(p, humans)(p) == pytest.approx(np.full(4, 5 / 8), abs=1e-12)
    assert isotonic(p, humans)(p) == pytest.approx(np.full(4, 5 / 8), abs=1e-12)


def test_a_judge_that_never_favours_a_side_stays_at_one_half():
    p, humans = np.full(3, 0.5), counts("a", "a", "b")
    assert temperature(p, humans) is None
    assert isotonic(p, humans)(p).tolist() == [0.5] * 3


def test_a_judge_that_is_wrong_more_often_than_right_is_turned_round_by_temperature_only():
    p, humans = np.array([0.8] * 4), counts("b", "b", "b", "a")
    assert calibration_slope(p, humans) == pytest.approx(-log(3) / log(4))
    assert temperature(p, humans)(p) == pytest.approx([0.25] * 4)
    assert isotonic(p, humans)(p) == pytest.approx([0.5] * 4)  # a falling curve is not for it
