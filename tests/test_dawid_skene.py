"""Dawid-Skene: a loop over dictionaries as oracle, planted errors, what must not change, limits."""

from dataclasses import replace
from math import exp, log
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipelines.stats.agreement import TIE, A, B, majority_by_mode
from pipelines.stats.dawid_skene import SMOOTHING, WARNING, dawid_skene

CODE = {"a": A, "t": TIE, "b": B, " ": -1}


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def codes_of(*items):
    """Codes (n, J) of items written as the labels of annotators in turn: codes_of("ab", "t ")."""
    return np.array([[CODE[mark] for mark in item] for item in items], dtype=np.int8)


def drawn(r, truth, confusion, missing=0.0):
    """Labels of annotators with these confusions (J, 3, 3), some of them missing."""
    levels = confusion.cumsum(axis=2)[:, truth].transpose(1, 0, 2)
    codes = (r.random((len(truth), len(confusion), 1)) > levels).sum(axis=2)
    codes = np.minimum(codes, 2)
    return np.where(r.random(codes.shape) < missing, -1, codes).astype(np.int8)


tables = st.integers(1, 4).flatmap(
    lambda j: arrays(
        np.int8, st.tuples(st.integers(1, 25), st.just(j)), elements=st.integers(-1, 2)
    )
)


# the oracle


class Loops:
    """The model again, item by item in dictionaries; a and b not tied unless asked for."""

    def __init__(self, codes, steps, tied=False):
        self.items = {
            i: {j: int(label) for j, label in enumerate(row) if label >= 0}
            for i, row in enumerate(codes)
        }
        self.items = {i: labels for i, labels in self.items.items() if labels}
        self.annotators, self.tied = range(codes.shape[1]), tied
        self.posterior = {
            i: [sum(label == k for label in labels.values()) / len(labels) for k in range(3)]
            for i, labels in self.items.items()
        }
        for _ in range(steps):
            self.maximise()
            self.expect()

    def maximise(self):
        prior = [SMOOTHING + sum(p[k] for p in self.posterior.values()) for k in range(3)]
        cells = {
            (j, k, said): SMOOTHING
            + sum(self.posterior[i][k] for i, ls in self.items.items() if ls.get(j) == said)
            for j in self.annotators
            for k in range(3)
            for said in range(3)
        }
        if self.tied:
            prior = [(prior[k] + prior[2 - k]) / 2 for k in range(3)]
            cells = {
                (j, k, said): (n + cells[j, 2 - k, 2 - said]) / 2
                for (j, k, said), n in cells.items()
            }
        self.prior = [p / sum(prior) for p in prior]
        self.confusion = {
            (j, k, said): n / sum(cells[j, k, other] for other in range(3))
            for (j, k, said), n in cells.items()
        }

    def expect(self):
        self.log_likelihood = 0.0
        for i, labels in self.items.items():
            joint = [
                exp(
                    log(self.prior[k])
                    + sum(log(self.confusion[j, k, x]) for j, x in labels.items())
                )
                for k in range(3)
            ]
            self.log_likelihood += log(sum(joint))
            self.posterior[i] = [p / sum(joint) for p in joint]


def assert_equal_to_loops(found, loops, codes):
    assert found.prior == pytest.approx(loops.prior, abs=1e-8)
    for (j, k, said), p in loops.confusion.items():
        assert found.confusion[j, k, said] == pytest.approx(p, abs=1e-8)
    assert found.log_likelihood == pytest.approx(loops.log_likelihood, abs=1e-8)
    for i, row in enumerate(codes):
        if (row >= 0).any():
            assert found.posterior[i] == pytest.approx(loops.posterior[i], abs=1e-8)
        else:
            assert np.isnan(found.posterior[i]).all()


@settings(deadline=None, max_examples=60)
@given(tables, st.integers(1, 12), st.booleans())
def test_it_is_the_loop_over_items_and_annotators(codes, steps, tied):
    if not (codes >= 0).any():
        return  # nothing to fit: below
    found = dawid_skene(codes, symmetrised=tied, most_iterations=steps)
    assert_equal_to_loops(found, Loops(codes, found.iterations, tied), codes)


@pytest.mark.parametrize("tied", [False, True])
def test_it_is_the_loop_at_its_end_too(tied):
    r = rng("dawid skene to the end")
    confusion = r.dirichlet([1, 1, 1], (4, 3)) * 0.4 + np.eye(3) * 0.6
    codes = drawn(r, r.integers(0, 3, 300), confusion, missing=0.2)
    found = dawid_skene(codes, symmetrised=tied)
    assert found.converged
    assert 5 < found.iterations < 1000
    assert_equal_to_loops(found, Loops(codes, 300, tied), codes)


