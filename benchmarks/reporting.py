"""The report on 100,000 comparisons x 5 annotators, beside loading the labels alone.

Run: python benchmarks/reporting.py [--comparisons 100000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not this folder: its statistics.py is none of the standard library's

from data.formats.material import COMPARISONS, LABELS, Material, table  # noqa: E402
from data.imports import import_material  # noqa: E402
from data.records import Annotator, AnnotatorKind  # noqa: E402
from data.store import Store  # noqa: E402
from pipelines.compare import compare  # noqa: E402
from pipelines.panel import read_panel  # noqa: E402

NAMES = ("ann", "bob", "cyd", "judge-x", "judge-y")


def make_store(path: Path, n: int) -> Store:
    """Three humans and two judges on every comparison; two comparisons a prompt, 8 categories."""
    rng = np.random.default_rng(1)
    comparisons = [
        {"item": k, "source_id": str(k), "prompt": f"p{k // 2}", "response_a": "x" * (k % 300),
         "response_b": "y" * (k % 211) + str(k), "category": f"c{k % 8}"}
        for k in range(n)
    ]  # fmt: skip
    item = np.repeat(np.arange(n), 5)
    columns = {
        "item": item,
        "annotator": np.tile(NAMES, n),
        "criterion": ["overall"] * (5 * n),
        "repeat": np.zeros(5 * n, dtype=np.int16),
        "shown": rng.choice(["ab", "ba"], 5 * n),
        "preference": rng.choice(["a", "b", "tie"], 5 * n, p=[0.45, 0.4, 0.15]),
        "status": ["ok"] * (5 * n),
        "seconds": rng.uniform(1, 60, 5 * n),
        "cost_usd": rng.uniform(0.001, 0.5, 5 * n),
    }
    nothing = pa.nulls(5 * n)
    labels = pa.table({name: columns.get(name, nothing) for name in LABELS.names}, schema=LABELS)
    kinds = [AnnotatorKind.HUMAN] * 3 + [AnnotatorKind.JUDGE] * 2
    annotators = tuple(Annotator(k, name, "d") for k, name in zip(kinds, NAMES, strict=True))
    store = Store(path, create=True)
    import_material(
        store, Material("d", "made", table(comparisons, COMPARISONS), labels, annotators, "1")
    )
    return store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "s.duckdb"
        store = make_store(path, options.comparisons)
        started = time.perf_counter()
        read_panel(store, "d")
        loading = time.perf_counter() - started
        started = time.perf_counter()
        rows = compare(store, "d")
        whole = time.perf_counter() - started
        command = [sys.executable, "-m", "app.cli", "report", "--store", str(path), "--json"]
        started = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        process = time.perf_counter() - started
    print(f"report: {options.comparisons:,} comparisons x 5 annotators, {len(rows)} rows")
    print(f"{'':24}{'seconds':>9}{'ratio':>8}")
    for what, seconds in (("read the labels", loading), ("all rows", whole),
                          ("concord report --json", process)):  # fmt: skip
        print(f"{what:24}{seconds:>9.2f}{seconds / loading:>8.1f}")
    print("wanted: concord report < 5 s")


if __name__ == "__main__":
    main()
