"""Routing: who goes to a human at which share, ties at the threshold, scores out of fold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.stats import routing
from pipelines.stats.routing import (
    FOLDS,
    certainty_score,
    disagreement_score,
    learned_score,
    new_score,
    sent_to_humans,
)


def test_the_highest_scores_go_first_and_equal_ones_share_what_is_left():
    part, threshold = sent_to_humans(np.array([3.0, 1.0, 2.0, 2.0, 0.0]), 0.4)
    np.testing.assert_allclose(part, [1, 0, 0.5, 0.5, 0])  # 2 of 5: one whole, one over two
    assert threshold == 2


def test_nothing_goes_for_which_nothing_speaks():
    part, threshold = sent_to_humans(np.array([0.0, 1.0, 0.0, 0.0]), 0.75)
    np.testing.assert_array_equal(part, [0, 1, 0, 0])
    assert threshold == 1
    part, threshold = sent_to_humans(np.zeros(3), 0.5)
    assert (part.sum(), threshold) == (0, np.inf)


@given(
    st.lists(st.sampled_from([0.0, 0.2, 0.5, 1.0]), min_size=1, max_size=40),
    st.floats(0.01, 1),
)
def test_never_more_than_the_share_and_never_a_lower_score_before_a_higher(scores, share):
    score = np.array(scores)
    part, _ = sent_to_humans(score, share)
    assert part.sum() <= share * len(score) + 1e-9
    assert part.sum() == pytest.approx(min(share * len(score), (score > 0).sum()))
    order = np.argsort(-score, kind="stable")
    assert (np.diff(part[order]) <= 1e-12).all()


def test_scores_by_hand():
    np.testing.assert_allclose(certainty_score(np.array([0.5, 0.9, 0.0])), [0.5, 0.1, 0])
    one = np.array([[1.0, 0, 0], [0.5, 0, 0.5]])
    other = np.array([[0.0, 0, 1], [0.5, 0, 0.5]])
    np.testing.assert_allclose(disagreement_score(one, other), [1, 0.5])


def test_a_learned_score_finds_the_gain_and_never_sees_the_prompt_it_scores():
    random = np.random.default_rng(3)
    prompts = np.repeat(np.arange(300), 3)
    signal = random.integers(0, 2, 900).astype(float)
    gain = 0.6 * signal + random.normal(0, 0.3, 900)
    memory = prompts.astype(float)  # what could be learned by heart
    score = learned_score(np.column_stack([signal, memory]), gain, prompts)
    assert score[signal == 1].mean() > score[signal == 0].mean() + 0.4
    noise = learned_score(memory[:, None], np.repeat(random.normal(0, 1, 300), 3), prompts)
    assert abs(np.corrcoef(noise, gain)[0, 1]) < 0.2
    assert (noise >= 0).all()


def test_one_prompt_has_no_other_to_learn_from():
    score = learned_score(np.ones((30, 1)), np.ones(30), np.zeros(30, int))
    np.testing.assert_array_equal(score, np.zeros(30))


def test_of_many_comparisons_only_some_are_fitted_on(monkeypatch):
    random = np.random.default_rng(4)
    prompts = np.repeat(np.arange(100), 5)
    features, gain = random.normal(size=(500, 2)), random.normal(size=500)
    held_out = prompts % FOLDS == 0
    fitted = np.flatnonzero(~held_out)[::2]
    alone = new_score(features[fitted], gain[fitted], features[held_out])
    monkeypatch.setattr(routing, "MOST_FITTED", 200)
    np.testing.assert_array_equal(learned_score(features, gain, prompts)[held_out], alone)
    gain[np.flatnonzero(~held_out)[1::2]] += 100  # what is not fitted on
    np.testing.assert_array_equal(learned_score(features, gain, prompts)[held_out], alone)
