"""Journals into the store: what a run received is committed in batches, exactly once.

The offset up to which a journal is committed is stored in the same transaction as its rows, so a
kill between two commits repeats nothing and loses nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import pyarrow as pa

from data.errors import RunError, StoreError
from data.imports import annotator_table
from data.journal import (
    Journal,
    behind,
    damaged,
    is_live,
    iter_events,
    journals_in,
    read_events,
)
from data.records import Annotator, AnnotatorKind, RunStatus
from data.rows import rows_table
from data.store import StoreLockedError, first_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from data.journal import Event
    from data.records import Label, Reply, Run
    from data.store import Connection, Store

LABEL_COLUMNS = pa.schema(
    [
        ("label_id", pa.string()),
        ("comparison_id", pa.string()),
        ("annotator_id", pa.string()),
        ("run_id", pa.string()),
        ("criterion", pa.string()),
        ("repeat", pa.int16()),
        ("shown", pa.string()),
        ("preference", pa.string()),
        ("p_a", pa.float64()),
        ("strength", pa.float64()),
        ("status", pa.string()),
        ("rationale", pa.string()),
        ("seconds", pa.float64()),
        ("cost_usd", pa.float64()),
        ("sampling_probability", pa.float64()),
        ("guideline_id", pa.string()),
        ("details", pa.string()),
        ("created_at", pa.string()),
    ]
)
REPLY_COLUMNS = pa.schema(
    [
        ("request_hash", pa.string()),
        ("run_id", pa.string()),
        ("text", pa.string()),
        ("served_model", pa.string()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("paid_usd", pa.float64()),
        ("price_version", pa.string()),
        ("seconds", pa.float64()),
        ("logprobs", pa.string()),
        ("fingerprint", pa.string()),
        ("received_at", pa.string()),
    ]
)
BATCH_COLUMNS = pa.schema(
    [
        ("batch_id", pa.string()),
        ("run_id", pa.string()),
        ("tag", pa.string()),
        ("provider", pa.string()),
        ("model", pa.string()),
        ("n_requests", pa.int64()),
        ("status", pa.string()),
        ("at", pa.string()),
    ]
)
UNDONE_COLUMNS = pa.schema([("label_id", pa.string()), ("run_id", pa.string())])
LINK_COLUMNS = pa.schema([("label_id", pa.string()), ("request_hash", pa.string())])
SENT_COLUMNS = pa.schema(
    [("request_hash", pa.string()), ("sent_at", pa.string()), ("most_usd", pa.float64())]
)

_UNFIT = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
_IDS = {"run_id", "request_hash", "label_id", "comparison_id", "annotator_id"}
_MAYBE_IDS = {"guideline_id"}
_TIMES = {"at", "started_at"}
_OF_RUN = ("run_id", "judge", "dataset", "settings", "started_at", "planned", "budget_usd")

OFFSET = "SELECT journal_offset FROM runs WHERE run_id = ?"
OFFSETS = "SELECT run_id, journal_offset, status = 'running' FROM runs"
ADD_RUN = """
INSERT INTO runs BY NAME SELECT $run_id::UUID AS run_id, $annotator_id::UUID AS annotator_id,
    $judge AS judge, $dataset AS dataset, $settings::JSON AS settings, 0 AS done, 0 AS failed,
    0.0 AS spent_usd, $started_at::TIMESTAMP AS started_at, 0 AS journal_offset,
    $budget_usd AS budget_usd
WHERE NOT EXISTS (FROM runs WHERE run_id = $run_id::UUID)
"""
ADD_ANNOTATOR = """
INSERT INTO annotators BY NAME
SELECT * REPLACE (annotator_id::UUID AS annotator_id, definition::JSON AS definition)
FROM arriving_annotator
WHERE annotator_id::UUID NOT IN (SELECT annotator_id FROM annotators)
"""
NEWEST_LABELS = """
CREATE OR REPLACE TEMP TABLE newest_labels AS
SELECT * REPLACE (label_id::UUID AS label_id, comparison_id::UUID AS comparison_id,
                  annotator_id::UUID AS annotator_id, run_id::UUID AS run_id,
                  guideline_id::UUID AS guideline_id, details::JSON AS details,
                  created_at::TIMESTAMP AS created_at)
FROM arriving_labels
QUALIFY row_number() OVER (PARTITION BY label_id ORDER BY created_at DESC) = 1
"""
DROP_SUPERSEDED = """
DELETE FROM labels WHERE status = 'failed' AND label_id IN (SELECT label_id FROM newest_labels)
"""
DROP_UNDONE = """
DELETE FROM labels WHERE (label_id, run_id) IN (
    SELECT (label_id::UUID, run_id::UUID) FROM arriving_undone)
