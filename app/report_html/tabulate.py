"""Tables of a section as HTML: numbers at the right, one below the other, digit under digit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.report_html.figures import own_methods, statistic_words
from app.report_html.markup import name, text
from pipelines.tables import Line, Pivot, tables_of
from pipelines.wording import NOT_KNOWN, interval_of, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelines.estimates import Estimate

NUMBER = re.compile(rf"[-+<>$]*\d[^a-zA-Z]*(\d|[%\]]|\b ?(s|h|d|min))?( \[.*\])?$|{NOT_KNOWN}$|$")
ON_THE_COMMAND_LINE = ": --wide"  # where a terminal's reader finds more
IN_FILES = ": concord report --format csv"
COUNTS = ("n", "comparisons", "prompts")
MARKED = ("AI", "human", "baseline")


def section_tables(section: str, rows: Sequence[Estimate]) -> list[Pivot]:
    """The section's own tables, or a line for each row where it has none."""
    try:
        return tables_of(section, rows)
    except KeyError:
        return [_plain(rows)] if rows else []


def _plain(rows: Sequence[Estimate]) -> Pivot:
    """Every row, statistic after statistic, with its note beside it if any has one."""
    lines = []
    for statistic in dict.fromkeys(row.statistic for row in rows):
        mine = [row for row in rows if row.statistic == statistic]
        keys = {(row.slice, row.subject, row.reference) for row in mine}
        methods = own_methods(mine) if len(keys) < len(mine) else [""] * len(mine)
        said = statistic_words(statistic)
        lines += [
            _line(row, f"{said} ({method})" if method else said)
            for row, method in zip(mine, methods, strict=True)
        ]
    columns = ("slice", "", "against", "statistic", "estimate", "comparisons", "prompts", "note")
    if not any(row.note for row in rows):
        return Pivot(columns[:-1], tuple(Line(line.cells[:-1]) for line in lines), ())
    return Pivot(columns, tuple(lines), ())


def _line(row: Estimate, said: str) -> Line:
    figure = f"{value_of(row)} {interval_of(row)}".rstrip()
    counts = (f"{row.n_items:,}", f"{row.n_prompts:,}")
    where = row.slice.partition("=")[2] or row.slice
    return Line((where, row.subject, row.reference, said, figure, *counts, row.note or ""))


def table_html(table: Pivot, caption: str, roles: Mapping[str, str], *, slices: bool) -> str:
    """A table that scrolls sideways where the page is narrow; the slice is a column if wanted."""
    first = 0 if slices else 1
    numeric = _numeric(table)
    heads = [
        _cell("th", text(column or "annotator"), right=k in numeric, more=' scope="col"')
        for k, column in enumerate(table.columns)
        if k >= first
    ]
    body = [_row(line, table.columns, numeric, roles, first) for line in table.lines]
    return (
        f'<p class="caption">{text(caption)}</p><div class="scroll" tabindex="0" role="region" '
        f'aria-label="{text(caption)}"><table aria-label="{text(caption)}">'
        f"<thead><tr>{''.join(heads)}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _numeric(table: Pivot) -> set[int]:
    """Columns of numbers, by what stands in them: other sections have columns of their own."""
    return {
        k
        for k, column in enumerate(table.columns)
        if k > 1 and column != "note" and all(NUMBER.match(ln.cells[k]) for ln in table.lines)
    }


def _row(
    line: Line, columns: Sequence[str], numeric: set[int], roles: Mapping[str, str], first: int
) -> str:
    cells = []
    for k, value in enumerate(line.cells):
        if k < first:
            continue
        if k == 1:
            cells.append(f'<th scope="row">{_mark(roles.get(value))}{name(value)}</th>')
        elif k in numeric:
            cells.append(_number(value, columns[k]))
        else:
            kind = ' class="note"' if columns[k] == "note" else ""
            cells.append(_cell("td", name(value), more=kind))
    return f"<tr>{''.join(cells)}</tr>"


def _mark(role: str | None) -> str:
    """The colour of who it is; the word is in the legend and the sections' titles."""
    return f'<span class="mark {role}" aria-hidden="true">●</span>' if role in MARKED else ""


def _number(value: str, column: str) -> str:
    """The estimate, and its interval quieter; a count is no estimate."""
    if column in COUNTS:
        return _cell("td", text(value), right=True)
    if value in (NOT_KNOWN, ""):
        return f'<td class="n none">{value}</td>'
    estimate, _, interval = value.partition(" [")
    quiet = f" <span>[{text(interval)}</span>" if interval else ""
    return _cell("td", f"<b>{text(estimate)}</b>{quiet}", right=True)


def _cell(tag: str, inner: str, *, right: bool = False, more: str = "") -> str:
    kind = ' class="n"' if right else ""
    return f"<{tag}{kind}{more}>{inner}</{tag}>"


def notes_html(tables: Sequence[Pivot]) -> str:
    """Each note once."""
    notes = dict.fromkeys(_note(note) for table in tables for note in table.notes)
    if not notes:
        return ""
    return f'<ul class="notes">{"".join(f"<li>{text(note)}</li>" for note in notes)}</ul>'


def _note(note: str) -> str:
    if note.endswith(ON_THE_COMMAND_LINE):
        return note.removesuffix(ON_THE_COMMAND_LINE) + IN_FILES
    return note
