"""What people have to label, and what they have labelled: the store, and what waits in journals.

A person's label counts from the moment it is in a journal, also while somebody else holds the
store or before it is committed. Nothing here writes.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from data import queries
from data.errors import InputError, StoreError
from data.guidelines import in_force
from data.journal import journals_in, read_events
from data.ledger import OFFSETS, annotators_in, standing_labels
from data.records import Annotator, AnnotatorKind
from data.rows import rows_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

    from data.guidelines import Guideline
    from data.journal import Event
    from data.store import Connection, Store


class Queue(StrEnum):
    """Which comparisons a person is given; none that this person has done, but for `retest`.

    unlabelled: no human has a usable label; what nobody has skipped comes first. routed, audit:
    assigned, and labelled by too few humans. second: exactly one human has a usable label. retest:
    this person has one label, long ago; the new one is a repeat.
    """

    UNLABELLED = "unlabelled"
    ROUTED = "routed"
    AUDIT = "audit"
    SECOND = "second"
    RETEST = "retest"


@dataclass(frozen=True, slots=True)
class QueueRules:
    """`humans`: how many are enough for what is assigned. A label can be asked for again after
    `retest_hours`, or after `retest_labels` other comparisons, whichever comes first.
    """

    humans: int = 1
    retest_hours: float = 24.0
    retest_labels: int = 200


RULES = QueueRules()


class Waiting(NamedTuple):
    """A comparison of a queue with its texts; `probability`: of being assigned, None: unknown."""

    comparison_id: str
    repeat: int
    probability: float | None
    policy: str | None
    prompt: str | None
    response_a: str
    response_b: str
    reference: str | None


class Page(NamedTuple):
    """The beginning of a queue, how many it holds, and the guideline in force."""

    waiting: list[Waiting]
    left: int
    guideline: Guideline | None


@dataclass(frozen=True, slots=True)
class Own:
    """A person's label as history shows it; `saved`: it is in the store already. Times are UTC."""

    comparison_id: str
    prompt: str | None
    status: str
    preference: str | None
    shown: str | None
    repeat: int
    strength: float | None
    rationale: str | None
    seconds: float | None
    created_at: datetime
    saved: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a person is; `left`: in the queue. `median_seconds` None: nothing was measured."""

    today: int
    labelled: int
    skipped: int
    left: int
    median_seconds: float | None


@dataclass(frozen=True, slots=True)
class Person:
    """A human of a data set; `labelled_here`: by a run of their own, not only by an import."""

    name: str
    anonymous: bool
    labelled_here: bool


PENDING_COLUMNS = pa.schema(
    [
        ("label_id", pa.string()),
        ("comparison_id", pa.string()),
        ("annotator_id", pa.string()),
        ("criterion", pa.string()),
        ("repeat", pa.int16()),
        ("shown", pa.string()),
        ("preference", pa.string()),
        ("strength", pa.float64()),
        ("status", pa.string()),
        ("rationale", pa.string()),
        ("seconds", pa.float64()),
        ("sampling_probability", pa.float64()),
        ("at", pa.string()),
    ]
)
UNDONE_COLUMNS = pa.schema([("label_id", pa.string())])

_COLUMNS = """
comparison_id, annotator_id, repeat, shown, preference, strength, status, rationale, seconds,
sampling_probability, created_at"""
ROWS = f"""
WITH stored AS (
    SELECT label_id, {_COLUMNS}
    FROM labels JOIN annotators USING (annotator_id)
    WHERE kind = 'human' AND criterion = $criterion
      AND comparison_id IN (SELECT comparison_id FROM comparisons WHERE dataset = $dataset)
      AND label_id NOT IN (SELECT label_id::UUID FROM undone)),
waiting AS (
    SELECT * REPLACE (label_id::UUID AS label_id, comparison_id::UUID AS comparison_id,
                      annotator_id::UUID AS annotator_id, "at"::TIMESTAMP AS created_at)
    FROM (SELECT *, "at" AS created_at FROM pending)
    WHERE criterion = $criterion),
