"""Estimate rows as the tables people read: an annotator a line, a statistic a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.wording import interval_of, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pipelines.estimates import Estimate

CEILING = "human ceiling"
MOST_PAIRS = 40
MOST_NAMES = 6


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: the slice, the subject, then its figures."""

    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pivot:
    """A table: column names (the first is the slice), lines, and notes to set below it."""

    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def tables_of(section: str, rows: Sequence[Estimate]) -> list[Pivot]:
    """The tables of one section's rows."""
    if section == "agreement":
        return [table for table in (_agreement(rows), _kappas(rows)) if table.lines]
    columns = {
        "bias": ("position_consistency", "first_shown_share", "longer_chosen_share"),
        "cost": ("cost_usd_per_1000", "seconds_per_1000"),
    }[section]
    return [_pivot(rows, [(_SHORT[name], _is(name)) for name in columns])]


_SHORT = {
    "single_human_agreement": "with one human",
    "gap": "gap",
    "majority_agreement": "with",
    "coverage": "usable",
    "position_consistency": "same in both orders",
    "first_shown_share": "chose first shown",
    "longer_chosen_share": "chose longer",
    "cost_usd_per_1000": "cost per 1,000",
    "seconds_per_1000": "time per 1,000",
}
Column = tuple[str, "Callable[[Estimate], str | None]"]


def _is(statistic: str) -> Callable[[Estimate], str | None]:
    return lambda row: row.subject if row.statistic == statistic else None


def _agreement(rows: Sequence[Estimate]) -> Pivot:
    """Judges, highest agreement first, each beside the ceiling on its own items."""
    main = [row for row in rows if row.statistic not in ("cohen_kappa", "coverage")]
    references = dict.fromkeys(r.reference for r in main if r.statistic == "majority_agreement")
    columns: list[Column] = []
    if any(row.statistic == "gap" for row in main):
        columns = [("with one human", _judge), ("another human", _ceiling), ("gap", _is("gap"))]
    columns += [(f"with {name}", _against(name)) for name in references]
    covered = [row for row in rows if row.statistic == "coverage"]
    return _pivot([*main, *covered], [*columns, ("usable", _is("coverage"))], by_value=True)


def _judge(row: Estimate) -> str | None:
    if row.statistic != "single_human_agreement" or row.subject == CEILING:
        return None
    return row.subject


def _ceiling(row: Estimate) -> str | None:
    """The ceiling belongs to the judge on whose items it was taken."""
    if row.statistic != "single_human_agreement" or row.subject != CEILING:
        return None
    return row.method.partition(" items of ")[2]


def _against(reference: str) -> Callable[[Estimate], str | None]:
    return lambda row: (
        row.subject
        if row.statistic == "majority_agreement" and row.reference == reference
        else None
    )


def _pivot(rows: Sequence[Estimate], columns: Sequence[Column], *, by_value: bool = False) -> Pivot:
    """One line for each slice and subject; a subject without a figure has none."""
    cells: dict[tuple[str, str], dict[str, Estimate]] = {}
    for row in rows:
        for name, subject_of in columns:
            subject = subject_of(row)
            if subject:
                cells.setdefault((row.slice, subject), {})[name] = row
    names = [name for name, _ in columns]
    keys = [key for key in cells if any(cells[key][n].estimate is not None for n in cells[key])]
    if by_value:
        keys = [key for key in keys if names[0] in cells[key]]
        keys.sort(key=lambda key: (_slice_rank(key), -(cells[key][names[0]].estimate or 0.0)))
    lines = tuple(
        Line((slice_name.removeprefix("category="), subject, *_figures(found, names)))
        for slice_name, subject in keys
        for found in [cells[slice_name, subject]]
    )
    used = [row for key in cells for row in cells[key].values()]
    return Pivot(("category", "", *names, "n"), lines, _notes(used))


def _slice_rank(key: tuple[str, str]) -> tuple[bool, str]:
    return (key[0] != "all", key[0])


def _figures(found: dict[str, Estimate], names: Sequence[str]) -> list[str]:
    figures = [_figure(found[name]) if name in found else "" for name in names]
    sizes = [row.n_items for row in found.values() if row.n_items]
    low, high = (min(sizes), max(sizes)) if sizes else (0, 0)
    return [*figures, f"{high:,}" if low == high else f"{low:,}-{high:,}"]


def _figure(row: Estimate) -> str:
    interval = "" if row.statistic == "coverage" else interval_of(row)
    return f"{value_of(row)} {interval}" if interval else value_of(row)


def _notes(rows: Iterable[Estimate]) -> tuple[str, ...]:
    """Each note once, with the subjects it is about."""
    about: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            about.setdefault(row.note, []).append(row.subject)
    return tuple(f"{_list(dict.fromkeys(names))}: {note}" for note, names in about.items())


def _list(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _kappas(rows: Sequence[Estimate]) -> Pivot:
    """Pairs of annotators; humans and gold labels come first, as the rows do."""
    pairs = [row for row in rows if row.statistic == "cohen_kappa"]
    lines = tuple(
        Line(
            (
                row.slice.removeprefix("category="),
                f"{row.reference} - {row.subject}",
                _figure(row),
                f"{row.n_items:,}",
            )
        )
        for row in pairs[:MOST_PAIRS]
    )
    notes = _notes(pairs[:MOST_PAIRS])
    if len(pairs) > MOST_PAIRS:
        notes = (*notes, f"{len(pairs) - MOST_PAIRS:,} more pairs: --wide")
    return Pivot(("category", "pair", "Cohen's kappa", "n"), lines, notes)
