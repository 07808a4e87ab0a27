"""Parts of sections: together they are the section, and no rule matters but those they name."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from pipelines.compare import estimates_of
from pipelines.features import count_and_read_features
from pipelines.panel import read_panel
from pipelines.probed import read_probed
from pipelines.section_parts import PARTS, narrowed, part_rows, references_of
from pipelines.sections.view import MajorityRule, Rules, UnparsedRule
from pipelines.stats.agreement import TieRule
from tests.dashboards import make_store

if TYPE_CHECKING:
    from pipelines.panel import Panel

EVERY = [Rules(*rules) for rules in product(MajorityRule, UnparsedRule, TieRule)]
NOT_SHOWN = {"coverage"}


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    """With ties, a reply without a verdict, and humans of whom no two may agree."""
    store = make_store(tmp_path_factory.mktemp("parts") / "s.duckdb")
    found = read_panel(store, "small")
    count_and_read_features(store, found)
    read_probed(store, found)
    return found


@pytest.mark.parametrize("section", sorted({part.section for part in PARTS.values()}))
def test_the_parts_of_a_section_are_all_that_is_shown_of_it(panel: Panel, section: str) -> None:
    names = [name for name, part in PARTS.items() if part.section == section]
    found = [repr(row) for name in names for row in part_rows(panel, Rules(), name)]
    whole = estimates_of(panel, Rules(), (section,), None)
    shown = {repr(row) for row in whole if row.statistic not in NOT_SHOWN}
    assert shown
    assert set(found) == shown


@pytest.mark.parametrize("part", PARTS)
def test_other_rules_than_those_of_a_part_change_nothing(panel: Panel, part: str) -> None:
    found = {rules: repr(part_rows(panel, rules, part)) for rules in EVERY}
    for rules, rows in found.items():
        assert rows == found[narrowed(rules, PARTS[part].rules)]


@pytest.mark.parametrize("part", ["references", "value", "kappas", "order", "differences"])
def test_the_rules_of_a_part_do_change_it(panel: Panel, part: str) -> None:
    names = PARTS[part].rules
    plain = repr(part_rows(panel, Rules(), part))
    for name, rules in {
        "majority": Rules(majority=MajorityRule.SIGN),
        "unparsed": Rules(unparsed=UnparsedRule.WRONG),
        "usable": Rules(unparsed=UnparsedRule.TIE),
        "ties": Rules(ties=TieRule.HALF),
    }.items():
        assert (repr(part_rows(panel, rules, part)) != plain) == (
            name in names or (name == "usable" and "unparsed" in names)
        )


@pytest.mark.parametrize("judge", ["careful", "hasty", "longer"])
def test_a_part_of_one_judge_has_its_rows(panel: Panel, judge: str) -> None:
    for part in ("features", "curves", "own answers"):
        of_all, alone = part_rows(panel, Rules(), part), part_rows(panel, Rules(), part, judge)
        assert [r for r in of_all if r.subject == judge] == [r for r in alone if r.subject == judge]
        assert not {r.subject for r in alone} & ({"careful", "hasty", "longer"} - {judge})


def test_the_references_of_one_judge_by_slice_are_those_of_all(panel: Panel) -> None:
    of_all = estimates_of(panel, Rules(), ("agreement",), "category")
    alone = references_of(panel, Rules(), "hasty", "category")
    others = {"careful", "silent", "longer"}  # what is said beside another judge is not there
    assert {row.slice for row in alone} > {"all"}
    assert [row for row in alone if row.subject == "hasty"] == [
        row for row in of_all
        if row.subject == "hasty" and row.statistic not in ("cohen_kappa", "coverage")
        and row.reference not in others
    ]  # fmt: skip
