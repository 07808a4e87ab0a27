"""Sentences of the bias and agreement views: they say no more than the intervals do."""

from __future__ import annotations

from typing import Any

import pytest

from app import words_agreement as wa
from app import words_bias as wb
from pipelines.card import L1, L2, L3, bias_card
from pipelines.estimates import Estimate
from pipelines.one_judge import Against


def row(statistic: str, value: float | None, low: float | None = None, high: float | None = None,
        **rest: Any) -> Estimate:  # fmt: skip
    fields: dict[str, Any] = {
        "section": "bias", "subject": "j", "reference": "words", "criterion": "overall",
        "method": "L1 ties=half", "slice": "all", "n_items": 400, "n_prompts": 200,
        "n_labels": 800, "unit": "share difference", "note": None,
    }  # fmt: skip
    return Estimate(statistic=statistic, estimate=value, low=low, high=high, **{**fields, **rest})


def l1(value: float, half: float = 0.02, **rest: Any) -> Estimate:
    return row("difference_from_humans", value, value - half, value + half, **rest)


def l2(value: float, half: float = 0.02, **rest: Any) -> Estimate:
    return row("adjusted_difference", value, value - half, value + half, method="L2 x", **rest)


def l3(value: float, half: float = 0.02, **rest: Any) -> Estimate:
    return row("probe_effect", value, value - half, value + half, method="L3 x", **rest)


def test_the_verdict_counts_by_level_strongest_first() -> None:
    rows = [l1(0.1), l1(0.2, reference="bold"), l1(0.0, reference="code"), l2(0.12), l3(0.3)]
    said = wb.verdict(bias_card(rows, "j"))
    assert said == (
        "j: 4 of 5 things looked at are clear: 1 effect of a change (L3), 1 bias adjusted for "
        "quality (L2) and 2 differences from humans (L1)."
    )


def test_the_verdict_of_nothing_claims_nothing() -> None:
    assert wb.verdict(bias_card([l1(0.0)], "j")) == "j: the one thing looked at is not clear."
    two = wb.verdict(bias_card([l1(0.0), l1(0.001, reference="bold")], "j"))
    assert two == "j: none of the 2 things looked at is clear."
    unknown = row("difference_from_humans", None, note="no texts", n_items=0)
    assert "cannot be told" in wb.verdict(bias_card([unknown], "j"))


def test_within_its_floor_an_adjusted_difference_is_not_called_clear() -> None:
    card = bias_card([l2(0.06, half=0.02)], "j")  # clear of 0, not of 5 points
    assert "not clear" in wb.verdict(card)
    [said] = wb.said(card.undecided)
    assert said.startswith("Bias, adjusted for quality (L2). Words: +6 [+4, +8]")


def test_statements_stand_in_order_of_level_and_size() -> None:
    card = bias_card([l1(0.1), l1(-0.2, reference="bold"), l3(0.05, reference="length")], "j")
    said = wb.said(card.found)
    assert [text.partition(".")[0] for text in said] == [
        "Effect of a change (L3)", *["Difference from humans (L1)"] * 2
    ]  # fmt: skip
    assert "bold" in said[1]


def test_a_forest_names_only_what_is_clear() -> None:
    rows = [l1(0.3, half=0.4, reference="bold"), l1(0.1)]
    assert wb.forest_title(L1, rows, [rows[1]]) == (
        "Difference from humans (L1): words +10 [+8, +12]"
    )
    assert wb.forest_title(L1, rows, []) == "Difference from humans (L1): none of 2 is clear"
    assert wb.forest_title(L2, [], []).endswith("not known here")
    assert wb.forest_title(L3, rows, rows).endswith(", and 1 more of 2")


def test_an_effect_that_may_be_none_is_not_said_to_move_anybody() -> None:
    weak = row("position_effect", 0.01, -0.02, 0.04, reference="order shown")
    assert "no effect is told from 0" in wb.effect_title([weak])
    clear = row("position_effect", -0.2, -0.25, -0.15, subject="k", reference="order shown")
    assert wb.effect_title([weak, clear]) == (
        "Shown first: it moves k most, by -20 [-25, -15] points"
    )
    human = row("position_effect", 0.4, 0.3, 0.5, subject="one human", reference="order shown")
    assert "not known" in wb.effect_title([human])


