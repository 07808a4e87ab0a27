"""Constitution: a principle drawn for each comparison, stored with its label."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.errors import JudgeError
from data.records import make_id

if TYPE_CHECKING:
    from uuid import UUID


_BULLET = re.compile(r"^[-*](\s+|$)")


@dataclass(frozen=True, slots=True)
class Constitution:
    """Principles, one of which is drawn by seed, comparison and repeat: the same on a resume."""

    principles: tuple[str, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.principles or not all(text.strip() for text in self.principles):
            raise JudgeError(
                "a constitution without principles", "Write one principle a line into its file."
            )

    def draw(self, comparison_id: UUID, repeat: int) -> str:
        """The principle for a comparison: the same one in both orders."""
        number = make_id("principle", self.seed, comparison_id, repeat).int
        return self.principles[number % len(self.principles)]


def read_principles(text: str) -> tuple[str, ...]:
    """One principle a line; empty lines and lines that begin with # are left out."""
    lines = (_BULLET.sub("", line.strip()) for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))
