"""A store, judge files and a simulated provider, for tests that label over real HTTP."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from data.formats.material import COMPARISONS, LABELS, Material, table
from data.imports import import_material
from data.records import Annotator, AnnotatorKind
from data.store import Store
from judges.simulated import Truth

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

JUDGE = """\
name = "{name}"
model = "openai/{model}"
api_base = "{api_base}"
template = "pairwise-brief"
orders = "{orders}"

[parameters]
temperature = 0
max_tokens = 200

[price]
input_usd_per_million_tokens = 1
output_usd_per_million_tokens = 4
"""


def response(item: int, side: str) -> str:
    """A text that no other one contains."""
    return f"This is response {side} to question number {item:05d}, and it ends here."


def truth(n: int) -> Truth:
    """Response a is the better one of even items, b of odd ones."""
    pairs = []
    for item in range(n):
        quality = (0.9, 0.1) if item % 2 == 0 else (0.1, 0.9)
        pairs += [(response(item, side), q) for side, q in zip("ab", quality, strict=True)]
    return Truth(pairs)


def make_store(path: Path, n: int, without_texts: int = 0) -> Store:
    """A store with one data set `d` of n comparisons, each labelled by one human."""
    rows = [
        {
            "item": k,
            "source_id": f"s{k}",
            "prompt": f"question number {k:05d}?",
            "response_a": response(k, "a"),
            "response_b": response(k, "b"),
        }
        for k in range(n)
    ]
    rows += [{"item": n + k, "source_id": f"bare{k}"} for k in range(without_texts)]
    labels = [{"item": k, "annotator": "ann", "preference": "ab"[k % 2]} for k in range(len(rows))]
    store = Store(path, create=True)
    humans = (Annotator(AnnotatorKind.HUMAN, "ann", "d"),)
    material = Material(
        "d", "test", table(rows, COMPARISONS), table(labels, LABELS), humans, "digest"
    )
    import_material(store, material)
    return store


def judge_file(
    folder: Path, api_base: str, *, name: str = "sim", model: str = "m", orders: str = "both"
) -> Path:
    """A judge file for the simulated provider."""
    path = folder / f"{name}.toml"
    path.write_text(JUDGE.format(name=name, model=model, api_base=api_base, orders=orders))
    return path


def concord(*arguments: object) -> list[str]:
    """The command line as a process would be given it."""
    return [sys.executable, "-m", "app.cli", *map(str, arguments)]


def kill_when(process: subprocess.Popen[bytes], log: Path, lines: int, wait: float = 60) -> bool:
    """SIGKILL a process and its children once the provider's log is that long."""
    deadline = time.monotonic() + wait
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and log.read_bytes().count(b"\n") >= lines:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.02)
    return False


def wait_for(condition: Callable[[], object], wait: float = 60) -> None:
    """Until something is so; a test that waits in vain fails."""
    deadline = time.monotonic() + wait
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def answered(lines: object) -> Counter[str]:
    """How often each request body was answered, by the provider's log."""
    return Counter(line.body_sha256 for line in lines if line.answered)  # type: ignore[attr-defined]
