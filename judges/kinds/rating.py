"""Pointwise rating: each response by itself on a scale; the higher rating is preferred."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data.errors import JudgeError
from data.records import LabelStatus, Preference
from judges.kinds.kind import CUT_OFF, cut_off, no_verdict, object_schema
from judges.parsing import Unparsed, last_line, last_object, word_of
from judges.task import Opinion, Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from data.records import Reply
    from judges.prompts import Values
    from judges.task import Task

_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)(?:\s*/\s*(\d+(?:\.\d+)?))?")


@dataclass(frozen=True, slots=True)
class Rating:
    """Two requests for a comparison, whatever the order; ratings `low` to `high` are kept."""

    low: float = 1
    high: float = 10
    needed = ("response",)
    ordered = False
    by_prompt = False

    def __post_init__(self) -> None:
        if not self.low < self.high or not math.isfinite(self.high - self.low):
            raise JudgeError(
                f"a scale from {self.low:g} to {self.high:g} has no room", "low < high."
            )

    @property
    def parameters(self) -> Mapping[str, Any]:
        """None of its own."""
        return {}

    def shows(self, task: Task) -> tuple[Values, ...]:
        """The prompt with each response: equal ones are asked for once in a whole store."""
        it = task.comparison
        texts = (it.response_a or "", it.response_b or "")
        return tuple({"prompt": it.prompt or "", "response": text} for text in texts)

    def answer(self, *, as_json: bool) -> str:
        """A line or an object with a number of the scale."""
        scale = f"N being a number from {self.low:g} (worst) to {self.high:g} (best)"
        if as_json:
            return f'a JSON object with the keys "reasons" and "rating": N, {scale}.'
        return f"one line `Rating: N`, {scale}."

    def schema(self) -> dict[str, Any]:
        """Reasons before the rating."""
        return object_schema(reasons={"type": "string"}, rating={"type": "number"})

    def places(self, task: Task, criterion: str) -> tuple[Place, ...]:
        """One label, of no order."""
        return (Place(task.comparison.comparison_id, None, criterion),)

    def read(
        self, task: Task, criterion: str, replies: Sequence[Reply], *, as_json: bool
    ) -> dict[Place, Opinion]:
        """The higher rating wins, equal ones tie; a rating off the scale is a parse error."""
        found = [self._rating(reply, as_json=as_json) for reply in replies]
        place = self.places(task, criterion)[0]
        for rating, reply in zip(found, replies, strict=True):
            if isinstance(rating, str):
                return {place: no_verdict(rating, reply)}
        a, b = (rating for rating in found if not isinstance(rating, str))
        preference = Preference.TIE if a == b else Preference.A if a > b else Preference.B
        texts = " // ".join(reply.text or "" for reply in replies)
        details = {"ratings": {"a": a, "b": b}}
        return {place: Opinion(LabelStatus.OK, preference, rationale=texts, details=details)}

    def _rating(self, reply: Reply, *, as_json: bool) -> float | str:
        """The rating, or why there is none."""
        said = _said(reply.text or "", as_json=as_json)
        if cut_off(reply, as_json=as_json):
            return CUT_OFF
        if isinstance(said, Unparsed):
            return said.reason
        match = _NUMBER.fullmatch(said)
        rating = float(match[1]) if match else None
        if rating is None or not self.low <= rating <= self.high:
            return f"{said[:40]!r} is not on the scale from {self.low:g} to {self.high:g}"
        if match and match[2] is not None and float(match[2]) != self.high:
            return f"{said[:40]!r} is on another scale"
        return rating

    def describe(self) -> dict[str, Any]:
        """The scale."""
        return {"kind": "rating", "low": float(self.low), "high": float(self.high)}


def _said(text: str, *, as_json: bool) -> str | Unparsed:
    """What stands where the rating belongs."""
    if not as_json:
        return last_line(text, "rating")
    found = last_object(text, "rating")
    return found if isinstance(found, Unparsed) else word_of(found["rating"]) or ""
