"""Comparisons to look at: which ones match a filter, page by page, and all that is known of one.

Usable labels only. A judge's preference on a comparison is that of its labels taken together, over
orders and repeats; a balance is a tie. The reference is the human majority, else a gold label.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from data import queries, schema
from data.records import OVERALL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from data.store import Connection

SURE = 0.9  # a stated probability from which on a judge counts as confident
SHOWN_CHARACTERS = 20_000  # of a text, where the whole of it is not asked for
FILE_CHARACTERS = 100_000_000  # of all texts in a file of a list
TEXTS = ("prompt", "response_a", "response_b", "reference")


class Show(StrEnum):
    """Which comparisons of a data set: what is worth a person's time."""

    ALL = "all"
    CONFIDENT = "confident"  # humans of one mind, and a judge is sure of the other response
    AGAINST = "against"  # a judge prefers something else than the reference
    SPLIT = "split"  # the judges do not all prefer the same
    SWAPPED = "swapped"  # a judge's preference changes with the order shown


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter; None and the empty text ask for nothing.

    `judge` is an annotator's id, `model` gave either response, `majority` is `mode` or `sign`;
    `only` and `but` hold the ids of comparisons: no other ones, and none of these.
    """

    dataset: str
    criterion: str = OVERALL
    show: Show = Show.ALL
    judge: str | None = None
    category: str | None = None
    text: str = ""
    majority: str = "mode"
    model: str | None = None
    only: tuple[str, ...] | None = None
    but: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One page of matching comparisons, and how many match in all."""

    total: int
    rows: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Detail:
    """One comparison with the beginnings of its texts, and every label on it.

    `n_prompt`, `n_response_a` ... are the lengths of the whole texts in characters.
    """

    comparison: dict[str, Any]
    labels: list[dict[str, Any]]


