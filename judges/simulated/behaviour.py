"""How a simulated model behaves: planted accuracy, biases, noise and faults. Pure.

The first shown response has the utility

    sharpness * (its quality - the other's) + position + length * log(its length / the other's)

and is chosen with the probability that the logistic function gives to it. The draw is not random:
it follows from the texts and the model's name, so the same request always gets the same reply, as
at temperature 0.
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from data.errors import JudgeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judges.simulated.truth import Found

_NORMAL = NormalDist()


class Choice(StrEnum):
    """Which of the two responses is better, in the order shown."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"


class Fault(StrEnum):
    """What may happen instead of a good reply; the order is that of the draw."""

    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    DROP = "drop"
    MALFORMED = "malformed"
    OFF_MENU = "off_menu"


_PROBABILITIES = frozenset({*Fault, "order_weight", "latency_jitter"})
_AMOUNTS = frozenset({"latency_seconds", "retry_after_seconds", "rationale_words", "tie_width"})
_TEXTS = frozenset({"served_model", "constant"})
_WHOLE = frozenset({"rationale_words", "seed"})


def _check(name: str, value: object) -> None:
    if name in _TEXTS:
        if not isinstance(value, str | None):
            raise JudgeError(f"{name} is not a text: {value!r}")
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise JudgeError(f"{name} is not a number: {value!r}")
    if name in _WHOLE and not isinstance(value, int):
        raise JudgeError(f"{name} is not a whole number: {value!r}")
    if name in _PROBABILITIES and not 0 <= value <= 1:
        raise JudgeError(f"{name} is not between 0 and 1: {value!r}")
    if name in _AMOUNTS and value < 0:
        raise JudgeError(f"{name} is negative: {value!r}")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A model's planted truth. The defaults are a fairly accurate model without bias or fault."""

    sharpness: float = 8.0
    """Logits per unit of quality difference; 0 ignores quality."""
    position: float = 0.0
    """Logits added to the response shown first."""
    length: float = 0.0
    """Logits per unit of the log ratio of characters (plus one each)."""
    tie_width: float = 0.0
    """Calls it a tie when utility and noise are within this, if ties are on the menu."""
    order_weight: float = 0.0
    """Share of the noise variance that is drawn anew when the order is swapped, 0 to 1."""
    latency_seconds: float = 0.0
    """Mean time to a reply."""
    latency_jitter: float = 0.0
    """Half-width of the uniform latency, relative to its mean, 0 to 1."""
    rationale_words: int = 20
    """At least so many words before the verdict, where the prompt leaves room for reasons."""
    rate_limit: float = 0.0
    """Probability of a 429."""
    retry_after_seconds: float = 1.0
    """The Retry-After header of a 429."""
    server_error: float = 0.0
    """Probability of a 500."""
    drop: float = 0.0
    """Probability that the connection is closed without a reply."""
    malformed: float = 0.0
    """Probability of a 200 with broken JSON."""
    off_menu: float = 0.0
    """Probability of a 200 whose text has no verdict."""
    seed: int = 0
    """Of the faults and latencies, which are drawn in the order of the requests."""
    served_model: str | None = None
    """The model named in the reply, if not the one asked for."""
    constant: str | None = None
    """The text of every reply; the prompt is not read. For measuring overhead."""

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item.name, getattr(self, item.name))
        if sum(self.fault_probabilities().values()) > 1 + 1e-9:
            raise JudgeError("the probabilities of the faults sum to more than 1")

    def fault_probabilities(self) -> dict[Fault, float]:
        """Each fault's probability."""
        return {fault: float(getattr(self, fault.value)) for fault in Fault}

    def to_json(self) -> dict[str, Any]:
        """All fields, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Behaviour:
        """From any of the fields; an unknown field is an error that names it."""
        unknown = sorted(values.keys() - {item.name for item in fields(cls)})
        if unknown:
            raise JudgeError(
                f"unknown behaviour {unknown[0]!r}",
                f"Known: {', '.join(item.name for item in fields(cls))}.",
            )
        return cls(**values)


SIM_SHARP = Behaviour(sharpness=14.0, position=0.05, tie_width=0.3, latency_seconds=0.02)
"""Accurate, with hardly a bias."""

SIM_VERBOSE = Behaviour(
    sharpness=7.0, length=1.6, tie_width=0.3, order_weight=0.1, latency_seconds=0.02
)
"""Prefers the longer response."""

SIM_FIRST = Behaviour(
    sharpness=5.0,
    position=0.9,
    tie_width=0.2,
    order_weight=0.3,
    rationale_words=8,
    latency_seconds=0.02,
)
"""A cheap model that prefers what it is shown first."""

EXAMPLES: Mapping[str, Behaviour] = {
    "sim-sharp": SIM_SHARP,
    "sim-verbose": SIM_VERBOSE,
    "sim-first": SIM_FIRST,
}


def read_behaviours(path: str | Path) -> dict[str, Behaviour]:
    """Model name -> behaviour, from a JSON object of objects; errors name file, model and field."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise JudgeError(f"cannot read {path}: {error}") from error
    if not isinstance(values, dict) or not all(isinstance(v, dict) for v in values.values()):
        raise JudgeError(
            f"{path}: not an object of objects", 'Write {"model name": {"sharpness": 8}}.'
        )
    behaviours = {}
    for model, fields_of_model in values.items():
        try:
            behaviours[model] = Behaviour.from_json(fields_of_model)
        except JudgeError as error:
            raise JudgeError(f"{path}: {model}: {error.what}", error.fix) from error
    return behaviours


