"""Figures that more than one view shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import figures, parts, tables, words
from pipelines.estimates import ALL
from pipelines.findings import find, judges_by_agreement
from pipelines.sections.view import ONE_HUMAN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.loading import Compared
    from pipelines.estimates import Estimate

MOST = 12  # annotators in a figure unless a reader asks for more
COST_AXIS = figures.Axis("US dollars per 1,000 labels, log scale", unit="usd", log=True)
TIME_AXIS = figures.Axis("seconds per 1,000 labels, log scale", unit="seconds", log=True)


def agreement_figure(
    compared: Compared,
    rows: Sequence[Estimate],
    judges: Sequence[str],
    *,
    title: str | None = None,
    note: str | None = None,
) -> None:
    """Each judge's agreement with one human, over the ceiling; or with a majority or gold."""
    statistic, reference = words.main_statistic(rows)
    found = [r for r in find(rows, statistic, reference=reference) if r.subject in judges]
    if not found:
        _judges_only(compared, rows)
        return
    roles, ceilings = tables.roles(compared.kinds), tables.ceilings(rows)
    dots = [
        tables.dot(row, roles.get(row.subject, "AI"), band=ceilings.get((row.subject, ALL)))
        for row in tables.by_estimate(found)
    ]
    axis = figures.Axis(
        f"agreement with {words.named(reference)}", band_title="two humans with each other"
    )
    if title is None:
        title = words.agreement_title(rows, [row.subject for row in found], reference)
    behind = [*found, *(row for (name, _), row in ceilings.items() if name in judges)]
    parts.figure("agreement", title, figures.dots(dots, axis), behind, note=note)
    parts.legend()


def _judges_only(compared: Compared, rows: Sequence[Estimate]) -> None:
    """Without anybody to agree with: how alike the annotators are."""
    pairs = tables.by_estimate([row for row in rows if row.statistic == "cohen_kappa"])
    dots = [
        tables.dot(row, "AI", name=f"{row.subject} and {row.reference}")
        for row in pairs
        if row.estimate is not None
    ]
    chart = figures.dots(dots[:MOST], figures.Axis("Cohen's kappa", unit="kappa")) if dots else None
    why = words.nothing_to_agree_with(compared.kinds.values(), compared.has_anonymous)
    parts.figure("pairs", words.pairs_title(pairs), chart, pairs, note=why)


def ranked(compared: Compared, rows: Sequence[Estimate]) -> list[str]:
    """Judges and baselines, highest agreement first, else as they are named."""
    return judges_by_agreement(rows) or tables.named(compared.kinds, "judge", "baseline")


def price_rows(
    rows: Sequence[Estimate], judges: Sequence[str], statistic: str = "cost_usd_per_1000"
) -> list[Estimate]:
    """Cost or time of the humans as one and of these judges, highest first."""
    every = [row for row in rows if row.statistic == statistic]
    kept = [row for row in every if row.subject in judges or row.subject == ONE_HUMAN]
    return tables.by_estimate(kept if judges else every)


def price_figure(
    compared: Compared,
    shown: Sequence[Estimate],
    key: str,
    title: str,
    axis: figures.Axis,
    note: str | None = None,
) -> None:
    """Costs or times as dots; what is not known says so in its row. Without any: no chart."""
    roles = tables.roles(compared.kinds)
    known = any(row.estimate for row in shown)  # a log scale has no place for nothing
    dots = [tables.dot(row, roles.get(row.subject, "AI")) for row in shown]
    chart = figures.dots(dots, axis) if known else None
    parts.figure(key, title, chart, shown if known else [], note=note)


def baselines_last(names: Sequence[str], compared: Compared) -> list[str]:
    """Judges as they are ordered, baselines behind them."""
    return sorted(names, key=lambda name: compared.kinds.get(name) == "baseline")