CHOSEN = """
WITH chosen AS (SELECT comparison_id FROM comparisons WHERE dataset = $dataset{conditions})
"""
CONDITIONS = {  # each where its parameter is given: texts are not read for nothing
    "category": "category = $category",
    "model": "(model_a = $model OR model_b = $model)",
    "text": "contains(lower(concat_ws(chr(10), prompt, response_a, response_b)), lower($text))",
    "only": "comparison_id IN (SELECT unnest($only::UUID[]))",
    "but": "comparison_id NOT IN (SELECT unnest($but::UUID[]))",
}
USABLE = """,
usable AS (
    SELECT comparison_id, annotator_id, kind, shown, repeat,
           CASE preference WHEN 'a' THEN 1 WHEN 'b' THEN -1 ELSE 0 END AS vote
    FROM labels JOIN chosen USING (comparison_id) JOIN annotators USING (annotator_id)
    WHERE criterion = $criterion AND status = 'ok'),
judged AS (
    SELECT comparison_id, annotator_id, sign(sum(vote)) AS side,
           sign(sum(vote) FILTER (shown = 'ab')) AS side_ab,
           sign(sum(vote) FILTER (shown = 'ba')) AS side_ba
    FROM usable WHERE kind = 'judge' OR annotator_id = $judge::UUID
    GROUP BY comparison_id, annotator_id)
"""
REFERENCE = """,
humans AS (
    SELECT comparison_id, count(*) FILTER (vote > 0) AS a,
           count(*) FILTER (vote = 0) AS tie, count(*) FILTER (vote < 0) AS b
    FROM (SELECT comparison_id, arg_min(vote, repeat) AS vote
          FROM usable WHERE kind = 'human' GROUP BY comparison_id, annotator_id)
    GROUP BY comparison_id),
gold AS (
    SELECT comparison_id, min(vote) AS side FROM usable WHERE kind = 'aggregate'
    GROUP BY comparison_id HAVING min(vote) = max(vote)),
reference AS (
    SELECT comparison_id, greatest(a, tie, b) / (a + tie + b) AS unanimity, a + tie + b AS humans,
           CASE WHEN $majority = 'sign' THEN sign(a - b)
                WHEN a > b AND a > tie THEN 1 WHEN b > a AND b > tie THEN -1 ELSE 0 END AS side
    FROM humans
    UNION ALL
    SELECT comparison_id, 1.0, 1, side
    FROM gold ANTI JOIN humans USING (comparison_id))
"""
# What a judge is sure of: its usable labels all say so, in both orders, or the mean probability
# that it states is at least SURE.
SIDES = f"""
SELECT comparison_id, annotator_id, kind, name, count(*) FILTER (preference = 'a') AS a,
       count(*) FILTER (preference = 'b') AS b,
       bool_or(shown = 'ab') AND bool_or(shown = 'ba') AS swapped,
       0.5 + sum(p_a - 0.5) / count(p_a) AS stated,
       (coalesce(swapped AND a = count(*), false) OR coalesce(stated >= {SURE}, false))::INT
       - (coalesce(swapped AND b = count(*), false) OR coalesce(stated <= 1 - {SURE}, false))::INT
           AS sure
"""
ONE_MIND = f""",
one_mind AS (
    SELECT comparison_id, count(*) AS humans, sign(sum(side)) AS side
    FROM (SELECT comparison_id, arg_min(
              CASE preference WHEN 'a' THEN 1 WHEN 'b' THEN -1 ELSE 0 END, repeat) AS side
          FROM labels JOIN chosen USING (comparison_id) JOIN annotators USING (annotator_id)
          WHERE criterion = $criterion AND status = 'ok' AND kind = 'human'
          GROUP BY comparison_id, annotator_id)
    GROUP BY comparison_id HAVING count(*) > 1 AND abs(sum(side)) = count(*)),
sure AS (
    {SIDES}
    FROM labels JOIN one_mind USING (comparison_id) JOIN annotators USING (annotator_id)
    WHERE criterion = $criterion AND status = 'ok'
      AND CASE WHEN $judge IS NULL THEN kind = 'judge' ELSE annotator_id = $judge::UUID END
    GROUP BY ALL)
"""
PAGE_END = """
LIMIT $size OFFSET $skip
"""
MATCHING_ALL = f"""
SELECT comparison_id, count(*) OVER () AS total FROM chosen
ORDER BY comparison_id {PAGE_END}
"""
MATCHING_JUDGE = f"""{USABLE}
SELECT comparison_id, count(*) OVER () AS total FROM judged WHERE annotator_id = $judge::UUID
ORDER BY comparison_id {PAGE_END}
"""
MATCHING_CONFIDENT = f"""{ONE_MIND}
SELECT comparison_id, count(*) OVER () AS total
FROM sure JOIN one_mind USING (comparison_id)
WHERE sure = -side
GROUP BY comparison_id
ORDER BY max(humans) DESC, count(*) DESC, coalesce(max(abs(stated - 0.5)), 0) DESC,
         comparison_id {PAGE_END}
"""
MATCHING_AGAINST = f"""{USABLE} {REFERENCE}
SELECT comparison_id, count(*) OVER () AS total
FROM judged JOIN reference USING (comparison_id)
WHERE judged.side <> reference.side AND ($judge IS NULL OR annotator_id = $judge::UUID)
GROUP BY comparison_id
ORDER BY max(unanimity) DESC, max(humans) DESC, count(*) DESC, comparison_id {PAGE_END}
"""
MATCHING_SPLIT = f"""{USABLE}
SELECT comparison_id, count(*) OVER () AS total FROM judged
GROUP BY comparison_id
HAVING min(side) <> max(side) AND ($judge IS NULL OR bool_or(annotator_id = $judge::UUID))
ORDER BY abs(sum(side)) / count(*), comparison_id {PAGE_END}
"""
MATCHING_SWAPPED = f"""{USABLE}
SELECT comparison_id, count(*) OVER () AS total FROM judged
WHERE side_ab <> side_ba AND ($judge IS NULL OR annotator_id = $judge::UUID)
GROUP BY comparison_id
ORDER BY count(*) DESC, comparison_id {PAGE_END}
"""
MATCHING = {
    Show.ALL: MATCHING_ALL,
    Show.CONFIDENT: MATCHING_CONFIDENT,
    Show.AGAINST: MATCHING_AGAINST,
    Show.SPLIT: MATCHING_SPLIT,
    Show.SWAPPED: MATCHING_SWAPPED,
}
SUMMARIES = f"""
WITH chosen AS (SELECT unnest($ids::UUID[]) AS comparison_id, unnest($places) AS place),
sides AS (
    {SIDES}
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
               FILTER (kind = 'aggregate') AS gold,
           list({{'name': name, 'sure': sure, 'stated': stated}} ORDER BY name)
               FILTER (sure <> 0 AND (kind = 'judge' OR annotator_id = $judge::UUID)) AS sure
    FROM sides GROUP BY comparison_id)
SELECT comparison_id, source_id, left(prompt, 240) AS prompt, category, model_a, model_b,
       coalesce(humans_a, 0) AS humans_a, coalesce(humans_tie, 0) AS humans_tie,
       coalesce(humans_b, 0) AS humans_b, coalesce(judges_a, 0) AS judges_a,
       coalesce(judges_tie, 0) AS judges_tie, coalesce(judges_b, 0) AS judges_b, gold,
       coalesce(sure, []) AS sure
FROM chosen JOIN comparisons USING (comparison_id) LEFT JOIN counted USING (comparison_id)
ORDER BY place
"""
# The texts of the first comparisons that hold at most $most characters together; of the rest none.
FILE_TEXTS = """
WITH chosen AS (SELECT unnest($ids::UUID[]) AS comparison_id, unnest($places) AS place),
sized AS (
    SELECT comparison_id, prompt, response_a, response_b,
           sum(length(concat(prompt, response_a, response_b))) OVER (ORDER BY place) AS so_far
    FROM chosen JOIN comparisons USING (comparison_id))
SELECT comparison_id, prompt, response_a, response_b FROM sized WHERE so_far <= $most
"""
CATEGORIES = """
SELECT DISTINCT category FROM comparisons
WHERE dataset = $dataset AND category IS NOT NULL ORDER BY category
"""
MODELS = """
SELECT DISTINCT model
FROM (SELECT unnest([model_a, model_b]) AS model FROM comparisons WHERE dataset = $dataset)
WHERE model IS NOT NULL ORDER BY model
"""
BEGINNINGS = ", ".join(
    f"left({name}, {SHOWN_CHARACTERS}) AS {name}, length({name}) AS n_{name}" for name in TEXTS
)
BEGINNING = f"""
SELECT comparison_id, source_id, model_a, model_b, category, {BEGINNINGS}
FROM comparisons WHERE dataset = $dataset AND comparison_id = try_cast($comparison_id AS UUID)
"""
WHOLE = {
    name: f"SELECT {name} FROM comparisons WHERE comparison_id = $comparison_id::UUID"
    for name in TEXTS
}
LAST_LABELS = """
SELECT run_id, max(labels.created_at) FROM labels JOIN runs USING (run_id)
WHERE runs.status = 'running' GROUP BY run_id
"""


