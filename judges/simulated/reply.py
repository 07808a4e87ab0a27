"""What a simulated model writes: the body of a request in, the text of its reply out. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from judges.simulated.answers import Mind, answer
from judges.simulated.deciding import content_hash
from judges.simulated.faults import OF_CONTENT, Fault, draw_fault
from judges.simulated.finding import look
from judges.simulated.reasons import confused, declined
from judges.simulated.writing import Slot, logprobs, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judges.simulated.behaviour import Behaviour
    from judges.simulated.deciding import Choice
    from judges.simulated.truth import Truth
    from judges.simulated.writing import Piece

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4


@dataclass(frozen=True, slots=True)
class Written:
    """A reply. `shown_first` and `shown_second` are known, empty or unknown; None if not read."""

    text: str
    finish_reason: str = "stop"
    choice: Choice | None = None
    shown_first: str | None = None
    shown_second: str | None = None
    fault: Fault | None = None
    """What was planted in its content."""
    pieces: tuple[Piece, ...] = ()
    """What the text was made of, before it was cut; none if nothing of it was planted."""

    def logprobs(self, top: int) -> list[dict[str, Any]]:
        """An entry for each token of the text; these tokens are not those that are charged for."""
        return logprobs(self.pieces or (self.text,), top, len(self.text))

    @property
    def completion_tokens(self) -> int:
        """Of its text."""
        return count_tokens(self.text)


def write_reply(
    body: Mapping[str, Any], behaviour: Behaviour, truth: Truth, *, sample: str = ""
) -> Written:
    """The reply of a model to a request; `sample` tells draws at a temperature above 0 apart."""
    fault = _fault(body, behaviour, sample)
    if fault is Fault.OFF_MENU:
        written = Written(confused(prompt_text(body)))
    elif fault is Fault.REFUSAL:
        written = Written(declined(prompt_text(body)), "content_filter")
    elif behaviour.constant is not None:
        written = Written(behaviour.constant)
    else:
        written = _answer(
            body, Mind(behaviour, str(body.get("model")), truth.typical, sample), truth
        )
    if fault is not None:
        written = replace(written, fault=fault)
    return _cut(_broken_off(written) if fault is Fault.TRUNCATED else written, body)


def _answer(body: Mapping[str, Any], mind: Mind, truth: Truth) -> Written:
    prompt = prompt_text(body)
    answered = answer(look(prompt, truth), body.get("response_format"), mind)
    if answered is None:
        return Written(confused(prompt), shown_first="unknown", shown_second="unknown")
    first, *others = ("known" if each.text else "empty" for each in answered.responses)
    second = others[0] if others else None
    pieces = tuple(answered.pieces)
    return Written(plain(pieces), "stop", answered.choice, first, second, None, pieces)


def _fault(body: Mapping[str, Any], behaviour: Behaviour, sample: str) -> Fault | None:
    """What goes wrong with the content: always the same with the same request."""
    if not (behaviour.off_menu or behaviour.refusal or behaviour.truncated):
        return None
    who = (str(behaviour.seed), str(body.get("model")))
    drawn = content_hash("fault", *who, prompt_text(body), sample) / 2**64
    return draw_fault(behaviour.planted(OF_CONTENT), drawn)


def prompt_text(body: Mapping[str, Any]) -> str:
    """The text of all messages, in order."""
    return "\n".join(text for message in body["messages"] for text in _texts(message))


def count_prompt_tokens(body: Mapping[str, Any]) -> int:
    """About what a tokenizer would count."""
    messages = body["messages"]
    characters = sum(len(text) for message in messages for text in _texts(message))
    return TOKENS_PER_MESSAGE * len(messages) + -(-characters // CHARACTERS_PER_TOKEN)


def count_tokens(text: str) -> int:
    """About what a tokenizer would count."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def _broken_off(written: Written) -> Written:
    """Before its last answer, and in any case before its end."""
    lengths = accumulate((len(plain([piece])) for piece in written.pieces), initial=0)
    slots = [
        at for at, piece in zip(lengths, written.pieces, strict=False) if isinstance(piece, Slot)
    ]
    end = min([len(written.text) * 2 // 3, *slots[-1:]])
    return replace(written, text=written.text[:end], finish_reason="length", choice=None)


def _cut(written: Written, body: Mapping[str, Any]) -> Written:
    """At the limit of tokens, if the request has one."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if not isinstance(limit, int) or written.completion_tokens <= limit:
        return written
    text = written.text[: limit * CHARACTERS_PER_TOKEN]
    return replace(written, text=text, finish_reason="length", choice=None)


def _texts(message: Mapping[str, Any]) -> list[str]:
    """Of a message whose content is a text or a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    return [part["text"] for part in parts if isinstance(part.get("text"), str)]
