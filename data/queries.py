"""Named SQL, and the reads that the pipelines are made of. Nothing here writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import duckdb
import pyarrow as pa

from data.errors import InputError
from data.records import ORIGINAL, Comparison, Shown
from data.schema import SHOWN_AT_RANDOM
from data.store import first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from data.store import Connection

DATASETS = """
SELECT datasets.dataset, source, simulated,
       (SELECT count(*) FROM comparisons c WHERE c.dataset = datasets.dataset) AS comparisons,
       (SELECT count(DISTINCT prompt_id) FROM comparisons c WHERE c.dataset = datasets.dataset)
           AS prompts,
       coalesce(labels, 0) AS labels, coalesce(humans, 0) AS humans, coalesce(judges, 0) AS judges,
       datasets.created_at
FROM datasets LEFT JOIN (
    SELECT c.dataset, count(*) AS labels,
           count(DISTINCT annotator_id) FILTER (kind = 'human') AS humans,
           count(DISTINCT annotator_id) FILTER (kind = 'judge') AS judges
    FROM labels JOIN comparisons c USING (comparison_id) JOIN annotators USING (annotator_id)
    GROUP BY c.dataset) USING (dataset)
ORDER BY dataset
"""
GIVEN_DATASETS = """
SELECT dataset FROM datasets
WHERE dataset NOT IN (SELECT dataset FROM comparisons WHERE parent_id IS NOT NULL)
ORDER BY dataset
"""
BY_KIND = """
ORDER BY CASE kind WHEN 'human' THEN 0 WHEN 'aggregate' THEN 1 WHEN 'judge' THEN 2 ELSE 3 END, name,
         annotator_id
"""
ANNOTATORS = f"""
SELECT annotator_id, name, kind, anonymous, model, count(*) AS labels,
       count(*) FILTER (status = 'ok') AS usable, count(shown) AS shown_known,
       count(cost_usd) AS priced, count(seconds) AS timed
FROM labels JOIN comparisons USING (comparison_id) JOIN annotators USING (annotator_id)
WHERE comparisons.dataset = $dataset
GROUP BY annotator_id, name, kind, anonymous, model
{BY_KIND}"""
LABELLERS = f"""
SELECT annotator_id, name, kind, anonymous, model, list(DISTINCT criterion) AS criteria
FROM (SELECT annotator_id, criterion FROM labels JOIN comparisons USING (comparison_id)
      WHERE dataset = $dataset GROUP BY ALL)
JOIN annotators USING (annotator_id)
GROUP BY annotator_id, name, kind, anonymous, model
{BY_KIND}"""
CRITERIA = """
SELECT DISTINCT criterion FROM labels JOIN comparisons USING (comparison_id)
WHERE dataset = $dataset ORDER BY criterion
"""
ITEMS = """
SELECT comparison_id, dense_rank() OVER (ORDER BY prompt_id)::INTEGER - 1 AS prompt, category,
       length(response_a)::INTEGER AS length_a, length(response_b)::INTEGER AS length_b,
       model_a, model_b
FROM comparisons WHERE dataset = $dataset ORDER BY comparison_id
"""
TEXTS = """
SELECT comparison_id::VARCHAR AS comparison_id, prompt_id::VARCHAR AS prompt_id, prompt, response_a,
       response_b, (prompt IS NULL OR response_a IS NULL OR response_b IS NULL) AS lacks
FROM comparisons WHERE dataset = $dataset ORDER BY comparisons.comparison_id
"""
METADATA = """
SELECT metadata->>$key AS value FROM comparisons WHERE dataset = $dataset ORDER BY comparison_id
"""
METADATA_KEYS = """
SELECT DISTINCT unnest(json_keys(metadata)) AS key FROM comparisons
WHERE dataset = $dataset AND metadata IS NOT NULL ORDER BY key
"""
LABEL_ROWS = """
WITH items AS (
    SELECT comparison_id, row_number() OVER (ORDER BY comparison_id)::INTEGER - 1 AS item
    FROM comparisons WHERE dataset = $dataset),
