"""`concord datasets`, `export` and `sql`: what the store holds."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING

import typer

from app.terminal import print_json, print_table, say
from data import queries
from data.errors import ConcordError, InputError
from data.ledger import take_up
from data.store import Store
from data.upkeep import remove_dataset, what_removing_takes
from pipelines.export import export_labels

if TYPE_CHECKING:
    from pathlib import Path


def take_up_if_possible(store: Store) -> None:
    """What only reads goes on, with a note, where a run's journal cannot be taken up."""
    try:
        take_up(store)
    except ConcordError as error:
        say(f"note: {error.what}")


def chosen_dataset(store: Store, dataset: str | None) -> str:
    """The data set that is named, or the only one there is."""
    if dataset is not None:
        return dataset
    with store.reading() as con:
        return queries.only_dataset(con)


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
    """The annotators of a data set."""
    store = Store(path)
    take_up_if_possible(store)
    with store.reading() as con:
        queries.check_dataset(con, dataset)
        found = queries.records(con, queries.ANNOTATORS, dataset=dataset)
        criteria = [row[0] for row in queries.rows(con, queries.CRITERIA, dataset=dataset)]
    if as_json:
        print_json({"dataset": dataset, "criteria": criteria, "annotators": found})
        return
    print_table(
        ["annotator", "kind", "anonymous", "labels", "usable", "order known", "priced", "timed"],
        [
            [row[name] for name in ("name", "kind", "anonymous", "labels", "usable")]
            + [row["shown_known"], row["priced"], row["timed"]]
            for row in found
        ],
        numbers=range(3, 8),
    )
    say(f"criteria: {', '.join(criteria)}")


def remove(path: Path, dataset: str, *, yes: bool, as_json: bool) -> None:
    """Remove a data set after asking."""
    store = Store(path)
    take_up(store)
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
    path: Path, dataset: str | None, target: Path, *, force: bool, as_json: bool
) -> None:
    """Write a data set's labels."""
    store = Store(path)
    take_up_if_possible(store)
    name = chosen_dataset(store, dataset)
    count = export_labels(store, name, target, force=force)
    if as_json:
        print_json({"dataset": name, "file": str(target), "labels": count})
    say(f"wrote {count:,} labels of {name} to {target}")


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
