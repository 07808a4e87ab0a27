"""`concord probes` and `concord probe`: an experiment on a judge."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from app.labelling import run_label, show_plans
from app.stores import chosen_dataset, take_up_if_possible
from app.terminal import print_json, print_table, say
from data.errors import InputError
from data.records import ORIGINAL
from data.store import Store
from pipelines.derive import derive, find_paraphrase, find_probe, shipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.labelling import Given
    from pipelines.derive import Derived

EVERY = "all"


def list_probes(*, as_json: bool) -> None:
    """The shipped probes, and how to write one."""
    rows = [(probe.name, probe.about) for probe in shipped().values()]
    if as_json:
        print_json([{"name": name, "about": about} for name, about in rows])
        return
    print_table(("probe", "what it changes"), rows)
    say("one of your own: concord probes length > mine.py, then --probes mine.py")


def print_probe(name: str) -> None:
    """A probe's file on stdout."""
    sys.stdout.write(find_probe(name).source)


def run_probe(
    given: Given, names: str, paraphrases: Sequence[str], n: int, *, dry_run: bool, as_json: bool
) -> None:
    """Make the comparisons of the probes and let the judge label them, or say what that costs."""
    store = Store(given.store)
    take_up_if_possible(store)
    dataset = chosen_dataset(store, given.dataset)
    if given.chosen_judge().by_prompt:
        raise InputError(
            "a judge that ranks all responses to a prompt cannot be probed",
            "A probe changes one response of two: probe a pairwise or a rating judge.",
        )
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    own = getattr(given.chosen_judge(), "template", None)
    others = [find_paraphrase(name) for name in paraphrases]
    if own is not None and any(other.source == own.text for other in others):
        raise InputError(
            "a paraphrase is the judge's own template", "Name another one, or a .md file."
        )
    probes = list(shipped().values()) if wanted == [EVERY] else [find_probe(n) for n in wanted]
    derived = derive(store, dataset, [*probes, *others], n)
    _say_derived(derived)
    given = replace(given, dataset=derived.dataset)
    if dry_run:
        show_plans([given], as_json=as_json)
        return
    run_label(given, as_json=as_json, then=_card(given, dataset))


def _say_derived(derived: Derived) -> None:
    made = ", ".join(f"{n:,} {name}" for name, n in derived.counts.items() if name != ORIGINAL)
    say(f"{derived.dataset}: {derived.counts[ORIGINAL]:,} comparisons as they are, {made}")
    for name in derived.without:
        say(f"note: {name} applies to no response of this data set")


def _card(given: Given, dataset: str) -> str:
    name = given.chosen_judge().name
    words = ["concord", "card", name, "--dataset", dataset, "--store", str(given.store)]
    return shlex.join(words)
