"""The store: identity, locking between processes and within one, migrations, backup."""

import os
import subprocess
import sys
import textwrap
import threading

import duckdb
import pytest

from data import schema
from data.errors import StoreError
from data.records import make_id
from data.store import Store, StoreLockedError, existing_or_new, first_row


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "s.duckdb", create=True)


def other_process(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


HOLD = """
    import sys, duckdb
    con = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_missing_store_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(StoreError) as error:
        Store(tmp_path / "none.duckdb")
    assert "no store at" in error.value.what
    assert "concord import" in error.value.fix


def test_a_store_in_a_missing_folder(tmp_path):
    with pytest.raises(StoreError, match="no folder"):
        Store(tmp_path / "no" / "s.duckdb", create=True)


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "s.duckdb"
    path.write_text("this is not a database, just text that goes on for a while" * 100)
    with pytest.raises(StoreError, match="is not a DuckDB file") as error, Store(path).reading():
        pass
    assert "another --store" in error.value.fix


def test_a_foreign_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "s.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE mine (x INTEGER)")
    with pytest.raises(StoreError, match="not a Concord store"), Store(path).reading():
        pass
    with duckdb.connect(str(path)) as con:
        assert [row[0] for row in con.execute("SHOW TABLES").fetchall()] == ["mine"]


def test_a_newer_store_is_refused(store):
    with store.writing() as con:
        con.execute("INSERT INTO migrations VALUES (99, 'from the future')")
    with pytest.raises(StoreError, match="newer Concord") as error, Store(store.path).reading():
        pass
    assert "Upgrade" in error.value.fix


def test_an_older_store_is_copied_then_upgraded(store, monkeypatch):
    with store.writing() as con:
        con.execute("INSERT INTO datasets VALUES ('d', 'x', false, now()::TIMESTAMP)")
    newer = (*schema.MIGRATIONS, schema.Migration("more", "CREATE TABLE more (x INTEGER)"))
    monkeypatch.setattr(schema, "MIGRATIONS", newer)
    monkeypatch.setattr(schema.migrate, "__defaults__", (newer,))
    with Store(store.path).reading() as con:
        assert first_row(con, "SELECT count(*) FROM more") == (0,)
        assert first_row(con, "SELECT dataset FROM datasets") == ("d",)
        assert schema.version_of(con) == len(newer)
    [copy] = store.path.parent.glob(f"s.duckdb.v{len(newer) - 1}-*")
    with duckdb.connect(str(copy), read_only=True) as con:
        assert schema.version_of(con) == len(newer) - 1
        assert con.execute("SELECT dataset FROM datasets").fetchall() == [("d",)]


def test_a_store_of_the_first_version_keeps_its_rows(tmp_path):
    path = tmp_path / "old.duckdb"
    with duckdb.connect(str(path)) as con:
        schema.migrate(con, schema.MIGRATIONS[:1])
        con.execute("INSERT INTO replies (request_hash, paid_usd) VALUES (uuid(), 0.5)")
        con.execute("INSERT INTO runs (judge, spent_usd) VALUES ('j', 0.5)")
    with Store(path).reading() as con:
        assert first_row(con, "SELECT paid_usd, logprobs, fingerprint FROM replies") == (
            0.5,
            None,
            None,
        )
        assert first_row(con, "SELECT spent_usd, budget_usd FROM runs") == (0.5, None)
        assert first_row(con, "SELECT count(*) FROM batches") == (0,)
        assert first_row(con, "SELECT count(most_usd) FROM possibly_paid") == (0,)


def test_migrating_twice_changes_nothing(store):
    secret = store.secret()
    with store.writing() as con:
        con.execute("COMMIT")
        assert schema.migrate(con) == []
        con.execute("BEGIN")
    assert store.secret() == secret
    assert len(secret) == 64


def test_secrets_differ_between_stores(tmp_path, store):
    assert Store(tmp_path / "other.duckdb", create=True).secret() != store.secret()


def test_an_error_rolls_everything_back(store):
    def fail_half_way():
        with store.writing() as con:
            con.execute("INSERT INTO meta VALUES ('a', 'b')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    with store.reading() as con:
        assert first_row(con, "SELECT count(*) FROM meta WHERE key = 'a'") == (0,)


@pytest.mark.parametrize("mode", ["reading", "writing"])
def test_an_interrupted_query_is_an_interrupt(store, mode):
    def interrupted():
        with getattr(store, mode)():
            raise RuntimeError("Query interrupted")  # what DuckDB makes of Ctrl-C

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with store.writing() as con:
        con.execute("INSERT INTO meta VALUES ('after', 'x')")


def test_a_new_store_appears_with_what_it_holds_or_not_at_all(tmp_path):
    path = tmp_path / "s.duckdb"

    def fail():
        with existing_or_new(path) as new:
            assert not path.exists()
            assert new.secret()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
    with existing_or_new(path) as new, new.writing() as con:
        con.execute("INSERT INTO meta VALUES ('kept', 'x')")
    assert list(tmp_path.iterdir()) == [path]
    with existing_or_new(path) as same, same.reading() as con:
        assert same.path == path
        assert first_row(con, "SELECT value FROM meta WHERE key = 'kept'") == ("x",)
    with pytest.raises(StoreError, match="no folder"), existing_or_new(tmp_path / "no" / "s"):
        pass


def test_errors_of_the_database_say_that_nothing_was_changed(store):
    def fail_half_way():
        with store.writing() as con:
            con.execute("INSERT INTO meta VALUES ('a', 'b')")
            con.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(StoreError, match="not stored") as error:
        fail_half_way()
    assert "Nothing was changed" in error.value.fix
    with store.reading() as con:
        assert first_row(con, "SELECT count(*) FROM meta WHERE key = 'a'") == (0,)


@pytest.mark.parametrize("mode", ["write", "read"])
def test_a_writer_waits_a_bounded_time_for_another_process(store, mode):
    holder = other_process(HOLD, store.path, mode)
    assert holder.stdout.readline() == "held\n"
    waiting = Store.__new__(Store)
    waiting.path, waiting.wait_seconds, waiting._checked = store.path, 0.3, True
    with pytest.raises(StoreLockedError, match="in use by another process"), waiting.writing():
        pass
    holder.communicate("")
    with waiting.writing() as con:
        con.execute("INSERT INTO meta VALUES ('after', 'x')")


def test_readers_share_between_processes(store):
    holder = other_process(HOLD, store.path, "read")
    assert holder.stdout.readline() == "held\n"
    with store.reading() as con:
        assert first_row(con, "SELECT count(*) FROM comparisons") == (0,)
    holder.communicate("")


def test_readers_and_writers_of_one_process_take_turns(store):
    errors = []

    def write():
        try:
            for k in range(20):
                with store.writing() as con:
                    con.execute("INSERT INTO meta VALUES (?, 'x')", [f"k{k}"])
        except Exception as error:
            errors.append(error)

    def read():
        try:
            for _ in range(40):
                with store.reading() as con:
                    con.execute("SELECT count(*) FROM meta").fetchall()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=target) for target in (write, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with store.reading() as con:
        assert first_row(con, "SELECT count(*) FROM meta WHERE value = 'x'") == (20,)


def test_a_commit_survives_a_kill(store):
    code = """
        import os, sys
        from data.store import Store
        with Store(sys.argv[1]).writing() as con:
            con.execute("INSERT INTO meta VALUES ('kept', 'x')")
        store = Store(sys.argv[1])
        manager = store.writing()
        con = manager.__enter__()
        con.execute("INSERT INTO meta VALUES ('lost', 'x')")
        os.kill(os.getpid(), 9)
    """
    other_process(code, store.path).communicate()
    with store.reading() as con:
        assert con.execute("SELECT key FROM meta WHERE value = 'x'").fetchall() == [("kept",)]


def test_backup_is_whole_and_never_overwrites(store, tmp_path):
    with store.writing() as con:
        con.execute("INSERT INTO meta VALUES ('a', 'b')")
    target = tmp_path / "copy.duckdb"
    store.backup(target)
    with Store(target).reading() as con:
        assert first_row(con, "SELECT value FROM meta WHERE key = 'a'") == ("b",)
    with pytest.raises(StoreError, match="exists already"):
        store.backup(target)


@pytest.mark.parametrize(
    "parts",
    [("a", "b"), ("ab", ""), ("", "ab"), (None, "ab"), ("-", "ab"), ("é\n'x'", "\U0001f600")],
)
def test_identity_is_the_same_in_python_and_sql(parts):
    with duckdb.connect() as con:
        [(value,)] = con.execute(f"SELECT {schema.id_sql('$1', '$2')}", parts).fetchall()
    assert value == make_id(*parts)


def test_no_two_lists_of_parts_share_an_identity():
    lists = [("a", "b"), ("ab", ""), ("", "ab"), (None, "ab"), ("a/b",), ("a", "b", None), ()]
    assert len({make_id(*parts) for parts in lists}) == len(lists)


def test_a_database_with_a_migrations_table_of_its_own_is_foreign(tmp_path):
    path = tmp_path / "x.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE migrations (id INTEGER)")
    with pytest.raises(StoreError, match="not a Concord store"), Store(path).reading():
        pass


def test_a_store_must_be_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(StoreError, match="not a file"):
            Store(path)


def test_a_store_that_was_cut_off_cannot_be_read(store):
    with store.writing() as con:
        con.execute("INSERT INTO meta SELECT k::VARCHAR, md5(k::VARCHAR) FROM range(300000) t(k)")
    size = store.path.stat().st_size
    os.truncate(store.path, size - 300_000)

    def read_all():
        with Store(store.path).reading() as con:
            con.execute("SELECT sum(length(value)), max(key) FROM meta").fetchall()

    with pytest.raises(StoreError):
        read_all()


def test_a_backup_that_cannot_be_written_leaves_nothing(store, tmp_path):
    with pytest.raises(StoreError, match="cannot write"):
        store.backup(tmp_path / "none" / "b.duckdb")
    assert not list(tmp_path.glob("*.partial"))
