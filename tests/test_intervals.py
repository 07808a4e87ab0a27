"""Prompt-clustered intervals: against statsmodels, by hand, at the edges, and by simulation."""

from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, t
from statsmodels.regression.linear_model import OLS, WLS
from statsmodels.stats.proportion import proportion_confint

from pipelines.stats.agreement import (
    agreement_with_one,
    cohen_kappa,
    confusion,
    pair_agreement,
    shares,
)
from pipelines.stats.intervals import (
    CAUTION_PROMPTS,
    FEWEST_PROMPTS,
    NO_VARIATION,
    Interval,
    cluster_sums,
    difference_of_ratios,
    ratio,
    smooth_interval,
    wilson,
)


def rng(name):
    """One stream per test, from its name."""
    return np.random.default_rng(crc32(name.encode()))


def mean_interval(values, clusters, **options):
    columns = np.stack([values, np.ones(len(values))], axis=1)
    return smooth_interval(ratio, cluster_sums(columns, clusters), **options)


def robust(model, clusters):
    """statsmodels' cluster-robust fit of an intercept, Student's t with G - 1 degrees of freedom.

    Its small-sample factor is G/(G-1) (N-1)/(N-K). With an intercept alone K = 1 and the second
    part is 1, so it is the definition sqrt(G/(G-1) sum U^2). With K > 1 regressors it is larger.
    """
    kinds = {"groups": clusters, "use_correction": True, "df_correction": True}
    return model.fit(cov_type="cluster", cov_kwds=kinds, use_t=True)


# sums within prompts


def test_rows_are_summed_by_prompt_and_prompts_without_a_row_vanish():
    columns = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    assert cluster_sums(columns, np.array([5, 0, 5])).tolist() == [[2.0, 20.0], [5.0, 50.0]]


def test_no_rows_have_no_prompts():
    assert cluster_sums(np.zeros((0, 3)), np.zeros(0, dtype=np.int64)).shape == (0, 3)


# a mean and a ratio


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_of_a_mean_is_the_cluster_robust_one_of_statsmodels(seed):
    r = np.random.default_rng(seed)
    clusters = r.integers(0, 40, 300)
    values = r.normal(size=40)[clusters] + r.normal(size=300)
    found = mean_interval(values, clusters)
    fit = robust(OLS(values, np.ones(300)), clusters)
    [(low, high)] = fit.conf_int()
    assert found.n_prompts == len(set(clusters.tolist()))
    assert [found.estimate, found.low, found.high] == pytest.approx(
        [fit.params[0], low, high], abs=1e-8
    )


def test_the_interval_of_a_ratio_is_that_of_a_weighted_intercept():
    r = rng("ratio")
    clusters, weights = r.integers(0, 60, 400), r.integers(1, 5, 400).astype(float)
    values = r.random(400)
    sums = cluster_sums(np.stack([values * weights, weights], axis=1), clusters)
    found = smooth_interval(ratio, sums)
    fit = robust(WLS(values, np.ones(400), weights=weights), clusters)
    [(low, high)] = fit.conf_int()
    assert [found.estimate, found.low, found.high] == pytest.approx(
        [fit.params[0], low, high], abs=1e-8
    )


def test_statsmodels_differs_where_there_are_more_regressors():
    r = rng("regressors")
    clusters, x = r.integers(0, 30, 200), r.normal(size=200)
    design = np.stack([np.ones(200), x], axis=1)
    fit = robust(OLS(r.normal(size=200), design), clusters)
    residuals = design * fit.resid[:, None]
    scores = cluster_sums(residuals, clusters)
    bread = np.linalg.inv(design.T @ design)
    plain = bread @ (scores.T @ scores) @ bread * 30 / 29
    assert fit.cov_params() == pytest.approx(plain * 199 / 198, abs=1e-12)


