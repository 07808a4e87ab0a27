"""What every kind of question must be able to say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from data.records import LabelStatus, Reply, Shown
from judges.task import Opinion, unparsed

CUT_OFF = "the reply was cut off at its limit of tokens: raise it in [parameters]"

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from data.records import Comparison
    from judges.prompts import Values
    from judges.task import Place, Task


class Kind(Protocol):
    """A kind of question. `needed` are the fields without which its template makes no sense."""

    @property
    def needed(self) -> tuple[str, ...]:
        """Fields that a template must have."""
        ...

    @property
    def ordered(self) -> bool:
        """Whether the responses are shown together, so that their order matters."""
        ...

    @property
    def by_prompt(self) -> bool:
        """Whether one question covers all comparisons of a prompt."""
        ...

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameters that the kind adds to a request."""
        ...

    def shows(self, task: Task) -> tuple[Values, ...]:
        """What each request of one sample shows."""
        ...

    def answer(self, *, as_json: bool) -> str:
        """The text of `{{answer}}`."""
        ...

    def schema(self) -> dict[str, Any]:
        """JSON schema of a structured answer."""
        ...

    def places(self, task: Task, criterion: str) -> tuple[Place, ...]:
        """The labels that a task gives, the one that counts first."""
        ...

    def read(
        self, task: Task, criterion: str, replies: Sequence[Reply], *, as_json: bool
    ) -> dict[Place, Opinion]:
        """The opinions of one sample; replies in the order of `shows`."""
        ...

    def describe(self) -> dict[str, Any]:
        """Everything that decides how a reply is read, for the judge's identity."""
        ...


def pair(comparison: Comparison, shown: Shown | None) -> tuple[str, str]:
    """The two responses in the order shown."""
    texts = (comparison.response_a or "", comparison.response_b or "")
    return (texts[1], texts[0]) if shown is Shown.BA else texts


def no_verdict(reason: str, reply: Reply) -> Opinion:
    """What a reply without a verdict is: refused where the provider's filter stopped it."""
    found = unparsed(reason, reply.text, finish_reason=reply.finish_reason)
    if reply.finish_reason != "content_filter":
        return found
    return Opinion(LabelStatus.REFUSED, None, None, reply.text, found.details)


def cut_off(reply: Reply, *, as_json: bool) -> bool:
    """Whether a reply ended at its limit, so that what it ends with may be half of a verdict.

    The last verdict in it may also be one that it quotes. A JSON object that is the whole reply is
    whole.
    """
    if reply.finish_reason != "length" or not as_json:
        return reply.finish_reason == "length"
    try:
        return not isinstance(json.loads(reply.text or ""), dict)
    except (ValueError, RecursionError):
        return True


def object_schema(**properties: Any) -> dict[str, Any]:
    """A JSON schema of an object with exactly these properties, all required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def choice(words: Sequence[str]) -> dict[str, Any]:
    """A JSON schema of one of several words; providers want the type named."""
    return {"type": "string", "enum": list(words)}
