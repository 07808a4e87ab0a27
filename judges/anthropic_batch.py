"""Anthropic's Message Batches through its SDK, which is imported when a client is made.

A batch is one request with all messages in it. It carries nothing of the sender's, so that one
whose id was lost between create and write cannot be told from others.
"""

from __future__ import annotations

import os
from datetime import datetime
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from data.errors import JudgeError, ProviderError
from judges.batch import (
    SDK_RETRIES,
    SDK_SECONDS,
    BatchLine,
    BatchResults,
    BatchState,
    BatchStatus,
    SdkBatches,
    compact,
    counted,
    custom_id,
    download,
    json_lines,
    only_this_key,
    split,
    without_proxy,
)
from judges.chat import ANTHROPIC_PREFIX, UnreadableError, anthropic_body, read_message
from judges.client import CallError
from judges.provider_errors import provider_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anthropic import Anthropic

    from judges.batch import Cost
    from judges.client import Request
    from judges.judge import Judge

# platform.claude.com, Batch processing.
MAX_REQUESTS = 100_000
MAX_BYTES = 256_000_000
AROUND_BYTES = len(b'{"requests":[]}')
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
UNANSWERED = {
    "expired": "the batch expired before it came to this request",
    "canceled": "the batch was cancelled before it came to this request",
}


class AnthropicBatchClient(SdkBatches):
    """Message Batches for one judge.

    `cost` is the live price in US dollars of prompt and completion tokens, None where it is not
    known. Raises JudgeError for a model of another provider, ProviderError for a missing key.
    """

    keeps_tags = False

    def __init__(
        self,
        judge: Judge,
        cost: Cost,
        *,
        price_version: str = "judge file",
        max_requests: int = MAX_REQUESTS,
        max_bytes: int = MAX_BYTES,
        call_seconds: float = SDK_SECONDS,
        retries: int = SDK_RETRIES,
    ) -> None:
        if not judge.model.startswith(ANTHROPIC_PREFIX):
            raise JudgeError(
                f"judge {judge.name}: batches of Anthropic reach {ANTHROPIC_PREFIX} models, "
                f"not {judge.model!r}",
                "Choose another transport.",
            )
        key = provider_key(judge, "ANTHROPIC_API_KEY")
        self._client = _connect(judge, key, call_seconds, retries)
        self._once = self._client.with_options(max_retries=0)
        self._limits = max_requests, max_bytes - AROUND_BYTES
        where = str(self._client.base_url).partition("?")[0].rstrip("/")
        super().__init__(judge, key, where, cost, price_version)

    def chunks(self, requests: Sequence[Request]) -> list[list[Request]]:
        """As many batches as the limits ask for."""
        return split(requests, lambda request: len(compact(_item(request))) + 1, *self._limits)

    def submit(self, requests: Sequence[Request], tag: str) -> str:  # noqa: ARG002 (not kept)
        """Make a batch."""
        items: Any = [_item(request) for request in requests]
        with self.asking("batches", buys=True):
            return str(self.known(self._once.messages.batches.create(requests=items))["id"])

    def find(self, tag: str) -> str | None:  # noqa: ARG002 (nothing to look in)
        """None: a batch keeps no tag."""
        return None

    def state(self, batch_id: str) -> BatchState:
        """How far it is; Anthropic counts at the end."""
        return _state(self._retrieve(batch_id))

    def results(self, batch_id: str, by_custom_id: Mapping[str, Request]) -> BatchResults:
        """Replies and errors are one file."""
        batch = self._retrieve(batch_id)
        if _state(batch).status is BatchStatus.RUNNING:
            raise CallError(f"the batch {batch_id} has not ended", retryable=True)
        if not batch.get("results_url"):
            raise ProviderError(
                f"judge {self._judge.name}: {self._where} no longer holds the results of batch "
                f"{batch_id}",
                "They were paid for; ask the provider.",
            )
        files = [partial(self._file, batch_id)]
        missing = CallError("the batch ended without an answer to this request", retryable=True)
        return BatchResults(lambda: json_lines(files), by_custom_id, self._read, missing)

    def cancel(self, batch_id: str) -> None:
        """Ask for its end; one that has ended already is as it should be."""
        try:
            with self.asking(f"batch {batch_id}"):
                self._once.messages.batches.cancel(batch_id)
        except CallError:
            if self.state(batch_id).status is BatchStatus.RUNNING:
                raise

    def close(self) -> None:
        """Give connections back."""
        self._client.close()

    def _retrieve(self, batch_id: str) -> dict[str, Any]:
        with self.asking(f"batch {batch_id}"):
            return self.known(self._client.messages.batches.retrieve(batch_id))

    def _file(self, batch_id: str) -> IO[bytes]:
        with self.asking(f"results of batch {batch_id}"):
            stream = self._client.messages.batches.with_streaming_response.results
            return download(lambda: stream(batch_id))

    def _read(self, request: Request, line: Mapping[str, Any]) -> BatchLine:
        result = line.get("result")
        kind = result.get("type") if isinstance(result, dict) else None
        if not isinstance(result, dict) or kind in UNANSWERED:
            return self.not_asked(request, UNANSWERED.get(str(kind), "a result without a type"))
        if kind == "errored":
            return self._errored(request, result.get("error"))
        try:
            return self.replied(request, read_message(result.get("message")))
        except UnreadableError as error:
            return self.unreadable(request, str(error))

    def _errored(self, request: Request, body: object) -> BatchLine:
        """By its kind, as a live call has it by its status."""
        error = body.get("error") if isinstance(body, dict) else None
        kind = error.get("type") if isinstance(error, dict) else None
        return self.refused(request, STATUSES.get(str(kind), 500), body)


def _state(batch: Mapping[str, Any]) -> BatchState:
    said, expires = str(batch.get("processing_status")), batch.get("expires_at")
    return BatchState(
        batch_id=batch["id"],
        status=BatchStatus.ENDED if said == "ended" else BatchStatus.RUNNING,
        said=said,
        n_done=counted(batch, "succeeded"),
        n_failed=counted(batch, "errored", "canceled", "expired"),
        n_total=counted(batch, "succeeded", "errored", "canceled", "expired", "processing"),
        expires_at=expires if isinstance(expires, datetime) else None,
    )


def _connect(judge: Judge, key: str, call_seconds: float, retries: int) -> Anthropic:
    import anthropic

    hooks = {}
    if judge.api_base:
        # Versions of the SDK send one or the other.
        ours = {"Authorization": f"Bearer {key}", "X-Api-Key": key}
        hooks = {"request": [only_this_key(judge.api_base, ours, "ANTHROPIC_CUSTOM_HEADERS")]}
    base_url = _base_url(judge)
    return anthropic.Anthropic(
        api_key=key,
        base_url=base_url,
        max_retries=retries,
        timeout=call_seconds,
        http_client=anthropic.DefaultHttpxClient(mounts=without_proxy(base_url), event_hooks=hooks),
    )


def _base_url(judge: Judge) -> str | None:
    """Where live calls go; the SDK adds the path that LiteLLM takes with or without."""
    names = ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL")  # in LiteLLM's order
    found = judge.api_base or next(filter(None, map(os.environ.get, names)), None)
    if found is None:
        return None
    return found.rstrip("/").removesuffix("/v1/messages").removesuffix("/v1")


def _item(request: Request) -> dict[str, Any]:
    """One request of a batch."""
    return {"custom_id": custom_id(request), "params": anthropic_body(request)}
