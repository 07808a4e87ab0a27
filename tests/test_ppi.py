"""PPI++ means: ppi-python as oracle, values by hand, invariances, coverage, and what to buy."""

from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm, t

from pipelines.stats.intervals import NO_VARIATION, cluster_sums, ratio, smooth_interval
from pipelines.stats.power import standard_error_of
from pipelines.stats.ppi import (
    CONSTANT,
    FREE_JUDGE,
    IMPOSSIBLE,
    NEVER_ASKED,
    NO_HUMANS,
    NO_OTHERS,
    NOT_APART,
    ONE_PROMPT,
    Prices,
    effective_n,
    optimal_allocation,
    ppi_mean,
    routed_mean,
)


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def independent(seed, n, others):
    """Human scores in {0, 1/2, 1} and judge scores in (0, 1), one item a prompt."""
    r = np.random.default_rng(seed)
    quality = r.normal(size=n + others)
    human = np.round(1 + quality + 0.5 * r.normal(size=n + others)).clip(0, 2) / 2
    judge = 1 / (1 + np.exp(-(quality + 0.8 * r.normal(size=n + others))))
    prompts = np.arange(n + others)
    return human[:n], judge[:n], prompts[:n], judge[n:], prompts[n:]


def clustered(r, n_prompts, per_prompt):
    """Human and judge scores of items whose prompts shift both; humans are fair: their mean is .5.

    The judge is not: it gives too much throughout.
    """
    prompts = np.repeat(np.arange(n_prompts), per_prompt)
    of_prompt, judges_own = 0.8 * r.normal(size=(2, n_prompts))
    quality = of_prompt[prompts] + r.normal(size=len(prompts))
    felt = quality + 0.6 * r.normal(size=len(prompts))
    noise = judges_own[prompts] + r.normal(size=len(prompts))
    human = (np.sign(felt) * (np.abs(felt) > 0.3) + 1) / 2
    return human, 1 / (1 + np.exp(-(quality + 0.7 * noise + 0.6))), prompts


def sample(name, n_prompts=50, per_prompt=4, labelled=25):
    """The arguments of `ppi_mean`: the first prompts have both scores."""
    human, judge, prompts = clustered(rng(name), n_prompts, per_prompt)
    asked = prompts < labelled
    return human[asked], judge[asked], prompts[asked], judge[~asked], prompts[~asked]


def numbers(found):
    mean = found.mean
    return [mean.estimate, mean.low, mean.high, found.lam, found.correlation, found.gain]


# ppi-python 0.2.3 (numpy 2.4.6): ppi_mean_pointestimate(...) and ppi_mean_ci(..., alpha=.05) of
# `independent(seed, n, N)`, with lam None (which it tunes), 1 and .4, and its tuned lam.

PUBLISHED = {
    (1, 60, 500): {
        None: (0.44842651469721756, 0.36298194735713657, 0.5338710820372985),
        1: (0.44796655880592734, 0.362191129707283, 0.5337419879045716),
        0.4: (0.44918662352237093, 0.359525872582412, 0.5388473744623299),
        "lam": 0.7738041834546496,
    },
    (2, 200, 300): {
        None: (0.4867292042701259, 0.4376974470692259, 0.5357609614710259),
        1: (0.48409599232065564, 0.4330980689503265, 0.5350939156909849),
        0.4: (0.4891383969282623, 0.43848655190542357, 0.5397902419511009),
        "lam": 0.6866718772827582,
    },
    (3, 40, 1000): {
        None: (0.4610243203737462, 0.36567764824201926, 0.5563709925054732),
        1: (0.4680934159605972, 0.3729414254321741, 0.5632454064890203),
        0.4: (0.4497373663842389, 0.347934538468691, 0.5515401942997868),
        "lam": 0.7689340871266002,
    },
}


def as_published(interval, n):
    """The same numbers with z for t and 1/n for 1/(n - 1), as ppi-python has them."""
    half = interval.high - interval.estimate
    half *= norm.ppf(0.975) / t.ppf(0.975, n - 1) * np.sqrt((n - 1) / n)
    return interval.estimate, interval.estimate - half, interval.estimate + half


