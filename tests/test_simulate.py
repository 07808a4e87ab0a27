"""Simulated worlds: settings, draws against closed form, planted truths, and the data set made."""

import json
import tomllib
from dataclasses import fields, replace
from zlib import crc32

import numpy as np
import pytest
from scipy.special import expit, ndtr
from scipy.stats import kstest, logistic

from data.errors import InputError
from data.store import Store
from judges.judge import Orders
from pipelines.compare import compare
from pipelines.panel import read_panel
from pipelines.simulation.dataset import import_world, to_material
from pipelines.simulation.draw import (
    AB,
    BA,
    MISSING,
    UNASKED,
    Items,
    _quantile,
    class_probabilities,
    draw_items,
    simulate,
    stream,
)
from pipelines.simulation.planted import planted, truth_of
from pipelines.simulation.world import (
    Noise,
    Source,
    World,
    default_judges,
    read_world,
    template,
    world_of,
)
from pipelines.stats.agreement import agreement_with_one, pair_agreement, shares

SMALL = World(n_prompts=40, judges=default_judges(2))
RICH = World(
    n_prompts=4000,
    comparisons_per_prompt=1,
    style_effect=0.2,
    human=Source("human", orders="random", taste=0.4, position_bias=0.2, missing=0.1),
    judges=(
        Source("j", noise=0.7, tie_width=0.5, position_bias=0.6, length_bias=0.8, style_bias=-0.5,
               self_preference=0.9, model=2, taste=0.5, shared_errors=0.4, missing=0.2),
        Source("k", noise=1.4, orders="random", shared_errors=0.4),
        Source("one more", exchangeable=True),
    ),
)  # fmt: skip


def seed(name):
    return crc32(name.encode())


# settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_prompts": 0}, "n_prompts is 0: it must be between 1"),
        ({"n_prompts": 2.5}, "n_prompts is 2.5: it must be a whole number"),
        ({"n_prompts": True}, "n_prompts is True: it must be a whole number"),
        ({"comparisons_per_prompt": 7}, "comparisons_per_prompt is 7: it must be at most 6"),
        ({"humans_per_comparison": 6}, "humans_per_comparison is 6: it must be at most n_humans"),
        ({"models": (0.0,)}, "models is [0.0]: it must be at least two"),
        ({"models": 3}, "models is 3: it must be a list"),
        ({"categories": ()}, "categories is []: it must be at least one"),
        ({"categories": ("a\nb",)}, "categories"),
        ({"difficulty": float("nan")}, "difficulty is nan: it must be a number"),
        ({"response_errors": 1.5}, "response_errors is 1.5: it must be between 0 and 1"),
        ({"noise": "cauchy"}, "noise is cauchy: it must be one of logistic, probit"),
        ({"seed": -1}, "seed is -1: it must be 0 or more"),
        ({"judges": (Source("x"), Source("x"))}, "judges: the name 'x' is taken"),
        ({"judges": (Source("one human"),)}, "judges: the name 'one human' is taken"),
        ({"judges": (Source("human-1"),)}, "judges: the name 'human-1' is taken"),
        ({"judges": (Source("x", model=5),)}, "judge 'x': model is 5: it must be at most 4"),
        ({"human": Source("human", orders="both")}, "human: orders is both"),
        ({"human": Source("human", orders="ab", shared_errors=0.1)}, "human: shared_errors"),
    ],
)
def test_a_wrong_setting_is_named(changes, words):
    with pytest.raises(InputError) as caught:
        World(**changes)
    assert words in caught.value.what
    assert caught.value.fix


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"noise": 0}, "judge 'x': noise is 0: it must be between 0.01 and 100"),
        ({"noise": "1"}, "judge 'x': noise is 1: it must be a number"),
        ({"missing": 1.0}, "judge 'x': missing"),
        ({"tie_width": -0.1}, "judge 'x': tie_width"),
        ({"price_usd": -1}, "judge 'x': price_usd is -1: it must be 0 or more"),
        ({"orders": "none"}, "judge 'x': orders"),
        ({"self_preference": 1.0}, "judge 'x': self_preference"),
        ({"exchangeable": 1}, "judge 'x': exchangeable is 1: it must be true or false"),
        ({"exchangeable": True, "noise": 2.0}, "judge 'x': exchangeable, so"),
        ({"name": " x"}, "name"),
    ],
)
def test_a_wrong_setting_of_a_judge_is_named(changes, words):
    with pytest.raises(InputError) as caught:
        Source(**{"name": "x", **changes})
    assert words in caught.value.what


