"""A phrase of doubt is put before the response and another one after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.derive import Given

BEFORE = "I am not sure about this, but it might be as follows."
AFTER = "Perhaps this is not all there is to it, and I could be mistaken."


def change(given: Given) -> str | None:
    """The response between two paragraphs of doubt."""
    return f"{BEFORE}\n\n{given.response}\n\n{AFTER}"
