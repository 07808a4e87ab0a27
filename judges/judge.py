"""A judge: a model with a template, parameters and a criterion, that labels one comparison."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from data.records import (
    OVERALL,
    Annotator,
    AnnotatorKind,
    Label,
    LabelStatus,
    Preference,
    Shown,
    make_id,
)
from judges.client import Request
from judges.parsing import Menu, Unparsed, parse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from data.records import Comparison, Reply
    from judges.client import Client
    from judges.prompts import Template


class Orders(StrEnum):
    """In which order the responses are shown: both is the default, as it removes position bias."""

    BOTH = "both"
    AB = "ab"
    BA = "ba"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, as the user knows them."""

    input_usd_per_million_tokens: float
    output_usd_per_million_tokens: float

    def cost_usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What one call costs."""
        return (
            prompt_tokens * self.input_usd_per_million_tokens
            + completion_tokens * self.output_usd_per_million_tokens
        ) / 1e6


@dataclass(frozen=True, slots=True)
class Judge:
    """A model judge as configured. It names where a key comes from, and never holds the key."""

    name: str
    model: str
    template: Template
    menu: Menu = field(default_factory=Menu)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    criterion: str = OVERALL
    orders: Orders = Orders.BOTH
    api_base: str | None = None
    api_key_env: str | None = None
    api_key_file: str | None = None
    price: Price | None = None

    def annotator(self, name: str | None = None) -> Annotator:
        """The annotator its labels belong to; a judge with a changed prompt is another one."""
        identity = {
            "model": self.model,
            "api_base": self.api_base,
            "template": self.template.text,
            "parameters": dict(self.parameters),
            "criterion": self.criterion,
            "menu": self.menu.describe(),
        }
        digest = str(make_id(json.dumps(identity, sort_keys=True)))
        definition = {"judge": self.name, "identity": digest, **identity}
        return Annotator(
            AnnotatorKind.JUDGE, name or self.name, model=self.model, definition=definition
        )

    def request(
        self, comparison: Comparison, shown: Shown, secret: str, repeat: int = 0
    ) -> Request:
        """The rendered request for one comparison in one order."""
        first, second = comparison.response_a or "", comparison.response_b or ""
        if shown is Shown.BA:
            first, second = second, first
        messages = self.template.fill(comparison.prompt or "", first, second, secret)
        return Request(self.model, messages, self.parameters, self.api_base, repeat)

    def read(self, reply: Reply, label: Label) -> Label:
        """`label` completed by what the reply says; off the menu is parse_error, never a vote.

        Without a verdict, what the provider's filter stopped is refused.
        """
        verdict = parse(reply.text or "", self.menu)
        done = replace(label, seconds=reply.seconds, cost_usd=reply.paid_usd)
        if isinstance(verdict, Unparsed):
            filtered = reply.finish_reason == "content_filter"
            return replace(
                done,
                status=LabelStatus.REFUSED if filtered else LabelStatus.PARSE_ERROR,
                rationale=reply.text,
                details={"reason": verdict.reason, "finish_reason": reply.finish_reason},
            )
        return replace(
            done,
            status=LabelStatus.OK,
            preference=in_stored_orientation(verdict.preference, label.shown),
            rationale=verdict.rationale,
        )


def in_stored_orientation(preference: Preference, shown: Shown | None) -> Preference:
    """A verdict on (first, second) as a preference on (a, b)."""
    if shown is Shown.BA and preference is not Preference.TIE:
        return Preference.B if preference is Preference.A else Preference.A
    return preference


def orders_of(orders: Orders, comparison_id: UUID) -> tuple[Shown, ...]:
    """The orders in which one comparison is shown; `random` is drawn from its id."""
    if orders is Orders.BOTH:
        return (Shown.AB, Shown.BA)
    if orders is Orders.RANDOM:
        return (Shown.AB if make_id("order", comparison_id).int % 2 else Shown.BA,)
    return (Shown(orders.value),)


async def judge_comparison(
    judge: Judge, comparison: Comparison, shown: Shown, client: Client, secret: str = ""
) -> Label:
    """Label one comparison in one order. Raises CallError or ProviderError as the client does."""
    blank = Label(
        comparison.comparison_id,
        judge.annotator().annotator_id,
        shown,
        LabelStatus.FAILED,
        criterion=judge.criterion,
    )
    reply = await client.complete(judge.request(comparison, shown, secret))
    return judge.read(reply, blank)