def test_the_template_is_the_default_world_and_names_every_setting():
    assert world_of(tomllib.loads(template())) == World(judges=default_judges(2))
    for each in (*fields(World), *fields(Source)):
        assert f"{each.name} =" in template() or each.name in ("human", "judges")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("n_prompt = 3", "no setting 'n_prompt'"),
        ("[human]\nnois = 3", "human: no setting 'nois'"),
        ("[[judges]]\nnois = 3", "judges: no setting 'nois'"),
        ("judges = 3", "judges is 3"),
        ("judges = [3]", "judges is 3: it must be a table"),
        ("human = 3", "human is 3: it must be a table"),
        ("n_prompts = ", "not TOML"),
        ("seed = " + "1" * 5000, "not TOML"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(tmp_path, text, words):
    path = tmp_path / "world.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_world(path)
    assert caught.value.what.startswith(f"{path}: ")
    assert words in caught.value.what


# draws


def one_item(quality, length=0.0, style=0.0, models=(0, 1)):
    row = np.zeros(1, dtype=np.int64)
    numbers = [np.array([x], dtype=float) for x in (quality, length, style)]
    both = np.zeros((2, 1))
    return Items(row, row, row + models[0], row + models[1], *numbers, np.zeros((1, 3)), both, both)


def test_class_probabilities_by_hand():
    # seen = 1 + .5 x 2 (length) - .25 x 2 (style) + .3 (its own model is a) + .2 (a shown first)
    #      = 2.0, in the other order 1.6; P(a) = F((2 - .4)/.8) = F(2), P(b) = F((-2 - .4)/.8)
    judge = Source("j", noise=0.8, tie_width=0.4, position_bias=0.2, length_bias=0.5,
                   style_bias=-0.25, self_preference=0.3, model=1)  # fmt: skip
    item = one_item(1.0, length=2.0, style=2.0)
    for noise, f in ((Noise.LOGISTIC, expit), (Noise.PROBIT, ndtr)):
        world = World(n_humans=0, humans_per_comparison=0, noise=noise, judges=(judge,))
        ab, ba = (class_probabilities(world, 0, item, order)[0] for order in (AB, BA))
        assert ab == pytest.approx([f(2), 1 - f(2) - f(-3), f(-3)], abs=1e-12)
        assert ba == pytest.approx([f(1.5), 1 - f(1.5) - f(-2.5), f(-2.5)], abs=1e-12)


def test_exchanging_the_slots_exchanges_the_classes():
    items, _ = draw_items(RICH, stream(RICH, 1))
    swapped = replace(
        items, model_a=items.model_b, model_b=items.model_a, quality=-items.quality,
        length=-items.length, style=-items.style, features=-items.features,
    )  # fmt: skip
    for k in range(len(RICH.sources)):
        here = class_probabilities(RICH, k, items, AB)
        there = class_probabilities(RICH, k, swapped, BA)
        assert there[:, ::-1] == pytest.approx(here, abs=1e-12)


@pytest.mark.parametrize("noise", list(Noise))
def test_labels_are_drawn_with_the_closed_form_probabilities(noise):
    data = simulate(replace(RICH, noise=noise, seed=seed(f"closed form {noise}")))
    for k in range(len(data.world.sources)):
        for order in (AB, BA):
            given = data.labels[k, order] >= 0
            p = class_probabilities(data.world, k, data.items, order)[given]
            drawn = data.labels[k, order][given][:, None] == np.arange(3)
            z = (drawn - p).sum(axis=0) / np.sqrt((p * (1 - p)).sum(axis=0) + 1e-12)
            assert np.abs(z).max() < 4.5  # 42 of them: beyond in one of 3,000 runs


def test_errors_of_a_logistic_world_are_logistic():
    normal = np.random.default_rng(seed("logistic")).normal(size=5000)
    assert kstest(_quantile(normal, Noise.LOGISTIC), logistic.cdf).pvalue > 1e-3
    far = logistic.ppf(ndtr(-9.0))
    assert _quantile(np.array([-9.0, 9.0]), Noise.LOGISTIC) == pytest.approx([far, -far])


def test_the_same_seed_gives_the_same_and_draws_differ_with_the_same_annotators():
    one, again, other = simulate(RICH), simulate(RICH), simulate(RICH, draw=1)
    assert np.array_equal(one.labels, again.labels)
    assert not np.array_equal(one.labels, other.labels)
    assert planted(RICH, 500) == planted(RICH, 500)
    assert planted(RICH, 500) != planted(replace(RICH, seed=1), 500)


def test_the_pairs_of_a_prompt_are_different_and_as_often_either_way():
    items, _ = draw_items(replace(SMALL, comparisons_per_prompt=6), stream(SMALL, 1))
    low, high = np.minimum(items.model_a, items.model_b), np.maximum(items.model_a, items.model_b)
    assert len(set(zip(items.prompt, low, high, strict=True))) == items.n == 240
    assert 80 < (items.model_a < items.model_b).sum() < 160  # 120 +- 5 SE


def test_differences_of_length_and_style_have_variance_one():
    items, _ = draw_items(RICH, stream(RICH, 1))
    for values in (items.length, items.style, items.features[:, 0]):
        assert values.var() == pytest.approx(1.0, abs=5 * np.sqrt(2 / items.n))
    assert items.length == pytest.approx((items.lengths[0] - items.lengths[1]) / np.sqrt(2))


def test_as_many_humans_as_asked_label_a_comparison_and_some_labels_are_missing():
    data = simulate(RICH)
    asked = (data.labels[:5] != UNASKED).sum(axis=(0, 1))
    assert set(asked.tolist()) == {3}
    missing = (data.labels[:5] == MISSING).sum() / asked.sum()
    assert missing == pytest.approx(0.1, abs=5 * np.sqrt(0.09 / asked.sum()))
    assert data.human_counts().sum() == (data.labels[:5] >= 0).sum()
    by_human = (data.labels[:5] != UNASKED).sum(axis=(1, 2))
    assert np.abs(by_human - 2400).max() < 5 * np.sqrt(4000 * 0.6 * 0.4)


@pytest.mark.parametrize(
    ("orders", "n_ab", "n_ba"), [("both", 120, 120), ("ab", 120, 0), ("ba", 0, 120)]
)
def test_orders_are_shown_as_asked(orders, n_ab, n_ba):
    data = simulate(replace(SMALL, judges=(Source("j", orders=orders),)))
    assert data.counts_by_order("j").sum(axis=(1, 2)).tolist() == [n_ab, n_ba]


def test_a_random_order_shows_each_comparison_once():
    data = simulate(replace(SMALL, judges=(Source("j", orders=Orders.RANDOM),)))
    ab, ba = data.counts_by_order("j").sum(axis=2)
    assert (ab + ba).tolist() == [1.0] * 120
    assert 33 < ab.sum() < 87  # 60 +- 5 SE


def test_a_steady_judge_flips_only_towards_the_response_shown_first():
    steady = Source("j", steadiness=1.0)
    ab, ba = simulate(replace(SMALL, judges=(steady,))).labels[-1]
    assert np.array_equal(ab, ba)
    ab, ba = simulate(replace(SMALL, judges=(replace(steady, position_bias=0.5),))).labels[-1]
    assert (ab <= ba).all()  # 0 is a
    assert (ab < ba).any()


def test_shared_errors_make_judges_alike_and_leave_their_agreement_with_humans():
    def world(share):
        judges = tuple(Source(name, noise=2.0, shared_errors=share) for name in "jk")
        return replace(SMALL, n_prompts=2000, judges=judges)

    apart, alike = simulate(world(0.0)).labels[-2:], simulate(world(0.9)).labels[-2:]
    assert (apart[0] == apart[1]).mean() + 0.1 < (alike[0] == alike[1]).mean()
    assert planted(world(0.0), 2000)[:12] == planted(world(0.9), 2000)[:12]


def test_a_stated_p_is_beyond_a_half_on_the_side_of_the_label():
    data = simulate(replace(SMALL, judges=(Source("j", confidence=2.0, missing=0.1),)))
    label, p_a = data.labels[-1], data.p_a[5]
    assert (p_a[label == 0] > expit(2 * 0.3)).all()
    assert (p_a[label == 2] < expit(-2 * 0.3)).all()
    assert np.abs(p_a[label == 1] - 0.5).max() < expit(0.6) - 0.5
    assert np.isnan(p_a[label == MISSING]).all()
    assert (label == MISSING).any()


# planted truths


def test_planted_truths_are_what_a_large_draw_measures():
    world = replace(RICH, n_prompts=40_000, seed=seed("large draw"))
    truths = planted(world, 40_000)
    data = simulate(world)
    humans = data.human_counts()
    two = humans.sum(axis=1) >= 2
    ceiling = pair_agreement(humans)[two]
    for name in ("j", "k", "one more"):
        agreement = agreement_with_one(shares(data.counts(name)), humans)
        ab, ba = data.counts_by_order(name)
        decided = (ab[:, 0] + ba[:, 2] - ab[:, 2] - ba[:, 0]) / 2
        measured = {
            "single_human_agreement": agreement[two],
            "gap": agreement[two] - ceiling,
            "position_delta": decided[(ab + ba).sum(axis=1) == 1],  # of single labels
        }
        for statistic, values in measured.items():
            values = values[np.isfinite(values)]
            truth = truth_of(truths, statistic, name)
            error = np.hypot(truth.error, values.std() / np.sqrt(len(values)))
            assert abs(values.mean() - truth.value) < 4.5 * error, (statistic, name)


def test_an_exchangeable_judge_has_gap_zero_but_not_where_tastes_last():
    world = replace(SMALL, judges=(Source("one more", exchangeable=True),))
    assert truth_of(planted(world, 2000), "gap", "one more").value == pytest.approx(0, abs=1e-15)
    tasteful = replace(world, human=replace(world.human, taste=1.5))
    truth = truth_of(planted(tasteful, 20_000), "gap", "one more")
    assert abs(truth.value) > 5 * truth.error


def test_two_who_always_toss_a_coin_by_hand():
    # Noise of 100 drowns the rest: a and b 1/2 each, agreement 1/2, kappa 0, first shown 1/2.
    judge = Source("j", noise=100, tie_width=0)
    human = replace(SMALL.human, noise=100, tie_width=0.0)
    truths = planted(replace(SMALL, human=human, judges=(judge,)), 5000)
    wanted = {"single_human_agreement": 0.5, "gap": 0.0, "cohen_kappa": 0.0,
              "first_shown_share": 0.5, "position_delta": 0.0, "longer_chosen_share": 0.5,
              "majority_agreement": 0.5}  # fmt: skip
    for statistic, value in wanted.items():
        assert truth_of(truths, statistic, "j").value == pytest.approx(value, abs=0.01)


def test_each_bias_moves_its_own_truth():
    def value(statistic, **settings):
        world = replace(SMALL, judges=(Source("j", **settings),))
        return truth_of(planted(world, 5000), statistic, "j").value

    assert value("position_delta") == pytest.approx(0, abs=1e-12)
    assert value("position_delta", position_bias=0.8) > 0.1
    assert value("position_delta", position_bias=-0.8) == pytest.approx(
        -value("position_delta", position_bias=0.8), abs=0.01
    )
    plain = value("longer_chosen_share")
    assert value("longer_chosen_share", length_bias=1.0) > plain + 0.1
    assert value("longer_chosen_share", style_bias=1.0) == pytest.approx(plain, abs=0.05)


def test_self_preference_chooses_its_own_model():
    judge = Source("j", self_preference=3.0, model=1)  # the weakest
    data = simulate(replace(SMALL, n_prompts=500, judges=(judge,)))
    own = data.items.model_a == 0
    a_share = shares(data.counts("j"))[:, 0]
    assert a_share[own].mean() > 0.6 > 0.5 > a_share[data.items.model_b == 0].mean()


@pytest.mark.parametrize(
    ("n_humans", "judges", "absent"),
    [(0, default_judges(1), "single_human_agreement"), (1, default_judges(1), "gap")],
)
def test_what_is_not_defined_is_left_out(n_humans, judges, absent):
    world = replace(SMALL, n_humans=n_humans, humans_per_comparison=n_humans, judges=judges)
    truths = planted(world, 500)
    assert truths
    assert absent not in {each.statistic for each in truths}
    assert all(np.isfinite(each.value) for each in truths)
    with pytest.raises(KeyError):
        truth_of(truths, absent, "judge-1")


def test_one_fixed_order_plants_no_position():
    truths = planted(replace(SMALL, judges=(Source("j", orders="ab", position_bias=1.0),)), 500)
    assert not [t for t in truths if t.subject == "j" and t.reference == "order shown"]


def test_the_smallest_world_is_one_comparison():
    world = World(n_prompts=1, comparisons_per_prompt=1, models=(0, 0), n_humans=1,
                  humans_per_comparison=1)  # fmt: skip
    assert simulate(world).labels.shape == (1, 2, 1)


# the data set


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "s.duckdb", create=True)