given AS (
    SELECT {_COLUMNS}, true AS saved FROM stored
    UNION ALL
    SELECT {_COLUMNS}, false AS saved FROM waiting ANTI JOIN stored USING (label_id)
    WHERE comparison_id IN (SELECT comparison_id FROM comparisons WHERE dataset = $dataset))
"""
STATE = f"""{ROWS},
own AS (
    SELECT comparison_id, count(*) AS n, bool_and(status = 'ok') AS usable,
           max(repeat) AS last_repeat, max(created_at) AS last_at,
           rank() OVER (ORDER BY max(created_at) DESC) - 1 AS since
    FROM given WHERE annotator_id = $person::UUID GROUP BY comparison_id),
humans AS (
    SELECT comparison_id,
           count(DISTINCT annotator_id) FILTER (status = 'ok') AS humans,
           count(DISTINCT annotator_id) FILTER (
               status = 'ok' AND sampling_probability IS NOT NULL) AS audited,
           count(DISTINCT annotator_id) FILTER (status <> 'ok') AS without
    FROM given GROUP BY comparison_id),
assigned AS (
    SELECT comparison_id, arg_max(sampling_probability, assigned_at) AS probability,
           arg_max(policy, assigned_at) AS policy
    FROM assignments WHERE dataset = $dataset AND queue = $queue GROUP BY comparison_id),
state AS (
    SELECT comparisons.comparison_id, coalesce(last_repeat + 1, 0) AS repeat,
           probability, policy, assigned.comparison_id IS NOT NULL AS assigned,
           coalesce(humans, 0) AS humans, coalesce(audited, 0) AS audited,
           coalesce(without, 0) AS without, coalesce(n, 0) AS mine,
           coalesce(usable, false) AS usable, last_at, coalesce(since, 0) AS since,
           md5(comparisons.comparison_id::VARCHAR || $seed) AS place
    FROM comparisons LEFT JOIN own USING (comparison_id) LEFT JOIN humans USING (comparison_id)
    LEFT JOIN assigned USING (comparison_id)
    WHERE dataset = $dataset AND response_a IS NOT NULL AND response_b IS NOT NULL),
queue AS (
    SELECT *, row_number() OVER (ORDER BY CASE $queue
        WHEN 'unlabelled' THEN without WHEN 'routed' THEN humans WHEN 'audit' THEN audited
        ELSE 0 END, place) AS number
    FROM state WHERE CASE $queue
        WHEN 'unlabelled' THEN mine = 0 AND humans = 0
        WHEN 'routed' THEN mine = 0 AND assigned AND humans < $humans
        WHEN 'audit' THEN mine = 0 AND assigned AND audited < $humans
        WHEN 'second' THEN mine = 0 AND humans = 1
        ELSE mine = 1 AND usable AND (last_at <= $before OR since >= $labels) END)
"""
IDS = f"""{STATE}
SELECT comparison_id::VARCHAR FROM queue ORDER BY number LIMIT $size
"""
COUNT = f"{STATE} SELECT count(*) FROM queue"
PAGE = f"""{STATE}
SELECT comparison_id::VARCHAR, queue.repeat, probability, policy, prompt, response_a, response_b,
       reference, total
FROM (SELECT *, count(*) OVER () AS total FROM queue) queue JOIN comparisons USING (comparison_id)
WHERE $only IS NULL OR comparison_id = try_cast($only AS UUID)
ORDER BY number LIMIT $size
"""
STANDING = f"""{ROWS}
SELECT count(*) FILTER (created_at >= $since AND status = 'ok'), count(*) FILTER (status = 'ok'),
       count(*) FILTER (status = 'skipped'), median(seconds) FILTER (status = 'ok')
FROM given WHERE annotator_id = $person::UUID
"""
OWN = f"""{ROWS}
SELECT comparison_id::VARCHAR, prompt, status, preference, shown, repeat, strength, rationale,
       seconds, created_at, saved
