"""What the dashboard keeps of a store: read once, read anew in the background, never waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app import keeping, loading
from app.keeping import Keeper, Reads, large, on_screen
from data.errors import InputError
from data.store import Store, StoreError, StoreLockedError
from pipelines.panel import read_panel
from pipelines.section_parts import part_rows
from pipelines.sections.view import Rules
from pipelines.stats.agreement import TieRule
from tests.dashboards import ROOT, make_store
from tests.provider import concord, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipelines.panel import Panel

COUNT = "SELECT count(*) FROM labels JOIN comparisons USING (comparison_id) WHERE dataset = ?"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "s.duckdb"
    make_store(made)
    make_store(made, dataset="other")
    return made


@pytest.fixture
def keeper(path: Path) -> Iterator[Keeper]:
    made = Keeper(str(path))
    yield made
    made.stop()


def labels_of(reads: Reads, dataset: str) -> int:
    with reads.open().reading() as con:
        return int(con.execute(COUNT, [dataset]).fetchall()[0][0])


def twice_the_labels(reads: Reads, dataset: str) -> int:
    return 2 * reads.need(dataset, labels_of, dataset)


def fails(reads: Reads) -> int:
    raise InputError("no", "nothing")


class Slow:
    """A read that waits until it may go on, and counts how often it was made."""

    def __init__(self) -> None:
        self.made = 0
        self.go = threading.Event()
        self.go.set()

    def __call__(self, reads: Reads, dataset: str) -> int:
        self.made += 1
        found = labels_of(reads, dataset)
        assert self.go.wait(60)
        return found


def add_labels(path: Path, dataset: str = "small") -> None:
    """A comparison labelled in both orders, by another process."""
    run = concord("label", "--store", path, "--judge", "first", "--dataset", dataset, "--limit", 1)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(run, check=True, capture_output=True, cwd=path.parent, env=environment)


def price(path: Path, dataset: str) -> None:
    """A change of one data set alone, in this process."""
    with Store(path).writing() as con:
        con.execute("INSERT INTO prices (dataset, set_at) VALUES (?, now()::TIMESTAMP)", [dataset])


def test_all_who_ask_share_one_read(keeper: Keeper) -> None:
    slow, found = Slow(), []
    slow.go.clear()
    reads = keeper.snapshot().reads
    threads = [
        threading.Thread(target=lambda: found.append(reads.get("small", slow, "small")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    wait_for(lambda: slow.made)
    assert not reads.has("small", slow, "small")
    slow.go.set()
    for thread in threads:
        thread.join()
    assert (slow.made, found) == (1, [540] * 4)
    assert reads.has("small", slow, "small")


def test_errors_are_raised_and_not_kept(keeper: Keeper) -> None:
    reads = keeper.snapshot().reads
    for _ in range(2):
        with pytest.raises(InputError):
            reads.get(None, fails)
        assert not reads.has(None, fails)


def test_only_what_changed_is_read_anew(keeper: Keeper, path: Path) -> None:
    small, other, datasets = Slow(), Slow(), Slow()
    reads = keeper.snapshot().reads
    for dataset, function, argument in (("small", small, "small"), ("other", other, "other"),
                                        (None, datasets, "small")):  # fmt: skip
        reads.get(dataset, function, argument)
    price(path, "small")
    keeper.look()
    assert keeper.snapshot().reads is not reads
    assert (small.made, other.made, datasets.made) == (2, 1, 2)
    keeper.look()
    assert (small.made, other.made, datasets.made) == (2, 1, 2)


def test_the_old_stays_on_screen_while_the_new_is_read(keeper: Keeper, path: Path) -> None:
    slow = Slow()
    before = keeper.snapshot()
    assert before.reads.get("small", slow, "small") == 540
    assert before.reads.get("small", twice_the_labels, "small") == 1080
    add_labels(path)
    slow.go.clear()
    thread = threading.Thread(target=keeper.look)
    thread.start()
    wait_for(lambda: slow.made == 2)
    during = keeper.snapshot()
    assert during.reading
    assert during.version == before.version
    assert during.reads.get("small", slow, "small") == 540  # at once, while the thread waits
    slow.go.set()
    thread.join()
    after = keeper.snapshot()
    assert not after.reading
    assert after.version_of("small") != before.version_of("small")
    assert after.version_of("other") == before.version_of("other")
    assert after.reads.has("small", slow, "small")
    assert after.reads.get("small", slow, "small") == 542
    assert after.reads.get("small", twice_the_labels, "small") == 1084
    assert before.reads.get("small", twice_the_labels, "small") == 1080  # a page half drawn


def test_what_is_on_a_screen_stays_in_use(
    keeper: Keeper, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "USED_SECONDS", 60.0)
    reads = keeper.snapshot().reads
    with on_screen() as keys:
        reads.get("small", labels_of, "small")
        reads.get("small", twice_the_labels, "small")
    reads.get("small", panel_items, "small")  # on no screen
    assert [key[1] for key in keys] == [labels_of, twice_the_labels]
    for kept in reads._kept.values():
        kept.used_at -= 100
    reads.still_used(keys[1:])
    add_labels(path)
    keeper.look()
    after = keeper.snapshot().reads
    assert after.has("small", twice_the_labels, "small")
    assert after.has("small", labels_of, "small")  # the other rests on it
    assert not after.has("small", panel_items, "small")


def test_what_is_first_asked_for_meanwhile_is_read_too(keeper: Keeper, path: Path) -> None:
    slow, late = Slow(), Slow()
    reads = keeper.snapshot().reads
    reads.get("small", slow, "small")
    price(path, "small")
    slow.go.clear()
    thread = threading.Thread(target=keeper.look)
    thread.start()
    wait_for(lambda: slow.made == 2)
    reads.get("small", late, "small")
    slow.go.set()
    thread.join()
    assert keeper.snapshot().reads.has("small", late, "small")


def test_what_nobody_used_lately_is_not_read_anew(
    keeper: Keeper, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow()
    keeper.snapshot().reads.get("small", slow, "small")
    monkeypatch.setattr(keeping, "USED_SECONDS", -1.0)
    price(path, "small")
    keeper.look()
    assert slow.made == 1


def test_a_store_in_use_keeps_the_last_and_says_so(
    keeper: Keeper, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "WAIT_SECONDS", 0.05)
    before = keeper.snapshot()
    with Store(path).writing():
        keeper.look()
        seen = keeper.snapshot()
        assert seen.version == before.version
        assert "in use" in (seen.busy or "")
        assert seen.read_at == before.read_at
        with pytest.raises(StoreLockedError):
            Keeper(str(path)).snapshot()
    keeper.look()
    assert keeper.snapshot().busy is None


def test_a_store_that_is_gone_keeps_the_last(keeper: Keeper, path: Path) -> None:
    before = keeper.snapshot()
    path.unlink()
    keeper.look()
    assert keeper.snapshot().busy
    assert keeper.snapshot().reads is before.reads
    with pytest.raises(StoreError):
        Keeper(str(path)).snapshot()


def test_a_removed_data_set_leaves_the_others(keeper: Keeper, path: Path) -> None:
    for dataset in ("small", "other"):
        keeper.snapshot().reads.get(dataset, panel_items, dataset)
    run = concord("datasets", "remove", "other", "--yes", "--store", path)
    subprocess.run(run, check=True, capture_output=True, cwd=ROOT)
    keeper.look()
    after = keeper.snapshot()
    assert after.busy is None
    assert list(after.reads.versions) == ["small"]
    assert after.reads.has("small", panel_items, "small")
    assert not after.reads.has("other", panel_items, "other")


def panel_items(reads: Reads, dataset: str) -> int:
    return read_panel(reads.open(), dataset).n_items


@large
def big(reads: Reads, number: int) -> int:
    return number


def test_few_large_results_are_kept(keeper: Keeper) -> None:
    reads = keeper.snapshot().reads
    for number in range(10):
        assert reads.get(None, big, number) == number
    kept = [number for number in range(10) if reads.has(None, big, number)]
    assert kept == list(range(10))[-keeping.MOST_LARGE :]


def test_parts_are_computed_one_by_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    panels: list[str] = []

    def counted(
        panel: Panel, rules: Rules, part: str, judge: str | None, slices: str | None
    ) -> object:
        asked.append(part)
        return part_rows(panel, rules, part, judge, slices)

    def read(store: Store, *arguments: str) -> object:
        panels.append(arguments[0])
        return read_panel(store, *arguments)

    monkeypatch.setattr(loading, "part_rows", counted)
    monkeypatch.setattr(loading, "read_panel", read)
    reader = loading.first_reader(str(path))
    assert reader is not None
    other = loading.Reader(reader.seen, "small", reader.criterion, Rules())
    agreement, cost = other.rows("references"), other.rows("references", "prices")
    assert {row.section for row in agreement} == {"agreement"}
    assert {row.slice for row in agreement} == {"all"}
    assert cost[: len(agreement)] == agreement
    assert asked == ["references", "prices"]
    assert panels == ["small"]
    sliced = other.rows("references", slices="category")
    assert {row.slice for row in sliced} > {"all"}
    assert asked[2:] == ["references"]
    half = replace(other, rules=Rules(ties=TieRule.HALF))
    assert half.rows("prices") == other.rows("prices")  # which know of no ties
    assert half.rows("references") != other.rows("references")
    assert asked[3:] == ["references"]


def test_a_writer_makes_nobody_wait(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a process that writes all the time, results stay at hand and become newer."""
    monkeypatch.setattr(keeping, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(keeping, "REST", 0.0)
    reader = loading.first_reader(str(path))
    assert reader is not None
    store, versions, missing = str(path), set(), 0
    with on_screen() as keys:
        loading.of_store(reader.seen, "small", count_labels)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, store], cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while len(versions) < 4 and time.monotonic() < deadline:
            seen = loading.snapshot(store)
            versions.add(seen.version)
            seen.reads.still_used(keys)
            missing += not seen.reads.has("small", *KEPT)
            time.sleep(0.01)
    finally:
        writer.terminate()
        writer.wait()
        loading.keeper(store).stop()
    assert len(versions) >= 4
    assert missing == 0


