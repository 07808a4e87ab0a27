"""Parquet files into a `Sheet`; the rows are counted from 1 in messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from data.errors import InputError
from data.formats.sheet import JSON_COLUMN, Choose, Sheet, first_failing

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, choose: Choose) -> Sheet:
    """Read the columns that `choose` picks, whatever their types; errors name the row."""
    try:
        with pa.parquet.ParquetFile(path) as file:
            chosen = choose(file.schema_arrow.names)
            table = file.read(columns=list(chosen))
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path}: not a Parquet file that can be read ({str(error).splitlines()[0]})",
            "Write it again, or import it as CSV or JSON lines.",
        ) from error
    if not len(table):
        raise InputError(f"{path} has no rows", "Add a row for each label.")
    columns = {
        ours: _parquet_column(path, theirs, ours, table[theirs]) for theirs, ours in chosen.items()
    }
    return Sheet(path, pa.table(columns), pa.array(np.arange(1, len(table) + 1)), unit="row")


def _parquet_column(path: Path, theirs: str, ours: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_nested(column.type) and ours == JSON_COLUMN:
        texts = [_as_json_text(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if isinstance(column.type, pa.TimestampType) and column.type.tz is not None:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    try:
        texts = column.cast(pa.string())
        texts.validate(full=True)
    except (pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise InputError(
            f"{path}: the column {theirs} holds {column.type}, not text",
            f"Write it as text, or leave it out (--ignore {theirs}).",
        ) from error
    except pa.ArrowInvalid as error:
        row = first_failing(column, lambda part: part.cast(pa.string()).validate(full=True))
        raise InputError(
            f"{path}, row {row + 1}: {theirs} is not UTF-8", "Write the file again as UTF-8."
        ) from error
    return texts


def _as_json_text(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)
