"""A labelling run: judge x comparisons x orders, through the journal into the store.

Every reply is in the journal before anything else happens. The same command continues a run that
ended early, a reply that the store holds is never bought again, and a second process with the same
judge and data set watches the first.
"""

from __future__ import annotations

import fcntl
import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from data import queries
from data.errors import InputError, RunError
from data.ledger import commit_journal, take_up
from data.records import Run, RunStatus, make_id
from judges.pricing import tariffs
from pipelines.batches import Batches
from pipelines.book import Book, Progress
from pipelines.live import Live
from pipelines.tasks import LabelOptions, Todo, annotators_of, count_labels, ids_of
from pipelines.watch import follow_lock, journal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from data.records import Annotator
    from data.store import Store
    from judges.batch import BatchClient
    from judges.client import Client
    from judges.task import AnyJudge

__all__ = ["LabelOptions", "Labelled", "Progress", "label"]


@dataclass(frozen=True, slots=True)
class Batching:
    """Batch clients by (model, address), and how often a batch is looked at."""

    clients: Mapping[tuple[str, str | None], BatchClient]
    poll_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Labelled:
    """How a run ended; `watched`: another process did the work."""

    run_id: UUID | None
    annotator: str
    dataset: str
    planned: int
    before: int
    done: int
    failed: int
    reused: int
    without_verdict: int
    spent_usd: float | None
    used_usd: float
    budget_usd: float | None
    seconds: float
    status: RunStatus
    without_texts: int
    journal_pending: bool
    watched: bool = False
    notes: tuple[str, ...] = ()
    last_failure: str | None = None


def label(
    store: Store,
    judge: AnyJudge,
    client: Client | None,
    options: LabelOptions,
    report: Callable[[Progress], None] = lambda _: None,
    batching: Batching | None = None,
) -> Labelled:
    """Run a judge over a data set; returns when every label is in, or on the first interrupt.

    `client` is None where no model is asked, `batching` sends requests through batch APIs instead.
    `report` is called about four times a second. Where the same run is going on in another process,
    it is watched until it ends, and continued if it was killed. Raises InputError where there is
    nothing that can be labelled, PriceError where a budget cannot be kept, ProviderError where no
    call can succeed; what was received is kept.
    """
    take_up(store)
    while True:
        todo = count_labels(store, judge, options)
        if todo.planned == 0:
            raise InputError(
                f"{options.dataset!r} has no comparison with both responses' texts",
                "A judge reads the texts: import a file that has response_a and response_b.",
            )
        if todo.done >= todo.planned:
            return _result(todo, Progress(todo.planned, todo.done), None, RunStatus.COMPLETE)
        with store.reading() as con:
            annotators = annotators_of(con, judge)
        with _exclusive(store, annotators[0], options.dataset) as lock:
            if lock is not None:
                sender = client if batching is None else batching
                return _session(store, judge, sender, options, annotators, todo, report, lock)
        ended = _watch(store, judge, annotators[0], options, todo, report)
        if ended is not None:
            return ended
        take_up(store)


def _session(
    store: Store,
    judge: AnyJudge,
    sender: Client | Batching | None,
    options: LabelOptions,
    annotators: Sequence[Annotator],
    todo: Todo,
    report: Callable[[Progress], None],
    lock: Any,
) -> Labelled:
    """The part of a run that this process does."""
    if not isinstance(sender, Batching):
        _refuse_open_batches(store, annotators[0], options.dataset)
    rates = {} if sender is None else tariffs(judge)
    _refuse_damaged(store, _lock_path(store, annotators[0], options.dataset))
    run, used = _open_run(store, annotators[0], judge, options, todo.planned)
    if run.budget_usd is not None:
        for (model, _), tariff in rates.items():
            tariff.check_limit(model)
    _note_run(lock, run)
    progress = Progress(todo.planned, todo.done, used_usd=used, budget_usd=run.budget_usd)
    book = Book(store, run, annotators, progress)
    with book:
        ids = ids_of(judge, annotators)
        if isinstance(sender, Batching):
            clients, poll = sender.clients, sender.poll_seconds
            batches = Batches(book, judge, clients, options, ids, rates, report, poll)
            book.status = batches.run()
        else:
            book.status = Live(book, judge, sender, options, ids, rates, report).run()
    report(progress)
    return _result(todo, progress, book, book.status)


