"""Draws from a world: comparisons, and everybody's labels on them.

Three streams of a seed are independent: who the annotators are (their tastes), the comparisons with
their labels, and the large draw that the planted truths are taken from. So `draw` 0, 1, 2 ... of a
world are independent data sets of the same annotators, and have the same truths.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, log_ndtr, ndtr

from judges.judge import Orders
from pipelines.simulation.world import DIMENSIONS, Noise
from pipelines.stats.agreement import TIE, A, B

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.simulation.world import Source, World

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Labels = NDArray[np.int8]

AB, BA = 0, 1
FIRST = (1.0, -1.0)  # the sign of position bias where a (ab) or b (ba) was shown first
UNASKED, MISSING = -1, -2  # no label: nobody was asked, or the annotator gave none
TASTES, ITEMS, TRUTHS, TIMES = range(4)  # streams of a seed


def stream(world: World, purpose: int, draw: int = 0) -> np.random.Generator:
    """The random numbers of one purpose."""
    return np.random.default_rng([world.seed, purpose, draw])


@dataclass(frozen=True, slots=True)
class Items:
    """n comparisons: `prompt`, `category`, `model_a`, `model_b` are codes (n,).

    `quality` (n,) is what a is really better by, length and style included; `length` and `style`
    (n,) are differences a less b of variance 1, `features` (n, 3) those that tastes are about.
    `lengths` and `styles` (2, n) are those of a and b, in standard deviations of one response.
    """

    prompt: NDArray[np.int64]
    category: NDArray[np.int64]
    model_a: NDArray[np.int64]
    model_b: NDArray[np.int64]
    quality: Floats
    length: Floats
    style: Floats
    features: Floats
    lengths: Floats
    styles: Floats

    @property
    def n(self) -> int:
        """How many."""
        return len(self.prompt)


@dataclass(frozen=True, slots=True)
class Simulated:
    """One draw of a world.

    `labels` (annotators, 2, n) by annotator as in `world.sources`, order shown (ab, ba) and
    comparison: 0 a, 1 tie, 2 b, -1 not asked, -2 missing. `p_a` (2, n) of the annotators who
    state it, by their place; NaN without a label.
    """

    world: World
    draw: int
    items: Items
    labels: Labels
    p_a: dict[int, Floats] = field(repr=False)

    @property
    def prompt(self) -> NDArray[np.int64]:
        """Prompt codes (n,): the clusters."""
        return self.items.prompt

    def counts_by_order(self, name: str) -> Floats:
        """Counts (2, n, 3) of an annotator's labels by order shown (ab, ba)."""
        return _one_hot(self.labels[self.world.index(name)])

    def counts(self, name: str) -> Floats:
        """Counts (n, 3) of an annotator's labels."""
        ab, ba = self.counts_by_order(name)
        result: Floats = ab + ba
        return result

    def human_counts(self) -> Floats:
        """Counts (n, 3) of all humans' labels."""
        humans = self.labels[: self.world.n_humans]
        return np.stack([(humans == k).sum(axis=(0, 1)) for k in range(3)], axis=1).astype(float)


def simulate(world: World, draw: int = 0) -> Simulated:
    """Draw comparisons and labels; the same world and `draw` give the same."""
    random = stream(world, ITEMS, draw)
    items, errors_at = draw_items(world, random)
    return label_items(world, items, errors_at, random, draw)


def label_items(
    world: World, items: Items, places: Places, random: np.random.Generator, draw: int
) -> Simulated:
    """Everybody's labels on these comparisons."""
    common = places.errors(world.response_errors, random)
    asked = _humans_asked(world, items.n, random)
    labels = np.full((len(world.sources), 2, items.n), UNASKED, dtype=np.int8)
    stated: dict[int, Floats] = {}
    for k, (source, taste) in enumerate(zip(world.sources, tastes(world), strict=True)):
        own = places.errors(world.response_errors, random)
        wanted = _orders_asked(source.orders, items.n, random)
        if k < world.n_humans:
            wanted &= asked[k]
        perceived = np.full((2, items.n), np.nan)
        for order in (AB, BA):
            if wanted[order].any():
                error = _error(source, common, own, random)
                seen = signal(source, taste, items, order)
                perceived[order] = seen + source.noise * _quantile(error, world.noise)
        given = wanted & (random.random((2, items.n)) >= source.missing)
        labels[k] = np.where(given, _class(perceived, source), UNASKED)
        labels[k][wanted & ~given] = MISSING
        if source.confidence is not None:
            stated[k] = np.where(given, expit(source.confidence * perceived), np.nan)
    return Simulated(world, draw, items, labels, stated)


def tastes(world: World) -> Floats:
    """Every annotator's taste (annotators, 3): the same in every draw of a world."""
    drawn = stream(world, TASTES).normal(size=(len(world.sources), DIMENSIONS))
    spread = np.array([source.taste for source in world.sources])
    result: Floats = drawn * spread[:, None]
    return result


def signal(source: Source, taste: Floats, items: Items, order: int) -> Floats:
    """What an annotator perceives (n,) but for its error."""
    own = float(source.model or 0) - 1.0
    mine = (items.model_a == own).astype(float) - (items.model_b == own)
    result: Floats = (
        items.quality
        + source.length_bias * items.length
        + source.style_bias * items.style
        + items.features @ taste
        + source.self_preference * mine
        + source.position_bias * FIRST[order]
    )
    return result


