"""Estimate rows as the tables people read: an annotator a line, a statistic a column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipelines.estimates import ALL
from pipelines.multiplicity import clear_of_zero
from pipelines.sections.features import FLOOR
from pipelines.sections.probes import WORSE
from pipelines.wording import STATISTICS, interval_of, points, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pipelines.estimates import Estimate

CEILING = "human ceiling"
ONE_HUMAN = "one human"
MOST_PAIRS = 40
MOST_NAMES = 6


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: the slice, the subject, then its figures."""

    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pivot:
    """A table: column names (the first is the slice), lines, and notes to set below it."""

    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def tables_of(section: str, rows: Sequence[Estimate]) -> list[Pivot]:
    """The tables of one section's rows."""
    if section == "agreement":
        return [table for table in (_agreement(rows), _kappas(rows)) if table.lines]
    if section == "bias":
        tables = [_pivot(rows, columns) for columns in _TABLES[section]]
        tables.insert(1, _features(rows))
        return [table for table in tables if table.lines] or [rows_table(rows)]
    if section in _TABLES:
        tables = [_pivot(rows, columns) for columns in _TABLES[section]]
        return [table for table in tables if table.lines] or [rows_table(rows)]
    columns = _COLUMNS[section]
    return [_pivot(rows, [(_SHORT[name], _is(name)) for name in columns])]


_COLUMNS = {
    "cost": ("cost_usd_per_1000", "cost_usd_per_match", "seconds_per_1000", "front_share"),
    "humans": ("agreement_with_others", "drift", "seconds_per_label", "tie_share"),
}
_SHORT = {
    "agreement_with_others": "with another human",
    "drift": "change per 100 labels",
    "seconds_per_label": "time per label",
    "tie_share": "ties",
    "single_human_agreement": "with one human",
    "gap": "gap",
    "majority_agreement": "with",
    "coverage": "usable",
    "cost_usd_per_1000": "cost per 1,000",
    "cost_usd_per_match": "per 1,000 that match",
    "seconds_per_1000": "time per 1,000",
    "front_share": "unbeaten",
}
Column = tuple[str, "Callable[[Estimate], str | None]"]


def rows_table(rows: Sequence[Estimate]) -> Pivot:
    """A line for each row, in the order given: for sections that fit no other table."""
    lines = tuple(
        Line(
            (
                row.slice.partition("=")[2] or ALL,
                row.subject,
                row.reference,
                STATISTICS.get(row.statistic, row.statistic.replace("_", " ")),
                _figure(row),
                f"{row.n_items:,}",
            )
        )
        for row in rows
    )
    return Pivot(("slice", "", "against", "statistic", "estimate", "n"), lines, _notes(rows))


def _is(statistic: str) -> Callable[[Estimate], str | None]:
    return lambda row: row.subject if row.statistic == statistic else None


def _agreement(rows: Sequence[Estimate]) -> Pivot:
    """Judges, highest agreement first, each beside the ceiling on its own items."""
    main = [row for row in rows if row.statistic not in ("cohen_kappa", "coverage")]
    references = dict.fromkeys(r.reference for r in main if r.statistic == "majority_agreement")
    columns: list[Column] = []
    if any(row.statistic == "gap" for row in main):
        columns = [("with one human", _judge), ("another human", _ceiling), ("gap", _is("gap"))]
    columns += [(f"with {name}", _against(name)) for name in references]
    if any(row.statistic == "decided_share" for row in main):
        columns.append(("both decided", _is("decided_share")))
    covered = [row for row in rows if row.statistic == "coverage"]
    table = _pivot([*main, *covered], [*columns, ("usable", _is("coverage"))], by_value=True)
    return replace(table, notes=(*table.notes, *_findable(rows)))


def _findable(rows: Sequence[Estimate]) -> Iterator[str]:
    """What a difference that was not found could have been, over all comparisons."""
    for row in rows:
        if row.slice == ALL and row.statistic.startswith("detectable_") and row.estimate:
            what = "gap" if row.reference == CEILING else f"difference to {row.reference}"
            least = points(row.estimate).lstrip("+")
            yield (
                f"{row.subject}: a {what} of {least} points would have been found in 80% of such "
                "data sets"
            )


def _of(
    statistic: str, *, method: str = "", subject: str = "", subject_of: Callable[[Estimate], str]
) -> Callable[[Estimate], str | None]:
    """Rows of a statistic (and method, subject) on the line that `subject_of` says."""
    return lambda row: (
        subject_of(row)
        if row.statistic == statistic and method in row.method and subject in ("", row.subject)
        else None
    )


def _own(row: Estimate) -> str:
    return row.subject


def _by_method(row: Estimate) -> str:
    """The judge with how its probabilities were made."""
    judge = row.method.partition(" items of ")[2] or row.subject
    kind = next((word for word in ("temperature", "isotonic") if word in row.method), "as stated")
    return f"{judge}, {kind}"


