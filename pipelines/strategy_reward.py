"""Quality as what labels teach: reward models fitted to a strategy's labels, scored on humans'.

The data-fitting experiment with strategies as arms: prompts held out in turn, one label of each
comparison to learn from, drawn with the same luck for all strategies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from data.errors import InputError
from pipelines.fits import Fit, drawn, luck, matched_votes, splits_of
from pipelines.lessons import PROMPTS, Plan, Pool, read_pool, turned_where
from pipelines.sections.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from data.store import Store
    from pipelines.fits import Split

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Progress = Callable[[int, int], None]

PLAN = Plan()


@dataclass(frozen=True, slots=True)
class Lesson:
    """What reward models are fitted to and scored on: `items` marks it in the view.

    So many comparisons `lack` a text or a decided majority, and so many were `too_many`.
    """

    items: Mask
    pool: Pool = field(repr=False)
    order: NDArray[np.intp] = field(repr=False)
    splits: Sequence[Split] = field(repr=False)
    plan: Plan
    lack: int
    too_many: int
    progress: Progress | None = None

    def quality(self, labels: Sequence[Floats]) -> Floats:
        """`learned_quality` (n, m) of m shares (n, 3), along the marked items of the view."""
        mine = [turned_where(self.pool.turned, each[self.order]) for each in labels]
        found = np.empty((len(self.order), len(labels)))
        found[self.order] = learned_quality(
            self.pool, self.plan, mine, self.splits, progress=self.progress
        )
        return found


class Learner:
    """Reads lessons from a store, where the texts are; `progress` hears of fits done and to do."""

    def __init__(self, store: Store, plan: Plan = PLAN, progress: Progress | None = None) -> None:
        self.store, self.plan, self.progress = store, plan, progress

    def lesson(self, view: View, items: Mask) -> Lesson:
        """Of the items (n,) of a view that have what it takes. Raises InputError for too few."""
        keep = view.keep.copy()
        keep[view.keep] = items
        pool, _ = read_pool(
            self.store, View(view.panel, view.rules, view.name, keep), self.plan, None
        )
        splits = splits_of(pool, pool.prompt, self.plan, PROMPTS)
        if not splits:
            raise InputError(
                f"too few prompts of {view.panel.dataset!r} to hold some out and learn from others",
                "Have comparisons of 20 prompts or more labelled by humans.",
            )
        mine = np.zeros(len(view.keep), dtype=bool)
        mine[pool.items] = True
        order = np.searchsorted(np.flatnonzero(mine), pool.items)
        lack = int(items.sum()) - len(order) - pool.left_out
        return Lesson(mine[view.keep], pool, order, splits, self.plan, lack, pool.left_out,
                      self.progress)  # fmt: skip


def learned_quality(
    pool: Pool, plan: Plan, labels: Sequence[Floats], splits: Sequence[Split],
    *, progress: Progress | None = None,
) -> Floats:  # fmt: skip
    """The share of held-out votes (n, m) that a reward model fitted to labels of each sort matches.

    `labels`: m shares (n, 3) that an item's label is drawn from; rows of 0 or NaN have none to
    learn from. The mean over the repeats of the splits, each with labels drawn anew.
    """
    own = {each.tobytes(): each for each in labels}  # what is the same is fitted once
    place = {key: k for k, key in enumerate(own)}
    sums, times = np.zeros((len(pool.prompt), len(own))), np.zeros((len(pool.prompt), 1))
    for done, split in enumerate(splits, 1):
        fit = Fit(pool, plan, split)
        u = luck(plan, split.repeat, len(pool.prompt))
        targets = np.stack([drawn(each, u)[fit.order] for each in own.values()], axis=1)
        margins = fit.fitted(targets, np.isfinite(targets), plan.recipe)
        sums[split.test] += matched_votes(margins, pool.votes[split.test, None])
        times[split.test] += 1
        if progress is not None:
            progress(done, len(splits))
    found: Floats = (sums / times)[:, [place[each.tobytes()] for each in labels]]
    return found
