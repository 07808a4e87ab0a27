"""One request at a time over HTTP: its fate, its reply or what goes wrong instead."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from judges.simulated.faults import Fault
from judges.simulated.provider import read_body
from judges.simulated.shape import planted_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judges.simulated.faults import Fate
    from judges.simulated.provider import Provider
    from judges.simulated.shape import Refusal, Shape


@dataclass(frozen=True, slots=True)
class Live:
    """The endpoint of one API."""

    provider: Provider
    shape: Shape

    async def post(self, request: web.Request) -> web.StreamResponse:
        """One reply, or what goes wrong instead."""
        body, body_id = read_body(await request.read())
        provider, shape = self.provider, self.shape
        refusal = (
            provider.refuse_key(request.headers, shape)
            or shape.refuse_headers(request.headers)
            or shape.refuse(body, provider.behaviours)
        )
        if refusal is not None:
            provider.note_failure(body, body_id, refusal.status)
            return refuse(refusal, shape)
        return await self._meet_fate(request, body, body_id, provider.fates[body["model"]].draw())

    async def _meet_fate(
        self, request: web.Request, body: Mapping[str, Any], body_id: str, fate: Fate
    ) -> web.Response:
        """After the model's latency; a provider that is too busy says so at once."""
        due = asyncio.get_running_loop().time() + fate.latency_seconds
        if fate.fault is not None:
            if fate.fault not in (Fault.RATE_LIMIT, Fault.OVERLOADED):
                await _wait_until(due)
            return self._fail(request, body, body_id, fate.fault)
        replied = self.provider.reply(body, self.shape)
        await _wait_until(due)
        self.provider.note_reply(body, body_id, replied)
        behaviour = self.provider.behaviours[body["model"]]
        return web.json_response(self.shape.reply(replied, body, behaviour))

    def _fail(
        self, request: web.Request, body: Mapping[str, Any], body_id: str, fault: Fault
    ) -> web.Response:
        """What the client gets in place of a reply."""
        if fault is Fault.DROP:
            self.provider.note_failure(body, body_id, None, fault)
            if request.transport is not None:
                request.transport.abort()
            return web.Response()  # to nobody
        if fault is Fault.MALFORMED:
            self.provider.note_failure(body, body_id, 200, fault)
            return web.Response(text=self.shape.broken, content_type="application/json")
        refusal = planted_refusal(fault, self.provider.behaviours[body["model"]], self.shape)
        self.provider.note_failure(body, body_id, refusal.status, fault)
        return refuse(refusal, self.shape)


def refuse(refusal: Refusal, shape: Shape) -> web.Response:
    """A refusal as it is sent."""
    return web.json_response(shape.error(refusal), status=refusal.status, headers=refusal.headers)


async def _wait_until(due: float) -> None:
    rest = due - asyncio.get_running_loop().time()
    if rest > 0:
        await asyncio.sleep(rest)
