"""Data sets that are made of another one: comparisons with one thing changed, beside the original.

They are data sets like others, so they are labelled like others; each comparison names the one it
was made from (`parent_id`) and what was changed (`perturbation`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from data import queries
from data.errors import InputError
from data.records import Comparison, make_id
from data.rows import rows_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from data.store import Connection, Store


@dataclass(frozen=True, slots=True)
class Parent:
    """A comparison to make others from, with the models that wrote its responses."""

    comparison: Comparison
    model_a: str | None
    model_b: str | None


@dataclass(frozen=True, slots=True)
class Child:
    """A comparison made from another one.

    `changed` is the response that differs, "a" or "b"; `about` is kept in the metadata beside it.
    """

    parent: Parent
    perturbation: str
    changed: str
    response_a: str
    response_b: str
    about: Mapping[str, Any]


PARENTS = f"""
SELECT {queries.COMPARISON}, model_a, model_b {queries.WITH_TEXTS}
AND comparison_id > $after::UUID ORDER BY comparison_id LIMIT $size
"""
KNOWN = "SELECT source FROM datasets WHERE dataset = $dataset"
COUNTS = """
SELECT perturbation, count(*) FROM comparisons WHERE dataset = $dataset
GROUP BY perturbation ORDER BY perturbation
"""
ADD_COMPARISONS = """
INSERT INTO comparisons BY NAME
SELECT arriving.comparison_id::UUID AS comparison_id, $dataset AS dataset, arriving.source_id,
       parent.prompt_id, parent.prompt, arriving.response_a, arriving.response_b, parent.model_a,
       parent.model_b, parent.category, parent.reference, arriving.metadata::JSON AS metadata,
       parent.comparison_id AS parent_id, arriving.perturbation
FROM children arriving JOIN comparisons parent ON parent.comparison_id = arriving.parent_id::UUID
"""
ADD_DATASET = """
INSERT INTO datasets SELECT $dataset, $source, simulated, $now FROM datasets WHERE dataset = $of
"""
RESPONSES = """
SELECT DISTINCT unnest([response_a, response_b]) FROM comparisons WHERE dataset = $dataset
"""
COLUMNS = pa.schema(
    [
        (name, pa.string())
        for name in ("comparison_id", "source_id", "parent_id", "perturbation", "response_a",
                     "response_b", "metadata")
    ]
)  # fmt: skip


def page_of_parents(con: Connection, dataset: str, after: UUID, size: int) -> list[Parent]:
    """The next comparisons by id that have both texts."""
    found = queries.rows(con, PARENTS, dataset=dataset, after=str(after), size=size)
    return [Parent(Comparison(*row[:-2]), *row[-2:]) for row in found]


def count_derived(store: Store, dataset: str, source: str) -> dict[str, int]:
    """Comparisons by perturbation; empty where there is no such data set yet.

    Raises InputError where the name stands for a data set of another source.
    """
    with store.reading() as con:
        known = queries.rows(con, KNOWN, dataset=dataset)
        if known and known[0][0] != source:
            raise InputError(
                f"the data set {dataset!r} is in the store, and is another one",
                f"Remove it: concord datasets remove {dataset!r}",
            )
        return dict(queries.rows(con, COUNTS, dataset=dataset))


def responses_of(store: Store, dataset: str) -> list[str]:
    """All responses of a data set that has texts."""
    with store.reading() as con:
        return [text for (text,) in queries.rows(con, RESPONSES, dataset=dataset)]


def add_derived(
    store: Store, dataset: str, of: str, source: str, children: Sequence[Child]
) -> dict[str, int]:
    """Store a data set made of the data set `of` in one transaction; comparisons by perturbation.

    Where another process stored it meanwhile, that one stays.
    """
    with store.writing() as con:
        if not queries.rows(con, KNOWN, dataset=dataset):
            con.register("children", rows_table((_row(dataset, c) for c in children), COLUMNS))
            con.execute(ADD_COMPARISONS, {"dataset": dataset})
            now = datetime.now(UTC).replace(tzinfo=None)
            con.execute(ADD_DATASET, {"dataset": dataset, "of": of, "source": source, "now": now})
        return dict(queries.rows(con, COUNTS, dataset=dataset))


def _row(dataset: str, child: Child) -> dict[str, Any]:
    parent = child.parent.comparison.comparison_id
    return {
        "comparison_id": str(make_id(dataset, "derived", parent, child.perturbation)),
        "source_id": f"{child.perturbation} of {parent}",
        "parent_id": str(parent),
        "perturbation": child.perturbation,
        "response_a": child.response_a,
        "response_b": child.response_b,
        "metadata": json.dumps({"changed": child.changed, **child.about}),
    }
