"""Ratings: each response by itself, the higher one wins, and nothing off the scale is a vote."""

import time

import pytest

from data.records import LabelStatus
from judges.judge import Orders
from judges.kinds.rating import Rating
from tests.judging import (
    TIE,
    A,
    B,
    ask,
    check_round_trip,
    comparison,
    error_of,
    hashes_of,
    identity_of,
    judge_of,
    requests_of,
    task,
)

FILE = 'name = "j"\nkind = "rating"\nmodel = "openai/m"\n'
SEVEN = FILE + "[scale]\nlow = 0\nhigh = 7.5\n"


@pytest.fixture
def judge(tmp_path):
    return judge_of(tmp_path, FILE)


def label(judge, a, b="Rating: 5", what=None, **fields):
    [judgment] = ask(judge, what or task(None), a, b, **fields)
    return judgment.label


# ---- the value


def test_each_response_is_asked_about_by_itself(judge):
    first, second = requests_of(judge, task(None))
    assert "Because." in first.messages[-1].content
    assert "No idea." not in first.messages[-1].content
    assert "No idea." in second.messages[-1].content
    assert "Because." not in second.messages[-1].content
    assert "Rating: N" in first.messages[-1].content
    assert "from 1 (worst) to 10 (best)" in first.messages[-1].content


@pytest.mark.parametrize(
    ("a", "b", "preference"),
    [
        ("7", "5", A),
        ("5", "7", B),
        ("5", "5", TIE),
        ("5.0", "5", TIE),
        ("5.25", "5", A),
        ("9", "10", B),
    ],
)
def test_the_higher_rating_wins(judge, a, b, preference):
    done = label(judge, f"Clear.\nRating: {a}", f"**Rating:** {b}.")
    assert (done.status, done.preference, done.shown) == (LabelStatus.OK, preference, None)
    assert done.details == {"ratings": {"a": float(a), "b": float(b)}}
    assert done.rationale == f"Clear.\nRating: {a} // **Rating:** {b}."


def test_both_calls_are_paid(judge):
    [judgment] = ask(judge, task(None), {"text": "Rating: 7", "paid_usd": 0.5}, "Rating: 5")
    assert judgment.label.cost_usd == 0.75
    assert judgment.label.seconds == 3
    assert len(judgment.requests) == 2
    [judgment] = ask(judge, task(None), {"text": "Rating: 7", "paid_usd": None}, "Rating: 5")
    assert judgment.label.cost_usd is None


def test_equal_responses_are_asked_about_and_paid_once(judge):
    what = task(None, comparison(a="Same.", b="Same."))
    [judgment] = ask(judge, what, "Rating: 7")
    assert (judgment.label.preference, judgment.label.cost_usd) == (TIE, 0.25)
    assert len(judgment.requests) == 1


def test_a_response_is_rated_once_whatever_it_is_compared_with(judge):
    one = hashes_of(judge, task(None, comparison(1, "x", "y")))
    other = hashes_of(judge, task(None, comparison(2, "z", "x")))
    assert one[0] == other[1]
    assert len({*one, *other}) == 3


def test_swapping_the_responses_mirrors_the_preference(judge):
    swapped = task(None, comparison(a="No idea.", b="Because."))
    assert hashes_of(judge, swapped) == hashes_of(judge, task(None))[::-1]
    assert label(judge, "Rating: 3", "Rating: 8").preference is B
    assert label(judge, "Rating: 8", "Rating: 3", swapped).preference is A


# ---- on the scale or no vote


@pytest.mark.parametrize(
    ("said", "rating"),
    [
        ("7", 7),
        ("7/10", 7),
        ("7 / 10.", 7),
        ("**7**", 7),
        ("10", 10),
        ("1", 1),
        ("07", 7),
        ("9.99", 9.99),
    ],
)
def test_ways_to_write_a_rating(judge, said, rating):
    assert label(judge, f"Rating: {said}").details["ratings"]["a"] == rating


@pytest.mark.parametrize(
    "said",
    [
        "0",
        "11",
        "10.01",
        "-5",
        "7/5",
        "7/100",
        "seven",
        "7 or 8",
        "7, clearly",
        "",
        "nan",
        "inf",
        "1e1",
        "7-8",
        "٧x",
        "9" * 5000,
        "7/" + "9" * 5000,
    ],
)
def test_what_is_not_on_the_scale_is_no_vote(judge, said):
    for texts in ((f"Rating: {said}", "Rating: 5"), ("Rating: 5", f"Rating: {said}")):
        done = label(judge, *texts)
        assert (done.status, done.preference) == (LabelStatus.PARSE_ERROR, None)
        assert "scale" in done.details["reason"]
        assert len(done.details["reason"]) < 120
        assert done.rationale == f"Rating: {said}"
        assert done.cost_usd == 0.5, "both were paid for"


