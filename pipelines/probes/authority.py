"""A made-up authority is cited after the response.

Authority bias: arXiv 2410.02736 (CALM).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.derive import Given

CITATION = (
    "This agrees with the standard reference work of the field (12th edition, chapter 4,"
    " pp. 214-231) and with the joint statement of its leading experts of 2019."
)


def change(given: Given) -> str | None:
    """Nobody who could be looked up is named."""
    return f"{given.response}\n\n{CITATION}"
