"""`concord power`: how much to label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.terminal import print_json, print_table, say
from data.store import Store
from pipelines.estimates import ALL
from pipelines.panel import read_panel
from pipelines.planning import needs
from pipelines.sections.view import Rules, View

if TYPE_CHECKING:
    from pathlib import Path


def run_power(path: Path, dataset: str | None, points: float, *, as_json: bool) -> None:
    """By the labels of a data set where one is named, else by rules of thumb."""
    view = None
    if dataset is not None:
        panel = read_panel(Store(path), dataset)
        view = View(panel, Rules(), ALL, np.ones(panel.n_items, dtype=bool))
    found = needs(points / 100, view)
    if as_json:
        print_json(found)
        return
    print_table(
        ["to", "if", "comparisons"],
        [(row.question, row.assumed, row.comparisons or "cannot be") for row in found.rows],
        numbers=[2],
    )
    say("80% power at 5%, two-sided; comparisons of one prompt count for less:")
    if view is None:
        say("--dataset measures by how much, and the rates above")
    else:
        say(f"up to {found.most:.1f} times as many, where those of a prompt are all alike")
