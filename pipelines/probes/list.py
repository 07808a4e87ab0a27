"""Each sentence becomes an item of a list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.derive import Given

# To a stop that no small letter follows, or to the line's end; not after an initial or Dr, Mr, St.
SENTENCE = re.compile(
    r"""(?m)\S.*?(?:[。！？]|(?=\r?$)
    |(?:(?<!\b[A-Za-z])(?<!\b[DMS][rt])\.|[!?…؟])["'”’»)\]*_]*(?=\s+[^\sa-z]|[ \t\r]*$))""",
    re.VERBOSE,
)
ITEM = re.compile(r"(?m)^[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+\S")
# Lines of code, headings, tables and quotations are no prose.
CODE_OR_PROSE = re.compile(
    r"""(?m)^[ \t]*(?P<fence>```|~~~)[\s\S]*?(?:^[ \t]*(?P=fence)[^\n]*|\Z)
    |^(?![ ]{0,3}[#|>]|\t|[ ]{4})[^\r\n]+""",
    re.VERBOSE,
)


def change(given: Given) -> str | None:
    """The same words; None for a list, or where there are no two sentences."""
    listed = CODE_OR_PROSE.sub(_items, given.response)
    several = len(ITEM.findall(listed)) > 1
    return listed if several and not ITEM.search(given.response) else None


def _items(found: re.Match[str]) -> str:
    if found["fence"]:
        return found[0]
    return "\n".join(f"- {sentence}" for sentence in SENTENCE.findall(found[0]))
