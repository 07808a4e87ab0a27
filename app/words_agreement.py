"""What the agreement view says of calibration, rankings and replacement. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.words import count, figures_of, judged, slice_name
from pipelines.findings import BASELINES, SAME_POINTS, find
from pipelines.sections.view import CEILING
from pipelines.wording import value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipelines.estimates import Estimate

COLUMNS = {
    "category": "Category",
    "length": "Length of the responses",
    "models": "The two models",
}
KIND, COMPARISONS, TWO_HUMANS = "Comparisons of", "Comparisons", "Two humans"
NEAR = f"At most {SAME_POINTS:.0f} points below a human"
TITLES = (KIND, COMPARISONS, TWO_HUMANS, NEAR)
MARGIN = {
    "the margin": "How far a judge's advantage may lie below a human's and still count as winning: "
    "what a human label costs more in time and money is allowed for. A rate of one half or more "
    "passes the test."
}
STATED = "stated probabilities"
METHODS = {
    STATED: "as stated",
    "temperature cross-fitted": "sharpened or softened to fit",
    "isotonic cross-fitted": "mapped by rank to fit",
}


def no_slices(column: str) -> str:
    """Why there is nothing by this column."""
    return f"Fewer than two of this kind are known here: {COLUMNS[column].lower()}."


def gaps_title(judge: str, rows: Sequence[Estimate]) -> str:
    """In how many slices a judge is surely below the ceiling, or surely not far below."""
    known = [row for row in rows if row.low is not None]
    if not known:
        return f"{judge}: no slice has enough prompts for an interval of the gap"
    below = sum((row.high or 0.0) < 0 for row in known)
    above = sum((row.low or 0.0) > 0 for row in known)
    open_ = len(known) - below - above
    groups = {"below {}": below, "above {}": above, "not told apart from {}": open_}
    first, *others = [f"{n:,} {what}" for what, n in groups.items() if n]
    said = [first.format("the human ceiling"), *(text.format("it") for text in others)]
    return f"{judge}, of {count(len(known), 'slice')} with an interval: {', '.join(said)}"


def beside_human(gaps: Iterable[Estimate]) -> tuple[list[str], bool]:
    """Of the judges in one slice: who is shown to be at most SAME_POINTS below one human, and
    whether all are shown to agree less than a human. Baselines have no say.
    """
    known = [row for row in judged(gaps) if row.low is not None and row.subject not in BASELINES]
    near = [row.subject for row in known if 100 * (row.low or 0.0) >= -SAME_POINTS]
    return near, bool(known) and all((row.high or 0.0) < 0 for row in known)


def kinds_title(gaps: Mapping[str, Sequence[Estimate]]) -> str:
    """In how many slices some judge may be trusted like a human, and in which none may."""
    known = {name: rows for name, rows in gaps.items() if any(r.low is not None for r in rows)}
    if not known:
        return "No slice has enough prompts for an interval of a judge's gap to a human"
    found = {name: beside_human(rows) for name, rows in known.items()}
    near = sum(bool(names) for names, _ in found.values())
    below = [slice_name(name) for name, (_, all_less) in found.items() if all_less]
    more = f"; every judge agrees less than a human does in {_some(below)}" if below else ""
    return (
        f"In {near:,} of {count(len(known), 'slice')} with an interval, a judge is shown to be at "
        f"most {SAME_POINTS:.0f} points below one human{more}"
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def kinds_table(
    slices: Sequence[str],
    judges: Sequence[str],
    agreements: Mapping[tuple[str, str], Estimate],
    ceilings: Mapping[tuple[str, str], Estimate],
    gaps: Mapping[str, Sequence[Estimate]],
) -> list[dict[str, Any]]:
    """A row for each slice: two humans, each judge with interval, and who is near a human there.

    `agreements` and `ceilings` by (judge, slice). A cell names its own n where it is not the row's.
    """
    told = any(row.low is not None for rows in gaps.values() for row in rows)
    found = []
    for name in slices:
        own = {judge: agreements.get((judge, name)) for judge in judges}
        n = max((row.n_items for row in own.values() if row), default=0)
        human = max((row for (_, of), row in ceilings.items() if of == name),
                    key=lambda row: row.n_items, default=None)  # fmt: skip
        near, _ = beside_human(gaps.get(name, ()))
        found.append({
            KIND: slice_name(name),
            **({NEAR: ", ".join(near) or "none shown"} if told else {}),
            COMPARISONS: n,
            **({TWO_HUMANS: _cell(human, n)} if ceilings else {}),
            **{judge if judge not in TITLES else f"judge {judge}": _cell(row, n)
               for judge, row in own.items()},
        })  # fmt: skip
    return found


def _cell(row: Estimate | None, n: int) -> str | None:
    if row is None or row.estimate is None:
        return None
    return figures_of(row) + (f", n {row.n_items:,}" if row.n_items != n else "")


def calibration_title(judge: str, rows: Sequence[Estimate]) -> str:
    """How far stated probabilities are off, and to which side."""
    errors = _of(rows, "calibration_error")
    slopes = _of(rows, "calibration_slope")
    if not errors:
        return f"How well {judge}'s probabilities fit human labels is not known here"
    return f"{judge}'s stated probabilities are off by {figures_of(errors[0])}{_sure(slopes)}"


def _of(rows: Sequence[Estimate], statistic: str) -> list[Estimate]:
    return [row for row in find(rows, statistic) if row.method.startswith(STATED)]


def _sure(slopes: Sequence[Estimate]) -> str:
    """What the slope's interval allows to say."""
    if not slopes or slopes[0].low is None or slopes[0].high is None:
        return ""
    slope = slopes[0]
    if (slope.high or 0.0) < 1:
        return f": it is too sure of itself (slope {figures_of(slope)})"
    if (slope.low or 0.0) > 1:
        return f": it is too cautious (slope {figures_of(slope)})"
    return f"; neither too sure nor too cautious is shown (slope {figures_of(slope)})"


