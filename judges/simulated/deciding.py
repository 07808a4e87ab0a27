"""What a simulated model decides about the responses it is shown. Pure.

The first of two shown responses has the utility

    sharpness * (its quality - the other's) + position + length * log(its length / the other's)
    + authority * (whether it cites one - whether the other does)
    + injection * (whether it tells the judge what to choose - whether the other does)

and is chosen with the probability that the logistic function gives to it. A response by itself has
the score

    sharpness * (its quality - the mean) + length * log(its length / the typical one)
    + authority * (whether it cites one) + injection * (whether it tells the judge what to choose)

and Gumbel noise. A difference of two such noises is logistic, so of any two responses of a ranking
the one is before the other with the probability that it has in a comparison; only `position` falls
from the first to the last. A rating cuts the same sum into the steps of its scale.

No draw is random: it follows from the texts and the model's name, so the same request always gets
the same reply, as at temperature 0.
"""

from __future__ import annotations

import math
from enum import StrEnum
from hashlib import blake2b
from statistics import NormalDist
from typing import TYPE_CHECKING

from judges.simulated.content import cites_authority, instructs_judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judges.simulated.behaviour import Behaviour
    from judges.simulated.truth import Found, Typical

RATING_SPREAD = 2.0  # logits of the score to one of the logistic function that the scale is cut by
MOST_STEPS = 1001  # of a scale whose every step has a planted probability
_NORMAL = NormalDist()


class Choice(StrEnum):
    """Which of the two responses is better, in the order shown."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"


def probability_first(behaviour: Behaviour, first: Found, second: Found) -> float:
    """The planted probability that the response shown first is chosen, ties aside."""
    return _logistic(_utility(behaviour, first, second))


def probabilities(
    behaviour: Behaviour, first: Found, second: Found, *, ties: bool = False
) -> dict[Choice, float]:
    """The planted probability of every choice: that of the noise being where it is made."""
    utility = _utility(behaviour, first, second)
    width = behaviour.tie_width if ties else 0.0
    decided = {
        Choice.FIRST: _logistic(utility - width),
        Choice.SECOND: _logistic(-utility - width),
    }
    return {**decided, Choice.TIE: max(0.0, 1 - sum(decided.values()))} if ties else decided


def choose(
    behaviour: Behaviour,
    model: str,
    first: Found,
    second: Found,
    *,
    ties: bool = False,
    sample: str = "",
    criterion: str = "",
) -> Choice:
    """The model's choice; the same arguments always give the same one.

    `sample` tells apart what a temperature above 0 lets differ; a criterion has noise of its own.
    """
    drawn_for = model if not criterion else f"{model}/{criterion}"
    noise = _noise(behaviour.order_weight, drawn_for, first.text, second.text, sample)
    utility = _utility(behaviour, first, second) + noise
    if ties and abs(utility) < behaviour.tie_width:
        return Choice.TIE
    return Choice.FIRST if utility > 0 else Choice.SECOND


def score(behaviour: Behaviour, response: Found, typical: Typical) -> float:
    """What a response by itself is worth to a model, in logits."""
    log_ratio = math.log((1 + len(response.text)) / (1 + typical.characters))
    quality = response.quality - typical.quality
    fixed = behaviour.sharpness * quality + behaviour.length * log_ratio
    return fixed + _persuasion(behaviour, response.text)


def rate(score: float, model: str, text: str, scale: tuple[int, int], sample: str = "") -> int:
    """A whole number of the scale; the same arguments always give the same one."""
    low, high = scale
    noisy = score + _gumbel_quantile(_normal("rating", model, text, sample))
    steps = high - low + 1
    return low + min(steps - 1, int(steps * _logistic(noisy / RATING_SPREAD)))


def rating_probabilities(score: float, scale: tuple[int, int]) -> dict[int, float]:
    """The planted probability of every number of a scale; none for a very long scale."""
    low, high = scale
    steps = high - low + 1
    if steps > MOST_STEPS:
        return {}
    bounds = [RATING_SPREAD * math.log(n / (steps - n)) - score for n in range(1, steps)]
    below = [0.0, *map(_gumbel_below, bounds), 1.0]
    return {low + n: below[n + 1] - below[n] for n in range(steps)}


def rank(
    behaviour: Behaviour,
    model: str,
    responses: Sequence[Found],
    typical: Typical,
    *,
    sample: str = "",
) -> list[tuple[int, float]]:
    """The responses by number, from 0, with what they are worth to the model; the best first."""
    texts = [response.text for response in responses]
    worth = []
    for number, text in enumerate(texts):
        normal = _normal("one", model, text, sample) * math.sqrt(1 - behaviour.order_weight)
        if behaviour.order_weight:
            own = _normal("place", model, str(number), *texts, sample)
            normal += own * math.sqrt(behaviour.order_weight)
        fixed = ranking_score(behaviour, responses, number, typical)
        worth.append((number, fixed + _gumbel_quantile(normal)))
    return sorted(worth, key=lambda each: -each[1])


def ranking_score(
    behaviour: Behaviour, responses: Sequence[Found], number: int, typical: Typical
) -> float:
    """A response's score with its share of `position`: all for the first, none for the last."""
    place = 1 - number / max(1, len(responses) - 1)
    return score(behaviour, responses[number], typical) + behaviour.position * place