def test_the_ratio_by_hand():
    # 10 prompts with 3 of 4, 10 prompts with 0 of 1: r = 30/50 = .6. U = (T1 - r T2)/50 is
    # (3 - 2.4)/50 = .012 or (0 - .6)/50 = -.012; SE = sqrt(20/19 * 20 * .012^2) = .05505978;
    # t(19) = 2.09302405.
    sums = np.array([[3.0, 4.0], [0.0, 1.0]] * 10)
    found = smooth_interval(ratio, sums)
    assert found.estimate == pytest.approx(0.6)
    assert found.high - found.estimate == pytest.approx(2.09302405 * 0.05505978, abs=1e-8)
    assert found.estimate - found.low == pytest.approx(2.09302405 * 0.05505978, abs=1e-8)


def test_a_difference_of_paired_ratios_is_the_mean_of_the_differences():
    r = rng("paired")
    clusters, first, second = r.integers(0, 50, 200), r.random(200), r.random(200)
    ones = np.ones(200)
    sums = cluster_sums(np.stack([first, ones, second, ones], axis=1), clusters)
    found = smooth_interval(difference_of_ratios, sums)
    other = mean_interval(first - second, clusters)
    assert [found.estimate, found.low, found.high] == pytest.approx(
        [other.estimate, other.low, other.high], abs=1e-12
    )


# the gradient


def kappa_gradient(cells):
    """By hand: d po = (1[i=j] - po)/N, d pe = (c_i + r_j - 2 pe)/N, r rows and c columns."""
    n = cells.sum()
    table = cells.reshape(3, 3) / n
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    po, pe = np.trace(table), rows @ columns
    d_po = (np.eye(3) - po) / n
    d_pe = (columns[:, None] + rows[None, :] - 2 * pe) / n
    return (((1 - pe) * d_po - (1 - po) * d_pe) / (1 - pe) ** 2).ravel()


@pytest.mark.parametrize("seed", range(5))
def test_the_complex_step_gives_the_analytic_gradient_of_kappa(seed):
    sums = np.random.default_rng(seed).integers(0, 6, (30, 9)).astype(float)
    found = smooth_interval(cohen_kappa, sums)
    influence = (sums - sums.mean(axis=0)) @ kappa_gradient(sums.sum(axis=0))
    error = np.sqrt(30 / 29 * (influence @ influence))
    assert found.high - found.low == pytest.approx(2 * t.ppf(0.975, 29) * error, rel=1e-12)


# the ends of the range


@pytest.mark.parametrize("count", [0, 3, 20, 57, 60])
def test_wilson_is_statsmodels_with_its_quantile_replaced(count):
    quantile = t.ppf(0.975, 59)
    expected = proportion_confint(count, 60, alpha=2 * norm.sf(quantile), method="wilson")
    assert wilson(count / 60, 60, quantile) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_none_or_all_has_wilsons_interval_over_prompts_not_items(share):
    found = mean_interval(np.full(300, share), np.arange(300) % 60, proportion=True)
    assert (found.low, found.high) == wilson(share, 60, t.ppf(0.975, 59))
    assert found.high - found.low == pytest.approx(0.0626, abs=1e-4)  # t^2/(60 + t^2), t = 2.001
    assert found.estimate == share


def test_a_share_of_all_that_sums_to_a_digit_less_is_one():
    """As mean over mean: parts like a third do not add up to a whole."""
    sums = np.tile([1 - 2e-16, 1.0], (60, 1))
    assert sums[:, 0].sum() / 60 < 1
    found = smooth_interval(ratio, sums, proportion=True)
    assert found.estimate == 1.0
    assert (found.low, found.high) == wilson(1.0, 60, t.ppf(0.975, 59))
    most = smooth_interval(ratio, np.tile([1 - 1e-9, 1.0], (60, 1)), proportion=True)
    assert most.estimate < 1  # a share that is really below one stays so


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_wilsons_interval_holds_the_share_to_the_last_digit(share):
    for n in range(20, 1000):
        low, high = wilson(share, n, float(t.ppf(0.975, n - 1)))
        assert low <= share <= high


