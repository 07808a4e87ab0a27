"""Sentences that say nothing are appended: about 60% more characters, at least 200.

Verbosity bias: Zheng et al. 2023, arXiv 2306.05685.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.derive import Given

SHARE = 0.6
AT_LEAST = 200
FILLERS = (
    "There is more than one side to a subject of this kind, and each side belongs to the whole.",
    "As with any topic, there is a setting in which it stands, and that setting has a past.",
    "All of this is part of a larger picture, and the larger picture is made of such parts.",
    "Some things come before other things here, and others come after them.",
    "Seen from one end the matter has one aspect, and seen from the other end it has another.",
    "What belongs together is found together, and what does not belong together is found apart.",
    "A matter like this one has a beginning, and from the beginning it leads on to the rest.",
    "Each point has its own place, and the places taken together are those of all the points.",
    "The details are details of the whole, and the whole is what the details are details of.",
    "There is a time for each step of it, and the steps follow one another in time.",
)


def change(given: Given) -> str | None:
    """As many sentences as it takes, in a paragraph of their own."""
    wanted = max(AT_LEAST, SHARE * len(given.response))
    added: list[str] = []
    length = 0
    for filler in cycle(FILLERS):
        if length >= wanted:
            break
        added.append(filler)
        length += len(filler) + 1
    return f"{given.response}\n\n{' '.join(added)}"
