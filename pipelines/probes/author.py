"""The name of the model that wrote the response is put before it.

Compassion fade, where names change what a judge says: arXiv 2410.02736 (CALM).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.derive import Given


def change(given: Given) -> str | None:
    """None where nobody knows who wrote it."""
    return f"Answer by {given.author}:\n\n{given.response}" if given.author else None
