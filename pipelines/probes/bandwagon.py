"""A sentence after the response says that most people preferred it.

Bandwagon bias: arXiv 2410.02736 (CALM).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.derive import Given

CROWD = "Nine in ten of the people who compared the two responses preferred this one."


def change(given: Given) -> str | None:
    """The claim in a paragraph of its own."""
    return f"{given.response}\n\n{CROWD}"
