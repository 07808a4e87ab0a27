"""The simulated provider over HTTP: routes, faults, errors in OpenAI's shape, the request log."""

from __future__ import annotations

import asyncio
import hmac
import itertools
import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import IO, TYPE_CHECKING, Any

from aiohttp import web

from data.errors import RunError
from judges.simulated.behaviour import Behaviour, Fate, Fates, Fault
from judges.simulated.reply import (
    Written,
    confused,
    count_prompt_tokens,
    prompt_text,
    write_reply,
)
from judges.simulated.requestlog import LogLine, append, body_sha256

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from judges.simulated.truth import Truth

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HOST = "127.0.0.1"
BIGGEST_BODY = 64 * 2**20
BACKLOG = 1024
GRACE_SECONDS = 1.0  # for replies under way when the server is told to end
BROKEN_JSON = (
    '{"id": "chatcmpl-broken", "object": "chat.completion", "choices": [{"index": 0, "mess'
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error reply."""

    status: int
    message: str
    kind: str
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """In OpenAI's shape."""
        error = {
            "message": self.message,
            "type": self.kind,
            "param": None,
            "code": self.code,
        }
        return web.json_response({"error": error}, status=self.status, headers=self.headers)


@dataclass(slots=True)
class Provider:
    """The state of the server. `log` is open for appending, or None."""

    truth: Truth
    behaviours: Mapping[str, Behaviour]
    log: IO[str] | None = None
    require_key: str | None = None
    _fates: dict[str, Fates] = field(init=False)
    _numbers: itertools.count[int] = field(init=False)

    def __post_init__(self) -> None:
        self._fates = {model: Fates(each, model) for model, each in self.behaviours.items()}
        self._numbers = itertools.count(1)

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=BIGGEST_BODY, middlewares=[errors_in_shape])
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/healthz", healthz)
        return app

    async def models(self, request: web.Request) -> web.Response:
        """The names that may be asked for."""
        refusal = self._refuse_key(request)
        if refusal is not None:
            return refusal.response()
        names = [
            {"id": name, "object": "model", "created": 0, "owned_by": "simulated"}
            for name in self.behaviours
        ]
        return web.json_response({"object": "list", "data": names})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """One chat completion, or what goes wrong instead."""
        raw = await request.read()
        body, body_id = _read_body(raw)
        refusal = self._refuse_key(request) or refuse_body(body, self.behaviours)
        if refusal is not None:
            self._note(body, body_id, refusal.status)
            return refusal.response()
        return await self._meet_fate(request, body, body_id, self._fates[body["model"]].draw())

    async def _meet_fate(
        self, request: web.Request, body: Mapping[str, Any], body_id: str, fate: Fate
    ) -> web.Response:
        """After the model's latency; a refusal for the rate of requests comes at once."""
        due = asyncio.get_running_loop().time() + fate.latency_seconds
        number = next(self._numbers)
        written = self._write(body, fate.fault, number)
        if fate.fault is not Fault.RATE_LIMIT:
            await _wait_until(due)
        if written is None:
            return self._fail(request, body, body_id, fate.fault)
        tokens = count_prompt_tokens(body)
        self._note(body, body_id, 200, fate.fault, written, tokens)
        served = self.behaviours[body["model"]].served_model or body["model"]
        return web.json_response(completion(written, tokens, served, number))

    def _write(self, body: Mapping[str, Any], fault: Fault | None, number: int) -> Written | None:
        """The reply, if the request meets no fault that prevents one."""
        if fault is Fault.OFF_MENU:
            return Written(confused(prompt_text(body)))
        if fault is not None:
            return None
        behaviour = self.behaviours[body["model"]]
        return write_reply(body, behaviour, self.truth, sample=_sample(body, number))

    def _refuse_key(self, request: web.Request) -> Refusal | None:
        given = request.headers.get("Authorization", "")
        if self.require_key is None:
            return None
        if hmac.compare_digest(_bytes(given), _bytes(f"Bearer {self.require_key}")):
            return None
        what = "Incorrect API key provided." if given else "You did not provide an API key."
        return Refusal(401, what, "invalid_request_error", "invalid_api_key")

    def _fail(
        self, request: web.Request, body: Mapping[str, Any], body_id: str, fault: Fault | None
    ) -> web.Response:
        """What the client gets in place of a reply."""
        if fault is Fault.DROP:
            self._note(body, body_id, None, fault)
            if request.transport is not None:
                request.transport.abort()
            return web.Response()  # to nobody
        if fault is Fault.MALFORMED:
            self._note(body, body_id, 200, fault)
            return web.Response(text=BROKEN_JSON, content_type="application/json")
        refusal = _planted_refusal(fault, self.behaviours[body["model"]])
        self._note(body, body_id, refusal.status, fault)
        return refusal.response()

    def _note(
        self,
        body: Mapping[str, Any],
        body_id: str,
        status: int | None,
        fault: Fault | None = None,
        written: Written | None = None,
        tokens: int = 0,
    ) -> None:
        if self.log is None:
            return
        model = body.get("model")
        line = LogLine(
            at=time.time(),
            body_sha256=body_id,
            model=model if isinstance(model, str) else None,
            status=status,
            fault=fault and fault.value,
            answered=written is not None,
        )
        append(self.log, line if written is None else _with_reply(line, written, tokens))


