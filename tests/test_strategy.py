"""Which feedback to buy: published figures on pandalm, goals by hand, and what is missing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from data.errors import InputError
from data.store import Store
from pipelines.estimates import ALL
from pipelines.features import fill_features, read_features
from pipelines.ingest import ingest
from pipelines.panel import read_panel
from pipelines.sections.view import Rules, UnparsedRule, View
from pipelines.slices import slice_codes
from pipelines.strategy import Goal, Match, choose_strategy
from pipelines.strategy_slices import own_choice_rows
from pipelines.strategy_words import sentences
from tests.estimating import BASELINE, HUMAN, JUDGE, both, check, label, store_of

PRICES = {"gpt-3.5-turbo": 0.004, "pandalm-7b": 0.001}


@pytest.fixture(scope="module")
def pandalm(real_data, tmp_path_factory):
    """Its panel at $.5 a human label, $.004 and $.001 a judge's; garbage is a tie."""
    store = Store(tmp_path_factory.mktemp("strategy") / "s.duckdb", create=True)
    list(ingest(store, "pandalm", real_data / "pandalm"))
    panel = read_panel(store, "pandalm")
    fill_features(store, "pandalm")
    read_features(store, panel)
    prices = np.array([PRICES.get(who.name, 0.5) for who in panel.annotators])
    panel.labels["cost_usd"] = prices[panel.labels["annotator"]]
    return view_of(panel)


def view_of(panel, rules=None):
    rules = rules or Rules(unparsed=UnparsedRule.TIE)
    return View(panel, rules, ALL, np.ones(panel.n_items, dtype=bool))


@pytest.fixture(scope="module")
def chosen(pandalm):
    return choose_strategy(pandalm, Goal(n=1000, budget_usd=200))


def figures(choice, name):
    [row] = [row for row in choice.rows
             if (row.statistic, row.subject) == ("strategy_quality", name)]  # fmt: skip
    place = [each.name for each in choice.strategies].index(name)
    return row, float(choice.cost_usd[place])


def test_the_figures_of_pandalm(chosen):
    for name, quality, usd in (
        ("gpt-3.5-turbo", 0.702, 0.004),
        ("pandalm-7b", 0.660, 0.001),
        ("pandalm-7b, 30% to a human: at random", 0.738, 0.151),
        ("gpt-3.5-turbo, 30% to a human: at random", 0.767, 0.154),
        ("one human", 0.920, 0.5),
    ):
        row, cost = figures(chosen, name)
        assert row.estimate == pytest.approx(quality, abs=0.0006), name
        assert cost == pytest.approx(usd), name
    row, cost = figures(chosen, "pandalm-7b, 30% to a human: gpt-3.5-turbo disagrees")
    assert (row.estimate, row.low, row.high) == pytest.approx((0.829, 0.796, 0.863), abs=0.001)
    assert cost / 0.5 == pytest.approx(0.31, abs=0.001)
    human, _ = figures(chosen, "one human")
    assert (human.low, human.high) == pytest.approx((0.898, 0.942), abs=0.001)
    check(chosen.rows)


def test_humans_are_better_than_routing_by_what_was_published(pandalm):
    choice = choose_strategy(pandalm, Goal(n=1000, budget_usd=156, quality=None))
    name = choice.strategies[choice.recommended].name
    rows = [row for row in choice.rows if row.statistic == "strategy_difference"]
    [gap] = [row for row in rows if row.subject == "one human"]
    assert gap.reference == name
    assert gap.low > 0.04
    # judges alone, and humans at random, are behind it beyond doubt
    for behind in ("gpt-3.5-turbo", "pandalm-7b", "pandalm-7b, 30% to a human: at random"):
        [row] = [row for row in rows if row.subject == behind]
        assert row.high < 0, behind


