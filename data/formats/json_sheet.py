"""JSON-lines files (one object on each line) into a `Sheet`.

The objects of one file need not have the same types (a preference may be 1 or "a"), which Arrow's
own reader refuses; so Python parses them, a bounded number of rows at a time.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from data.errors import InputError
from data.formats.sheet import JSON_COLUMN, Choose, Sheet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ROWS_AT_ONCE = 2_000  # few enough that Python does not spend its time on collecting garbage


def read(path: Path, choose: Choose) -> Sheet:
    """Read the names that `choose` picks; errors name the line."""
    names: dict[str, None] = {}
    nested: dict[str, int] = {}  # column -> the first line on which it holds an object or a list
    tables: list[pa.Table] = []
    lines: list[int] = []
    for block in _blocks(path):
        for _, row in block:
            names.update(dict.fromkeys(row))
        tables.append(
            pa.table({name: _json_column(path, block, name, nested) for name in list(names)})
        )
        lines.extend(number for number, _ in block)
    if not lines:
        raise InputError(f"{path} has no rows", "Write one JSON object on each line.")
    chosen = choose(list(names))
    for theirs, line in nested.items():
        if chosen.get(theirs, JSON_COLUMN) != JSON_COLUMN:
            raise InputError(
                f"{path}, line {line}: {theirs} is an object or a list, not a text",
                f"Write the text itself, or leave it out (--ignore {theirs}).",
            )
    table = pa.concat_tables(tables, promote_options="default")
    columns = {ours: table[theirs] for theirs, ours in chosen.items()}
    return Sheet(path, pa.table(columns), pa.array(lines, pa.int64()))


def _blocks(path: Path) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """(line, object) in lists of bounded length, so that a large file is never all objects."""
    block = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = _decoded(line, path, number)
            if text.strip():
                block.append((number, _object(text, f"{path}, line {number}")))
            if len(block) == _ROWS_AT_ONCE:
                yield block
                block = []
    if block:
        yield block


def _decoded(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}, line {number}: not UTF-8 (byte {line[error.start]:#04x})",
            "Save the file as UTF-8 and import it again.",
        ) from error


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        found = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else error
        raise InputError(f"{where}: not JSON ({reason})", "Mend or remove that line.") from error
    if not isinstance(found, dict):
        raise InputError(f"{where}: not a JSON object", "Write one object on each line.")
    if not all(map(_encodes, found)):
        raise InputError(
            f"{where}: a name holds half a character (a lone surrogate)",
            "Mend or remove that line.",
        )
    return found


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice in one object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_names)


def _json_column(
    path: Path, block: list[tuple[int, dict[str, Any]]], name: str, nested: dict[str, int]
) -> pa.Array:
    values = [row.get(name) for _, row in block]
    for kind in (pa.string(), None):  # all texts; or all of one type, that Arrow finds out
        with suppress(pa.ArrowException, TypeError, UnicodeEncodeError, OverflowError):
            return pa.array(values, kind).cast(pa.string())
    texts = _texts(values)
    for (number, _), value, text in zip(block, values, texts, strict=True):
        if isinstance(value, dict | list):
            nested.setdefault(name, number)
        if text is not None and not _encodes(text):
            raise InputError(
                f"{path}, line {number}: {name} holds half a character (a lone surrogate)",
                "Mend or remove that line.",
            )
    return pa.array(texts, pa.string())


def _texts(values: list[Any]) -> list[str | None]:
    """Values of several types as texts; numbers are written as Arrow writes them elsewhere."""
    floats = [value if isinstance(value, float) else None for value in values]
    numbers = pa.array(floats, pa.float64()).cast(pa.string()).to_pylist()
    return [
        number or (value if value is None or isinstance(value, str) else _as_json(value))
        for number, value in zip(numbers, values, strict=True)
    ]


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
