"""The strategy view: what it recommends, prices that are typed, kinds, and the policy file."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from app import words_strategy
from app.figures_frontier import ALIKE, FRONTIER, OTHER, RECOMMENDED, Try, frontier
from app.views import strategy
from pipelines.panel import read_panel
from pipelines.policy import PolicyFile, policy_text
from pipelines.sections.view import Rules
from pipelines.strategy import Goal, Match, Policy, choose
from pipelines.strategy_tries import tried_on_all
from tests.dashboards import make_store, open_numbers
from tests.estimating import HUMAN, JUDGE, label, store_of
from tests.test_dashboard import asked, check, chosen, commands, open_app, texts

if TYPE_CHECKING:
    from pathlib import Path

    from streamlit.testing.v1 import AppTest

    from pipelines.strategy import Tried


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("small") / "small.duckdb").path


@pytest.fixture(scope="module")
def tried(small: Path) -> Tried:
    from data.store import Store

    panel = read_panel(Store(small), "small", None, ["careful", "hasty"])
    return tried_on_all(panel, Rules(), Match.HUMAN)


def number(app: AppTest, label: str) -> Any:
    [box] = [box for box in app.number_input if box.label == label]
    return box


def point(number: int, mark: str, quality: float, cost: float = 10.0) -> Try:
    return Try(number, f"s{number}", "AI", cost, quality, quality - 0.05, quality + 0.05, mark,
               on_frontier=False, cost_text="$10", quality_text="80%")  # fmt: skip


def placed(tries: list[Try]) -> list[float | None]:
    """The height of each point's number."""
    drawn = frontier(tuple(tries), ("cost", "quality")).to_dict()
    [rows] = [v for v in drawn["datasets"].values() if "place" in v[0]]
    return [row["place"] for row in rows]


def recommended(app: AppTest) -> str:
    [found] = [text for text in texts(app) if text.startswith("Recommended ")]
    return found


def test_it_recommends_what_the_command_does(
    small: Path, monkeypatch: pytest.MonkeyPatch, tried: Tried
) -> None:
    app = check(open_app(monkeypatch, small, "strategy", goal="budget", budget="20"))
    assert recommended(app).startswith("Recommended within $20: ")
    marks = list(app.dataframe[0].value["Mark"])
    assert marks.count(RECOMMENDED) == 1
    assert commands(app)[-1].startswith("concord route --policy policy.toml")
    assert number(app, "One human label, US dollars").value == pytest.approx(0.4)


