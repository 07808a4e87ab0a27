"""The response is the empty text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.derive import Given

WORSE = True


def change(given: Given) -> str | None:
    """None if it is empty already."""
    return "" if given.response else None
