"""Parts of the sections, as screens show them: each with the rules that it depends on.

A screen computes the parts that it shows. Under rules that a part does not depend on, its rows are
the same: `narrowed` names them alike, so that nothing is computed anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipelines.compare import rows_of
from pipelines.sections.agreement import reference_rows
from pipelines.sections.bias import (
    curve_rows_of,
    difference_from_humans_rows,
    feature_rows_of,
    order_rows,
)
from pipelines.sections.cost import price_rows, value_rows
from pipelines.sections.kappas import kappa_rows
from pipelines.sections.own_answers import own_answer_rows
from pipelines.sections.probes import probe_rows
from pipelines.sections.view import Rules, UnparsedRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipelines.estimates import Estimate
    from pipelines.panel import Panel
    from pipelines.sections.view import View

MAJORITY, UNPARSED, USABLE, TIES = "majority", "unparsed", "usable", "ties"


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a slice under a section's name. `of_judge`: of one alone, if it is named.

    `rules` that it depends on; `usable`: which labels can be used, but not what else becomes of the
    others.
    """

    section: str
    rows: Callable[..., Iterator[Estimate]]
    rules: tuple[str, ...]
    of_judge: bool = False


PARTS = {
    "references": Part("agreement", reference_rows, (MAJORITY, UNPARSED, TIES)),
    "kappas": Part("agreement", kappa_rows, (USABLE,)),
    "prices": Part("cost", price_rows, ()),
    "value": Part("cost", value_rows, (UNPARSED, TIES)),
    "order": Part("bias", order_rows, (USABLE,)),
    "differences": Part("bias", difference_from_humans_rows, (USABLE,)),
    "features": Part("bias", feature_rows_of, (USABLE,), of_judge=True),
    "curves": Part("bias", curve_rows_of, (MAJORITY, USABLE), of_judge=True),
    "own answers": Part("bias", own_answer_rows, (MAJORITY, UNPARSED, TIES), of_judge=True),
    "probes": Part("bias", probe_rows, ()),
}


def narrowed(rules: Rules, names: Sequence[str]) -> Rules:
    """Those of the rules that are named, the others as they are by default."""
    kept = {name: getattr(rules, name) for name in names if name != USABLE}
    if USABLE in names and rules.unparsed is UnparsedRule.TIE:
        kept[UNPARSED] = UnparsedRule.TIE
    return replace(Rules(intervals=rules.intervals), **kept)


def part_rows(
    panel: Panel, rules: Rules, part: str, judge: str | None = None, slices: str | None = None
) -> list[Estimate]:
    """The rows of a part, overall and by a column of slices; those of the bias need features."""
    found = PARTS[part]

    def rows(view: View) -> Iterator[Estimate]:
        return found.rows(view, judge) if found.of_judge else found.rows(view)

    return rows_of(panel, rules, {found.section: rows}, slices)


def references_of(panel: Panel, rules: Rules, judge: str, slices: str) -> list[Estimate]:
    """One judge's agreement with humans and gold labels, overall and by a column of slices."""
    return part_rows(panel.without_others(judge), rules, "references", slices=slices)
