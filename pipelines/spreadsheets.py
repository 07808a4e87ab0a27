"""Text that a spreadsheet would take for a formula, and how it is kept from that."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# Also the wide forms, which some programs read as the narrow ones; a number is no formula.
STARTS = "=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20"
NUMBER = r"-[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
FORMULA = tuple(STARTS.replace("\\", ""))


def plain(value: Any) -> Any:
    """A cell that is no formula: an apostrophe goes before text that would be one."""
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    return value if re.fullmatch(NUMBER, value) else f"'{value}"


def plain_table(table: pa.Table) -> pa.Table:
    """A table whose texts are no formulas; its other columns stay."""
    columns = [_plain_column(column) for column in table.columns]
    return pa.table(columns, names=table.column_names)


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    runs = pc.match_substring_regex(column, f"^[{STARTS}]")
    runs = pc.and_not(runs, pc.match_substring_regex(column, f"^(?:{NUMBER})$"))
    quoted = pc.binary_join_element_wise("'", column, "")
    return pc.if_else(runs, quoted.cast(column.type), column)