def _of_judge(row: Estimate) -> str:
    """The judge on whose items a row rests."""
    return row.method.partition(" items of ")[2]


def _model(row: Estimate) -> str:
    """A model beside the judge that it is ranked by."""
    judge = row.method.partition(" items of ")[2] or row.subject
    return f"{row.reference.removeprefix('model ')} ({judge})"


def _by_source(statistic: str, *, humans: bool) -> Callable[[Estimate], str | None]:
    return lambda row: (
        _model(row) if row.statistic == statistic and (row.subject == "humans") is humans else None
    )


def _trivial(subject: str, method: str = "") -> Callable[[Estimate], str | None]:
    return _of("baseline_agreement", subject=subject, method=method, subject_of=_of_judge)


def _of_feature(row: Estimate) -> str:
    return f"{row.subject}: {row.reference}"


def _of_probe(statistic: str, *, worse: bool) -> Callable[[Estimate], str | None]:
    """Judge and probe, where the probe takes something away or not."""
    return lambda row: (
        _of_feature(row) if row.statistic == statistic and (row.method == WORSE) is worse else None
    )


_TABLES: dict[str, list[list[Column]]] = {
    "bias": [
        [
            ("same in both orders", _of("position_consistency", subject_of=_own)),
            ("position effect", _of("position_effect", subject_of=_own)),
            ("changed to the first", _of("primacy_share", subject_of=_own)),
            ("chose first shown", _of("first_shown_share", subject_of=_own)),
            ("chose longer", _of("longer_chosen_share", subject_of=_own)),
        ],
        [
            ("own answers, less majority", _of("own_answer_difference", subject_of=_own)),
            ("self-preference (L2)", _of("self_preference", subject_of=_own)),
        ],
        [
            ("change adds (L3)", _of_probe("probe_effect", worse=False)),
            ("same label", lambda row: (
                _of_feature(row) if row.statistic in ("robustness_rate", "consistency_rate")
                else None)),
            ("lost beyond asking again", _of_probe("robustness_lost", worse=False)),
        ],
        [
            ("chosen all the same (L3)", _of_probe("changed_chosen_share", worse=True)),
            ("a tie", _of_probe("identical_tie_share", worse=False)),
            ("first adds", _of_probe("identical_position_effect", worse=False)),
        ],
    ],
    "chance": [
        [
            ("pi, a and b alike", lambda row: (
                _own(row) if row.statistic == "symmetrised_pi" and row.subject != CEILING
                else None)),
            ("two humans, same items", _of("symmetrised_pi", subject=CEILING,
                                           subject_of=_of_judge)),
            ("Scott's pi", _of("scott_pi", subject_of=_own)),
            ("Gwet's AC1", lambda row: (
                _own(row) if row.statistic == "gwet_ac1" and row.subject != ONE_HUMAN else None)),
        ],
        [
            ("alpha, a and b alike", _of("krippendorff_alpha", method="symmetrised",
                                         subject_of=_own)),
            ("alpha", _of("krippendorff_alpha", method="stated", subject_of=_own)),
            ("Fleiss's kappa", _of("fleiss_kappa", subject_of=_own)),
            ("Gwet's AC1", _of("gwet_ac1", subject=ONE_HUMAN, subject_of=_own)),
        ],
        [
            ("longer response", _trivial("longer response")),
            ("shown first", _trivial("first shown")),
            ("random", _trivial("random choice")),
            ("most frequent class", _trivial("always the most frequent class", "symmetrised")),
        ],
    ],
    "replacement": [
        [
            ("may replace", _of("winning_rate", method="clustered", subject_of=_own)),
            ("as close as a human", _of("advantage_probability", subject_of=_own)),
            ("worth humans", _of("human_equivalence", subject_of=_own)),
        ],
        [
            ("with most others", lambda row: (
                _own(row) if row.statistic == "leave_one_out_agreement"
                and row.subject != CEILING else None)),
            ("a human likewise", lambda row: (
                _of_judge(row) if row.statistic == "leave_one_out_agreement"
                and row.subject == CEILING else None)),
        ],
    ],
    "calibration": [
        [
            ("Brier", _of("brier", subject_of=_by_method)),
            ("floor", _of("brier_floor", subject_of=_by_method)),
            ("above floor", _of("excess_brier", subject_of=_by_method)),
            ("log-loss", _of("log_loss", subject_of=_by_method)),
            ("slope", _of("calibration_slope", subject_of=_by_method)),
            ("off by", _of("calibration_error", subject_of=_by_method)),
        ]
    ],
    "ranking": [
        [
            ("tau-b", _of("kendall_tau_b", subject_of=_own)),
            ("Spearman", _of("spearman", subject_of=_own)),
            ("same best", _of("same_best_model", subject_of=_own)),
            ("reversed", _of("order_reversed_share", subject_of=_own)),
        ],
        [
            ("wins, humans", _by_source("win_rate", humans=True)),
            ("wins, judge", _by_source("win_rate", humans=False)),
        ],
    ],
    "consistency": [
        [
            ("asked again", _of("repeat_agreement", subject_of=_own)),
            ("later", _of("test_retest", subject_of=_own)),
            ("other when swapped", _of("flip_rate", subject_of=_own)),
            ("opposite when swapped", _of("reversal_rate", subject_of=_own)),
        ]
    ],
    "dawid_skene": [[("with its class", _of("dawid_skene_agreement", subject_of=_own))]],
}  # fmt: skip


