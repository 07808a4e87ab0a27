"""What a probe did: hand-derived effects of judges that are rules, and their rows and limits."""

from __future__ import annotations

import numpy as np
import pytest

from data.records import ORIGINAL, UNCHANGED
from judges.baselines import BASELINES
from pipelines.card import bias_card
from pipelines.compare import compare
from pipelines.derive import derive, find_probe
from pipelines.label import LabelOptions, label
from pipelines.stats.intervals import difference_of_ratios, smooth_interval, wilson
from pipelines.stats.perturbation import by_item, less_columns, where_all_are_zero
from tests.estimating import Rows, store_of

N = 60


def test_items_weigh_alike_however_many_labels_they_have():
    values = np.array([1.0, 0.0, 0.5, np.nan, np.nan])
    found = by_item(values, np.array([0, 0, 2, 2, 1]), 4)
    np.testing.assert_array_equal(found, [0.5, np.nan, 0.5, np.nan])


def test_a_difference_of_means_on_items_of_which_some_have_one_value():
    one, other = np.array([1.0, np.nan, 0.5]), np.array([0.0, 0.5, np.nan])
    totals = less_columns(one, other).sum(axis=0)
    assert difference_of_ratios(totals) == pytest.approx(0.75 - 0.25)


def test_where_no_label_changed_the_limits_are_those_of_the_share_that_may():
    found = smooth_interval(lambda t: t[0] / t[1], np.stack([np.zeros(50), np.ones(50)], axis=1))
    limits = where_all_are_zero(found, "no label changed")
    most = wilson(0.0, 50, 2.009575)[1]
    assert (limits.estimate, limits.low, limits.high) == pytest.approx((0, -most, most), abs=1e-5)
    assert most == pytest.approx(0.0747, abs=1e-4)  # t^2 / (n + t^2)


def test_an_interval_that_has_an_error_of_its_own_is_left_as_it_is():
    found = smooth_interval(
        lambda t: t[0] / t[1], np.stack([np.arange(50) % 2, np.ones(50)], axis=1)
    )
    assert where_all_are_zero(found, "no label changed") is found


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Two rules as judges on 60 comparisons; a third of the responses a are the shorter ones."""
    texts = [("a" * 40 if k % 3 else "a" * 10, "b" * 20) for k in range(N)]
    store = store_of(tmp_path_factory.mktemp("p") / "s.duckdb", [], {}, n_items=N, responses=texts,
                     categories=["one" if k % 2 else "two" for k in range(N)])  # fmt: skip
    double = tmp_path_factory.mktemp("f") / "double.py"
    double.write_text('"""Twice."""\ndef change(given):\n    return given.response * 2\n')
    probes = [find_probe(name) for name in (str(double), "empty", "identical")]
    derived = derive(store, "d", probes, N)
    for name in ("longer", "first", "random"):
        label(store, BASELINES[name], None, LabelOptions(derived.dataset))
    return Rows(compare(store, "d", sections=("bias",))), probes[0].name


def test_the_rule_that_takes_the_longer_one_is_moved_by_length(rows):
    found, name = rows
    row = found.one("probe_effect", "longer", reference=name)
    # Doubled, 10 has 20 (a tie: + 1/2), 20 has 40: above 10 as before, or level with 40 (+ 1/2);
    # 40 stays ahead. So a drawn side that was behind gains 1/2, one that was ahead nothing.
    assert 0.1 < row.estimate < 0.4
    assert row.low > 0
    assert row.n_items == N
    assert row.n_labels == 2 * N
    kept = found.one("robustness_rate", "longer", reference=name)
    assert kept.estimate == pytest.approx(1 - 2 * row.estimate)  # each gain is a label turned
    lost = found.one("robustness_lost", "longer", reference=name)
    assert lost.estimate == pytest.approx(2 * row.estimate)
    assert found.one("consistency_rate", "longer", reference=UNCHANGED).estimate == 1


def test_the_rule_that_takes_the_first_is_moved_by_nothing_and_that_has_limits(rows):
    found, name = rows
    row = found.one("probe_effect", "first", reference=name)
    most = wilson(0.0, N, 2.0010)[1]
    assert (row.estimate, row.low, row.high) == pytest.approx((0, -most, most), abs=1e-4)
    assert "no label changed" in row.note
    assert found.one("detectable_probe_effect", "first", reference=name).estimate > 0
    assert found.one("robustness_lost", "first", reference=name).high == pytest.approx(
        most, abs=1e-4
    )


def test_identical_responses_show_ties_and_the_place(rows):
    found, _ = rows
    assert found.one("identical_tie_share", "longer", reference="identical").estimate == 1
    assert found.one("identical_tie_share", "first", reference="identical").estimate == 0
    assert found.one("identical_position_effect", "first", reference="identical").estimate == 0.5
    assert found.one("identical_position_effect", "first", reference="identical").low > 0.4
    assert found.one("identical_position_effect", "longer", reference="identical").estimate == 0
    ties = found.one("identical_position_effect", "longer", reference="identical")
    assert (ties.note, round(ties.high, 3)) == ("all were ties", 0.063)
    assert not found.all("probe_effect", reference="identical")


def test_an_emptied_response_loses_by_length_and_not_by_place(rows):
    found, _ = rows
    assert found.one("changed_chosen_share", "longer", reference="empty").estimate == 0
    assert found.one("changed_chosen_share", "first", reference="empty").estimate == 0.5
    assert not found.all("robustness_lost", reference="empty")
    assert "should be negative" in found.one("probe_effect", "first", reference="empty").method


def test_a_coin_changes_its_labels_without_any_effect(rows):
    found, name = rows
    row = found.one("probe_effect", "random", reference=name)
    assert row.low < 0 < row.high
    assert found.one("robustness_rate", "random", reference=name).estimate < 0.8


def test_originals_are_no_probe_and_the_parents_slices_hold(rows):
    found, name = rows
    assert not found.all("robustness_rate", reference=ORIGINAL)
    parts = [found.one("probe_effect", "longer", reference=name, slice=f"category={c}")
             for c in ("one", "two")]  # fmt: skip
    whole = found.one("probe_effect", "longer", reference=name)
    assert sum(row.n_items for row in parts) == whole.n_items
    assert np.mean([row.estimate for row in parts]) == pytest.approx(whole.estimate)


def test_the_card_says_what_the_experiment_showed(rows):
    found, name = rows
    card = bias_card(found.rows, "longer")
    said = [each.text for each in card.found if each.level == "L3"]
    assert any(text.startswith(f"A response changed by {name} is chosen") for text in said)
    checks = "\n".join(each.text for each in card.checks)
    assert "changed by empty (" in checks
    assert f"Labels that {name} turns, beyond asking the same once more: +" in checks
    assert "is chosen all the same in 0% [0, " in checks
    assert "Two identical responses are called a tie in 100%" in checks
    assert not any("concord probe" in text for text in card.not_known)
    coin = bias_card(found.rows, "random")
    assert not [each for each in coin.found if each.row.statistic == "probe_effect"]
