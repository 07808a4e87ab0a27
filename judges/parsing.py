"""A judge's reply to a verdict. Pure. A reply off the menu is Unparsed with a reason, never a vote.

The last verdict counts, and it must be well formed: what a response quotes or forges stands before
the verdict of the judge. Where the last one is in a code block and another one outside of it says
something else, nobody can tell which is quoted: there is no verdict.
"""

from __future__ import annotations

import json
import re
from bisect import bisect
from collections import deque
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from data.errors import JudgeError
from data.records import Preference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_JSON = 200_000  # characters at the end of a reply
MOST_READ = 4 * MOST_JSON  # one that does not end is read from each of its braces again
LEAST_READ = 200  # what looking at a brace costs at least, in characters
TOO_DEEP = 10_000  # characters that count as read where an object is nested too deeply to be read
CONTRADICTED = "a verdict in a code block contradicts one outside of it"
DECORATION = " \t*_`."  # around a word: `**Verdict: 1**` and "Verdict: 1." are well formed
_OPENING = re.compile(r"\{[ \t\r\n]*[\"}]")
_FENCE = re.compile(r"^[ \t]*+(`{3,}|~{3,})([^`\n]*)$", re.MULTILINE)
# A line of its own; a quoted one (`> Verdict: 1`) is what somebody else said. Every repetition is
# possessive or runs to the end of the line: a reply of a megabyte is read in one pass.
DEFAULT_PATTERN = r"^[ \t*_#`-]*+(?:final[ \t]++)?verdict[ \t*_`]*+[:=\uff1a](?P<verdict>[^\n]*)"


@dataclass(frozen=True, slots=True)
class Menu:
    """What a judge may answer. `tie` is None where ties are not allowed.

    `pattern` finds a verdict: its group `verdict` (or the first group that took part) is compared
    with the three words, without regard to case and to Markdown around it. Raises JudgeError where
    the words cannot be told apart.
    """

    first: str = "1"
    second: str = "2"
    tie: str | None = "tie"
    pattern: str = DEFAULT_PATTERN

    def __post_init__(self) -> None:
        if not all(self.words):
            raise JudgeError(
                f"a verdict of the menu {self.words} is empty",
                "Name what is answered for the first, the second and a tie.",
            )
        if len(set(self.words)) < len(self.words):
            raise JudgeError(
                f"two verdicts of the menu {self.words} are the same",
                "Case, Markdown and surrounding white space do not tell them apart.",
            )

    @property
    def words(self) -> tuple[str, ...]:
        """First, second and, where allowed, tie, as they are compared."""
        return tuple(plain(word) for word in self.options)

    @property
    def options(self) -> tuple[str, ...]:
        """First, second and, where allowed, tie, as the model is told them."""
        return tuple(word for word in (self.first, self.second, self.tie) if word is not None)

    def describe(self) -> dict[str, str | None]:
        """Everything that decides how a reply is read, for the judge's identity."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`preference` is about (first shown, second shown): a is the first."""

    preference: Preference
    rationale: str | None


@dataclass(frozen=True, slots=True)
class Unparsed:
    """Why a reply gives no verdict."""

    reason: str


def parse(text: str, menu: Menu) -> Verdict | Unparsed:
    """The verdict of a reply: its last verdict line, which must name a choice of the menu."""
    if not text.strip():
        return Unparsed("the reply is empty")
    last = _last(_compiled(menu.pattern), text, _named_by)
    if isinstance(last, Unparsed):
        return last
    if last is None:
        return Unparsed("no verdict line")
    word = plain(_named_by(last))
    preference = preference_of(word, menu)
    if preference is None:
        return Unparsed(f"{word[:40]!r} is not on the menu")
    rationale = (text[: last.start()] + text[last.end() :]).strip()
    return Verdict(preference, rationale or None)


def preference_of(word: str, menu: Menu) -> Preference | None:
    """The choice of the menu that a word names: a is the first shown."""
    return dict(zip(menu.words, Preference, strict=False)).get(plain(word))


def last_line(text: str, key: str) -> str | Unparsed:
    """What stands behind the last line `KEY:` of a reply, without Markdown around it."""
    last = _last(_line(key), text, lambda match: match["value"])
    if isinstance(last, Unparsed):
        return last
    return Unparsed(f"no line `{key}:`") if last is None else plain(last["value"])


