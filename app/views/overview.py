"""The overview: whether AI feedback can stand in for human feedback here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app import commands, figures, frame, parts, tables, words
from app.views.judging import COST_AXIS, MOST, agreement_figure, price_figure, price_rows
from pipelines.estimates import ALL
from pipelines.findings import (
    BASELINES,
    find,
    headline,
    judge_sentence,
    judges_by_agreement,
)
from pipelines.titles import section_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.frame import Context
    from app.loading import Compared
    from pipelines.estimates import Estimate

QUESTION = "Can AI feedback stand in for human feedback here?"
SENTENCES = 4
NO_PRICES = "A judge's price stands in its judge file; a human's comes with the labels."
SWAPPED = figures.Axis("same preference when the order is swapped")


def body(context: Context) -> None:
    """The finding, a sentence on each judge, and three figures beside each other."""
    compared = context.compared()
    rows = [row for row in compared.rows if row.slice == ALL]
    judges = judges_by_agreement(rows)
    parts.lead(headline(rows))
    _sentences(rows, [name for name in judges if name not in BASELINES][1:])
    parts.muted(words.facts(context.dataset), "facts")
    frame.live_runs(context.seen.store)
    _figures(compared, rows, judges)
    step = commands.after_overview(context.seen.store, context.choice.dataset, rows)
    parts.next_step(*step)


def _figures(compared: Compared, rows: Sequence[Estimate], judges: Sequence[str]) -> None:
    """Agreement, cost and order; order stands where there is room for it."""
    shown = judges[:MOST]
    left_out = f"The {MOST} of {len(judges)} that agree most; Agreement has them all."
    prices = price_rows(rows, shown)
    priced = any(row.estimate is not None for row in prices)
    if priced:
        left, middle, right = st.columns([5, 4, 4], gap="large")
    else:
        left, middle = st.columns([6, 5], gap="large")
        right = middle
    with left:
        agreement_figure(compared, rows, shown, note=left_out if len(judges) > MOST else None)
    with middle:
        note = None if priced else NO_PRICES
        price_figure(compared, prices, "cost", section_title("cost", rows), COST_AXIS, note)
    with right:
        _swapped(compared, rows, shown)


def _sentences(rows: Sequence[Estimate], judges: Sequence[str]) -> None:
    """What the intervals allow to say about each judge but the first, who is the headline."""
    statistic, reference = words.main_statistic(rows)
    said = []
    for judge in judges:
        sentence = judge_sentence(rows, judge)
        if sentence is None:
            found = find(rows, statistic, judge, reference=reference)
            sentence = words.reference_sentence(found[0]) if found else None
        if sentence:
            said.append(f"{sentence}.")
    parts.lines(said[:SENTENCES], "sentences")
    if said[SENTENCES:]:
        with st.expander(f"{len(said) - SENTENCES} more", key="more-sentences"):
            parts.lines(said[SENTENCES:], "sentences-more")


def _swapped(compared: Compared, rows: Sequence[Estimate], judges: Sequence[str]) -> None:
    found = find(rows, "position_consistency")
    shown = [row for row in found if row.subject in judges] or found
    roles = tables.roles(compared.kinds)
    dots = [tables.dot(row, roles.get(row.subject, "AI")) for row in tables.by_estimate(shown)]
    title = words.swapped_title(shown) if shown else section_title("bias", rows)
    parts.figure("swapped", title, figures.dots(dots, SWAPPED) if dots else None, shown)


if __name__ == "__main__":
    frame.draw("overview", QUESTION, body)