"""
DROP_OLD = "DELETE FROM labels WHERE label_id IN (SELECT label_id FROM newest_labels)"
ADD_LABELS = """
INSERT INTO labels BY NAME FROM newest_labels
WHERE label_id NOT IN (SELECT label_id FROM labels)
"""
ADD_REPLIES = """
INSERT INTO replies BY NAME
SELECT * REPLACE (request_hash::UUID AS request_hash, run_id::UUID AS run_id,
                  received_at::TIMESTAMP AS received_at, logprobs::JSON AS logprobs)
FROM arriving_replies  -- two runs at once may both have bought one: both were paid
WHERE (request_hash::UUID, run_id::UUID) NOT IN (SELECT (request_hash, run_id) FROM replies)
"""
ADD_LINKS = """
INSERT INTO label_replies BY NAME
SELECT DISTINCT label_id::UUID AS label_id, request_hash::UUID AS request_hash
FROM arriving_links
WHERE (label_id::UUID, request_hash::UUID) NOT IN (FROM label_replies)
"""
ADD_BATCHES = """
INSERT INTO batches BY NAME
SELECT any_value(batch_id) AS batch_id, run_id::UUID AS run_id, tag, provider, model, n_requests,
       min("at")::TIMESTAMP AS submitted_at
FROM arriving_batches WHERE tag NOT IN (SELECT tag FROM batches)
GROUP BY run_id, tag, provider, model, n_requests
"""
UPDATE_BATCHES = """
UPDATE batches SET batch_id = coalesce(news.batch_id, batches.batch_id), status = news.status,
    ended_at = CASE WHEN news.status NOT IN ('making', 'running') THEN news."at"::TIMESTAMP END
FROM (SELECT * FROM arriving_batches
      QUALIFY row_number() OVER (PARTITION BY tag ORDER BY "at" DESC) = 1) news
WHERE batches.tag = news.tag
"""
FORGET_POSSIBLY_PAID = "DELETE FROM possibly_paid WHERE run_id = $run_id::UUID"
ADD_POSSIBLY_PAID = """
INSERT INTO possibly_paid BY NAME
SELECT $run_id::UUID AS run_id, request_hash::UUID AS request_hash,
       sent_at::TIMESTAMP AS sent_at, most_usd
FROM arriving_sent
"""
SETTLE_RUN = """
UPDATE runs SET status = 'interrupted' WHERE run_id = $run_id::UUID AND status = 'running'
"""
UPDATE_RUN = """
WITH own_labels AS (  -- those that count: not those of a jury's members or of single criteria
    SELECT labels.status FROM labels JOIN runs USING (run_id, annotator_id)
    WHERE run_id = $run_id::UUID
      AND criterion = coalesce(settings->>'criterion', criterion))
UPDATE runs SET journal_offset = $offset, planned = coalesce($planned, planned),
    budget_usd = coalesce($budget_usd, budget_usd),
    status = $status, ended_at = $ended_at::TIMESTAMP,
    done = (SELECT count(*) FILTER (status <> 'failed') FROM own_labels),
    failed = (SELECT count(*) FILTER (status = 'failed') FROM own_labels),
    spent_usd = (SELECT coalesce(sum(paid_usd), 0) FROM replies WHERE run_id = $run_id::UUID)
WHERE run_id = $run_id::UUID
"""


def run_event(run: Run, annotators: Sequence[Annotator]) -> Event:
    """The journal line that begins or continues a run; the first annotator is the judge's own."""
    return {
        "event": "run",
        "run_id": str(run.run_id),
        "judge": run.judge,
        "dataset": run.dataset,
        "settings": run.settings,
        "planned": run.planned,
        "budget_usd": run.budget_usd,
        "started_at": run.started_at.astimezone(UTC).replace(tzinfo=None).isoformat(),
        "annotators": [
            {
                "kind": annotator.kind.value,
                "name": annotator.name,
                "dataset": annotator.dataset,
                "model": annotator.model,
                "definition": annotator.definition,
            }
            for annotator in annotators
        ],
    }


def sent_event(request_hash: UUID, most_usd: float | None = None) -> Event:
    """The journal line written before a request leaves, with the most that it can cost."""
    return {
        "event": "sent",
        "request_hash": str(request_hash),
        "most_usd": most_usd,
        "at": _now(),
    }


