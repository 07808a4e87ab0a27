"""Strategies at other prices: nothing is tried anew, and nothing but the cost is another."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipelines.one_judge import whole
from pipelines.panel import read_panel
from pipelines.section_parts import narrowed
from pipelines.sections.view import MajorityRule, Rules
from pipelines.stats.agreement import TieRule
from pipelines.strategy import Goal, Match, Tried, choose, choose_strategy
from pipelines.strategy_tries import (
    RULES,
    Prices,
    chosen,
    chosen_by,
    known_prices,
    tried_by,
    tried_on_all,
)
from pipelines.strategy_words import sentences
from tests.dashboards import COSTS, HUMAN_COST, make_store

if TYPE_CHECKING:
    from pipelines.panel import Panel


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    store = make_store(tmp_path_factory.mktemp("prices") / "s.duckdb")
    return read_panel(store, "small", None, ["careful", "hasty"])


@pytest.fixture(scope="module")
def tried(panel: Panel) -> Tried:
    return tried_on_all(panel, Rules(), Match.HUMAN)


@pytest.mark.parametrize(
    "goal", [Goal(), Goal(n=500, budget_usd=30), Goal(quality=0.7), Goal(usd_per_point=2)]
)
def test_the_known_prices_give_the_same_choice(panel: Panel, tried: Tried, goal: Goal) -> None:
    at = tried.at(HUMAN_COST, {name: COSTS.get(name, 0.0) for name in ("careful", "hasty")})
    again, once = choose(at, goal), choose_strategy(whole(panel, Rules()), goal)
    np.testing.assert_allclose(again.cost_usd, once.cost_usd, rtol=1e-9)
    assert again.recommended == once.recommended
    assert again.alike == once.alike
    assert [row.subject for row in again.rows] == [row.subject for row in once.rows]
    assert panel.n_items == 60


def test_cost_is_what_the_policy_buys(tried: Tried) -> None:
    """By hand: judges times orders, and the humans' share times their price."""
    choice = choose(tried.at(3.0, {"careful": 0.5, "hasty": 0.25}), Goal())
    usd = {"careful": 0.5, "hasty": 0.25}
    for each, cost in zip(choice.strategies, choice.cost_usd, strict=True):
        policy = each.policy
        share = policy.human_share if policy.judges else 1.0
        humans = policy.humans * share * 3.0
        judges = policy.orders * sum(usd.get(name, 0.0) for name in policy.judges)
        assert cost == pytest.approx(judges + humans), each.name


def test_other_prices_leave_quality_and_the_original_alone(tried: Tried) -> None:
    before = [each.cost_usd.copy() for each in tried.strategies]
    dear = tried.at(100.0, {"careful": 7.0})
    for one, other in zip(tried.strategies, dear.strategies, strict=True):
        np.testing.assert_array_equal(one.quality, other.quality)
    assert dear.sums is tried.sums
    assert dear.quality_rows is tried.quality_rows
    for each, cost in zip(tried.strategies, before, strict=True):
        np.testing.assert_array_equal(each.cost_usd, cost)


def test_an_unknown_price_makes_only_what_buys_it_unknown(tried: Tried) -> None:
    no_humans = choose(tried.at(nan, {}), Goal())
    for each, cost in zip(no_humans.strategies, no_humans.cost_usd, strict=True):
        assert isnan(cost) == (each.policy.humans > 0), each.name
    no_judge = choose(tried.at(1.0, {"hasty": nan}), Goal())
    for each, cost in zip(no_judge.strategies, no_judge.cost_usd, strict=True):
        assert isnan(cost) == ("hasty" in each.policy.judges), each.name


def test_a_dearer_human_moves_the_choice_from_humans(tried: Tried) -> None:
    goal = Goal(usd_per_point=2)
    shares = []
    for usd in (0.0, 0.1, 1.0, 100.0):
        found = choose(tried.at(usd, {"careful": 0.001, "hasty": 0.001}), goal)
        assert found.recommended is not None
        policy = found.strategies[found.recommended].policy
        shares.append(policy.human_share if policy.judges else float(policy.humans))
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == 0


