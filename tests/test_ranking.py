"""Rankings: by hand, against scipy and scikit-learn, what must not change, and their rows."""

from dataclasses import replace
from itertools import combinations
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.sparse.csgraph import connected_components
from scipy.stats import kendalltau, spearmanr
from sklearn.linear_model import LogisticRegression

from data.formats.material import COMPARISONS, LABELS, Material, table
from data.imports import import_material
from data.records import Annotator
from data.store import Store
from pipelines.ingest import ingest
from pipelines.panel import read_panel
from pipelines.sections import ranking as section
from pipelines.sections.ranking import ranking_rows
from pipelines.sections.view import Rules, UnparsedRule, View
from pipelines.stats.agreement import TIE, A, B, majority_by_sign, total
from pipelines.stats.ranking import (
    RIDGE,
    TIED,
    best,
    bradley_terry,
    connected,
    finite_without_ridge,
    kendall_tau_b,
    model_points,
    ranking,
    reversals,
    same_best,
    spearman,
    win_counts,
)
from pipelines.stats.resampling import REPLICATES, draws
from tests.estimating import AGGREGATE, HUMAN, JUDGE, Rows, both, label

TURN = [B, TIE, A]


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def counts(*items):
    """Counts (n, 3) of items written as their labels: counts("aab", "t", "")."""
    return np.array([[item.count(name) for name in "atb"] for item in items], dtype=float)


def couples(n_models):
    return list(combinations(range(n_models), 2))


# points of couples


def test_points_and_items_of_couples_by_hand():
    # Couples (0,1) (0,2) (1,2). Item 0: 0 v 1, labels aab: 0 has 2/3. Item 1: 1 v 0, t: 0 has 1/2.
    # Item 2: 2 v 1, b: 1 has 1. Items 3, 4: a model not known, the same model. Item 5: no label.
    labels = counts("aab", "t", "b", "a", "a", "")
    a, b = np.array([0, 1, 2, -1, 2, 0]), np.array([1, 0, 1, 0, 2, 2])
    wins = win_counts([labels], a, b, np.array([4, 7, 7, 7, 4, 4]))
    assert wins.sums.toarray() == pytest.approx(
        np.array([[2 / 3, 0, 0, 1, 0, 0], [1 / 2, 0, 1, 1, 0, 1]])
    )
    assert wins.models.tolist() == [0, 1, 2]
    assert wins.used.tolist() == [True, True, True, False, False, False]
    assert (wins.n_prompts, wins.n_without_models) == (2, 2)
    points, items = wins.totals()
    assert points == pytest.approx(np.array([[7 / 6, 0, 1]]))
    assert items.tolist() == [2, 0, 1]


MODELS = st.integers(-1, 4)
ITEMS = st.lists(
    st.tuples(st.text("atb", max_size=3), st.text("atb", max_size=3), MODELS, MODELS,
              st.integers(0, 6)),
    min_size=1, max_size=40,
)  # fmt: skip


def arrays(items):
    humans, judge = counts(*(i[0] for i in items)), counts(*(i[1] for i in items))
    a, b, prompt = (np.array([i[k] for i in items], dtype=np.int32) for k in (2, 3, 4))
    return [humans, judge], a, b, prompt


@settings(deadline=None)
@given(ITEMS)
def test_points_and_items_of_couples_are_those_of_a_loop(items):
    wins = win_counts(*arrays(items))
    kept = [i for i in items if i[0] and i[1] and min(i[2:4]) >= 0 and i[2] != i[3]]
    names = sorted({model for i in kept for model in i[2:4]})
    assert wins.models.tolist() == names
    assert wins.used.sum() == len(kept)
    assert wins.n_without_models == sum(bool(i[0] and i[1]) for i in items) - len(kept)
    prompts = sorted({i[4] for i in kept})
    assert wins.n_prompts == len(prompts)
    found = wins.sums.toarray().reshape(len(prompts), 3, len(couples(len(names))))
    for g, prompt in enumerate(prompts):
        for c, (i, j) in enumerate(combinations(names, 2)):
            here = [x for x in kept if x[4] == prompt and {x[2], x[3]} == {i, j}]
            assert found[g, 2, c] == len(here)
            for source in (0, 1):
                points = [score(x[source], first=x[2] == i) for x in here]
                assert found[g, source, c] == pytest.approx(sum(points), abs=1e-12)


def score(labels, *, first):
    """Mean points of the response a (first) or b."""
    mine = "a" if first else "b"
    return sum({mine: 1.0, "t": 0.5}.get(name, 0.0) for name in labels) / len(labels)


def test_a_win_rate_is_the_mean_of_a_models_points():
    labels, a = counts("a", "t", "bba", ""), np.array([0, 1, 2, 0])
    assert model_points(labels, a, 0)[:3] == pytest.approx([1.0, 0.5, 2 / 3])
    assert model_points(labels, a, 2)[2] == pytest.approx(1 / 3)
    assert np.isnan(model_points(labels, a, 0)[3])


# Bradley-Terry


def test_two_models_by_hand():
    # theta and -theta, q = 1/(1 + exp(-2 theta)), 3 points of 4: 3 - 4 q = ridge theta. Without
    # ridge q = 3/4 and the difference is log 3.
    [[one, other]] = bradley_terry(np.array([[3.0]]), np.array([[4.0]]), 2)
    assert one == -other
    assert 3 - 4 / (1 + np.exp(-2 * one)) == pytest.approx(0.1 * one, abs=1e-12)
    [[one, other]] = bradley_terry(np.array([[3.0]]), np.array([[4.0]]), 2, ridge=1e-12)
    assert one - other == pytest.approx(np.log(3), abs=1e-10)


