"""Journals into the store: what a run received is committed in batches, exactly once.

The offset up to which a journal is committed is stored in the same transaction as its rows, so a
kill between two commits repeats nothing and loses nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from data.errors import RunError, StoreError
from data.imports import annotator_table
from data.journal import Journal, damaged, is_live, iter_events, journals_in, read_events
from data.records import Annotator, AnnotatorKind, RunStatus
from data.store import StoreLockedError, first_row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from uuid import UUID

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
        ("status", pa.string()),
        ("rationale", pa.string()),
        ("seconds", pa.float64()),
        ("cost_usd", pa.float64()),
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
        ("received_at", pa.string()),
    ]
)
LINK_COLUMNS = pa.schema([("label_id", pa.string()), ("request_hash", pa.string())])
SENT_COLUMNS = pa.schema([("request_hash", pa.string()), ("sent_at", pa.string())])

OFFSET = "SELECT journal_offset FROM runs WHERE run_id = ?"
OFFSETS = "SELECT run_id, journal_offset, status = 'running' FROM runs"
ADD_RUN = """
INSERT INTO runs BY NAME SELECT $run_id::UUID AS run_id, $annotator_id::UUID AS annotator_id,
    $judge AS judge, $dataset AS dataset, $settings::JSON AS settings, 0 AS done, 0 AS failed,
    0.0 AS spent_usd, $started_at::TIMESTAMP AS started_at, 0 AS journal_offset
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
                  details::JSON AS details, created_at::TIMESTAMP AS created_at)
FROM arriving_labels
QUALIFY row_number() OVER (PARTITION BY label_id ORDER BY created_at DESC) = 1
"""
DROP_SUPERSEDED = """
DELETE FROM labels WHERE status = 'failed' AND label_id IN (SELECT label_id FROM newest_labels)
"""
ADD_LABELS = """
INSERT INTO labels BY NAME FROM newest_labels
WHERE label_id NOT IN (SELECT label_id FROM labels)
"""
ADD_REPLIES = """
INSERT INTO replies BY NAME
SELECT * REPLACE (request_hash::UUID AS request_hash, run_id::UUID AS run_id,
                  received_at::TIMESTAMP AS received_at)
FROM arriving_replies
WHERE request_hash::UUID NOT IN (SELECT request_hash FROM replies)
"""
ADD_LINKS = """
INSERT INTO label_replies BY NAME
SELECT DISTINCT label_id::UUID AS label_id, request_hash::UUID AS request_hash
FROM arriving_links
WHERE (label_id::UUID, request_hash::UUID) NOT IN (FROM label_replies)
"""
ADD_POSSIBLY_PAID = """
INSERT INTO possibly_paid
SELECT $run_id::UUID, request_hash::UUID, sent_at::TIMESTAMP FROM arriving_sent
ANTI JOIN (FROM possibly_paid WHERE run_id = $run_id::UUID) known
    ON known.request_hash = arriving_sent.request_hash::UUID
   AND known.sent_at = arriving_sent.sent_at::TIMESTAMP
"""
SETTLE_RUN = """
UPDATE runs SET status = 'interrupted' WHERE run_id = $run_id::UUID AND status = 'running'
"""
UPDATE_RUN = """
UPDATE runs SET journal_offset = $offset, planned = coalesce($planned, planned),
    status = $status, ended_at = $ended_at::TIMESTAMP,
    done = (SELECT count(*) FROM labels WHERE run_id = $run_id::UUID AND status <> 'failed'),
    failed = (SELECT count(*) FROM labels WHERE run_id = $run_id::UUID AND status = 'failed'),
    spent_usd = (SELECT coalesce(sum(paid_usd), 0) FROM replies WHERE run_id = $run_id::UUID)
WHERE run_id = $run_id::UUID
"""


def run_event(run: Run, annotator: Annotator) -> Event:
    """The journal line that begins or continues a run."""
    return {
        "event": "run",
        "run_id": str(run.run_id),
        "judge": run.judge,
        "dataset": run.dataset,
        "settings": run.settings,
        "planned": run.planned,
        "started_at": run.started_at.astimezone(UTC).replace(tzinfo=None).isoformat(),
        "annotator": {
            "kind": annotator.kind.value,
            "name": annotator.name,
            "model": annotator.model,
            "definition": annotator.definition,
        },
    }


def sent_event(request_hash: UUID) -> Event:
    """The journal line written before a request leaves."""
    return {"event": "sent", "request_hash": str(request_hash), "at": _now()}


def label_event(label: Label, reply: Reply | None, *, bought: bool) -> Event:
    """The journal line of a label; `bought` says that its reply was paid for in this run."""
    event: Event = {
        "event": "label",
        "at": _now(),
        "label": {
            "label_id": str(label.label_id),
            "comparison_id": str(label.comparison_id),
            "annotator_id": str(label.annotator_id),
            "criterion": label.criterion,
            "repeat": label.repeat,
            "shown": label.shown,
            "preference": label.preference,
            "status": label.status,
            "rationale": label.rationale,
            "seconds": label.seconds,
            "cost_usd": label.cost_usd,
            "details": json.dumps(label.details) if label.details else None,
        },
    }
    if reply is not None:
        event["request_hash"] = str(reply.request_hash)
    if reply is not None and bought:
        event["reply"] = {
            "text": reply.text,
            "served_model": reply.served_model,
            "finish_reason": reply.finish_reason,
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
            "paid_usd": reply.paid_usd,
            "price_version": reply.price_version,
            "seconds": reply.seconds,
        }
    return event


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

    `final` says that its run has ended or its process is gone: requests without a reply become
    possibly paid. Raises StoreLockedError where somebody else holds the store; what was committed
    until then stays, the rest comes with the next call.
    """
    total = 0
    while True:
        offset = _committed(store, path)
        events, end = read_events(path, offset)
        if events:
            total += _commit_events(store, path.stem, events, offset, end)
        if end >= path.stat().st_size or not events:
            break
    if final:
        _settle(store, path)
    return total


