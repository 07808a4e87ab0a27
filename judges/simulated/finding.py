"""Which responses a prompt shows, under any template. Pure.

Known texts are searched in the whole prompt. A text inside a longer one is not a response of its
own. Of two that are introduced by the same words but for a number or a letter, the last pair is
taken: examples and what the question quotes stand before it. Else ("Yes" stands in the
instructions) the pair that looks most like two slots of one template: long, standing alone, alike.
Where only one is found, the other response is either empty, which shows in the template's own
delimiters, or not known. A single response is the last that looks like one, and the responses of a
ranking are all that are introduced as the last one is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from judges.simulated.empty import empty_alone, empty_slots, unknown_slots
from judges.simulated.labels import (
    FIRM_CHARACTERS,
    OTHER_TEXT,
    PLACEHOLDER,
    introductions,
    is_backwards,
    labels,
    likeness,
)
from judges.simulated.truth import Found, normal

if TYPE_CHECKING:
    from judges.simulated.truth import Truth

LONG_CHARACTERS = 64  # longer texts are no better evidence than this
TRIED_BESIDE_EMPTY = 3  # occurrences for which an empty slot is looked for
LIKENESS_EVIDENCE = (0, 4, 14)  # of a pair; a long response that stands alone has 12
MOST_OCCURRENCES = 12  # pairs are weighed among so many occurrences
MOST_LABELLED = 40  # labels are compared among so many
STANDING_ALONE = 3  # at the end of a line on one side, beside punctuation on the other
ON_LINES_OF_ITS_OWN = 4

Pair = tuple[Found, Found]

_NAMED = re.compile(
    r"(?:response|answer|output|completion|reply|candidate|assistant)\b[^\n]{0,60}\n?\s*\Z", re.I
)


@dataclass(frozen=True, slots=True)
class Sight:
    """A prompt and the known texts that stand in it, none inside another, in order."""

    text: str
    known: list[Found]
    below: float
    """The quality of an empty response."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The responses that a prompt shows, in order of appearance.

    `around` is the prompt with a placeholder for each, and another for known texts that are not
    judged. `labels` are what the template calls the responses, where it numbers them.
    """

    responses: tuple[Found, ...]
    around: str
    labels: tuple[str, ...] = ()

    @property
    def first(self) -> Found:
        """The response that stands first."""
        return self.responses[0]

    @property
    def second(self) -> Found:
        """The response that stands second."""
        return self.responses[1]

    @property
    def labelled_backwards(self) -> bool:
        """Whether the template calls the later of two "1" or "A"."""
        return len(self.labels) == 2 and is_backwards((self.labels[0], self.labels[1]))

    @property
    def tail(self) -> str:
        """What stands after the last response."""
        return self.around.rpartition(PLACEHOLDER)[2]


def find_responses(prompt_text: str, truth: Truth) -> list[Found]:
    """The two known responses of a prompt in order of appearance; fewer if fewer are known.

    Positions count in the prompt with all its line ends as one newline character.
    """
    return [found for found in _pair(look(prompt_text, truth)) if found.text]


def read_prompt(prompt_text: str, truth: Truth) -> Shown | None:
    """The two responses of a prompt; one may be empty. None if there are no two in it."""
    return pair_in(look(prompt_text, truth))


def look(prompt_text: str, truth: Truth) -> Sight:
    """The known texts of a prompt."""
    text = normal(prompt_text)
    return Sight(text, _unmasked(text, truth), truth.below)


def pair_in(sight: Sight) -> Shown | None:
    """Two responses; one may be empty."""
    found = _pair(sight)
    if len(found) != 2:
        return None
    called = labels(*introductions(sight.text, found[0], found[1], found)) or ()
    return Shown(tuple(found), _around(sight, found), called)


def single_in(sight: Sight) -> Shown | None:
    """The only response; it may be empty."""
    text = sight.text
    firm = [each for each in sight.known if _is_firm(text, each)]
    last = max(firm, key=lambda each: (_looks_single(text, each), each.position), default=None)
    place = empty_alone(_blank(sight))
    if place is not None and (last is None or last.position < place):
        last = Found(place, "", sight.below)
    return Shown((last,), _around(sight, [last])) if last else None


def several_in(sight: Sight) -> Shown | None:
    """The responses of a ranking, with their labels or else numbers; none may be unknown."""
    found, called = _labelled_run(sight)
    if not found:
        found = [each for each in sight.known if _is_settled(sight.text, each)]
        called = [str(n) for n in range(1, len(found) + 1)]
    around = _around(sight, found)
    shown = _with_empty_ones(Shown(tuple(found), around, tuple(called)), sight.below)
    return shown if shown and len(shown.responses) > 1 and _is_complete(shown.labels) else None


# ---- which occurrences are the responses


def _pair(sight: Sight) -> list[Found]:
    """The last labelled pair; else a response beside an empty slot; else the likeliest."""
    text, known = sight.text, sight.known
    firm = _firm(sight)
    labelled = _labelled_pair(text, firm)
    if labelled is not None and not _is_half(text, firm, labelled):
        return list(labelled)
    found = [labelled[1]] if labelled else _most_like_slots(text, known)
    strongest = found if labelled else sorted(known, key=lambda each: -_evidence(text, each))
    for each in strongest[:TRIED_BESIDE_EMPTY]:
        side = _empty_side(text, each) if _is_firm(text, each) else None
        if side is not None:
            return _with_empty(each, side, sight.below)
    return found


def _unmasked(text: str, truth: Truth) -> list[Found]:
    """Occurrences that are part neither of a longer one nor of a word, in order of appearance."""
    covered = bytearray(len(text))
    kept = []
    for found in sorted(truth.occurrences(text), key=lambda each: (-len(each.text), each.position)):
        if covered.find(1, found.position, found.end) < 0 and not _inside_word(text, found):
            covered[found.position : found.end] = b"\1" * len(found.text)
            kept.append(found)
    return sorted(kept)


def _inside_word(text: str, found: Found) -> bool:
    """Whether a short text is only a piece of a word, such as "no" in "notice"."""
    if len(found.text) >= FIRM_CHARACTERS:
        return False
    before, after = text[found.position - 1 : found.position], text[found.end : found.end + 1]
    joined_before = _is_word(before) and _is_word(found.text[0])
    return joined_before or (_is_word(after) and _is_word(found.text[-1]))


def _is_word(character: str) -> bool:
    """ASCII only: not every other script puts spaces between its words."""
    return character.isascii() and character.isalnum()


def _most_like_slots(text: str, found: list[Found]) -> list[Found]:
    """The best pair; its members must be alike or stand firmly on their own."""
    strongest = sorted(found, key=lambda each: (_evidence(text, each), each.position))
    found = sorted(strongest[-MOST_OCCURRENCES:])
    pair = _best_pair(text, found)
    if pair and likeness(*introductions(text, *pair, found)):
        return list(pair)
    firm = [each for each in found if _is_firm(text, each)]
    return list(_best_pair(text, firm) or firm)


def _best_pair(text: str, found: list[Found]) -> Pair | None:
    """Of equally good pairs the last, as what quotes responses mostly stands before them."""
    pairs = list(combinations(found, 2))
    if len(pairs) < 2:
        return pairs[0] if pairs else None
    return max(reversed(pairs), key=lambda pair: _pair_evidence(text, pair, found))


def _pair_evidence(text: str, pair: Pair, found: list[Found]) -> float:
    alike = likeness(*introductions(text, *pair, found))
    return _evidence(text, pair[0]) + _evidence(text, pair[1]) + LIKENESS_EVIDENCE[alike]


def _evidence(text: str, found: Found) -> float:
    """How much an occurrence by itself looks like a response, from 0 to 12."""
    return min(len(found.text), LONG_CHARACTERS) / 8 + _standing(text, found)


def _is_firm(text: str, found: Found) -> bool:
    return len(found.text) >= FIRM_CHARACTERS or _standing(text, found) >= STANDING_ALONE


def _is_settled(text: str, found: Found) -> bool:
    return len(found.text) >= FIRM_CHARACTERS and _standing(text, found) >= STANDING_ALONE


def _looks_single(text: str, found: Found) -> int:
    """Two points for being called a response, one for standing there as one."""
    named = _NAMED.search(text[max(0, found.position - 100) : found.position]) is not None
    alone = _standing(text, found) == ON_LINES_OF_ITS_OWN
    return 2 * named + (alone or _is_settled(text, found))


def _standing(text: str, found: Found) -> int:
    """For each side 2 at the end of a line, 1 beside punctuation, 0 beside a word."""
    before = text[max(0, found.position - 80) : found.position].rstrip(" \t")[-1:]
    after = text[found.end : found.end + 80].lstrip(" \t")[:1]
    return sum(2 if c in {"", "\n"} else 0 if c.isalnum() else 1 for c in (before, after))


# ---- responses that the template numbers


def _firm(sight: Sight) -> list[Found]:
    """What stands firmly, in order; of very many the last."""
    return [each for each in sight.known if _is_firm(sight.text, each)][-MOST_LABELLED:]


def _labelled_pair(text: str, firm: list[Found], *, from_the_end: bool = True) -> Pair | None:
    """The last two with two labels of one template, or the first two."""
    pairs = combinations(reversed(firm) if from_the_end else firm, 2)
    for pair in pairs:
        one, other = sorted(pair)
        if likeness(*introductions(text, one, other, firm)) == 2:
            return one, other
    return None


def _is_half(text: str, firm: list[Found], last: Pair) -> bool:
    """Whether one of them belongs to an example, as the other's own partner is not known."""
    first = _labelled_pair(text, firm, from_the_end=False) if len(firm) > 2 else None
    if first is None or first == last:
        return False
    between = firm[firm.index(last[0]) + 1 : firm.index(last[1])]
    if any(likeness(*introductions(text, each, last[1], firm)) for each in between):
        return True
    orders = [is_backwards(labels(*introductions(text, *pair, firm))) for pair in (first, last)]
    return orders == [False, True]


