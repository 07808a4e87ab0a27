"""A model judge: a model with a template, a kind of question and parameters, that labels tasks."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import astuple, dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from data.records import (
    OVERALL,
    UNCHANGED,
    Annotator,
    AnnotatorKind,
    Label,
    LabelStatus,
    Reply,
    Shown,
    make_id,
)
from judges.client import Request
from judges.kinds.pairwise import Pairwise
from judges.kinds.soft import Soft
from judges.prompts import other_template
from judges.task import Judgment, Opinion, Task, by_score, score_of, skipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from data.records import Comparison
    from judges.client import Client
    from judges.constitution import Constitution
    from judges.examples import Examples
    from judges.kinds.kind import Kind
    from judges.prompts import Template, Values
    from judges.task import Place


_VERSION = re.compile(r"[-@:]?[\d-]{3,}|")  # `-2026-08-15`, `@20260815`, `-001`
_LATEST = re.compile(r"[-:]latest$")


class Orders(StrEnum):
    """In which order the responses are shown: both is the default, as it removes position bias.

    `none`: they are not shown together.
    """

    BOTH = "both"
    AB = "ab"
    BA = "ba"
    RANDOM = "random"
    NONE = "none"


class Output(StrEnum):
    """How a verdict is asked for: as delimited text, or as JSON by the provider's own means."""

    TEXT = "text"
    JSON = "json"


class Transport(StrEnum):
    """How requests are sent; no part of what they ask."""

    LITELLM = "litellm"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, as the user knows them."""

    input_usd_per_million_tokens: float
    output_usd_per_million_tokens: float

    def cost_usd(self, prompt_tokens: float, completion_tokens: float) -> float:
        """What one call costs."""
        return (
            prompt_tokens * self.input_usd_per_million_tokens
            + completion_tokens * self.output_usd_per_million_tokens
        ) / 1e6


@dataclass(frozen=True)
class Judge:
    """A model judge as configured. It names where a key comes from, and never holds the key.

    `file` is the judge file with the texts it names, from which the same judge can be built again;
    `details` is written into every label (what was asked in place of what the file says).
    """

    name: str
    model: str
    template: Template
    kind: Kind = field(default_factory=Pairwise)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    criterion: str = OVERALL
    orders: Orders = Orders.BOTH
    samples: int = 1
    output: Output = Output.TEXT
    constitution: Constitution | None = None
    examples: Examples | None = None
    api_base: str | None = None
    api_key_env: str | None = None
    api_key_file: str | None = None
    price: Price | None = None
    transport: Transport = Transport.LITELLM
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    file: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def by_prompt(self) -> bool:
        """Whether a task holds all comparisons of a prompt."""
        return self.kind.by_prompt

    @cached_property
    def sent_parameters(self) -> dict[str, Any]:
        """The parameters of a request, those of the kind and of the output among them."""
        sent = {**self.parameters, **self.kind.parameters}
        schema = self.kind.schema() if self.output is Output.JSON else None
        if schema:
            named = {"name": "verdict", "strict": True, "schema": schema}
            sent["response_format"] = {"type": "json_schema", "json_schema": named}
        return sent

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that decides what its labels are; a judge that differs here is another one."""
        return {
            "model": self.model,
            "api_base": self.api_base,
            "template": self.template.text,
            "parameters": dict(self.parameters),
            "criterion": self.criterion,
            "kind": self.kind.describe(),
            "samples": self.samples,
            "output": self.output.value,
            "principles": self.constitution and list(self.constitution.principles),
            "principle_seed": self.constitution and self.constitution.seed,
            "examples": self.examples and [json.dumps(astuple(s)) for s in self.examples.shots],
        }

    def annotator(self, name: str | None = None) -> Annotator:
        """The annotator its labels belong to; a judge with a changed prompt is another one."""
        digest = str(make_id(json.dumps(self.identity, sort_keys=True)))
        definition = {"judge": self.name, "identity": digest, **self.identity, "file": self.file}
        return Annotator(
            AnnotatorKind.JUDGE, name or self.name, model=self.model, definition=definition
        )

    def annotators(self) -> tuple[Annotator, ...]:
        """Its own alone."""
        return (self.annotator(),)

    def asking(self, task: Task, secret: str, ids: Mapping[str, UUID]) -> ModelAsking:
        """Begin a task."""
        return ModelAsking(self, task, secret, ids[self.name])

    def requests(self, task: Task, secret: str) -> tuple[tuple[Request, ...], ...]:
        """The requests of every sample, in the order in which the kind shows them."""
        template = self._template(task)
        shown = [
            template.fill(self._values(values, task), secret) for values in self.kind.shows(task)
        ]
        repeat = task.repeat + (task.comparison.perturbation == UNCHANGED)
        first = repeat * self.samples
        return tuple(
            tuple(
                Request(self.model, messages, self.sent_parameters, self.api_base, sample)
                for messages in shown
            )
            for sample in range(first, first + self.samples)
        )

    def _template(self, task: Task) -> Template:
        """Its own, or the one that a probe asks the comparison with."""
        other = task.comparison.template
        return self.template if other is None else other_template(other)

    def _values(self, values: Values, task: Task) -> Values:
        """The fields of a template: those of the kind, and what the judge adds."""
        filled = dict(values)
        filled["answer"] = self.kind.answer(as_json=self.output is Output.JSON)
        filled["reference"] = task.comparison.reference or ""
        if self.constitution is not None:
            filled["principle"] = self.principle(task) or ""
        if self.examples is not None:
            menu = getattr(self.kind, "menu", Pairwise().menu)
            filled["examples"] = self.examples.blocks(menu)
        return {name: value for name, value in filled.items() if self.template.names(name)}

    def principle(self, task: Task) -> str | None:
        """The principle of a task, where there is a constitution."""
        if self.constitution is None:
            return None
        return self.constitution.draw(task.comparison.drawn_by, task.repeat)

    def why_not(self, task: Task) -> str | None:
        """Why a task cannot be asked, or None."""
        if self._template(task).fields != self.template.fields:
            return "the probe's template has not the fields of the judge's own"
        if self.template.names("reference") and not task.comparison.reference:
            return "the comparison has no reference"
        if self.examples is not None and self.examples.covers(task.comparison.prompt):
            return "its prompt is one of the examples"
        return None

    def reduced(self, model: str) -> Judge | None:
        """What is asked where `model` does not take a parameter; None where nothing can be."""
        if model == self.model and isinstance(self.kind, Soft):
            return self.sampled()
        if model == self.model and self.output is Output.JSON and self.template.names("answer"):
            return replace(self, output=Output.TEXT, details={"output": "text"})
        return None

    def sampled(self) -> Judge | None:
        """A soft judge's fallback: samples at temperature 1, where the file allows for them."""
        kind = self.kind
        if not isinstance(kind, Soft) or not kind.fallback_samples:
            return None
        hot = {**self.parameters, "temperature": 1}
        return replace(
            self,
            kind=kind.instead(),
            samples=kind.fallback_samples,
            parameters=hot,
            details={"soft_from": "samples"},
        )


