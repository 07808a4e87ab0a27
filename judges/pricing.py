"""What a token costs and what a call can cost: by the judge file or LiteLLM's catalogue."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data.errors import PriceError
from judges.judge import Judge, Price
from judges.jury import Jury

if TYPE_CHECKING:
    from judges.client import Request
    from judges.task import AnyJudge

LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
TOKENS_PER_MESSAGE = 32  # what chat formats add around a message, generously
CHARACTERS_PER_TOKEN = 4  # of English prose, roughly: for pacing, never for money


@dataclass(frozen=True, slots=True)
class Tariff:
    """The prices of one model, and the limit of its replies in tokens where there is one.

    `most` holds the highest rate of each kind that can apply (long contexts, writing to a cache).
    """

    price: Price
    most: Price
    version: str
    reply_tokens: int | None

    def check_limit(self, model: str) -> None:
        """Raise PriceError where replies have no limit: then no budget can be kept."""
        if self.reply_tokens is None:
            raise PriceError(
                f"a reply of {model} has no limit, so nobody knows what it can cost",
                "Set max_tokens (or max_completion_tokens) in [parameters] of the judge file.",
            )

    def most_usd(self, request: Request) -> float | None:
        """The most that a call can cost; None where replies have no limit.

        A token of a byte-level tokenizer stands for at least one byte, so bytes bound the tokens.
        """
        if self.reply_tokens is None:
            return None
        return self.most.cost_usd(most_prompt_tokens(request), self.reply_tokens)

    def tokens(self, request: Request) -> int:
        """Roughly the tokens that a provider counts against a limit by minute."""
        characters = sum(len(message.content) for message in request.messages)
        return characters // CHARACTERS_PER_TOKEN + (self.reply_tokens or 0)


def most_prompt_tokens(request: Request) -> int:
    """More tokens than the prompt can have."""
    texts = sum(len(m.content.encode("utf-8", "surrogatepass")) for m in request.messages)
    extra = len(json.dumps(dict(request.parameters)))  # a schema or tools are part of the prompt
    return texts + extra + TOKENS_PER_MESSAGE * (len(request.messages) + 1)


def tariffs(judge: AnyJudge) -> dict[tuple[str, str | None], Tariff]:
    """The tariff of each model of a judge, by (model, address); none where no model is asked.

    Raises PriceError where a price is not known, or where two members disagree about one.
    """
    models = judge.members if isinstance(judge, Jury) else (judge,)
    found: dict[tuple[str, str | None], Tariff] = {}
    for each in models:
        if not isinstance(each, Judge):
            continue
        address, tariff = (each.model, each.api_base), tariff_of(each)
        known = found.get(address, tariff)
        if known.price != tariff.price:
            raise PriceError(
                f"two members of {judge.name} give different prices for {each.model}",
                "Give the same [price] in both judge files.",
            )
        found[address] = max(known, tariff, key=_longest_reply)
    return found


def _longest_reply(tariff: Tariff) -> float:
    """In tokens; without a limit it is infinite."""
    return math.inf if tariff.reply_tokens is None else tariff.reply_tokens


def tariff_of(judge: Judge) -> Tariff:
    """By the judge file; else by LiteLLM's bundled catalogue. Raises PriceError."""
    limits = [judge.parameters[name] for name in LIMITS if name in judge.parameters]
    limit = max(limits, default=None)
    if judge.price is not None:
        return Tariff(judge.price, judge.price, "judge file", limit)
    if judge.api_base is not None:
        raise unknown_price(judge)
    return _catalogued(judge, limit)


def _catalogued(judge: Judge, limit: int | None) -> Tariff:
    from judges.litellm_client import catalogue_version, load_litellm

    try:
        info: dict[str, Any] = dict(load_litellm().get_model_info(judge.model))
    except Exception:
        info = {}
    rates = info.get("input_cost_per_token"), info.get("output_cost_per_token")
    if None in rates:
        raise unknown_price(judge)
    price = Price(*(float(rate or 0) * 1e6 for rate in rates))
    most = Price(
        _highest(info, ("input_cost_per_token", "cache_creation_input_token_cost")),
        _highest(info, ("output_cost_per_token", "output_cost_per_reasoning_token")),
    )
    reply_tokens = limit or info.get("max_output_tokens")
    return Tariff(price, most, catalogue_version(), reply_tokens)


def _highest(info: dict[str, Any], names: tuple[str, ...]) -> float:
    """US dollars per million tokens: the highest rate whose name begins with one of these."""
    rates = [
        float(value)
        for key, value in info.items()
        if key.startswith(names) and isinstance(value, int | float)
    ]
    return max(rates, default=0.0) * 1e6


def unknown_price(judge: Judge) -> PriceError:
    """The error of a model whose price nobody knows."""
    return PriceError(
        f"judge {judge.name}: the price of {judge.model} is not known",
        "Give --price-in and --price-out (US dollars per million tokens), or add to the judge "
        "file: [price] input_usd_per_million_tokens = ... and output_usd_per_million_tokens = ... "
        "(0 for your own machine).",
    )
