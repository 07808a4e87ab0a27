"""Stated probabilities against human labels: by hand, scikit-learn and statsmodels, simulation."""

from itertools import product
from math import comb, log
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.regression.linear_model import OLS

from data.formats import alpacaeval
from data.imports import import_material
from data.store import Store
from pipelines.panel import read_panel
from pipelines.sections import calibration as section
from pipelines.sections.calibration import calibration_rows, reliability_points
from pipelines.sections.view import Rules, View
from pipelines.stats.calibration import (
    BINS,
    CLIP,
    NO_DECIDED,
    NO_SIDE,
    ONE_PROMPT,
    SEPARATED,
    beyond_clip,
    bin_sums,
    brier,
    calibration_errors,
    calibration_slope,
    excess_brier,
    half_bins,
    log_loss_columns,
    logit,
    mean_score,
    no_slope,
    noise,
    reliability,
    residual,
    slope_interval,
    squared_errors,
)
from pipelines.stats.intervals import NO_VARIATION, cluster_sums, ratio, smooth_interval
from tests.estimating import BASELINE, HUMAN, JUDGE, Rows, label, store_of

SCORES = {"a": 1.0, "t": 0.5, "b": 0.0}
items_of = st.lists(
    st.tuples(st.integers(0, 20), st.text("atb", max_size=5)), min_size=1, max_size=40
)


def counts(*items):
    """Counts (n, 3) of items written as their labels: counts("aab", "t", "")."""
    return np.array([[item.count(name) for name in "atb"] for item in items], dtype=float)


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def given_items(items):
    """p in steps of .05 and counts."""
    return np.array([twentieths / 20 for twentieths, _ in items]), counts(*(x for _, x in items))


def decided(p, labels):
    """One row for each decided label: p and whether it is a."""
    rows = [(q, x == "a") for q, item in zip(p, labels, strict=True) for x in item if x != "t"]
    return np.array([q for q, _ in rows]), np.array([y for _, y in rows])


def world(r, n_prompts, slope=1.0, ties=0.0, m=3):
    """A judge that states sigma(logit(pi) / slope) on 1 to 5 comparisons of each prompt."""
    clusters = np.repeat(np.arange(n_prompts), r.integers(1, 6, n_prompts))
    n = len(clusters)
    share = r.beta(1.2, 1.2, n)
    p = 1 / (1 + ((1 - share) / share) ** (1 / slope))
    decided_labels = r.binomial(m, 1 - ties, n)
    a = r.binomial(decided_labels, share)
    humans = np.stack([a, m - decided_labels, decided_labels - a], axis=1).astype(float)
    return p, humans, clusters


# Brier score and the noise of the labels


def test_the_brier_score_is_the_mean_squared_distance_from_each_label():
    # (.2^2 + .2^2 + .8^2)/3 = .24; a tie is 1/2: .3^2
    assert brier(np.array([0.8, 0.8]), counts("aab", "t")) == pytest.approx([0.24, 0.09])
    assert np.isnan(brier(np.array([0.8, np.nan]), counts("", "a"))).all()


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("aa", 0.0),
        ("ab", 1 / 2),  # mean 1/2: (1/4 + 1/4)/1
        ("aab", 1 / 3),  # mean 2/3: (1/9 + 1/9 + 4/9)/2
        ("tt", 0.0),
        ("at", 1 / 8),  # mean 3/4: 1/16 + 1/16
        ("att", 1 / 12),  # mean 2/3: (1/9 + 1/36 + 1/36)/2
    ],
)
def test_the_noise_is_the_sample_variance_of_the_scores(labels, expected):
    assert noise(counts(labels)) == pytest.approx([expected], abs=1e-15)


@pytest.mark.parametrize("labels", ["", "a", "t"])
def test_below_two_labels_there_is_no_noise_to_see(labels):
    assert np.isnan(noise(counts(labels))).all()
    assert np.isnan(excess_brier(np.array([0.5]), counts(labels))).all()


@given(items_of)
def test_brier_and_noise_are_those_of_the_single_labels(items):
    p, humans = given_items(items)
    for k, (_, labels) in enumerate(items):
        scores = np.array([SCORES[x] for x in labels])
        if len(scores):
            expected = ((scores - p[k]) ** 2).mean()
            assert brier(p, humans)[k] == pytest.approx(expected, abs=1e-11)
        if len(scores) >= 2:
            assert noise(humans)[k] == pytest.approx(scores.var(ddof=1), abs=1e-12)


