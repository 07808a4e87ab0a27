"""The next step as a command to copy: names are quoted for a shell."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from pipelines.findings import BASELINES, find, judges_by_agreement
from pipelines.sections.view import CEILING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.estimates import Estimate

EXAMPLE_JUDGE = "gpt-5.4-mini"


def line(*words: str) -> str:
    """A command line that a shell takes word for word."""
    return shlex.join(words)


def demo() -> str:
    """Fill a store with the bundled sample."""
    return line("concord", "demo")


def import_csv(store: str) -> str:
    """Fill a store with labels of one's own."""
    return line("concord", "import", "csv", "labels.csv", "--dataset", "mine", "--store", store)


def label(store: str, dataset: str, judge: str = EXAMPLE_JUDGE) -> str:
    """Have a judge label a data set, after a look at what would be sent."""
    words = ["concord", "label", "--judge", judge, "--dataset", dataset, "--store", store]
    return line(*words, "--dry-run")


def probe(store: str, dataset: str, judge: str) -> str:
    """Change one thing about the responses and ask a judge again, after a look at the cost."""
    name = judge if judge in BASELINES else "my-judge.toml"
    words = ["concord", "probe", "--judge", name, "--dataset", dataset, "--store", store]
    return line(*words, "--dry-run")


def card(store: str, dataset: str, judge: str) -> str:
    """A judge's bias on one page."""
    return line("concord", "card", judge, "--dataset", dataset, "--store", store)


def import_humans(store: str, dataset: str) -> str:
    """Add human labels to a data set."""
    return line("concord", "import", "csv", "labels.csv", "--dataset", dataset, "--store", store)


def report(store: str, dataset: str) -> str:
    """All rows of a data set on the command line."""
    return line("concord", "report", "--dataset", dataset, "--store", store)


def report_cost(store: str, dataset: str) -> str:
    """What labels cost and take, and what those that match a human cost."""
    words = ["concord", "report", "--section", "cost", "--dataset", dataset, "--store", store]
    return line(*words)


def report_slices(store: str, dataset: str, column: str = "category") -> str:
    """The same by slice too."""
    by = "" if column == "category" else f" --slice {column}"
    return f"{report(store, dataset)} --slices{by}"


def report_section(store: str, dataset: str, section: str) -> str:
    """The rows of one section."""
    return line("concord", "report", "--section", section, "--dataset", dataset, "--store", store)


def export(store: str, dataset: str) -> str:
    """All labels of a data set as a file."""
    return line("concord", "export", "labels.csv", "--dataset", dataset, "--store", store)


def tags(store: str, dataset: str) -> str:
    """How often each tag is in force, with the newest notes."""
    return line("concord", "tags", "--dataset", dataset, "--store", store)


def strategy(store: str, dataset: str) -> str:
    """Strategies, their quality and cost, and the one to choose."""
    return line("concord", "strategy", "--dataset", dataset, "--store", store)


def route(store: str, policy: str) -> str:
    """Apply a policy file to other comparisons, after a look at what goes where."""
    words = ["concord", "route", "--policy", policy, "--dataset", "NEW", "--store", store]
    return line(*words, "--dry-run")


def learn(store: str, dataset: str) -> str:
    """The data-fitting experiment, all of it."""
    return line("concord", "learn", "--dataset", dataset, "--store", store)


def price(store: str, dataset: str) -> str:
    """What labels cost as somebody said, and who has no price."""
    return line("concord", "price", "--dataset", dataset, "--store", store)


def after_overview(store: str, dataset: str, rows: Sequence[Estimate]) -> tuple[str, str]:
    """(why, command): the most useful thing to do with a data set, by rule."""
    judges = {row.subject for row in rows if row.reference == "judge labels"}
    if not judges:
        return (
            "No judge has labelled this data set yet. See what a judge would be asked:",
            label(store, dataset),
        )
    if not judges_by_agreement(rows):
        return (
            "There is nothing to compare the judges with. Add human labels of these comparisons:",
            import_humans(store, dataset),
        )
    if not find(rows, "position_consistency"):
        return (
            "No judge labelled both orders, so position cannot be told from preference. "
            "A judge that is shown both orders, and what it would be asked:",
            label(store, dataset),
        )
    if not [row for row in find(rows, "single_human_agreement") if row.subject == CEILING]:
        return (
            "Two humans on the same comparisons would set the ceiling. Add human labels:",
            import_humans(store, dataset),
        )
    return "All of it on the command line, to keep or to send:", report(store, dataset)
