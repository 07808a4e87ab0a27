"""Downloading public data sets, against a real HTTP server on the loopback interface."""

from __future__ import annotations

import hashlib
import http.server
import json
import socket
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from data.errors import InputError
from pipelines import fetch as module
from pipelines.fetch import Source, SourceFile, fetch, sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONTENT = {
    "LICENSE": b"anybody may\n",
    "data/labels.json": bytes(range(256)) * 1000,
    "data/a set^2/x.json": b"{}",
    "empty.txt": b"",
}
LABELS = "data/labels.json"
FOLDERS = {"alpacaeval": "alpacaeval-cost", "prd": "prd-vicuna80"}


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` below /repo/commit/; `faults` are used up one by one, by path.

    A fault is a status to answer, "cut" (half of the answer, then the connection is closed),
    "whole" (Range is ignored) or bytes to send instead.
    """

    daemon_threads = True

    def __init__(self, content: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = dict(content)
        self.faults: dict[str, deque[Any]] = {}
        self.log: list[tuple[str, str | None]] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/repo/commit/"

    def handle_error(self, *args: object) -> None:
        """A client may hang up on an answer that is too long; that is not the server's fault."""

    def fail(self, path: str, *faults: Any) -> None:
        self.faults[path] = deque(faults)

    def source(self, *paths: str) -> Source:
        chosen = {path: self.content[path] for path in paths or self.content}
        return Source("small", self.base_url, "MIT", tuple(described(chosen)))


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path = unquote(self.path.removeprefix("/repo/commit/"))
        asked = self.headers.get("Range")
        self.server.log.append((path, asked))
        faults = self.server.faults.get(path)
        fault = faults.popleft() if faults else None
        body = fault if isinstance(fault, bytes) else self.server.content.get(path)
        if isinstance(fault, int) or body is None:
            self.send_response(fault or 404)
            self.send_header("Retry-After", "0")
            self.end_headers()
            return
        self.send(body, None if fault == "whole" else asked, cut=fault == "cut")

    def send(self, body: bytes, asked: str | None, *, cut: bool) -> None:
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if asked and start >= len(body):
            self.send_response(416)
            self.end_headers()
            return
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        rest = body[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: len(rest) // 2] if cut else rest)

    def log_message(self, *args: object) -> None:
        pass


def described(content: Mapping[str, bytes]) -> Iterator[SourceFile]:
    for path, body in content.items():
        yield SourceFile(path, len(body), hashlib.sha256(body).hexdigest())


@contextmanager
def serving(content: Mapping[str, bytes]) -> Iterator[Server]:
    with Server(content) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(CONTENT) as server:
        yield server


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were asked for; none is slept."""
    asked: list[float] = []
    monkeypatch.setattr(module.time, "sleep", asked.append)
    return asked


def held(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, also what should not be there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refused(source: Source, target: Path) -> str:
    with pytest.raises(InputError) as error:
        fetch(source, target)
    assert error.value.fix
    return f"{error.value.what} | {error.value.fix}"


# --- downloads ----------------------------------------------------------------------------------


def test_a_fresh_download(server, tmp_path):
    lines: list[str] = []
    target = tmp_path / "new" / "folder"
    done = fetch(server.source(), target, lines.append)
    assert held(target) == CONTENT
    assert done.downloaded == tuple(CONTENT)
    assert done.present == ()
    assert done.n_bytes_received == sum(map(len, CONTENT.values()))
    assert (done.name, done.licence, done.folder) == ("small", "MIT", str(target))
    assert lines[1] == "2 of 4: data/labels.json (0.3 MB)"
    assert len(lines) == 4


def test_right_files_are_not_asked_for_again(server, tmp_path):
    fetch(server.source("LICENSE", LABELS), tmp_path)
    server.log.clear()
    done = fetch(server.source(), tmp_path)
    assert [path for path, _ in server.log] == ["data/a set^2/x.json", "empty.txt"]
    assert done.present == ("LICENSE", LABELS)
    server.log.clear()
    assert fetch(server.source(), tmp_path).n_bytes_received == 0
    assert server.log == []


@pytest.mark.parametrize("wrong", [b"x" * len(CONTENT[LABELS]), b"short"])
def test_wrong_files_are_replaced(server, tmp_path, wrong):
    path = tmp_path / LABELS
    path.parent.mkdir()
    path.write_bytes(wrong)
    assert fetch(server.source(LABELS), tmp_path).downloaded == (LABELS,)
    assert held(tmp_path) == {LABELS: CONTENT[LABELS]}


def test_a_wrong_file_stays_until_the_right_one_is_there(server, tmp_path):
    path = tmp_path / LABELS
    path.parent.mkdir()
    path.write_bytes(b"old")
    server.fail(LABELS, 404)
    refused(server.source(LABELS), tmp_path)
    assert held(tmp_path) == {LABELS: b"old"}


def test_a_cut_connection_goes_on_where_it_broke(server, tmp_path, pauses):
    server.fail(LABELS, "cut", "cut")
    done = fetch(server.source(LABELS), tmp_path)
    assert held(tmp_path) == {LABELS: CONTENT[LABELS]}
    assert server.log == [
        (LABELS, None),
        (LABELS, "bytes=128000-"),
        (LABELS, "bytes=192000-"),
    ]
    assert done.n_bytes_received == 256_000
    assert pauses == [0.5, 1.0]


def test_a_server_that_is_always_cut_leaves_a_partial_for_the_next_call(server, tmp_path):
    server.fail(LABELS, *["cut"] * 5)
    message = refused(server.source(LABELS), tmp_path)
    assert "the connection ended after 248000 of 256000 bytes (5 attempts)" in message
    assert "--from URL" in message
    assert list(held(tmp_path)) == [f"{LABELS}.partial"]
    server.log.clear()
    assert fetch(server.source(LABELS), tmp_path).n_bytes_received == 8000
    assert server.log == [(LABELS, "bytes=248000-")]
    assert held(tmp_path) == {LABELS: CONTENT[LABELS]}


def test_a_server_without_range_sends_the_whole_file(server, tmp_path):
    server.fail(LABELS, "cut", "whole")
    done = fetch(server.source(LABELS), tmp_path)
    assert held(tmp_path) == {LABELS: CONTENT[LABELS]}
    assert done.n_bytes_received == 128_000 + 256_000


@pytest.mark.parametrize(
    "stale", [b"of another file", b"x" * len(CONTENT[LABELS]), b"x" * 300_000, b""]
)
def test_a_partial_of_another_file_is_given_up(server, tmp_path, stale):
    partial = tmp_path / f"{LABELS}.partial"
    partial.parent.mkdir()
    partial.write_bytes(stale)
    fetch(server.source(LABELS), tmp_path)
    assert held(tmp_path) == {LABELS: CONTENT[LABELS]}


def test_a_complete_partial_needs_no_request(server, tmp_path):
    partial = tmp_path / f"{LABELS}.partial"
    partial.parent.mkdir()
    partial.write_bytes(CONTENT[LABELS])
    fetch(server.source(LABELS), tmp_path)
    assert server.log == []
    assert held(tmp_path) == {LABELS: CONTENT[LABELS]}


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent", [b"x" * len(CONTENT[LABELS]), CONTENT[LABELS] + b"x", b"x" * 9_000_000]
)
def test_a_file_that_is_not_the_one_expected(server, tmp_path, sent):
    server.fail(LABELS, sent)
    message = refused(server.source(LABELS), tmp_path)
    assert "is not the file expected" in message
    assert hashlib.sha256(CONTENT[LABELS]).hexdigest() in message
    assert held(tmp_path) == {}


def test_a_file_that_is_shorter_on_the_server(server, tmp_path):
    server.fail(LABELS, *[b"short"] * 9)
    message = refused(server.source(LABELS), tmp_path)
    assert "5 of 256000 bytes" in message or "shorter than what was downloaded" in message
    assert LABELS not in held(tmp_path)


def test_not_found_is_not_tried_again(server, tmp_path):
    source = server.source("LICENSE")
    del server.content["LICENSE"]
    message = refused(source, tmp_path)
    assert f"cannot download {server.base_url}LICENSE: the server answered 404" in message
    assert "--from URL" in message
    assert len(server.log) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_transient_errors_are_tried_again(server, tmp_path, status, pauses):
    server.fail("LICENSE", status, status)
    fetch(server.source("LICENSE"), tmp_path)
    assert held(tmp_path) == {"LICENSE": CONTENT["LICENSE"]}
    assert pauses == [0.5, 1.0]


def test_attempts_are_bounded(server, tmp_path, pauses):
    server.fail("LICENSE", *[500] * 99)
    message = refused(server.source("LICENSE"), tmp_path)
    assert "the server answered 500 Internal Server Error (5 attempts)" in message
    assert len(server.log) == 5
    assert pauses == [0.5, 1.0, 2.0, 4.0]


def test_an_address_that_cannot_be_reached(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    source = Source("x", f"http://127.0.0.1:{port}/", "MIT", tuple(described(CONTENT)))
    message = refused(source, tmp_path)
    assert f"cannot download http://127.0.0.1:{port}/LICENSE" in message
    assert "cannot be reached" in message
    assert "--from URL" in message


def test_a_mirror_serves_the_same_files(server, tmp_path):
    source = replace(server.source(), base_url="https://nowhere.invalid/x/")
    fetch(source.mirrored(server.base_url.removesuffix("/")), tmp_path)
    assert held(tmp_path) == CONTENT


def test_a_target_that_cannot_be_written(server, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"")
    assert f"cannot write {file}" in refused(server.source(), file)
    (tmp_path / "folder" / "LICENSE").mkdir(parents=True)
    assert "cannot write" in refused(server.source("LICENSE"), tmp_path / "folder")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a/./x",
        "a//x",
        "a/",
        "..",
        "C:/x",
        "a\\..\\..\\x",
        "a\0b",
        "x.partial",
        "x/..%2f../\n",
    ],
)
def test_paths_cannot_lead_out_of_the_target(path):
    with pytest.raises(InputError, match="leads out of the target"):
        SourceFile(path, 1, "0" * 64)


def test_links_cannot_lead_out_of_the_target(server, tmp_path):
    outside, target = tmp_path / "outside", tmp_path / "target"
    outside.mkdir()
    target.mkdir()
    (target / "data").symlink_to(outside)
    assert "leads out of" in refused(server.source(LABELS), target)
    assert held(outside) == {}


@pytest.mark.parametrize(("n_bytes", "sha256"), [(-1, "0" * 64), (1, "0" * 63), (1, "Z" * 64)])
def test_a_file_needs_size_and_hash(n_bytes, sha256):
    with pytest.raises(InputError, match="no size and sha256"):
        SourceFile("x", n_bytes, sha256)


@pytest.mark.parametrize(
    "url", ["file:/etc/", "ftp://host/", "host/folder", "https://", "https://h/?x=", "http://["]
)
def test_addresses_are_http_folders(url):
    with pytest.raises(InputError, match="not an address of a folder"):
        Source("x", url, "MIT", ())


# --- the data sets that are known ---------------------------------------------------------------


def test_the_known_sources():
    known = sources()
    assert list(known) == ["alpacaeval", "llmbar", "pandalm", "prd"]
    for name, source in known.items():
        assert source.name == name
        assert source.licence
        assert source.base_url.startswith("https://raw.githubusercontent.com/")
        assert len(source.base_url.rstrip("/").rsplit("/", 1)[1]) == 40  # a commit, not a branch
        paths = [file.path for file in source.files]
        assert len(set(paths)) == len(paths)
        assert "LICENSE" in paths
        assert not any(path.endswith(".py") for path in paths)
        assert 1e6 < source.n_bytes < 50e6
    assert any("LLMEval%5E2" in known["llmbar"].url(file) for file in known["llmbar"].files)


def real(real_data: Path, source: Source) -> dict[str, bytes]:
    """The files of a source, as they lie in the shared folder."""
    folder = real_data / FOLDERS.get(source.name, source.name)
    flat = source.name == "pandalm"
    return {
        file.path: (folder / (file.path.removeprefix("data/") if flat else file.path)).read_bytes()
        for file in source.files
    }


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["alpacaeval", "llmbar", "pandalm", "prd"])
def test_the_manifests_describe_the_real_files(real_data, name):
    source = sources()[name]
    assert source.files == tuple(described(real(real_data, source)))


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["alpacaeval", "llmbar", "pandalm", "prd"])
def test_what_is_fetched_can_be_imported(real_data, tmp_path, name):
    source = sources()[name]
    with serving(real(real_data, source)) as server:
        fetch(source.mirrored(server.base_url), tmp_path)
    reader = import_module(f"data.formats.{name}")
    fetched = reader.read(tmp_path)
    expected = reader.read(real_data / FOLDERS.get(name, name))
    for one, other in zip(fetched, expected, strict=True):
        assert one.dataset == other.dataset
        assert one.comparisons.equals(other.comparisons)
        assert one.labels.equals(other.labels)


def test_the_manifests_are_plain_json():
    folder = Path(module.__file__).parents[1] / "data" / "formats" / "manifests"
    for path in folder.glob("*.json"):
        manifest = json.loads(path.read_text("utf-8"))
        assert list(manifest) == ["name", "base_url", "licence", "files"]
