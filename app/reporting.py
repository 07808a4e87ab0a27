"""`concord report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.browsing import chosen_dataset, take_up_if_possible
from app.terminal import print_estimates_as, print_json, print_report
from data.errors import InputError
from data.store import Store
from pipelines.compare import SECTIONS, estimates_of
from pipelines.estimates import as_row
from pipelines.panel import read_panel
from pipelines.sections.view import MajorityRule, Rules, UnparsedRule

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def run_report(
    path: Path,
    dataset: str | None,
    form: str,
    sections: Sequence[str],
    criterion: str | None,
    majority: str,
    unparsed: str,
    *,
    slices: bool,
    wide: bool,
) -> None:
    """Print the Estimate rows of a data set."""
    for section in sections:
        if section not in SECTIONS:
            raise InputError(f"no section {section!r}", f"There are: {', '.join(SECTIONS)}.")
    store = Store(path)
    take_up_if_possible(store)
    panel = read_panel(store, chosen_dataset(store, dataset), criterion)
    rules = Rules(MajorityRule(majority), UnparsedRule(unparsed))
    rows = estimates_of(panel, rules, sections or tuple(SECTIONS))
    if form == "json":
        estimates = [as_row(row) for row in rows]
        print_json({"dataset": panel.dataset, "simulated": panel.simulated, "estimates": estimates})
    elif form == "table":
        print_report(panel.dataset, panel.simulated, rows, wide=wide, slices=slices)
    else:
        print_estimates_as(form, rows)
