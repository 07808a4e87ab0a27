"""The overview: whether AI feedback can stand in for human feedback here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app import (
    commands,
    controls,
    figures,
    first_view,
    frame,
    parts,
    tables,
    words,
    words_bias,
)
from app.views.judging import COST_AXIS, MOST, agreement_figure, price_figure, price_rows
from pipelines.card import bias_card
from pipelines.findings import (
    BASELINES,
    find,
    headline,
    judge_sentence,
    judges_by_agreement,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.frame import Context
    from app.loading import Compared
    from pipelines.estimates import Estimate
    from pipelines.one_judge import Against

QUESTION = "Can AI feedback stand in for human feedback here?"
SENTENCES = 4
NO_PRICES = "A judge's price stands in its judge file; a human's comes with the labels."
LARGEST = figures.Axis("points more often than humans; for the order, than half",
                       unit="share difference", zero=0.0)  # fmt: skip


def body(context: Context) -> None:
    """The finding, a sentence on each judge, and three figures beside each other."""
    rows = first_view.agreement(context)
    judges = judges_by_agreement(rows)
    parts.lead(headline(rows))
    _sentences(rows, [name for name in judges if name not in BASELINES][1:])
    parts.muted(words.facts(context.dataset), "facts")
    frame.live_runs(context.seen.store)
    _look_first(first_view.against(context))
    rows += first_view.differences(context)
    _figures(context.compared(), rows, judges)
    step = commands.after_overview(context.seen.store, context.choice.dataset, rows)
    parts.next_step(*step)


def _figures(compared: Compared, rows: Sequence[Estimate], judges: Sequence[str]) -> None:
    """Agreement, cost and the largest difference, which stands where there is room for it."""
    shown = judges[:MOST]
    left_out = f"The {MOST} of {len(judges)} that agree most; Agreement has them all."
    prices = price_rows(rows, shown)
    priced = any(row.estimate for row in prices)  # that a baseline costs nothing is no news
    if priced:
        left, middle, right = st.columns([5, 4, 4], gap="large")
    else:
        left, middle = st.columns([6, 5], gap="large")
        right = middle
    with left:
        agreement_figure(compared, rows, shown, note=left_out if len(judges) > MOST else None)
    with middle:
        note = None if priced else NO_PRICES
        price_figure(compared, prices, "cost", words.cost_title(prices), COST_AXIS, note)
    with right:
        _largest(compared, rows, shown)


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


def _largest(compared: Compared, rows: Sequence[Estimate], judges: Sequence[str]) -> None:
    """Each judge's largest clear difference: from humans (L1), or by the order alone."""
    cards = [bias_card(rows, name) for name in judges if name not in BASELINES]
    title, found = words_bias.largest(cards)
    roles = tables.roles(compared.kinds)
    dots = [
        tables.dot(
            each.row, roles.get(each.row.subject, "AI"), name=words_bias.short_name(each.row)
        )
        for each in found
    ]
    parts.figure(
        "largest",
        title,
        figures.dots(dots, LARGEST) if dots else None,
        [each.row for each in found],
        note=words_bias.LOOKED_AT,
        terms=words_bias.TERMS,
    )
    link("bias", "See all of them, and what is bias")


def _look_first(found: Against) -> None:
    """What a person should look at first, with the way there."""
    said = words_bias.look_first(found)
    if said is None:
        return
    with st.container(key="look-first"):
        parts.muted(said, "look-first")
        link("disagreements", "See them", without="judge")  # of all judges, as they are counted


def link(view: str, label: str, without: str = "") -> None:
    """The way to another view, with the choices in force but one."""
    carried = {name: value for name, value in controls.carried().items() if name != without}
    with st.container(key=f"to-{view}"):
        st.page_link(f"views/{view}.py", label=label, query_params=carried)


if __name__ == "__main__":
    frame.draw("overview", QUESTION, body)