def test_a_slow_fit_ends_where_20_000_plain_steps_do(monkeypatch):
    # Three annotators who err on nearly half of the items: plain steps creep.
    r = rng("dawid skene slow 3")
    codes = drawn(r, r.integers(0, 3, 100), np.tile(np.eye(3) * 0.3 + 0.7 / 3, (3, 1, 1)), 0.3)
    found = dawid_skene(codes)
    assert (found.converged, found.iterations < 500) == (True, True)
    monkeypatch.setattr("pipelines.stats.dawid_skene.PLAIN_STEPS", 20_000)
    monkeypatch.setattr("pipelines.stats.dawid_skene.TOLERANCE", -1)
    early, end = (dawid_skene(codes, most_iterations=steps) for steps in (1000, 20_000))
    assert end.iterations == 20_000
    assert np.nanmax(np.abs(early.posterior - end.posterior)) > 1e-3
    assert found.posterior == pytest.approx(end.posterior, abs=1e-6, nan_ok=True)
    assert np.array_equal(found.classes, end.classes)


def test_one_step_by_hand():
    # Items aa, ab. Start: (1, 0, 0), (1/2, 0, 1/2). With s = .01: prior a (1.5 + s)/(2 + 3s).
    # Annotator 1 says a twice: of true a 1.5 of 1.5, smoothed (1.5 + s)/(1.5 + 3s). Annotator 2
    # says a once (weight 1 of true a) and b once (.5 of true a): (1 + s)/(1.5 + 3s).
    s = SMOOTHING
    found = dawid_skene(codes_of("aa", "ab"), symmetrised=False, most_iterations=1)
    assert found.prior[A] == pytest.approx((1.5 + s) / (2 + 3 * s))
    assert found.confusion[0, A, A] == pytest.approx((1.5 + s) / (1.5 + 3 * s))
    assert found.confusion[1, A, A] == pytest.approx((1 + s) / (1.5 + 3 * s))
    assert found.confusion[1, A, B] == pytest.approx((0.5 + s) / (1.5 + 3 * s))
    # True b has weight .5, of the item ab: annotator 1 said a, annotator 2 b.
    assert found.confusion[0, B, A] == pytest.approx((0.5 + s) / (0.5 + 3 * s))
    assert found.confusion[1, B, B] == pytest.approx((0.5 + s) / (0.5 + 3 * s))
    # Tied, a first step by hand: 1 says a, a: true a weighs 1.5, true b .5, so it is right with
    # (1.5 + 0 + 2s)/(2 + 6s): both tables averaged, (a, a) with (b, b).
    tied = dawid_skene(codes_of("aa", "ab"), most_iterations=1)
    assert tied.confusion[0, A, A] == pytest.approx((1.5 + 2 * s) / (2 + 6 * s))
    assert tied.prior == pytest.approx(np.array([1 + s, s, 1 + s]) / (2 + 3 * s))


@settings(deadline=None, max_examples=60)
@given(tables, st.booleans())
def test_no_step_makes_the_labels_less_likely(codes, tied):
    if not (codes >= 0).any():
        return

    def reached(steps):
        found = dawid_skene(codes, symmetrised=tied, most_iterations=steps)
        prior_of_parameters = np.log(found.prior).sum() + np.log(found.confusion).sum()
        return found.log_likelihood + SMOOTHING * prior_of_parameters

    for steps in (1, 2, 5):
        assert reached(steps + 1) >= reached(steps) - 1e-9


# planted errors are found


@pytest.mark.parametrize("tied", [False, True])
def test_planted_confusions_are_recovered(tied):
    r = rng("dawid skene planted")
    truth = r.choice(3, 40_000, p=[0.4, 0.2, 0.4])
    right = np.array([0.9, 0.8, 0.7, 0.6, 0.85])
    wrong = np.array([[0, 0.7, 0.3], [0.5, 0, 0.5], [0.3, 0.7, 0]])  # how errors are shared out
    confusion = right[:, None, None] * np.eye(3) + (1 - right)[:, None, None] * wrong
    codes = drawn(r, truth, confusion, missing=0.3)
    found = dawid_skene(codes, symmetrised=tied)
    assert found.converged
    assert found.prior == pytest.approx([0.4, 0.2, 0.4], abs=0.02)
    assert found.confusion == pytest.approx(confusion, abs=0.03)
    # It knows how sure it is: the mean posterior of the class it names is how often it is right.
    labelled = found.classes >= 0
    hits = (found.classes == truth)[labelled].mean()
    assert found.posterior[labelled].max(axis=1).mean() == pytest.approx(hits, abs=0.01)


