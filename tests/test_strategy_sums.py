"""Strategies summed by prompt: what the items themselves give, at any price and in any resample."""

from __future__ import annotations

import pickle
from math import nan

import numpy as np
import pytest

from pipelines.one_judge import whole
from pipelines.panel import read_panel
from pipelines.sections.view import Rules
from pipelines.stats.choosing import cross_chosen, cross_selected
from pipelines.stats.intervals import cluster_sums
from pipelines.stats.resampling import bootstrap
from pipelines.strategy import Goal, Match, Sent, Tried, choose
from pipelines.strategy_slices import own_choice_rows
from pipelines.strategy_sums import PromptSums
from pipelines.strategy_tries import tried_on_all
from tests.dashboards import make_store

USD = np.array([[0.0, 2.0], [0.5, 0.0], [0.25, 2.0], [nan, 2.0]])


@pytest.fixture(scope="module")
def items():
    """Quality and humans' labels (150, 4) of items in 40 prompts; the first buys one of each."""
    random = np.random.default_rng(0)
    quality = random.random((150, 4))
    labels = np.column_stack([np.ones(150), np.zeros(150), random.integers(0, 2, (150, 2))])
    return quality, labels, np.sort(random.integers(0, 40, 150)) % 40


@pytest.fixture(scope="module")
def sums(items):
    quality, labels, prompts = items
    columns = [np.broadcast_to(1.0, 150), *labels.T[1:]]  # one value everywhere takes no room
    return PromptSums(list(quality.T), columns, np.unique(prompts, return_inverse=True)[1])


def anything(quality, cost):
    """Some strategy that hangs on all means: another one for each fold."""
    return int(1e4 * (quality.sum() + np.nansum(cost))) % len(quality)


def test_means_and_costs_are_those_of_the_items(items, sums):
    quality, labels, _ = items
    cost = USD[:, 0] + USD[:, 1] * labels
    np.testing.assert_allclose(sums.means, quality.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(sums.costs(USD), cost.mean(axis=0), rtol=1e-13)
    assert np.isnan(sums.costs(USD)[3])


def test_resamples_are_those_of_the_items_at_any_price(items, sums):
    quality, labels, prompts = items
    cost = USD[:, 0] + USD[:, 1] * labels
    columns = np.column_stack([quality, cost, np.ones(150)])
    found = bootstrap(
        lambda totals: totals[:, :-1] / totals[:, -1:], cluster_sums(columns, prompts)
    )
    np.testing.assert_allclose(sums.quality_replicates, found[:, :4], rtol=1e-11)
    np.testing.assert_allclose(sums.cost_replicates(USD), found[:, 4:], rtol=1e-11)


def test_what_is_chosen_on_sums_is_what_is_chosen_on_items(items, sums):
    quality, labels, prompts = items
    place = np.unique(prompts, return_inverse=True)[1]
    cost = USD[:, 0] + USD[:, 1] * labels
    by_prompt = np.arange(len(sums.n))
    chosen = cross_chosen(sums.quality, sums.cost(USD), by_prompt, anything, sums.n)
    np.testing.assert_array_equal(chosen[place], cross_chosen(quality, cost, place, anything))
    assert len(np.unique(chosen)) > 1
    found = cross_selected(sums.quality, sums.cost(USD), by_prompt, anything, sums.n)
    expected = np.bincount(place, cross_selected(quality, cost, place, anything))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("part", [[0.0, 1.0, 0.3, 0.3, 1.0], [0.1, 0.1], [0.0, 1.0], [0.0, 0.0]])
def test_the_part_that_is_sent_is_kept_to_the_last_digit(part):
    np.testing.assert_array_equal(Sent.of(np.array(part)).part(), part)


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    store = make_store(tmp_path_factory.mktemp("sums") / "s.duckdb")
    return read_panel(store, "small", None, ["careful", "hasty"])


@pytest.mark.parametrize("goal", [Goal(), Goal(usd_per_point=2), Goal(n=500, budget_usd=30)])
def test_without_its_labels_the_same_is_chosen_in_another_process_too(panel, goal):
    tried = Tried(whole(panel, Rules()), Match.HUMAN)
    slim = pickle.loads(pickle.dumps(tried_on_all(panel, Rules(), Match.HUMAN)))
    prices = (0.7, {"careful": 0.02, "hasty": 0.01})
    first, second = choose(tried.at(*prices), goal), choose(slim.at(*prices), goal)
    assert first.rows == second.rows
    assert (first.recommended, first.alike, first.notes) == (
        second.recommended, second.alike, second.notes,
    )  # fmt: skip
    codes = np.arange(panel.n_items) % 2
    assert own_choice_rows(tried.view, first, goal, codes, "c") == own_choice_rows(
        slim.view, second, goal, codes, "c"
    )
    assert not slim.view.panel.labels
