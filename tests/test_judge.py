"""A judge: orders, requests and what a reply makes of a label. Pure, nothing is sent."""

from uuid import UUID, uuid5

import pytest

from data.records import OVERALL, Comparison, LabelStatus, Preference, Reply, Shown
from judges.judge import Judge, Orders, Price, orders_of, serves_another
from judges.kinds.pairwise import Pairwise
from judges.parsing import Menu
from judges.prompts import parse_template
from judges.task import Task, in_stored_orientation

TEMPLATE = parse_template("## user\n{{response_1}} or {{response_2}}", "test.md")
JUDGE = Judge("j", "openai/m", TEMPLATE)
COMPARISON = Comparison(UUID(int=7), "Why?", "Because.", "No idea.")
IDS = [uuid5(UUID(int=0), str(number)) for number in range(2000)]


def begun(judge=JUDGE, shown=Shown.AB, repeat=0):
    return judge.asking(Task((COMPARISON,), shown, repeat), "s", {judge.name: UUID(int=1)})


def read(text, shown=Shown.AB, judge=JUDGE, **reply):
    asking = begun(judge, shown)
    [request] = asking.needed({})
    given = {"served_model": "m", "prompt_tokens": 10, "completion_tokens": 5, "paid_usd": 0.25}
    given |= {"price_version": None, "seconds": 1.5, "finish_reason": "stop"} | reply
    replies = {request.request_hash: Reply(request.request_hash, text, **given)}
    assert asking.needed(replies) == ()
    [judgment] = asking.judgments(replies)
    assert judgment.requests == (request.request_hash,)
    label = judgment.label
    assert (label.comparison_id, label.annotator_id) == (COMPARISON.comparison_id, UUID(int=1))
    assert (label.shown, label.criterion, label.repeat) == (shown, OVERALL, 0)
    return label


# ---- orders


def test_the_orders_of_a_judge():
    assert orders_of(Orders.BOTH, IDS[0]) == (Shown.AB, Shown.BA)
    assert orders_of(Orders.AB, IDS[0]) == (Shown.AB,)
    assert orders_of(Orders.BA, IDS[0]) == (Shown.BA,)
    assert orders_of(Orders.NONE, IDS[0]) == (None,)


def test_a_random_order_is_fair_and_drawn_from_the_id():
    drawn = [orders_of(Orders.RANDOM, each) for each in IDS]
    assert drawn == [orders_of(Orders.RANDOM, each) for each in IDS]
    assert {len(orders) for orders in drawn} == {1}
    # 2,000 fair coins: 1,000 heads, standard deviation sqrt(2000 / 4) = 22.4; four of them are 90.
    assert abs(drawn.count((Shown.AB,)) - 1000) < 90


@pytest.mark.parametrize(
    ("verdict", "shown", "stored"),
    [
        (Preference.A, Shown.AB, Preference.A),
        (Preference.B, Shown.AB, Preference.B),
        (Preference.A, Shown.BA, Preference.B),
        (Preference.B, Shown.BA, Preference.A),
        (Preference.A, None, Preference.A),
        (Preference.TIE, Shown.AB, Preference.TIE),
        (Preference.TIE, Shown.BA, Preference.TIE),
    ],
)
def test_a_preference_is_stored_in_stored_orientation(verdict, shown, stored):
    assert in_stored_orientation(verdict, shown) is stored


# ---- requests


def test_a_request_holds_what_the_provider_gets_and_no_name():
    judge = Judge("j", "openai/m", TEMPLATE, parameters={"seed": 1}, api_base="http://x/v1")
    [request] = begun(judge, Shown.BA, repeat=3).needed({})
    assert (request.model, request.api_base, request.repeat) == ("openai/m", "http://x/v1", 3)
    assert request.parameters == {"seed": 1}
    assert [message.content for message in request.messages] == ["No idea. or Because."]


# ---- replies


@pytest.mark.parametrize(
    ("word", "shown", "stored"),
    [("1", Shown.AB, "a"), ("2", Shown.AB, "b"), ("1", Shown.BA, "b"), ("tie", Shown.BA, "tie")],
)
def test_a_verdict_completes_the_label(word, shown, stored):
    label = read(f"It is shorter.\nVerdict: {word}", shown)
    assert (label.status, label.preference) == (LabelStatus.OK, Preference(stored))
    assert label.rationale == "It is shorter."
    assert (label.seconds, label.cost_usd) == (1.5, 0.25)
    assert label.details == {}