names AS (SELECT unnest($annotators::UUID[]) AS annotator_id,
                 generate_subscripts($annotators::UUID[], 1)::INTEGER - 1 AS annotator)
SELECT item, annotator,
       CASE preference WHEN 'a' THEN 0 WHEN 'tie' THEN 1 WHEN 'b' THEN 2 ELSE -1 END::TINYINT
           AS preference,
       repeat, CASE shown WHEN 'ab' THEN 0 WHEN 'ba' THEN 1 ELSE -1 END::TINYINT AS shown,
       status IN ('parse_error', 'refused') AS unparsed,
       p_a, cost_usd, seconds, epoch(created_at) AS at
FROM labels JOIN items USING (comparison_id) JOIN names USING (annotator_id)
WHERE criterion = $criterion
"""
# What probes made of the comparisons of a data set: each label beside that on the original, in the
# same order. A probe whose data set was made twice counts once, by its newest labels; one whose
# text has changed since counts in its newest form.
PROBED = f"""
WITH items AS (
    SELECT comparison_id AS parent_id,
           row_number() OVER (ORDER BY comparison_id)::INTEGER - 1 AS item
    FROM comparisons WHERE dataset = $dataset),
cells AS (
    SELECT item, perturbation, metadata->>'changed' AS changed,
           coalesce((metadata->>'worse')::BOOLEAN, false) AS worse, response_a, response_b,
           annotator_id, name, shown, repeat, preference,
           coalesce(p_a, CASE preference WHEN 'a' THEN 1.0 WHEN 'tie' THEN 0.5
                                         WHEN 'b' THEN 0.0 END) AS score
    FROM comparisons JOIN items USING (parent_id) JOIN labels USING (comparison_id)
    JOIN annotators USING (annotator_id)
    WHERE criterion = $criterion AND status NOT IN ('skipped', 'failed')
        AND kind IN ('judge', 'baseline')
    QUALIFY row_number() OVER (PARTITION BY item, perturbation, annotator_id, shown, repeat
                               ORDER BY labels.created_at DESC, comparison_id) = 1
        AND metadata->>'source' IS NOT DISTINCT FROM first_value(metadata->>'source')
            OVER (PARTITION BY perturbation, annotator_id ORDER BY labels.created_at DESC))
SELECT child.annotator_id::VARCHAR AS annotator_id, child.name AS judge,
       child.perturbation AS probe, child.item, child.worse,
       child.response_a = child.response_b AS alike,
       (child.response_a = original.response_a AND child.response_b = original.response_b)
           AS same_texts,
       CASE child.changed WHEN 'a' THEN original.score ELSE 1 - original.score END AS before,
       CASE child.changed WHEN 'a' THEN child.score ELSE 1 - child.score END AS after,
       (child.preference = original.preference)::DOUBLE AS kept,
       (child.preference = 'tie')::DOUBLE AS tied,
       CASE child.shown WHEN 'ab' THEN child.score WHEN 'ba' THEN 1 - child.score END AS first
FROM cells child JOIN cells original
    ON original.perturbation = '{ORIGINAL}' AND original.item = child.item
    AND original.annotator_id = child.annotator_id AND original.repeat = child.repeat
    AND original.shown IS NOT DISTINCT FROM child.shown
WHERE child.perturbation <> '{ORIGINAL}'
ORDER BY judge, child.annotator_id, probe, child.item, child.shown, child.repeat
"""
WITH_TEXTS = """
FROM comparisons WHERE dataset = $dataset
    AND response_a IS NOT NULL AND response_b IS NOT NULL
"""
COMPARISON = """
comparison_id, prompt, response_a, response_b, category, reference, parent_id, perturbation,
metadata->>'template' AS template"""
DONE_BY = """
(SELECT list(coalesce(shown, '-') || '/' || repeat) FROM labels done
 WHERE done.comparison_id = chosen.comparison_id AND done.annotator_id = $annotator_id::UUID
   AND done.criterion = $criterion AND done.status <> 'failed') AS done
