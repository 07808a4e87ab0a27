"""The simulated provider in a process of its own, for tests and the demo."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from data.errors import RunError
from judges.simulated.behaviour import write_behaviours
from judges.simulated.requestlog import LogLine, read_log
from judges.simulated.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from judges.simulated.behaviour import Behaviour

START_SECONDS = 60.0
END_SECONDS = 5.0
READY = "listening on "
ROOT = Path(__file__).resolve().parents[2]  # of the four packages


@dataclass(frozen=True, slots=True)
class SimulatedProvider:
    """A server that is running."""

    base_url: str
    """For an OpenAI client; ends with /v1."""
    log_path: Path

    @property
    def anthropic_url(self) -> str:
        """For an Anthropic client, and for LiteLLM's `anthropic/`; they add /v1/messages."""
        return self.base_url.removesuffix("/v1")

    def log(self) -> Iterator[LogLine]:
        """The requests so far."""
        return read_log(self.log_path)


@contextmanager
def running(
    truth: Truth | str | Path,
    behaviours: Mapping[str, Behaviour],
    log: str | Path | None = None,
    port: int = 0,
    *,
    require_key: str | None = None,
) -> Iterator[SimulatedProvider]:
    """A server for as long as the block runs, or this process lives.

    The log goes to `log`, or to a temporary file that is gone after the block.
    """
    with tempfile.TemporaryDirectory(prefix="concord-simulated-") as name:
        folder = Path(name)
        log_path = Path(log).resolve() if log is not None else folder / "log.jsonl"
        command = _command(folder, truth, behaviours, log_path, port, require_key)
        with (
            (folder / "stderr").open("w+", encoding="utf-8") as said,
            _process(command, said) as at,
        ):
            yield SimulatedProvider(at, log_path)


def _command(
    folder: Path,
    truth: Truth | str | Path,
    behaviours: Mapping[str, Behaviour],
    log: Path,
    port: int,
    require_key: str | None,
) -> list[str]:
    if isinstance(truth, Truth):
        truth.write(folder / "truth.jsonl")
        truth = folder / "truth.jsonl"
    write_behaviours(folder / "behaviours.json", behaviours)
    files = ["--truth", str(Path(truth).resolve()), "--log", str(log)]
    files += ["--behaviours", str(folder / "behaviours.json"), "--port", str(port)]
    key = [] if require_key is None else [f"--require-key={require_key}"]
    # -P: what stands in the current folder must not shadow the packages.
    return [sys.executable, "-P", "-m", "judges.simulated", "--end-with-stdin", *files, *key]


@contextmanager
def _process(command: list[str], said: IO[str]) -> Iterator[str]:
    """The address of a server that is started, and ended in any case."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(  # noqa: S603
        command,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,  # ends with this process, and the server with it
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
    )
    try:
        yield _address(process, said)
    finally:
        _end(process)


def _address(process: subprocess.Popen[str], said: IO[str]) -> str:
    impatience = threading.Timer(START_SECONDS, process.kill)
    impatience.start()
    try:
        line = process.stdout.readline() if process.stdout else ""
    finally:
        impatience.cancel()
    if not line.startswith(READY):
        process.wait()
        said.seek(0)
        raise RunError(f"the simulated provider did not start: {said.read().strip()[-2000:]}")
    return line.removeprefix(READY).strip()


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
    finally:
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
