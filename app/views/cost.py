"""The cost view: what a label costs, what it buys, and the runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from app import commands, figures, frame, loading, parts, tables, words
from app.views.judging import COST_AXIS, MOST, TIME_AXIS, price_figure, price_rows, ranked
from data.records import RunStatus
from pipelines.estimates import ALL
from pipelines.findings import find
from pipelines.sections.view import CEILING, ONE_HUMAN
from pipelines.titles import section_title
from pipelines.wording import duration, money

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.frame import Context
    from app.loading import Compared
    from pipelines.estimates import Estimate

QUESTION = "What does a label cost, and what does it buy?"
NO_SCATTER = "Agreement against cost needs an annotator with both known; here there is none."


def body(context: Context) -> None:
    """Cost and time per 1,000 labels, agreement against cost, and the runs."""
    compared = context.compared()
    rows = [row for row in compared.rows if row.slice == ALL]
    parts.lead(section_title("cost", rows))
    frame.live_runs(context.seen.store)
    names = [*tables.named(compared.kinds, "human")[:MOST], *ranked(compared, rows)[:MOST]]
    left, right = st.columns(2, gap="large")
    with left:
        shown = price_rows(rows, names)
        price_figure(compared, shown, "cost", words.cost_title(shown), COST_AXIS, _reason(shown))
    with right:
        shown = price_rows(rows, names, "seconds_per_1000")
        price_figure(compared, shown, "time", words.time_title(shown), TIME_AXIS, _reason(shown))
    _scatter(compared, rows)
    parts.section("Runs", "runs")
    _runs(context.seen.store)
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
    parts.figure("scatter", words.value_title(costs, agreements, names),
                 figures.scatter(spots, titles), behind,
                 note=words.free_note([name for name in both if name not in names]))  # fmt: skip
    parts.legend()


def _runs(store: str) -> None:
    """Every run of the store, newest first."""
    runs = loading.runs(store)
    if not runs:
        parts.muted("No judge has been run in this store yet.", "no-runs")
        return
    parts.table([_run(run) for run in runs], key="table-runs")
    with st.container(key="rows-runs"):
        parts.download([_run(run) for run in runs], "runs")


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run as cells."""
    ended = run["ended_at"] or run["last_label_at"]
    return {
        "Judge": run["judge"],
        "Data set": run["dataset"],
        "Status": words.word(words.RUN_STATUSES, run["status"]),
        "Planned": run["planned"],
        "Done": run["done"],
        "Failed": run["failed"],
        "Spent": money(run["spent_usd"]),
        "Possibly paid": run["possibly_paid"],
        "Started (UTC)": run["started_at"].strftime("%Y-%m-%d %H:%M"),
        "Took": duration((ended - run["started_at"]).total_seconds()) if ended else None,
    }


def _next(context: Context, rows: Sequence[Estimate]) -> None:
    store, dataset = context.seen.store, context.choice.dataset
    unfinished = [
        run
        for run in loading.runs(store)
        if run["status"] in (RunStatus.INTERRUPTED, RunStatus.STOPPED, RunStatus.BUDGET_SPENT)
    ]
    if unfinished or any(run["failed"] for run in loading.runs(store)):
        why = "Some runs did not finish or lost labels. Their reasons, and how to continue:"
        parts.next_step(why, commands.runs(store))
    elif not find(rows, "cost_usd_per_1000"):
        why = "No label here has a price. With --per-label or --per-hour this command sets one:"
        parts.next_step(why, commands.price(store, dataset))
    else:
        why = "What the next judge would be asked, without sending anything:"
        parts.next_step(why, commands.label(store, dataset))


if __name__ == "__main__":
    frame.draw("cost", QUESTION, body)