"""
TO_LABEL = f"""
SELECT {COMPARISON}, prompt_id, {DONE_BY}
FROM (SELECT * {WITH_TEXTS} AND comparison_id > $after::UUID
      ORDER BY comparison_id LIMIT $size) chosen
ORDER BY comparison_id
"""
TO_LABEL_BY_PROMPT = f"""
SELECT {COMPARISON}, prompt_id, {DONE_BY}
FROM (FROM (SELECT * {WITH_TEXTS} ORDER BY comparison_id LIMIT $limit)
      WHERE prompt_id > $after::UUID
      QUALIFY dense_rank() OVER (ORDER BY prompt_id) <= $size) chosen
ORDER BY prompt_id, comparison_id
"""
COUNT_TO_LABEL = f"""
SELECT (SELECT count(*) FROM (SELECT 1 {WITH_TEXTS} LIMIT $limit)),
       (SELECT count(*) FROM comparisons WHERE dataset = $dataset
        AND (response_a IS NULL OR response_b IS NULL))
"""
COUNT_DONE = f"""
SELECT count(*) FROM labels
WHERE annotator_id = $annotator_id::UUID AND criterion = $criterion AND status <> 'failed'
  AND repeat < $repeats
  AND comparison_id IN (SELECT comparison_id {WITH_TEXTS} ORDER BY comparison_id LIMIT $limit)
  AND CASE $orders WHEN 'both' THEN true WHEN 'none' THEN shown IS NULL
      WHEN 'random' THEN shown = {SHOWN_AT_RANDOM} ELSE shown = $orders END
"""
OPEN_RUN = """
SELECT run_id, started_at, budget_usd,
       spent_usd + (SELECT coalesce(sum(most_usd), 0) FROM possibly_paid paid
                    WHERE paid.run_id = runs.run_id) AS used_usd
FROM runs
WHERE annotator_id = $annotator_id::UUID AND dataset = $dataset
  AND status IN ('running', 'interrupted', 'stopped', 'budget_spent') AND settings = $settings::JSON
ORDER BY started_at DESC LIMIT 1
"""
KNOWN_REPLIES = """
SELECT request_hash, text, served_model, finish_reason, prompt_tokens, completion_tokens, paid_usd,
       price_version, seconds, logprobs, fingerprint
FROM replies WHERE request_hash IN (SELECT unnest($hashes::UUID[])) AND text IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY request_hash ORDER BY received_at) = 1
"""
REPLY_TOKENS = """
SELECT avg(completion_tokens), count(completion_tokens) FROM replies
WHERE request_hash IN (
    SELECT request_hash FROM label_replies JOIN labels USING (label_id)
    WHERE annotator_id IN (SELECT unnest($annotators::UUID[])))
"""
JUDGE_NAMES = """
SELECT name, definition->>'identity' FROM annotators
WHERE kind = 'judge' AND dataset IS NULL AND definition->>'judge' = $judge
"""
RUNS = """
SELECT run_id, judge, dataset, status, planned, done, failed, spent_usd, budget_usd, started_at,
       ended_at, settings,
       (SELECT count(*) FROM possibly_paid p WHERE p.run_id = runs.run_id) AS possibly_paid,
       (SELECT sum(most_usd) FROM possibly_paid p WHERE p.run_id = runs.run_id)
           AS possibly_paid_usd
