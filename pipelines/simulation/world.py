"""What a simulated world is like: prompts, responses, humans and judges, each with its settings.

A comparison has a quality difference (a less b) in units where a typical response differs from
another by 1 or so. An annotator perceives it with its own biases and errors, and a tie is what
falls inside its tie width:

    perceived = ease of the prompt x (worth of a - worth of b)
                + (length effect + own length bias) x length difference
                + (style effect + own style bias) x style difference
                + own taste . features of the comparison
                + self-preference x (a is of the own model - b is)
                + position bias x (+1 where a was shown first, -1 where b was)
                + noise x error

Differences of length, style and features have variance 1. The error is standard logistic or
standard normal; part of it can be shared by all judges, by the labels of a comparison in both
orders, and by the comparisons of a prompt that show the same response.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from data.errors import InputError
from data.formats.material import read_text
from data.names import RESERVED
from judges.judge import Orders
from pipelines.simulation.settings import (
    HOW,
    check_keys,
    check_settings,
    choice,
    number,
    number_list,
    toml_lines,
    truth,
    whole,
    word,
    word_list,
    wrong,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DIMENSIONS = 3  # of a taste
_OWN = ("name", "price_usd", "seconds")  # what an exchangeable judge has of its own
HUMAN_NAME = "human-{}"
MODEL_NAME = "model-{}"


class Noise(StrEnum):
    """The distribution of errors."""

    LOGISTIC = "logistic"
    PROBIT = "probit"


@dataclass(frozen=True, slots=True)
class Source:
    """How one judge labels, or all humans. Raises InputError that names the setting."""

    name: str = word("judge-1", "name of the judge")
    exchangeable: bool = truth(False, "labels exactly as one more human: no other settings")
    noise: float = number(1.0, "scale of the errors, in units of quality", 0.01, 100)
    tie_width: float = number(0.3, "perceived differences below this are ties", 0, 100)
    position_bias: float = number(0.0, "in favour of what was shown first", -100, 100)
    length_bias: float = number(0.0, "in favour of the longer, beyond its quality", -100, 100)
    style_bias: float = number(0.0, "in favour of style, beyond its quality", -100, 100)
    self_preference: float = number(0.0, "in favour of its own model's responses", -100, 100)
    model: int | None = whole(None, "its own model, counted from 1", 1)
    taste: float = number(0.0, "spread of each annotator's own lasting taste", 0, 100)
    shared_errors: float = number(0.0, "share of error variance common to all judges", 0, 1)
    steadiness: float = number(0.8, "share of the rest that stays in the other order", 0, 1)
    missing: float = number(0.0, "share of labels asked for that are missing", 0, 0.99)
    orders: Orders = choice(Orders.BOTH, "orders asked for: both, random, ab or ba")  # noqa: RUF009
    confidence: float | None = number(None, "p_a = logistic(confidence x perceived)", 0, 100)
    price_usd: float | None = number(None, "US dollars a label", 0)
    seconds: float | None = number(None, "median seconds a label", 0)

    def __post_init__(self) -> None:
        where = f"judge {self.name!r}: " if isinstance(self.name, str) else "a judge: "
        check_settings(self, where)
        if self.orders is Orders.NONE:
            raise wrong(f"{where}orders", self.orders, "both, random, ab or ba")
        if self.self_preference and self.model is None:
            raise wrong(f"{where}self_preference", self.self_preference, "0 without a model")
        given = [each.name for each in fields(self) if getattr(self, each.name) != each.default]
        if self.exchangeable and {*given} - {"exchangeable", *_OWN}:
            raise InputError(
                f"{where}exchangeable, so it labels as [human] says",
                f"Leave it only {', '.join(_OWN)}.",
            )


HUMAN = Source(name="human", orders=Orders.RANDOM, price_usd=0.5, seconds=60.0)


@dataclass(frozen=True, slots=True)
class World:
    """All settings of a world. Raises InputError that names the setting."""

    n_prompts: int = whole(300, "prompts", 1, 10_000_000)
    comparisons_per_prompt: int = whole(3, "of different pairs of models", 1, 1000)
    n_humans: int = whole(5, "humans", 0, 10_000)
    humans_per_comparison: int = whole(3, "drawn at random for each comparison", 0, 10_000)
    models: tuple[float, ...] = number_list((0.0, 0.3, 0.6, 0.9), "mean worth of models' responses")
    response_spread: float = number(2.0, "spread of a model's responses in worth", 0, 100)
    difficulty: float = number(0.5, "spread of the log of the prompts' ease", 0, 3)
    length_effect: float = number(0.3, "what length is really worth", -100, 100)
    style_effect: float = number(0.0, "what style is really worth", -100, 100)
    response_errors: float = number(0.5, "share of error variance that sticks to responses", 0, 1)
    noise: Noise = choice(Noise.LOGISTIC, "distribution of errors: logistic or probit")  # noqa: RUF009
    categories: tuple[str, ...] = word_list(("facts", "writing", "code"), "of prompts, at random")
    seed: int = whole(0, "another seed draws another world", 0)
    human: Source = HUMAN
    judges: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        check_settings(self, "")
        self._check_sizes()
        self._check_humans()
        names = Counter([judge.name for judge in self.judges] + [*self.human_names, *RESERVED])
        for judge in self.judges:
            if names[judge.name] > 1:
                raise InputError(f"judges: the name {judge.name!r} is taken", "Choose another.")
            if judge.model is not None and judge.model > len(self.models):
                most = f"at most {len(self.models)}, the number of models"
                raise wrong(f"judge {judge.name!r}: model", judge.model, most)

    def _check_sizes(self) -> None:
        pairs = len(self.models) * (len(self.models) - 1) // 2
        if not pairs:
            raise wrong("models", list(self.models), "at least two")
        if self.comparisons_per_prompt > pairs:
            most = f"at most {pairs}, the pairs of {len(self.models)} models"
            raise wrong("comparisons_per_prompt", self.comparisons_per_prompt, most)
        if self.humans_per_comparison > self.n_humans:
            most = f"at most n_humans, which is {self.n_humans}"
            raise wrong("humans_per_comparison", self.humans_per_comparison, most)
        if not self.categories:
            raise wrong("categories", [], "at least one")

    def _check_humans(self) -> None:
        """What makes humans humans: independent of each other, one label each, no stated p."""
        allowed = replace(
            self.human,
            exchangeable=False,
            self_preference=0.0,
            model=None,
            shared_errors=0.0,
            confidence=None,
        )
        for each in fields(Source):
            if getattr(self.human, each.name) != getattr(allowed, each.name):
                raise wrong(f"human: {each.name}", getattr(self.human, each.name), "left out")
        if self.human.orders is Orders.BOTH:
            raise wrong("human: orders", "both", "random, ab or ba: a human labels once")

    @property
    def human_names(self) -> tuple[str, ...]:
        """Names of the humans."""
        return tuple(HUMAN_NAME.format(k + 1) for k in range(self.n_humans))

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of the models that wrote the responses."""
        return tuple(MODEL_NAME.format(k + 1) for k in range(len(self.models)))

    @property
    def sources(self) -> tuple[Source, ...]:
        """The settings of every annotator: humans, then judges, exchangeable ones resolved."""
        return _sources(self)

    def index(self, name: str) -> int:
        """The place of an annotator in `sources`."""
        return [source.name for source in self.sources].index(name)


