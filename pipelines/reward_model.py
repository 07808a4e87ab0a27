"""A reward model from the labels of a data set, as a judge file: fitted, cross-fitted, saved.

Prompts are in folds by the digests of their texts. Texts that share a prompt's id, and ids that
share a text, are one prompt here, so that no model is asked about what another spelling taught it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from data import queries
from data.errors import InputError
from judges.response_features import (
    RECIPE,
    combined,
    idf_of,
    scale_of,
    style_columns,
    text_columns,
)
from judges.reward_model import FOLDS, Scorer, Settings, packed, prompt_digest
from pipelines.estimates import ALL
from pipelines.export import write_bytes
from pipelines.panel import read_panel
from pipelines.same_prompt import same_prompt
from pipelines.sections.view import Rules, View
from pipelines.stats.agreement import TIE, A, total
from pipelines.stats.intervals import FEWEST_PROMPTS
from pipelines.stats.reward import fit_reward

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from data.store import Store
    from judges.response_features import Recipe
    from pipelines.panel import Panel

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]

HUMANS = "humans"


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a reward model learns from: m comparisons with texts and a label.

    `prompts`, `first`, `second`: texts; `targets` (m,): P(first preferred), the mean of the labels
    with ties half; `fold` (m,). `left_out`: comparisons without a label, or without a text.
    """

    source: str
    dataset: str
    criterion: str
    prompts: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]
    targets: Floats
    fold: Integers
    left_out: int


def read_lessons(store: Store, dataset: str, source: str, criterion: str | None = None) -> Lessons:
    """Of the humans (`humans`) or of an annotator. Raises InputError where there are too few."""
    panel = read_panel(store, dataset, criterion)
    return lessons_of(panel, read_texts(store, dataset), source)


def read_texts(store: Store, dataset: str) -> pa.Table:
    """Prompts and responses of all comparisons, in the order of a panel."""
    with store.reading() as con:
        return queries.table(con, queries.TEXTS, dataset=dataset)


def lessons_of(panel: Panel, texts: pa.Table, source: str) -> Lessons:
    """`read_lessons` of what has been read."""
    counts = _counts(panel, source)
    n = total(counts)
    complete = ~np.asarray(texts["lacks"].to_numpy(zero_copy_only=False), dtype=bool)
    kept = np.flatnonzero(complete & (n > 0))
    prompts, first, second = (
        tuple(texts[name].take(kept).to_pylist()) for name in ("prompt", "response_a", "response_b")
    )
    n_prompts = len(np.unique(panel.prompt[kept]))
    if n_prompts < FEWEST_PROMPTS:
        raise InputError(
            f"{n_prompts} prompts of {panel.dataset!r} have texts and labels of {source}",
            f"A reward model needs at least {FEWEST_PROMPTS}: label or import more.",
        )
    targets = (counts[kept, A] + counts[kept, TIE] / 2) / n[kept]
    fold = folds_of(panel.prompt[kept], prompts)
    return Lessons(source, panel.dataset, panel.criterion, prompts, first, second, targets, fold,
                   panel.n_items - len(kept))  # fmt: skip


def _counts(panel: Panel, source: str) -> Floats:
    """Usable labels (n, 3) of the humans, or of one annotator."""
    names = [who.name for who in panel.annotators]
    if source == HUMANS:
        return panel.human_counts()
    if source not in names:
        raise InputError(
            f"no annotator {source!r} in this data set",
            f"There are: {', '.join([HUMANS, *names])}.",
        )
    view = View(panel, Rules(), ALL, np.ones(panel.n_items, dtype=bool))
    return view.counts(names.index(source))


def folds_of(prompt: Integers, texts: tuple[str, ...]) -> Integers:
    """The fold (m,) of each comparison, from prompts' codes (m,) and texts.

    The smallest digest of a prompt's texts modulo the number of folds: whatever else a data set
    holds, the same texts are in the same fold.
    """
    digest = same_prompt(prompt, texts)[1]
    found: Integers = (digest % np.uint64(FOLDS)).astype(np.int64)
    return found


