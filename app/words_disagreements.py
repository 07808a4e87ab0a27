"""What the disagreements view says: composed by rule from what the store holds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from app.words import count
from data.browse import Show
from data.tags import TAGS, Tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.difference import Difference
    from data.tags import Tagged

ANY_TAG, TAGGED, UNTAGGED = "", "tagged", "untagged"
CONFIDENT = (
    "Confident: the same answer in both orders, or a stated probability of at least 90%. "
    "Humans: at least two."
)
TAG_QUESTION = "What is behind the disagreement?"
TAG_EXPLAINED = (
    "AI error: the judge is wrong. Human noise: the humans slipped or were careless. Unclear "
    "guideline: both answers can be defended. Other: say it in the note. Each person has one tag "
    "on a comparison; everybody sees it."
)
TOO_LONG = "Differences are not marked: these texts are too long to compare word by word."
NOT_BOTH = "Differences are not marked: there are not two texts to compare."
LEFT_OUT = "left out, as the file would be too large; concord export holds it"
NOT_SAVED = "The tag was not saved: the store is in use. Try again in a moment."
_ORDERS = {
    Show.CONFIDENT: "most humans first, then most judges that are confident, then the most "
    "certain, those alike in all of it by number",
    Show.AGAINST: "most of one mind first, then most humans, then most judges against them",
    Show.SPLIT: "the most even splits first",
    Show.SWAPPED: "most judges that change first",
}
MOST_NAMES = 3


def first_ones(show: Show, shown: int, total: int) -> str | None:
    """Why these stand on the first page; None where they stand in no order of telling."""
    if show not in _ORDERS:
        return None
    which = f"These {shown:,} come first" if total > shown else "In this order"
    file = "The file below the list holds them in the same order, with whole texts."
    return f"{which}: {_ORDERS[show]}. {file}"


def confident(row: Mapping[str, Any]) -> str | None:
    """The judges that are confident of the response which no human prefers: gpt-4 97%, bard."""
    humans = [row[f"humans_{side}"] for side in ("a", "tie", "b")]
    if sum(humans) < 2 or max(humans[0], humans[2]) < sum(humans):
        return None
    other = -1 if humans[0] else 1
    names = [_certain(each, other) for each in row["sure"] if each["sure"] == other]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more or None


def _certain(each: Mapping[str, Any], side: int) -> str:
    stated = each["stated"]
    if stated is None:
        return str(each["name"])
    return f"{each['name']} {stated if side > 0 else 1 - stated:.0%}"


def tag_options(tags: Iterable[Tagged]) -> dict[str, str]:
    """The tag filter's choices, each with the number of comparisons that it leaves."""
    pairs = {(each.tag, each.comparison_id) for each in tags}
    counted = Counter(tag for tag, _ in pairs)
    everything = len({item for _, item in pairs})
    return {
        ANY_TAG: "tagged or not",
        UNTAGGED: "not tagged yet",
        TAGGED: f"any tag ({everything:,})",
        **{tag.value: f"{tag.value} ({counted[tag]:,})" for tag in TAGS},
    }


def tags_of(tags: Iterable[Tagged]) -> str | None:
    """The tags of one comparison as a cell: AI error ×2, human noise."""
    counted = Counter(Tag(each.tag) for each in tags)
    said = [f"{tag.value} ×{n}" if n > 1 else tag.value for tag in TAGS if (n := counted[tag])]
    return ", ".join(said) or None


def notes_of(tags: Iterable[Tagged]) -> str | None:
    """Who wrote what, for a file's cell."""
    return "; ".join(f"{each.by}: {each.note}" for each in tags if each.note) or None


def tag_line(each: Tagged) -> str:
    """One tag in force, its person, the day and the note."""
    said = f"{each.tag.value}, by {each.by}, {each.set_at:%Y-%m-%d}"
    return f"{said}: {each.note}" if each.note else said


def in_common(found: Difference) -> str:
    """How much the two responses share."""
    return (
        f"{count(found.n_a, 'word')} in A, {count(found.n_b, 'word')} in B; "
        f"{found.n_common:,} are the same in the same order. What differs is marked."
    )


def list_title(shown: int, total: int) -> Sequence[str]:
    """What the two files of the list hold: this page, and everything that matches."""
    page = f"Download these {shown:,} (CSV)" if shown > 1 else "Download this one (CSV)"
    return page, f"Download the first {total:,} (CSV)"
