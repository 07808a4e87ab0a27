"""The response is as many characters of made-up words, none of which it has."""

from __future__ import annotations

from itertools import cycle, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.derive import Given

WORSE = True
N_WORDS = 9  # in a sentence, which so has more than 60 characters
WORDS = """
drenotil quavish plomera tiskund orvelap mabrin seltova grumick dafloon hestruv wimpalor zantreel
crivonas ublister fendoque jorpane kelbrint lospirad nemoffle pratuline rilgonto sabdrex tovelund
yarplish
"""


def change(given: Given) -> str | None:
    """Sentences of nothing; None where there is nothing to be replaced."""
    present = given.response.casefold()
    words = [word for word in WORDS.split() if word not in present]
    if not (words and present):
        return None
    drawn = cycle(words)
    n_sentences = len(given.response) // 60 + 1
    sentences = (" ".join(islice(drawn, N_WORDS)).capitalize() for _ in range(n_sentences))
    return _cut(". ".join(sentences), len(given.response))


def _cut(text: str, length: int) -> str:
    """The first whole words that reach this length, with a stop."""
    end = text.find(" ", length)
    return text[: end if end >= 0 else None].rstrip(".") + "."