def fit_scorer(lessons: Lessons, recipe: Recipe = RECIPE) -> Scorer:
    """The model of all prompts, and those that lack a fold's. Raises InputError for embeddings.

    Inverse document frequencies and scales too are those of the prompts a model was fitted on.
    """
    if recipe.embedding is not None:
        raise InputError(
            f"a reward model on embeddings of {recipe.embedding} would not be free to run",
            "Leave out the embedding.",
        )
    responses, place = np.unique(
        np.array([*lessons.first, *lessons.second], dtype=object), return_inverse=True
    )
    text = text_columns(recipe, list(responses))
    style = style_columns(list(responses), recipe.style)
    first, second = np.split(place, 2)
    parts = []
    for fold in (None, *range(FOLDS)):
        mine = np.flatnonzero(lessons.fold != fold) if fold is not None else np.arange(len(first))
        seen = np.unique([first[mine], second[mine]])
        idf, scale = idf_of(text[seen]), scale_of(style[seen])
        features = combined(recipe, text, style, idf, scale)
        differences = features[first[mine]] - features[second[mine]]
        weights = fit_reward(differences, lessons.targets[mine], ridge=recipe.ridge)
        parts.append((weights, idf, scale))
    digests = np.array([prompt_digest(each) for each in lessons.prompts], np.uint64)
    known, at = np.unique(digests, return_index=True)
    weights, idf, scale = (np.stack(each) for each in zip(*parts, strict=True))
    return Scorer(recipe, weights, idf, scale, known, lessons.fold[at].astype(np.uint8))


def settings_of(lessons: Lessons, scorer: Scorer, weights: str, numbers: bytes) -> Settings:
    """The settings that a judge file states, with the digest of the numbers."""
    recipe = scorer.recipe
    without = Settings(
        weights=weights, digest="0" * 64, source=lessons.source, dataset=lessons.dataset,
        criterion=lessons.criterion, comparisons=len(lessons.prompts), prompts=len(scorer.known),
        folds=FOLDS, ngrams=recipe.ngrams, buckets=recipe.buckets,
        style_weight=recipe.style_weight, ridge=recipe.ridge,
        style=cast("Any", recipe.style),
    )  # fmt: skip
    return without.model_copy(update={"digest": without.digest_with(numbers)})


def save_judge(lessons: Lessons, scorer: Scorer, to: Path, *, force: bool = False) -> Settings:
    """Write the judge file and its numbers beside it, each whole or not at all.

    Raises InputError for a name that cannot be, and where a file exists and may not be replaced.
    """
    beside = to.with_suffix(".npz")
    check_new(to, force=force)
    numbers = packed(scorer)
    settings = settings_of(lessons, scorer, beside.name, numbers)
    write_bytes(numbers, beside)  # first: a judge file never speaks of numbers that are not there
    write_bytes(_as_toml(to.stem, settings).encode(), to)
    return settings


def check_new(to: Path, *, force: bool) -> None:
    """Raise InputError where a judge file cannot be written, before anything is fitted."""
    plain = to.stem.replace("-", "_").replace(".", "_")
    if to.suffix != ".toml" or not (plain.isidentifier() and plain.isascii() and len(plain) <= 80):
        raise InputError(f"cannot save a judge as {to}", "Name a .toml file, such as rm.toml.")
    if not to.parent.is_dir():
        raise InputError(f"cannot write {to}: there is no such folder", "Make the folder first.")
    for path in (to, to.with_suffix(".npz")):
        if path.exists() and not force:
            raise InputError(f"{path} exists already", "Name another file, or add --force.")


def _as_toml(name: str, settings: Settings) -> str:
    """A judge file; a JSON text without escapes of other planes is a TOML text."""
    said = settings.model_dump()
    lines = [
        f"# A reward model, written by concord learn --save. Its numbers: {settings.weights}",
        f"name = {_quoted(name)}",
        'kind = "reward_model"',
        f"criterion = {_quoted(settings.criterion)}",
        "",
        "[reward_model]",
        *(f"{key} = {_quoted(v) if isinstance(v, str) else v}" for key, v in said.items()),
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
