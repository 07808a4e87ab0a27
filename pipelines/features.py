"""Features of the responses: counted once, stored, and read as differences between a and b."""

from __future__ import annotations

from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InputError
from data.feature_values import (
    add_feature,
    count_features,
    count_missing,
    counted_values,
    stored_values,
)
from data.queries import of_each_text
from judges.verifier import load_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from data.store import Store
    from pipelines.panel import Panel


def fill_features(
    store: Store, dataset: str, progress: Callable[[int, int], None] | None = None
) -> int:
    """Count what the store lacks; `progress` hears of comparisons done and to do. How many."""
    missing = count_missing(store, dataset)
    if missing:
        for done in count_features(store, dataset):
            if progress is not None:
                progress(done, missing)
    return missing


def add_sql_feature(store: Store, dataset: str, name: str, expression: str) -> int:
    """A user's feature as an SQL expression over `text`; how many comparisons it was counted on.

    Raises InputError where it fails, and for a name of Concord's own.
    """
    return add_feature(store, dataset, name, expression, partial(of_each_text, expression))


def add_python_feature(store: Store, dataset: str, name: str, function: str, source: str) -> int:
    """A user's feature as the function of that name in a Python source: text in, number out.

    Raises InputError as `add_sql_feature` does, JudgeError where there is no such function.
    """
    count = load_function(function, source)

    def values(texts: pa.Array) -> pa.Array:
        found = [_counted(count, text, function) for text in texts.to_pylist()]
        return pa.array(found, pa.float64())

    return add_feature(store, dataset, name, f"{function}\n{source}", values)


def _counted(count: Callable[..., Any], text: str, function: str) -> float:
    try:
        value = float(count(text))
    except Exception as error:
        raise InputError(
            f"{function} failed on {text[:40]!r}: {error}", "Mend it: it takes a text of any kind."
        ) from error
    if not isfinite(value):
        raise InputError(f"{function} gave {value} for {text[:40]!r}", "Return a finite number.")
    return value


def read_features(store: Store, panel: Panel) -> None:
    """Put the stored features into a panel, as differences a - b.

    Counts differ as log(1 + a) - log(1 + b): one more list item matters less after ten. A user's
    own feature differs as it is.
    """
    with store.reading() as con:
        _put(panel, stored_values(con, panel.dataset))


def count_and_read_features(store: Store, panel: Panel) -> None:
    """The same where the store may only be read: what it lacks is counted and not stored."""
    read_features(store, panel)
    if count_missing(store, panel.dataset):
        for page in counted_values(store, panel.dataset):
            _put(panel, page)
        for name in sorted(panel.features):  # in the order of those that are stored
            panel.features[name] = panel.features.pop(name)


def _put(panel: Panel, rows: pa.Table) -> None:
    """Rows of feature, own, item and the values of a and b; what they leave out stays."""
    for name in sorted(pc.unique(rows["feature"]).to_pylist()):
        mine = rows.filter(pc.equal(rows["feature"], name))
        a, b = (mine[side].to_numpy() for side in "ab")
        if not mine["own"][0].as_py():
            a, b = np.log1p(a), np.log1p(b)
        difference = panel.features.setdefault(name, np.full(panel.n_items, np.nan))
        difference[mine["item"].to_numpy()] = a - b