def default_judges(n: int) -> tuple[Source, ...]:
    """Judges from a sharp and dear one to a noisy and cheap one."""
    return tuple(
        Source(
            name=f"judge-{k + 1}",
            noise=round(0.6 * 3 ** (k / max(1, n - 1)), 3),
            shared_errors=0.2,
            confidence=1.0,
            price_usd=round(0.01 * 0.1 ** (k / max(1, n - 1)), 5),
            seconds=2.0,
        )
        for k in range(n)
    )


def read_world(path: Path) -> World:
    """A world's settings from a TOML file. Raises InputError that names the file and the key."""
    text = read_text(path)
    try:
        settings = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: an integer without end too
        raise InputError(f"{path}: not TOML: {error}", HOW) from error
    try:
        return world_of(settings)
    except InputError as error:
        raise InputError(f"{path}: {error.what}", error.fix) from error


def world_of(settings: Mapping[str, Any]) -> World:
    """A world from settings as a TOML file gives them; what is left out has its default."""
    given = dict(settings)
    human = _table(given.pop("human", {}), "human")
    judges = given.pop("judges", [])
    if not isinstance(judges, list):
        raise wrong("judges", judges, "tables: [[judges]]")
    check_keys(given, World, "")
    check_keys(human, Source, "human: ")
    made = []
    for judge in judges:
        check_keys(_table(judge, "judges"), Source, "judges: ")
        made.append(Source(**judge))
    return World(**given, human=replace(HUMAN, **{**human, "name": "human"}), judges=tuple(made))


def template() -> str:
    """A TOML file with every setting at its default, and what it means."""
    world = World()
    lines = ["# A simulated world. Every setting may be left out.", *toml_lines(world)]
    lines += ["", "[human]", *toml_lines(HUMAN, hidden=_NOT_OF_HUMANS)]
    for judge in default_judges(2):
        lines += ["", "[[judges]]", *toml_lines(judge)]
    return "\n".join(lines) + "\n"


_NOT_OF_HUMANS = ("name", "exchangeable", "self_preference", "model", "shared_errors", "confidence")


@lru_cache(maxsize=256)
def _sources(world: World) -> tuple[Source, ...]:
    humans = [replace(world.human, name=name) for name in world.human_names]
    judges = [
        replace(world.human, **{name: getattr(judge, name) for name in _OWN})
        if judge.exchangeable
        else judge
        for judge in world.judges
    ]
    return (*humans, *judges)


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(name, value, "a table")
    return value
