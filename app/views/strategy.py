"""The strategy view: which feedback to buy for a budget, a quality or a price of quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app import commands, controls, figures, frame, parts, tables, words, words_strategy
from app.drawing import specification
from app.figures_frontier import frontier
from data.errors import InputError
from pipelines.estimates import ALL
from pipelines.policy import place_of, policy_of, policy_text
from pipelines.slices import COLUMNS
from pipelines.strategy import Match
from pipelines.strategy_tries import Prices, chosen, chosen_by, known_prices
from pipelines.strategy_words import TARGET
from pipelines.wording import money

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.frame import Context
    from pipelines.strategy import Choice, Goal

QUESTION = "Which feedback should be bought?"
MOST_PRICES = 12
BY_NONE = "none"
BY = {BY_NONE: "Not by kind", "category": "By category", "length": "By length",
      "models": "By the models compared"}  # fmt: skip
POLICY = "policy.toml"


def body(context: Context) -> None:
    """Controls, the recommendation with its evidence, kinds of comparisons, the policy file."""
    with _row("filter"):
        match = controls.pick("strategy", "match", "A label is right that matches",
                              [Match.HUMAN, Match.MAJORITY],  # no reward models: they take long
                              shown=words_strategy.MATCHES, width=280)  # fmt: skip
        goal, missing = _goal()
    if missing:
        parts.muted(missing, "goal")
    try:
        known = context.of_tried(match, known_prices)
    except InputError as error:
        _missing(context, error)
        return
    prices = _prices(context, known)
    choice = context.of_tried(match, chosen, prices, goal)
    _recommendation(choice, goal)
    _evidence(context, choice, goal)
    _kinds(context, choice, prices, goal)
    _policy(context, choice, goal)


def _row(key: str) -> st.delta_generator.DeltaGenerator:
    return st.container(key=key, horizontal=True, vertical_alignment="bottom", gap="medium")


def _goal() -> tuple[Goal, str | None]:
    """What is wanted, and for how many comparisons; what is missing for it."""
    name = controls.pick("strategy", "goal", "Wanted", list(words_strategy.GOALS),
                         shown=words_strategy.GOALS, width=280)  # fmt: skip
    value = None
    if name in words_strategy.ASKED:
        value = controls.number(
            "strategy", name, words_strategy.ASKED[name], default=words_strategy.USUAL[name],
            most=99.0 if name == words_strategy.QUALITY else None, width=220,
        )  # fmt: skip
    n = controls.number("strategy", "n", "Comparisons to label", default=1000.0, whole=True)
    missing = words_strategy.MISSING if name in words_strategy.ASKED and not value else None
    return words_strategy.goal_of(name, int(n or 1000), value), missing


def _prices(context: Context, known: Prices) -> Prices:
    """The prices of a label: what was typed here, else what is known."""
    dataset = context.choice.dataset
    judges = dict(known.judges)
    with _row("filter-prices"):
        human = controls.number("strategy", "human_usd", "One human label, US dollars",
                                default=_typed(known.human), of=dataset, width=220)  # fmt: skip
        with st.popover("Judges' prices", type="tertiary", key="judge-prices"):
            st.text("US dollars for one label. It is for this page only; concord price keeps one.")
            shown, more = words_strategy.prices_asked(judges, MOST_PRICES)
            for name in shown:
                judges[name] = _judge_price(dataset, name, judges[name])
            if more:
                parts.muted(f"{more:,} more judges keep their known prices.", "more-prices")
    return Prices(_exact(human, known.human), tuple(judges.items()))


def _judge_price(dataset: str, name: str, usd: float | None) -> float | None:
    short = controls.short(name)
    with st.container(key=f"price-{short}", gap=None):
        st.text(name)
        asked = controls.number("strategy", f"usd_{short}", "US dollars for one label",
                                default=_typed(usd), of=dataset, hidden=True)  # fmt: skip
    return _exact(asked, usd)


def _typed(usd: float | None) -> float | None:
    """A price as it is typed: two digits."""
    return None if usd is None else float(f"{usd:.2g}")


def _exact(asked: float | None, usd: float | None) -> float | None:
    """What was typed; the known price itself where it was left as it stood."""
    return usd if asked == _typed(usd) else asked


def _recommendation(choice: Choice, goal: Goal) -> None:
    first, *rest = words_strategy.said(choice, goal)
    parts.lead(first)
    parts.lines([*rest, *words_strategy.break_even(choice, rest)], "sentences")
    for k, note in enumerate(choice.notes[: None if choice.recommended is not None else -1]):
        parts.muted(words_strategy.sentence(note), f"choice-{k}")


def _evidence(context: Context, choice: Choice, goal: Goal) -> None:
    """The frontier as a figure, and the strategies as a table."""
    compared = context.compared()
    target = TARGET[choice.match]
    titles = (f"US dollars for {goal.n:,} comparisons, log scale", f"labels that match {target}")
    tries = words_strategy.tries(choice, goal, compared.kinds)
    statistics = ["strategy_quality", "recommended_quality", "strategy_usd_per_1000",
                  "break_even_usd_per_human_label"]  # fmt: skip
    with st.container(key="figure-frontier"):
        parts.heading("frontier", words_strategy.frontier_title(choice), statistics,
                      terms=words_strategy.TERMS)  # fmt: skip
        if any(each.role == "human" or each.on_frontier for each in tries):
            with st.container(key="chart-frontier"):
                drawn = specification(frontier(tuple(tries), titles))
                st.vega_lite_chart(drawn, width="stretch", key="altair-frontier")
            with st.container(key="legend"):
                st.markdown(words_strategy.LEGEND)
            parts.muted(words_strategy.NUMBERS, "numbers-frontier")
        else:
            _qualities(choice, compared.kinds, target)
        note = words_strategy.left_out(choice) if tries else words_strategy.NO_PRICES
        if note:
            parts.muted(note, "note-frontier")
        parts.muted(words_strategy.tried_on(choice), "tried-on")
        parts.table(words_strategy.table(choice, goal, everything=False), key="strategies")
        parts.rows_behind("strategies", words_strategy.table(choice, goal, everything=True),
                          tables.file_rows(choice.rows))  # fmt: skip


def _qualities(choice: Choice, kinds: Mapping[str, str], target: str) -> None:
    """Without prices: how often the best of them match."""
    rows = words_strategy.find_quality(choice)
    best = tables.by_estimate(rows)[: parts.MOST_ROWS]
    roles = {each.name: words_strategy.role(each.policy, kinds) for each in choice.strategies}
    dots = [tables.dot(row, roles[row.subject]) for row in best]
    axis = figures.Axis(f"labels that match {target}")
    with st.container(key="chart-frontier"):
        drawn = specification(figures.dots(dots, axis))
        st.vega_lite_chart(drawn, width="stretch", key="altair-frontier")


def _kinds(context: Context, choice: Choice, prices: Prices, goal: Goal) -> None:
    """Whether kinds of comparisons, such as objective and subjective ones, deserve their own."""
    parts.section("Do kinds of comparisons deserve strategies of their own?", "kinds")
    with _row("filter-kinds"):
        by = controls.pick("strategy", "by", "Kinds", [BY_NONE, *COLUMNS], shown=BY, width=280)
    if by == BY_NONE:
        parts.muted("Objective and subjective kinds may: choose how to tell kinds apart.", "kinds")
        return
    kinds = context.of_tried(choice.match, chosen_by, prices, goal, by=by)
    choices = kinds.choices
    if not choices:
        parts.muted(words_strategy.NO_SLICES, "kinds")
        return
    parts.lines(words_strategy.slice_lines(choice, choices, kinds.own), "sentences-kinds")
    shown = words_strategy.slice_table([(ALL, choice), *choices], goal)
    parts.table(shown, key="kinds")
    behind = [row for _, each in choices for row in each.rows if row.subject in _chosen(each)]
    parts.rows_behind("kinds", shown, tables.file_rows([*behind, *kinds.own]))
    if kinds.lacking:
        parts.muted(words_strategy.lacking(kinds.lacking), "lacking")


def _chosen(choice: Choice) -> set[str]:
    return set() if choice.recommended is None else {choice.strategies[choice.recommended].name}


def _policy(context: Context, choice: Choice, goal: Goal) -> None:
    """A strategy as a file, and how it is applied."""
    parts.section("Take it along", "policy")
    store = context.seen.store
    names = words_strategy.downloads(choice)
    with _row("filter-policy"):
        name = controls.pick("strategy", "policy", "Strategy", names,
                             of=f"{context.choice.dataset} {names[0]}", width=420)  # fmt: skip
        st.download_button(
            "Download the policy", _policy_text(context, choice, name, goal), file_name=POLICY,
            mime="application/toml", key="download-policy", on_click="ignore",
        )  # fmt: skip
    price = float(choice.cost_usd[place_of(choice, name)])
    cost = f"{money(price * goal.n)} for {goal.n:,}" if price == price else "at a cost not known"
    parts.muted(f"{words.count(choice.n_items, 'comparison')} speak for it; {cost}.", "policy")
    parts.next_step(
        "Apply the policy to other comparisons: what goes to a human, and what keeps the AI label.",
        commands.route(store, POLICY),
    )


def _policy_text(context: Context, choice: Choice, name: str, goal: Goal) -> str:
    return policy_text(
        policy_of(
            choice, place_of(choice, name), goal, dataset=context.choice.dataset,
            criterion=context.choice.criterion, simulated=bool(context.dataset["simulated"]),
            unparsed=context.rules.unparsed,
        )
    )  # fmt: skip


def _missing(context: Context, error: InputError) -> None:
    """What the labels lack, and what would bring it."""
    parts.lead(f"Nothing can be recommended yet: {error.what}.")
    parts.lines([error.fix], "sentences")
    store, dataset = context.seen.store, context.choice.dataset
    if "judge has" in error.what:
        parts.next_step("What a judge would be asked, without sending anything:",
                        commands.label(store, dataset))  # fmt: skip
    else:
        parts.next_step("Bring in labels of two humans for each comparison:",
                        commands.import_humans(store, dataset))  # fmt: skip


if __name__ == "__main__":
    frame.draw("strategy", QUESTION, body)
