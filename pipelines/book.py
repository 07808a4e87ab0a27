"""A run's book: what it sent, received and said goes through here into the journal.

Nothing else of a run writes. The journal is committed by a process of its own while the run goes
on, and by this one at the end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from data.committer import Committer
from data.journal import Journal
from data.ledger import (
    commit_journal,
    end_event,
    failed_event,
    label_event,
    reply_event,
    run_event,
    sent_event,
)
from data.records import LabelStatus, RunStatus
from data.store import StoreLockedError
from judges.judge import serves_another

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from uuid import UUID

    from data.journal import Event
    from data.records import Annotator, Reply, Run
    from data.store import Store
    from judges.task import Judgment


@dataclass(slots=True)
class Progress:
    """Where a run stands; `done` counts labels of this session, `before` those found done.

    `used_usd` is all that the run has spent or may have spent, with its earlier sessions.
    """

    planned: int
    before: int
    done: int = 0
    failed: int = 0
    reused: int = 0
    without_verdict: int = 0
    spent_usd: float = 0.0
    used_usd: float = 0.0
    budget_usd: float | None = None
    price_known: bool = True
    stopping: bool = False
    store_locked: bool = False
    waiting: str | None = None
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def per_second(self) -> float:
        """Labels per second of this session."""
        return (self.done + self.failed) / max(1e-9, time.monotonic() - self.started)


class Book:
    """Open while a session of a run goes on; closing it commits what is left.

    Raises RunError where another process is writing this run.
    """

    def __init__(
        self, store: Store, run: Run, annotators: Sequence[Annotator], progress: Progress
    ) -> None:
        self.store, self.run, self.progress = store, run, progress
        self.status = RunStatus.STOPPED
        self.pending = False
        self.failed_in_a_row = 0
        self.last_failure: str | None = None
        self.path = store.journals / f"{run.run_id}.jsonl"
        self.committer = Committer(store, self.path)
        self._own = annotators[0].annotator_id
        self._annotators = annotators
        self._received: list[Event] = []
        self._fingerprints: set[str] = set()
        self._served: set[str] = set()

    def __enter__(self) -> Self:
        self.journal = Journal(self.path)
        self.write(run_event(self.run, self._annotators))
        self.journal.sync()
        self.commit()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self.journal:
            self.write(end_event(self.status))
            self.journal.sync()
            self.committer.__exit__(kind, error, trace)
            self.pending = not self.commit(final=True)

    def write(self, *events: Event) -> None:
        """Put events into the journal as they are, behind what was received."""
        received, self._received = self._received, []
        self.journal.write(*received, *events)

    def sent(self, request_hash: UUID, most_usd: float | None) -> None:
        """A request is about to leave."""
        self.write(sent_event(request_hash, most_usd))

    def declined(self, request_hash: UUID) -> None:
        """An attempt that the provider is known not to have charged."""
        self.write(failed_event(request_hash))

    def received(self, model: str, reply: Reply, *, alone: bool) -> None:
        """A reply that was bought.

        Where it makes its label `alone`, it is written together with that, before anything is
        awaited: every write lets LiteLLM's threads in.
        """
        self._received.append(reply_event(reply))
        if not alone:
            self.write()
        progress = self.progress
        progress.spent_usd += reply.paid_usd or 0.0
        progress.price_known &= reply.paid_usd is not None
        self._notice(model, reply)

    def keep(self, judgments: Sequence[Judgment], *, reused: bool = False) -> None:
        """The labels of a task; `reused`: nothing was bought for them."""
        self.write(*(label_event(each.label, each.requests) for each in judgments))
        counted = [
            each.label
            for each in judgments
            if each.label.annotator_id == self._own
            and each.label.criterion == judgments[0].label.criterion
        ]
        failed = [label for label in counted if label.status is LabelStatus.FAILED]
        self.progress.failed += len(failed)
        self.progress.done += len(counted) - len(failed)
        empty = [label for label in counted if label.preference is None]
        self.progress.without_verdict += len(empty) - len(failed)
        self.progress.reused += len(counted) if reused else 0
        self.failed_in_a_row = self.failed_in_a_row + 1 if failed else 0
        if failed:
            self.last_failure = str(failed[0].details.get("reason"))

    def _notice(self, model: str, reply: Reply) -> None:
        """Say once when another model serves, or when the provider's configuration changes."""
        served = reply.served_model
        if served is not None and served not in self._served and serves_another(model, reply):
            self._served.add(served)
            self.progress.notes.append(f"asked for {model}, the provider serves {served}")
        mark = reply.fingerprint
        if mark is not None and mark not in self._fingerprints:
            self._fingerprints.add(mark)
            if len(self._fingerprints) > 1:
                self.progress.notes.append(f"the provider's configuration changed to {mark}")

    def commit(self, *, final: bool = False) -> bool:
        """Commit the journal in this process; False where somebody else holds the store."""
        try:
            commit_journal(self.store, self.path, final=final)
        except StoreLockedError:
            return False
        return True
