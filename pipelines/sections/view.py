"""A panel under the rules in force and restricted to a slice, and how rows are made from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import ALL, Estimate
from pipelines.panel import UNPARSED
from pipelines.stats.agreement import (
    TIE,
    TieRule,
    majority_by_mode,
    majority_by_sign,
    one_hot,
    pair_matches,
    shares,
    total,
)
from pipelines.stats.intervals import (
    Interval,
    cluster_sums,
    interval_from_influence,
    ratio,
    smooth_interval,
)
from pipelines.stats.power import smallest_difference, standard_error_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.panel import Ballots, Panel, Who
    from pipelines.stats.intervals import Function

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Places = NDArray[np.intp]

ONE_HUMAN = "one human"
CEILING = "human ceiling"
MAJORITY = "human majority"
DIFFERENCE = (-1.0, 1.0)  # of two shares
PLANNED = "no interval: found in 80% of such data sets (two-sided test at 5%)"
NO_LABEL = "there is no such label"
NO_DECIDED = "no comparison where both labels are decided"


class MajorityRule(StrEnum):
    """`mode`: a split mode is a tie; `sign`: the sign of the mean label."""

    MODE = "mode"
    SIGN = "sign"


class UnparsedRule(StrEnum):
    """What an unparsed reply counts as: left out, a tie, or a disagreement.

    Of those who are judged only: a reference without a preference is none.
    """

    DROP = "drop"
    TIE = "tie"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in force; printed with every row they touch.

    Without `intervals` there are estimates alone, for very large data sets; sections that draw
    resamples have theirs all the same.
    """

    majority: MajorityRule = MajorityRule.MODE
    unparsed: UnparsedRule = UnparsedRule.DROP
    ties: TieRule = TieRule.CLASS
    intervals: bool = True

    @property
    def agreement(self) -> str:
        """The method of agreement rows."""
        return f"ties={self.ties} unparsed={self.unparsed}"

    @property
    def with_majority(self) -> str:
        """The method of rows against the human majority."""
        return f"majority={self.majority} {self.agreement}"

    @property
    def without_wrong(self) -> str:
        """The unparsed rule where there is nothing to be wrong about: `wrong` leaves out."""
        return f"unparsed={'tie' if self.unparsed is UnparsedRule.TIE else 'drop'}"


