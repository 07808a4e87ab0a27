"""The main job on the bundled sample, without a key or a network.

Imports the sample (its human labels are simulated), lets three simulated models judge it through
LiteLLM over loopback, probes them, adds the baselines, and leaves a store to look at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data import queries
from data.derived import responses_of
from data.records import RunStatus
from data.samples.build import truth
from data.store import Store
from judges.baselines import BASELINES
from judges.config import read_judge
from judges.providers import client_for
from judges.simulated import EXAMPLES, Truth, running
from pipelines.derive import derive, find_probe
from pipelines.estimates import ALL
from pipelines.ingest import SAMPLE, ingest
from pipelines.label import LabelOptions, label
from pipelines.panel import read_panel
from pipelines.policy import place_of, policy_of
from pipelines.route import assign, route
from pipelines.sections.view import Rules, View
from pipelines.strategy import Goal, choose_strategy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from data.imports import Imported
    from pipelines.label import Labelled, Progress

STORE_NAME = "demo.duckdb"
JUDGE_FILE = """\
# A simulated model: a local server with planted behaviour. Its prices are simulated too.
name = "{name}"
model = "openai/{name}"
api_base = "{api_base}"
template = "pairwise"
orders = "both"

[parameters]
temperature = 0
max_tokens = 300

[price]
input_usd_per_million_tokens = {input_price}
output_usd_per_million_tokens = {output_price}
"""
PROBES = ("authority", "identical", "injection-order", "length")
PROBED = 60  # comparisons
USD_PER_POINT, AUDITED = 5.0, 0.1
PRICES = {"sim-sharp": (2.0, 8.0), "sim-verbose": (0.4, 1.6), "sim-first": (0.1, 0.4)}


@dataclass(frozen=True, slots=True)
class Demo:
    """Where the demo's store is, and whether it was made now."""

    store: Path
    made: bool


def make_demo(
    folder: Path,
    *,
    on_import: Callable[[Imported], None],
    on_judge: Callable[[str], None],
    on_progress: Callable[[Progress], None],
    on_labelled: Callable[[Labelled], None],
) -> Demo:
    """Run the main job in `folder`; a store that is complete there already is left as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(folder / STORE_NAME, create=True)
    if _is_complete(store):
        return Demo(store.path, made=False)
    for imported in ingest(store, SAMPLE, None):
        on_import(imported)
    options = LabelOptions(SAMPLE)
    probes = derive(store, SAMPLE, [find_probe(name) for name in PROBES], PROBED).dataset
    texts = Truth(truth()).including(responses_of(store, probes))
    with running(texts, EXAMPLES) as provider:
        for name in EXAMPLES:
            judge = read_judge(_judge_file(folder, name, provider.base_url))
            for each in (options, LabelOptions(probes)):
                on_judge(f"{name} on {each.dataset}")
                on_labelled(label(store, judge, client_for(judge), each, on_progress))
    for baseline in BASELINES.values():
        on_judge(baseline.name)
        on_labelled(label(store, baseline, None, options, on_progress))
    _route(store)
    return Demo(store.path, made=True)


def _route(store: Store) -> None:
    """The best strategy at a price of a point, with an audit: work for people in the view Label."""
    panel, goal = read_panel(store, SAMPLE), Goal(usd_per_point=USD_PER_POINT)
    view = View(panel, Rules(), ALL, np.ones(panel.n_items, dtype=bool))
    choice = choose_strategy(view, goal)
    policy = policy_of(
        choice, place_of(choice, None), goal, dataset=SAMPLE, criterion=panel.criterion,
        simulated=True, unparsed=view.rules.unparsed,
    )  # fmt: skip
    assign(store, route(store, policy, SAMPLE, AUDITED))


def _is_complete(store: Store) -> bool:
    with store.reading() as con:
        found = queries.records(con, queries.RUNS)
    complete = [row for row in found if row["status"] == RunStatus.COMPLETE]
    return len(complete) >= 2 * len(EXAMPLES) + len(BASELINES)


def _judge_file(folder: Path, name: str, api_base: str) -> Path:
    path = folder / f"{name}.toml"
    input_price, output_price = PRICES[name]
    path.write_text(
        JUDGE_FILE.format(
            name=name, api_base=api_base, input_price=input_price, output_price=output_price
        ),
        encoding="utf-8",
    )
    return path