def fits_title(judge: str, errors: Sequence[Estimate]) -> str:
    """Which way of using the probabilities is closest to the humans; no test of it."""
    known = [row for row in errors if row.estimate is not None]
    if not known:
        return f"What a fit would make of {judge}'s probabilities is not known here"
    best = min(known, key=lambda row: row.estimate or 0.0)
    return f"Closest to the humans: {fit_name(best)}, off by {figures_of(best)}"


def fit_name(row: Estimate) -> str:
    """What was done to the probabilities, in words."""
    return next((words for method, words in METHODS.items() if row.method.startswith(method)), "")


def ranking_title(judge: str, rows: Sequence[Estimate]) -> str:
    """How alike judge and humans rank the models; no word on other judges."""
    found = find(rows, "kendall_tau_b", judge)
    if not found:
        why = next((row.note for row in rows if row.statistic == "kendall_tau_b"), None)
        why = (why or "").removeprefix("undefined: ")
        return f"The models cannot be ranked by {judge} and humans here{f': {why}' if why else ''}"
    tau = found[0]
    if tau.low is None or tau.low <= 0:
        return (
            f"Whether {judge} ranks the models as humans do cannot be told yet: "
            f"Kendall's tau-b {figures_of(tau)}"
        )
    return f"{judge} ranks the models much as humans do: Kendall's tau-b {figures_of(tau)}"


def reversals(judge: str, rows: Sequence[Estimate]) -> list[str]:
    """Each couple of models that judge and humans surely order differently."""
    return [
        f"{row.reference.removeprefix('models ')}: {judge} {figures_of(row)} log odds; {row.note}."
        for row in find(rows, "order_reversed", judge)
    ]


def model_name(row: Estimate) -> str:
    """The model that a row is about."""
    return row.reference.removeprefix("model ")


def places_title(name: str, rows: Sequence[Estimate]) -> str:
    """First and last model of a source's ranking, with what is said of their strength."""
    known = sorted(rows, key=lambda row: -(row.estimate or 0.0))
    if not known:
        return f"{name}: no ranking"
    return (
        f"{name}: {model_name(known[0])} first ({figures_of(known[0])}), "
        f"{model_name(known[-1])} last ({figures_of(known[-1])})"
    )


def winning_lines(rows: Sequence[Estimate]) -> list[str]:
    """The alternative annotator test in both its forms, or why there is none."""
    said = []
    for row in rows:
        if row.statistic == "winning_rate":
            form = "clustered by prompt" if "clustered" in row.method else "as published"
            value = "not known" if row.estimate is None else value_of(row)
            note = f": {row.note}" if row.note else ""
            said.append(f"Alternative annotator test, {form}, margin .15: rate {value}{note}.")
    return list(dict.fromkeys(said))


def worth_line(rows: Sequence[Estimate]) -> str | None:
    """How many humans the judge is worth."""
    found = [row for row in rows if row.statistic == "human_equivalence"]
    if not found:
        return None
    row = found[0]
    if row.estimate is None:
        return f"How many humans it is worth: {row.note}."
    note = f" ({row.note})" if row.note else ""
    return f"It matches one human as often as a majority of {figures_of(row)} humans does{note}."


def leave_one_out_title(judge: str, rows: Sequence[Estimate]) -> str:
    """Judge and a human against the majority of the other humans."""
    own = find(rows, "leave_one_out_agreement", judge)
    human = find(rows, "leave_one_out_agreement", CEILING)
    if not own or not human:
        return f"How {judge} does against the majority of other humans is not known here"
    return (
        f"The majority of the other humans: {judge} agrees with it {figures_of(own[0])} "
        f"of the time, a human {figures_of(human[0])}"
    )


def advantage_title(rows: Sequence[Estimate]) -> str:
    """How often the judge is at least as close as a human."""
    known = judged(find(rows, "advantage_probability"))
    if not known:
        return "How often it is as close to the others as a human is not known here"
    return f"At least as close to the other humans as a human: {figures_of(known[0])}"
