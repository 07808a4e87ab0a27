"""What a data set supports: small data sets whose answers are plain, loops as oracle, real ones."""

import re
from collections import Counter
from zlib import crc32

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import t

from data.store import Store
from pipelines.compare import compare
from pipelines.ingest import ingest
from pipelines.panel import read_panel
from pipelines.stats.power import difference_at
from pipelines.support.answers import supports
from pipelines.support.counts import counts_of, sentences
from pipelines.support.smallest import in_points, smallest_differences, smallest_in_words
from tests.estimating import AGGREGATE, BASELINE, HUMAN, JUDGE, both, label, store_of

ANSWERS = [
    "agreement with one human",
    "human ceiling",
    "agreement with the majority or gold",
    "alternative annotator test",
    "intervals",
    "slices by category",
    "position bias of judges",
    "position bias of humans",
    "length bias at equal quality (level L2)",
    "self-consistency of judges",
    "test-retest of humans",
    "soft labels",
    "ranking of models",
    "cost of humans",
    "cost of judges",
    "time of humans",
    "time of judges",
    "labels of a further judge",
]


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


@pytest.fixture
def panel_of(tmp_path):
    """A panel from labels; a new store each."""
    made = []

    def make(labels, kinds, n_items, **more):
        made.append(None)
        store = store_of(tmp_path / f"{len(made)}.db", labels, kinds, n_items=n_items, **more)
        return read_panel(store, "d")

    return make


def found(panel):
    """The answers by what they are about; everything that holds of all is checked."""
    rows = supports(panel)
    assert [row.what for row in rows] == ANSWERS
    for row in rows:
        assert row.available is (row.collect is None)
        assert row.command is None or not row.available
        for text in (row.basis, row.collect or "x"):
            assert text
            assert not re.search(r"\bnan\b|None|  |(?<![\d,])0 of|\bpairs?\b", text), text
    return {row.what: row for row in rows}


def everybody(marks, n_items, **more):
    """`marks`: annotator to the marks that repeat over the items; a space is none."""
    return [
        label(i, name, text[i % len(text)], **more)
        for name, text in marks.items()
        for i in range(n_items)
        if text[i % len(text)] != " "
    ]


# agreement, ceiling, majority


def test_two_humans_and_a_judge_on_some_of_the_comparisons(panel_of):
    # ann labels all 40, bob every other one, the judge all but every fourth: 0 1 2 . 4 5 6 . ...
    # Two humans on 0 2 4 ...: 20; with the judge too: all of these.
    labels = everybody({"ann": "a", "bob": "b ", "judge": "aab "}, 40)
    rows = found(panel_of(labels, {"ann": HUMAN, "bob": HUMAN, "judge": JUDGE}, 40))
    assert rows["human ceiling"].basis == (
        "labels of two or more humans on 20 of 40 comparisons (20 prompts, few: read with caution)"
    )
    assert rows["agreement with one human"].basis == (
        "labels of two or more humans and of a judge on 20 of 40 comparisons "
        "(20 prompts, few: read with caution)"
    )
    majority = rows["agreement with the majority or gold"]
    assert majority.available
    assert majority.basis == (
        "a reference and a label of a judge on 30 of 40 comparisons (30 prompts, few: read with "
        "caution); references: the majority of two or more humans on 20, the only human's label on "
        "20"
    )


def test_what_is_missing_is_what_is_to_be_collected(panel_of):
    only_humans = found(panel_of(everybody({"x": "a", "y": "b"}, 3), {"x": HUMAN, "y": HUMAN}, 3))
    needed = only_humans["agreement with one human"]
    assert needed.command == "concord label --judge gpt-5.4-mini --dataset d"
    one_human = found(panel_of(everybody({"x": "a", "j": "b"}, 3), {"x": HUMAN, "j": JUDGE}, 3))
    needed = one_human["agreement with one human"]
    assert needed.collect == "labels of a second human on the same comparisons"
    assert needed.command == "concord import csv labels.csv --dataset d"
    no_human = found(panel_of(everybody({"j": "b"}, 3), {"j": JUDGE}, 3))
    assert no_human["human ceiling"].collect.startswith("labels of two or more humans")
    assert "aggregate" in no_human["agreement with the majority or gold"].collect


