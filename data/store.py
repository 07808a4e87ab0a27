"""The store: one DuckDB file. The only module that opens it.

DuckDB lets one process write or many read, never both, and not both modes within one process.
So connections are short, and whoever finds the file taken waits for a bounded time.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from data import schema
from data.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

Connection = duckdb.DuckDBPyConnection

WAIT_SECONDS = 15.0
DEFAULT_PATH = "concord.duckdb"
_TAKEN = (
    "set lock on file",
    "different configuration",
    "already attached by database",
    "being used by another process",
)
_FOREIGN = "not a valid DuckDB database file"
_DAMAGED = (
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.IOException,
    duckdb.SerializationException,
)


class Store:
    """A DuckDB file with Concord's tables, opened for one batch of work at a time.

    `path` must exist unless `create`; an older one is upgraded (beside a copy) unless told
    otherwise; `wait_seconds` bounds the wait for a file that is in use.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        create: bool = False,
        upgrade: bool = True,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self.path = Path(path)
        self.wait_seconds = wait_seconds
        self._may_upgrade = upgrade
        self._checked = False
        if not self.path.exists():
            self._create(create)
        elif not self.path.is_file():
            raise StoreError(f"the store {self.path} is not a file", "Name another --store.")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read-only connection for one batch of queries; closed at the end."""
        self._check()
        con = self._connect(read_only=True)
        try:
            with _interruptible():
                yield con
        except _DAMAGED as error:
            raise StoreError(
                f"the store {self.path} cannot be read: {first_line(error)}",
                "Restore a copy of it; if there is none, import again beside its journal folder.",
            ) from error
        finally:
            con.close()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: committed at the end, rolled back on any error."""
        self._check()
        con = self._connect(read_only=False)
        try:
            with _interruptible():
                con.execute("BEGIN")
                yield con
                con.execute("COMMIT")
        except duckdb.Error as error:
            raise StoreError(
                f"{self.path}: the change was not stored: {first_line(error)}",
                "Nothing was changed. Free disk space or repair the store, then try again.",
            ) from error
        finally:
            con.close()

    @property
    def journals(self) -> Path:
        """The folder of this store's run journals."""
        return self.path.with_name(self.path.name + ".journal")

    def secret(self) -> str:
        """What delimiters in prompts are derived from, so that no author of a text knows them."""
        with self.reading() as con:
            row = first_row(con, "SELECT value FROM meta WHERE key = 'secret'")
        return str(row[0]) if row else ""

    def backup(self, target: Path) -> None:
        """Copy the store to `target`, which must not exist, while nobody writes."""
        if target.exists():
            raise StoreError(f"{target} exists already", "Name a file that does not exist yet.")
        self._check()
        con = self._connect(read_only=True)  # excludes writers while the file is copied
        try:
            copy_whole(self.path, target)
        except OSError as error:
            raise StoreError(
                f"cannot write {target}: {error.strerror}", "Check the folder and the free space."
            ) from error
        finally:
            con.close()

    def _create(self, create: bool) -> None:
        if not create:
            raise StoreError(
                f"no store at {self.path}",
                "Import something first (concord import --help), or name another --store.",
            )
        need_folder(self.path)
        con = self._connect(read_only=False)
        try:
            schema.migrate(con)
        finally:
            con.close()

    def _check(self) -> None:
        """Once per object: an older store is upgraded after a copy, a newer one is refused."""
        if self._checked:
            return
        con = self._connect(read_only=True)
        try:
            version = schema.version_of(con)
        finally:
            con.close()
        self._refuse_foreign(version)
        if version < len(schema.MIGRATIONS):
            self._refuse_old()
            self._upgrade(version)
        self._checked = True

    def _refuse_foreign(self, version: int) -> None:
        if version > len(schema.MIGRATIONS):
            raise StoreError(
                f"{self.path} was written by a newer Concord "
                f"(store version {version}, this program knows {len(schema.MIGRATIONS)})",
                "Upgrade concord-feedback, or name another --store.",
            )
        if version < 0:
            raise StoreError(
                f"{self.path} is a DuckDB file but not a Concord store", "Name another --store."
            )

    def _refuse_old(self) -> None:
        if not self._may_upgrade:
            raise StoreError(
                f"{self.path} was written by an older Concord; what only reads upgrades nothing",
                f"Run once: concord datasets list --store {self.path} (it keeps a copy beside it).",
            )

    def _upgrade(self, version: int) -> None:
        con = self._connect(read_only=False)
        try:
            if schema.version_of(con) > 0:
                con.execute("CHECKPOINT")
                stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
                copy = self.path.with_name(f"{self.path.name}.v{version}-{stamp}")
                copy_whole(self.path, copy)
            schema.migrate(con)
        finally:
            con.close()

    def _connect(self, *, read_only: bool) -> Connection:
        deadline = time.monotonic() + self.wait_seconds
        pause = 0.005
        while True:
            try:
                return duckdb.connect(str(self.path), read_only=read_only)
            except duckdb.Error as error:
                self._raise_unless_taken(error, deadline)
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 (spreads the waiting)
            pause = min(pause * 1.5, 0.1)

    def _raise_unless_taken(self, error: duckdb.Error, deadline: float) -> None:
        message = str(error)
        if _FOREIGN in message:
            raise StoreError(
                f"the store {self.path} is not a DuckDB file",
                "Name another --store; if it was a store, restore a copy of it.",
            ) from error
        if not any(sign in message for sign in _TAKEN):
            raise StoreError(
                f"cannot open the store {self.path}: {first_line(error)}",
                "Check the path and the permissions, or restore a copy (concord datasets backup).",
            ) from error
        if time.monotonic() >= deadline:
            raise StoreLockedError(
                f"the store {self.path} is in use by another process "
                f"(waited {self.wait_seconds:.0f} s)",
                "Close the program that holds it (a DuckDB shell, a notebook), then try again.",
            ) from error


