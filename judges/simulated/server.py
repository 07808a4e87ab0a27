"""The simulated provider over HTTP: its routes, and the server from start to end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from aiohttp import web

from data.errors import RunError
from judges.simulated.anthropic_batches import AnthropicBatches
from judges.simulated.anthropic_shape import AnthropicShape
from judges.simulated.live import Live, refuse
from judges.simulated.openai_batches import OpenAIBatches
from judges.simulated.openai_shape import OpenAIShape
from judges.simulated.shape import Refusal, RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from judges.simulated.provider import Provider
    from judges.simulated.shape import Shape

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HOST = "127.0.0.1"
BIGGEST_BODY = 256_000_000  # a batch of Anthropic's
BACKLOG = 1024
GRACE_SECONDS = 1.0  # for replies under way when the server is told to end
OPENAI, ANTHROPIC = OpenAIShape(), AnthropicShape()


def make_app(provider: Provider) -> web.Application:
    """The routes."""
    app = web.Application(client_max_size=BIGGEST_BODY, middlewares=[errors_in_shape])
    app.router.add_post("/v1/chat/completions", Live(provider, OPENAI).post)
    app.router.add_post("/v1/messages", Live(provider, ANTHROPIC).post)
    OpenAIBatches(provider).add_to(app)
    AnthropicBatches(provider).add_to(app)
    app.router.add_get("/v1/models", lambda request: models(request, provider))
    app.router.add_get("/healthz", healthz)
    return app


async def models(request: web.Request, provider: Provider) -> web.Response:
    """The names that may be asked for, as OpenAI lists them."""
    refusal = provider.refuse_key(request.headers, OPENAI)
    if refusal is not None:
        return refuse(refusal, OPENAI)
    names = [
        {"id": name, "object": "model", "created": 0, "owned_by": "simulated"}
        for name in provider.behaviours
    ]
    return web.json_response({"object": "list", "data": names})


async def healthz(_: web.Request) -> web.Response:
    """Whether the server is up; needs no key."""
    return web.json_response({"status": "ok"})


@web.middleware
async def errors_in_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Unknown paths, wrong methods, bodies that are too big, and mistakes of this server."""
    try:
        return await handler(request)
    except RefusedError as error:
        return refuse(error.refusal, _shape_of(request.path))
    except web.HTTPException as error:
        return refuse(Refusal(error.status, error.reason), _shape_of(request.path))
    except Exception as error:
        sys.stderr.write(f"simulated provider: {error!r}\n")
        what = f"simulated provider: {error!r}"
        return refuse(Refusal(500, what, "server_error"), _shape_of(request.path))


def _shape_of(path: str) -> Shape:
    return ANTHROPIC if path.startswith("/v1/messages") else OPENAI


async def serve(provider: Provider, port: int = 0, *, end_with_stdin: bool = False) -> None:
    """Serve until SIGTERM or SIGINT, or until standard input ends; says where, on one line."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, ended.set)
    if end_with_stdin:
        loop.add_reader(sys.stdin.fileno(), _at_end_of_stdin, loop, ended)
    runner = web.AppRunner(make_app(provider), access_log=None, shutdown_timeout=GRACE_SECONDS)
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
