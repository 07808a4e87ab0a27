"""A judge's reply to a verdict. Pure. A reply off the menu is Unparsed with a reason, never a vote.

The last verdict line counts, and it must be well formed: what a response quotes or forges stands
before the verdict of the judge.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from data.records import Preference

DEFAULT_PATTERN = r"^[\s*_#>`]*verdict[\s*_`]*[:=][\s*_`]*(?P<verdict>.*?)[\s*_`.]*$"


@dataclass(frozen=True, slots=True)
class Menu:
    """What a judge may answer. `tie` is None where ties are not allowed.

    `pattern` finds a verdict: its group `verdict` (or its first group) is compared with the three
    words, without regard to case.
    """

    first: str = "1"
    second: str = "2"
    tie: str | None = "tie"
    pattern: str = DEFAULT_PATTERN

    def describe(self) -> str:
        """The menu in one line, for the judge's identity."""
        return "|".join((self.first, self.second, self.tie or "", self.pattern))


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
    matches = list(_compiled(menu.pattern).finditer(text))
    if not matches:
        return Unparsed("no verdict line")
    last = matches[-1]
    word = _verdict_of(last).strip()
    preference = _choices(menu).get(word.casefold())
    if preference is None:
        return Unparsed(f"{word[:40]!r} is not on the menu")
    rationale = (text[: last.start()] + text[last.end() :]).strip()
    return Verdict(preference, rationale or None)


def _verdict_of(match: re.Match[str]) -> str:
    named = match.groupdict()
    return str(named["verdict"] if "verdict" in named else match.group(1))


def _choices(menu: Menu) -> dict[str, Preference]:
    choices = {menu.first.casefold(): Preference.A, menu.second.casefold(): Preference.B}
    if menu.tie is not None:
        choices[menu.tie.casefold()] = Preference.TIE
    return choices


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)
