"""A jury: several judges asked about the same comparison; its label is the mean of theirs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from data.errors import JudgeError
from data.records import OVERALL, Annotator, AnnotatorKind, Label, LabelStatus, make_id
from judges.judge import Judge, Orders, total
from judges.task import Judgment, by_score, score_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from data.records import Reply
    from judges.client import Request
    from judges.task import Asking, Task


@dataclass(frozen=True, slots=True)
class Jury:
    """Two or more model judges; the labels of its members are kept under their own names."""

    name: str
    members: tuple[Judge, ...]
    criterion: str = OVERALL
    orders: Orders = Orders.BOTH
    file: Mapping[str, Any] = field(default_factory=dict)
    by_prompt = False

    def __post_init__(self) -> None:
        names = [member.name for member in self.members]
        if len(names) < 2 or len(set(names)) < len(names) or self.name in names:
            raise JudgeError(
                f"jury {self.name}: its members are {', '.join(names) or 'none'}",
                "Name two or more judges, each with a name of its own.",
            )
        for member in self.members:
            if member.by_prompt or not member.kind.ordered or member.criterion != self.criterion:
                raise JudgeError(
                    f"jury {self.name}: {member.name} does not answer the jury's question",
                    f"Members judge pairs, by the criterion {self.criterion!r}.",
                )

    def check_members(self) -> None:
        """Raise JudgeError where two members are the same judge: they would always agree."""
        if len(self._identities()) < len(self.members):
            raise JudgeError(
                f"jury {self.name}: two of its members are the same judge",
                "Change the model, the template or a parameter of one; or ask for samples.",
            )

    def _identities(self) -> list[str]:
        """What its members are, each once, in whatever order they are named."""
        return sorted({json.dumps(each.identity, sort_keys=True) for each in self.members})

    @property
    def requests_per_minute(self) -> float | None:
        """The smallest limit of its members: the calls of a run are paced together."""
        return _smallest(member.requests_per_minute for member in self.members)

    @property
    def tokens_per_minute(self) -> float | None:
        """As of requests."""
        return _smallest(member.tokens_per_minute for member in self.members)

    def annotator(self, name: str | None = None) -> Annotator:
        """The annotator of its own labels; with other members it is another one."""
        identity = {"members": self._identities(), "criterion": self.criterion}
        digest = str(make_id(json.dumps(identity, sort_keys=True)))
        members = [member.name for member in self.members]
        definition = {"judge": self.name, "identity": digest, "members": members}
        return Annotator(
            AnnotatorKind.JUDGE, name or self.name, definition={**definition, "file": self.file}
        )

    def annotators(self) -> tuple[Annotator, ...]:
        """Its own, then its members'."""
        return (self.annotator(), *(member.annotator() for member in self.members))

    def reduced(self, model: str) -> Jury | None:
        """With those members reduced that ask this model; None where none can be."""
        members = tuple(member.reduced(model) or member for member in self.members)
        return replace(self, members=members) if members != self.members else None

    def asking(self, task: Task, secret: str, ids: Mapping[str, UUID]) -> JuryAsking:
        """Begin a task with every member."""
        each = {member.name: member.asking(task, secret, ids) for member in self.members}
        return JuryAsking(self, task, ids[self.name], each)


def _smallest(limits: Iterable[float | None]) -> float | None:
    """The smallest of the limits that there are."""
    return min((limit for limit in limits if limit is not None), default=None)


@dataclass(frozen=True, slots=True)
class JuryAsking:
    """One task of a jury on its way."""

    jury: Jury
    task: Task
    annotator_id: UUID
    members: Mapping[str, Asking]

    def needed(self, replies: Mapping[UUID, Reply]) -> tuple[Request, ...]:
        """What any member still needs; an equal request of two members once."""
        wanted = {r.request_hash: r for each in self.members.values() for r in each.needed(replies)}
        return tuple(wanted.values())

    def judgments(self, replies: Mapping[UUID, Reply]) -> tuple[Judgment, ...]:
        """The jury's label first, then all labels of its members."""
        given = {name: each.judgments(replies) for name, each in self.members.items()}
        votes = {name: own[0].label for name, own in given.items()}
        requests = dict.fromkeys(r for own in given.values() for r in own[0].requests)
        paid = [replies[each].paid_usd for each in requests]
        seconds = max((vote.seconds or 0.0 for vote in votes.values()), default=None)
        label = self._verdict(votes, cost_usd=total(paid), seconds=seconds)
        own = Judgment(label, tuple(requests))
        return (own, *(judgment for each in given.values() for judgment in each))

    def failed(self, status: LabelStatus, reason: str) -> tuple[Judgment, ...]:
        """The jury's label alone: a member that failed is asked again with it."""
        return (Judgment(self._label(status, details={"reason": reason})),)

    def _verdict(self, votes: Mapping[str, Label], **values: Any) -> Label:
        """The sign of the mean score of the members that have a verdict."""
        details: dict[str, Any] = {
            "members": {name: vote.preference or vote.status for name, vote in votes.items()}
        }
        scores = [score for vote in votes.values() if (score := score_of(vote)) is not None]
        if not scores:
            statuses = {vote.status for vote in votes.values()}
            status = statuses.pop() if len(statuses) == 1 else LabelStatus.PARSE_ERROR
            details["reason"] = "no member has a verdict"
            return self._label(status, details=details, **values)
        p_a = math.fsum(scores) / len(scores)
        opinion = {"preference": by_score(p_a), "p_a": p_a}
        return self._label(LabelStatus.OK, details=details, **opinion, **values)

    def _label(self, status: LabelStatus, *, details: dict[str, Any], **values: Any) -> Label:
        return Label(
            self.task.comparison.comparison_id,
            self.annotator_id,
            self.task.shown,
            status,
            criterion=self.jury.criterion,
            repeat=self.task.repeat,
            details=details,
            **values,
        )