def _refuse_damaged(store: Store, lock: Path) -> None:
    """What a damaged journal of this judge and data set holds might be bought a second time.

    Where its first line is damaged the store does not know the run: the lock names it.
    """
    path = journal_of(store, lock)
    if path is not None and path.exists():
        commit_journal(store, path)


def _refuse_open_batches(store: Store, annotator: Annotator, dataset: str) -> None:
    """What is on its way in a batch must not be bought a second time."""
    with store.reading() as con:
        found = queries.rows(
            con, queries.OPEN_BATCHES, annotator_id=str(annotator.annotator_id), dataset=dataset
        )
    if found:
        raise RunError(
            f"batches of {annotator.name} on {dataset!r} are at the provider: "
            + ", ".join(str(batch_id) for (batch_id,) in found),
            "Collect them first: give the same command with --batch.",
        )


@contextmanager
def _exclusive(store: Store, annotator: Annotator, dataset: str) -> Iterator[Any]:
    """One process at a time runs a judge on a data set; None where another one does."""
    store.journals.mkdir(exist_ok=True)
    with _lock_path(store, annotator, dataset).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
        else:
            yield file


def _lock_path(store: Store, annotator: Annotator, dataset: str) -> Any:
    return store.journals / f"{make_id(annotator.annotator_id, dataset)}.lock"


def _note_run(lock: Any, run: Run) -> None:
    """Write down which run holds the lock, for those who watch."""
    lock.truncate(0)
    lock.write(json.dumps({"run_id": str(run.run_id)}))
    lock.flush()


def _open_run(
    store: Store,
    annotator: Annotator,
    judge: AnyJudge,
    options: LabelOptions,
    planned: int,
) -> tuple[Run, float]:
    """The unfinished run with the same settings or a new one, and what it has used so far.

    A run keeps its cap when it is continued without one.
    """
    run = Run(
        uuid4(),
        annotator.annotator_id,
        annotator.name,
        options.dataset,
        _settings(judge, options),
        planned,
        datetime.now(UTC),
        options.budget_usd,
    )
    found = _unfinished(store, run)
    if found is None:
        return run, 0.0
    path = store.journals / f"{found['run_id']}.jsonl"
    if path.exists():
        commit_journal(store, path, final=True)  # what may have been paid counts against the cap
        found = _unfinished(store, run) or found
    budget = found["budget_usd"] if options.budget_usd is None else options.budget_usd
    started = found["started_at"].replace(tzinfo=UTC)
    run_id = UUID(found["run_id"])
    return replace(run, run_id=run_id, started_at=started, budget_usd=budget), found["used_usd"]


def _settings(judge: AnyJudge, options: LabelOptions) -> dict[str, Any]:
    """What makes two commands the same run."""
    return {
        "limit": options.limit,
        "orders": judge.orders.value,
        "criterion": judge.criterion,
        "repeats": options.repeats,
    }


def _unfinished(store: Store, run: Run) -> dict[str, Any] | None:
    with store.reading() as con:
        found = queries.records(
            con,
            queries.OPEN_RUN,
            annotator_id=str(run.annotator_id),
            dataset=run.dataset,
            settings=queries.settings_json(run.settings),
        )
    return found[0] if found else None


def _watch(
    store: Store,
    judge: AnyJudge,
    annotator: Annotator,
    options: LabelOptions,
    todo: Todo,
    report: Callable[[Progress], None],
) -> Labelled | None:
    """Watch the process that does the work; None where it was killed, or did something else."""
    progress = Progress(todo.planned, todo.done)
    tail = follow_lock(store, _lock_path(store, annotator, options.dataset), progress, report)
    if tail.ended is None or tail.settings != _settings(judge, options):
        return None
    return _result(todo, progress, None, tail.ended, watched=True)


def _result(
    todo: Todo, progress: Progress, book: Book | None, status: RunStatus, *, watched: bool = False
) -> Labelled:
    return Labelled(
        run_id=None if book is None else book.run.run_id,
        annotator=todo.annotator,
        dataset=todo.dataset,
        planned=progress.planned,
        before=progress.before,
        done=progress.done,
        failed=progress.failed,
        reused=progress.reused,
        without_verdict=progress.without_verdict,
        spent_usd=progress.spent_usd if progress.price_known else None,
        used_usd=progress.used_usd,
        budget_usd=progress.budget_usd,
        seconds=time.monotonic() - progress.started,
        status=status,
        without_texts=todo.without_texts,
        journal_pending=book is not None and book.pending,
        watched=watched,
        notes=tuple(progress.notes),
        last_failure=None if book is None else book.last_failure,
    )
