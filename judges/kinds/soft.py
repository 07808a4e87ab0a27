"""Soft label: how likely each verdict is, from the log-probabilities of the verdict's token.

As RLAIF does it (Lee et al., arXiv 2309.00267): the model answers with one of two words, and the
softmax over the two words' log-probabilities is P(first shown is better). The mean over both orders
is taken where labels are analysed. A provider that returns none is asked for samples instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from data.records import LabelStatus, Shown
from judges.kinds.kind import no_verdict
from judges.kinds.pairwise import Pairwise, pair_values, verdict_of
from judges.parsing import Menu, Unparsed, plain
from judges.prompts import PAIR
from judges.task import Opinion, Place, by_score

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from data.records import Reply
    from judges.prompts import Values
    from judges.task import Task

ALTERNATIVES = 20  # as many as OpenAI gives
# The last line that is not empty, with `Verdict:` before the word or without.
BARE = r"^(?:[ \t*_#`-]*+(?:final[ \t]++)?verdict[ \t*_`]*+[:=])?(?P<verdict>[^\n]*[^\s][^\n]*)$"


@dataclass(frozen=True, slots=True)
class Soft:
    """One request for each order; one label with `p_a`."""

    menu: Menu = field(default_factory=lambda: Menu(tie=None, pattern=BARE))
    alternatives: int = ALTERNATIVES
    fallback_samples: int = 0
    needed = PAIR
    ordered = True
    by_prompt = False

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Asks for the log-probabilities."""
        return {"logprobs": True, "top_logprobs": self.alternatives}

    def shows(self, task: Task) -> tuple[Values, ...]:
        """The prompt and both responses, in the order shown."""
        return (pair_values(task),)

    def answer(self, *, as_json: bool) -> str:  # noqa: ARG002 (the words are the answer)
        """One of two words."""
        return self.instead().answer(as_json=False)

    def schema(self) -> dict[str, Any]:
        """None: the answer is a word."""
        return {}

    def places(self, task: Task, criterion: str) -> tuple[Place, ...]:
        """The one label."""
        return (Place(task.comparison.comparison_id, task.shown, criterion),)

    def read(
        self, task: Task, criterion: str, replies: Sequence[Reply], *, as_json: bool
    ) -> dict[Place, Opinion]:
        """P(a is preferred) at the verdict's token. Without log-probabilities: a parse error.

        What has no verdict as text has none as tokens: a number in its prose is not one.
        """
        del as_json
        (reply,) = replies
        first = self._first(reply)
        if isinstance(first, Unparsed):
            return {self.places(task, criterion)[0]: no_verdict(first.reason, reply)}
        p_a = 1 - first if task.shown is Shown.BA else first
        opinion = Opinion(LabelStatus.OK, by_score(p_a), p_a, details={"soft_from": "logprobs"})
        return {self.places(task, criterion)[0]: opinion}

    def _first(self, reply: Reply) -> float | Unparsed:
        """P(first shown is better), or why it is not known."""
        verdict = verdict_of(reply, self.menu)
        if isinstance(verdict, Unparsed):
            return verdict
        if reply.logprobs is None:
            return Unparsed("no log-probabilities; fallback_samples asks for samples instead")
        first = p_first(reply.logprobs, self.menu)
        return Unparsed("no token is likeliest one of the words") if first is None else first

    def instead(self) -> Pairwise:
        """The same question, asked several times where there are no log-probabilities."""
        return Pairwise(self.menu, bare=True)

    def describe(self) -> dict[str, Any]:
        """The words and the fallback."""
        fallback = {"fallback_samples": self.fallback_samples, "alternatives": self.alternatives}
        return {"kind": "soft", **self.menu.describe(), **fallback}


def p_first(tokens: Sequence[Mapping[str, float]], menu: Menu) -> float | None:
    """P(first shown) in [0, 1]: softmax over the two words, at the last token that is one of them.

    The token chosen is the likeliest one. A word that is not among the alternatives counts as
    impossible there. None where no token is one of the words.
    """
    words = [plain(menu.first), plain(menu.second)]
    for alternatives in reversed(tokens):
        known = {token: p for token, p in alternatives.items() if math.isfinite(p)}
        if known and plain(max(known, key=lambda token: known[token])) in words:
            top = max(known.values())
            first, second = (_mass(known, word, top) for word in words)
            return first / (first + second)
    return None


def _mass(alternatives: Mapping[str, float], word: str, top: float) -> float:
    """Probability of all spellings of a word (` 1`, `1`), relative to the likeliest token."""
    spelled = (p for token, p in alternatives.items() if plain(token) == word)
    return math.fsum(math.exp(p - top) for p in spelled)
