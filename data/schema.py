"""The shape of the DuckDB store: append-only, named migrations, and identities in SQL.

A released migration is never edited; a change of the shape is a new entry at the end.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from a version of the store to the next."""

    name: str
    sql: str


# Times are UTC, without a zone: reading zoned times would need one more dependency.
TABLES = """
CREATE TABLE meta (key VARCHAR, value VARCHAR);
CREATE TABLE datasets (
    dataset VARCHAR, source VARCHAR, simulated BOOLEAN, created_at TIMESTAMP);
CREATE TABLE imports (
    dataset VARCHAR, format VARCHAR, digest VARCHAR, imported_at TIMESTAMP,
    n_comparisons BIGINT, n_labels BIGINT);
CREATE TABLE comparisons (
    comparison_id UUID, dataset VARCHAR, source_id VARCHAR, prompt_id UUID,
    prompt VARCHAR, response_a VARCHAR, response_b VARCHAR, model_a VARCHAR, model_b VARCHAR,
    category VARCHAR, reference VARCHAR, metadata JSON, parent_id UUID, perturbation VARCHAR);
CREATE TABLE annotators (
    annotator_id UUID, kind VARCHAR, dataset VARCHAR, name VARCHAR, anonymous BOOLEAN,
    model VARCHAR, definition JSON);
CREATE TABLE labels (
    label_id UUID, comparison_id UUID, annotator_id UUID, run_id UUID, criterion VARCHAR,
    repeat SMALLINT, shown VARCHAR CHECK (shown IN ('ab', 'ba')),
    preference VARCHAR CHECK (preference IN ('a', 'b', 'tie')),
    p_a DOUBLE CHECK (p_a BETWEEN 0 AND 1), strength DOUBLE,
    status VARCHAR CHECK (status IN ('ok', 'refused', 'skipped', 'parse_error', 'failed')),
    rationale VARCHAR, seconds DOUBLE, cost_usd DOUBLE, sampling_probability DOUBLE,
    guideline_id UUID, details JSON, created_at TIMESTAMP,
    CHECK ((status = 'ok') = (preference IS NOT NULL)));
CREATE TABLE replies (
    request_hash UUID, run_id UUID, text VARCHAR, served_model VARCHAR, finish_reason VARCHAR,
    prompt_tokens BIGINT, completion_tokens BIGINT, paid_usd DOUBLE, price_version VARCHAR,
    seconds DOUBLE, received_at TIMESTAMP);
CREATE TABLE label_replies (label_id UUID, request_hash UUID);
CREATE TABLE runs (
    run_id UUID, annotator_id UUID, judge VARCHAR, dataset VARCHAR, settings JSON,
    planned BIGINT, done BIGINT, failed BIGINT, spent_usd DOUBLE, started_at TIMESTAMP,
    ended_at TIMESTAMP, status VARCHAR, journal_offset BIGINT);
CREATE TABLE possibly_paid (run_id UUID, request_hash UUID, sent_at TIMESTAMP);
"""

RUNS_WITH_MONEY = """
ALTER TABLE replies ADD COLUMN logprobs JSON;
ALTER TABLE replies ADD COLUMN fingerprint VARCHAR;
ALTER TABLE possibly_paid ADD COLUMN most_usd DOUBLE;
ALTER TABLE runs ADD COLUMN budget_usd DOUBLE;
CREATE TABLE batches (
    batch_id VARCHAR, run_id UUID, tag VARCHAR, provider VARCHAR, model VARCHAR, n_requests BIGINT,
    submitted_at TIMESTAMP, status VARCHAR, ended_at TIMESTAMP);
"""

FEATURES_OF_RESPONSES = """
CREATE TABLE features (
    comparison_id UUID, feature VARCHAR, version VARCHAR, a DOUBLE, b DOUBLE);
"""

PRICES = """
CREATE TABLE prices (
    dataset VARCHAR, annotator VARCHAR, usd_per_label DOUBLE, usd_per_hour DOUBLE, note VARCHAR,
    set_at TIMESTAMP);
"""

WORK_OF_HUMANS = """
CREATE TABLE assignments (
    dataset VARCHAR, comparison_id UUID, queue VARCHAR CHECK (queue IN ('routed', 'audit')),
    policy VARCHAR, score DOUBLE,
    sampling_probability DOUBLE CHECK (sampling_probability BETWEEN 0 AND 1),
    assigned_at TIMESTAMP);
CREATE TABLE guidelines (
    guideline_id UUID, dataset VARCHAR, criterion VARCHAR, text VARCHAR, created_at TIMESTAMP);
CREATE TABLE tags (
    comparison_id UUID, tag VARCHAR, note VARCHAR, annotator VARCHAR, set_at TIMESTAMP);
"""

MIGRATIONS: tuple[Migration, ...] = (
    Migration("tables", TABLES),
    Migration("runs with money", RUNS_WITH_MONEY),
    Migration("features of responses", FEATURES_OF_RESPONSES),
    Migration("prices", PRICES),
    Migration("work of humans", WORK_OF_HUMANS),
)

RECORD_VERSION = "CREATE TABLE IF NOT EXISTS migrations (version INTEGER, name VARCHAR)"

COLUMNS = "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
SHAPE = """
SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal
ORDER BY table_name, column_index
"""


def version_of(con: duckdb.DuckDBPyConnection) -> int:
    """Number of migrations that the store has seen; 0 for an empty file, -1 for a foreign one."""
    columns = {".".join(row) for row in con.execute(COLUMNS).fetchall()}
    if "migrations.version" not in columns:
        return -1 if columns else 0
    [(version,)] = con.execute("SELECT coalesce(max(version), 0) FROM migrations").fetchall()
    return int(version)


def migrate(
    con: duckdb.DuckDBPyConnection, migrations: Sequence[Migration] = MIGRATIONS
) -> list[str]:
    """Bring the store up to the newest shape in one transaction; returns what was applied."""
    con.execute("BEGIN")
    con.execute(RECORD_VERSION)
    done = version_of(con)
    for version, migration in enumerate(migrations[done:], start=done + 1):
        con.execute(migration.sql)
        con.execute("INSERT INTO migrations VALUES (?, ?)", [version, migration.name])
    if done == 0:
        con.execute("INSERT INTO meta VALUES ('secret', ?)", [secrets.token_hex(32)])
    con.execute("COMMIT")
    return [migration.name for migration in migrations[done:]]


def id_sql(*columns: str) -> str:
    """SQL for `records.make_id` over column expressions: the same parts give the same id."""
    hashed = ", ".join(f"coalesce(sha256(({column})::VARCHAR), '-')" for column in columns)
    return f"left(sha256(concat_ws('/', {hashed})), 32)::UUID"


COMPARISON_ID = (
    "CASE WHEN response_a IS NULL OR response_b IS NULL THEN "
    + id_sql("dataset", "'source'", "source_id")
    + " ELSE "
    + id_sql("dataset", "prompt", "model_a", "response_a", "model_b", "response_b")
    + " END"
)
PROMPT_ID = id_sql("dataset", "'prompt'", "coalesce(prompt_key, prompt, source_id)")
SHOWN_AT_RANDOM = (
    "CASE WHEN right("
    + id_sql("'order'", "comparison_id")
    + "::VARCHAR, 1) IN ('1', '3', '5', '7', '9', 'b', 'd', 'f') THEN 'ab' ELSE 'ba' END"
)
LABEL_ID = id_sql("comparison_id", "annotator_id", "criterion", "repeat", "shown")
