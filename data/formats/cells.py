"""From the texts of a `Sheet` to values: numbers, dates, closed vocabularies. All in Arrow columns.

Python runs once for each distinct text of a column, never for each row, except after an error to
say where it is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InputError
from data.formats.sheet import first_failing

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import StrEnum

    from data.formats.sheet import Sheet

INSTANT = pa.timestamp("us", tz="UTC")
_WITH_ZONE = r"\d[T ].*(Z|[+-]\d\d(:?\d\d)?)$"
_MORE_DIGITS = r"(\.\d{6})\d+"  # than the store has, and than Arrow reads
_FIRST_YEAR, _LAST_YEAR = 1, 9999  # as Python has them; the store goes further
_LONGEST = 60


def filled(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column with null where a cell is empty."""
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def trimmed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column without blanks around its texts, and null where nothing is left."""
    return filled(pc.utf8_trim_whitespace(column))


def first(mask: pa.ChunkedArray) -> int:
    """The first row that is true; -1 where none is."""
    return int(pc.index(mask, value=True).as_py())


def meanings(
    sheet: Sheet, name: str, meaning: Callable[[str], str | None], fix: str
) -> pa.ChunkedArray:
    """What each text of a column means; `meaning` raises ValueError for what it does not know.

    The message of that ValueError follows the column's value.
    """
    column = sheet.table[name]
    encoded = column.dictionary_encode().combine_chunks()
    found = []
    for text in encoded.dictionary.to_pylist():
        try:
            found.append(meaning(text))
        except ValueError as error:
            row = int(pc.index(column, text).as_py())
            raise InputError(
                f"{sheet.place(row)}: {name} is {shown(text)}, {error}", fix
            ) from error
    return pa.chunked_array([pa.array(found, pa.string()).take(encoded.indices)])


def one_of(sheet: Sheet, name: str, known: type[StrEnum]) -> pa.ChunkedArray:
    """A column of a closed vocabulary, whatever its case; empty cells are null."""
    names = [member.value for member in known]

    def meaning(text: str) -> str | None:
        key = text.strip().lower()
        if key and key not in names:
            raise ValueError(f"not one of {', '.join(names)}")
        return key or None

    return meanings(sheet, name, meaning, "Correct it, or leave the cell empty.")


def numbers(
    sheet: Sheet, name: str, low: float = -math.inf, high: float = math.inf
) -> pa.ChunkedArray:
    """A column of finite numbers from `low` to `high`; empty cells are null."""
    texts = trimmed(sheet.table[name])
    try:
        values = texts.cast(pa.float64())
    except pa.ArrowException:
        row = first_failing(texts, lambda part: part.cast(pa.float64()))
        _refuse(sheet, name, row, "not a number", "Write it as in 1234.5.")
    fits = pc.and_(
        pc.is_finite(values), pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high))
    )
    row = first(pc.invert(fits))
    if row >= 0:
        _refuse(sheet, name, row, f"not {_range(low, high)}", "Correct it, or leave it empty.")
    return values


def counts(sheet: Sheet, name: str, highest: int) -> pa.ChunkedArray:
    """A column of whole numbers from 0; empty cells are 0."""
    values = numbers(sheet, name, 0, highest)
    row = first(pc.not_equal(values, pc.floor(values)))
    if row >= 0:
        _refuse(sheet, name, row, "not a whole number", "Correct it, or leave it empty.")
    return pc.fill_null(values, 0).cast(pa.int16())


def instants(sheet: Sheet, name: str) -> tuple[pa.ChunkedArray, int]:
    """A column of ISO 8601 dates and times, and how many named no zone (they are taken for UTC)."""
    texts = trimmed(sheet.table[name])
    nothing = pa.scalar(None, pa.string())
    with_zone = pc.match_substring_regex(texts, _WITH_ZONE)
    zoned = _instants(sheet, name, pc.if_else(with_zone, texts, nothing), "UTC")
    naive = _instants(sheet, name, pc.if_else(with_zone, nothing, texts), None)
    n_naive = len(naive) - naive.null_count
    found = pc.coalesce(zoned, pc.assume_timezone(naive, "UTC").cast(INSTANT))
    year = pc.year(found)
    row = first(pc.or_(pc.less(year, _FIRST_YEAR), pc.greater(year, _LAST_YEAR)))
    if row >= 0:
        why = f"in UTC not in the years {_FIRST_YEAR} to {_LAST_YEAR}"
        _refuse(sheet, name, row, why, "Correct it, or leave it empty.")
    return found, n_naive


def _instants(sheet: Sheet, name: str, texts: pa.ChunkedArray, zone: str | None) -> pa.ChunkedArray:
    kind = pa.timestamp("us", zone)
    texts = pc.replace_substring_regex(texts, _MORE_DIGITS, r"\1")
    try:
        return texts.cast(kind)
    except pa.ArrowException:
        row = first_failing(texts, lambda part: part.cast(kind))
        _refuse(sheet, name, row, "not a date", "Write it as in 2024-05-31T14:05:00Z.")


def _refuse(sheet: Sheet, name: str, row: int, why: str, fix: str) -> NoReturn:
    text = sheet.table[name][row].as_py()
    raise InputError(f"{sheet.place(row)}: {name} is {shown(text)}, {why}", fix)


def _range(low: float, high: float) -> str:
    if high < math.inf:
        return f"from {low:g} to {high:,.0f}"
    return f"{low:g} or more" if low > -math.inf else "a finite number"


def shown(text: str | None) -> str:
    """A value for a message: quoted, and cut where it is long."""
    if text is None:
        return "missing"
    return repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "...")
