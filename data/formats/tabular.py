"""Concord's own tables: CSV, JSON lines and Parquet files with the columns of `COLUMNS`.

Long form: a row is one label. Wide form: a row is one comparison, and each annotator is a column
of preferences. The comparisons are the distinct combinations of their columns. Everything is done
in Arrow columns; a million labels take seconds.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InputError
from data.formats import cells, csv_sheet, distinct, json_sheet, parquet_sheet
from data.formats.columns import COLUMNS, choose
from data.formats.material import LABELS, Material, Skipped, digest
from data.formats.sheet import Sheet, need_file, need_no_nul
from data.records import (
    HIGHEST_REPEAT,
    HIGHEST_SECONDS,
    HIGHEST_USD,
    OVERALL,
    Annotator,
    AnnotatorKind,
    LabelStatus,
    Preference,
    Shown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from data.formats.sheet import Choose

__all__ = ["COLUMNS", "TabularOptions", "read", "template"]

_LONGEST_NAME = 200
_OK = LabelStatus.OK.value
_READERS: Mapping[str, Callable[[Path, Choose], Sheet]] = {
    ".csv": csv_sheet.read,
    ".tsv": csv_sheet.read,
    ".jsonl": json_sheet.read,
    ".ndjson": json_sheet.read,
    ".parquet": parquet_sheet.read,
}


@dataclass(frozen=True)
class TabularOptions:
    """How a file's columns and values are meant.

    `dataset`: its name (None: the file's name without suffix). `wide`: the columns that are one
    annotator each. `rename`: the file's column to ours. `values`: the file's preference to a, b or
    tie. `ignore`: columns to leave out. `kind`: of annotators about whom the file says nothing.
    `anonymous`: a human's name in the file may stand for several people. `unlabelled`: the rows are
    comparisons that nobody has labelled yet.
    """

    dataset: str | None = None
    wide: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    kind: AnnotatorKind = AnnotatorKind.HUMAN
    simulated: bool = False
    anonymous: bool = False
    unlabelled: bool = False


class _Given(NamedTuple):
    """The labels of a sheet: for each the row in which it stands, by whom, and what."""

    rows: pa.Array | None  # None: each row is one label
    annotator: pa.ChunkedArray
    preference: pa.ChunkedArray
    status: pa.ChunkedArray
    skipped: tuple[Skipped, ...] = ()


_NOBODY = pa.chunked_array([], pa.string())
_NO_LABELS = _Given(pa.array([], pa.int64()), _NOBODY, _NOBODY, _NOBODY)


def read(path: Path, options: TabularOptions | None = None, *, refers: bool = False) -> Material:
    """Read a table; the file's suffix names the format.

    `refers` says that the data set is in the store: a file without responses then refers to its
    comparisons by source_id. Errors name the file and the line; nothing is guessed.
    """
    options = options or TabularOptions()
    known = _known_preferences(options.values)
    sheet, empty = _without_empty_rows(_sheet(path, options))
    by_id = refers and not distinct.has_texts(sheet)
    comparisons, items = distinct.distinct_comparisons(sheet)
    if options.unlabelled:
        given = _NO_LABELS
    else:
        given = _wide(sheet, options, known) if options.wide else _long(sheet, known)
    labels, notes = _labels(sheet, items, given)
    dataset = _dataset_name(path, options)
    return Material(
        dataset=dataset,
        source=str(path),
        comparisons=comparisons,
        labels=labels,
        annotators=_annotators(sheet, given, options, dataset),
        digest=_digest(path, options),
        skipped=(*empty, *given.skipped),
        notes=(*distinct.notes(comparisons, refers=by_id), *notes),
        simulated=options.simulated,
        refers=by_id,
    )


def _dataset_name(path: Path, options: TabularOptions) -> str:
    """What is typed again in every command: one line that can be seen, and not a long one."""
    name = path.stem if options.dataset is None else options.dataset
    if name.strip() != name or not name or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise InputError(
            f"{name[:60]!r} cannot be the name of a data set",
            f"Write --dataset NAME: 1 to {_LONGEST_NAME} characters, no space at its ends, "
            "no line break.",
        )
    return name


def template() -> str:
    """A CSV file with a header and three labels, which can be imported as it is."""
    used = {name for example in _EXAMPLES for name in example}
    file = io.StringIO()
    writer = csv.DictWriter(
        file, [name for name in COLUMNS if name in used], restval="", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(_EXAMPLES)
    return file.getvalue()


_EXAMPLE = {
    "source_id": "1",
    "prompt": "Why is the sky blue?",
    "response_a": 'Air scatters blue light more than red: "Rayleigh scattering".',
    "response_b": "Because it mirrors the sea.",
    "model_a": "model-x",
    "model_b": "model-y",
    "category": "science",
}
_EXAMPLES = (
    {**_EXAMPLE, "annotator": "alice", "annotator_kind": "human", "preference": "a",
     "shown": "ab", "seconds": "21.5", "cost_usd": "0.12", "created_at": "2026-01-31T09:30:00Z"},
    {**_EXAMPLE, "annotator": "bob", "annotator_kind": "human", "preference": "tie",
     "shown": "ba", "seconds": "9", "cost_usd": "0.12", "created_at": "2026-01-31T09:41:00Z"},
    {**_EXAMPLE, "annotator": "my-judge", "annotator_kind": "judge", "preference": "a",
     "shown": "ab", "seconds": "1.4", "cost_usd": "0.0008", "created_at": "2026-02-01T12:00:00Z",
     "rationale": "a names the cause, b is a common mistake."},
)  # fmt: skip


def _sheet(path: Path, options: TabularOptions) -> Sheet:
    """The file with all our columns; those that it does not have are null."""
    need_file(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: a file of this kind cannot be read",
            f"Save it as one of {', '.join(_READERS)} (from a spreadsheet: CSV in UTF-8).",
        )
    sheet = reader(
        path,
        lambda names: choose(
            names,
            str(path),
            wide=options.wide,
            rename=options.rename,
            ignore=options.ignore,
            unlabelled=options.unlabelled,
        ),
    )
    need_no_nul(sheet)
    nothing = pa.chunked_array([pa.nulls(len(sheet.lines), pa.string())])
    columns = dict.fromkeys(COLUMNS, nothing)
    columns |= zip(sheet.table.column_names, sheet.table.columns, strict=True)
    return Sheet(path, pa.table(columns), sheet.lines, sheet.unit)


def _without_empty_rows(sheet: Sheet) -> tuple[Sheet, tuple[Skipped, ...]]:
    empty = pa.chunked_array([np.ones(len(sheet.lines), bool)])
    for column in sheet.table.columns:
        empty = pc.and_(empty, pc.is_null(cells.trimmed(column)))
        if (row := cells.first(empty)) < 0:
            return sheet, ()
    n, keep = pc.sum(empty).as_py(), pc.invert(empty)
    if n == len(sheet.lines):
        raise InputError(f"{sheet.path} has no rows", "Add a row for each label.")
    lines = sheet.lines.filter(keep.combine_chunks())
    kept = Sheet(sheet.path, sheet.table.filter(keep), lines, sheet.unit)
    return kept, (Skipped("rows without content", n, sheet.place(row)),)


def _known_preferences(values: Mapping[str, str]) -> dict[str, str]:
    """What the texts of a file's preferences mean, in lower case."""
    ours = {member.value: member.value for member in Preference}
    said: dict[str, str] = {}
    for theirs, meaning in values.items():
        key = theirs.strip().lower()
        if meaning not in ours or said.get(key, meaning) != meaning:
            why = f"{theirs!r} twice" if meaning in ours else "neither a nor b nor tie"
            raise InputError(
                f"--values {theirs}={meaning}: {why}", "Write it as in --values 1=a,2=b,0=tie."
            )
        said[key] = meaning
    return ours | said


def _preference(sheet: Sheet, name: str, known: Mapping[str, str]) -> pa.ChunkedArray:
    """A column of preferences; `1.0` is read as `1`, since some programs write it so."""

    def meaning(text: str) -> str | None:
        key = text.strip().lower()
        found = known.get(key) or known.get(key.removesuffix(".0"))
        if key and found is None:
            raise ValueError("which is neither a nor b nor tie")
        return found

    fix = "Say what it means, as in --values 1=a,2=b,0=tie, or correct it."
    return cells.meanings(sheet, name, meaning, fix)


def _long(sheet: Sheet, known: Mapping[str, str]) -> _Given:
    annotator = cells.trimmed(sheet.table["annotator"])
    if (row := cells.first(pc.is_null(annotator))) >= 0:
        raise InputError(f"{sheet.place(row)}: no annotator", "Write who gave the label.")
    preference = _preference(sheet, "preference", known)
    status = _status(sheet, preference)
    return _Given(None, annotator, preference, status)


def _status(sheet: Sheet, preference: pa.ChunkedArray) -> pa.ChunkedArray:
    """`ok` where there is a preference; anything else must be said, and has none."""
    status = pc.fill_null(cells.one_of(sheet, "status", LabelStatus), _OK)
    ok, given = pc.equal(status, _OK), pc.is_valid(preference)
    if (row := cells.first(pc.and_not(ok, given))) >= 0:
        raise InputError(
            f"{sheet.place(row)}: no preference, and no status that says why",
            "Write a, b or tie, or a status: refused, skipped, parse_error or failed.",
        )
    if (row := cells.first(pc.and_not(given, ok))) >= 0:
        raise InputError(
            f"{sheet.place(row)}: preference {preference[row]} with status {status[row]}",
            "Only a label whose status is ok has a preference: empty one of the two.",
        )
    return status


def _wide(sheet: Sheet, options: TabularOptions, known: Mapping[str, str]) -> _Given:
    """Each annotator's column, one below the other; an empty cell means: not asked."""
    rows, annotators, preferences = [], [], []
    skipped = []
    for column in options.wide:
        name = options.rename.get(column, column)
        preference = _preference(sheet, name, known)
        if n := preference.null_count:
            place = sheet.place(cells.first(pc.is_null(preference)))
            skipped.append(Skipped(f"{name} was not asked (empty cell)", n, place))
        rows.append(pc.indices_nonzero(pc.is_valid(preference)).cast(pa.int64()))
        preferences += preference.drop_null().chunks
        annotators.append(pa.repeat(name, len(rows[-1])))
    by_whom = pa.chunked_array(annotators, pa.string())
    if not len(by_whom):
        raise InputError(
            f"{sheet.path} has no labels: the columns of --wide are empty",
            "Write a, b or tie into them, or name other columns.",
        )
    what = pa.chunked_array(preferences, pa.string())
    status = pa.chunked_array([pa.repeat(_OK, len(by_whom))])
    return _Given(pa.concat_arrays(rows), by_whom, what, status, tuple(skipped))


def _labels(sheet: Sheet, items: pa.Array, given: _Given) -> tuple[pa.Table, list[str]]:
    instants, n_naive = cells.instants(sheet, "created_at")
    of_row = {
        "item": items,
        "criterion": pc.fill_null(cells.trimmed(sheet.table["criterion"]), OVERALL),
        "repeat": cells.counts(sheet, "repeat", HIGHEST_REPEAT),
        "shown": cells.one_of(sheet, "shown", Shown),
        "p_a": cells.numbers(sheet, "p_a", 0, 1),
        "strength": cells.numbers(sheet, "strength"),
        "rationale": cells.filled(sheet.table["rationale"]),
        "seconds": cells.numbers(sheet, "seconds", 0, HIGHEST_SECONDS),
        "cost_usd": cells.numbers(sheet, "cost_usd", 0, HIGHEST_USD),
        "sampling_probability": _probabilities(sheet, "sampling_probability"),
        "details": pa.nulls(len(items), pa.string()),
        "created_at": instants,
        "line": sheet.lines,
    }
    labels = pa.table(of_row)
    if given.rows is not None:
        labels = labels.take(given.rows)
    labels = labels.append_column("annotator", given.annotator)
    labels = labels.append_column("preference", given.preference)
    labels = labels.append_column("status", given.status)
    labels = labels.select(LABELS.names).cast(LABELS)
    return labels, [
        *_notes(sheet, n_naive, labelled=bool(len(labels))),
        *_contradictions(sheet, labels),
    ]


def _probabilities(sheet: Sheet, name: str) -> pa.ChunkedArray:
    """Above 0 up to 1: what has a label had a chance to get it."""
    values = cells.numbers(sheet, name, 0, 1)
    if (row := cells.first(pc.equal(values, 0))) >= 0:
        raise InputError(
            f"{sheet.place(row)}: {name} is 0, and yet it was drawn",
            "Write the probability that it was drawn with, or leave it empty.",
        )
    return values


def _contradictions(sheet: Sheet, labels: pa.Table) -> Iterator[str]:
    """A probability on the side that was not preferred: perhaps it is of the one shown first."""
    a, b = (pc.equal(labels["preference"], side.value) for side in (Preference.A, Preference.B))
    against = pc.or_(
        pc.and_(a, pc.less(labels["p_a"], 0.5)), pc.and_(b, pc.greater(labels["p_a"], 0.5))
    )
    if n := pc.sum(against).as_py():
        line = labels["line"][cells.first(against)]
        yield (
            f"{n:,} of {len(labels):,} labels have a p_a that points to the other response "
            f"(such as {sheet.path}, {sheet.unit} {line}); they are imported as they are."
        )


def _notes(sheet: Sheet, n_naive: int, *, labelled: bool) -> list[str]:
    notes = []
    if sheet.table["shown"].null_count == len(sheet.lines) and labelled:
        notes.append("Which response was shown first is not recorded.")
    if n_naive:
        notes.append(f"{n_naive} times in created_at name no zone; they are read as UTC.")
    return notes


def _annotators(
    sheet: Sheet, given: _Given, options: TabularOptions, dataset: str
) -> tuple[Annotator, ...]:
    """Whoever labels, in order of appearance; what the file does not say, the options do."""
    if given.rows is None:
        kinds = _kinds(sheet, given.annotator)
    else:
        kinds = dict.fromkeys(given.annotator.unique().to_pylist())
    annotators = []
    for name, said in kinds.items():
        kind = options.kind if said is None else AnnotatorKind(said)
        anonymous = options.anonymous and kind == AnnotatorKind.HUMAN
        annotators.append(Annotator(kind, name, dataset, anonymous))
    return tuple(annotators)


def _kinds(sheet: Sheet, annotator: pa.ChunkedArray) -> dict[str, str | None]:
    kind = cells.one_of(sheet, "annotator_kind", AnnotatorKind)
    rows = pa.table({"name": annotator, "kind": kind, "row": np.arange(len(sheet.lines))})
    pairs = rows.group_by(["name", "kind"], use_threads=False).aggregate([("row", "min")])
    found: dict[str, tuple[str, int]] = {}
    for pair in pairs.to_pylist():
        name, said, row = pair["name"], pair["kind"], pair["row_min"]
        if said is not None and found.setdefault(name, (said, row))[0] != said:
            raise InputError(
                f"{sheet.place(row)}: annotator {name!r} is {said}, but {found[name][0]} on "
                f"{sheet.unit} {sheet.lines[found[name][1]]}",
                "Give the two different names, or correct the kind.",
            )
    names = dict.fromkeys(pairs["name"].to_pylist())
    return {name: found[name][0] if name in found else None for name in names}


def _digest(path: Path, options: TabularOptions) -> str:
    """The file, and how it was read: other columns of the same file are another import."""
    content = digest([path])
    reading = (
        options.wide,
        sorted(options.rename.items()),
        sorted(options.values.items()),
        sorted(options.ignore),
        options.kind.value,
    )
    return hashlib.sha256(f"{content} {reading!r}".encode()).hexdigest()
