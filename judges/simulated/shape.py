"""What the APIs of two providers have in common: a body comes in, a reply or a refusal goes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from judges.simulated.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judges.simulated.behaviour import Behaviour
    from judges.simulated.reply import Written


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error that is sent instead of a reply. `kind` and `code` are OpenAI's words for it."""

    status: int
    message: str
    kind: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """Raised where a request is refused."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Replied:
    """A reply and what its provider adds to it. `number` counts the replies of the server."""

    written: Written
    prompt_tokens: int
    model: str
    number: int
    fingerprint: str | None = None


class Shape(Protocol):
    """How one provider's API is written. Pure."""

    overloaded_status: int
    broken: str
    """A reply that breaks off."""

    def refuse(self, body: Mapping[str, Any], models: Mapping[str, Behaviour]) -> Refusal | None:
        """What the provider does not take."""
        ...

    def refuse_headers(self, headers: Mapping[str, str]) -> Refusal | None:
        """What is missing from a request besides its body and key."""
        ...

    def key(self, headers: Mapping[str, str]) -> str:
        """The key that was sent; empty if none."""
        ...

    def chat(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The request as OpenAI's chat completions would have it."""
        ...

    def reply(
        self, replied: Replied, body: Mapping[str, Any], behaviour: Behaviour
    ) -> dict[str, Any]:
        """A reply as it is sent."""
        ...

    def error(self, refusal: Refusal) -> dict[str, Any]:
        """A refusal as it is sent."""
        ...


def invalid(message: str, parameter: str | None = None) -> Refusal:
    """A request that is not understood."""
    return Refusal(400, message, param=parameter)


def wrong_key(given: str) -> Refusal:
    """A key that is missing or not the right one."""
    what = "Incorrect API key provided." if given else "You did not provide an API key."
    return Refusal(401, what, code="invalid_api_key")


def planted_refusal(fault: Fault, behaviour: Behaviour, shape: Shape) -> Refusal:
    """What a client is told that meets a fault."""
    if fault is Fault.SERVER_ERROR:
        return Refusal(
            500, "The server had an error while processing your request.", "server_error"
        )
    if fault is Fault.OVERLOADED:
        status = shape.overloaded_status
        return Refusal(status, "Overloaded. Please try again later.", "server_error")
    wait = {"Retry-After": f"{behaviour.retry_after_seconds:g}"}
    what = "Rate limit reached for requests."
    return Refusal(429, what, "requests", "rate_limit_exceeded", headers=wait)
