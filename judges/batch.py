"""Batches: many requests sent as one file, answered within a day at half the price.

Everything here is synchronous and runs in a thread. A request is known by its hash, so a batch that
was submitted before a crash is read by whoever comes after.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any, Protocol

from yarl import URL

from data.errors import ConcordError, InputError, ProviderError
from judges.chat import UnreadableError
from judges.client import CallError
from judges.provider_errors import (
    Refused,
    brief,
    is_loopback,
    never_left,
    origins,
    system_words,
    translate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from data.records import Reply
    from judges.chat import Answer
    from judges.client import Request
    from judges.judge import Judge

    Cost = Callable[[int, int], float | None]

BATCH_DISCOUNT = 0.5
"""What a token of a batch costs of what it costs live.

OpenAI: 50% below the synchronous APIs (help.openai.com, Batch API FAQ). Anthropic: 50% of the
standard prices (platform.claude.com, Batch processing).
"""
SDK_SECONDS = 600.0
SDK_RETRIES = 5  # of what may be asked twice; the SDKs wait between them and heed Retry-After
DOWNLOADS = 3
PAUSE_SECONDS = 1.0


class BatchStatus(StrEnum):
    """Where a batch is."""

    RUNNING = "running"
    ENDED = "ended"
    """Its results can be read: of all requests or, where it expired or was cancelled, of some."""
    FAILED = "failed"
    """The provider took none of its requests."""


@dataclass(frozen=True, slots=True)
class BatchState:
    """What a provider says about a batch; counts are 0 as long as it does not count."""

    batch_id: str
    status: BatchStatus
    said: str
    """The provider's own word: `validating`, `in_progress`, `expired` ..."""
    n_done: int = 0
    n_failed: int = 0
    n_total: int = 0
    message: str = ""
    """Why it failed."""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BatchLine:
    """What became of one request: a reply or an error. `charged`: it is on the bill."""

    custom_id: str
    reply: Reply | None
    error: CallError | None
    charged: bool


class BatchClient(Protocol):
    """A provider's batches for one judge.

    Every call raises ProviderError where none can succeed, else CallError; what may be asked twice
    has been by then.
    """

    keeps_tags: bool
    """Whether `find` can find a batch; where not, one whose id was lost stays unknown."""

    def chunks(self, requests: Sequence[Request]) -> list[list[Request]]:
        """As many batches as the provider's limits ask for; of equal requests one is kept.

        Raises InputError for a request that no batch can hold, JudgeError or UnsupportedError for
        a parameter that cannot be sent.
        """
        ...

    def submit(self, requests: Sequence[Request], tag: str) -> str:
        """The id of a new batch. It is never sent twice; a CallError that is `maybe_paid` may have
        left a batch behind: `find(tag)`.
        """
        ...

    def find(self, tag: str) -> str | None:
        """The newest batch that was submitted with this tag; None also where no tags are kept."""
        ...

    def state(self, batch_id: str) -> BatchState:
        """How far it is."""
        ...

    def results(self, batch_id: str, by_custom_id: Mapping[str, Request]) -> BatchResults:
        """A line for each of the requests. Raises CallError before the batch has ended."""
        ...

    def cancel(self, batch_id: str) -> None:
        """Ask the provider to end it; what is done is paid and can be read once it has ended."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


class BatchResults:
    """The lines of a batch in the provider's order, one for each request that was asked about.

    They are fetched when they are iterated over, which raises ProviderError or CallError before the
    first line. `n_ignored` counts, once read, what belongs to no request or came a second time.
    """

    def __init__(
        self,
        lines: Callable[[], Iterable[object]],
        by_custom_id: Mapping[str, Request],
        read: Callable[[Request, Mapping[str, Any]], BatchLine],
        missing: CallError,
    ) -> None:
        self._lines = lines
        self._requests = by_custom_id
        self._read = read
        self._missing = missing
        self.n_ignored = 0

    def __iter__(self) -> Iterator[BatchLine]:
        waiting = dict(self._requests)
        self.n_ignored = 0
        for line in self._lines():
            custom_id = line.get("custom_id") if isinstance(line, dict) else None
            request = waiting.pop(custom_id, None) if isinstance(custom_id, str) else None
            if request is None or not isinstance(line, dict):
                self.n_ignored += 1
            else:
                yield self._read(request, line)
        for custom_id in waiting:
            yield BatchLine(custom_id, None, self._missing, charged=False)


def custom_id(request: Request) -> str:
    """The name of a request in a batch."""
    return str(request.request_hash)


def compact(value: object) -> bytes:
    """JSON as the SDKs write it, so that sizes are what arrives."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def split(
    requests: Iterable[Request], size: Callable[[Request], int], max_requests: int, max_bytes: int
) -> list[list[Request]]:
    """Requests in batches within both limits, each once, in order. Raises InputError."""
    chunks: list[list[Request]] = []
    room = 0
    for request in {each.request_hash: each for each in requests}.values():
        needed = size(request)
        if needed > max_bytes:
            raise InputError(
                f"a request of {needed:,} bytes is larger than a batch may be ({max_bytes:,})",
                f"Its text begins {request.messages[-1].content[:60]!r}; leave it out.",
            )
        if needed > room or len(chunks[-1]) == max_requests:
            chunks.append([])
            room = max_bytes
        chunks[-1].append(request)
        room -= needed
    return chunks


