"""Processes beside the server: they answer side by side, end when nobody needs them, and say so."""

from __future__ import annotations

import gc
import operator
import os
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from app import keeping, loading
from app.apart import Apart
from app.keeping import Keeper
from data.errors import InputError, StoreError
from pipelines.one_judge import known_slices, probed_judges
from pipelines.sections.view import Rules
from tests.dashboards import make_store
from tests.provider import wait_for
from tests.test_loading import add_labels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def other() -> Iterator[Apart]:
    """It calls what it is asked."""
    made = Apart(partial, operator.call)
    yield made
    made.close()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_answers_from_a_process_of_its_own(other: Apart) -> None:
    pid = other.ask(os.getpid)
    assert pid != os.getpid()
    assert other.ask(os.getpid) == pid
    assert Apart(partial, operator.call).ask(os.getpid) != pid
    assert Apart(partial, divmod, 7).ask(2) == (3, 1)


def test_a_short_question_does_not_wait_for_a_long_one(other: Apart) -> None:
    ended = []
    long = partial(time.sleep, 3)
    thread = threading.Thread(target=lambda: ended.append(other.ask(long)))
    thread.start()
    other.ask(os.getpid)
    assert not ended
    thread.join()
    assert ended == [None]


def test_what_it_raises_is_raised_here_whole(other: Apart) -> None:
    with pytest.raises(ZeroDivisionError):
        other.ask(partial(divmod, 1, 0))
    with pytest.raises(StoreError) as told:
        other.ask(partial(loading.snapshot, "/nowhere/s.duckdb"))
    assert told.value.fix
    with pytest.raises(RuntimeError, match="lock"):
        other.ask(threading.Lock)  # an answer that cannot be sent
    assert other.ask(partial(max, 1, 2)) == 2


def test_it_ends_when_closed_or_when_nothing_refers_to_it(other: Apart) -> None:
    pid = other.ask(os.getpid)
    dropped = Apart(partial, operator.call)
    dropped_pid = dropped.ask(os.getpid)
    del dropped
    gc.collect()
    wait_for(lambda: gone(dropped_pid))
    assert not other.ended
    other.close()
    wait_for(lambda: gone(pid))
    assert other.ended
    with pytest.raises(StoreError, match="has ended"):
        other.ask(os.getpid)


def test_who_waits_for_a_process_that_is_killed_is_told(other: Apart) -> None:
    pid = other.ask(os.getpid)
    threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(StoreError, match="has ended") as told:
        other.ask(partial(time.sleep, 60))
    assert "Refresh" in told.value.fix
    assert other.ended


def test_where_the_one_that_waits_was_killed_another_is_started() -> None:
    parent = Apart(partial, operator.call).ask(os.getppid)
    os.kill(parent, signal.SIGKILL)
    told = []

    def another() -> int:
        try:
            return int(Apart(partial, operator.call).ask(os.getppid)) - parent
        except StoreError as error:
            told.append(error)
            return 0

    wait_for(another)
    assert told


# ---- the reads of a large data set


@pytest.fixture
def large_keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    monkeypatch.setattr(keeping, "LARGE_LABELS", 500)  # the data sets have 540
    path = tmp_path / "s.duckdb"
    make_store(path)
    make_store(path, dataset="other")
    made = Keeper(str(path))
    yield made
    made.stop()


def test_a_large_data_set_is_read_beside_the_server(large_keeper: Keeper) -> None:
    seen = large_keeper.snapshot()
    rows = loading.rows(seen, "small", "overall", Rules(), "references", "prices")
    assert len(seen.reads._apart) == 1
    here = keeping.Reads(seen.store, seen.reads.versions)  # no labels: all of it in this process
    assert rows == [
        row
        for part in ("references", "prices")
        for row in here.get("small", loading._rows, "small", "overall", Rules(), part, None, None)
    ]
    assert not here._apart
    assert loading.of_panel(seen, "small", "overall", probed_judges, features=True) == ()
    with pytest.raises(InputError):
        loading.rows(seen, "small", "no such criterion", Rules(), "references")


def test_each_version_has_a_process_and_unchanged_data_sets_keep_theirs(
    large_keeper: Keeper, tmp_path: Path
) -> None:
    before = large_keeper.snapshot()
    for dataset in ("small", "other"):
        loading.of_panel(before, dataset, "overall", known_slices)
    add_labels(tmp_path / "s.duckdb", "small")
    large_keeper.refresh()
    wait_for(lambda: large_keeper.snapshot().version != before.version)
    after = large_keeper.snapshot()
    assert after.reads.has("small", loading._of_panel, "small", "overall", known_slices, False)
    old, new = before.reads._apart, after.reads._apart
    assert new["other"] is old["other"]
    assert new["small"] is not old["small"]
    loading.of_panel(before, "small", "overall", probed_judges)  # a page half drawn goes on


def test_a_large_data_set_is_looked_at_more_rarely(large_keeper: Keeper) -> None:
    large_keeper.snapshot()
    assert large_keeper._check_seconds() == keeping.LARGE_CHECK_SECONDS


def test_a_process_that_ended_is_replaced(large_keeper: Keeper) -> None:
    seen = large_keeper.snapshot()
    loading.of_panel(seen, "small", "overall", known_slices)
    first = seen.reads._apart["small"]
    first.close()
    wait_for(lambda: first.ended)
    loading.of_panel(seen, "small", "overall", probed_judges)
    assert seen.reads._apart["small"] is not first
