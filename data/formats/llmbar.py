"""LLMBar: 419 comparisons with an adjudicated label, 466 of older sets, many judges, both orders.

Eight folders with a `dataset.json` each (`label` 1 or 2 says which output is better) and, for each
judge and prompt, `evaluators/<judge>/<strategy>/result.json`: the same rows again with `results`,
of which the last element is the verdict and what is before it are steps on the way.

Traps. `winner` is already mapped back to output_1 and output_2, also where the order was swapped;
it is a text, while `label` is a number, and null where the reply could not be parsed. Rating
strategies score each output by itself, so that there is one label and no order; their stored
winners make equal scores look like a flip between orders, and are not read. There are no labels of
single people.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from data.errors import InputError
from data.formats import fields
from data.formats.material import COMPARISONS, LABELS, Material, Skipped, digest, table
from data.records import Annotator, AnnotatorKind, LabelStatus, Preference, Shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

DATASET = "llmbar"
GOLD = "gold"
MODELS = {  # folder of a judge: its model
    "GPT-4": "gpt-4",
    "ChatGPT": "chatgpt",
    "ChatGPT-0301": "chatgpt-0301",
    "LLaMA2": "llama2-70b-chat",
    "PaLM2": "palm2",
    "Falcon": "falcon-180b-chat",
}
FIX = (
    "Name a clone of github.com/princeton-nlp/LLMBar or its folder Dataset, with the five sets of "
    "LLMBar and the three of Processed in it."
)
_LABELS = {1: Preference.A, 2: Preference.B}
_WINNERS: dict[str | None, Preference | None] = {
    "1": Preference.A,
    "2": Preference.B,
    None: None,
}
_ORDERS = {"swap = False": Shown.AB, "swap = True": Shown.BA}
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_NOTES = (
    "gold is one adjudicated or majority label per comparison: there are no labels of single "
    "people, and so no human ceiling.",
    "In FairEval response_a is always ChatGPT's; no other model is named.",
    "Replies that could not be parsed upstream carry no preference; the published accuracies count "
    "them as wrong.",
    "Rating judges scored each response by itself: one label per comparison, with equal scores as "
    "a tie, and no order.",
    "Five comparisons of MT-Bench are another one with its responses exchanged.",
)


class _Set(NamedTuple):
    """One of the eight folders."""

    name: str
    collection: str
    folder: str

    @property
    def adversarial(self) -> bool:
        return "Adversarial" in self.folder


SETS = (
    _Set("Natural", "LLMBar", "LLMBar/Natural"),
    _Set("Neighbor", "LLMBar", "LLMBar/Adversarial/Neighbor"),
    _Set("GPTInst", "LLMBar", "LLMBar/Adversarial/GPTInst"),
    _Set("GPTOut", "LLMBar", "LLMBar/Adversarial/GPTOut"),
    _Set("Manual", "LLMBar", "LLMBar/Adversarial/Manual"),
    _Set("FairEval", "Processed", "Processed/FairEval"),
    _Set("MT-Bench", "Processed", "Processed/MT-Bench"),
    _Set("LLMEval^2", "Processed", "Processed/LLMEval^2"),
)


def read(path: Path) -> list[Material]:
    """All eight sets as one data set; `path` may be an upstream clone."""
    folder = fields.find_folder(path, "LLMBar", ["Dataset"], FIX)
    comparisons: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    paths: list[Path] = []
    for part in SETS:
        paths += _add_set(part, folder, comparisons, labels)
    return [
        Material(
            dataset=DATASET,
            source=str(folder),
            comparisons=table(comparisons, COMPARISONS),
            labels=table(labels, LABELS),
            annotators=_annotators(labels),
            digest=digest(sorted(paths)),
            skipped=_other_sets(folder),
            notes=_NOTES,
        )
    ]


def _add_set(
    part: _Set, folder: Path, comparisons: list[dict[str, Any]], labels: list[dict[str, Any]]
) -> list[Path]:
    """Add one set's rows to both lists; returns the files that were read."""
    file, first = folder / part.folder / "dataset.json", len(comparisons)
    if not file.is_file():
        raise InputError(f"{file} is missing", FIX)
    rows = fields.records(file)
    comparisons += (_comparison(part, i, first + i, row, file) for i, row in enumerate(rows))
    labels += (_gold(first + i, row, _where(file, i)) for i, row in enumerate(rows))
    results = _result_files(file.parent)
    for result in results:
        labels += _judge_labels(result, rows, first)
    return [file, *results]


def _where(file: Path, position: int) -> str:
    return f"{file}, position {position}"


def _comparison(
    part: _Set, position: int, item: int, row: Mapping[str, Any], file: Path
) -> dict[str, Any]:
    where = _where(file, position)
    return {
        "item": item,
        "source_id": f"{part.name}:{position}",
        "prompt": fields.text(row, "input", where),
        "response_a": fields.text(row, "output_1", where),
        "response_b": fields.text(row, "output_2", where),
        "category": part.name,
        "metadata": fields.as_json(
            {"adversarial": part.adversarial, "collection": part.collection}, where
        ),
    }


def _gold(item: int, row: Mapping[str, Any], where: str) -> dict[str, Any]:
    preference = fields.choice(row, "label", _LABELS, where)
    return {"item": item, "annotator": GOLD, "preference": preference}


