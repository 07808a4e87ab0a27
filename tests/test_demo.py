"""The demo: the main job end to end, then the dashboard on 127.0.0.1."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from app.words_learning import NOT_RUN
from data.assignments import assignments
from data.people import Queue, first_queue
from data.store import Store
from judges.simulated import EXAMPLES
from pipelines.compare import compare
from pipelines.findings import find
from tests.test_dashboard import VIEWS, check, open_app, texts

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo's folder, and what the command printed."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, run_demo(folder)


def run_demo(folder, *more):
    command = [sys.executable, "-P", "-m", "app.cli", "demo", "--no-serve", *more]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=True
    )


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_every_judge_labels_the_sample_in_both_orders(demo):
    folder, done = demo
    store = Store(folder / "demo" / "demo.duckdb")
    with store.reading() as con:
        runs = con.execute("SELECT status, done, failed FROM runs").fetchall()
    whole, probed = ("complete", 528, 0), ("complete", 660, 0)
    assert sorted(runs) == [whole] * 6 + [probed] * 3
    assert done.stderr.lower().count("simulated") >= 2
    assert "simulated labels" in done.stdout
    assert "next: concord app" in done.stderr


def test_what_was_planted_is_found(demo):
    rows = compare(Store(demo[0] / "demo" / "demo.duckdb"), "sample")
    [first] = find(rows, "first_shown_share", "sim-first")
    [sharp] = find(rows, "first_shown_share", "sim-sharp")
    assert first.low > 0.5 >= sharp.low
    longer = {name: find(rows, "longer_chosen_share", name)[0] for name in EXAMPLES}
    assert longer["sim-verbose"].low > longer["sim-sharp"].estimate
    agreement = {row.subject: row for row in find(rows, "single_human_agreement")}
    assert agreement["sim-sharp"].low > agreement["random"].high
    slices = {row.slice for row in rows if row.statistic == "gap" and row.low is not None}
    assert len(slices) == 5  # overall and four categories, each with enough prompts


@pytest.mark.parametrize("view", [view for view in VIEWS if view != "label"])
def test_every_view_has_something_to_show(demo, view, monkeypatch):
    """What is not there yet is said in sentences that name a way to get it: here there are none."""
    app = check(open_app(monkeypatch, demo[0] / "demo" / "demo.duckdb", view, dataset="sample"))
    said = " ".join(texts(app))
    assert NOT_RUN not in said
    assert "not known" not in said.split(".")[0]


def test_people_find_work(demo):
    store = Store(demo[0] / "demo" / "demo.duckdb")
    with store.reading() as con:
        assert first_queue(con, "sample", "overall") is Queue.AUDIT
        assert len(assignments(con, "sample")) > 10


def test_a_second_time_it_is_there_already(demo):
    folder, _ = demo
    again = run_demo(folder)
    assert "is there already" in again.stderr


def served(folder):
    """The demo that is already there, served: its process, once the page answers."""
    command = [sys.executable, "-P", "-m", "app.cli", "demo", "--port", "18517"]
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    address = next(
        found[0]
        for line in process.stderr
        if (found := re.search(r"http://127\.0\.0\.1:18517", line))
    )
    with urllib.request.urlopen(address, timeout=20) as page:
        assert page.status == 200
    return process


def test_it_serves_on_loopback_and_says_where(demo):
    process = served(demo[0])
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen("http://127.0.0.1:18517", timeout=1).close()
        except OSError:
            return
        time.sleep(0.2)
    pytest.fail("the dashboard outlived its command")


def test_ctrl_c_ends_it_without_complaint(demo):
    """A terminal sends it to the command and the server alike; both say nothing of their inside."""
    process = served(demo[0])
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=20)[1]
    assert "leaked" not in said
    assert "Traceback" not in said
    assert said.strip() in ("(Ctrl-C ends it)", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_while_it_still_starts(demo, number):
    command = [sys.executable, "-P", "-m", "app.cli", "app", "--port", "18519",
               "--store", str(demo[0] / "demo" / "demo.duckdb")]  # fmt: skip
    process = subprocess.Popen(
        command, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and "app.server" not in in_group(process.pid):
        time.sleep(0.02)
    time.sleep(0.4)  # amid the imports
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=20)
    assert "Traceback" not in said
    assert "app.server" not in in_group(process.pid)


def in_group(group):
    """The command lines of a group's processes."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # one that has just ended
            if os.getpgid(int(place.name)) == group:
                found.append((place / "cmdline").read_text())
    return " ".join(found)
