"""Position and length rows: descriptive shares, not yet called bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.panel import AB, BA, UNKNOWN
from pipelines.sections.view import ONE_HUMAN, View, is_subject, row, undefined
from pipelines.stats.agreement import shares, total
from pipelines.stats.position import first_shown_counts, longer_counts, order_consistency

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate

    Floats = NDArray[np.float64]

SECTION = "bias"
NO_ORDER = "the order in which the responses were shown is not known"
ONE_ORDER = "one fixed order: a preference for the place cannot be told from one for the response"


def bias_rows(view: View) -> Iterator[Estimate]:
    """All position and length rows of one slice: each judge, and the humans as one."""
    for name, counts in _subjects(view):
        yield from _position(view, name, counts)
        yield from _length(view, name, counts.sum(axis=0))


def _subjects(view: View) -> Iterator[tuple[str, Floats]]:
    """Name and usable labels (3, n, 3) by order shown."""
    humans = view.panel.indices(AnnotatorKind.HUMAN)
    if humans:
        yield ONE_HUMAN, np.sum([view.counts_by_order(k) for k in humans], axis=0)
    for k, who in enumerate(view.panel.annotators):
        if is_subject(who):
            yield who.name, view.counts_by_order(k)


def _position(view: View, name: str, counts: Floats) -> Iterator[Estimate]:
    ab, ba = counts[AB], counts[BA]
    n_ab, n_ba = total(ab), total(ba)
    yield from _consistency(view, name, ab, ba)
    items = n_ab + n_ba > 0
    if not items.any():
        if view.name == ALL:
            yield undefined(view, SECTION, "first_shown_share", name, "order shown", NO_ORDER)
        return
    chosen = first_shown_counts(ab, ba)[items]
    interval = view.of_ratio(chosen, items, proportion=True)
    yield row(view, SECTION, "first_shown_share", name, "order shown", interval,
              n_items=int(items.sum()), n_labels=int(chosen[:, 1].sum()),
              method=f"ties=counted {view.rules.without_wrong}",
              note=_order_note(counts))  # fmt: skip


def _order_note(counts: Floats) -> str | None:
    n_ab, n_ba, n_unknown = (int(counts[order].sum()) for order in (AB, BA, UNKNOWN))
    parts = [ONE_ORDER] if n_ab == 0 or n_ba == 0 else []
    if n_unknown:
        parts.append(f"left out: {n_unknown:,} labels whose order is not known")
    return "; ".join(parts) or None


def _consistency(view: View, name: str, ab: Floats, ba: Floats) -> Iterator[Estimate]:
    """Only of judges: two humans in two orders differ for other reasons."""
    if name == ONE_HUMAN:
        return
    values = order_consistency(shares(ab), shares(ba))
    items = np.isfinite(values)
    if items.any():
        n_labels = int((ab[items] + ba[items]).sum())
        yield row(view, SECTION, "position_consistency", name, "orders swapped",
                  view.mean(values, items), n_items=int(items.sum()), n_labels=n_labels,
                  method=f"ties=class {view.rules.without_wrong}")  # fmt: skip
    elif view.name == ALL:
        why = "no comparison was labelled in both orders"
        yield undefined(view, SECTION, "position_consistency", name, "orders swapped", why)


def _length(view: View, name: str, counts: Floats) -> Iterator[Estimate]:
    chosen = longer_counts(counts, view.longer)
    items = chosen[:, 1] > 0
    if items.any():
        yield row(view, SECTION, "longer_chosen_share", name, "length in characters",
                  view.of_ratio(chosen[items], items, proportion=True),
                  n_items=int(items.sum()), n_labels=int(chosen[:, 1].sum()),
                  method="decided labels")  # fmt: skip
    elif view.name == ALL:
        texts = "the texts of the responses are not known"
        why = "no decided label on responses of different length"
        yield undefined(view, SECTION, "longer_chosen_share", name, "length in characters",
                        why if view.panel.n_with_texts else texts)  # fmt: skip
