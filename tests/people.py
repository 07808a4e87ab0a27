"""Stores in which people label, and people in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from data.assignments import set_assignments
from data.formats.material import COMPARISONS, LABELS, Material, table
from data.imports import import_material
from data.records import Annotator, AnnotatorKind
from data.store import Store
from tests.provider import response

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]
ASSIGNED = pa.schema(
    [
        ("comparison_id", pa.string()),
        ("queue", pa.string()),
        ("score", pa.float64()),
        ("sampling_probability", pa.float64()),
    ]
)
# Labels until the queue is done; says each label once it is kept.
PERSON = """
import sys, time
from data.store import Store
from pipelines.human_labels import LabellingSession

store, person, pause = Store(sys.argv[1]), sys.argv[2], float(sys.argv[3])
session = LabellingSession(store, "d", "overall", person)
while (item := session.current()) is not None:
    session.record(item.comparison_id, "first", seconds=1.5)
    print(item.comparison_id, item.shown, flush=True)
    time.sleep(pause)
session.close()
"""


def store_of(
    path: Path, n: int, labels: Mapping[str, Mapping[int, str]] | None = None, bare: int = 0
) -> Store:
    """A data set `d` of n comparisons and `bare` ones without texts; humans' labels by number."""
    labels = labels or {}
    rows = [
        {
            "item": k,
            "source_id": f"s{k}",
            "prompt": f"question number {k:05d}?",
            "response_a": response(k, "a"),
            "response_b": response(k, "b"),
            "model_a": f"model-x-{k}",
            "model_b": f"model-y-{k}",
            "reference": f"reference {k}",
        }
        for k in range(n)
    ]
    rows += [{"item": n + k, "source_id": f"bare{k}"} for k in range(bare)]
    given = [
        {"item": k, "annotator": who, "preference": said, "rationale": f"because of {who}"}
        for who, all_said in labels.items()
        for k, said in all_said.items()
    ]
    humans = tuple(Annotator(AnnotatorKind.HUMAN, who, "d") for who in labels)
    store = Store(path, create=True)
    import_material(
        store, Material("d", "test", table(rows, COMPARISONS), table(given, LABELS), humans, "1")
    )
    return store


def ids(store: Store) -> dict[int, str]:
    """The ids of the comparisons with texts, by their number."""
    sql = (
        "SELECT source_id[2:]::INTEGER, comparison_id::VARCHAR FROM comparisons WHERE prompt <> ''"
    )
    return dict(rows(store, sql))


def rows(store: Store, sql: str, *parameters: object) -> list[tuple]:
    with store.reading() as con:
        return con.execute(sql, list(parameters)).fetchall()


def assign(store: Store, queue: str, probabilities: Mapping[str, float], policy: str = "p") -> None:
    """Assign comparisons by id, each with its probability."""
    columns = [
        {"comparison_id": each, "queue": queue, "score": 0.5, "sampling_probability": probability}
        for each, probability in probabilities.items()
    ]
    set_assignments(store, "d", policy, pa.Table.from_pylist(columns, ASSIGNED))


def person_process(store: Store, name: str, pause: float = 0.0) -> subprocess.Popen[str]:
    """Somebody who labels all that nobody has labelled, in a program of their own."""
    return subprocess.Popen(
        [sys.executable, "-c", PERSON, str(store.path), name, str(pause)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