# ---- what both SDKs have in common


class SdkBatches:
    """The part of a batch client that does not depend on the provider."""

    def __init__(self, judge: Judge, key: str, where: str, cost: Cost, price_version: str) -> None:
        self._judge = judge
        self._key = key
        self._where = where
        self._cost = cost
        self._price_version = f"{price_version} batch"

    def replied(self, request: Request, answer: Answer) -> BatchLine:
        """A reply at the price of a batch."""
        cost = None
        if answer.prompt_tokens is not None and answer.completion_tokens is not None:
            cost = self._cost(answer.prompt_tokens, answer.completion_tokens)
        reply = answer.reply(
            request.request_hash,
            paid_usd=None if cost is None else cost * BATCH_DISCOUNT,
            price_version=self._price_version,
            seconds=None,
        )
        return BatchLine(custom_id(request), reply, None, charged=True)

    def unreadable(self, request: Request, why: str) -> BatchLine:
        """A result that was paid for and is no reply."""
        reason = brief(f"{self._where} sent no reply: {why}", self._key)
        error = CallError(reason, retryable=True, maybe_paid=True)
        return BatchLine(custom_id(request), None, error, charged=True)

    def refused(self, request: Request, status: int, body: object) -> BatchLine:
        """A request that the provider answered with an error; neither of them charges for it."""
        refused = Refused.read(status, body, {}, self._key)
        reason = f"{self._where} answered {status}: {refused.message}"
        error = translate(self._judge, refused, reason)
        if isinstance(error, ProviderError):
            error = CallError(reason, retryable=False)
        error.maybe_paid = False
        return BatchLine(custom_id(request), None, error, charged=False)

    def not_asked(self, request: Request, reason: str) -> BatchLine:
        """A request that the batch did not come to."""
        error = CallError(brief(reason, self._key), retryable=True)
        return BatchLine(custom_id(request), None, error, charged=False)

    def known(self, thing: Any) -> dict[str, Any]:
        """What an SDK read, if it has an id; it gives whatever it got, a page of HTML too."""
        found: dict[str, Any] = thing.to_dict(warnings=False) if hasattr(thing, "to_dict") else {}
        if not isinstance(found.get("id"), str):
            raise UnreadableError("an answer without an id")
        return found

    @contextmanager
    def asking(self, about: str, *, buys: bool = False) -> Iterator[None]:
        """What an SDK raises becomes what a run can act on; `about` is what may be unknown."""
        try:
            yield
        except (ConcordError, CallError):
            raise
        except Exception as error:
            # Not as its cause: the errors of the SDKs hold the headers, and so the key.
            raise self._translate(error, about, buys=buys) from None

    def _translate(self, error: Exception, about: str, *, buys: bool) -> ProviderError | CallError:
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", None)
        if response is None or not isinstance(status, int) or status < 400:
            return self._unanswered(error, buys=buys)
        refused = Refused.read(status, getattr(error, "body", None), response.headers, self._key)
        if status in (404, 405, 501):
            return ProviderError(
                f"judge {self._judge.name}: {self._where} knows no {about} ({refused.message})",
                "Batches belong to a key and an address; another transport needs none.",
            )
        found = translate(
            self._judge, refused, f"{self._where} answered {status}: {refused.message}"
        )
        if isinstance(found, CallError):
            found.maybe_paid = buys and (status >= 500 or found.maybe_paid)
        return found

    def _unanswered(self, error: Exception, *, buys: bool) -> CallError:
        chain = tuple(origins(error))
        gone = never_left(chain)
        why = brief(system_words(chain[-1]), self._key)
        what = "no connection to" if gone else "no usable answer from"
        reason = f"{what} {self._where}: {why}"
        return CallError(reason, retryable=True, maybe_paid=buys and not gone)


