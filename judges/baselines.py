"""Judges without a model: what a real judge must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.records import OVERALL, Annotator, AnnotatorKind, LabelStatus, Preference, Shown
from data.records import make_id as draw
from judges.judge import Orders
from judges.local import LocalAsking
from judges.task import Opinion, in_stored_orientation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from data.records import Comparison
    from judges.task import Task


@dataclass(frozen=True, slots=True)
class Baseline:
    """A rule that labels without asking anybody, at no cost."""

    name: str
    about: str
    rule: Callable[[Comparison, Shown], Preference]
    criterion: str = OVERALL
    orders: Orders = Orders.BOTH
    by_prompt = False

    def annotator(self, name: str | None = None) -> Annotator:
        """The annotator its labels belong to."""
        return Annotator(AnnotatorKind.BASELINE, name or self.name)

    def annotators(self) -> tuple[Annotator, ...]:
        """Its own alone."""
        return (self.annotator(),)

    def reduced(self, model: str) -> None:
        """Nothing can be left out."""

    def asking(self, task: Task, secret: str, ids: Mapping[str, UUID]) -> LocalAsking:  # noqa: ARG002
        """The label of one comparison in one order, at once."""
        return LocalAsking(task, ids[self.name], self.criterion, self._opinion)

    def _opinion(self, task: Task) -> Opinion:
        return Opinion(LabelStatus.OK, self.rule(task.comparison, task.shown or Shown.AB))


def longer(comparison: Comparison, shown: Shown) -> Preference:  # noqa: ARG001 (same in both)
    """The response with more characters; equal lengths are a tie."""
    difference = len(comparison.response_a or "") - len(comparison.response_b or "")
    if difference == 0:
        return Preference.TIE
    return Preference.A if difference > 0 else Preference.B


def first(comparison: Comparison, shown: Shown) -> Preference:  # noqa: ARG001 (of any two)
    """The response shown first."""
    return in_stored_orientation(Preference.A, shown)


def random(comparison: Comparison, shown: Shown) -> Preference:
    """A fair coin, seeded by the comparison and the order."""
    heads = draw("random baseline", comparison.comparison_id, shown).int % 2 == 0
    return Preference.A if heads else Preference.B


BASELINES = {
    baseline.name: baseline
    for baseline in (
        Baseline("longer", "the response with more characters", longer),
        Baseline("first", "the response shown first", first),
        Baseline("random", "a fair coin, seeded by the comparison", random),
    )
}