def test_a_share_never_leaves_its_range():
    values = np.zeros(60)
    values[0] = 1.0  # 1/60 +- 2/60
    found = mean_interval(values, np.arange(60), proportion=True)
    assert (found.low, found.estimate) == (0.0, pytest.approx(1 / 60))
    assert mean_interval(values, np.arange(60)).low < 0
    mirrored = mean_interval(1 - values, np.arange(60), proportion=True)
    assert (mirrored.low, mirrored.high) == (pytest.approx(1 - found.high), 1.0)


def test_kappa_never_exceeds_one():
    # 59 prompts agree (30 a, 29 b) and one does not: kappa about .967 +- .067
    cells = np.zeros((60, 9))
    cells[:30, 0] = cells[30:59, 8] = cells[59, 2] = 1.0
    assert smooth_interval(cohen_kappa, cells).high > 1.0
    found = smooth_interval(cohen_kappa, cells, bounds=(-1.0, 1.0))
    assert found.low < found.estimate < found.high == 1.0


# few prompts, none, and no variation


@pytest.mark.parametrize(
    ("n_prompts", "note"),
    [
        (1, "too few prompts for an interval (1 of 20)"),
        (FEWEST_PROMPTS - 1, "too few prompts for an interval (19 of 20)"),
    ],
)
def test_few_prompts_have_an_estimate_without_interval_and_say_why(n_prompts, note):
    sums = np.stack([np.arange(n_prompts) % 2, np.ones(n_prompts)], axis=1)
    found = smooth_interval(ratio, sums, proportion=True)
    assert found == Interval(found.estimate, None, None, n_prompts, note)
    assert found.estimate is not None


@pytest.mark.parametrize(
    ("n_prompts", "cautious"),
    [(FEWEST_PROMPTS, True), (CAUTION_PROMPTS - 1, True), (CAUTION_PROMPTS, False)],
)
def test_some_prompts_have_an_interval_with_a_caution(n_prompts, cautious):
    sums = np.stack([np.arange(n_prompts) % 2, np.ones(n_prompts)], axis=1)
    found = smooth_interval(ratio, sums, proportion=True)
    assert found.low is not None
    assert found.note == ("few prompts: read with caution" if cautious else None)


@pytest.mark.parametrize("n_prompts", [0, 30])
def test_undefined_is_none_with_a_reason(n_prompts):
    found = smooth_interval(ratio, np.zeros((n_prompts, 2)), undefined="no labels")
    assert found == Interval(None, None, None, n_prompts, "undefined: no labels")


def test_kappa_is_undefined_where_both_always_give_the_same_class():
    cells = np.tile(np.eye(9)[0], (30, 1))
    assert smooth_interval(cohen_kappa, cells, undefined="why").note == "undefined: why"


def test_prompts_that_do_not_differ_give_no_interval_of_width_zero():
    agree = np.zeros((60, 9))
    agree[:30, 0] = agree[30:, 8] = 1.0  # kappa is 1 whatever the prompts
    for function, sums in (
        (cohen_kappa, agree),
        (ratio, np.array([[1.0, 3.0]] * 60)),
        (difference_of_ratios, np.array([[0.1, 0.3, 0.2, 0.6]] * 60)),
    ):
        found = smooth_interval(function, sums)
        assert (found.low, found.high, found.note) == (None, None, NO_VARIATION)
        assert found.estimate is not None


# invariance


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 4), st.integers(1, 4)),
        min_size=25,
        max_size=60,
    ),
    st.randoms(use_true_random=False),
)
def test_names_and_order_of_prompts_do_not_matter(rows, random):
    clusters = np.array([cluster for cluster, _, _ in rows])
    columns = np.array([[min(wins, n), n] for _, wins, n in rows], dtype=float)
    found = smooth_interval(ratio, cluster_sums(columns, clusters), proportion=True)
    names = list(range(31))
    random.shuffle(names)
    order = list(range(len(rows)))
    random.shuffle(order)
    renamed = np.array(names)[clusters][order]
    other = smooth_interval(ratio, cluster_sums(columns[order], renamed), proportion=True)
    assert (other.n_prompts, other.note) == (found.n_prompts, found.note)
    for name in ("estimate", "low", "high"):
        assert getattr(other, name) == pytest.approx(getattr(found, name), abs=1e-9)


