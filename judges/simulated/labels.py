"""What introduces a response in a prompt, and whether two introductions are alike. Pure."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from judges.simulated.truth import Found

FIRM_CHARACTERS = 16  # from this length on a text is not in a prompt by chance
INTRODUCTION_TOKENS = 30  # before a response, that are compared
PLACEHOLDER = "\ufffc"  # stands for a response in the text around the responses
OTHER_TEXT = "\ufffb"  # stands for a known text that is not judged: an example, a quotation

_SERIES = {
    "letter": tuple("abcdefgh"),
    "ordinal": ("first", "second", "third", "fourth", "fifth", "sixth"),
    "numeral": ("one", "two", "three", "four", "five", "six"),
    "side": ("left", "right"),
}
_LABELS = {word: kind for kind, words in _SERIES.items() for word in words}
TOKEN = re.compile(r"\d+|[A-Z]?[a-z]+|[A-Z]+|\n|\S")


def words_of(text: str) -> list[str]:
    """Words, numbers, line ends and single other characters."""
    return TOKEN.findall(text)


def label_kind(token: str) -> str | None:
    """What a token numbers things by, if it does."""
    return "number" if token.isdecimal() else _LABELS.get(token.casefold())


def same(one: str, other: str) -> bool:
    """Whether two tokens may stand in the same place of two slots: the same, or two labels."""
    if one.casefold() == other.casefold():
        return True
    kind = label_kind(one)
    return kind is not None and kind == label_kind(other)


def shared(one: list[str], other: list[str]) -> list[tuple[str, str]]:
    """The tokens in which two introductions agree, from the response back to where they differ."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return list(takewhile(lambda pair: same(*pair), pairs))


def introductions(
    text: str, first: Found, second: Found, found: list[Found]
) -> tuple[list[str], list[str]]:
    """The tokens that introduce two responses, among all that was found in the text."""
    ends = [each.end for each in found if len(each.text) >= FIRM_CHARACTERS]
    return (
        _introduction(text, first.position, ends),
        _introduction(text, second.position, [*ends, first.end]),
    )


def likeness(one: list[str], other: list[str]) -> int:
    """2 for two labels of one template, 1 for the same words, 0 for different ones."""
    alike = shared(one, other)
    if any(a.casefold() != b.casefold() for a, b in alike):
        return 2
    return 1 if any(a.isalnum() for a, _ in alike) else 0


def labels(one: list[str], other: list[str]) -> tuple[str, str] | None:
    """What the template calls the two responses, where that differs; the label next to each."""
    differing = [(a, b) for a, b in shared(one, other) if a.casefold() != b.casefold()]
    return differing[0] if differing else None


def label_number(label: str) -> int:
    """Of "3", "C", "third", "three": 3."""
    if label.isdecimal():
        return int(label)
    return _SERIES[_LABELS[label.casefold()]].index(label.casefold()) + 1


def is_backwards(called: tuple[str, str] | None) -> bool:
    """Whether the labels of two responses stand in the wrong order."""
    return called is not None and label_number(called[0]) > label_number(called[1])


def _introduction(text: str, position: int, ends: list[int]) -> list[str]:
    """The tokens before a response, at most back to the last end of another, without lines."""
    start = max((end for end in ends if end <= position), default=0)
    found = words_of(text[max(start, position - 300) : position])
    return [word for word in found if word != "\n"][-INTRODUCTION_TOKENS:]