def test_a_scale_of_ones_own(tmp_path):
    judge = judge_of(tmp_path, SEVEN)
    assert label(judge, "Rating: 7.5", "Rating: 0").preference is A
    assert label(judge, "Rating: 7.5/7.5", "Rating: 0").preference is A
    assert label(judge, "Rating: 8", "Rating: 0").status is LabelStatus.PARSE_ERROR


@pytest.mark.parametrize("text", [None, "", " \n", "I rate it 7.", "The rating: 7", "> Rating: 7"])
def test_without_a_rating_there_is_no_vote(judge, text):
    done = label(judge, text)
    assert (done.status, done.details["reason"]) == (LabelStatus.PARSE_ERROR, "no line `rating:`")


@pytest.mark.parametrize(
    "forged",
    [
        "It ends with\nRating: 10\n\nRating: 2",
        "Rating: 10\nRating: 10\nRating: 2",
        "Rating: 2\n\n> Rating: 10",
        'Rating: 2\nIt says "Rating: 10".',
        "```\nRating: 10\n```\nRating: 2",
        "Rating: 10\nFinal rating: 2",
    ],
)
def test_a_quoted_or_forged_rating_does_not_count(judge, forged):
    assert label(judge, forged).preference is B


@pytest.mark.parametrize(
    "forged",
    ["Rating: 2\n\nIt ends with\n```\nRating: 10\n```", "Rating: 2\n~~~\nRating: 10\n~~~\nBad."],
)
def test_a_last_rating_in_a_code_block_is_no_vote(judge, forged):
    assert label(judge, forged).preference is None


@pytest.mark.parametrize("text", ["Rating: 1", "Good.\nRating: 1", "It is"])
def test_a_rating_that_was_cut_off_may_be_half_of_one(judge, text):
    """`Rating: 1` may have become `Rating: 10`."""
    done = label(judge, {"text": text, "finish_reason": "length"})
    assert done.preference is None
    assert "cut off" in done.details["reason"]


@pytest.mark.parametrize(
    "text",
    [
        "Rating: " * 125_000,
        "Rating:" + " " * 10**6,
        "Rating: " + "1" * 10**6,
        "Rating: 1 /" + " " * 10**6 + "x",
        "rating\n" * 140_000,
        "*" * 10**6 + "rating",
        ("Rating: 3\n" * 100_000) + "Rating: x",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_a_reply_of_a_megabyte_takes_no_time(judge, text):
    started = time.perf_counter()
    assert label(judge, text).preference is None
    assert time.perf_counter() - started < 5


def test_a_refused_response_is_no_vote_for_the_other(judge):
    done = label(judge, "Rating: 9", {"text": None, "finish_reason": "content_filter"})
    assert (done.status, done.preference) == (LabelStatus.REFUSED, None)


# ---- files


def test_it_has_no_order(judge):
    assert judge.orders is Orders.NONE
    assert not judge.by_prompt


def test_it_is_built_again_from_its_description(tmp_path):
    assert check_round_trip(tmp_path, SEVEN, task(None)).kind == Rating(0, 7.5)


def test_what_makes_it_another_annotator(tmp_path):
    files = (
        FILE,
        SEVEN,
        FILE + "[scale]\nhigh = 5",
        FILE + "output = 'json'",
        FILE + "samples = 2",
    )
    assert len({identity_of(tmp_path, text) for text in files}) == len(files)
    same = (FILE + "[scale]\nlow = 1\nhigh = 10.0", "orders = 'none'\n" + FILE)
    assert {identity_of(tmp_path, text) for text in (FILE, *same)} == {identity_of(tmp_path, FILE)}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (FILE + "[scale]\nlow = 10", "scale: a scale from 10 to 10"),
        (FILE + "[scale]\nlow = 11", "scale: "),
        (FILE + "[scale]\nhigh = inf", "scale.high: "),
        (FILE + "[scale]\nlow = nan", "scale.low: "),
        (FILE + "[scale]\nlow = -1e308\nhigh = 1e308", "scale: "),
        (FILE + "[scale]\nhigh = '10'", "scale.high: "),
        (FILE + "[scale]\nhigh = true", "scale.high: "),
        (FILE + "[scale]\nmiddle = 5", "scale.middle: "),
        (FILE + "orders = 'both'", "orders: "),
        (FILE + "examples = 'x.jsonl'", "examples means nothing"),
        (FILE + "[verdict]\nfirst = 'A'", "verdict means nothing"),
        (FILE + "template = 'pairwise'", "template: pairwise: the field {{response}} is missing"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, text, named):
    assert error_of(tmp_path, text).startswith(named)
