"""The identity of a request: equal ones are never bought twice, different ones never confused."""

import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import Comparison, Shown
from judges.client import CallError, Message, Request
from judges.judge import Judge, Orders, Price, Transport
from judges.prompts import parse_template
from judges.task import Task

ROOT = Path(__file__).resolve().parents[1]
BASE = {
    "model": "openai/m",
    "messages": (Message("system", "Be fair."), Message("user", "1 or 2?")),
    "parameters": {"temperature": 0, "stop": ["END"]},
    "api_base": "http://127.0.0.1:8000/v1",
    "repeat": 0,
}


def request(**changed):
    return Request(**(BASE | changed))


def asked(judge, comparison, shown):
    """The hash of what a judge asks about one comparison in one order."""
    ids = {judge.name: UUID(int=3)}
    [request] = judge.asking(Task((comparison,), shown), "s", ids).needed({})
    return request.request_hash


def test_equal_requests_have_the_same_hash():
    assert request() == request()
    assert request().request_hash == request().request_hash
    assert isinstance(request().request_hash, UUID)


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "openai/n"},
        {"model": "m"},
        {"messages": BASE["messages"][1:]},
        {"messages": BASE["messages"][::-1]},
        {"messages": (Message("user", "Be fair."), Message("user", "1 or 2?"))},
        {"messages": (Message("system", "Be fair.1 or"), Message("user", " 2?"))},
        {"messages": (Message("system", "Be fair. "), Message("user", "1 or 2?"))},
        {"parameters": {}},
        {"parameters": {"temperature": 1, "stop": ["END"]}},
        {"parameters": {"temperature": "0", "stop": ["END"]}},
        {"parameters": {"temperature": 0, "stop": "END"}},
        {"parameters": {"temperature": 0, "stop": ["END"], "seed": None}},
        {"api_base": None},
        {"api_base": "None"},
        {"api_base": "-"},
        {"api_base": "http://127.0.0.1:8001/v1"},
        {"repeat": 1},
    ],
)
def test_each_field_makes_another_request(changed):
    assert request().request_hash != request(**changed).request_hash


def test_the_order_of_parameters_does_not_matter():
    turned = {"stop": ["END"], "temperature": 0}
    assert request().request_hash == request(parameters=turned).request_hash
    nested = {"a": {"x": 1, "y": 2}}
    other = {"a": {"y": 2, "x": 1}}
    assert request(parameters=nested).request_hash == request(parameters=other).request_hash


@settings(deadline=None)
@given(st.text(), st.text())
def test_two_texts_have_two_hashes(one, other):
    first, second = (request(messages=(Message("user", text),)) for text in (one, other))
    assert (first.request_hash == second.request_hash) is (one == other)


def test_the_hash_is_the_same_in_another_process():
    script = f"""
from judges.client import Message, Request
messages = (Message("system", "Be fair."), Message("user", "1 or 2?"))
print(Request("openai/m", messages, {BASE["parameters"]!r}, {BASE["api_base"]!r}).request_hash)
"""
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == str(request().request_hash)


def test_the_hash_never_changes():
    """Replies in the stores of users are found by it."""
    assert str(request().request_hash) == "b35a3020-61ae-a5bc-0819-b8483bd2901d"


def test_a_judges_name_price_and_keys_are_no_part_of_its_requests():
    template = parse_template("## user\n{{response_1}} or {{response_2}}", "test.md")
    comparison = Comparison(UUID(int=1), None, "a", "b")
    plain = Judge("one", "openai/m", template)
    other = Judge(
        "two",
        "openai/m",
        template,
        criterion="honesty",
        orders=Orders.AB,
        api_key_env="KEY",
        api_key_file="key.txt",
        price=Price(1, 2),
        transport=Transport.DIRECT,
        requests_per_minute=3,
        tokens_per_minute=4,
        file={"file": {}},
    )
    one, two = (asked(judge, comparison, Shown.AB) for judge in (plain, other))
    assert one == two
    assert plain.annotator().annotator_id != other.annotator().annotator_id


def test_a_request_of_one_order_is_not_that_of_the_other():
    template = parse_template("## user\n{{response_1}} or {{response_2}}", "test.md")
    judge = Judge("j", "openai/m", template)
    comparison = Comparison(UUID(int=1), None, "a", "b")
    ab, ba = (asked(judge, comparison, shown) for shown in Shown)
    assert ab != ba
    same = Comparison(UUID(int=2), None, "a", "a")
    ab, ba = (asked(judge, same, shown) for shown in Shown)
    assert ab == ba, "the provider would see the same"


def test_a_call_error_says_what_may_be_done_about_it():
    error = CallError("slow down", retryable=True, retry_after_seconds=7)
    assert str(error) == error.reason == "slow down"
    assert (error.retryable, error.retry_after_seconds) == (True, 7)
    assert (error.maybe_paid, error.refused) == (False, False)
