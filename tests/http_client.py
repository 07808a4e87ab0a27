"""A small client over real HTTP that is imported in no time; worker processes can be given it."""

from __future__ import annotations

import asyncio
import os
import sys
import time

import aiohttp

from data.errors import ConcordError, ProviderError
from data.records import Reply
from judges.client import CallError, Message, Request

PRICE_USD = 0.001  # of a token


class HttpClient:
    """Asks an OpenAI-compatible server, and says what happened as LiteLLMClient would."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def complete(self, request: Request) -> Reply:
        body = {
            "model": request.model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        }
        self._session = self._session or aiohttp.ClientSession()
        try:
            async with self._session.post(f"{request.api_base}/chat/completions", json=body) as got:
                return self._read(request, got.status, got.headers, await got.json())
        except (aiohttp.ClientError, ValueError) as error:
            raise CallError(str(error) or "dropped", retryable=True, maybe_paid=True) from error

    def _read(self, request, status, headers, said):
        if status == 404:
            raise ProviderError(f"no model {request.model}", "Correct it.")
        if status != 200:
            raise CallError(
                f"status {status}",
                retryable=True,
                retry_after_seconds=float(headers["Retry-After"]) if status == 429 else None,
                overloaded=status == 429,
            )
        usage = said["usage"]
        return Reply(
            request.request_hash,
            said["choices"][0]["message"]["content"],
            f"{said['model']} by {os.getpid()}",
            usage["prompt_tokens"],
            usage["completion_tokens"],
            PRICE_USD * (usage["prompt_tokens"] + usage["completion_tokens"]),
            "test",
            0.1,
            logprobs=({"1": -0.1, "2": -2.5},),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def request(base: str | None, model: str = "m", text: str = "1 or 2?") -> Request:
    return Request(model, (Message("user", text),), {"max_tokens": 5}, base)


def fail(error: ConcordError) -> HttpClient:
    """A maker that cannot make a client."""
    raise error


def fail_oddly() -> HttpClient:
    return {}["nothing"]


def die_now() -> HttpClient:
    sys.stderr.write("the last words\n")
    sys.stderr.flush()
    os._exit(7)


def be_slow_to_start() -> HttpClient:
    time.sleep(60)
    return HttpClient()


class HangingClient(HttpClient):
    """Never comes to an end."""

    async def close(self) -> None:
        time.sleep(60)  # in the way of everything else


class OddClient(HttpClient):
    """Answers what no client should."""

    async def complete(self, request: Request) -> Reply:
        if request.model == "function":
            return lambda: None  # what cannot be pickled
        if request.model == "cancel":
            raise asyncio.CancelledError
        raise LookupError(f"no {request.model}")
