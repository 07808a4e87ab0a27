"""Comparisons to look at: which ones match a filter, page by page, and all that is known of one.

Usable labels only. A judge's preference on a comparison is that of its labels taken together, over
orders and repeats; a balance is a tie. The reference is the human majority, else a gold label.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from data import queries
from data.records import OVERALL

if TYPE_CHECKING:
    from datetime import datetime

    from data.store import Connection


class Show(StrEnum):
    """Which comparisons of a data set: what is worth a person's time."""

    ALL = "all"
    AGAINST = "against"  # a judge prefers something else than the reference
    SPLIT = "split"  # the judges do not all prefer the same
    SWAPPED = "swapped"  # a judge's preference changes with the order shown


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter; None and the empty text ask for nothing.

    `judge` is an annotator's id, `majority` is `mode` or `sign`.
    """

    dataset: str
    criterion: str = OVERALL
    show: Show = Show.ALL
    judge: str | None = None
    category: str | None = None
    text: str = ""
    majority: str = "mode"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of matching comparisons, and how many match in all."""

    total: int
    rows: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Detail:
    """One comparison with its texts, and every label on it."""

    comparison: dict[str, Any]
    labels: list[dict[str, Any]]


CHOSEN = """
WITH chosen AS (
    SELECT comparison_id FROM comparisons
    WHERE dataset = $dataset
      AND ($category IS NULL OR category = $category)
      AND ($text = '' OR contains(
          lower(concat_ws(chr(10), prompt, response_a, response_b)), lower($text))))
"""
USABLE = """,
usable AS (
    SELECT comparison_id, annotator_id, kind, shown, repeat, preference
    FROM labels JOIN chosen USING (comparison_id) JOIN annotators USING (annotator_id)
    WHERE criterion = $criterion AND status = 'ok'),
judged AS (
    SELECT comparison_id, annotator_id,
           count(*) FILTER (preference = 'a') AS a, count(*) FILTER (preference = 'b') AS b,
           sign(a - b) AS side,
           sign(count(*) FILTER (preference = 'a' AND shown = 'ab')
                - count(*) FILTER (preference = 'b' AND shown = 'ab')) AS side_ab,
           sign(count(*) FILTER (preference = 'a' AND shown = 'ba')
                - count(*) FILTER (preference = 'b' AND shown = 'ba')) AS side_ba,
           count(DISTINCT shown) AS orders
    FROM usable WHERE kind = 'judge' OR annotator_id = $judge::UUID
    GROUP BY comparison_id, annotator_id)
"""
REFERENCE = """,
humans AS (
    SELECT comparison_id, count(*) FILTER (preference = 'a') AS a,
           count(*) FILTER (preference = 'tie') AS tie, count(*) FILTER (preference = 'b') AS b
    FROM (SELECT comparison_id, arg_min(preference, repeat) AS preference
          FROM usable WHERE kind = 'human' GROUP BY comparison_id, annotator_id)
    GROUP BY comparison_id),
gold AS (
    SELECT comparison_id, min(preference) AS preference FROM usable WHERE kind = 'aggregate'
    GROUP BY comparison_id HAVING count(DISTINCT preference) = 1),
reference AS (
    SELECT comparison_id, greatest(a, tie, b) / (a + tie + b) AS unanimity,
           CASE WHEN $majority = 'sign' THEN sign(a - b)
                WHEN a > b AND a > tie THEN 1 WHEN b > a AND b > tie THEN -1 ELSE 0 END AS side
    FROM humans
    UNION ALL
    SELECT comparison_id, 1.0, CASE preference WHEN 'a' THEN 1 WHEN 'b' THEN -1 ELSE 0 END
    FROM gold ANTI JOIN humans USING (comparison_id))
"""
PAGE_END = """
LIMIT $size OFFSET $skip
"""
MATCHING_ALL = f"""{CHOSEN}
SELECT comparison_id, count(*) OVER () AS total FROM chosen
ORDER BY comparison_id {PAGE_END}
"""
MATCHING_JUDGE = f"""{CHOSEN} {USABLE}
SELECT comparison_id, count(*) OVER () AS total FROM judged WHERE annotator_id = $judge::UUID
ORDER BY comparison_id {PAGE_END}
"""
MATCHING_AGAINST = f"""{CHOSEN} {USABLE} {REFERENCE}
SELECT comparison_id, count(*) OVER () AS total
FROM judged JOIN reference USING (comparison_id)
WHERE judged.side <> reference.side AND ($judge IS NULL OR annotator_id = $judge::UUID)
GROUP BY comparison_id
ORDER BY max(unanimity) DESC, count(*) DESC, comparison_id {PAGE_END}
"""
MATCHING_SPLIT = f"""{CHOSEN} {USABLE}
SELECT comparison_id, count(*) OVER () AS total FROM judged
GROUP BY comparison_id
HAVING count(DISTINCT side) > 1 AND ($judge IS NULL OR bool_or(annotator_id = $judge::UUID))
ORDER BY abs(sum(side)) / count(*), comparison_id {PAGE_END}
"""
MATCHING_SWAPPED = f"""{CHOSEN} {USABLE}
SELECT comparison_id, count(*) OVER () AS total FROM judged
WHERE orders = 2 AND side_ab <> side_ba AND ($judge IS NULL OR annotator_id = $judge::UUID)
GROUP BY comparison_id
ORDER BY count(*) DESC, comparison_id {PAGE_END}
"""
MATCHING = {
    Show.ALL: MATCHING_ALL,
    Show.AGAINST: MATCHING_AGAINST,
    Show.SPLIT: MATCHING_SPLIT,
    Show.SWAPPED: MATCHING_SWAPPED,
}
SUMMARIES = """
WITH chosen AS (SELECT unnest($ids::UUID[]) AS comparison_id, unnest($places) AS place),
sides AS (
    SELECT comparison_id, kind, annotator_id, count(*) FILTER (preference = 'a') AS a,
           count(*) FILTER (preference = 'b') AS b
    FROM labels JOIN chosen USING (comparison_id) JOIN annotators USING (annotator_id)
    WHERE criterion = $criterion AND status = 'ok' GROUP BY ALL),
counted AS (
    SELECT comparison_id,
           count(*) FILTER (kind = 'human' AND a > b) AS humans_a,
           count(*) FILTER (kind = 'human' AND a = b) AS humans_tie,
           count(*) FILTER (kind = 'human' AND a < b) AS humans_b,
           count(*) FILTER (kind = 'judge' AND a > b) AS judges_a,
           count(*) FILTER (kind = 'judge' AND a = b) AS judges_tie,
           count(*) FILTER (kind = 'judge' AND a < b) AS judges_b,
           min(CASE WHEN a > b THEN 'a' WHEN a < b THEN 'b' ELSE 'tie' END)
               FILTER (kind = 'aggregate') AS gold
    FROM sides GROUP BY comparison_id)
SELECT comparison_id, source_id, left(prompt, 240) AS prompt, category, model_a, model_b,
       coalesce(humans_a, 0) AS humans_a, coalesce(humans_tie, 0) AS humans_tie,
       coalesce(humans_b, 0) AS humans_b, coalesce(judges_a, 0) AS judges_a,
       coalesce(judges_tie, 0) AS judges_tie, coalesce(judges_b, 0) AS judges_b, gold
FROM chosen JOIN comparisons USING (comparison_id) LEFT JOIN counted USING (comparison_id)
ORDER BY place
"""
CATEGORIES = """
SELECT DISTINCT category FROM comparisons
WHERE dataset = $dataset AND category IS NOT NULL ORDER BY category
"""
HAS_COMPARISON = """
SELECT count(*) FROM comparisons
WHERE dataset = $dataset AND comparison_id = try_cast($comparison_id AS UUID)
"""
LAST_LABELS = """
SELECT run_id, max(labels.created_at) FROM labels JOIN runs USING (run_id)
WHERE runs.status = 'running' GROUP BY run_id
"""


