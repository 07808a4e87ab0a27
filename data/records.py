"""The nouns of the project: comparison, annotator, label, reply, run. Frozen, without behaviour.

Units are in the names: `_usd`, `_seconds`, `_tokens`. `None` always means "not known".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from datetime import datetime

ORIGINAL = "original"  # a perturbation that is none: what the others are compared with
UNCHANGED = "unchanged"  # the same texts, asked once more
OVERALL = "overall"  # the criterion of a label that names none
HIGHEST_REPEAT = 32_767  # of the store's column; the first label is repeat 0
HIGHEST_USD = 1_000_000  # of one label: beyond it is a mistake, and sums of such prices overflow
HIGHEST_SECONDS = 366 * 86_400


class Preference(StrEnum):
    """Which response is better, in stored orientation: never "the one shown first"."""

    A = "a"
    B = "b"
    TIE = "tie"


class Shown(StrEnum):
    """Which response was displayed first."""

    AB = "ab"
    BA = "ba"


class LabelStatus(StrEnum):
    """Only `ok` carries a preference; the others say why there is none."""

    OK = "ok"
    REFUSED = "refused"
    SKIPPED = "skipped"
    PARSE_ERROR = "parse_error"
    FAILED = "failed"


class AnnotatorKind(StrEnum):
    """An aggregate is somebody's gold or majority: a reference, never a human."""

    HUMAN = "human"
    JUDGE = "judge"
    BASELINE = "baseline"
    AGGREGATE = "aggregate"


class RunStatus(StrEnum):
    """`interrupted`: the process ended before the run did; the same command continues it.

    `budget_spent`: nothing more could be bought within the run's cap.
    """

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    COMPLETE = "complete"
    STOPPED = "stopped"
    BUDGET_SPENT = "budget_spent"


def make_id(*parts: str | int | UUID | None) -> UUID:
    """128-bit identity of a row from its parts; equal to `schema.id_sql` of the same parts.

    Each part is hashed before they are joined, so no two lists of parts are confused.
    """
    hashed = ("-" if part is None else _sha256(str(part)) for part in parts)
    return UUID(_sha256("/".join(hashed))[:32])


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Comparison:
    """A prompt with two responses; texts are None where a source gives none.

    One that a probe made has the comparison it was made from, the probe's name, and, where the
    judge's prompt is what was changed, the template it is asked with.
    """

    comparison_id: UUID
    prompt: str | None
    response_a: str | None
    response_b: str | None
    category: str | None = None
    reference: str | None = None
    parent_id: UUID | None = None
    perturbation: str | None = None
    template: str | None = None

    @property
    def drawn_by(self) -> UUID:
        """What is drawn for a comparison is drawn alike for all that probes make of it."""
        return self.parent_id or self.comparison_id


@dataclass(frozen=True, slots=True)
class Annotator:
    """Whoever labels. `definition` is a judge's configuration as run, JSON-ready."""

    kind: AnnotatorKind
    name: str
    dataset: str | None = None
    anonymous: bool = False
    model: str | None = None
    definition: dict[str, Any] | None = None

    @property
    def annotator_id(self) -> UUID:
        """Identity by kind, data set and name; judges without data set by their definition too."""
        identity = None if self.definition is None else self.definition.get("identity")
        return make_id(self.kind, self.dataset, self.name, identity)


@dataclass(frozen=True, slots=True)
class Label:
    """One annotator's preference on one comparison."""

    comparison_id: UUID
    annotator_id: UUID
    shown: Shown | None
    status: LabelStatus
    preference: Preference | None = None
    criterion: str = OVERALL
    repeat: int = 0
    rationale: str | None = None
    seconds: float | None = None
    cost_usd: float | None = None
    details: dict[str, Any] = field(default_factory=dict)
    p_a: float | None = None

    @property
    def label_id(self) -> UUID:
        """One annotator gives one label per comparison, criterion, order and repeat."""
        return make_id(
            self.comparison_id, self.annotator_id, self.criterion, self.repeat, self.shown
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What a provider sent for one request, and what it cost this store."""

    request_hash: UUID
    text: str | None
    served_model: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    paid_usd: float | None
    price_version: str | None
    seconds: float | None
    finish_reason: str | None = None
    logprobs: tuple[dict[str, float], ...] | None = None
    """For each token of the reply: the likeliest tokens there, with their log-probabilities."""
    fingerprint: str | None = None
    """What the provider says about the configuration that answered (`system_fingerprint`)."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of one judge over one data set; `settings` is what continues it."""

    run_id: UUID
    annotator_id: UUID
    judge: str
    dataset: str
    settings: dict[str, Any]
    planned: int
    started_at: datetime
    budget_usd: float | None = None
