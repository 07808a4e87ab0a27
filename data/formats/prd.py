"""PRD's Vicuna-80: 80 questions, five models, five judges in both orders, anonymous human labels.

One file per judge and ordered pair of models, `answer_X-vs-answer_Y-<reviewer>-reviewer*.jsonl`
in `ratings-<reviewer>`; score 1 = X better, 2 = Y better, 3 = tie, -1 = no score found in the
reply. Stored orientation: response_a is the model whose file name sorts first.

Traps. `text` is a judge's rationale, but the question in the human files. A question that comes
three times in a human file was labelled by three workers, who have no ids; each question of a pair
stands in the file of one order only. The judge gpt35 has two files more than it should
(`answer-gpt35-...` beside `answer_gpt35-...`, with other labels); the published figures use those
with underscores. Human labels on Guanaco come without the answers.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from data.errors import InputError
from data.formats import fields
from data.formats.material import (
    COMPARISONS,
    LABELS,
    Material,
    Skipped,
    digest,
    read_json_lines,
    table,
)
from data.records import Annotator, AnnotatorKind, LabelStatus, Preference, Shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

DATASET = "prd-vicuna80"
HUMAN = "human"
NAMES = {  # the name in a file name: the model's, and the judge's, name
    "bard": "bard",
    "claude": "claude-1",
    "gpt35": "gpt-3.5-turbo",
    "gpt4": "gpt-4",
    "guanaco-7b": "guanaco-7b",
    "guanaco-13b": "guanaco-13b",
    "guanaco-33b": "guanaco-33b",
    "guanaco-65b": "guanaco-65b",
    "vicuna-13b": "vicuna-13b",
}
JUDGES = ("bard", "claude", "gpt35", "gpt4", "vicuna-13b")
FIX = (
    "Name a clone of github.com/bcdnlp/PRD, or its folder data/vicuna80, with ratings-human, "
    f"{', '.join(f'ratings-{judge}' for judge in JUDGES)}, generations and prompts in it."
)
_MODEL = "|".join(re.escape(name) for name in NAMES)
_FILE_NAME = re.compile(
    rf"answer(?P<separator>[-_])(?P<first>{_MODEL})-vs-answer(?P=separator)(?P<second>{_MODEL})"
    rf"-(?P<reviewer>{HUMAN}|{'|'.join(JUDGES)})-reviewer(?:[-_]threeclass)?\.jsonl"
)
NO_SCORE = -1
_NOTES = (
    "Human labels are anonymous: human-1, human-2 and human-3 number the labels of one comparison "
    "and are not the same people elsewhere.",
    "Pairs with claude-1 have one human label, the others three.",
    "Comparisons with a Guanaco model have human labels only; their responses are not published "
    "with them.",
    "The judges gpt-3.5-turbo and bard were gpt-3.5-turbo-0301 and text-bison@001.",
    "vicuna-13b's preferences were derived upstream from two ratings of 1 to 10 in its reply.",
    "The long-form questions (data/lfqa) are not read.",
)


class _Pair(NamedTuple):
    """A comparison: the question and both models by file name, in stored orientation."""

    question: int
    model_a: str
    model_b: str

    @property
    def source_id(self) -> str:
        return f"q{self.question}:{self.model_a}:{self.model_b}"


class _File(NamedTuple):
    """A file of labels and what its name says."""

    path: Path
    reviewer: str
    first: str
    second: str
    separator: str

    def pair(self, question: int) -> _Pair:
        return _Pair(question, *sorted((self.first, self.second)))

    @property
    def shown(self) -> Shown:
        return Shown.AB if self.first < self.second else Shown.BA

    @property
    def scores(self) -> dict[int, Preference | None]:
        first, second = Preference.A, Preference.B
        if self.shown is Shown.BA:
            first, second = second, first
        return {1: first, 2: second, 3: Preference.TIE, NO_SCORE: None}


@dataclass(slots=True)
class _Texts:
    """Questions and answers; `paths` are the files that they were read from."""

    questions: dict[int, dict[str, Any]]
    answers: dict[str, dict[int, dict[str, Any]]]  # by file name of the model and question
    paths: list[Path] = field(default_factory=list)


def read(path: Path) -> list[Material]:
    """The questions with the labels of humans and judges; `path` may be an upstream clone."""
    folder = fields.find_folder(path, f"ratings-{HUMAN}", ["data/vicuna80", "vicuna80"], FIX)
    files, skipped = _without_twins(_label_files(folder))
    _check_pairs(files, folder)
    texts = _texts(folder, {name for file in files for name in (file.first, file.second)})
    labels = [label for file in files for label in _labels(file, texts)]
    pairs = sorted({label["pair"] for label in labels})
    items = {pair: item for item, pair in enumerate(pairs)}
    _number_humans(labels)
    for label in labels:
        label["item"] = items[label["pair"]]
    return [
        Material(
            dataset=DATASET,
            source=str(folder),
            comparisons=table(
                (_comparison(pair, items[pair], texts) for pair in pairs), COMPARISONS
            ),
            labels=table(labels, LABELS),
            annotators=_annotators(labels),
            digest=digest(sorted([*texts.paths, *(file.path for file in files)])),
            skipped=skipped,
            notes=_NOTES,
        )
    ]


def _label_files(folder: Path) -> list[_File]:
    """All files of labels; every ratings folder must be there, and every file name understood."""
    known = {f"ratings-{reviewer}": reviewer for reviewer in (HUMAN, *JUDGES)}
    present = [entry.name for entry in sorted(folder.glob("ratings-*")) if entry.is_dir()]
    for name in known:
        if name not in present:
            raise InputError(f"{folder} holds no {name}", FIX)
    for name in present:
        if name not in known:
            raise InputError(
                f"{folder / name}: ratings by a reviewer that this format does not know",
                "Move that folder elsewhere, or import its labels as CSV.",
            )
    return [file for name, reviewer in known.items() for file in _files(folder / name, reviewer)]


def _files(folder: Path, reviewer: str) -> list[_File]:
    """The files of one reviewer; folders, programs and hidden files are not labels."""
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix != ".py" and not path.name.startswith(".")
    )
    if not paths:
        raise InputError(f"{folder} holds no labels", FIX)
    return [_understood(path, reviewer) for path in paths]


def _understood(path: Path, reviewer: str) -> _File:
    match = _FILE_NAME.fullmatch(path.name)
    if match is None or match["reviewer"] != reviewer or match["first"] == match["second"]:
        raise InputError(
            f"{path}: the file name is not answer_X-vs-answer_Y-{reviewer}-reviewer_threeclass"
            f".jsonl with two of the models {', '.join(NAMES)}",
            "Rename the file, or move it elsewhere if it holds no labels.",
        )
    return _File(path, reviewer, match["first"], match["second"], match["separator"])


def _without_twins(files: Sequence[_File]) -> tuple[list[_File], tuple[Skipped, ...]]:
    """One file per reviewer and order: the one named with underscores; the rest is skipped."""
    by_order: dict[tuple[str, str, str], list[_File]] = {}
    for file in files:
        by_order.setdefault((file.reviewer, file.first, file.second), []).append(file)
    kept, twins = [], []
    for same in by_order.values():
        underscored = [file for file in same if file.separator == "_"]
        chosen = underscored or same
        if len(chosen) > 1:
            raise InputError(
                f"{chosen[0].path} and {chosen[1].path.name} hold the same pair in the same order",
                "Keep the one you want and move the other elsewhere.",
            )
        kept += chosen
        twins += [file for file in same if file not in chosen]
    if not twins:
        return kept, ()
    n = sum(len(read_json_lines(twin.path)) for twin in twins)
    reason = (
        "a second file of the same judge, pair and order, named with hyphens; the published "
        "figures use the one named with underscores"
    )
    return kept, (Skipped(reason, n, str(twins[0].path)),)


def _check_pairs(files: Iterable[_File], folder: Path) -> None:
    """Every judge has a file for every pair and order that any judge has."""
    orders: dict[str, list[tuple[str, str]]] = {judge: [] for judge in JUDGES}
    for file in files:
        if file.reviewer != HUMAN:
            orders[file.reviewer].append((file.first, file.second))
    every = {turned for known in orders.values() for x, y in known for turned in ((x, y), (y, x))}
    for judge, known in orders.items():
        where = f"{folder / f'ratings-{judge}'}"
        fields.need_same(sorted(every), known, "the file for the two models", where)


def _texts(folder: Path, models: Iterable[str]) -> _Texts:
    path = folder / "prompts" / "vicuna_questions.jsonl"
    texts = _Texts(_by_question(path), {}, [path])
    for model in sorted(models):
        if model.startswith("guanaco"):
            continue
        path = folder / "generations" / f"answer_{model}.jsonl"
        answers = _by_question(path)
        fields.need_same(texts.questions, answers, "question_id", str(path))
        texts.answers[model] = answers
        texts.paths.append(path)
    return texts


def _by_question(path: Path) -> dict[int, dict[str, Any]]:
    """The rows of a file that holds each question once."""
    if not path.is_file():
        raise InputError(f"{path} is missing", FIX)
    rows = [(f"{path}, line {line}", row) for line, row in read_json_lines(path)]
    ids = [(fields.integer(row, "question_id", where), where) for where, row in rows]
    fields.keyed(ids, "question_id")
    return {question: row for (question, _), (_, row) in zip(ids, rows, strict=True)}


def _comparison(pair: _Pair, item: int, texts: _Texts) -> dict[str, Any]:
    where = f"question_id {pair.question} of {texts.paths[0]}"
    question = texts.questions[pair.question]
    response_a, response_b = (
        texts.answers.get(model, {}).get(pair.question) for model in (pair.model_a, pair.model_b)
    )
    known = response_a is not None and response_b is not None
    return {
        "item": item,
        "source_id": pair.source_id,
        "prompt_key": f"q{pair.question}",
        "prompt": fields.text(question, "text", where),
        "response_a": _answer(response_a, where) if known else None,
        "response_b": _answer(response_b, where) if known else None,
        "model_a": NAMES[pair.model_a],
        "model_b": NAMES[pair.model_b],
        "category": fields.text(question, "category", where),
    }


def _answer(row: Mapping[str, Any] | None, where: str) -> str:
    return fields.text(row or {}, "text", f"the answer to {where}")


def _labels(file: _File, texts: _Texts) -> Iterator[dict[str, Any]]:
    rows = [
        (line, row, fields.integer(row, "question_id", f"{file.path}, line {line}"))
        for line, row in read_json_lines(file.path)
    ]
    if file.reviewer != HUMAN:
        fields.keyed(
            ((ident, f"{file.path}, line {line}") for line, _, ident in rows), "question_id"
        )
        found = (ident for _, _, ident in rows)
        fields.need_same(texts.questions, found, "question_id", str(file.path))
    for line, row, question in rows:
        yield _label(file, line, row, question, texts)


def _label(
    file: _File, line: int, row: Mapping[str, Any], question: int, texts: _Texts
) -> dict[str, Any]:
    where = f"{file.path}, line {line}"
    preference = fields.choice(row, "score", file.scores, where)
    human = file.reviewer == HUMAN
    if human:
        _check_question(row, question, texts, where)
    else:
        _check_answers(file, row, question, texts, where)
    return {
        "pair": file.pair(question),
        "annotator": HUMAN if human else NAMES[file.reviewer],
        "shown": file.shown,
        "preference": preference,
        "status": LabelStatus.OK if preference else LabelStatus.PARSE_ERROR,
        "rationale": None if human else fields.text(row, "text", where) or None,
        "details": None if preference else fields.as_json({"raw": row["score"]}, where),
        "line": line,
    }


def _check_question(row: Mapping[str, Any], question: int, texts: _Texts, where: str) -> None:
    """A human row repeats the question's text, which must be that of its id."""
    if question not in texts.questions:
        raise InputError(
            f"{where}: question_id {question} is not in {texts.paths[0]}", fields.AS_PUBLISHED
        )
    if fields.text(row, "text", where) != texts.questions[question].get("text"):
        raise InputError(
            f"{where}: the text is not that of question_id {question} in {texts.paths[0]}",
            fields.AS_PUBLISHED,
        )


