"""Compare the two sources of feedback on one data set: the store in, Estimate rows out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from data.errors import InputError
from pipelines.estimates import ALL
from pipelines.features import fill_features, read_features
from pipelines.panel import read_panel
from pipelines.probed import read_probed
from pipelines.sections.agreement import agreement_rows, best_reference, difference_rows
from pipelines.sections.bias import bias_rows
from pipelines.sections.calibration import calibration_rows
from pipelines.sections.chance import chance_rows
from pipelines.sections.consistency import consistency_rows
from pipelines.sections.cost import cost_rows
from pipelines.sections.dawid_skene import dawid_skene_rows
from pipelines.sections.humans import humans_rows
from pipelines.sections.ranking import ranking_rows
from pipelines.sections.replacement import replacement_rows
from pipelines.sections.view import Rules, View
from pipelines.slices import simultaneous, slice_codes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from data.store import Store
    from pipelines.estimates import Estimate
    from pipelines.panel import Panel

SECTIONS = {
    "agreement": agreement_rows,
    "chance": chance_rows,
    "replacement": replacement_rows,
    "calibration": calibration_rows,
    "ranking": ranking_rows,
    "consistency": consistency_rows,
    "humans": humans_rows,
    "dawid_skene": dawid_skene_rows,
    "bias": bias_rows,
    "cost": cost_rows,
}
PAGE_SECTIONS = tuple(name for name in SECTIONS if name != "dawid_skene")
DEFAULT_SECTIONS = ("agreement", "bias", "cost")  # what a first look needs, in seconds


def compare(
    store: Store,
    dataset: str,
    *,
    rules: Rules | None = None,
    criterion: str | None = None,
    sections: Sequence[str] = DEFAULT_SECTIONS,
    judges: Sequence[str] = (),
    slices: str | None = "category",
) -> list[Estimate]:
    """All Estimate rows of a data set: overall, then by slice.

    `judges` names those to compare (all without), `slices` the column of the slices (category,
    length or models; None: none). Raises InputError for an unknown data set, criterion, judge or
    column.
    """
    panel = read_panel(store, dataset, criterion, judges)
    if "bias" in sections:
        fill_features(store, dataset)
        read_features(store, panel)
        read_probed(store, panel, judges)
    return estimates_of(panel, rules or Rules(), sections, slices)


def compare_judges(
    store: Store,
    dataset: str,
    first: str,
    second: str,
    *,
    rules: Rules | None = None,
    criterion: str | None = None,
) -> list[Estimate]:
    """Two judges on the comparisons that both labelled: each one's agreement, then the difference.

    Raises InputError as `compare` does, and where both are the same judge.
    """
    if first == second:
        raise InputError(f"{first!r} is compared with itself", "Name two judges.")
    panel = read_panel(store, dataset, criterion, (first, second))
    view = View(panel, rules or Rules(), ALL, np.ones(panel.n_items, dtype=bool))
    return list(
        difference_rows(view, first, second, best_reference(view, first, second), each=True)
    )


def estimates_of(
    panel: Panel,
    rules: Rules,
    sections: Sequence[str] = DEFAULT_SECTIONS,
    slices: str | None = "category",
) -> list[Estimate]:
    """The rows of a panel that has been read."""
    return rows_of(panel, rules, {section: SECTIONS[section] for section in sections}, slices)


def rows_of(
    panel: Panel,
    rules: Rules,
    sections: Mapping[str, Callable[[View], Iterator[Estimate]]],
    slices: str | None,
) -> list[Estimate]:
    """The same of any functions of a slice, each under the name of its section."""
    found: dict[str, list[Estimate]] = {section: [] for section in sections}
    for view in _views(panel, rules, slices):
        for section, rows in sections.items():
            # who has nothing in a slice needs no row there
            found[section] += [row for row in rows(view) if row.n_items or view.name == ALL]
    if "agreement" in found and slices is not None and rules.intervals:
        found["agreement"] = simultaneous(panel, rules, slices, found["agreement"])
    return [row for section in sections for row in found[section]]


def _views(panel: Panel, rules: Rules, slices: str | None) -> Iterator[View]:
    yield View(panel, rules, ALL, np.ones(panel.n_items, dtype=bool))
    if slices is None:
        return
    names, codes = slice_codes(panel, slices)
    for place, name in enumerate(names):
        yield View(panel, rules, f"{slices}={name}", codes == place)
