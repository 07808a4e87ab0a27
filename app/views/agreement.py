"""Who agrees with whom, and where does it break?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app import commands, controls, figures, frame, parts, tables, words
from app.views.judging import MOST, agreement_figure, baselines_last
from pipelines.estimates import ALL
from pipelines.findings import find, judges_by_agreement, section_title
from pipelines.sections.view import ONE_HUMAN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.frame import Context
    from app.loading import Compared
    from pipelines.estimates import Estimate

QUESTION = "Who agrees with whom, and where does it break?"
GAP = figures.Axis("points above or below the human ceiling", unit="share difference", zero=0.0)


def body(context: Context) -> None:
    """Judges against the ceiling, everybody against everybody, by category, position and length."""
    compared = context.compared()
    rows = [row for row in compared.rows if row.slice == ALL]
    parts.lead(section_title("agreement", rows))
    judges = _chosen(context, rows, compared)
    left, right = st.columns([6, 5], gap="large")
    with left:
        agreement_figure(compared, rows, judges)
    with right:
        _gap(compared, rows, judges)
    parts.section("Everybody against everybody", "matrix")
    _matrix(compared, rows, judges)
    _categories(context, compared)
    parts.section("Position and length", "bias")
    _position_and_length(compared, rows, judges)
    store, dataset = context.seen.store, context.choice.dataset
    parts.next_step("All of these numbers, by category too, on the command line:",
                    commands.report_slices(store, dataset))  # fmt: skip


def _chosen(context: Context, rows: Sequence[Estimate], compared: Compared) -> list[str]:
    """The judges shown: all of them, or the dozen that agrees most where there are more."""
    names = judges_by_agreement(rows) or tables.named(compared.kinds, "judge", "baseline")
    if len(names) <= MOST:
        return names
    chosen = st.multiselect(
        f"Judges shown ({len(names)} in all, highest agreement first)",
        names,
        default=names[:MOST],
        key=f"agreement-judges-{controls.short(context.choice.dataset)}",
    )
    return [name for name in names if name in chosen]


def _gap(compared: Compared, rows: Sequence[Estimate], judges: Sequence[str]) -> None:
    found = [row for row in find(rows, "gap") if row.subject in judges]
    if not found:
        parts.muted(
            "The gap to the human ceiling is not known: it needs two humans on a comparison.",
            "no-gap",
        )
        return
    roles = tables.roles(compared.kinds)
    dots = [tables.dot(row, roles.get(row.subject, "AI")) for row in tables.by_estimate(found)]
    title = "An interval clear of zero tells a judge apart from a human"
    parts.figure("gap", title, figures.dots(dots, GAP), found)


def _matrix(compared: Compared, rows: Sequence[Estimate], judges: Sequence[str]) -> None:
    """Cohen's kappa of every two annotators; anonymous humans stand as one human."""
    kappas = {
        frozenset((row.subject, row.reference)): row
        for row in rows
        if row.statistic == "cohen_kappa"
    }
    references = tables.named(compared.kinds, "human", "aggregate")
    first = [ONE_HUMAN] if compared.has_anonymous else []
    names = [*first, *references, *baselines_last(judges, compared)]
    places = {name: k for k, name in enumerate(names)}
    shown = [row for pair, row in kappas.items() if pair <= places.keys()]
    pairs = [
        tables.Pair(places[a], places[b], row.estimate, words.figures_of(row), words.reading(row))
        for row in shown
        for a, b in {(row.subject, row.reference), (row.reference, row.subject)}
    ]
    chart = figures.matrix(names, pairs, "Cohen's kappa [95% interval]") if pairs else None
    parts.figure("matrix", words.pairs_title(shown), chart, shown, fixed_width=True,
                 note="Each cell is the kappa of two annotators; darker is more alike."
                 if pairs else None)  # fmt: skip


def _categories(context: Context, compared: Compared) -> None:
    """One judge's agreement in each category, over that category's own ceiling."""
    statistic, reference = words.main_statistic(compared.rows)
    sliced = [
        row
        for row in compared.rows
        if row.slice != ALL and row.statistic == statistic and row.reference == reference
    ]
    judges = [
        name
        for name in judges_by_agreement(compared.rows)
        if any(row.subject == name and row.estimate is not None for row in sliced)
    ]
    if not judges:
        return
    parts.section("By category", "category")
    judge = controls.pick(
        "agreement", "judge", "Judge", judges, of=context.choice.dataset, width=320
    )
    found = [row for row in sliced if row.subject == judge and row.estimate is not None]
    role, ceilings = tables.roles(compared.kinds).get(judge, "AI"), tables.ceilings(compared.rows)
    dots = [
        tables.dot(row, role, name=words.slice_name(row.slice),
                   band=ceilings.get((judge, row.slice)))
        for row in tables.by_estimate(found)
    ]  # fmt: skip
    axis = figures.Axis(f"agreement with {reference}", band_title="two humans with each other")
    behind = [*found, *(ceilings[key] for key in ceilings if key[0] == judge and key[1] != ALL)]
    parts.figure("category", words.categories_title(judge, found), figures.dots(dots, axis), behind,
                 note="Highest and lowest are as found; their difference is not tested here. "
                 "A hollow dot has too few prompts for an interval.")  # fmt: skip


def _position_and_length(
    compared: Compared, rows: Sequence[Estimate], judges: Sequence[str]
) -> None:
    first, swapped, longer = st.columns(3, gap="large")
    with first:
        axis = figures.Axis("chose the one shown first", zero=0.5, band_title="humans")
        _with_humans(compared, rows, judges, "first_shown_share", words.first_title(rows), axis)
    with swapped:
        axis = figures.Axis("same preference in both orders")
        _with_humans(
            compared, rows, judges, "position_consistency", words.swapped_title(rows), axis
        )
    with longer:
        axis = figures.Axis("chose the longer response", zero=0.5, band_title="humans")
        _with_humans(compared, rows, judges, "longer_chosen_share", words.length_title(rows), axis)


def _with_humans(
    compared: Compared,
    rows: Sequence[Estimate],
    judges: Sequence[str],
    statistic: str,
    title: str,
    axis: figures.Axis,
) -> None:
    """A share of each judge; what humans do is the band behind them."""
    human = find(rows, statistic, ONE_HUMAN)
    found = [row for row in find(rows, statistic) if row.subject in judges]
    roles = tables.roles(compared.kinds)
    dots = [
        tables.dot(row, roles.get(row.subject, "AI"), band=human[0] if human else None)
        for row in tables.by_estimate(found)
    ]
    chart = figures.dots(dots, axis) if dots else None
    parts.figure(statistic.replace("_", "-"), title, chart, [*human, *found])


if __name__ == "__main__":
    frame.draw("agreement", QUESTION, body)
