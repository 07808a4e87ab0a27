"""A report on the terminal: sections with a sentence and a table each, or all rows as they are."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING

from rich.markup import escape

from app.terminal import clean, out, print_table
from pipelines.estimates import ALL, COLUMNS, as_row
from pipelines.tables import rows_table, tables_of
from pipelines.titles import section_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from pipelines.estimates import Estimate
    from pipelines.tables import Pivot

SECTION_NAMES = {
    "agreement": "Agreement",
    "chance": "Agreement beyond chance",
    "replacement": "Could it replace a human?",
    "calibration": "Stated probabilities",
    "ranking": "Rankings of models",
    "consistency": "Consistency",
    "humans": "Human annotators",
    "dawid_skene": "Dawid and Skene's class",
    "bias": "Bias",
    "cost": "Cost and time",
}


def print_report(
    dataset: str, simulated: bool, rows: Sequence[Estimate], *, wide: bool, slices: bool
) -> None:
    """Sections with a title sentence and a table each, on stdout."""
    console = out()
    mark = "   (simulated labels)" if simulated else ""
    console.print(f"[bold]{escape(clean(dataset))}[/bold]{mark}")
    for section in dict.fromkeys(row.section for row in rows):
        mine = [row for row in rows if row.section == section]
        shown = [row for row in mine if slices or row.slice == ALL]
        console.print(f"\n[bold]{SECTION_NAMES.get(section, section)}[/bold]")
        console.print(escape(clean(section_title(section, rows))) + "\n")
        if wide:
            print_table(COLUMNS, [list(as_row(row).values()) for row in shown])
        else:
            for table in tables_of(section, shown):
                _print_pivot(console, table, slices=slices)
        if len(mine) > len(shown):
            console.print(f"[dim]{len(mine) - len(shown):,} more rows by slice: --slices[/dim]")


def print_rows(title: str, rows: Sequence[Estimate]) -> None:
    """A sentence and a line for each row, on stdout."""
    console = out()
    console.print(escape(clean(title)) + "\n")
    table = rows_table(rows)
    _print_pivot(console, table, slices=False)


def _print_pivot(console: Console, table: Pivot, *, slices: bool) -> None:
    body = [line.cells if slices else line.cells[1:] for line in table.lines]
    columns = table.columns if slices else table.columns[1:]
    if body:
        print_table(columns, body, numbers=range(2 if slices else 1, len(columns)))
    for note in table.notes:
        console.print(f"[dim]{escape(clean(note))}[/dim]")
    console.print()


def print_estimates_as(text_format: str, rows: Sequence[Estimate]) -> None:
    """All rows and columns on stdout as CSV or Markdown."""
    if text_format == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(as_row(row).values() for row in rows)
        return
    sys.stdout.write(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}\n")
    for row in rows:
        values = as_row(row).values()
        cells = ("" if value is None else " ".join(clean(str(value)).split()) for value in values)
        sys.stdout.write("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
