"""What choosing a strategy costs: all strategies with intervals on many comparisons.

Run: python benchmarks/strategy.py [--comparisons 100000]
Labels are simulated: three humans and two judges who were asked in both orders.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not this folder: its statistics.py is none of the standard library's

from data.store import Store  # noqa: E402
from pipelines.panel import read_panel  # noqa: E402
from pipelines.sections.view import Rules, View  # noqa: E402
from pipelines.simulation.dataset import import_world  # noqa: E402
from pipelines.simulation.world import World, default_judges  # noqa: E402
from pipelines.strategy import Goal, choose_strategy  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=100_000)
    n = parser.parse_args().comparisons
    world = World(n_prompts=n // 2, comparisons_per_prompt=2, judges=default_judges(2))
    world = replace(world, judges=tuple(replace(each, missing=0.0) for each in world.judges))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"{folder}/s.duckdb", create=True)
        import_world(store, world, "d")
        panel = read_panel(store, "d")
    view = View(panel, Rules(), "all", np.ones(panel.n_items, dtype=bool))
    start = perf_counter()
    choice = choose_strategy(view, Goal(n=1000, budget_usd=100))
    seconds = perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{len(choice.strategies)} strategies with intervals, {choice.n_items:,} comparisons"
          f"{seconds:>20.1f} s   (wanted: < 30); memory {memory:,.0f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
