"""The texts that the simulated provider knows, and where they occur in a prompt.

Every known text has an anchor: a short piece of it at a known offset. All pieces of a prompt are
hashed at once, and only where an anchor occurs is the text behind it compared. Long texts are
anchored at whichever of a few pieces is rarest among all texts, so that a shared opening ("As an AI
language model, ...") does not send every text to the comparison.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from data.errors import InputError
from judges.simulated.content import Contents, worth

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

ANCHOR_SIZES = (32, 8, 2, 1)  # powers of 2
ANCHORS_TRIED = 8
FILTER_BITS = 22
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Found(NamedTuple):
    """A known text in a prompt."""

    position: int
    text: str
    quality: float

    @property
    def end(self) -> int:
        """The position after its last character."""
        return self.position + len(self.text)


class Typical(NamedTuple):
    """What the known texts are like on average."""

    quality: float
    characters: float
    """The geometric mean."""


class Truth:
    """Known texts with their quality, on any real scale where more is better.

    Texts count as the same when they differ only in surrounding white space and line ends; a text
    that is given several times has its mean quality. Empty texts are nowhere to be found in a
    prompt, and are left out: an empty response is worse than all others (`below`). Texts that are
    `added` are found as well, but what all are like does not depend on them.
    """

    def __init__(
        self, pairs: Iterable[tuple[str, float]], added: Iterable[tuple[str, float]] = ()
    ) -> None:
        given: defaultdict[str, list[float]] = defaultdict(list)
        for text, quality in pairs:
            given[normal(text).strip()].append(quality)
        given.pop("", None)
        self._given = {text: math.fsum(each) / len(each) for text, each in given.items()}
        more = {normal(text).strip(): quality for text, quality in added}
        more.pop("", None)
        self._qualities = {**self._given, **{t: q for t, q in more.items() if t not in given}}
        self._anchors = _anchors(self._qualities)
        values = self._given.values()
        self.typical = _typical(self._given)
        self.below = min(values) - max(1.0, max(values) - min(values)) if values else -1.0

    @classmethod
    def read(cls, path: str | Path) -> Truth:
        """From JSON lines of {"text": ..., "quality": ...}, and "added"; other keys are ignored."""
        try:
            lines = Path(path).read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {path}: {error}") from error
        rows = [_row(f"{path}:{n}", line) for n, line in enumerate(lines, 1) if line.strip()]
        given, added = ([pair for pair, late in rows if late is kind] for kind in (False, True))
        return cls(given, added)

    def write(self, path: str | Path) -> None:
        """As `read` reads it."""
        with Path(path).open("w", encoding="utf-8") as file:
            for text, quality in self:
                late = {} if text in self._given else {"added": True}
                file.write(json.dumps({"text": text, "quality": quality, **late}) + "\n")

    def including(self, texts: Iterable[str]) -> Truth:
        """Know these texts too: each is worth what it has of a given text's words.

        The words are counted as in `content`; a text that is known keeps its quality.
        """
        contents = Contents(self._given)
        added = {text: quality for text, quality in self if text not in self._given}
        for text in dict.fromkeys(normal(each).strip() for each in texts):
            if text not in self._qualities:
                near = contents.nearest(text)
                found = (near.covered, self._given[near.text]) if near else (0.0, self.below)
                added[text] = worth(*found, self.below)
        return Truth(self._given.items(), added.items())

    def __len__(self) -> int:
        return len(self._qualities)

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return iter(self._qualities.items())

    def candidates(self, prompt: str) -> Iterator[tuple[int, int]]:
        """The stretches (start, end) of a prompt that may be a known text; few, and none twice."""
        seen: set[tuple[int, int]] = set()
        for anchors in self._anchors:
            for start, end in anchors.places(prompt):
                if start >= 0 and end <= len(prompt) and (start, end) not in seen:
                    seen.add((start, end))
                    yield start, end

    def occurrences(self, prompt: str) -> list[Found]:
        """Every known text wherever it stands in the prompt, overlapping ones too."""
        return [
            Found(start, prompt[start:end], self._qualities[prompt[start:end]])
            for start, end in self.candidates(prompt)
            if prompt[start:end] in self._qualities
        ]


def normal(text: str) -> str:
    """The text with all its line ends as one newline character."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _row(where: str, line: str) -> tuple[tuple[str, float], bool]:
    """A text with its quality, and whether it was added."""
    try:
        row = json.loads(line)
        text, quality = row["text"], row["quality"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{where}: not an object with text and quality",
            'Each line is {"text": "...", "quality": 0.7}.',
        ) from error
    if not isinstance(text, str):
        raise InputError(f"{where}: text is not a string")
    if isinstance(quality, bool) or not isinstance(quality, int | float):
        raise InputError(f"{where}: quality {quality!r} is not a number")
    if not math.isfinite(quality):
        raise InputError(f"{where}: quality {quality!r} is not finite")
    return (text, float(quality)), row.get("added") is True


def _typical(qualities: Mapping[str, float]) -> Typical:
    n = max(1, len(qualities))
    logs = (math.log(1 + len(text)) for text in qualities)
    return Typical(math.fsum(qualities.values()) / n, math.expm1(math.fsum(logs) / n))


class _Anchors:
    """The anchors of one size: anchor -> the distinct (offset, length) of the texts that have it.

    A filter on hashes, which now and then lets a piece through that is no anchor, spares the table
    nearly all pieces of a prompt.
    """

    def __init__(self, size: int, texts: list[str]) -> None:
        frequency = Counter(
            hash(text[offset : offset + size]) for text in texts for offset in _offsets(text, size)
        )
        places: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)
        for text in texts:
            rarity = {at: frequency[hash(text[at : at + size])] for at in _offsets(text, size)}
            offset = min(rarity, key=rarity.__getitem__)
            places[text[offset : offset + size]].add((offset, len(text)))
        self.size = size
        self._places = {anchor: tuple(sorted(each)) for anchor, each in places.items()}
        self._filter = np.zeros(1 << FILTER_BITS, dtype=bool)
        self._filter[_hashes("".join(places), size)[::size]] = True

    def places(self, prompt: str) -> Iterator[tuple[int, int]]:
        """The (start, end) of all that may stand around the anchors in a prompt."""
        for at in np.flatnonzero(self._filter[_hashes(prompt, self.size)]).tolist():
            for offset, length in self._places.get(prompt[at : at + self.size], ()):
                yield at - offset, at - offset + length


def _anchors(texts: Iterable[str]) -> list[_Anchors]:
    by_size: defaultdict[int, list[str]] = defaultdict(list)
    for text in texts:
        by_size[next(size for size in ANCHOR_SIZES if size <= len(text))].append(text)
    return [_Anchors(size, by_size[size]) for size in sorted(by_size)]


def _hashes(text: str, size: int) -> NDArray[np.uint64]:
    """Of every piece of `size` characters, by where it begins; pieces are joined from halves."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    hashes = (codes.astype(np.uint64) + np.uint64(1)) * _MULTIPLIER
    width = 1
    while width < size:
        mixed = hashes ^ (hashes >> np.uint64(29))
        hashes = (mixed[:-width] * np.uint64(2 * width + 1) + mixed[width:]) * _MULTIPLIER
        width *= 2
    return hashes[: max(0, len(text) - size + 1)] >> np.uint64(64 - FILTER_BITS)


def _offsets(text: str, size: int) -> list[int]:
    """Where anchors are tried: evenly over a long text, else only at its beginning."""
    if size < ANCHOR_SIZES[0]:
        return [0]
    last = len(text) - size
    return sorted({last * i // (ANCHORS_TRIED - 1) for i in range(ANCHORS_TRIED)})
