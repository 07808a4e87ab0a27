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
from judges.judge import Judge
from judges.prompts import parse_template
from pipelines.derive import derive, find_paraphrase, find_probe, shipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.labelling import Given
    from judges.task import AnyJudge
    from pipelines.derive import Derived, Paraphrase, Probe

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
    others = [find_paraphrase(name) for name in paraphrases]
    _check_paraphrases(given.chosen_judge(), others)
    probes = [each for name in wanted for each in _probes(name)]
    derived = derive(store, dataset, [*probes, *others], n)
    _say_derived(derived)
    given = replace(given, dataset=derived.dataset)
    if dry_run:
        show_plans([given], as_json=as_json)
        return
    run_label(given, as_json=as_json, then=_card(given, dataset))


def _probes(name: str) -> list[Probe]:
    return list(shipped().values()) if name == EVERY else [find_probe(name)]


def _check_paraphrases(judge: AnyJudge, others: Sequence[Paraphrase]) -> None:
    """They ask what the judge asks, in other words."""
    if others and not isinstance(judge, Judge):
        raise InputError(f"{judge.name} has no prompt of its own", "Leave out --paraphrase.")
    for other in others:
        if isinstance(judge, Judge) and other.source == judge.template.text:
            raise InputError(
                f"{other.name} is the judge's own template", "Name another one, or a .md file."
            )
        fields = parse_template(other.source, other.name, ()).fields
        if isinstance(judge, Judge) and fields != judge.template.fields:
            needed = ", ".join(f"{{{{{name}}}}}" for name in sorted(judge.template.fields))
            raise InputError(
                f"{other.name} has not the fields of the judge's template", f"It has: {needed}."
            )


def _say_derived(derived: Derived) -> None:
    made = ", ".join(f"{n:,} {name}" for name, n in derived.counts.items() if name != ORIGINAL)
    say(f"{derived.dataset}: {derived.counts[ORIGINAL]:,} comparisons as they are, {made}")
    if derived.without:
        say(f"note: applies to none of the responses looked at: {', '.join(derived.without)}")


def _card(given: Given, dataset: str) -> str:
    name = given.chosen_judge().name
    words = ["concord", "card", name, "--dataset", dataset, "--store", str(given.store)]
    return shlex.join(words)