@pytest.mark.parametrize("case", PUBLISHED)
@pytest.mark.parametrize("lam", [None, 1, 0.4])
def test_at_the_same_lam_estimate_and_interval_are_those_of_ppi_python(case, lam):
    published = PUBLISHED[case]
    found = ppi_mean(*independent(*case), lam=published["lam"] if lam is None else lam)
    assert as_published(found.mean, case[1]) == pytest.approx(published[lam], abs=1e-10)


@pytest.mark.parametrize("case", PUBLISHED)
def test_without_clusters_lam_is_the_ratio_of_covariances(case):
    # ppi-python takes one variance of f over both samples instead: within sampling error the same.
    human, judge, _, others, _ = args = independent(*case)
    n, m = len(human), len(others)
    expected = np.cov(human, judge, ddof=0)[0, 1] / n / (judge.var() / n + others.var() / m)
    found = ppi_mean(*args)
    assert found.lam == pytest.approx(expected, rel=1e-10)
    pooled = np.concatenate([judge, others]).var(ddof=1)
    theirs = np.cov(human, judge, ddof=0)[0, 1] / ((1 + n / m) * pooled)
    assert theirs == pytest.approx(PUBLISHED[case]["lam"], rel=1e-10)
    apart = (found.lam - theirs) * (others.mean() - judge.mean())
    assert found.mean.estimate - PUBLISHED[case][None][0] == pytest.approx(apart, abs=1e-12)
    assert abs(apart) < 0.1 * standard_error_of(found.mean)


@pytest.mark.parametrize("lam", [None, 0, 0.7, 1])
@pytest.mark.parametrize("seed", range(5, 9))
def test_ppi_python_itself_where_it_is_installed(seed, lam):
    ppi_py = pytest.importorskip("ppi_py")
    human, judge, _, others, _ = args = independent(seed, 2000, 5000)
    estimate = ppi_py.ppi_mean_pointestimate(human, judge, others, lam=lam)
    limits = ppi_py.ppi_mean_ci(human, judge, others, alpha=0.05, lam=lam)
    expected = [float(np.squeeze(x)) for x in (estimate, *limits)]
    found = as_published(ppi_mean(*args, lam=lam).mean, 2000)
    assert found == pytest.approx(expected, abs=1e-10 if lam is not None else 2e-4)


def test_weighted_estimates_are_those_of_ppi_python():
    # ppi_mean_pointestimate(..., lam=.4, w=1/p) of seed 1, p drawn after the scores. Its weighted
    # interval is no oracle: shifting Y by 10 makes it 9 times as wide (w (Y - lam f) is not
    # centred before it is weighted); ours moves along.
    r = np.random.default_rng(1)
    for _ in range(3):
        r.normal(size=560)
    p = r.uniform(0.2, 0.8, 60)
    human, judge, prompts, others, other_prompts = independent(1, 60, 500)
    found = ppi_mean(human, judge, prompts, others, other_prompts, probability=p, lam=0.4)
    assert found.mean.estimate == pytest.approx(0.4519693873776073, abs=1e-10)
    moved = ppi_mean(human + 10, judge, prompts, others, other_prompts, probability=p, lam=0.4)
    assert moved.mean.high - moved.mean.low == pytest.approx(found.mean.high - found.mean.low)


# by hand


def test_lam_by_hand():
    # Influences of mean Y and mean f on both prompts: -+1/4. Of mean_N f: (0 - 1)/2, (2 - 1)/2.
    # lam = (1/8) / (1/8 + 1/2) = .2 and theta = .5 + .2 (1 - .5).
    y = f = np.array([0.0, 1.0])
    found = ppi_mean(y, f, np.array([0, 1]), np.array([0.0, 2.0]), np.array([2, 3]))
    assert (found.lam, found.mean.estimate) == pytest.approx((0.2, 0.6))
    assert found.correlation == pytest.approx(1.0)


def test_prompts_in_both_samples_bring_cross_terms_by_hand():
    # As above, but the others are of the same two prompts, in reverse: influences of mean_N f are
    # +-1/2, of D = mean_N f - mean_n f +-3/4: lam = (2 * 3/16) / (2 * 9/16) = 1/3.
    y, f, prompts = np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.array([0, 1])
    found = ppi_mean(y, f, prompts, np.array([2.0, 0.0]), prompts)
    assert (found.lam, found.mean.estimate) == pytest.approx((1 / 3, 2 / 3))
    # In the same direction D has influences -+1/4, lam would be -1: the judge is left out.
    found = ppi_mean(y, f, prompts, np.array([0.0, 2.0]), prompts)
    assert (found.lam, found.mean.estimate) == (0.0, 0.5)


