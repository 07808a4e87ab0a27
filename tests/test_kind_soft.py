"""Soft labels: RLAIF's softmax over the two words, and samples where a provider gives none."""

import math

import pytest

from data.records import LabelStatus
from judges.judge import Judge
from judges.kinds.soft import BARE, Soft, p_first
from judges.parsing import Menu
from tests.judging import (
    AB,
    BA,
    SECRET,
    TIE,
    A,
    B,
    ask,
    check_round_trip,
    comparison,
    error_of,
    identity_of,
    ids_of,
    judge_of,
    reply_to,
    requests_of,
    task,
)

FILE = 'name = "j"\nkind = "soft"\nmodel = "openai/m"\n[soft]\n'
FALLBACK = FILE + "fallback_samples = 3\n"
MENU = Menu(tie=None, pattern=BARE)
# P(1) = .6 and P(2) = .2 are those two words' own: softmax gives .6 / (.6 + .2) = .75.
THREE_TO_ONE = {"1": math.log(0.6), "2": math.log(0.2), "I": math.log(0.1)}


@pytest.fixture
def judge(tmp_path):
    return judge_of(tmp_path, FILE)


def label(judge, text, logprobs, shown=AB, **fields):
    [judgment] = ask(judge, task(shown), {"text": text, "logprobs": logprobs}, **fields)
    return judgment.label


# ---- the value


def test_it_asks_for_the_log_probabilities_of_one_word(judge):
    [request] = requests_of(judge, task())
    assert request.parameters == {"logprobs": True, "top_logprobs": 20}
    assert request.messages[-1].content.endswith("one word and nothing else: 1 or 2.")


def test_the_softmax_of_rlaif_by_hand(judge):
    """Lee et al. (2309.00267): softmax over the log-probabilities of "1" and "2", by order."""
    done = label(judge, "1", (THREE_TO_ONE,))
    assert done.p_a == pytest.approx(0.75, abs=1e-12)
    assert (done.preference, done.status) == (A, LabelStatus.OK)
    assert done.details == {"soft_from": "logprobs"}
    turned = label(judge, "1", (THREE_TO_ONE,), BA)
    assert turned.p_a == pytest.approx(0.25, abs=1e-12)
    assert turned.preference is B


def test_swapping_the_responses_mirrors_the_probability(judge):
    swapped = comparison(a="No idea.", b="Because.")
    said = {"text": "2", "logprobs": ({"1": -1.25, "2": -0.5},)}
    [own] = ask(judge, task(AB), said)
    [turned] = ask(judge, task(BA, swapped), said)
    assert own.requests == turned.requests
    assert own.label.p_a + turned.label.p_a == pytest.approx(1, abs=1e-15)
    # 1 / (1 + exp(-.5 + 1.25)) = 1 / (1 + exp(.75)) = .3208
    assert own.label.p_a == pytest.approx(0.32082130, abs=1e-8)


def test_equal_probabilities_are_a_tie(judge):
    done = label(judge, "2", ({"1": -0.7, "2": -0.7},), BA)
    assert (done.p_a, done.preference) == (0.5, TIE)


@pytest.mark.parametrize(
    ("alternatives", "expected"),
    [
        ({"1": -0.1, "I": -3.0}, 1.0),  # a word that is not there counts as impossible
        ({"2": -0.1}, 0.0),
        (
            {"1": math.log(0.3), " 1": math.log(0.3), "**1**": math.log(0.15), "2": math.log(0.25)},
            0.75,
        ),
        ({"1": -0.5, "2": -math.inf}, 1.0),
        ({"1": -0.5, "2": math.nan}, 1.0),
        ({"1": -9999.0, "2": -9999.0}, 0.5),  # nothing is divided by 0
        ({"1": 2.0, "2": 2.0 - math.log(3)}, 0.75),  # a server that gives logits
        ({"1": -800.0, "2": -1600.0}, 1.0),
    ],
)
def test_the_value_at_odd_alternatives(alternatives, expected):
    assert p_first((alternatives,), MENU) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "tokens",
    [(), ({},), ({"I": -0.1, "1": -2.0},), ({"1": math.nan},), ({"1": -math.inf, "2": -math.inf},)],
)
def test_without_a_likeliest_word_there_is_no_value(tokens):
    assert p_first(tokens, MENU) is None


