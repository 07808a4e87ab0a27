"""Numbers as people read them: precision, signs, money, and missing as missing."""

from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.estimates import Estimate
from pipelines.wording import (
    EXPLAINED,
    NOT_KNOWN,
    STATISTICS,
    duration,
    interval_of,
    money,
    percent,
    points,
    value_of,
)


def row(estimate, low=None, high=None, unit="share"):
    return Estimate("s", "x", "y", "overall", "gap", "", "all", estimate, low, high, 9, 9, 9, unit)


@pytest.mark.parametrize("write", [percent, points, money, duration])
@pytest.mark.parametrize("missing", [None, nan, inf, -inf])
def test_missing_is_said_in_words(write, missing):
    assert write(missing) == NOT_KNOWN


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.639583, "64%"),
        (0.635, "64%"),
        (0.645, "65%"),  # halves up, as people round; Python alone would say 64
        (0.5, "50%"),
        (0.0, "0%"),
        (1.0, "100%"),
        (0.004, "<1%"),  # 0% and 100% are kept for none and all
        (0.0049999, "<1%"),
        (0.005, "1%"),
        (0.9949, "99%"),
        (0.9987, ">99%"),
        (1 / 3 + 2 / 3 - 1e-16, "100%"),
        (1e-17, "0%"),
    ],
)
def test_shares_are_whole_percents(value, text):
    assert percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0132, "+1"),
        (-0.2156, "-22"),
        (0.025, "+3"),
        (-0.025, "-3"),
        (0.0, "0"),
        (-0.0, "0"),
        (1e-17, "0"),  # what is left of rounding is no difference
        (-3e-16, "0"),
        (0.0002, "+0.02"),  # "+0" would hide on which side of zero it lies
        (-0.0049, "-0.5"),
        (0.00307, "+0.3"),
        (0.005, "+1"),
    ],
)
def test_differences_are_signed_points(value, text):
    assert points(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "$0"),
        (0.0042, "$0.0042"),
        (4.2, "$4.2"),
        (4.249, "$4.2"),
        (9.96, "$10"),  # not $10.0
        (0.0996, "$0.10"),
        (0.996, "$1.0"),
        (18.55, "$19"),
        (99.6, "$100"),
        (499.75, "$500"),
        (1234.5, "$1,234"),
        (36800, "$36,800"),
        (1_000_000, "$1,000,000"),
        (-4.2, "-$4.2"),
    ],
)
def test_money_has_two_significant_digits_below_a_hundred_dollars(value, text):
    assert money(value) == text


@settings(deadline=None)
@given(st.floats(1e-9, 1e12))
def test_money_is_right_to_two_digits(value):
    read = float(money(value).replace("$", "").replace(",", ""))
    assert read == pytest.approx(value, rel=0.0501)
    digits = money(value).strip("$0.").replace(",", "").replace(".", "")
    assert value >= 99.5 or len(digits) <= 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.00002, "<0.001 s"),
        (0.25, "0.25 s"),
        (9.4, "9.4 s"),
        (9.96, "10 s"),
        (42.4, "42 s"),
        (119, "119 s"),
        (120, "2.0 min"),
        (1455, "24.2 min"),
        (7200, "2.0 h"),
        (65025.5, "18.1 h"),
        (172800, "2.0 d"),
        (864_000_000, "10,000.0 d"),
    ],
)
def test_times_have_the_unit_one_would_say(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("estimate", "text", "interval"),
    [
        (row(0.56493, 0.5346, 0.59526), "56%", "[53, 60]"),
        (row(1.0, 0.977, 1.0), "100%", "[98, 100]"),
        (row(0.99876, 0.99632, 1.0), ">99%", "[>99, 100]"),
        (row(0.04132, 0.01167, 0.07097, "share difference"), "+4", "[+1, +7]"),
        (row(-0.03, -0.063, 0.0031, "share difference"), "-3", "[-6, +0.3]"),
        (row(11.24, 10.98, 11.5, "usd"), "$11", "[11, 12]"),
        (row(2420.0, 2394.0, 2446.0, "seconds"), "40.3 min", "[39.9 min, 40.8 min]"),
        (row(0.8520, 0.808, 0.896, "kappa"), "0.85", "[0.81, 0.90]"),
        (row(-0.001, -0.2, 0.004, "kappa"), "0.00", "[-0.20, 0.00]"),
        (row(0.5), "50%", ""),
        (row(None), NOT_KNOWN, ""),
    ],
)
def test_estimates_in_their_unit(estimate, text, interval):
    assert value_of(estimate) == text
    assert interval_of(estimate) == interval


@settings(deadline=None)
@given(st.floats(-1, 1))
def test_no_number_hides_its_sign(value):
    text = points(value)
    assert text == "0" or text[0] == ("-" if value < 0 else "+")
    assert (text == "0") == (abs(value) < 1e-6)


def test_every_statistic_has_a_name_without_underscores_and_an_explanation():
    assert set(EXPLAINED) == set(STATISTICS)
    for text in (*STATISTICS.values(), *EXPLAINED.values()):
        assert "_" not in text
    assert all(text.endswith(".") for text in EXPLAINED.values())
