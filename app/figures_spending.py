"""What was spent over time: one line that only rises, with a dot where each run ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import altair as alt

from app.drawing import kept
from app.figures import SIZE, colour, painted, quiet_axis
from pipelines.wording import money

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.figures import Chart
    from data.run_facts import Spent

HEIGHT = 260
DAY = 86_400  # seconds
MOST_DAYS = 14  # with hours and minutes on the axis
MOST_SECONDS = 1800  # with seconds
MOST_NAMES = 8  # beyond them names would cover each other: the dots still say whose they are


@kept
def spending(spent: Sequence[Spent]) -> Chart:
    """US dollars spent so far, by the time of the replies (UTC)."""
    seconds = _seconds(spent)
    when = "%b %-d, %H:%M:%S" if seconds <= MOST_SECONDS else "%b %-d, %H:%M"
    if seconds > MOST_DAYS * DAY:
        when = "%Y-%m-%d"
    times = quiet_axis(None, labelOverlap="greedy", format=when)
    x = alt.X("at:T", axis=times, scale=alt.Scale(type="utc"))
    dollars = quiet_axis("US dollars spent so far", format="$,~r", labelOverlap="greedy")
    y = alt.Y("sum:Q", axis=dollars,
              scale=alt.Scale(zero=True, nice=True))  # fmt: skip
    rows = _rows(spent)
    line = alt.Chart(painted(rows)).mark_line(
        interpolate="step-after", strokeWidth=2, opacity=0.8, aria=False
    )
    ends = alt.Chart(painted(_ends(rows))).encode(x=x, y=y)
    layers: list[Any] = [
        line.encode(x=x, y=y, color=colour("AI")),
        ends.mark_point(filled=True, opacity=1, size=80).encode(
            color=colour("AI"), tooltip=_tooltip(), description=alt.Description("spoken:N")
        ),
        ends.transform_filter("datum.named").mark_text(
            align="right", dx=-8, dy=-8, fontSize=SIZE, limit=180, aria=False
        ).encode(text="name:N", color=colour("ink")),
    ]  # fmt: skip
    return cast("Chart", alt.layer(*layers).properties(width="container", height=HEIGHT))


def _seconds(spent: Sequence[Spent]) -> float:
    """From the first reply to the last."""
    times = [part.at for part in spent]
    return (max(times) - min(times)).total_seconds() if times else 0.0


def _rows(spent: Sequence[Spent]) -> dict[str, list[Any]]:
    """Each part of a run with the sum of all so far, and what its run spent."""
    total, sums = 0.0, []
    of_run: dict[str, float] = {}
    for part in spent:
        total += part.usd
        of_run[part.run_id] = of_run.get(part.run_id, 0.0) + part.usd
        sums.append(total)
    return {
        "at": [f"{part.at.isoformat()}Z" for part in spent],
        "when": [part.at.strftime("%Y-%m-%d %H:%M") for part in spent],
        "sum": sums,
        "run": [part.run_id for part in spent],
        "name": [part.judge for part in spent],
        "cost": [money(of_run[part.run_id]) for part in spent],
        "spoken": [f"{p.judge}: {money(of_run[p.run_id])}" for p in spent],
    }


def _ends(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The last part of each run; where there are few runs their names stand beside."""
    last = {run: k for k, run in enumerate(rows["run"])}
    places = sorted(last.values())
    found = {name: [column[k] for k in places] for name, column in rows.items()}
    return {**found, "named": [len(places) <= MOST_NAMES] * len(places)}


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("name:N", title="Judge"),
        alt.Tooltip("cost:N", title="Spent by this run"),
        alt.Tooltip("when:N", title="Last reply (UTC)"),
    ]
