"""CSV files (also tab-separated, and with the semicolons of a spreadsheet) into a `Sheet`."""

from __future__ import annotations

import codecs
import csv
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from data.errors import InputError
from data.formats.material import read_text
from data.formats.sheet import Choose, Sheet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCKS = (1 << 24, 1 << 27, (1 << 31) - 1)  # a row must fit into a block; most fit into the first
_Lines = np.ndarray[Any, np.dtype[np.int64]]


class _Header(NamedTuple):
    names: list[str]
    delimiter: str
    n_lines: int  # before the first row
    n_bytes: int


class _Ragged:
    """Called by Arrow for rows with too few or too many cells; keeps the first of them."""

    def __init__(self) -> None:
        self.first: Any = None

    def __call__(self, row: Any) -> str:
        self.first = self.first or row
        return "skip"


def read(path: Path, choose: Choose) -> Sheet:
    """Read the columns that `choose` picks; errors name the physical line."""
    header = _header(path)
    chosen = choose([name for name in header.names if name])
    body = pa.memory_map(str(path)).read_buffer().slice(header.n_bytes)
    if not body.size:
        raise InputError(f"{path} has a header but no rows", "Add a row for each label.")
    ragged = _Ragged()
    table = _parse(path, header, body, ragged)
    lines = _lines(table, header.n_lines + 1)
    if ragged.first is not None:
        raise _ragged(path, header, ragged.first, lines)
    _need_closed(path, header, table, body, lines)
    _need_names(path, header, table, lines)
    places = {name: position for position, name in enumerate(header.names)}
    columns = {ours: table.column(places[theirs]) for theirs, ours in chosen.items()}
    return Sheet(path, pa.table(columns), pa.array(lines[:-1]))


def _header(path: Path) -> _Header:
    taken: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            record, delimiter = _first_record(path, _recorded(file, taken))
    except UnicodeDecodeError:
        _refuse_bytes(path)
    except csv.Error as error:
        raise InputError(
            f"{path}: the first line is no header ({error})", "Write the column names there."
        ) from error
    if not record:
        raise InputError(f"{path} is empty", "Name a file with a row for each label.")
    if "\0" in "".join(record):
        raise InputError(f"{path}, line {len(taken)}: a NUL byte", "Save the file as UTF-8.")
    with path.open("rb") as raw:
        n_bytes = len(codecs.BOM_UTF8) if raw.read(3) == codecs.BOM_UTF8 else 0
    n_bytes += sum(len(line.encode()) for line in taken)
    return _Header([name.strip() for name in record], delimiter, len(taken), n_bytes)


def _first_record(path: Path, lines: Iterator[str]) -> tuple[list[str], str]:
    """The first record that is not blank, and the delimiter that it shows."""
    first = next((line for line in lines if line.strip()), "")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    if delimiter not in first:
        delimiter = next((other for other in ";\t" if other in first), delimiter)
    return next(csv.reader(chain([first], lines), delimiter=delimiter), []), delimiter


def _recorded(lines: Iterator[str], taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line


def _parse(path: Path, header: _Header, body: pa.Buffer, ragged: _Ragged) -> pa.Table:
    names = [str(position) for position in range(len(header.names))]
    for block in _BLOCKS:
        try:
            return pa.csv.read_csv(
                pa.BufferReader(body),
                # One thread, or the handler is not told a row's number.
                pa.csv.ReadOptions(column_names=names, use_threads=False, block_size=block),
                pa.csv.ParseOptions(
                    delimiter=header.delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=False,  # they are rows without content, and lines
                    invalid_row_handler=ragged,
                ),
                pa.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
                ),
            )
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error):
                _refuse_bytes(path, error)
    raise InputError(f"{path}: a row has more than 2 GB", "Look for a quote that is not closed.")


def _refuse_bytes(path: Path, error: Exception | None = None) -> NoReturn:
    read_text(path)  # names the line, if it is the encoding
    raise InputError(f"{path}: not a CSV file ({error})", "Save it as CSV in UTF-8.") from error


def _lines(table: pa.Table, first: int) -> _Lines:
    """The physical line on which each row begins, and as last element the line after the rows."""
    heights = np.ones(len(table), np.int64)
    for column in table.columns:
        heights += _count(column, "\n")
        if pc.any(pc.match_substring(column, "\r")).as_py():
            heights += _count(column, "\r") - _count(column, "\r\n")
    return np.concatenate([[first], first + np.cumsum(heights)])


def _count(column: pa.ChunkedArray, text: str) -> Any:
    return pc.count_substring(column, text).to_numpy()


def _ragged(path: Path, header: _Header, row: Any, lines: _Lines) -> InputError:
    cells = "cell" if row.actual_columns == 1 else "cells"
    open_quote = '"' in row.text and "\n" in row.text
    return InputError(
        f"{path}, line {lines[row.number - 1]}: {row.actual_columns} {cells}, "
        f"but the header has {row.expected_columns}",
        "Look for a quote that is not closed on that line."
        if open_quote
        else f"Put texts with {header.delimiter!r}, quotes or line breaks between double quotes, "
        "and double the quotes inside.",
    )


def _need_closed(
    path: Path, header: _Header, table: pa.Table, body: pa.Buffer, lines: _Lines
) -> None:
    """Arrow takes a quote that is never closed for a cell that goes on to the file's end."""
    last = table.column(len(header.names) - 1)[-1].as_py()
    tail = body.slice(max(0, body.size - 4096)).to_pybytes().rstrip(b"\r\n")
    if any(sign in last for sign in ("\n", "\r", header.delimiter)) and not tail.endswith(b'"'):
        raise InputError(
            f"{path}, line {lines[-2]}: a quote is not closed up to the end of the file",
            "Close it, or double it if it belongs to the text.",
        )


def _need_names(path: Path, header: _Header, table: pa.Table, lines: _Lines) -> None:
    """Columns without a name must be empty, as the ones that spreadsheets leave behind."""
    for position, name in enumerate(header.names):
        row = -1 if name else pc.index(pc.not_equal(table.column(position), ""), True).as_py()
        if row >= 0:
            raise InputError(
                f"{path}: column {position + 1} has values (line {lines[row]}) but no name",
                "Write its name into the first line; then it can be used or left out (--ignore).",
            )