class ModelAsking:
    """One task of a model judge on its way."""

    def __init__(self, judge: Judge, task: Task, secret: str, annotator_id: UUID) -> None:
        self.judge, self.task, self.secret, self.annotator_id = judge, task, secret, annotator_id
        self.why_not = judge.why_not(task)
        self.rows = () if self.why_not else judge.requests(task, secret)
        self._fallback: ModelAsking | None = None

    def needed(self, replies: Mapping[UUID, Reply]) -> tuple[Request, ...]:
        """Requests that have no reply yet; after them those of the fallback, if it is needed."""
        asked = {r.request_hash: r for row in self.rows for r in row}
        missing = tuple(r for request_hash, r in asked.items() if request_hash not in replies)
        if missing:
            return missing
        fallback = self._instead(replies)
        return fallback.needed(replies) if fallback else ()

    def judgments(self, replies: Mapping[UUID, Reply]) -> tuple[Judgment, ...]:
        """The labels of the task."""
        if self.why_not:
            return self._all(skipped(self.why_not))
        fallback = self._instead(replies)
        if fallback is not None:
            return fallback._judgments(replies, self._hashes())
        return self._judgments(replies, ())

    def failed(self, status: LabelStatus, reason: str) -> tuple[Judgment, ...]:
        """The same status and reason for every label of the task."""
        return self._all(Opinion(status, details={"reason": reason}))

    def _instead(self, replies: Mapping[UUID, Reply]) -> ModelAsking | None:
        """The samples that stand in where a reply has no log-probabilities."""
        if self._fallback is None and isinstance(self.judge.kind, Soft):
            got = [replies[each] for each in self._hashes()]
            lacking = any(reply.logprobs is None for reply in got)
            sampled = self.judge.sampled() if lacking else None
            if sampled is not None:
                self._fallback = ModelAsking(sampled, self.task, self.secret, self.annotator_id)
        return self._fallback

    def _hashes(self) -> tuple[UUID, ...]:
        """Of its requests, equal ones once: they are bought once."""
        return tuple(dict.fromkeys(request.request_hash for row in self.rows for request in row))

    def _judgments(
        self, replies: Mapping[UUID, Reply], before: tuple[UUID, ...]
    ) -> tuple[Judgment, ...]:
        judge, hashes = self.judge, before + self._hashes()
        as_json = judge.output is Output.JSON
        rows = [[replies[r.request_hash] for r in row] for row in self.rows]
        read = [judge.kind.read(self.task, judge.criterion, row, as_json=as_json) for row in rows]
        got = [replies[each] for each in hashes]
        about = self._about(got)
        cost = total([reply.paid_usd for reply in got])
        n = len(self.task.comparisons)
        return tuple(
            Judgment(
                self._label(
                    place,
                    merged([opinions[place] for opinions in read]),
                    about,
                    seconds=total([reply.seconds for reply in got]),
                    cost_usd=None if cost is None else cost / n,
                ),
                hashes,
            )
            for place in read[0]
        )

    def _about(self, replies: Sequence[Reply]) -> dict[str, Any]:
        """What is recorded with a label beside its opinion."""
        about: dict[str, Any] = dict(self.judge.details)
        principle = self.judge.principle(self.task)
        if principle is not None:
            about["principle"] = principle
        other = {reply.served_model for reply in replies if serves_another(self.judge.model, reply)}
        if other:
            about["served_model"] = ", ".join(sorted(filter(None, other)))
        fingerprints = {reply.fingerprint for reply in replies} - {None}
        if fingerprints:
            about["fingerprint"] = ", ".join(sorted(filter(None, fingerprints)))
        return about

    def _all(self, opinion: Opinion) -> tuple[Judgment, ...]:
        places = self.judge.kind.places(self.task, self.judge.criterion)
        return tuple(Judgment(self._label(place, opinion, {})) for place in places)

    def _label(
        self,
        place: Place,
        opinion: Opinion,
        about: Mapping[str, Any],
        *,
        seconds: float | None = None,
        cost_usd: float | None = None,
    ) -> Label:
        return Label(
            place.comparison_id,
            self.annotator_id,
            place.shown,
            opinion.status,
            opinion.preference,
            place.criterion,
            self.task.repeat,
            opinion.rationale,
            seconds,
            cost_usd,
            {**opinion.details, **about},
            opinion.p_a,
        )