def test_the_recommended_figure_is_none_of_an_in_sample_router(chosen):
    """A forest scores .94 on the prompts that it was fitted to: no figure may show that."""
    quality = [row for row in chosen.rows if row.statistic == "strategy_quality"]
    routed = [row.estimate for row in quality if "30% to a human" in row.subject]
    assert 0.80 < max(routed) < 0.87
    assert chosen.selected.estimate < 0.87
    assert chosen.selected.low < chosen.selected.estimate < chosen.selected.high


def test_a_budget_a_quality_and_a_tradeoff_choose_by_hand(pandalm, chosen):
    assert chosen.cost_usd[chosen.recommended] * 1000 <= 200
    affordable = chosen.cost_usd * 1000 <= 200
    assert chosen.quality[chosen.recommended] == chosen.quality[affordable].max()
    floor = choose_strategy(pandalm, Goal(quality=0.8))
    enough = floor.quality >= 0.8
    assert floor.quality[floor.recommended] >= 0.8
    assert floor.cost_usd[floor.recommended] == floor.cost_usd[enough].min()
    # at $1 a point on 1,000 comparisons 22 points more are not worth $496; at $1,000 they are
    cheap = choose_strategy(pandalm, Goal(usd_per_point=1))
    assert cheap.strategies[cheap.recommended].policy.human_share == 0
    dear = choose_strategy(pandalm, Goal(usd_per_point=1000))
    assert dear.strategies[dear.recommended].name == "one human"


def test_the_names_of_slots_change_nothing(pandalm, chosen):
    panel = pandalm.panel
    labels = panel.labels
    swapped = {
        **labels,
        "preference": np.where(labels["preference"] >= 0, 2 - labels["preference"], -1),
        "shown": np.where(labels["shown"] >= 0, 1 - labels["shown"], -1),
        "p_a": 1 - labels["p_a"],
    }
    other = type(panel)(
        **{name: getattr(panel, name) for name in (
            "dataset", "criterion", "simulated", "prompt", "category", "length", "models",
            "n_with_texts", "annotators")},
        longer=-panel.longer, model_a=panel.model_b, model_b=panel.model_a, labels=swapped,
        features={name: -values for name, values in panel.features.items()},
    )  # fmt: skip
    again = choose_strategy(view_of(other), Goal(n=1000, budget_usd=200))
    assert [each.name for each in again.strategies] == [each.name for each in chosen.strategies]
    np.testing.assert_allclose(again.quality, chosen.quality, atol=1e-12)


def small(path, n, humans=("h1", "h2"), judge=True, **more):
    """A judge that is right where k % 4, two humans who agree."""
    labels = [label(k, name, "ab"[k % 2]) for k in range(n) for name in humans]
    if judge:
        for k in range(n):
            right = "ab"[k % 2] if k % 4 else "ab"[1 - k % 2]
            labels += both(k, "j", right, right if k % 8 else "ab"[k % 2])
    kinds = dict.fromkeys(humans, HUMAN) | ({"j": JUDGE} if judge else {})
    return store_of(path, labels, kinds, n_items=n, **more)


def test_flips_send_the_comparisons_that_turn(tmp_path):
    store = small(tmp_path / "s.duckdb", 80)
    choice = choose_strategy(view_of(read_panel(store, "d")), Goal())
    # k % 4 == 0: wrong in both orders, but every eighth turns with the order (one of two right)
    quality = {each.name: q for each, q in zip(choice.strategies, choice.quality, strict=True)}
    assert quality["j"] == pytest.approx((60 + 10 * 0.5) / 80)
    assert quality["j, both orders"] == pytest.approx(quality["j"])
    assert quality["j, 10% to a human: order flip"] == pytest.approx((60 + 8 + 2 * 0.5) / 80)
    assert quality["j, 13% to a human: order flip"] == pytest.approx((60 + 10) / 80)
    assert quality["one human"] == 1
    assert np.isnan(choice.cost_usd).all()
    assert choice.notes == ("price not known of humans, j: concord price sets one",)
    assert choice.strategies[choice.recommended].name == "one human"