def test_what_is_imported_is_what_was_drawn(store):
    world = replace(RICH, n_prompts=60, judges=(*RICH.judges, *default_judges(1)))
    data = simulate(world)
    imported = import_world(store, world, "known")
    assert (imported.comparisons_new, imported.simulated) == (60, True)
    assert imported.labels_new == (data.labels != UNASKED).sum()
    panel = read_panel(store, "known")
    assert panel.simulated
    assert {who.name for who in panel.annotators} == {source.name for source in world.sources}
    with store.reading() as con:
        order = con.execute(
            """SELECT source_id FROM comparisons ORDER BY comparison_id"""
        ).fetchall()
    item = np.array([int(name.removeprefix("simulated-")) - 1 for (name,) in order])
    assert np.array_equal(panel.human_counts(), data.human_counts()[item])
    for k, who in enumerate(panel.annotators):
        mine = panel.ballots(k)
        assert np.array_equal(mine.counts[:2, :, :3], data.counts_by_order(who.name)[:, item])
    assert np.array_equal(panel.longer, np.sign(data.items.length[item]))
    assert len(set(panel.prompt.tolist())) == 60
    for found, planted_models in ((panel.model_a, data.items.model_a),
                                  (panel.model_b, data.items.model_b)):  # fmt: skip
        names = [panel.models[k] for k in found]
        assert names == [world.model_names[k] for k in planted_models[item]]