def test_weights_by_hand():
    # Weights 4 and 1: the mean of (0, 1) is .2, of f (0, 1) too; theta = .2 + .5 (.6 - .2).
    y, f, p = np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.array([0.25, 1.0])
    others, q = np.array([0.0, 1.0]), np.array([0.5, 1 / 3])  # weights 2 and 3
    found = ppi_mean(
        y, f, np.arange(2), others, np.arange(2, 4), probability=p, other_probability=q, lam=0.5
    )
    assert (found.humans.estimate, found.mean.estimate) == pytest.approx((0.2, 0.4))


# the interval


def test_with_lam_0_it_is_the_clustered_mean():
    human, judge, prompts, others, other_prompts = sample("lam 0")
    columns = np.stack([human, np.ones(len(human))], axis=1)
    usual = smooth_interval(ratio, cluster_sums(columns, prompts))
    found = ppi_mean(human, judge, prompts, others, other_prompts, lam=0)
    for one in (found.mean, found.humans):
        assert (one.n_prompts, one.note) == (usual.n_prompts, usual.note)
        assert (one.estimate, one.low, one.high) == pytest.approx(
            (usual.estimate, usual.low, usual.high), abs=1e-12
        )
    assert found.gain == pytest.approx(1.0)
    assert found.n_effective == pytest.approx(len(human))


def test_the_interval_knows_that_lam_is_estimated():
    # Delete-a-prompt jackknife. The judge's two means are far apart, so that lam matters; an
    # interval that takes lam as known is too narrow.
    human, judge, prompts, others, other_prompts = sample("jackknife", 120, 4, 40)
    others = others + 0.5
    found = ppi_mean(human, judge, prompts, others, other_prompts)
    without = np.array([
        ppi_mean(
            human[prompts != g], judge[prompts != g], prompts[prompts != g],
            others[other_prompts != g], other_prompts[other_prompts != g],
        ).mean.estimate
        for g in range(120)
    ])  # fmt: skip
    jackknife = np.sqrt(39 / 40 * ((without - without.mean()) ** 2).sum())
    assert standard_error_of(found.mean) == pytest.approx(jackknife, rel=0.04)
    known = ppi_mean(human, judge, prompts, others, other_prompts, lam=found.lam)
    assert standard_error_of(known.mean) < 0.9 * jackknife


def test_the_interval_is_cut_to_what_a_mean_can_be():
    # All humans say 1 but two prompts of thirty: the upper limit would be beyond 1.
    human = np.ones(30)
    human[:2] = 0
    judge, others = human * 0.5, np.linspace(0, 1, 60)
    args = (human, judge, np.arange(30), others, np.arange(30, 90))
    assert ppi_mean(*args, lam=0.1).mean.high > 1
    cut = ppi_mean(*args, lam=0.1, bounds=(0, 1))
    assert cut.mean.high == cut.humans.high == 1.0
    assert cut.gain == ppi_mean(*args, lam=0.1).gain


# invariances


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.floats(-50, 50), st.floats(-50, 50), st.floats(0.1, 20))
def test_shifts_and_scales_move_the_answer_along(seed, of_human, of_judge, scale):
    human, judge, prompts, others, other_prompts = sample(f"shift {seed}")
    one = ppi_mean(human, judge, prompts, others, other_prompts)
    two = ppi_mean(
        human * scale + of_human, judge * scale + of_judge, prompts,
        others * scale + of_judge, other_prompts,
    )  # fmt: skip
    along = [x * scale + of_human for x in (one.mean.estimate, one.mean.low, one.mean.high)]
    expected = [*along, one.lam, one.correlation, one.gain]
    assert numbers(two) == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_a_judge_on_another_scale_says_the_same():
    human, judge, prompts, others, other_prompts = sample("scale")
    one = ppi_mean(human, judge, prompts, others, other_prompts)
    two = ppi_mean(human, judge * 4, prompts, others * 4, other_prompts)
    assert one.lam < 1  # not cut
    assert two.lam == pytest.approx(one.lam / 4)
    assert numbers(two)[:3] == pytest.approx(numbers(one)[:3], abs=1e-12)