def page_of(con: Connection, wanted: Wanted, *, number: int, size: int) -> Page:
    """Page `number` (from 1 on) of the comparisons that match, most telling ones first."""
    sql = MATCHING[wanted.show]
    if wanted.show is Show.ALL and wanted.judge is not None:
        sql = MATCHING_JUDGE
    given = _given(wanted)
    conditions = "".join(f" AND {text}" for name, text in CONDITIONS.items() if name in given)
    sql = CHOSEN.replace("{conditions}", conditions) + sql
    parameters = given | {"judge": wanted.judge, "size": size, "skip": (number - 1) * size}
    used = {name: value for name, value in parameters.items() if f"${name}" in sql}
    found = queries.rows(con, sql, **used)
    if not found:
        return Page(0, [])
    ids = [str(row[0]) for row in found]
    summaries = queries.records(
        con, SUMMARIES, ids=ids, places=list(range(len(ids))), criterion=wanted.criterion,
        judge=wanted.judge,
    )  # fmt: skip
    return Page(int(found[0][1]), summaries)


def file_texts(
    con: Connection, ids: Sequence[str], most: int = FILE_CHARACTERS
) -> dict[str, dict[str, str | None]]:
    """Whole prompt and responses by comparison, of the first with `most` characters in all."""
    found = queries.records(con, FILE_TEXTS, ids=list(ids), places=list(range(len(ids))), most=most)
    return {str(row.pop("comparison_id")): row for row in found}


def _given(wanted: Wanted) -> dict[str, Any]:
    """The parameters of what is asked for."""
    asked = {
        "dataset": wanted.dataset,
        "criterion": wanted.criterion,
        "majority": wanted.majority,
        "category": wanted.category,
        "model": wanted.model,
        "text": wanted.text or None,
        "only": None if wanted.only is None else list(wanted.only),
        "but": list(wanted.but) or None,
    }
    return {name: value for name, value in asked.items() if value is not None}


def detail_of(con: Connection, dataset: str, comparison_id: str) -> Detail | None:
    """A comparison of a data set with all its labels; None where there is no such one."""
    found = queries.records(con, BEGINNING, dataset=dataset, comparison_id=comparison_id)
    if not found:
        return None
    labels = queries.records(con, queries.LABELS_OF, ids=[found[0]["comparison_id"]])
    return Detail(found[0], labels)


def whole_text(con: Connection, comparison_id: str, name: str) -> str:
    """One of `TEXTS` of a comparison from beginning to end; empty where there is none."""
    found = queries.rows(con, WHOLE[name], comparison_id=comparison_id)
    return str(found[0][0] or "") if found else ""


def categories(con: Connection, dataset: str) -> list[str]:
    """The categories of a data set, sorted."""
    return [row[0] for row in queries.rows(con, CATEGORIES, dataset=dataset)]


def metadata_keys(con: Connection, dataset: str) -> list[str]:
    """The keys of the metadata of a data set's comparisons, sorted."""
    return [str(row[0]) for row in queries.rows(con, queries.METADATA_KEYS, dataset=dataset)]


def models(con: Connection, dataset: str) -> list[str]:
    """The models whose responses a data set compares, sorted."""
    return [row[0] for row in queries.rows(con, MODELS, dataset=dataset)]


def last_labels(con: Connection) -> dict[str, datetime]:
    """When each run that counts as running stored its newest label (UTC)."""
    return {str(run): at for run, at in queries.rows(con, LAST_LABELS)}


def columns(con: Connection) -> list[tuple[str, str, str]]:
    """(table, column, type) of the store."""
    return [(str(t), str(c), str(kind)) for t, c, kind in queries.rows(con, schema.SHAPE)]
