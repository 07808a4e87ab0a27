"""PandaLM's test set: 999 comparisons, three named human annotators, two judges, one order.

Three JSON files, joined by `idx`. Labels mean 1 = response1, 2 = response2, 0 = tie, but each file
writes them in its own type: integers from the humans and PandaLM-7B, texts from gpt-3.5-turbo
("1", "2", "Tie", and "garbage" for a reply that could not be parsed upstream). A few responses are
the JSON value `true`, and some are empty. Which response was shown first is not recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from data.errors import InputError
from data.formats import fields
from data.formats.material import COMPARISONS, LABELS, Material, digest, table
from data.records import Annotator, AnnotatorKind, LabelStatus, Preference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DATASET = "pandalm"
TEST_SET = "testset-v1.json"
HUMANS = ("annotator1", "annotator2", "annotator3")
FIX = (
    f"Name the folder that holds {TEST_SET} and the two judge files, as in the data folder of "
    "github.com/WeOpenML/PandaLM."
)
GARBAGE = "garbage"
_CODES = {1: Preference.A, 2: Preference.B, 0: Preference.TIE}
_TEXTS: dict[str, Preference | None] = {
    "1": Preference.A,
    "2": Preference.B,
    "Tie": Preference.TIE,
    GARBAGE: None,
}


class _JudgeFile(NamedTuple):
    judge: str
    prefix: str  # of its field names
    known: Mapping[Any, Preference | None]

    @property
    def name(self) -> str:
        return f"{self.judge}-{TEST_SET}"


_JUDGES = (
    _JudgeFile("gpt-3.5-turbo", "gpt", _TEXTS),
    _JudgeFile("pandalm-7b", "pandalm", _CODES),
)


def read(path: Path) -> list[Material]:
    """The test set with the labels of its humans and judges; `path` may be an upstream clone."""
    folder = fields.find_folder(path, TEST_SET, ["data"], FIX)
    paths = [folder / TEST_SET, *(folder / judge.name for judge in _JUDGES)]
    for needed in paths:
        if not needed.is_file():
            raise InputError(f"{folder} holds no {needed.name}", FIX)
    rows = _by_idx(paths[0])
    items = {idx: item for item, idx in enumerate(rows)}
    comparisons = [_comparison(row, items[idx], paths[0]) for idx, row in rows.items()]
    labels = list(_human_labels(rows, items, paths[0]))
    for judge, file in zip(_JUDGES, paths[1:], strict=True):
        labels += _judge_labels(judge, file, items)
    return [
        Material(
            dataset=DATASET,
            source=str(folder),
            comparisons=table(comparisons, COMPARISONS),
            labels=table(labels, LABELS),
            annotators=_annotators(),
            digest=digest(sorted(paths)),
            notes=tuple(_notes(rows, labels)),
        )
    ]


def _annotators() -> tuple[Annotator, ...]:
    humans = [Annotator(AnnotatorKind.HUMAN, name, DATASET) for name in HUMANS]
    judges = [
        Annotator(AnnotatorKind.JUDGE, judge.judge, DATASET, model=judge.judge) for judge in _JUDGES
    ]
    return (*humans, *judges)


def _by_idx(path: Path) -> dict[int, dict[str, Any]]:
    rows = fields.records(path)
    ids = [
        fields.integer(row, "idx", f"{path}, position {position}")
        for position, row in enumerate(rows)
    ]
    fields.keyed(((idx, f"{path}, position {position}") for position, idx in enumerate(ids)), "idx")
    return dict(zip(ids, rows, strict=True))


def _where(path: Path, idx: int) -> str:
    return f"{path}, idx {idx}"


def _comparison(row: Mapping[str, Any], item: int, path: Path) -> dict[str, Any]:
    where = _where(path, row["idx"])
    instruction, context = fields.text(row, "instruction", where), fields.text(row, "input", where)
    model_a, model_b = _models(row, where)
    return {
        "item": item,
        "source_id": str(row["idx"]),
        "prompt": f"{instruction}\n\n{context}" if context else instruction,
        "response_a": _response(row, "response1", where),
        "response_b": _response(row, "response2", where),
        "model_a": model_a,
        "model_b": model_b,
        "metadata": fields.as_json(
            {"motivation_app": fields.text(row, "motivation_app", where)}, where
        ),
    }


def _models(row: Mapping[str, Any], where: str) -> tuple[str, str]:
    key = fields.text(row, "cmp_key", where)
    model_a, separator, model_b = key.partition("_")
    if not (model_a and separator and model_b) or "_" in model_b:
        raise InputError(
            f"{where}: cmp_key is {key!r}, not two model names with one _ between them",
            fields.AS_PUBLISHED,
        )
    return model_a, model_b


def _response(row: Mapping[str, Any], key: str, where: str) -> str:
    found = fields.value(row, key, where)
    if isinstance(found, bool):
        return "true" if found else "false"
    return fields.text(row, key, where)


def _human_labels(
    rows: Mapping[int, Mapping[str, Any]], items: Mapping[int, int], path: Path
) -> Iterator[dict[str, Any]]:
    for idx, row in rows.items():
        for name in HUMANS:
            preference = fields.choice(row, name, _CODES, _where(path, idx))
            yield {"item": items[idx], "annotator": name, "preference": preference}


def _judge_labels(
    judge: _JudgeFile, path: Path, items: Mapping[int, int]
) -> Iterator[dict[str, Any]]:
    rows = _by_idx(path)
    fields.need_same(items, rows, "idx", str(path))
    for idx, row in rows.items():
        where = _where(path, idx)
        preference = fields.choice(row, f"{judge.prefix}_result", judge.known, where)
        reference = fields.text(row, f"{judge.prefix}_reference", where)
        details = {"reference": reference} if reference else {}
        if preference is None:
            details["raw"] = row[f"{judge.prefix}_result"]
        yield {
            "item": items[idx],
            "annotator": judge.judge,
            "preference": preference,
            "status": LabelStatus.OK if preference else LabelStatus.PARSE_ERROR,
            "rationale": fields.text(row, f"{judge.prefix}_reason", where) or None,
            "details": fields.as_json(details, where),
        }


def _notes(rows: Mapping[int, Mapping[str, Any]], labels: list[dict[str, Any]]) -> Iterator[str]:
    responses = [(idx, row[key]) for idx, row in rows.items() for key in ("response1", "response2")]
    if logical := [str(idx) for idx, response in responses if isinstance(response, bool)]:
        yield (
            f"{len(logical)} responses are true or false in the file instead of a text and are "
            f"read as that word (idx {', '.join(logical)})."
        )
    if empty := len({idx for idx, response in responses if response == ""}):
        yield f"{empty} comparisons have an empty response; it is kept as it is."
    if garbage := sum(label.get("status") == LabelStatus.PARSE_ERROR for label in labels):
        yield (
            f"{garbage} replies of gpt-3.5-turbo could not be parsed upstream and carry no "
            "preference; the published accuracy of 71.07% counts them as ties."
        )
    yield "Which response was shown first is not recorded, and each comparison was judged once."
    yield "motivation_app is kept in the metadata as it is written: yelp and Yelp are two values."
