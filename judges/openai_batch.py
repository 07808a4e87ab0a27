"""OpenAI's Batch API through its SDK, which is imported when a client is made.

A batch is a file of requests and becomes a file of replies and one of errors. The tag of a batch is
in its metadata, so that one whose id was lost between create and write can be found.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final

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
from judges.chat import (
    OPENAI_PREFIXES,
    UnreadableError,
    openai_body,
    read_completion,
    said_error,
)
from judges.client import CallError
from judges.provider_errors import brief, provider_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openai import OpenAI

    from judges.batch import Cost
    from judges.client import Request
    from judges.judge import Judge

# platform.openai.com, API reference, Create batch.
MAX_REQUESTS = 50_000
MAX_BYTES = 200_000_000
ENDPOINT: Final = "/v1/chat/completions"
WINDOW: Final = "24h"
TAG = "concord"
KEPT_DAYS = 31  # results are gone after 30; older batches are not looked at
STATUSES = {
    "failed": BatchStatus.FAILED,
    "completed": BatchStatus.ENDED,
    "expired": BatchStatus.ENDED,
    "cancelled": BatchStatus.ENDED,
}
UNANSWERED = {
    "expired": "the batch expired before it came to this request",
    "cancelled": "the batch was cancelled before it came to this request",
}
LATER = frozenset({"token_limit_exceeded", "rate_limit_exceeded"})  # once other batches have ended


class OpenAIBatchClient(SdkBatches):
    """Batches of OpenAI, or of a server that speaks its protocol, for one judge.

    `cost` is the live price in US dollars of prompt and completion tokens, None where it is not
    known. Raises JudgeError for a model of another provider, ProviderError for a missing key.
    """

    keeps_tags = True

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
        _check_model(judge)
        key = provider_key(judge, "OPENAI_API_KEY")
        self._client = _connect(judge, key, call_seconds, retries)
        self._once = self._client.with_options(max_retries=0)
        self._limits = max_requests, max_bytes
        where = str(self._client.base_url).partition("?")[0].rstrip("/")
        super().__init__(judge, key, where, cost, price_version)

    def chunks(self, requests: Sequence[Request]) -> list[list[Request]]:
        """As many files as the limits ask for."""
        return split(requests, lambda request: len(_line(request)), *self._limits)

    def submit(self, requests: Sequence[Request], tag: str) -> str:
        """Upload a file and make a batch of it. A file alone costs nothing."""
        with tempfile.TemporaryFile() as file:
            for request in requests:
                file.write(_line(request))
            file.seek(0)
            with self.asking("files for batches"):
                name = (f"{TAG}.jsonl", file, "application/jsonl")
                uploaded = self._once.files.create(file=name, purpose="batch")
                input_file_id = self.known(uploaded)["id"]
        with self.asking("batches", buys=True):
            batch = self._once.batches.create(
                input_file_id=input_file_id,
                endpoint=ENDPOINT,
                completion_window=WINDOW,
                metadata={TAG: tag},
            )
            return str(self.known(batch)["id"])

    def find(self, tag: str) -> str | None:
        """The newest batch with this tag; the list begins with the newest."""
        oldest = (datetime.now(UTC) - timedelta(days=KEPT_DAYS)).timestamp()
        with self.asking("batches"):
            for batch in self._client.batches.list(limit=100):
                found = self.known(batch)
                if (found.get("metadata") or {}).get(TAG) == tag:
                    return str(found["id"])
                if (found.get("created_at") or oldest) < oldest:
                    break
        return None

    def state(self, batch_id: str) -> BatchState:
        """How far it is."""
        return self._state(self._retrieve(batch_id))

    def results(self, batch_id: str, by_custom_id: Mapping[str, Request]) -> BatchResults:
        """Of output and errors, in this order: a reply goes before an error of the same request."""
        batch = self._retrieve(batch_id)
        state = self._state(batch)
        if state.status is BatchStatus.RUNNING:
            raise CallError(f"the batch {batch_id} has not ended", retryable=True)
        output, errors = batch.get("output_file_id"), batch.get("error_file_id")
        if output is None and state.n_done:
            raise ProviderError(
                f"judge {self._judge.name}: {self._where} no longer holds the "
                f"{state.n_done:,} replies of batch {batch_id}",
                "They were paid for; ask the provider.",
            )
        files = [partial(self._file, file_id) for file_id in (output, errors) if file_id]
        missing = self._missing(batch, state)
        return BatchResults(lambda: json_lines(files), by_custom_id, self._read, missing)

    def cancel(self, batch_id: str) -> None:
        """Ask for its end; one that has ended already is as it should be."""
        try:
            with self.asking(f"batch {batch_id}"):
                self._once.batches.cancel(batch_id)
        except CallError:
            if self.state(batch_id).status is BatchStatus.RUNNING:
                raise

    def close(self) -> None:
        """Give connections back."""
        self._client.close()

    def _retrieve(self, batch_id: str) -> dict[str, Any]:
        with self.asking(f"batch {batch_id}"):
            return self.known(self._client.batches.retrieve(batch_id))

    def _file(self, file_id: str) -> IO[bytes]:
        with self.asking(f"file {file_id}"):
            content = self._client.files.with_streaming_response.content
            return download(lambda: content(file_id))

    def _state(self, batch: Mapping[str, Any]) -> BatchState:
        said = str(batch.get("status"))
        return BatchState(
            batch_id=batch["id"],
            status=STATUSES.get(said, BatchStatus.RUNNING),
            said=said,
            n_done=counted(batch, "completed"),
            n_failed=counted(batch, "failed"),
            n_total=counted(batch, "total"),
            message=brief("; ".join(_problems(batch)), self._key),
            expires_at=_time(batch.get("expires_at")),
        )

    def _missing(self, batch: Mapping[str, Any], state: BatchState) -> CallError:
        """What became of a request that is in neither file."""
        if state.status is BatchStatus.FAILED:
            later = any(error.get("code") in LATER for error in _errors(batch))
            return CallError(f"the provider refused the batch: {state.message}", retryable=later)
        ended = "the batch ended without an answer to this request"
        return CallError(UNANSWERED.get(state.said, ended), retryable=True)

    def _read(self, request: Request, line: Mapping[str, Any]) -> BatchLine:
        response = line.get("response")
        if not isinstance(response, dict):
            message, code = said_error(line.get("error"))
            return self.not_asked(
                request, f"not in the batch: {message or code or 'no reason given'}"
            )
        status, body = response.get("status_code"), response.get("body")
        if isinstance(status, int) and status >= 400:
            return self.refused(request, status, body)
        try:
            return self.replied(request, read_completion(body))
        except UnreadableError as error:
            return self.unreadable(request, str(error))


def _check_model(judge: Judge) -> None:
    if not judge.model.startswith(OPENAI_PREFIXES):
        raise JudgeError(
            f"judge {judge.name}: batches of OpenAI reach {' and '.join(OPENAI_PREFIXES)} models, "
            f"not {judge.model!r}",
            "Write openai/NAME, or choose another transport.",
        )


def _connect(judge: Judge, key: str, call_seconds: float, retries: int) -> OpenAI:
    import openai

    hooks = {}
    if judge.api_base:
        ids = ("OpenAI-Organization", "OpenAI-Project")
        bearer = {"Authorization": f"Bearer {key}"}
        only = only_this_key(judge.api_base, bearer, "OPENAI_CUSTOM_HEADERS", *ids)
        hooks = {"request": [only]}
    # The other name is LiteLLM's: a batch goes where live calls go.
    base_url = (
        judge.api_base or os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE")
    )
    return openai.OpenAI(
        api_key=key,
        base_url=base_url,
        max_retries=retries,
        timeout=call_seconds,
        http_client=openai.DefaultHttpxClient(mounts=without_proxy(base_url), event_hooks=hooks),
    )


def _line(request: Request) -> bytes:
    """One line of a file."""
    asked = {"method": "POST", "url": ENDPOINT, "body": openai_body(request)}
    return compact({"custom_id": custom_id(request), **asked}) + b"\n"


def _time(seconds: object) -> datetime | None:
    with suppress(TypeError, ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(seconds, UTC)  # type: ignore[arg-type]
    return None


def _errors(batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is wrong with a file."""
    found = batch.get("errors")
    listed = found.get("data") if isinstance(found, dict) else None
    return [error for error in listed or () if isinstance(error, dict)]


def _problems(batch: Mapping[str, Any]) -> Iterator[str]:
    """The first of them, by line."""
    for error in _errors(batch)[:3]:
        at = "" if error.get("line") is None else f"line {error['line']}: "
        yield f"{at}{error.get('message') or error.get('code')}"