def reply_event(reply: Reply) -> Event:
    """The journal line of what was bought."""
    return {
        "event": "reply",
        "at": _now(),
        "request_hash": str(reply.request_hash),
        "text": reply.text,
        "served_model": reply.served_model,
        "finish_reason": reply.finish_reason,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "paid_usd": reply.paid_usd,
        "price_version": reply.price_version,
        "seconds": reply.seconds,
        "logprobs": None if reply.logprobs is None else json.dumps(reply.logprobs),
        "fingerprint": reply.fingerprint,
    }


def label_event(label: Label, requests: Sequence[UUID] = ()) -> Event:
    """The journal line of a label, read from the replies to these requests."""
    return {
        "event": "label",
        "at": _now(),
        "label_id": str(label.label_id),
        "comparison_id": str(label.comparison_id),
        "annotator_id": str(label.annotator_id),
        "criterion": label.criterion,
        "repeat": label.repeat,
        "shown": label.shown,
        "preference": label.preference,
        "p_a": label.p_a,
        "status": label.status,
        "rationale": label.rationale,
        "seconds": label.seconds,
        "cost_usd": label.cost_usd,
        "details": json.dumps(label.details) if label.details else None,
        "requests": [str(request) for request in requests],
    }


def human_label_event(
    label: Label,
    *,
    strength: int | None,
    sampling_probability: float | None,
    guideline_id: UUID | None,
) -> Event:
    """The journal line of a person's label, with what only people's labels have."""
    return {
        **label_event(label),
        "strength": strength,
        "sampling_probability": sampling_probability,
        "guideline_id": None if guideline_id is None else str(guideline_id),
    }


def undo_event(label_id: UUID) -> Event:
    """The journal line of a person who takes back a label of this run."""
    return {"event": "undo", "label_id": str(label_id), "at": _now()}


def standing_labels(events: Sequence[Event]) -> tuple[list[Event], list[str]]:
    """The labels that were not taken back later, and the ids of all that were taken back."""
    undone = [event["label_id"] for event in events if event["event"] == "undo"]
    if not undone:
        return [event for event in events if event["event"] == "label"], undone
    labels: list[Event] = []
    for event in events:
        if event["event"] == "label":
            labels.append(event)
        elif event["event"] == "undo":
            labels = [label for label in labels if label["label_id"] != event["label_id"]]
    return labels, undone


def batch_event(
    tag: str,
    batch_id: str | None,
    *,
    provider: str,
    model: str,
    api_base: str | None,
    n_requests: int,
    requests: Sequence[str],
    status: str,
) -> Event:
    """The journal line of a batch: `making` with its requests, then `running`, then its end."""
    return {
        "event": "batch",
        "tag": tag,
        "batch_id": batch_id,
        "provider": provider,
        "model": model,
        "api_base": api_base,
        "n_requests": n_requests,
        "requests": list(requests),
        "status": status,
        "at": _now(),
    }


def failed_event(request_hash: UUID) -> Event:
    """The journal line of an attempt that the provider is known not to have charged."""
    return {"event": "failed", "request_hash": str(request_hash), "at": _now()}


def end_event(status: RunStatus) -> Event:
    """The journal line of a run that ended by itself."""
    return {"event": "end", "status": status.value, "at": _now()}


def _now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat()


def commit_journal(store: Store, path: Path, *, final: bool = False) -> int:
    """Commit what a journal holds beyond its stored offset; returns the number of labels.

    What is written meanwhile waits for the next call: a live run would never let this one end.
    `final` says that its run has ended or its process is gone: requests without a reply become
    possibly paid. Raises StoreLockedError where somebody else holds the store; what was committed
    until then stays, the rest comes with the next call. Raises StoreError for a damaged line, once
    what stands before it is committed.
    """
    total, size = 0, path.stat().st_size
    while True:
        offset = _committed(store, path)
        events, end = read_events(path, offset)
        if events:
            total += _commit_sound(store, path, events, offset, end)
        if end >= size or not events:
            break
    if final:
        _settle(store, path)
    return total


def _commit_sound(store: Store, path: Path, events: Sequence[Event], offset: int, end: int) -> int:
    """Commit events; of those that do not fit the store, the ones before the first such."""
    try:
        return _commit_events(store, path.stem, events, offset, end)
    except StoreLockedError:
        raise
    except (*_UNFIT, StoreError) as error:
        n = next((k for k, event in enumerate(events) if not _fits(event)), None)
        if n is None and isinstance(error, StoreError):  # the store's own trouble
            raise
        end = behind(path, offset, n or 0)
        if n:
            _commit_events(store, path.stem, events[:n], offset, end)
        raise damaged(path, end) from error


