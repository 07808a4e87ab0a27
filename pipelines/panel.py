"""A data set as arrays: who labelled which comparison how often with which class.

Read once from the store; every statistic is made from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from data import queries
from data.errors import InputError
from data.names import told_apart
from data.prices import price_of, prices_in_force
from data.records import OVERALL, AnnotatorKind
from pipelines.threads import in_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from data.prices import Price
    from data.store import Store

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

AB, BA, UNKNOWN = 0, 1, 2
UNPARSED = 3
HOUR = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Who:
    """An annotator of the data set."""

    annotator_id: str
    name: str
    kind: AnnotatorKind
    anonymous: bool
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Ballots:
    """One annotator's labels on n comparisons.

    `counts` (3, n, 4): labels by order shown (ab, ba, unknown), comparison, and class a, tie, b or
    unparsed. `rows` (n,): all labels asked for, whatever their status. `cost` and `seconds` (n, 2):
    their sum over the labels where it is known, and how many those are.
    """

    counts: NDArray[np.uint16]
    rows: NDArray[np.int64]
    cost: Floats
    seconds: Floats


@dataclass(frozen=True, slots=True)
class Probed:
    """A judge's labels on what a probe made, (m,) labels beside those on the originals.

    `before` and `after`: P(the response that the probe changed is preferred), 1, 1/2 for a tie or 0
    where none was stated; `first`: likewise of the one shown first, NaN where none was; `kept`:
    whether the preference stayed; `tied`: 1 for a tie after. NaN without a verdict. `worse`: the
    probe takes something away; `alike`: it makes both responses the same; `same_texts`: it leaves
    both as they are.
    """

    item: NDArray[np.int32]
    before: Floats
    after: Floats
    first: Floats
    kept: Floats
    tied: Floats
    worse: bool
    alike: bool
    same_texts: bool


@dataclass(slots=True)
class Panel:
    """Arrays of one data set and criterion; `prompt` (n,) are cluster codes.

    `longer` (n,): +1 where response a has more characters, -1 where b has, 0 where equal or not
    known. `length` (n,): characters of both responses together, NaN where not known. `model_a`,
    `model_b` (n,) are places in `models`, -1 where not known.

    `labels` holds one array for each column, sorted by annotator: annotator (place in
    `annotators`), item, preference (0 a, 1 tie, 2 b, -1 none), repeat, shown (0 ab, 1 ba, -1 not
    known), unparsed, p_a (P(a preferred), NaN where not stated), cost_usd, seconds, at (seconds
    since 1970, UTC).

    `features` holds differences a - b (n,) of what responses count, NaN where not known; empty
    unless `pipelines.features` has read them. `probed` likewise, by judge and probe
    (`pipelines.probed`).
    """

    dataset: str
    criterion: str
    simulated: bool
    prompt: NDArray[np.int32]
    category: NDArray[np.object_]
    longer: NDArray[np.int8]
    length: Floats
    models: tuple[str, ...]
    model_a: NDArray[np.int32]
    model_b: NDArray[np.int32]
    n_with_texts: int
    annotators: tuple[Who, ...]
    labels: dict[str, NDArray[Any]] = field(repr=False)
    features: dict[str, Floats] = field(default_factory=dict, repr=False)
    probed: dict[tuple[str, str], Probed] = field(default_factory=dict, repr=False)
    _cache: dict[int, Ballots] = field(default_factory=dict, repr=False)
    _humans: Floats | None = field(default=None, repr=False)

    @property
    def n_items(self) -> int:
        """Comparisons in the data set."""
        return len(self.prompt)

    def indices(self, *kinds: AnnotatorKind) -> list[int]:
        """Positions in `annotators` of these kinds."""
        return [k for k, who in enumerate(self.annotators) if who.kind in kinds]

    def ballots(self, k: int) -> Ballots:
        """The labels of annotator number k."""
        if k not in self._cache:
            self._cache[k] = self._count(k)
        return self._cache[k]

    def human_counts(self) -> Floats:
        """Counts (n, 3) of the humans' usable labels, one label a human and comparison."""
        if self._humans is None:
            total = np.zeros((3, self.n_items)).T
            for ballots in in_threads(self.ballots, self.indices(AnnotatorKind.HUMAN)):
                total += ballots.counts[:, :, :UNPARSED].sum(axis=0)
            self._humans = total
        return self._humans

    def without_others(self, judge: str) -> Panel:
        """The same panel with this one judge or baseline alone beside humans and gold labels."""
        annotators = self.annotators
        kept = [
            k for k, who in enumerate(annotators)
            if who.name == judge or who.kind not in (AnnotatorKind.JUDGE, AnnotatorKind.BASELINE)
        ]  # fmt: skip
        edges = np.searchsorted(
            self.labels["annotator"], np.arange(len(annotators) + 1, dtype=np.int16)
        )
        rows = np.concatenate([np.arange(edges[k], edges[k + 1]) for k in kept] or [edges[:0]])
        labels = {name: column[rows] for name, column in self.labels.items()}
        labels["annotator"] = np.searchsorted(kept, labels["annotator"]).astype(np.int16)
        return replace(
            self,
            annotators=tuple(annotators[k] for k in kept),
            labels=labels,
            probed={key: probed for key, probed in self.probed.items() if key[0] == judge},
            _cache={kept.index(k): ballots for k, ballots in self._cache.items() if k in kept},
        )

    def turned(self) -> Mask:
        """Where a is the second of the two models by name, or the shorter response."""
        models = np.sign(self.model_b - self.model_a)
        return np.where(models, models, self.longer) < 0

    def _count(self, k: int) -> Ballots:
        start, end = np.searchsorted(self.labels["annotator"], np.array([k, k + 1], np.int16))
        mine = {name: column[start:end] for name, column in self.labels.items()}
        if self.annotators[k].kind is AnnotatorKind.HUMAN:
            mine = _first_of_each_item(mine, self.turned())
        return _ballots(mine, self.n_items)


