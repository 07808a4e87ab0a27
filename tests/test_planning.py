"""How much to label: the published planning figures, and what is measured instead of assumed."""

from __future__ import annotations

import json
from math import ceil

import numpy as np
import pytest

from data.errors import InputError
from pipelines.estimates import ALL
from pipelines.panel import read_panel
from pipelines.planning import needs
from pipelines.sections.view import Rules, View
from pipelines.stats.power import n_for_difference, n_for_position
from tests.estimating import HUMAN, JUDGE, both, label, store_of


def figures(found):
    return {(row.question, row.assumed): row.comparisons for row in found.rows}


def test_the_published_figures_by_rule():
    at_5, at_3, at_2 = (figures(needs(d)) for d in (0.05, 0.03, 0.02))
    assert at_5["find a position effect of 5 points, one order drawn", "no ties"] == 785
    assert at_5["find a position effect of 5 points, both orders", "flip rate 20%"] == 157
    assert at_3["find a position effect of 3 points, one order drawn", "no ties"] == 2181
    two = [n for (question, _), n in at_2.items() if "between two judges" in question]
    assert two == [1955, 3917, 5879] or np.allclose(two, [1955, 3917, 5879], atol=2)
    # 1.96^2 x .7 x .3 / .02^2
    assert at_2["know an agreement to 2 points either way", "agreement 70%, one human each"] == 2017


def test_what_cannot_be_is_none_and_what_is_no_difference_is_refused():
    found = figures(needs(0.2))
    assert found["find a position effect of 20 points, both orders", "flip rate 20%"] is None
    for wrong in (0.0, 0.5, -0.1):
        with pytest.raises(InputError):
            needs(wrong)


@pytest.fixture
def store(tmp_path):
    """40 comparisons of 20 prompts, two humans; j turns with the order in 10, k never."""
    labels = []
    for i in range(40):
        labels += [label(i, "h1", "a"), label(i, "h2", "a" if i % 4 else "b")]
        labels += both(i, "j", "a", "b" if i < 10 else "a") + both(
            i, "k", *("bb" if i < 8 else "aa")
        )
    kinds = {"h1": HUMAN, "h2": HUMAN, "j": JUDGE, "k": JUDGE}
    return store_of(tmp_path / "s.duckdb", labels, kinds, n_items=40,
                    prompts=[i // 2 for i in range(40)])  # fmt: skip


def test_rates_are_measured_where_there_are_labels(store):
    panel = read_panel(store, "d")
    found = needs(0.1, View(panel, Rules(), ALL, np.ones(40, dtype=bool)))
    rows = figures(found)
    assert rows[
        "find a position effect of 10 points, both orders", "j flips 25%"
    ] == n_for_position(0.1, 0.25)
    assert rows["find a position effect of 10 points, both orders", "k flips 0%"] is None
    # j says a in half of 10 and all of 30, k b in 8 and a in 32: apart 8/2 in the first 8, 2/2 more
    apart = (8 * 0.5 + 2 * 0.5) / 40
    question = "find 10 points between two judges' agreement"
    [n] = [n for (q, _), n in rows.items() if q == question]
    assert n == n_for_difference(0.1, apart)
    assert found.most == 2.0


def test_more_humans_take_noise_out_and_not_hard_comparisons(store):
    panel = read_panel(store, "d")
    rows = figures(needs(0.05, View(panel, Rules(), ALL, np.ones(40, dtype=bool))))
    question = "know an agreement to 5 points either way"
    by_humans = [rows[question, f"k, {n} human{'' if n == 1 else 's'} each"] for n in (1, 2, 3, 5)]
    assert by_humans == sorted(by_humans, reverse=True)
    # by hand: k matches both, one or none: a = 1 (24), .5 (10), 0 (6); within 2 a (1 - a)
    a = np.array([1.0] * 24 + [0.5] * 10 + [0.0] * 6)
    within = np.mean(2 * a * (1 - a))
    between = a.var(ddof=1) - within / 2
    assert by_humans[1] == ceil((1.959964 / 0.05) ** 2 * (between + within / 2))


def test_the_command(store, run):
    code, out, err = run("power", "--points", 5)
    assert (code, "785" in out, "--dataset" in err) == (0, True, True)
    code, out, err = run("power", "--points", 5, "--dataset", "d", "--store", store.path, "--json")
    assert code == 0, err
    assert json.loads(out)["most"] == 2.0
    for wrong in (0, "1e-300", "nan"):
        code, _, err = run("power", "--points", wrong)
        assert (code, "From 0.001 to below 50" in err) == (3, True)