def _labelled_run(sight: Sight) -> tuple[list[Found], list[str]]:
    """The last labelled pair and all before it whose labels come before."""
    firm = _firm(sight)
    pair = _labelled_pair(sight.text, firm)
    called = labels(*introductions(sight.text, *pair, firm)) if pair else None
    if pair is None or called is None:
        return [], []
    run, names = list(pair), list(called)
    for each in reversed(firm[: firm.index(pair[0])]):
        before = labels(*introductions(sight.text, each, run[0], firm))
        if before is not None and is_backwards(before):
            break
        if before is not None:
            run.insert(0, each)
            names.insert(0, before[0])
    return run, names


def _is_complete(called: tuple[str, ...]) -> bool:
    """Whether no number is left out; other labels are taken as they are."""
    numbers = sorted(int(label) for label in called if label.isdecimal())
    return not numbers or numbers == list(range(1, len(called) + 1))


# ---- an empty slot


def _empty_side(text: str, found: Found) -> str | None:
    """On which side of `found` stands an empty slot like its own; None if on neither or both."""
    around = text[: found.position] + PLACEHOLDER + text[found.end :]
    places = empty_slots(around, found.position)
    sides = {"before" if place < found.position else "after" for place in places}
    return sides.pop() if len(sides) == 1 else None