def _result_files(folder: Path) -> list[Path]:
    """Every strategy of every judge; a judge that is not known is an error."""
    judges = sorted(entry for entry in folder.glob("evaluators/*") if entry.is_dir())
    for judge in judges:
        if judge.name not in MODELS:
            raise InputError(
                f"{judge}: a judge that this format does not know (known: {', '.join(MODELS)})",
                "Move that folder elsewhere, or import its labels as CSV.",
            )
    strategies = (entry for judge in judges for entry in sorted(judge.iterdir()) if entry.is_dir())
    files = [strategy / "result.json" for strategy in strategies]
    for file in files:
        if not file.is_file():
            raise InputError(f"{file} is missing", FIX)
    return files


def _judge_labels(file: Path, rows: list[dict[str, Any]], first: int) -> Iterator[dict[str, Any]]:
    annotator = f"{MODELS[file.parent.parent.name]}/{file.parent.name}"
    results = fields.records(file)
    if len(results) != len(rows):
        raise InputError(
            f"{file} holds {len(results)} rows, dataset.json holds {len(rows)}", fields.AS_PUBLISHED
        )
    for position, (result, row) in enumerate(zip(results, rows, strict=True)):
        where = _where(file, position)
        _check_same(result, row, where)
        for label in _verdict(result, where):
            yield {"item": first + position, "annotator": annotator, **label}


def _check_same(result: Mapping[str, Any], row: Mapping[str, Any], where: str) -> None:
    for key in ("input", "output_1", "output_2", "label"):
        if fields.value(result, key, where) != row[key]:
            raise InputError(
                f"{where}: {key} is not that of the same position in dataset.json",
                fields.AS_PUBLISHED,
            )


def _verdict(result: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """The labels of the last element of `results`: both orders, or one from two scores."""
    steps = fields.value(result, "results", where)
    if not isinstance(steps, list) or not steps or not isinstance(steps[-1], dict):
        raise InputError(f"{where}: results does not end with an object", fields.AS_PUBLISHED)
    last = steps[-1]
    if "score_1" in last or "score_2" in last:
        return [_from_scores(last, where)]
    return [_one_order(last, order, shown, where) for order, shown in _ORDERS.items()]


def _one_order(verdict: Mapping[str, Any], order: str, shown: Shown, where: str) -> dict[str, Any]:
    where = f"{where}, {order}"
    found = fields.value(verdict, order, where)
    if not isinstance(found, dict):
        raise InputError(f"{where}: not an object", fields.AS_PUBLISHED)
    reply, finish_reason = _completion(found, "completion", where)
    preference = fields.choice(found, "winner", _WINNERS, where)
    unparsed = {"finish_reason": finish_reason} if finish_reason else {}
    return {
        "shown": shown,
        "preference": preference,
        "status": LabelStatus.OK if preference else LabelStatus.PARSE_ERROR,
        "rationale": reply or None,
        "details": None if preference else fields.as_json(unparsed, where),
    }


def _from_scores(verdict: Mapping[str, Any], where: str) -> dict[str, Any]:
    replies = [_completion(verdict, key, where) for key in ("score_1", "score_2")]
    scores = [_score(reply) for reply, _ in replies]
    score_a, score_b = scores
    if score_a is None or score_b is None:
        details = {
            "raw": [reply for reply, _ in replies],
            "finish_reason": [reason for _, reason in replies],
        }
        return {"status": LabelStatus.PARSE_ERROR, "details": fields.as_json(details, where)}
    preference = Preference.A if score_a > score_b else Preference.B
    return {
        "preference": Preference.TIE if score_a == score_b else preference,
        "details": fields.as_json({"ratings": {"a": score_a, "b": score_b}}, where),
    }


def _score(reply: str) -> float | None:
    return float(reply) if _NUMBER.fullmatch(reply.strip()) else None


def _completion(found: Mapping[str, Any], key: str, where: str) -> tuple[str, str]:
    """A reply and why it ended: a list of two texts."""
    pair = fields.value(found, key, where)
    if not isinstance(pair, list) or len(pair) != 2:
        raise InputError(f"{where}: {key} is not [text, reason it ended]", fields.AS_PUBLISHED)
    reply = dict(zip((key, "reason it ended"), pair, strict=True))
    return fields.text(reply, key, where), fields.text(reply, "reason it ended", where)


def _annotators(labels: Iterable[Mapping[str, Any]]) -> tuple[Annotator, ...]:
    judges = sorted({label["annotator"] for label in labels} - {GOLD})
    return (
        Annotator(AnnotatorKind.AGGREGATE, GOLD, DATASET),
        *(
            Annotator(AnnotatorKind.JUDGE, name, DATASET, model=name.partition("/")[0])
            for name in judges
        ),
    )


def _other_sets(folder: Path) -> tuple[Skipped, ...]:
    """What else has a dataset.json, such as upstream's CaseStudy."""
    known = {folder / part.folder / "dataset.json" for part in SETS}
    others = sorted(set(folder.rglob("dataset.json")) - known)
    if not others:
        return ()
    n = sum(len(fields.records(other)) for other in others)
    return (Skipped("comparisons of a set that is none of the eight", n, str(others[0])),)
