"""The process that commits a live run's journal."""

import os
import signal
import time
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from data.committer import Committer
from data.journal import Journal
from data.ledger import label_event, run_event
from data.records import Annotator, AnnotatorKind, Label, LabelStatus, Preference, Run, Shown
from data.store import Store, first_row

JUDGE = Annotator(AnnotatorKind.JUDGE, "j", definition={"judge": "j"})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "s.duckdb", create=True)


@pytest.fixture
def journal(store):
    run = Run(uuid4(), JUDGE.annotator_id, "j", "d", {}, 4, datetime(2026, 1, 2, tzinfo=UTC))
    with Journal(store.journals / f"{run.run_id}.jsonl") as journal:
        journal.write(run_event(run, [JUDGE]))
        yield journal


def write_label(journal, n):
    label = Label(UUID(int=n), JUDGE.annotator_id, Shown.AB, LabelStatus.OK, Preference.A)
    journal.write(label_event(label))


def wait_for(store, n):
    """Until so many labels are committed."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with store.reading() as con:
            if first_row(con, "SELECT count(*) FROM labels")[0] == n:
                return
        time.sleep(0.1)
    raise AssertionError(f"{n} labels were never committed")


def pid_of(committer):
    return committer._process.pid


def test_it_commits_while_the_run_goes_on_and_ends_with_it(store, journal):
    with Committer(store, journal.path) as committer:
        committer.start()
        pid = pid_of(committer)
        for n in (1, 2):
            write_label(journal, n)
            wait_for(store, n)
        committer.start()
        assert pid_of(committer) == pid, "one is enough"
        assert not committer.store_locked
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_one_that_was_killed_is_started_again(store, journal):
    with Committer(store, journal.path) as committer:
        committer.start()
        write_label(journal, 1)
        wait_for(store, 1)
        killed = pid_of(committer)
        os.kill(killed, signal.SIGKILL)
        os.waitid(os.P_PID, killed, os.WEXITED | os.WNOWAIT)
        write_label(journal, 2)
        committer.start()
        assert pid_of(committer) != killed
        wait_for(store, 2)


def test_one_that_was_never_started_has_nothing_to_end(store, journal):
    with Committer(store, journal.path) as committer:
        assert not committer.store_locked