def test_neither_the_order_of_rows_nor_the_names_of_prompts_matter():
    human, judge, prompts, others, other_prompts = args = sample("order")
    r = rng("order of rows")
    rows, other_rows, names = (r.permutation(len(x)) for x in (human, others, np.zeros(60)))
    other = ppi_mean(
        human[rows], judge[rows], names[prompts[rows]],
        others[other_rows], names[other_prompts[other_rows]],
    )  # fmt: skip
    assert numbers(other) == pytest.approx(numbers(ppi_mean(*args)), abs=1e-12)


def test_copies_of_items_within_their_prompts_say_nothing_new():
    args = sample("copies")
    copied = ppi_mean(*(np.repeat(x, 3) for x in args))
    assert numbers(copied) == pytest.approx(numbers(ppi_mean(*args)), abs=1e-12)


def test_merging_identical_prompts_keeps_the_estimate_and_doubles_the_variance():
    args = sample("merged")
    human, judge, prompts, others, other_prompts = (np.tile(x, 2) for x in args)
    later = np.repeat([0, 100], len(args[0])), np.repeat([0, 100], len(args[3]))
    apart = ppi_mean(human, judge, prompts + later[0], others, other_prompts + later[1])
    merged = ppi_mean(human, judge, prompts, others, other_prompts)
    assert numbers(merged)[3:] == pytest.approx(numbers(apart)[3:])
    assert merged.mean.estimate == pytest.approx(apart.mean.estimate)
    variances = [standard_error_of(x.mean) ** 2 for x in (merged, apart)]
    assert variances[0] / variances[1] == pytest.approx(2 * (25 / 24) / (50 / 49))


def test_equal_probabilities_are_none():
    args = sample("equal")
    p, q = np.full(len(args[0]), 0.3), np.full(len(args[3]), 0.7)
    weighted = ppi_mean(*args, probability=p, other_probability=q)
    assert numbers(weighted) == pytest.approx(numbers(ppi_mean(*args)), abs=1e-12)


def test_a_router_that_draws_lots_is_an_unweighted_audit():
    # Against the pool lam is larger by (n + N)/N, and the estimate is the same.
    human, judge, prompts = clustered(rng("lots"), 1000, 4)
    judge = 2 * judge  # a wider scale, or lam would be cut at 1 against the pool alone
    asked = prompts % 4 == 0
    pool = routed_mean(np.where(asked, human, np.nan), judge, prompts, np.full(4000, 0.25))
    audit = ppi_mean(human[asked], judge[asked], prompts[asked], judge[~asked], prompts[~asked])
    assert audit.lam == pytest.approx(pool.lam * 0.75, rel=0.01)
    assert audit.mean.estimate == pytest.approx(pool.mean.estimate, abs=1e-3)
    assert standard_error_of(audit.mean) == pytest.approx(standard_error_of(pool.mean), rel=0.01)
    assert (pool.n_human, pool.n_judge_only) == (1000, 3000)


# coverage, and what it takes

WORLDS = 200


def share_covering(statistic, name, n_prompts, per_prompt):
    hits = 0
    for k in range(WORLDS):
        r = np.random.default_rng([crc32(name.encode()), k])
        mean = statistic(r, *clustered(r, n_prompts, per_prompt))
        hits += mean.low is not None and mean.low <= 0.5 <= mean.high
    return hits / WORLDS


def usual_bounds():
    return [x / WORLDS for x in (binom(WORLDS, 0.95).ppf(0.0005), binom(WORLDS, 0.95).isf(0.0005))]


def some_prompts(n_labelled):
    """Humans label all items of the first prompts."""

    def statistic(r, human, judge, prompts):
        asked = prompts < n_labelled
        return audit(human, judge, prompts, asked)

    return statistic


def one_item_of_each(r, human, judge, prompts):
    asked = np.arange(len(prompts)) % 6 == 0
    return audit(human, judge, prompts, asked)


def audit(human, judge, prompts, asked):
    return ppi_mean(human[asked], judge[asked], prompts[asked], judge[~asked], prompts[~asked]).mean


def routing(r, human, judge):
    """Humans get what the judge is unsure of, with probabilities .02 to .9."""
    p = 0.02 + 0.88 * (1 - 2 * np.abs(judge - 0.5))
    return p, r.random(len(p)) < p


