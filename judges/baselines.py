"""Judges without a model: what a real judge must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.records import OVERALL, Annotator, AnnotatorKind, Label, LabelStatus, Preference, Shown
from data.records import make_id as draw
from judges.judge import Orders, in_stored_orientation

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from data.records import Comparison


@dataclass(frozen=True, slots=True)
class Baseline:
    """A rule that labels without asking anybody, at no cost."""

    name: str
    about: str
    rule: Callable[[Comparison, Shown], Preference]
    criterion: str = OVERALL
    orders: Orders = Orders.BOTH

    def annotator(self, name: str | None = None) -> Annotator:
        """The annotator its labels belong to."""
        return Annotator(AnnotatorKind.BASELINE, name or self.name)

    def label(self, comparison: Comparison, shown: Shown, annotator_id: UUID) -> Label:
        """The label of one comparison in one order."""
        return Label(
            comparison.comparison_id,
            annotator_id,
            shown,
            LabelStatus.OK,
            self.rule(comparison, shown),
            self.criterion,
            seconds=0.0,
            cost_usd=0.0,
        )


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