def test_what_is_missing_is_said_with_how_to_get_it(tmp_path, run):
    for name, store, what, how in (
        ("none", small(tmp_path / "a", 30, humans=()), "no human has labelled", "Import human"),
        ("one", small(tmp_path / "b", 30, humans=("h1",)), "labels of two humans", "second human"),
        ("judge", small(tmp_path / "c", 30, judge=False), "no judge has labelled", "concord plan"),
    ):
        code, _, err = run("strategy", "--store", store.path)
        assert code == 3, name
        assert what in err, name
        assert how in err, name


def test_few_prompts_and_no_prices_get_an_answer(tmp_path, run):
    store = small(tmp_path / "s", 30, prompts=[k // 2 for k in range(30)])
    code, out, err = run("strategy", "--store", store.path)
    assert code == 0, err
    assert "Recommended at any price: one human." in out
    assert "too few prompts to choose by (15 of 20)" in err
    assert "price not known of humans, j: concord price sets one" in err
    code, out, err = run("strategy", "--store", store.path, "--budget", 10)
    assert code == 0, err
    assert "Recommended" not in out
    assert "no strategy meets the goal at a known price" in err


def test_the_command_prints_and_gives_json(pandalm, real_data, run, tmp_path):
    store = Store(tmp_path / "p.duckdb", create=True)
    list(ingest(store, "pandalm", real_data / "pandalm"))
    arguments = ("strategy", "--store", store.path, "--unparsed", "tie")
    code, out, err = run(*arguments)
    assert code == 0, err
    assert "Recommended at any price: one human." in out
    code, out, err = run(*arguments, "--json", "--quality", 0.8)
    answer = json.loads(out)
    assert code == 0, err
    assert answer["choices"][0]["recommended"] is None  # no price is known
    assert len(answer["choices"][0]["estimates"]) > 40


def test_goals_that_are_none_are_refused():
    for wrong in ({"budget_usd": 0.0}, {"quality": 1.2}, {"usd_per_point": -1.0}, {"n": 0},
                  {"budget_usd": 1.0, "quality": 0.5}):  # fmt: skip
        with pytest.raises(InputError):
            Goal(**wrong)


def priced(view, **prices):
    """The view, annotators at these prices; humans h1, h2 ... at `human`."""
    names = [who.name for who in view.panel.annotators]
    usd = np.array([prices.get(name, prices.get("human", np.nan)) for name in names])
    view.panel.labels["cost_usd"] = usd[view.panel.labels["annotator"]]
    return view_of(view.panel)


def one_row(choice, statistic, subject=None):
    [row] = [row for row in choice.rows
             if row.statistic == statistic and subject in (None, row.subject)]  # fmt: skip
    return row


def test_below_which_price_humans_cost_less_by_hand(tmp_path):
    store = small(tmp_path / "s.duckdb", 80)
    view = priced(view_of(read_panel(store, "d")), human=0.5, j=0.01)
    choice = choose_strategy(view, Goal(n=100, budget_usd=10))
    # 10 of 80 turn with the order, all go to a human: 2 x .01 + .125 x .5 = .0825 a comparison;
    # the judges' .02 is what a human costs on the other seven eighths at .02 / .875
    assert choice.strategies[choice.recommended].name == "j, 13% to a human: order flip"
    assert choice.cost_usd[choice.recommended] == pytest.approx(0.0825)
    even = one_row(choice, "break_even_usd_per_human_label")
    assert even.estimate == pytest.approx(0.02 / 0.875)
    assert 0.02 + 0.125 * even.estimate == pytest.approx(even.estimate)
    check(choice.rows)
    assert "below $0.023 a label humans alone would cost less" in " ".join(
        sentences(choice, Goal(n=100, budget_usd=10))
    )
    unknown = choose_strategy(priced(view, j=0.01), Goal())
    assert unknown.strategies[unknown.recommended].name == "one human"
    assert not [r for r in unknown.rows if r.statistic == "break_even_usd_per_human_label"]


def test_the_majority_of_the_others_by_hand(tmp_path):
    """Five humans a a a b b, a judge who says a: the same panels of four for both."""
    humans = ("h1", "h2", "h3", "h4", "h5")
    labels = [label(k, name, "aaabb"[i]) for k in range(40) for i, name in enumerate(humans)]
    labels += [label(k, "j", "a") for k in range(40)]
    kinds = dict.fromkeys(humans, HUMAN) | {"j": JUDGE}
    view = view_of(read_panel(store_of(tmp_path / "s", labels, kinds, n_items=40), "d"))
    choice = choose_strategy(view, Goal(), Match.MAJORITY)
    # one of three a's left out: a a b b, a counts 1/2; one of two b's: a a a b, the mode is a
    row, _ = figures(choice, "j")
    assert row.estimate == pytest.approx(3 / 5 * 1 / 2 + 2 / 5)
    assert row.reference == "human majority"
    row, _ = figures(choice, "one human")  # its own label: a where the mode is split, b never
    assert row.estimate == pytest.approx(3 / 5 * 1 / 2)
    assert not any("majority of" in each.name for each in choice.strategies)
    check(choice.rows)


def test_with_three_humans_each_the_majority_of_the_others_is_one_human(tmp_path):
    random, humans = np.random.default_rng(5), ("h1", "h2", "h3")
    labels = [label(k, name, "atb"[random.integers(3)]) for k in range(60)
              for name in (*humans, "j", "i")]  # fmt: skip
    kinds = dict.fromkeys(humans, HUMAN) | {"j": JUDGE, "i": JUDGE}
    view = view_of(read_panel(store_of(tmp_path / "s", labels, kinds, n_items=60), "d"))
    one, most = (choose_strategy(view, Goal(), match) for match in (Match.HUMAN, Match.MAJORITY))
    found = {each.name: q for each, q in zip(one.strategies, one.quality, strict=True)}
    for each, quality in zip(most.strategies, most.quality, strict=True):
        if "learned" not in each.name:
            assert quality == pytest.approx(found[each.name]), each.name


def noisy(path, n, seed=7):
    """Two judges of whom the dear one is hardly better; humans who agree. One item a prompt."""
    random = np.random.default_rng(seed)
    labels = [label(k, name, "ab"[k % 2]) for k in range(n) for name in ("h1", "h2")]
    for k in range(n):
        right, wrong = "ab"[k % 2], "ab"[1 - k % 2]
        labels += [label(k, name, right if random.random() < share else wrong)
                   for name, share in (("cheap", 0.7), ("dear", 0.75))]  # fmt: skip
    kinds = {"h1": HUMAN, "h2": HUMAN, "cheap": JUDGE, "dear": JUDGE}
    categories = ["x" if k % 4 < 2 else "y" for k in range(n)]
    return store_of(path, labels, kinds, n_items=n, categories=categories)


def test_too_few_labels_to_decide_is_said_with_how_many_more(tmp_path):
    goal = Goal(n=1000, budget_usd=50)
    view = priced(view_of(read_panel(noisy(tmp_path / "s", 80), "d")), human=1.0, cheap=0.001,
                  dear=0.04)  # fmt: skip
    choice = choose_strategy(view, goal)
    found = choice.undecided(goal)
    assert found is not None
    usd = choice.cost_usd[[choice.recommended, found.place]]
    assert usd.max() > 1.5 * usd.min()
    needed = dict(zip(choice.alike, choice.needed, strict=True))
    assert found.more_prompts == needed[found.place] - 80
    assert found.more_comparisons == found.more_prompts  # a comparison a prompt
    said = " ".join(sentences(choice, goal))
    assert "Too few human labels to decide between it and" in said
    assert f"about {found.more_prompts:,} more prompts ({found.more_comparisons:,} compar" in said
    # with the same price for both there is nothing to decide
    same = choose_strategy(priced(view, human=1.0, cheap=0.001, dear=0.001), Goal(budget_usd=1.4))
    assert same.undecided(goal) is None
    # in this sample `cheap` matches more often: where quality has a price, `dear` is out
    assert [choice.strategies[k].name for k in choice.alike] == ["dear"]
    assert choice.undecided(Goal(n=1000, usd_per_point=1)) is None


def test_juries_are_worth_less_than_their_members(tmp_path):
    labels = [label(k, name, "ab"[k % 2]) for k in range(100) for name in ("h1", "h2")]
    for k in range(100):
        right, wrong = "ab"[k % 2], "ab"[1 - k % 2]
        labels += [label(k, name, right if k % 5 else wrong) for name in ("j", "twin")]
        labels += [label(k, "i", right if k % 4 else wrong)]
    kinds = {"h1": HUMAN, "h2": HUMAN, "j": JUDGE, "twin": JUDGE, "i": JUDGE}
    view = view_of(read_panel(store_of(tmp_path / "s", labels, kinds, n_items=100), "d"))
    choice = choose_strategy(view, Goal())
    twins = "jury of j, twin"
    assert one_row(choice, "jury_error_correlation", twins).estimate == pytest.approx(1.0)
    assert one_row(choice, "jury_effective_size", twins).estimate == pytest.approx(1.0)
    # k % 5 == 0 and k % 4 == 0 meet as often as by chance: 5 of 100 = .2 x .25
    apart = "jury of i, j"
    assert one_row(choice, "jury_error_correlation", apart).estimate == pytest.approx(0, abs=1e-9)
    assert one_row(choice, "jury_effective_size", apart).estimate == pytest.approx(2.0)
    three = one_row(choice, "jury_effective_size", "jury of i, j, twin")
    assert three.estimate == pytest.approx(3 / (1 + 2 / 3))
    check(choice.rows)


def test_choosing_for_each_slice_is_scored_where_it_was_not_chosen(tmp_path):
    """j is right on x alone, three fifths, i on y alone: one choice for all is right on those."""
    n, labels = 100, []
    for k in range(n):
        right, wrong = "ab"[k % 2], "ab"[1 - k % 2]
        on_x = k % 5 < 3
        labels += [label(k, "h1", right), label(k, "h2", right)]
        labels += [label(k, "j", right if on_x else wrong), label(k, "i", wrong if on_x else right)]
    kinds = {"h1": HUMAN, "h2": HUMAN, "j": JUDGE, "i": JUDGE}
    categories = ["x" if k % 5 < 3 else "y" for k in range(n)]
    store = store_of(tmp_path / "s", labels, kinds, n_items=n, categories=categories)
    view = priced(view_of(read_panel(store, "d")), human=1.0, j=0.01, i=0.01)
    goal = Goal(n=1000, budget_usd=15)  # a judge alone
    choice = choose_strategy(view, goal)
    codes = slice_codes(view.panel, "category")[1]
    better, dearer = own_choice_rows(view, choice, goal, codes, "category")
    assert better.estimate == pytest.approx(0.4)
    assert better.low > 0.25
    assert dearer.estimate == pytest.approx(0.0)
    check([better, dearer])


def test_slices_that_differ_in_nothing_gain_nothing(tmp_path, run):
    path = noisy(tmp_path / "s", 120).path
    for name, usd in (("cheap", 0.001), ("dear", 0.04), (None, 1)):
        who = () if name is None else ("--annotator", name)
        assert run("price", "--store", path, *who, "--per-label", usd)[0] == 0
    arguments = ("strategy", "--store", path, "--by", "category", "--budget", 50)
    code, out, err = run(*arguments)
    assert code == 0, err
    assert "Choosing for each slice among the same strategies" in out
    assert "matches more often" not in out.replace("\n", " ")
    code, out, _ = run(*arguments, "--json", "--match", "majority")
    answer = json.loads(out)
    assert answer["match"] == "majority"
    assert [row["statistic"] for row in answer["slices"]] == [
        "own_choice_difference", "own_choice_usd_per_1000"]  # fmt: skip
    assert {each["slice"] for each in answer["choices"]} == {"all", "category=x", "category=y"}
    assert answer["choices"][0]["break_even_usd_per_human_label"] > 0


@pytest.mark.parametrize("goal", [{"n": 10**400}, {"budget_usd": 1e300}, {"usd_per_point": 1e-308}])
def test_a_goal_beyond_reason_is_refused(goal):
    with pytest.raises(InputError, match="a goal beyond reason"):
        Goal(**goal)


def two_and_one_begun(path, n, begun):
    """Two humans and judges `j` and `i` on n comparisons, `late` on the first `begun` of them."""
    random, humans = np.random.default_rng(7), ("h1", "h2")
    labels = [label(k, name, "ab"[random.integers(2)]) for k in range(n)
              for name in (*humans, "j", "i", *(("late",) if k < begun else ()))]  # fmt: skip
    kinds = dict.fromkeys(humans, HUMAN) | dict.fromkeys(("j", "i", "late"), JUDGE)
    return store_of(path, labels, kinds, n_items=n)


def test_a_judge_that_has_just_begun_is_not_tried_unless_it_is_named(tmp_path):
    view = view_of(read_panel(two_and_one_begun(tmp_path / "s", 300, 30), "d"))
    choice = choose_strategy(view, Goal())
    assert choice.n_items == 300
    assert not [each for each in choice.strategies if "late" in each.policy.judges]
    [said] = [note for note in choice.notes if "late" in note]
    assert said == ("not tried yet: late, with verdicts on 30 of the prompts that two humans "
                    "labelled, where another has 300; alone it is with concord strategy "
                    "--judge late")  # fmt: skip
    every = choose_strategy(view, Goal(), every_judge=True)
    assert every.n_items == 30
    assert not [note for note in every.notes if "not tried" in note]
    alone = view_of(read_panel(two_and_one_begun(tmp_path / "t", 300, 30), "d", None, ["late"]))
    assert choose_strategy(alone, Goal()).n_items == 30


@pytest.mark.parametrize(("n", "begun", "tried"), [(500, 199, 500), (500, 200, 200), (60, 30, 30)])
def test_half_of_the_others_or_200_prompts_are_enough(tmp_path, n, begun, tried):
    view = view_of(read_panel(two_and_one_begun(tmp_path / "s", n, begun), "d"))
    assert choose_strategy(view, Goal()).n_items == tried


def test_what_counts_is_verdicts_where_two_humans_labelled(tmp_path):
    """Failed replies take nobody's comparisons; a baseline is held against judges too."""
    humans, random = ("h1", "h2"), np.random.default_rng(9)
    upto = {"h1": 300, "h2": 300, "j": 100, "base": 10}
    labels = [label(k, name, "ab"[random.integers(2)]) for name in upto for k in range(upto[name])]
    labels += [label(k, "broken", "a" if k < 3 else "x") for k in range(300)]
    kinds = dict.fromkeys(humans, HUMAN) | {"j": JUDGE, "broken": JUDGE, "base": BASELINE}
    panel = read_panel(store_of(tmp_path / "s", labels, kinds, n_items=300), "d")
    view = view_of(panel, Rules())
    choice = choose_strategy(view, Goal())
    assert choice.n_items == 100
    said = " ".join(note for note in choice.notes if "not tried" in note)
    assert "broken, with verdicts on 3 " in said
    assert "base, with verdicts on 10 " in said
    part = choose_strategy(View(panel, Rules(), "category=x", np.arange(300) < 150), Goal())
    assert {name for each in part.strategies for name in each.policy.judges} == {"j"}