def test_every_row_twice_changes_nothing():
    r = rng("twice")
    clusters, values = r.integers(0, 50, 150), r.random(150)
    once = mean_interval(values, clusters)
    twice = mean_interval(np.tile(values, 2), np.tile(clusters, 2))
    assert [twice.estimate, twice.low, twice.high] == pytest.approx(
        [once.estimate, once.low, once.high], abs=1e-12
    )


# coverage: 60 prompts of 2 to 9 comparisons, which share what their prompt is like

WORLDS, PROMPTS = 1000, 60
NOMINAL = 0.95
MARGIN = 3 * np.sqrt(NOMINAL * (1 - NOMINAL) / WORLDS)  # three Monte-Carlo standard errors


def clusters_of(r):
    return np.repeat(np.arange(PROMPTS), r.integers(2, 10, PROMPTS))


def covered(intervals, truth):
    return np.mean([interval.low <= truth <= interval.high for interval in intervals])


def test_intervals_of_a_share_cover_and_item_level_ones_do_not():
    r = rng("coverage of a share")
    by_prompt, by_item = [], []
    for _ in range(WORLDS):
        clusters = clusters_of(r)
        values = (r.random(len(clusters)) < r.beta(2, 2, PROMPTS)[clusters]).astype(float)
        by_prompt.append(mean_interval(values, clusters, proportion=True))
        by_item.append(mean_interval(values, np.arange(len(clusters)), proportion=True))
    assert covered(by_prompt, 0.5) == pytest.approx(NOMINAL, abs=MARGIN)
    assert covered(by_item, 0.5) < 0.90


def labels_of(r, classes, clusters, n):
    """Counts (items, 3) of n labels drawn from the class shares of the item's prompt."""
    return r.multinomial(n, classes[clusters]).astype(float)


def test_the_gap_of_an_exchangeable_judge_covers_zero_and_item_level_ones_do_not():
    # A judge drawn as the humans are, but one for each prompt: it sticks to its taste there.
    r = rng("coverage of the gap")
    by_prompt, by_item = [], []
    for _ in range(WORLDS):
        clusters = clusters_of(r)
        classes = r.dirichlet([1, 1, 1], PROMPTS)
        humans = labels_of(r, classes, clusters, 3)
        judge = r.multinomial(1, classes).astype(float)[clusters]
        gaps = agreement_with_one(judge, humans) - pair_agreement(humans)
        by_prompt.append(mean_interval(gaps, clusters))
        by_item.append(mean_interval(gaps, np.arange(len(clusters))))
    assert covered(by_prompt, 0.0) == pytest.approx(NOMINAL, abs=MARGIN)
    assert covered(by_item, 0.0) < 0.90


def test_intervals_of_kappa_cover():
    # Two labels from Dirichlet(1, 1, 1) shares q: po = sum E q^2 = 3 * 2/12 = 1/2, pe = 1/3,
    # kappa = (1/2 - 1/3)/(2/3) = 1/4.
    r = rng("coverage of kappa")
    by_prompt = []
    for _ in range(WORLDS):
        clusters = clusters_of(r)
        classes = r.dirichlet([1, 1, 1], PROMPTS)
        one, other = (labels_of(r, classes, clusters, 1) for _ in range(2))
        cells = confusion(shares(one), shares(other))
        by_prompt.append(smooth_interval(cohen_kappa, cluster_sums(cells, clusters)))
    assert covered(by_prompt, 0.25) == pytest.approx(NOMINAL, abs=MARGIN)
