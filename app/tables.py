"""Estimate rows as what a screen and a file show: dots for figures, cells for tables, CSV text."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app import words
from data.records import AnnotatorKind
from pipelines.sections.view import CEILING, ONE_HUMAN
from pipelines.spreadsheets import plain
from pipelines.wording import STATISTICS, interval_of, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pipelines.estimates import Estimate

ROLE_OF_KIND = {
    AnnotatorKind.HUMAN: "human",
    AnnotatorKind.JUDGE: "AI",
    AnnotatorKind.BASELINE: "baseline",
    AnnotatorKind.AGGREGATE: "ink",
}


@dataclass(frozen=True, slots=True)
class Dot:
    """One row of a dot figure. `band` is what it is compared with."""

    name: str
    role: str
    value: float | None
    low: float | None
    high: float | None
    text: str
    n: int
    rests_on: str
    band: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A cell of the matrix: row and column number, and what to write."""

    row: int
    column: int
    value: float | None
    text: str
    rests_on: str

    @property
    def figure(self) -> str:
        """What stands in the cell: two decimals, and no minus zero."""
        return "" if self.value is None else f"{round(self.value, 2) + 0.0:.2f}"


@dataclass(frozen=True, slots=True)
class Spot:
    """A point of the scatter: what a label costs and how it agrees."""

    name: str
    role: str
    cost: float
    agreement: float
    low: float | None
    high: float | None
    cost_text: str
    agreement_text: str


def roles(kinds: Mapping[str, str]) -> dict[str, str]:
    """The colour role of each annotator's name, and of the humans taken as one."""
    found = {name: ROLE_OF_KIND[AnnotatorKind(kind)] for name, kind in kinds.items()}
    return {ONE_HUMAN: "human", CEILING: "human", **found}


def dot(row: Estimate, role: str, *, name: str | None = None, band: Estimate | None = None) -> Dot:
    """An estimate as a dot; a band is drawn over the interval of `band`, else its value."""
    return Dot(
        name=name or row.subject,
        role=role,
        value=row.estimate,
        low=row.low,
        high=row.high,
        text=words.short_figures(row),
        n=row.n_items,
        rests_on="; ".join(filter(None, [words.reading(row), row.note])),
        band=_band(band),
    )


def spot(name: str, role: str, cost: Estimate, agreement: Estimate) -> Spot:
    """What an annotator's labels cost and how they agree, as a point."""
    return Spot(
        name=name,
        role=role,
        cost=cost.estimate or 0.0,
        agreement=agreement.estimate or 0.0,
        low=agreement.low,
        high=agreement.high,
        cost_text=words.figures_of(cost),
        agreement_text=words.figures_of(agreement),
    )


def named(kinds: Mapping[str, str], *wanted: str) -> list[str]:
    """The names of annotators of these kinds, in the order of the kinds."""
    return [name for kind in wanted for name, of in kinds.items() if of == kind]


def _band(row: Estimate | None) -> tuple[float, float] | None:
    if row is None or row.estimate is None:
        return None
    if row.low is None or row.high is None:
        return (row.estimate, row.estimate)
    return (row.low, row.high)


def ceilings(rows: Iterable[Estimate]) -> dict[tuple[str, str], Estimate]:
    """The ceiling row of each (judge, slice): two humans on the same comparisons."""
    found = {}
    for row in rows:
        _, mark, judge = row.method.partition("items of ")
        if row.statistic == "single_human_agreement" and row.subject == CEILING and mark:
            found[judge, row.slice] = row
    return found


def by_estimate(rows: Iterable[Estimate], *, ascending: bool = False) -> list[Estimate]:
    """Highest first (or lowest), those without a number last."""

    def key(row: Estimate) -> tuple[bool, float, str]:
        value = row.estimate or 0.0
        return row.estimate is None, value if ascending else -value, row.subject

    return sorted(rows, key=key)


COLUMNS: dict[str, Callable[[Estimate], Any]] = {
    "Annotator": lambda row: row.subject,
    "Estimate": value_of,
    "95% interval": interval_of,
    "Comparisons": lambda row: row.n_items,
    "Prompts": lambda row: row.n_prompts,
    "Labels": lambda row: row.n_labels,
    "Statistic": lambda row: STATISTICS.get(row.statistic, row.statistic.replace("_", " ")),
    "Compared with": lambda row: row.reference,
    "Comparisons of": lambda row: words.slice_name(row.slice),
    "Note": lambda row: row.note or "",
    "Rule": lambda row: words.rule(row.method),
}


def screen_rows(rows: Iterable[Estimate]) -> list[dict[str, Any]]:
    """Estimates as a reader's table: at the precision they deserve."""
    return [{title: of(row) for title, of in COLUMNS.items()} for row in rows]


def file_rows(rows: Iterable[Estimate]) -> list[dict[str, Any]]:
    """Estimates as a file's rows: full precision, the interval in two columns."""
    result = []
    for row in rows:
        cells: dict[str, Any] = {}
        for title, of in COLUMNS.items():
            if title == "Estimate":
                cells[title] = row.estimate
            elif title == "95% interval":
                cells |= {"95% low": row.low, "95% high": row.high, "Unit": row.unit}
            else:
                cells[title] = of(row)
        result.append(cells)
    return result


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV that a spreadsheet reads without running any of it."""
    out = io.StringIO()
    if rows:
        writer = csv.writer(out, lineterminator="\r\n")  # else a bare \r would end a row
        writer.writerow([plain(title) for title in rows[0]])
        writer.writerows([plain(value) for value in row.values()] for row in rows)
    return out.getvalue()


def file_name(*parts: str) -> str:
    """A file name of plain characters."""
    text = "-".join(parts).lower()
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in text)
    return "-".join(filter(None, kept.split("-")))[:80] + ".csv"
