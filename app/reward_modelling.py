"""`concord learn --save`: a reward model as a judge file."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from app.stores import chosen_dataset, take_up_if_possible
from app.terminal import print_json, say
from data.errors import InputError
from data.store import Store
from pipelines.reward_model import check_new, fit_scorer, read_lessons, save_judge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from judges.response_features import Recipe


def run_save(
    path: Path, dataset: str | None, criterion: str | None, train_on: str, to: Path,
    recipe: Recipe, judges: Sequence[str], *, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Fit a reward model to the labels of the humans, or of an annotator, and save it.

    `judges` are of the experiment: here they would be read as whose labels are meant.
    """
    if judges:
        raise InputError("--judge means nothing with --save", "Say whose labels with --train-on.")
    check_new(to, force=force)
    store = Store(path)
    take_up_if_possible(store)
    name = chosen_dataset(store, dataset)
    lessons = read_lessons(store, name, train_on, criterion)
    settings = save_judge(lessons, fit_scorer(lessons, recipe), to, force=force)
    if as_json:
        print_json({"judge": str(to), "left_out": lessons.left_out, **settings.model_dump()})
    say(
        f"{to}: fitted to the labels of {settings.source} on {settings.comparisons:,} comparisons "
        f"of {name}; {settings.prompts:,} prompts in {settings.folds} folds"
    )
    if lessons.left_out:
        say(f"  {lessons.left_out:,} comparisons left out: no label, or a text is missing")
    say(f"  {recipe}")
    say(f"  keep {settings.weights} beside it; these prompts are judged by models fitted to others")
    after = ["concord", "label", "--judge", str(to), "--dataset", name, "--store", str(path)]
    say(f"next: {shlex.join(after)}")
