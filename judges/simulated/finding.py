"""Which two responses a prompt shows, under any template. Pure.

Known texts are searched in the whole prompt. A text inside a longer one is not a response of its
own. Where more than two remain (the question quotes a response; "Yes" stands in the instructions),
the pair is taken that looks most like two slots of one template: long, standing alone, and
introduced by the same words but for a number or a letter. Where only one is found, the other
response is either empty, which shows in the template's own delimiters, or not known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from judges.simulated.truth import Found, normal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from judges.simulated.truth import Truth

FIRM_CHARACTERS = 16  # from this length on a text is not in a prompt by chance
LONG_CHARACTERS = 64  # longer texts are no better evidence than this
MOST_OCCURRENCES = 12  # pairs are weighed among so many occurrences
STANDING_ALONE = 3  # at the end of a line on one side, beside punctuation on the other
PLACEHOLDER = "\ufffc"  # stands for a response in the text around the responses

Side = Literal["before", "after"]
Pair = tuple[Found, Found]

_RANKS = {"1": 1, "a": 1, "first": 1, "one": 1, "2": 2, "b": 2, "second": 2, "two": 2}
_LABEL = re.compile(
    r"(?<=[a-z])[AB](?![A-Za-z0-9])|\d+"
    r"|(?<![A-Za-z0-9])(?:[A-Za-z]|(?i:first|second|one|two|left|right|i{1,3}))(?![A-Za-z0-9])"
)
_OPENER = re.compile(r"(?:<[^<>\n]+>|\[[^\[\]\n]+\]|```\w*|~~~\w*)\Z")
_EMPTY_PAIRS = (
    re.compile(r"(?P<open><(?P<name>[^<>/\s]+)[^<>\n]*>)(?P<body>\s*)</\s*(?P=name)\s*>"),
    re.compile(r"(?P<open>\[(?P<name>[^\[\]/\n]+)\])(?P<body>\s*)\[/\s*(?P=name)\s*\]"),
    re.compile(
        r"^[ \t]*(?P<open>(?:```|~~~)\w*)[^\S\n]*\n(?P<body>.*?)^[ \t]*(?:```|~~~)", re.M | re.S
    ),
)


@dataclass(frozen=True, slots=True)
class ShownPair:
    """Two responses as a prompt shows them; `first` is the one that stands earlier.

    `around` is the prompt with a placeholder for either. `labelled_backwards` says that the
    template calls the later one "1" or "A".
    """

    first: Found
    second: Found
    around: str
    labelled_backwards: bool = False


def find_responses(prompt_text: str, truth: Truth) -> list[Found]:
    """The two known responses of a prompt in order of appearance; fewer if fewer are known.

    Positions count in the prompt with all its line ends as one newline character.
    """
    text = normal(prompt_text)
    return _most_like_slots(text, _unmasked(text, truth))


def read_prompt(prompt_text: str, truth: Truth) -> ShownPair | None:
    """What a prompt shows; one response may be empty. None if there are no two responses in it."""
    text = normal(prompt_text)
    found = find_responses(text, truth)
    if len(found) == 1:
        found = _with_empty(text, found[0], truth.below)
    if len(found) != 2:
        return None
    first, second = found
    backwards = _labelled_backwards(*_introductions(text, (first, second), found))
    return ShownPair(first, second, _around(text, found), backwards)


def empty_side(text: str, found: Found) -> Side | None:
    """On which side of `found` stands an empty slot like its own; None if on neither or both."""
    around = _around(text, [found])
    sides = set(_empty_sections(around, found.position))
    sides = sides or set(_empty_brackets(around, found.position))
    return sides.pop() if len(sides) == 1 else None


# ---- which occurrences are the responses


def _unmasked(text: str, truth: Truth) -> list[Found]:
    """Occurrences that are part neither of a longer one nor of a word, in order of appearance."""
    covered = bytearray(len(text))
    kept = []
    for found in sorted(truth.occurrences(text), key=lambda each: (-len(each.text), each.position)):
        if covered.find(1, found.position, found.end) < 0 and not _inside_word(text, found):
            covered[found.position : found.end] = b"\1" * len(found.text)
            kept.append(found)
    return sorted(kept)


def _inside_word(text: str, found: Found) -> bool:
    """Whether a short text is only a piece of a word, such as "no" in "notice"."""
    if len(found.text) >= FIRM_CHARACTERS:
        return False
    before, after = text[found.position - 1 : found.position], text[found.end : found.end + 1]
    joined_before = _is_word(before) and _is_word(found.text[0])
    return joined_before or (_is_word(after) and _is_word(found.text[-1]))


def _is_word(character: str) -> bool:
    """ASCII only: not every other script puts spaces between its words."""
    return character.isascii() and character.isalnum()


def _most_like_slots(text: str, found: list[Found]) -> list[Found]:
    """The best pair; its members must be alike or stand firmly on their own."""
    strongest = sorted(found, key=lambda each: (_evidence(text, each), each.position))
    found = sorted(strongest[-MOST_OCCURRENCES:])
    pair = _best_pair(text, found)
    if pair and _likeness(*_introductions(text, pair, found)):
        return list(pair)
    firm = [each for each in found if _is_firm(text, each)]
    return list(_best_pair(text, firm) or firm)


def _best_pair(text: str, found: list[Found]) -> Pair | None:
    """Of equally good pairs the last, as what quotes responses mostly stands before them."""
    pairs = list(combinations(found, 2))
    if len(pairs) < 2:
        return pairs[0] if pairs else None
    return max(reversed(pairs), key=lambda pair: _pair_evidence(text, pair, found))


def _pair_evidence(text: str, pair: Pair, found: list[Found]) -> float:
    likeness = _likeness(*_introductions(text, pair, found))
    return _evidence(text, pair[0]) + _evidence(text, pair[1]) + 6 * likeness


def _evidence(text: str, found: Found) -> float:
    """How much an occurrence by itself looks like a response, from 0 to 12."""
    return min(len(found.text), LONG_CHARACTERS) / 8 + _standing(text, found)


def _is_firm(text: str, found: Found) -> bool:
    return len(found.text) >= FIRM_CHARACTERS or _standing(text, found) >= STANDING_ALONE


def _standing(text: str, found: Found) -> int:
    """For each side 2 at the end of a line, 1 beside punctuation, 0 beside a word."""
    before = text[max(0, found.position - 80) : found.position].rstrip(" \t")[-1:]
    after = text[found.end : found.end + 80].lstrip(" \t")[:1]
    return sum(2 if c in {"", "\n"} else 0 if c.isalnum() else 1 for c in (before, after))


# ---- what introduces a response


def _introductions(text: str, pair: Pair, found: list[Found]) -> tuple[str, str]:
    ends = [each.end for each in found if len(each.text) >= FIRM_CHARACTERS]
    first, second = pair
    return (
        _introduction(text, first.position, ends),
        _introduction(text, second.position, [*ends, first.end]),
    )


def _introduction(text: str, position: int, ends: list[int]) -> str:
    """The words before a response on its line, or else the line before; at most back to an end."""
    start = max((end for end in ends if end <= position), default=0)
    lines = text[max(start, position - 300) : position].rstrip().split("\n")
    said = lines.pop()
    while lines and not _says_something(said):
        said = lines.pop() + "\n" + said
    return said.strip()


def _says_something(line: str) -> bool:
    return not line.lstrip().startswith(("```", "~~~")) and any(c.isalnum() for c in line)


def _masked(introduction: str) -> str:
    """Without what tells one slot from the other: numbers, single letters, "first" and "second"."""
    return _LABEL.sub("#", introduction).casefold()


def _likeness(one: str, other: str) -> int:
    """2 for two labels of one template, 1 for the same words, 0 for different ones."""
    if _masked(one) != _masked(other):
        return 0
    return 1 if one == other else 2


def _labelled_backwards(one: str, other: str) -> bool:
    if _likeness(one, other) < 2:
        return False
    names = zip(_LABEL.findall(one.casefold()), _LABEL.findall(other.casefold()), strict=False)
    first, second = next((pair for pair in names if pair[0] != pair[1]), ("", ""))
    return (_RANKS.get(first), _RANKS.get(second)) == (2, 1)


# ---- an empty slot


def _with_empty(text: str, found: Found, quality: float) -> list[Found]:
    side = empty_side(text, found)
    if side is None:
        return []
    if side == "before":
        return [Found(found.position, "", quality), found]
    return [found, Found(found.end, "", quality)]


def _empty_sections(around: str, position: int) -> Iterator[Side]:
    """Lines that introduce a slot as the placeholder's own does, with nothing in the slot."""
    before, after = around[:position].rstrip(), around[position + 1 :]
    own_line = before.rfind("\n") + 1
    mark, closing = before[own_line:].strip(), after.partition("\n")[0].strip()
    if not _says_something(mark):
        return
    gap = position - len(before)
    next_lines = (_masked(mark), _masked(_next_line(after)) or "\0")
    start = 0
    for line in around.split("\n"):
        if start != own_line and _masked(line.strip()) == _masked(mark + closing):
            rest = around[start + len(line.rstrip()) :]
            if closing or _nothing_in(rest, gap, next_lines):
                yield "before" if start < position else "after"
        start += len(line) + 1


def _nothing_in(rest: str, gap: int, next_lines: tuple[str, str]) -> bool:
    """Whether `rest` begins with an empty slot: wider than the usual gap, or closed at once."""
    content = rest.lstrip()
    width = len(rest) - len(content)
    return not content or width > gap or _masked(_next_line(content)).startswith(next_lines)


def _next_line(text: str) -> str:
    return text.lstrip().partition("\n")[0].strip()


def _empty_brackets(around: str, position: int) -> Iterator[Side]:
    """Empty tags, brackets or fences like those that the placeholder stands in."""
    opener = _OPENER.search(around[max(0, position - 200) : position].rstrip())
    if opener is None:
        return
    for pattern in _EMPTY_PAIRS:
        for pair in pattern.finditer(around):
            if not pair["body"].strip() and _masked(pair["open"]) == _masked(opener[0]):
                yield "before" if pair.start() < position else "after"


def _around(text: str, found: list[Found]) -> str:
    for each in reversed(found):
        text = text[: each.position] + PLACEHOLDER + text[each.end :]
    return text
