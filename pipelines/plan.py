"""What a run would ask and cost, before anything is sent: calls, tokens and dollars as ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from data import queries
from judges.batch import BATCH_DISCOUNT
from judges.pricing import tariffs
from pipelines.known import known_replies
from pipelines.tasks import Pages, annotators_of, count_labels, ids_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from data.store import Store
    from judges.client import Request
    from judges.pricing import Tariff
    from judges.task import AnyJudge, Task
    from pipelines.tasks import LabelOptions

LOOKED_AT = 10_000  # tasks; more are extrapolated from the first ones by id, a random sample
COUNTED = 50  # requests whose tokens are counted, to learn the characters of a token
# Tokenizers of other providers differ from the one that counts here by about this much.
FEWER_TOKENS, MORE_TOKENS = 0.85, 1.25
SHORTEST_REPLY_TOKENS = 1


@dataclass(frozen=True, slots=True)
class Range:
    """From the least to the most that is expected; `high` is None where nothing limits it."""

    low: float
    high: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to do. `calls` are those that would be bought; retries are not among them."""

    annotator: str
    dataset: str
    comparisons: int
    without_texts: int
    planned: int
    done: int
    calls: int
    known: int
    prompt_tokens: Range
    completion_tokens: Range
    cost_usd: Range | None
    note: str


@dataclass(slots=True)
class _Asked:
    """Requests that would be bought, and those whose replies are known."""

    tasks: int = 0
    known: int = 0
    requests: dict[UUID, Request] = field(default_factory=dict)


def plan(store: Store, judge: AnyJudge, options: LabelOptions, *, batch: bool = False) -> Plan:
    """Read what is left, render it, and price it. Raises InputError, and PriceError for a model."""
    todo = count_labels(store, judge, options)
    rates = tariffs(judge)
    asked, whole = _asked(store, judge, options)
    requests = list(asked.requests.values())
    scale = 1.0 if whole else (todo.planned - todo.done) / max(1, asked.tasks)
    groups = _by_model(requests, rates)
    prompt = [_prompt_tokens(group, scale) for group in groups]
    usual = _usual_reply_tokens(store, judge)
    replies = [
        _reply_tokens(len(group) * scale, usual, tariff)
        for group, tariff in zip(groups, rates.values(), strict=True)
    ]
    discount = BATCH_DISCOUNT if batch else 1.0
    costs = [
        _cost(rates[key], tokens, reply, discount)
        for key, tokens, reply in zip(rates, prompt, replies, strict=True)
    ]
    return Plan(
        todo.annotator,
        todo.dataset,
        todo.comparisons,
        todo.without_texts,
        todo.planned,
        todo.done,
        round(len(requests) * scale),
        round(asked.known * scale),
        _sum(prompt),
        _sum(replies),
        _sum(costs) if rates else None,
        _note(whole=whole, asked=asked, batch=batch),
    )


def _asked(store: Store, judge: AnyJudge, options: LabelOptions) -> tuple[_Asked, bool]:
    """What the first tasks would ask, and whether those were all."""
    with store.reading() as con:
        annotators = annotators_of(con, judge)
    ids, secret = ids_of(judge, annotators), store.secret()
    pages = Pages(judge, annotators[0].annotator_id, options)
    asked = _Asked()
    while (tasks := pages.read(store)) is not None:
        _look_at(store, judge, tasks, secret, ids, asked)
        if asked.tasks >= LOOKED_AT:
            return asked, pages.read(store) is None
    return asked, True


def _look_at(
    store: Store,
    judge: AnyJudge,
    tasks: Sequence[Task],
    secret: str,
    ids: Mapping[str, UUID],
    asked: _Asked,
) -> None:
    askings: list[Any] = [(judge.asking(task, secret, ids), {}) for task in tasks]
    known_replies(store, askings)
    for asking, replies in askings:
        asked.tasks += 1
        asked.known += len(replies)
        for request in asking.needed(replies):
            asked.requests.setdefault(request.request_hash, request)


def _by_model(
    requests: Sequence[Request], rates: Mapping[tuple[str, str | None], Tariff]
) -> list[list[Request]]:
    """The requests of each model, in the order of the tariffs."""
    return [[r for r in requests if (r.model, r.api_base) == key] for key in rates]


def _prompt_tokens(requests: Sequence[Request], scale: float) -> Range:
    """By the tokenizer where LiteLLM has one, on some requests, and the characters of all."""
    if not requests:
        return Range(0, 0)
    counted = requests[:: math.ceil(len(requests) / COUNTED)]
    per_character = sum(map(_count, counted)) / max(1, sum(map(_characters, counted)))
    tokens = per_character * sum(map(_characters, requests)) * scale
    return Range(tokens * FEWER_TOKENS, tokens * MORE_TOKENS)


def _characters(request: Request) -> int:
    return sum(len(message.content) for message in request.messages)


def _count(request: Request) -> int:
    from judges.litellm_client import load_litellm

    messages = [{"role": m.role, "content": m.content} for m in request.messages]
    return int(load_litellm().token_counter(model=request.model, messages=messages))


def _usual_reply_tokens(store: Store, judge: AnyJudge) -> float | None:
    """The mean length of the replies that this judge had before; None where there are too few."""
    with store.reading() as con:
        ids = [str(each.annotator_id) for each in annotators_of(con, judge)]
        [(mean, n)] = queries.rows(con, queries.REPLY_TOKENS, annotators=ids)
    return float(mean) if n >= COUNTED else None


def _reply_tokens(n: float, usual: float | None, tariff: Tariff) -> Range:
    """By the judge's earlier replies, else from one token to the limit."""
    if usual is not None:
        return Range(n * usual * FEWER_TOKENS, n * usual * MORE_TOKENS)
    limit = tariff.reply_tokens
    return Range(n * SHORTEST_REPLY_TOKENS, None if limit is None else n * limit)


def _cost(tariff: Tariff, prompt: Range, reply: Range, discount: float) -> Range:
    def usd(prompt_tokens: float, reply_tokens: float) -> float:
        return discount * tariff.price.cost_usd(prompt_tokens, reply_tokens)

    high = None
    if prompt.high is not None and reply.high is not None:
        high = usd(prompt.high, reply.high)
    return Range(usd(prompt.low, reply.low), high)


def _sum(ranges: Sequence[Range]) -> Range:
    highs = [each.high for each in ranges]
    known = [high for high in highs if high is not None]
    return Range(
        math.fsum(each.low for each in ranges),
        math.fsum(known) if len(known) == len(highs) else None,
    )


def _note(*, whole: bool, asked: _Asked, batch: bool) -> str:
    parts = [] if whole else [f"estimated from {asked.tasks:,} tasks"]
    parts += ["at the price of a batch"] if batch else []
    return "; ".join(parts)