def test_a_gold_label_is_a_reference_but_no_human(panel_of):
    rows = found(
        panel_of(everybody({"gold": "a", "j": "b"}, 60), {"gold": AGGREGATE, "j": JUDGE}, 60)
    )
    assert rows["agreement with the majority or gold"].available
    assert rows["agreement with the majority or gold"].basis.endswith("references: gold on 60")
    for what in ("human ceiling", "agreement with one human", "cost of humans"):
        assert not rows[what].available


def test_labels_without_a_preference_support_nothing(panel_of):
    labels = everybody({"x": "a", "y": "s", "j": "x"}, 30)
    rows = found(panel_of(labels, {"x": HUMAN, "y": HUMAN, "j": JUDGE}, 30))
    assert not rows["human ceiling"].available
    assert not rows["agreement with the majority or gold"].available


def test_a_human_who_labels_twice_is_one_human(panel_of):
    labels = everybody({"x": "a"}, 30) + everybody({"x": "b"}, 30, repeat=1)
    rows = found(panel_of(labels, {"x": HUMAN}, 30))
    assert not rows["human ceiling"].available
    assert rows["test-retest of humans"].available
    assert "all 30 comparisons" in rows["test-retest of humans"].basis


def test_a_baseline_stands_in_where_there_is_no_judge(panel_of):
    marks = {"x": "a", "y": "b", "longer": "a"}
    rows = found(panel_of(everybody(marks, 3), {"x": HUMAN, "y": HUMAN, "longer": BASELINE}, 3))
    assert "of a baseline" in rows["agreement with one human"].basis
    assert not rows["position bias of judges"].available


# the alternative annotator test


@pytest.mark.parametrize(("n_items", "available"), [(29, False), (30, True)])
def test_the_alternative_test_takes_thirty_comparisons_of_each_of_three_humans(
    panel_of, n_items, available
):
    kinds = {"x": HUMAN, "y": HUMAN, "z": HUMAN, "j": JUDGE}
    labels = everybody(dict.fromkeys(kinds, "a"), n_items)
    rows = found(panel_of(labels, kinds, n_items))
    assert rows["alternative annotator test"].available is available


def test_the_alternative_test_refuses_anonymous_humans(panel_of):
    kinds = {"x": HUMAN, "y": HUMAN, "z": HUMAN, "j": JUDGE}
    labels = everybody(dict.fromkeys(kinds, "a"), 40)
    row = found(panel_of(labels, kinds, 40, anonymous="xyz"))["alternative annotator test"]
    assert (row.available, "anonymous" in row.basis) == (False, True)


def test_the_alternative_test_takes_comparisons_that_two_humans_share(panel_of):
    # every human labels 30, but never the same ones
    kinds = {"x": HUMAN, "y": HUMAN, "z": HUMAN, "j": JUDGE}
    labels = everybody({"x": "a  ", "y": " a ", "z": "  a", "j": "a"}, 90)
    row = found(panel_of(labels, kinds, 90))["alternative annotator test"]
    assert not row.available
    assert "(each has 0)" in row.basis


def test_the_alternative_test_takes_a_judge_on_these_comparisons(panel_of):
    kinds = {"x": HUMAN, "y": HUMAN, "z": HUMAN, "j": JUDGE}
    labels = everybody({"x": "a", "y": "a", "z": "a", "j": "a "}, 40)
    row = found(panel_of(labels, kinds, 40))["alternative annotator test"]
    assert not row.available
    assert row.basis.endswith("none of 1 judge with labels on enough of them")
    assert row.command.startswith("concord label")


# intervals and slices


@pytest.mark.parametrize(
    ("prompts", "available", "words"),
    [(19, False, "too few"), (20, True, "caution"), (49, True, "caution"), (50, True, "labels")],
)
def test_intervals_take_twenty_prompts_and_caution_under_fifty(panel_of, prompts, available, words):
    n = 60
    panel = panel_of(
        everybody({"x": "a"}, n), {"x": HUMAN}, n, prompts=[i % prompts for i in range(n)]
    )
    row = found(panel)["intervals"]
    assert row.available is available
    assert row.basis.startswith(f"{prompts} prompts with labels")
    assert words in row.basis
    if not available:
        assert row.collect == "labels on 1 more prompt; 50 in all are better"