def class_probabilities(world: World, k: int, items: Items, order: int) -> Floats:
    """P(a), P(tie), P(b) (n, 3) of annotator k's label in one order, in closed form."""
    source = world.sources[k]
    seen = signal(source, tastes(world)[k], items, order)
    distribution = expit if world.noise is Noise.LOGISTIC else ndtr
    a = distribution((seen - source.tie_width) / source.noise)
    b = distribution((-seen - source.tie_width) / source.noise)
    return np.stack([a, np.maximum(0.0, 1.0 - a - b), b], axis=1)


@dataclass(frozen=True, slots=True)
class Places:
    """Which responses the comparisons show: places (n,) among `n_responses`."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    n_responses: int

    def errors(self, share: float, random: np.random.Generator) -> Floats:
        """Standard normal errors (n,); `share` of their variance belongs to the two responses."""
        by_response = random.normal(size=self.n_responses)
        both = (by_response[self.a] - by_response[self.b]) / np.sqrt(2)
        result: Floats = np.sqrt(share) * both + np.sqrt(1 - share) * random.normal(size=len(both))
        return result


def draw_items(world: World, random: np.random.Generator) -> tuple[Items, Places]:
    """The comparisons of a world; the pairs of models of a prompt are drawn without repeats."""
    n_prompts, n_models = world.n_prompts, len(world.models)
    shape = (n_prompts, n_models)
    worth = np.array(world.models) + world.response_spread * random.normal(size=shape)
    lengths, styles = random.normal(size=(2, *shape))
    features = random.normal(size=(n_prompts, n_models, DIMENSIONS))
    ease = np.exp(world.difficulty * random.normal(size=n_prompts) - world.difficulty**2 / 2)
    prompt = np.repeat(np.arange(n_prompts), world.comparisons_per_prompt)
    a, b = _pairs(world, random)
    length = (lengths[prompt, a] - lengths[prompt, b]) / np.sqrt(2)
    style = (styles[prompt, a] - styles[prompt, b]) / np.sqrt(2)
    items = Items(
        prompt=prompt,
        category=random.integers(0, len(world.categories), n_prompts)[prompt],
        model_a=a,
        model_b=b,
        quality=ease[prompt] * (worth[prompt, a] - worth[prompt, b])
        + world.length_effect * length
        + world.style_effect * style,
        length=length,
        style=style,
        features=(features[prompt, a] - features[prompt, b]) / np.sqrt(2),
        lengths=np.stack([lengths[prompt, a], lengths[prompt, b]]),
        styles=np.stack([styles[prompt, a], styles[prompt, b]]),
    )
    return items, Places(prompt * n_models + a, prompt * n_models + b, n_prompts * n_models)


def _pairs(
    world: World, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Models of a and b of every comparison; which of the two is a is drawn."""
    first, second = np.triu_indices(len(world.models), k=1)
    keys = random.random((world.n_prompts, len(first)))
    chosen = keys.argsort(axis=1)[:, : world.comparisons_per_prompt].ravel()
    swap = random.random(len(chosen)) < 0.5
    a = np.where(swap, second[chosen], first[chosen])
    b = np.where(swap, first[chosen], second[chosen])
    return a, b


def _humans_asked(world: World, n: int, random: np.random.Generator) -> Mask:
    """Who labels what (humans, n): as many on every comparison, drawn at random."""
    if world.humans_per_comparison == world.n_humans:
        return np.ones((world.n_humans, n), dtype=bool)
    rank = random.random((world.n_humans, n)).argsort(axis=0).argsort(axis=0)
    result: Mask = rank < world.humans_per_comparison
    return result


def _orders_asked(orders: Orders, n: int, random: np.random.Generator) -> Mask:
    """In which orders (2, n) a comparison is shown."""
    if orders is Orders.RANDOM:
        ab = random.random(n) < 0.5
        return np.stack([ab, ~ab])
    both = orders is Orders.BOTH
    return np.stack(
        [np.full(n, both or orders is Orders.AB), np.full(n, both or orders is Orders.BA)]
    )


def _error(source: Source, common: Floats, own: Floats, random: np.random.Generator) -> Floats:
    """Standard normal errors (n,) of one order, of their shared, lasting and passing parts."""
    passing = random.normal(size=len(own))
    steady = np.sqrt(source.steadiness) * own + np.sqrt(1 - source.steadiness) * passing
    shared = source.shared_errors
    result: Floats = np.sqrt(shared) * common + np.sqrt(1 - shared) * steady
    return result


def _quantile(error: Floats, noise: Noise) -> Floats:
    """Standard normal errors as ones of the world's distribution (its normal copula)."""
    if noise is Noise.PROBIT:
        return error
    result: Floats = log_ndtr(error) - log_ndtr(-error)
    return result


def _class(perceived: Floats, source: Source) -> NDArray[np.int64]:
    """Above the tie width a, below its negative b, a tie between."""
    above, below = perceived > source.tie_width, perceived < -source.tie_width
    return np.select([above, below], [A, B], default=TIE)


def _one_hot(labels: NDArray[Any]) -> Floats:
    result: Floats = (labels[..., None] == np.arange(3)).astype(float)
    return result
