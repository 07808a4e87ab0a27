"""Bias rows: position, features of the responses, and a judge's own model's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.sections.features import curve_rows, difference_rows, feature_rows
from pipelines.sections.own_answers import own_answer_rows
from pipelines.sections.position import position_rows
from pipelines.sections.probes import probe_rows
from pipelines.sections.view import ONE_HUMAN, View, is_subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate

    Floats = NDArray[np.float64]


def bias_rows(view: View) -> Iterator[Estimate]:
    """All rows of one slice: each judge, and the humans as one."""
    yield from order_rows(view)
    yield from feature_rows_of(view)
    yield from curve_rows_of(view)
    yield from own_answer_rows(view)
    yield from probe_rows(view)


def order_rows(view: View) -> Iterator[Estimate]:
    """What the order in which responses are shown does."""
    for name, counts in _subjects(view):
        yield from position_rows(view, name, counts)


def difference_from_humans_rows(view: View) -> Iterator[Estimate]:
    """Differences from humans (L1) without adjustment, which take little time of all."""
    yield from difference_rows(view, list(_subjects(view)))


def feature_rows_of(view: View, judge: str | None = None) -> Iterator[Estimate]:
    """What the responses hold that are chosen (L1, L2): of one judge, or of all."""
    yield from feature_rows(view, _beside_humans(view, judge))


def curve_rows_of(view: View, judge: str | None = None) -> Iterator[Estimate]:
    """The same as the difference grows."""
    yield from curve_rows(view, _beside_humans(view, judge))


def _beside_humans(view: View, judge: str | None) -> list[tuple[str, Floats]]:
    return [each for each in _subjects(view) if judge in (None, each[0]) or each[0] == ONE_HUMAN]


def _subjects(view: View) -> Iterator[tuple[str, Floats]]:
    """Name and usable labels (3, n, 3) by order shown."""
    humans = view.panel.indices(AnnotatorKind.HUMAN)
    if humans:
        yield ONE_HUMAN, np.sum([view.counts_by_order(k) for k in humans], axis=0)
    for k, who in enumerate(view.panel.annotators):
        if is_subject(who):
            yield who.name, view.counts_by_order(k)
