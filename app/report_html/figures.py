"""Which figures a section has: Estimate rows of all comparisons to dots."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from app import tables, words
from app.report_html.plot import Figure
from app.report_html.scale import AROUND_ZERO
from pipelines.estimates import ALL
from pipelines.findings import BASELINES, SAME_POINTS
from pipelines.sections.view import CEILING, MAJORITY, ONE_HUMAN
from pipelines.wording import EXPLAINED, STATISTICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from app.tables import Dot
    from pipelines.estimates import Estimate

    Roles = Mapping[str, str]

MOST = 30  # rows of a figure
SAME = (-SAME_POINTS / 100, SAME_POINTS / 100)
ORDER = " Each row has the band of its own comparisons."
_HUMANS = (ONE_HUMAN, CEILING, MAJORITY, "humans", "another human")
_OF_JUDGES = ("single_human_agreement", "gap", "majority_agreement", "position_consistency")
# A row for every judge and model, or judge and baseline: a table tells them apart, dots do not.
TABLE_ONLY = ("baseline_agreement", "win_rate", "strength")


def roles_of(rows: Iterable[Estimate], kinds: Mapping[str, str] | None = None) -> dict[str, str]:
    """The colour role of each subject.

    By `kinds` (name: human, judge, baseline or aggregate); without it by what the rows tell: whose
    labels were priced, and who was measured against humans. Who is left has no colour.
    """
    found: dict[str, str] = {}
    for row in rows:
        kind = row.reference.removesuffix(" labels")
        if row.section == "cost" and kind in tables.ROLE_OF_KIND:
            found[row.subject] = tables.ROLE_OF_KIND[kind]  # type: ignore[index]
        elif row.statistic in _OF_JUDGES:
            found.setdefault(row.subject, "baseline" if row.subject in BASELINES else "AI")
    return {**found, **tables.roles(kinds or {}), **dict.fromkeys(_HUMANS, "human")}


def figures_of(section: str, rows: Sequence[Estimate], roles: Roles) -> list[Figure]:
    """The figures of a section's rows over all comparisons; none where nothing is known."""
    mine = [row for row in rows if row.slice == ALL and row.section == section]
    if section not in _OWN:
        return _generic(mine, roles)
    own, covered = _OWN[section]
    return [*own(mine, roles), *_generic([r for r in mine if r.statistic not in covered], roles)]


def _dots(rows: Iterable[Estimate], roles: Roles) -> list[Dot]:
    return [tables.dot(row, roles.get(row.subject, "ink")) for row in tables.by_estimate(rows)]


def _figure(
    title: str, statistic: str, dots: Sequence[Dot], unit: str, **more: str
) -> list[Figure]:
    """At most MOST rows; nothing where no row has a number."""
    if not any(dot.value is not None for dot in dots):
        return []
    band, zero = more.get("band_name", ""), unit in AROUND_ZERO
    says = EXPLAINED.get(statistic, "") + more.get("says", "")
    left_out = max(0, len(dots) - MOST)
    return [Figure(title, says, dots[:MOST], unit, band, zero, left_out)]


def _agreement(rows: Sequence[Estimate], roles: Roles) -> list[Figure]:
    """Each judge beside the ceiling on its own comparisons, and how far it is from it."""
    statistic, reference = words.main_statistic(rows)
    own = [
        row
        for row in rows
        if (row.statistic, row.reference) == (statistic, reference) and row.subject != CEILING
    ]
    above = tables.ceilings(rows) if reference == ONE_HUMAN else {}
    dots = [
        tables.dot(row, roles.get(row.subject, "AI"), band=above.get((row.subject, ALL)))
        for row in tables.by_estimate(own)
    ]
    title = words.spread_title(own_known) if (own_known := _known(own)) else None
    said = {words.figures_of(row) for row in above.values() if row.estimate is not None}
    band = f"two humans agree {said.pop()}" if len(said) == 1 else "two humans agree"
    gaps = [row for row in rows if row.statistic == "gap"]
    names = [row.subject for row in _known(gaps)]
    return [
        *_figure(title or STATISTICS[statistic], statistic, dots, "share",
                 band_name=band if above else "", says=ORDER if len(said) > 0 else ""),
        *_figure(words.agreement_title(rows, names, ONE_HUMAN), "gap",
                 [replace(dot, band=SAME) for dot in _dots(gaps, roles)], "share difference",
                 band_name="as good as one human", says=" In points."),
    ]  # fmt: skip


def _known(rows: Iterable[Estimate]) -> list[Estimate]:
    return [row for row in rows if row.estimate is not None]