def routed(r, human, judge, prompts):
    p, asked = routing(r, human, judge)
    return routed_mean(np.where(asked, human, np.nan), judge, prompts, p).mean


@pytest.mark.parametrize(
    ("name", "statistic", "n_prompts", "per_prompt"),
    [
        ("few labelled prompts beside many", some_prompts(40), 240, 4),
        ("half of the prompts", some_prompts(60), 120, 6),
        ("one item of each prompt", one_item_of_each, 60, 6),
        ("routed", routed, 150, 5),
    ],
)
def test_intervals_cover_in_clustered_worlds(name, statistic, n_prompts, per_prompt):
    low, high = usual_bounds()
    assert low <= share_covering(statistic, name, n_prompts, per_prompt) <= high


def test_intervals_by_item_cover_too_seldom():
    def statistic(r, human, judge, prompts):
        asked = prompts < 60
        items = np.arange(len(prompts))
        return audit(human, judge, items, asked)

    assert share_covering(statistic, "half of the prompts", 120, 6) < 0.90


def test_what_a_router_left_over_is_no_sample_of_the_pool():
    def left_over(r, human, judge, prompts):
        p, asked = routing(r, human, judge)
        return ppi_mean(
            human[asked], judge[asked], prompts[asked], judge[~asked], prompts[~asked],
            probability=p[asked],
        ).mean  # fmt: skip

    def unweighted(r, human, judge, prompts):
        return audit(human, judge, prompts, routing(r, human, judge)[1])

    assert share_covering(left_over, "routed", 150, 5) < 0.90
    assert share_covering(unweighted, "routed", 150, 5) < 0.50


def test_left_over_items_weighted_by_the_chance_of_being_left_are_a_sample_again():
    def weighted(r, human, judge, prompts):
        p, asked = routing(r, human, judge)
        return ppi_mean(
            human[asked], judge[asked], prompts[asked], judge[~asked], prompts[~asked],
            probability=p[asked], other_probability=1 - p[~asked],
        ).mean  # fmt: skip

    low, high = usual_bounds()
    assert low <= share_covering(weighted, "routed", 150, 5) <= high


# what the judge adds


def test_effective_n_by_hand():
    assert effective_n(100, 1000, 0.5) == pytest.approx(110_000 / 850)  # 1.294 times
    assert effective_n(1, 1e12, 0.5) == pytest.approx(4 / 3)
    assert effective_n(100, 1000, 0.0) == effective_n(100, 0, 0.9) == 100
    assert effective_n(100, 1e12, np.sqrt(0.5)) == pytest.approx(200)


def test_the_gain_of_independent_items_is_the_planned_one():
    found = ppi_mean(*independent(11, 3000, 30_000))
    planned = effective_n(3000, 30_000, found.correlation)
    assert found.n_effective == pytest.approx(planned, rel=0.02)


# degenerate cases


def test_without_human_labels_there_is_nothing():
    none, codes = np.zeros(0), np.zeros(0, dtype=int)
    for others in (np.linspace(0, 1, 30), none):
        found = ppi_mean(none, none, codes, others, np.arange(len(others)))
        for interval in (found.mean, found.humans):
            assert (interval.estimate, interval.low, interval.note) == (None, None, NO_HUMANS)
        assert found.lam is found.gain is found.correlation is found.n_effective is None


def test_where_all_items_have_human_labels_humans_alone_are_the_answer():
    human, judge, prompts, _, _ = sample("all")
    none = np.zeros(0)
    for found in (
        ppi_mean(human, judge, prompts, none, none.astype(int)),
        routed_mean(human, judge, prompts, np.full(len(human), 0.5)),
    ):
        assert (found.mean.estimate, found.mean.note) == (None, NO_OTHERS)
        assert found.humans.low is not None
        assert found.n_judge_only == 0


def test_one_prompt_is_not_enough_for_lam():
    human, judge = np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.7, 0.9])
    found = ppi_mean(human, judge, np.zeros(3, int), judge, np.arange(1, 4))
    assert (found.mean.estimate, found.mean.note) == (None, ONE_PROMPT)
    assert found.humans.estimate == pytest.approx(2 / 3)
    given_lam = ppi_mean(human, judge, np.zeros(3, int), judge, np.arange(1, 4), lam=1.0)
    assert given_lam.mean.estimate == pytest.approx(2 / 3)
    assert "too few prompts" in given_lam.mean.note


