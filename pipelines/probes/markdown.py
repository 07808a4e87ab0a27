"""The first sentence becomes a heading, and the first words of each paragraph become bold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.derive import Given

# To a stop that no small letter follows, or to the line's end; a list or code stays what it is.
FIRST = re.compile(
    r"""(?m)\A(?:[ \t]*\r?\n)*[ ]{0,3}(?!\d{1,3}[.)]\s)(?P<sentence>["“(«¿¡]?[^\W_].*?
    (?:[。！？]|(?=\r?$)
    |(?:(?<!\b[A-Za-z])(?<!\b[DMS][rt])\.|[!?…؟])["'”’»)\]*_]*(?=\s+[^\sa-z]|[ \t\r]*$)))
    [ \t]*(?:\r?\n)*""",
    re.VERBOSE,
)
# Up to three words, whole ones: no part of an address, a path or a name in code.
WORD = r"[^\W_]+(?:['’.,-][^\W_]+)*"
CODE_OR_START = re.compile(
    rf"""(?m)^[ \t]*(?P<fence>```|~~~)[\s\S]*?(?:^[ \t]*(?P=fence)|\Z)
    |(?P<before>(?:\A|\n[ \t]*\r?\n)[ ]{{0,3}}(?:(?:[-*+•]|\d{{1,3}}[.)]|\#{{1,6}})[ ]+)?["“(«¿¡]?)
    (?P<words>{WORD}(?:[ ]{WORD}){{0,2}})(?![\w*@/\\]|['’.,:-]\S)""",
    re.VERBOSE,
)


def change(given: Given) -> str | None:
    """The same words; None where there are none to be marked."""
    marked = CODE_OR_START.sub(_bold, _headed(given.response))
    return marked if marked != given.response else None


def _headed(response: str) -> str:
    first = FIRST.match(response)
    if not first:
        return response
    rest = response[first.end() :]
    return f"## {first['sentence']}\n\n{rest}" if rest else f"## {first['sentence']}"


def _bold(found: re.Match[str]) -> str:
    return found[0] if found["fence"] else f"{found['before']}**{found['words']}**"