def test_slices_take_twenty_prompts_not_comparisons(panel_of):
    # maths: 40 comparisons of 10 prompts; poems: 25 of 25
    prompts = [i % 10 for i in range(40)] + list(range(100, 125))
    categories = ["maths"] * 40 + ["poems"] * 25
    labels = everybody({"x": "a"}, 65)
    row = found(panel_of(labels, {"x": HUMAN}, 65, prompts=prompts, categories=categories))[
        "slices by category"
    ]
    assert row.available
    assert row.basis == (
        "1 of 2 categories with 20 or more prompts (poems 25, maths 10); 1 of them under 50: read "
        "with caution"
    )
    one = panel_of(labels, {"x": HUMAN}, 65, categories=["maths"] * 65)
    assert found(one)["slices by category"].basis == "one category only: maths"
    assert not found(panel_of(labels, {"x": HUMAN}, 65))["slices by category"].available


# orders and repeats


def test_both_orders(panel_of):
    labels = [row for i in range(30) for row in both(i, "j", "a", "b" if i < 25 else " ")]
    panel = panel_of(labels, {"j": JUDGE}, 30)
    row = found(panel)["position bias of judges"]
    assert (row.available, row.basis) == (True, "both orders, 25 comparisons: 1 of 1 judge")
    assert counts_of(panel).orders == {"both": 1}


@pytest.mark.parametrize(
    ("orders", "kind", "available"),
    [
        (["ab"] * 40, "fixed", False),
        (["ba"] * 40, "fixed", False),
        (["ab", "ba"] * 20, "random", True),
        (["ab"] * 29 + ["ba"] * 11, "random", True),  # net 18, 3 sqrt(40) = 18.97
        (["ab"] * 30 + ["ba"] * 10, "fixed", False),  # net 20
        ([None] * 40, "unknown", False),
    ],
)
def test_one_order_is_enough_if_a_coin_may_have_drawn_it(panel_of, orders, kind, available):
    judges = [label(i, "j", "a", shown) for i, shown in enumerate(orders)]
    humans = [label(i, "x", "a", shown) for i, shown in enumerate(orders)]
    panel = panel_of(judges + humans, {"j": JUDGE, "x": HUMAN}, 40)
    rows = found(panel)
    assert counts_of(panel).orders == {kind: 1}
    assert rows["position bias of judges"].available is available
    assert rows["position bias of humans"].available is available


def test_humans_who_saw_a_comparison_in_the_same_order_are_one_toss_of_the_coin(panel_of):
    # 12 ab and 4 ba comparisons, three humans each: net 24, 3 sqrt(16 * 9) = 36. Counted as 48
    # tosses it would be 24 against 3 sqrt(48) = 20.8.
    orders = ["ab"] * 12 + ["ba"] * 4
    labels = [label(i, name, "a", shown) for name in "xyz" for i, shown in enumerate(orders)]
    rows = found(panel_of(labels, dict.fromkeys("xyz", HUMAN), 16))
    assert rows["position bias of humans"].available


def test_exchanging_the_responses_changes_no_answer(panel_of):
    r = rng("exchanged responses")
    turned = {"a": "b", "b": "a", "t": "t", "ab": "ba", "ba": "ab"}
    labels, other = [], []
    for i in range(60):
        for name in "xyj":
            mark, shown = r.choice(["a", "b", "t"]), r.choice(["ab", "ba"])
            labels.append(label(i, name, mark, shown))
            other.append(label(i, name, turned[mark], turned[shown]) if i % 2 else labels[-1])
    kinds = {"x": HUMAN, "y": HUMAN, "j": JUDGE}
    texts = [("long answer", "short") if i % 3 else ("a", "b") for i in range(60)]
    swapped = [(b, a) if i % 2 else (a, b) for i, (a, b) in enumerate(texts)]
    one, two = (
        panel_of(labels, kinds, 60, responses=texts),
        panel_of(other, kinds, 60, responses=swapped),
    )
    mine, theirs = (
        {row.what: row for row in supports(panel) if row.what != "position bias of humans"}
        for panel in (one, two)
    )
    assert mine == theirs  # that one says how many labels were shown ab
    assert [row.difference for row in smallest_differences(one)] == [
        row.difference for row in smallest_differences(two)
    ]


def test_a_judge_repeats_only_in_the_same_order(panel_of):
    swapped = [row for i in range(30) for row in both(i, "j", "a", "a")]
    assert not found(panel_of(swapped, {"j": JUDGE}, 30))["self-consistency of judges"].available
    again = swapped + [label(i, "j", "a", "ba", repeat=1) for i in range(22)]
    panel = panel_of(again, {"j": JUDGE}, 30)
    row = found(panel)["self-consistency of judges"]
    assert (row.available, "on 22 of 30 comparisons" in row.basis) == (True, True)
    assert "of judges on 22 comparisons" in sentences(counts_of(panel))[-1]


