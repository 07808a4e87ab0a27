"""The next step as a command to copy: names are quoted for a shell."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from pipelines.findings import find, judges_by_agreement
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


def report_slices(store: str, dataset: str) -> str:
    """The same by category too."""
    return f"{report(store, dataset)} --slices"


def export(store: str, dataset: str) -> str:
    """All labels of a data set as a file."""
    return line("concord", "export", "labels.csv", "--dataset", dataset, "--store", store)


def runs(store: str) -> str:
    """Runs, their failures by reason, and how to continue."""
    return line("concord", "runs", "--store", store)


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