def test_slices_are_priced_alike(panel: Panel, tried: Tried) -> None:
    goal = Goal(n=1000, budget_usd=50)
    sliced = tried_by(panel, Rules(), Match.HUMAN, "category")
    prices = Prices(1.0, (("careful", 0.02), ("hasty", 0.01)))
    choices = chosen_by(tried, sliced, prices, goal).choices
    assert {name for name, _ in choices} == {f"category={c}" for c in ("facts", "advice", "rare")}
    for _, choice in choices:
        assert choice.human_usd == 1.0
        assert choice.cost_usd[choice.recommended or 0] <= 0.05
    assert sum(choice.n_items for _, choice in choices) == 60
    assert not tried_by(replace(panel, category=np.full(60, None, dtype=object)), Rules(),
                        Match.HUMAN, "category").slices  # fmt: skip


@pytest.mark.parametrize("goal", [Goal(), Goal(n=500, budget_usd=30), Goal(usd_per_point=2)])
def test_a_choice_without_its_items_says_the_same(tried: Tried, goal: Goal) -> None:
    whole_one, bare = choose(tried, goal), chosen(tried, known_prices(tried), goal)
    assert bare.rows == whole_one.rows
    assert (bare.n_items, bare.n_prompts) == (60, 60)
    assert list(sentences(bare, goal)) == list(sentences(whole_one, goal))
    for mine, theirs in zip(bare.strategies, whole_one.strategies, strict=True):
        assert (mine.name, mine.policy) == (theirs.name, theirs.policy)
        assert mine.own.size == 0
        assert mine.human is None
    assert bare.items.size == bare.prompts.size == 0


def test_prices_not_known_stay_so(tried: Tried) -> None:
    unknown = Prices(None, (("careful", 0.5), ("hasty", None)))
    at = unknown.of(tried)
    assert isnan(at.human_usd)
    assert known_prices(at) == unknown


@pytest.mark.parametrize("rules", [Rules(MajorityRule.SIGN), Rules(ties=TieRule.HALF)])
def test_neither_majorities_nor_ties_matter_to_strategies(panel: Panel, rules: Rules) -> None:
    for match in (Match.HUMAN, Match.MAJORITY):
        plain, other = (
            choose(tried_on_all(panel, each, match), Goal()) for each in (Rules(), rules)
        )
        assert plain.rows == other.rows
    assert narrowed(rules, RULES) == Rules()


def test_of_those_alike_the_cheapest_is_named(tried: Tried) -> None:
    prices = Prices(1.0, (("careful", 0.3), ("hasty", 0.001)))
    found = chosen(tried, prices, Goal())
    alike = replace(found, recommended=0, alike=tuple(range(1, len(found.strategies))),
                    needed=(None,) * (len(found.strategies) - 1))  # fmt: skip
    cheapest = min(alike.alike, key=lambda k: found.cost_usd[k])
    [line] = [text for text in sentences(alike, Goal()) if text.startswith("Cannot be told")]
    assert f"the cheapest is {found.strategies[cheapest].name}, at " in line
    same = replace(alike, cost_usd=np.ones(len(found.strategies)))
    assert "the cheapest" not in " ".join(sentences(same, Goal()))


def test_a_goal_that_nothing_meets_says_what_comes_nearest(tried: Tried) -> None:
    prices = Prices(1.0, (("careful", 0.3), ("hasty", 0.1)))
    [*_, note] = chosen(tried, prices, Goal(quality=0.999)).notes
    assert note.startswith("no strategy meets the goal: the best, ")
    [*_, note] = chosen(tried, prices, Goal(n=100, budget_usd=5)).notes
    assert note == "no strategy meets the goal: the cheapest, hasty, costs $10 for 100"