def page_of(con: Connection, wanted: Wanted, *, number: int, size: int) -> Page:
    """Page `number` (from 1 on) of the comparisons that match, most telling ones first."""
    sql = MATCHING[wanted.show]
    if wanted.show is Show.ALL and wanted.judge is not None:
        sql = MATCHING_JUDGE
    parameters = {
        "dataset": wanted.dataset,
        "criterion": wanted.criterion,
        "judge": wanted.judge,
        "category": wanted.category,
        "text": wanted.text,
        "majority": wanted.majority,
        "size": size,
        "skip": (number - 1) * size,
    }
    used = {name: value for name, value in parameters.items() if f"${name}" in sql}
    found = queries.rows(con, sql, **used)
    if not found:
        return Page(0, [])
    ids = [str(row[0]) for row in found]
    summaries = queries.records(
        con, SUMMARIES, ids=ids, places=list(range(len(ids))), criterion=wanted.criterion
    )
    return Page(int(found[0][1]), summaries)


def detail_of(con: Connection, dataset: str, comparison_id: str) -> Detail | None:
    """A comparison of a data set with all its labels; None where there is no such one."""
    [(known,)] = queries.rows(con, HAS_COMPARISON, dataset=dataset, comparison_id=comparison_id)
    if not known:
        return None
    [comparison] = queries.records(con, queries.COMPARISON_PAGE, ids=[comparison_id])
    return Detail(comparison, queries.records(con, queries.LABELS_OF, ids=[comparison_id]))


def categories(con: Connection, dataset: str) -> list[str]:
    """The categories of a data set, sorted."""
    return [row[0] for row in queries.rows(con, CATEGORIES, dataset=dataset)]


def last_labels(con: Connection) -> dict[str, datetime]:
    """When each run that counts as running stored its newest label (UTC)."""
    return {str(run): at for run, at in queries.rows(con, LAST_LABELS)}
