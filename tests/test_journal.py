"""The journal: complete lines survive, torn ones vanish, a lock tells live from dead."""

import subprocess
import sys
from uuid import UUID

import pytest

from data.errors import RunError, StoreError
from data.journal import Journal, is_live, iter_events, journals_in, read_events


def test_events_come_back_in_order_from_any_offset(tmp_path):
    path = tmp_path / "new" / "r.jsonl"
    events = [{"event": "x", "n": n, "text": "é\u2028\n\udc80"} for n in range(5)]
    with Journal(path) as journal:
        for event in events:
            journal.write(event)
    found, end = read_events(path)
    assert found == events == list(iter_events(path))
    assert end == path.stat().st_size
    assert read_events(path, end) == ([], end)
    [first], offset = read_events(path, 0, size=1)
    assert first == events[0]
    assert read_events(path, offset)[0] == events[1:]


@pytest.mark.parametrize("torn", [b'{"event": "lab', b"\xff\xfe", b"x" * 200_000])
def test_a_torn_last_line_is_dropped(tmp_path, torn):
    path = tmp_path / "r.jsonl"
    with Journal(path) as journal:
        journal.write({"event": "x", "n": 1})
    with path.open("ab") as file:
        file.write(torn)
    assert read_events(path)[0] == list(iter_events(path)) == [{"event": "x", "n": 1}]
    with Journal(path) as journal:
        journal.write({"event": "x", "n": 2})
    assert read_events(path)[0] == [{"event": "x", "n": 1}, {"event": "x", "n": 2}]


def test_a_journal_of_one_torn_line_is_empty(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'{"n"')
    assert read_events(path) == ([], 0)
    Journal(path).close()
    assert path.read_bytes() == b""


def test_one_writer_at_a_time(tmp_path):
    path = tmp_path / "r.jsonl"
    with Journal(path):
        assert is_live(path)
        with pytest.raises(RunError, match="written by another process"):
            Journal(path)
    assert not is_live(path)


def test_a_killed_writer_is_dead_and_its_lines_stay(tmp_path):
    path = tmp_path / "r.jsonl"
    code = """
import os, sys
from pathlib import Path
from data.journal import Journal
journal = Journal(Path(sys.argv[1]))
journal.write({"event": "x", "n": 1})
print("written", flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"written\n"
    assert is_live(path)
    process.kill()
    process.communicate()
    assert not is_live(path)
    assert read_events(path)[0] == [{"event": "x", "n": 1}]


def test_journals_of_a_store_are_named_by_their_runs(tmp_path):
    assert list(journals_in(tmp_path / "none")) == []
    runs = [f"{UUID(int=n)}.jsonl" for n in (2, 1)]
    for name in (*runs, "x.lock", "foreign.jsonl"):
        (tmp_path / name).touch()
    assert [path.name for path in journals_in(tmp_path)] == sorted(runs)


def test_several_events_are_written_at_once_or_not_at_all(tmp_path):
    path = tmp_path / "r.jsonl"
    with Journal(path) as journal:
        journal.write({"event": "x", "n": 1}, {"event": "y", "n": 2})
        journal.write()
    assert path.read_bytes() == b'{"event": "x", "n": 1}\n{"event": "y", "n": 2}\n'


@pytest.mark.parametrize(
    "line",
    [b"not JSON\n", b"[1]\n", b'{"no": "event"}\n', b'{"event": "sent"}\n', b'{"event": {}}\n'],
)
def test_a_damaged_line_is_named_once_what_stands_before_it_was_read(tmp_path, line):
    path = tmp_path / "r.jsonl"
    sound = [{"event": "x", "n": n} for n in range(3)]
    with Journal(path) as journal:
        journal.write(*sound)
    end = path.stat().st_size
    with path.open("ab") as file:
        file.write(line + b'{"event": "x", "n": 4}\n')
    assert read_events(path) == (sound, end)
    for read in (lambda: read_events(path, end), lambda: list(iter_events(path))):
        with pytest.raises(StoreError, match="damaged on line 4 ") as error:
            read()
        assert str(path) in error.value.what
        assert "keep it" in error.value.fix


def test_what_a_full_disk_cuts_off_leaves_no_half_line(tmp_path):
    path = tmp_path / "r.jsonl"
    code = """
import resource, signal, sys
from pathlib import Path
from data.errors import RunError
from data.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
journal = Journal(Path(sys.argv[1]))
journal.write({"event": "x", "n": 1})
for n in range(2):
    try:
        journal.write({"event": "x", "text": "y" * 200})
    except RunError as error:
        print(error.what, "|", error.fix)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.write({"event": "x", "n": 2})
"""
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("cannot be written") == done.stdout.count("Free disk space") == 2
    assert [event["n"] for event in iter_events(path)] == [1, 2]
