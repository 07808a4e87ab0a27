"""Replacement rows: may a judge replace humans, how many is it worth, and leave-one-out agreement.

The alternative annotator test and the human equivalence decide about a judge on the whole data set:
slices would ask the same question many times over and have no rows of these. Leave-one-out
agreement is there in slices too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.sections.view import CEILING, ONE_HUMAN, View, is_subject, row, undefined
from pipelines.stats.equivalence import Equivalence, human_equivalence
from pipelines.stats.intervals import Interval
from pipelines.stats.leave_one_out import human_with_others, judge_with_others
from pipelines.stats.replacement import (
    FEWEST_HUMANS,
    PASSES,
    Q,
    Replacement,
    WinningRate,
    replacement,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate

    Floats = NDArray[np.float64]

SECTION = "replacement"

EPSILON = 0.15  # what a human costs more: .15 skilled annotators, .2 experts, .1 crowd
OTHERS = "the other humans"
MAJORITY_OF_OTHERS = "majority of the other humans"
NO_HUMANS = "the data set has no human labels"
NO_TWO = "no comparison has labels of two humans and a usable label of this one"
ANONYMOUS = "the humans are anonymous: which labels are of the same person is not known"


def replacement_rows(view: View) -> Iterator[Estimate]:
    """All replacement rows of one slice: each judge and baseline."""
    any_humans = bool(view.panel.indices(AnnotatorKind.HUMAN))
    for k, who in enumerate(view.panel.annotators):
        if is_subject(who):
            yield from _leave_one_out(view, k)
    if view.name != ALL:
        return
    people, labels = _identified(view) if any_humans else ([], np.zeros((0, 0), np.int8))
    for k, who in enumerate(view.panel.annotators):
        if is_subject(who):
            yield from _test(view, k, people, labels)
            yield _equivalence(view, k)


def _leave_one_out(view: View, k: int) -> Iterator[Estimate]:
    """The judge, and the humans on the same items and the same reduced panels."""
    name = view.panel.annotators[k].name
    method = f"majority=mode split {_rule(view)}"
    judge, human = judge_with_others(view.shares(k), view.humans), human_with_others(view.humans)
    items = np.isfinite(judge)
    if not items.any():
        if view.name == ALL:
            yield _without(view, "leave_one_out_agreement", name, MAJORITY_OF_OTHERS, method)
        return
    n_items = int(items.sum())
    yield row(view, SECTION, "leave_one_out_agreement", name, MAJORITY_OF_OTHERS,
              view.mean(judge, items), n_items=n_items, n_labels=view.n_labels(k, items),
              method=method, note=_left_out(view, k, items))  # fmt: skip
    yield row(view, SECTION, "leave_one_out_agreement", CEILING, MAJORITY_OF_OTHERS,
              view.mean(human, items), n_items=n_items, n_labels=int(view.humans[items].sum()),
              method=f"{method} items of {name}")  # fmt: skip


def _rule(view: View) -> str:
    """Here a tie is a class whatever the rule for agreement: majorities need all labels."""
    return f"ties=class unparsed={view.rules.unparsed}"


def _without(
    view: View, statistic: str, name: str, reference: str, method: str, unit: str = "share"
) -> Estimate:
    """A row without a number where there are no humans, or no two of them beside the judge."""
    why = NO_TWO if view.panel.indices(AnnotatorKind.HUMAN) else NO_HUMANS
    return undefined(view, SECTION, statistic, name, reference, why, unit=unit, method=method)


def _left_out(view: View, k: int, used: NDArray[np.bool_]) -> str | None:
    """How many of the annotator's comparisons the number does not rest on."""
    asked = view.ballots(k).rows[view.keep] > 0
    dropped = int((asked & ~used).sum())
    return f"left out: {dropped:,} without a usable label or enough humans" if dropped else None


def _identified(view: View) -> tuple[list[int], NDArray[np.int8]]:
    """The humans who are known as persons, and their labels (n, J): class, or -1 for none."""
    annotators = view.panel.annotators
    people = [k for k in view.panel.indices(AnnotatorKind.HUMAN) if not annotators[k].anonymous]
    labels = np.full((len(view.prompt), len(people)), -1, dtype=np.int8)
    for column, k in enumerate(people):
        counts = view.counts(k)
        labels[:, column] = np.where(counts.any(axis=1), counts.argmax(axis=1), -1)
    return people, labels


