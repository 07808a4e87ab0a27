"""What is counted of a data set: who gave a usable label to which comparison, in which order.

"A comparison has k human labels" counts humans, not their repeats.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from data.records import AnnotatorKind
from pipelines.support.words import few, listed, number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.panel import Panel

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]

HUMAN, AGGREGATE = AnnotatorKind.HUMAN, AnnotatorKind.AGGREGATE
JUDGE, BASELINE = AnnotatorKind.JUDGE, AnnotatorKind.BASELINE
ORDERS = {
    "both": "both orders",
    "random": "one order each, as if drawn at random",
    "fixed": "one order each, not as if drawn at random",
    "unknown": "order not known",
}
COIN_ERRORS = 3.0  # orders drawn by a fair coin are rarely further from half


@dataclass(frozen=True, slots=True)
class Orders:
    """Usable labels (k,) of each annotator by order: what tells a place from a response.

    `net` is ab less ba, `spread` the root of the summed squares of that over comparisons: what net
    would be by a fair coin. `swapped`: comparisons labelled in both orders.
    """

    ab: Integers
    ba: Integers
    net: Floats
    spread: Floats
    swapped: Integers

    def of(self, k: int) -> str:
        """Which of ORDERS annotator k was shown."""
        if self.swapped[k]:
            return "both"
        if self.ab[k] + self.ba[k] == 0:
            return "unknown"
        return "random" if self._by_coin(k) else "fixed"

    def _by_coin(self, k: int) -> bool:
        one_only = self.ab[k] == 0 or self.ba[k] == 0
        return not one_only and bool(abs(self.net[k]) <= COIN_ERRORS * self.spread[k])


class Facts:
    """What the answers count from: who gave a usable label to which comparison."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.dataset = shlex.quote(panel.dataset)
        usable = panel.labels["preference"] >= 0
        self.usable = {name: column[usable] for name, column in panel.labels.items()}
        self.code = self.usable["annotator"].astype(np.int64) * panel.n_items + self.usable["item"]
        once = _tally(self.code, self._n_codes(len(panel.annotators)))[0]
        self.who, self.item = np.divmod(once, max(1, panel.n_items))
        self.human = self.of_kind(HUMAN)
        self.identified = self.human & ~np.array([a.anonymous for a in panel.annotators], bool)
        self.noun = "judge" if panel.indices(JUDGE) or not panel.indices(BASELINE) else "baseline"
        self.subject = self.of_kind(AnnotatorKind(self.noun))
        self.humans = self.labelled_by(self.human)
        self.judged = self.labelled_by(self.subject) > 0
        self.gold = self.labelled_by(self.of_kind(AGGREGATE)) > 0
        self.orders = self._orders(self.usable["annotator"], len(panel.annotators))

    def of_kind(self, *kinds: AnnotatorKind) -> Mask:
        """Which annotators (k,) are of these kinds."""
        return np.array([who.kind in kinds for who in self.panel.annotators], bool)

    def labelled_by(self, annotators: Mask) -> Integers:
        """How many of these annotators gave each comparison (n,) a usable label."""
        mine = self.item[annotators[self.who]]
        return np.bincount(mine, minlength=self.panel.n_items).astype(np.int64)

    def n_prompts(self, items: Mask) -> int:
        """Prompts of these comparisons."""
        return int((np.bincount(self.panel.prompt[items]) > 0).sum())

    def on(self, words: str, items: Mask) -> str:
        """`WORDS on 480 of 800 comparisons (60 prompts)`, with what few prompts mean."""
        n, of, prompts = int(items.sum()), self.panel.n_items, self.n_prompts(items)
        if not n:
            return f"no comparison with {words}"
        some = f"all {number(of, 'comparison')}" if n == of else f"{n:,} of {of:,} comparisons"
        return f"{words} on {some} ({number(prompts, 'prompt')}{few(prompts)})"

    def repeated(self, kind: AnnotatorKind) -> Mask:
        """Comparisons (n,) with several usable labels of a judge in one order, or of a human."""
        chosen = self.of_kind(JUDGE) if kind is JUDGE else self.identified
        rows = chosen[self.usable["annotator"]]
        code, size = self.code[rows], self._n_codes(len(chosen))
        if kind is JUDGE:
            shown = self.usable["shown"][rows].astype(np.int64) + 1
            found, times = _tally(code * 3 + shown, 3 * size)
            found = found // 3
        else:
            found, times = _tally(code, size)
        item = found[times > 1] % max(1, self.panel.n_items)
        return np.bincount(item, minlength=self.panel.n_items) > 0

    def _n_codes(self, n_annotators: int) -> int:
        return n_annotators * self.panel.n_items

    def orders_of_humans(self) -> Orders:
        """Of all humans as one annotator, number 0: they may have seen a comparison alike."""
        nobody = np.where(self.human[self.usable["annotator"]], 0, 1)
        return self._orders(nobody, 2)

    def _orders(self, annotator: NDArray[Any], n: int) -> Orders:
        known = self.usable["shown"] >= 0
        who, shown = annotator[known].astype(np.int64), self.usable["shown"][known]
        code = who * self.panel.n_items + self.usable["item"][known]
        found, times = _tally(code * 2 + shown, 2 * self._n_codes(n))
        first = np.diff(found // 2, prepend=-1) > 0
        place = np.cumsum(first) - 1  # one number for both orders of a comparison
        net = np.bincount(place, weights=times * (1 - 2 * (found % 2)))
        owner = found[first] // 2 // max(1, self.panel.n_items)
        return Orders(
            ab=np.bincount(who[shown == 0], minlength=n),
            ba=np.bincount(who[shown == 1], minlength=n),
            net=np.bincount(owner, weights=net, minlength=n).astype(np.float64),
            spread=np.sqrt(np.bincount(owner, weights=net * net, minlength=n)),
            swapped=np.bincount(owner[np.bincount(place) > 1], minlength=n),
        )

    def names(self, annotators: Mask) -> str:
        """Up to three names, then how many more."""
        return listed([w.name for w, chosen in zip(self.panel.annotators, annotators, strict=True)
                        if chosen])  # fmt: skip

    @property
    def label(self) -> str:
        """The command that adds a judge; the shipped one shows both orders."""
        return f"concord label --judge gpt-5.4-mini --dataset {self.dataset}"

    @property
    def price(self) -> str:
        """The command that says who has no price, and sets one with an amount."""
        return f"concord price --dataset {self.dataset}"

    @property
    def add_labels(self) -> str:
        """The command that adds labels to comparisons that are there."""
        return f"concord import csv labels.csv --dataset {self.dataset}"


def _tally(codes: Integers, size: int) -> tuple[Integers, Integers]:
    """The different codes in order, and how often each: counted where that is faster than sorting.

    `codes` are below `size`, which may be far more than there are: many humans, few labels each.
    """
    if size > 4 * len(codes):
        found, times = np.unique(codes, return_counts=True)
        return found, times
    times = np.bincount(codes, minlength=size)
    found = np.flatnonzero(times)
    return found, times[found]
