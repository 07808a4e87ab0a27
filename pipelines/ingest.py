"""Files into the store: choose the format, read, import; every data set in one transaction."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from data import queries
from data.errors import InputError
from data.formats.tabular import TabularOptions
from data.formats.tabular import read as read_tabular
from data.imports import import_material
from data.ledger import take_up

if TYPE_CHECKING:
    from data.formats.material import Material
    from data.imports import Imported
    from data.store import Store

TABULAR = ("csv", "jsonl", "parquet")
PUBLIC = ("alpacaeval", "llmbar", "pandalm", "prd")
SAMPLE = "sample"
FORMATS = (*TABULAR, *PUBLIC, SAMPLE)
SAMPLE_FILE = Path(__file__).parents[1] / "data" / "samples" / "labels.csv"


def ingest(
    store: Store,
    source_format: str,
    path: Path | None,
    options: TabularOptions | None = None,
    *,
    repeat: bool = False,
) -> list[Imported]:
    """Import a file, or the folder of a public data set; returns what came in, by data set.

    Raises InputError, with nothing of that data set imported, for anything that cannot be used.
    """
    take_up(store)
    materials = _read(store, source_format, path, options or TabularOptions())
    return [import_material(store, material, repeat=repeat) for material in materials]


def _read(
    store: Store, source_format: str, path: Path | None, options: TabularOptions
) -> list[Material]:
    if source_format not in FORMATS:
        raise InputError(f"no format {source_format!r}", f"There are: {', '.join(FORMATS)}.")
    if source_format == SAMPLE:
        return [read_tabular(SAMPLE_FILE, TabularOptions(dataset=SAMPLE, simulated=True))]
    if path is None:
        raise InputError(
            f"concord import {source_format}: no path", "Name the file or folder to import."
        )
    if source_format in PUBLIC:
        materials: list[Material] = import_module(f"data.formats.{source_format}").read(path)
        return materials
    known = _is_known(store, options.dataset or path.stem)
    return [read_tabular(path, options, refers=known)]


def _is_known(store: Store, dataset: str) -> bool:
    """Labels without texts for a data set that is there are labels on its comparisons."""
    sql = "SELECT 1 FROM datasets WHERE dataset = $dataset"
    with store.reading() as con:
        return bool(queries.rows(con, sql, dataset=dataset))
