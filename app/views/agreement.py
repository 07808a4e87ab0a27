"""The agreement view: who agrees with whom, and where it breaks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app import commands, controls, figures, frame, parts, tables, words, words_agreement
from app.figures_curves import Knot, Plane, curves
from app.views.judging import MOST, agreement_figure, baselines_last, ranked
from pipelines.estimates import ALL
from pipelines.findings import SAME_POINTS, find, judges_by_agreement
from pipelines.one_judge import known_slices, reliability_of, section_of, stating_judges
from pipelines.section_parts import references_of
from pipelines.sections.ranking import HUMANS
from pipelines.sections.view import CEILING, ONE_HUMAN
from pipelines.slices import COLUMNS
from pipelines.titles import section_title
from pipelines.wording import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.frame import Context
    from app.loading import Compared
    from pipelines.estimates import Estimate
    from pipelines.one_judge import Point

QUESTION = "Who agrees with whom, and where does it break?"
GAP = figures.Axis("points above or below the human ceiling", unit="share difference", zero=0.0,
                   band_title="as good as one human")  # fmt: skip
SAME = (-SAME_POINTS / 100, SAME_POINTS / 100)
CELLS = (
    "Each cell is the kappa of two annotators on {n} comparisons; the stronger the shade, the more "
    "alike. Point at one for its interval and n; the numbers below have them too."
)
EVERYBODY, SLICES, KINDS, STATED, RANKINGS, REPLACING = (
    "agreement", "slices", "kinds", "calibration", "rankings", "replacement",
)  # fmt: skip
SHOWN = {
    EVERYBODY: "All judges, over all comparisons",
    SLICES: "Where it breaks: one judge by slice",
    KINDS: "Which judge to trust where: all judges by slice",
    STATED: "Whether stated probabilities hold",
    RANKINGS: "How the models are ranked",
    REPLACING: "Whether a judge may replace humans",
}
KINDS_NOTE = (
    "Intervals hold for all slices of a judge together; a share without one has too few prompts."
)
NOT_NAMED = "A judge that the last column does not name may be as good: the labels do not show it."
RELIABILITY = Plane("stated probability", "mean human label (ties half)")
BINS = (
    "Ten bins of equal size; which response is called A is arbitrary, so each comparison stands "
    "in the bin of its probability and in the mirror image. On the dashed line both are alike."
)
NO_STATED = (
    "No judge here states probabilities. A judge that is asked for them, or for several samples "
    "of each label, has a curve here."
)
NO_SLICES = "No two categories, lengths or couples of models are known here."
OTHERS = "The same models in the order of the humans' ranking; strengths in log odds, 0 the mean."
NO_REVERSAL = "No two models are shown to stand in opposite order."
NO_JUDGE = "No judge can be compared with human or gold labels here yet."


def body(context: Context) -> None:
    """The part of the answer that is chosen; nothing else is computed."""
    compared, rows = context.compared(), context.rows("references")
    parts.lead(section_title("agreement", rows))
    with st.container(key="filter", horizontal=True, vertical_alignment="bottom", gap="medium"):
        shown = controls.pick("agreement", "show", "Show", list(SHOWN), shown=SHOWN, width=340)
        judges = ranked(compared, rows) if shown not in (EVERYBODY, KINDS) else []
        if shown == STATED:
            stating = context.of_panel(stating_judges)
            judges = [name for name in judges if name in stating]
        judge = _judge(context, judges)
        column = _column(context) if shown in (SLICES, KINDS) else None
    if shown == EVERYBODY:
        _everybody(context, compared, [*rows, *context.rows("kappas")])
    elif shown == KINDS:
        _kinds(context, compared, column)
    elif shown == STATED and judge is None:
        parts.muted(NO_STATED, "no-part")
    elif judge is None:
        parts.muted(NO_JUDGE, "no-part")
    else:
        _PARTS[shown](context, compared, judge, column)
    _next(context, shown, judge, column)


def _judge(context: Context, judges: Sequence[str]) -> str | None:
    """The judge that a part is about; the choice follows to the other parts and views."""
    if not judges:
        return None
    dataset = context.choice.dataset
    of = dataset + "".join(sorted(judges))
    return controls.pick("agreement", "judge", "Judge", judges, of=of, width=280)


def _column(context: Context) -> str | None:
    """What the slices are by."""
    known = context.of_panel(known_slices)
    if not known:
        return None
    return controls.pick("agreement", "by", "By", list(known), of=context.choice.dataset,
                         shown=words_agreement.COLUMNS, width=220)  # fmt: skip


def _next(context: Context, shown: str, judge: str | None, column: str | None) -> None:
    """The same numbers on the command line."""
    store, dataset = context.seen.store, context.choice.dataset
    section = {STATED: "calibration", RANKINGS: "ranking", REPLACING: "replacement"}.get(shown)
    if shown == STATED and judge is None:
        parts.next_step("What a judge would be asked, without sending anything:",
                        commands.label(store, dataset))  # fmt: skip
    elif section is not None:
        parts.next_step("These numbers for all judges, on the command line:",
                        commands.report_section(store, dataset, section))  # fmt: skip
    else:
        parts.next_step("All of these numbers, by slice too, on the command line:",
                        commands.report_slices(store, dataset, column or COLUMNS[0]))  # fmt: skip


def _everybody(context: Context, compared: Compared, rows: Sequence[Estimate]) -> None:
    """Judges against the ceiling, and everybody against everybody."""
    judges = _chosen(context, rows, compared)
    gaps = [row for row in find(rows, "gap") if row.subject in judges]
    if judges_by_agreement(rows):
        left, right = st.columns([6, 5], gap="large")
        with left:
            agreement_figure(compared, rows, judges, title=_spread(rows, judges))
        with right:
            if gaps:
                _gap(compared, rows, gaps)
    parts.section("Everybody against everybody", "matrix")
    _matrix(rows, _names(compared, judges))


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
                 note=_cells(shown))  # fmt: skip


def _cells(shown: Sequence[Estimate]) -> str | None:
    """How to read the matrix, and on how much it rests."""
    counts = [row.n_items for row in shown if row.estimate is not None]
    if not counts:
        return None
    least, most = min(counts), max(counts)
    return CELLS.format(n=f"{least:,}" if least == most else f"{least:,} to {most:,}")


def _slices(context: Context, compared: Compared, judge: str, column: str | None) -> None:
    """One judge's agreement and gap in each slice, over that slice's own ceiling."""
    if column is None:
        parts.muted(NO_SLICES, "no-part")
        return
    rows = context.of_panel(references_of, context.choice.rules, judge, column)
    statistic, reference = words.main_statistic(rows)
    ceilings = tables.ceilings(rows)
    found = _of_slices(rows, statistic, reference)
    gaps = _of_slices(rows, "gap", CEILING)
    shown = _largest(found)
    left, right = st.columns([6, 5], gap="large") if gaps else (st.container(), st.container())
    with left:
        axis = figures.Axis(
            f"agreement with {words.named(reference)}", band_title="two humans with each other"
        )
        dots = [
            tables.dot(row, _role(compared, judge), name=words.slice_name(row.slice),
                       band=ceilings.get((judge, row.slice)))
            for row in tables.by_estimate(shown)
        ]  # fmt: skip
        behind = [*found, *(row for (_, name), row in ceilings.items() if name != ALL)]
        parts.figure("category", words.categories_title(judge, found),
                     figures.dots(dots, axis) if dots else None, behind,
                     note=_slices_note(len(found), len(shown)))  # fmt: skip
    with right:
        if gaps:
            _gaps_by_slice(compared, judge, gaps, [row.slice for row in shown])


def _kinds(context: Context, compared: Compared, column: str | None) -> None:
    """All judges in each slice, beside what two humans reach there."""
    if column is None:
        parts.muted(NO_SLICES, "no-part")
        return
    rows = context.rows("references", slices=column)
    statistic, reference = words.main_statistic(rows)
    found, gaps = _of_slices(rows, statistic, reference), _of_slices(rows, "gap", CEILING)
    ceilings = {key: row for key, row in tables.ceilings(rows).items() if key[1] != ALL}
    every = baselines_last(ranked(compared, rows), compared)
    judges = every[:MOST]
    names = list(dict.fromkeys(row.slice for row in sorted(found, key=lambda row: -row.n_items)))
    by_slice = {name: [row for row in gaps if row.slice == name] for name in names} if gaps else {}
    shown = words_agreement.kinds_table(
        names, judges, {(row.subject, row.slice): row for row in found}, ceilings, by_slice
    )
    with st.container(key="figure-kinds"):
        title = words_agreement.kinds_title(by_slice)
        parts.heading("kinds", title, [statistic, *(["gap"] if gaps else [])])
        if len(judges) < len(every):
            parts.muted(f"The {MOST} judges of {len(every)} that agree most.", "kinds-most")
        if shown:
            parts.table(shown, key="kinds")
        told = shown and words_agreement.NEAR in shown[0]
        parts.muted(f"{KINDS_NOTE} {NOT_NAMED}" if told else KINDS_NOTE, "kinds")
        behind = [*found, *ceilings.values(), *gaps]
        parts.rows_behind("kinds", tables.screen_rows(behind), tables.file_rows(behind))


def _of_slices(rows: Sequence[Estimate], statistic: str, reference: str) -> list[Estimate]:
    return [
        row
        for row in rows
        if row.slice != ALL
        and (row.statistic, row.reference) == (statistic, reference)
        and row.subject != CEILING
        and row.estimate is not None
    ]


def _largest(rows: Sequence[Estimate]) -> list[Estimate]:
    """The slices with most comparisons, as many as a figure holds."""
    return sorted(rows, key=lambda row: -row.n_items)[:MOST]


def _slices_note(n: int, shown: int) -> str:
    left_out = f"The {shown} with most comparisons of {n}; the numbers have all. "
    return (
        f"{left_out if shown < n else ''}Highest and lowest are as found; their difference is not "
        "tested here. Intervals hold for all slices together. A hollow dot has too few prompts "
        "for an interval."
    )


def _gaps_by_slice(
    compared: Compared, judge: str, gaps: Sequence[Estimate], order: Sequence[str]
) -> None:
    shown = [row for row in tables.by_estimate(gaps) if row.slice in order]
    dots = [
        replace(tables.dot(row, _role(compared, judge), name=words.slice_name(row.slice)),
                band=SAME)
        for row in shown
    ]  # fmt: skip
    title = words_agreement.gaps_title(judge, gaps)
    parts.figure("gap-slices", title, figures.dots(dots, GAP) if dots else None, gaps)


def _role(compared: Compared, judge: str) -> str:
    return tables.roles(compared.kinds).get(judge, "AI")


def _calibration(context: Context, compared: Compared, judge: str, column: str | None) -> None:  # noqa: ARG001
    """One judge's stated probabilities against the humans' labels."""
    rules = context.choice.rules
    rows = context.of_panel(section_of, rules, "calibration", judge)
    points = context.of_panel(reliability_of, rules, judge)
    knots = [_knot(judge, _role(compared, judge), point) for point in points]
    left, right = st.columns([6, 5], gap="large")
    with left:
        title = words_agreement.calibration_title(judge, rows)
        chart = curves(knots, RELIABILITY) if knots else None
        parts.figure("calibration", title, chart, rows, note=BINS if knots else None)
    with right:
        found = find(rows, "calibration_error", judge)
        dots = [
            tables.dot(row, _role(compared, judge), name=words_agreement.fit_name(row))
            for row in found
        ]
        axis = figures.Axis("calibration error")
        parts.figure("fits", words_agreement.fits_title(judge, found),
                     figures.dots(dots, axis) if dots else None, found)  # fmt: skip


def _knot(judge: str, role: str, point: Point) -> Knot:
    interval = ""
    if point.low is not None and point.high is not None:
        interval = f" [{percent(point.low).rstrip('%')}, {percent(point.high).rstrip('%')}]"
    text = f"humans {percent(point.y)}{interval} where it states {percent(point.x)}"
    return Knot(judge, role, point.x, point.y, point.low, point.high, text,
                words.count(point.n, "comparison"))  # fmt: skip


def _rankings(context: Context, compared: Compared, judge: str, column: str | None) -> None:  # noqa: ARG001
    """The models by the humans and by one judge, and the couples that surely differ."""
    rows = context.of_panel(section_of, context.choice.rules, "ranking", judge)
    strengths = find(rows, "strength")
    humans = tables.by_estimate(row for row in strengths if row.subject == HUMANS)
    order = [row.reference for row in humans]
    own = sorted(
        (row for row in strengths if row.subject == judge), key=lambda r: order.index(r.reference)
    )
    figure = [row for row in rows if row.statistic in ("kendall_tau_b", "order_reversed_share")]
    parts.figure("rankings", words_agreement.ranking_title(judge, rows), None,
                 [*figure, *find(rows, "spearman"), *find(rows, "same_best_model"),
                  *find(rows, "win_rate")], note=OTHERS if own else None)  # fmt: skip
    if not own:
        return
    ends = tuple(v for r in strengths for v in (r.low, r.high, r.estimate) if v is not None)
    axis = figures.Axis("strength in log odds", unit="log odds", zero=0.0, limits=ends)
    for column_, name, found, role in zip(
        st.columns(2, gap="large"), (HUMANS, judge), (humans, own),
        ("human", _role(compared, judge)), strict=True,
    ):  # fmt: skip
        with column_:
            dots = [tables.dot(r, role, name=words_agreement.model_name(r)) for r in found]
            parts.figure(f"ranking-{role}", words_agreement.places_title(name, found),
                         figures.dots(dots, axis), found)  # fmt: skip
    parts.section("Couples of models in opposite order", "reversals")
    parts.lines(words_agreement.reversals(judge, rows) or [NO_REVERSAL], "sentences-reversals")


def _replacement(context: Context, compared: Compared, judge: str, column: str | None) -> None:  # noqa: ARG001
    """Whether one judge may stand in for a human, and how many humans it is worth."""
    rows = context.of_panel(section_of, context.choice.rules, "replacement", judge)
    lines = words_agreement.winning_lines(rows)
    worth = words_agreement.worth_line(rows)
    parts.lines([section_title("replacement", rows), *lines, *([worth] if worth else [])],
                "sentences-replacement")  # fmt: skip
    own = find(rows, "leave_one_out_agreement", judge)
    human = find(rows, "leave_one_out_agreement", CEILING)
    left, right = st.columns(2, gap="large")
    with left:
        axis = figures.Axis("agreement with the majority of the other humans")
        dots = [
            *(tables.dot(row, _role(compared, judge)) for row in own),
            *(tables.dot(row, "human", name="a human") for row in human),
        ]
        parts.figure("others", words_agreement.leave_one_out_title(judge, rows),
                     figures.dots(dots, axis) if dots else None, [*own, *human])  # fmt: skip
    with right:
        found = find(rows, "advantage_probability", judge)
        axis = figures.Axis("at least as close as a human", zero=0.5)
        dots = [tables.dot(row, _role(compared, judge)) for row in found]
        tests = [row for row in rows if row.statistic in ("winning_rate", "human_equivalence")]
        parts.figure("advantage", words_agreement.advantage_title(rows),
                     figures.dots(dots, axis) if dots else None, [*found, *tests],
                     terms=words_agreement.MARGIN)  # fmt: skip


_PARTS = {
    SLICES: _slices,
    STATED: _calibration,
    RANKINGS: _rankings,
    REPLACING: _replacement,
}


if __name__ == "__main__":
    frame.draw("agreement", QUESTION, body)
