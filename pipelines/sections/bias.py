"""Bias rows: position, features of the responses, and a judge's own model's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.sections.features import difference_rows, feature_rows
from pipelines.sections.own_answers import own_answer_rows
from pipelines.sections.position import position_rows
from pipelines.sections.probes import probe_rows
from pipelines.sections.view import ONE_HUMAN, View, is_subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate

    Floats = NDArray[np.float64]


def bias_rows(view: View, judge: str | None = None) -> Iterator[Estimate]:
    """All rows of one slice: each judge, and the humans as one.

    With `judge`, features and own answers of that one alone: they take nearly all of the time.
    """
    subjects = list(_subjects(view))
    for name, counts in subjects:
        yield from position_rows(view, name, counts)
    wanted = [each for each in subjects if judge in (None, each[0]) or each[0] == ONE_HUMAN]
    yield from feature_rows(view, wanted)
    yield from own_answer_rows(view, judge)
    yield from probe_rows(view)


def first_look_rows(view: View) -> Iterator[Estimate]:
    """What takes little time of all: what the order does, and differences from humans (L1)."""
    subjects = list(_subjects(view))
    for name, counts in subjects:
        yield from position_rows(view, name, counts)
    yield from difference_rows(view, subjects)


def _subjects(view: View) -> Iterator[tuple[str, Floats]]:
    """Name and usable labels (3, n, 3) by order shown."""
    humans = view.panel.indices(AnnotatorKind.HUMAN)
    if humans:
        yield ONE_HUMAN, np.sum([view.counts_by_order(k) for k in humans], axis=0)
    for k, who in enumerate(view.panel.annotators):
        if is_subject(who):
            yield who.name, view.counts_by_order(k)