def test_repeats_in_anonymous_places_are_no_test_retest(panel_of):
    labels = everybody({"x": "a"}, 30) + everybody({"x": "b"}, 30, repeat=1)
    assert not found(panel_of(labels, {"x": HUMAN}, 30, anonymous="x"))[
        "test-retest of humans"
    ].available


# soft labels, models, prices, texts


def test_a_stated_probability(panel_of):
    labels = everybody({"j": "a"}, 30, p_a=0.8) + everybody({"k": "a", "x": "a   "}, 30)
    row = found(panel_of(labels, {"j": JUDGE, "k": JUDGE, "x": HUMAN}, 30))["soft labels"]
    assert row.basis == "a probability (p_a) on 30 labels of j, 8 of them on a comparison with a " \
        "reference"  # fmt: skip


def test_prices_and_times_name_who_has_them(panel_of):
    labels = everybody({"j": "a"}, 30, cost_usd=0.0, seconds=1.5) + everybody({"k": "a"}, 30)
    rows = found(panel_of(labels, {"j": JUDGE, "k": JUDGE}, 30))
    assert rows["cost of judges"].basis == "a price on 30 of 60 labels of judges: j; none of k"
    assert rows["time of judges"].basis == "a time on 30 of 60 labels of judges: j; none of k"
    assert rows["cost of humans"].basis == "no humans"


def test_without_texts_no_judge_can_be_asked(panel_of):
    rows = found(
        panel_of(everybody({"x": "a", "y": "a"}, 9), {"x": HUMAN, "y": HUMAN}, 9, texts=False)
    )
    assert not rows["labels of a further judge"].available
    commands = [row.command for row in rows.values() if row.command]
    assert not any("concord label" in command for command in commands)


@pytest.fixture
def models_csv(tmp_path):
    def make(links):
        path = tmp_path / f"{len(links)}.csv"
        lines = ["item,annotator,preference,model_a,model_b"]
        lines += [f"{i},x,a,{a},{b}" for i, (a, b) in enumerate(links)]
        path.write_text("\n".join(lines))
        store = Store(tmp_path / f"{len(links)}.db", create=True)
        [done] = ingest(store, "csv", path)
        return read_panel(store, done.dataset)

    return make


@pytest.mark.parametrize(
    ("links", "available", "basis"),
    [
        (["mn", "no"], True, "3 models linked by human labels"),
        (["mn"], False, "2 models linked by human labels"),
        (["mn", "op", "mn"], False, "2 models linked by human labels"),  # m n | o p
        (["mn", "op", "po", "qo"], True, "3 models linked by human labels"),  # m n | o p q
    ],
)
def test_a_ranking_takes_three_models_that_comparisons_link(models_csv, links, available, basis):
    row = found(models_csv([tuple(link) for link in links]))["ranking of models"]
    assert (row.available, row.basis) == (available, basis)


def test_a_name_with_a_space_is_quoted_in_commands(tmp_path):
    store = store_of(
        tmp_path / "s.db", [label(0, "x", "a")], {"x": HUMAN}, n_items=1, dataset="my set"
    )
    commands = [row.command for row in supports(read_panel(store, "my set")) if row.command]
    assert commands
    assert all("--dataset 'my set'" in command for command in commands)


# counts


def test_the_counts_in_words(panel_of):
    labels = everybody({"x": "a", "y": "b ", "h": "t", "gold": "a", "longer": "a"}, 6)
    labels += [*everybody({"j": "a", "k": "a"}, 6), label(0, "k", "a", "ab", repeat=1)]
    kinds = {"x": HUMAN, "y": HUMAN, "h": HUMAN, "gold": AGGREGATE, "longer": BASELINE}
    kinds |= {"j": JUDGE, "k": JUDGE}
    panel = panel_of(labels, kinds, 7, prompts=[0, 0, 0, 1, 1, 1, 2], anonymous="h")
    assert sentences(counts_of(panel)) == [
        "7 comparisons of 3 prompts, all with texts; models not known.",
        "2 identified and 1 anonymous humans; human labels for each comparison: 3 on 3, 2 on 3, "
        "none on 1.",
        "2 judges (one order each, not as if drawn at random: 1; order not known: 1), 1 baseline, "
        "1 gold or majority.",
        "No repeats.",
    ]