FROM given JOIN comparisons USING (comparison_id) WHERE annotator_id = $person::UUID
ORDER BY created_at DESC, repeat DESC, comparison_id LIMIT $size
"""
DONE = f"""{ROWS}
SELECT count(*) FROM given
WHERE annotator_id = $person::UUID AND comparison_id = try_cast($comparison_id AS UUID)
"""
TEXTS = f"""
SELECT comparison_id::VARCHAR, 0, NULL, NULL, prompt, response_a, response_b, reference
{queries.WITH_TEXTS} AND comparison_id = try_cast($comparison_id AS UUID)
"""
OTHERS = """
SELECT name AS annotator, kind, repeat, shown, preference, p_a, strength, status, rationale
FROM labels JOIN annotators USING (annotator_id)
WHERE comparison_id = $comparison_id::UUID AND criterion = $criterion
    AND annotator_id <> $person::UUID
ORDER BY kind, name, shown, repeat
"""
PEOPLE = """
SELECT name, coalesce(anonymous, false),
       annotator_id IN (SELECT annotator_id FROM runs) AS labelled_here
FROM annotators WHERE kind = 'human' AND dataset = $dataset ORDER BY name
"""

FIRST_QUEUE = """
SELECT coalesce(
    (SELECT 'unlabelled' FROM comparisons c
     WHERE dataset = $dataset AND NOT EXISTS (
         FROM labels l JOIN annotators a USING (annotator_id)
         WHERE l.comparison_id = c.comparison_id AND a.kind = 'human' AND criterion = $criterion)
     LIMIT 1),
    (SELECT max(queue) FROM assignments WHERE dataset = $dataset),
    'unlabelled')
"""


def first_queue(con: Connection, dataset: str, criterion: str) -> Queue:
    """Where labels are wanted first: where there are none, else what was routed, else an audit."""
    [(name,)] = queries.rows(con, FIRST_QUEUE, dataset=dataset, criterion=criterion)
    return Queue(name)


def person_id(dataset: str, name: str) -> UUID:
    """The annotator that a person is: in each data set one, by name."""
    return Annotator(AnnotatorKind.HUMAN, name, dataset).annotator_id


@dataclass(frozen=True, slots=True)
class Desk:
    """Whose work: a person (annotator id), a data set, a criterion."""

    dataset: str
    criterion: str
    person: UUID

    def _with(self, **more: Any) -> dict[str, Any]:
        return {"dataset": self.dataset, "criterion": self.criterion, "person": str(self.person),
                **more}  # fmt: skip

    def _of_queue(self, kind: Queue, rules: QueueRules, **more: Any) -> dict[str, Any]:
        before = datetime.now(UTC) - timedelta(hours=rules.retest_hours)
        return self._with(
            queue=kind.value, humans=rules.humans, before=before.replace(tzinfo=None),
            labels=rules.retest_labels, seed=f"{self.person}/{kind}", **more,
        )  # fmt: skip

    def ids(self, store: Store, kind: Queue, rules: QueueRules, limit: int | None) -> list[str]:
        """The queue's comparisons in this person's order."""
        with _reading(store, self.dataset) as con:
            found = queries.rows(con, IDS, **self._of_queue(kind, rules, size=limit))
        return [row[0] for row in found]

    def page(
        self, store: Store, kind: Queue, rules: QueueRules, size: int, only: str | None = None
    ) -> Page:
        """The first comparisons of the queue, or the one that is named."""
        with _reading(store, self.dataset) as con:
            found = queries.rows(con, PAGE, **self._of_queue(kind, rules), size=size, only=only)
            guideline = in_force(con, self.dataset, self.criterion)
        waiting = [Waiting(*row[:-1]) for row in found]
        return Page(waiting, int(found[0][-1]) if found else 0, guideline)

    def standing(self, store: Store, kind: Queue, rules: QueueRules, since: datetime) -> Standing:
        """How far this person is, today being from `since` (UTC) on."""
        with _reading(store, self.dataset) as con:
            [row] = queries.rows(con, STANDING, **self._with(since=since))
            [(left,)] = queries.rows(con, COUNT, **self._of_queue(kind, rules))
        return Standing(row[0], row[1], row[2], int(left), row[3])

    def own(self, store: Store, limit: int) -> list[Own]:
        """The person's labels, newest first."""
        with _reading(store, self.dataset) as con:
            return [Own(*row) for row in queries.rows(con, OWN, **self._with(size=limit))]

    def others(self, store: Store, comparison_id: str) -> list[dict[str, Any]] | None:
        """All labels on a comparison that are not this person's; None before they have done it."""
        with _reading(store, self.dataset) as con:
            [(done,)] = queries.rows(con, DONE, **self._with(comparison_id=comparison_id))
            if not done:
                return None
            return queries.records(
                con, OTHERS, comparison_id=comparison_id, criterion=self.criterion,
                person=str(self.person),
            )  # fmt: skip


