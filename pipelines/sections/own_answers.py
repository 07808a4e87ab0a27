"""Own-answer rows: how a judge treats the responses of the model that it is itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.sections.features import fitted, within_floor
from pipelines.sections.view import DIFFERENCE, MAJORITY, View, detectable, row, undefined
from pipelines.stats.adjusted import NO_FIT
from pipelines.stats.agreement import A, B, one_hot, total
from pipelines.stats.intervals import interval_around

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.panel import Panel, Who

    Floats = NDArray[np.float64]

SECTION = "bias"
OWN = "own answers"
NO_OWN = "no comparison of its own answers has labels of two humans and of this one"
ALONE = (
    "not identified: without labels of another model's judge, liking its own answers cannot be "
    "told from what any AI judge would make of that model"
)


def own_answer_rows(view: View, judge: str | None = None) -> Iterator[Estimate]:
    """Of each judge whose model made some of the responses, or of the one named; else nothing.

    `own_answer_difference`: its win rate for its own answers less the human majority's.
    `self_preference`: how much more often it chooses them than a judge of its sharpness without any
    liking (L2), less what the other judges do. A dull judge chooses a good model less often than
    humans do and a bad one more often: the plain difference is not one of taste.
    """
    panel = view.panel
    judges = panel.indices(AnnotatorKind.JUDGE)
    own = {k: own_model(panel, panel.annotators[k]) for k in judges}
    if not any(code is not None for code in own.values()) or not (view.majority >= 0).any():
        return
    humans = _score(one_hot(view.majority))
    wanted = [k for k in judges if judge in (None, panel.annotators[k].name)]
    for k in wanted:
        if (code := own[k]) is not None:
            yield from _difference(view, k, code, _score(view.shares(k)) - humans)
    yield from _self_preference(view, wanted, own)


def own_model(panel: Panel, who: Who) -> int | None:
    """The place of the judge's own model among those of the responses, by its name or model."""
    names = [_plain(name) for name in panel.models]
    for candidate in (who.model, who.name):
        plain = _plain(candidate or "")
        if plain and plain in names:
            return names.index(plain)
    return None


def _plain(name: str) -> str:
    """Letters and digits after the provider: openai/GPT-4 is gpt4."""
    return re.sub(r"[^a-z0-9.]", "", name.rpartition("/")[2].lower())


def _score(shares: Floats) -> Floats:
    """Win share of a less one half (n,), ties half; NaN without a label."""
    known = np.isfinite(shares[:, A]) & (total(shares) > 0)
    with np.errstate(invalid="ignore"):
        return np.where(known, (shares[:, A] - shares[:, B]) / 2, np.nan)


def _difference(view: View, k: int, code: int, difference: Floats) -> Iterator[Estimate]:
    sign = _of_model(view, code)
    items = np.isfinite(difference) & (sign != 0)
    name, method = view.panel.annotators[k].name, f"{view.rules.with_majority} ties=half"
    if not items.any():
        return
    columns = np.stack([(sign * difference)[items], np.ones(items.sum())]).T
    found = view.of_ratio(columns, items, bounds=DIFFERENCE)
    n_items, n_labels = int(items.sum()), view.n_labels(k, items)
    yield row(view, SECTION, "own_answer_difference", name, MAJORITY, found, n_items=n_items,
              n_labels=n_labels, unit="share difference", method=method)  # fmt: skip
    yield from detectable(view, SECTION, "detectable_own_answer_difference", name, MAJORITY, found,
                          n_items, n_labels, method)  # fmt: skip


def _self_preference(
    view: View, wanted: list[int], own: dict[int, int | None]
) -> Iterator[Estimate]:
    """Each judge's liking for its own model (L2), less what other models' judges have for it."""
    for k in wanted:
        code = own[k]
        if code is None:
            continue
        mine, why = _liking(view, k, code, own)
        others = [_liking(view, j, code, own) for j in own if own[j] != code]
        known = [found for found, _ in others if found is not None]
        name, method = view.panel.annotators[k].name, "L2 beside other judges ties=half"
        if mine is None or not known:
            if view.name == ALL:
                why = why or next((reason for _, reason in others), ALONE)
                yield undefined(view, SECTION, "self_preference", name, OWN, why or ALONE,
                                unit="share difference", method=method)  # fmt: skip
            continue
        value = mine.value - float(np.mean([found.value for found in known]))
        moved = mine.influence - np.mean([found.influence for found in known], axis=0)
        used = np.any([found.used for found in (mine, *known)], axis=0)
        interval = interval_around(value, moved[used])
        yield row(view, SECTION, "self_preference", name, OWN, interval, n_items=mine.n_items,
                  n_labels=mine.n_labels, unit="share difference", method=method,
                  note=within_floor(interval))  # fmt: skip
        yield from detectable(view, SECTION, "detectable_self_preference", name, OWN, interval,
                              mine.n_items, mine.n_labels, method)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Liking:
    """How much more often a judge chooses a model than humans' quality says (L2).

    `influence` (G,) over the prompts of the view, `used` (G,) those it rests on.
    """

    value: float
    influence: Floats
    used: NDArray[np.bool_]
    n_items: int
    n_labels: int


def _liking(
    view: View, k: int, model: int, own: dict[int, int | None]
) -> tuple[_Liking | None, str | None]:
    """Of annotator k for a model, and why not.

    With its own model as a feature too, where that is another one: what it likes there is no
    dislike of this one. With two models alone the two are one feature, and there is no fit.
    """
    models = [model] if own[k] in (None, model) else [model, own[k]]
    x = np.stack([_of_model(view, code) for code in models], axis=1)
    judge = view.counts_by_order(k)
    items = (view.n_humans >= 2) & (judge.sum(axis=(0, 2)) > 0)
    if not (x[items] != 0).any(axis=0).all():
        return None, NO_OWN
    prompt = view.prompt[items]
    found, why = fitted(x[items], view.humans[items], judge[:, items], prompt)
    if found is None or not np.isfinite(found.excess[0]):
        return None, why or NO_FIT
    n_prompts = int(view.prompt.max()) + 1
    influence, used = np.zeros(n_prompts), np.bincount(prompt, minlength=n_prompts) > 0
    influence[used] = found.influence[:, 0]
    n_labels = int(judge[:, items].sum())
    return _Liking(float(found.excess[0]), influence, used, len(prompt), n_labels), None


def _of_model(view: View, code: int | None) -> Floats:
    """1 where a is of the model, -1 where b is (n,)."""
    first, second = view.panel.model_a[view.keep] == code, view.panel.model_b[view.keep] == code
    result: Floats = first * 1.0 - second
    return result
