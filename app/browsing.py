"""`concord datasets`, `export` and `sql`: what the store holds."""

from __future__ import annotations

import csv
import shlex
import sys
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from app.stores import chosen_dataset, take_up_if_possible
from app.terminal import clean, out, print_json, print_table, say
from data import queries
from data.errors import InputError
from data.records import OVERALL
from data.store import Store
from data.upkeep import remove_dataset, what_removing_takes
from pipelines.export import check_target, export_labels, write_table
from pipelines.panel import read_panel
from pipelines.policy import read_policy
from pipelines.sections.view import UnparsedRule
from pipelines.support.answers import supports
from pipelines.support.counts import counts_of, sentences
from pipelines.support.smallest import smallest_differences, smallest_in_words
from pipelines.training import MAJORITY_WORD, preference_pairs
from pipelines.training_folder import check_folder, is_folder, write_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipelines.policy import PolicyFile
    from pipelines.support.answers import Support
    from pipelines.training import Pairs

DEFAULT_STORE = "concord.duckdb"


def list_datasets(path: Path, *, as_json: bool) -> None:
    """What the store holds."""
    store = Store(path)
    take_up_if_possible(store)
    with store.reading() as con:
        found = queries.records(con, queries.DATASETS)
    if as_json:
        print_json({"datasets": found})
        return
    columns = ["dataset", "comparisons", "prompts", "labels", "humans", "judges", "simulated"]
    print_table(columns, [[row[name] for name in columns] for row in found], numbers=range(1, 6))


def show_dataset(path: Path, dataset: str, *, as_json: bool) -> None:
    """A data set: its counts and annotators, what it supports, and what to collect for the rest."""
    store = Store(path)
    take_up_if_possible(store)
    with store.reading() as con:
        queries.check_dataset(con, dataset)
        found = queries.records(con, queries.ANNOTATORS, dataset=dataset)
        criteria = [row[0] for row in queries.rows(con, queries.CRITERIA, dataset=dataset)]
    criterion = OVERALL if OVERALL in criteria or not criteria else criteria[0]
    panel = read_panel(store, dataset, criterion)
    counts, rows, smallest = counts_of(panel), supports(panel), smallest_differences(panel)
    rows = [replace(row, command=_in_store(row.command, path)) for row in rows]
    if as_json:
        print_json({
            "dataset": dataset, "simulated": panel.simulated, "criteria": criteria,
            "annotators": found, "criterion": criterion, "counts": counts, "supports": rows,
            "smallest_differences": smallest,
        })  # fmt: skip
        return
    mark = "   (simulated labels)" if panel.simulated else ""
    _print_lines([f"{dataset}{mark}", *sentences(counts), ""])
    _print_annotators(found)
    about = f" (criterion {criterion})" if len(criteria) > 1 else ""
    _print_supports(rows, about)
    _print_lines(["", f"Smallest true difference that would be found with 80% power{about}:"])
    print_table(["difference", "smallest", "rests on"], smallest_in_words(smallest))
    say(f"criteria: {', '.join(criteria)}")


def _in_store(command: str | None, path: Path) -> str | None:
    """A command on this store; the usual one needs no naming."""
    if command is None or str(path) == DEFAULT_STORE:
        return command
    return f"{command} --store {shlex.quote(str(path))}"


def _print_annotators(found: list[dict[str, Any]]) -> None:
    print_table(
        ["annotator", "kind", "anonymous", "labels", "usable", "order known", "priced", "timed"],
        [
            [row[name] for name in ("name", "kind", "anonymous", "labels", "usable")]
            + [row["shown_known"], row["priced"], row["timed"]]
            for row in found
        ],
        numbers=range(3, 8),
    )


def _print_supports(rows: list[Support], about: str) -> None:
    """What is supported, what is not yet, and the commands that the latter names by number."""
    yes, no = ([row for row in rows if row.available is wanted] for wanted in (True, False))
    if yes:
        _print_lines([""])
        print_table([f"supported{about}", "rests on"], [[row.what, row.basis] for row in yes])
    if not no:
        return
    commands = list(dict.fromkeys(row.command for row in no if row.command))
    _print_lines([""])
    print_table(
        [f"not supported{about}", "why", "to get it"],
        [[row.what, row.basis, _action(row, commands)] for row in no],
    )
    if commands:
        _print_lines(["", "Commands (concord plan says what a judge would cost):"])
        _print_lines(f"({k}) {command}" for k, command in enumerate(commands, start=1))


def _action(row: Support, commands: list[str]) -> str:
    number = f" ({commands.index(row.command) + 1})" if row.command else ""
    return f"{row.collect}{number}"


