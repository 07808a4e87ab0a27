"""What people are told to look at: texts with versions; a label carries the one that was shown.

Rows are never edited: the newest one of a data set and criterion is in force.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from data import queries
from data.errors import InputError
from data.records import OVERALL, make_id

if TYPE_CHECKING:
    from uuid import UUID

    from data.store import Connection, Store

MOST_CHARACTERS = 50_000

HISTORY = """
SELECT guideline_id, dataset, criterion, text, created_at FROM guidelines
WHERE dataset = $dataset AND ($criterion IS NULL OR criterion = $criterion)
ORDER BY created_at DESC, rowid DESC
"""
ADD = """
INSERT INTO guidelines BY NAME
SELECT $guideline_id::UUID AS guideline_id, $dataset AS dataset, $criterion AS criterion,
       $text AS text, $created_at AS created_at
"""


@dataclass(frozen=True, slots=True)
class Guideline:
    """One version of a text; its id follows from what it says. In force from `created_at` (UTC)."""

    guideline_id: UUID
    dataset: str
    criterion: str
    text: str
    created_at: datetime


def set_guideline(store: Store, dataset: str, criterion: str, text: str) -> Guideline:
    """Put a text in force from now on; returns it. The text that is in force already adds no row.

    Raises InputError for an unknown data set, no criterion, an empty or an overlong text.
    """
    text, criterion = _checked(text), criterion.strip() or OVERALL
    guideline_id = make_id("guideline", dataset, criterion, text)
    with store.writing() as con:
        queries.check_dataset(con, dataset)
        now = in_force(con, dataset, criterion)
        if now is not None and now.guideline_id == guideline_id:
            return now
        at = datetime.now(UTC).replace(tzinfo=None)
        made = Guideline(guideline_id, dataset, criterion, text, at)
        con.execute(ADD, {"guideline_id": str(guideline_id), "dataset": dataset, "text": text,
                          "criterion": criterion, "created_at": at})  # fmt: skip
    return made


def in_force(con: Connection, dataset: str, criterion: str) -> Guideline | None:
    """The text that people are to be shown; None where none was ever set."""
    return next(iter(history(con, dataset, criterion)), None)


def history(con: Connection, dataset: str, criterion: str | None = None) -> list[Guideline]:
    """All versions, newest first; of one criterion where it is named."""
    found = queries.rows(con, HISTORY, dataset=dataset, criterion=criterion)
    return [Guideline(*row) for row in found]


def _checked(text: str) -> str:
    text = text.strip()
    if not text:
        raise InputError("the guideline is empty", "Write what people are to look at.")
    if len(text) > MOST_CHARACTERS:
        raise InputError(
            f"the guideline has {len(text):,} characters",
            f"At most {MOST_CHARACTERS:,}: people are to read it.",
        )
    return text
