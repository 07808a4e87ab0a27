"""Rows against the class that Dawid and Skene's model finds in the humans' labels, on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.panel import UNPARSED
from pipelines.sections.consistency import ANONYMOUS, NO_HUMANS
from pipelines.sections.view import View, is_subject, row, undefined
from pipelines.stats.agreement import matches, one_hot
from pipelines.stats.dawid_skene import WARNING, dawid_skene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.panel import Panel

    Floats = NDArray[np.float64]

SECTION = "dawid_skene"
CLASSES = "Dawid-Skene class"
FEWEST_HUMANS = 3
FEW_HUMANS = (
    f"fewer than {FEWEST_HUMANS} identified humans: who errs how often cannot be told apart"
)
NO_OVERLAP = "no comparison has labels of two identified humans"
NONE_IN_COMMON = "no comparison has a usable label of this one and of an identified human"
NOT_CONVERGED = "the fit did not converge"


def dawid_skene_rows(view: View) -> Iterator[Estimate]:
    """Each judge against the Dawid-Skene class of the identified humans, fitted to all of them.

    No judge has a say in the class. It is fitted to the whole data set, in slices too, and taken
    as known: the interval is of the comparisons, not of the fit.
    """
    subjects = [k for k, who in enumerate(view.panel.annotators) if is_subject(who)]
    named, why = _identified(view.panel)
    codes = _codes(view.panel, named)
    if why is None and not ((codes >= 0).sum(axis=1) >= 2).any():
        why = NO_OVERLAP
    method = f"annotators=humans symmetrised {view.rules.agreement}"
    if why is not None:
        for k in subjects if view.name == ALL else ():
            name = view.panel.annotators[k].name
            yield undefined(
                view, SECTION, "dawid_skene_agreement", name, CLASSES, why, method=method
            )
        return
    fitted = dawid_skene(codes)
    note = _dawid_skene_note(view.panel, len(named), fitted.converged)
    classes = one_hot(fitted.classes[view.keep])
    for k in subjects:
        yield from _with_classes(view, k, classes, method, note)


def _with_classes(
    view: View, k: int, classes: Floats, method: str, note: str
) -> Iterator[Estimate]:
    name, terms = view.panel.annotators[k].name, matches(view.shares(k), classes, view.rules.ties)
    items = np.isfinite(terms[:, 0])
    if items.any():
        yield row(view, SECTION, "dawid_skene_agreement", name, CLASSES, view.share(terms, items),
                  n_items=int(items.sum()), n_labels=view.n_labels(k, items), method=method,
                  note=note)  # fmt: skip
    elif view.name == ALL:
        yield undefined(view, SECTION, "dawid_skene_agreement", name, CLASSES, NONE_IN_COMMON,
                        method=method)  # fmt: skip


def _identified(panel: Panel) -> tuple[list[int], str | None]:
    """The identified humans, and why there are not enough of them."""
    humans = panel.indices(AnnotatorKind.HUMAN)
    named = [k for k in humans if not panel.annotators[k].anonymous]
    if not humans:
        return named, NO_HUMANS
    if not named:
        return named, ANONYMOUS
    return named, FEW_HUMANS if len(named) < FEWEST_HUMANS else None


def _codes(panel: Panel, annotators: list[int]) -> NDArray[np.int8]:
    """The class that each annotator gave (n, J), -1 where none: one label a human and item."""
    codes = np.full((panel.n_items, len(annotators)), -1, np.int8)
    for column, k in enumerate(annotators):
        counts = panel.ballots(k).counts[:, :, :UNPARSED].sum(axis=0)
        codes[:, column] = np.where(counts.any(axis=1), counts.argmax(axis=1), -1)
    return codes


def _dawid_skene_note(panel: Panel, n_named: int, converged: bool) -> str:
    nameless = len(panel.indices(AnnotatorKind.HUMAN)) - n_named
    parts = [f"left out: {nameless:,} anonymous annotators"] if nameless else []
    parts += [f"class from {n_named:,} humans, taken as known", WARNING]
    return "; ".join([*parts, *(() if converged else (NOT_CONVERGED,))])