def test_three_models_whose_odds_multiply_by_hand():
    # Odds 2 and 3 along a chain, so 6 around it: points 20/30, 30/40 and 60/70 are fitted exactly.
    points, items = np.array([[20.0, 60.0, 30.0]]), np.array([[30.0, 70.0, 40.0]])
    found = bradley_terry(points, items, 3, ridge=1e-12)[0]
    assert found - found[2] == pytest.approx([np.log(6), np.log(3), 0], abs=1e-9)


def random_totals(r, n_models, batch=1):
    """Points in sixths and items, a third of the couples never compared, all models connected."""
    n_couples = len(couples(n_models))
    items = r.integers(1, 12, (batch, n_couples)) * (r.random((batch, n_couples)) < 0.67)
    chain = [c for c, (i, j) in enumerate(couples(n_models)) if j == i + 1]
    items[:, chain] += 1
    return np.floor(r.random(items.shape) * (6 * items + 1)) / 6, items.astype(float)


def by_scipy(points, items, n_models):
    """The minimum of the penalised negative log-likelihood."""
    first, second = np.array(couples(n_models)).T

    def loss(theta):
        gap = theta[first] - theta[second]
        value = points @ np.logaddexp(0, -gap) + (items - points) @ np.logaddexp(0, gap)
        slope = items / (1 + np.exp(-gap)) - points
        gradient = np.bincount(first, slope, n_models) - np.bincount(second, slope, n_models)
        return value + RIDGE / 2 * theta @ theta, gradient + RIDGE * theta

    start = np.zeros(n_models)
    return minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-9}).x


def by_scikit_learn(points, items, n_models):
    """A logistic regression on +1 and -1 columns: C is 1/ridge, its penalty |theta|^2 / (2 C)."""
    design = np.zeros((len(points), n_models))
    for c, (i, j) in enumerate(couples(n_models)):
        design[c, [i, j]] = 1.0, -1.0
    model = LogisticRegression(C=1 / RIDGE, fit_intercept=False, solver="newton-cholesky",
                               tol=1e-12, max_iter=1000)  # fmt: skip
    y, weights = np.repeat([1, 0], len(points)), np.concatenate([points, items - points])
    return model.fit(np.tile(design, (2, 1)), y, sample_weight=weights).coef_[0]


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 7), st.integers(0, 10**6))
def test_strengths_are_the_penalised_maximum_of_scipy_and_scikit_learn(n_models, seed):
    points, items = random_totals(np.random.default_rng(seed), n_models)
    found = bradley_terry(points, items, n_models)[0]
    assert found == pytest.approx(by_scipy(points[0], items[0], n_models), abs=1e-6)
    if points.sum() > 0 and (points < items).any():  # scikit-learn wants both classes
        assert found == pytest.approx(by_scikit_learn(points[0], items[0], n_models), abs=1e-8)


@pytest.mark.parametrize("n_models", [2, 5, 20])
def test_at_the_strengths_the_gradient_is_zero(n_models):
    points, items = random_totals(rng("gradient"), n_models, batch=50)
    first, second = np.array(couples(n_models)).T
    found = bradley_terry(points, items, n_models)
    left = points - items / (1 + np.exp(found[:, second] - found[:, first]))
    for row, theta in zip(left, found, strict=True):
        slope = np.bincount(first, row, n_models) - np.bincount(second, row, n_models)
        assert slope == pytest.approx(RIDGE * theta, abs=1e-9)
    assert found.mean(axis=1) == pytest.approx(np.zeros(50), abs=1e-12)


def test_a_batch_is_its_rows_wherever_it_starts():
    r = rng("batch")
    points, items = random_totals(r, 6, batch=30)
    together = bradley_terry(points, items, 6)
    alone = [bradley_terry(points[[k]], items[[k]], 6)[0] for k in range(30)]
    assert together == pytest.approx(np.array(alone), abs=1e-10)
    away = bradley_terry(points, items, 6, start=r.normal(size=(30, 6)) * 8)
    assert together == pytest.approx(away, abs=1e-10)


def test_a_model_that_always_wins_is_finite_and_exact_however_many_items():
    # n = ridge theta (1 + exp(2 theta)) with all n points
    for n in (1.0, 100.0, 1e6):
        found = bradley_terry(np.array([[n]]), np.array([[n]]), 2)[0, 0]
        assert RIDGE * found * (1 + np.exp(2 * found)) == pytest.approx(n, rel=1e-9)


def test_all_ties_are_equal_strengths():
    items = np.array([[7.0, 2.0, 5.0]])
    assert bradley_terry(items / 2, items, 3).tolist() == [[0.0, 0.0, 0.0]]


def test_models_never_compared_have_no_strengths():
    points, items = np.array([[1.0, 0, 0, 0, 0, 1.0]] * 2), np.array([[2.0, 0, 0, 0, 0, 2.0]] * 2)
    points[1, 1], items[1, 1] = 0.5, 1.0  # 0 v 2 joins 0, 1 and 2, 3
    found = bradley_terry(points, items, 4)
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


@settings(deadline=None)
@given(st.integers(2, 9), st.integers(0, 10**6))
def test_connections_are_those_of_scipys_graphs(n_models, seed):
    r = np.random.default_rng(seed)
    shape = (20, len(couples(n_models)))
    items = (r.random(shape) < r.random((20, 1))).astype(float)
    points = items * r.choice([0.0, 0.5, 1.0], shape, p=[0.4, 0.2, 0.4])
    for row in range(20):
        edges, wins = np.zeros((2, n_models, n_models))
        for c, (i, j) in enumerate(couples(n_models)):
            edges[i, j], wins[i, j] = items[row, c], points[row, c]
            wins[j, i] = items[row, c] - points[row, c]
        joined = connected_components(edges, directed=False)[0] == 1
        strong = connected_components(wins, connection="strong")[0] == 1
        assert connected(items, n_models)[row] == joined
        assert finite_without_ridge(points, items, n_models)[row] == strong


