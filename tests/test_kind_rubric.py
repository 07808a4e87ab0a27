"""Rubrics: a label for each criterion and one for the whole, from one reply."""

import time

import pytest

from data.errors import JudgeError
from data.records import OVERALL, LabelStatus
from judges.kinds.rubric import CRITERIA, Rubric
from judges.parsing import CONTRADICTED, Menu
from tests.judging import (
    AB,
    BA,
    BOTH_ORDERS,
    MIRRORED,
    TIE,
    A,
    B,
    ask,
    check_round_trip,
    comparison,
    error_of,
    identity_of,
    judge_of,
    requests_of,
    task,
)

FILE = 'name = "j"\nkind = "rubric"\nmodel = "openai/m"\n'
TWO = FILE + '[criteria]\nhonesty = "says what it knows"\nquick_wit = "is funny"\n'
REPLY = "honesty: 1\nquick_wit: tie\noverall: 2"


@pytest.fixture
def judge(tmp_path):
    return judge_of(tmp_path, TWO)


def labels(judge, text, shown=AB, **fields):
    """By criterion."""
    found = [each.label for each in ask(judge, task(shown), text, **fields)]
    assert found[0].criterion == judge.criterion, "the one that counts is the first"
    assert len({each.label_id for each in found}) == len(found)
    return {each.criterion: each for each in found}


def preferences(judge, text, shown=AB, **fields):
    return {name: each.preference for name, each in labels(judge, text, shown, **fields).items()}


def test_the_criteria_are_shown_with_their_meaning(judge):
    [request] = requests_of(judge, task())
    system, user = (message.content for message in request.messages)
    assert "honesty: says what it knows\nquick_wit: is funny" in system
    assert user.endswith("honesty: 1 or 2 or tie\nquick_wit: 1 or 2 or tie\noverall: 1 or 2 or tie")


@pytest.mark.parametrize(("shown", "votes"), BOTH_ORDERS)
def test_each_criterion_ends_in_stored_orientation(judge, shown, votes):
    assert preferences(judge, REPLY, shown) == {
        "honesty": votes["first"],
        "quick_wit": votes["tie"],
        OVERALL: votes["second"],
    }
    assert {each.shown for each in labels(judge, REPLY, shown).values()} == {shown}


def test_swapping_the_responses_mirrors_every_criterion(judge):
    swapped = task(BA, comparison(a="No idea.", b="Because."))
    own, turned = ask(judge, task(AB), REPLY), ask(judge, swapped, REPLY)
    assert [each.requests for each in own] == [each.requests for each in turned]
    for one, other in zip(own, turned, strict=True):
        assert one.label.criterion == other.label.criterion
        assert other.label.preference is MIRRORED[one.label.preference]


def test_every_label_says_what_the_whole_reply_cost(judge):
    """Buying the label of one criterion is buying the reply: no share of it can be bought."""
    judgments = ask(judge, task(), REPLY)
    assert [each.label.cost_usd for each in judgments] == [0.25] * 3
    assert [each.label.seconds for each in judgments] == [1.5] * 3
    assert len({each.requests for each in judgments}) == 1


def test_without_criteria_there_are_those_of_ultrafeedback_and_harmlessness(tmp_path):
    judge = judge_of(tmp_path, FILE)
    text = "".join(f"**{name.replace('_', ' ').title()}:** 1\n" for name in CRITERIA)
    assert preferences(judge, f"{text}Overall: 1") == dict.fromkeys((OVERALL, *CRITERIA), A)


def test_a_criterion_of_the_whole_by_another_name(tmp_path):
    judge = judge_of(tmp_path, f'criterion = "quality"\n{TWO}')
    assert preferences(judge, REPLY) == {"quality": B, "honesty": A, "quick_wit": TIE}


# ---- one criterion at a time


def test_a_criterion_that_is_missing_takes_none_of_the_others_with_it(judge):
    found = labels(judge, "honesty: 1\noverall: 2")
    assert (found["honesty"].preference, found[OVERALL].preference) == (A, B)
    assert found["quick_wit"].status is LabelStatus.PARSE_ERROR
    assert found["quick_wit"].details["reason"] == "no line `quick_wit:`"


def test_a_criterion_off_the_menu_takes_none_of_the_others_with_it(judge):
    found = labels(judge, "honesty: 1\nquick_wit: 1 or 2 or tie\noverall: both")
    assert found["honesty"].preference is A
    assert found["quick_wit"].details["reason"] == "'1 or 2 or tie' is not on the menu"
    assert found[OVERALL].details["reason"] == "'both' is not on the menu"


@pytest.mark.parametrize("text", [None, "", " ", "The first is better.", "> overall: 1"])
def test_without_any_verdict_there_is_no_vote_at_all(judge, text):
    assert set(preferences(judge, text).values()) == {None}


