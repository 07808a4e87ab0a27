"""The table of features: what each response of a comparison counts, one row a feature."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from os import cpu_count
from typing import TYPE_CHECKING
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from data import queries
from data.errors import InputError
from data.features import FEATURES, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from data.store import Connection, Store

    Values = Callable[[pa.Array], pa.Array]

PAGE = 25_000  # comparisons, where their texts are short
CHARACTERS = 50_000_000  # of a page
OWN = "own:"  # how the version of a user's feature begins
FIRST = UUID(int=0)

MISSING = """
SELECT comparison_id, response_a, response_b FROM comparisons
WHERE dataset = $dataset AND comparison_id > $after::UUID
    AND response_a IS NOT NULL AND response_b IS NOT NULL
    AND comparison_id NOT IN (SELECT comparison_id FROM features
                              WHERE version = $version AND feature = $feature)
ORDER BY comparison_id LIMIT $size
"""
SIZE = """
SELECT coalesce(avg(length(response_a) + length(response_b)), 0)
FROM comparisons WHERE dataset = $dataset
"""
COUNT_MISSING = f"SELECT count(*) FROM ({MISSING})"
FORGET = """
DELETE FROM features
WHERE comparison_id IN (SELECT comparison_id FROM comparisons WHERE dataset = $dataset)
    AND CASE WHEN $feature IS NULL THEN NOT starts_with(version, 'own:') ELSE feature = $feature END
    AND version IS DISTINCT FROM $version
"""
ADD = """
INSERT INTO features BY NAME SELECT comparison_id, $feature AS feature, $version AS version, a, b
FROM page
"""
PLACES = """
SELECT comparison_id, row_number() OVER (ORDER BY comparison_id)::INTEGER - 1 AS item
FROM comparisons WHERE dataset = $dataset
"""
VALUES = f"""
WITH items AS ({PLACES})
SELECT feature, starts_with(version, 'own:') AS own, item, a, b
FROM features JOIN items USING (comparison_id)
WHERE version = $version OR starts_with(version, 'own:')
"""
NAMES = """
SELECT feature, count(*) AS comparisons, version
FROM features JOIN comparisons USING (comparison_id)
WHERE dataset = $dataset GROUP BY feature, version ORDER BY starts_with(version, 'own:'), feature
"""


def count_missing(store: Store, dataset: str) -> int:
    """Comparisons with texts whose features are not stored, or under older definitions."""
    with store.reading() as con:
        queries.check_dataset(con, dataset)
        [(n,)] = queries.rows(con, COUNT_MISSING, **_wanted(dataset, FEATURES[0].name, VERSION),
                              after=str(FIRST), size=2**62)  # fmt: skip
    return int(n)


def count_features(store: Store, dataset: str) -> Iterator[int]:
    """Count and store what is missing, a page a transaction; yields comparisons done so far."""
    with store.writing() as con:
        con.execute(FORGET, {"dataset": dataset, "feature": None, "version": VERSION})
    # the first feature is stored last: a page is whole where it is there
    functions = {feature.name: feature.of for feature in reversed(FEATURES)}
    yield from _add(store, dataset, functions, FEATURES[0].name, VERSION)


def add_feature(store: Store, dataset: str, name: str, version: str, values: Values) -> int:
    """Store a user's own feature in place of an earlier one of that name; how many comparisons.

    `values` maps texts to doubles. Raises InputError for a name that is taken.
    """
    if name in [feature.name for feature in FEATURES]:
        raise InputError(f"{name!r} is one of Concord's own features", "Choose another name.")
    version = OWN + sha256(version.encode()).hexdigest()[:12]
    with store.writing() as con:
        queries.check_dataset(con, dataset)
        con.execute(FORGET, {"dataset": dataset, "feature": name, "version": version})
    try:
        return sum(_add(store, dataset, {name: values}, name, version, so_far=False))
    except BaseException:  # half a feature would leave comparisons out
        with store.writing() as con:
            con.execute(FORGET, {"dataset": dataset, "feature": name, "version": None})
        raise


def remove_feature(store: Store, dataset: str, name: str) -> int:
    """Remove a user's own feature; of how many comparisons.

    Raises InputError where there is none of that name.
    """
    with store.writing() as con:
        queries.check_dataset(con, dataset)
        found = {row[0]: row[1] for row in queries.rows(con, NAMES, dataset=dataset)
                 if row[2].startswith(OWN)}  # fmt: skip
        if name not in found:
            raise InputError(
                f"no feature of your own is called {name!r}",
                f"There are: {', '.join(found) or 'none'}.",
            )
        con.execute(FORGET, {"dataset": dataset, "feature": name, "version": None})
    return int(found[name])


def counted_values(store: Store, dataset: str) -> Iterator[pa.Table]:
    """Features that are missing from the store, counted without storing them, a page each.

    feature, own, item, and the values of a and b, as `stored_values` gives them.
    """
    functions = {feature.name: feature.of for feature in FEATURES}
    with store.reading() as con:
        places = queries.table(con, PLACES, dataset=dataset)
    for ids, columns in _counted(store, dataset, functions, FEATURES[0].name, VERSION):
        item = places["item"].take(pc.index_in(ids, places["comparison_id"]))
        for name, a, b in zip(functions, columns[::2], columns[1::2], strict=True):
            own = pa.repeat(False, len(ids))
            named = pa.repeat(name, len(ids))
            yield pa.table({"feature": named, "own": own, "item": item, "a": a, "b": b})


def _add(
    store: Store, dataset: str, functions: Mapping[str, Values], last: str, version: str, *,
    so_far: bool = True,
) -> Iterator[int]:  # fmt: skip
    done = 0
    for ids, columns in _counted(store, dataset, functions, last, version):
        with store.writing() as con:
            for name, a, b in zip(functions, columns[::2], columns[1::2], strict=True):
                con.register("page", pa.table({"comparison_id": ids, "a": a, "b": b}))
                con.execute(ADD, {"feature": name, "version": version})
                con.unregister("page")
        done += len(ids)
        yield done if so_far else len(ids)


def _counted(
    store: Store, dataset: str, functions: Mapping[str, Values], last: str, version: str
) -> Iterator[tuple[pa.Array, list[pa.Array]]]:
    """Pages of what is missing: ids, and of each function the values of a and of b."""
    after = FIRST
    with store.reading() as con:
        [(length,)] = queries.rows(con, SIZE, dataset=dataset)
    size = int(min(PAGE, 1 + CHARACTERS // (1 + length)))
    while True:
        with store.reading() as con:
            page = queries.table(con, MISSING, **_wanted(dataset, last, version),
                                 after=str(after), size=size)  # fmt: skip
        if not len(page):
            return
        ids, *texts = (page[name].combine_chunks() for name in page.column_names)
        yield ids, _in_threads([(values, text) for values in functions.values() for text in texts])
        after = UUID(str(ids[-1].as_py()))


def _in_threads(calls: list[tuple[Values, pa.Array]]) -> list[pa.Array]:
    """Arrow counts on several processors at once."""
    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        return list(pool.map(lambda call: call[0](call[1]), calls))


def _wanted(dataset: str, feature: str, version: str) -> dict[str, str]:
    return {"dataset": dataset, "feature": feature, "version": version}


def stored_values(con: Connection, dataset: str) -> pa.Table:
    """feature, own, item (place by comparison id), and the values of a and b."""
    return queries.table(con, VALUES, dataset=dataset, version=VERSION)