def test_without_ties_the_brier_score_is_scikit_learns():
    r = rng("brier oracle")
    p, a = r.random(200), r.random(200) < 0.6
    humans = np.stack([a, np.zeros(200), ~a], axis=1).astype(float)
    assert brier(p, humans).mean() == pytest.approx(brier_score_loss(a, p), abs=1e-11)


def expectation(of, classes, m):
    """E of a per-item statistic over all counts of m labels drawn from class shares."""
    found = 0.0
    for a, t in product(range(m + 1), repeat=2):
        b = m - a - t
        if b >= 0:
            ways = comb(m, a) * comb(m - a, t)
            probability = ways * np.prod(np.array(classes) ** [a, t, b])
            found += probability * of(np.array([[a, t, b]], dtype=float))[0]
    return found


def binomial_noise(humans):
    m, q = humans.sum(axis=1), mean_score(humans) + 0.5
    return m / (m - 1) * q * (1 - q)


@pytest.mark.parametrize("m", [2, 3, 5])
@pytest.mark.parametrize("classes", [(0.5, 0.3, 0.2), (0.1, 0.9, 0.0), (0.7, 0.0, 0.3)])
def test_the_excess_is_unbiased_for_the_squared_distance_from_the_population_share(m, classes):
    share, p = classes[0] + classes[1] / 2, np.array([0.85])
    excess = expectation(lambda humans: excess_brier(p, humans), classes, m)
    assert excess == pytest.approx((0.85 - share) ** 2, abs=1e-11)
    # The binomial form takes sum y for sum y^2, which is too large by 1/4 for each tie: it makes up
    # a noise of 1/(m - 1) sum over ties of 1/4.
    made_up = m / (m - 1) * classes[1] / 4
    other = expectation(lambda humans: brier(p, humans) - binomial_noise(humans), classes, m)
    assert other == pytest.approx((0.85 - share) ** 2 - made_up, abs=1e-11)


# log-loss


def test_log_loss_by_hand_leaves_ties_out_and_clips_certainty():
    # .8 on a, a, tie, b: 2 ln(1/.8) + ln(1/.2); certain and wrong costs ln 1000, not infinity
    found = log_loss_columns(np.array([0.8, 1.0, 0.3]), counts("aatb", "b", "t"))
    expected = [[2 * log(1 / 0.8) + log(5), 3], [log(1000), 1], [0, 0]]
    assert found == pytest.approx(np.array(expected), abs=1e-10)
    assert beyond_clip(np.array([0.0, CLIP, 0.5, 1 - CLIP, 0.9995])).tolist() == [
        True, False, False, False, True,
    ]  # fmt: skip


@given(items_of)
def test_log_loss_is_scikit_learns_on_the_decided_labels(items):
    p, humans = given_items(items)
    q, y = decided(p, [labels for _, labels in items])
    loss, n = log_loss_columns(p, humans).sum(axis=0)
    assert n == len(y)
    if len(y):
        expected = sklearn_log_loss(y, np.clip(q, CLIP, 1 - CLIP), labels=[False, True])
        assert loss / n == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("share", [0.0, 1e-4, 1e-3, 0.3])
def test_the_clip_costs_a_calibrated_judge_less_than_a_thousandth(share):
    def loss(p):
        return -(share * np.log(p) + (1 - share) * np.log1p(-p)) if share else -np.log1p(-p)

    assert 0 <= loss(max(share, CLIP)) - (loss(share) if share else 0.0) < 0.00101


# calibration slope


def test_the_slope_by_hand():
    # 3 of 4 labels a where .8 was stated: ln 3 = slope ln 4. A tie says nothing.
    p, humans = np.array([0.8, 0.8]), counts("aab", "at")
    assert calibration_slope(p, humans) == pytest.approx(log(3) / log(4), abs=1e-12)
    mirrored = calibration_slope(np.array([0.8, 0.2]), counts("aab", "bt"))
    assert mirrored == pytest.approx(log(3) / log(4), abs=1e-12)
    # 1 of 4: the judge is wrong more often than right
    assert calibration_slope(p[:1], counts("abbb")) == pytest.approx(-log(3) / log(4), abs=1e-12)


