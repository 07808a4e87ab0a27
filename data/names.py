"""What annotators are called: one name each in all that is shown."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any

from data.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

# Subjects that are no annotators.
RESERVED = ("one human", "human ceiling", "human majority", "humans")
MOST_CHARACTERS = 60  # of a person's name
_NUMBERED = re.compile(r" \(\d+\)$")  # what `told_apart` makes


def person_name(name: str) -> str:
    """A person's name in its one spelling: composed characters, single spaces.

    Raises InputError for one that is empty, overlong, of no person or not printable.
    """
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not name or len(name) > MOST_CHARACTERS:
        raise InputError(
            "there is no name" if not name else f"the name has {len(name)} characters",
            f"Write your name, in at most {MOST_CHARACTERS} characters.",
        )
    if not name.isprintable():
        raise InputError(f"the name {name!r} cannot be printed", "Write letters and digits.")
    if name.casefold() in RESERVED or _NUMBERED.search(name):
        raise InputError(
            f"the name {name!r} means something else in reports", "Choose another name."
        )
    return name


def told_apart(annotators: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """With names by which rows can be told apart: the second of a name is `name (2)`."""
    seen, found = Counter(RESERVED), []
    for row in annotators:
        name = row["name"]
        seen[name] += 1
        found.append({**row, "name": name if seen[name] == 1 else f"{name} ({seen[name]})"})
    return found
