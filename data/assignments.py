"""Who is to be asked: comparisons that a policy sends to humans, or that are drawn for an audit."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Before:
    """What assigning anew does to the assignments there are, and who else waits.

    Of the same policy: `replaced` get another queue or probability, `withdrawn` go, and `kept` stay
    though they are not assigned any more, as humans have labelled them. `elsewhere`: by another
    policy's name and queue, what no human has labelled.
    """

    replaced: int
    withdrawn: int
    kept: int
    elsewhere: dict[str, dict[str, int]]


COMPARISONS = """
SELECT comparison_id::VARCHAR AS comparison_id, source_id,
       coalesce(n_humans, 0) AS n_humans
FROM comparisons LEFT JOIN (
    SELECT comparison_id, count(DISTINCT annotator_id) AS n_humans
    FROM labels JOIN annotators USING (annotator_id)
    WHERE kind = 'human' AND criterion = $criterion AND status = 'ok'
    GROUP BY ALL) USING (comparison_id)
WHERE dataset = $dataset ORDER BY comparisons.comparison_id
"""
ASSIGNED = """
SELECT comparison_id::VARCHAR AS comparison_id, queue, policy, score, sampling_probability,
       assigned_at
FROM assignments
WHERE dataset = $dataset AND ($policy IS NULL OR policy = $policy)
ORDER BY policy, assignments.comparison_id
"""
# Answered: a human has labelled it since, or elsewhere with its probability.
KNOWN = """
WITH known AS (
    SELECT comparison_id, queue, score, sampling_probability, assigned_at, EXISTS (
        FROM labels JOIN annotators USING (annotator_id)
        WHERE labels.comparison_id = assignments.comparison_id AND kind = 'human'
            AND status = 'ok' AND (labels.created_at >= assignments.assigned_at
                OR labels.sampling_probability = assignments.sampling_probability)) AS answered
    FROM assignments WHERE dataset = $dataset AND policy = $policy),
arriving AS (
    SELECT comparison_id::UUID AS comparison_id, queue, score, sampling_probability
    FROM arriving_assignments)
"""
# What stays as it was keeps its time: assigning the same again changes nothing. What is answered
# stays. All draws are by one number, so asked by either of two has the larger probability.
STAGE = f"""
CREATE OR REPLACE TEMP TABLE staged_assignments AS {KNOWN}
SELECT $dataset AS dataset, comparison_id, coalesce(arriving.queue, known.queue) AS queue,
       $policy AS policy, coalesce(arriving.score, known.score) AS score,
       CASE WHEN answered THEN greatest(known.sampling_probability, arriving.sampling_probability)
            ELSE arriving.sampling_probability END AS sampling_probability,
       CASE WHEN answered OR (known.queue = arriving.queue
                AND known.sampling_probability = arriving.sampling_probability)
            THEN known.assigned_at ELSE $now END AS assigned_at
FROM arriving FULL JOIN known USING (comparison_id)
WHERE arriving.queue IS NOT NULL OR answered
"""
CHANGES = f"""{KNOWN}
SELECT count(*) FILTER (arriving.queue <> known.queue OR CASE WHEN answered
           THEN arriving.sampling_probability > known.sampling_probability
           ELSE arriving.sampling_probability <> known.sampling_probability END),
       count(*) FILTER (arriving.queue IS NULL AND NOT answered),
       count(*) FILTER (arriving.queue IS NULL AND answered)
FROM known LEFT JOIN arriving USING (comparison_id)
"""
ELSEWHERE = """
SELECT coalesce(policy, '(without a name)'), queue, count(*)
FROM assignments
WHERE dataset = $dataset AND policy IS DISTINCT FROM $policy AND comparison_id NOT IN (
    SELECT comparison_id FROM labels JOIN annotators USING (annotator_id)
    WHERE kind = 'human' AND status = 'ok')
GROUP BY ALL ORDER BY 1, queue DESC
"""
FORGET = "DELETE FROM assignments WHERE dataset = $dataset AND policy = $policy"
ADD = "INSERT INTO assignments BY NAME FROM staged_assignments ORDER BY comparison_id"


def comparisons_to_assign(con: Connection, dataset: str, criterion: str) -> pa.Table:
    """comparison_id, source_id and n_humans, who labelled it, of all comparisons, as in a panel."""
    return queries.table(con, COMPARISONS, dataset=dataset, criterion=criterion)


def set_assignments(store: Store, dataset: str, policy: str, rows: pa.Table) -> None:
    """Replace what a policy assigns in a data set, in one transaction; what humans have labelled
    under it stays, with its probability.

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


def before_assigning(con: Connection, dataset: str, policy: str, rows: pa.Table) -> Before:
    """What `set_assignments` of these rows would do; nothing is changed."""
    con.register("arriving_assignments", rows)
    [(replaced, withdrawn, kept)] = queries.rows(con, CHANGES, dataset=dataset, policy=policy)
    elsewhere: dict[str, dict[str, int]] = {}
    for name, queue, n in queries.rows(con, ELSEWHERE, dataset=dataset, policy=policy):
        elsewhere.setdefault(name, {})[queue] = n
    return Before(replaced, withdrawn, kept, elsewhere)


def assignments(con: Connection, dataset: str, policy: str | None = None) -> pa.Table:
    """What is assigned in a data set, by all policies or by one: the columns of the table."""
    return queries.table(con, ASSIGNED, dataset=dataset, policy=policy)
