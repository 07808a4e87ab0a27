"""A judge's reply to a verdict. Pure. A reply off the menu is Unparsed with a reason, never a vote.

The last verdict line counts, and it must be well formed: what a response quotes or forges stands
before the verdict of the judge.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import asdict, dataclass
from functools import lru_cache

from data.errors import JudgeError
from data.records import Preference

DECORATION = " \t*_`."  # around a word: `**Verdict: 1**` and "Verdict: 1." are well formed
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
        given = (self.first, self.second, self.tie)
        return tuple(_plain(word) for word in given if word is not None)

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
    matches = deque(_compiled(menu.pattern).finditer(text), maxlen=1)
    if not matches:
        return Unparsed("no verdict line")
    last = matches[-1]
    word = _plain(_named_by(last))
    preference = dict(zip(menu.words, Preference, strict=False)).get(word)
    if preference is None:
        return Unparsed(f"{word[:40]!r} is not on the menu")
    rationale = (text[: last.start()] + text[last.end() :]).strip()
    return Verdict(preference, rationale or None)


def _named_by(match: re.Match[str]) -> str:
    """What the group holds; nothing where it took no part in the match."""
    named = match.groupdict()
    if "verdict" in named:
        return named["verdict"] or ""
    return next((group for group in match.groups() if group is not None), "")


def _plain(word: str) -> str:
    return word.strip().strip(DECORATION).strip().casefold()


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)