def _commit_events(
    store: Store, run_id: str, events: Sequence[Event], offset: int, end: int
) -> int:
    try:
        tables = _tables(events, run_id)  # built before the file is opened: others wait less
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise damaged(store.journals / f"{run_id}.jsonl") from error
    with store.writing() as con:
        if _stored_offset(con, run_id) != offset:
            return 0  # another process took it up in the meantime
        _insert(con, events, tables)
        _update_run(con, run_id, events, end)
    return len(tables["arriving_labels"])


def _settle(store: Store, path: Path) -> None:
    """Write down what may have been paid for without a reply, and that nobody runs it any more."""
    sent = _unanswered(path)
    rows = [{"request_hash": e["request_hash"], "sent_at": e["at"]} for e in sent]
    with store.writing() as con:
        con.register("arriving_sent", _table(rows, SENT_COLUMNS))
        con.execute(ADD_POSSIBLY_PAID, {"run_id": path.stem})
        con.execute(SETTLE_RUN, {"run_id": path.stem})


def take_up(store: Store) -> list[tuple[Path, int]]:
    """Commit what dead runs left in their journals; returns (journal, labels) of each.

    Does nothing while somebody else holds the store: a later command takes them up. Raises
    StoreError for a damaged journal, after all the others were taken up.
    """
    dead = [path for path in journals_in(store.journals) if not is_live(path)]
    if not dead:
        return []
    try:
        known = _offsets(store)
        waiting = [p for p in dead if known.get(p.stem, (0, False)) != (p.stat().st_size, False)]
        return _take_up_each(store, waiting)
    except StoreLockedError:
        return []


def _take_up_each(store: Store, waiting: Sequence[Path]) -> list[tuple[Path, int]]:
    taken, trouble = [], []
    for path in waiting:
        try:
            taken.append((path, _take_up_one(store, path)))
        except StoreLockedError:
            raise
        except StoreError as error:
            trouble.append(error)
    if trouble:
        raise trouble[0]
    return taken


def _take_up_one(store: Store, path: Path) -> int:
    """With the journal locked, so that nobody continues its run meanwhile."""
    try:
        with Journal(path):
            return commit_journal(store, path, final=True)
    except RunError:
        return 0


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
    labels = [event for event in events if event["event"] == "label"]
    replies = [event for event in labels if "reply" in event]
    return {
        "arriving_labels": _table(
            [{**e["label"], "run_id": run_id, "created_at": e["at"]} for e in labels],
            LABEL_COLUMNS,
        ),
        "arriving_replies": _table(
            [
                {
                    **e["reply"],
                    "request_hash": e["request_hash"],
                    "run_id": run_id,
                    "received_at": e["at"],
                }
                for e in replies
            ],
            REPLY_COLUMNS,
        ),
        "arriving_links": _table(
            [
                {"label_id": e["label"]["label_id"], "request_hash": e["request_hash"]}
                for e in labels
                if "request_hash" in e
            ],
            LINK_COLUMNS,
        ),
    }


def _table(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.table({name: [row.get(name) for row in rows] for name in schema.names}, schema=schema)


def _unanswered(path: Path) -> list[Event]:
    """Requests that left, were not declined, and whose reply never reached the journal."""
    waiting: defaultdict[str, list[Event]] = defaultdict(list)
    for event in iter_events(path):
        if event["event"] == "sent":
            waiting[event["request_hash"]].append(event)
        elif (event["event"] == "failed" or "reply" in event) and waiting[event["request_hash"]]:
            waiting[event["request_hash"]].pop()
    return [event for events in waiting.values() for event in events]


def _insert(con: Connection, events: Sequence[Event], tables: dict[str, pa.Table]) -> None:
    for event in events:
        if event["event"] == "run":
            _add_run(con, event)
    for name, table in tables.items():
        con.register(name, table)
    for sql in (NEWEST_LABELS, DROP_SUPERSEDED, ADD_LABELS, ADD_REPLIES, ADD_LINKS):
        con.execute(sql)


def _add_run(con: Connection, event: Event) -> None:
    annotator = Annotator(
        kind=AnnotatorKind(event["annotator"]["kind"]),
        name=event["annotator"]["name"],
        model=event["annotator"]["model"],
        definition=event["annotator"]["definition"],
    )
    con.register("arriving_annotator", annotator_table((annotator,)))
    con.execute(ADD_ANNOTATOR)
    con.execute(
        ADD_RUN,
        {
            "run_id": event["run_id"],
            "annotator_id": str(annotator.annotator_id),
            "judge": event["judge"],
            "dataset": event["dataset"],
            "settings": json.dumps(event["settings"], sort_keys=True),
            "started_at": event["started_at"],
        },
    )


def _update_run(con: Connection, run_id: str, events: Sequence[Event], end: int) -> None:
    planned = [event["planned"] for event in events if event["event"] == "run"]
    ended = [event for event in events if event["event"] in ("end", "run")]
    over = ended[-1] if ended and ended[-1]["event"] == "end" else None
    con.execute(
        UPDATE_RUN,
        {
            "run_id": run_id,
            "offset": end,
            "planned": planned[-1] if planned else None,
            "status": over["status"] if over else RunStatus.RUNNING.value,
            "ended_at": over["at"] if over else None,
        },
    )
