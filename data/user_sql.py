"""A reader's own SELECT in a process of its own: it can be stopped, and harms nobody else.

`python -m data.user_sql STORE` reads one request as JSON from standard input and writes one answer
as JSON to standard output. It opens the store for reading, without access to files or network, and
keeps to bounds of memory, time and size that hold even where DuckDB's own do not.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from data import queries
from data.errors import ConcordError, InputError
from data.store import Store, StoreLockedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from data.store import Connection

MOST_ROWS = 1_000
MOST_SECONDS = 10.0  # whoever writes waits for 15: a query must not hold the store for longer
MOST_BYTES = 20_000_000  # of an answer
MOST_CHARACTERS = 20_000  # of a query
MEMORY = "512 MB"  # of DuckDB
ADDRESSES = 3 * 2**30  # bytes of the whole process, with what DuckDB does not count
WAIT_SECONDS = 3.0  # for a store that somebody writes
START_SECONDS = 30.0  # for the process itself, on a machine that has much else to do
EXACT = 2**53  # whole numbers beyond are text: a browser would round them
ROOT = Path(__file__).parents[1]
# One process for all browsers: a second query waits, the pages do not.
TURN = threading.BoundedSemaphore(1)
_BOUNDS = (
    "SET temp_directory = ''",  # nothing is written to the disk
    f"SET memory_limit = '{MEMORY}'",
    "SET threads = 1",
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
TOO_LONG = "the query took longer than {:.0f} s and was stopped"
FASTER = "Ask for less: one data set, an aggregate, a join on ids instead of a cross join."
TOO_MUCH = "the query needed too much memory and was stopped"
TOO_LARGE = f"the result has more than {MOST_BYTES // 1_000_000} MB"
FEWER = "Choose fewer columns or rows, or shorten texts with left(prompt, 200)."


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query found; `is_cut`: there are more rows than these."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    seconds: float
    is_cut: bool


class Asked:
    """A query under way; leaving the context stops it."""

    module = "data.user_sql"

    def __init__(self, store: str | Path, sql: str, seconds: float = MOST_SECONDS) -> None:
        if len(sql) > MOST_CHARACTERS:
            raise InputError(f"the query has {len(sql):,} characters",
                             f"At most {MOST_CHARACTERS:,} can be asked.")  # fmt: skip
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self._seconds, self._began = seconds, time.monotonic()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed on leaving)
        self._process = subprocess.Popen(  # noqa: S603 (this program itself)
            [sys.executable, "-P", "-m", self.module, str(Path(store).absolute()), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=self._said,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        if self._process.stdin is not None:
            with suppress(BrokenPipeError), self._process.stdin as asked:
                asked.write(sql.encode("utf-8", "replace"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._said.close()

    @property
    def ended(self) -> bool:
        """Whether its process is gone."""
        return self._process.poll() is not None

    @property
    def seconds(self) -> float:
        """How long it has been under way, with the start of its process."""
        return time.monotonic() - self._began

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within so many seconds; it ends itself when its time is over."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            if self.seconds < self._seconds + START_SECONDS:
                return False
            self._process.kill()
            self._process.wait()
        return True

    def answer(self) -> Answer:
        """What it found. Raises ConcordError: a wrong query, a store in use, a bound reached."""
        while not self.wait(self._seconds):
            pass
        if self._process.returncode in (-signal.SIGKILL, -signal.SIGALRM):
            raise InputError(TOO_LONG.format(self._seconds), FASTER)
        self._said.seek(0)
        try:
            found = json.loads(self._said.read())
        except ValueError:
            raise InputError(TOO_MUCH, FASTER) from None
        if "what" in found:
            kind = StoreLockedError if found["locked"] else InputError
            raise kind(found["what"], found["fix"])
        rows = tuple(tuple(row) for row in found["rows"])
        return Answer(tuple(found["columns"]), rows, found["seconds"], found["is_cut"])


def main(store: str, seconds: str) -> None:
    """Answer the query on standard input, within all bounds."""
    sql = sys.stdin.buffer.read().decode()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MOST_BYTES, 2 * MOST_BYTES))
    try:
        said = json.dumps(_answer(Path(store), sql, float(seconds)), ensure_ascii=False)
        if len(said) > MOST_BYTES:
            raise InputError(TOO_LARGE, FEWER)
    except MemoryError:
        said = json.dumps({"what": TOO_MUCH, "fix": FASTER, "locked": False})
    except ConcordError as error:
        locked = isinstance(error, StoreLockedError)
        said = json.dumps({"what": error.what, "fix": error.fix, "locked": locked})
    sys.stdout.buffer.write(said.encode("utf-8", "replace"))


def _answer(path: Path, sql: str, seconds: float) -> dict[str, Any]:
    with Store(path, upgrade=False, wait_seconds=WAIT_SECONDS).reading() as con:
        signal.setitimer(signal.ITIMER_REAL, seconds)  # ends this process, whatever it does
        os.nice(5)  # the pages of others come first
        shut_in(con)
        began = time.monotonic()
        found = queries.one_select(con, sql, MOST_ROWS + 1)
        if found.nbytes > MOST_BYTES:
            raise InputError(TOO_LARGE, FEWER)
        took = time.monotonic() - began
    columns = [plain(column.to_pylist()[:MOST_ROWS]) for column in found.columns]
    return {
        "columns": apart(found.column_names),
        "rows": list(zip(*columns, strict=True)),
        "seconds": took,
        "is_cut": found.num_rows > MOST_ROWS,
    }


def shut_in(con: Connection) -> None:
    """From now on the process of this connection reads the store and nothing else."""
    for setting in _BOUNDS:
        con.execute(setting)


def plain(values: Sequence[Any]) -> list[Any]:
    """Numbers, truth values and texts as they are, everything else as text."""
    values = [_number(value) if isinstance(value, Decimal) else value for value in values]
    if any(isinstance(value, int) and abs(value) > EXACT for value in values):
        return [None if value is None else str(value) for value in values]
    return [
        value if isinstance(value, int | float | str | bool | None) else str(value)
        for value in values
    ]


def _number(value: Decimal) -> int | float:
    """A sum of whole numbers is a decimal to DuckDB."""
    return int(value) if value == value.to_integral_value() else float(value)


def apart(names: Sequence[str]) -> list[str]:
    """Names that differ: a table on a screen takes each once."""
    found: list[str] = []
    for given in names:
        name = other = given or "(no name)"
        number = 2
        while other in found:
            other, number = f"{name} ({number})", number + 1
        found.append(other)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
