"""The size of a data set, in numbers and in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.support.facts import AGGREGATE, BASELINE, HUMAN, JUDGE, ORDERS, Facts
from pipelines.support.words import number, some

if TYPE_CHECKING:
    from pipelines.panel import Panel


@dataclass(frozen=True, slots=True)
class Counts:
    """The size of a data set. `human_labels`: humans a comparison to the comparisons with so many.

    `orders`: judges by how they were shown the responses: both, random, fixed, unknown.
    `repeated`: comparisons that some judge, some identified human was asked more than once, judges
    in the same order.
    """

    comparisons: int
    prompts: int
    with_texts: int
    models: int
    humans_identified: int
    humans_anonymous: int
    human_labels: dict[int, int]
    judges: int
    baselines: int
    aggregates: int
    orders: dict[str, int]
    repeated_by_judges: int
    repeated_by_humans: int


def counts_of(panel: Panel) -> Counts:
    """The counts of a data set."""
    facts = Facts(panel)
    of_kind = Counter(who.kind for who in panel.annotators)
    anonymous = sum(who.anonymous for who in panel.annotators if who.kind is HUMAN)
    sizes, comparisons = np.unique(facts.humans, return_counts=True)
    return Counts(
        comparisons=panel.n_items,
        prompts=facts.n_prompts(np.ones(panel.n_items, bool)),
        with_texts=panel.n_with_texts,
        models=len(panel.models),
        humans_identified=of_kind[HUMAN] - anonymous,
        humans_anonymous=anonymous,
        human_labels=dict(zip(sizes[::-1].tolist(), comparisons[::-1].tolist(), strict=True)),
        judges=of_kind[JUDGE],
        baselines=of_kind[BASELINE],
        aggregates=of_kind[AGGREGATE],
        orders=dict(Counter(facts.orders.of(k) for k in panel.indices(JUDGE))),
        repeated_by_judges=int(facts.repeated(JUDGE).sum()),
        repeated_by_humans=int(facts.repeated(HUMAN).sum()),
    )


def sentences(counts: Counts) -> list[str]:
    """The counts in words, a line each."""
    return [_size(counts), _humans(counts), _judges(counts), _repeats(counts)]


def _size(counts: Counts) -> str:
    text = f"{number(counts.comparisons, 'comparison')} of {number(counts.prompts, 'prompt')}"
    with_texts = some(counts.with_texts)
    if 0 < counts.comparisons == counts.with_texts:
        with_texts = "all"
    models = number(counts.models, "model") if counts.models else "models not known"
    return f"{text}, {with_texts} with texts; {models}."


def _humans(counts: Counts) -> str:
    known, anonymous = counts.humans_identified, counts.humans_anonymous
    if not known + anonymous:
        return "No human labels."
    kinds = [f"{known:,} identified"] if known else []
    kinds += [f"{anonymous:,} anonymous"] if anonymous else []
    people = "human" if known + anonymous == 1 else "humans"
    labels = ", ".join(f"{k or 'none'} on {n:,}" for k, n in counts.human_labels.items())
    return f"{' and '.join(kinds)} {people}; human labels for each comparison: {labels}."


def _judges(counts: Counts) -> str:
    parts = [number(counts.judges, "judge") if counts.judges else "No judges"]
    orders = [f"{words}: {counts.orders[k]:,}" for k, words in ORDERS.items() if k in counts.orders]
    parts[0] += f" ({'; '.join(orders)})" if orders else ""
    parts += [number(counts.baselines, "baseline")] if counts.baselines else []
    parts += [number(counts.aggregates, "gold or majority")] if counts.aggregates else []
    return f"{', '.join(parts)}."


def _repeats(counts: Counts) -> str:
    judges, humans = counts.repeated_by_judges, counts.repeated_by_humans
    if not judges + humans:
        return "No repeats."
    return f"Repeats: of judges on {judges:,} comparisons, of identified humans on {humans:,}."