def test_the_good_annotator_beats_the_majority_of_bad_ones():
    r = rng("dawid skene one good")
    truth = 2 * r.integers(0, 2, 20_000)
    right = np.array([0.95, 0.6, 0.6, 0.6])
    confusion = np.zeros((4, 3, 3))
    confusion[:, [A, B], [A, B]] = right[:, None]
    confusion[:, [A, B], [B, A]] = 1 - right[:, None]
    confusion[:, TIE, TIE] = 1
    codes = drawn(r, truth, confusion)
    counts = np.stack([(codes == k).sum(axis=1) for k in range(3)], axis=1).astype(float)
    by_majority = (majority_by_mode(counts) == truth).mean()
    found = (dawid_skene(codes).classes == truth).mean()
    assert found > 0.94 > by_majority + 0.1


def shared_errors(name):
    """Three independent humans of .7, .75 and .8 and two judges of .7 who err together."""
    r = rng(name)
    truth = 2 * r.integers(0, 2, 5000)
    error = r.random((5000, 5)) > np.array([0.7, 0.75, 0.8, 0.7, 0.7])
    copied = r.random(5000) < 0.95
    error[:, 4] = np.where(copied, error[:, 3], error[:, 4])
    return truth, np.where(error, 2 - truth[:, None], truth[:, None]).astype(np.int8)


def test_judges_who_share_errors_outvote_humans_who_are_right():
    # What the warning says. The judges are right on .7 of the items, as often as the worst human.
    truth, codes = shared_errors("dawid skene shared errors")
    together = dawid_skene(codes)
    humans_only = dawid_skene(codes[:, :3])
    right = together.confusion[:, A, A]
    assert right[3:].min() > 0.95  # taken for nearly perfect
    assert right[:3].max() < 0.72  # and the best human, .8, for a poor one
    accuracy = (together.classes == truth).mean()
    assert accuracy < 0.75 < 0.8 < (humans_only.classes == truth).mean()
    misled = (codes[:, 3] != truth) & (codes[:, 4] != truth)
    all_right = misled & (codes[:, :3] == truth[:, None]).all(axis=1)
    assert all_right.sum() > 300
    assert (together.classes == truth)[all_right].mean() < 0.5  # three humans who are right lose
    assert "share errors" in WARNING


def test_independent_judges_do_no_such_harm():
    truth, codes = shared_errors("dawid skene shared errors")
    r = rng("dawid skene independent")
    codes[:, 4] = np.where(r.random(5000) > 0.7, 2 - truth, truth)
    found = dawid_skene(codes)
    assert found.confusion[:, A, A] == pytest.approx([0.7, 0.75, 0.8, 0.7, 0.7], abs=0.04)
    assert (found.classes == truth).mean() > 0.83


# exchanging a and b, order, names


def mirrored(codes, items):
    return np.where(items[:, None] & (codes >= 0), 2 - codes, codes).astype(np.int8)


@settings(deadline=None, max_examples=80)
@given(tables, st.randoms(use_true_random=False))
def test_exchanging_the_responses_of_any_items_changes_nothing_at_all(codes, random):
    items = np.array([random.random() < 0.5 for _ in codes])
    found, other = (dawid_skene(c, most_iterations=40) for c in (codes, mirrored(codes, items)))
    for name in ("prior", "confusion", "log_likelihood", "iterations", "converged"):
        assert np.array_equal(getattr(found, name), getattr(other, name), equal_nan=True), name
    back = np.where(items[:, None], other.posterior[:, [B, TIE, A]], other.posterior)
    assert np.array_equal(found.posterior, back, equal_nan=True)  # exactly
    back = np.where(items & (other.classes >= 0), 2 - other.classes, other.classes)
    assert np.array_equal(found.classes, back)


def test_the_untied_form_does_depend_on_the_naming():
    r = rng("dawid skene untied")
    codes = drawn(r, r.integers(0, 3, 200), np.tile(np.eye(3) * 0.4 + 0.2, (3, 1, 1)))
    turned = mirrored(codes, r.random(200) < 0.5)
    one, other = (dawid_skene(c, symmetrised=False).log_likelihood for c in (codes, turned))
    assert abs(one - other) > 0.01


