"""What every format is read into: comparisons and labels as Arrow tables, not yet in a store."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from data.errors import InputError
from data.records import OVERALL, Annotator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

COMPARISONS = pa.schema(
    [
        ("item", pa.int64()),  # the number by which labels refer to the comparison
        ("source_id", pa.string()),  # the source's own id, unique within the data set
        ("prompt_key", pa.string()),  # the source's id of the prompt; null: the prompt's text
        ("prompt", pa.string()),
        ("response_a", pa.string()),
        ("response_b", pa.string()),
        ("model_a", pa.string()),
        ("model_b", pa.string()),
        ("category", pa.string()),
        ("reference", pa.string()),
        ("metadata", pa.string()),  # JSON
    ]
)
LABELS = pa.schema(
    [
        ("item", pa.int64()),
        ("annotator", pa.string()),  # the name of one of Material.annotators
        ("criterion", pa.string()),
        ("repeat", pa.int16()),
        ("shown", pa.string()),  # ab, ba, or null: not known
        ("preference", pa.string()),  # a, b, tie, or null where status is not ok
        ("p_a", pa.float64()),
        ("strength", pa.float64()),
        ("status", pa.string()),
        ("rationale", pa.string()),
        ("seconds", pa.float64()),
        ("cost_usd", pa.float64()),
        ("sampling_probability", pa.float64()),  # in (0, 1]; null: not known
        ("details", pa.string()),  # JSON
        ("created_at", pa.timestamp("us", tz="UTC")),
        ("line", pa.int64()),  # where the label stands in its file, for messages; null: not known
    ]
)
_DEFAULTS = {"criterion": OVERALL, "repeat": 0, "status": "ok"}


@dataclass(frozen=True, slots=True)
class Skipped:
    """Rows of a source that were left out on purpose."""

    reason: str
    n: int
    example: str  # file and line, or the id of one of them


@dataclass(frozen=True, slots=True)
class Material:
    """One data set as a source gives it.

    `comparisons` and `labels` have the schemas above; `refers` says that the comparisons carry
    ids only and must exist in the store; `digest` identifies the source's content.
    """

    dataset: str
    source: str
    comparisons: pa.Table
    labels: pa.Table
    annotators: tuple[Annotator, ...]
    digest: str
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    simulated: bool = False
    refers: bool = False


def table(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as dictionaries to a table; missing keys take the column's default, else null."""
    rows = list(rows)
    columns = {name: [row.get(name, _DEFAULTS.get(name)) for row in rows] for name in schema.names}
    return pa.table(columns, schema=schema)


def digest(paths: Sequence[Path]) -> str:
    """sha256 over the content of files, in the order given."""
    total = hashlib.sha256()
    for path in paths:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def read_text(path: Path) -> str:
    """A whole UTF-8 file; errors name the file, and the line for bytes that are not UTF-8."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}", "Check the path and the permissions."
        ) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: not UTF-8 (byte {content[error.start]:#04x})",
            "Save the file as UTF-8 and import it again.",
        ) from error


def read_json(path: Path) -> Any:
    """A JSON file; errors name file, line and column."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})",
            "Download the file again, or mend that line.",
        ) from error


def read_json_lines(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """(line number, object) of each line that is not blank; errors name file and line."""
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{path}, line {number}: not JSON ({error.msg})", "Mend or remove that line."
            ) from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: not a JSON object", "Mend that line.")
        rows.append((number, row))
    return rows
