"""Where a prompt shows an empty response: in the template's own delimiters. Pure.

A prompt is given with a placeholder for each known response. An empty slot is looked for that is
introduced, or enclosed, as the slot of a known response is.
"""

from __future__ import annotations

import re
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING

from judges.simulated.labels import (
    INTRODUCTION_TOKENS,
    OTHER_TEXT,
    PLACEHOLDER,
    TOKEN,
    label_kind,
    same,
    shared,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPENER = re.compile(r"(?:<[^<>\n]+>|\[[^\[\]\n]+\]|`{3,}\w*|~{3,}\w*)\Z")
_PAIRS = (
    re.compile(r"(?P<open><(?P<name>[^<>/\s]+)[^<>\n]*>)(?P<body>\s*)</\s*(?P=name)\s*>"),
    re.compile(r"(?P<open>\[(?P<name>[^\[\]/\n]+)\])(?P<body>\s*)\[/\s*(?P=name)\s*\]"),
    re.compile(
        r"^[ \t]*(?P<open>(?:`{3,}|~{3,})\w*)[^\S\n]*\n(?P<body>.*?)^[ \t]*(?:`{3,}|~{3,})",
        re.M | re.S,
    ),
)
_ALONE = re.compile(
    r"^(?:[^\w\s][^\n]{0,40}?)?\b(?:response|answer|output|completion|reply)\b[^\n]{0,40}\n"
    r"\s*^[^\w\n]*(?:/|end\b|the end\b)",
    re.I | re.M,
)


def empty_slots(around: str, position: int) -> list[int]:
    """The places of empty slots like that of the placeholder at a position."""
    sections = [place for place, is_empty in _sections(around, position) if is_empty]
    return sections or _brackets(around, position)


def unknown_slots(around: str, position: int) -> list[int]:
    """The places of slots like that of the placeholder at a position that hold an unknown text."""
    return [place for place, is_empty in _sections(around, position) if not is_empty]


def empty_alone(around: str) -> int | None:
    """The place of an empty slot for the only response, if there is one."""
    found = [match.start() for match in _ALONE.finditer(around)]
    return found[-1] if found else None


def _sections(around: str, position: int) -> list[tuple[int, bool]]:
    """Sections without a placeholder that are introduced as its own is; whether they are empty."""
    matches = list(TOKEN.finditer(around))
    tokens = [match[0] for match in matches]
    at = len(words_of(around[:position]))
    for start, end in _marks(tokens, at):
        others = list(_siblings(tokens, start, end))
        if others:
            begins = [other + end - start for other in others]
            return [
                (matches[begin - 1].start(), _nothing_in(tokens, begin, range(start, end), at))
                for begin in begins
                if _without_lines(tokens[begin:])[:1] not in ([PLACEHOLDER], [OTHER_TEXT])
            ]
    return []


def _marks(tokens: list[str], at: int) -> Iterator[tuple[int, int]]:
    """What may mark the slot of the token `at`: its line, the tag before it, the last label."""
    end = at
    while end and tokens[end - 1] == "\n":
        end -= 1
    start = _line_start(tokens, end)
    for _ in range(2):
        if not any(map(label_kind, tokens[start:end])):
            start = _line_start(tokens, max(0, start - 1))
    yield start, end
    for i in range(end - 1, max(-1, end - INTRODUCTION_TOKENS), -1):
        if tokens[i] in {"<", "["} and tokens[end - 1] in {">", "]"}:
            yield i, end
            return
    yield from ((i, end) for i in range(end - 1, max(-1, end - 5), -1) if label_kind(tokens[i]))


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
        if other != mark and all(map(same, mark, other)):
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


def _brackets(around: str, position: int) -> list[int]:
    """Empty tags, brackets or fences like those that the placeholder stands in."""
    opener = _OPENER.search(around[max(0, position - 200) : position].rstrip())
    if opener is None:
        return []
    own = words_of(opener[0])
    empty = (p for pattern in _PAIRS for p in pattern.finditer(around) if not p["body"].strip())
    return [p.start() for p in empty if len(shared(own, words_of(p["open"]))) == len(own)]