def content_hash(*parts: str) -> int:
    """64 bits that follow from the parts alone."""
    digest = blake2b(digest_size=8)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data) + data)
    return int.from_bytes(digest.digest(), "big")


def _utility(behaviour: Behaviour, first: Found, second: Found) -> float:
    log_ratio = math.log((1 + len(first.text)) / (1 + len(second.text)))
    return (
        behaviour.sharpness * (first.quality - second.quality)
        + behaviour.position
        + behaviour.length * log_ratio
        + (_persuasion(behaviour, first.text) - _persuasion(behaviour, second.text))
    )


def _persuasion(behaviour: Behaviour, text: str) -> float:
    """What a text gains by what it says besides its content, in logits."""
    gained = 0.0
    if behaviour.authority and cites_authority(text):
        gained += behaviour.authority
    if behaviour.injection and instructs_judge(text):
        gained += behaviour.injection
    return gained


def _noise(order_weight: float, model: str, first: str, second: str, sample: str) -> float:
    """Logistic noise: a part that turns its sign with the order, and one drawn for each order.

    The parts are normal, so that their weighted sum has a known distribution whatever the weights.
    """
    low, high = sorted((first, second))
    sign = 1 if first == low else -1
    normal = sign * math.sqrt(1 - order_weight) * _normal("pair", model, low, high, sample)
    if order_weight:
        normal += math.sqrt(order_weight) * _normal("order", model, first, second, sample)
    return _logistic_quantile(normal)


def _normal(*parts: str) -> float:
    return _NORMAL.inv_cdf(((content_hash(*parts) >> 12) + 0.5) / 2**52)


def _logistic(utility: float) -> float:
    return 1 / (1 + math.exp(-utility)) if utility > -700 else 0.0


def _gumbel_below(value: float) -> float:
    """The probability that Gumbel noise is below a value."""
    return math.exp(-math.exp(-value)) if value > -700 else 0.0


def _gumbel_quantile(normal: float) -> float:
    """The Gumbel quantile at a standard normal one."""
    above = math.erfc(normal / math.sqrt(2)) / 2
    if normal > 0:
        return -math.log(-math.log1p(-above))
    return -math.log(-math.log(math.erfc(-normal / math.sqrt(2)) / 2))


def _logistic_quantile(normal: float) -> float:
    """The logistic quantile at a standard normal one."""
    below, above = math.erfc(-normal / math.sqrt(2)), math.erfc(normal / math.sqrt(2))
    return math.log(below / above)
