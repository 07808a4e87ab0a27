"""The core gates in 200 worlds each, and what a gate must notice."""

from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from scipy.stats import binom

from pipelines.stats.intervals import Interval
from tests.gates import single_human_agreement
from tests.gating import (
    CLUSTERED,
    GATES,
    Gate,
    Kind,
    Row,
    by_large_draw,
    coverage_bounds,
    gate,
    run_gate,
    text_of,
)

WORLDS = 200


@pytest.mark.parametrize("name", [name for name, each in GATES.items() if each.core])
def test_gate(name):
    row = run_gate(GATES[name], WORLDS)
    assert row.passed, text_of(row)
    assert row.without == 0


def test_seeds_derive_from_names_and_from_nothing_else():
    for name, each in GATES.items():
        assert each.seeded().seed == crc32(name.encode())
        assert replace(each.seeded(), seed=each.world.seed) == each.world
    assert {each.kind for each in GATES.values()} == set(Kind)


def test_bounds_are_those_that_a_true_coverage_leaves_once_in_a_thousand():
    low, high = coverage_bounds(1000, 1)
    outside = binom.cdf(low * 1000 - 1, 1000, 0.95) + binom.sf(high * 1000, 1000, 0.95)
    assert 0 < outside <= 0.001
    closer = binom.cdf(low * 1000, 1000, 0.95) + binom.sf(high * 1000 - 1, 1000, 0.95)
    assert closer > 0.001
    wider = coverage_bounds(1000, 20)
    assert wider[0] < low < high < wider[1]
    assert coverage_bounds(200, 1)[0] < low


TINY = replace(CLUSTERED, n_prompts=1, judges=())


def row_of(statistic, truth=0.0, kind=Kind.COVERS):
    return run_gate(Gate("a gate", TINY, statistic, truth, kind, core=True), 100)


def test_a_gate_notices_intervals_that_are_too_narrow_or_too_wide():
    # A normal estimate with standard error 1 and an interval of +- z: z = 1.64 covers 90%,
    # z = 1.96 covers 95%. In 100 worlds 16 gates together allow down to .86 or so.
    def normal(half):
        draws = np.random.default_rng(crc32(b"normal")).normal(size=100)
        found = iter(draws)

        def statistic(data):
            value = next(found)
            return Interval(value, value - half, value + half, 40)

        return statistic

    assert row_of(normal(1.96)).passed
    assert not row_of(normal(1.0)).passed
    assert row_of(normal(1.0), kind=Kind.FAILS).passed
    assert not row_of(normal(1.96), kind=Kind.FAILS).passed
    assert row_of(normal(1.96), kind=Kind.RECOVERS).passed
    assert not row_of(normal(1.96), truth=1.0, kind=Kind.RECOVERS).passed


def test_a_world_without_an_interval_is_not_covered():
    row = row_of(lambda _: Interval(0.0, None, None, 40))
    assert (row.observed, row.without, row.passed) == (0.0, 100, False)
    assert "100 without an interval" in text_of(row)


def test_too_wide_is_noticed_where_the_bound_leaves_room():
    row = Row("wide", Kind.COVERS, 1000, 0.95, 1.0, *coverage_bounds(1000, 16), without=0)
    assert not row.passed
    assert "FAIL" in text_of(row)


def test_two_gates_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two gates"):
        gate(next(iter(GATES)), world=TINY, truth=0.0)(lambda _: None)


def test_a_large_draw_and_the_closed_form_have_the_same_truth():
    each = GATES["coverage: single-human agreement"]
    value, error = by_large_draw(single_human_agreement)(each.seeded())
    planted, planted_error = each.true_value()
    assert 0 < error < 0.005
    assert abs(value - planted) < 4.5 * np.hypot(error, planted_error)
