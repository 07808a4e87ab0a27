"""Judges without a server: files to judges, and replies made by hand to labels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from data.errors import JudgeError
from data.records import Comparison, Preference, Reply, Shown
from judges.config import build, read_judge, read_source, source_of
from judges.task import Task

if TYPE_CHECKING:
    from pathlib import Path

    from judges.client import Request
    from judges.task import AnyJudge, Judgment

SECRET = "s3cret"
A, B, TIE = Preference.A, Preference.B, Preference.TIE
AB, BA = Shown.AB, Shown.BA
SAID = {"served_model": None, "prompt_tokens": 10, "completion_tokens": 5, "paid_usd": 0.25}
SAID |= {"price_version": None, "seconds": 1.5, "finish_reason": "stop"}
MIRRORED = {A: B, B: A, TIE: TIE}


def comparison(
    n: int = 1, a: str = "Because.", b: str = "No idea.", prompt: str = "Why?", **more: Any
) -> Comparison:
    return Comparison(UUID(int=n), prompt, a, b, **more)


def task(shown: Shown | None = AB, *comparisons: Comparison, repeat: int = 0) -> Task:
    return Task(comparisons or (comparison(),), shown, repeat)


def ids_of(judge: AnyJudge) -> dict[str, UUID]:
    return {each.name: each.annotator_id for each in judge.annotators()}


def requests_of(judge: AnyJudge, what: Task) -> tuple[Request, ...]:
    """What is asked first."""
    return judge.asking(what, SECRET, ids_of(judge)).needed({})


def hashes_of(judge: AnyJudge, what: Task) -> list[UUID]:
    return [request.request_hash for request in requests_of(judge, what)]


def reply_to(request: Request, text: str | None, **fields: Any) -> Reply:
    return Reply(request.request_hash, text, **(SAID | fields))


def ask(
    judge: AnyJudge, what: Task, *said: str | dict[str, Any] | None, **fields: Any
) -> tuple[Judgment, ...]:
    """The labels of a task whose requests are answered in turn, by texts or fields of replies."""
    asking, replies, left = judge.asking(what, SECRET, ids_of(judge)), {}, list(said)
    while needed := asking.needed(replies):
        for request in needed:
            given = left.pop(0)
            given = given if isinstance(given, dict) else {"text": given}
            replies[request.request_hash] = reply_to(request, **({"text": None} | fields | given))
    assert left == [], "all replies were asked for"
    return asking.judgments(replies)


def written(folder: Path, text: str, **files: str) -> Path:
    """A judge file beside other files (`principles_txt` is principles.txt)."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        stem, _, ending = name.rpartition("_")
        (folder / f"{stem}.{ending}").write_text(content, encoding="utf-8")
    path = folder / "judge.toml"
    path.write_text(text, encoding="utf-8")
    return path


def judge_of(folder: Path, text: str, **files: str) -> Any:
    return read_judge(written(folder, text, **files))


def error_of(folder: Path, text: str, **files: str) -> str:
    """What is wrong with a judge file: it names the file, in one line, and the way out."""
    path = written(folder, text, **files)
    with pytest.raises(JudgeError) as caught:
        read_judge(path)
    assert str(path) in caught.value.what
    assert "\n" not in caught.value.what + caught.value.fix
    assert caught.value.fix
    return caught.value.what.replace(f"{path}: ", "", 1)


def identity_of(folder: Path, text: str, **files: str) -> UUID:
    judge = judge_of(folder, text, **files)
    own = judge.annotator("the same name")
    assert own.annotator_id == build_again(judge).annotator("the same name").annotator_id
    return own.annotator_id


def build_again(judge: Any) -> Any:
    """From what is stored with its annotator."""
    stored = json.loads(json.dumps(judge.annotator().definition))
    return build(source_of(stored["file"]), "again")


def check_round_trip(folder: Path, text: str, *tasks: Task, **files: str) -> Any:
    """A judge built from its description is equal, and asks the same on every build."""
    path = written(folder, text, **files)
    source = read_source(path)
    assert source_of(json.loads(json.dumps(source.describe()))) == source
    judge = read_judge(path)
    for each in tasks:
        assert hashes_of(judge, each) == hashes_of(read_judge(path), each)
    for name in (path.name, *(f"{n}.{e}" for n, _, e in (f.rpartition("_") for f in files))):
        (path.parent / name).unlink()  # from now on there is only the description
    again = build_again(judge)
    assert again == judge
    for each in tasks:
        assert hashes_of(again, each) == hashes_of(judge, each)
    return again


# For each order: what a vote for the first, the second or a tie is in stored orientation.
BOTH_ORDERS = (
    (AB, {"first": A, "second": B, "tie": TIE}),
    (BA, {"first": B, "second": A, "tie": TIE}),
)