def test_few_prompts_have_an_estimate_without_interval_and_gain():
    human, judge, prompts, others, other_prompts = sample("few", 40, 4, 19)
    found = ppi_mean(human, judge, prompts, others, other_prompts)
    assert found.mean.estimate is not None
    assert found.lam is not None
    assert (found.mean.low, found.gain, found.mean.n_prompts) == (None, None, 19)
    assert "too few prompts for an interval (19 of 20)" in found.mean.note


@pytest.mark.parametrize("score", [0.0, 0.1, 1.0, 7.3])
def test_a_judge_that_never_varies_adds_nothing(score):
    human, judge, prompts, others, other_prompts = sample("constant")
    found = ppi_mean(
        human, np.full(len(judge), score), prompts, np.full(len(others), score), other_prompts
    )
    assert (found.mean.estimate, found.mean.note, found.lam) == (None, CONSTANT, None)
    assert found.humans.low is not None


def test_a_judge_whose_means_do_not_vary_apart_adds_nothing():
    human, judge, prompts, _, _ = sample("not apart")
    assert ppi_mean(human, judge, prompts, judge, prompts).mean.note == NOT_APART


def test_a_judge_that_is_constant_on_the_labelled_items_gets_no_weight():
    human, judge, prompts, others, other_prompts = sample("constant on some")
    found = ppi_mean(human, np.full(len(judge), 0.3), prompts, others, other_prompts)
    assert found.lam == pytest.approx(0, abs=1e-12)
    assert found.correlation is None
    assert found.mean.estimate == pytest.approx(found.humans.estimate)


def test_a_judge_who_contradicts_humans_gets_no_weight():
    human, judge, prompts, others, other_prompts = sample("contrary")
    found = ppi_mean(human, 1 - judge, prompts, 1 - others, other_prompts)
    assert found.correlation < 0
    assert (found.lam, found.gain) == (0.0, pytest.approx(1.0))
    assert found.mean == replace(found.humans, estimate=pytest.approx(found.humans.estimate),
                                 low=pytest.approx(found.humans.low),
                                 high=pytest.approx(found.humans.high))  # fmt: skip


def test_humans_who_always_say_the_same_have_no_interval():
    _, judge, prompts, others, other_prompts = sample("unanimous")
    found = ppi_mean(np.full(len(judge), 0.1), judge, prompts, others, other_prompts)
    assert found.mean.estimate == pytest.approx(0.1)
    assert (found.mean.low, found.mean.note, found.gain) == (None, NO_VARIATION, None)


def test_items_that_no_router_could_send_leave_the_mean_unknown():
    human, judge, prompts = clustered(rng("never"), 60, 3)
    p = np.where(judge > 0.9, 0.0, 0.5)
    asked = (p > 0) & (rng("asked").random(180) < p)
    found = routed_mean(np.where(asked, human, np.nan), judge, prompts, p)
    assert found.mean.note == found.humans.note == NEVER_ASKED
    assert (found.mean.estimate, found.n_human) == (None, asked.sum())


# how many to buy


def variance_on_a_grid(prices, n, others):
    """Var(mean_n (Y - lam f)) + Var(lam mean_N f), least over lam = 0, .0001, ..., 1."""
    lam = np.linspace(0, 1, 10_001)
    covariance = prices.correlation * np.sqrt(prices.human_variance * prices.judge_variance)
    both = prices.human_variance - 2 * lam * covariance + lam**2 * prices.judge_variance
    return (both / n + lam**2 * prices.judge_variance / others).min()


@settings(deadline=None, max_examples=50)
@given(st.floats(0.05, 2), st.floats(-0.5, 1), st.integers(1, 500), st.integers(1, 5000))
def test_the_variance_is_the_least_over_lam(judge_variance, correlation, n, others):
    prices = Prices(1.0, 0.1, 1.0, judge_variance, correlation)
    variance, _ = prices.variance(np.array([float(n)]), np.array([float(others)]))
    assert variance[0] == pytest.approx(variance_on_a_grid(prices, n, others), rel=1e-4, abs=1e-8)


