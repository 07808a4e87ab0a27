"""OpenAI's files and batches over HTTP."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import BodyPartReader, web

from judges.simulated.batches import Batches, Outcome
from judges.simulated.openai_jsonl import ENDPOINT, read_requests, write_results
from judges.simulated.openai_shape import OpenAIShape
from judges.simulated.provider import json_object
from judges.simulated.shape import Refusal, RefusedError, invalid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from judges.simulated.batches import Batch
    from judges.simulated.provider import Provider

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

WINDOW_SECONDS = 24 * 3600
MOST_METADATA = 16
MOST_LISTED = 100
STAMPS = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was uploaded, or that a batch has left."""

    identity: str
    name: str
    purpose: str
    content: bytes
    created_at: int = field(default_factory=lambda: int(time.time()))

    def describe(self) -> dict[str, Any]:
        """As OpenAI describes it."""
        return {
            "id": self.identity,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
        }


class OpenAIBatches:
    """Files and batches, in memory."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._shape = OpenAIShape()
        self._batches = Batches(provider, self._shape)
        self._files: dict[str, StoredFile] = {}

    def add_to(self, app: web.Application) -> None:
        """Its routes."""
        for method, path, handler in (
            ("POST", "/v1/files", self.upload),
            ("GET", "/v1/files/{id}", self.file),
            ("GET", "/v1/files/{id}/content", self.content),
            ("DELETE", "/v1/files/{id}", self.delete),
            ("POST", "/v1/batches", self.create),
            ("GET", "/v1/batches", self.list),
            ("GET", "/v1/batches/{id}", self.retrieve),
            ("POST", "/v1/batches/{id}/cancel", self.cancel),
        ):
            app.router.add_route(method, path, partial(self._guarded, handler))
        app.on_cleanup.append(lambda _: self._batches.close())

    async def _guarded(self, handler: Handler, request: web.Request) -> web.StreamResponse:
        refusal = self._provider.refuse_key(request.headers, self._shape)
        if refusal is not None:
            raise RefusedError(refusal)
        return await handler(request)

    # ---- files

    async def upload(self, request: web.Request) -> web.Response:
        """Store a file of JSON lines."""
        if not request.content_type.startswith("multipart/"):
            raise RefusedError(invalid("the body must be multipart/form-data"))
        parts: dict[str, bytes] = {}
        name = ""
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader):
                parts[part.name or ""] = bytes(await part.read())
                name = part.filename or name
        if parts.get("purpose") != b"batch":
            raise RefusedError(invalid("only the purpose `batch` is simulated", "purpose"))
        if "file" not in parts or not name.endswith(".jsonl"):
            raise RefusedError(invalid("Invalid file format for Batch API. Must be .jsonl", "file"))
        stored = StoredFile(f"file-sim{len(self._files) + 1}", name, "batch", parts["file"])
        self._files[stored.identity] = stored
        return web.json_response(stored.describe())

    async def file(self, request: web.Request) -> web.Response:
        """Describe a file."""
        return web.json_response(self._find_file(request).describe())

    async def content(self, request: web.Request) -> web.Response:
        """The bytes of a file."""
        found = self._find_file(request)
        return web.Response(body=found.content, content_type="application/octet-stream")

    async def delete(self, request: web.Request) -> web.Response:
        """Forget a file."""
        found = self._find_file(request)
        self._files[found.identity] = StoredFile(found.identity, "", "deleted", b"")
        return web.json_response({"id": found.identity, "object": "file", "deleted": True})

    def _find_file(self, request: web.Request) -> StoredFile:
        identity = request.match_info["id"]
        found = self._files.get(identity)
        if found is None or found.purpose == "deleted":
            raise RefusedError(Refusal(404, f"No such File object: {identity}", param="id"))
        return found

    # ---- batches

    async def create(self, request: web.Request) -> web.Response:
        """Start a batch; what is wrong with its file shows later, in its status."""
        body = json_object(await request.read())
        stored = self._files.get(str(body.get("input_file_id")))
        if stored is None or stored.purpose != "batch":
            raise RefusedError(Refusal(404, "No such File object", param="input_file_id"))
        if body.get("endpoint") != ENDPOINT:
            raise RefusedError(invalid(f"only the endpoint {ENDPOINT} is simulated", "endpoint"))
        if body.get("completion_window") != "24h":
            raise RefusedError(invalid("'completion_window' must be 24h", "completion_window"))
        _check_metadata(body.get("metadata"))
        read = partial(read_requests, stored.content, self._provider.behaviours)
        batch = self._batches.start("batch_sim", body, read)
        return web.json_response(self._describe(batch))

    async def retrieve(self, request: web.Request) -> web.Response:
        """A batch as it is now."""
        return web.json_response(self._describe(self._find(request)))

    async def list(self, request: web.Request) -> web.Response:
        """The batches, the newest first, a page at a time."""
        batches = self._batches.newest_first()
        after, limit = request.query.get("after"), request.query.get("limit", "20")
        if not limit.isdecimal() or not 1 <= int(limit) <= MOST_LISTED:
            raise RefusedError(invalid(f"'limit' must be from 1 to {MOST_LISTED}", "limit"))
        names = [batch.identity for batch in batches]
        if after is not None and after not in names:
            raise RefusedError(invalid(f"No batch found with id '{after}'.", "after"))
        begin = names.index(after) + 1 if after else 0
        page = batches[begin : begin + int(limit)]
        listed = {
            "object": "list",
            "data": [self._describe(batch) for batch in page],
            "first_id": page[0].identity if page else None,
            "last_id": page[-1].identity if page else None,
            "has_more": begin + len(page) < len(batches),
        }
        return web.json_response(listed)

    async def cancel(self, request: web.Request) -> web.Response:
        """End a batch before its time."""
        batch = self._find(request)
        if batch.ended:
            raise RefusedError(invalid(f"Cannot cancel a batch with status '{batch.status}'."))
        self._batches.cancel(batch)
        return web.json_response(self._describe(batch))

    def _find(self, request: web.Request) -> Batch:
        identity = request.match_info["id"]
        found = self._batches.find(identity)
        if found is None:
            raise RefusedError(Refusal(404, f"No batch found with id '{identity}'."))
        return found

    def _describe(self, batch: Batch) -> dict[str, Any]:
        created = int(batch.times["validating"])
        stamps = {f"{status}_at": batch.times.get(status) for status in STAMPS}
        failed = batch.counts[Outcome.ERRORED] + batch.counts[Outcome.EXPIRED]
        mistakes = [
            {"code": each.code, "message": each.message, "param": each.param, "line": each.line}
            for each in batch.mistakes
        ]
        output, errors = self._leave_files(batch) if batch.ended else (None, None)
        return {
            "id": batch.identity,
            "object": "batch",
            "endpoint": batch.details["endpoint"],
            "model": batch.requests[0].body["model"] if batch.results else None,
            "errors": {"object": "list", "data": mistakes} if batch.status == "failed" else None,
            "input_file_id": batch.details["input_file_id"],
            "completion_window": batch.details["completion_window"],
            "status": batch.status,
            "output_file_id": output,
            "error_file_id": errors,
            "created_at": created,
            "expires_at": created + WINDOW_SECONDS,
            **{name: None if at is None else int(at) for name, at in stamps.items()},
            "request_counts": {
                "total": 0 if batch.status == "failed" else len(batch.requests),
                "completed": batch.counts[Outcome.SUCCEEDED],
                "failed": failed,
            },
            "metadata": batch.details.get("metadata"),
        }

    def _leave_files(self, batch: Batch) -> tuple[str | None, str | None]:
        """The files of replies and of errors, written once; None where there are no such lines."""
        left = []
        for kind in ("output", "error"):
            identity = f"file-{batch.identity}-{kind}"
            if identity not in self._files:
                good = kind == "output"
                rows = [row for row in batch.results if (row.outcome is Outcome.SUCCEEDED) == good]
                name, content = (
                    f"{batch.identity}_{kind}.jsonl",
                    b"".join(write_results(batch, rows)),
                )
                self._files[identity] = StoredFile(identity, name, "batch_output", content)
            left.append(identity if self._files[identity].content else None)
        return left[0], left[1]


def _check_metadata(metadata: object) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict) or len(metadata) > MOST_METADATA:
        raise RefusedError(invalid(f"at most {MOST_METADATA} pairs", "metadata"))
    if not all(isinstance(value, str) for value in metadata.values()):
        raise RefusedError(invalid("the values must be texts", "metadata"))