def fitted(p, y, groups, intercept=False):
    """statsmodels' logistic regression on logit p, clustered, Student's t."""
    x = logit(p)[:, None]
    design = np.concatenate([np.ones_like(x), x], axis=1) if intercept else x
    model = GLM(y.astype(float), design, family=Binomial())
    kinds = {"groups": groups, "use_correction": not intercept, "df_correction": True}
    return model.fit(cov_type="cluster", cov_kwds=kinds, use_t=True, tol=1e-14, maxiter=200)


@pytest.mark.parametrize("slope", [0.4, 1.0, 2.5])
def test_the_slope_and_its_sandwich_are_statsmodels(slope):
    p, humans, clusters = world(rng(f"slope {slope}"), 80, slope, ties=0.3)
    rows = [
        (k, y) for k in range(len(p)) for y, c in ((1, 0), (0, 2)) for _ in range(int(humans[k, c]))
    ]
    k, y = np.array(rows).T
    fit = fitted(p[k], y, clusters[k])
    found = slope_interval(p, humans, clusters)
    assert found.estimate == pytest.approx(fit.params[0], abs=1e-8)
    [(low, high)] = fit.conf_int()
    assert found.n_prompts == len(set(clusters[k].tolist()))
    assert [found.low, found.high] == pytest.approx([low, high], abs=1e-6)


def test_using_each_item_twice_with_an_intercept_is_the_same_fit():
    p, humans, clusters = world(rng("twice"), 60, 1.5)
    a, _, b = humans.T.astype(int)
    k = np.concatenate([np.repeat(np.arange(len(p)), a), np.repeat(np.arange(len(p)), b)])
    y = np.arange(len(k)) < a.sum()
    both = fitted(np.concatenate([p[k], 1 - p[k]]), np.concatenate([y, ~y]),
                  np.tile(clusters[k], 2), intercept=True)  # fmt: skip
    found = slope_interval(p, humans, clusters)
    assert both.params == pytest.approx([0.0, found.estimate], abs=1e-8)
    quantile = (found.high - found.estimate) / both.bse[1] / np.sqrt(60 / 59)
    assert quantile == pytest.approx(2.0009954, abs=1e-5)  # Student's t, 59 degrees of freedom


@given(items_of)
@settings(deadline=None)
def test_the_slope_solves_its_equation_or_says_why_there_is_none(items):
    p, humans = given_items(items)
    found = calibration_slope(p, humans)
    assert np.isnan(found) == (no_slope(p, humans) is not None)
    if np.isfinite(found):
        x = logit(p)
        up = 1 / (1 + np.exp(-found * x))
        score = (x * (humans[:, 0] * (1 - up) - humans[:, 2] * up)).sum()
        assert score == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("p", "labels", "why"),
    [
        ([0.8, 0.3], ["t", ""], NO_DECIDED),
        ([], [], NO_DECIDED),
        ([0.5, 0.5], ["ab", "a"], NO_SIDE),
        ([0.8, 0.3, 0.5], ["a", "b", "ab"], SEPARATED),
        ([0.8, 0.3], ["b", "a"], SEPARATED),
    ],
)
def test_there_is_no_finite_slope_and_why(p, labels, why):
    p, humans = np.array(p), counts(*labels).reshape(-1, 3)
    assert no_slope(p, humans) == why
    found = slope_interval(p, humans, np.arange(len(p)))
    assert (found.estimate, found.low, found.note) == (None, None, f"undefined: {why}")


# bins


