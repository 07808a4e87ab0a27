"""The cost view: what a label costs, what it buys, and what was spent when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app import (
    commands,
    figures,
    figures_spending,
    frame,
    parts,
    tables,
    words,
    words_cost,
    words_runs,
)
from app.drawing import specification
from app.views.judging import COST_AXIS, MOST, TIME_AXIS, price_figure, price_rows, ranked
from app.views.overview import link
from data.run_facts import spent_of
from pipelines.findings import find
from pipelines.sections.cost import AGREEMENT_FRONT
from pipelines.sections.view import CEILING, ONE_HUMAN
from pipelines.titles import section_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.frame import Context
    from app.loading import Compared
    from pipelines.estimates import Estimate

QUESTION = "What does a label cost, and what does it buy?"
NO_SCATTER = "Agreement against cost needs an annotator with both known; here there is none."
MATCH_AXIS = figures.Axis(
    "US dollars per 1,000 labels that match one human, log scale", unit="usd", log=True
)
FRONT_AXIS = figures.Axis("resamples of the prompts in which nobody beats it")


def body(context: Context) -> None:
    """Price per label and per label that matches, the front, time, and what was spent when."""
    compared = context.compared()
    rows = context.rows("references", "prices", "value")
    parts.lead(section_title("cost", rows))
    frame.live_runs(context.seen.store)
    names = [*tables.named(compared.kinds, "human")[:MOST], *ranked(compared, rows)[:MOST]]
    left, right = st.columns(2, gap="large")
    with left:
        shown = price_rows(rows, names)
        price_figure(compared, shown, "cost", words.cost_title(shown), COST_AXIS, _reason(shown))
    with right:
        shown = price_rows(rows, names, "cost_usd_per_match")
        title = words_cost.match_title(shown)
        price_figure(compared, shown, "match", title, MATCH_AXIS, _reason(shown))
    _scatter(compared, rows)
    left, right = st.columns(2, gap="large")
    with left:
        _front(compared, rows)
    with right:
        shown = price_rows(rows, names, "seconds_per_1000")
        price_figure(compared, shown, "time", words.time_title(shown), TIME_AXIS, _reason(shown))
    _spent(context)
    _next(context, rows)


def _reason(shown: Sequence[Estimate]) -> str | None:
    """Why something is not known, where everything is or something."""
    missing = [row for row in shown if row.estimate is None]
    if not missing:
        return None
    names = ", ".join(row.subject for row in missing[:3])
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return f"Not known for {names}{more}: {missing[0].note}."


def _scatter(compared: Compared, rows: Sequence[Estimate]) -> None:
    """What agreement each price buys: judges, and one human at the ceiling."""
    statistic, reference = words.main_statistic(rows)
    agreements = {row.subject: row for row in find(rows, statistic, reference=reference)}
    costs = {row.subject: row for row in find(rows, "cost_usd_per_1000")}
    if CEILING in agreements and ONE_HUMAN in costs:
        agreements[ONE_HUMAN] = agreements[CEILING]
    both = [name for name in costs if name in agreements]
    names = [name for name in both if (costs[name].estimate or 0.0) > 0]
    if not names:
        parts.muted(NO_SCATTER, "no-scatter")
        return
    roles = tables.roles(compared.kinds)
    spots = [
        tables.spot(name, roles.get(name, "AI"), costs[name], agreements[name]) for name in names
    ]
    titles = ("US dollars per 1,000 labels, log scale", f"agreement with {words.named(reference)}")
    behind = [row for name in names for row in (agreements[name], costs[name])]
    front = words_cost.unbeaten(rows, AGREEMENT_FRONT)
    free = [name for name in both if name not in names]
    parts.figure("scatter", words.value_title(costs, agreements, names),
                 figures.scatter(spots, titles, tuple(front)), behind,
                 note=words_cost.scatter_note(free, front, names))  # fmt: skip
    parts.legend()


def _front(compared: Compared, rows: Sequence[Estimate]) -> None:
    """Who is beaten by nobody, and how sure that is."""
    found = tables.by_estimate(find(rows, "front_share"))
    if not found:
        parts.muted(words_cost.NO_FRONT, "no-front")
        return
    roles = tables.roles(compared.kinds)
    dots = [tables.dot(row, roles.get(row.subject, "AI")) for row in found[:MOST]]
    parts.figure("front", words_cost.front_title(found), figures.dots(dots, FRONT_AXIS), found,
                 note=words_cost.FRONT_NOTE)  # fmt: skip


def _spent(context: Context) -> None:
    """What the runs on this data set paid, over time."""
    spent = context.of_store(spent_of, context.choice.dataset)
    parts.section("Spent over time", "spent")
    if not sum(part.usd for part in spent):
        parts.muted(words_cost.nothing_spent(spent), "no-spent")
        return
    with st.container(key="figure-spent"):
        parts.heading("spent", words_runs.spent_title(spent), [])
        with st.container(key="chart-spent"):
            drawn = specification(figures_spending.spending(spent))
            st.vega_lite_chart(drawn, width="stretch", key="altair-spent")
        parts.muted(words_runs.spent_note(spent), "note-spent")
        behind = words_runs.spent_rows(spent)
        parts.rows_behind("spent", behind, behind)
    link("runs", "See the runs")


def _next(context: Context, rows: Sequence[Estimate]) -> None:
    store, dataset = context.seen.store, context.choice.dataset
    if not find(rows, "cost_usd_per_1000"):
        why = "No label here has a price. With --per-label or --per-hour this command sets one:"
        parts.next_step(why, commands.price(store, dataset))
    else:
        why = "What the next judge would be asked, without sending anything:"
        parts.next_step(why, commands.label(store, dataset))


if __name__ == "__main__":
    frame.draw("cost", QUESTION, body)