class StoreLockedError(StoreError):
    """Another process holds the file; the same call may work later."""


@contextmanager
def existing_or_new(path: Path) -> Iterator[Store]:
    """The store at `path`, or a new one that is put there if all goes well: else there is none.

    Raises StoreError where another process made one there meanwhile: it is left as it is.
    """
    if path.exists():
        yield Store(path)
        return
    need_folder(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f"{path.name}.") as folder:
        store = Store(Path(folder) / path.name, create=True)
        yield store
        try:
            path.open("xb").close()
        except FileExistsError as error:
            raise StoreError(
                f"another process made {path} meanwhile: nothing was stored",
                "Give the same command again.",
            ) from error
        for ending in (".wal", ""):  # a log is left only where the disk was full at the end
            made = store.path.with_name(store.path.name + ending)
            if made.exists():
                made.replace(path.with_name(path.name + ending))


def need_folder(path: Path) -> None:
    """Raise unless the folder of a new store is there."""
    if not path.parent.is_dir():
        raise StoreError(
            f"no folder {path.parent} for the store", "Make it, or name another --store."
        )


@contextmanager
def _interruptible() -> Iterator[None]:
    """An interrupt during a query as the KeyboardInterrupt that it is."""
    try:
        yield
    except RuntimeError as error:
        if "Query interrupted" not in str(error):
            raise
        raise KeyboardInterrupt from error


def first_row(con: Connection, sql: str, parameters: object = None) -> tuple[Any, ...] | None:
    """The first row of a query, with the result used up: DuckDB does nothing else before."""
    rows = con.execute(sql, parameters).fetchall()
    return rows[0] if rows else None


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file so that `target` is either absent or complete."""
    partial = target.with_name(target.name + ".partial")
    wal = source.with_name(source.name + ".wal")
    try:
        shutil.copyfile(source, partial)
        if wal.exists():
            shutil.copyfile(wal, target.with_name(target.name + ".wal"))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def first_line(error: Exception) -> str:
    """The first line of an error of DuckDB: the rest repeats the SQL."""
    return (str(error).splitlines() or [type(error).__name__])[0]
