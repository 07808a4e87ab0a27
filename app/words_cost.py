"""What the cost view says beyond app.words: labels that match, and who is beaten by nobody.

Pure: no Streamlit. Rows are Estimates of the section `cost`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import words
from pipelines.findings import BASELINES, find, listed
from pipelines.sections.cost import ON_FRONT
from pipelines.wording import percent, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from data.run_facts import Spent
    from pipelines.estimates import Estimate

NO_FRONT = (
    "Who is beaten by nobody in price and agreement needs two annotators with both known; here "
    "there are fewer."
)
FRONT_NOTE = (
    "An annotator is beaten where another one is at least as good in both, and better in one of "
    "them. A share near one half says that the data cannot tell. Each dot is a share of resamples, "
    "so it is hollow: it has no interval of its own. Baselines are in the figure, not in its title."
)
SURE = 0.9  # share of resamples
FEW = 4


def match_title(rows: Sequence[Estimate]) -> str:
    """Which annotator's labels that match a human cost most and least."""
    known = [row for row in find(rows, "cost_usd_per_match") if row.subject not in BASELINES]
    known.sort(key=lambda row: row.estimate or 0.0)
    if not known:
        return "What labels that match a human cost is not known"
    if len(known) == 1:
        return f"1,000 labels of {known[0].subject} that match one human cost " + words.figures_of(
            known[0]
        )
    return (
        f"1,000 labels that match one human cost {value_of(known[0])} ({known[0].subject}) "
        f"to {value_of(known[-1])} ({known[-1].subject})"
    )


def unbeaten(rows: Sequence[Estimate], reference: str | None = None) -> list[str]:
    """Who is beaten by nobody by the estimates, in what `reference` names; baselines apart, as they
    cost nothing.
    """
    return [
        row.subject
        for row in find(rows, "front_share")
        if row.method == ON_FRONT
        and reference in (None, row.reference)
        and row.subject not in BASELINES
    ]


def front_title(rows: Sequence[Estimate]) -> str:
    """Who is beaten by nobody, and of whom that is not sure."""
    names = unbeaten(rows)
    others = [row for row in rows if row.subject not in BASELINES]
    if not names:
        return f"In {rows[0].reference}, each of {len(others)} is beaten, by a baseline at least"
    said = f"Of {len(others)}, nobody beats {_all_of(names)} in {rows[0].reference}"
    shares = {row.subject: row.estimate or 0.0 for row in rows}
    unsure = [name for name in names if shares[name] < SURE]
    if not unsure:
        return said
    doubt = ", ".join(percent(shares[name]) for name in unsure)
    return f"{said}; of {_all_of(unsure)} that is not sure ({doubt} of resamples)"


def _all_of(names: Sequence[str]) -> str:
    """Up to four names, else the first and how many others."""
    if len(names) > FEW:
        return listed(names)
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def scatter_note(free: Sequence[str], front: Sequence[str], names: Sequence[str]) -> str | None:
    """What the dashed line is, and who cannot stand on a log scale."""
    drawn = [name for name in front if name in names]
    line = "The dashed line joins those whom nobody beats." if len(drawn) > 1 else ""
    return " ".join(filter(None, [line, words.free_note(free)])) or None


def nothing_spent(spent: Sequence[Spent]) -> str:
    """Why there is no line of spending."""
    if not spent:
        return "No model has been asked for this data set from this store, so nothing was spent."
    n = sum(part.n for part in spent)
    unknown = sum(part.n_unknown for part in spent)
    if unknown:
        return f"What was spent is not known: {unknown:,} of {n:,} replies have no known price."
    return f"Nothing was spent: all {n:,} replies were free."
