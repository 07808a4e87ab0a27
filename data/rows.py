"""Rows as an Arrow table, for DuckDB to read.

By way of JSON: `pyarrow.array` imports pandas, 50 MB in every process that labels.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_encode = json.JSONEncoder(ensure_ascii=False).encode


def rows_table(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """The columns of `schema`, null where a row lacks one; what else the rows hold is left out.

    Half a character (a lone surrogate, as a provider that cuts a reply may send) becomes "?".
    Raises ValueError where a value is not of its column's type.
    """
    lines = "".join(_encode(row) + "\n" for row in rows).encode("utf-8", "replace")
    if not lines:
        return pa.Table.from_batches([], schema)  # `empty_table` imports pandas too
    return pyarrow.json.read_json(
        io.BytesIO(lines),
        read_options=pyarrow.json.ReadOptions(block_size=len(lines)),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=schema, unexpected_field_behavior="ignore"
        ),
    )