def test_bins_have_equal_mass_and_equal_distances_share_one():
    p = np.linspace(0.51, 0.99, 50)
    assert np.bincount(half_bins(rng("bins").permutation(p))).tolist() == [10] * (BINS // 2)
    assert half_bins(np.array([0.8, 0.2, 1 - 0.2, 1 - 0.8])).tolist() == [2] * 4  # the middle one
    # 60 of 100 say .9: one bin
    lumps = half_bins(np.array([0.9] * 60 + [0.1 + k / 1000 for k in range(1, 41)]))
    assert len(set(lumps[:60].tolist())) == 1
    assert half_bins(np.zeros(0)).shape == (0,)


def by_hand(p, humans, clusters):
    """The squared error over all ten bins of the items used twice, with clustered variances."""
    assert not (p == 0.5).any()
    x = np.concatenate([p, 1 - p])
    score = mean_score(humans) + 0.5
    d = np.concatenate([score, 1 - score]) - x
    half = half_bins(p)
    upper = np.concatenate([p > 0.5, p < 0.5])
    bins = np.where(upper, BINS // 2 + np.tile(half, 2), BINS // 2 - 1 - np.tile(half, 2))
    clusters = np.tile(clusters, 2)
    squares = bias = 0.0
    for k in range(BINS):
        inside = bins == k
        kinds = {"groups": clusters[inside], "use_correction": True, "df_correction": True}
        fit = OLS(d[inside], np.ones(inside.sum())).fit(cov_type="cluster", cov_kwds=kinds)
        squares += inside.mean() * fit.params[0] ** 2
        bias += inside.mean() * fit.bse[0] ** 2
    return squares, bias


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_the_squared_error_is_that_of_ten_bins_and_statsmodels_variances(slope):
    p, humans, clusters = world(rng(f"bins {slope}"), 90, slope, ties=0.2)
    found = squared_errors(bin_sums(p, humans, clusters).sum(axis=0)[None])
    assert np.ravel(found) == pytest.approx(by_hand(p, humans, clusters), abs=1e-9)


def test_the_calibration_error_by_hand():
    # One bin. .7 is stated; labels of four prompts: a, a, a, b. v = .75, error .05.
    # var = sum (d - mean)^2/(4 * 3) = (3/16 + 9/16)/12 = 1/16, so .0025 - .0625 < 0 is shown as 0.
    p, humans = np.full(4, 0.7), counts("a", "a", "a", "b")
    square, bias = squared_errors(bin_sums(p, humans, np.arange(4)).sum(axis=0)[None])
    assert (square[0], bias[0]) == pytest.approx((0.0025, 0.0625))
    [found] = calibration_errors([p], humans, np.arange(4))
    assert (found.estimate, found.low) == (0.0, None)
    # .9 instead: (.75 - .9)^2 = .0225, the same variance. With all labels a: .1^2 less nothing.
    [found] = calibration_errors([np.full(4, 0.9)], counts("a", "a", "a", "a"), np.arange(4))
    assert found.estimate == pytest.approx(0.1, abs=1e-12)


def test_the_debiased_square_is_exactly_unbiased_where_prompts_are_independent():
    # Every outcome of four prompts, one label each with P(a) = .6, where .9 is stated: .3^2
    debiased = plain = 0.0
    for labels in product("ab", repeat=4):
        probability = 0.6 ** labels.count("a") * 0.4 ** labels.count("b")
        sums = bin_sums(np.full(4, 0.9), counts(*labels), np.arange(4))
        square, bias = squared_errors(sums.sum(axis=0)[None])
        debiased += probability * (square[0] - bias[0])
        plain += probability * square[0]
    assert debiased == pytest.approx(0.09, abs=1e-12)
    assert plain == pytest.approx(0.09 + 0.6 * 0.4 / 4, abs=1e-12)


# simulation: a judge that states exactly the share of humans, and one that is too sure


def interval_of(values, clusters):
    columns = np.stack([values, np.ones(len(values))], axis=1)
    return smooth_interval(ratio, cluster_sums(columns, clusters))


def test_a_calibrated_judge_has_no_excess_slope_one_and_no_error_and_plain_bins_find_one():
    r, worlds = rng("calibrated"), 200
    excess, slopes, errors, debiased, plain = [], [], [], [], []
    for _ in range(worlds):
        p, humans, clusters = world(r, 60)
        excess.append(interval_of(excess_brier(p, humans), clusters))
        slopes.append(slope_interval(p, humans, clusters))
        errors += calibration_errors([p], humans, clusters, replicates=200)
        square, bias = squared_errors(bin_sums(p, humans, clusters).sum(axis=0)[None])
        debiased.append(square[0] - bias[0])
        plain.append(square[0])
    margin = 3 * np.sqrt(0.95 * 0.05 / worlds)
    for truth, found in ((0.0, excess), (1.0, slopes)):
        assert np.mean([x.low <= truth <= x.high for x in found]) == pytest.approx(0.95, abs=margin)
    assert np.mean([x.low == 0.0 for x in errors]) > 0.95
    standard_error = np.std(debiased) / np.sqrt(worlds)
    assert abs(np.mean(debiased)) < 3 * standard_error
    assert np.mean(plain) > 20 * standard_error  # about .04 in the root: found where nothing is
    assert np.sqrt(np.mean(plain)) > 0.03


def test_a_judge_that_is_too_sure_is_found():
    p, humans, clusters = world(rng("too sure"), 1500, slope=0.5)
    excess = interval_of(excess_brier(p, humans), clusters)
    [error] = calibration_errors([p], humans, clusters)
    found = slope_interval(p, humans, clusters)
    assert excess.low > 0
    assert 0 < error.low < error.estimate < error.high
    assert 0.4 < found.low < found.high < 0.6


def test_the_interval_of_the_calibration_error_covers_what_a_large_sample_shows():
    p, humans, clusters = world(rng("large"), 100_000, slope=0.6)
    square, bias = squared_errors(bin_sums(p, humans, clusters).sum(axis=0)[None])
    truth = np.sqrt(square[0] - bias[0])
    r, worlds = rng("coverage of the error"), 150
    found = []
    for _ in range(worlds):
        p, humans, clusters = world(r, 100, slope=0.6)
        found += calibration_errors([p], humans, clusters, replicates=200)
    covered = np.mean([x.low <= truth <= x.high for x in found])
    assert covered > 0.95 - 3 * np.sqrt(0.95 * 0.05 / worlds)
    assert truth > 0.03


# invariance


def everything(p, humans, clusters):
    """All figures of a judge."""
    smooth = [interval_of(f, clusters) for f in (brier(p, humans), noise(humans),
                                                excess_brier(p, humans))]  # fmt: skip
    loss = smooth_interval(ratio, cluster_sums(log_loss_columns(p, humans), clusters))
    return [*smooth, loss, slope_interval(p, humans, clusters),
            *calibration_errors([p], humans, clusters, replicates=100)]  # fmt: skip


@pytest.mark.parametrize("ties", [0.0, 0.4])
def test_nothing_depends_on_which_response_is_called_a_to_the_last_digit(ties):
    r = rng(f"naming {ties}")
    p, humans, clusters = world(r, 70, slope=0.8, ties=ties)
    p[::7] = np.round(p[::7], 1)
    swapped = r.random(len(p)) < 0.5
    q = np.where(swapped, 1 - p, p)
    renamed = np.where(swapped[:, None], humans[:, ::-1], humans)
    assert everything(q, renamed, clusters) == everything(p, humans, clusters)
    one, other = reliability(p, humans, clusters), reliability(q, renamed, clusters)
    for name in ("p", "observed", "low", "high", "n_items"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_order_of_items_and_names_of_prompts_do_not_matter():
    r = rng("order")
    p, humans, clusters = world(r, 50)
    order, names = r.permutation(len(p)), r.permutation(50)
    one = everything(p, humans, clusters)
    other = everything(p[order], humans[order], names[clusters][order])
    for before, after in zip(one[:-1], other[:-1], strict=True):
        assert (after.estimate, after.low, after.high) == pytest.approx(
            (before.estimate, before.low, before.high), abs=1e-10
        )
    assert other[-1].estimate == pytest.approx(one[-1].estimate, abs=1e-8)


def test_judges_scored_together_are_scored_as_each_alone():
    p, humans, clusters = world(rng("together"), 40)
    q = np.clip(p + 0.1, 0, 1)
    together = calibration_errors([p, q], humans, clusters, replicates=150)
    alone = [calibration_errors([x], humans, clusters, replicates=150)[0] for x in (p, q)]
    for one, other in zip(together, alone, strict=True):
        assert (one.estimate, one.low, one.high) == pytest.approx(
            (other.estimate, other.low, other.high), abs=1e-12
        )


# degenerate


def test_a_judge_that_always_says_one_half_is_calibrated_by_symmetry():
    humans = counts(*["aab", "ttb", "b"] * 10)
    p = np.full(30, 0.5)
    [found] = calibration_errors([p], humans, np.arange(30))
    assert (found.estimate, found.low, found.note) == (0.0, None, NO_VARIATION)
    assert (residual(p, humans) == 0).all()
    points = reliability(p, humans, np.arange(30))
    assert (points.p.tolist(), points.observed.tolist()) == ([0.5], [0.5])


def test_one_prompt_has_no_calibration_error():
    p, humans = np.array([0.7, 0.8, 0.9]), counts("aab", "a", "b")
    [found] = calibration_errors([p], humans, np.zeros(3, dtype=int))
    assert (found.estimate, found.note) == (None, f"undefined: {ONE_PROMPT}")
    assert slope_interval(p, humans, np.zeros(3, dtype=int)).low is None


def test_no_items_have_no_figures():
    empty, none = np.zeros(0), np.zeros(0, dtype=int)
    [found] = calibration_errors([empty], np.zeros((0, 3)), none)
    assert (found.estimate, found.note) == (None, "undefined: no items")
    assert len(reliability(empty, np.zeros((0, 3)), none).p) == 0


def test_all_ties_are_far_from_a_judge_that_is_sure():
    p, humans = np.full(40, 0.9), counts(*["tt"] * 40)
    assert excess_brier(p, humans) == pytest.approx(0.16)  # .4^2, as nothing is noise
    [found] = calibration_errors([p], humans, np.arange(40))
    assert (found.estimate, found.note) == (pytest.approx(0.4), NO_VARIATION)


# the reliability curve


def test_the_curve_by_hand_and_its_lower_half_mirrors_the_upper():
    # .6 on a: a, b; .1 on a, that is .9 on b: b, b, b, t (mean score of b 7/8)
    p = np.array([0.6, 0.6, 0.1, 0.1, 0.1, 0.1])
    points = reliability(p, counts("a", "b", "b", "b", "b", "t"), np.arange(6))
    assert points.p == pytest.approx([0.1, 0.4, 0.6, 0.9])
    assert points.observed == pytest.approx([1 / 8, 0.5, 0.5, 7 / 8])
    assert points.n_items.tolist() == [4, 2, 2, 4]
    assert np.isnan(points.low).all()


def test_the_curve_of_a_calibrated_judge_is_the_diagonal_within_its_intervals():
    points = reliability(*world(rng("curve"), 2000))
    assert len(points.p) == BINS
    assert (np.diff(points.p) > 0).all()
    assert (points.low < points.observed).all()
    assert (points.observed < points.high).all()
    inside = (points.low <= points.p) & (points.p <= points.high)
    assert inside.sum() >= BINS - 2  # pairs of mirror images
    assert points.p + points.p[::-1] == pytest.approx(1, abs=1e-12)
    assert points.low + points.high[::-1] == pytest.approx(1, abs=1e-12)


# rows


def view_of(store, dataset="d", keep=None, name="all"):
    panel = read_panel(store, dataset)
    return View(panel, Rules(), name, np.ones(panel.n_items, bool) if keep is None else keep)


def rows_of(view):
    return Rows(list(calibration_rows(view)))


def labels_of(r, n, humans=2, slope=0.5, judge="soft"):
    """Labels of humans and of a judge that is too sure, in both orders on every third item."""
    found = []
    for item in range(n):
        share = r.beta(1.2, 1.2)
        p_a = 1 / (1 + ((1 - share) / share) ** (1 / slope))
        for human in range(humans):
            mark = "t" if r.random() < 0.1 else "a" if r.random() < share else "b"
            found.append(label(item, f"h{human}", mark))
        for shown in ("ab", "ba")[: 2 if item % 3 == 0 else 1]:
            mark = "a" if p_a > 0.5 else "b"
            found.append(label(item, judge, mark, shown, p_a=float(np.round(p_a, 3))))
    return found


KINDS = {"h0": HUMAN, "h1": HUMAN, "soft": JUDGE}


@pytest.fixture(scope="module")
def soft(tmp_path_factory):
    found = labels_of(rng("rows"), 150)
    path = tmp_path_factory.mktemp("soft") / "s.duckdb"
    return store_of(path, found, KINDS, n_items=150, prompts=[i // 2 for i in range(150)])


def test_a_judge_has_its_rows_as_stated_and_after_each_fit(soft):
    rows = rows_of(view_of(soft))
    units = {"brier": "brier", "excess_brier": "brier", "log_loss": "nats",
             "calibration_slope": "slope", "calibration_error": "share"}  # fmt: skip
    for statistic, unit in units.items():
        found = rows.all(statistic, subject="soft")
        starts = ("stated probabilities", "temperature cross-fitted", "isotonic cross-fitted")
        assert len(found) == len(starts)
        for row, start in zip(found, starts, strict=True):
            assert row.method.startswith(f"{start} ")
            assert (row.unit, row.section, row.n_prompts) == (unit, "calibration", 75)
            assert None not in (row.estimate, row.low, row.high)
    [floor] = rows.all("brier_floor")
    assert (floor.subject, floor.method) == ("human ceiling", "ties=half items of soft")
    assert (floor.n_items, floor.n_labels, floor.unit) == (150, 300, "brier")
    assert rows.all("brier")[0].n_labels == 200  # both orders on every third of 150
    for brier_row, excess in zip(rows.all("brier"), rows.all("excess_brier"), strict=True):
        assert excess.estimate == pytest.approx(brier_row.estimate - floor.estimate, abs=1e-12)


def test_a_fit_helps_a_judge_that_is_too_sure_on_labels_that_it_has_not_seen(soft):
    rows = rows_of(view_of(soft))
    for statistic in ("brier", "excess_brier", "log_loss", "calibration_error"):
        stated, temperature, isotonic = (
            row.estimate for row in rows.all(statistic, subject="soft")
        )
        assert temperature < stated
        assert isotonic < stated
    stated, temperature, _ = rows.all("calibration_slope")
    assert stated.high < 1
    assert temperature.low < 1 < temperature.high


def test_p_is_the_mean_of_what_the_labels_state_and_hard_labels_are_left_out(tmp_path):
    # .9 and .5 on one item (mean .7), a label without p beside .8, and an item with none at all
    found = [
        label(0, "j", "a", "ab", p_a=0.9), label(0, "j", "t", "ba", p_a=0.5),
        label(1, "j", "a", "ab", p_a=0.8), label(1, "j", "b", "ba"),
        label(2, "j", "a", "ab"), label(3, "j", "a", "ab", p_a=0.4),
        *(label(item, human, "a") for item in range(3) for human in ("h0", "h1")),
        label(3, "h0", "a"),
        label(1, "j", "r", "ab", repeat=1, p_a=0.1),  # refused: not usable
    ]  # fmt: skip
    kinds = {"h0": HUMAN, "h1": HUMAN, "j": JUDGE}
    rows = rows_of(view_of(store_of(tmp_path / "s", found, kinds, n_items=4)))
    row = rows.all("brier", subject="j")[0]
    assert row.estimate == pytest.approx((0.3**2 + 0.2**2) / 2)
    assert (row.n_items, row.n_labels) == (2, 3)
    assert "1 without a stated probability" in row.note
    assert "1 without the human labels needed" in row.note
    loss = rows.all("log_loss", subject="j")[0]
    expected = -(2 * log(0.7) + 2 * log(0.8) + log(0.4)) / 5
    assert (loss.estimate, loss.n_items) == (pytest.approx(expected), 3)


def test_with_one_human_the_brier_score_stands_alone(tmp_path):
    found = labels_of(rng("one human"), 60, humans=1)
    kinds = {"h0": HUMAN, "soft": JUDGE}
    rows = rows_of(view_of(store_of(tmp_path / "s", found, kinds, n_items=60)))
    assert rows.all("brier")[0].n_items == 60
    assert rows.all("brier")[0].low is not None
    assert not rows.all("brier_floor")
    assert {(row.estimate, row.note) for row in rows.all("excess_brier")} == {
        (None, section.NO_TWO)
    }


def test_a_judge_without_probabilities_is_told_what_to_do_and_a_baseline_is_not(tmp_path):
    found = [label(i, who, "a") for i in range(4) for who in ("h0", "hard", "longer")]
    kinds = {"h0": HUMAN, "hard": JUDGE, "longer": BASELINE}
    store = store_of(tmp_path / "s", found, kinds, n_items=4)
    [row] = rows_of(view_of(store)).rows
    assert (row.statistic, row.subject, row.estimate) == ("calibration_error", "hard", None)
    assert "soft judge" in row.note
    assert "several samples" in row.note
    assert rows_of(view_of(store, keep=np.arange(4) < 2, name="category=x")).rows == []


def test_probabilities_without_humans_or_on_other_comparisons_say_so(tmp_path):
    alone = [label(i, "soft", "a", p_a=0.7) for i in range(3)]
    store = store_of(tmp_path / "one", alone, {"soft": JUDGE}, n_items=3)
    [row] = rows_of(view_of(store)).rows
    assert (row.estimate, row.note) == (None, section.NO_HUMANS)
    apart = [*alone, label(3, "h0", "a")]
    store = store_of(tmp_path / "two", apart, {"soft": JUDGE, "h0": HUMAN}, n_items=4)
    [row] = rows_of(view_of(store)).rows
    assert (row.estimate, row.note) == (None, section.NONE_IN_COMMON)


def test_one_prompt_all_ties_and_certainty_are_answered(tmp_path):
    found = [
        *(label(i, "soft", "a", p_a=1.0) for i in range(6)),
        *(label(i, who, "t") for i in range(6) for who in ("h0", "h1")),
    ]
    store = store_of(tmp_path / "one", found, KINDS, n_items=6, prompts=[0] * 6)
    rows = rows_of(view_of(store))
    assert rows.all("brier")[0].estimate == pytest.approx(0.25)
    assert NO_DECIDED in rows.all("calibration_slope")[0].note
    assert rows.all("log_loss")[0].estimate is None
    assert {row.note for row in rows.all("calibration_error") if "cross" in row.method} == {
        section.NOT_FITTED
    }
    found = [label(i, "h0", "ab"[i % 4 == 0]) for i in range(40)]
    found += [label(i, "soft", "a", p_a=1.0) for i in range(40)]
    store = store_of(tmp_path / "two", found, {"h0": HUMAN, "soft": JUDGE}, n_items=40)
    row = rows_of(view_of(store)).all("log_loss")[0]
    assert "40 comparisons with p beyond the clip" in row.note
    assert row.estimate == pytest.approx(0.25 * log(1000) - 0.75 * log(0.999))


def test_slices_have_what_is_stated_and_no_fits(soft):
    keep = read_panel(soft, "d").prompt < 40  # two comparisons each
    rows = rows_of(view_of(soft, keep=keep, name="category=x"))
    assert {row.slice for row in rows.rows} == {"category=x"}
    assert not [row for row in rows.rows if "cross-fitted" in row.method]
    [row] = rows.all("calibration_error")
    assert (row.n_items, row.n_prompts) == (80, 40)


def test_exchanging_the_responses_of_a_data_set_changes_no_row(tmp_path):
    found = labels_of(rng("exchanged"), 60)
    flip = {"a": "b", "b": "a", "tie": "tie", None: None, "ab": "ba", "ba": "ab"}
    swapped = [
        {**row, "preference": flip[row["preference"]], "shown": flip[row["shown"]],
         **({"p_a": 1 - row["p_a"]} if "p_a" in row else {})}
        for row in found
    ]  # fmt: skip
    one, other = (
        rows_of(view_of(store_of(tmp_path / name, labels, KINDS, n_items=60))).rows
        for name, labels in (("one", found), ("other", swapped))
    )
    assert one == other


def test_points_of_the_curve_are_those_of_the_judge_on_the_comparisons_in_view(soft):
    view = view_of(soft)
    k = [who.name for who in view.panel.annotators].index("soft")
    points = reliability_points(view, k)
    assert points.n_items.sum() == 2 * 150
    assert points.observed[-1] < points.p[-1]  # too sure
    human = [who.name for who in view.panel.annotators].index("h0")
    assert len(reliability_points(view, human).p) == 0


@pytest.mark.real_data
def test_published_soft_labels_without_humans_say_that_humans_are_missing(real_data, tmp_path):
    store = Store(tmp_path / "s", create=True)
    material, *_ = alpacaeval.read(real_data / "alpacaeval-cost")
    import_material(store, material)
    rows = rows_of(view_of(store, material.dataset))
    assert {row.note for row in rows.rows} <= {section.NO_HUMANS, section.NO_PROBABILITIES}
    assert {row.estimate for row in rows.rows} == {None}
