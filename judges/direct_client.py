"""Calls straight to an OpenAI-compatible server, without LiteLLM between: several times as fast.

The price of that is that the judge file says what LiteLLM would know: the address and the price.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

import aiohttp
from yarl import URL

from data.errors import JudgeError, PriceError, ProviderError
from judges.chat import OPENAI_PREFIXES, UnreadableError, openai_body, read_completion
from judges.client import CallError
from judges.provider_errors import (
    CALL_SECONDS,
    NO_KEY,
    Refused,
    brief,
    is_loopback,
    named_key,
    system_words,
    translate,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from data.records import Reply
    from judges.client import Request
    from judges.judge import Judge, Price

CONNECT_SECONDS = 30.0
# Some servers (uvicorn) close an idle connection after 5 seconds: a request must not meet that.
KEEPALIVE_SECONDS = 4.0


class DirectClient:
    """An OpenAI-compatible server for one judge.

    Raises JudgeError without an address of the judge's own, or for a model of another protocol;
    PriceError without a price in the judge file; ProviderError for a missing key.
    """

    def __init__(self, judge: Judge, *, call_seconds: float = CALL_SECONDS) -> None:
        self._judge = judge
        self._call_seconds = call_seconds
        self._url = _endpoint(judge)
        self._price = _price(judge)
        self._key = named_key(judge) or NO_KEY
        self._headers = {
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
        }
        self._where = str(self._url.with_query(None)).removesuffix("/chat/completions")
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = (
            WeakKeyDictionary()
        )

    async def complete(self, request: Request) -> Reply:
        """One call, without retries. Raises JudgeError for a parameter that cannot be sent."""
        if request.api_base != self._judge.api_base:  # the key belongs to one address
            raise ValueError(f"a request to {request.api_base} by a client of {self._where}")
        body = json.dumps(openai_body(request)).encode()
        started = time.perf_counter()
        try:
            async with self._session().post(self._url, data=body) as response:
                raw = await response.read()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Not as its cause: the errors of aiohttp hold the headers, and so the key.
            raise self._lost(error) from None
        seconds = time.perf_counter() - started
        if not response.ok:
            raise self._refused(response.status, response.headers, raw)
        return self._reply(request, raw, seconds)

    async def close(self) -> None:
        """Close the connections of this event loop."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            session = self._sessions[loop] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(
                    total=self._call_seconds,
                    sock_connect=min(CONNECT_SECONDS, self._call_seconds),
                ),
                proxy=_proxy(self._url),
            )
        return session

    def _reply(self, request: Request, raw: bytes, seconds: float) -> Reply:
        try:
            answer = read_completion(json.loads(raw))
        except UnreadableError as error:
            raise self._unreadable(str(error)) from None
        except (ValueError, RecursionError):
            raise self._unreadable("no JSON") from None
        spent = None
        if answer.prompt_tokens is not None and answer.completion_tokens is not None:
            spent = self._price.cost_usd(answer.prompt_tokens, answer.completion_tokens)
        return answer.reply(
            request.request_hash, paid_usd=spent, price_version="judge file", seconds=seconds
        )

    def _unreadable(self, why: str) -> CallError:
        reason = brief(f"{self._where} sent no reply: {why}", self._key)
        return CallError(reason, retryable=True, maybe_paid=True)

    def _refused(
        self, status: int, headers: Mapping[str, str], raw: bytes
    ) -> ProviderError | CallError:
        refused = Refused.read(status, _parsed(raw), headers, self._key)
        said = f": {refused.message}" if refused.message else ""
        return translate(self._judge, refused, f"{self._where} answered {status}{said}")

    def _lost(self, error: Exception) -> ProviderError | CallError:
        """A call without an answer; what never left was not paid."""
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            why = brief(str(error.certificate_error), self._key)
            return ProviderError(
                f"judge {self._judge.name}: {self._where} has no trusted certificate ({why})",
                "Correct `api_base`, or set SSL_CERT_FILE to the certificate of your authority.",
            )
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return CallError(f"no connection to {self._where} in time", retryable=True)
        if isinstance(error, aiohttp.ClientConnectorError):
            return CallError(
                f"no connection to {self._where}: {system_words(error.os_error)}", retryable=True
            )
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return CallError(f"the proxy answered {error.status}", retryable=True)
        if isinstance(error, TimeoutError):
            reason = f"no reply from {self._where} within {self._call_seconds:g} seconds"
            return CallError(reason, retryable=True, maybe_paid=True)
        why = brief(str(error) or type(error).__name__, self._key)
        reason = f"the connection to {self._where} was lost: {why}"
        return CallError(reason, retryable=True, maybe_paid=True)


def _endpoint(judge: Judge) -> URL:
    """Where completions are asked for; what follows a `?` in the address is kept."""
    if judge.api_base is None:
        raise JudgeError(
            f"judge {judge.name}: direct calls need an address",
            "Set api_base in the judge file, or call through LiteLLM.",
        )
    if not judge.model.startswith(OPENAI_PREFIXES):
        raise JudgeError(
            f"judge {judge.name}: direct calls reach {' and '.join(OPENAI_PREFIXES)} models, "
            f"not {judge.model!r}",
            "Write openai/NAME if the server speaks OpenAI's protocol, or call through LiteLLM.",
        )
    try:
        url = URL(judge.api_base)
        host = url.host
    except ValueError as error:
        host, why = None, f" ({error})"
    else:
        why = ""
    if not host:
        raise JudgeError(
            f"judge {judge.name}: {judge.api_base} is no address{why}", "Correct api_base."
        )
    path = url.raw_path.rstrip("/") + "/chat/completions"
    return url.with_path(path, encoded=True).with_query(url.query)


def _price(judge: Judge) -> Price:
    if judge.price is None:
        raise PriceError(
            f"judge {judge.name}: direct calls need the price of {judge.model}",
            "Add to the judge file: [price] input_usd_per_million_tokens = ... and "
            "output_usd_per_million_tokens = ... (0 for your own machine).",
        )
    return judge.price


def _proxy(url: URL) -> URL | None:
    """The proxy that the environment names for this host, none for this machine.

    Not aiohttp's `trust_env`: that also reads passwords from ~/.netrc, anew for each call.
    """
    if is_loopback(url.host) or proxy_bypass(url.host or ""):
        return None
    named = getproxies().get(url.scheme)
    if not named:
        return None
    return URL(named if "://" in named else f"http://{named}")


def _parsed(raw: bytes) -> Any:
    """An answer as JSON, or as text."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return raw.decode("utf-8", "replace")
