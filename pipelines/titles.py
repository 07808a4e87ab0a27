"""The sentence above each section's table or figure, composed from Estimate rows by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.estimates import ALL
from pipelines.findings import BASELINES, comparisons_of, figure_of, find, headline, listed
from pipelines.sections.cost import ON_FRONT
from pipelines.sections.position import ONE_ORDER
from pipelines.sections.view import CEILING, ONE_HUMAN
from pipelines.wording import money, percent, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.estimates import Estimate


def section_title(section: str, rows: Sequence[Estimate]) -> str:
    """The sentence of one section, from all rows of a report; empty where it has none."""
    if section == "agreement":
        return headline([row for row in rows if row.section == "agreement"])
    title = _TITLES.get(section)
    return "" if title is None else title(rows)


def _judges(rows: Sequence[Estimate], statistic: str, method: str = "") -> list[Estimate]:
    """The judges' rows of a statistic, highest first; the baselines understand nothing."""
    found = [row for row in find(rows, statistic) if method in row.method]
    own = [row for row in found if row.subject not in (*BASELINES, ONE_HUMAN)]
    return sorted(own, key=lambda row: (row.low is None, -(row.estimate or 0.0), row.subject))


def _chance_title(rows: Sequence[Estimate]) -> str:
    judges = [row for row in _judges(rows, "symmetrised_pi") if row.subject != CEILING]
    humans = find(rows, "krippendorff_alpha", reference=ONE_HUMAN)
    if not judges:
        if not humans:
            return "Nothing to compare beyond chance."
        return f"Beyond chance, humans agree with each other by alpha {figure_of(humans[0])}."
    best = judges[0]
    sentence = f"Beyond chance, {best.subject} agrees most with one human: {figure_of(best)}"
    same = [
        row
        for row in find(rows, "symmetrised_pi", CEILING)
        if row.method.endswith(f" items of {best.subject}") and row.n_items == best.n_items
    ]
    return (
        f"{sentence}, two humans with each other {figure_of(same[0])}." if same else f"{sentence}."
    )


def _replacement_title(rows: Sequence[Estimate]) -> str:
    judges = _judges(rows, "advantage_probability")
    if not judges:
        tested = [row for row in rows if row.statistic == "winning_rate" and row.note]
        why = f" ({tested[0].note})" if tested else ""
        return f"Whether a judge may replace humans cannot be tested here{why}."
    best = judges[0]
    rates = [row for row in find(rows, "winning_rate", best.subject) if "clustered" in row.method]
    verdict = "is not shown"
    if rates and (rates[0].estimate or 0.0) >= 0.5:
        verdict = "is shown"
    return (
        f"{best.subject} is at least as close to the other humans as a human is "
        f"{figure_of(best)} of the time; that it may replace humans, at a margin of .15, {verdict}."
    )


def _calibration_title(rows: Sequence[Estimate]) -> str:
    stated = _judges(rows, "calibration_error", "stated")
    if not stated:
        return "No judge states probabilities that can be compared with human labels."
    best = min(stated, key=lambda row: (row.low is None, row.estimate or 0.0, row.subject))
    return (
        f"{best.subject} comes closest to the share of humans with the probabilities it states: "
        f"off by {figure_of(best)} ({comparisons_of(best)})."
    )


def _ranking_title(rows: Sequence[Estimate]) -> str:
    judges = _judges(rows, "kendall_tau_b")
    if not judges:
        return "The models cannot be ranked by both sources here."
    best = judges[0]
    alike = [row.subject for row in judges[1:] if value_of(row) == value_of(best)]
    also = f" (as {listed(alike)})" if alike else ""
    if best.low is None or best.low <= 0:
        return (
            f"Whether any judge ranks the models as humans do cannot be told yet: {best.subject}"
            f"{also} comes closest, with Kendall's tau-b {figure_of(best)}."
        )
    reversed_ = find(rows, "order_reversed", best.subject)
    couples = "1 model couple is" if len(reversed_) == 1 else f"{len(reversed_)} model couples are"
    which = couples if reversed_ else "no two models are"
    return (
        f"{best.subject}{also} ranks the models most like humans do: Kendall's tau-b "
        f"{figure_of(best)}; {which} shown to stand in opposite order."
    )


def _consistency_title(rows: Sequence[Estimate]) -> str:
    flips = _judges(rows, "flip_rate")
    repeats = [*_judges(rows, "repeat_agreement"), *find(rows, "test_retest")]
    if flips:
        worst = flips[0]
        if not any(row.estimate for row in flips):
            return f"Nobody's preference changes with the order, on {comparisons_of(worst)}."
        return (
            f"{worst.subject} changes its preference most when the order is swapped: "
            f"{figure_of(worst)} of {comparisons_of(worst)}."
        )
    if repeats:
        least = min(repeats, key=lambda row: (row.low is None, row.estimate or 0.0, row.subject))
        return f"{least.subject}, asked again, gives the same label {figure_of(least)} of the time."
    return "Nobody labelled a comparison twice: consistency is not known."


