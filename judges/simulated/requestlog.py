"""The simulated provider's request log: one JSON line for each request, in order.

A line is written and flushed *before* the reply is sent. So `answered` means that the provider did
the work and would charge for it; whether the client received the reply is not known here, as it is
not known to a real provider. A client that dies while its reply is on the way finds the line.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class LogLine:
    """One request and what became of it."""

    at: float
    """Unix seconds."""
    body_sha256: str
    """Of the canonical JSON of the body, or of its bytes if they are no JSON."""
    model: str | None
    status: int | None
    """Of the reply; None if the connection was dropped."""
    fault: str | None
    """The planted fault."""
    answered: bool
    """A complete reply with status 200 and valid JSON, on the menu or off it."""
    first: str | None = None
    """What was shown first: known, empty, unknown; None if the prompt was not read."""
    second: str | None = None
    choice: str | None = None
    """The verdict in the order shown: first, second, tie; None if the reply has none."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    batch: bool = False
    """Whether it came in a batch, which costs half."""


_FIELDS = tuple(item.name for item in fields(LogLine))


def body_sha256(body: object) -> str:
    """Of the canonical JSON of a request's body: sorted keys, no white space, ASCII."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


def append(file: IO[str], line: LogLine) -> None:
    """Write a line and hand it to the operating system."""
    file.write(json.dumps({name: getattr(line, name) for name in _FIELDS}) + "\n")
    file.flush()


def read_log(path: str | Path) -> Iterator[LogLine]:
    """The lines so far; one that is being written is left for the next time."""
    if not Path(path).exists():
        return
    with Path(path).open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                values: dict[str, Any] = json.loads(line)
                yield LogLine(**values)
