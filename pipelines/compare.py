"""Compare the two sources of feedback on one data set: the store in, Estimate rows out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.estimates import ALL
from pipelines.panel import read_panel
from pipelines.sections.agreement import agreement_rows
from pipelines.sections.bias import bias_rows
from pipelines.sections.cost import cost_rows
from pipelines.sections.view import Rules, View

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from data.store import Store
    from pipelines.estimates import Estimate
    from pipelines.panel import Panel

SECTIONS = {"agreement": agreement_rows, "bias": bias_rows, "cost": cost_rows}


def compare(
    store: Store,
    dataset: str,
    *,
    rules: Rules | None = None,
    criterion: str | None = None,
    sections: Sequence[str] = tuple(SECTIONS),
) -> list[Estimate]:
    """All Estimate rows of a data set: overall, then by category.

    Raises InputError for an unknown data set or criterion.
    """
    return estimates_of(read_panel(store, dataset, criterion), rules or Rules(), sections)


def estimates_of(
    panel: Panel, rules: Rules, sections: Sequence[str] = tuple(SECTIONS)
) -> list[Estimate]:
    """The rows of a panel that has been read."""
    found: dict[str, list[Estimate]] = {section: [] for section in sections}
    for view in _views(panel, rules):
        for section in sections:
            rows = SECTIONS[section](view)
            # who has nothing in a slice needs no row there
            found[section] += [row for row in rows if row.n_items or view.name == ALL]
    return [row for section in sections for row in found[section]]


def _views(panel: Panel, rules: Rules) -> Iterator[View]:
    yield View(panel, rules, ALL, np.ones(panel.n_items, dtype=bool))
    names = sorted({name for name in panel.category if name is not None})
    for name in names if len(names) > 1 else ():
        yield View(panel, rules, f"category={name}", panel.category == name)
