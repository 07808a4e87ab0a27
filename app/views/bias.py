"""The bias view: what a judge prefers that humans do not, and what it is for certain."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app import commands, controls, figures, frame, parts, tables, words, words_bias
from app.figures_curves import Knot, Plane, curves
from app.views.judging import MOST, baselines_last, ranked
from pipelines.card import FIRMNESS, L1, L2, L3, NO_EXPERIMENT, OWN, bias_card, level_of
from pipelines.estimates import ALL
from pipelines.findings import find
from pipelines.one_judge import probed_judges
from pipelines.sections.features import FLOOR
from pipelines.sections.probes import WORSE
from pipelines.sections.view import MAJORITY, ONE_HUMAN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.frame import Context
    from app.loading import Compared
    from pipelines.card import Card
    from pipelines.estimates import Estimate

QUESTION = "Does a judge prefer what humans do not?"
SENTENCES = 6
FEATURES, ORDER, CHANGES, ANSWERS = "features", "order", "changes", "answers"
SHOWN = {
    FEATURES: "What the responses hold (L1, L2)",
    ORDER: "The order in which they are shown",
    CHANGES: "What changing a response does (L3)",
    ANSWERS: "Answers of the judge's own model",
}
NO_OWN = "None of the responses here is known to be of this judge's own model."
NO_FEATURES = "What the responses hold is not known: this data set gives no texts."
USUAL = "words"
FIFTHS = ("least", "2", "3", "4", "most")
PLANE = Plane("by how much more of it (fifths)",
              "response with more of it chosen", FIFTHS)  # fmt: skip
POINTS = "points more often"


def body(context: Context) -> None:
    """The judge's card in sentences, then the part of its evidence that is chosen."""
    compared = context.compared()
    judges = _judges(context, compared)
    if not judges:
        parts.lead(words.nothing_to_agree_with((), has_anonymous=False))
        _next(context, None, [])
        return
    with st.container(key="filter", horizontal=True, vertical_alignment="bottom", gap="medium"):
        dataset = context.choice.dataset
        judge = controls.pick("bias", "judge", "Judge", judges, of=dataset, width=320)
        shown = controls.pick("bias", "show", "Show", list(SHOWN), shown=SHOWN, width=340)
    rows = context.rows("order", "features", "curves", "own answers", "probes", judge=judge)
    card = bias_card(rows, judge)
    _card(card)
    mine = [row for row in rows if row.subject in (judge, ONE_HUMAN, MAJORITY)]
    if shown == FEATURES:
        _features(context, compared, judge, mine, card)
    elif shown == ORDER:
        _order(compared, rows)
    elif shown == CHANGES:
        _changes(compared, mine, card)
    else:
        _answers(compared, mine)
    _next(context, judge, mine)


def _judges(context: Context, compared: Compared) -> list[str]:
    """Judges by agreement, those that probes alone asked, and the baselines."""
    probed = context.of_panel(probed_judges, features=True)
    names = ranked(compared, context.rows("references"))
    others = tables.named(compared.kinds, "judge", "baseline")
    return baselines_last(list(dict.fromkeys([*names, *others, *probed])), compared)


def _card(card: Card) -> None:
    """What was found, how sure that is, and what else was looked at."""
    parts.lead(words_bias.verdict(card))
    said = words_bias.said(card.found)
    parts.lines(said[:SENTENCES], "sentences")
    if said[SENTENCES:]:
        with st.expander(f"{len(said) - SENTENCES} more", key="more-sentences"):
            parts.lines(said[SENTENCES:], "sentences-more")
    parts.muted(words_bias.MULTIPLE, "multiple")
    groups = {
        "Not clear": words_bias.said(card.undecided),
        "Looked for and not found": words_bias.said(card.not_found),
        "What this data cannot say": list(card.not_known),
    }
    with st.expander("What is not clear, not found, or not known", key="more-rest"):
        for k, (title, texts) in enumerate(groups.items()):
            parts.section(title, f"rest-{k}")
            parts.lines(texts or ["Nothing."], f"rest-{k}")


def _features(
    context: Context, compared: Compared, judge: str, rows: Sequence[Estimate], card: Card
) -> None:
    """L1 and L2 side by side on one scale, then what judge and humans choose."""
    levels = {
        L1: [row for row in find(rows, "difference_from_humans") if row.low is not None],
        L2: [row for row in find(rows, "adjusted_difference") if row.low is not None],
    }
    if not find(rows, "richer_chosen_share"):
        parts.muted(NO_FEATURES, "no-features")
    order = [row.reference for row in tables.by_estimate(levels[L1] or levels[L2])]
    ends = [(row.low or 0.0, row.high or 0.0) for found in levels.values() for row in found]
    limits = tuple(end for both in ends for end in both)
    for column, (level, found) in zip(st.columns(2, gap="large"), levels.items(), strict=True):
        with column:
            ordered = sorted(found, key=lambda row: _place(order, row.reference))
            _forest(compared, judge, level, ordered, card, limits)
    _choices(compared, judge, rows)
    _curve(context, compared, judge, rows)