def test_prices_orders_and_stated_p_are_stored(store):
    world = replace(SMALL, judges=(Source("j", missing=0.3, confidence=1.0, price_usd=0.25),
                                   Source("k")))  # fmt: skip
    data = simulate(world)
    import_world(store, world, "known")
    sql = """SELECT name, count(*), sum(cost_usd), count(p_a), count(shown), count(seconds),
                    count(*) FILTER (status = 'parse_error')
             FROM labels JOIN annotators USING (annotator_id) WHERE kind = 'judge'
             GROUP BY name ORDER BY name"""
    with store.reading() as con:
        j, k = con.execute(sql).fetchall()
        [(cost,)] = con.execute("""SELECT sum(cost_usd) FROM labels
                                   JOIN annotators USING (annotator_id)
                                   WHERE kind = 'human'""").fetchall()
    missing = int((data.labels[5] == MISSING).sum())
    assert j == ("j", 240, 60.0, 240 - missing, 240, 0, missing)
    assert k == ("k", 240, None, 0, 240, 0, 0)  # an unknown price is unknown, never 0
    assert cost == 0.5 * 3 * 120


def test_texts_say_that_they_are_simulated_and_carry_the_planted_length():
    data = simulate(SMALL)
    comparisons = to_material(data, "known").comparisons
    for name in ("prompt", "response_a", "response_b"):
        assert all("imulated" in text for text in comparisons[name].to_pylist())
    lengths = [
        np.array([len(text) for text in comparisons[name].to_pylist()])
        for name in ("response_a", "response_b")
    ]
    assert np.corrcoef(np.log(lengths[0] / lengths[1]), data.items.length)[0, 1] > 0.99
    bare = to_material(data, "known", texts=False).comparisons
    assert bare["response_a"].null_count == bare.num_rows


