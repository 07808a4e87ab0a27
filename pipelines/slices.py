"""Slices of a data set, and intervals that hold for all slices of a judge together."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from data.errors import InputError
from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.sections.agreement import one_human_terms, references, terms_with
from pipelines.sections.view import CEILING, ONE_HUMAN, View, is_subject
from pipelines.stats.intervals import FEWEST_PROMPTS, LEVEL
from pipelines.stats.resampling import bootstrap, drawn_units, simultaneous_intervals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.panel import Panel
    from pipelines.sections.view import Rules

    Floats = NDArray[np.float64]
    Key = tuple[str, str]

COLUMNS = ("category", "length", "models")
_BOUNDS = {"share": (0.0, 1.0), "share difference": (-1.0, 1.0)}


def slice_codes(panel: Panel, column: str) -> tuple[list[str], NDArray[np.int64]]:
    """Names of a column's slices, and each comparison's slice (n,), -1 where it is in none.

    `category` as imported; `length`: quartiles of the characters of both responses together;
    `models`: the two models, whichever is a. Fewer than two slices are none. Raises InputError for
    another column.
    """
    if column not in COLUMNS:
        raise InputError(f"no slices by {column!r}", f"There are: {', '.join(COLUMNS)}.")
    values = {"category": _category, "length": _length, "models": _models}[column](panel)
    names = sorted({value for value in values if value is not None})
    place = {name: k for k, name in enumerate(names)} if len(names) > 1 else {}
    codes = np.array([-1 if v is None else place.get(v, -1) for v in values], dtype=np.int64)
    return (names if place else []), codes


def _category(panel: Panel) -> Iterable[str | None]:
    return list(panel.category)


def _length(panel: Panel) -> Iterable[str | None]:
    known = np.isfinite(panel.length)
    if not known.any():
        return [None] * panel.n_items
    limits = np.quantile(panel.length[known], [0.25, 0.5, 0.75])
    quarter = np.searchsorted(limits, panel.length, side="left")
    names = ("1st quarter", "2nd quarter", "3rd quarter", "4th quarter")
    return [names[q] if k else None for q, k in zip(quarter, known, strict=True)]


def _models(panel: Panel) -> Iterable[str | None]:
    first = np.minimum(panel.model_a, panel.model_b)
    second = np.maximum(panel.model_a, panel.model_b)
    return [
        f"{panel.models[i]} v {panel.models[j]}" if i >= 0 else None
        for i, j in zip(first, second, strict=True)
    ]


def simultaneous(panel: Panel, rules: Rules, column: str, rows: list[Estimate]) -> list[Estimate]:
    """The rows, those of slices with intervals that cover together for all slices of a judge.

    A pointwise interval is widened by the max-t critical value over the slices of the same judge
    and statistic, relative to the normal one; the joint distribution is that of the bootstrap over
    prompts. Slices with too few prompts have no interval and take no part.
    """
    names, codes = slice_codes(panel, column)
    if not names:
        return rows
    criticals = _criticals(View(panel, rules, ALL, np.ones(panel.n_items, bool)), names, codes)
    return [_widened(row, criticals) for row in rows]


def _widened(row: Estimate, criticals: dict[tuple[str, Key], float]) -> Estimate:
    critical = criticals.get((row.statistic, (row.subject, row.reference)))
    if row.slice == ALL or critical is None or row.low is None or row.high is None:
        return row
    if row.estimate in _BOUNDS[row.unit] or row.estimate is None:
        return row
    factor = max(1.0, critical / ndtri(0.5 + LEVEL / 2))  # for all is never less than for one
    least, most = _BOUNDS[row.unit]
    low = max(least, row.estimate - factor * (row.estimate - row.low))
    high = min(most, row.estimate + factor * (row.high - row.estimate))
    return replace(row, low=low, high=high, method=f"{row.method} simultaneous")


def _criticals(
    view: View, names: list[str], codes: NDArray[np.int64]
) -> dict[tuple[str, Key], float]:
    """The max-t critical value of each statistic and judge, from one joint bootstrap."""
    families = [
        family
        for k, who in enumerate(view.panel.annotators)
        if is_subject(who)
        for family in _families(view, k)
    ]
    blocks = [_sums(view, columns, codes, len(names)) for _, _, columns in families]
    enough = [_enough(view, columns, codes, len(names)) for _, _, columns in families]
    return {
        (statistic, key): critical
        for (statistic, key, _), critical in zip(families, _max_t(blocks, enough), strict=True)
        if np.isfinite(critical)
    }


def _families(view: View, k: int) -> Iterator[tuple[str, Key, Floats]]:
    """(statistic, (subject, reference), columns (n, 2 or 4)) of one judge."""
    panel, name = view.panel, view.panel.annotators[k].name
    if panel.indices(AnnotatorKind.HUMAN):
        judge = one_human_terms(view, k)
        yield "single_human_agreement", (name, ONE_HUMAN), judge
        yield "gap", (name, CEILING), np.hstack([judge, view.pairs_of_humans])
    for reference in references(view):
        yield "majority_agreement", (name, reference), terms_with(view, k, reference)


def _sums(view: View, columns: Floats, codes: NDArray[np.int64], n_slices: int) -> Floats:
    """Columns (n, c) summed within what is drawn and slices: (units, slices, c)."""
    used = _used(columns, codes)
    units = drawn_units(view.prompt)
    n_units = int(units.max()) + 1
    cell = units[used] * n_slices + codes[used]
    size = n_units * n_slices
    sums = [np.bincount(cell, weights=w, minlength=size).astype(float) for w in columns[used].T]
    return np.stack(sums, axis=-1).reshape(n_units, n_slices, -1)


def _used(columns: Floats, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    used: NDArray[np.bool_] = np.isfinite(columns).all(axis=1) & (codes >= 0)
    return used


def _enough(
    view: View, columns: Floats, codes: NDArray[np.int64], n_slices: int
) -> NDArray[np.bool_]:
    """Which slices have the prompts that an interval needs, counted as their rows count them."""
    used = _used(columns, codes)
    cells = np.unique(view.prompt[used] * n_slices + codes[used])
    return np.bincount(cells % n_slices, minlength=n_slices) >= FEWEST_PROMPTS


def _max_t(blocks: list[Floats], enough: list[NDArray[np.bool_]]) -> list[float]:
    """The critical value of each block (G, slices, 2 or 4) over the slices with enough prompts.

    NaN below two slices.
    """
    if not blocks:
        return []
    ends = np.cumsum([0] + [block[0].size for block in blocks])
    stacked = np.hstack([block.reshape(len(block), -1) for block in blocks])

    def statistics(totals: Floats) -> Floats:
        parts = [totals[:, i:j] for i, j in pairwise(ends)]
        shaped = [
            part.reshape(len(totals), *block.shape[1:])
            for part, block in zip(parts, blocks, strict=True)
        ]
        return np.hstack([_ratios(part) for part in shaped])

    with np.errstate(all="ignore"):
        values = statistics(stacked.sum(axis=0)[None])[0]
    replicates = bootstrap(statistics, stacked)
    places = np.cumsum([0] + [block.shape[1] for block in blocks])
    return [
        _critical(values[i:j][used], replicates[:, i:j][:, used])
        for (i, j), used in zip(pairwise(places), enough, strict=True)
    ]


def _critical(values: Floats, replicates: Floats) -> float:
    return simultaneous_intervals(values, replicates).critical if len(values) > 1 else np.nan


def _ratios(totals: Floats) -> Floats:
    """(B, slices, 2 or 4) to shares, or differences of shares, (B, slices)."""
    share: Floats = totals[..., 0] / totals[..., 1]
    return share if totals.shape[-1] == 2 else share - totals[..., 2] / totals[..., 3]
