"""Texts with planted alternatives: what a reply says, and how likely that was at each token. Pure.

A reply is made of pieces. A piece is a plain text, which is near certain, or a Slot: something that
might have been said otherwise, with the planted probability of everything that might stand there.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ELSEWHERE = 1e-6  # the share of all tokens that nothing was planted for
NEVER = -9999.0  # what OpenAI writes for the logarithm of a probability of 0
_OTHER_TOKENS = ("\n", " ", ".", ",", " the", "The", "I", "**", "-", ":", " a", "It", "\n\n", "(",
                 "'", "#", " is", "Both", "We", "*", "So", "Note")  # fmt: skip
_TOKEN = re.compile(r" ?[^\W\d_]{1,12}|\d{1,3}|\s+|(?:[^\w\s]|_){1,3}")


@dataclass(frozen=True, slots=True)
class Slot:
    """What is said in a place of a reply, and the probability of all that might be."""

    said: str
    shares: Mapping[str, float]


Piece = str | Slot
Answer = tuple[str, "Sequence[Piece]", str]
"""What stands before an answer, the answer, and what stands behind it."""


def plain(pieces: Iterable[Piece]) -> str:
    """The text of a reply."""
    return "".join(piece if isinstance(piece, str) else piece.said for piece in pieces)


def in_lines(answers: Sequence[Answer], rationale: str) -> list[Piece]:
    """Reasons, if there are any, then a line for each answer."""
    pieces: list[Piece] = [f"{rationale}\n\n"] if rationale else []
    for number, (before, answer, after) in enumerate(answers):
        pieces += ["\n" if number else "", before, *answer, after]
    return [piece for piece in pieces if piece]


def in_json(
    answers: Sequence[tuple[str, Sequence[Piece]]],
    others: Iterable[tuple[str, Any]],
    rationale: str,
) -> list[Piece]:
    """An object with the other fields first, None among them standing for the reasons."""
    filled = [(name, rationale if value is None else value) for name, value in others]
    pieces: list[Piece] = ["{"]
    for name, value in filled:
        pieces += [_comma(pieces), f"{_json(name)}: {_json(value)}"]
    for name, answer in answers:
        pieces += [_comma(pieces), f"{_json(name)}: ", *answer]
    return [piece for piece in [*pieces, "}"] if piece]


def tokens(text: str) -> list[str]:
    """The text in pieces as a tokenizer might cut it; together they are the text again."""
    return _TOKEN.findall(text)


def logprobs(pieces: Iterable[Piece], top: int, characters: int) -> list[dict[str, Any]]:
    """OpenAI's `logprobs.content` of the first characters of a reply: an entry for each token."""
    entries = []
    for token, shares in _likely(pieces):
        if characters <= 0:
            break
        shown = token[:characters]
        entries.append(_entry(shown, {shown if t == token else t: p for t, p in shares}, top))
        characters -= len(token)
    return entries


def _likely(pieces: Iterable[Piece]) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Each token with the probability of all that might stand in its place."""
    for piece in pieces:
        if isinstance(piece, str):
            yield from ((token, [(token, 1.0)]) for token in tokens(piece))
        else:
            yield from _likely_in(piece)


def _likely_in(slot: Slot) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Given the tokens before it: what would have begun differently is out of the question."""
    rivals = [(tokens(said), share) for said, share in slot.shares.items()]
    own = tokens(slot.said)
    for at, token in enumerate(own):
        rivals = [(said, share) for said, share in rivals if said[:at] == own[:at] and said[at:]]
        shares = {token: 0.0}
        for said, share in rivals:
            shares[said[at]] = shares.get(said[at], 0.0) + share
        total = math.fsum(shares.values())
        yield token, [(t, p / total if total else float(t == token)) for t, p in shares.items()]


def _entry(token: str, shares: Mapping[str, float], top: int) -> dict[str, Any]:
    planted = {t: _log(p * (1 - ELSEWHERE)) for t, p in shares.items()}
    others = (t for t in _OTHER_TOKENS if t not in planted)
    rest = {t: math.log(ELSEWHERE / 2 ** (i + 2)) for i, t in enumerate(others)}
    likeliest = sorted({**planted, **rest}.items(), key=lambda each: -each[1])[:top]
    own = _token(token, planted[token])
    return {**own, "top_logprobs": [_token(t, logprob) for t, logprob in likeliest]}


def _token(token: str, logprob: float) -> dict[str, Any]:
    data = token.encode("utf-8", "surrogatepass")
    return {"token": token, "logprob": logprob, "bytes": list(data)}


def _log(probability: float) -> float:
    return math.log(probability) if probability > 0 else NEVER


def _comma(pieces: Sequence[Piece]) -> str:
    return ", " if len(pieces) > 1 else ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