def test_the_best_numbers_by_hand():
    # r^2 = 1/2, h = 1, a = .01, B = 1100: n = 1100/(1 + .1), m = 1100 * 10/(1 + .1), N = m - n;
    # variance .5/1000 + .5/10000 against 1/1100; lam = sqrt(.5) * 9/10.
    found, why = optimal_allocation(1100, Prices(1.0, 0.01, 1.0, 1.0, np.sqrt(0.5)))
    assert (found.n_human, found.n_judge_only, why) == (1000, 9000, None)
    assert found.variance == pytest.approx(0.00055)
    assert found.human_only_variance == pytest.approx(1 / 1100)
    assert found.gain == pytest.approx(1 / (0.5 * 1.1**2))
    assert found.lam == pytest.approx(np.sqrt(0.5) * 0.9)


def test_the_best_numbers_where_lam_is_cut_by_hand():
    # V = 1, Var(f) = 1/4, r = .8: Cov = .4 and lam is cut at 1, Var(Y - f) = 1 - .8 + .25 = .45.
    # Costs 1.8 = h + a and .1125 = .45/4, so that sqrt(.45 * 1.8) = .9, sqrt(.25 * .1125) = .1677:
    # n = B sqrt(.45/1.8)/1.0677 = .46829 B, N = B sqrt(.25/.1125)/1.0677 = 1.39616 B.
    prices = Prices(1.6875, 0.1125, 1.0, 0.25, 0.8)
    found, _ = optimal_allocation(1e5, prices)
    assert found.lam == 1.0
    assert found.n_human == pytest.approx(46_829, abs=40)
    assert found.n_judge_only == pytest.approx(139_616, abs=600)
    assert found.variance == pytest.approx((0.9 + np.sqrt(0.028125)) ** 2 / 1e5, rel=2e-6)


@pytest.mark.parametrize(("r2", "g"), [(0.36, 0.03), (0.5, 0.1), (0.8, 0.2), (0.64, 0.001)])
def test_they_are_the_published_ones_for_the_variance_that_comes_out(r2, g):
    # n0 items by humans alone are as good: n = n0 [1 - r^2 + sqrt(g r^2 (1 - r^2))] and
    # N = n (n0 - n)/(n - (1 - r^2) n0) (Angelopoulos et al., ppi-python's _optimal_pair).
    found, _ = optimal_allocation(10_000, Prices(1.0, g, 1.0, 1.0, np.sqrt(r2)))
    n0 = 1 / found.variance
    n = n0 * (1 - r2 + np.sqrt(g * r2 * (1 - r2)))
    assert found.n_human == pytest.approx(n, rel=2e-3)
    assert found.n_judge_only == pytest.approx(n * (n0 - n) / (n - (1 - r2) * n0), rel=2e-2)
    assert effective_n(found.n_human, found.n_judge_only, np.sqrt(r2)) == pytest.approx(n0)


def by_search(budget, prices, available, fewest):
    """The least variance over every n, with the most N that the rest buys."""
    most = int(budget / prices.human_usd * (1 + 1e-9))
    most = most if available is None else min(most, available)
    best = prices.human_variance / most
    for n in range(fewest, most + 1):
        others = int((budget - n * (prices.human_usd + prices.judge_usd)) / prices.judge_usd + 1e-9)
        others = others if available is None else min(others, available - n)
        if others > 0 and prices.correlation > 0:
            variance, _ = prices.variance(np.float64(n), np.float64(others))
            best = min(best, float(variance))
    return best


@settings(deadline=None, max_examples=150)
@given(
    st.floats(3, 150), st.floats(-3, 0.2), st.floats(0.02, 2), st.floats(-0.2, 1),
    st.none() | st.integers(3, 400), st.integers(1, 3),
)  # fmt: skip
def test_no_other_whole_numbers_are_better(
    budget, log_cost, judge_variance, correlation, available, fewest
):
    prices = Prices(1.0, 10**log_cost, 1.0, judge_variance, correlation)
    found, _ = optimal_allocation(budget, prices, available=available, fewest=fewest)
    best = by_search(budget, prices, available, fewest)
    assert found.variance == pytest.approx(best, rel=1e-9)
    spent = found.n_human + (found.n_human + found.n_judge_only) * prices.judge_usd
    assert spent <= budget * (1 + 1e-9) or found.n_judge_only == 0
    assert found.n_human >= fewest
    if available is not None:
        assert found.n_human + found.n_judge_only <= available


