"""Scorers of chosen answers, by hand, and that none of them can know what was rejected."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import multivariate_normal

from pipelines.stats.imitation import centroid, language_model, nearest, style_density


def test_centroid_and_nearest_by_hand():
    cosines = np.array([[1.0, 0.0, 0.5, 0.5, 0.0, 1.0], [0.2] * 6])
    assert centroid(cosines) == pytest.approx([0.5, 0.2])
    assert nearest(cosines) == pytest.approx([3.0 / 5, 0.2])  # the least of six is left out
    assert nearest(cosines[:, :2]) == pytest.approx([0.5, 0.2])  # fewer than five: all of them


def test_the_language_model_by_hand():
    """Two buckets seen 3 and 0 times: add-one probabilities 4/5 and 1/5."""
    counts = sparse.csr_matrix(np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 0.0]]))
    found = language_model(counts, np.array([3.0, 0.0]))
    assert found == pytest.approx(np.log([4 / 5, np.sqrt(4 / 25), 1 / 5]))


def test_a_long_text_is_not_less_likely_for_its_length():
    counts = np.array([[2.0, 1.0, 0.0]])
    chosen = np.array([5.0, 1.0, 2.0])
    once, ten = (language_model(sparse.csr_matrix(k * counts), chosen) for k in (1, 10))
    assert ten == pytest.approx(once)


def test_the_density_of_style_is_a_normal_one_up_to_a_constant():
    random = np.random.default_rng(0)
    chosen, style = random.normal(size=(40, 3)) * [1, 2, 0.5], random.normal(size=(10, 3))
    covariance = np.cov(chosen.T, bias=True)
    covariance = 0.9 * covariance + 0.1 * np.trace(covariance) / 3 * np.eye(3)
    oracle = multivariate_normal(chosen.mean(axis=0), covariance).logpdf(style)
    assert np.ptp(style_density(style, chosen) - oracle) < 1e-9


def test_one_chosen_answer_and_chosen_answers_all_alike_give_finite_scores():
    style = np.array([[0.0, 1.0], [0.0, 2.0]])
    for chosen in (np.array([[0.0, 1.0]]), np.tile([[0.0, 1.0]], (9, 1))):
        found = style_density(style, chosen)
        assert np.isfinite(found).all()
        assert found[0] == pytest.approx(0)
        assert found[0] > found[1]
