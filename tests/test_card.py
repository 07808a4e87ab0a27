"""The bias card: what it says of each row, and that it says no more."""

from __future__ import annotations

import json

import pytest

from data.errors import InputError
from pipelines.card import NO_EXPERIMENT, bias_card
from pipelines.estimates import Estimate


def row(statistic, estimate, low=None, high=None, *, subject="j", reference="words", note=None):
    method = "L2" if statistic in ("adjusted_difference", "self_preference") else ""
    return Estimate("bias", subject, reference, "overall", statistic, method, "all", estimate, low,
                    high, 300, 200, 600, "share difference", note)  # fmt: skip


ROWS = [
    row("position_effect", 0.1, 0.05, 0.15, reference="order shown"),
    row("flip_rate", 0.25, 0.2, 0.3, reference="orders swapped"),
    row("difference_from_humans", 0.2, 0.15, 0.25),
    row("difference_from_humans", 0.0, -0.04, 0.04, reference="code"),
    row("detectable_difference_from_humans", 0.06, reference="code"),
    row("adjusted_difference", -0.1, -0.12, -0.08),
    row("adjusted_difference", 0.03, 0.015, 0.045, reference="code"),
    row("adjusted_difference", None, reference="bold", note="few differ"),
    row("self_preference", None, reference="own answers", note="alone"),
    row("difference_from_humans", 0.3, 0.2, 0.4, subject="somebody else"),
]


def texts(statements):
    return [(each.level, each.text) for each in statements]


def test_each_level_is_named_and_each_figure_has_its_interval():
    card = bias_card(ROWS, "j")
    position, l1, l2 = texts(card.found)
    assert position[0] == "position"
    assert "10 points more often than half" in position[1]
    assert "+10 [+5, +15]; 300 comparisons" in position[1]
    assert l1 == ("L1", "It chooses the response with more words 20 points more often than humans "
                  "do (+20 [+15, +25]; 300 comparisons).")  # fmt: skip
    assert l2[0] == "L2"
    assert l2[1].startswith("Bias: ")
    assert "10 points less often" in l2[1]


def test_what_was_not_found_says_what_would_have_been():
    card = bias_card(ROWS, "j")
    assert texts(card.not_found) == [
        (
            "L1",
            "Code: 0 [-4, +4] (300 comparisons); 6 points would be different from 0 in 80% of "
            "such data.",
        )
    ]
    [(level, near)] = texts(card.undecided)
    assert (level, near.split(";")[0]) == ("L2", "Code: +3 [+2, +5] (300 comparisons)")
    assert "not clear of the 5 points" in near


def test_what_is_not_known_says_why():
    assert bias_card(ROWS, "j").not_known == (
        "L2 of bold: few differ.",
        "Own answers: alone.",
        NO_EXPERIMENT,
    )


def test_one_clear_difference_among_many_doubtful_ones():
    many = [
        row("difference_from_humans", 0.03, 0.0005, 0.0595, reference="code"),
        *(row("difference_from_humans", 0.0, -0.03, 0.03, reference=f"f{k}") for k in range(9)),
    ]
    card = bias_card(many, "j")
    assert not card.found
    assert card.undecided[0].text.endswith("not clear among as many as were looked at.")


def test_an_unknown_judge_is_an_error_with_the_names():
    with pytest.raises(InputError, match="no judge 'k'") as error:
        bias_card(ROWS, "k")
    assert "j, somebody else" in str(error.value.fix)


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_the_command(run, form):
    simulate = ("simulate", "--dataset", "<b>d", "--prompts", "60", "--judges", "1")
    assert run(*simulate)[0] == 0
    code, printed, _ = run("card", "judge-1", "--dataset", "<b>d", "--format", form)
    assert code == 0
    if form == "json":
        card = json.loads(printed)
        assert card["simulated"]
        assert card["not_known"][-1] == NO_EXPERIMENT
        for each in (*card["found"], *card["not_found"]):
            assert each["estimate"]["low"] is not None
    else:
        assert "judge-1 on" in printed
        assert ("\\<b\\>" in printed) == (form == "markdown")
        assert "simulated labels" in printed
        assert "What this data cannot say" in printed


def test_the_command_with_an_unknown_judge(run):
    assert run("simulate", "--dataset", "d", "--prompts", "60", "--judges", "1")[0] == 0
    code, out, err = run("card", "nobody", "--dataset", "d")
    assert (code, out) == (3, "")
    assert "judge-1" in err