def _bias(rows: Sequence[Estimate], roles: Roles) -> list[Figure]:
    """What judges choose beside what humans choose, and how far an order changes it."""
    found: list[Figure] = []
    for statistic, title in _CHOICES.items():
        mine = [row for row in rows if row.statistic == statistic]
        humans = [row for row in _known(mine) if row.subject == ONE_HUMAN]
        judges = [row for row in mine if row.subject != ONE_HUMAN]
        if not humans or not _known(judges):
            found += _figure(title(rows), statistic, _dots(mine, roles), "share")
            continue
        dots = [
            tables.dot(row, roles.get(row.subject, "ink"), band=humans[0])
            for row in tables.by_estimate(judges)
        ]
        band = f"humans {words.figures_of(humans[0])}"
        found += _figure(title(rows), statistic, dots, "share", band_name=band)
    return found + _forests(rows, roles)


def _forests(rows: Sequence[Estimate], roles: Roles) -> list[Figure]:
    """For each judge a figure of all features at each level, largest difference first."""
    found: list[Figure] = []
    for judge in dict.fromkeys(row.subject for row in rows):
        for statistic, said in _LEVELS.items():
            mine = [
                row
                for row in rows
                if (row.statistic, row.subject) == (statistic, judge) and row.low is not None
            ]
            dots = [
                tables.dot(row, roles.get(judge, "AI"), name=row.reference)
                for row in tables.by_estimate(mine)
            ]
            found += _figure(
                f"{judge}: {said}", statistic, dots, "share difference", says=" In points."
            )
    return found


_LEVELS = {
    "difference_from_humans": "features chosen more often than humans do (L1)",
    "adjusted_difference": "features chosen more often than quality says (L2)",
    "probe_effect": "what a change to a response adds to its share (L3)",
    "robustness_lost": "preferences that a change turned, beyond asking again (L3)",
}
# What a figure of the same section says already, or a table says better.
_TOLD = {
    "flip_rate", "changed_chosen_share", "robustness_rate", "richer_chosen_share",
    "richer_by_difference", "detectable_position_effect", "detectable_difference_from_humans",
    "detectable_adjusted_difference", "detectable_own_answer_difference",
    "detectable_self_preference", "detectable_probe_effect", "detectable_robustness_lost",
    "detectable_identical_position_effect", "detectable_verdicts_lost",
}  # fmt: skip
_CHOICES: dict[str, Callable[[Sequence[Estimate]], str]] = {
    "first_shown_share": words.first_title,
    "position_consistency": words.swapped_title,
    "longer_chosen_share": words.length_title,
}


def _cost(rows: Sequence[Estimate], roles: Roles) -> list[Figure]:
    """What 1,000 labels cost and take; who has no price stands last."""
    found: list[Figure] = []
    for statistic, title, unit in (
        ("cost_usd_per_1000", words.cost_title, "usd"),
        ("seconds_per_1000", words.time_title, "seconds"),
    ):
        mine = [row for row in rows if row.statistic == statistic]
        found += _figure(title(rows), statistic, _dots(mine, roles), unit)
    return found


# A section's own figures, and the statistics that need no other one.
_OWN: dict[str, tuple[Callable[[Sequence[Estimate], Roles], list[Figure]], frozenset[str]]] = {
    "agreement": (_agreement, frozenset(row for row in STATISTICS if row not in _CHOICES)),
    "bias": (_bias, frozenset({*_CHOICES, *_LEVELS, *_TOLD})),
    "cost": (_cost, frozenset({"cost_usd_per_1000", "seconds_per_1000"})),
}


def _generic(rows: Sequence[Estimate], roles: Roles) -> list[Figure]:
    """A figure for each statistic and unit, rows told apart by as few words as that takes."""
    found: list[Figure] = []
    for statistic, unit in dict.fromkeys((row.statistic, row.unit) for row in rows):
        if statistic in TABLE_ONLY:
            continue
        mine = [row for row in rows if (row.statistic, row.unit) == (statistic, unit)]
        mine = tables.by_estimate(mine)
        dots = [
            tables.dot(row, roles.get(row.subject, "ink"), name=label)
            for row, label in zip(mine, labels_of(mine), strict=True)
        ]
        found += _figure(statistic_words(statistic), statistic, dots, unit)
    return found


def statistic_words(statistic: str) -> str:
    """A statistic's words, or its name as words; with a capital."""
    said = STATISTICS.get(statistic) or statistic.replace("_", " ")
    return said[:1].upper() + said[1:]


def labels_of(rows: Sequence[Estimate]) -> list[str]:
    """What tells the rows of one statistic apart: as few words as that takes, for all alike."""
    said = [row.subject for row in rows]
    for part in ([row.reference for row in rows], own_methods(rows)):
        if max(Counter(said).values(), default=0) > 1 and len(set(part)) > 1:
            said = [
                f"{who} · {more}" if more else who for who, more in zip(said, part, strict=True)
            ]
    return said


def own_methods(rows: Sequence[Estimate]) -> list[str]:
    """Of each row's method the words that not all of the rows have."""
    methods = [row.method.split() for row in rows]
    common = set.intersection(*map(set, methods)) if methods else set()
    return [" ".join(word for word in method if word not in common) for method in methods]
