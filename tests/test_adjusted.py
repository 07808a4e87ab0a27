"""The L2 level of bias: probit scales, latent correlations, and what they say of a judge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import ndtr
from scipy.stats import multivariate_normal

from pipelines.stats.adjusted import NO_FIT, WEAK, adjusted
from pipelines.stats.latent_correlation import Margin, expected_product, latent_correlation
from pipelines.stats.ordered_probit import ordered_probit


def drawn(seed, n=600, humans=3, effect=0.5, bias=0.0, sharp=3.0, tie=0.0, position=0.0):
    """Features (n, 2), counts of humans (n, 3) and of a judge in both orders (3, n, 3)."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 2))
    quality = effect * x[:, 0] + random.normal(size=n)
    votes = quality[:, None] + random.normal(size=(n, humans))
    judge = np.zeros((3, n, 3))
    for order, sign in enumerate((1, -1)):
        seen = quality + bias * x[:, 0] + sign * position + random.normal(size=n) / sharp
        judge[order] = classes(seen[:, None], tie)
    return x, classes(votes, tie), judge


def classes(perceived, tie):
    """Counts of a, tie, b over columns."""
    above, below = perceived > tie, perceived < -tie
    return np.stack([above.sum(1), (~above & ~below).sum(1), below.sum(1)], axis=1).astype(float)


def interval(found, j=0):
    """The excess of one feature and its standard error."""
    n, moved = len(found.influence), found.influence[:, j]
    return found.excess[j], np.sqrt(n / (n - 1) * (moved @ moved))