async def _wait_until(due: float) -> None:
    rest = due - asyncio.get_running_loop().time()
    if rest > 0:
        await asyncio.sleep(rest)


async def healthz(_: web.Request) -> web.Response:
    """Whether the server is up; needs no key."""
    return web.json_response({"status": "ok"})


@web.middleware
async def errors_in_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Unknown paths, wrong methods, bodies that are too big, and mistakes of this server."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return Refusal(error.status, error.reason, "invalid_request_error").response()
    except Exception as error:
        sys.stderr.write(f"simulated provider: {error!r}\n")
        return Refusal(500, f"simulated provider: {error!r}", "server_error").response()


def refuse_body(body: Mapping[str, Any], models: Mapping[str, object]) -> Refusal | None:
    """What a provider refuses to read."""
    model, messages = body.get("model"), body.get("messages")
    if not isinstance(model, str):
        return _invalid("the body must be a JSON object that names a model")
    if model not in models:
        what = f"The model `{model}` does not exist or you do not have access to it."
        return Refusal(404, what, "invalid_request_error", "model_not_found")
    if not isinstance(messages, list) or not messages:
        return _invalid("'messages' must be a list of at least one message")
    if not all(isinstance(message, dict) for message in messages):
        return _invalid("each of 'messages' must be an object")
    if body.get("stream"):
        return _invalid("streaming is not simulated")
    if body.get("n", 1) not in (1, None):
        return _invalid("only n = 1 is simulated")
    return None


def completion(written: Written, prompt_tokens: int, model: str, number: int) -> dict[str, Any]:
    """A reply as OpenAI sends it."""
    message = {"role": "assistant", "content": written.text}
    choice = {"index": 0, "message": message, "finish_reason": written.finish_reason}
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": written.completion_tokens,
        "total_tokens": prompt_tokens + written.completion_tokens,
    }
    return {
        "id": f"chatcmpl-sim{number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
        "usage": usage,
    }


async def serve(provider: Provider, port: int = 0, *, end_with_stdin: bool = False) -> None:
    """Serve until SIGTERM or SIGINT, or until standard input ends; says where, on one line."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, ended.set)
    if end_with_stdin:
        loop.add_reader(sys.stdin.fileno(), _at_end_of_stdin, loop, ended)
    runner = web.AppRunner(provider.app(), access_log=None, shutdown_timeout=GRACE_SECONDS)
    await runner.setup()
    try:
        await _listen(web.TCPSite(runner, HOST, port, backlog=BACKLOG), port)
        sys.stdout.write(f"listening on http://{HOST}:{runner.addresses[0][1]}/v1\n")
        sys.stdout.flush()
        await ended.wait()
    finally:
        await runner.cleanup()


async def _listen(site: web.TCPSite, port: int) -> None:
    try:
        await site.start()
    except OSError as error:
        raise RunError(
            f"cannot listen on port {port}: {error}", "Port 0 takes a free one."
        ) from error


def _at_end_of_stdin(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        loop.remove_reader(sys.stdin.fileno())
        ended.set()


def _read_body(raw: bytes) -> tuple[dict[str, Any], str]:
    """The body and its identity; what is no JSON object is empty and goes by its bytes."""
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body, body_sha256(body)
    return {}, sha256(raw).hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _invalid(message: str) -> Refusal:
    return Refusal(400, message, "invalid_request_error")


def _planted_refusal(fault: Fault | None, behaviour: Behaviour) -> Refusal:
    if fault is Fault.SERVER_ERROR:
        return Refusal(
            500, "The server had an error while processing your request.", "server_error"
        )
    wait = {"Retry-After": f"{behaviour.retry_after_seconds:g}"}
    return Refusal(429, "Rate limit reached for requests.", "requests", "rate_limit_exceeded", wait)


def _sample(body: Mapping[str, Any], number: int) -> str:
    """What a temperature above 0 adds to the content that a choice follows from."""
    if not body.get("temperature"):
        return ""
    seed = body.get("seed")
    return f"seed {seed}" if seed is not None else f"request {number}"


def _with_reply(line: LogLine, written: Written, tokens: int) -> LogLine:
    return LogLine(
        line.at,
        line.body_sha256,
        line.model,
        line.status,
        line.fault,
        line.answered,
        first=written.shown_first,
        second=written.shown_second,
        choice=written.choice and written.choice.value,
        prompt_tokens=tokens,
        completion_tokens=written.completion_tokens,
    )
