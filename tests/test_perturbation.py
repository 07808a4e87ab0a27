"""What a probe did: hand-derived effects of judges that are rules, and their rows and limits."""

from __future__ import annotations

import numpy as np
import pytest

from data.records import ORIGINAL, UNCHANGED
from judges.baselines import BASELINES
from pipelines.card import bias_card
from pipelines.compare import compare
from pipelines.derive import Probe, derive, find_probe
from pipelines.estimates import ALL, Estimate
from pipelines.label import LabelOptions, label
from pipelines.panel import Probed, read_panel
from pipelines.sections.probes import probe_rows
from pipelines.sections.view import Rules, View
from pipelines.stats.intervals import smooth_interval, where_all_are_alike, wilson
from pipelines.stats.perturbation import by_item
from tests.estimating import Rows, store_of

N = 60


def test_items_weigh_alike_however_many_labels_they_have():
    values = np.array([1.0, 0.0, 0.5, 1.0, np.nan])
    found = by_item(values, np.array([0, 0, 2, 1, 1]), 4)
    # one of two orders without a verdict: the other order's place would count as an effect
    np.testing.assert_array_equal(found, [0.5, np.nan, 0.5, np.nan])


def test_where_all_prompts_are_alike_the_limits_are_those_of_the_share_that_may_differ():
    found = smooth_interval(lambda t: t[0] / t[1], np.stack([np.zeros(50), np.ones(50)], axis=1))
    limits = where_all_are_alike(found, (-1.0, 1.0))
    most = wilson(0.0, 50, 2.009575)[1]
    assert (limits.estimate, limits.low, limits.high) == pytest.approx((0, -most, most), abs=1e-5)
    assert most == pytest.approx(0.0747, abs=1e-4)  # t^2 / (n + t^2)


def test_an_interval_that_has_an_error_of_its_own_is_left_as_it_is():
    found = smooth_interval(
        lambda t: t[0] / t[1], np.stack([np.arange(50) % 2, np.ones(50)], axis=1)
    )
    assert where_all_are_alike(found, (-1.0, 1.0)) is found


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
    assert lost.n_items == N // 2  # those that were asked once more
    assert 0.3 < lost.low < lost.estimate
    assert found.one("consistency_rate", "longer", reference=UNCHANGED).estimate == 1


