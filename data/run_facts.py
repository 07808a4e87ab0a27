"""What a screen shows of runs beyond their rows: pace, failures, batches, and what was spent when.

Nothing here writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data import queries

if TYPE_CHECKING:
    from datetime import datetime

    from data.store import Connection

BINS = 24  # of a run's time: enough to see its shape
# Labels of the run itself in its last two minutes: not those of a jury's members.
PACE = """
WITH own AS (
    SELECT labels.created_at AS given FROM labels JOIN runs USING (run_id, annotator_id)
    WHERE run_id = $run_id::UUID AND criterion = coalesce(settings->>'criterion', criterion)),
late AS (FROM own WHERE given > (SELECT max(given) FROM own) - INTERVAL 2 MINUTE)
SELECT count(*) - 1, epoch(max(given) - min(given)) FROM late
"""
SPENT = f"""
WITH paid AS (
    SELECT run_id, judge, paid_usd, received_at,
           min(received_at) OVER one AS first, max(received_at) OVER one AS last
    FROM replies JOIN runs USING (run_id) WHERE dataset = $dataset
    WINDOW one AS (PARTITION BY run_id))
SELECT run_id, judge, max(received_at) AS "at", sum(coalesce(paid_usd, 0)) AS usd, count(*) AS n,
       count(*) - count(paid_usd) AS n_unknown
FROM (SELECT *, CASE WHEN last = first THEN 0 ELSE floor(
          {BINS} * epoch(received_at - first) / (epoch(last - first) * 1.000001)) END AS bin
      FROM paid)
GROUP BY run_id, judge, bin ORDER BY "at", run_id
"""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of one run beside its row. `judge_file` is None where nobody was asked."""

    failures: list[dict[str, Any]]
    batches: list[dict[str, Any]]
    served: list[dict[str, Any]]
    judge_file: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Spent:
    """What the replies in a part of a run's time cost; `at` is its last one (UTC)."""

    run_id: str
    judge: str
    at: datetime
    usd: float
    n: int
    n_unknown: int


def facts_of(con: Connection, run_id: str) -> RunFacts:
    """Failures by reason, batches, served models, and the judge as it ran."""
    found = queries.rows(con, queries.DEFINITION, run_id=run_id)
    definition = json.loads(found[0][0]) if found and found[0][0] else {}
    return RunFacts(
        failures=queries.records(con, queries.FAILURES, run_id=run_id),
        batches=queries.records(con, queries.BATCHES, run_id=run_id),
        served=queries.records(con, queries.SERVED, run_id=run_id),
        judge_file=definition.get("file"),
    )


def pace_of(con: Connection, run_id: str) -> float | None:
    """Labels per second over the run's last two minutes; None where there are too few to say."""
    [(n, seconds)] = queries.rows(con, PACE, run_id=run_id)
    return n / seconds if n and n >= 5 and seconds else None


def spent_of(con: Connection, dataset: str) -> list[Spent]:
    """What the runs of a data set paid, in order of time, a few parts a run."""
    return [Spent(**row) for row in queries.records(con, SPENT, dataset=dataset)]
