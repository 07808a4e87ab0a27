"""Care of a store: remove a data set, with everything that hangs on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from data import queries

if TYPE_CHECKING:
    from data.store import Store

OF_DATASET = "comparison_id IN (SELECT comparison_id FROM comparisons WHERE dataset = $dataset)"
REMOVE = (
    f"DELETE FROM label_replies WHERE label_id IN (SELECT label_id FROM labels WHERE {OF_DATASET})",
    f"DELETE FROM labels WHERE {OF_DATASET}",
    f"DELETE FROM features WHERE {OF_DATASET}",
    f"DELETE FROM tags WHERE {OF_DATASET}",
    "DELETE FROM guidelines WHERE dataset = $dataset",
    "DELETE FROM comparisons WHERE dataset = $dataset",
    "DELETE FROM prices WHERE dataset = $dataset",
    "DELETE FROM assignments WHERE dataset = $dataset",
    "DELETE FROM annotators WHERE dataset = $dataset",
    "DELETE FROM imports WHERE dataset = $dataset",
    "DELETE FROM datasets WHERE dataset = $dataset",
)
COUNT = f"""
SELECT (SELECT count(*) FROM comparisons WHERE dataset = $dataset),
       (SELECT count(*) FROM labels WHERE {OF_DATASET}),
       (SELECT count(*) FROM runs WHERE dataset = $dataset)
"""


@dataclass(frozen=True, slots=True)
class Removed:
    """What removing a data set takes away; replies and runs stay, as they were paid for."""

    dataset: str
    comparisons: int
    labels: int
    runs_kept: int


def what_removing_takes(store: Store, dataset: str) -> Removed:
    """Count before asking. Raises InputError for an unknown data set."""
    with store.reading() as con:
        queries.check_dataset(con, dataset)
        [counts] = queries.rows(con, COUNT, dataset=dataset)
    return Removed(dataset, *counts)


def remove_dataset(store: Store, dataset: str) -> Removed:
    """Remove comparisons, labels and annotators of a data set in one transaction.

    Replies and runs stay: they are what was paid, and importing the data set again finds them.
    """
    removed = what_removing_takes(store, dataset)
    with store.writing() as con:
        for sql in REMOVE:
            con.execute(sql, {"dataset": dataset})
    return removed
