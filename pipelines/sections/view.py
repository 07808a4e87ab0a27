"""A panel under the rules in force and restricted to a slice, and how rows are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pipelines.estimates import Estimate
from pipelines.panel import UNPARSED
from pipelines.stats.agreement import TIE, majority_by_mode, majority_by_sign
from pipelines.stats.intervals import Interval, cluster_sums, ratio, smooth_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.panel import Ballots, Panel, Who

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

ONE_HUMAN = "one human"
CEILING = "human ceiling"
MAJORITY = "human majority"


class MajorityRule(StrEnum):
    """`mode`: a split mode is a tie; `sign`: the sign of the mean label."""

    MODE = "mode"
    SIGN = "sign"


class UnparsedRule(StrEnum):
    """What an unparsed reply counts as: left out, a tie, or a disagreement."""

    DROP = "drop"
    TIE = "tie"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in force; printed with every row they touch."""

    majority: MajorityRule = MajorityRule.MODE
    unparsed: UnparsedRule = UnparsedRule.DROP

    @property
    def agreement(self) -> str:
        """The method of agreement rows."""
        return f"ties=class unparsed={self.unparsed}"

    @property
    def with_majority(self) -> str:
        """The method of rows against the human majority."""
        return f"majority={self.majority} {self.agreement}"


class View:
    """The comparisons of one slice: `keep` (n,) marks them; all arrays come restricted to it."""

    def __init__(self, panel: Panel, rules: Rules, name: str, keep: Mask) -> None:
        self.panel = panel
        self.rules = rules
        self.name = name
        self.keep = keep
        self.prompt = panel.prompt[keep]
        self.longer = panel.longer[keep]

    def ballots(self, k: int) -> Ballots:
        """Annotator k's labels in the whole data set; restrict with `keep`."""
        return self.panel.ballots(k)

    def counts(self, k: int) -> Floats:
        """Usable labels (n, 3) under the unparsed rule; `wrong` counts as `drop` here."""
        return self.counts_by_order(k).sum(axis=0)

    def counts_by_order(self, k: int) -> Floats:
        """Usable labels (3, n, 3) by order shown."""
        counts = self.ballots(k).counts[:, self.keep, :].astype(float)
        if self.rules.unparsed is UnparsedRule.TIE:
            counts[:, :, TIE] += counts[:, :, UNPARSED]
        return counts[:, :, :3]

    def shares(self, k: int) -> Floats:
        """Class shares (n, 3) of one label drawn at random; NaN where there is none.

        Under `wrong` an unparsed label is drawn too and matches no class.
        """
        counts = self.counts(k)
        total = counts.sum(axis=1)
        if self.rules.unparsed is UnparsedRule.WRONG:
            total = total + self.ballots(k).counts[:, self.keep, UNPARSED].sum(axis=0)
        with np.errstate(invalid="ignore"):
            result: Floats = counts / total[:, None]
        return result

    def n_labels(self, k: int, items: Mask) -> int:
        """Labels of annotator k behind `shares` on these items."""
        counts = self.ballots(k).counts[:, self.keep, :][:, items, :]
        used = counts if self.rules.unparsed is not UnparsedRule.DROP else counts[:, :, :3]
        return int(used.sum())

    @cached_property
    def humans(self) -> Floats:
        """Counts (n, 3) of human labels."""
        return self.panel.human_counts()[self.keep]

    @cached_property
    def majority(self) -> NDArray[np.int8]:
        """The human majority (n,) under the rule in force; -1 without human labels."""
        if self.rules.majority is MajorityRule.SIGN:
            return majority_by_sign(self.humans)
        return majority_by_mode(self.humans)

    def mean(self, values: Floats, items: Mask) -> Interval:
        """Mean of per-item values in [0, 1] over `items`, clustered by prompt."""
        columns = np.stack([values[items], np.ones(items.sum())], axis=1)
        return self.of_ratio(columns, items, proportion=True)

    def of_ratio(self, columns: Floats, items: Mask, *, proportion: bool) -> Interval:
        """Sum of the first column over the sum of the second; rows are those of `items`."""
        sums = cluster_sums(columns, self.prompt[items])
        return smooth_interval(ratio, sums, proportion=proportion)


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
