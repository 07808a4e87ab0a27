"""Who is to be asked: comparisons that a policy sends to humans, or that are drawn for an audit."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from data import queries

if TYPE_CHECKING:
    import pyarrow as pa

    from data.store import Connection, Store


class Queue(StrEnum):
    """Why a comparison goes to a human: by the rule, or drawn to check the AI labels."""

    ROUTED = "routed"
    AUDIT = "audit"


COMPARISONS = """
SELECT comparison_id::VARCHAR AS comparison_id, source_id,
       comparison_id IN (SELECT comparison_id FROM labels JOIN annotators USING (annotator_id)
                         WHERE kind = 'human' AND criterion = $criterion AND status = 'ok')
           AS has_human
FROM comparisons WHERE dataset = $dataset ORDER BY comparisons.comparison_id
"""
ASSIGNED = """
SELECT comparison_id::VARCHAR AS comparison_id, queue, policy, score, sampling_probability,
       assigned_at
FROM assignments
WHERE dataset = $dataset AND ($policy IS NULL OR policy = $policy)
ORDER BY policy, assignments.comparison_id
"""
# What stays as it was keeps its time: assigning the same again changes nothing.
STAGE = """
CREATE OR REPLACE TEMP TABLE staged_assignments AS
SELECT $dataset AS dataset, arriving.comparison_id::UUID AS comparison_id, arriving.queue,
       $policy AS policy, arriving.score, arriving.sampling_probability,
       coalesce(known.assigned_at, $now) AS assigned_at
FROM arriving_assignments arriving LEFT JOIN assignments known
    ON known.dataset = $dataset AND known.policy = $policy
    AND known.comparison_id = arriving.comparison_id::UUID AND known.queue = arriving.queue
    AND known.sampling_probability = arriving.sampling_probability
"""
FORGET = "DELETE FROM assignments WHERE dataset = $dataset AND policy = $policy"
ADD = "INSERT INTO assignments BY NAME FROM staged_assignments ORDER BY comparison_id"


def comparisons_to_assign(con: Connection, dataset: str, criterion: str) -> pa.Table:
    """comparison_id, source_id and has_human of all comparisons, in the order of a panel."""
    return queries.table(con, COMPARISONS, dataset=dataset, criterion=criterion)


def set_assignments(store: Store, dataset: str, policy: str, rows: pa.Table) -> None:
    """Replace what a policy assigns in a data set, in one transaction.

    `rows` has comparison_id, queue, score and sampling_probability in (0, 1]. Raises InputError
    for an unknown data set.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    with store.writing() as con:
        queries.check_dataset(con, dataset)
        con.register("arriving_assignments", rows)
        con.execute(STAGE, {"dataset": dataset, "policy": policy, "now": now})
        con.execute(FORGET, {"dataset": dataset, "policy": policy})
        con.execute(ADD)


def assignments(con: Connection, dataset: str, policy: str | None = None) -> pa.Table:
    """What is assigned in a data set, by all policies or by one: the columns of the table."""
    return queries.table(con, ASSIGNED, dataset=dataset, policy=policy)
