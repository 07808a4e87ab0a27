"""Download public data sets: every file is checked, and a broken download goes on where it broke.

A manifest (data/formats/manifests/NAME.json) lists the files of a set with size and sha256, at one
commit of its repository. A file has its final name only when it is complete and right; before that
it is `NAME.partial`.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from data.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Progress = Callable[[str], None]

ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.5  # doubled before each further attempt
LONGEST_PAUSE_SECONDS = 20.0
TIMEOUT_SECONDS = 30.0
MIRROR = "name a mirror that has these files (--from URL)"
_CHUNK = 1 << 16
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNSAFE = re.compile(r'[\\:*?"<>|\x00-\x1f]')


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file: its path below the address and below the target, its size and its sha256."""

    path: str
    n_bytes: int
    sha256: str

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        if (
            not parts
            or "/".join(parts) != self.path
            or self.path.startswith("/")
            or any(part == ".." or part.endswith((".partial", ".", " ")) for part in parts)
            or _UNSAFE.search(self.path)
        ):
            raise InputError(f"the path {self.path!r} leads out of the target", MANIFEST)
        if self.n_bytes < 0 or not _SHA256.fullmatch(self.sha256):
            raise InputError(f"{self.path}: no size and sha256", MANIFEST)


MANIFEST = "Correct the manifest; a path is relative and has no special characters."


@dataclass(frozen=True, slots=True)
class Source:
    """A public data set: where its files are, under which licence, and what they must be."""

    name: str
    base_url: str
    licence: str
    files: tuple[SourceFile, ...]

    def __post_init__(self) -> None:
        if not _is_address(self.base_url):
            raise InputError(
                f"{self.base_url!r} is not an address of a folder",
                "Write it as https://host/folder/.",
            )

    @property
    def n_bytes(self) -> int:
        """The size of all files."""
        return sum(file.n_bytes for file in self.files)

    def mirrored(self, base_url: str) -> Source:
        """The same files from another address."""
        return replace(self, base_url=base_url)

    def url(self, file: SourceFile) -> str:
        """Where a file is."""
        return f"{self.base_url.rstrip('/')}/{quote(file.path)}"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch did: paths that were downloaded, and those that were there and right."""

    name: str
    licence: str
    folder: str
    downloaded: tuple[str, ...]
    present: tuple[str, ...]
    n_bytes_received: int


def _is_address(url: str) -> bool:
    try:
        address = urlsplit(url)
        return address.scheme in ("http", "https") and bool(address.hostname) and not address.query
    except ValueError:
        return False


class _TryAgainError(Exception):
    """Something that may work at another attempt; `pause_seconds` is what the server asks for."""

    def __init__(self, what: str, pause_seconds: float = 0) -> None:
        super().__init__(what)
        self.pause_seconds = pause_seconds


def sources() -> dict[str, Source]:
    """The public data sets that Concord knows, by name."""
    folder = files("data.formats") / "manifests"
    manifests = [entry for entry in folder.iterdir() if entry.name.endswith(".json")]
    known = [_source(json.loads(entry.read_text("utf-8"))) for entry in manifests]
    return {source.name: source for source in sorted(known, key=lambda source: source.name)}


def _source(manifest: Mapping[str, Any]) -> Source:
    listed = manifest["files"]
    return Source(
        name=manifest["name"],
        base_url=manifest["base_url"],
        licence=manifest["licence"],
        files=tuple(SourceFile(row["path"], row["bytes"], row["sha256"]) for row in listed),
    )


def fetch(source: Source, target: Path, progress: Progress | None = None) -> Fetched:
    """Bring the files of a data set into the folder `target`; those there and right are kept.

    `progress` is told one line for each file before it is downloaded. Raises InputError where an
    address cannot be reached, a file is not there or is not the file expected, or the disk
    refuses; what was downloaded until then stays, and the same call goes on from there.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        present = [file for file in source.files if _is_right(_place(target, file), file)]
        wanted = [file for file in source.files if file not in present]
        received = 0
        for number, file in enumerate(wanted, start=1):
            if progress is not None:
                progress(f"{number} of {len(wanted)}: {file.path} ({_size(file.n_bytes)})")
            received += _download(source, file, target)
    except OSError as error:
        where = error.filename or target
        raise InputError(
            f"cannot write {where}: {error.strerror or error}",
            "Free disk space, or name another folder; what is downloaded is kept.",
        ) from error
    return Fetched(
        name=source.name,
        licence=source.licence,
        folder=str(target),
        downloaded=tuple(file.path for file in wanted),
        present=tuple(file.path for file in present),
        n_bytes_received=received,
    )


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 100_000 else f"{n_bytes / 1e3:.1f} kB"


