"""Labels out of the store, in the documented columns: what is exported can be imported again."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pyarrow import csv, parquet

from data import queries
from data.errors import InputError
from pipelines.spreadsheets import plain_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa

    from data.store import Store

SUFFIXES = (".csv", ".jsonl", ".parquet")


def export_labels(
    store: Store, dataset: str, target: Path, *, force: bool = False, spreadsheet: bool = False
) -> int:
    """Write every label of a data set with its comparison; returns the number of labels.

    `spreadsheet`: texts that one would run as a formula are changed, so this is not to be imported
    again. Raises InputError for an unknown data set or suffix, for a spreadsheet that is no CSV,
    where `target` cannot be written, or where it exists and `force` does not say that it may be
    replaced.
    """
    if spreadsheet and target.suffix != ".csv":
        raise InputError(
            f"{target} is no CSV file", "Name a .csv file, or leave --spreadsheet out."
        )
    check_target(target, force=force)
    with store.reading() as con:
        queries.check_dataset(con, dataset)
        table = queries.table(con, queries.EXPORT_LABELS, dataset=dataset)
    write_table(plain_table(table) if spreadsheet else table, target)
    return int(table.num_rows)


def check_target(target: Path, *, force: bool) -> None:
    """Raise InputError for an unknown suffix, where a file exists and may not be replaced, and
    where there is no folder that may be written to.
    """
    if target.suffix not in SUFFIXES:
        raise InputError(f"cannot export to {target}", f"Name a file in {', '.join(SUFFIXES)}.")
    if target.exists() and not force:
        raise InputError(f"{target} exists already", "Name another file, or add --force.")
    if target.is_dir():
        raise InputError(f"cannot write {target}: it is a folder", "Name another file.")
    if not target.parent.is_dir():
        raise InputError(
            f"cannot write {target}: there is no such folder", "Make the folder first."
        )
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {target}: its folder is read-only", "Name another folder.")


def write_table(table: pa.Table, target: Path) -> None:
    """Write a table in the form of the file's suffix, whole or not at all. Raises InputError."""
    _write_whole(target, lambda partial: _write(table, partial, target.suffix))


def write_bytes(content: bytes, target: Path) -> None:
    """Write a file whole or not at all. Raises InputError."""
    _write_whole(target, lambda partial: partial.write_bytes(content))


def _write_whole(target: Path, write: Callable[[Path], object]) -> None:
    """By way of a hidden file of this process: no reader and no other writer meets it."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        write(partial)
        partial.replace(target)
    except OSError as error:
        raise InputError(
            f"cannot write {target}: {error.strerror or error}",
            "Check the folder and the free space.",
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def _write(table: pa.Table, path: Path, suffix: str) -> None:
    if suffix == ".csv":
        csv.write_csv(table, path)
    elif suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        with path.open("w", encoding="utf-8") as file:
            for batch in table.to_batches(max_chunksize=10_000):
                file.writelines(
                    json.dumps(row, ensure_ascii=False, default=str) + "\n"
                    for row in batch.to_pylist()
                )