def _test(view: View, k: int, people: list[int], labels: NDArray[np.int8]) -> Iterator[Estimate]:
    """The alternative annotator test in both forms, and the advantage probability."""
    name = view.panel.annotators[k].name
    forms = {form: _method(view, form) for form in ("clustered", "published i.i.d.")}
    rule = _rule(view)
    why = _refused(view, len(people))
    if why:
        for method in forms.values():
            yield undefined(view, SECTION, "winning_rate", name, OTHERS, why, method=method)
        yield undefined(view, SECTION, "advantage_probability", name, OTHERS, why, method=rule)
        return
    found = replacement(labels, view.shares(k), view.prompt, EPSILON)
    rates = (found.clustered, found.published)
    for rate, method in zip(rates, forms.values(), strict=True):
        yield _winning_rate(view, k, found, rate, method)
    yield row(view, SECTION, "advantage_probability", name, OTHERS, found.advantage,
              n_items=found.n_items, n_labels=view.n_labels(k, found.items), method=rule,
              note=_anonymous_note(view))  # fmt: skip


def _method(view: View, form: str) -> str:
    """The margin, the form of the test and the false discovery rate, without leading zeros."""
    epsilon, q = (f"{number:.3g}".removeprefix("0") for number in (EPSILON, Q))
    order = f"{form} q={q}" if form == "clustered" else form
    return f"epsilon={epsilon} {order} {_rule(view)}"


def _refused(view: View, n_people: int) -> str | None:
    """Why there is no test at all."""
    humans = view.panel.indices(AnnotatorKind.HUMAN)
    if not humans:
        return NO_HUMANS
    if not n_people:
        return ANONYMOUS
    if n_people < FEWEST_HUMANS:
        return f"fewer than {FEWEST_HUMANS} identified humans ({n_people})"
    return None


def _winning_rate(
    view: View, k: int, found: Replacement, rate: WinningRate, method: str
) -> Estimate:
    """A share of few people: whom it counts stands in the note instead of an interval."""
    if rate.estimate is None:
        note = rate.reason
    else:
        verdict = "it may" if rate.estimate >= PASSES else "not shown that it may"
        counted = f"{rate.n_rejected} of {rate.n_tested} humans: {verdict} replace humans"
        note = f"{counted}; no interval, as it counts tests against these humans"
    skipped = len(found.humans) - rate.n_tested
    if rate.estimate is not None and skipped:
        people = "human" if skipped == 1 else "humans"
        note = f"{note}; left out: {skipped} {people} with too few comparisons"
    interval = Interval(rate.estimate, None, None, found.advantage.n_prompts, note)
    return row(view, SECTION, "winning_rate", view.panel.annotators[k].name, OTHERS, interval,
               n_items=found.n_items, n_labels=view.n_labels(k, found.items), method=method,
               note=_anonymous_note(view))  # fmt: skip


def _anonymous_note(view: View) -> str | None:
    humans = view.panel.indices(AnnotatorKind.HUMAN)
    nameless = sum(view.panel.annotators[k].anonymous for k in humans)
    people = "annotator" if nameless == 1 else "annotators"
    return f"left out: {nameless} anonymous {people}" if nameless else None


def _equivalence(view: View, k: int) -> Estimate:
    name, method = view.panel.annotators[k].name, f"majority=mode split {_rule(view)}"
    found = human_equivalence(view.shares(k), view.humans, view.prompt)
    if found.estimate is None:
        return _without(view, "human_equivalence", name, ONE_HUMAN, method, unit="humans")
    return row(view, SECTION, "human_equivalence", name, ONE_HUMAN, _uncensored(found),
               n_items=int(found.items.sum()), n_labels=view.n_labels(k, found.items),
               unit="humans", method=method, note=_left_out(view, k, found.items))  # fmt: skip


def _uncensored(found: Equivalence) -> Interval:
    """The equivalence as an Interval: what lies beyond the data is told in the note."""
    values = (found.estimate, found.low, found.high)
    estimate, low, high = (v if v is not None and np.isfinite(v) else None for v in values)
    notes = []
    if estimate is None:
        notes.append(f"more than {found.most} humans, the largest majority that the data has")
    if estimate == 0:
        notes.append("no more often than a guess that knows only how common each class is")
    if found.low is not None and low is None:
        notes.append("this with 95% confidence")
    elif low is not None and high is None:
        notes.append(f"the 95% interval goes from {low:.2f} to more than {found.most}")
    if found.note:
        notes.append(found.note)
    if high is None:
        low = None
    return Interval(estimate, low, high, found.n_prompts, "; ".join(notes) or None)