FROM runs ORDER BY started_at DESC
"""
DEFINITION = """
SELECT definition FROM annotators JOIN runs USING (annotator_id) WHERE run_id = $run_id::UUID
"""
LABELS_OF_RUN = """
SELECT label_id, status, preference, p_a FROM labels
WHERE run_id = $run_id::UUID AND status <> 'failed'
"""
BATCHES = """
SELECT batch_id, provider, n_requests, submitted_at, status, ended_at FROM batches
WHERE run_id = $run_id::UUID ORDER BY submitted_at
"""
OPEN_BATCHES = """
SELECT batch_id FROM batches JOIN runs USING (run_id)
WHERE annotator_id = $annotator_id::UUID AND dataset = $dataset AND batches.status = 'running'
"""
SERVED = """
SELECT served_model, count(*) AS n FROM replies WHERE run_id = $run_id::UUID
GROUP BY served_model ORDER BY n DESC
"""
AGREED = """
SELECT comparison_id, any_value(prompt_id) AS prompt_id, any_value(prompt) AS prompt,
       any_value(response_a) AS response_a, any_value(response_b) AS response_b,
       any_value(preference) AS preference
FROM labels JOIN comparisons USING (comparison_id) JOIN annotators USING (annotator_id)
WHERE comparisons.dataset = $dataset AND kind = 'human' AND status = 'ok'
    AND prompt IS NOT NULL AND response_a IS NOT NULL AND response_b IS NOT NULL
GROUP BY comparison_id HAVING count(DISTINCT preference) = 1 AND any_value(preference) <> 'tie'
"""
# How a comparison came to be labelled by humans: what its labels say, and what it was assigned to.
INCLUSION = """
WITH given AS (
    SELECT comparison_id, count(*) AS n, count(sampling_probability) AS n_known,
           min(sampling_probability) AS least, max(sampling_probability) AS most
    FROM labels JOIN annotators USING (annotator_id) JOIN comparisons USING (comparison_id)
    WHERE comparisons.dataset = $dataset AND kind = 'human' AND criterion = $criterion
        AND status = 'ok'
    GROUP BY comparison_id),
sent AS (
    SELECT comparison_id, any_value(queue) AS queue, max(sampling_probability) AS assigned
    FROM assignments WHERE dataset = $dataset GROUP BY comparison_id)
SELECT coalesce(n, 0)::BIGINT AS n, coalesce(n_known, 0)::BIGINT AS n_known,
       least::DOUBLE AS least, most::DOUBLE AS most, assigned::DOUBLE AS assigned, queue
FROM comparisons LEFT JOIN given USING (comparison_id) LEFT JOIN sent USING (comparison_id)
WHERE dataset = $dataset ORDER BY comparison_id
"""
POLICIES = """
SELECT DISTINCT coalesce(policy, '(without a name)') FROM assignments
WHERE dataset = $dataset ORDER BY ALL
"""
FAILURES = """
SELECT details->>'reason' AS reason, status, count(*) AS n
FROM labels WHERE run_id = $run_id::UUID AND status <> 'ok' GROUP BY ALL ORDER BY n DESC LIMIT 20
"""
COMPARISON_PAGE = """
SELECT comparison_id, source_id, prompt, response_a, response_b, model_a, model_b, category,
       reference, perturbation
FROM comparisons WHERE comparison_id IN (SELECT unnest($ids::UUID[])) ORDER BY comparison_id
"""
LABELS_OF = """
SELECT comparison_id, name AS annotator, kind, criterion, repeat, shown, preference, p_a, status,
       rationale, seconds, cost_usd
FROM labels JOIN annotators USING (annotator_id)
WHERE comparison_id IN (SELECT unnest($ids::UUID[]))
ORDER BY comparison_id, kind, name, shown, repeat
"""
EXPORT_LABELS = """
SELECT source_id, prompt_id, prompt, response_a, response_b, model_a, model_b, category, reference,
       name AS annotator, kind AS annotator_kind, criterion, repeat, shown, preference, p_a,
       strength, status, rationale, seconds, cost_usd, sampling_probability,
       strftime(labels.created_at, '%Y-%m-%dT%H:%M:%S.%fZ') AS created_at
