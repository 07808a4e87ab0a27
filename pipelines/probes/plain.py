"""Markdown is removed: headings, bold, italics, lists, links and the marks of code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.derive import Given

# What stands in it is no Markdown and stays as it is.
FENCED = re.compile(
    r"""(?m)^[ \t]*(?:`{3,}|~{3,})[ \t]*[\w+#.-]*[ \t\r]*(?:\n|\Z)([\s\S]*?)
    (?:^[ \t]*(?:`{3,}|~{3,})[ \t\r]*(?:\n|\Z)|\Z)""",
    re.VERBOSE,
)
# Not inside a word: 2**3**4, snake_case. Some scripts set no blanks around what is bold.
LETTER = r"[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
EMPHASIS = re.compile(
    rf"""(?P<code>`[^`\n]+`)
    |(?<!\*)(?<!{LETTER})(?P<star>\*{{1,3}})(?=[^\s*])(?P<starred>[^*\n]*[^\s*])(?P=star)
     (?!\*|{LETTER})
    |(?<!\w)(?P<line>_{{1,3}})(?=[^\s_])(?P<lined>[^_\n]*[^\s_])(?P=line)(?!\w)""",
    re.VERBOSE,
)
LINK = re.compile(r'(?<!\w)!?\[([^\[\]\n]*)\]\((?:[^()\s]|\([^()\s]*\))*(?:[ \t]+"[^"\n()]*")?\)')
CODE = re.compile(r"(?<!`)(`{1,3})(?!`)([^`\n]+)\1(?!`)")
HEADING = re.compile(r"(?m)^[ \t]{0,3}#{1,6}[ \t]+(?=\S)")
BULLET = re.compile(r"(?m)^[ \t]*[-*+•][ \t]++(?=.*\w)")
NUMBER = re.compile(r"(?m)^[ \t]*\d{1,3}[.)][ \t]+(?=\S)")


def change(given: Given) -> str | None:
    """The same words; None where there is no Markdown."""
    parts = FENCED.split(given.response)
    plain = "".join(part if i % 2 else _plain(part) for i, part in enumerate(parts))
    return plain if plain != given.response else None


def _plain(text: str) -> str:
    for _ in range(2):  # italics within bold
        text = EMPHASIS.sub(lambda found: found["starred"] or found["lined"] or found[0], text)
    text = CODE.sub(r"\2", LINK.sub(r"\1", text))
    text = BULLET.sub("", HEADING.sub("", text))
    # A single number with a dot may be the answer.
    return NUMBER.sub("", text) if len(NUMBER.findall(text)) > 1 else text
