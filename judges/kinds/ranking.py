"""Ranking: all responses to a prompt in one order, expanded into its comparisons."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data.errors import JudgeError
from data.records import LabelStatus, Preference, Shown, make_id
from judges.kinds.kind import CUT_OFF, cut_off, no_verdict, object_schema
from judges.parsing import Unparsed, last_line, last_object, words_of
from judges.task import Opinion, Place, skipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from data.records import Comparison, Reply
    from judges.prompts import Values
    from judges.task import Task

MOST = 20
_ORDER = re.compile(r"\d{1,3}(?:\s*[>=,]\s*\d{1,3})*")


@dataclass(frozen=True, slots=True)
class Ranking:
    """One request for a prompt and direction. `most` responses fit into one list."""

    most: int = MOST
    needed = ("responses",)
    ordered = True
    by_prompt = True

    def __post_init__(self) -> None:
        if not 2 <= self.most <= 100:
            raise JudgeError(f"a ranking of at most {self.most} responses", "2 to 100.")

    @property
    def parameters(self) -> Mapping[str, Any]:
        """None of its own."""
        return {}

    def shows(self, task: Task) -> tuple[Values, ...]:
        """The prompt with all its responses; none where there are too many for one list."""
        texts = listed(task)
        if len(texts) > self.most:
            return ()
        blocks = tuple((f"response {k}", text) for k, text in enumerate(texts, start=1))
        return ({"prompt": task.comparison.prompt or "", "responses": blocks},)

    def answer(self, *, as_json: bool) -> str:
        """The numbers of the responses, the best first."""
        if as_json:
            return (
                'a JSON object with the keys "reasons" and "ranking": the numbers of all '
                "responses, the best first."
            )
        return (
            "one line `Ranking: ...`: the numbers of all responses, the best first, with > between "
            "them and = between equals, such as Ranking: 2 > 1 = 3"
        )

    def schema(self) -> dict[str, Any]:
        """Reasons before the ranking."""
        numbers = {"type": "array", "items": {"type": "integer"}}
        return object_schema(reasons={"type": "string"}, ranking=numbers)

    def places(self, task: Task, criterion: str) -> tuple[Place, ...]:
        """One label for each comparison, in the order in which its responses stand in the list."""
        at = {text: k for k, text in enumerate(listed(task))}
        return tuple(
            Place(each.comparison_id, _order(each, at) or task.shown, criterion)
            for each in task.comparisons
        )

    def read(
        self, task: Task, criterion: str, replies: Sequence[Reply], *, as_json: bool
    ) -> dict[Place, Opinion]:
        """Each comparison by the ranks of its responses; a list that is not whole says nothing."""
        places = self.places(task, criterion)
        if not replies:
            n = len(listed(task))
            return dict.fromkeys(places, skipped(f"{n} responses are more than {self.most}"))
        texts, reply = listed(task), replies[0]
        ranks = _ranks(reply.text or "", len(texts), as_json=as_json)
        if cut_off(reply, as_json=as_json):
            ranks = CUT_OFF
        if isinstance(ranks, str):
            return dict.fromkeys(places, no_verdict(ranks, reply))
        of = dict(zip(texts, ranks, strict=True))
        return {
            place: _opinion(of[each.response_a or ""], of[each.response_b or ""], reply)
            for place, each in zip(places, task.comparisons, strict=True)
        }

    def describe(self) -> dict[str, Any]:
        """The longest list."""
        return {"kind": "ranking", "most": self.most}


def listed(task: Task) -> list[str]:
    """The distinct responses in the order of the list; the other direction is its reverse.

    Drawn by content, so that no model is always first, and the same on every resume.
    """
    texts = {text or "" for each in task.comparisons for text in (each.response_a, each.response_b)}
    ordered = sorted(texts, key=lambda text: make_id("list", ascii(text)).int)
    return ordered[::-1] if task.shown is Shown.BA else ordered


def _order(comparison: Comparison, at: Mapping[str, int]) -> Shown | None:
    """Which response stands first; None where both are the same text."""
    a, b = at[comparison.response_a or ""], at[comparison.response_b or ""]
    if a == b:
        return None
    return Shown.AB if a < b else Shown.BA


def _opinion(rank_a: int, rank_b: int, reply: Reply) -> Opinion:
    preference = Preference.A if rank_a < rank_b else Preference.B
    if rank_a == rank_b:
        preference = Preference.TIE
    return Opinion(
        LabelStatus.OK,
        preference,
        details={"ranks": {"a": rank_a, "b": rank_b}},
        rationale=reply.text,
    )


def _ranks(text: str, n: int, *, as_json: bool) -> list[int] | str:
    """The rank of every response (1 is best, equals share one), or why there is none."""
    said = _said(text, as_json=as_json)
    if isinstance(said, Unparsed):
        return said.reason
    if not _ORDER.fullmatch(said):
        return f"{said[:40]!r} is not a ranking"
    levels = [[int(k) for k in level.split("=")] for level in re.split(r"[>,]", said)]
    flat = [number for level in levels for number in level]
    if sorted(flat) != list(range(1, n + 1)):
        return f"{said[:40]!r} does not name each of {n} responses once"
    ranks = [0] * n
    for rank, level in enumerate(levels, start=1):
        for number in level:
            ranks[number - 1] = rank
    return ranks


def _said(text: str, *, as_json: bool) -> str | Unparsed:
    """What stands where the ranking belongs."""
    if not as_json:
        return last_line(text, "ranking")
    found = last_object(text, "ranking")
    if isinstance(found, Unparsed):
        return found
    return " > ".join(str(word) for word in words_of(found["ranking"]))
