"""A reader's own SQL: what it may do, and that nothing else gets through."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from app import words_sql
from data import queries, schema, user_sql
from data.errors import ConcordError, InputError
from data.store import Store, StoreLockedError
from data.user_sql import Asked
from tests.dashboards import make_store

if TYPE_CHECKING:
    from pathlib import Path

ENDLESS = "SELECT count(*) FROM range(1000000) a, range(1000000) b"  # 10^12 rows
ATTACKS = (
    "COPY labels TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "EXPORT DATABASE '{folder}/out'",
    "ATTACH '{folder}/other.duckdb'",
    "ATTACH '{folder}/other.duckdb' AS other (READ_ONLY false)",
    "SELECT * FROM read_csv('{folder}/secret.csv')",
    "SELECT * FROM read_text('{folder}/secret.csv')",
    "SELECT * FROM read_blob('{folder}/*')",
    "SELECT * FROM read_json('{folder}/secret.csv')",
    "SELECT * FROM read_parquet('{folder}/secret.csv')",
    "SELECT * FROM glob('{folder}/*')",
    "FROM '{folder}/secret.csv'",
    "SELECT * FROM read_csv('https://example.org/x.csv')",
    "SELECT * FROM query('SELECT * FROM read_text(''{folder}/secret.csv'')')",
    "SELECT * FROM query_table('{folder}/secret.csv')",
    "SELECT * FROM here_in_python",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA database_list",
    "PRAGMA enable_external_access=true",
    "CALL pragma_version()",
    "CALL enable_logging()",
    "SET enable_external_access = true",
    "SET GLOBAL lock_configuration = false",
    "RESET lock_configuration",
    "SET threads = 64",
    "SELECT 1; DROP TABLE labels",
    "SELECT 1; SELECT 2",
    "DROP TABLE labels",
    "DELETE FROM labels",
    "UPDATE labels SET preference = 'a'",
    "INSERT INTO labels SELECT * FROM labels",
    "CREATE TABLE mine AS SELECT 1 AS x",
    "CREATE TEMP TABLE mine AS SELECT 1 AS x",
    "CREATE VIEW mine AS SELECT 1 AS x",
    "CREATE MACRO mine() AS 1",
    "WITH x AS (SELECT 1) DELETE FROM labels",
    "ALTER TABLE labels ADD COLUMN x INT",
    "TRUNCATE labels",
    "VACUUM",
    "CHECKPOINT",
    "BEGIN",
    "USE memory",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "CREATE SECRET s (TYPE s3)",
    "SELECT * FROM duckdb_secrets()",
    "SELECT getenv('HOME')",
    "",
    "-- nothing",
    ";",
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sql") / "small.duckdb"
    make_store(path)
    return path


def ask(store: Path, sql: str, seconds: float = 20.0) -> user_sql.Answer:
    with Asked(store, sql, seconds) as asking:
        return asking.answer()


@pytest.mark.parametrize("sql", ATTACKS)
def test_an_attack_is_refused(sql: str, small: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("x\nsecret\n")
    here_in_python = {"x": [1]}
    assert here_in_python
    before = small.read_bytes()
    with Store(small, upgrade=False).reading() as con:
        user_sql.shut_in(con)
        with pytest.raises(InputError):
            queries.one_select(con, sql.format(folder=tmp_path), 10)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]
    assert small.read_bytes() == before


def test_a_query_is_answered(small: Path) -> None:
    found = ask(small, "SELECT kind, count(*) AS n, avg(1) AS one FROM annotators GROUP BY kind")
    assert found.columns == ("kind", "n", "one")
    assert sorted(found.rows) == [("baseline", 1, 1.0), ("human", 3, 1.0), ("judge", 3, 1.0)]
    assert not found.is_cut


def test_values_are_plain_and_names_differ(small: Path) -> None:
    found = ask(
        small,
        "SELECT 1 AS a, 2 AS a, 9007199254740993 AS big, [1, 2] AS l, sum(x)::HUGEINT AS s, "
        "NULL AS nothing, 'ü\n<img src=x>' AS t, true AS yes, 1.5::DECIMAL(4, 1) AS d "
        "FROM range(3) r(x)",
    )
    assert len(set(found.columns)) == len(found.columns) == 9
    assert found.rows == (
        (1, 2, "9007199254740993", "[1, 2]", 3, None, "ü\n<img src=x>", True, 1.5),
    )


def test_rows_are_limited(small: Path) -> None:
    found = ask(small, f"FROM range({user_sql.MOST_ROWS + 1})")
    assert (len(found.rows), found.is_cut) == (user_sql.MOST_ROWS, True)
    found = ask(small, f"FROM range({user_sql.MOST_ROWS})")
    assert (len(found.rows), found.is_cut) == (user_sql.MOST_ROWS, False)


def test_an_endless_query_is_stopped(small: Path) -> None:
    with Asked(small, ENDLESS, 0.5) as asking:
        with pytest.raises(InputError, match="longer than"):
            asking.answer()
        assert asking.ended


def test_leaving_stops_a_query_and_frees_the_store(small: Path) -> None:
    with Asked(small, ENDLESS, 60.0) as asking:
        assert not asking.wait(0.2)
    assert asking.ended
    with Store(small, wait_seconds=0.0).writing():
        pass


def test_nobody_left_to_stop_it(small: Path) -> None:
    """The process ends by itself, as one whose dashboard was killed must."""
    command = [sys.executable, "-P", "-m", Asked.module, str(small), "0.5"]
    done = subprocess.run(command, input=ENDLESS.encode(), capture_output=True, timeout=60,
                          check=False)  # fmt: skip
    assert done.returncode < 0
    assert done.stdout == b""


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT repeat('x', 3000000000)", "too much memory"),
        ("SELECT repeat('x', 30000000) AS long", "20 MB"),
        ("SELEKT 1", "syntax error"),
        ("SELECT nowhere FROM labels", "not found"),
        ("SELECT * FROM read_text('/etc/hosts')", "beyond the store"),
    ],
)
def test_a_problem_is_said_in_plain_words(sql: str, said: str, small: Path) -> None:
    with pytest.raises(ConcordError) as error:
        ask(small, sql)
    what, fix = words_sql.problem(error.value)
    assert said in what
    assert "Error:" not in what
    assert what[0].isupper()
    assert what.endswith((".", "?"))
    assert fix


def test_a_store_that_is_written_says_so(small: Path) -> None:
    with Store(small).writing(), pytest.raises(StoreLockedError):
        ask(small, "SELECT 1")


def test_a_query_without_end_is_not_sent(small: Path) -> None:
    with pytest.raises(InputError, match="characters"):
        Asked(small, "x" * (user_sql.MOST_CHARACTERS + 1))


def test_decimals_are_numbers() -> None:
    assert user_sql.plain([Decimal(3), Decimal("0.25"), None]) == [3, 0.25, None]
    assert user_sql.plain([2**53 + 1, 1]) == [str(2**53 + 1), "1"]
    assert user_sql.plain([True, "x", b"y"]) == [True, "x", "b'y'"]


def test_names_of_columns_are_made_to_differ() -> None:
    assert user_sql.apart(["a", "a", "a (2)", "", ""]) == [
        "a", "a (2)", "a (2) (2)", "(no name)", "(no name) (2)"
    ]  # fmt: skip


def test_every_table_and_column_has_its_line(small: Path) -> None:
    with Store(small).reading() as con:
        shape = queries.rows(con, schema.SHAPE)
    assert {table for table, _, _ in shape} == set(words_sql.TABLES)
    assert {column for _, column, _ in shape} == set(words_sql.COLUMNS)
    [first, *_] = words_sql.columns_of(shape, "runs")
    assert first == {"Column": "run_id", "Type": "uuid", "Holds": "which run"}


@pytest.mark.parametrize("name", [name for name in words_sql.EXAMPLES if name])
def test_examples_run_on_any_data_set(name: str, small: Path) -> None:
    with Store(small).reading() as con:
        for dataset in ("small", "it's; DROP TABLE labels --"):
            queries.one_select(con, words_sql.example(name, dataset, "overall"), 50)


def test_examples_find_what_they_say(small: Path) -> None:
    with Store(small).reading() as con:
        order = queries.one_select(con, words_sql.example("order", "small", "overall"), 50)
        agreement = queries.one_select(con, words_sql.example("agreement", "small", "overall"), 50)
    changed = {row["judge"]: row["changed"] for row in order.to_pylist()}
    # tests/dashboards.py: hasty takes the one shown first on every third of 60
    assert changed == {"careful": 0, "hasty": 20}
    pairs = {row["judge"]: row["pairs"] for row in agreement.to_pylist()}
    assert pairs == {"careful": 360, "hasty": 360, "silent": 177}