def _place(target: Path, file: SourceFile) -> Path:
    """Where a file goes; a link that leads out of the target is not followed."""
    place = target / file.path
    if not place.resolve().is_relative_to(target.resolve()):
        raise InputError(f"{place} leads out of {target}", "Remove the link, then try again.")
    return place


def _is_right(path: Path, file: SourceFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.n_bytes:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256


def _download(source: Source, file: SourceFile, target: Path) -> int:
    """One file, through its partial; returns the number of bytes that came over the network."""
    place = _place(target, file)
    partial = place.with_name(place.name + ".partial")
    place.parent.mkdir(parents=True, exist_ok=True)
    url, resumed = source.url(file), partial.exists()
    received = _complete(url, partial, file)
    if resumed and not _is_right(partial, file):  # what was there before may be of another file
        partial.unlink()
        received += _complete(url, partial, file)
    if not _is_right(partial, file):
        partial.unlink()
        raise InputError(
            f"{url} is not the file expected ({file.n_bytes} bytes, sha256 {file.sha256})",
            f"Try again later, or {MIRROR}; nothing under {place} was changed.",
        )
    partial.replace(place)
    return received


def _complete(url: str, partial: Path, file: SourceFile) -> int:
    """Fill the partial up to the expected size, in as many attempts as allowed."""
    received = 0
    for attempt in range(ATTEMPTS):
        try:
            for n_bytes in _continued(url, partial, file):
                received += n_bytes
        except _TryAgainError as error:
            if attempt + 1 == ATTEMPTS:
                raise InputError(
                    f"cannot download {url}: {error} ({ATTEMPTS} attempts)",
                    f"Check the network and try again (it goes on where it broke), or {MIRROR}.",
                ) from error
            pause = max(FIRST_PAUSE_SECONDS * 2**attempt, error.pause_seconds)
            time.sleep(min(pause, LONGEST_PAUSE_SECONDS))
        else:
            return received
    return received


def _continued(url: str, partial: Path, file: SourceFile) -> Iterator[int]:
    """Append what is missing, yielding the bytes as they come; a server may start anew instead."""
    start = partial.stat().st_size if partial.exists() else 0
    if start > file.n_bytes:
        partial.unlink()
        start = 0
    if start == file.n_bytes and partial.exists():
        return
    response = _asked(url, start)
    if response is None:  # there is nothing from there on: not the same file
        partial.unlink()
        raise _TryAgainError("the server's file is shorter than what was downloaded")
    with response:
        goes_on = start > 0 and _starts_at(response, start)
        with partial.open("ab" if goes_on else "wb") as content:
            yield from _received(response, content, file.n_bytes - (start if goes_on else 0))
    if (size := partial.stat().st_size) < file.n_bytes:
        raise _TryAgainError(f"the connection ended after {size} of {file.n_bytes} bytes")


def _asked(url: str, start: int) -> Any:
    """The answer from byte `start` on, or None where the server has no such byte."""
    headers = {"User-Agent": "concord-feedback", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        return urlopen(Request(url, headers=headers), timeout=TIMEOUT_SECONDS)  # noqa: S310 (Source checks the scheme)
    except HTTPError as error:
        with error:
            return _refused(url, error, start)
    except URLError as error:
        raise _TryAgainError(f"the address cannot be reached ({error.reason})") from error
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        raise _TryAgainError(_named(error)) from error


def _refused(url: str, error: HTTPError, start: int) -> None:
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
        return
    answer = f"the server answered {error.code} {error.reason}"
    if error.code in _TRANSIENT:
        said = error.headers.get("Retry-After", "")
        raise _TryAgainError(answer, float(said) if said.isdecimal() else 0)
    raise InputError(f"cannot download {url}: {answer}", f"Check the address, or {MIRROR}.")


def _starts_at(response: Any, start: int) -> bool:
    """Whether the answer is the part asked for; a server without Range sends the whole file."""
    said = str(response.headers.get("Content-Range", ""))
    return bool(response.status == http.HTTPStatus.PARTIAL_CONTENT) and said.startswith(
        f"bytes {start}-"
    )


def _received(response: Any, content: BinaryIO, n_missing: int) -> Iterator[int]:
    """Copy at most one byte more than is missing: enough to see that a file is too long."""
    while n_missing >= 0:
        try:
            chunk = response.read(min(_CHUNK, n_missing + 1))
        except (OSError, http.client.HTTPException) as error:
            raise _TryAgainError(_named(error)) from error
        if not chunk:
            return
        content.write(chunk)
        n_missing -= len(chunk)
        yield len(chunk)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
