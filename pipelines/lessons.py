"""What scorers learn from: comparisons with texts and a decided majority of humans, as a pool."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from data import queries
from data.errors import InputError
from data.records import AnnotatorKind
from judges.response_features import RECIPE, Recipe, style_columns, text_columns
from pipelines.same_prompt import same_prompt
from pipelines.stats.agreement import A, B, total
from pipelines.wording import percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from data.store import Store
    from judges.response_features import Embed
    from pipelines.sections.view import View

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]

PROMPTS, GROUPS = "in distribution", "unseen categories"
HUMAN, IMITATION, LONGER, LENGTH_ONLY, CEILING = (
    "one human", "best imitation", "longer response", "length only", "human ceiling",
)  # fmt: skip
SCORERS = ("centroid", "nearest chosen", "n-gram model", "style density")
VOTES = "held-out human votes"
SIZES = (25, 50, 100, 200, 400, 700)
MOST_LABELS = 3000  # of a fit: inner products of this many comparisons are kept
MOST_JUDGES = 4
FEWEST = 20  # comparisons to fit to


@dataclass(frozen=True, slots=True)
class Plan:
    """What is fitted how often. `human_share` of a hybrid's labels are a human's."""

    recipe: Recipe = RECIPE
    sizes: tuple[int, ...] = SIZES
    folds: int = 5
    repeats: int = 4
    human_share: float = 0.3
    most_comparisons: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 2 or max(self.sizes) > MOST_LABELS:
            raise InputError(
                f"sizes {', '.join(map(str, self.sizes)) or 'of none'}",
                f"Give numbers of labels from 2 to {MOST_LABELS:,}.",
            )
        if not 0 < self.human_share < 1:
            raise InputError(f"a human share of {self.human_share:g}", "A share between 0 and 1.")


@dataclass(frozen=True, slots=True)
class Pool:
    """Comparisons with texts and a decided majority of humans' votes, which response is a being
    decided by their texts: nothing hangs on how they are stored.

    Counts (n, 3): `humans`, and each judge's in `judges`. `group` (n,): -1 where not known.
    `tokens` and `text` (2n, d), `style` (2n, k): all responses a, then all b. `items` (n,): their
    places in the panel, `turned` (n,): whose a is the panel's b; so many more are `left_out`.
    """

    prompt: NDArray[np.int64]
    group: NDArray[np.int64]
    longer: Floats
    humans: Floats
    judges: Mapping[str, Floats]
    tokens: Any = field(repr=False)
    text: Any = field(repr=False)
    style: Floats = field(repr=False)
    items: Places = field(repr=False)
    turned: NDArray[np.bool_] = field(repr=False)
    left_out: int = 0

    @property
    def votes(self) -> Floats:
        """The share of decided votes (n,) that are for a."""
        found: Floats = self.humans[:, A] / (self.humans[:, A] + self.humans[:, B])
        return found


def hybrid(judge: str, human_share: float) -> str:
    """The name of the arm that has a human's labels on a share and a judge's on the rest."""
    return f"{judge}, {percent(human_share)} one human"


def read_pool(
    store: Store, view: View, plan: Plan, group: str | None, embed: Embed | None = None
) -> tuple[Pool, list[str]]:
    """The comparisons, and what is to be said of them. Raises InputError for too few."""
    panel = view.panel
    with store.reading() as con:
        texts = queries.table(con, queries.TEXTS, dataset=panel.dataset).to_pydict()
        category = panel.category
        if group is not None:
            category = np.array(queries.metadata_of(con, panel.dataset, group), dtype=object)
    known = np.array([a is not None and b is not None for a, b in _responses(texts)], dtype=bool)
    humans = panel.human_counts()
    decided = known & view.keep & (humans[:, A] != humans[:, B])
    items, left = _within(np.flatnonzero(decided), panel.prompt, plan.most_comparisons)
    _check(view, known, items)
    turned = np.array([texts["response_a"][k] > texts["response_b"][k] for k in items])
    items, turned = _in_order(items, turned, texts, panel)
    judges, notes = _judges(view, items)
    if left:
        notes.append(f"{len(items):,} comparisons, by prompt: {left:,} more are left out")
    first = [
        texts["response_b" if t else "response_a"][k] for k, t in zip(items, turned, strict=True)
    ]
    second = [
        texts["response_a" if t else "response_b"][k] for k, t in zip(items, turned, strict=True)
    ]
    responses, recipe = first + second, plan.recipe
    tokens = text_columns(replace(recipe, embedding=None), responses)
    length = np.array([len(text) for text in responses]).reshape(2, -1)
    prompts = same_prompt(panel.prompt[items], _prompts_of(texts, items))[0]
    return Pool(
        np.unique(prompts, return_inverse=True)[1],
        _codes(category[items]),
        np.sign(length[0] - length[1]).astype(float),
        turned_where(turned, humans[items]),
        {name: turned_where(turned, counts[items]) for name, counts in judges.items()},
        tokens,
        tokens if recipe.embedding is None else text_columns(recipe, responses, embed),
        style_columns(responses, recipe.style),
        items,
        turned,
        left,
    ), notes


def _prompts_of(texts: Mapping[str, Sequence[Any]], items: Places) -> list[str]:
    """Texts, or the ids of prompts without one."""
    return [texts["prompt"][k] or f"id {texts['prompt_id'][k]}" for k in items]


def _responses(texts: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str | None, str | None]]:
    return zip(texts["response_a"], texts["response_b"], strict=True)


def _within(items: Places, prompt: NDArray[Any], most: int) -> tuple[Places, int]:
    """Whole prompts, in the order of their hashed ids, up to so many items; and how many not."""
    if len(items) <= most:
        return items, 0
    ordered = items[np.argsort(prompt[items], kind="stable")]
    kept = ordered[prompt[ordered] < prompt[ordered[most]]]
    return kept, len(items) - len(kept)


def _in_order(
    items: Places, turned: NDArray[np.bool_], texts: Mapping[str, Sequence[Any]], panel: Any
) -> tuple[Places, NDArray[np.bool_]]:
    """Items in an order that hangs on their texts, not on which response is called a."""

    def key(place: int) -> bytes:
        k = items[place]
        models = sorted([int(panel.model_a[k]), int(panel.model_b[k])])
        both = sorted([texts["response_a"][k], texts["response_b"][k]])
        return sha256(repr((texts["prompt"][k], both, models)).encode("utf-8", "replace")).digest()

    order = sorted(range(len(items)), key=key)
    return items[order], turned[order]


def turned_where(turned: NDArray[np.bool_], counts: Floats) -> Floats:
    """Counts or shares (n, 3) with a and b exchanged where `turned` (n,)."""
    return np.where(turned[:, None], counts[:, ::-1], counts)


def _codes(values: NDArray[np.object_]) -> NDArray[np.int64]:
    """Codes of values, in any case, in order of their words; -1 for None."""
    names = [None if value is None else str(value).casefold() for value in values]
    place = {name: k for k, name in enumerate(sorted({n for n in names if n is not None}))}
    return np.array([-1 if n is None else place[n] for n in names], dtype=np.int64)


def _judges(view: View, items: Places) -> tuple[dict[str, Floats], list[str]]:
    """Usable labels (n, 3) of the judges that labelled most of the items, and what to say."""
    counts = {}
    for k in view.panel.indices(AnnotatorKind.JUDGE):
        mine = np.zeros((view.panel.n_items, 3))
        mine[view.keep] = view.counts(k)
        counts[view.panel.annotators[k].name] = mine
    labelled = {name: int((total(mine[items]) > 0).sum()) for name, mine in counts.items()}
    most = sorted(
        (n for n in labelled if labelled[n] * 2 >= len(items)), key=lambda n: -labelled[n]
    )
    kept, notes = most[:MOST_JUDGES], []
    if others := [name for name in labelled if name not in kept]:
        more = f" and {len(others) - 8:,} more" if len(others) > 8 else ""
        notes.append(
            f"without the labels of {', '.join(others[:8])}{more}: at most {MOST_JUDGES} judges "
            "(--judge names them), each with labels of half of the comparisons"
        )
    if not kept:
        notes.append("no judge has labelled these comparisons: no arm learns from AI labels")
    return {name: counts[name] for name in kept}, notes


def _check(view: View, known: NDArray[np.bool_], items: Places) -> None:
    dataset = view.panel.dataset
    if not view.panel.indices(AnnotatorKind.HUMAN):
        raise InputError(
            f"no human has labelled {dataset!r}: nothing to learn from, nobody to judge by",
            "Import human labels of the same comparisons, 100 or more.",
        )
    if not known.any():
        raise InputError(
            f"{dataset!r} has no responses: scorers are fitted to texts",
            "Import the comparisons with the texts of both responses.",
        )
    n_prompts = len(np.unique(view.panel.prompt[items]))
    if len(items) < 2 * FEWEST or n_prompts < FEWEST:
        raise InputError(
            f"{len(items):,} comparisons of {n_prompts:,} prompts in {dataset!r} have texts and a "
            f"decided majority of humans: {2 * FEWEST} of {FEWEST} prompts are needed",
            "Have more prompts labelled by humans; ties alone teach nothing here.",
        )