# rank correlations and the best model

STRENGTHS = st.integers(2, 8).flatmap(
    lambda m: st.tuples(*[st.lists(st.integers(-3, 3), min_size=m, max_size=m)] * 2)
)


@settings(deadline=None)
@given(STRENGTHS)
def test_rank_correlations_are_scipys(pair):
    one, other = (np.array(strengths, dtype=float) for strengths in pair)
    found = kendall_tau_b(one, other), spearman(one, other)
    if len(set(pair[0])) == 1 or len(set(pair[1])) == 1:
        assert np.isnan(found).all()
    else:
        expected = kendalltau(one, other).statistic, spearmanr(one, other).statistic
        assert found == pytest.approx(expected, abs=1e-12)


def test_rank_correlations_of_replicates_are_those_of_each():
    one, other = rng("replicates").integers(0, 4, (2, 300, 6)).astype(float)
    for function, oracle in ((kendall_tau_b, kendalltau), (spearman, spearmanr)):
        expected = [oracle(x, y).statistic for x, y in zip(one, other, strict=True)]
        assert function(one, other) == pytest.approx(np.array(expected), abs=1e-12)


def test_tau_b_by_hand():
    # 0 1 2 3 against 0 2 1 1: five couples alike or tied: 01 02 03 alike, 12 13 opposed, 23 tied:
    # (3 - 2)/sqrt(6 * 5)
    found = kendall_tau_b(np.array([0.0, 1, 2, 3]), np.array([0.0, 2, 1, 1]))
    assert found == pytest.approx(1 / np.sqrt(30))


def test_strengths_that_differ_by_rounding_only_are_equal():
    close, apart = np.array([1.0, 1.0 + TIED / 10, 0.0]), np.array([1.0, 1.0 + TIED * 10, 0.0])
    assert best(close).tolist() == [True, True, False]
    assert best(apart).tolist() == [False, True, False]
    assert same_best(close, apart) == 0.5
    assert spearman(close, np.array([2.0, 2.0, 1.0])) == pytest.approx(1.0)


def test_the_same_best_model_with_equals_drawn_at_random_by_hand():
    one = np.array([[3.0, 1, 2], [2, 2, 1], [1, 1, 1], [np.nan] * 3])
    other = np.array([[5.0, 0, 1], [3, 3, 3], [0, 1, 0], [1, 2, 3]])
    # 1; 2 of the 2 x 3 draws; 1 of 3 x 1; unknown
    assert same_best(one, other)[:3] == pytest.approx([1, 1 / 3, 1 / 3])
    assert np.isnan(same_best(one, other)[3])


# the joint bootstrap


def simulated(r, n_items, n_prompts, strengths, humans=3, orders=2, ties=0.2):
    """Counts of humans and judge, models and prompts; strengths (2, M) by source."""
    n_models = strengths.shape[1]
    a = r.integers(0, n_models, n_items).astype(np.int32)
    b = ((a + r.integers(1, n_models, n_items)) % n_models).astype(np.int32)
    prompt = np.concatenate([np.arange(n_prompts), r.integers(0, n_prompts, n_items - n_prompts)])
    labels = []
    for mine, m in zip(strengths, (humans, orders), strict=True):
        chance = 1 / (1 + np.exp(mine[b] - mine[a]))
        classes = np.stack([chance * (1 - ties), np.full(n_items, ties), (1 - chance) * (1 - ties)])
        labels.append(r.multinomial(m, classes.T / classes.sum(axis=0)[:, None]).astype(float))
    return labels, a, b, prompt


def test_replicates_are_the_strengths_of_prompts_literally_drawn():
    r = rng("literally")
    labels, a, b, prompt = simulated(r, 200, 40, r.normal(size=(2, 5)))
    found = ranking(win_counts(labels, a, b, prompt), replicates=5)
    assert found.replicates.shape == (2, 5, 5)
    for k, drawn in enumerate(next(draws(40, 5))):
        items = np.concatenate([np.flatnonzero(prompt == g).repeat(int(n))
                                for g, n in enumerate(drawn)])  # fmt: skip
        for source, mine in enumerate(labels):
            again = win_counts([mine[items]], a[items], b[items], prompt[items])
            points, weights = again.totals()
            expected = bradley_terry(points, weights[None], 5)[0]
            assert found.replicates[source, k] == pytest.approx(expected, abs=1e-8)


def test_the_spread_of_replicates_is_the_clustered_sandwich():
    # For the penalised maximum: H^-1 sum_g s_g s_g' H^-1, s_g the prompt's score
    r = rng("sandwich")
    labels, a, b, prompt = simulated(r, 6000, 1500, r.normal(size=(2, 4)) * 0.7)
    found = ranking(win_counts(labels, a, b, prompt))
    design = np.eye(4)[a] - np.eye(4)[b]
    for source, mine in enumerate(labels):
        theta = found.strengths[source]
        chance = 1 / (1 + np.exp(-design @ theta))
        scores = design * ((mine[:, A] + mine[:, TIE] / 2) / total(mine) - chance)[:, None]
        by_prompt = np.stack([np.bincount(prompt, column) for column in scores.T], axis=1)
        bread = np.linalg.inv(design.T @ (design * (chance * (1 - chance))[:, None])
                              + RIDGE * np.eye(4))  # fmt: skip
        middle = np.eye(4) - 0.25
        expected = np.sqrt(np.diag(middle @ bread @ by_prompt.T @ by_prompt @ bread @ middle))
        # 2,000 replicates: a standard deviation is known to 1.6%
        assert found.replicates[source].std(axis=0) == pytest.approx(expected, rel=0.07)