def test_the_rule_that_takes_the_first_is_moved_by_nothing_and_that_has_limits(rows):
    found, name = rows
    row = found.one("probe_effect", "first", reference=name)
    most = wilson(0.0, N, 2.0010)[1]
    assert (row.estimate, row.low, row.high) == pytest.approx((0, -most, most), abs=1e-4)
    assert "the same on all prompts" in row.note
    assert found.one("detectable_probe_effect", "first", reference=name).estimate > 0
    lost = found.one("robustness_lost", "first", reference=name)
    assert lost.high == pytest.approx(wilson(0.0, N // 2, 2.0452)[1], abs=1e-4)


def test_identical_responses_show_ties_and_the_place(rows):
    found, _ = rows
    assert found.one("identical_tie_share", "longer", reference="identical").estimate == 1
    assert found.one("identical_tie_share", "first", reference="identical").estimate == 0
    assert found.one("identical_position_effect", "first", reference="identical").estimate == 0.5
    assert found.one("identical_position_effect", "first", reference="identical").low > 0.4
    assert found.one("identical_position_effect", "longer", reference="identical").estimate == 0
    ties = found.one("identical_position_effect", "longer", reference="identical")
    assert round(ties.high, 3) == 0.031  # half of .063: at most half is to be had
    assert "the same on all prompts" in ties.note
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


# ---- labels made up cell by cell, as `read_probed` would give them


def probed(item, before, after, *, ordered=True, **facts):
    """Both orders of each item with the same labels; 1, 0.5, 0, or NaN without a verdict."""
    item, before, after = (np.repeat(np.asarray(v, dtype=float), 2) for v in (item, before, after))
    known = np.isfinite(before) & np.isfinite(after)
    first = np.where(np.arange(len(item)) % 2, 1 - after, after) if ordered else after * np.nan
    return Probed(item.astype(np.int32), before, after, first,
                  np.where(known, before == after, np.nan),
                  np.where(np.isfinite(after), after == 0.5, np.nan),
                  **{"worse": False, "alike": False, "same_texts": False, **facts})  # fmt: skip


@pytest.fixture
def rows_of(tmp_path):
    store = store_of(tmp_path / "c.duckdb", [], {}, n_items=N)
    panel = read_panel(store, "d")

    def rows(**by_probe):
        panel.probed = {("j", name): labels for name, labels in by_probe.items()}
        return Rows(probe_rows(View(panel, Rules(), ALL, np.ones(N, dtype=bool))))

    return rows


def test_robustness_is_compared_on_the_same_comparisons(rows_of):
    """Half are close calls, which turn by themselves; the probe applies to those alone."""
    every, close = np.arange(N), np.arange(0, N, 2)
    turns = np.where(every % 4 == 0, 0.0, 1.0)  # every second close call
    found = rows_of(
        unchanged=probed(every, np.ones(N), turns, same_texts=True),
        odd=probed(close, np.ones(N // 2), turns[close]),
    )
    assert found.one("consistency_rate", "j").estimate == 0.75
    assert found.one("robustness_rate", "j").estimate == 0.5
    lost = found.one("robustness_lost", "j")
    assert (lost.estimate, lost.n_items) == (0, N // 2)  # and not .75 - .5


def test_too_few_comparisons_of_the_probe_have_no_interval(rows_of):
    every, few = np.arange(N), np.arange(12)
    found = rows_of(
        unchanged=probed(every, np.ones(N), np.ones(N), same_texts=True),
        rare=probed(few, np.ones(12), np.ones(12)),
    )
    lost = found.one("robustness_lost", "j")
    assert (lost.low, lost.n_items) == (None, 12)
    assert "too few prompts" in lost.note


def test_ratings_have_no_order_and_are_not_asked_alike(rows_of):
    every = np.arange(N)
    found = rows_of(
        unchanged=probed(every, np.ones(N), np.ones(N), ordered=False, same_texts=True),
        pads=probed(every, np.ones(N), np.zeros(N), ordered=False),
        twins=probed(every, np.ones(N), np.full(N, 0.5), ordered=False, alike=True),
    )
    assert found.one("probe_effect", "j", reference="pads").estimate == -1
    for statistic in ("robustness_lost", "identical_position_effect", "identical_tie_share"):
        assert not found.all(statistic), statistic


def test_lost_verdicts_are_an_effect_and_what_is_left_is_not_called_found(rows_of):
    every = np.arange(N)
    after = np.where(every < 40, np.nan, 1.0)
    found = rows_of(orders=probed(every, np.where(every % 2, 1.0, 0.0), after))
    lost = found.one("verdicts_lost", "j")
    assert lost.estimate == pytest.approx(40 / N)
    effect = found.one("probe_effect", "j")
    assert (effect.n_items, effect.estimate) == (20, 0.5)
    assert f"80 of {2 * N} labels without a verdict" in effect.note
    card = bias_card(found.rows, "j")
    assert [each.row.statistic for each in card.found] == ["verdicts_lost"]
    assert "too many have no verdict" in card.undecided[0].text


def test_a_verdict_missing_before_counts_as_left_out_too(rows_of):
    before = np.where(np.arange(N) < 3, np.nan, 1.0)
    found = rows_of(pads=probed(np.arange(N), before, np.arange(N) % 2))
    assert f"6 of {2 * N} labels" in found.one("probe_effect", "j").note
    assert found.one("verdicts_lost", "j").estimate == pytest.approx(-3 / N)


def test_what_is_sure_at_one_level_lends_nothing_to_another():
    def row(statistic, reference, low, high):
        return Estimate("bias", "j", reference, "overall", statistic, "", ALL, (low + high) / 2,
                        low, high, 200, 200, 400, "share difference")  # fmt: skip

    sure = [row("difference_from_humans", f"f{k}", 0.2, 0.4) for k in range(10)]
    others = [row("probe_effect", f"p{k}", -0.04, 0.06) for k in range(9)]
    near = row("probe_effect", "near", 0.002, 0.1)  # p about .04: one of ten
    card = bias_card([*sure, *others, near], "j")
    assert near not in [each.row for each in card.found]
    assert [each.row for each in card.undecided] == [near]
    assert len(card.found) == 10


def test_a_probe_whose_text_has_changed_counts_in_its_newest_form(tmp_path):
    store = store_of(tmp_path / "v.duckdb", [], {}, n_items=N)

    def longer(given):
        return given.response * 3

    def shorter(given):
        return given.response[:2]

    for version, (change, n) in enumerate(((longer, N), (shorter, N // 2))):
        derived = derive(store, "d", [Probe("same", "", change, f"version {version}")], n)
        label(store, BASELINES["longer"], None, LabelOptions(derived.dataset))
    found = Rows(compare(store, "d", sections=("bias",)))
    row = found.one("changed_chosen_share", "longer")
    assert (row.estimate, row.n_items) == (0, N // 2)


def test_judges_of_one_name_are_told_apart(tmp_path):
    store = store_of(tmp_path / "n.duckdb", [], {}, n_items=30)
    derived = derive(store, "d", [find_probe("empty")], 30)
    for name in ("longer", "first"):
        label(store, BASELINES[name], None, LabelOptions(derived.dataset))
    with store.writing() as con:
        con.execute("UPDATE annotators SET name = 'longer'")
    found = Rows(compare(store, "d", sections=("bias",)))
    shares = {row.subject: row.estimate for row in found.all("changed_chosen_share")}
    assert sorted(shares) == ["longer", "longer (2)"]
    assert sorted(shares.values()) == [0, 0.5]
