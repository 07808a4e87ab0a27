"""The second half of the sentences, or of lines that are none, is cut."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.derive import Given

WORSE = True
# To a stop that no small letter follows, or to the line's end; not after an initial or Dr, Mr, St.
SENTENCE = re.compile(
    r"""(?m)(?:^[ \t]*\d{1,3}[.)][ \t]+)?\S.*?(?:[。！？]|(?=\r?$)
    |(?:(?<!\b[A-Za-z])(?<!\b[DMS][rt])\.|[!?…؟])["'”’»)\]*_]*(?=\s+[^\sa-z]|[ \t\r]*$))""",
    re.VERBOSE,
)


def change(given: Given) -> str | None:
    """The first half, as it stands; the larger one of an odd number."""
    ends = [found.end() for found in SENTENCE.finditer(given.response)]
    return given.response[: ends[(len(ends) - 1) // 2]] if len(ends) > 1 else None
