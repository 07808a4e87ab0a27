"""Where two texts differ, word by word. Pure, and bounded: long texts are compared by nobody."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_CHARACTERS = 20_000  # of a text
MOST_STEPS = 100_000_000  # of the worst case, which texts of people never come near
POPULAR_FROM = 200  # words, from which on difflib leaves very frequent ones out
# A run of letters and digits, a sign, or one character of a script that sets no spaces.
SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{SPACELESS}]|[^\W{SPACELESS}]+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text, and whether the other text lacks it at this place."""

    text: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """Both texts in pieces, which put together are the texts; how many words they have.

    `n_common` words are in both in the same order.
    """

    a: tuple[Piece, ...]
    b: tuple[Piece, ...]
    n_a: int
    n_b: int
    n_common: int


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a text (case counts) and where each begins and ends."""

    words: list[str]
    spans: list[tuple[int, int]]


def difference(a: str, b: str) -> Difference | None:
    """What each text has that the other lacks; None where comparing them would take too long."""
    if max(len(a), len(b)) > MOST_CHARACTERS:
        return None
    left, right = _words(a), _words(b)
    common = _common(left.words, right.words)
    if common is None:
        return None
    return Difference(
        _pieces(a, left, {i for i, _ in common}),
        _pieces(b, right, {j for _, j in common}),
        len(left.words),
        len(right.words),
        len(common),
    )


@lru_cache(maxsize=64)
def compared(a: str, b: str) -> Difference | None:
    """The same, kept for the pairs that were asked for last: a page is drawn many times."""
    return difference(a, b)


def _words(text: str) -> _Words:
    found = list(WORD.finditer(text))
    return _Words([match.group() for match in found], [match.span() for match in found])


def _common(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]] | None:
    """Places of words in common, in order; None where difflib might take too long."""
    start = _alike(a, b)
    end = _alike(a[start:][::-1], b[start:][::-1])
    middle_a, middle_b = a[start : len(a) - end], b[start : len(b) - end]
    if _steps(middle_a, middle_b) > MOST_STEPS:
        return None
    blocks = SequenceMatcher(None, middle_a, middle_b).get_matching_blocks()
    return [
        *((k, k) for k in range(start)),
        *((start + m.a + k, start + m.b + k) for m in blocks for k in range(m.size)),
        *((len(a) - k, len(b) - k) for k in range(end, 0, -1)),
    ]


def _alike(a: Sequence[str], b: Sequence[str]) -> int:
    """How many words both begin with."""
    n = 0
    for one, other in zip(a, b, strict=False):
        if one != other:
            break
        n += 1
    return n


def _steps(a: Sequence[str], b: Sequence[str]) -> int:
    """A bound on difflib's work: it goes through all pairs of equal words once for each match."""
    in_a, in_b = Counter(a), Counter(b)
    most = len(b) // 100 + 1 if len(b) >= POPULAR_FROM else len(b)
    pairs = sum(n * in_a[word] for word, n in in_b.items() if n <= most)
    return (pairs + len(a)) * min(len(a), len(b))


def _pieces(text: str, found: _Words, common: set[int]) -> tuple[Piece, ...]:
    """The text cut where it begins or ceases to differ; blanks between differing words differ."""
    pieces: list[Piece] = []
    done = 0
    spans = [(*span, k not in common) for k, span in enumerate(found.spans)]
    for (begin, end, differs), before in zip(spans, [False, *(s[2] for s in spans)], strict=False):
        if differs and before:
            begin = done
        _add(pieces, text[done:begin], differs=False)
        _add(pieces, text[begin:end], differs=differs)
        done = end
    _add(pieces, text[done:], differs=False)
    return tuple(pieces)


def _add(pieces: list[Piece], text: str, *, differs: bool) -> None:
    """Put a text at the end, into the last piece where that is alike."""
    if not text:
        return
    if pieces and pieces[-1].differs is differs:
        text = pieces.pop().text + text
    pieces.append(Piece(text, differs))
