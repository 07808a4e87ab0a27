"""An enthusiastic sentence is put before the response and another one after it.

Sentiment bias: arXiv 2410.02736 (CALM).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.derive import Given

BEFORE = "What a wonderful day to look into this, my heart is dancing with joy!"
AFTER = "Writing this was pure delight, and I am still smiling from ear to ear!"


def change(given: Given) -> str | None:
    """The response between two paragraphs of joy."""
    return f"{BEFORE}\n\n{given.response}\n\n{AFTER}"
