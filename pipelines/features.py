"""Features of the responses: counted once, stored, and read as differences between a and b."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from data.feature_values import count_features, count_missing, stored_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from data.store import Store
    from pipelines.panel import Panel


def fill_features(
    store: Store, dataset: str, progress: Callable[[int, int], None] | None = None
) -> int:
    """Count what the store lacks; `progress` hears of comparisons done and to do. How many."""
    missing = count_missing(store, dataset)
    if missing:
        for done in count_features(store, dataset):
            if progress is not None:
                progress(done, missing)
    return missing


def read_features(store: Store, panel: Panel) -> None:
    """Put the stored features into a panel, as differences a - b.

    Counts differ as log(1 + a) - log(1 + b): one more list item matters less after ten. A user's
    own feature differs as it is.
    """
    with store.reading() as con:
        rows = stored_values(con, panel.dataset)
    for name in sorted(pc.unique(rows["feature"]).to_pylist()):
        mine = rows.filter(pc.equal(rows["feature"], name))
        a, b = (mine[side].to_numpy() for side in "ab")
        if not mine["own"][0].as_py():
            a, b = np.log1p(a), np.log1p(b)
        difference = np.full(panel.n_items, np.nan)
        difference[mine["item"].to_numpy()] = a - b
        panel.features[name] = difference
