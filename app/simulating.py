"""`concord simulate`: a data set with planted truth."""

from __future__ import annotations

import shlex
import sys
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.stores import take_up_if_possible
from app.terminal import print_imported, print_json, print_table, say
from data.errors import InputError
from data.store import Store
from pipelines.simulation.dataset import import_world
from pipelines.simulation.planted import planted
from pipelines.simulation.world import World, default_judges, read_world, template

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipelines.simulation.planted import Planted
    from pipelines.simulation.world import Source

N_JUDGES = 2
LONGEST_NAME = 200
COLUMNS = {
    "single_human_agreement": "with one human",
    "gap": "gap to humans",
    "majority_agreement": "with majority",
    "cohen_kappa": "kappa, one human",
    "first_shown_share": "first shown",
    "position_delta": "position",
    "longer_chosen_share": "longer",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; None leaves the file's setting, or the default."""

    prompts: int | None = None
    comparisons_per_prompt: int | None = None
    humans: int | None = None
    judges: int | None = None
    position_bias: float | None = None
    length_bias: float | None = None
    seed: int | None = None


def world_wanted(config: Path | None, wanted: Wanted) -> World:
    """The world of a file, or the default one with two judges; options go before both."""
    world = World(judges=default_judges(N_JUDGES)) if config is None else read_world(config)
    changes: dict[str, object] = {
        "n_prompts": wanted.prompts,
        "comparisons_per_prompt": wanted.comparisons_per_prompt,
        "n_humans": wanted.humans,
        "seed": wanted.seed,
    }
    if wanted.humans is not None:
        changes["humans_per_comparison"] = min(wanted.humans, world.humans_per_comparison)
    judges = world.judges if wanted.judges is None else default_judges(wanted.judges)
    changes["judges"] = tuple(_biased(judge, wanted) for judge in judges)
    known = {name: value for name, value in changes.items() if value is not None}
    return replace(world, **known)  # type: ignore[arg-type]


def _biased(judge: Source, wanted: Wanted) -> Source:
    """A judge with the biases asked for; one that labels as humans do has none of its own."""
    if judge.exchangeable:
        return judge
    position, length = wanted.position_bias, wanted.length_bias
    return replace(
        judge,
        position_bias=judge.position_bias if position is None else position,
        length_bias=judge.length_bias if length is None else length,
    )


def run_simulate(
    path: Path,
    dataset: str | None,
    config: Path | None,
    wanted: Wanted,
    *,
    as_template: bool,
    as_json: bool,
) -> None:
    """Simulate into the store, and say what was planted; or print the file to start from."""
    if as_template:
        sys.stdout.write(template())
        return
    name = _checked_name(dataset)
    world = world_wanted(config, wanted)
    store = Store(path, create=True)
    take_up_if_possible(store)
    imported = import_world(store, world, name)
    truths = planted(world)
    print_imported(imported)
    if as_json:
        print_json({"imported": imported, "world": world, "planted": truths})
    else:
        _print_planted(truths)
    say(f"next: concord report --store {path} --dataset {shlex.quote(name)}")


def _checked_name(name: str | None) -> str:
    """What is typed again in every command: one line that can be seen, and not a long one."""
    if name is None:
        raise InputError("concord simulate: no name for the data set", "Add --dataset NAME.")
    if name.strip() != name or not name or not name.isprintable() or len(name) > LONGEST_NAME:
        raise InputError(
            f"{name[:60]!r} cannot be the name of a data set",
            f"Write --dataset NAME: 1 to {LONGEST_NAME} characters, no space at its ends.",
        )
    return name


def _print_planted(truths: Sequence[Planted]) -> None:
    """What was planted, a row an annotator; empty where a truth is not defined."""
    cells: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for each in truths:
        form = "+.3f" if each.statistic in ("gap", "position_delta") else ".3f"
        cells[each.subject][each.statistic] = format(each.value, form)
    shown = [name for name in COLUMNS if any(name in row for row in cells.values())]
    rows = [[who, *(row.get(name) for name in shown)] for who, row in cells.items()]
    print_table(["planted", *(COLUMNS[name] for name in shown)], rows,
                numbers=range(1, len(shown) + 1))  # fmt: skip
    say(f"planted values are exact to about {max((t.error for t in truths), default=0):.3f}")