FROM labels JOIN comparisons USING (comparison_id) JOIN annotators USING (annotator_id)
WHERE comparisons.dataset = $dataset
ORDER BY comparisons.comparison_id, kind, name, criterion, shown, repeat
"""
VERSION = """
SELECT concat_ws('/', (SELECT count(*) FROM labels), (SELECT max(created_at) FROM labels),
                 (SELECT count(*) FROM comparisons), (SELECT max(imported_at) FROM imports),
                 (SELECT count(*) FROM prices), (SELECT max(set_at) FROM prices),
                 (SELECT max(set_at) FROM tags), (SELECT max(created_at) FROM guidelines))
"""
# Of each data set, with what probes made of it: what has been added is seen in a count or a time;
# and how many labels there are.
VERSIONS = """
WITH family AS (
    SELECT dataset AS root, dataset FROM datasets
    UNION
    SELECT parent.dataset, child.dataset FROM comparisons child
    JOIN comparisons parent ON child.parent_id = parent.comparison_id),
facts AS (
    SELECT c.dataset, 'labels' AS fact, count(*) AS n, max(created_at) AS newest
    FROM labels JOIN comparisons c USING (comparison_id) GROUP BY c.dataset
    UNION ALL
    SELECT c.dataset, 'tags', count(*), max(set_at)
    FROM tags JOIN comparisons c USING (comparison_id) GROUP BY c.dataset
    UNION ALL SELECT dataset, 'comparisons', count(*), NULL FROM comparisons GROUP BY dataset
    UNION ALL SELECT dataset, 'imports', count(*), max(imported_at) FROM imports GROUP BY dataset
    UNION ALL SELECT dataset, 'prices', count(*), max(set_at) FROM prices GROUP BY dataset
    UNION ALL
    SELECT dataset, 'assignments', count(*), max(assigned_at) FROM assignments GROUP BY dataset
    UNION ALL SELECT dataset, 'guidelines', count(*), max(created_at) FROM guidelines
    GROUP BY dataset)
SELECT root, concat_ws(' ', (SELECT count(*) FROM features),
                       string_agg(concat_ws('/', fact, n, newest), ' ' ORDER BY dataset, fact)),
       coalesce(sum(n) FILTER (fact = 'labels'), 0)::BIGINT