def _with_empty(found: Found, side: str, quality: float) -> list[Found]:
    if side == "before":
        return [Found(found.position, "", quality), found]
    return [found, Found(found.end, "", quality)]


def _with_empty_ones(shown: Shown, quality: float) -> Shown | None:
    """The responses of a ranking with the empty ones among them; None if some are not known."""
    slots = [match.start() for match in re.finditer(PLACEHOLDER, shown.around)]
    places = empty_slots(shown.around, slots[-1]) if len(slots) > 1 else []
    unknown = unknown_slots(shown.around, slots[-1]) if len(slots) > 1 else []
    if any(place > slots[0] for place in unknown):
        return None
    if not places or not all(label.isdecimal() for label in shown.labels):
        return shown
    numbers = map(str, range(1, len(slots) + len(places) + 1))
    missing = [number for number in numbers if number not in shown.labels]
    known = zip(slots, shown.responses, shown.labels, strict=True)
    empty = ((place, Found(place, "", quality)) for place in places)
    rows = sorted([*known, *((*each, n) for each, n in zip(empty, missing, strict=False))])
    responses, called = tuple(row[1] for row in rows), tuple(row[2] for row in rows)
    return Shown(responses, shown.around, called)


def _blank(sight: Sight) -> str:
    """The prompt with every settled text replaced by as many placeholders."""
    text = sight.text
    for each in sight.known:
        if _is_settled(text, each):
            text = text[: each.position] + OTHER_TEXT * len(each.text) + text[each.end :]
    return text


def _around(sight: Sight, slots: list[Found]) -> str:
    """The prompt with a placeholder for each slot, and for other texts that stand like one."""
    text = sight.text
    others = (each for each in sight.known if _is_settled(text, each) and each not in slots)
    marked = [(each, PLACEHOLDER) for each in slots] + [(each, OTHER_TEXT) for each in others]
    for each, mark in sorted(marked, key=lambda pair: pair[0].position)[::-1]:
        text = text[: each.position] + mark + text[each.end :]
    return text