def count_labels(con: object) -> int:
    return int(con.execute(COUNT, ["small"]).fetchall()[0][0])  # type: ignore[attr-defined]


KEPT = (loading._of_store, count_labels)
WRITER = """
import sys, time
from data.store import Store
store = Store(sys.argv[1])
while True:
    with store.writing() as con:
        con.execute("INSERT INTO prices (dataset, set_at) VALUES ('small', now()::TIMESTAMP)")
    time.sleep(0.05)
"""


def test_live_reads_are_two_seconds_old_at_most(
    keeper: Keeper, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keeper.lately(count_labels) == 540
    add_labels(path)
    monkeypatch.setattr(keeping, "LATELY_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(keeping, "LATELY_SECONDS", 0.0)
    with Store(path).writing():
        assert keeper.lately(count_labels) == 540
        keeper.refresh()
        assert keeper.lately(count_labels) == 540
    assert keeper.lately(count_labels) == 542


def test_refresh_brings_what_is_new(path: Path) -> None:
    store = str(path)
    before = loading.snapshot(store)
    price(path, "small")
    assert loading.snapshot(store).version == before.version
    loading.refresh(store)
    wait_for(lambda: loading.snapshot(store).version != before.version)
    loading.keeper(store).stop()


def test_the_server_reads_what_the_overview_shows(path: Path) -> None:
    """After that the first visitor's page computes nothing: its reads are there."""
    from streamlit.testing.v1 import AppTest

    from app import server

    server.warm(str(path))
    reads = loading.snapshot(str(path)).reads
    before = set(reads.kept())
    assert before
    sys.argv[1:], arguments = ["--store", str(path)], sys.argv[1:]
    try:
        app = AppTest.from_file(str(ROOT / "app" / "dashboard.py"), default_timeout=120).run()
    finally:
        sys.argv[1:] = arguments
    assert not app.exception
    assert loading.snapshot(str(path)).reads is reads
    computed = {function.__name__ for _, function, _ in set(reads.kept()) - before}
    assert computed <= {"_categories"}
    loading.keeper(str(path)).stop()