def merged(opinions: Sequence[Opinion]) -> Opinion:
    """One opinion of several samples: the sign of their mean score, which is its `p_a`.

    Samples without a verdict are left out and counted; where none has one, the first says why.
    """
    if len(opinions) == 1:
        return opinions[0]
    usable = [each for each in opinions if each.preference is not None]
    if not usable:
        return opinions[0]
    p_a = math.fsum(score_of(each) or 0.0 for each in usable) / len(usable)
    preference = by_score(p_a)
    votes = Counter(each.preference.value for each in usable if each.preference)
    details = {**_together(usable), "samples": {**votes, "unparsed": len(opinions) - len(usable)}}
    agreeing = (each.rationale for each in usable if each.preference is preference)
    return Opinion(LabelStatus.OK, preference, p_a, next(agreeing, None), details)


def _together(opinions: Sequence[Opinion]) -> dict[str, Any]:
    """The details of several samples: a list of them where they differ."""
    each = {name: [opinion.details[name] for opinion in opinions] for name in opinions[0].details}
    return {name: v[0] if all(x == v[0] for x in v) else v for name, v in each.items()}


def serves_another(model: str, reply: Reply) -> bool:
    """Whether a provider names another model than asked; a dated version of it is the same."""
    served, asked = (_bare(name) for name in (reply.served_model or model, model))
    return not (served.startswith(asked) and _VERSION.fullmatch(served[len(asked) :]))


def _bare(name: str) -> str:
    """A model's name without its provider and without `latest`."""
    return _LATEST.sub("", name.rpartition("/")[2].casefold())


def total(values: Sequence[float | None]) -> float | None:
    """The sum; not known where one of them is not."""
    known = [value for value in values if value is not None]
    return math.fsum(known) if len(known) == len(values) else None


def orders_of(orders: Orders, item_id: UUID) -> tuple[Shown | None, ...]:
    """The orders in which one comparison (or list) is shown; `random` is drawn from its id."""
    if orders is Orders.BOTH:
        return (Shown.AB, Shown.BA)
    if orders is Orders.NONE:
        return (None,)
    if orders is Orders.RANDOM:
        return (Shown.AB if make_id("order", item_id).int % 2 else Shown.BA,)
    return (Shown(orders.value),)


async def judge_comparison(
    judge: Judge, comparison: Comparison, shown: Shown | None, client: Client, secret: str = ""
) -> Label:
    """Label one comparison in one order. Raises CallError or ProviderError as the client does."""
    ids = {judge.name: judge.annotator().annotator_id}
    asking = judge.asking(Task((comparison,), shown), secret, ids)
    replies: dict[UUID, Reply] = {}
    while needed := asking.needed(replies):
        for request in needed:
            replies[request.request_hash] = await client.complete(request)
    return asking.judgments(replies)[0].label