def people(store: Store, dataset: str) -> list[Person]:
    """The humans of a data set by name, with those whose first label is not committed yet.

    Raises InputError for an unknown data set.
    """
    with store.reading() as con:
        queries.check_dataset(con, dataset)
        found = {row[0]: Person(*row) for row in queries.rows(con, PEOPLE, dataset=dataset)}
        for _, who, _ in _uncommitted(con, store):
            if who.dataset == dataset:
                found[who.name] = Person(who.name, False, True)
    return [found[name] for name in sorted(found)]


def texts_of(store: Store, dataset: str, comparison_id: str) -> Waiting:
    """One comparison of a data set. Raises InputError where it is not there or has no texts."""
    with store.reading() as con:
        found = queries.rows(con, TEXTS, dataset=dataset, comparison_id=comparison_id)
    if not found:
        raise InputError(
            f"no comparison {comparison_id} with both texts in {dataset!r}",
            "Take one from the queue.",
        )
    return Waiting(*found[0])


@contextmanager
def _reading(store: Store, dataset: str) -> Iterator[Connection]:
    """A connection that sees, as `pending` and `undone`, what journals hold beyond the store."""
    with store.reading() as con:
        queries.check_dataset(con, dataset)
        labels: list[Event] = []
        undone: list[str] = []
        for events, who, _ in _uncommitted(con, store):
            if who.dataset == dataset:
                standing, taken_back = standing_labels(events)
                labels += standing
                undone += taken_back
        con.register("pending", rows_table(labels, PENDING_COLUMNS))
        con.register("undone", rows_table([{"label_id": each} for each in undone], UNDONE_COLUMNS))
        yield con


def _uncommitted(con: Connection, store: Store) -> Iterator[tuple[list[Event], Annotator, Path]]:
    """What people's journals hold that the store does not: no writer comes in between.

    A damaged line ends its journal: `concord doctor` names it.
    """
    offsets = {str(run_id): at for run_id, at, _ in con.execute(OFFSETS).fetchall()}
    for path in people_journals(store):
        offset, events = offsets.get(path.stem, 0), []
        try:
            while offset < path.stat().st_size:
                more, end = read_events(path, offset)
                if end == offset:
                    break
                events += more
                offset = end
        except (OSError, StoreError):
            pass
        who = _person_of(path)
        if events and who is not None:
            yield events, who, path


def people_journals(store: Store) -> list[Path]:
    """The journals of people's runs."""
    return [path for path in journals_in(store.journals) if _person_of(path) is not None]


_known: dict[Path, Annotator | None] = {}  # a run's first line never changes


def _person_of(path: Path) -> Annotator | None:
    """Who writes a journal, where it is a person: by its first line, once that is whole."""
    path = path.absolute()
    if path not in _known:
        try:
            with path.open("rb") as file:
                line = file.readline()
        except OSError:
            return None
        if not line.endswith(b"\n"):
            return None
        _known[path] = _human(line)
    return _known[path]


def _human(line: bytes) -> Annotator | None:
    try:
        who = annotators_in(json.loads(line))[0]
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    return who if who.kind is AnnotatorKind.HUMAN else None