def test_a_crowd_of_whom_each_labels_little(panel_of):
    # human k labels comparisons k and k + 1 of a ring of 40, the second of them twice
    kinds = {f"h{k}": HUMAN for k in range(40)}
    labels = [label((k + step) % 40, f"h{k}", "a", "ab") for k in range(40) for step in (0, 1)]
    labels += [label((k + 1) % 40, f"h{k}", "a", "ba", repeat=1) for k in range(40)]
    panel = panel_of(labels, kinds, 40)
    counts = counts_of(panel)
    assert (counts.human_labels, counts.repeated_by_humans) == ({2: 40}, 40)
    rows = found(panel)
    assert rows["position bias of humans"].basis == (
        "80 human labels given with a shown first, 40 with b shown first; 40 comparisons in both "
        "orders"
    )
    assert rows["alternative annotator test"].basis == (
        "none of 40 identified humans with 30 or more comparisons that another one labelled too "
        "(each has 2)"
    )


MARKS = st.sampled_from("aabbtx ")


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(MARKS, MARKS, MARKS), min_size=1, max_size=12))
def test_humans_for_each_comparison_are_those_of_a_loop(tmp_path_factory, items):
    labels = [
        label(i, name, mark)
        for i, marks in enumerate(items)
        for name, mark in zip("xyz", marks, strict=True)
        if mark != " "
    ]
    kinds = {"x": HUMAN, "y": HUMAN, "z": JUDGE}
    store = store_of(tmp_path_factory.mktemp("s") / "s.db", labels, kinds, n_items=len(items))
    panel = read_panel(store, "d")
    expected = Counter(sum(mark in "abt" for mark in marks[:2]) for marks in items)
    assert counts_of(panel).human_labels == dict(expected)
    humans = panel.human_counts().sum(axis=1).tolist()  # as the report counts them
    assert Counter(humans) == expected
    row = found(panel)["agreement with one human"]
    full = sum(all(mark in "abt" for mark in marks) for marks in items)
    assert row.available is (full > 0)


@pytest.mark.parametrize("n_items", [0, 1])
def test_a_data_set_without_labels_supports_nothing_yet(panel_of, n_items):
    panel = panel_of([], {}, n_items)
    assert {row.what for row in supports(panel) if row.available} == (
        {"labels of a further judge"} if n_items else set()
    )
    assert sentences(counts_of(panel))[1:] == ["No human labels.", "No judges.", "No repeats."]
    assert {row.difference for row in smallest_differences(panel)} == {None}


def test_one_prompt_one_human_and_all_ties_are_answered(panel_of):
    kinds = {"x": HUMAN, "y": HUMAN, "j": JUDGE, "k": JUDGE}
    panel = panel_of(everybody(dict.fromkeys(kinds, "t"), 40), kinds, 40, prompts=[0] * 40)
    found(panel)
    rows = smallest_differences(panel)
    assert {row.difference for row in rows} == {None}
    assert all("too few prompts" in row.basis for row in rows)
    flat = panel_of(everybody(dict.fromkeys(kinds, "t"), 40), kinds, 40)
    assert all("all prompts give the same value" in r.basis for r in smallest_differences(flat))
    assert all(size == "not known" for _, size, _ in smallest_in_words(smallest_differences(flat)))


# the smallest difference