def test_probit_equals_statsmodels_with_clusters():
    api = pytest.importorskip("statsmodels.api")
    x, humans, _ = drawn(1, humans=1)
    clusters = np.arange(len(x)) // 3
    ours = ordered_probit(x, humans, clusters)
    theirs = api.Probit(humans[:, 0], x).fit(
        disp=0, cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    assert ours.weights == pytest.approx(theirs.params, abs=1e-6)
    covariance = ours.influence[:, :2].T @ ours.influence[:, :2]
    assert covariance == pytest.approx(theirs.cov_params(), abs=1e-6)


def test_ordered_probit_is_the_best_of_all_scales():
    x, humans, _ = drawn(2, tie=0.4)
    shares = humans / humans.sum(axis=1, keepdims=True)
    found = ordered_probit(x, shares, np.arange(len(x)))

    def loss(parameters):
        mean, width = x @ parameters[:2], parameters[2]
        a, b = ndtr(mean - width), ndtr(-mean - width)
        return -(shares * np.log(np.stack([a, 1 - a - b, b], axis=1))).sum()

    best = minimize(loss, [0.0, 0.0, 0.3], method="Nelder-Mead", options={"xatol": 1e-9})
    assert [*found.weights, found.width] == pytest.approx(best.x, abs=1e-5)


def test_ordered_probit_without_a_fit():
    x = np.random.default_rng(3).normal(size=(50, 1))
    shares = np.eye(3)[np.random.default_rng(4).integers(0, 3, 50)]
    assert ordered_probit(np.hstack([x, x]), shares, np.arange(50)) is None


@given(st.floats(-0.95, 0.95), st.floats(-2, 2), st.floats(-2, 2), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_expected_product_is_that_of_the_bivariate_normal(rho, m1, m2, c1, c2):
    margins = [Margin(np.zeros((1, 1)), np.array([m]), c, np.zeros((1, 2)))
               for m, c in ((m1, c1), (m2, c2))]  # fmt: skip

    def both(one, other):  # P(one z1 > c1, other z2 > c2)
        r = one * other * rho
        return multivariate_normal([0, 0], [[1, r], [r, 1]]).cdf([one * m1 - c1, other * m2 - c2])

    wanted = both(1, 1) + both(-1, -1) - both(1, -1) - both(-1, 1)
    assert expected_product(*margins, rho)[0] == pytest.approx(wanted, abs=1e-5)


def test_correlation_of_two_humans_is_the_planted_one():
    x, humans, _ = drawn(5, n=40_000, humans=2)
    scale = ordered_probit(x, humans / 2, np.arange(len(x)))
    margin = Margin(x, scale.mean(x), scale.width, scale.influence)
    score = humans[:, 0] - humans[:, 2]
    product = (score**2 - 2) / 2  # of two labels that are no ties
    found = latent_correlation(product, np.ones(len(x)), margin, margin, np.arange(len(x)))
    assert found.value == pytest.approx(0.5, abs=3 * found.error)
    assert 0.003 < found.error < 0.02


def test_no_correlation_gives_an_impossible_sum():
    margin = Margin(np.zeros((9, 1)), np.zeros(9), 0.0, np.zeros((9, 2)))
    assert latent_correlation(np.full(9, 1.5), np.ones(9), margin, margin, np.arange(9)) is None


@pytest.mark.parametrize("tie", [0.0, 0.4])
def test_planted_bias_is_found_and_none_is_not(tie):
    found, why = adjusted(*drawn(6, n=20_000, bias=0.2, tie=tie), np.arange(20_000))
    assert why is None
    excess, error = interval(found)
    # without the bias: what the judge would choose
    x, _, judge = drawn(7, n=400_000, bias=0.2, tie=tie)
    _, _, without = drawn(7, n=400_000, bias=0.0, tie=tie)
    sign = np.sign(x[:, 0])
    score = [(sign * (c[..., 0] - c[..., 2]).sum(0) / 4).mean() for c in (judge, without)]
    assert excess == pytest.approx(score[0] - score[1], abs=4 * error)
    other, error = interval(found, 1)
    assert abs(other) < 4 * error


def test_position_is_no_bias_for_a_feature():
    found, _ = adjusted(*drawn(8, n=20_000, position=0.8), np.arange(20_000))
    excess, error = interval(found)
    assert abs(excess) < 4 * error


def test_the_error_is_that_of_the_delete_one_jackknife():
    x, humans, judge = drawn(9, n=240, tie=0.3)
    clusters = np.arange(240) // 2
    found, _ = adjusted(x, humans, judge, clusters)
    left_out = []
    for g in range(120):
        keep = clusters != g
        again = np.unique(clusters[keep], return_inverse=True)[1]
        left_out.append(adjusted(x[keep], humans[keep], judge[:, keep], again)[0].excess[0])
    jackknife = np.sqrt(119 / 120 * ((np.array(left_out) - np.mean(left_out)) ** 2).sum())
    assert interval(found)[1] == pytest.approx(jackknife, rel=0.05)


def test_nothing_moves_with_the_naming_of_slots():
    x, humans, judge = drawn(10, tie=0.2)
    turn = np.random.default_rng(1).random(len(x)) < 0.5
    turned = np.where(turn[:, None], humans[:, ::-1], humans)
    swapped = judge.copy()
    swapped[0, turn], swapped[1, turn] = judge[1, turn][:, ::-1], judge[0, turn][:, ::-1]
    x_turned = np.where(turn[:, None], -x, x)
    clusters = np.arange(len(x))
    one, other = adjusted(x, humans, judge, clusters)[0], adjusted(x_turned, turned, swapped,
                                                                    clusters)[0]  # fmt: skip
    assert one.excess == pytest.approx(other.excess, abs=1e-10)
    assert one.influence == pytest.approx(other.influence, abs=1e-10)
    assert (one.low, one.high) == (pytest.approx(other.low), pytest.approx(other.high))


def test_humans_who_do_not_agree_give_no_answer():
    x, _, judge = drawn(11)
    random = np.random.default_rng(12).multinomial(3, [0.5, 0, 0.5], len(x)).astype(float)
    assert adjusted(x, random, judge, np.arange(len(x))) == (None, WEAK)


def test_columns_that_follow_from_each_other_give_no_answer():
    x, humans, judge = drawn(13)
    assert adjusted(np.hstack([x, x]), humans, judge, np.arange(len(x))) == (None, NO_FIT)


def test_the_limits_are_fiellers_and_hold_the_estimate():
    found, _ = adjusted(*drawn(14, n=5000), np.arange(5000))
    assert (found.low < found.excess).all()
    assert (found.excess < found.high).all()
    # humans agree well here: they are nearly the usual ones
    excess, error = interval(found)
    assert [found.low[0], found.high[0]] == pytest.approx(
        [excess - 1.96 * error, excess + 1.96 * error], abs=0.1 * error
    )


def test_a_feature_that_decides_every_label_has_no_figure():
    x, humans, judge = drawn(15, n=2000)
    rare = np.where(np.arange(2000) % 20 == 0, 1.0, 0.0)
    humans[rare > 0], judge[:, rare > 0] = [3, 0, 0], [1, 0, 0]
    judge[2] = 0
    found, why = adjusted(np.column_stack([x, rare]), humans, judge, np.arange(2000))
    assert why is None
    assert np.isnan(found.excess[2])
    assert np.isfinite(found.excess[:2]).all()


def test_labels_that_follow_from_a_feature_give_no_answer():
    random = np.random.default_rng(16)
    x = np.sign(random.normal(size=(300, 1)))
    humans = np.where(x > 0, [[2.0, 0, 0]], [[0, 0, 2.0]])
    judge = np.stack([humans / 2, humans / 2, np.zeros((300, 3))])
    assert adjusted(x, humans, judge, np.arange(300))[0] is None
