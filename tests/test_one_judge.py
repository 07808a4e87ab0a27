"""What a screen asks of one judge: the same numbers as in the whole report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from data.browse import Show, Wanted, page_of
from data.features import FEATURES
from data.queries import rows as sql_rows
from pipelines.compare import estimates_of
from pipelines.features import count_and_read_features, fill_features, read_features
from pipelines.one_judge import (
    confidently_against,
    known_slices,
    probed_judges,
    reliability_of,
    section_of,
    stating_judges,
)
from pipelines.panel import read_panel
from pipelines.probed import read_probed
from pipelines.sections.view import Rules
from tests.dashboards import make_store
from tests.estimating import HUMAN, JUDGE, both, label, store_of

if TYPE_CHECKING:
    from pathlib import Path

    from data.store import Store
    from pipelines.panel import Panel

RULES = Rules()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("one") / "s.duckdb")


@pytest.fixture
def panel(store: Store) -> Panel:
    found = read_panel(store, "small")
    count_and_read_features(store, found)
    read_probed(store, found)
    return found


@pytest.mark.parametrize(
    ("section", "slices"),
    [("agreement", "category"), ("agreement", "length"), ("calibration", None),
     ("ranking", None), ("replacement", None)],
)  # fmt: skip
def test_a_section_of_a_judge_is_that_of_the_report(
    panel: Panel, section: str, slices: str | None
) -> None:
    whole = estimates_of(panel, RULES, (section,), slices)
    alone = section_of(panel, RULES, section, "hasty", slices)
    assert "hasty" in {row.subject for row in alone}
    others = {"careful", "silent", "longer"}  # what is said beside another judge is not there
    assert [row for row in whole if row.subject == "hasty" and row.reference not in others] == [
        row for row in alone if row.subject == "hasty"
    ]


def test_the_panel_of_a_judge_leaves_the_whole_one_as_it_is(panel: Panel) -> None:
    before = estimates_of(panel, RULES, ("agreement",), None)
    mine = panel.without_others("careful")
    assert [who.name for who in mine.annotators] == ["ann", "bob", "cem", "careful"]
    assert len(mine.labels["item"]) == 5 * 60
    for k, who in enumerate(mine.annotators):
        place = [each.name for each in panel.annotators].index(who.name)
        np.testing.assert_array_equal(mine.ballots(k).counts, panel.ballots(place).counts)
    assert estimates_of(panel, RULES, ("agreement",), None) == before


def test_features_are_counted_without_storing_them(tmp_path: Path) -> None:
    store = make_store(tmp_path / "s.duckdb")
    before = store.path.read_bytes()
    counted = read_panel(store, "small")
    count_and_read_features(store, counted)
    assert store.path.read_bytes() == before
    with store.reading() as con:
        assert sql_rows(con, "SELECT count(*) FROM features") == [(0,)]
    fill_features(store, "small")
    stored = read_panel(store, "small")
    read_features(store, stored)
    assert list(counted.features) == list(stored.features)
    assert len(stored.features) == len(FEATURES)
    for name, values in stored.features.items():
        np.testing.assert_array_equal(counted.features[name], values)


def test_only_what_is_missing_is_counted(tmp_path: Path) -> None:
    store = make_store(tmp_path / "s.duckdb")
    fill_features(store, "small")
    with store.writing() as con:  # a run of counting that ended half-way
        con.execute("DELETE FROM features WHERE comparison_id IN "
                    "(SELECT comparison_id FROM comparisons ORDER BY comparison_id LIMIT 20)")  # fmt: skip  # noqa: E501
    half, whole = read_panel(store, "small"), read_panel(store, "small")
    read_features(store, half)
    assert np.isnan(half.features["words"]).sum() == 20
    count_and_read_features(store, whole)
    assert not np.isnan(whole.features["words"]).any()


def test_slices_and_stated_probabilities_are_known(panel: Panel) -> None:
    assert known_slices(panel) == ("category", "length")  # one couple of models is no slice
    assert stating_judges(panel) == ()
    assert probed_judges(panel) == ()
    assert reliability_of(panel, RULES, "careful") == ()


def _against(tmp_path: Path, labels: list[Any], n_items: int = 1) -> Any:
    kinds = {"h": HUMAN, "k": HUMAN, "m": HUMAN, "j": JUDGE, "i": JUDGE}
    used = {
        name: kind for name, kind in kinds.items() if any(x["annotator"] == name for x in labels)
    }
    store = store_of(tmp_path / "d.duckdb", labels, used, n_items=n_items)
    return confidently_against(read_panel(store, "d"), RULES)


@pytest.mark.parametrize(
    ("humans", "judge", "found"),
    [
        ("aaa", both(0, "j", "b", "b"), 1),
        ("bb", both(0, "j", "a", "a"), 1),
        ("aa", both(0, "j", "b", "a"), 0),  # the two orders differ
        ("aa", [label(0, "j", "b", "ab")], 0),  # one order
        ("aa", [label(0, "j", "b", "ab", p_a=0.1)], 1),  # sure as it says
        ("aa", [label(0, "j", "b", "ab", p_a=0.2)], 0),
        ("aa", both(0, "j", "a", "a"), 0),  # it agrees
        ("aa", both(0, "j", "t", "t"), 0),  # a tie is no other answer
        ("tt", both(0, "j", "a", "a"), 0),
        ("aab", both(0, "j", "b", "b"), 0),  # humans differ
        ("a", both(0, "j", "b", "b"), 0),  # one human is not all of several
    ],
)
def test_confident_against_unanimous_humans(
    humans: str, judge: list[Any], found: int, tmp_path: Path
) -> None:
    labels = [label(0, who, side) for who, side in zip("hkm", humans, strict=False)]
    against = _against(tmp_path, [*labels, *judge])
    assert against.n_items == found
    assert against.by_judge == (("j", found),)


def test_a_comparison_counts_once_for_several_judges(tmp_path: Path) -> None:
    labels = [label(i, who, "a") for i in range(3) for who in "hk"]
    labels += [x for i in (0, 1) for x in both(i, "j", "b", "b")] + both(1, "i", "b", "b")
    against = _against(tmp_path, labels, n_items=3)
    assert against.n_items == 2
    assert dict(against.by_judge) == {"j": 2, "i": 1}


def test_a_reliability_curve_is_the_humans_share_where_a_probability_is_stated(
    tmp_path: Path,
) -> None:
    labels: list[Any] = []
    for i in range(100):  # stated .8 for a on all; the humans say a on three of four
        labels += [label(i, "h", "b" if i % 4 == 0 else "a"), label(i, "j", "a", p_a=0.8)]
    store = store_of(tmp_path / "d.duckdb", labels, {"h": HUMAN, "j": JUDGE}, n_items=100)
    panel = read_panel(store, "d")
    assert stating_judges(panel) == ("j",)
    points = reliability_of(panel, RULES, "j")
    assert [(round(p.x, 9), round(p.y, 9), p.n) for p in points] == [
        (0.2, 0.25, 100),
        (0.8, 0.75, 100),
    ]
    low, high = points[1].low, points[1].high
    assert low is not None
    assert high is not None
    assert low < 0.75 < high


def test_the_overview_counts_what_the_list_of_disagreements_holds(store: Store) -> None:
    found = confidently_against(read_panel(store, "small"), RULES)
    with store.reading() as con:
        page = page_of(con, Wanted("small", show=Show.CONFIDENT), number=1, size=5)
    assert found.n_items == page.total > 0
