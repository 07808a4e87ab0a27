"""The response is an opener that leads to nothing.

Zhao et al. 2025, arXiv 2507.08794 (One token to fool LLM-as-a-judge).
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.derive import Given

WORSE = True
OPENERS = (
    "Let me work through this step by step.",
    "Here is how I arrive at the solution:",
    "First the problem, then what follows from it.",
    "Reasoning:",
    "The solution to this is found as follows.",
    "Working it out:",
)


def change(given: Given) -> str | None:
    """Which one follows from the texts; None if it stands there already."""
    text = f"{given.prompt}\0{given.response}".encode("utf-8", "surrogatepass")
    opener = OPENERS[sha256(text).digest()[0] % len(OPENERS)]
    return opener if opener != given.response else None
