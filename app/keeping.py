"""What has been read of a store: kept for all browsers, and read anew beside what is on screen.

While a run writes, the store has a new version every second. Nobody waits for that: what was read
stays in use until the same has been read from the newer store; then all of it is replaced at once.
A large data set is read by a process of its own, one for each version (`app.apart`).
"""

from __future__ import annotations

import atexit
import hashlib
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from app import apart
from app.apart import Apart
from data import queries
from data.errors import ConcordError, StoreError
from data.store import Store, StoreLockedError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

T = TypeVar("T")
Key = tuple["str | None", "Callable[..., Any]", tuple["Hashable", ...]]

CHECK_SECONDS = 15.0  # between two looks at the version
LARGE_CHECK_SECONDS = 120.0  # where a data set is large: a run changes little of it meanwhile
WAIT_SECONDS = 3.0  # for a store that somebody else holds
ASKED_SECONDS = 60.0  # without a reader for so long nobody looks any more
USED_SECONDS = 30.0  # what is on no screen for so long is not read anew
LATELY_SECONDS = 2.0  # the age of what is read without regard to the version
LATELY_WAIT_SECONDS = 0.5
PATIENCE_SECONDS = 1.0  # how long who wants newer data waits before seeing the old again
MOST_RESULTS = 256
MOST_LARGE = 5  # such as the labels, the same with features, strategies tried on them
MOST_APART = 3
LARGE_LABELS = 100_000  # below, reading takes hardly longer than starting a process
REST = 9.0  # times as long as reading anew took nothing is read anew: a tenth of one processor
ROUNDS = 3  # of reading anew what was first asked for meanwhile


_drawing = threading.local()


@contextmanager
def on_screen() -> Iterator[list[Key]]:
    """What this thread asks for meanwhile, for `Reads.still_used`."""
    keys: list[Key] = []
    _drawing.keys = keys
    try:
        yield keys
    finally:
        _drawing.keys = None


def large(function: T) -> T:
    """Mark a read whose results take much memory: few of them are kept."""
    function.large = True  # type: ignore[attr-defined]
    return function


def beside(function: T) -> T:
    """Mark a read that takes long for a large data set: a process of its own makes it then."""
    function.beside = True  # type: ignore[attr-defined]
    return function


@dataclass(slots=True)
class _Kept:
    result: Future[Any] = field(default_factory=Future)
    used_at: float = 0.0  # 0: no reader has asked for it, another result rests on it