def write_behaviours(path: str | Path, behaviours: Mapping[str, Behaviour]) -> None:
    """As `read_behaviours` reads them."""
    values = {model: behaviour.to_json() for model, behaviour in behaviours.items()}
    Path(path).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def probability_first(behaviour: Behaviour, first: Found, second: Found) -> float:
    """The planted probability that the response shown first is chosen, ties aside."""
    utility = _utility(behaviour, first, second)
    return 1 / (1 + math.exp(-utility)) if utility > -700 else 0.0


def choose(
    behaviour: Behaviour,
    model: str,
    first: Found,
    second: Found,
    *,
    ties: bool = False,
    sample: str = "",
) -> Choice:
    """The model's choice; the same arguments always give the same one.

    `sample` tells apart what a temperature above 0 lets differ.
    """
    noise = _noise(behaviour.order_weight, model, first.text, second.text, sample)
    utility = _utility(behaviour, first, second) + noise
    if ties and abs(utility) < behaviour.tie_width:
        return Choice.TIE
    return Choice.FIRST if utility > 0 else Choice.SECOND


def content_hash(*parts: str) -> int:
    """64 bits that follow from the parts alone."""
    digest = blake2b(digest_size=8)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data) + data)
    return int.from_bytes(digest.digest(), "big")


@dataclass(frozen=True, slots=True)
class Fate:
    """What one request meets: a fault or none, after a time."""

    fault: Fault | None
    latency_seconds: float


@dataclass(slots=True)
class Fates:
    """The fates of a model's requests, drawn in the order in which they arrive."""

    behaviour: Behaviour
    model: str
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        # Simulated faults, not secrets.
        self._random = random.Random(f"{self.behaviour.seed}/{self.model}")  # noqa: S311

    def draw(self) -> Fate:
        """The next request's."""
        spread = self.behaviour.latency_jitter * (2 * self._random.random() - 1)
        latency = self.behaviour.latency_seconds * (1 + spread)
        return Fate(self._draw_fault(), latency)

    def _draw_fault(self) -> Fault | None:
        rest = self._random.random()
        for fault, probability in self.behaviour.fault_probabilities().items():
            if rest < probability:
                return fault
            rest -= probability
        return None


def _utility(behaviour: Behaviour, first: Found, second: Found) -> float:
    log_ratio = math.log((1 + len(first.text)) / (1 + len(second.text)))
    return (
        behaviour.sharpness * (first.quality - second.quality)
        + behaviour.position
        + behaviour.length * log_ratio
    )


def _noise(order_weight: float, model: str, first: str, second: str, sample: str) -> float:
    """Logistic noise: a part that turns its sign with the order, and one drawn for each order.

    The parts are normal, so that their weighted sum has a known distribution whatever the weights.
    """
    low, high = sorted((first, second))
    sign = 1 if first == low else -1
    normal = sign * math.sqrt(1 - order_weight) * _normal("pair", model, low, high, sample)
    if order_weight:
        normal += math.sqrt(order_weight) * _normal("order", model, first, second, sample)
    return _logistic(normal)


def _normal(*parts: str) -> float:
    return _NORMAL.inv_cdf(((content_hash(*parts) >> 12) + 0.5) / 2**52)


def _logistic(normal: float) -> float:
    """The logistic quantile at a standard normal one."""
    below, above = math.erfc(-normal / math.sqrt(2)), math.erfc(normal / math.sqrt(2))
    return math.log(below / above)