def _first_of_each_item(labels: dict[str, NDArray[Any]], turned: Mask) -> dict[str, NDArray[Any]]:
    """A human's repeats are no further humans: the first usable label of each item stays.

    Of two orders in the same repeat the earlier one; of two at the same time, one by the
    comparison's number, so that neither order is favoured. `turned` makes that independent of which
    response is called a.
    """
    item = labels["item"]
    if np.bincount(item).max(initial=0) <= 1:
        return labels
    order_shown = (item + (labels["shown"] ^ turned[item])) % 2
    order = np.lexsort(
        (order_shown, labels["at"], labels["repeat"], labels["preference"] < 0, item)
    )
    _, first = np.unique(item[order], return_index=True)
    return {name: column[order[first]] for name, column in labels.items()}


def _ballots(labels: dict[str, NDArray[Any]], n_items: int) -> Ballots:
    item = labels["item"].astype(np.int64)
    preference = labels["preference"].astype(np.int64)
    shown = labels["shown"].astype(np.int64)
    klass = np.where(preference >= 0, preference, UNPARSED)
    known = (preference >= 0) | labels["unparsed"].astype(bool)
    order = np.where(shown >= 0, shown, UNKNOWN)
    cell = ((order * 4 + klass) * n_items + item)[known]
    counts = np.bincount(cell, minlength=12 * n_items).astype(np.uint16).reshape(3, 4, n_items)
    return Ballots(
        counts=counts.transpose(0, 2, 1),  # a class stands together in memory: faster sums
        rows=np.bincount(item, minlength=n_items),
        cost=_known_sums(labels["cost_usd"].astype(float), item, n_items),
        seconds=_known_sums(labels["seconds"].astype(float), item, n_items),
    )


def _known_sums(values: Floats, item: NDArray[np.int64], n_items: int) -> Floats:
    known = np.isfinite(values)
    if not known.any():
        return np.zeros((n_items, 2))
    sums = np.bincount(item[known], weights=values[known], minlength=n_items)
    return np.stack([sums, np.bincount(item[known], minlength=n_items)], axis=1)