def test_a_typed_price_changes_cost_and_link_and_nothing_is_stored(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = small.read_bytes()
    app = check(open_app(monkeypatch, small, "strategy", goal="tradeoff", tradeoff="1"))
    check(number(app, "One human label, US dollars").set_value(2.5).run())
    assert asked(app, "human_usd") == "2.5"
    table = app.dataframe[0].value
    [cost] = table.loc[table["Strategy"] == "one human", "Cost"]
    assert cost == "$2,500"
    again = check(open_app(monkeypatch, small, "strategy", human_usd="2.5"))
    assert number(again, "One human label, US dollars").value == 2.5
    assert small.read_bytes() == before


def test_a_judges_price_may_be_typed_too(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = check(open_app(monkeypatch, small, "strategy"))
    assert any("silent" in text and "rice not known" in text for text in texts(app))
    boxes = [b for b in app.number_input if b.label == "US dollars for one label"]
    [unknown] = [box for box in boxes if box.value is None]
    check(unknown.set_value(0.01).run())
    assert not any("rice not known" in text for text in texts(app))


@pytest.mark.parametrize("junk", ["x", "-1", "nan", "inf", "1e300", "<b>"])
def test_nonsense_in_the_link_is_the_known_price(
    junk: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, small, "strategy", human_usd=junk, n=junk))
    assert number(app, "One human label, US dollars").value == pytest.approx(0.4)
    assert number(app, "Comparisons to label").value == 1000


def test_kinds_have_a_line_each(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = check(open_app(monkeypatch, small, "strategy", by="category"))
    assert chosen(app, "Kinds") == "category"
    kinds, *_ = (f.value for f in open_numbers(app).dataframe if "Also possible" in f.value)
    assert list(kinds["Comparisons of"]) == ["all comparisons", "advice", "facts", "rare"]
    assert list(kinds["Also possible"])[-1] == words_strategy.TOO_FEW
    assert any("1 of 3 slices has fewer than" in text for text in texts(app))


def test_a_known_price_is_shown_with_two_digits_and_kept_as_it_is() -> None:
    assert strategy._typed(0.499747) == 0.5
    assert strategy._exact(0.5, 0.499747) == 0.499747
    assert strategy._exact(0.51, 0.499747) == 0.51
    assert strategy._typed(None) is None
    assert strategy._exact(None, 0.499747) is None
    assert strategy._exact(None, None) is None


def test_without_labels_for_it_the_page_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = [label(i, name, "a") for i in range(20) for name in "hj"]
    store = store_of(tmp_path / "one.duckdb", one, {"h": HUMAN, "j": JUDGE}, n_items=20)
    app = check(open_app(monkeypatch, store.path, "strategy"))
    assert any("no comparison has labels of two humans" in text for text in texts(app))
    assert commands(app)[-1].startswith("concord import")


def test_without_prices_there_is_quality_and_no_frontier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = [label(i, name, "ab"[i * k % 2]) for i in range(40) for k, name in enumerate("hkj")]
    kinds = {"h": HUMAN, "k": HUMAN, "j": JUDGE}
    store = store_of(tmp_path / "free.duckdb", labels, kinds, n_items=40)
    app = check(open_app(monkeypatch, store.path, "strategy"))
    assert words_strategy.NO_PRICES in texts(app)
    assert any("none with a known price" in text for text in texts(app))
    assert set(app.dataframe[0].value["Cost"]) == {"not known"}


# ---- words and figure


def test_goals_are_those_that_were_picked() -> None:
    assert words_strategy.goal_of("budget", 500, 20.0) == Goal(n=500, budget_usd=20)
    assert words_strategy.goal_of("quality", 500, 80.0) == Goal(n=500, quality=0.8)
    assert words_strategy.goal_of("tradeoff", 500, 2.0) == Goal(n=500, usd_per_point=2)
    assert words_strategy.goal_of("none", 500, None) == Goal(n=500)
    assert words_strategy.goal_of("budget", 500, None) == Goal(n=500)


def test_colours_say_whose_labels_are_bought() -> None:
    kinds = {"j": "judge", "longer": "baseline"}
    assert words_strategy.role(Policy(humans=2), kinds) == "human"
    assert words_strategy.role(Policy(("j",)), kinds) == "AI"
    assert words_strategy.role(Policy(("longer",)), kinds) == "baseline"
    mixed = Policy(("j",), rule="at random", human_share=0.1, humans=1)
    assert words_strategy.role(mixed, kinds) == "ink"


def test_break_even_is_said_once(tried: Tried) -> None:
    choice = choose(tried.at(10.0, {"careful": 0.01, "hasty": 0.001}), Goal(usd_per_point=1))
    assert choice.strategies[choice.recommended or 0].policy.judges
    [line] = words_strategy.break_even(choice, [])
    assert "(now $10)" in line
    assert (
        words_strategy.break_even(choice, [f"below $1 a label {words_strategy.BREAK_EVEN}"]) == []
    )
    unknown = choose(tried.at(nan, {"careful": 0.01, "hasty": 0.001}), Goal())
    assert all("not known yet" in line for line in words_strategy.break_even(unknown, []))


def test_the_title_counts_only_what_has_a_price(tried: Tried) -> None:
    some = choose(tried.at(1.0, {"careful": nan, "hasty": nan}), Goal())
    known = int(np.isfinite(some.cost_usd).sum())
    assert 0 < known < len(some.strategies)
    assert words_strategy.frontier_title(some).startswith(
        f"Of {known} strategies with a known price, "
    )


def test_a_baseline_that_costs_nothing_is_no_news(small: Path) -> None:
    from data.store import Store

    panel = read_panel(Store(small), "small", None, ["careful", "longer"])
    tried = tried_on_all(panel, Rules(), Match.HUMAN)
    choice = choose(tried.at(1.0, {"careful": 0.01, "longer": 0.0}), Goal())
    [place] = [k for k, each in enumerate(choice.strategies) if each.name == "longer"]
    assert choice.on_frontier[place]
    assert words_strategy.mark(choice, place) == OTHER
    assert "longer" not in words_strategy.frontier_title(choice)
    assert "longer" not in words_strategy.downloads(choice)


def test_why_the_recommended_one_has_two_figures(tried: Tried) -> None:
    choice = choose(tried.at(1.0, {"careful": 0.01, "hasty": 0.001}), Goal())
    assert words_strategy.tried_on(choice).startswith(
        f"Each was tried on the same {choice.n_items} comparisons ({choice.n_prompts} prompts). "
    )
    assert "two figures" in words_strategy.tried_on(choice)
    assert "two figures" not in words_strategy.tried_on(replace(choice, selected=None))


def test_unknown_and_free_ones_are_named_beside_the_figure(tried: Tried) -> None:
    choice = choose(tried.at(1.0, {"careful": 0.0, "hasty": nan}), Goal())
    drawn = words_strategy.tries(choice, Goal(), {})
    assert all(each.cost > 0 for each in drawn)
    note = words_strategy.left_out(choice) or ""
    assert "Free, so not on a log scale: careful" in note
    assert "without a known price" in note


def test_numbers_of_close_points_stand_apart() -> None:
    places = sorted(placed([point(k, FRONTIER, quality=0.8) for k in range(3)]))
    assert places[1] - places[0] > 0.005
    assert places[2] - places[1] > 0.005


def test_in_a_crowd_only_what_must_be_told_apart_has_a_number() -> None:
    crowd = [point(k, ALIKE, quality=0.8 + k / 1000) for k in range(9)]
    best = point(9, RECOMMENDED, quality=0.805)
    assert placed([best, *crowd]) == [0.805, *[None] * 9]
    alone = point(10, ALIKE, quality=0.8, cost=1000.0)
    assert placed([best, *crowd, alone])[-1] == 0.8
    assert placed([point(11, OTHER, quality=0.8)]) == [None]


def test_the_policy_is_one_that_route_reads(tried: Tried) -> None:
    from pipelines.policy import place_of, policy_of
    from pipelines.sections.view import UnparsedRule

    choice = choose(tried.at(1.0, {"careful": 0.01, "hasty": 0.001}), Goal(usd_per_point=2))
    for name in words_strategy.downloads(choice):
        file = policy_of(choice, place_of(choice, name), Goal(usd_per_point=2), dataset="small",
                         criterion="overall", simulated=False,
                         unparsed=UnparsedRule.DROP)  # fmt: skip
        assert PolicyFile.model_validate(tomllib.loads(policy_text(file))).name == name


@pytest.mark.parametrize("budget", ["0", ""])
def test_a_budget_of_nothing_is_asked_for(
    budget: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, small, "strategy", goal="budget", budget=budget))
    assert words_strategy.MISSING in texts(app)
    given = check(open_app(monkeypatch, small, "strategy", goal="budget", budget="20"))
    assert words_strategy.MISSING not in texts(given)
