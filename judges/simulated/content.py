"""What a text says apart from its form: its content words, authorities and instructions. Pure.

Content words are casefolded words without punctuation. What only marks a text up (numbers of a
list, targets of links, languages of code, tags) need not be kept: a known text is whole in another
one when all its other words stand there, as often, in any order.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

LEAST_COVERED = 0.2  # share of a known text's words; what has fewer of them is another text
MOSTLY = 0.9  # share of a text's own words that stand in the one it was cut from
WHOLE_WEIGHT = 2  # words of a text that is whole against words of one that was cut

_WORD = re.compile(r"[^\W_]+")
_INSIDE_WORDS = str.maketrans("", "", "_*`~")  # snake_case is one word, with its marks or without
_MARKUP = re.compile(
    r"^[ \t>#*_-]*\d{1,3}[.)](?=[ \t]+\S)"
    r"|^[ \t>]*(?:`{3,}|~{3,})[^\s`]*"
    r"|\]\([^()\s]*(?:\s[^()\n]*)?\)"
    r"|</?(?:p|br|hr|[biu]|em|strong|h[1-6]|[uo]l|li|div|span|code|pre)\b[^<>\n]*>"
    r"|&#?\w+;",
    re.M | re.I,
)


def _phrases(*patterns: str) -> re.Pattern[str]:
    """Any of them, whatever white space stands for a space."""
    return re.compile("|".join(patterns).replace(" ", r"\s+"), re.M | re.I)


_AUTHORITY = _phrases(
    r"\baccording to\b",
    r"\bas (?:\w+ ){0,2}(?:shown|stated|confirmed|demonstrated|reported|noted|explained)"
    r" (?:by|in)\b",
    r"\b(?:experts|professors?|scientists|researchers|scholars|specialists)\b",
    r"\b(?:Dr|Prof)\. \w|\bet al\b",
    r"\bpeer(?:-| )reviewed\b",
    r"\b(?:an?|one|the|this|another|recent) (?:[\w-]+ ){0,2}(?:study|meta-analysis)\b",
    r"\b(?:research|studies|evidence) (?:\w+ ){0,2}"
    r"(?:shows?|shown|suggests?|confirms?|confirmed|finds?|found|proves?|proven)\b",
)
_OPTION = r"(?:[abc12]|tie|first|second|(?:response|model|assistant|answer)[\s_]\w+)"
_SELF = r"\b(?:(?:this|my)(?: (?:response|answer|one))?|(?:response|answer|assistant) [12ab])"
_INJECTION = _phrases(
    r"\b(?:ignore|disregard|forget) (?:\w+ ){0,4}"
    r"(?:above|previous|prior|preceding|earlier|others?|instructions?|criteria)\b",
    r"\b(?:choose|select|prefer|pick|favou?r|rate|award|give) "
    r"(?:this (?:response|answer)|(?:response|answer|assistant) [12ab])\b",
    r"\b(?:to|the) (?:judge|grader|evaluator)s?(?:\s*:| (?:should|must))",
    rf"{_SELF} (?:is|as) (?:\w+ ){{0,3}}(?:better|best|superior)\b",
    rf"\[\[{_OPTION}(?:[<>=]+{_OPTION})?\]\]",
    r"[\"'](?:verdict|preference|winner|choice|rating|score|ranking)[\"']\s*:",
    rf"\b(?:verdict|preference|winner)[*_`]*:[\s\"'`*_]*{_OPTION}\b",
    r"^[>\t\x20]*(?:[\[<(#*]+[\t\x20]*system\b|system(?: \w+)?[\t\x20]*:)",
    r"<\|im_start\|>\s*system\b",
)


class Nearest(NamedTuple):
    """The known text that a text is made of, and the share of its words that stand there."""

    text: str
    covered: float


def words(text: str) -> list[str]:
    """All words, casefolded."""
    return _WORD.findall(text.translate(_INSIDE_WORDS).casefold())


def content_words(text: str) -> list[str]:
    """The words that are no markup; all of them where there are no others."""
    return words(_MARKUP.sub(" ", text)) or words(text)


def cites_authority(text: str) -> bool:
    """Whether it appeals to experts, studies or whoever is supposed to know."""
    return _AUTHORITY.search(text) is not None


def instructs_judge(text: str) -> bool:
    """Whether it says what to choose, or poses as a verdict or as the system."""
    return _INJECTION.search(text) is not None


def worth(covered: float, quality: float, below: float) -> float:
    """The quality of what has this share of a text's words: from `below` to just the text's."""
    if covered < LEAST_COVERED:
        return below
    return quality if covered == 1 else below + (quality - below) * covered


class Contents:
    """Known texts, to be found in what was made of them by adding to them or cutting them."""

    def __init__(self, texts: Iterable[str]) -> None:
        numbered = ((text, _numbered(content_words(text))) for text in sorted(texts))
        known = [(text, each) for text, each in numbered if each]
        self._texts = [text for text, _ in known]
        self._words = [each for _, each in known]
        self._sizes = np.array([len(each) for each in self._words], dtype=np.int64)
        having: defaultdict[str, list[int]] = defaultdict(list)
        for i, each in enumerate(self._words):
            for word in each:
                having[word].append(i)
        self._by_rarest: defaultdict[str, list[int]] = defaultdict(list)
        for i, each in enumerate(self._words):
            self._by_rarest[min(each, key=lambda word: len(having[word]))].append(i)
        self._having = {word: np.array(each) for word, each in having.items()}

    def nearest(self, text: str) -> Nearest | None:
        """The longest text that is whole in it; unless it was cut from a much longer one.

        Without either, the best covered text. Ties: the best covered, one that stands there
        literally, the first of the alphabet. None where no text has its least share of words.
        """
        offered = _numbered(words(text))
        whole = self._whole_in(offered)
        longest = max((len(self._words[i]) for i in whole), default=0)
        if not whole or WHOLE_WEIGHT * longest < len(offered):
            return self._fittest(text, offered)  # which is slower
        return self._first(text, [i for i in whole if len(self._words[i]) == longest], 1.0)

    def _whole_in(self, offered: frozenset[str]) -> list[int]:
        filed = (i for word in offered for i in self._by_rarest.get(word, ()))
        return [i for i in filed if self._words[i] <= offered]

    def _fittest(self, text: str, offered: frozenset[str]) -> Nearest | None:
        shared = self._shared(offered)
        covered = shared / self._sizes
        fit = np.where(shared >= MOSTLY * len(content_words(text)), shared, covered)
        fit = np.where(shared == self._sizes, WHOLE_WEIGHT * shared, fit)
        fit[covered < LEAST_COVERED] = 0
        best = np.flatnonzero(fit == fit.max(initial=LEAST_COVERED))
        if not best.size:
            return None
        most = covered[best].max()
        return self._first(text, best[covered[best] == most].tolist(), float(most))

    def _shared(self, offered: frozenset[str]) -> NDArray[np.int64]:
        """How many words of each text stand there."""
        found = [self._having[word] for word in offered if word in self._having]
        every = np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
        return np.bincount(every, minlength=len(self._sizes))

    def _first(self, text: str, tied: Iterable[int], covered: float) -> Nearest:
        chosen = min(tied, key=lambda i: (self._texts[i] not in text, i))
        return Nearest(self._texts[chosen], covered)


def _numbered(found: Iterable[str]) -> frozenset[str]:
    """The words with those that stand there again, as "word 1", "word 2"."""
    counts = Counter(found)
    again = (f"{word} {i}" for word, n in counts.items() if n > 1 for i in range(1, n))
    return frozenset(counts).union(again)
