"""Pickled messages between two processes of this program, over a socket that only they have."""

from __future__ import annotations

import asyncio
import pickle
import struct
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LENGTH = struct.Struct("!Q")


def pack(message: object) -> bytes:
    """A message with its length in front. Raises what pickle raises."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


class Unpacker:
    """Messages from a stream of bytes, wherever it was cut."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """Every message that is complete with these bytes."""
        self._bytes += data
        start = 0
        while (body := start + _LENGTH.size) <= len(self._bytes):
            (length,) = _LENGTH.unpack_from(self._bytes, start)
            if body + length > len(self._bytes):
                break
            start = body + length
            yield pickle.loads(self._bytes[body:start])  # noqa: S301 (our own process's)
        del self._bytes[:start]


class Channel(asyncio.Protocol):
    """One end. All that is sent in one turn of the event loop leaves in one write."""

    def __init__(self, on_message: Callable[[Any], None], on_lost: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._unpacker = Unpacker()
        self._leaving: list[bytes] = []
        self._loop = asyncio.get_running_loop()

    def send(self, message: object) -> None:
        """Raises what pickle raises; to an end that is gone nothing is sent."""
        packed = pack(message)
        if not self._leaving:
            self._loop.call_soon(self._flush)
        self._leaving.append(packed)

    def close(self) -> None:
        """Send what is to be sent, and hang up."""
        self._flush()
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The event loop has connected it."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """The event loop has read from the other end."""
        for message in self._unpacker.feed(data):
            self._on_message(message)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The other end is gone, or this one has hung up."""
        self._on_lost()

    def _flush(self) -> None:
        if self._leaving and not self._transport.is_closing():
            self._transport.write(b"".join(self._leaving))
        self._leaving.clear()


class Failure(NamedTuple):
    """An exception as it crosses: pickle would call its class with the wrong arguments."""

    kind: type[Exception]
    args: tuple[Any, ...]
    fields: dict[str, Any]

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """All of an exception but its traceback and what caused it."""
        return cls(type(error), error.args, dict(vars(error)))

    def exception(self) -> Exception:
        """An equal one."""
        error = self.kind.__new__(self.kind, *self.args)
        error.args = self.args
        vars(error).update(self.fields)
        return error
