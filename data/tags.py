"""What people say about a comparison after they have seen the labels: a tag and a note.

Rows are dated and never edited: of each person and comparison the newest one counts, and one
without a tag removes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from data import queries
from data.errors import InputError
from data.names import person_name
from data.store import first_row

if TYPE_CHECKING:
    from uuid import UUID

    from data.store import Connection, Store

MOST_CHARACTERS = 1_000  # of a note


class Tag(StrEnum):
    """Why labels on a comparison differ. `other` says it in its note."""

    AI_ERROR = "AI error"
    HUMAN_NOISE = "human noise"
    UNCLEAR_GUIDELINE = "unclear guideline"
    OTHER = "other"


TAGS = tuple(Tag)

_NEWEST = """
SELECT tags.* FROM tags JOIN comparisons USING (comparison_id)
WHERE dataset = $dataset
QUALIFY row_number() OVER (PARTITION BY comparison_id, annotator
                           ORDER BY set_at DESC, tags.rowid DESC) = 1
"""
TAGGED = f"""
SELECT comparison_id::VARCHAR, tag, note, annotator, set_at FROM ({_NEWEST})
WHERE tag IS NOT NULL ORDER BY set_at DESC, comparison_id, annotator
"""
DATASET_OF = """
SELECT dataset FROM comparisons WHERE comparison_id = try_cast($comparison_id AS UUID)
"""
ADD = """
INSERT INTO tags BY NAME
SELECT $comparison_id::UUID AS comparison_id, $tag AS tag, $note AS note, $by AS annotator,
       $set_at AS set_at
"""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag in force, the person who set it, and when (UTC)."""

    comparison_id: str
    tag: Tag
    note: str | None
    by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class TagCount:
    """On how many comparisons a tag is in force, and by how many people."""

    tag: Tag
    comparisons: int
    people: int


def set_tag(
    store: Store, comparison_id: str | UUID, tag: Tag | str, by: str, note: str | None = None
) -> None:
    """Tag a comparison; a person has one tag on it, and a new one replaces it.

    Raises InputError for an unknown comparison or tag, a name or note that cannot be used, and for
    `other` without a note.
    """
    known, note = _tag(tag), _note(note)
    if known is Tag.OTHER and note is None:
        raise InputError("the tag 'other' has no note", "Say in the note what it is.")
    _add(store, comparison_id, known, person_name(by), note)


def remove_tag(store: Store, comparison_id: str | UUID, by: str) -> None:
    """Take a person's tag away. Raises InputError for an unknown comparison, or without a tag."""
    by = person_name(by)
    if by not in {each.by for each in tags_of(store, comparison_id)}:
        raise InputError(
            f"{by!r} has no tag on comparison {comparison_id}", "A person removes their own tag."
        )
    _add(store, comparison_id, None, by, None)


def tags_of(store: Store, comparison_id: str | UUID) -> tuple[Tagged, ...]:
    """The tags in force on a comparison, newest first. Raises InputError for an unknown one."""
    with store.reading() as con:
        everything = tagged(con, _dataset_of(con, comparison_id))
    return tuple(each for each in everything if each.comparison_id == str(comparison_id))


def tagged(con: Connection, dataset: str) -> tuple[Tagged, ...]:
    """All tags in force in a data set, newest first."""
    found = queries.rows(con, TAGGED, dataset=dataset)
    return tuple(Tagged(item, Tag(tag), *rest) for item, tag, *rest in found)


def counts(con: Connection, dataset: str) -> tuple[TagCount, ...]:
    """Every tag, in the order of `TAGS`; a comparison that two people tag alike counts once.

    Raises InputError for an unknown data set.
    """
    queries.check_dataset(con, dataset)
    found = tagged(con, dataset)
    items = Counter(tag for tag, _ in {(each.tag, each.comparison_id) for each in found})
    people = Counter(tag for tag, _ in {(each.tag, each.by) for each in found})
    return tuple(TagCount(tag, items[tag], people[tag]) for tag in TAGS)


def _add(
    store: Store, comparison_id: str | UUID, tag: Tag | None, by: str, note: str | None
) -> None:
    with store.writing() as con:
        _dataset_of(con, comparison_id)
        con.execute(ADD, {"comparison_id": str(comparison_id), "note": note, "by": by,
                          "tag": None if tag is None else tag.value,
                          "set_at": datetime.now(UTC).replace(tzinfo=None)})  # fmt: skip


def _dataset_of(con: Connection, comparison_id: str | UUID) -> str:
    row = first_row(con, DATASET_OF, {"comparison_id": str(comparison_id)})
    if row is None:
        raise InputError(
            f"no comparison {comparison_id} in the store", "Take an id from the comparisons table."
        )
    return str(row[0])


def _tag(tag: Tag | str) -> Tag:
    try:
        return Tag(tag)
    except ValueError:
        raise InputError(f"no tag {tag!r}", f"There are: {', '.join(TAGS)}.") from None


def _note(note: str | None) -> str | None:
    note = (note or "").strip()
    if len(note) > MOST_CHARACTERS:
        raise InputError(f"the note has {len(note):,} characters", f"At most {MOST_CHARACTERS:,}.")
    return note or None
