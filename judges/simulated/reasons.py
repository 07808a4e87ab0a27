"""What a simulated model says besides its answers. Pure; the same content, the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judges.simulated.deciding import Choice, content_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
QUOTED_CHARACTERS = 300

_DECLINED = (
    "I'm sorry, but I can't help with comparing these.",
    "I can't assist with that request.",
)
_CONFUSED = (
    "I would be glad to help, but I do not see what I should compare here.",
    "Could you show me the responses again? Something seems to be missing.",
    "It depends on what the reader is looking for, so I would rather not say.",
    "As a language model I have no preferences of my own in this matter.",
)


def rationale(choice: Choice, words: int, *content: str) -> str:
    """At least so many words on why a choice was made, in whole sentences; none if 0."""
    if choice is Choice.TIE:
        seed = content_hash("rationale", *content)
        return _say(lambda number: _EVEN[(seed + number) % len(_EVEN)], words)
    better, worse = ("first", "second") if choice is Choice.FIRST else ("second", "first")
    return contrast(f"The {better} response", f"The {worse} one", words, *content)


def contrast(better: str, worse: str, words: int, *content: str) -> str:
    """At least so many words on the merits of one thing and the flaws of another, in turn."""
    seed = content_hash("rationale", *content) >> 8

    def sentence(number: int) -> str:
        turn = seed + number // 2
        if number % 2 == 0:
            return f"{better} {_MERITS[turn % len(_MERITS)]}."
        return f"{worse} {_FLAWS[(turn // 3) % len(_FLAWS)]}."

    return _say(sentence, words)


def confused(prompt: str) -> str:
    """A reply without a verdict; always the same one to the same prompt."""
    return _CONFUSED[content_hash("confused", prompt) % len(_CONFUSED)]


def declined(prompt: str) -> str:
    """A reply that declines; always the same one to the same prompt."""
    return _DECLINED[content_hash("declined", prompt) % len(_DECLINED)]


def quoted(texts: Sequence[str]) -> str:
    """The beginning of each text as it stands, line by line."""
    if len(texts) == 1:
        return f"The response says:\n{texts[0][:QUOTED_CHARACTERS]}"
    numbered = enumerate(texts, 1)
    return "\n\n".join(
        f"What is shown as number {n}:\n{t[:QUOTED_CHARACTERS]}" for n, t in numbered
    )


def _say(sentence: Callable[[int], str], words: int) -> str:
    sentences: list[str] = []
    written = 0
    while written < words:
        sentences.append(sentence(len(sentences)))
        written += len(sentences[-1].split())
    return " ".join(sentences)
