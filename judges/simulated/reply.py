"""What a simulated model writes: the body of a request in, the text of its reply out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from judges.simulated.behaviour import Choice, choose, content_hash
from judges.simulated.finding import read_prompt
from judges.simulated.menu import read_menu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judges.simulated.behaviour import Behaviour
    from judges.simulated.finding import ShownPair
    from judges.simulated.truth import Truth

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4

_MERITS = (
    "answers what was asked more completely",
    "is easier to follow",
    "gets the important facts right",
    "keeps to the point",
    "gives reasons that can be checked",
    "says plainly what it does not know",
    "has the better order of ideas",
    "fits the tone of the request",
)
_FLAWS = (
    "leaves part of the request open",
    "spends words on side issues",
    "is vague where it matters",
    "states something doubtful as certain",
    "would need another round of questions",
    "reads like a list of remarks",
    "misses the main point",
    "is harder to act on",
)
_EVEN = (
    "Both responses cover the request.",
    "Neither has an advantage that a reader would notice.",
    "What one gains in detail it loses in clarity.",
    "Their mistakes weigh about the same.",
)
_CONFUSED = (
    "I would be glad to help, but I do not see what I should compare here.",
    "Could you show me the responses again? Something seems to be missing.",
    "It depends on what the reader is looking for, so I would rather not say.",
    "As a language model I have no preferences of my own in this matter.",
)


@dataclass(frozen=True, slots=True)
class Written:
    """A reply. `shown_first` and `shown_second` are known, empty or unknown; None if not read."""

    text: str
    finish_reason: str = "stop"
    choice: Choice | None = None
    shown_first: str | None = None
    shown_second: str | None = None

    @property
    def completion_tokens(self) -> int:
        """Of its text."""
        return count_tokens(self.text)


def write_reply(
    body: Mapping[str, Any], behaviour: Behaviour, truth: Truth, *, sample: str = ""
) -> Written:
    """The reply of a model to a request; `sample` tells draws at a temperature above 0 apart."""
    if behaviour.constant is not None:
        return _cut(Written(behaviour.constant), body)
    prompt = prompt_text(body)
    shown = read_prompt(prompt, truth)
    if shown is None:
        unknown = Written(confused(prompt), shown_first="unknown", shown_second="unknown")
        return _cut(unknown, body)
    return _cut(_judge(shown, str(body.get("model")), behaviour, body, sample), body)


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


def confused(prompt: str) -> str:
    """A reply without a verdict; always the same one to the same prompt."""
    return _CONFUSED[content_hash("confused", prompt) % len(_CONFUSED)]


def rationale(choice: Choice, words: int, *content: str) -> str:
    """At least so many words of plausible reasons, in whole sentences; none if 0."""
    seed = content_hash("rationale", *content)
    sentences: list[str] = []
    written = 0
    while written < words:
        sentences.append(_sentence(choice, seed, len(sentences)))
        written += len(sentences[-1].split())
    return " ".join(sentences)


def _sentence(choice: Choice, seed: int, number: int) -> str:
    if choice is Choice.TIE:
        return _EVEN[(seed + number) % len(_EVEN)]
    better, worse = ("first", "second") if choice is Choice.FIRST else ("second", "first")
    turn = (seed >> 8) + number // 2
    if number % 2 == 0:
        return f"The {better} response {_MERITS[turn % len(_MERITS)]}."
    return f"The {worse} one {_FLAWS[(turn // 3) % len(_FLAWS)]}."


def _judge(
    shown: ShownPair, model: str, behaviour: Behaviour, body: Mapping[str, Any], sample: str
) -> Written:
    menu = read_menu(shown.around, body.get("response_format"))
    first, second = shown.first, shown.second
    choice = choose(behaviour, model, first, second, ties=menu.ties, sample=sample)
    said = _turned(choice) if shown.labelled_backwards else choice
    reasons = rationale(said, behaviour.rationale_words, model, first.text, second.text, sample)
    return Written(
        menu.write(said, reasons),
        choice=choice,
        shown_first="known" if first.text else "empty",
        shown_second="known" if second.text else "empty",
    )


def _turned(choice: Choice) -> Choice:
    turns = {Choice.FIRST: Choice.SECOND, Choice.SECOND: Choice.FIRST}
    return turns.get(choice, choice)


def _cut(written: Written, body: Mapping[str, Any]) -> Written:
    """At the limit of tokens, if the request has one."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if not isinstance(limit, int) or written.completion_tokens <= limit:
        return written
    text = written.text[: limit * CHARACTERS_PER_TOKEN]
    return Written(text, "length", None, written.shown_first, written.shown_second)


def _texts(message: Mapping[str, Any]) -> list[str]:
    """Of a message whose content is a text or a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    return [part["text"] for part in parts if isinstance(part.get("text"), str)]