def _fits(event: Event) -> bool:
    """Whether the store can hold what a line says."""
    try:
        _tables([event], str(UUID(int=0)))
        for name in _IDS & event.keys():
            UUID(event[name])
        for name in _MAYBE_IDS & event.keys():
            UUID(event[name] or str(UUID(int=0)))
        for name in _TIMES & event.keys():
            datetime.fromisoformat(event[name])
        if event["event"] == "run":
            annotators_in(event)
            json.dumps([event[name] for name in _OF_RUN])
        if event["event"] == "end":
            RunStatus(event["status"])
    except _UNFIT:
        return False
    return True


def _commit_events(
    store: Store, run_id: str, events: Sequence[Event], offset: int, end: int
) -> int:
    tables = _tables(events, run_id)  # built before the file is opened: others wait less
    with store.writing() as con:
        if _stored_offset(con, run_id) != offset:
            return 0  # another process took it up in the meantime
        _insert(con, events, tables)
        _update_run(con, run_id, events, end)
    return len(tables["arriving_labels"])


def _settle(store: Store, path: Path) -> None:
    """Write down what may have been paid for without a reply, and that nobody runs it any more.

    A reply that came late (of a batch) takes its request off the list again.
    """
    sent = _unanswered(path)
    rows = [{**event, "sent_at": event["at"]} for event in sent]
    with store.writing() as con:
        con.register("arriving_sent", rows_table(rows, SENT_COLUMNS))
        con.execute(FORGET_POSSIBLY_PAID, {"run_id": path.stem})
        con.execute(ADD_POSSIBLY_PAID, {"run_id": path.stem})
        con.execute(SETTLE_RUN, {"run_id": path.stem})


def replace_labels(store: Store, run_id: str, labels: Sequence[Event]) -> None:
    """Put labels that were read again in the place of the run's old ones, in one transaction."""
    tables = _tables(labels, run_id)
    with store.writing() as con:
        for name, table in tables.items():
            con.register(name, table)
        for sql in (NEWEST_LABELS, DROP_OLD, ADD_LABELS, ADD_LINKS):
            con.execute(sql)


def take_up(
    store: Store, on_trouble: Callable[[StoreError], None] = lambda _: None
) -> list[tuple[Path, int]]:
    """Commit what dead runs left in their journals; returns (journal, labels) of each.

    Does nothing while somebody else holds the store: a later command takes them up. A damaged
    journal is left as it is, up to the damage it is committed, and `on_trouble` is told: it is the
    trouble of its own run only, which cannot be continued.
    """
    try:
        return list(_take_up_each(store, waiting_journals(store), on_trouble))
    except StoreLockedError:
        return []


def _take_up_each(
    store: Store, waiting: Iterable[Path], on_trouble: Callable[[StoreError], None]
) -> Iterator[tuple[Path, int]]:
    for path in waiting:
        try:
            yield path, take_up_one(store, path)
        except StoreLockedError:
            raise
        except StoreError as error:
            on_trouble(error)
            _interrupt(store, path.stem)


def damaged_journals(store: Store) -> list[StoreError]:
    """What is wrong with the journals of dead runs; changes nothing."""
    found = []
    for path, offset in waiting_journals(store).items():
        try:
            _check_from(path, offset)
        except StoreError as error:
            found.append(error)
    return found


def _check_from(path: Path, offset: int) -> None:
    """Raise StoreError for the first line from an offset on that cannot be committed."""
    while True:
        events, end = read_events(path, offset)
        for k, event in enumerate(events):
            if not _fits(event):
                raise damaged(path, behind(path, offset, k))
        if end == offset:
            return
        offset = end


def waiting_journals(store: Store) -> dict[Path, int]:
    """Journals of dead runs that are not in the store to their end, and how much of them is."""
    dead = [path for path in journals_in(store.journals) if not is_live(path)]
    known = _offsets(store) if dead else {}
    states = {path: known.get(path.stem, (0, False)) for path in dead}
    return {p: state[0] for p, state in states.items() if state != (p.stat().st_size, False)}


def take_up_one(store: Store, path: Path) -> int:
    """Commit the rest of a dead run's journal, locked, so that nobody continues it meanwhile."""
    try:
        with Journal(path):
            return commit_journal(store, path, final=True)
    except RunError:
        return 0


