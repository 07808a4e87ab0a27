"""What judges said of the comparisons that probes made, read beside what they said before."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from data import queries
from pipelines.panel import Probed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from data.store import Store
    from pipelines.panel import Panel

ARRAYS = ("item", "before", "after", "first", "kept", "tied")
FACTS = ("worse", "alike", "same_texts")


def read_probed(store: Store, panel: Panel, judges: Sequence[str] = ()) -> None:
    """Put into a panel what probes of its data set found; `judges` leaves out all others."""
    with store.reading() as con:
        rows = queries.table(con, queries.PROBED, dataset=panel.dataset, criterion=panel.criterion)
    names = [
        (judge, probe)
        for judge, probe in zip(rows["judge"].to_pylist(), rows["probe"].to_pylist(), strict=True)
    ]
    starts = [k for k, name in enumerate(names) if k == 0 or name != names[k - 1]]
    for start, end in pairwise([*starts, len(names)]):
        if not judges or names[start][0] in judges:
            mine = rows.slice(start, end - start)
            arrays = {name: mine[name].to_numpy(zero_copy_only=False) for name in ARRAYS}
            facts: dict[str, Any] = {name: all(mine[name].to_pylist()) for name in FACTS}
            panel.probed[names[start]] = Probed(**arrays, **facts)
