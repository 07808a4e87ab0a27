"""The agreement view: who agrees with whom, and where it breaks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app import commands, controls, figures, frame, parts, tables, words
from app.views.judging import MOST, agreement_figure, baselines_last, ranked
from pipelines.estimates import ALL
from pipelines.findings import SAME_POINTS, find, judges_by_agreement
from pipelines.sections.view import ONE_HUMAN
from pipelines.titles import section_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.frame import Context
    from app.loading import Compared
    from pipelines.estimates import Estimate

QUESTION = "Who agrees with whom, and where does it break?"
GAP = figures.Axis("points above or below the human ceiling", unit="share difference", zero=0.0,
                   band_title="as good as one human")  # fmt: skip
SAME = (-SAME_POINTS / 100, SAME_POINTS / 100)
CELLS = "Each cell is the kappa of two annotators; the stronger the shade, the more alike."
FEW = 7  # annotators whose matrix leaves room for a figure beside it


def body(context: Context) -> None:
    """Judges against the ceiling, everybody against everybody, by category, position and length."""
    compared = context.compared()
    rows = [row for row in compared.rows if row.slice == ALL]
    parts.lead(section_title("agreement", rows))
    judges = _chosen(context, rows, compared)
    gaps = [row for row in find(rows, "gap") if row.subject in judges]
    if judges_by_agreement(rows):
        left, right = st.columns([6, 5], gap="large")
        with left:
            agreement_figure(compared, rows, judges, title=_spread(rows, judges))
        with right:
            if gaps:
                _gap(compared, rows, gaps)
            else:
                _categories(context, compared)
    _pairs(context, compared, rows, judges, categories=bool(gaps))
    parts.section("Position and length", "bias")
    shown = [row for row in rows if row.subject in (ONE_HUMAN, *judges)]
    _position_and_length(compared, shown, judges)
    store, dataset = context.seen.store, context.choice.dataset
    parts.next_step("All of these numbers, by category too, on the command line:",
                    commands.report_slices(store, dataset))  # fmt: skip


def _chosen(context: Context, rows: Sequence[Estimate], compared: Compared) -> list[str]:
    """The judges shown: all of them, or the dozen that agrees most where there are more."""
    names = ranked(compared, rows)
    if len(names) <= MOST:
        return names
    chosen = st.multiselect(
        f"Judges shown ({len(names)} in all, highest agreement first)",
        names,
        default=names[:MOST],
        key=f"agreement-judges-{controls.short(context.choice.dataset)}",
    )
    return [name for name in names if name in chosen]


def _spread(rows: Sequence[Estimate], judges: Sequence[str]) -> str | None:
    """Who agrees most and least with the reference that is shown."""
    statistic, reference = words.main_statistic(rows)
    every = find(rows, statistic, reference=reference)
    found = [row for row in every if row.subject in judges]
    return words.spread_title(found, part=len(judges) < len(judges_by_agreement(rows)))


def _gap(compared: Compared, rows: Sequence[Estimate], gaps: Sequence[Estimate]) -> None:
    """How far each judge is from the ceiling, and the zone that counts as being there."""
    roles = tables.roles(compared.kinds)
    dots = [
        replace(tables.dot(row, roles.get(row.subject, "AI")), band=SAME)
        for row in tables.by_estimate(gaps)
    ]
    title = words.agreement_title(rows, [row.subject for row in gaps], ONE_HUMAN)
    parts.figure("gap", title, figures.dots(dots, GAP), gaps)


def _pairs(
    context: Context,
    compared: Compared,
    rows: Sequence[Estimate],
    judges: Sequence[str],
    *,
    categories: bool,
) -> None:
    """Everybody against everybody, with the categories beside it where there is room for both."""
    names = _names(compared, judges)
    beside = categories and len(names) <= FEW and len({row.slice for row in compared.rows}) > 1
    left, right = st.columns([5, 6], gap="large") if beside else (st.container(), st.container())
    with left:
        parts.section("Everybody against everybody", "matrix")
        _matrix(rows, names)
    with right:
        if categories:
            _categories(context, compared)


def _names(compared: Compared, judges: Sequence[str]) -> list[str]:
    """Who stands in the matrix: humans, gold, judges by agreement, baselines."""
    first = [ONE_HUMAN] if compared.has_anonymous else []
    references = tables.named(compared.kinds, "human", "aggregate")
    return [*first, *references, *baselines_last(judges, compared)]


def _matrix(rows: Sequence[Estimate], names: Sequence[str]) -> None:
    """Cohen's kappa of every two annotators; anonymous humans stand as one human."""
    kappas = {
        frozenset((row.subject, row.reference)): row
        for row in rows
        if row.statistic == "cohen_kappa"
    }
    places = {name: k for k, name in enumerate(names)}
    shown = [row for pair, row in kappas.items() if pair <= places.keys()]
    pairs = [
        tables.Pair(places[a], places[b], row.estimate, words.figures_of(row), words.reading(row))
        for row in shown
        for a, b in {(row.subject, row.reference), (row.reference, row.subject)}
    ]
    chart = figures.matrix(names, pairs, "Cohen's kappa [95% interval]") if pairs else None
    parts.figure("matrix", words.pairs_title(shown), chart, shown, fixed_width=True,
                 note=CELLS if pairs else None)  # fmt: skip


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
    axis = figures.Axis(
        f"agreement with {words.named(reference)}", band_title="two humans with each other"
    )
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