def test_from_the_data_it_follows_from_the_intervals_of_the_report(tmp_path):
    r, n = rng("smallest from the report"), 120
    kinds = {"x": HUMAN, "y": HUMAN, "z": HUMAN, "j": JUDGE, "k": JUDGE, "l": JUDGE}
    labels = [label(i, name, r.choice(list("aabt"))) for name in kinds for i in range(n)]
    store = store_of(
        tmp_path / "s.db", labels, kinds, n_items=n, prompts=[i // 3 for i in range(n)]
    )
    rows = compare(store, "d", sections=["agreement"])
    mine = smallest_differences(read_panel(store, "d"))
    # an interval's half is t_.975 SE, over 40 prompts
    factor = (t.ppf(0.975, 39) + t.ppf(0.8, 39)) / t.ppf(0.975, 39)
    intervals = {(row.subject, row.reference): row for row in rows
                 if row.statistic in ("gap", "agreement_difference")}  # fmt: skip
    assert len(mine) == len(intervals) == 5
    for row in mine:
        theirs = intervals[row.subject, row.reference]
        half = (theirs.high - theirs.low) / 2
        assert row.difference == pytest.approx(factor * half, rel=1e-8)
        assert (row.n_items, row.n_prompts, row.at_best) == (120, 40, None)


def test_with_one_human_each_judges_are_compared_on_the_majority(panel_of):
    marks = {"x": "ab", "j": "abb", "k": "aab"}
    panel = panel_of(everybody(marks, 60), {"x": HUMAN, "j": JUDGE, "k": JUDGE}, 60)
    [row] = smallest_differences(panel)
    assert row.what == "difference in agreement with human majority"
    assert row.difference > 0


def test_judges_without_a_comparison_in_common_have_no_smallest_difference(panel_of):
    marks = {"gold": "a", "j": "a ", "k": " b"}
    panel = panel_of(everybody(marks, 60), {"gold": AGGREGATE, "j": JUDGE, "k": JUDGE}, 60)
    [row] = smallest_differences(panel)
    assert (row.difference, row.n_items) == (None, 0)
    assert row.basis == "0 comparisons of 0 prompts: none in common"


def test_without_a_judge_it_is_planned_on_the_comparisons_with_a_reference(panel_of):
    # 60 of 90 comparisons have two humans: 3 each of 20 prompts, so the design effect is at most 3
    marks = {"x": "a", "y": "ab "}
    panel = panel_of(
        everybody(marks, 90),
        {"x": HUMAN, "y": HUMAN},
        90,
        prompts=[i % 3 + i // 9 * 3 for i in range(90)],
    )
    rows = smallest_differences(panel)
    assert [row.n_items for row in rows] == [60, 60, 60]
    for row, discordance in zip(rows, (0.1, 0.2, 0.3), strict=True):
        assert row.difference == pytest.approx(difference_at(60, discordance, 3))
        assert row.at_best == pytest.approx(difference_at(60, discordance))
    what, size, basis = next(iter(smallest_in_words(rows)))
    assert what == "two judges, exactly one of whom agrees on 10% of comparisons"
    # z^2 = 7.8489: sqrt(.78489 / 67.849) = .1076 and, of 20 independent ones, .1679
    assert size == "10.8 to 16.8 points"
    assert basis.endswith("the more alike those of a prompt are, the larger")


def test_points():
    assert [in_points(x) for x in (0.0423, 0.1, None)] == ["4.2 points", "10.0 points", "not known"]


# the public data sets


@pytest.fixture(scope="module")
def real(real_data, tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("real") / "s.db", create=True)
    for name, folder in (
        ("pandalm", "pandalm"),
        ("prd", "prd-vicuna80"),
        ("llmbar", "llmbar"),
        ("alpacaeval", "alpacaeval-cost"),
    ):
        ingest(store, name, real_data / folder)
    return store


@pytest.mark.parametrize(
    ("dataset", "supported"),
    [
        ("pandalm", {0, 1, 2, 3, 4, 8, 12, 17}),
        ("prd-vicuna80", {0, 1, 2, 4, 6, 7, 8, 12, 17}),
        ("llmbar", {2, 4, 5, 6, 17}),
        ("alpacaeval-alpaca-7b", {4, 5, 14, 16, 17}),
        ("alpacaeval-gpt-3.5-turbo-0301", {4, 5, 11, 12, 14, 16, 17}),
    ],
)
def test_what_the_public_data_sets_support(real, dataset, supported):
    rows = found(read_panel(real, dataset))
    assert {what for what, row in rows.items() if row.available} == {ANSWERS[k] for k in supported}


def test_the_numbers_of_the_public_data_sets(real):
    prd = read_panel(real, "prd-vicuna80")
    assert sentences(counts_of(prd)) == [
        "2,560 comparisons of 80 prompts, 800 with texts; 9 models.",
        "3 anonymous humans; human labels for each comparison: 3 on 2,240, 1 on 320.",
        "5 judges (both orders: 5).",
        "No repeats.",
    ]
    assert (
        "on 480 of 2,560 comparisons (80 prompts)" in found(prd)["agreement with one human"].basis
    )
    gaps = [r for r in smallest_differences(prd) if r.what == "gap to the human ceiling"]
    assert {(r.n_items, r.n_prompts) for r in gaps} == {(480, 80)}
    # the gap's design effect of 2.4 to 2.6 on pandalm: .06 there, not .04
    pandalm = smallest_differences(read_panel(real, "pandalm"))
    assert [round(row.difference, 2) for row in pandalm] == [0.06, 0.07, 0.07]