def test_words_of_ones_own_are_found_without_regard_to_case():
    menu = Menu("left", "right", None)
    assert p_first(({" Left": math.log(0.9), "RIGHT": math.log(0.1)},), menu) == pytest.approx(0.9)


# ---- which token


def test_the_verdicts_own_token_is_read_and_not_a_number_before_it(judge):
    tokens = ({"1": -0.01, "2": -5.0}, {" is": -0.1}, {"\n": -0.1}, {"Verdict": -0.1}, {":": -0.1})
    done = label(
        judge, "1 is short.\nVerdict: 2", (*tokens, {" 2": math.log(0.8), " 1": math.log(0.2)})
    )
    assert done.p_a == pytest.approx(0.2, abs=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "2\n\nResponse 1",
        "2 is better than 1",
        "1 or 2",
        "Response 1 is better.",
        "Verdict: 2\nVerdict: 1 would be wrong",
        "2\n> 1",
        "",
        None,
    ],
)
def test_a_number_in_prose_is_no_verdict(judge, text):
    """The last token of these is likeliest "1", and none of them votes for the first."""
    done = label(judge, text, ({"2": -0.01, "1": -5.0}, {"1": -0.01, "2": -5.0}))
    assert (done.status, done.preference, done.p_a) == (LabelStatus.PARSE_ERROR, None, None)


@pytest.mark.parametrize("text", ["1", " 1\n", "**1**", "Verdict: 1", "`1`.", "Reasons.\n\n1"])
def test_ways_to_write_the_word(judge, text):
    assert label(judge, text, (THREE_TO_ONE,)).p_a == pytest.approx(0.75)


def test_one_token_is_enough_for_a_word_but_not_for_prose(judge):
    """`max_tokens = 1` ends every reply at its limit."""
    assert label(judge, "1", (THREE_TO_ONE,), finish_reason="length").preference is A
    done = label(judge, "It ends with\n1", (THREE_TO_ONE,), finish_reason="length")
    assert done.status is LabelStatus.PARSE_ERROR
    assert "cut off" in done.details["reason"]


def test_tokens_without_a_word_are_a_parse_error_and_no_samples_are_asked_for(tmp_path):
    done = label(judge_of(tmp_path, FALLBACK), "1", ({"I": -0.1},))
    assert done.details["reason"] == "no token is likeliest one of the words"
    assert done.status is LabelStatus.PARSE_ERROR


def test_what_the_provider_withheld_is_refused(judge):
    done = label(judge, None, None, finish_reason="content_filter")
    assert (done.status, done.p_a) == (LabelStatus.REFUSED, None)


# ---- samples instead


def test_without_log_probabilities_and_without_leave_there_is_no_label(judge):
    done = label(judge, "1", None)
    assert (done.status, done.p_a, done.cost_usd) == (LabelStatus.PARSE_ERROR, None, 0.25)
    assert "fallback_samples" in done.details["reason"]


def test_samples_are_asked_for_where_the_file_allows_for_them(tmp_path):
    judge = judge_of(tmp_path, FALLBACK)
    said = ("1", "1", "Verdict: 2", "1")
    [judgment] = ask(judge, task(BA), *said)
    done = judgment.label
    # Two of three samples are for the first shown, which is b: P(a) = 1/3.
    assert done.p_a == pytest.approx(1 / 3)
    assert done.preference is B
    assert done.details == {"soft_from": "samples", "samples": {"a": 1, "b": 2, "unparsed": 0}}
    assert (done.cost_usd, done.seconds) == (1.0, 6.0), "of all four calls"
    assert len(judgment.requests) == 4
    assert done.annotator_id == judge.annotator().annotator_id