def _humans_title(rows: Sequence[Estimate]) -> str:
    found = find(rows, "agreement_with_others")
    if not found:
        return "How single humans do cannot be told here."
    low, *_, high = sorted([*found, found[0]], key=lambda row: row.estimate or 0.0)
    if len(found) == 1 or percent(low.estimate) == percent(high.estimate):
        return f"Each human's label equals that of another human {value_of(low)} of the time."
    return (
        f"Humans agree with another human from {figure_of(low)} ({low.subject}) "
        f"to {figure_of(high)} ({high.subject})."
    )


def _dawid_skene_title(rows: Sequence[Estimate]) -> str:
    judges = _judges(rows, "dawid_skene_agreement")
    if not judges:
        return "The likeliest class by Dawid and Skene cannot be found here."
    return f"{judges[0].subject} equals the likeliest class {figure_of(judges[0])} of the time."


def _position_title(rows: Sequence[Estimate]) -> str:
    """The judge that an exchange of the order moves most, else that chooses the first most."""
    consistent = [row for row in find(rows, "position_consistency") if row.subject not in BASELINES]
    if not consistent:
        return _one_order_title(rows)
    worst = min(consistent, key=lambda row: (row.low is None, row.estimate or 0.0, row.subject))
    first = find(rows, "first_shown_share", worst.subject)
    share = f", and chooses the one shown first {value_of(first[0])} of the time" if first else ""
    return (
        f"{worst.subject} keeps its preference in {figure_of(worst)} of {comparisons_of(worst)} "
        f"when the order is swapped{share}."
    )


def _one_order_title(rows: Sequence[Estimate]) -> str:
    """Where each comparison was labelled in one order only, but not all in the same.

    Not the share farthest from half: ties are in its total, so half is no reference for it.
    """
    mixed = [
        row
        for row in find(rows, "first_shown_share")
        if row.subject not in (ONE_HUMAN, *BASELINES) and ONE_ORDER not in (row.note or "")
    ]
    if not mixed:
        return "Position: not identified here, as no judge labelled both orders."
    most = min(mixed, key=lambda row: (row.low is None, -(row.estimate or 0.0), row.subject))
    return (
        f"{most.subject} chooses the response shown first {figure_of(most)} of the time "
        f"({comparisons_of(most)}, in one order each)."
    )


def _cost_title(rows: Sequence[Estimate]) -> str:
    costs = [row for row in rows if row.statistic == "cost_usd_per_1000" and row.slice == ALL]
    sources = {
        "AI": [row.estimate for row in costs if row.reference == "judge labels"],
        "human": [row.estimate for row in costs if row.subject == ONE_HUMAN],
    }
    known = {who: sorted(x for x in found if x is not None) for who, found in sources.items()}
    parts = [f"1,000 {who} labels cost {_span(found)}" for who, found in known.items() if found]
    if not parts:
        return "What these labels cost is not known: the source gives no prices."
    unknown = [who for who, found in known.items() if sources[who] and not found]
    missing = f"; what {unknown[0]} labels cost is not known" if unknown else ""
    return f"{' and '.join(parts)}{missing}.{_front(rows)}"


def _front(rows: Sequence[Estimate]) -> str:
    """Whose labels nobody beats, baselines apart, and in how many resamples."""
    compared = [
        row
        for row in rows
        if (row.statistic, row.slice) == ("front_share", ALL) and row.subject not in BASELINES
    ]
    unbeaten = [row for row in compared if row.method == ON_FRONT]
    if not unbeaten:
        return ""
    names = ", ".join(f"{row.subject} ({percent(row.estimate)} of resamples)" for row in unbeaten)
    return f" Unbeaten in {compared[0].reference}, of {len(compared)}: {names}."


def _span(costs: Sequence[float]) -> str:
    """The lowest to the highest, or the one there is."""
    ends = list(dict.fromkeys(money(cost) for cost in (costs[0], costs[-1])))
    return " to ".join(ends)


_TITLES = {
    "chance": _chance_title,
    "replacement": _replacement_title,
    "calibration": _calibration_title,
    "ranking": _ranking_title,
    "consistency": _consistency_title,
    "humans": _humans_title,
    "dawid_skene": _dawid_skene_title,
    "bias": _position_title,
    "cost": _cost_title,
}
