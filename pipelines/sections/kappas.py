"""Cohen's kappa of every pair of annotators, without a table for every comparison."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from pipelines.estimates import ALL
from pipelines.sections.view import ONE_HUMAN, is_subject, row
from pipelines.stats.agreement import cohen_kappa, pair_confusion, total
from pipelines.stats.intervals import NO_VARIATION, interval_from_influence
from pipelines.threads import in_threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.sections.view import View
    from pipelines.stats.intervals import Interval

    Floats = NDArray[np.float64]

SECTION = "agreement"
CONSTANT = "no interval, as {} always gives the same label: kappa is then 0 whatever the others say"
CHANCE_IS_ONE = "chance agreement is 1: both always give the same class"
NONE_IN_COMMON = "no comparison labelled by both"
KAPPA = (-1.0, 1.0)
_RANK = ("human", "aggregate", "judge", "baseline")  # references first


class _Labels:
    """The labels of J annotators, and one product for all their tables.

    `shares` (J, 3, n): class shares, 0 where there is no label, so that such comparisons add
    nothing to any sum. `n` (J, n): labels. Unparsed labels are left out: kappa has no class for
    them.
    """

    def __init__(self, view: View, counts: Sequence[Floats]) -> None:
        self.prompt, self.intervals = view.prompt, view.rules.intervals
        self.n = np.stack([total(each) for each in counts])
        self.shares = np.stack([each.T for each in counts])
        if self.intervals:  # a prompt's comparisons stand together: its sum is one of neighbours
            order = np.argsort(view.prompt, kind="stable")
            self.prompt = view.prompt[order]
            for each in (*self.n, *self.shares.reshape(-1, len(order))):
                each[:] = each[order]
            self.starts = np.flatnonzero(np.diff(self.prompt, prepend=-1))
        self.shares /= np.maximum(self.n, 1)[:, None]
        self.labelled = self.n > 0
        flat, labelled = self.shares.reshape(3 * len(counts), -1), self.labelled.astype(float)
        self.tables = (flat @ flat.T).reshape(len(counts), 3, len(counts), 3)
        self.n_items = labelled @ labelled.T
        self.n_labels = self.n @ labelled.T  # of the first, where the second has one too

    def kappa(self, one: int, other: int) -> Interval:
        """Cohen's kappa of two of them."""
        common = self.prompt[self.labelled[one] & self.labelled[other]]
        present = np.bincount(common) > 0

        def influence(gradient: Floats) -> Floats:
            weighted = gradient.reshape(3, 3).T @ self.shares[one]
            per_item = np.einsum("in,in->n", weighted, self.shares[other])
            by_prompt: Floats = np.add.reduceat(per_item, self.starts)
            return by_prompt[: len(present)][present]

        return interval_from_influence(
            cohen_kappa,
            self.tables[one, :, other].ravel(),
            influence if self.intervals else None,
            int(present.sum()),
            bounds=KAPPA,
            undefined=CHANCE_IS_ONE if len(common) else NONE_IN_COMMON,
        )

    def constant(self, one: int, other: int) -> int | None:
        """Which of two gave one class only to all that both labelled, if one of them did."""
        table = self.tables[one, :, other]
        for who, given in ((one, table.sum(axis=1)), (other, table.sum(axis=0))):
            if np.count_nonzero(given) == 1:
                return who
        return None


def kappa_rows(view: View) -> Iterator[Estimate]:
    """Cohen's kappa of every pair of identified annotators; anonymous humans stand as one.

    In slices only the pairs with a human or a gold label: judge against judge would drown them.
    """
    annotators = view.panel.annotators
    named = [k for k, who in enumerate(annotators) if not who.anonymous]
    named.sort(key=lambda k: _RANK.index(annotators[k].kind))
    subject = [is_subject(annotators[k]) for k in named]
    names, counts = [annotators[k].name for k in named], in_threads(view.counts, named)
    some_anonymous = len(named) < len(annotators)
    if some_anonymous:
        names, counts = [*names, ONE_HUMAN], [*counts, view.humans]
    if not names:
        return
    labels = _Labels(view, counts)
    wanted = [
        (one, other)
        for one, other in combinations(range(len(named)), 2)
        if view.name == ALL or not subject[one]
    ]
    yield from in_threads(
        lambda pair: _kappa_row(view, labels, names, pair[1], pair[0], both_count=True), wanted
    )
    if some_anonymous:
        yield _kappa_among_humans(view)
        for k in np.flatnonzero(subject):
            yield _kappa_row(view, labels, names, int(k), len(named), both_count=False)


def _kappa_row(
    view: View, labels: _Labels, names: Sequence[str], one: int, other: int, *, both_count: bool
) -> Estimate:
    """`both_count`: whether the reference's labels are counted as well."""
    n_labels = labels.n_labels[one, other] + (labels.n_labels[other, one] if both_count else 0)
    n_items = int(labels.n_items[one, other])
    found = labels.kappa(one, other)
    constant = labels.constant(one, other)
    if constant is not None and found.note == NO_VARIATION:
        found = replace(found, note=CONSTANT.format(names[constant]))
    return _row(view, names[one], names[other], found, n_items, int(n_labels))


def _kappa_among_humans(view: View) -> Estimate:
    items = view.n_humans >= 2
    why = CHANCE_IS_ONE if items.any() else NONE_IN_COMMON
    columns = pair_confusion(view.humans[items])
    found = view.smooth(cohen_kappa, columns, items, bounds=KAPPA, undefined=why)
    n_labels = int(view.n_humans[items].sum())
    return _row(view, ONE_HUMAN, ONE_HUMAN, found, int(items.sum()), n_labels)


def _row(
    view: View, subject: str, reference: str, found: Interval, n_items: int, n_labels: int
) -> Estimate:
    return row(view, SECTION, "cohen_kappa", subject, reference, found,
               n_items=n_items, n_labels=n_labels, unit="kappa",
               method=f"stated orientation {view.rules.without_wrong}")  # fmt: skip