FROM family LEFT JOIN facts USING (dataset) GROUP BY root ORDER BY root
"""


def rows(con: Connection, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return con.execute(sql, parameters or None).fetchall()


def table(con: Connection, sql: str, **parameters: Any) -> pa.Table:
    """A query as an Arrow table."""
    return con.sql(sql, params=parameters or None).to_arrow_table()


def records(con: Connection, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    """A query as dictionaries, ids as text."""
    cursor = con.execute(sql, parameters or None)
    names = [column[0] for column in cursor.description]
    return [
        {
            name: str(value) if isinstance(value, UUID) else value
            for name, value in zip(names, row, strict=True)
        }
        for row in cursor.fetchall()
    ]


def check_dataset(con: Connection, dataset: str) -> None:
    """Raise InputError, with the names there are, where the store has no such data set."""
    names = [row[0] for row in rows(con, "SELECT dataset FROM datasets ORDER BY dataset")]
    if dataset not in names:
        raise InputError(
            f"no data set {dataset!r} in the store",
            f"It holds: {', '.join(names) or 'none; import one first (concord import --help)'}.",
        )


def only_dataset(con: Connection) -> str:
    """The store's data set where it has exactly one, those that probes made aside.

    Raises InputError otherwise.
    """
    names = [row[0] for row in rows(con, GIVEN_DATASETS)]
    if len(names) != 1:
        raise InputError(
            f"the store holds {len(names)} data sets",
            f"Choose one with --dataset: {', '.join(names) or 'import one first'}.",
        )
    return str(names[0])


def metadata_of(con: Connection, dataset: str, key: str) -> list[str | None]:
    """What each comparison's metadata says of a key, in the order of ids.

    Raises InputError for a key that no comparison has.
    """
    found = [value for (value,) in rows(con, METADATA, dataset=dataset, key=key)]
    if all(value is None for value in found):
        keys = ", ".join(name for (name,) in rows(con, METADATA_KEYS, dataset=dataset))
        raise InputError(
            f"no comparison of {dataset!r} has {key!r} in its metadata",
            f"There are: {keys or 'none'}.",
        )
    return found


@dataclass(frozen=True, slots=True)
class ToLabel:
    """A comparison, and the (order, repeat) cells that need no label any more."""

    comparison: Comparison
    prompt_id: UUID
    done: frozenset[tuple[Shown | None, int]]


def page_to_label(
    con: Connection,
    *,
    dataset: str,
    annotator_id: UUID,
    criterion: str,
    after: UUID,
    size: int,
    limit: int,
    by_prompt: bool,
) -> list[ToLabel]:
    """The next `size` comparisons by id, with what this annotator has labelled already.

    With `by_prompt`: all comparisons of the next `size` prompts, among the first `limit`
    comparisons by id.
    """
    parameters: dict[str, Any] = {"limit": limit} if by_prompt else {}
    page = rows(
        con,
        TO_LABEL_BY_PROMPT if by_prompt else TO_LABEL,
        dataset=dataset,
        annotator_id=str(annotator_id),
        criterion=criterion,
        after=str(after),
        size=size,
        **parameters,
    )
    return [ToLabel(Comparison(*row[:-2]), row[-2], _cells(row[-1])) for row in page]


def _cells(done: Sequence[str | None] | None) -> frozenset[tuple[Shown | None, int]]:
    pairs = [cell.split("/") for cell in done or () if cell]
    return frozenset(
        (None if shown == "-" else Shown(shown), int(repeat)) for shown, repeat in pairs
    )


def query_user_sql(con: Connection, sql: str, limit: int) -> pa.Table:
    """A user's own SELECT, at most `limit` rows, without access to files or network."""
    con.execute("SET enable_external_access = false")
    return one_select(con, sql, limit)


def one_select(con: Connection, sql: str, limit: int) -> pa.Table:
    """A user's own SELECT, on a connection that is shut off already."""
    try:
        kinds = [statement.type for statement in con.extract_statements(sql)]
        if kinds not in ([duckdb.StatementType.SELECT], [duckdb.StatementType.EXPLAIN]):
            raise InputError("that is not one SELECT", "Write one SELECT; the store is only read.")
        return con.sql(sql).limit(limit).to_arrow_table()
    except duckdb.Error as error:
        raise InputError(
            f"the query failed: {_said(error)}",
            "Tables: datasets, comparisons, annotators, labels, prices, replies, runs, features.",
        ) from error


def _said(error: duckdb.Error) -> str:
    """What DuckDB says of a query, with the names that it proposes."""
    _, *others = str(error).splitlines() or [""]
    hints = [line for line in others if line.startswith(("Candidate", "Did you mean"))]
    return " ".join([first_line(error), *hints[:1]])


def of_each_text(expression: str, texts: pa.Array) -> pa.Array:
    """A user's SQL expression over `text`, for each of the texts, as doubles.

    In a database of its own, without access to files or network. Raises InputError where it fails
    or is no expression of one text.
    """
    con = duckdb.connect(config={"enable_external_access": False})
    con.register("texts", pa.table({"text": texts}))
    try:
        found = con.sql(f"SELECT ({expression})::DOUBLE AS value FROM texts").to_arrow_table()
    except duckdb.Error as error:
        raise InputError(
            f"the expression failed: {first_line(error)}",
            "Write an SQL expression over text, such as regexp_matches(text, '[0-9]').",
        ) from error
    finally:
        con.close()
    if len(found) != len(texts):
        raise InputError("the expression is not one of a single text", "Leave out aggregates.")
    return found["value"].combine_chunks()


def settings_json(settings: dict[str, Any]) -> str:
    """Settings in the one spelling that is stored and compared."""
    return json.dumps(settings, sort_keys=True)
