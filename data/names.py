"""What annotators are called: one name each in all that is shown."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

# Subjects that are no annotators.
RESERVED = ("one human", "human ceiling", "human majority", "humans")


def told_apart(annotators: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """With names by which rows can be told apart: the second of a name is `name (2)`."""
    seen, found = Counter(RESERVED), []
    for row in annotators:
        name = row["name"]
        seen[name] += 1
        found.append({**row, "name": name if seen[name] == 1 else f"{name} ({seen[name]})"})
    return found