def _place(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _forest(
    compared: Compared,
    judge: str,
    level: str,
    rows: Sequence[Estimate],
    card: Card,
    limits: tuple[float, ...] = (),
) -> None:
    """All of a level as dots around zero; at L2 the model's own error is a band."""
    clear = [s.row for s in card.found if s.level == level and s.row in rows]
    band = (-FLOOR, FLOOR) if level == L2 else None
    role = tables.roles(compared.kinds).get(judge, "AI")
    dots = [replace(tables.dot(row, role, name=words_bias.feature(row)), band=band) for row in rows]
    axis = figures.Axis(
        f"{POINTS} {words_bias.THAN[level]}", unit="share difference", zero=0.0,
        band_title="may be the model's own error" if band else "", limits=limits,
    )  # fmt: skip
    title = words_bias.forest_title(level, [r for r in rows if r.method != WORSE], clear)
    key = f"forest-{list(words_bias.THAN).index(level)}"
    parts.figure(key, title, figures.dots(dots, axis) if dots else None, rows,
                 note=_about(level, rows) or _why(card, level))  # fmt: skip


def _about(level: str, rows: Sequence[Estimate]) -> str:
    """What a level is, and what stands left of zero in a sound judge."""
    if not rows:
        return ""
    worse = [row.reference for row in rows if row.method == WORSE]
    more = f" Left of 0 by right, as it takes something away: {', '.join(worse)}." if worse else ""
    return words_bias.about(level) + more


def _why(card: Card, level: str) -> str:
    """Why nothing is known at a level."""
    found = next((text for text in card.not_known if text.startswith(level)), "")
    reason = found.partition(": ")[2]
    return f"{reason[:1].upper()}{reason[1:]}"


def _choices(compared: Compared, judge: str, rows: Sequence[Estimate]) -> None:
    """How often each source chooses the response with more of something."""
    every = [*find(rows, "longer_chosen_share"), *find(rows, "richer_chosen_share")]
    mine = [row for row in every if row.subject == judge]
    humans = [row for row in every if row.subject == ONE_HUMAN]
    if not mine:
        return
    theirs = {row.reference: row for row in humans}
    role = tables.roles(compared.kinds).get(judge, "AI")
    dots = [
        tables.dot(row, role, name=words_bias.feature(row), band=theirs.get(row.reference))
        for row in tables.by_estimate(mine)
    ]
    axis = figures.Axis("response with more of it chosen", zero=0.5, band_title="humans")
    parts.section("What judge and humans choose", "choices")
    title = words_bias.choice_title(judge, mine, humans)
    parts.figure("choices", title, figures.dots(dots, axis), [*mine, *humans])
    parts.legend()


def _curve(context: Context, compared: Compared, judge: str, rows: Sequence[Estimate]) -> None:
    """Of one feature: whether more of it is chosen the more often, by the judge and by humans."""
    every = find(rows, "richer_by_difference")
    names = list(dict.fromkeys(row.reference.partition(":")[0] for row in every))
    if not names:
        return
    parts.section("How much more of it", "curve")
    usual = USUAL if USUAL in names else names[0]
    name = controls.pick("bias", "feature", "Feature", names, of=context.choice.dataset,
                         default=usual, width=220)  # fmt: skip
    found = [row for row in every if row.reference.partition(":")[0] == name]
    sources = {who: [row for row in found if row.subject == who] for who in (MAJORITY, judge)}
    role = tables.roles(compared.kinds).get(judge, "AI")
    knots = [
        Knot(who, "human" if who == MAJORITY else role, _fifth(row), row.estimate or 0.0,
             row.low, row.high, words.figures_of(row), words.reading(row))
        for who, mine in sources.items()
        for row in mine
    ]  # fmt: skip
    title = words_bias.curve_title(name, sources)
    parts.figure("curve", title, curves(knots, PLANE), found)


def _fifth(row: Estimate) -> float:
    """Which fifth of the differences a row is about, from 1 on."""
    return float(row.reference.partition(": fifth ")[2].split()[0])


def _order(compared: Compared, rows: Sequence[Estimate]) -> None:
    """Of all judges: what being shown first adds, and what a swap changes."""
    specs = {
        "position_effect": (words_bias.effect_title(rows), figures.Axis(
            "points that being shown first adds", unit="share difference", zero=0.0)),
        "first_shown_share": (words.first_title(rows), figures.Axis(
            "chose the one shown first", zero=0.5, band_title="humans")),
        "flip_rate": (words_bias.flips_title(rows), figures.Axis("other preference when swapped")),
        "primacy_share": (words_bias.primacy_title(rows), figures.Axis(
            "went to the one shown first, of changed ones", zero=0.5)),
    }  # fmt: skip
    names = list(specs)
    for pair in (names[:2], names[2:]):
        _beside(compared, rows, {name: specs[name] for name in pair})
    parts.legend()


def _beside(
    compared: Compared, rows: Sequence[Estimate], specs: Mapping[str, tuple[str, figures.Axis]]
) -> None:
    """Statistics of all judges beside each other."""
    columns = st.columns(len(specs), gap="large")
    for column, (statistic, (title, axis)) in zip(columns, specs.items(), strict=True):
        with column:
            _of_all(compared, rows, statistic, title, axis)


def _of_all(
    compared: Compared, rows: Sequence[Estimate], statistic: str, title: str, axis: figures.Axis
) -> None:
    """One statistic of every judge; what humans do is the band behind them."""
    roles = tables.roles(compared.kinds)
    human = find(rows, statistic, ONE_HUMAN)
    found = tables.by_estimate(r for r in find(rows, statistic) if r.subject != ONE_HUMAN)
    band = human[0] if human and axis.band_title else None
    dots = [tables.dot(row, roles.get(row.subject, "AI"), band=band) for row in found[:MOST]]
    missing = [row for row in rows if row.statistic == statistic and row.estimate is None]
    note = None
    if missing:
        why = (missing[0].note or "").removeprefix("undefined: ")
        note = f"Not known for {_names(missing)}: {why}."
    if len(found) > MOST:
        note = f"The {MOST} highest of {len(found)}; the numbers have all. {note or ''}".strip()
    parts.figure(statistic.replace("_", "-"), title, figures.dots(dots, axis) if dots else None,
                 [*human, *found], note=note)  # fmt: skip


def _names(rows: Sequence[Estimate]) -> str:
    names = list(dict.fromkeys(row.subject for row in rows))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _changes(compared: Compared, rows: Sequence[Estimate], card: Card) -> None:
    """What each change of a response does to its chances, and to the firmness of labels."""
    effects = [row for row in rows if _level(row) == L3 and row.low is not None]
    if not effects and not card.checks:
        parts.muted(NO_EXPERIMENT, "no-experiment")
        return
    left, right = st.columns(2, gap="large")
    with left:
        shown = [row for row in effects if row.statistic == "probe_effect"]
        _forest(compared, card.judge, L3, tables.by_estimate(shown), card)
    with right:
        lost = tables.by_estimate(find(rows, "robustness_lost"))
        role = tables.roles(compared.kinds).get(card.judge, "AI")
        dots = [tables.dot(row, role, name=row.reference) for row in lost]
        axis = figures.Axis("points more labels turned than by asking again",
                            unit="share difference", zero=0.0)  # fmt: skip
        rates = [*find(rows, "robustness_rate"), *find(rows, "consistency_rate")]
        chart = figures.dots(dots, axis) if dots else None
        parts.figure("robustness", words_bias.robust_title(rows), chart, [*lost, *rates])
    checks = [each for each in card.checks if each.row.statistic not in FIRMNESS]
    if checks:
        parts.section("What it should not fall for", "checks")
        parts.lines([each.text for each in checks], "sentences-checks")


def _level(row: Estimate) -> str | None:
    """The level of an effect; None for what is none."""
    try:
        return level_of(row)
    except KeyError:
        return None


def _answers(compared: Compared, rows: Sequence[Estimate]) -> None:
    """How the judge treats the answers of its own model."""
    mine = [row for row in rows if _level(row) == OWN and row.slice == ALL]
    if not mine:
        parts.muted(NO_OWN, "no-own")
        return
    roles = tables.roles(compared.kinds)
    dots = [
        tables.dot(row, roles.get(row.subject, "AI"), name=words_bias.OWN_NAMES[row.statistic])
        for row in mine
    ]
    axis = figures.Axis(f"{POINTS} chosen", unit="share difference", zero=0.0)
    missing = [row for row in mine if row.estimate is None]
    parts.figure("own", words_bias.own_title(mine), figures.dots(dots, axis), mine,
                 note=f"Self-preference: {missing[0].note}." if missing else None)  # fmt: skip


def _next(context: Context, judge: str | None, rows: Sequence[Estimate]) -> None:
    store, dataset = context.seen.store, context.choice.dataset
    if judge is None:
        parts.next_step("See what a judge would be asked:", commands.label(store, dataset))
    elif not any(_level(row) == L3 for row in rows):
        why = (
            "Only an experiment shows what causes a difference: change one thing about the "
            "responses, ask again. With the judge's file, what that would ask and cost:"
        )
        parts.next_step(why, commands.probe(store, dataset, judge))
    else:
        parts.next_step("All of this on one page, to keep or to send:",
                        commands.card(store, dataset, judge))  # fmt: skip


if __name__ == "__main__":
    frame.draw("bias", QUESTION, body)