class View:
    """The comparisons of one slice: `keep` (n,) marks them; all arrays come restricted to it."""

    def __init__(self, panel: Panel, rules: Rules, name: str, keep: Mask) -> None:
        self.panel = panel
        self.rules = rules
        self.name = name
        self.keep = keep
        self.prompt = np.unique(panel.prompt[keep], return_inverse=True)[1]
        self.longer = panel.longer[keep]
        self._kept: dict[int, NDArray[np.uint16]] = {}
        self._counts: dict[int, Floats] = {}
        self._shares: dict[int, Floats] = {}
        self._references: dict[str, Floats] = {}

    def without_labels(self) -> View:
        """For rows from sums that were made already: it knows of labels how many humans gave."""
        made = View.__new__(View)
        panel = replace(
            self.panel, labels={}, features={}, probed={}, _cache={}, _humans=None,
            category=self.panel.category[:0],
        )  # fmt: skip
        made.__dict__ = {
            "panel": panel, "rules": self.rules, "name": self.name, "keep": self.keep,
            "prompt": self.prompt, "longer": self.longer, "n_humans": self.n_humans,
            "_kept": {}, "_counts": {}, "_shares": {}, "_references": {},
        }  # fmt: skip
        return made

    def ballots(self, k: int) -> Ballots:
        """Annotator k's labels in the whole data set; restrict with `keep`."""
        return self.panel.ballots(k)

    def counts(self, k: int) -> Floats:
        """Usable labels (n, 3) under the unparsed rule; `wrong` counts as `drop` here."""
        if k not in self._counts:
            ab, ba, unknown = self.stored(k)
            self._counts[k] = self._usable(k, ab + ba + unknown)
        return self._counts[k]

    def counts_by_order(self, k: int) -> Floats:
        """Usable labels (3, n, 3) by order shown."""
        return self._usable(k, self.stored(k))

    def stored(self, k: int) -> NDArray[np.uint16]:
        """Labels (3, n, 4) by order shown, as they are stored."""
        if k not in self._kept:
            counts = self.ballots(k).counts
            self._kept[k] = counts if self.keep.all() else counts[:, self.keep]
        return self._kept[k]

    def _usable(self, k: int, labels: NDArray[np.uint16]) -> Floats:
        counts = labels[..., :UNPARSED].astype(float)
        if self.rules.unparsed is UnparsedRule.TIE and is_subject(self.panel.annotators[k]):
            counts[..., TIE] += labels[..., UNPARSED]
        return counts

    def _unparsed(self, k: int) -> Floats:
        """Unparsed labels (n,)."""
        result: Floats = self.stored(k)[:, :, UNPARSED].sum(axis=0).astype(float)
        return result

    def shares(self, k: int) -> Floats:
        """Class shares (n, 3) of one label drawn at random; NaN where there is none.

        Under `wrong` an unparsed label is drawn too and matches no class.
        """
        if k not in self._shares:
            counts = self.counts(k)
            with np.errstate(invalid="ignore"):
                self._shares[k] = counts / self._drawn(k, counts)[:, None]
        return self._shares[k]

    def n_labels(self, k: int, items: Mask) -> int:
        """Labels of annotator k behind `shares` on these items."""
        return int(self._drawn(k, self.counts(k))[items].sum())

    def n_usable(self, k: int, items: Mask) -> int:
        """Labels of annotator k behind `counts` on these items."""
        return int(self.counts(k)[items].sum())

    def _drawn(self, k: int, counts: Floats) -> Floats:
        """How many labels (n,) one is drawn from."""
        if self.rules.unparsed is UnparsedRule.WRONG and is_subject(self.panel.annotators[k]):
            return total(counts) + self._unparsed(k)
        return total(counts)

    @cached_property
    def humans(self) -> Floats:
        """Counts (n, 3) of human labels."""
        return self.panel.human_counts()[self.keep]

    @cached_property
    def n_humans(self) -> Floats:
        """How many human labels (n,)."""
        return total(self.humans)

    @cached_property
    def one_of_several(self) -> Floats:
        """Class shares (n, 3) of one human's label; NaN where there are not two humans."""
        found = shares(self.humans)
        found[self.n_humans < 2] = np.nan
        return found

    def reference(self, name: str) -> Floats:
        """Shares (n, 3) of the human majority or of a gold label; NaN where there is none."""
        if name not in self._references:
            majority = self.majority
            if name != MAJORITY:
                golds = self.panel.indices(AnnotatorKind.AGGREGATE)
                [gold] = [g for g in golds if self.panel.annotators[g].name == name]
                majority = majority_by_mode(self.counts(gold))
            self._references[name] = shares(one_hot(majority))
        return self._references[name]

    @cached_property
    def pairs_of_humans(self) -> Floats:
        """(match, weight) of two different humans (n, 2); NaN below two labels."""
        return pair_matches(self.humans, self.rules.ties)

    @cached_property
    def majority(self) -> NDArray[np.int8]:
        """The human majority (n,) under the rule in force; -1 without human labels."""
        if self.rules.majority is MajorityRule.SIGN:
            return majority_by_sign(self.humans)
        return majority_by_mode(self.humans)

    def mean(self, values: Floats, items: Mask) -> Interval:
        """Mean of per-item values in [0, 1] over `items`, clustered by prompt."""
        columns = np.stack([values[items], np.ones(items.sum())]).T
        return self.of_ratio(columns, items, proportion=True)

    def share(self, terms: Floats, items: Mask) -> Interval:
        """Sum of matches over sum of weights (n, 2) over `items`, clustered by prompt."""
        why = NO_DECIDED if items.any() else NO_LABEL
        return self.of_ratio(picked(terms, items), items, proportion=True, undefined=why)

    def of_ratio(
        self,
        columns: Floats,
        items: Mask,
        *,
        proportion: bool = False,
        bounds: tuple[float, float] = (-np.inf, np.inf),
        undefined: str = NO_LABEL,
    ) -> Interval:
        """Sum of the first column over the sum of the second; rows are those of `items`."""
        return self.smooth(
            ratio, columns, items, proportion=proportion, bounds=bounds, undefined=undefined
        )

    def smooth(
        self,
        function: Function,
        columns: Floats,
        items: Mask | Places,
        *,
        proportion: bool = False,
        bounds: tuple[float, float] = (-np.inf, np.inf),
        undefined: str = NO_LABEL,
    ) -> Interval:
        """A function of the totals of columns, whose rows are those of `items`, over prompts."""
        prompt = self.prompt[items]
        if self.rules.intervals:
            return self.of_sums(
                function, cluster_sums(columns, prompt),
                proportion=proportion, bounds=bounds, undefined=undefined,
            )  # fmt: skip
        n_prompts = int(np.count_nonzero(np.bincount(prompt)))
        totals = np.array([column.sum() for column in columns.T])
        return interval_from_influence(function, totals, None, n_prompts, undefined=undefined)

    def of_sums(
        self,
        function: Function,
        sums: Floats,
        *,
        proportion: bool = False,
        bounds: tuple[float, float] = (-np.inf, np.inf),
        undefined: str = NO_LABEL,
    ) -> Interval:
        """The same from the sums of the columns by prompt (G, k), where there are some already."""
        if self.rules.intervals:
            return smooth_interval(
                function, sums, proportion=proportion, bounds=bounds, undefined=undefined
            )
        totals = np.ones(len(sums)) @ sums
        return interval_from_influence(function, totals, None, len(sums), undefined=undefined)


