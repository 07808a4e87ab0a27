"""A task that nobody is asked about: the label follows from the texts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.records import Label, LabelStatus
from judges.task import Judgment, Opinion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from data.records import Reply
    from judges.client import Request
    from judges.task import Task


@dataclass(frozen=True, slots=True)
class LocalAsking:
    """One task of a baseline or a verifier; `rule` may raise what its user wrote."""

    task: Task
    annotator_id: UUID
    criterion: str
    rule: Callable[[Task], Opinion]

    def needed(self, replies: Mapping[UUID, Reply]) -> tuple[Request, ...]:  # noqa: ARG002
        """Nothing."""
        return ()

    def judgments(self, replies: Mapping[UUID, Reply]) -> tuple[Judgment, ...]:  # noqa: ARG002
        """The label, at no cost."""
        started = time.perf_counter()
        opinion = self.rule(self.task)
        return self._judgment(opinion, time.perf_counter() - started)

    def failed(self, status: LabelStatus, reason: str) -> tuple[Judgment, ...]:
        """A label without a preference."""
        return self._judgment(Opinion(status, details={"reason": reason}), 0.0)

    def _judgment(self, opinion: Opinion, seconds: float) -> tuple[Judgment, ...]:
        label = Label(
            self.task.comparison.comparison_id,
            self.annotator_id,
            self.task.shown,
            opinion.status,
            opinion.preference,
            self.criterion,
            self.task.repeat,
            opinion.rationale,
            seconds,
            0.0,
            dict(opinion.details),
            opinion.p_a,
        )
        return (Judgment(label),)