def test_twice_adds_nothing_and_another_world_needs_another_name(store):
    import_world(store, SMALL, "known")
    again = import_world(store, SMALL, "known")
    assert (again.comparisons_new, again.labels_new) == (0, 0)
    with pytest.raises(InputError, match="another one") as caught:
        import_world(store, replace(SMALL, judges=default_judges(1)), "known")
    assert "concord datasets remove known" in caught.value.fix


def test_the_report_finds_what_was_planted(store):
    world = World(n_prompts=400, seed=seed("report"), judges=(
        Source("j", position_bias=0.6), Source("k", noise=2.0, length_bias=1.0)))  # fmt: skip
    import_world(store, world, "known")
    rows = {
        (row.statistic, row.subject, row.reference): row
        for row in compare(store, "known")
        if row.slice == "all"
    }
    found = 0
    for truth in planted(world):
        row = rows.get((truth.statistic, truth.subject, truth.reference))
        if row is not None and row.low is not None:
            error = np.hypot((row.high - row.low) / 2 / 1.96, truth.error)
            assert abs(row.estimate - truth.value) < 4.5 * error, truth
            found += 1
    assert found >= 11  # five of each judge, and the humans' ceiling or order


# the command


def test_the_command_makes_a_data_set_and_says_what_was_planted(run):
    code, out, err = run(
        "simulate",
        "--dataset",
        "known",
        "--prompts",
        30,
        "--humans",
        2,
        "--judges",
        1,
        "--position-bias",
        0.5,
    )
    assert code == 0, err
    assert "judge-1" in out
    assert "known  (simulated labels)" in err
    assert "90 comparisons new" in err
    assert "next: concord report --store concord.duckdb --dataset known" in err