def test_the_largest_difference_is_a_clear_one_and_names_its_level() -> None:
    far = bias_card([l1(0.5, half=0.9, subject="far")], "far")
    near = bias_card([l1(-0.1, subject="near", reference="length in characters")], "near")
    title, found = wb.largest([far, near])
    assert title == (
        "Largest clear difference: near: more characters -10 [-12, -8] points (from humans, L1)"
    )
    assert [each.row.subject for each in found] == ["near"]
    assert wb.largest([far])[0].startswith("No clear difference")


def test_what_to_look_at_first() -> None:
    assert wb.look_first(Against(0, (("j", 0),))) is None
    said = wb.look_first(Against(1, (("i", 0), ("j", 1))))
    assert said is not None
    assert "at 1 comparison where all humans agree" in said
    assert "(j 1)" in said


@pytest.mark.parametrize(
    ("low", "high", "phrase"),
    [(0.5, 0.9, "too sure of itself"), (1.1, 1.6, "too cautious"), (0.8, 1.2, "neither")],
)
def test_a_slope_says_what_its_interval_allows(low: float, high: float, phrase: str) -> None:
    method = "stated probabilities ties=half"
    rows = [
        row("calibration_error", 0.1, 0.08, 0.12, unit="share", method=method),
        row("calibration_slope", (low + high) / 2, low, high, unit="slope", method=method),
    ]
    said = wa.calibration_title("j", rows)
    assert said.startswith("j's stated probabilities are off by 10% [8, 12]")
    assert phrase in said


def test_gaps_are_counted_by_their_intervals() -> None:
    rows = [
        row("gap", value, value - 0.05, value + 0.05, slice=f"category={name}")
        for name, value in (("a", -0.2), ("b", 0.2), ("c", 0.01))
    ]
    rows.append(row("gap", 0.4, slice="category=d"))
    assert wa.gaps_title("j", rows) == (
        "j, of 3 slices with an interval: 1 below the human ceiling, 1 above it, "
        "1 not told apart from it"
    )
    assert "no slice has enough prompts" in wa.gaps_title("j", rows[3:])


def test_a_ranking_says_no_more_than_its_interval() -> None:
    sure = row("kendall_tau_b", 0.8, 0.4, 1.0, unit="correlation")
    assert "much as humans do" in wa.ranking_title("j", [sure])
    open_ = row("kendall_tau_b", 0.3, -0.4, 0.9, unit="correlation")
    assert "cannot be told yet" in wa.ranking_title("j", [open_])
    none = row("kendall_tau_b", None, unit="correlation", note="undefined: few models")
    assert wa.ranking_title("j", [none]).endswith("here: few models")


def test_replacement_in_words() -> None:
    rate = row("winning_rate", 0.0, unit="share", method="epsilon=.15 clustered q=.05",
               note="0 of 3 humans: not shown that it may replace humans")  # fmt: skip
    [said] = wa.winning_lines([rate, rate])
    assert said.startswith("Alternative annotator test, clustered by prompt, margin .15: rate 0%")
    worth = row("human_equivalence", 0.54, 0.4, 0.6, unit="humans")
    assert wa.worth_line([worth]) == (
        "It matches one human as often as a majority of 0.54 [0.40, 0.60] humans does."
    )
    more = row("human_equivalence", None, unit="humans", note="more than 3 humans")
    assert wa.worth_line([more]) == "How many humans it is worth: more than 3 humans."
    assert wa.worth_line([]) is None


def test_where_changed_preferences_go_is_said_of_enough_of_them() -> None:
    few = row("primacy_share", 1.0, n_items=1, note="too few prompts for an interval (1 of 20)")
    enough = row("primacy_share", 0.6, 0.55, 0.65, subject="k")
    assert wb.primacy_title([few]).startswith("Too few preferences changed")
    assert "of k's" in wb.primacy_title([few, enough])
    assert wb.primacy_title([]) == "No preference changed with the order"