def test_below_twenty_prompts_nothing_is_drawn():
    r = rng("few")
    labels, a, b, _ = simulated(r, 200, 50, r.normal(size=(2, 4)))
    for n_prompts, expected in ((19, 0), (20, REPLICATES)):
        found = ranking(win_counts(labels, a, b, np.arange(200) % n_prompts))
        assert np.isfinite(found.strengths).all()
        assert found.replicates.shape == (2, expected, 4)


def test_without_items_there_is_no_ranking():
    wins = win_counts([counts("", "a")], np.array([0, -1]), np.array([1, 1]), np.array([0, 1]))
    assert (wins.n_prompts, len(wins.models)) == (0, 0)
    with pytest.raises(ValueError, match="no prompts"):
        ranking(wins)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_exchanging_the_responses_of_any_items_changes_no_bit(seed):
    r = np.random.default_rng(seed)
    labels, a, b, prompt = simulated(r, 120, 30, r.normal(size=(2, 5)))
    turned = r.random(120) < 0.5
    others = [np.where(turned[:, None], mine[:, TURN], mine) for mine in labels]
    swapped = np.where(turned, b, a), np.where(turned, a, b)
    found = ranking(win_counts(labels, a, b, prompt), replicates=200)
    other = ranking(win_counts(others, *swapped, prompt), replicates=200)
    assert np.array_equal(found.strengths, other.strengths, equal_nan=True)
    assert np.array_equal(found.replicates, other.replicates, equal_nan=True)
    for model in range(5):
        here = (a == model) | (b == model)
        mine = model_points(labels[0], a, model)[here]
        assert np.array_equal(mine, model_points(others[0], swapped[0], model)[here])


def test_renaming_the_models_permutes_the_strengths():
    r = rng("renaming")
    labels, a, b, prompt = simulated(r, 300, 60, r.normal(size=(2, 6)))
    renamed = r.permutation(6).astype(np.int32)
    found = ranking(win_counts(labels, a, b, prompt), replicates=10)
    other = ranking(win_counts(labels, renamed[a], renamed[b], prompt), replicates=10)
    assert other.strengths[:, renamed] == pytest.approx(found.strengths, abs=1e-9)
    assert other.replicates[:, :, renamed] == pytest.approx(found.replicates, abs=1e-9)


# reversed couples


def test_reversals_are_those_of_loops_over_the_couples():
    r = rng("loops")
    strengths = np.array([[2.0, 1.0, 0.0, -3.0], [-2.0, 1.0, 0.2, 0.8]])
    replicates = strengths[:, None] + r.normal(size=(2, 500, 4)) * 0.25
    replicates[1, 7] = np.nan  # an undefined one
    known = [k for k in range(500) if k != 7]
    spread, distance = {}, np.zeros((len(known), 12))
    keys = [(source, i, j) for source in (0, 1) for i, j in couples(4)]
    for column, (source, i, j) in enumerate(keys):
        moved = replicates[source, known, i] - replicates[source, known, j]
        spread[source, i, j] = np.std(moved, ddof=1)
        gap = strengths[source, i] - strengths[source, j]
        distance[:, column] = np.abs(moved - gap) / spread[source, i, j]
    critical = np.quantile(distance.max(axis=1), 0.95)
    half = {key: critical * value for key, value in spread.items()}
    expected = []
    for i, j in couples(4):
        gaps = [strengths[source, i] - strengths[source, j] for source in (0, 1)]
        if gaps[0] * gaps[1] < 0 and all(abs(gaps[s]) > half[s, i, j] for s in (0, 1)):
            expected.append((i, j) if gaps[0] > 0 else (j, i))
    found = reversals(strengths, replicates)
    assert list(zip(found.above.tolist(), found.below.tolist(), strict=True)) == expected
    assert len(expected) == 3  # 0 above 1, 2 and 3 by source 0; 2 and 3 differ by .6 in source 1
    for k, (i, j) in enumerate(expected):
        for source in (0, 1):
            gap = strengths[source, i] - strengths[source, j]
            width = half[(source, *sorted((i, j)))]
            assert found.difference[source, k] == pytest.approx(gap)
            assert found.low[source, k] == pytest.approx(gap - width)
            assert found.high[source, k] == pytest.approx(gap + width)
    assert found.n_couples == 6
    assert found.smallest == pytest.approx(
        min(max(half[0, i, j], half[1, i, j]) for i, j in couples(4))
    )


def test_reversals_do_not_depend_on_the_numbers_of_the_models():
    r = rng("numbers")
    strengths = np.array([[1.0, 0.0, -1.0], [-1.0, 0.0, 1.0]])
    replicates = strengths[:, None] + r.normal(size=(2, 500, 3)) * 0.1
    found = reversals(strengths, replicates)
    other = reversals(strengths[:, ::-1], replicates[:, :, ::-1])
    assert set(zip(found.above, found.below, strict=True)) == {(0, 1), (0, 2), (1, 2)}
    assert set(zip(2 - other.above, 2 - other.below, strict=True)) == {(0, 1), (0, 2), (1, 2)}
    assert (found.difference[0] > 0).all()
    assert (other.difference[0] > 0).all()
    assert (other.low[0] > 0).all()
    assert (other.high[1] < 0).all()