def test_options_go_before_the_file(run, tmp_path):
    code, out, _ = run("simulate", "--template")
    assert code == 0
    (tmp_path / "world.toml").write_text(out.replace("n_prompts = 300", "n_prompts = 30"))
    code, out, err = run(
        "simulate",
        "--dataset",
        "x",
        "--config",
        "world.toml",
        "--seed",
        5,
        "--length-bias",
        0.7,
        "--comparisons-per-prompt",
        2,
        "--json",
    )
    assert code == 0, err
    result = json.loads(out)
    world = result["world"]
    assert (world["n_prompts"], world["comparisons_per_prompt"], world["seed"]) == (30, 2, 5)
    assert [judge["length_bias"] for judge in world["judges"]] == [0.7, 0.7]
    assert result["imported"]["comparisons_new"] == 60
    assert {"statistic", "subject", "reference", "value", "error"} == set(result["planted"][0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no name for the data set"),
        (("--dataset", " x"), "cannot be the name"),
        (("--dataset", "x", "--prompts", "0"), "n_prompts is 0"),
        (("--dataset", "x", "--comparisons-per-prompt", "40"), "comparisons_per_prompt is 40"),
        (("--dataset", "x", "--config", "none.toml"), "none.toml"),
    ],
)
def test_what_cannot_be_simulated_is_said_and_leaves_no_store(run, tmp_path, arguments, words):
    code, out, err = run("simulate", *arguments)
    assert (code, out) == (3, "")
    assert err.startswith("error: ")
    assert words in err
    assert not (tmp_path / "concord.duckdb").exists()
