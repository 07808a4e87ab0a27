"""How a simulated model behaves: planted accuracy, biases, noise and faults. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import JudgeError
from judges.simulated.faults import IN_BATCHES, OF_CONTENT, ON_THE_WAY, Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from dataclasses import Field

_PROBABILITIES = frozenset({*Fault, "order_weight", "latency_jitter", "slow"})
_AMOUNTS = frozenset(
    {"batch_seconds", "fingerprint_change_after", "latency_seconds", "rationale_words",
     "retry_after_seconds", "slow_factor", "tie_width"}
)  # fmt: skip
_TYPES = {"str | None": "a text", "bool": "true or false", "int": "a whole number"}


def _check(item: Field[Any], value: object) -> None:
    name, kind = item.name, str(item.type)
    if kind in ("str | None", "bool"):
        if not isinstance(value, str | None if kind == "str | None" else bool):
            raise JudgeError(f"{name} is not {_TYPES[kind]}: {value!r}")
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise JudgeError(f"{name} is not a number: {value!r}")
    if kind == "int" and not isinstance(value, int):
        raise JudgeError(f"{name} is not {_TYPES[kind]}: {value!r}")
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
    authority: float = 0.0
    """Logits added to a response that cites an authority."""
    injection: float = 0.0
    """Logits added to a response that tells the judge what to choose."""
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
    overloaded: float = 0.0
    """Probability of a 529 in Anthropic's API, of a 503 in OpenAI's."""
    server_error: float = 0.0
    """Probability of a 500."""
    drop: float = 0.0
    """Probability that the connection is closed without a reply."""
    malformed: float = 0.0
    """Probability of a 200 with broken JSON."""
    off_menu: float = 0.0
    """Probability of a 200 whose text has no verdict; follows from the content, as do the next."""
    refusal: float = 0.0
    """Probability of a 200 that declines the content."""
    truncated: float = 0.0
    """Probability of a 200 that breaks off before its last answer."""
    slow: float = 0.0
    """Share of the requests whose latency is multiplied by `slow_factor`."""
    slow_factor: float = 20.0
    """How much slower a slow request is."""
    seed: int = 0
    """Of the faults and latencies. What is not content is drawn in the order of the requests."""
    served_model: str | None = None
    """The model named in the reply, if not the one asked for."""
    fingerprint: str | None = None
    """The `system_fingerprint` of OpenAI's replies."""
    fingerprint_change_after: int = 0
    """Replies after which the fingerprint is another one; 0 for never."""
    quotes: bool = False
    """Quotes the beginning of each response before its reasons, as it stands."""
    constant: str | None = None
    """The text of every reply; the prompt is not read. For measuring overhead."""
    logprobs: bool = True
    """Whether log-probabilities that are asked for are given; else the parameter is ignored."""
    refuse_logprobs: bool = False
    """A 400 to every request that asks for log-probabilities."""
    refuse_response_format: bool = False
    """A 400 to every request with a `response_format`."""
    batch_seconds: float = 0.0
    """Time until a batch ends."""
    batch_expired: float = 0.0
    """Probability that a request of a batch is not executed in time."""
    batch_failed: float = 0.0
    """Probability that a request of a batch ends with an error of the server."""
    batch_invalid: bool = False
    """Whether batches are refused as a whole."""

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item, getattr(self, item.name))
        for faults in (ON_THE_WAY, OF_CONTENT, IN_BATCHES):
            if sum(map(self.probability, faults)) > 1 + 1e-9:
                raise JudgeError("the probabilities of the faults sum to more than 1")

    def probability(self, fault: Fault) -> float:
        """Of a fault."""
        return float(getattr(self, fault.value))

    def planted(self, faults: Iterable[Fault]) -> tuple[tuple[Fault, float], ...]:
        """Those of the faults that may happen, with their probabilities."""
        found = ((fault, self.probability(fault)) for fault in faults)
        return tuple((fault, probability) for fault, probability in found if probability)

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
