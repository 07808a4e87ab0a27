"""Preference pairs to train with: of each comparison the chosen and the rejected response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from data import queries
from data.errors import InputError
from pipelines.estimates import ALL
from pipelines.panel import read_panel
from pipelines.sections.view import MAJORITY, Rules, View
from pipelines.stats.agreement import A, B, total

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from data.store import Store

    Floats = NDArray[np.float64]

MAJORITY_WORD = "majority"
PARTS = 10_000  # what a prompt's id is taken modulo, to split by it


@dataclass(frozen=True, slots=True)
class Pairs:
    """`table`: prompt, chosen, rejected, margin (0 to 1), source, comparison_id, split; and how
    many comparisons were left out.
    """

    table: pa.Table
    source: str
    ties: int
    without_label: int
    without_texts: int


def preference_pairs(
    store: Store, dataset: str, source: str, test_share: float, criterion: str | None = None
) -> Pairs:
    """Pairs by the sign of the mean label of the humans (`majority`), or of an annotator.

    The margin is how far the labels are from a tie: 1 where all choose the same. Whether a prompt
    is for training or for testing follows from its id, so it is the same for every source. Raises
    InputError for an unknown data set or annotator.
    """
    panel = read_panel(store, dataset, criterion)
    view = View(panel, Rules(), ALL, np.ones(panel.n_items, dtype=bool))
    counts, name = _counts(view, source)
    with np.errstate(invalid="ignore"):
        mean = (counts[:, A] - counts[:, B]) / total(counts)
    with store.reading() as con:
        texts = queries.table(con, queries.TEXTS, dataset=dataset)
    known = ~np.asarray(texts["lacks"].to_numpy(zero_copy_only=False), dtype=bool)
    taken = known & np.isfinite(mean) & (mean != 0)
    rows = texts.filter(taken)
    first = mean[taken] > 0
    return Pairs(
        _table(rows, first, np.abs(mean[taken]), name, test_share),
        name,
        ties=int((known & (mean == 0)).sum()),
        without_label=int((known & ~np.isfinite(mean)).sum()),
        without_texts=int((~known).sum()),
    )


def _counts(view: View, source: str) -> tuple[Floats, str]:
    """Usable labels (n, 3), and whose they are called."""
    if source == MAJORITY_WORD:
        return view.humans, MAJORITY
    names = [who.name for who in view.panel.annotators]
    if source not in names:
        raise InputError(
            f"no annotator {source!r} in this data set",
            f"There are: {', '.join([MAJORITY_WORD, *names])}.",
        )
    return view.counts(names.index(source)), source


def _table(
    rows: pa.Table, first: NDArray[np.bool_], margin: Floats, source: str, test_share: float
) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    mask = pa.array(first)
    in_test = [UUID(str(p)).int % PARTS < test_share * PARTS for p in rows["prompt_id"].to_pylist()]
    return pa.table(
        {
            "prompt": rows["prompt"],
            "chosen": pc.if_else(mask, rows["response_a"], rows["response_b"]),
            "rejected": pc.if_else(mask, rows["response_b"], rows["response_a"]),
            "margin": margin,
            "source": [source] * len(rows),
            "comparison_id": rows["comparison_id"],
            "split": ["test" if test else "train" for test in in_test],
        }
    )
