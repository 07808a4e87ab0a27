"""A simulated draw as a data set to import; everything in it says that it is simulated."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from data import queries
from data.errors import InputError
from data.formats.material import COMPARISONS, LABELS, Material
from data.imports import import_material
from data.records import OVERALL, Annotator, AnnotatorKind
from pipelines.simulation.draw import MISSING, TIMES, UNASKED, simulate, stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from data.imports import Imported
    from data.store import Store
    from pipelines.simulation.draw import Simulated
    from pipelines.simulation.world import World

SOURCE = "simulated"
_DIGESTS = "SELECT digest FROM imports WHERE dataset = $dataset"
TYPICAL_CHARACTERS, FEWEST_CHARACTERS = 400, 80
SPREAD = 0.5  # of the log of the characters
LIST_ITEM = "\n- a simulated point"
FILLER = " simulated words" * 400
SECONDS_SPREAD = 0.4  # of the log of the seconds


def import_world(store: Store, world: World, dataset: str) -> Imported:
    """Simulate a world into the store; the same world twice adds nothing.

    Raises InputError, and changes nothing, where the name stands for another data set already.
    """
    material = to_material(simulate(world), dataset)
    with store.reading() as con:
        digests = [row[0] for row in queries.rows(con, _DIGESTS, dataset=dataset)]
    if digests and material.digest not in digests:
        raise InputError(
            f"the data set {dataset!r} is in the store already, and is another one",
            f"Choose another --dataset, or remove it: concord datasets remove {dataset}",
        )
    return import_material(store, material)


def to_material(simulated: Simulated, dataset: str, *, texts: bool = True) -> Material:
    """A draw as one data set: the longer response is the longer text, prices are planted ones.

    Missing labels of humans are `skipped`, those of judges `parse_error`; both cost their price.
    """
    world = simulated.world
    text = f"{world!r} draw={simulated.draw} texts={texts}"
    return Material(
        dataset=dataset,
        source=SOURCE,
        comparisons=_comparisons(simulated, texts=texts),
        labels=_labels(simulated),
        annotators=tuple(_annotators(simulated, dataset)),
        digest=hashlib.sha256(text.encode()).hexdigest(),
        notes=("all labels and texts are simulated",),
        simulated=True,
    )


def _annotators(simulated: Simulated, dataset: str) -> list[Annotator]:
    world = simulated.world
    kinds = [AnnotatorKind.HUMAN] * world.n_humans + [AnnotatorKind.JUDGE] * len(world.judges)
    return [
        Annotator(
            kind,
            source.name,
            dataset,
            model=None if source.model is None else world.model_names[source.model - 1],
        )
        for kind, source in zip(kinds, world.sources, strict=True)
    ]


def _comparisons(simulated: Simulated, *, texts: bool) -> pa.Table:
    world, items = simulated.world, simulated.items
    categories, models = np.array(world.categories), np.array(world.model_names)
    columns: dict[str, Any] = {
        "item": np.arange(items.n),
        "source_id": [f"simulated-{k + 1}" for k in range(items.n)],
        "prompt_key": [f"simulated-{k + 1}" for k in items.prompt.tolist()],
        "model_a": models[items.model_a],
        "model_b": models[items.model_b],
        "category": categories[items.category],
    }
    if texts:
        columns["prompt"] = [
            f"Simulated prompt {k + 1} about {category}."
            for k, category in zip(items.prompt.tolist(), columns["category"], strict=True)
        ]
        for slot, name in enumerate(("model_a", "model_b")):
            column = name.replace("model", "response")
            columns[column] = _responses(simulated, columns[name], slot)
    return _table(columns, COMPARISONS, items.n)


def _responses(simulated: Simulated, models: NDArray[np.str_], slot: int) -> list[str]:
    """Texts (n,) as long as was planted; list items stand for style, as far as there is room."""
    items = simulated.items
    sizes = TYPICAL_CHARACTERS * np.exp(SPREAD * items.lengths[slot])
    sizes = np.maximum(FEWEST_CHARACTERS, np.round(sizes)).astype(int)
    points = np.clip(np.round(2 + 1.5 * items.styles[slot]), 0, 8).astype(int)
    return [
        f"Simulated answer of {model} to prompt {prompt + 1}.{LIST_ITEM * n}\n{FILLER}"[:size]
        for prompt, model, n, size in zip(
            items.prompt.tolist(), models.tolist(), points.tolist(), sizes.tolist(), strict=True
        )
    ]


def _labels(simulated: Simulated) -> pa.Table:
    world = simulated.world
    annotator, order, item = np.nonzero(simulated.labels != UNASKED)
    klass = simulated.labels[annotator, order, item].astype(np.int64)
    missing = klass == MISSING
    human = annotator < world.n_humans
    status = np.where(missing, np.where(human, "skipped", "parse_error"), "ok")
    price = np.array([_nan(source.price_usd) for source in world.sources])
    columns: dict[str, Any] = {
        "item": item,
        "annotator": pa.array([source.name for source in world.sources]).take(pa.array(annotator)),
        "criterion": np.full(len(item), OVERALL),
        "repeat": np.zeros(len(item), dtype=np.int16),
        "shown": pa.array(["ab", "ba"]).take(pa.array(order)),
        "preference": pa.array(["a", "tie", "b"]).take(pa.array(klass, mask=missing)),
        "p_a": _known(_stated(simulated, annotator, order, item)),
        "status": status,
        "seconds": _known(_seconds(simulated, annotator)),
        "cost_usd": _known(price[annotator]),
    }
    return _table(columns, LABELS, len(item))


def _stated(
    simulated: Simulated,
    annotator: NDArray[np.intp],
    order: NDArray[np.intp],
    item: NDArray[np.intp],
) -> NDArray[np.float64]:
    """P(a preferred) of every label; NaN where it is not stated."""
    found = np.full(len(item), np.nan)
    for k, p_a in simulated.p_a.items():
        start, end = np.searchsorted(annotator, [k, k + 1])
        found[start:end] = p_a[order[start:end], item[start:end]]
    return found


def _seconds(simulated: Simulated, annotator: NDArray[np.intp]) -> NDArray[np.float64]:
    """Log-normal about the annotator's median."""
    random = stream(simulated.world, TIMES, simulated.draw)
    median = np.array([_nan(source.seconds) for source in simulated.world.sources])
    times = median[annotator] * np.exp(SECONDS_SPREAD * random.normal(size=len(annotator)))
    result: NDArray[np.float64] = np.round(times, 2)
    return result


def _nan(value: float | None) -> float:
    return np.nan if value is None else value


def _known(values: NDArray[np.float64]) -> pa.Array:
    """Null where not a number."""
    return pa.array(values, mask=np.isnan(values))


def _table(columns: dict[str, Any], schema: pa.Schema, n: int) -> pa.Table:
    """Columns in the order and types of a schema; those that are not there are null."""
    arrays = [
        pa.array(columns[each.name]).cast(each.type)
        if each.name in columns
        else pa.nulls(n, each.type)
        for each in schema
    ]
    return pa.table(arrays, schema=schema)
