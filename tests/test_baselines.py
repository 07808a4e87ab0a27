"""The judges without a model: determinism, orders, fairness."""

from collections import Counter
from uuid import UUID, uuid5

import pytest

from data.records import (
    OVERALL,
    AnnotatorKind,
    Comparison,
    LabelStatus,
    Preference,
    Shown,
)
from judges.baselines import BASELINES
from judges.judge import Orders
from judges.task import Task

A, B, TIE = Preference.A, Preference.B, Preference.TIE
IDENTITY = UUID(int=3)
IDS = [uuid5(UUID(int=0), str(number)) for number in range(2000)]


def label(name, a="short", b="longer text", shown=Shown.AB, comparison_id=IDS[0]):
    comparison = Comparison(comparison_id, "prompt", a, b)
    baseline = BASELINES[name]
    asking = baseline.asking(Task((comparison,), shown), "", {name: IDENTITY})
    assert asking.needed({}) == ()
    [judgment] = asking.judgments({})
    assert judgment.requests == ()
    return judgment.label


def preference(*arguments, **named):
    return label(*arguments, **named).preference


def test_the_baselines_by_name():
    assert list(BASELINES) == ["longer", "first", "random"]
    assert all(name == baseline.name for name, baseline in BASELINES.items())
    assert all(baseline.orders is Orders.BOTH for baseline in BASELINES.values())


@pytest.mark.parametrize("name", BASELINES)
def test_a_label_of_a_baseline_is_complete_and_free(name):
    done = label(name, shown=Shown.BA)
    assert done.status is LabelStatus.OK
    assert done.shown is Shown.BA
    assert done.criterion == OVERALL
    assert (done.cost_usd, done.rationale, done.p_a, done.details) == (0, None, None, {})
    assert 0 <= done.seconds < 1
    assert done.annotator_id == IDENTITY
    [annotator] = BASELINES[name].annotators()
    assert annotator == BASELINES[name].annotator()
    assert (annotator.kind, annotator.name) == (AnnotatorKind.BASELINE, name)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("shown", Shown)
def test_the_same_comparison_always_gets_the_same_label(name, shown):
    assert {label(name, shown=shown).preference for _ in range(20)} == {
        label(name, shown=shown).preference
    }


def test_the_two_orders_are_two_labels():
    for name in BASELINES:
        assert label(name).label_id != label(name, shown=Shown.BA).label_id


@pytest.mark.parametrize("shown", Shown)
@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("long", "s", A),
        ("s", "long", B),
        ("same", "size", TIE),
        ("", "", TIE),
        (None, "x", B),
        (None, None, TIE),
        ("äöü", "ae", A),  # characters count, not bytes
        ("\U0001f600", "ab", B),
    ],
)
def test_longer_prefers_more_characters_in_either_order(a, b, expected, shown):
    assert preference("longer", a, b, shown) is expected


def test_first_prefers_what_is_shown_first():
    assert preference("first", shown=Shown.AB) is A
    assert preference("first", shown=Shown.BA) is B
    assert preference("first", "", "", shown=Shown.BA) is B


def test_random_is_a_fair_coin_that_never_ties():
    """Binomial(2000, 1/2): mean 1000, standard deviation sqrt(2000 / 4) = 22.4; 4 of them: 90."""
    for shown in Shown:
        counts = Counter(preference("random", comparison_id=each, shown=shown) for each in IDS)
        assert counts[TIE] == 0
        assert abs(counts[A] - 1000) < 90


def test_random_throws_another_coin_in_the_other_order():
    """The orders agree as often as two coins do: 1000 of 2000, give or take 90."""
    agree = sum(
        preference("random", comparison_id=each)
        is preference("random", comparison_id=each, shown=Shown.BA)
        for each in IDS
    )
    assert abs(agree - 1000) < 90


def test_random_looks_at_nothing_but_the_id():
    assert preference("random", "x", "y") is preference("random", "other", "texts")
