"""What the simulated provider keeps: the models, their fates, the request log. Without HTTP."""

from __future__ import annotations

import hmac
import itertools
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import IO, TYPE_CHECKING, Any

from judges.simulated.faults import Fates
from judges.simulated.reply import count_prompt_tokens, write_reply
from judges.simulated.requestlog import LogLine, append, body_sha256
from judges.simulated.shape import Replied, wrong_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judges.simulated.behaviour import Behaviour
    from judges.simulated.faults import Fault
    from judges.simulated.shape import Refusal, Shape
    from judges.simulated.truth import Truth


@dataclass(slots=True)
class Provider:
    """The state of the server. `log` is open for appending, or None."""

    truth: Truth
    behaviours: Mapping[str, Behaviour]
    log: IO[str] | None = None
    require_key: str | None = None
    fates: dict[str, Fates] = field(init=False)
    _numbers: itertools.count[int] = field(init=False)
    _replies: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        self.fates = {model: Fates(each, model) for model, each in self.behaviours.items()}
        self._numbers = itertools.count(1)
        self._replies = Counter()

    def refuse_key(self, headers: Mapping[str, str], shape: Shape) -> Refusal | None:
        """Unless the key is right, or none is needed."""
        if self.require_key is None:
            return None
        given = shape.key(headers)
        if hmac.compare_digest(_bytes(given), _bytes(self.require_key)):
            return None
        return wrong_key(given)

    def reply(self, body: Mapping[str, Any], shape: Shape) -> Replied:
        """What a model says to a request that is not refused."""
        model, number = body["model"], next(self._numbers)
        behaviour = self.behaviours[model]
        chat = shape.chat(body)
        written = write_reply(chat, behaviour, self.truth, sample=_sample(body, number))
        tokens = count_prompt_tokens(chat)
        served = behaviour.served_model or model
        return Replied(written, tokens, served, number, self._fingerprint(model, behaviour))

    def _fingerprint(self, model: str, behaviour: Behaviour) -> str | None:
        """Another one after as many replies as planted."""
        if behaviour.fingerprint is None:
            return None
        self._replies[model] += 1
        changed = 0 < behaviour.fingerprint_change_after < self._replies[model]
        return f"{behaviour.fingerprint}-2" if changed else behaviour.fingerprint

    def note_reply(
        self, body: Mapping[str, Any], body_id: str, replied: Replied, *, batch: bool = False
    ) -> None:
        """Log a reply, before it is sent."""
        if self.log is None:
            return
        written = replied.written
        line = LogLine(
            time.time(),
            body_id,
            body["model"],
            200,
            written.fault and written.fault.value,
            answered=True,
            first=written.shown_first,
            second=written.shown_second,
            choice=written.choice and written.choice.value,
            prompt_tokens=replied.prompt_tokens,
            completion_tokens=written.completion_tokens,
            batch=batch,
        )
        append(self.log, line)

    def note_failure(
        self,
        body: Mapping[str, Any],
        body_id: str,
        status: int | None,
        fault: Fault | None = None,
        *,
        batch: bool = False,
    ) -> None:
        """Log a request that gets no reply."""
        if self.log is None:
            return
        model = body.get("model")
        known = model if isinstance(model, str) else None
        planted = fault and fault.value
        line = LogLine(time.time(), body_id, known, status, planted, answered=False, batch=batch)
        append(self.log, line)


def read_body(raw: bytes) -> tuple[dict[str, Any], str]:
    """The body and its identity; what is no JSON object is empty and goes by its bytes."""
    body = json_object(raw)
    return body, body_sha256(body) if body else sha256(raw).hexdigest()


def json_object(raw: bytes) -> dict[str, Any]:
    """A JSON object; an empty one for what is none."""
    try:
        value = json.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _sample(body: Mapping[str, Any], number: int) -> str:
    """What a temperature above 0 adds to the content that a choice follows from."""
    if not body.get("temperature"):
        return ""
    seed = body.get("seed")
    return f"seed {seed}" if seed is not None else f"request {number}"