def _print_lines(lines: Iterable[str]) -> None:
    """Lines on stdout, never wrapped: a command must stay one line to be copied."""
    for line in lines:
        out().print(escape(clean(line)), soft_wrap=True)


def remove(path: Path, dataset: str, *, yes: bool, as_json: bool) -> None:
    """Remove a data set after asking."""
    store = Store(path)
    take_up_if_possible(store)
    counted = what_removing_takes(store, dataset)
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(
                f"removing {dataset!r} takes {counted.labels:,} labels with it", "Add --yes."
            )
        typer.confirm(
            f"Remove {dataset!r} with {counted.comparisons:,} comparisons and "
            f"{counted.labels:,} labels?",
            abort=True,
            err=True,
        )
    removed = remove_dataset(store, dataset)
    if as_json:
        print_json(removed)
    say(f"removed {removed.comparisons:,} comparisons and {removed.labels:,} labels of {dataset}")


def backup(path: Path, target: Path) -> None:
    """Copy the store."""
    store = Store(path)
    take_up_if_possible(store)
    store.backup(target)
    say(f"copied {path} to {target}")


def run_export(
    path: Path, dataset: str | None, target: Path, *, force: bool, spreadsheet: bool, as_json: bool
) -> None:
    """Write a data set's labels."""
    store = Store(path)
    take_up_if_possible(store)
    name = chosen_dataset(store, dataset)
    count = export_labels(store, name, target, force=force, spreadsheet=spreadsheet)
    if as_json:
        print_json({"dataset": name, "file": str(target), "labels": count})
    say(f"wrote {count:,} labels of {name} to {target}")


@dataclass(frozen=True, slots=True)
class WantedPairs:
    """By whom pairs are preferred, a name or a policy file; and what is kept for testing."""

    source: str | None
    policy: Path | None
    test_share: float
    criterion: str | None = None
    unparsed: str | None = None

    def whose(self) -> str | PolicyFile:
        """The name, or the policy. Raises InputError for both, and for a file that is none."""
        if self.policy is None:
            return MAJORITY_WORD if self.source is None else self.source
        if self.source is not None or self.criterion is not None:
            raise InputError("a policy says whose labels and which criterion", "Leave those out.")
        return read_policy(self.policy)


def run_export_pairs(
    path: Path, dataset: str | None, target: Path, wanted: WantedPairs, *, force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Write preference pairs for training, and say what was left out."""
    store = Store(path)
    take_up_if_possible(store)
    name = chosen_dataset(store, dataset)
    check, write = (check_folder, write_folder) if is_folder(target) else (check_target, _write)
    check(target, force=force)
    unparsed = None if wanted.unparsed is None else UnparsedRule(wanted.unparsed)
    pairs = preference_pairs(
        store, name, wanted.whose(), wanted.test_share, wanted.criterion, unparsed
    )
    write(pairs, target)
    splits = Counter(pairs.table["split"].to_pylist())
    said = {"file": str(target), "source": pairs.source, "train": splits["train"],
            "test": splits["test"], "ties": pairs.ties, "without_label": pairs.without_label,
            "without_verdict": pairs.without_verdict, "without_texts": pairs.without_texts,
            "waiting": pairs.waiting}  # fmt: skip
    if as_json:
        print_json(said)
    said_of = f"{splits['train']:,} pairs to train, {splits['test']:,} to test"
    say(f"wrote {target}: {said_of}, by {pairs.source}")
    lost = {
        "with a tie": pairs.ties,
        "without a label": pairs.without_label,
        "whose replies have no verdict": pairs.without_verdict,
        "without texts": pairs.without_texts,
    }
    left = [f"{n:,} {what}" for what, n in lost.items() if n]
    if left:
        say(f"left out: {', '.join(left)}")
    if pairs.waiting:
        say(f"{pairs.waiting:,} wait for a human's label: the AI label stands in for it")


def _write(pairs: Pairs, target: Path) -> None:
    write_table(pairs.table, target)


def run_sql(path: Path, query: str, limit: int, form: str) -> None:
    """A user's own query."""
    with Store(path, upgrade=False).reading() as con:
        table = queries.query_user_sql(con, query, limit)
    rows = [[_plain(value) for value in row.values()] for row in table.to_pylist()]
    names = table.column_names
    if form == "json":
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([names, *rows])
    else:
        print_table(names, rows)
    if len(rows) == limit:
        say(f"the first {limit:,} rows; --limit shows more")


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | str | bool | None) else str(value)