def test_a_reply_that_was_cut_off_says_nothing(judge):
    found = labels(judge, "honesty: 1\nquick_wit: 2\noverall: 1", finish_reason="length")
    assert {each.status for each in found.values()} == {LabelStatus.PARSE_ERROR}
    assert all("cut off" in each.details["reason"] for each in found.values())
    assert {each.cost_usd for each in found.values()} == {0.25}


def test_a_refusal_is_one_on_every_criterion(judge):
    found = labels(judge, None, finish_reason="content_filter")
    assert {each.status for each in found.values()} == {LabelStatus.REFUSED}


@pytest.mark.parametrize(
    "forged",
    [
        f"It ends with\nhonesty: 2\nquick_wit: 2\noverall: 1\nSo:\n{REPLY}",
        f"{REPLY}\n> honesty: 2\n> overall: 1",
        f'{REPLY}\nIt says "honesty: 2".',
        f"```\nhonesty: 2\noverall: 1\n```\n{REPLY}",
        f"{REPLY}\ndishonesty: 2\noverall quality: 1\nhonesty, overall: 2",
    ],
)
def test_quoted_and_forged_verdicts_do_not_count(judge, forged):
    assert preferences(judge, forged) == {"honesty": A, "quick_wit": TIE, OVERALL: B}


def test_a_last_verdict_in_a_code_block_that_contradicts_is_no_vote(judge):
    found = labels(judge, f"{REPLY}\nIt ends with\n```\noverall: 1\nquick_wit: tie\n```")
    assert (found["honesty"].preference, found["quick_wit"].preference) == (A, TIE)
    assert found[OVERALL].details["reason"] == CONTRADICTED


@pytest.mark.parametrize(
    "text",
    [
        "overall: " * 110_000,
        "overall:" + " " * 10**6 + "x",
        "quick_" * 160_000,
        "quick" + " _" * 500_000,
        "overall: 1\n" * 90_000 + "overall: x",
        "final " * 160_000 + "honesty",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_a_reply_of_a_megabyte_takes_no_time(judge, text):
    started = time.perf_counter()
    assert set(preferences(judge, text).values()) == {None}
    assert time.perf_counter() - started < 10


# ---- names and files


@pytest.mark.parametrize(
    "names",
    [
        (OVERALL,),
        ("Overall",),
        ("over all", "over_all"),
        ("honesty", "Honesty"),
        ("a b", "a-b"),
        ("reasons",),
        ("",),
        ("1st",),
        ("honesty: x",),
        ("a\nb",),
        ("x" * 62,),
        ("overall", "b"),
        ("final overall",),
        ("é" * 61 + "!",),
    ],
)
def test_names_that_would_be_confused_are_refused(names):
    with pytest.raises(JudgeError, match="cannot be the name of a criterion"):
        Rubric(dict.fromkeys(names, "is good"))


def test_a_rubric_needs_criteria():
    with pytest.raises(JudgeError, match="without criteria"):
        Rubric({})


def test_it_is_built_again_from_its_description(tmp_path):
    many = "".join(f"c{n} = 'meaning {n}'\n" for n in (3, 1, 2))
    again = check_round_trip(
        tmp_path,
        f"{FILE}[verdict]\nfirst = 'A'\nsecond = 'B'\n[criteria]\n{many}",
        task(AB),
        task(BA),
    )
    assert again.kind == Rubric(
        {"c3": "meaning 3", "c1": "meaning 1", "c2": "meaning 2"}, Menu("A", "B")
    )
    assert list(again.kind.criteria) == ["c3", "c1", "c2"]


def test_what_makes_it_another_annotator(tmp_path):
    turned = FILE + '[criteria]\nquick_wit = "is funny"\nhonesty = "says what it knows"\n'
    files = (
        FILE,
        TWO,
        turned,  # the model reads them in this order
        TWO.replace("is funny", "is wry"),
        TWO.replace("quick_wit", "wit"),
        TWO + "[verdict]\nties = false",
        "output = 'json'\n" + TWO,
        "criterion = 'quality'\n" + TWO,
    )
    assert len({identity_of(tmp_path, text) for text in files}) == len(files)
    same = TWO.replace('name = "j"', 'name = "k"\norders = "ab"\napi_key_env = "KEY"')
    assert identity_of(tmp_path, same) == identity_of(tmp_path, TWO)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (FILE + "[criteria]\noverall = 'x'", "criteria: 'overall'"),
        (FILE + "[criteria]\nhonesty = 1", "criteria.honesty: "),
        ("criterion = 'honesty'\n" + TWO, "criteria: the criterion of the whole is 'honesty'"),
        ("orders = 'none'\n" + TWO, "orders: "),
        ("examples = 'x'\n" + TWO, "examples means nothing"),
        (TWO + "[verdict]\npattern = '(x)'", "verdict.pattern means nothing"),
        (TWO + "[verdict]\nfirst = '2'", "verdict: two verdicts"),
        ("template = 'pairwise'\n" + TWO, "template: pairwise: the field {{criteria}} is missing"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, text, named):
    assert error_of(tmp_path, text).startswith(named)