@pytest.mark.parametrize(
    ("g", "with_judge"),
    [(0.3, False), (0.12, False), (0.105, True), (0.01, True)],
)
def test_a_judge_too_dear_for_what_it_knows_is_left_out(g, with_judge):
    # r^2 = .36: it pays below sqrt(g) = (1 - sqrt(1 - r^2))/r = 1/3. At g = .3 the best of both
    # would cost (.8 + sqrt(.108))^2 = 1.27 times more.
    found, _ = optimal_allocation(5000, Prices(1.0, g, 1.0, 1.0, 0.6))
    assert (found.n_judge_only > 0) == with_judge
    assert with_judge or (found.n_human, found.gain, found.lam) == (5000, 1.0, 0.0)


@pytest.mark.parametrize(
    "prices",
    [
        Prices(1.0, 0.001, 1.0, 1.0, 0.0),
        Prices(1.0, 0.001, 1.0, 1.0, -0.9),
        Prices(1.0, 0.001, 1.0, 1.0, 1e-200),
        Prices(1.0, 0.001, 1.0, 0.0, 0.0),
        Prices(1.0, 0.0, 1.0, 1.0, 0.0),
        Prices(1.0, 2.0, 1.0, 1.0, 0.9),
        Prices(1.0, 0.001, 0.0, 1.0, 0.5),
    ],
)
def test_a_worthless_judge_leaves_all_to_humans(prices):
    found, why = optimal_allocation(100, prices)
    assert (found.n_human, found.n_judge_only, why) == (100, 0, None)


def test_a_perfect_judge_is_still_checked_on_the_fewest_prompts():
    found, _ = optimal_allocation(100, Prices(1.0, 0.01, 1.0, 1.0, 1.0))
    assert (found.n_human, found.n_judge_only) == (20, 7980)  # (100 - 20 * 1.01)/.01
    assert found.variance == pytest.approx(1 / 8000)


def test_a_free_judge_labels_what_there_is():
    free = Prices(1.0, 0.0, 1.0, 1.0, 0.8)
    found, _ = optimal_allocation(100, free, available=5000)
    assert (found.n_human, found.n_judge_only) == (100, 4900)
    assert found.variance == pytest.approx(0.36 / 100 + 0.64 / 5000)
    assert optimal_allocation(100, free) == (None, FREE_JUDGE)


def test_a_small_pool_leaves_money_for_humans():
    # Without it n = 1000 of m = 10,000 (above); the pool has 2,000: n = 1100 - 2000 * .01 = 1080.
    prices = Prices(1.0, 0.01, 1.0, 1.0, np.sqrt(0.5))
    found, _ = optimal_allocation(1100, prices, available=2000)
    assert (found.n_human, found.n_judge_only) == (1080, 920)
    found, _ = optimal_allocation(1100, prices, available=600)
    assert (found.n_human, found.n_judge_only) == (600, 0)


def test_too_little_money_or_too_few_prompts_have_no_answer():
    prices = Prices(1.0, 0.01, 1.0, 1.0, 0.7)
    found, why = optimal_allocation(19.5, prices)
    assert found is None
    assert why == "the budget or the pool has 19 prompts for humans, of 20 needed"
    assert optimal_allocation(100, prices, available=10)[0] is None


@pytest.mark.parametrize(
    "change",
    [
        {"human_usd": 0.0},
        {"judge_usd": -1.0},
        {"judge_usd": np.nan},
        {"human_variance": -1.0},
        {"judge_variance": np.inf},
        {"correlation": 1.1},
        {"correlation": np.nan},
    ],
)
def test_prices_that_cannot_be_have_no_answer(change):
    prices = replace(Prices(1.0, 0.1, 1.0, 1.0, 0.5), **change)
    assert optimal_allocation(100, prices) == (None, IMPOSSIBLE)


@pytest.mark.parametrize("budget", [-1.0, np.nan, np.inf])
def test_budgets_that_cannot_be_have_no_answer(budget):
    prices = Prices(1.0, 0.1, 1.0, 1.0, 0.5)
    assert optimal_allocation(budget, prices) == (None, IMPOSSIBLE)
