"""What the data-fitting experiment costs: all arms and sizes on many comparisons.

Run: python benchmarks/learning.py [--comparisons 1000]
Labels are simulated: three humans and two judges; five folds of prompts and of categories, four
times, six arms that learn from comparisons, and four that imitate.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not this folder: its statistics.py is none of the standard library's

from data.store import Store  # noqa: E402
from pipelines.learn import learn  # noqa: E402
from pipelines.lessons import Plan  # noqa: E402
from pipelines.panel import read_panel  # noqa: E402
from pipelines.sections.view import Rules, View  # noqa: E402
from pipelines.simulation.dataset import import_world  # noqa: E402
from pipelines.simulation.world import World, default_judges  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=1000)
    n = parser.parse_args().comparisons
    world = World(n_prompts=n // 2, comparisons_per_prompt=2, judges=default_judges(2))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"{folder}/s.duckdb", create=True)
        import_world(store, world, "d")
        panel = read_panel(store, "d")
        view = View(panel, Rules(), "all", np.ones(panel.n_items, dtype=bool))
        start, busy = perf_counter(), process_time()
        learned = learn(store, view, Plan(sizes=(25, 50, 100, 200, 400, 600, 700)))
    seconds, busy = perf_counter() - start, process_time() - busy
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{len(learned.arms)} arms, {learned.sizes}, {learned.n_items:,} comparisons")
    print(f"{seconds:.1f} s (wanted: < 300), {busy:.0f} s of processors; memory {memory:,.0f} MB")


if __name__ == "__main__":
    main()
