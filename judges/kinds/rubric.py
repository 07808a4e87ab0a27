"""Rubric: several criteria in one reply, a label for each of them and an overall one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from data.errors import JudgeError
from data.records import OVERALL, LabelStatus
from judges.kinds.kind import CUT_OFF, choice, cut_off, no_verdict, object_schema
from judges.kinds.pairwise import pair_values
from judges.parsing import Menu, Unparsed, last_line, last_object, preference_of, word_of
from judges.prompts import PAIR
from judges.task import Opinion, Place, in_stored_orientation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from data.records import Reply
    from judges.prompts import Values
    from judges.task import Task

CRITERIA: Mapping[str, str] = {
    "instruction_following": "does what was asked, all of it and nothing else",
    "honesty": "says what it knows and how sure it is",
    "truthfulness": "states nothing that is false",
    "helpfulness": "serves what the author of the prompt wants to achieve",
    "harmlessness": "does no harm and helps nobody to do any",
}
REASONS = "reasons"  # a key of the JSON object beside the criteria
NAME = re.compile(r"[A-Za-z][\w -]{0,60}")


@dataclass(frozen=True, slots=True)
class Rubric:
    """One request for each order; one label for each criterion, `overall` first."""

    criteria: Mapping[str, str] = field(default_factory=lambda: CRITERIA)
    menu: Menu = field(default_factory=Menu)
    needed = (*PAIR, "criteria")
    ordered = True
    by_prompt = False

    def __post_init__(self) -> None:
        known = {OVERALL, REASONS}
        for name in self.criteria:
            if not NAME.fullmatch(name) or _plain(name) in known:
                raise JudgeError(
                    f"{name!r} cannot be the name of a criterion",
                    "Letters, digits, - and _, each name once; overall and reasons are taken.",
                )
            known.add(_plain(name))
        if not self.criteria:
            raise JudgeError("a rubric without criteria", "Name some below [criteria].")

    @property
    def names(self) -> tuple[str, ...]:
        """The criteria in the order of the answer, `overall` last."""
        return (*self.criteria, OVERALL)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """None of its own."""
        return {}

    def shows(self, task: Task) -> tuple[Values, ...]:
        """The pair and the criteria with their meaning."""
        lines = "\n".join(f"{name}: {meaning}" for name, meaning in self.criteria.items())
        return ({**pair_values(task), "criteria": lines},)

    def answer(self, *, as_json: bool) -> str:
        """A line or a property for each criterion."""
        if as_json:
            keys = ", ".join(f'"{name}"' for name in self.names)
            options = ", ".join(f'"{word}"' for word in self.menu.options)
            return f'a JSON object with the keys "reasons", {keys}; each verdict one of {options}.'
        lines = "\n".join(f"{name}: {' or '.join(self.menu.options)}" for name in self.names)
        return f"one line for each criterion and one for the whole, and nothing else:\n{lines}"

    def schema(self) -> dict[str, Any]:
        """Reasons before the verdicts."""
        verdicts = dict.fromkeys(self.names, choice(self.menu.options))
        return object_schema(reasons={"type": "string"}, **verdicts)

    def places(self, task: Task, criterion: str) -> tuple[Place, ...]:
        """The overall label first."""
        item = task.comparison.comparison_id
        return tuple(Place(item, task.shown, name) for name in (criterion, *self.criteria))

    def read(
        self, task: Task, criterion: str, replies: Sequence[Reply], *, as_json: bool
    ) -> dict[Place, Opinion]:
        """Every criterion by itself: one that is missing takes none of the others with it."""
        (reply,) = replies
        said = _said(reply.text or "", self.names, as_json=as_json)
        if cut_off(reply, as_json=as_json):
            said = dict.fromkeys(self.names, Unparsed(CUT_OFF))
        places = self.places(task, criterion)
        by_place = dict(zip(places, (OVERALL, *self.criteria), strict=True))
        return {place: self._opinion(said[name], reply, task) for place, name in by_place.items()}

    def _opinion(self, said: str | Unparsed, reply: Reply, task: Task) -> Opinion:
        if isinstance(said, Unparsed):
            return no_verdict(said.reason, reply)
        preference = preference_of(said, self.menu)
        if preference is None:
            return no_verdict(f"{said[:40]!r} is not on the menu", reply)
        stored = in_stored_orientation(preference, task.shown)
        return Opinion(LabelStatus.OK, stored, rationale=reply.text)

    def describe(self) -> dict[str, Any]:
        """The criteria in their order, and the menu."""
        criteria = [list(each) for each in self.criteria.items()]
        return {"kind": "rubric", **self.menu.describe(), "criteria": criteria}


def _plain(name: str) -> str:
    """A name as lines are found by it: whatever the case and the marks between its words."""
    return re.sub(r"[\s_-]+", " ", name).casefold().removeprefix("final ")


def _said(text: str, names: Sequence[str], *, as_json: bool) -> dict[str, str | Unparsed]:
    """What stands where the verdict on each criterion belongs."""
    if not as_json:
        return {name: last_line(text, name) for name in names}
    found = last_object(text, OVERALL)
    if isinstance(found, Unparsed):
        return dict.fromkeys(names, found)
    missing = Unparsed("no verdict on this criterion")
    return {name: word_of(found[name]) or "" if name in found else missing for name in names}
