"""From the rows of a `Sheet` to comparisons: the distinct combinations of their columns."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InputError
from data.formats import cells
from data.formats.columns import OF_COMPARISON, TEXTS
from data.formats.material import COMPARISONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from data.formats.sheet import Sheet

_IDENTITY = ("prompt", "model_a", "response_a", "model_b", "response_b")
_RESPONSES = ("response_a", "response_b")
_NULL = pa.scalar(None, pa.string())


class Distinct(NamedTuple):
    """The comparisons in order of appearance, and for each row of the sheet its `item`."""

    comparisons: pa.Table
    items: pa.Array


def distinct_comparisons(sheet: Sheet) -> Distinct:
    """The comparisons of a sheet that has all our columns; one id stands for one comparison."""
    columns = _columns(sheet)
    items = _numbered(list(columns.values()))
    rows = pa.table({"item": items, "row": np.arange(len(items))})
    by_item = rows.group_by("item", use_threads=False).aggregate([("row", "min")])
    table, rows = pa.table(columns).take(by_item["row_min"]), by_item["row_min"]
    table = _with_ids(sheet, table, rows)
    _need_one_of_each_id(sheet, table, rows)
    table = table.rename_columns({"prompt_id": "prompt_key"})
    table = table.append_column("item", pa.array(np.arange(len(table))))
    return Distinct(table.select(COMPARISONS.names).cast(COMPARISONS), items)


def notes(comparisons: pa.Table, *, refers: bool) -> Iterator[str]:
    """What somebody who imports these comparisons should know about them."""
    if refers:
        extra = [name for name in COMPARISONS.names[2:] if _given(comparisons[name])]
        if extra:
            yield f"{', '.join(extra)} of comparisons in the store are left as they are there."
        return
    has_empty = pc.or_kleene(*(pc.equal(comparisons[name], "") for name in _RESPONSES))
    if n_empty := pc.sum(has_empty).as_py():
        yield f"{n_empty} comparisons have an empty response; it is kept as it is."
    whole = comparisons.filter(pc.and_(*(pc.is_valid(comparisons[name]) for name in _RESPONSES)))
    if n_bare := len(comparisons) - len(whole):
        yield f"{n_bare} comparisons have no texts here: nothing can label or measure them by text."
    if n_same := len(whole) - _n_distinct(whole):
        yield f"{n_same} ids have the texts of another id; the store keeps one comparison of both."


def has_texts(sheet: Sheet) -> bool:
    """Whether any row has a response."""
    return any(_given(cells.filled(sheet.table[name])) for name in _RESPONSES)


def _given(column: pa.ChunkedArray) -> bool:
    return bool(column.null_count < len(column))


def _columns(sheet: Sheet) -> dict[str, pa.ChunkedArray]:
    columns = {name: cells.filled(sheet.table[name]) for name in OF_COMPARISON}
    columns["metadata"] = cells.meanings(
        sheet, "metadata", _json_object, 'Write it as in {"topic": "law"}.'
    )
    # One empty response is a response; where all texts are empty, the row has none.
    any_text = pc.is_valid(pc.coalesce(*(columns[name] for name in TEXTS)))
    return columns | {name: pc.if_else(any_text, sheet.table[name], _NULL) for name in TEXTS}


def _json_object(text: str) -> str | None:
    if not text.strip():
        return None
    try:
        found = json.loads(text)
        written = json.dumps(found, ensure_ascii=False, allow_nan=False)
        written.encode()
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON") from error
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return written


def _numbered(columns: Sequence[pa.ChunkedArray]) -> pa.Array:
    """Rows that are equal in all columns get one number, counted from 0 in order of appearance."""
    numbers = pa.array(np.zeros(len(columns[0]), np.int64))
    for column in columns:
        if not _given(column):
            continue
        encoded = column.dictionary_encode(null_encoding="encode").combine_chunks()
        codes = encoded.indices.cast(pa.int64())
        both = pc.add(pc.multiply(numbers, len(encoded.dictionary)), codes)
        numbers = both.dictionary_encode().indices.cast(pa.int64())
    return numbers


def _n_distinct(comparisons: pa.Table) -> int:
    if not len(comparisons):
        return 0
    return int(pc.max(_numbered([comparisons[name] for name in _IDENTITY])).as_py()) + 1


def _with_ids(sheet: Sheet, table: pa.Table, rows: pa.ChunkedArray) -> pa.Table:
    """Comparisons without an id get one made of their texts: the same in every file."""
    nameless = pc.is_null(table["source_id"])
    for name in TEXTS:
        item = cells.first(pc.and_(nameless, pc.is_null(table[name])))
        if item >= 0:
            raise InputError(
                f"{sheet.place(rows[item].as_py())}: no source_id, and no {name} instead",
                "Give each comparison an id, or a prompt and two responses.",
            )
    texts = table.select(_IDENTITY).filter(nameless)
    made = [_made_id(parts) for parts in zip(*(c.to_pylist() for c in texts.columns), strict=True)]
    ids = pc.replace_with_mask(
        table["source_id"].combine_chunks(), nameless.combine_chunks(), pa.array(made, pa.string())
    )
    return table.set_column(table.column_names.index("source_id"), "source_id", ids)


def _made_id(texts: Sequence[str | None]) -> str:
    written = json.dumps(texts, ensure_ascii=False)
    return hashlib.sha256(written.encode()).hexdigest()[:20]


def _need_one_of_each_id(sheet: Sheet, table: pa.Table, rows: pa.ChunkedArray) -> None:
    codes = table["source_id"].dictionary_encode().combine_chunks().indices.to_numpy()
    _, firsts, places = np.unique(codes, return_index=True, return_inverse=True)
    again = np.flatnonzero(firsts[places] != np.arange(len(codes)))
    if not len(again):
        return
    first, second = int(firsts[places[again[0]]]), int(again[0])
    one, other = (table.slice(item, 1).to_pylist()[0] for item in (first, second))
    name = next(name for name in one if one[name] != other[name])
    raise InputError(
        f"{sheet.place(rows[second].as_py())}: {name} of comparison {other['source_id']!r} is "
        f"{cells.shown(other[name])}, but {cells.shown(one[name])} on "
        f"{sheet.unit} {sheet.lines[rows[first].as_py()]}",
        "Give each comparison an id of its own, or make the rows agree.",
    )
