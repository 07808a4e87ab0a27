"""AlpacaEval results: one model against a reference, with price and time per label, no humans.

`results/<model>/<annotator>/annotations.json`: output_1 is the reference's, output_2 the model's.
Each model becomes a data set of its own, in which annotators that used the same reference share
comparisons by their position in the file.

Traps. `preference` is 1 (reference), 2 (model) or 1.5 (draw); old files write a draw as 0; null is
a failure; annotators named weighted_... give 1 + P(model) instead. Identical outputs are recorded
as a draw without asking anybody, so that they have neither price nor time. The order was drawn at
random and is not recorded. The leaderboards next to the results are figures, not labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from data.errors import InputError
from data.formats import fields
from data.formats.material import COMPARISONS, LABELS, Material, digest, table
from data.records import (
    HIGHEST_SECONDS,
    HIGHEST_USD,
    Annotator,
    AnnotatorKind,
    LabelStatus,
    Preference,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

FIX = (
    "Name a clone of github.com/tatsu-lab/alpaca_eval, or a folder with "
    "results/<model>/<annotator>/annotations.json in it."
)
DRAW, OLD_DRAW = 1.5, 0
_CODES = {
    1: Preference.A,
    2: Preference.B,
    DRAW: Preference.TIE,
    OLD_DRAW: Preference.TIE,
}
_SAME = ("instruction", "output_1", "output_2", "generator_2", "dataset")


class _Row(NamedTuple):
    """One row of an annotations file, and where it stands."""

    content: dict[str, Any]
    position: int
    where: str

    @property
    def source_id(self) -> str:
        return f"{self.content['generator_1']}:{self.position}"


def read(path: Path) -> list[Material]:
    """One data set for each evaluated model; `path` is the folder that holds `results`."""
    folder = fields.find_folder(path, "results", [], FIX) / "results"
    files: dict[Path, list[Path]] = {}
    for file in sorted(folder.glob("*/*/annotations.json")):
        files.setdefault(file.parent.parent, []).append(file)
    if not files:
        raise InputError(f"{folder} holds no <model>/<annotator>/annotations.json", FIX)
    return [_material(model, paths) for model, paths in files.items()]


def _material(model: Path, paths: Sequence[Path]) -> Material:
    dataset = f"alpacaeval-{model.name}"
    by_file = {path: _rows(path) for path in paths}
    comparisons = _comparisons(by_file)
    items = {source_id: item for item, source_id in enumerate(comparisons)}
    rows = [row for rows in by_file.values() for row in rows]
    labels = [_label(row, items[row.source_id]) for row in rows]
    named = (f"{row.content['annotator']} on {row.source_id}" for row in rows)
    fields.keyed(zip(named, (row.where for row in rows), strict=True), "the label of")
    judges = sorted({label["annotator"] for label in labels})
    return Material(
        dataset=dataset,
        source=str(model),
        comparisons=table(
            (_comparison(row, items[key]) for key, row in comparisons.items()), COMPARISONS
        ),
        labels=table(labels, LABELS),
        annotators=tuple(Annotator(AnnotatorKind.JUDGE, name, dataset) for name in judges),
        digest=digest(sorted(paths)),
        notes=tuple(_notes(rows)),
    )


def _rows(path: Path) -> list[_Row]:
    rows = [
        _Row(content, position, f"{path}, position {position}")
        for position, content in enumerate(fields.records(path))
    ]
    for row in rows:
        for key in ("generator_1", "annotator", *_SAME):
            fields.text(row.content, key, row.where)
    return rows


def _comparisons(by_file: Mapping[Path, Sequence[_Row]]) -> dict[str, _Row]:
    """Rows by source id, the same in all files of one reference."""
    known: dict[str, _Row] = {}
    complete: dict[str, tuple[Path, set[str]]] = {}  # by reference: its first file and ids
    for path, rows in by_file.items():
        ids: dict[str, set[str]] = {}
        for row in rows:
            ids.setdefault(row.content["generator_1"], set()).add(row.source_id)
            _check_same(row, known.setdefault(row.source_id, row))
        for reference, found in ids.items():
            first, expected = complete.setdefault(reference, (path, found))
            where = f"{path} beside {first}"
            fields.need_same(sorted(expected), sorted(found), "comparison", where)
    return known


def _check_same(row: _Row, known: _Row) -> None:
    for key in _SAME:
        if row.content[key] != known.content[key]:
            raise InputError(
                f"{row.where}: {key} is not that of the same position in {known.where}",
                fields.AS_PUBLISHED,
            )


def _comparison(row: _Row, item: int) -> dict[str, Any]:
    content = row.content
    return {
        "item": item,
        "source_id": row.source_id,
        "prompt": content["instruction"],
        "response_a": content["output_1"],
        "response_b": content["output_2"],
        "model_a": content["generator_1"],
        "model_b": content["generator_2"],
        "category": content["dataset"],
    }


def _label(row: _Row, item: int) -> dict[str, Any]:
    content, where = row.content, row.where
    preference, p_a = _preference(row)
    raw = content.get("raw_completion")
    return {
        "item": item,
        "annotator": content["annotator"],
        "preference": preference,
        "p_a": p_a,
        "status": LabelStatus.OK if preference else LabelStatus.FAILED,
        "rationale": fields.text(content, "raw_completion", where)
        if isinstance(raw, str)
        else None,
        "seconds": fields.amount(content, "time_per_example", where, HIGHEST_SECONDS),
        "cost_usd": fields.amount(content, "price_per_example", where, HIGHEST_USD),
        "details": fields.as_json(_details(content), where),
    }


def _preference(row: _Row) -> tuple[Preference | None, float | None]:
    """Preference and, of weighted annotators, the probability of a; both None for a failure."""
    found = fields.value(row.content, "preference", row.where)
    if found is None:
        return None, None
    weighted = row.content["annotator"].startswith("weighted")
    if fields.is_number(found) and weighted and 1 <= found <= 2:
        side = Preference.A if found < DRAW else Preference.B
        return Preference.TIE if found == DRAW else side, 2.0 - found
    if fields.is_number(found) and not weighted and found in _CODES:
        return _CODES[found], None
    known = "a number from 1 to 2" if weighted else "one of 1, 2, 1.5 and 0"
    raise InputError(f"{row.where}: preference is {found!r}, not {known}", fields.AS_PUBLISHED)


def _details(content: Mapping[str, Any]) -> dict[str, Any]:
    """What the annotator replied, where that is not a text, without its log probabilities."""
    details = {}
    raw = content.get("raw_completion")
    if raw is not None and not isinstance(raw, str):
        details["raw"] = _without_logprobs(raw)
    if content.get("referenced_models") is not None:
        details["referenced_models"] = content["referenced_models"]
    return details


def _without_logprobs(raw: Any) -> Any:
    if isinstance(raw, dict):
        return {key: _without_logprobs(part) for key, part in raw.items() if key != "logprobs"}
    return [_without_logprobs(part) for part in raw] if isinstance(raw, list) else raw


def _notes(rows: Sequence[_Row]) -> Iterator[str]:
    yield (
        "There are no human labels; the data may be used for non-commercial purposes only "
        "(CC-BY-NC-4.0)."
    )
    yield "The order in which the responses were shown was random and is not recorded."
    if identical := sum(_free_draw(row.content) for row in rows):
        yield (
            f"Draws between identical responses, for which no judge was asked: {identical}; they "
            "have no price and no time."
        )
    if failed := sum(row.content["preference"] is None for row in rows):
        yield f"Labels that failed and carry no preference: {failed}."
    if any(row.content["preference"] == OLD_DRAW for row in rows):
        yield "Draws are written as 0 in these files, an old way; they are read as ties."


def _free_draw(content: Mapping[str, Any]) -> bool:
    return content["output_1"] == content["output_2"] and content["price_per_example"] is None
