"""Anthropic's message batches over HTTP."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from judges.simulated.anthropic_shape import AnthropicShape
from judges.simulated.batches import Asked, Batch, Batches, Outcome
from judges.simulated.provider import json_object
from judges.simulated.shape import Refusal, RefusedError, invalid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from judges.simulated.behaviour import Behaviour
    from judges.simulated.provider import Provider

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PATH = "/v1/messages/batches"
WINDOW_SECONDS = 24 * 3600
MOST_REQUESTS = 100_000
MOST_LISTED = 1000
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_WORDS = {Outcome.CANCELLED: "canceled"}


class AnthropicBatches:
    """Message batches, in memory."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._shape = AnthropicShape()
        self._batches = Batches(provider, self._shape)

    def add_to(self, app: web.Application) -> None:
        """Its routes."""
        for method, path, handler in (
            ("POST", PATH, self.create),
            ("GET", PATH, self.list),
            ("GET", PATH + "/{id}", self.retrieve),
            ("GET", PATH + "/{id}/results", self.results),
            ("POST", PATH + "/{id}/cancel", self.cancel),
        ):
            app.router.add_route(method, path, partial(self._guarded, handler))
        app.on_cleanup.append(lambda _: self._batches.close())

    async def _guarded(self, handler: Handler, request: web.Request) -> web.StreamResponse:
        refusal = self._provider.refuse_key(
            request.headers, self._shape
        ) or self._shape.refuse_headers(request.headers)
        if refusal is not None:
            raise RefusedError(refusal)
        return await handler(request)

    async def create(self, request: web.Request) -> web.Response:
        """Start a batch; what is wrong with a single request shows later, in its result."""
        raw = await request.read()
        requests = read_requests(json_object(raw), self._provider.behaviours)
        batch = self._batches.start("msgbatch_sim", {}, lambda: (requests, ()))
        batch.requests = requests
        return web.json_response(_describe(batch, request))

    async def retrieve(self, request: web.Request) -> web.Response:
        """A batch as it is now."""
        return web.json_response(_describe(self._find(request), request))

    async def list(self, request: web.Request) -> web.Response:
        """The batches, the newest first, a page at a time."""
        batches = self._batches.newest_first()
        limit = request.query.get("limit", "20")
        if not limit.isdecimal() or not 1 <= int(limit) <= MOST_LISTED:
            raise RefusedError(invalid(f"limit: must be from 1 to {MOST_LISTED}"))
        begin, end = _page(batches, request.query, int(limit))
        page = batches[begin:end]
        before = "before_id" in request.query
        listed = {
            "data": [_describe(batch, request) for batch in page],
            "first_id": page[0].identity if page else None,
            "last_id": page[-1].identity if page else None,
            "has_more": begin > 0 if before else end < len(batches),
        }
        return web.json_response(listed)

    async def cancel(self, request: web.Request) -> web.Response:
        """End a batch before its time."""
        batch = self._find(request)
        if batch.ended:
            raise RefusedError(invalid("a batch that has ended cannot be canceled"))
        self._batches.cancel(batch)
        return web.json_response(_describe(batch, request))

    async def results(self, request: web.Request) -> web.Response:
        """A JSON line for each request, in no particular order, once the batch has ended."""
        batch = self._find(request)
        if not batch.ended:
            raise RefusedError(Refusal(404, f"{batch.identity} has no results yet"))
        content = b"".join(_lines(batch))
        return web.Response(body=content, content_type="application/x-jsonl")

    def _find(self, request: web.Request) -> Batch:
        identity = request.match_info["id"]
        found = self._batches.find(identity)
        if found is None:
            raise RefusedError(Refusal(404, f"no message batch {identity}"))
        return found


def read_requests(body: Mapping[str, Any], models: Mapping[str, Behaviour]) -> list[Asked]:
    """The requests of a batch. Raises RefusedError where the batch as a whole is wrong. Pure."""
    given = body.get("requests")
    if not isinstance(given, list) or not given:
        raise RefusedError(invalid("requests: a list of at least one request is required"))
    if len(given) > MOST_REQUESTS:
        raise RefusedError(invalid(f"requests: at most {MOST_REQUESTS} are allowed"))
    requests: dict[str, Asked] = {}
    for number, row in enumerate(given):
        custom_id = row.get("custom_id") if isinstance(row, dict) else None
        params = row.get("params") if isinstance(row, dict) else None
        if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
            what = "custom_id: 1 to 64 letters, digits, hyphens and underscores"
            raise RefusedError(invalid(f"requests.{number}.{what}"))
        if custom_id in requests:
            raise RefusedError(invalid(f"requests.{number}.custom_id: {custom_id} comes twice"))
        if not isinstance(params, dict):
            raise RefusedError(invalid(f"requests.{number}.params: Field required"))
        requests[custom_id] = Asked(custom_id, params)
    known = (models.get(str(each.body.get("model"))) for each in requests.values())
    if any(behaviour is not None and behaviour.batch_invalid for behaviour in known):
        raise RefusedError(invalid("The batch was refused."))
    return list(requests.values())


def _page(batches: list[Batch], query: Mapping[str, str], limit: int) -> tuple[int, int]:
    """Where a page begins and ends: after one batch, before one, or at the newest."""
    names = [batch.identity for batch in batches]
    for name in ("after_id", "before_id"):
        if name in query and query[name] not in names:
            raise RefusedError(invalid(f"{name}: no message batch {query[name]}"))
    if "before_id" in query:
        end = names.index(query["before_id"])
        return max(0, end - limit), end
    begin = names.index(query["after_id"]) + 1 if "after_id" in query else 0
    return begin, min(len(batches), begin + limit)


def _describe(batch: Batch, request: web.Request) -> dict[str, Any]:
    created = batch.times["validating"]
    ended = batch.times[batch.status] if batch.ended else None
    status = "ended" if batch.ended else "canceling" if batch.cancelled.is_set() else "in_progress"
    counts = {_WORDS.get(each, each.value): batch.counts[each] for each in Outcome}
    if not batch.ended:  # a request is counted when all have ended
        counts = dict.fromkeys(counts, 0)
    results = f"{request.scheme}://{request.host}{PATH}/{batch.identity}/results"
    return {
        "id": batch.identity,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {"processing": 0 if batch.ended else len(batch.requests), **counts},
        "created_at": _iso(created),
        "expires_at": _iso(created + WINDOW_SECONDS),
        "ended_at": _iso(ended),
        "cancel_initiated_at": _iso(batch.times.get("cancelling")),
        "archived_at": None,
        "results_url": results if batch.ended else None,
    }


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def _lines(batch: Batch) -> Iterator[bytes]:
    shuffled = list(batch.results)
    random.Random(batch.identity).shuffle(shuffled)  # noqa: S311
    for each in shuffled:
        result: dict[str, Any] = {"type": _WORDS.get(each.outcome, each.outcome.value)}
        if each.outcome is Outcome.SUCCEEDED:
            result["message"] = each.content
        if each.outcome is Outcome.ERRORED:
            result["error"] = each.content
        yield json.dumps({"custom_id": each.custom_id, "result": result}).encode() + b"\n"
