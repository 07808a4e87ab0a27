"""Several samples of one question: their mean, what of it is counted, and what it costs."""

import pytest

from data.records import LabelStatus
from judges.judge import merged
from judges.task import Opinion
from tests.judging import (
    AB,
    BA,
    SECRET,
    TIE,
    A,
    B,
    ask,
    check_round_trip,
    error_of,
    hashes_of,
    identity_of,
    ids_of,
    judge_of,
    reply_to,
    requests_of,
    task,
)

FILE = 'name = "j"\nmodel = "openai/m"\nsamples = 3\n[parameters]\ntemperature = 0.7\n'


@pytest.fixture
def judge(tmp_path):
    return judge_of(tmp_path, FILE)


def label(judge, *said, shown=AB, **fields):
    return ask(judge, task(shown), *said, **fields)[0].label


def opinion(preference, p_a=None, rationale=None, **details):
    status = LabelStatus.OK if preference else LabelStatus.PARSE_ERROR
    return Opinion(status, preference, p_a, rationale, details)


@pytest.mark.parametrize(
    ("said", "p_a", "preference", "counts"),
    [
        ("112", 2 / 3, A, {"a": 2, "b": 1, "unparsed": 0}),
        ("222", 0.0, B, {"b": 3, "unparsed": 0}),
        ("1t2", 0.5, TIE, {"a": 1, "b": 1, "tie": 1, "unparsed": 0}),
        ("1tt", 2 / 3, A, {"a": 1, "tie": 2, "unparsed": 0}),  # (1 + .5 + .5) / 3
        ("1?2", 0.5, TIE, {"a": 1, "b": 1, "unparsed": 1}),
        ("??2", 0.0, B, {"b": 1, "unparsed": 2}),
    ],
)
def test_the_mean_of_the_samples(judge, said, p_a, preference, counts):
    words = {"1": "Verdict: 1", "2": "Verdict: 2", "t": "Verdict: tie", "?": "Who knows."}
    done = label(judge, *(words[each] for each in said))
    assert done.p_a == pytest.approx(p_a, abs=1e-15)
    assert (done.preference, done.status) == (preference, LabelStatus.OK)
    assert done.details == {"samples": counts}


def test_in_the_other_order_it_is_mirrored(judge):
    said = ("Verdict: 1", "Verdict: 1", "Verdict: 2")
    ab, ba = label(judge, *said), label(judge, *said, shown=BA)
    assert (ab.preference, ba.preference) == (A, B)
    assert ab.p_a + ba.p_a == pytest.approx(1)


def test_without_any_verdict_the_first_sample_says_why(judge):
    done = label(judge, "Verdict: both", "", None)
    assert (done.status, done.p_a) == (LabelStatus.PARSE_ERROR, None)
    assert done.details["reason"] == "'both' is not on the menu"
    assert done.cost_usd == 0.75


def test_the_rationale_argues_for_what_was_decided(judge):
    done = label(judge, "Because of x.\nVerdict: 2", "Y.\nVerdict: 1", "Z.\nVerdict: 1")
    assert (done.preference, done.rationale) == (A, "Y.")
    done = label(judge, "X.\nVerdict: 2", "Y.\nVerdict: 1", "?")
    assert (done.preference, done.rationale) == (TIE, None), "no sample argued for a tie"


def test_all_calls_are_paid(judge):
    said = [{"text": "Verdict: 1", "paid_usd": usd, "seconds": 2.0} for usd in (0.5, 0.25, 0.125)]
    [judgment] = ask(judge, task(), *said)
    assert (judgment.label.cost_usd, judgment.label.seconds) == (0.875, 6.0)
    assert len(judgment.requests) == 3
    said[1]["paid_usd"] = None
    assert ask(judge, task(), *said)[0].label.cost_usd is None


