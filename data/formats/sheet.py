"""What every file of labels is read into first: columns of text, and the line of each row.

Whatever the file's own types are, a `Sheet` holds texts; `cells` turns them into values. A cell of
a CSV file is never null (empty and missing look the same there), a cell of the others may be.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

Choose = Callable[[Sequence[str]], dict[str, str]]  # the file's columns -> those read, renamed
JSON_COLUMN = "metadata"  # the only one that may hold an object instead of a text


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file's rows: `table` has our column names and holds text only.

    `lines` is the physical line on which each row begins (in Parquet files the row's number), and
    `unit` the word for it.
    """

    path: Path
    table: pa.Table
    lines: pa.Array
    unit: str = "line"

    def place(self, row: int) -> str:
        """File and line of a row, for messages."""
        return f"{self.path}, {self.unit} {self.lines[row]}"


def first_failing(column: pa.ChunkedArray, attempt: Callable[[pa.ChunkedArray], object]) -> int:
    """The first row of a column on which `attempt` raises; it must raise on the whole column."""
    start, length = 0, len(column)
    while length > 1:
        half = length // 2
        try:
            attempt(column.slice(start, half))
        except pa.ArrowException:
            length = half
        else:
            start, length = start + half, length - half
    return start


def need_file(path: Path) -> None:
    """Raise unless `path` is a file that can be read and is not empty."""
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a file", "Name one file in it.")
    if path.exists() and not path.is_file():  # a pipe or a device may have no end
        raise InputError(f"{path} is not a plain file", "Save what it holds to a file first.")
    try:
        with path.open("rb") as file:
            start = file.read(3)
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}", "Check the path and the permissions."
        ) from error
    if start in (b"", codecs.BOM_UTF8) and path.stat().st_size == len(start):
        raise InputError(f"{path} is empty", "Name a file with a row for each label.")


def need_no_nul(sheet: Sheet) -> None:
    """Raise for a NUL character: no tool agrees with another about what it means."""
    for name in sheet.table.column_names:
        row = pc.index(pc.match_substring(sheet.table[name], "\0"), value=True).as_py()
        if row >= 0:
            raise InputError(
                f"{sheet.place(row)}: {name} holds a NUL byte",
                "Remove it; if the file is full of them, save it as UTF-8.",
            )