def last_object(text: str, key: str) -> dict[str, Any] | Unparsed:
    """The JSON object with which a reply ends, if it has the key: what it quotes is none."""
    found = [each for each in _objects(text) if key in each.value]
    if not found or found[-1].end < len(text.rstrip(" \t\r\n`~")):
        return Unparsed(f"no JSON object with the key {key!r} at the end of the reply")
    blocks, last = code_blocks(text), found[-1]
    if _within(last.start, blocks):
        outside = (each.value[key] for each in found if not _within(each.start, blocks))
        said = words_of(last.value[key])
        if len(text) > MOST_JSON or any(words_of(other) != said for other in outside):
            return Unparsed(CONTRADICTED)
    return last.value


def words_of(value: object) -> tuple[str | None, ...]:
    """The words and numbers of a JSON list, or a single one; None for null, true and lists."""
    return tuple(map(word_of, value)) if isinstance(value, list) else (word_of(value),)


def word_of(value: object) -> str | None:
    """A word or number of a JSON object as text; null and true are none."""
    known = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value) if known else None


class _Object(NamedTuple):
    start: int
    end: int
    value: dict[str, Any]


def _objects(text: str) -> Iterator[_Object]:
    """The JSON objects of a reply that are not part of another one, in their order."""
    before, tail = max(0, len(text) - MOST_JSON), text[-MOST_JSON:]
    opening, left = _OPENING.search(tail), MOST_READ
    while opening is not None and left > 0:
        start = opening.start()
        value, end = _object_at(tail, start)
        if value is not None:
            yield _Object(before + start, before + end, value)
        left -= max(LEAST_READ, end - start)
        opening = _OPENING.search(tail, start + 1 if value is None else end)


def _object_at(text: str, at: int) -> tuple[dict[str, Any] | None, int]:
    """The object that begins here, or None; and up to where the text was read."""
    try:
        value, end = json.JSONDecoder().raw_decode(text, at)
    except json.JSONDecodeError as error:
        return None, error.pos
    except (ValueError, RecursionError):  # a number of thousands of digits; too many brackets
        return None, at + TOO_DEEP
    return value, end


def _last(
    pattern: re.Pattern[str], text: str, say: Callable[[re.Match[str]], str]
) -> re.Match[str] | Unparsed | None:
    """The last match, unless it is in a code block and one outside of it says something else."""
    found = deque(pattern.finditer(text), maxlen=1)
    if not found:
        return None
    blocks, last = code_blocks(text), found[0]
    if _within(last.start(), blocks):
        word = plain(say(last))
        outside = (each for each in pattern.finditer(text) if not _within(each.start(), blocks))
        if any(plain(say(each)) != word for each in outside):
            return Unparsed(CONTRADICTED)
    return last


def code_blocks(text: str) -> list[tuple[int, int]]:
    """Where fenced blocks begin and end; one that is never closed is none."""
    blocks, opened = [], None
    for fence in _FENCE.finditer(text):
        if opened is None:
            opened = fence
        elif fence[1].startswith(opened[1]) and not fence[2].strip():
            blocks.append((opened.start(), fence.end()))
            opened = None
    return blocks


def _within(at: int, blocks: list[tuple[int, int]]) -> bool:
    """Whether a place is in one of the blocks, which are in their order."""
    k = bisect(blocks, at, key=lambda block: block[0])
    return k > 0 and at < blocks[k - 1][1]


def _named_by(match: re.Match[str]) -> str:
    """What the group holds; nothing where it took no part in the match."""
    named = match.groupdict()
    if "verdict" in named:
        return named["verdict"] or ""
    return next((group for group in match.groups() if group is not None), "")


def plain(word: str) -> str:
    """A word as it is compared: without case, white space and Markdown around it."""
    return word.strip().strip(DECORATION).strip().casefold()


@lru_cache(maxsize=64)
def _line(key: str) -> re.Pattern[str]:
    name = r"[ \t_-]++".join(re.escape(part) for part in re.split(r"[\s_-]+", key))
    pattern = rf"^[ \t*_#`-]*+(?:final[ \t]++)?{name}[ \t*_`]*+[:=\uff1a](?P<value>[^\n]*)"
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)