def picked(columns: Floats, items: Mask) -> Floats:
    """The rows of columns (n, c) that `items` marks; each column stays together in memory."""
    return np.stack([column[items] for column in columns.T]).T


def row(
    view: View,
    section: str,
    statistic: str,
    subject: str,
    reference: str,
    interval: Interval,
    *,
    n_items: int,
    n_labels: int,
    unit: str = "share",
    method: str = "",
    note: str | None = None,
) -> Estimate:
    """An Estimate row from an interval."""
    notes = [text for text in (note, interval.note) if text]
    return Estimate(
        section=section,
        subject=subject,
        reference=reference,
        criterion=view.panel.criterion,
        statistic=statistic,
        method=method,
        slice=view.name,
        estimate=interval.estimate,
        low=interval.low,
        high=interval.high,
        n_items=n_items,
        n_prompts=interval.n_prompts,
        n_labels=n_labels,
        unit=unit,
        note="; ".join(notes) or None,
    )


def undefined(
    view: View,
    section: str,
    statistic: str,
    subject: str,
    reference: str,
    why: str,
    *,
    unit: str = "share",
    method: str = "",
) -> Estimate:
    """A row without a number, and why."""
    nothing = Interval(None, None, None, 0, why)
    return row(
        view,
        section,
        statistic,
        subject,
        reference,
        nothing,
        n_items=0,
        n_labels=0,
        unit=unit,
        method=method,
    )


def is_subject(who: Who) -> bool:
    """Whether an annotator is judged rather than judging: a judge or a baseline."""
    return who.kind in ("judge", "baseline")


def detectable(
    view: View, section: str, statistic: str, subject: str, reference: str, found: Interval,
    n_items: int, n_labels: int, method: str,
) -> Iterator[Estimate]:  # fmt: skip
    """Beside a difference that may be none: the smallest one that this data would have shown.

    Overall only: intervals of slices hold for all slices together, this would for one alone.
    """
    if (
        view.name != ALL
        or found.low is None
        or found.high is None
        or not found.low <= 0 <= found.high
    ):
        return
    least = smallest_difference(standard_error_of(found), found.n_prompts)
    yield row(view, section, statistic, subject, reference,
              Interval(least, None, None, found.n_prompts, PLANNED),
              n_items=n_items, n_labels=n_labels, unit="share difference",
              method=method)  # fmt: skip