def test_a_reply_off_the_menu_is_kept_and_is_no_vote():
    label = read("Verdict: both", finish_reason="length")
    assert (label.status, label.preference) == (LabelStatus.PARSE_ERROR, None)
    assert label.rationale == "Verdict: both"
    assert label.details == {"reason": "'both' is not on the menu", "finish_reason": "length"}
    assert (label.seconds, label.cost_usd) == (1.5, 0.25), "it was paid for all the same"


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_an_empty_reply_is_no_vote(text):
    label = read(text)
    assert (label.status, label.preference) == (LabelStatus.PARSE_ERROR, None)
    assert label.details["reason"] == "the reply is empty"


@pytest.mark.parametrize("text", [None, "", "I cannot help with that."])
def test_a_reply_that_the_provider_withheld_is_refused(text):
    label = read(text, finish_reason="content_filter")
    assert (label.status, label.preference) == (LabelStatus.REFUSED, None)
    assert label.details["finish_reason"] == "content_filter"


def test_a_verdict_before_the_filter_counts():
    label = read("Verdict: 2", finish_reason="content_filter")
    assert (label.status, label.preference) == (LabelStatus.OK, Preference.B)


def test_the_judges_own_menu_is_read():
    menu = Menu("A", "B", None, r"\[\[(\w+)\]\]")
    judge = Judge("j", "openai/m", TEMPLATE, Pairwise(menu))
    assert read("[[B]]", judge=judge).preference is Preference.B
    assert read("[[tie]]", judge=judge).status is LabelStatus.PARSE_ERROR
    assert read("Verdict: 1", judge=judge).status is LabelStatus.PARSE_ERROR


def test_a_cost_that_is_not_known_stays_unknown():
    assert read("Verdict: 1", paid_usd=None).cost_usd is None


@pytest.mark.parametrize("status", [LabelStatus.FAILED, LabelStatus.REFUSED])
def test_a_request_that_failed_for_good_is_a_label_with_its_reason(status):
    [judgment] = begun().failed(status, "500")
    label = judgment.label
    assert (label.status, label.preference, label.details) == (status, None, {"reason": "500"})
    assert (label.cost_usd, label.seconds, judgment.requests) == (None, None, ())


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("openai/gpt-5.4-mini", "gpt-5.4-mini"),
        ("openai/gpt-5.4-mini", "gpt-5.4-mini-2026-03-17"),
        ("anthropic/claude-haiku-5-5", "claude-haiku-5-5-20260815"),
        ("vertex_ai/claude-haiku-5-5", "claude-haiku-5-5@20260815"),
        ("anthropic/claude-haiku-latest", "claude-haiku-20260815"),
        ("gemini/gemini-3.8-flash", "gemini-3.8-flash-001"),
        ("ollama/llama3", "llama3:latest"),
        ("hosted_vllm/Qwen/Qwen2-7B", "Qwen/Qwen2-7B"),
        ("hosted_vllm/Qwen/Qwen2-7B", "qwen2-7b"),
        ("openai/gpt-5.4-mini", None),
        ("openai/gpt-5.4-mini", ""),
    ],
)
def test_a_dated_version_is_the_model_that_was_asked_for(asked, served):
    assert not serves_another(asked, reply_of(served))


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("openai/gpt-5", "gpt-5-mini"),
        ("openai/gpt-5", "gpt-5.4"),
        ("openai/gpt-4", "gpt-4o-2024-08-06"),
        ("openai/gpt-5-mini", "gpt-5"),
        ("ollama/llama3", "llama3:70b"),
    ],
)
def test_another_model_is_told_apart(asked, served):
    assert serves_another(asked, reply_of(served))


def test_a_label_says_which_other_model_served_and_with_what_configuration():
    assert read("Verdict: 1", served_model="m-2026-01-01").details == {}
    label = read("Verdict: 1", served_model="n", fingerprint="fp_1")
    assert label.details == {"served_model": "n", "fingerprint": "fp_1"}


def reply_of(served):
    return Reply(UUID(int=2), "Verdict: 1", served, 1, 1, 0.0, None, 0.1)


def test_the_price_of_a_call():
    # 1,200 prompt tokens at 2 USD and 300 completion tokens at 8 USD per million:
    # .0024 + .0024 = .0048 USD
    assert Price(2.0, 8.0).cost_usd(1200, 300) == pytest.approx(0.0048)
    assert Price(0.0, 0.0).cost_usd(1200, 300) == 0
