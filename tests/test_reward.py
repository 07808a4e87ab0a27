"""Bradley-Terry reward models: scikit-learn as oracle, by hand, and what must not matter."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import brentq
from scipy.special import expit

from pipelines.stats.reward import fit_kernel, fit_reward, win_probability


def world(seed, n=80, d=200):
    random = np.random.default_rng(seed)
    differences = sparse.random(n, d, density=0.1, random_state=seed, format="csr")
    return differences, random.choice([0.0, 0.5, 1.0, 0.3], n), random.random(n) + 0.1


@pytest.mark.parametrize(("seed", "ridge"), [(0, 1.0), (1, 0.1), (2, 10.0), (3, 1e-3)])
def test_it_is_scikit_learns_logistic_without_intercept(seed, ridge):
    from sklearn.linear_model import LogisticRegression

    differences, targets, weights = world(seed)
    # a soft target is a win and a loss, each with its share of the weight
    twice = sparse.vstack([differences, differences])
    wins = np.repeat([1, 0], len(targets))
    shares = np.concatenate([weights * targets, weights * (1 - targets)])
    oracle = LogisticRegression(C=1 / ridge, fit_intercept=False, tol=1e-12, max_iter=20_000,
                                solver="newton-cg")  # fmt: skip
    oracle.fit(twice, wins, sample_weight=shares)
    found = fit_reward(differences, targets, weights, ridge)
    assert found == pytest.approx(oracle.coef_[0], abs=1e-6 / ridge)
    assert fit_reward(differences.toarray(), targets, weights, ridge) == pytest.approx(found)


def test_one_feature_by_hand():
    """Two wins and a tie at a difference of 1: 3 sigma(w) - 2.5 + w = 0 where the ridge is 1."""
    found = fit_reward(np.ones((3, 1)), np.array([1.0, 1.0, 0.5]), None, 1.0)
    assert found[0] == pytest.approx(brentq(lambda w: 3 * expit(w) - 2.5 + w, 0, 2), abs=1e-9)


def test_swapping_slots_changes_nothing():
    differences, targets, weights = world(5)
    sign = np.random.default_rng(1).choice([-1.0, 1.0], len(targets))
    turned = sparse.diags(sign) @ differences
    other = np.where(sign > 0, targets, 1 - targets)
    once = fit_reward(differences, targets, weights, 1.0)
    assert fit_reward(turned.tocsr(), other, weights, 1.0) == pytest.approx(once, abs=1e-8)


def test_inner_products_give_the_same_fit():
    """Several targets at once, some comparisons left out, two of them alike."""
    differences, targets, _ = world(6)
    differences = sparse.vstack([differences, differences[:5]]).tocsr()
    columns = np.stack([np.append(targets, targets[:5]), np.linspace(0, 1, 85)], axis=1)
    weights = np.ones((85, 2))
    weights[::3, 1] = 0
    gram = (differences @ differences.T).toarray()
    for ridge in (0.05, 1.0, 5.0):
        counted = fit_kernel(gram, columns, weights, ridge)
        for k in (0, 1):
            w = fit_reward(differences, columns[:, k], weights[:, k], ridge)
            assert differences.T @ counted[:, k] == pytest.approx(w, abs=1e-5)
    assert (counted[::3, 1] == 0).all()


def test_large_margins_are_reached_without_overflow():
    """Separable, at a weak ridge, with features in the hundreds: the halved steps are needed."""
    differences = np.array([[300.0, 1.0], [200.0, -1.0], [-250.0, 0.5]])
    targets = np.array([1.0, 1.0, 0.0])
    w = fit_reward(differences, targets, None, 1e-4)
    gradient = differences.T @ (expit(differences @ w) - targets) + 1e-4 * w
    assert np.isfinite(w).all()
    assert np.abs(gradient).max() < 1e-5
    gram = differences @ differences.T
    counted = fit_kernel(gram, targets[:, None], np.ones((3, 1)), 0.1)
    w = fit_reward(differences, targets, None, 0.1)
    assert differences.T @ counted[:, 0] == pytest.approx(w, abs=1e-4)  # 1e-6 of p, times 300


def test_ties_alone_teach_nothing():
    differences, targets, _ = world(7)
    assert fit_reward(differences, np.full(len(targets), 0.5)) == pytest.approx(0)


def test_what_cannot_be_fitted_is_refused():
    for targets, ridge in (([1.5], 1.0), ([np.nan], 1.0), ([0.5], 0.0)):
        with pytest.raises(ValueError, match="ridge"):
            fit_reward(np.ones((1, 1)), np.array(targets), None, ridge)


def test_win_probability():
    found = win_probability(np.array([0.0, np.log(3)]), np.array([0.0, 0.0]))
    assert found == pytest.approx([0.5, 0.75])
