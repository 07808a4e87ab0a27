"""What a judge is given, what it needs to know, and what it says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from data.records import LabelStatus, Preference, Shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from data.records import Annotator, Comparison, Label, Reply
    from judges.client import Request
    from judges.judge import Orders


@dataclass(frozen=True, slots=True)
class Task:
    """What is labelled in one go: a comparison in one order, or all comparisons of a prompt.

    `shown` is None where the responses are not shown together.
    """

    comparisons: tuple[Comparison, ...]
    shown: Shown | None
    repeat: int = 0

    @property
    def comparison(self) -> Comparison:
        """The only one, for the kinds that judge one at a time."""
        return self.comparisons[0]


class Place(NamedTuple):
    """Where an opinion belongs."""

    comparison_id: UUID
    shown: Shown | None
    criterion: str


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one reading of the replies says; `preference` and `p_a` in stored orientation."""

    status: LabelStatus
    preference: Preference | None = None
    p_a: float | None = None
    rationale: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


SCORES = {Preference.A: 1.0, Preference.TIE: 0.5, Preference.B: 0.0}


def score_of(said: Opinion | Label) -> float | None:
    """P(a is preferred): 1, 1/2 for a tie, 0, or what was said; None without a preference."""
    if said.preference is None:
        return None
    return SCORES[said.preference] if said.p_a is None else said.p_a


def unparsed(reason: str, rationale: str | None = None, **details: Any) -> Opinion:
    """No opinion, with its reason: never a vote."""
    return Opinion(LabelStatus.PARSE_ERROR, None, None, rationale, {"reason": reason, **details})


def skipped(reason: str) -> Opinion:
    """Nothing was asked, with the reason."""
    return Opinion(LabelStatus.SKIPPED, details={"reason": reason})


def by_score(score: float) -> Preference:
    """The preference of P(a is preferred)."""
    if score == 0.5:
        return Preference.TIE
    return Preference.A if score > 0.5 else Preference.B


def in_stored_orientation(preference: Preference, shown: Shown | None) -> Preference:
    """A verdict on (first, second) as a preference on (a, b)."""
    if shown is Shown.BA and preference is not Preference.TIE:
        return Preference.B if preference is Preference.A else Preference.A
    return preference


@dataclass(frozen=True, slots=True)
class Judgment:
    """A label and the requests whose replies it was read from."""

    label: Label
    requests: tuple[UUID, ...] = ()


class Asking(Protocol):
    """One task on its way: the requests that are still needed, and then the labels."""

    def needed(self, replies: Mapping[UUID, Reply]) -> tuple[Request, ...]:
        """Requests without which there is no label; empty when all replies are there."""
        ...

    def judgments(self, replies: Mapping[UUID, Reply]) -> tuple[Judgment, ...]:
        """The labels, once nothing is needed."""
        ...

    def failed(self, status: LabelStatus, reason: str) -> tuple[Judgment, ...]:
        """The labels where a request failed for good."""
        ...


class AnyJudge(Protocol):
    """Whatever labels by itself: a model, a jury of them, a verifier or a baseline."""

    @property
    def name(self) -> str:
        """As people call it."""
        ...

    @property
    def criterion(self) -> str:
        """The criterion by which progress is counted."""
        ...

    @property
    def orders(self) -> Orders:
        """In which orders each comparison is shown."""
        ...

    @property
    def by_prompt(self) -> bool:
        """Whether a task holds all comparisons of a prompt."""
        ...

    def annotators(self) -> tuple[Annotator, ...]:
        """Its own annotator first, then those of its members."""
        ...

    def reduced(self, model: str) -> AnyJudge | None:
        """What is asked where `model` does not take a parameter; None where nothing can be."""
        ...

    def asking(self, task: Task, secret: str, ids: Mapping[str, UUID]) -> Asking:
        """Begin a task; `ids` are the ids of the annotators by name."""
        ...
