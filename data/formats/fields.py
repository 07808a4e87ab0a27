"""Reading the fields of published data sets: each value is what it must be, or an error says where.

The readers of one folder each (pandalm, prd, llmbar, alpacaeval) share these. A `where` is a file
and a place in it, as it stands in the message; `True` is never taken for 1, nor "1" for 1.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, TypeVar

from data.errors import InputError
from data.formats.material import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")

AS_PUBLISHED = "Download the file again; if it was published like this, leave it out."


def find_folder(path: Path, holds: str, prefixes: Sequence[str], fix: str) -> Path:
    """The first of `path` and its `prefixes` that holds the file or folder `holds`."""
    if not path.is_dir():
        what = "not a folder" if path.exists() else "no such folder"
        raise InputError(f"{path}: {what}", fix)
    for folder in (path, *(path / prefix for prefix in prefixes)):
        if (folder / holds).exists():
            return folder
    raise InputError(f"{path} holds no {holds}", fix)


def records(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON file that holds one list of them."""
    rows = read_json(path)
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path}: not a list of objects, or an empty one", AS_PUBLISHED)
    for position, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InputError(f"{path}, position {position}: not an object", AS_PUBLISHED)
    return rows


def value(row: Mapping[str, Any], key: str, where: str) -> Any:
    """The value of a field that must be there; it may be null."""
    if key not in row:
        raise InputError(f"{where}: no field {key!r}", AS_PUBLISHED)
    return row[key]


def text(row: Mapping[str, Any], key: str, where: str) -> str:
    """A field that must be text, and text that can be stored as UTF-8."""
    found = value(row, key, where)
    if not isinstance(found, str):
        raise InputError(f"{where}: {key} is {_shown(found)}, not a text", AS_PUBLISHED)
    try:
        found.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where}: {key} holds half a character ({error.object[error.start]!a})", AS_PUBLISHED
        ) from error
    return found


def integer(row: Mapping[str, Any], key: str, where: str) -> int:
    """A field that must be a whole number."""
    found = value(row, key, where)
    if isinstance(found, bool) or not isinstance(found, int):
        raise InputError(f"{where}: {key} is {_shown(found)}, not a whole number", AS_PUBLISHED)
    return found


def amount(row: Mapping[str, Any], key: str, where: str, highest: int) -> float | None:
    """A field that must be null (not known) or a number from 0 to `highest`."""
    found = value(row, key, where)
    if found is None:
        return None
    if not is_number(found) or not 0 <= found <= highest:
        why = f"not an amount from 0 to {highest:,}"
        raise InputError(f"{where}: {key} is {_shown(found)}, {why}", AS_PUBLISHED)
    return float(found)


def choice(row: Mapping[str, Any], key: str, known: Mapping[Any, T], where: str) -> T:
    """What a field's value stands for in `known`; any other value is an error."""
    found = value(row, key, where)
    for candidate, meaning in known.items():
        if type(candidate) is type(found) and candidate == found:
            return meaning
    names = ", ".join(json.dumps(candidate) for candidate in known)
    raise InputError(f"{where}: {key} is {_shown(found)}, not one of {names}", AS_PUBLISHED)


def is_number(found: object) -> bool:
    """True for finite numbers; neither True nor NaN is one."""
    return isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)


def keyed(rows: Iterable[tuple[T, str]], what: str) -> dict[T, str]:
    """(key, where) pairs as a dictionary; a key that comes twice is an error naming both places."""
    places: dict[T, str] = {}
    for key, where in rows:
        if key in places:
            raise InputError(
                f"{where}: {what} {key!r} stands there a second time (first: {places[key]})",
                AS_PUBLISHED,
            )
        places[key] = where
    return places


def need_same(expected: Iterable[T], found: Iterable[T], what: str, where: str) -> None:
    """Raise for the first of `expected` that is missing, or of `found` that is too much."""
    wanted, present = dict.fromkeys(expected), dict.fromkeys(found)
    for key in wanted:
        if key not in present:
            raise InputError(f"{where}: {what} {key!r} is missing", AS_PUBLISHED)
    for key in present:
        if key not in wanted:
            raise InputError(f"{where}: {what} {key!r} is not in the data set", AS_PUBLISHED)


def as_json(content: Mapping[str, Any], where: str) -> str | None:
    """JSON for a metadata or details column; null where there is nothing to say."""
    if not content:
        return None
    try:
        written = json.dumps(content, ensure_ascii=False, allow_nan=False)
        written.encode()
    except ValueError as error:
        raise InputError(
            f"{where}: {', '.join(content)} cannot be stored as JSON ({error})", AS_PUBLISHED
        ) from error
    return written


def _shown(found: object, limit: int = 40) -> str:
    written = json.dumps(found)
    return written if len(written) <= limit else f"{written[:limit]}..."
