"""`concord features`: what the responses of a data set are compared by."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from app.stores import chosen_dataset
from app.terminal import print_json, print_table, say
from data import queries
from data.errors import InputError
from data.feature_values import NAMES, remove_feature
from data.features import FEATURES
from data.store import Store
from judges.verifier import split_function
from pipelines.features import add_python_feature, add_sql_feature, fill_features

if TYPE_CHECKING:
    from collections.abc import Iterable

OWN = "your own"


def run_features(
    path: Path, dataset: str | None, add: str | None, sql: str | None, python: str | None,
    remove: str | None, *, as_json: bool,
) -> None:  # fmt: skip
    """Count what is missing, add a feature where one is given, and list what there is."""
    if (add is None) != (sql is None and python is None) or (sql and python):
        raise InputError(
            "a feature of your own needs a name and one definition",
            "--add semicolons --sql \"length(text) - length(replace(text, ';', ''))\", or "
            "--add semicolons --python features.py:semicolons.",
        )
    store = Store(path)
    name = chosen_dataset(store, dataset)
    fill_features(store, name, lambda done, of: say(f"{done:,} of {of:,} comparisons"))
    if remove is not None:
        say(f"{remove}: removed from {remove_feature(store, name, remove):,} comparisons")
    if add is not None:
        n = _add(store, name, add, sql, python)
        say(f"{add}: counted on {n:,} comparisons; what L2 says of the others changes with it")
    with store.reading() as con:
        found = queries.rows(con, NAMES, dataset=name)
    if as_json:
        print_json([dict(zip(("feature", "comparisons", "version"), row, strict=True))
                    for row in found])  # fmt: skip
    else:
        print_table(("feature", "what is counted", "comparisons"), _lines(found), numbers=[2])
        say(f"next: concord report --section bias --store {path} --dataset {shlex.quote(name)}")


def _add(store: Store, dataset: str, name: str, sql: str | None, python: str | None) -> int:
    if sql is not None:
        return add_sql_feature(store, dataset, name, sql)
    function, source = split_function(str(python), Path())
    return add_python_feature(store, dataset, name, function, source)


def _lines(found: Iterable[tuple[str, int, str]]) -> Iterable[tuple[str, str, int]]:
    about = {feature.name: feature.about for feature in FEATURES}
    for feature, comparisons, _ in found:
        yield feature, about.get(feature, OWN), comparisons