class Reads:
    """Results of one version of the store; safe for threads.

    `versions` holds those of its data sets, `labels` how many each has. A function that is kept
    gets these reads as its first argument: `open()` for the store, `need` for other results that
    it rests on. Without `labels` everything is read by this process.
    """

    def __init__(
        self, path: str, versions: Mapping[str, str], labels: Mapping[str, int] | None = None
    ) -> None:
        self.path = path
        self.versions = versions
        self.labels = labels or {}
        self._store: Store | None = None
        self._apart: OrderedDict[str, Apart] = OrderedDict()
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def open(self) -> Store:
        """The store for reading, with little patience for others who hold it."""
        if self._store is None:  # which looks once at what wrote the file
            self._store = Store(self.path, upgrade=False, wait_seconds=WAIT_SECONDS)
        return self._store

    def get(self, dataset: str | None, function: Callable[..., T], *arguments: Hashable) -> T:
        """`function(reads, *arguments)`, made once for all who ask until the data set changes.

        `dataset` None: until anything in the store changes. What it raises is raised to all who
        wait for it, and not kept.
        """
        key = (dataset, function, arguments)
        if (keys := getattr(_drawing, "keys", None)) is not None:
            keys.append(key)
        found: T = self._get(key, time.monotonic())
        return found

    def still_used(self, keys: Iterable[Key]) -> None:
        """Note that these are on a screen, so that they are read anew."""
        for key in keys:
            if kept := self._kept.get(key):
                kept.used_at = time.monotonic()

    def need(self, dataset: str | None, function: Callable[..., T], *arguments: Hashable) -> T:
        """As `get`, from within a function that is kept."""
        found: T = self._get((dataset, function, arguments), 0.0)
        return found

    def has(self, dataset: str | None, function: Callable[..., Any], *arguments: Hashable) -> bool:
        """Whether `get` would answer at once."""
        kept = self._kept.get((dataset, function, arguments))
        return kept is not None and kept.result.done()

    def kept(self) -> list[Key]:
        """Data set, function and arguments of all results."""
        with self._lock:
            return list(self._kept)

    def newer(self, versions: Mapping[str, str], labels: Mapping[str, int]) -> Reads:
        """The same for a newer version: of data sets that changed, what is in use is read anew."""
        made = Reads(self.path, versions, labels)
        same = {name for name, version in versions.items() if self.versions.get(name) == version}
        made._apart.update((name, each) for name, each in self._apart.items() if name in same)
        for _ in range(ROUNDS):
            with self._lock:
                mine = dict(self._kept)
            for key, kept in mine.items():
                if key in made._kept:
                    made._kept[key].used_at = max(made._kept[key].used_at, kept.used_at)
                elif key[0] in same:
                    made._kept[key] = kept
                elif time.monotonic() - kept.used_at < USED_SECONDS:
                    made._read_anew(key, kept.used_at)
            if mine.keys() == self._kept.keys():
                break
        return made

    def _read_anew(self, key: Key, used_at: float) -> None:
        try:
            self._get(key, used_at)
        except StoreError:
            raise
        except ConcordError:
            return  # a data set or criterion that is no more

    def _get(self, key: Key, used_at: float) -> Any:
        with self._lock:
            kept = self._kept.get(key)
            if mine := kept is None:
                kept = self._kept[key] = _Kept()
                self._drop_oldest(key)
            self._kept.move_to_end(key)
            kept.used_at = max(kept.used_at, used_at)
        if mine:
            self._fill(key, kept)
        return kept.result.result()

    def _fill(self, key: Key, kept: _Kept) -> None:
        _, function, arguments = key
        try:
            other = self._process(key)
            kept.result.set_result(other.ask(key) if other else function(self, *arguments))
        except BaseException as error:  # also a script that is stopped: it leaves nobody waiting
            with self._lock:
                if self._kept.get(key) is kept:
                    del self._kept[key]
            kept.result.set_exception(error)

    def _process(self, key: Key) -> Apart | None:
        """The one that makes this read; None: it is made here."""
        dataset, function, _ = key
        large = dataset is not None and self.labels.get(dataset, 0) >= LARGE_LABELS
        if dataset is None or not (large and hasattr(function, "beside") and apart.POSSIBLE):
            return None
        with self._lock:
            if not (found := self._apart.get(dataset)) or found.ended:
                found = self._apart[dataset] = Apart(answers, self.path, dict(self.versions))
            self._apart.move_to_end(dataset)
            while len(self._apart) > MOST_APART:
                self._apart.popitem(last=False)
            return found

    def _drop_oldest(self, newest: Key) -> None:
        if hasattr(newest[1], "large"):
            heavy = [key for key in self._kept if hasattr(key[1], "large")]
            for key in heavy[:-MOST_LARGE]:
                del self._kept[key]
        while len(self._kept) > MOST_RESULTS:
            self._kept.popitem(last=False)


def answers(path: str, versions: Mapping[str, str]) -> Callable[[Key], Any]:
    """What another process makes of a version of the store (`Apart`).

    It keeps what results rest on; the results themselves are kept by who asks.
    """
    reads = Reads(path, versions)
    return lambda key: key[1](reads, *key[2])