def download(open_stream: Callable[[], AbstractContextManager[Any]]) -> IO[bytes]:
    """Results in a temporary file, as they may be gigabytes; a lost connection starts over."""
    for attempt in range(DOWNLOADS):
        file = tempfile.TemporaryFile()  # noqa: SIM115 (the caller's)
        try:
            with open_stream() as response:
                for chunk in response.iter_bytes():
                    file.write(chunk)
        except Exception as error:
            file.close()
            # What was answered with an error, the SDK has asked for again.
            if hasattr(error, "status_code") or attempt + 1 == DOWNLOADS:
                raise
            time.sleep(PAUSE_SECONDS * 2**attempt)
        else:
            file.seek(0)
            return file
    raise AssertionError("unreachable")


def counted(batch: Mapping[str, Any], *names: str) -> int:
    """The sum of some of its `request_counts`; 0 where there are none."""
    counts = batch.get("request_counts")
    given = [counts.get(name) for name in names] if isinstance(counts, dict) else []
    return sum(count for count in given if isinstance(count, int))


def json_lines(open_files: Sequence[Callable[[], IO[bytes]]]) -> Iterator[object]:
    """The values in JSONL files, all of which are there before the first; None: a broken line."""
    with ExitStack() as stack:
        files = [stack.enter_context(open_file()) for open_file in open_files]
        for file in files:
            yield from (_value(line) for line in file if line.strip())


def _value(line: bytes) -> object:
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value


def without_proxy(address: str | None) -> dict[str, None]:
    """Mounts of an SDK's HTTP client: what is on this machine is not asked for at a proxy."""
    host = URL(address).host if address else None
    if host is None or not is_loopback(host):
        return {}
    return {f"all://[{host}]" if ":" in host else f"all://{host}": None}


def only_this_key(
    address: str, ours: Mapping[str, str], variable: str, *kept_out: str
) -> Callable[[Any], None]:
    """A hook on the requests of an SDK that calls an address of the user's.

    What the environment holds for the provider itself (headers in `variable`, ids of accounts) does
    not go there, and `ours`, the headers with the key, go nowhere else.
    """
    lines = os.environ.get(variable, "").splitlines()
    names = {*(line.partition(":")[0].strip() for line in lines if ":" in line), *kept_out, *ours}
    origin = URL(address).origin()

    def mend(request: Any) -> None:
        for name in names:
            request.headers.pop(name, None)
        if URL(str(request.url)).origin() == origin:
            request.headers.update(ours)

    return mend
