"""Audits: by hand, by ppi-python's formulas, planted truths, real data, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from scipy.stats import norm, t

from app.auditing import plan_sentences, sentences
from data.errors import InputError
from data.formats.material import COMPARISONS, LABELS, Material, table
from data.imports import import_material
from data.records import Annotator
from data.store import Store
from pipelines.audit import (
    BY_BOTH,
    BY_HUMANS,
    BY_JUDGE,
    EACH_ALONE,
    NO_MODELS,
    NOT_FORETOLD,
    OPTIMISTIC,
    ROUTED,
    audit,
    audit_of,
)
from pipelines.estimates import ALL, Estimate
from pipelines.inclusion import (
    ALL_LABELLED,
    AT_RANDOM,
    BY_PROBABILITY,
    Inclusion,
    check_everyone_had_a_chance,
    inclusion_of,
)
from pipelines.ingest import ingest
from pipelines.panel import Panel, read_panel
from pipelines.sections.view import Rules, View
from pipelines.simulation.draw import simulate
from pipelines.simulation.world import HUMAN as A_HUMAN
from pipelines.simulation.world import Source, World
from pipelines.stats.agreement import agreement_with_one, shares
from pipelines.stats.audit import Pool, moments, most_gain, uncertainty
from pipelines.stats.ppi import (
    CONSTANT,
    NO_OTHERS,
    ONE_PROMPT,
    Prices,
    optimal_allocation,
    routed_mean,
)
from pipelines.stats.ranking import model_points
from tests.estimating import HUMAN, JUDGE, check, label
from tests.gates_beyond_agreement import panel_of
from tests.gating import coverage_bounds

KINDS = {"h": HUMAN, "j": JUDGE}


def made(path, human, judge, *, models=("m", "o"), prompts=None, more=(), kinds=KINDS, **rest):
    """A store whose comparison i got these marks of h and j; a space is none."""
    prompts = range(len(judge)) if prompts is None else prompts
    comparisons = [
        {"item": i, "source_id": f"c{i}", "prompt_key": f"p{p}", "prompt": f"prompt {p}",
         "response_a": f"answer {i}", "response_b": f"reply {i}!",
         "model_a": models and models[0], "model_b": models and models[1]}
        for i, p in enumerate(prompts)
    ]  # fmt: skip
    labels = [label(i, who, mark, **rest.get(who, {}))
              for who, marks in (("h", human), ("j", judge), *more)
              for i, mark in enumerate(marks) if mark.strip()]  # fmt: skip
    annotators = tuple(Annotator(kind, name, "d") for name, kind in kinds.items())
    store = Store(path, create=True)
    import_material(store, Material("d", "test", table(comparisons, COMPARISONS),
                                    table(labels, LABELS), annotators, "0"))  # fmt: skip
    return store


def picked(found, statistic, about, method=""):
    [row] = [row for row in found.rows if (row.statistic, row.reference) == (statistic, about)
             and row.method.startswith(method)]  # fmt: skip
    return row


def numbers(row):
    return [row.estimate, row.low, row.high]


# By hand: 20 comparisons of 20 prompts with both labels, m preferred in 10 by humans. The judge
# says m in 8 of these 10 and in 2 of the others; and in 15 of 20 further ones.

BY_HAND = "a" * 10 + "b" * 10 + " " * 20, "a" * 8 + "b" * 2 + "a" * 2 + "b" * 8 + "a" * 15 + "b" * 5


def test_by_hand(tmp_path):
    [found] = audit(made(tmp_path / "s.duckdb", *BY_HAND), "d")
    check(found.rows)
    assert (found.judge, found.n_human, found.n_judge_only, found.n_prompts) == ("j", 20, 20, 20)
    assert picked(found, "win_rate", "model m", BY_HUMANS).estimate == pytest.approx(0.5)
    assert picked(found, "win_rate", "model m", BY_JUDGE).estimate == pytest.approx(25 / 40)
    # lam = (.15/20) / (.25/20 + .1875/20), theta = .5 + lam (.75 - .5), r = .15/.25
    lam = 0.15 / 0.4375
    both = picked(found, "win_rate", "model m", BY_BOTH)
    assert both.estimate == pytest.approx(0.5 + lam / 4)
    assert both.low < both.estimate < both.high
    assert picked(found, "audit_weight", "model m").estimate == pytest.approx(lam)
    assert picked(found, "audit_correlation", "model m").estimate == pytest.approx(0.6)
    assert picked(found, "win_rate_difference", "model m").estimate == pytest.approx(0)
    # the other model: the same from the other side
    other = picked(found, "win_rate", "model o", BY_BOTH)
    assert numbers(other) == pytest.approx([1 - both.estimate, 1 - both.high, 1 - both.low])
    assert (both.n_items, both.n_labels, both.n_prompts) == (40, 60, 20)
    alone = picked(found, "win_rate", "model m", BY_HUMANS)
    assert (alone.subject, alone.n_items, alone.n_labels) == ("humans", 20, 20)
    assert AT_RANDOM in found.notes
    assert EACH_ALONE.format(n=2) in found.notes
    assert OPTIMISTIC.format(n=50) in found.notes


def test_a_judge_is_foretold_by_the_others_or_by_its_certainty(tmp_path):
    human, judge = BY_HAND
    other = "ab" * 20
    store = made(tmp_path / "s.duckdb", human, judge, more=(("k", other),),
                 kinds=KINDS | {"k": JUDGE})  # fmt: skip
    [found] = audit(store, "d", judges=["j"])
    assert [each.judge for each in audit(store, "d", judges=["k", "j"])] == ["k", "j"]
    assert found.foretold == "how often k gave the same label"
    agree = np.array([x == y for x, y in zip(human, judge, strict=True)], dtype=float)
    agree[20:] = np.nan
    same = np.array([x == y for x, y in zip(judge, other, strict=True)], dtype=float)
    expected = Pool(agree, same, np.arange(40)).mean()
    row = picked(found, "single_human_agreement", "one human", BY_BOTH)
    assert numbers(row) == pytest.approx(
        [expected.mean.estimate, expected.mean.low, expected.mean.high]
    )
    [found] = audit(made(tmp_path / "t.duckdb", human, judge, j={"p_a": 0.7}), "d")
    assert found.foretold == "the certainty that it stated"
    assert picked(found, "single_human_agreement", "one human", BY_BOTH).note == CONSTANT
    [found] = audit(made(tmp_path / "u.duckdb", human, judge), "d")
    assert found.foretold is None
    row = picked(found, "single_human_agreement", "one human", BY_BOTH)
    assert (row.estimate, row.note) == (None, NOT_FORETOLD)
    alone = picked(found, "single_human_agreement", "one human", BY_HUMANS)
    assert alone.estimate == pytest.approx(16 / 20)


def test_on_independent_comparisons_it_is_what_ppi_python_computes():
    # Their lam takes one variance of f over both samples, their interval takes lam as known: at
    # this size a percent.
    r = np.random.default_rng(crc32(b"ppi-python"))
    quality = r.normal(size=6000)
    human = (quality + 0.5 * r.normal(size=6000) > 0).astype(float)
    judge = (quality + 0.8 * r.normal(size=6000) > 0.2).astype(float)
    y, f, others = human[:1000], judge[:1000], judge[1000:]
    lam = np.cov(y, f)[0, 1] / ((1 + 1 / 5) * judge.var(ddof=1))
    at = y.mean() + lam * (others.mean() - f.mean())
    error = np.sqrt((y - lam * f).var() / 1000 + lam**2 * others.var() / 5000)
    asked = np.arange(6000) < 1000
    found = Pool(np.where(asked, human, np.nan), judge, np.arange(6000)).mean().mean
    assert found.estimate == pytest.approx(at, abs=0.05 * error)
    assert found.high - found.low == pytest.approx(2 * norm.ppf(0.975) * error, rel=0.01)


# planted truths

# 60 prompts of 4 comparisons among 3 models; humans label all of 30 prompts, or some of each.
WORLD = World(
    n_prompts=60,
    comparisons_per_prompt=3,
    n_humans=3,
    humans_per_comparison=1,
    models=(0.0, 0.4, 0.8),
    human=replace(A_HUMAN, noise=0.6),
    judges=(
        Source("sharp", noise=0.5, length_bias=0.8, shared_errors=0.3),
        Source("dull", noise=1.5, shared_errors=0.3),
    ),
)
WORLDS = 200


def restricted(panel: Panel, keep) -> Panel:
    """The panel with the human labels of these comparisons only."""
    kept = ~np.isin(panel.labels["annotator"], panel.indices(HUMAN)) | keep[panel.labels["item"]]
    labels = {name: column[kept] for name, column in panel.labels.items()}
    return replace(panel, labels=labels, _cache={}, _humans=None)


def view_of(panel: Panel) -> View:
    return View(panel, Rules(), ALL, np.ones(panel.n_items, dtype=bool))


def truths(world: World) -> dict[str, tuple[float, float]]:
    """Win rate of model-3 by humans, and agreement of `sharp`, with what a large draw leaves."""
    data = simulate(replace(world, n_prompts=20_000), draw=10**9)
    humans = data.human_counts()
    mine = (data.items.model_a == 2) | (data.items.model_b == 2)
    points = model_points(humans, data.items.model_a, 2)[mine]
    agree = agreement_with_one(shares(data.counts("sharp")), humans)
    return {"model model-3": points.mean(), "one human": agree.mean()}


def test_intervals_cover_the_planted_truth():
    world = replace(WORLD, seed=crc32(b"audit"))
    expected = truths(world)
    covered = dict.fromkeys(expected, 0)
    widths = []
    for draw in range(WORLDS):
        panel = panel_of(simulate(world, draw))
        asked = np.random.default_rng([world.seed, draw]).permutation(60)[panel.prompt] < 25
        found = audit_of(view_of(restricted(panel, asked)), 3, Inclusion(None))
        for about in expected:
            statistic = "win_rate" if about != "one human" else "single_human_agreement"
            row = picked(found, statistic, about, BY_BOTH)
            covered[about] += row.low <= expected[about] <= row.high
        widths.append([np.ptp(numbers(picked(found, "win_rate", "model model-3", method))[1:])
                       for method in (BY_HUMANS, BY_BOTH)])  # fmt: skip
    low, high = coverage_bounds(WORLDS, len(covered))
    for about, hits in covered.items():
        assert low <= hits / WORLDS <= high, about
    humans, both = np.mean(widths, axis=0)
    assert both < 0.95 * humans  # and it pays


def clustered(r, n_prompts, per_prompt):
    """Human and judge scores in [0, 1] whose prompts shift both."""
    prompts = np.repeat(np.arange(n_prompts), per_prompt)
    quality = r.normal(size=n_prompts)[prompts] + r.normal(size=len(prompts))
    human = (quality + 0.6 * r.normal(size=len(prompts)) > 0).astype(float)
    noise = 0.6 * r.normal(size=n_prompts)[prompts] + 0.6 * r.normal(size=len(prompts))
    return human, 1 / (1 + np.exp(-(quality + noise + 0.5))), prompts


def test_intervals_of_correlation_and_gain_cover_those_of_a_large_sample():
    def pool(r, times=1):
        human, judge, prompts = clustered(r, 160 * times, 3)
        return Pool(np.where(prompts < 40 * times, human, np.nan), judge, prompts)

    n, seed = 120, crc32(b"uncertainty")
    large = pool(np.random.default_rng(seed), 200).mean()
    hits = np.zeros(2)
    for k in range(n):
        one = pool(np.random.default_rng([seed, k]))
        limits = uncertainty(one, one.mean())
        for place, truth in enumerate((large.correlation, large.gain)):
            hits[place] += limits[place].low <= truth <= limits[place].high
    assert (hits >= 0.86 * n).all()  # 1 in 2,000 where they cover in 95%


# invariances


def test_the_names_of_slots_change_nothing():
    panel = panel_of(simulate(replace(WORLD, seed=7)))
    panel = restricted(panel, panel.prompt < 30)
    turned = np.arange(panel.n_items) % 2 == 0
    labels, at = panel.labels, turned[panel.labels["item"]]
    preference, shown = labels["preference"], labels["shown"]
    other_one = np.where(at & (preference >= 0), 2 - preference, preference)
    other = replace(
        panel, _cache={}, _humans=None,
        model_a=np.where(turned, panel.model_b, panel.model_a),
        model_b=np.where(turned, panel.model_a, panel.model_b),
        labels={**labels, "preference": other_one, "shown": np.where(at, 1 - shown, shown)},
    )  # fmt: skip
    one, two = (audit_of(view_of(each), 3, Inclusion(None)) for each in (panel, other))
    check(one.rows)
    for first, second in zip(one.rows, two.rows, strict=True):
        assert first.statistic == second.statistic
        assert [x and round(x, 10) for x in numbers(first)] == pytest.approx(
            [x and round(x, 10) for x in numbers(second)]
        )


# real data whose humans are missing for 70% of the comparisons


@pytest.mark.parametrize("judge", ["gpt-3.5-turbo", "pandalm-7b"])
def test_pandalm_with_few_humans_finds_what_all_of_them_say(real_data, tmp_path, judge):
    store = Store(tmp_path / "s.duckdb", create=True)
    list(ingest(store, "pandalm", real_data / "pandalm"))
    panel = read_panel(store, "pandalm")
    names = [who.name for who in panel.annotators]
    everything = audit_of(view_of(panel), names.index(judge), Inclusion(None))
    kept = np.random.default_rng(crc32(b"pandalm")).random(panel.n_items) < 0.3
    found = audit_of(view_of(restricted(panel, kept)), names.index(judge), Inclusion(None))
    check(found.rows)
    widths = []
    for model in panel.models:
        humans = picked(everything, "win_rate", f"model {model}", BY_HUMANS)
        both, few = (picked(found, "win_rate", f"model {model}", m) for m in (BY_BOTH, BY_HUMANS))
        assert both.low <= humans.estimate <= both.high, model
        widths.append([few.high - few.low, both.high - both.low])
    few, both = np.mean(widths, axis=0)
    assert both < 0.93 * few
    assert (picked(everything, "win_rate", "model llama-7b", BY_BOTH).note) == NO_OTHERS


# which comparisons humans labelled


def columns(n, known, p, assigned=None, queue=None):
    """Columns of the query: how many human labels, and probabilities; NaN is none."""
    nothing = [np.nan] * len(n)
    return {
        "n": np.array(n), "n_known": np.array(known), "least": np.array(p, float),
        "most": np.array(p, float), "assigned": np.array(assigned or nothing, float),
        "queue": np.array(queue or [None] * len(n), object),
    }  # fmt: skip


def test_what_is_stored_decides_how_labels_weigh():
    nan = np.nan
    assert inclusion_of(columns([1, 1], [0, 0], [nan, nan]), []).notes == (ALL_LABELLED,)
    assert inclusion_of(columns([1, 0], [0, 0], [nan, nan]), []).notes == (AT_RANDOM,)
    found = inclusion_of(columns([1, 0, 2], [1, 0, 2], [0.25, nan, 0.5]), [])
    np.testing.assert_array_equal(found.probability, [0.25, nan, 0.5])
    assert found.notes == (BY_PROBABILITY,)
    mixed = columns([2, 1, 0], [1, 0, 0], [0.5, nan, nan], [0.5, 0.5, nan], ["audit"] * 2 + [None])
    np.testing.assert_array_equal(inclusion_of(mixed, ["p"]).probability, [0.5, 0.5, nan])
    # two of three audits are labelled: each stands for more
    sent = columns([1, 1, 1, 0, 0], [0] * 5, [nan] * 5, [1, 0.3, 0.3, 0.3, nan],
                   ["routed", "audit", "audit", "audit", None])  # fmt: skip
    found = inclusion_of(sent, ["p"])
    np.testing.assert_allclose(found.probability, [1, 0.2, 0.2, 0.2, nan])
    assert "1 of 3 comparisons of the queue 'audit' are not labelled yet" in found.notes[1]


def test_an_audit_that_was_made_larger_counts_with_the_larger_probability():
    """Both draw by the same number: all were asked whose number lies below the larger one."""
    nan = np.nan
    queue = ["audit"] * 4 + [None]
    larger = columns([1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0.05] + [nan] * 4, [0.1] * 4 + [nan], queue)
    found = inclusion_of(larger, ["p"])
    np.testing.assert_allclose(found.probability, [0.05] * 4 + [nan])  # 0.1 of which half is there
    smaller = columns([1, 0], [1, 0], [0.5, nan], [0.2, 0.2], ["audit"] * 2)
    assert inclusion_of(smaller, ["p"]).probability[0] == 0.25


def routed_pool(drawn, certain=200, left=1000):
    """So many labelled by chance, so many for certain, and those left over, each its own prompt."""
    r = np.random.default_rng(crc32(b"routed pool"))
    n = drawn + certain + left
    judge = r.random(n)
    human = np.where(r.random(n) < judge, 1.0, 0.0)
    human[drawn + certain :] = np.nan
    chance = np.full(n, drawn / max(1, drawn + left))
    chance[drawn : drawn + certain] = 1.0
    return Pool(human, judge, np.arange(n), np.maximum(chance, 0.001))


def test_what_was_sent_for_certain_tells_nothing_of_the_rest():
    few = routed_pool(19)
    assert few.drawn == 19
    found = few.mean()
    for each in (found.mean, found.humans, few.difference()):
        assert each.estimate is not None
        assert each.low is each.high is None
        assert "19 of 20 drawn by chance" in each.note
    assert found.gain is found.correlation is None
    none_drawn = routed_pool(0)
    assert none_drawn.drawn == 0
    assert none_drawn.mean().mean.low is None


def test_an_interval_has_the_degrees_of_freedom_of_the_drawn():
    pool = routed_pool(25)
    plain = routed_mean(pool.human, pool.judge, pool.clusters, pool.probability, bounds=(0, 1)).mean
    wider = pool.mean().mean
    factor = t.ppf(0.975, 24) / t.ppf(0.975, 224)
    assert wider.high - wider.estimate == pytest.approx(factor * (plain.high - plain.estimate))
    assert wider.note == "few prompts: read with caution"


def test_a_pool_that_is_all_labelled_or_a_random_part_is_as_it_was():
    pool = routed_pool(30, left=0)
    assert pool.drawn is None
    assert pool.mean().humans.low is not None
    assert replace(routed_pool(5), probability=None).drawn is None


def test_what_cannot_be_weighed_is_refused():
    nan = np.nan
    cases = [
        (columns([1, 1, 0], [1, 0, 0], [0.5, nan, nan]), [], "1 of 2 .* no sampling probability"),
        (columns([2, 0, 0], [1, 0, 0], [0.5, nan, nan]), [], "1 of 1 .* no sampling probability"),
        (columns([1, 0, 0], [0] * 3, [nan] * 3, [1, 0.1, nan], ["routed", "audit", None]), ["p"],
         "none of the 1 comparisons of the queue 'audit'"),
        (columns([1, 0], [0, 0], [nan] * 2, [0.5, nan], ["audit", None]), ["p", "q"], "2 policies"),
    ]  # fmt: skip
    for given, policies, message in cases:
        with pytest.raises(InputError, match=message):
            inclusion_of(given, policies)


def test_everyone_must_have_had_a_chance():
    r = np.random.default_rng(crc32(b"chance"))
    p = r.uniform(0.05, 1, 3000)
    check_everyone_had_a_chance(p, r.random(3000) < p)
    routed = p > 0.5  # a router without an audit
    with pytest.raises(InputError, match="there are 3,000"):
        check_everyone_had_a_chance(np.where(routed, 1.0, np.nan), routed)


def test_routed_labels_weigh_by_their_probability(tmp_path):
    # Humans prefer m wherever they were sent one in four, and never where they were sent all.
    sure = ["a" if k % 4 == 0 else " " for k in range(120)]
    store = made(tmp_path / "s.duckdb", "".join(sure) + "b" * 80, "a" * 110 + "b" * 90)
    [plain] = audit(store, "d")
    assert picked(plain, "win_rate", "model m", BY_HUMANS).estimate == pytest.approx(30 / 110)
    with store.writing() as con:
        con.execute("""INSERT INTO assignments
            SELECT dataset, comparison_id, CASE WHEN item < 120 THEN 'audit' ELSE 'routed' END, 'p',
                   0, CASE WHEN item < 120 THEN .25 ELSE 1 END, TIMESTAMP '2026-01-01'
            FROM (SELECT *, substr(source_id, 2)::INTEGER AS item FROM comparisons)
            WHERE item >= 120 OR item % 4 = 0""")
    [found] = audit(store, "d", budget_usd=10)
    check(found.rows)
    assert picked(found, "win_rate", "model m", BY_HUMANS).estimate == pytest.approx(120 / 200)
    # the judge says m in 28 of the 30 drawn one in four: 28 4 / 200 less 120 / 200
    assert picked(found, "win_rate_difference", "model m").estimate == pytest.approx(-0.04)
    human = np.where([mark == "a" for mark in sure] + [False] * 80, 1.0, np.nan)
    human[120:] = 0
    expected = Pool(human, np.repeat([1.0, 0.0], [110, 90]), np.arange(200),
                    np.repeat([0.25, 1.0], [120, 80])).mean().mean  # fmt: skip
    row = picked(found, "win_rate", "model m", BY_BOTH)
    assert row.method.endswith("weights=1/probability")
    assert numbers(row) == pytest.approx([expected.estimate, expected.low, expected.high])
    assert BY_PROBABILITY in found.notes
    assert ROUTED in found.notes
    assert found.plan is None
    with store.writing() as con:
        con.execute("DELETE FROM assignments WHERE queue = 'audit'")
    with pytest.raises(InputError, match=r"30 of 110 .* no sampling probability"):
        audit(store, "d")


# a budget


def test_moments_of_single_comparisons_are_their_variances():
    r = np.random.default_rng(crc32(b"moments"))
    human, judge = r.random(60), r.random(60)
    found = moments([Pool(human, judge, np.arange(60))], np.arange(60))
    assert found.human_variance == pytest.approx(human.var(ddof=1))
    assert found.judge_variance == pytest.approx(judge.var(ddof=1))
    assert found.correlation.estimate == pytest.approx(np.corrcoef(human, judge)[0, 1])
    assert most_gain(0.5) == pytest.approx(4 / 3)
    assert most_gain(-0.5) == 1


def with_prices(store, human, judge):
    with store.writing() as con:
        con.execute("UPDATE labels SET cost_usd = CASE WHEN annotator_id IN (SELECT annotator_id "
                    "FROM annotators WHERE kind = 'human') THEN ? ELSE ? END",
                    [human, judge])  # fmt: skip
    return store


def test_a_budget_is_spent_as_the_arithmetic_says(tmp_path):
    store = with_prices(made(tmp_path / "s.duckdb", *BY_HAND), 1.0, 0.01)
    [found] = audit(store, "d", budget_usd=100)
    plan = found.plan
    assert plan.correlation.estimate == pytest.approx(0.6)
    best, _ = optimal_allocation(100, Prices(1.0, 0.01, 5 / 19, 5 / 19, 0.6))
    assert (plan.allocation.n_human, plan.allocation.n_judge_only) == (
        best.n_human, best.n_judge_only,
    )  # fmt: skip
    assert plan.n_humans_only == 100
    assert plan.human_half_width == pytest.approx(1.9842 * np.sqrt(5 / 19 / 100), rel=1e-4)
    assert plan.half_width < plan.human_half_width
    assert plan.gains[0] < best.gain < plan.gains[1] <= most_gain(plan.correlation.high)
    rows = [row for row in found.rows if row.statistic == "audit_half_width"]
    assert [row.estimate for row in rows] == [plan.human_half_width, plan.half_width]
    said = " ".join(plan_sentences(found))
    assert f"both on {best.n_human} prompts and j alone on {best.n_judge_only:,} more" in said
    assert "at most 1.56 times; twice takes a correlation of 0.71" in said


def test_a_judge_that_is_dear_or_knows_nothing_is_not_bought(tmp_path):
    dear = with_prices(made(tmp_path / "s.duckdb", *BY_HAND), 1.0, 0.9)
    blind = with_prices(made(tmp_path / "t.duckdb", BY_HAND[0], "abba" * 10), 1.0, 0.01)
    for store in (dear, blind):
        [found] = audit(store, "d", budget_usd=100)
        assert found.plan.human_only
        assert found.plan.allocation.n_human == found.plan.n_humans_only == 100
        assert "humans only, 100 prompts" in " ".join(plan_sentences(found))
        assert "j does not pay" in " ".join(plan_sentences(found))


def test_without_prices_or_with_little_money_there_is_no_plan(tmp_path):
    store = made(tmp_path / "s.duckdb", *BY_HAND)
    [found] = audit(store, "d", budget_usd=100)
    assert found.plan is None
    assert "price not known of humans, j: concord price sets one" in found.notes
    [found] = audit(with_prices(store, 1.0, 0.01), "d", budget_usd=5)
    assert (found.plan, found.notes[-1]) == (
        None, "the budget or the pool has 5 prompts for humans, of 20 needed",
    )  # fmt: skip


# degenerate cases


def test_without_humans_or_judges_or_both_at_once_there_is_no_audit(tmp_path):
    cases = [(" " * 4, "abab", "no human"), ("abab", " " * 4, "no judge"),
             ("ab  ", "  ab", "no comparison in common")]  # fmt: skip
    for k, (human, judge, message) in enumerate(cases):
        with pytest.raises(InputError, match=message):
            audit(made(tmp_path / f"{k}.duckdb", human, judge), "d")
    with pytest.raises(InputError, match="no labels of a judge 'gpt'") as caught:
        audit(made(tmp_path / "s.duckdb", *BY_HAND), "d", judges=["gpt"])
    assert caught.value.fix == "There are: j."


def test_where_humans_labelled_everything_they_are_the_answer(tmp_path):
    [found] = audit(made(tmp_path / "s.duckdb", "ab" * 15, "abba" * 7 + "ab"), "d")
    check(found.rows)
    row = picked(found, "win_rate", "model m", BY_BOTH)
    assert (row.estimate, row.note) == (None, NO_OTHERS)
    assert picked(found, "win_rate", "model m", BY_HUMANS).low is not None
    first = next(iter(sentences(found)))
    assert first.startswith("Humans have labelled every comparison that j has")


def test_one_prompt_and_a_constant_judge_and_no_models(tmp_path):
    one = made(tmp_path / "s.duckdb", "aab   ", "ababab", prompts=[0, 0, 0, 1, 2, 3])
    [found] = audit(one, "d")
    check(found.rows)
    assert picked(found, "win_rate", "model m", BY_BOTH).note == ONE_PROMPT
    assert f"cannot be said: {ONE_PROMPT}" in next(iter(sentences(found)))
    [found] = audit(made(tmp_path / "t.duckdb", "ab" * 15 + " " * 30, "a" * 60), "d")
    check(found.rows)
    assert picked(found, "win_rate", "model m", BY_BOTH).note == CONSTANT
    assert picked(found, "effective_prompts", "model m").estimate is None
    [found] = audit(made(tmp_path / "u.duckdb", *BY_HAND, models=None), "d")
    check(found.rows)
    assert NO_MODELS in found.notes
    assert {row.reference for row in found.rows} == {"one human"}


def test_by_default_it_is_the_judge_with_most_labels(tmp_path):
    fewer = "ab" * 15 + " " * 10
    kinds = {"h": HUMAN, "a-few": JUDGE, "j": JUDGE}
    store = made(tmp_path / "s.duckdb", *BY_HAND, more=(("a-few", fewer),), kinds=kinds)
    assert [each.judge for each in audit(store, "d")] == ["j"]


def test_few_prompts_have_estimates_without_intervals(tmp_path):
    human, judge = BY_HAND
    [found] = audit(made(tmp_path / "s.duckdb", human[2:], judge[2:]), "d", budget_usd=100)
    check(found.rows)
    row = picked(found, "win_rate", "model m", BY_BOTH)
    assert row.estimate is not None
    assert row.low is None
    assert "too few prompts for an interval (18 of 20)" in row.note
    assert picked(found, "effective_prompts", "model m").estimate is None


# words


def worth(model, estimate, low, high):
    return Estimate("audit", "j", f"model {model}", "overall", "effective_prompts", BY_BOTH, ALL,
                    estimate, low, high, 30, 30, 90, "prompts")  # fmt: skip


def apart(model, estimate, low, high):
    return Estimate("audit", "j", f"model {model}", "overall", "win_rate_difference", "", ALL,
                    estimate, low, high, 30, 30, 90, "share difference")  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([worth("m", 39, 33, 48)],
         ["Beside j's labels, human labels count 1.30 times [1.10, 1.60] for m (30 as 39 "
          "prompts)."]),
        ([worth("m", 39, 28, 48), worth("o", 33, 27, 36)],
         ["It cannot be told yet whether j's labels add anything: human labels count 1.30 times "
          "[0.93, 1.60] for m (30 as 39 prompts) and 1.10 times [0.90, 1.20] for o (30 as 33 "
          "prompts)."]),
        ([worth("m", 30, 28, 32), apart("m", 0.1, 0.02, 0.18), apart("o", -0.2, -0.3, -0.1)],
         ["j's labels add nothing to the humans'.",
          "By j alone 2 of 2 models' win rates would differ from the humans', most that of o: -20 "
          "points [-30, -10]."]),
        ([worth("m", 39, 33, 48), apart("m", 0.1, -0.02, 0.18)],
         ["Beside j's labels, human labels count 1.30 times [1.10, 1.60] for m (30 as 39 prompts).",
          "No win rate by j alone can be told from that by humans."]),
    ],
)  # fmt: skip
def test_sentences_say_no_more_than_the_intervals(tmp_path, rows, said):
    [found] = audit(made(tmp_path / "s.duckdb", *BY_HAND), "d")
    assert list(sentences(replace(found, rows=rows))) == said


def test_the_command_fits_100_columns_and_gives_rows(tmp_path, run):
    store = with_prices(made(tmp_path / "s.duckdb", *BY_HAND), 1.0, 0.01)
    code, out, said = run("audit", "--store", store.path, "--budget", 100)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 100
    assert "20 comparisons of 20 prompts labelled by humans and j, 20 more by j alone" in out
    assert "agreement with one human" in out
    assert "not of all 2 together" in said
    code, out, _ = run("audit", "--store", store.path, "-j", "j", "--budget", 100, "--json")
    found = json.loads(out)
    assert (code, found["dataset"], found["simulated"]) == (0, "d", False)
    [one] = found["audits"]
    assert one["plan"]["allocation"]["n_human"] > 0
    assert {row["section"] for row in one["estimates"]} == {"audit"}
    assert run("audit", "--store", store.path, "-j", "gpt")[0] == 3