@dataclass(slots=True)
class _Lately:
    lock: threading.Lock = field(default_factory=threading.Lock)
    read_at: float = 0.0
    result: Any = None
    known: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state of the store, with everything that was read of it.

    `read_at` is when `version` was last seen to be the newest (seconds since 1970). `busy` says why
    nothing newer could be read; `reading`: something newer is being read.
    """

    store: str
    version: str
    read_at: float
    reads: Reads = field(repr=False, compare=False)
    busy: str | None = None
    reading: bool = False

    def version_of(self, dataset: str | None) -> str:
        """What changes where a page about a data set is to be drawn anew."""
        return repr((list(self.reads.versions), self.reads.versions.get(dataset or "")))


class Keeper:
    """The newest snapshot of one store, kept up to date while anybody asks for it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._seen: Snapshot | None = None
        self._asked_at = self._looked_at = 0.0
        self._rest = CHECK_SECONDS
        self._looking, self._starting = threading.Lock(), threading.Lock()
        self._wake, self._done = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._lately: dict[tuple[Callable[..., Any], tuple[Hashable, ...]], _Lately] = {}
        atexit.register(self.stop)

    def snapshot(self) -> Snapshot:
        """The newest state that has been read. Raises StoreError where there is none to show.

        The first call waits for the store; one after a long silence for a second at most.
        """
        self._asked_at = time.monotonic()
        if self._seen is None:
            self._first()
        elif self._asked_at - self._looked_at > self._rest + ASKED_SECONDS:
            self.refresh()
        self._start()
        assert self._seen is not None
        return self._seen

    def lately(self, function: Callable[..., Any], *arguments: Hashable) -> Any:
        """`function(connection, *arguments)`, two seconds old at most; the last while locked."""
        late = self._lately.setdefault((function, arguments), _Lately())
        with late.lock:
            if late.known and time.monotonic() - late.read_at < LATELY_SECONDS:
                return late.result
            try:
                store = Store(self.path, upgrade=False, wait_seconds=LATELY_WAIT_SECONDS)
                with store.reading() as con:
                    late.result, late.known = function(con, *arguments), True
            except StoreLockedError:
                if not late.known:
                    raise
            late.read_at = time.monotonic()
            return late.result

    def refresh(self) -> None:
        """Look for something newer: returns when it has been read, or after a second."""
        self._asked_at = time.monotonic()
        for late in list(self._lately.values()):
            late.read_at = -LATELY_SECONDS  # what is known stays, for a store in use
        self._done.clear()
        self._wake.set()
        self._start()
        self._done.wait(PATIENCE_SECONDS)

    def stop(self) -> None:
        """Look no more until somebody asks again; a process may not end amid a query."""
        self._asked_at = -ASKED_SECONDS
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Read the version, and then anew what is in use of the data sets that changed."""
        with self._looking:
            before = self._seen
            if before is None:
                return
            try:
                self._seen = self._newest(before)
            except ConcordError as error:
                self._seen = replace(before, busy=error.what)
            finally:
                self._looked_at = time.monotonic()
                self._done.set()

    def _first(self) -> None:
        with self._looking:
            if self._seen is None:
                version, versions, labels = self._versions()
                reads = Reads(self.path, versions, labels)
                self._seen = Snapshot(self.path, version, time.time(), reads)
                self._looked_at = time.monotonic()

    def _newest(self, before: Snapshot) -> Snapshot:
        now = time.time()
        version, versions, labels = self._versions()
        if version == before.version:
            return replace(before, read_at=now, busy=None)
        self._seen = replace(before, busy=None, reading=True)
        return Snapshot(self.path, version, now, before.reads.newer(versions, labels))

    def _versions(self) -> tuple[str, dict[str, str], dict[str, int]]:
        """The store's version, and of each data set the version and the number of labels."""
        store = Store(self.path, upgrade=False, wait_seconds=WAIT_SECONDS)
        with store.reading() as con:
            found = queries.rows(con, queries.VERSIONS)
        versions = {name: version for name, version, _ in found}
        version = hashlib.sha256(repr(versions).encode()).hexdigest()
        return version, versions, {name: n for name, _, n in found}

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, daemon=True, name="keeper")
                self._thread.start()

    def _watch(self) -> None:
        self._rest = self._check_seconds()
        while time.monotonic() - self._asked_at < ASKED_SECONDS:
            self._wake.wait(self._rest)
            self._wake.clear()
            started = time.monotonic()
            if self._asked_at >= 0:
                self.look()
            self._rest = max(self._check_seconds(), REST * (time.monotonic() - started))

    def _check_seconds(self) -> float:
        labels = self._seen.reads.labels.values() if self._seen else ()
        return LARGE_CHECK_SECONDS if max(labels, default=0) >= LARGE_LABELS else CHECK_SECONDS
