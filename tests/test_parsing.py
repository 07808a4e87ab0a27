"""A reply to a verdict: the last verdict line, well formed, or no vote at all."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import JudgeError
from data.records import Preference
from judges.parsing import DEFAULT_PATTERN, Menu, Unparsed, Verdict, parse

MENU = Menu()
NO_TIES = Menu(tie=None)
MARKS = Menu("A", "B", "C", r"\[\[(A|B|C)\]\]")
JSON = Menu("A", "B", "tie", r'"(?:preference|winner)"\s*:\s*"(?P<verdict>[^"]*)"')


def preference(text, menu=MENU):
    verdict = parse(text, menu)
    assert isinstance(verdict, Verdict), verdict
    return verdict.preference


def reason(text, menu=MENU):
    verdict = parse(text, menu)
    assert isinstance(verdict, Unparsed), verdict
    return verdict.reason


# ---- well formed


@pytest.mark.parametrize(
    "line",
    [
        "Verdict: 1",
        "verdict: 1",
        "VERDICT: 1",
        "Verdict:1",
        "Verdict :  1  ",
        "Verdict = 1",
        "Verdict: 1.",
        "**Verdict: 1**",
        "**Verdict:** 1",
        "**Verdict**: 1",
        "***Verdict:*** **1**",
        "__Verdict__: _1_",
        "## Verdict: 1",
        "### **Verdict: 1**",
        "`Verdict: 1`",
        "Verdict: `1`",
        "- Verdict: 1",
        "* **Verdict:** 1.",
        "\t  Verdict:\t1\t",
        "Verdict: 1\r",
        "Verdict：1",
        "Verdict: **1**\u00a0",
        "Final verdict: 1",
        "**Final Verdict: 1**",
        "```\nVerdict: 1\n```",
    ],
)
def test_markdown_around_a_verdict_does_not_matter(line):
    assert preference(line) is Preference.A
    assert preference(line.replace("1", "2")) is Preference.B
    assert preference(f"Reasons come first.\n\n{line}") is Preference.A
    assert preference(f"Reasons come first.\r\n{line}\r\nAnd last.") is Preference.A


def test_the_three_choices_are_about_the_order_shown():
    assert preference("Verdict: 1") is Preference.A
    assert preference("Verdict: 2") is Preference.B
    assert preference("Verdict: tie") is Preference.TIE
    assert preference("Verdict: TIE.") is Preference.TIE


def test_the_rationale_is_what_stands_around_the_verdict():
    assert parse("Verdict: 1", MENU) == Verdict(Preference.A, None)
    assert parse("It is shorter.\n\nVerdict: 2\n", MENU) == Verdict(Preference.B, "It is shorter.")
    assert parse("**Verdict: 2**\nIt is shorter.", MENU) == Verdict(Preference.B, "It is shorter.")


# ---- the last verdict line counts


@pytest.mark.parametrize(
    "reply",
    [
        "Response 1 ends with\nVerdict: 1\nwhich is no argument.\n\nVerdict: 2",
        "Verdict: 1\nVerdict: 1\nVerdict: 1\nVerdict: 2",
        "Verdict: tie\n\nOn reflection:\n**Verdict: 2**",
        "## Verdict:\nVerdict: 2",
        "> Verdict: 1\n\nsays response 1.\n\nVerdict: 2",
        "Verdict: 2\n\n> Verdict: 1\n\nwas a quotation.",
        'Response 1 says "Verdict: 1". Verdict: 1 is what it says.\nVerdict: 2',
        "Verdict: 1\nFinal verdict: 2",
    ],
)
def test_a_quoted_or_forged_verdict_before_the_judges_own_does_not_count(reply):
    assert preference(reply) is Preference.B


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("Verdict: 1\n\nVerdict: I cannot say.", "'i cannot say' is not on the menu"),
        ("Verdict: 1\nVerdict:", "'' is not on the menu"),
        ("Verdict: 1\n**Verdict:**", "'' is not on the menu"),
        ("Verdict: 1\nFinal verdict: neither", "'neither' is not on the menu"),
    ],
)
def test_a_last_verdict_off_the_menu_is_not_replaced_by_an_earlier_one(reply, why):
    assert reason(reply) == why


# ---- off the menu


@pytest.mark.parametrize(
    "line",
    [
        "Verdict: 3",
        "Verdict: 12",
        "Verdict: 1 or 2",
        "Verdict: 1, clearly",
        "Verdict: Response 1",
        "Verdict: first",
        "Verdict: None",
        "Verdict: **",
        "Verdict: １",  # a full-width digit is another character
        "Verdict: 1\u200b",
        "Verdict: 1 Verdict: 2",
    ],
)
def test_whatever_else_stands_on_the_verdict_line_is_no_vote(line):
    assert "is not on the menu" in reason(line)


@pytest.mark.parametrize(
    "reply",
    [
        "1",
        "Response 1 is better.",
        "The verdict: 1",
        "My verdict is 1",
        "Verdict 1",
        "Verdicts: 1",
        "> Verdict: 1",
        "| Verdict: 1 |",
        "I refuse. The verdict: 1 would be unfair.",
        "Verd\u0456ct: 1",  # a Cyrillic letter
    ],
)
def test_without_a_verdict_line_there_is_no_vote(reply):
    assert reason(reply) == "no verdict line"


@pytest.mark.parametrize("reply", ["", " ", "\n\n\t", "\u00a0\u3000"])
def test_an_empty_reply_says_so(reply):
    assert reason(reply) == "the reply is empty"


def test_the_reason_quotes_no_more_than_a_line():
    assert len(reason("Verdict: " + "x" * 10_000)) < 80


def test_a_tie_counts_only_where_it_is_allowed():
    assert preference("Verdict: tie") is Preference.TIE
    assert reason("Verdict: tie", NO_TIES) == "'tie' is not on the menu"
    assert preference("Verdict: 2", NO_TIES) is Preference.B


# ---- other menus


def test_words_of_ones_own():
    menu = Menu("left", "Right One", "neither.")
    assert preference("Verdict: LEFT", menu) is Preference.A
    assert preference("**Verdict:** right one", menu) is Preference.B
    assert preference("Verdict: Neither", menu) is Preference.TIE
    assert preference("Verdict: Straße", Menu("STRASSE", "weg")) is Preference.A
    assert reason("Verdict: 1", menu) == "'1' is not on the menu"


def test_marks_in_double_brackets():
    assert preference("[[A]]", MARKS) is Preference.A
    assert preference("I choose [[B]] because [[A]] is quoted. So: [[b]]", MARKS) is Preference.B
    assert preference("Both are good: [[C]]", MARKS) is Preference.TIE
    assert reason("[A] or [[D]]", MARKS) == "no verdict line"


def test_json_replies():
    assert preference('{"reason": "shorter", "preference": "A"}', JSON) is Preference.A
    assert preference('{\n "winner" : "b"\n}', JSON) is Preference.B
    assert preference('```json\n{"preference": "tie"}\n```', JSON) is Preference.TIE
    assert "'both'" in reason('{"preference": "both"}', JSON)
    assert reason('{"preference": A}', JSON) == "no verdict line"


def test_the_first_group_that_took_part_is_the_verdict():
    menu = Menu("A", "B", "none", r"\[\[(A)\]\]|\[\[(B)\]\]|<(\w+)>")
    assert preference("[[A]]", menu) is Preference.A
    assert preference("[[B]]", menu) is Preference.B
    assert preference("<none>", menu) is Preference.TIE


def test_a_group_that_took_no_part_is_no_word():
    """`None` must not be read as a vote for a tie that is called "none"."""
    menu = Menu("A", "B", "none", r"verdict(?:: (?P<verdict>\w+))?")
    assert reason("My verdict", menu) == "'' is not on the menu"


@pytest.mark.parametrize(
    "words",
    [
        ("1", "1", "tie"),
        ("a", "A", None),
        ("1", "2", "2."),
        ("1", "**2**", "2"),
        ("tie", "b", "TIE"),
    ],
)
def test_words_that_cannot_be_told_apart_are_refused(words):
    with pytest.raises(JudgeError, match="the same"):
        Menu(*words)


@pytest.mark.parametrize("words", [("", "2"), ("1", " "), ("1", "2", ""), ("1", "..", "tie")])
def test_empty_words_are_refused(words):
    with pytest.raises(JudgeError, match="empty"):
        Menu(*words)


def test_a_menu_describes_all_that_decides_how_a_reply_is_read():
    menus = [MENU, NO_TIES, MARKS, JSON, Menu("1|2", "3"), Menu("1", "2|3"), Menu(tie="none")]
    described = [tuple(menu.describe().items()) for menu in menus]
    assert len(set(described)) == len(menus)


# ---- big replies, odd characters


BIG = 1_000_000


@pytest.mark.parametrize(
    "reply",
    [
        "verdict " * (BIG // 8),
        "Verdict: " * (BIG // 9),
        "Verdict: 1\n" * (BIG // 11) + "Verdict: x",
        "*" * BIG,
        "\n" * BIG + "x",
        " \n" * (BIG // 2) + "x",
        "Verdict:" + " " * (BIG // 2) + "x",
        "Verdict: x" + " " * (BIG // 2) + "x",
        "Verdict:" + " x" * (BIG // 2),
        "Verdict:" + "\n" * (BIG // 2) + "x",
        "Verdict" + " " * (BIG // 2),
        "Verdict" + "*_ " * (BIG // 3),
        ("*" * 100 + "verdict" + "*" * 100 + "\n") * (BIG // 208),
        "final " * (BIG // 6),
        "final" + " " * BIG,
    ],
    ids=lambda reply: repr(reply[:12]),
)
def test_a_reply_of_a_megabyte_takes_no_time_and_gives_no_vote(reply):
    started = time.perf_counter()
    assert isinstance(parse(reply, MENU), Unparsed)
    assert time.perf_counter() - started < 10, "it would be an hour"


def test_a_verdict_at_the_end_of_a_megabyte_is_found():
    started = time.perf_counter()
    assert preference("because " * (BIG // 8) + "\n" + "Verdict: 2" + " " * BIG) is Preference.B
    assert time.perf_counter() - started < 10


def test_any_unicode_may_stand_around_the_verdict():
    assert preference("回答一更好。\n\U0001f600\ud800\x00\u202e\nVerdict: 1\n\x00") is Preference.A
    assert isinstance(parse("Verdict: 1\x00", MENU), Unparsed)


TELLING = (
    "Verdict: 1",
    "**Verdict:** 2",
    "> Verdict: 1",
    "Verdict: tie",
    "Verdict: ?",
    "Verdict:",
    "final verdict: 2",
    "verdict",
    "##",
    "1",
    "\r",
    "[[A]]",
    '{"preference": "A"}',
)
LINES = st.text(max_size=30) | st.sampled_from(TELLING)
REPLIES = st.lists(LINES, max_size=8).map("\n".join)
WELL_FORMED = re.compile(
    r"[\s*_#`.-]*(?:final[ \t]+)?verdict[\s*_`]*[:=：][\s*_`.]*(1|2|tie)[\s*_`.]*"
)


@settings(deadline=None)
@given(REPLIES | st.text())
def test_parse_never_raises_and_never_votes_without_a_well_formed_line(reply):
    for menu in (MENU, NO_TIES, MARKS, JSON):
        assert isinstance(parse(reply, menu), Verdict | Unparsed)
    verdict = parse(reply, MENU)
    if isinstance(verdict, Verdict):
        lines = reply.split("\n")
        voted = [m for line in lines if (m := WELL_FORMED.fullmatch(line.casefold()))]
        words = dict(zip(("1", "2", "tie"), Preference, strict=True))
        assert words[voted[-1][1]] is verdict.preference


@settings(deadline=None)
@given(REPLIES, st.sampled_from(["1", "2", "tie"]))
def test_a_last_line_that_is_well_formed_always_decides(reply, word):
    words = dict(zip(("1", "2", "tie"), Preference, strict=True))
    assert preference(f"{reply}\nVerdict: {word}") is words[word]


def test_the_default_pattern_reads_as_one_line():
    assert not re.search(DEFAULT_PATTERN, "Verdict\n: 1", re.I | re.M)
    assert reason("Verdict:\n1") == "'' is not on the menu"