def _check_answers(
    file: _File, row: Mapping[str, Any], question: int, texts: _Texts, where: str
) -> None:
    """A judge's row names the answers it saw, which must be those that the file name says."""
    for key, model in (("answer1_id", file.first), ("answer2_id", file.second)):
        answer = texts.answers.get(model, {}).get(question, {}).get("answer_id")
        if fields.text(row, key, where) != answer:
            raise InputError(
                f"{where}: {key} is not {model}'s answer to question_id {question}",
                fields.AS_PUBLISHED,
            )


def _number_humans(labels: Iterable[dict[str, Any]]) -> None:
    """Name them human-1, human-2, ... in the order of a comparison's labels."""
    counts: Counter[_Pair] = Counter()
    for label in labels:
        if label["annotator"] == HUMAN:
            counts[label["pair"]] += 1
            label["annotator"] = f"{HUMAN}-{counts[label['pair']]}"


def _annotators(labels: Iterable[Mapping[str, Any]]) -> tuple[Annotator, ...]:
    judges = {NAMES[judge] for judge in JUDGES}
    humans = sorted({label["annotator"] for label in labels} - judges)
    return (
        *(Annotator(AnnotatorKind.HUMAN, name, DATASET, anonymous=True) for name in humans),
        *(Annotator(AnnotatorKind.JUDGE, name, DATASET, model=name) for name in sorted(judges)),
    )