@settings(deadline=None, max_examples=40)
@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_items_does_not_matter_and_that_of_annotators_but_for_rounding(codes, random):
    rows, columns = list(range(len(codes))), list(range(codes.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    steps = {"most_iterations": 5}
    found, other = dawid_skene(codes, **steps), dawid_skene(codes[rows], **steps)
    assert np.array_equal(found.posterior[rows], other.posterior, equal_nan=True)
    found, other = dawid_skene(codes, **steps), dawid_skene(codes[:, columns], **steps)
    if found.iterations == other.iterations:  # rounding may decide whether the last step is taken
        assert other.posterior == pytest.approx(found.posterior, abs=1e-8, nan_ok=True)
        assert other.confusion == pytest.approx(found.confusion[columns], abs=1e-8, nan_ok=True)


# at the edges


@pytest.mark.parametrize("codes", [np.full((4, 3), -1, np.int8), np.zeros((0, 3), np.int8)])
def test_without_labels_nothing_is_known(codes):
    found = dawid_skene(codes)
    assert found.classes.tolist() == [-1] * len(codes)
    assert np.isnan(found.prior).all()
    assert np.isnan(found.posterior).all()
    assert found.confusion.shape == (3, 3, 3)
    assert (found.iterations, found.converged) == (0, False)


def test_items_without_a_label_take_no_part():
    codes = codes_of("aab", "bbb", "tat", "aaa")
    with_empty = np.insert(codes, [0, 2, 4], -1, axis=0)
    found, other = dawid_skene(codes), dawid_skene(with_empty)
    assert np.array_equal(found.confusion, other.confusion)
    assert other.classes[[0, 3, 6]].tolist() == [-1, -1, -1]
    assert np.array_equal(found.posterior, other.posterior[[1, 2, 4, 5]])


@pytest.mark.parametrize("mark", "atb")
def test_a_constant_class_is_the_true_one(mark):
    found = dawid_skene(codes_of(*[3 * mark] * 30))
    assert found.classes.tolist() == [CODE[mark]] * 30
    assert found.posterior[:, CODE[mark]] == pytest.approx(np.ones(30), abs=1e-3)
    assert np.isfinite(found.confusion).all()
    assert found.confusion.sum(axis=2) == pytest.approx(np.ones((3, 3)))


def test_a_class_never_met_has_nearly_equal_probabilities():
    # A trace of the posterior of the ties keeps them from being equal.
    found = dawid_skene(codes_of("tt", "tt"))
    assert found.confusion[:, A] == pytest.approx(np.full((2, 3), 1 / 3), abs=0.05)


def test_one_annotator_is_believed():
    codes = codes_of(*"aaabbtbat")
    assert dawid_skene(codes).classes.tolist() == codes[:, 0].tolist()


def test_an_annotator_without_labels_changes_nobody_else():
    codes = codes_of("aab", "bbb", "tat", "aaa", "bab")
    found = dawid_skene(codes)
    other = dawid_skene(np.insert(codes, 1, -1, axis=1))
    assert other.confusion[1] == pytest.approx(np.full((3, 3), 1 / 3))
    assert other.classes.tolist() == found.classes.tolist()


def test_equally_likely_a_and_b_are_a_tie():
    found = dawid_skene(codes_of(*["ab", "ba"] * 10), most_iterations=1)
    assert found.posterior[:, A] == pytest.approx(found.posterior[:, B])
    assert found.classes.tolist() == [TIE] * 20


def test_posteriors_that_differ_by_rounding_are_equal():
    fitted = dawid_skene(codes_of("ab", "aa"))
    posterior = np.array([[0.5 + 1e-13, 0.0, 0.5 - 1e-13], [0.5 + 1e-6, 0.0, 0.5 - 1e-6]])
    assert replace(fitted, posterior=posterior).classes.tolist() == [TIE, A]


def test_it_says_when_the_steps_did_not_suffice():
    r = rng("dawid skene too few steps")
    codes = drawn(r, r.integers(0, 3, 300), np.tile(np.eye(3) * 0.5 + 1 / 6, (3, 1, 1)))
    found = dawid_skene(codes, most_iterations=2)
    assert (found.iterations, found.converged) == (2, False)
    assert dawid_skene(codes).converged