def read_panel(
    store: Store,
    dataset: str,
    criterion: str | None = None,
    judges: Sequence[str] = (),
) -> Panel:
    """The arrays of one data set. `criterion` None: `overall`, or the only one there is.

    `judges` leaves out all other judges and baselines. Raises InputError for an unknown data set,
    criterion or judge, and where None leaves a choice.
    """
    with store.reading() as con:
        queries.check_dataset(con, dataset)
        everyone = queries.records(con, queries.LABELLERS, dataset=dataset)
        criterion = _criterion(everyone, dataset, criterion)
        found = _wanted(told_apart(r for r in everyone if criterion in r["criteria"]), judges)
        items = queries.table(con, queries.ITEMS, dataset=dataset)
        labels = queries.table(
            con,
            queries.LABEL_ROWS,
            dataset=dataset,
            criterion=criterion,
            annotators=[row["annotator_id"] for row in found],
        )
        prices = prices_in_force(con, dataset)
        [(simulated,)] = queries.rows(
            con, "SELECT simulated FROM datasets WHERE dataset = $dataset", dataset=dataset
        )
    lengths = [items[name].to_numpy(zero_copy_only=False).astype(float) for name in _LENGTHS]
    difference = np.nan_to_num(lengths[0] - lengths[1])
    columns = {name: _array(labels[name]) for name in labels.column_names}
    models, model_a, model_b = _models(items)
    present = np.flatnonzero(np.bincount(columns["annotator"]))
    place = np.zeros(len(found), np.int16)
    place[present] = np.arange(len(present))
    columns["annotator"] = place[columns["annotator"]]
    found = [found[k] for k in present]  # others have labels of parts of comparisons only
    order = np.argsort(columns["annotator"], kind="stable")
    ordered = {name: c[order] if c.strides[0] else c for name, c in columns.items()}
    annotators = tuple(_who(row) for row in found)
    return Panel(
        dataset=dataset,
        criterion=criterion,
        simulated=bool(simulated),
        prompt=items["prompt"].to_numpy(),
        category=items["category"].to_numpy(zero_copy_only=False),
        longer=np.sign(difference).astype(np.int8),
        length=lengths[0] + lengths[1],
        models=models,
        model_a=model_a,
        model_b=model_b,
        n_with_texts=int(np.isfinite(lengths[0] + lengths[1]).sum()),
        annotators=annotators,
        labels={**ordered, "cost_usd": _priced(ordered, annotators, prices)},
    )


def _priced(
    labels: dict[str, NDArray[Any]], annotators: Sequence[Who], prices: Sequence[Price]
) -> Floats:
    """What each label costs: by the price that a user set, else as it was stored."""
    found = [price_of(prices, who.name, who.kind) for who in annotators]
    cost: Floats = labels["cost_usd"]
    if not any(found):
        return cost
    cost = cost if cost.flags.writeable else np.array(cost)
    edges = np.searchsorted(labels["annotator"], np.arange(len(found) + 1, dtype=np.int16))
    for price, start, end in zip(found, edges[:-1], edges[1:], strict=True):
        if price is not None and price.usd_per_label is not None:
            cost[start:end] = price.usd_per_label
        elif price is not None and price.usd_per_hour is not None:
            cost[start:end] = price.usd_per_hour / HOUR * labels["seconds"][start:end]
    return cost


def _who(row: dict[str, Any]) -> Who:
    kind = AnnotatorKind(row["kind"])
    return Who(row["annotator_id"], row["name"], kind, row["anonymous"], row["model"])


def _wanted(found: list[dict[str, Any]], judges: Sequence[str]) -> list[dict[str, Any]]:
    """All annotators, or the humans and aggregates with the judges of these names."""
    judged = [row["name"] for row in found if row["kind"] in ("judge", "baseline")]
    for name in judges:
        if name not in judged:
            raise InputError(
                f"no labels of a judge {name!r} in this data set",
                f"There are: {', '.join(judged) or 'none; see concord label --help'}.",
            )
    return [
        row for row in found if not judges or row["name"] not in judged or row["name"] in judges
    ]


_LENGTHS = ("length_a", "length_b")


def _array(column: Any) -> NDArray[Any]:
    """A column as an array; one without any value takes no room."""
    if len(column) and column.null_count == len(column):
        return np.broadcast_to(np.nan, len(column))
    array: NDArray[Any] = column.to_numpy()
    return array


def _names(column: Any) -> Sequence[str | None]:
    return [None] * len(column) if column.null_count == len(column) else column.to_pylist()


def _models(items: Any) -> tuple[tuple[str, ...], NDArray[np.int32], NDArray[np.int32]]:
    """The models in order of name, and their places for a and b."""
    pairs = [_names(items[name]) for name in ("model_a", "model_b")]
    names = sorted({name for names in pairs for name in names if name is not None})
    place = {name: k for k, name in enumerate(names)}
    codes = [np.array([-1 if n is None else place[n] for n in names], np.int32) for names in pairs]
    return tuple(names), codes[0], codes[1]


def _criterion(everyone: list[dict[str, Any]], dataset: str, wanted: str | None) -> str:
    names = sorted({name for row in everyone for name in row["criteria"]}) or [OVERALL]
    if wanted is None:
        wanted = names[0] if len(names) == 1 else OVERALL
    if wanted not in names:
        raise InputError(
            f"no label of {dataset!r} has the criterion {wanted!r}",
            f"There are: {', '.join(names)}. Choose one with --criterion.",
        )
    return wanted