def _interrupt(store: Store, run_id: str) -> None:
    """Write down that nobody runs it any more."""
    if _offsets(store).get(run_id, (0, False))[1]:
        with store.writing() as con:
            con.execute(SETTLE_RUN, {"run_id": run_id})


def _offsets(store: Store) -> dict[str, tuple[int, bool]]:
    """Of every run: how much of its journal is committed, and whether it counts as running."""
    with store.reading() as con:
        return {
            str(run_id): (at, running) for run_id, at, running in con.execute(OFFSETS).fetchall()
        }


def _committed(store: Store, path: Path) -> int:
    with store.reading() as con:
        return _stored_offset(con, path.stem)


def _stored_offset(con: Connection, run_id: str) -> int:
    row = first_row(con, OFFSET, [run_id])
    return int(row[0]) if row else 0


def _tables(events: Sequence[Event], run_id: str) -> dict[str, pa.Table]:
    labels, undone = standing_labels(events)
    replies = [event for event in events if event["event"] == "reply"]
    links = [
        {"label_id": label["label_id"], "request_hash": request}
        for label in labels
        for request in label["requests"]
    ]
    return {
        "arriving_labels": rows_table(
            [{**label, "run_id": run_id, "created_at": label["at"]} for label in labels],
            LABEL_COLUMNS,
        ),
        "arriving_replies": rows_table(
            [{**reply, "run_id": run_id, "received_at": reply["at"]} for reply in replies],
            REPLY_COLUMNS,
        ),
        "arriving_undone": rows_table(
            [{"label_id": label_id, "run_id": run_id} for label_id in undone], UNDONE_COLUMNS
        ),
        "arriving_links": rows_table(links, LINK_COLUMNS),
        "arriving_batches": rows_table(
            [{**event, "run_id": run_id} for event in events if event["event"] == "batch"],
            BATCH_COLUMNS,
        ),
    }


def _unanswered(path: Path) -> list[Event]:
    """Requests that left, were not declined, and whose reply never reached the journal."""
    waiting: defaultdict[str, list[Event]] = defaultdict(list)
    for event in iter_events(path):
        if event["event"] == "sent":
            waiting[event["request_hash"]].append(event)
        elif event["event"] in ("failed", "reply") and waiting[event["request_hash"]]:
            waiting[event["request_hash"]].pop()
    return [event for events in waiting.values() for event in events]


def _insert(con: Connection, events: Sequence[Event], tables: dict[str, pa.Table]) -> None:
    for event in events:
        if event["event"] == "run":
            _add_run(con, event)
    for name, table in tables.items():
        con.register(name, table)
    if len(tables["arriving_undone"]):
        con.execute(DROP_UNDONE)
    for sql in (
        NEWEST_LABELS,
        DROP_SUPERSEDED,
        ADD_LABELS,
        ADD_REPLIES,
        ADD_LINKS,
        ADD_BATCHES,
        UPDATE_BATCHES,
    ):
        con.execute(sql)


def annotators_in(event: Event) -> tuple[Annotator, ...]:
    """The annotators of a `run` line, the judge's own first."""
    return tuple(
        Annotator(
            kind=AnnotatorKind(each["kind"]),
            name=each["name"],
            dataset=each.get("dataset"),
            model=each["model"],
            definition=each["definition"],
        )
        for each in event["annotators"]
    )


def _add_run(con: Connection, event: Event) -> None:
    annotators = annotators_in(event)
    con.register("arriving_annotator", annotator_table(annotators))
    con.execute(ADD_ANNOTATOR)
    con.execute(
        ADD_RUN,
        {
            "run_id": event["run_id"],
            "annotator_id": str(annotators[0].annotator_id),
            "judge": event["judge"],
            "dataset": event["dataset"],
            "settings": json.dumps(event["settings"], sort_keys=True),
            "started_at": event["started_at"],
            "budget_usd": event["budget_usd"],
        },
    )


def _update_run(con: Connection, run_id: str, events: Sequence[Event], end: int) -> None:
    begun = [event for event in events if event["event"] == "run"]
    ended = [event for event in events if event["event"] in ("end", "run")]
    over = ended[-1] if ended and ended[-1]["event"] == "end" else None
    con.execute(
        UPDATE_RUN,
        {
            "run_id": run_id,
            "offset": end,
            "planned": begun[-1]["planned"] if begun else None,
            "budget_usd": begun[-1]["budget_usd"] if begun else None,
            "status": over["status"] if over else RunStatus.RUNNING.value,
            "ended_at": over["at"] if over else None,
        },
    )
