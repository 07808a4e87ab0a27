"""What strategies cost and which may be chosen: all labels that are looked at, to a digit."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.estimates import ALL
from pipelines.panel import read_panel
from pipelines.policy import policy_of
from pipelines.sections.view import Rules, UnparsedRule, View
from pipelines.strategy import Goal, Match, Tried, _alike, choose_strategy
from pipelines.strategy_sums import PromptSums
from pipelines.strategy_words import sentences
from tests.estimating import HUMAN, JUDGE, both, label, store_of

KINDS = {"h1": HUMAN, "h2": HUMAN, "i": JUDGE, "j": JUDGE}


def view_of(store):
    panel = read_panel(store, "d")
    return View(panel, Rules(), ALL, np.ones(panel.n_items, dtype=bool))


def two_judges(path, *, orders, n=60):
    """Humans at $.5 agree; i is wrong on every fourth, j on every third, and turns on every fifth;
    a cent each label.
    """
    labels = []
    for k in range(n):
        right, wrong = "ab" if k % 2 else "ba"
        labels += [label(k, h, right, cost_usd=0.5) for h in ("h1", "h2")]
        for name, every in (("i", 4), ("j", 3)):
            first = right if k % every else wrong
            other = {right: wrong, wrong: right}[first] if k % 5 == 0 else first
            marks = (first, other) if orders == 2 else (first, " ")
            labels += both(k, name, *marks, cost_usd=0.01)
    return view_of(store_of(path, labels, KINDS, n_items=n))


@pytest.mark.parametrize("orders", [1, 2])
def test_labels_that_juries_and_rules_look_at_are_all_paid_for(tmp_path, orders):
    tried = Tried(two_judges(tmp_path / "s.duckdb", orders=orders), Match.HUMAN)
    usd = {each.name: tried.judges_usd(each.policy) for each in tried.strategies}
    asked = {each.name: each.policy.orders for each in tried.strategies}
    assert usd["j"] == usd["j, 10% to a human: at random"] == pytest.approx(0.01)
    pooled = [name for name in usd if name.startswith("jury") or "disagrees" in name
              or "learned" in name]  # fmt: skip
    assert len(pooled) >= 5
    for name in pooled:  # two judges, each in so many orders
        assert usd[name] == pytest.approx(0.02 * orders), name
        assert asked[name] == orders, name
    if orders == 2:
        assert usd["j, both orders"] == pytest.approx(0.02)
        assert usd["j, 10% to a human: order flip"] == pytest.approx(0.02)
    dearer = tried.at(1.0, {"i": 0.02, "j": 0.02})
    assert dearer.judges_usd(tried.strategies[-1].policy) == pytest.approx(0.04 * orders)


def test_the_recommended_figure_is_a_share_and_can_be_saved(tmp_path):
    labels = [label(k, h, "a", cost_usd=0.5) for k in range(60) for h in ("h1", "h2")]
    labels += [label(k, "i", "b" if k == 7 else "a", cost_usd=0.001) for k in range(60)]
    kinds = {name: KINDS[name] for name in ("h1", "h2", "i")}
    goal = Goal(budget_usd=2)
    choice = choose_strategy(view_of(store_of(tmp_path / "s", labels, kinds, n_items=60)), goal)
    assert choice.selected.estimate == pytest.approx(59 / 60)
    assert choice.selected.low < 59 / 60 < choice.selected.high == 1
    file = policy_of(choice, choice.recommended, goal, dataset="d", criterion="overall",
                     simulated=False, unparsed=UnparsedRule.DROP)  # fmt: skip
    assert (file.name, file.quality.high) == ("i", 1)


@pytest.mark.parametrize("price", [0.1, 0.3, 0.004, 0.7])
def test_what_costs_just_the_budget_is_within_it(price):
    """The mean of equal prices may end a digit above them."""
    for n in range(20, 120):
        usd = np.full((n, 1), price).mean(axis=0)
        assert Goal(n=1000, budget_usd=1000 * price).select(np.array([0.9]), usd) == 0
        assert Goal(n=1000, budget_usd=999 * price).select(np.array([0.9]), usd) is None


def test_what_may_reach_a_quality_does_not_hang_on_what_else_does():
    """132 and 139 of 200, the same and seven more: the first is surely behind the second, but .7 is
    1.2 standard errors above it.
    """
    place = np.arange(200)
    quality = np.stack([place < 132, place < 139, place < 150], axis=1).astype(float)
    cost = np.broadcast_to(np.array([1.0, 2.0, 3.0]), quality.shape)
    goal = Goal(quality=0.7)
    assert goal.select(quality.mean(axis=0), cost.mean(axis=0)) == 2
    usd = np.stack([cost[0], np.zeros(3)], axis=1)
    assert _alike(goal, PromptSums(quality.T, 0 * quality.T, place), usd, 2)[0] == (0, 1)
    far = quality.copy()
    far[:, 0] = place < 100  # six standard errors
    assert _alike(goal, PromptSums(far.T, 0 * far.T, place), usd, 2)[0] == (1,)


@pytest.mark.parametrize(("wrong", "said"), [(2, False), (30, True)])
def test_a_point_has_a_price_only_where_humans_are_shown_to_add_one(tmp_path, wrong, said):
    """A judge that misses 2 or 30 of 60; humans always agree."""
    labels = [label(k, h, "a", cost_usd=0.5) for k in range(60) for h in ("h1", "h2")]
    labels += [label(k, "i", "b" if k < wrong else "a", cost_usd=0.001) for k in range(60)]
    kinds = {name: KINDS[name] for name in ("h1", "h2", "i")}
    goal = Goal(budget_usd=2)
    choice = choose_strategy(view_of(store_of(tmp_path / "s", labels, kinds, n_items=60)), goal)
    [gap] = [row for row in choice.rows
             if (row.statistic, row.subject) == ("strategy_difference", "one human")]  # fmt: skip
    assert (gap.low > 0) is said
    [words] = [text for text in sentences(choice, goal) if text.startswith("One human")]
    assert ("for each point" in words) is said
    assert "a label humans alone would cost less" in words
