"""What a judge asks a provider, and how a call can fail."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from data.records import make_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from data.records import Reply


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat, as rendered."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """Everything that decides what a provider answers; nothing about who asks or how it is sent."""

    model: str
    messages: tuple[Message, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    api_base: str | None = None
    repeat: int = 0

    @cached_property
    def request_hash(self) -> UUID:
        """Identity of the request: an equal one is never bought twice."""
        messages = [[message.role, message.content] for message in self.messages]
        body = json.dumps([messages, self.parameters], sort_keys=True)
        return make_id(self.model, self.api_base, body, self.repeat)


class Client(Protocol):
    """Sends a request; the transport is a constructor argument of whoever needs one."""

    async def complete(self, request: Request) -> Reply:
        """The provider's reply. Raises CallError, or ProviderError where no call can succeed."""
        ...

    async def close(self) -> None:
        """Give connections back, in the event loop that made them; a later call opens new ones."""
        ...


class CallError(Exception):
    """A call that brought no reply.

    `retryable`: the same call may succeed later, not before `retry_after_seconds` where given.
    `maybe_paid`: the request left and nobody knows whether the provider worked on it.
    `refused`: the provider declined this content.
    `overloaded`: the provider asks for fewer calls (429, 503, 529).
    """

    def __init__(
        self,
        reason: str,
        *,
        retryable: bool,
        retry_after_seconds: float | None = None,
        maybe_paid: bool = False,
        refused: bool = False,
        overloaded: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds
        self.maybe_paid = maybe_paid
        self.refused = refused
        self.overloaded = overloaded


class UnsupportedError(CallError):
    """The provider does not take a parameter (structured output, log-probabilities)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, retryable=False)