def _features(rows: Sequence[Estimate]) -> Pivot:
    """Judge and feature a line: those whose difference from humans is clear, at either level."""
    levels = ("difference_from_humans", "adjusted_difference")
    compared = [row for row in rows if row.statistic in levels]
    lines = {(r.slice, r.subject, r.reference) for r in clear_of_zero(compared)}
    kept = [row for row in compared if (row.slice, row.subject, row.reference) in lines]
    columns = [
        (name, _of(statistic, subject_of=_of_feature))
        for name, statistic in zip(("less humans (L1)", "beyond quality (L2)"), levels, strict=True)
    ]
    table = _pivot(kept, columns)
    tested = sum(row.low is not None for row in compared)
    if not tested:
        return table
    note = (
        f"of {tested:,} differences, the lines with a clear one (Benjamini-Hochberg, 5%; L2 clear "
        f"of {100 * FLOOR:.0f} points; length at L2 is words); all are in --format json"
    )
    return replace(table, notes=(note, *table.notes))


def _judge(row: Estimate) -> str | None:
    if row.statistic != "single_human_agreement" or row.subject == CEILING:
        return None
    return row.subject


def _ceiling(row: Estimate) -> str | None:
    """The ceiling belongs to the judge on whose items it was taken."""
    if row.statistic != "single_human_agreement" or row.subject != CEILING:
        return None
    return row.method.partition(" items of ")[2]


def _against(reference: str) -> Callable[[Estimate], str | None]:
    return lambda row: (
        row.subject
        if row.statistic == "majority_agreement" and row.reference == reference
        else None
    )


def _pivot(rows: Sequence[Estimate], columns: Sequence[Column], *, by_value: bool = False) -> Pivot:
    """One line for each slice and subject; a subject without a figure has none."""
    cells: dict[tuple[str, str], dict[str, Estimate]] = {}
    for row in rows:
        for name, subject_of in columns:
            subject = subject_of(row)
            if subject:
                cells.setdefault((row.slice, subject), {})[name] = row
    names = [name for name, _ in columns]
    keys = [key for key in cells if any(cells[key][n].estimate is not None for n in cells[key])]
    if by_value:
        keys = [key for key in keys if names[0] in cells[key]]
        keys.sort(key=lambda key: (_slice_rank(key), -(cells[key][names[0]].estimate or 0.0)))
    lines = tuple(
        Line((slice_name.partition("=")[2] or ALL, subject, *_figures(found, names)))
        for slice_name, subject in keys
        for found in [cells[slice_name, subject]]
    )
    used = [row for key in cells for row in cells[key].values()]
    return Pivot(("slice", "", *names, "n"), lines, _notes(used))


def _slice_rank(key: tuple[str, str]) -> tuple[bool, str]:
    return (key[0] != "all", key[0])


def _figures(found: dict[str, Estimate], names: Sequence[str]) -> list[str]:
    figures = [_figure(found[name]) if name in found else "" for name in names]
    sizes = [row.n_items for row in found.values() if row.n_items]
    low, high = (min(sizes), max(sizes)) if sizes else (0, 0)
    return [*figures, f"{high:,}" if low == high else f"{low:,}-{high:,}"]


def _figure(row: Estimate) -> str:
    interval = "" if row.statistic in ("coverage", "decided_share") else interval_of(row)
    return f"{value_of(row)} {interval}" if interval else value_of(row)


def _notes(rows: Iterable[Estimate]) -> tuple[str, ...]:
    """Each note once, with the subjects it is about."""
    about: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            about.setdefault(row.note, []).append(row.subject)
    return tuple(f"{_list(dict.fromkeys(names))}: {note}" for note, names in about.items())


def _list(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _kappas(rows: Sequence[Estimate]) -> Pivot:
    """Pairs of annotators; humans and gold labels come first, as the rows do."""
    pairs = [row for row in rows if row.statistic == "cohen_kappa"]
    lines = tuple(
        Line(
            (
                row.slice.partition("=")[2] or ALL,
                f"{row.reference} - {row.subject}",
                _figure(row),
                f"{row.n_items:,}",
            )
        )
        for row in pairs[:MOST_PAIRS]
    )
    notes = _notes(pairs[:MOST_PAIRS])
    if len(pairs) > MOST_PAIRS:
        notes = (*notes, f"{len(pairs) - MOST_PAIRS:,} more pairs: --wide")
    return Pivot(("slice", "pair", "Cohen's kappa", "n"), lines, notes)
