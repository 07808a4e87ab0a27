"""What judges said of the comparisons that probes made, read beside what they said before."""

from __future__ import annotations

from itertools import count, pairwise
from typing import TYPE_CHECKING, Any

from data import queries
from pipelines.panel import Probed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from data.store import Store
    from pipelines.panel import Panel

ARRAYS = ("item", "before", "after", "first", "kept", "tied")
FACTS = ("worse", "alike", "same_texts")


def read_probed(store: Store, panel: Panel, judges: Sequence[str] = ()) -> None:
    """Put into a panel what probes of its data set found; `judges` leaves out all others."""
    with store.reading() as con:
        rows = queries.table(con, queries.PROBED, dataset=panel.dataset, criterion=panel.criterion)
    keys = list(
        zip(*(rows[name].to_pylist() for name in ("annotator_id", "judge", "probe")), strict=True)
    )
    starts = [k for k, key in enumerate(keys) if k == 0 or key != keys[k - 1]]
    names = _names(panel, dict.fromkeys(key[:2] for key in keys))
    for start, end in pairwise([*starts, len(keys)]):
        annotator_id, judge, probe = keys[start]
        if not judges or judge in judges:
            mine = rows.slice(start, end - start)
            arrays = {name: mine[name].to_numpy(zero_copy_only=False) for name in ARRAYS}
            facts: dict[str, Any] = {name: all(mine[name].to_pylist()) for name in FACTS}
            panel.probed[names[annotator_id], probe] = Probed(**arrays, **facts)


def _names(panel: Panel, judges: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By id: the names of the panel; of others their own, told apart as the panel does."""
    names = {who.annotator_id: who.name for who in panel.annotators}
    taken = set(names.values())
    for annotator_id, name in judges:
        if annotator_id not in names:
            n = next(n for n in count(1) if _numbered(name, n) not in taken)
            names[annotator_id] = _numbered(name, n)
            taken.add(names[annotator_id])
    return names


def _numbered(name: str, n: int) -> str:
    return name if n == 1 else f"{name} ({n})"
