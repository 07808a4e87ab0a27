"""The JSON lines of OpenAI's batches: requests that come in, results that go out. Pure."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

from judges.simulated.batches import Asked, Mistake, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from judges.simulated.batches import Batch, Result
    from judges.simulated.behaviour import Behaviour

ENDPOINT = "/v1/chat/completions"
MOST_REQUESTS = 50_000
BIGGEST_FILE = 200_000_000
_NOT_EXECUTED = {
    Outcome.EXPIRED: (
        "batch_expired",
        "This request could not be executed before the completion window expired.",
    ),
    Outcome.CANCELLED: (
        "batch_cancelled",
        "The batch was cancelled before this request was executed.",
    ),
}


def read_requests(
    content: bytes, models: Mapping[str, Behaviour]
) -> tuple[Sequence[Asked], Sequence[Mistake]]:
    """The requests of an uploaded file, and all that is wrong with it."""
    if len(content) > BIGGEST_FILE:
        return [], [Mistake("file_too_large", f"The file is larger than {BIGGEST_FILE} bytes.")]
    lines = [(n, line) for n, line in enumerate(content.split(b"\n"), 1) if line.strip()]
    if len(lines) > MOST_REQUESTS:
        return [], [Mistake("too_many_tasks", f"There are more than {MOST_REQUESTS} requests.")]
    if not lines:
        return [], [Mistake("empty_file", "The file holds no requests.")]
    requests: dict[str, Asked] = {}
    mistakes: list[Mistake] = []
    for number, line in lines:
        found = _read_line(number, line, requests, models)
        if isinstance(found, Mistake):
            mistakes.append(found)
        else:
            requests[found.custom_id] = found
    if not mistakes and any(models[each.body["model"]].batch_invalid for each in requests.values()):
        mistakes.append(Mistake("invalid_request", "The batch was refused."))
    return list(requests.values()), mistakes


def _read_line(
    number: int, line: bytes, before: Mapping[str, Asked], models: Mapping[str, Behaviour]
) -> Asked | Mistake:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        what = "This line is not parseable as valid JSON."
        return Mistake("invalid_json_line", what, None, number)
    custom_id, body = row.get("custom_id"), row.get("body")
    if not isinstance(custom_id, str) or not custom_id:
        return Mistake("missing_required_parameter", "No custom_id.", "custom_id", number)
    if not isinstance(body, dict):
        return Mistake("missing_required_parameter", "No body.", "body", number)
    if custom_id in before:
        what = f"The custom_id '{custom_id}' is a duplicate of another request's."
        return Mistake("duplicate_custom_id", what, "custom_id", number)
    if row.get("method") != "POST" or row.get("url") != ENDPOINT:
        return Mistake("url_mismatch", f"Not a POST to {ENDPOINT}.", "url", number)
    return _check_model(number, Asked(custom_id, body), before, models)


def _check_model(
    number: int, asked: Asked, before: Mapping[str, Asked], models: Mapping[str, Behaviour]
) -> Asked | Mistake:
    """All requests of a batch go to one model, which must be known."""
    model = asked.body.get("model")
    first = next(iter(before.values())).body["model"] if before else model
    if model not in models:
        what = f"The model '{model}' does not exist or is not available for batches."
        return Mistake("model_not_found", what, "body.model", number)
    if model != first:
        what = f"The model '{model}' is not the model '{first}' of the first request."
        return Mistake("model_mismatch", what, "body.model", number)
    return asked


def write_results(batch: Batch, results: Sequence[Result]) -> Iterator[bytes]:
    """JSON lines in no particular order."""
    shuffled = list(enumerate(results))
    random.Random(batch.identity).shuffle(shuffled)  # noqa: S311
    for number, result in shuffled:
        executed = result.outcome in (Outcome.SUCCEEDED, Outcome.ERRORED)
        code, message = _NOT_EXECUTED.get(result.outcome, ("", ""))
        row = {
            "id": f"batch_req_{batch.identity}_{number}",
            "custom_id": result.custom_id,
            "response": {
                "status_code": result.status,
                "request_id": f"req_{batch.identity}_{number}",
                "body": result.content,
            }
            if executed
            else None,
            "error": None if executed else {"code": code, "message": message},
        }
        yield json.dumps(row).encode() + b"\n"