def test_every_sample_of_every_repeat_is_a_request_of_its_own(judge):
    hashes = [each for repeat in range(3) for each in hashes_of(judge, task(repeat=repeat))]
    assert len(set(hashes)) == 9
    [one] = {each.messages for each in requests_of(judge, task(repeat=1))}
    assert one == requests_of(judge, task())[0].messages
    assert [each.repeat for each in requests_of(judge, task(repeat=2))] == [6, 7, 8]


def test_on_a_resume_only_what_is_missing_is_asked_for(judge):
    first, *rest = requests_of(judge, task())
    asking = judge.asking(task(), SECRET, ids_of(judge))
    assert list(asking.needed({first.request_hash: reply_to(first, "Verdict: 1")})) == rest


def test_more_samples_contain_the_fewer(tmp_path):
    """So that a judge with five samples reuses the replies of one with three, at repeat 0."""
    three = hashes_of(judge_of(tmp_path, FILE), task())
    five = hashes_of(judge_of(tmp_path, FILE.replace("3", "5")), task())
    assert five[:3] == three


def test_a_samples_judge_is_another_one_and_is_built_again(tmp_path):
    files = (FILE, FILE.replace("3", "5"), FILE.replace("samples = 3\n", ""))
    assert len({identity_of(tmp_path, text) for text in files}) == len(files)
    assert check_round_trip(tmp_path, FILE, task(AB), task(BA, repeat=1)).samples == 3


def test_ratings_of_several_samples_are_all_kept(tmp_path):
    judge = judge_of(tmp_path, FILE.replace("samples = 3", 'samples = 2\nkind = "rating"'))
    done = label(judge, "Rating: 7", "Rating: 5", "Rating: 4", "Rating: 6", shown=None)
    assert (done.p_a, done.preference) == (0.5, TIE)
    assert done.details["ratings"] == [{"a": 7.0, "b": 5.0}, {"a": 4.0, "b": 6.0}]
    assert done.cost_usd == 1.0
    same = label(judge, *("Rating: 7", "Rating: 5") * 2, shown=None)
    assert same.details["ratings"] == {"a": 7.0, "b": 5.0}


def test_a_rubric_is_merged_criterion_by_criterion(tmp_path):
    file = FILE.replace("samples = 3", 'samples = 2\nkind = "rubric"')
    judge = judge_of(tmp_path, file + "[criteria]\nhonesty = 'x'\n")
    overall, honesty = (
        each.label for each in ask(judge, task(), "overall: 1", "overall: 2\nhonesty: 2")
    )
    assert (overall.p_a, overall.preference) == (0.5, TIE)
    assert (honesty.p_a, honesty.preference) == (0.0, B)
    assert honesty.details["samples"] == {"b": 1, "unparsed": 1}
    assert (overall.cost_usd, honesty.cost_usd) == (0.5, 0.5)


# ---- merging itself


def test_one_opinion_stays_as_it_is():
    one = opinion(A, None, "r", x=1)
    assert merged([one]) is one


def test_soft_opinions_are_averaged_by_their_probabilities():
    done = merged([opinion(A, 0.75, soft_from="logprobs"), opinion(B, 0.125, soft_from="logprobs")])
    assert (done.p_a, done.preference) == (0.4375, B)
    assert done.details == {"soft_from": "logprobs", "samples": {"a": 1, "b": 1, "unparsed": 0}}


def test_a_mean_of_exactly_one_half_is_a_tie_whatever_the_order():
    for scores in ((0.1, 0.9), (0.9, 0.1), (0.3, 0.7), (0.1, 0.2, 0.8, 0.9)):
        assert merged([opinion(A if s > 0.5 else B, s) for s in scores]).preference is TIE


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (FILE.replace("samples = 3", "samples = 101"), "samples: "),
        (FILE.replace("samples = 3", "samples = -1"), "samples: "),
        (FILE.replace("samples = 3", "samples = 2.5"), "samples: "),
        (FILE.replace("0.7", "0"), "samples: 3 samples at temperature 0"),
        (FILE.replace("0.7", "0.0"), "samples: 3 samples at temperature 0"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, text, named):
    assert error_of(tmp_path, text).startswith(named)
