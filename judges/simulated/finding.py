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
from itertools import combinations, dropwhile, takewhile
from typing import TYPE_CHECKING, Literal

from judges.simulated.truth import Found, normal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from judges.simulated.truth import Truth

FIRM_CHARACTERS = 16  # from this length on a text is not in a prompt by chance
LONG_CHARACTERS = 64  # longer texts are no better evidence than this
TRIED_BESIDE_EMPTY = 3  # occurrences for which an empty slot is looked for
LIKENESS_EVIDENCE = (0, 4, 14)  # of a pair; a long response that stands alone has 12
MOST_OCCURRENCES = 12  # pairs are weighed among so many occurrences
STANDING_ALONE = 3  # at the end of a line on one side, beside punctuation on the other
INTRODUCTION_TOKENS = 30  # before a response, that are compared
PLACEHOLDER = "\ufffc"  # stands for a response in the text around the responses

Side = Literal["before", "after"]
Pair = tuple[Found, Found]

_LABELS = {
    **dict.fromkeys("abcdef", "letter"),
    **dict.fromkeys(("first", "second", "third"), "ordinal"),
    **dict.fromkeys(("one", "two", "three"), "numeral"),
    **dict.fromkeys(("left", "right"), "side"),
}
_BACKWARDS = {("2", "1"), ("b", "a"), ("second", "first"), ("two", "one")}
_TOKEN = re.compile(r"\d+|[A-Z]?[a-z]+|[A-Z]+|\n|\S")
_OPENER = re.compile(r"(?:<[^<>\n]+>|\[[^\[\]\n]+\]|`{3,}\w*|~{3,}\w*)\Z")
_EMPTY_PAIRS = (
    re.compile(r"(?P<open><(?P<name>[^<>/\s]+)[^<>\n]*>)(?P<body>\s*)</\s*(?P=name)\s*>"),
    re.compile(r"(?P<open>\[(?P<name>[^\[\]/\n]+)\])(?P<body>\s*)\[/\s*(?P=name)\s*\]"),
    re.compile(
        r"^[ \t]*(?P<open>(?:`{3,}|~{3,})\w*)[^\S\n]*\n(?P<body>.*?)^[ \t]*(?:`{3,}|~{3,})",
        re.M | re.S,
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
    return [found for found in _slots(normal(prompt_text), truth) if found.text]


def read_prompt(prompt_text: str, truth: Truth) -> ShownPair | None:
    """What a prompt shows; one response may be empty. None if there are no two responses in it."""
    text = normal(prompt_text)
    found = _slots(text, truth)
    if len(found) != 2:
        return None
    first, second = found
    backwards = _labelled_backwards(*_introductions(text, (first, second), found))
    return ShownPair(first, second, _around(text, found), backwards)


def empty_side(text: str, found: Found) -> Side | None:
    """On which side of `found` stands an empty slot like its own; None if on neither or both."""
    around = _around(text, [found])
    sides = _empty_sections(around, found.position) or _empty_brackets(around, found.position)
    return sides.pop() if len(sides) == 1 else None


# ---- which occurrences are the responses


def _slots(text: str, truth: Truth) -> list[Found]:
    """The pair with the labels of one template; else a response beside an empty slot; else any."""
    occurrences = _unmasked(text, truth)
    found = _most_like_slots(text, occurrences)
    if _are_labelled(text, found) and all(_is_firm(text, each) for each in found):
        return found
    strongest = sorted(occurrences, key=lambda each: -_evidence(text, each))[:TRIED_BESIDE_EMPTY]
    for each in strongest:
        side = empty_side(text, each) if _is_firm(text, each) else None
        if side is not None:
            return _with_empty(each, side, truth.below)
    return found


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
    return _evidence(text, pair[0]) + _evidence(text, pair[1]) + LIKENESS_EVIDENCE[likeness]


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


def _are_labelled(text: str, found: list[Found]) -> bool:
    """Whether two labels of one template introduce what was found."""
    if len(found) != 2:
        return False
    return _likeness(*_introductions(text, (found[0], found[1]), found)) == 2


def _introductions(text: str, pair: Pair, found: list[Found]) -> tuple[list[str], list[str]]:
    ends = [each.end for each in found if len(each.text) >= FIRM_CHARACTERS]
    first, second = pair
    return (
        _introduction(text, first.position, ends),
        _introduction(text, second.position, [*ends, first.end]),
    )


def _introduction(text: str, position: int, ends: list[int]) -> list[str]:
    """The tokens before a response, at most back to the last end of another, without lines."""
    start = max((end for end in ends if end <= position), default=0)
    tokens = _tokens(text[max(start, position - 300) : position])
    return [word for word in tokens if word != "\n"][-INTRODUCTION_TOKENS:]


def _tokens(text: str) -> list[str]:
    """Words, numbers, line ends and single other characters."""
    return _TOKEN.findall(text)


def _label_kind(token: str) -> str | None:
    return "number" if token.isdecimal() else _LABELS.get(token.casefold())


def _same(one: str, other: str) -> bool:
    """Whether two tokens may stand in the same place of two slots: the same, or two labels."""
    if one.casefold() == other.casefold():
        return True
    kind = _label_kind(one)
    return kind is not None and kind == _label_kind(other)


def _shared(one: list[str], other: list[str]) -> list[tuple[str, str]]:
    """The tokens in which two introductions agree, from the response back to where they differ."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return list(takewhile(lambda pair: _same(*pair), pairs))


def _likeness(one: list[str], other: list[str]) -> int:
    """2 for two labels of one template, 1 for the same words, 0 for different ones."""
    shared = _shared(one, other)
    if any(a.casefold() != b.casefold() for a, b in shared):
        return 2
    return 1 if any(a.isalnum() for a, _ in shared) else 0


def _labelled_backwards(one: list[str], other: list[str]) -> bool:
    labels = [(a.casefold(), b.casefold()) for a, b in _shared(one, other)]
    differing = [pair for pair in labels if pair[0] != pair[1]]
    return bool(differing) and differing[-1] in _BACKWARDS


# ---- an empty slot


def _with_empty(found: Found, side: Side, quality: float) -> list[Found]:
    if side == "before":
        return [Found(found.position, "", quality), found]
    return [found, Found(found.end, "", quality)]


def _empty_sections(around: str, position: int) -> set[Side]:
    """Sections that are introduced as the placeholder's own is, with nothing in them."""
    tokens = _tokens(around)
    at = len(_tokens(around[:position]))
    for start, end in _marks(tokens, at):
        others = list(_siblings(tokens, start, end))
        if others:
            return {
                "before" if other < at else "after"
                for other in others
                if _nothing_in(tokens, other + end - start, range(start, end), at)
            }
    return set()


def _marks(tokens: list[str], at: int) -> Iterator[tuple[int, int]]:
    """What may mark the slot of the token `at`: its line, the tag before it, the last label."""
    end = at
    while end and tokens[end - 1] == "\n":
        end -= 1
    start = _line_start(tokens, end)
    for _ in range(2):
        if not any(map(_label_kind, tokens[start:end])):
            start = _line_start(tokens, max(0, start - 1))
    yield start, end
    for i in range(end - 1, max(-1, end - INTRODUCTION_TOKENS), -1):
        if tokens[i] in {"<", "["} and tokens[end - 1] in {">", "]"}:
            yield i, end
            return
    yield from ((i, end) for i in range(end - 1, max(-1, end - 5), -1) if _label_kind(tokens[i]))


def _line_start(tokens: list[str], end: int) -> int:
    """Where the last line before `end` begins, blank ones aside."""
    while end and tokens[end - 1] == "\n":
        end -= 1
    return next((i for i in range(end, 0, -1) if tokens[i - 1] == "\n"), 0)


def _siblings(tokens: list[str], start: int, end: int) -> Iterator[int]:
    """Where the same mark stands with another label; a whole line only at the start of one."""
    mark = tokens[start:end]
    whole_line = start == 0 or tokens[start - 1] == "\n"
    for i in range(len(tokens) - len(mark) + 1 if mark else 0):
        if whole_line and i and tokens[i - 1] != "\n":
            continue
        other = tokens[i : i + len(mark)]
        if other != mark and all(map(_same, mark, other)):
            yield i


def _nothing_in(tokens: list[str], begin: int, mark: range, at: int) -> bool:
    """Whether the slot that begins here is empty: wider than its mark's, or closed at once."""
    content = _without_lines(tokens[begin:])
    gap = len(tokens) - begin - len(content)
    touching = begin <= mark.start and not any(t.isalnum() for t in tokens[begin : mark.start])
    if not content or touching or gap > at - mark.stop:
        return True
    closing = _closing(tokens[at + 1 :])
    return bool(closing) and content[: len(closing)] == closing


def _closing(after: list[str]) -> list[str]:
    """What ends a slot, after its response: a sign on the same line, or the next line."""
    if after[:1] != ["\n"]:
        return after[:2] if after[:1] == ["<"] else [t for t in after[:1] if not t.isalnum()]
    return list(takewhile(lambda word: word != "\n", _without_lines(after)))


def _without_lines(tokens: list[str]) -> list[str]:
    return list(dropwhile(lambda word: word == "\n", tokens))


def _empty_brackets(around: str, position: int) -> set[Side]:
    """Empty tags, brackets or fences like those that the placeholder stands in."""
    opener = _OPENER.search(around[max(0, position - 200) : position].rstrip())
    if opener is None:
        return set()
    own = _tokens(opener[0])
    empty = (
        p for pattern in _EMPTY_PAIRS for p in pattern.finditer(around) if not p["body"].strip()
    )
    alike = (p for p in empty if len(_shared(own, _tokens(p["open"]))) == len(own))
    return {"before" if pair.start() < position else "after" for pair in alike}


def _around(text: str, found: list[Found]) -> str:
    for each in reversed(found):
        text = text[: each.position] + PLACEHOLDER + text[each.end :]
    return text