def test_the_samples_are_hot_and_ask_for_no_log_probabilities(tmp_path):
    judge = judge_of(tmp_path, FALLBACK + "[parameters]\nmax_tokens = 4\ntemperature = 0\n")
    asking = judge.asking(task(repeat=2), SECRET, ids_of(judge))
    [first] = asking.needed({})
    assert first.parameters == {
        "max_tokens": 4,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 20,
    }
    samples = asking.needed({first.request_hash: reply_to(first, "1")})
    assert [each.repeat for each in samples] == [6, 7, 8], "other repeats draw other samples"
    assert all(each.parameters == {"max_tokens": 4, "temperature": 1} for each in samples)
    assert {each.messages for each in samples} == {first.messages}
    again = judge.asking(task(repeat=2), SECRET, ids_of(judge))
    assert again.needed({first.request_hash: reply_to(first, "1")}) == samples, "on a resume"


def test_unparsed_samples_are_left_out_and_counted(tmp_path):
    [judgment] = ask(judge_of(tmp_path, FALLBACK), task(), "1", "1", "I cannot say.", "2")
    assert judgment.label.details["samples"] == {"a": 1, "b": 1, "unparsed": 1}
    assert (judgment.label.p_a, judgment.label.preference) == (0.5, TIE)
    [judgment] = ask(judge_of(tmp_path, FALLBACK), task(), "1", "?", "?", "?")
    assert judgment.label.status is LabelStatus.PARSE_ERROR
    assert judgment.label.details["soft_from"] == "samples"


def test_a_model_that_takes_no_log_probabilities_is_asked_for_samples_at_once(tmp_path):
    judge = judge_of(tmp_path, FALLBACK)
    reduced = judge.reduced("openai/m")
    assert isinstance(reduced, Judge)
    assert len(requests_of(reduced, task())) == 3
    asking = reduced.asking(task(), SECRET, ids_of(judge))
    replies = {each.request_hash: reply_to(each, "1") for each in asking.needed({})}
    [judgment] = asking.judgments(replies)
    assert judgment.label.p_a == 1
    assert judgment.label.details["soft_from"] == "samples"
    assert judge.reduced("openai/other") is None
    assert reduced.reduced("openai/m") is None
    assert judge_of(tmp_path, FILE).reduced("openai/m") is None


# ---- files


def test_it_is_built_again_from_its_description(tmp_path):
    again = check_round_trip(
        tmp_path,
        FALLBACK + "alternatives = 5\n[verdict]\nfirst = 'A'\nsecond = 'B'\n",
        task(AB),
        task(BA),
    )
    assert again.kind == Soft(Menu("A", "B", None, BARE), 5, 3)


def test_what_makes_it_another_annotator(tmp_path):
    files = (
        FILE,
        FALLBACK,
        FILE + "alternatives = 5",
        FILE + "[verdict]\nfirst = 'A'",
        FILE.replace("soft", "pairwise").replace("[pairwise]\n", ""),
        FILE + "[parameters]\ntop_p = 1",
    )
    assert len({identity_of(tmp_path, text) for text in files}) == len(files)
    assert identity_of(tmp_path, FILE) == identity_of(tmp_path, FILE + "alternatives = 20")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (FILE + "alternatives = 1", "soft.alternatives: "),
        (FILE + "alternatives = 21", "soft.alternatives: "),
        (FILE + "alternatives = '5'", "soft.alternatives: "),
        (FILE + "fallback_samples = -1", "soft.fallback_samples: "),
        (FILE + "fallback_samples = true", "soft.fallback_samples: "),
        (FILE + "samples = 3", "soft.samples: "),
        (FILE + "[verdict]\ntie = 'tie'", "verdict.tie means nothing"),
        (FILE + "[verdict]\nfirst = '2'", "verdict: two verdicts"),
        (FILE + "[verdict]\npattern = '('", "verdict.pattern: not a regular expression"),
        ("output = 'json'\n" + FILE, "output means nothing"),
        ("orders = 'none'\n" + FILE, "orders: "),
        ("template = 'rating'\n" + FILE, "template: "),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, text, named):
    assert error_of(tmp_path, text).startswith(named)
