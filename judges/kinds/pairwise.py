"""Pairwise choice: which of two responses is better, with a tie where the menu has one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from data.records import LabelStatus
from judges.kinds.kind import CUT_OFF, choice, cut_off, no_verdict, object_schema, pair
from judges.parsing import Menu, Unparsed, Verdict, last_object, parse, preference_of, word_of
from judges.prompts import PAIR
from judges.task import Opinion, Place, in_stored_orientation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from data.records import Reply
    from judges.prompts import Values
    from judges.task import Task


@dataclass(frozen=True, slots=True)
class Pairwise:
    """One request for each order; one label. A `bare` one asks for a word and nothing else."""

    menu: Menu = field(default_factory=Menu)
    bare: bool = False
    needed = PAIR
    ordered = True
    by_prompt = False

    @property
    def parameters(self) -> Mapping[str, Any]:
        """None of its own."""
        return {}

    def shows(self, task: Task) -> tuple[Values, ...]:
        """The prompt and both responses, in the order shown."""
        return (pair_values(task),)

    def answer(self, *, as_json: bool) -> str:
        """Lines to choose from, or the form of a JSON object."""
        if as_json:
            options = ", ".join(f'"{word}"' for word in self.menu.options)
            return f'a JSON object with the keys "reasons" and "verdict", one of {options}.'
        if self.bare:
            return f"one word and nothing else: {' or '.join(self.menu.options)}"
        return "one line, exactly one of:\n" + "\n".join(
            f"Verdict: {word}" for word in self.menu.options
        )

    def schema(self) -> dict[str, Any]:
        """Reasons before the verdict."""
        return object_schema(reasons={"type": "string"}, verdict=choice(self.menu.options))

    def places(self, task: Task, criterion: str) -> tuple[Place, ...]:
        """The one label."""
        return (Place(task.comparison.comparison_id, task.shown, criterion),)

    def read(
        self, task: Task, criterion: str, replies: Sequence[Reply], *, as_json: bool
    ) -> dict[Place, Opinion]:
        """The last well-formed verdict; off the menu is a parse error."""
        (reply,) = replies
        verdict = verdict_of(reply, self.menu, as_json=as_json)
        if isinstance(verdict, Unparsed):
            opinion = no_verdict(verdict.reason, reply)
        else:
            preference = in_stored_orientation(verdict.preference, task.shown)
            opinion = Opinion(LabelStatus.OK, preference, rationale=verdict.rationale)
        return {self.places(task, criterion)[0]: opinion}

    def describe(self) -> dict[str, Any]:
        """The menu."""
        return {"kind": "pairwise", **self.menu.describe(), "bare": self.bare}


def pair_values(task: Task) -> dict[str, str]:
    """Fields of a template that shows two responses."""
    first, second = pair(task.comparison, task.shown)
    return {"prompt": task.comparison.prompt or "", "response_1": first, "response_2": second}


def verdict_of(reply: Reply, menu: Menu, *, as_json: bool = False) -> Verdict | Unparsed:
    """The verdict of a reply; of one that was cut off only where it says nothing else."""
    text = reply.text or ""
    verdict = read_json(text, menu) if as_json else parse(text, menu)
    whole = isinstance(verdict, Unparsed) or (verdict.rationale is None and not as_json)
    return verdict if whole or not cut_off(reply, as_json=as_json) else Unparsed(CUT_OFF)


def read_json(text: str, menu: Menu) -> Verdict | Unparsed:
    """The verdict of a structured reply."""
    found = last_object(text, "verdict")
    if isinstance(found, Unparsed):
        return found
    said = word_of(found["verdict"])
    preference = None if said is None else preference_of(said, menu)
    if preference is None:
        return Unparsed(f"{str(said)[:40]!r} is not on the menu")
    reasons = found.get("reasons")
    return Verdict(preference, reasons if isinstance(reasons, str) and reasons else None)