def test_couples_that_do_not_vary_are_not_examined():
    strengths = np.array([[1.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
    found = reversals(strengths, np.repeat(strengths[:, None], 100, axis=1))
    assert (found.n_couples, len(found.above)) == (0, 0)
    assert np.isnan(found.smallest)


def test_seldom_is_any_couple_called_reversed_where_the_judge_has_no_preference():
    # Humans order all models clearly, the judge draws lots: the chance that some couple is called
    # reversed is at most 5% (here half of that, as only one side counts).
    r, called, n = rng("lots"), 0, 150
    strengths = np.stack([np.linspace(2, -2, 5), np.zeros(5)])
    for _ in range(n):
        wins = win_counts(*simulated(r, 600, 120, strengths))
        found = ranking(wins, replicates=384)
        called += len(reversals(found.strengths, found.replicates).above) > 0
    assert called / n < 0.05 + 2 * np.sqrt(0.05 * 0.95 / n)


# rows


def store_with_models(path, models, labels, kinds, prompts=None):
    """A store of comparisons between models (model_a, model_b), each with texts of its own."""
    prompts = prompts or list(range(len(models)))
    comparisons = [
        {"item": i, "source_id": f"c{i}", "prompt_key": f"p{prompts[i]}", "prompt": f"{prompts[i]}",
         "response_a": f"answer {i}", "response_b": f"reply {i}", "model_a": a, "model_b": b}
        for i, (a, b) in enumerate(models)
    ]  # fmt: skip
    annotators = tuple(Annotator(kind, name, "d") for name, kind in kinds.items())
    material = Material(dataset="d", source="test", comparisons=table(comparisons, COMPARISONS),
                        labels=table(labels, LABELS), annotators=annotators,
                        digest="0")  # fmt: skip
    store = Store(path, create=True)
    import_material(store, material)
    return store


def view_of(store, rules=None, dataset="d"):
    panel = read_panel(store, dataset)
    return View(panel, rules or Rules(), "all", np.ones(panel.n_items, dtype=bool))


def rows_of(store, rules=None, dataset="d"):
    return Rows(list(ranking_rows(view_of(store, rules, dataset))))


ROUND = [("x", "y"), ("z", "y"), ("x", "z")]
KINDS = {"h1": HUMAN, "h2": HUMAN, "j": JUDGE}


def rounds(human_marks, judge_marks, n_rounds):
    """Each round has the three comparisons of ROUND and one prompt; marks by comparison."""
    labels = [
        label(3 * n + c, name, mark)
        for n in range(n_rounds)
        for c in range(3)
        for name, mark in (*((f"h{k + 1}", m) for k, m in enumerate(human_marks(n, c))),
                           *(("j", m) for m in judge_marks(n, c)))
        if mark != " "
    ]  # fmt: skip
    return ROUND * n_rounds, labels, [n // 3 for n in range(3 * n_rounds)]


def always(*marks):
    return lambda _, c: marks[c]


def in_turn(n, _):
    return "ab"[n % 2]


def test_win_rates_by_hand(tmp_path):
    # x v y: humans ab, judge a. z v y: humans a and t, judge t. x v z: one human b, judge b.
    # Points of x: humans 1/2 and 0, judge 1 and 0; y: 1/2 and 1/4, 0 and 1/2; z: 3/4 and 1, 1/2
    # and 1.
    models, labels, prompts = rounds(always("ab", "at", "b "), always("a", "t", "b"), 25)
    rows = rows_of(store_with_models(tmp_path / "s", models, labels, KINDS, prompts))
    for model, humans, judge in (("x", 0.25, 0.5), ("y", 0.375, 0.25), ("z", 0.875, 0.75)):
        row = rows.one("win_rate", "humans", reference=f"model {model}")
        assert (row.estimate, row.n_items, row.n_prompts) == (pytest.approx(humans), 50, 25)
        assert row.n_labels == {"x": 75, "y": 100, "z": 75}[model]
        assert row.method == "ties=half unparsed=drop items of j"
        row = rows.one("win_rate", "j", reference=f"model {model}")
        assert (row.estimate, row.n_labels) == (pytest.approx(judge), 50)
        assert (row.unit, row.method) == ("share", "ties=half unparsed=drop")
    # Couples xy, xz, yz of humans: 12.5, 0 and 6.25 of 25 points
    expected = by_scipy(np.array([12.5, 0.0, 6.25]), np.full(3, 25.0), 3)
    found = [rows.one("strength", "humans", reference=f"model {m}").estimate for m in "xyz"]
    assert found == pytest.approx(expected, abs=1e-6)
    row = rows.one("strength", "j", reference="model y")
    assert (row.n_items, row.n_prompts, row.n_labels, row.unit) == (75, 25, 75, "log odds")
    assert row.method == "Bradley-Terry ridge=0.1 ties=half unparsed=drop"
    # The humans order z y x, the judge z x y: two couples alike, one opposed
    assert rows.one("kendall_tau_b", "j").estimate == pytest.approx(1 / 3)
    assert rows.one("spearman", "j").estimate == pytest.approx(1 / 2)
    # all prompts are alike, so nothing varies
    assert rows.one("spearman", "j").note == "3 models; " + section.SAME_IN_ALL
    assert rows.one("order_reversed_share", "j").note == f"undefined: {section.NONE_VARIES}"
    same = rows.one("same_best_model", "j")
    assert same.estimate == 1.0
    assert same.note.startswith("best by humans: z, by j: z; no interval")


def test_a_judge_asked_in_both_orders_counts_once_with_its_mean(tmp_path):
    # x v y: a and t, so 3/4 for x. z v y: b and unparsed, 1 for y. x v z: a and a.
    marks = ("at", "bx", "aa")
    labels = [label(3 * n + c, "h1", "a") for n in range(25) for c in range(3)]
    labels += [
        cell for n in range(25) for c in range(3) for cell in both(3 * n + c, "j", *marks[c])
    ]
    rows = rows_of(store_with_models(tmp_path / "s", ROUND * 25, labels, KINDS))
    for model, rate, n_labels in (("x", 0.875, 100), ("y", 0.625, 75), ("z", 0.0, 75)):
        row = rows.one("win_rate", "j", reference=f"model {model}")
        assert (row.estimate, row.n_items, row.n_labels) == (pytest.approx(rate), 50, n_labels)
    row = rows.one("strength", "j", reference="model x")
    assert (row.n_items, row.n_labels) == (75, 125)
    expected = by_scipy(np.array([18.75, 25.0, 25.0]), np.full(3, 25.0), 3)  # xy xz yz
    assert row.estimate == pytest.approx(expected[0], abs=1e-6)


def noisy(name, human_marks, judge_marks, noise=0.2):
    """Marks that are now and then drawn anew."""
    r = rng(name)

    def of(marks):
        return lambda _, c: "".join(m if r.random() > noise else r.choice(list("atb"))
                                    for m in marks[c])  # fmt: skip

    return of(human_marks), of(judge_marks)


@pytest.fixture
def opposed(tmp_path):
    """Humans order x z y, the judge x y z, in 120 rounds."""
    marks = noisy("opposed", ("aa", "aa", "aa"), ("a", "b", "a"))
    models, labels, prompts = rounds(*marks, 120)
    return store_with_models(tmp_path / "s", models, labels, KINDS, prompts)


def test_a_couple_in_opposite_order_is_found(opposed):
    rows = rows_of(opposed)
    [row] = rows.all("order_reversed")
    assert (row.subject, row.reference, row.unit) == ("j", "models z and y", "log odds")
    assert row.high < 0
    gaps = {}
    for subject in ("humans", "j"):
        z, y = (rows.one("strength", subject, reference=f"model {m}").estimate for m in "zy")
        gaps[subject] = z - y
    assert row.estimate == pytest.approx(gaps["j"])
    assert row.note.startswith(f"humans: {gaps['humans']:+.2f} [+")
    assert row.note.endswith("intervals hold for all 3 couples and both sources together")
    share = rows.one("order_reversed_share", "j")
    assert share.estimate == pytest.approx(1 / 3)
    assert share.note.startswith("1 of 3 model couples, no interval")
    assert (share.n_items, share.n_prompts, share.n_labels) == (360, 120, 360)
    tau = rows.one("kendall_tau_b", "j")
    assert tau.estimate == pytest.approx(1 / 3)
    assert tau.unit == "correlation"
    same = rows.one("same_best_model", "j")
    assert same.estimate > 0.95
    assert "best by humans: x, by j: x" in same.note


def test_where_nothing_is_reversed_it_says_what_could_have_been(tmp_path):
    models, labels, prompts = rounds(*noisy("alike", ("aa", "aa", "aa"), ("a", "a", "a"), 0.5), 60)
    rows = rows_of(store_with_models(tmp_path / "s", models, labels, KINDS, prompts))
    assert not rows.all("order_reversed")
    row = rows.one("order_reversed_share", "j")
    assert row.estimate == 0.0
    view = view_of(Store(tmp_path / "s"))
    k = [who.name for who in view.panel.annotators].index("j")
    wins = win_counts((view.humans, view.counts(k)), view.panel.model_a, view.panel.model_b,
                      view.prompt)  # fmt: skip
    fit = ranking(wins)
    smallest = reversals(fit.strengths, fit.replicates).smallest
    assert row.note == (
        "none of 3 model couples, no interval as only certain ones count; at best differences "
        f"above {smallest:.2f} log odds in both could be found"
    )


def test_intervals_come_from_joint_draws(tmp_path):
    marks = noisy("joint", ("aa", "aa", "aa"), ("a", "t", "a"), 0.7)
    models, labels, prompts = rounds(*marks, 60)
    store = store_with_models(tmp_path / "s", models, labels, KINDS, prompts)
    rows, view = rows_of(store), view_of(store)
    k = [who.name for who in view.panel.annotators].index("j")
    sources = (view.humans, view.counts(k))
    fit = ranking(win_counts(sources, view.panel.model_a, view.panel.model_b, view.prompt))
    for source, subject in enumerate(("humans", "j")):
        for place, model in enumerate(view.panel.models):
            row = rows.one("strength", subject, reference=f"model {model}")
            limits = np.percentile(fit.replicates[source, :, place], [2.5, 97.5])
            assert [row.low, row.high] == pytest.approx(limits)
    row = rows.one("kendall_tau_b", "j")
    assert (row.low, row.high) == reversals(fit.strengths, fit.replicates).tau_limits
    assert row.low < row.estimate < row.high
    row = rows.one("spearman", "j")
    assert (row.low, row.note) == (None, f"3 models; {section.SEE_TAU}")
    same = rows.one("same_best_model", "j")
    assert same.estimate == pytest.approx(same_best(*fit.replicates).mean())
    assert 0.1 < same.estimate < 0.99


def test_tau_counts_a_couple_in_doubt_as_it_may_be():
    # Of couples 0-1, 0-2 and 1-2 the last is in doubt, as model 2 of the second source moves by 2:
    # tau 1/3 to 1; with the second source turned -1 to -1/3.
    r = np.random.default_rng(7)
    strengths = np.array([[2.0, 0.0, -2.0], [20.0, 0.0, -1.0]])
    noise = 0.05 * r.normal(size=(2, 2000, 3))
    noise[1, :, 2] += 2.0 * r.normal(size=2000)
    replicates = strengths[:, None] + noise
    assert reversals(strengths, replicates).tau_limits == pytest.approx((1 / 3, 1.0))
    turned = np.array([[1.0], [-1.0]])
    limits = reversals(strengths * turned, replicates * turned[:, None]).tau_limits
    assert limits == pytest.approx((-1.0, -1 / 3))
    everything_in_doubt = strengths[:, None] + 99 * r.normal(size=(2, 2000, 3))
    assert reversals(strengths, everything_in_doubt).tau_limits == (-1.0, 1.0)


def test_exchanging_the_responses_changes_no_row(opposed):
    view = view_of(opposed)
    panel = view.panel
    turned = rng("turned").random(panel.n_items) < 0.5
    preference = panel.labels["preference"]
    swap = turned[panel.labels["item"]] & (preference >= 0)
    other = replace(
        panel,
        model_a=np.where(turned, panel.model_b, panel.model_a),
        model_b=np.where(turned, panel.model_a, panel.model_b),
        labels={**panel.labels, "preference": np.where(swap, 2 - preference, preference)},
        _cache={},
        _humans=None,
    )
    found = list(ranking_rows(View(other, view.rules, "all", view.keep)))
    assert found == list(ranking_rows(view))
    assert len(found) > 16


def test_what_was_left_out_is_counted(tmp_path):
    models, labels, prompts = rounds(always("aa", "aa", "aa"), in_turn, 30)
    models = [*models, ("x", None), ("y", "y"), ("x", "y"), ("x", "y"), ("x", "y")]
    labels = [
        *labels,
        *(label(90 + k, name, "a") for k in (0, 1) for name in ("h1", "j")),  # no two known models
        label(92, "j", "a"),  # no human
        *(label(93, "h1", "a"), label(93, "j", "x")),  # unparsed
        label(94, "h1", "a"),  # the judge was not asked
    ]
    prompts = [*prompts, *range(100, 105)]
    store = store_with_models(tmp_path / "s", models, labels, KINDS, prompts)
    row = rows_of(store).one("kendall_tau_b", "j")
    assert (row.n_items, row.n_prompts, row.n_labels) == (90, 30, 90)
    left_out = "left out: 2 without a usable label of both, 2 without two different known models"
    assert left_out in row.note
    row = rows_of(store, Rules(unparsed=UnparsedRule.TIE)).one("kendall_tau_b", "j")
    assert (row.n_items, row.method[-12:]) == (91, "unparsed=tie")
    row = rows_of(store, Rules(unparsed=UnparsedRule.WRONG)).one("kendall_tau_b", "j")
    assert (row.n_items, row.method[-13:]) == (90, "unparsed=drop")


def test_strengths_that_the_ridge_alone_bounds_say_so(opposed, tmp_path):
    assert all(row.note is None for row in rows_of(opposed).all("strength"))
    models, labels, prompts = rounds(always("aa", "aa", "aa"), in_turn, 30)
    rows = rows_of(store_with_models(tmp_path / "t", models, labels, KINDS, prompts))
    notes = {row.note for row in rows.all("strength", subject="humans")}
    assert notes == {f"{section.BY_RIDGE}; {section.SAME_IN_ALL}"}
    for row in rows.all("strength", subject="j"):
        assert section.BY_RIDGE not in row.note


def test_a_judge_of_ties_only_has_no_order(tmp_path):
    models, labels, prompts = rounds(noisy("ties", ("aa",) * 3, "aaa")[0], always(*"ttt"), 30)
    rows = rows_of(store_with_models(tmp_path / "s", models, labels, KINDS, prompts))
    for statistic in ("kendall_tau_b", "spearman"):
        row = rows.one(statistic, "j")
        assert row.estimate is None
        assert row.note == f"3 models; undefined: {section.ALL_EQUAL}"
    assert rows.one("same_best_model", "j").estimate == pytest.approx(1 / 3)
    assert "by j: x and y and z" in rows.one("same_best_model", "j").note
    assert rows.one("order_reversed_share", "j").estimate is None
    assert {row.estimate for row in rows.all("strength", subject="j")} == {0.0}


def test_with_few_prompts_there_are_estimates_without_intervals(tmp_path):
    marks = noisy("few prompts", ("aa", "aa", "aa"), ("a", "b", "a"))
    models, labels, _ = rounds(*marks, 30)
    for n, name in ((1, "one"), (19, "nineteen")):
        prompts = [i % n for i in range(90)]
        rows = rows_of(store_with_models(tmp_path / name, models, labels, KINDS, prompts))
        tau = rows.one("kendall_tau_b", "j")
        assert (tau.estimate, tau.low) == (pytest.approx(1 / 3), None)
        assert tau.note == f"3 models; too few prompts for an interval ({n} of 20)"
        for statistic in ("same_best_model", "order_reversed_share"):
            row = rows.one(statistic, "j")
            assert row.estimate is None
            assert f"too few prompts to draw from ({n} of 20)" in row.note
        assert "best by humans: x, by j: x" in rows.one("same_best_model", "j").note


def test_models_in_separate_groups_have_win_rates_but_no_ranking(tmp_path):
    models = [("x", "y"), ("u", "v")] * 30
    labels = [label(i, name, "ab"[i % 3 == 0]) for i in range(60) for name in ("h1", "j")]
    rows = rows_of(store_with_models(tmp_path / "s", models, labels, KINDS))
    assert rows.one("win_rate", "j", reference="model x").estimate == pytest.approx(2 / 3)
    for statistic in ("kendall_tau_b", "spearman", "same_best_model", "order_reversed_share"):
        row = rows.one(statistic, "j")
        assert row.estimate is None
        assert section.NOT_CONNECTED in row.note
    assert len(rows.all("strength")) == 8
    assert {row.estimate for row in rows.all("strength")} == {None}


def test_resamples_that_lose_a_model_give_no_interval(tmp_path):
    # z occurs on one prompt of 30: a share of (29/30)^30 = 36% of resamples lacks it
    models = [("x", "y")] * 29 + [("x", "z")]
    labels = [label(i, name, "ab"[i % 3 == 0]) for i in range(30) for name in ("h1", "j")]
    rows = rows_of(store_with_models(tmp_path / "s", models, labels, KINDS))
    tau = rows.one("kendall_tau_b", "j")
    assert (tau.estimate, tau.low) == (pytest.approx(1.0), None)
    assert "of 2,000 resamples leave it undefined" in tau.note
    assert "of 2,000 resamples do not connect all models" in rows.one("same_best_model", "j").note


@pytest.mark.parametrize(
    ("models", "annotators", "why"),
    [
        ([("x", "y")] * 25, ("h1", "j"), "fewer than three models on the comparisons labelled by "
         "both (2)"),
        ([(None, None)] * 25, ("h1", "j"), section.NO_MODELS),
        ([("x", "y"), ("y", "z")] * 12, ("j",), section.NO_HUMANS),
    ],
)  # fmt: skip
def test_where_there_is_no_ranking_one_row_says_why(tmp_path, models, annotators, why):
    labels = [label(i, name, "a") for i in range(len(models)) for name in annotators]
    kinds = {name: KINDS[name] for name in annotators}
    rows = rows_of(store_with_models(tmp_path / "s", models, labels, kinds))
    [row] = rows.rows
    assert (row.statistic, row.subject, row.reference) == ("kendall_tau_b", "j", "humans")
    assert (row.estimate, row.note, row.n_items) == (None, why, 0)


def test_without_comparisons_in_common_one_row_says_so(tmp_path):
    models = [("x", "y"), ("y", "z"), ("x", "z")] * 10
    labels = [label(i, "h1" if i < 15 else "j", "a") for i in range(30)]
    [row] = rows_of(store_with_models(tmp_path / "s", models, labels, KINDS)).rows
    assert row.note == "fewer than three models on the comparisons labelled by both (0)"


def test_gold_labels_are_no_humans_and_slices_have_no_ranking(tmp_path, opposed):
    models = [("x", "y"), ("y", "z"), ("x", "z")] * 10
    labels = [label(i, name, "a") for i in range(30) for name in ("gold", "j")]
    kinds = {"gold": AGGREGATE, "j": JUDGE}
    assert rows_of(store_with_models(tmp_path / "g", models, labels, kinds)).rows == []
    view = view_of(opposed)
    assert list(ranking_rows(View(view.panel, view.rules, "category=one", view.keep))) == []


# published win rates

PRD = {  # README of prd-vicuna80, ties half
    "gpt-4": (0.821875, 0.85625),
    "claude-1": (0.6890625, 0.70859375),
    "vicuna-13b": (0.3890625, 0.3484375),
    "gpt-3.5-turbo": (0.3140625, 0.3421875),
    "bard": (0.2859375, 0.24453125),
}


@pytest.fixture(scope="module")
def prd(real_data, tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("prd") / "s", create=True)
    ingest(store, "prd", real_data / "prd-vicuna80")
    return store


def test_prd_win_rates_by_judges(prd):
    rows = rows_of(prd, dataset="prd-vicuna80")
    for model, (_, gpt4) in PRD.items():
        row = rows.one("win_rate", "gpt-4", reference=f"model {model}")
        assert row.estimate == pytest.approx(gpt4, abs=1e-12)
        assert (row.n_items, row.n_prompts, row.n_labels) == (320, 80, 640)
    for model, expected in (("gpt-4", 0.821875), ("claude-1", 0.70390625)):
        row = rows.one("win_rate", "gpt-3.5-turbo", reference=f"model {model}")
        assert row.estimate == pytest.approx(expected, abs=1e-12)


def test_prd_win_rates_by_humans(prd):
    # The published ones are of the majority by the sign of the mean label, ours of one human.
    view = view_of(prd, dataset="prd-vicuna80")
    rows = rows_of(prd, dataset="prd-vicuna80")
    panel = view.panel
    k = [who.name for who in panel.annotators].index("gpt-4")
    judged = total(view.counts(k)) > 0
    majority = np.eye(3)[majority_by_sign(view.humans)]
    for model, (human, _) in PRD.items():
        code = panel.models.index(model)
        items = judged & ((panel.model_a == code) | (panel.model_b == code))
        found = model_points(majority, panel.model_a, code)[items].mean()
        assert found == pytest.approx(human, abs=1e-12)
        [row] = rows.all("win_rate", subject="humans", reference=f"model {model}",
                         method="ties=half unparsed=drop items of gpt-4")  # fmt: skip
        ours = model_points(view.humans, panel.model_a, code)[items].mean()
        assert row.estimate == pytest.approx(ours, abs=1e-12)
        if model == "claude-1":  # one human an item is the majority
            assert row.estimate == pytest.approx(human, abs=1e-12)
        else:  # a majority is further from 1/2
            assert 0.01 < abs(human - 0.5) - abs(row.estimate - 0.5) < 0.06


def test_prd_rankings(prd):
    rows = rows_of(prd, dataset="prd-vicuna80")
    for judge, tau in (("gpt-4", 1.0), ("gpt-3.5-turbo", 1.0), ("claude-1", 0.8)):
        row = rows.one("kendall_tau_b", judge)
        assert row.estimate == pytest.approx(tau)
        assert row.note == "5 models"
        strengths = [
            [rows.all("strength", subject=s, reference=f"model {m}", method=method)[0].estimate
             for m in PRD]
            for s, method in ((judge, row.method), ("humans", f"{row.method} items of {judge}"))
        ]  # fmt: skip
        assert row.estimate == pytest.approx(kendalltau(*strengths).statistic)
        assert rows.one("spearman", judge).estimate == pytest.approx(
            spearmanr(*strengths).statistic
        )
        assert rows.one("order_reversed_share", judge).estimate == 0.0
