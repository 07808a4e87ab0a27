"""Bodies and replies in OpenAI's and Anthropic's shapes; what LiteLLM makes of them is compared
where the clients are tested.
"""

import json
from math import isfinite
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import JudgeError
from judges.chat import (
    NOT_ANTHROPICS,
    Answer,
    UnreadableError,
    anthropic_body,
    openai_body,
    read_completion,
    read_message,
    storable,
    token_count,
)
from judges.client import Message, Request, UnsupportedError

TALK = (Message("system", "Be fair."), Message("user", "1 or 2?"))


def request(model="openai/m", messages=TALK, **parameters):
    return Request(model, messages, parameters)


# ---- bodies


def test_a_completion_is_asked_for_with_the_parameters_as_they_are():
    asked = request(temperature=0, stop=["END"], response_format={"type": "json_object"})
    assert openai_body(asked) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be fair."},
            {"role": "user", "content": "1 or 2?"},
        ],
        "temperature": 0,
        "stop": ["END"],
        "response_format": {"type": "json_object"},
    }


@pytest.mark.parametrize(
    ("model", "name"),
    [("openai/m", "m"), ("hosted_vllm/org/m", "org/m"), ("openai/openai/m", "openai/m"),
     ("m", "m"), ("deepseek/m", "deepseek/m")],
)  # fmt: skip
def test_a_server_knows_a_model_without_the_prefix(model, name):
    assert openai_body(request(model))["model"] == name


def test_an_extra_body_is_part_of_the_body_and_goes_first():
    asked = request(temperature=0, extra_body={"top_k": 3, "temperature": 1})
    body = openai_body(asked)
    assert (body["top_k"], body["temperature"]) == (3, 1)
    assert "extra_body" not in body
    assert "extra_body" in asked.parameters


@pytest.mark.parametrize("name", ["extra_headers", "extra_query"])
def test_what_no_body_carries_is_named(name):
    with pytest.raises(JudgeError) as caught:
        openai_body(request(**{name: {"a": "b"}}))
    assert name in caught.value.what
    assert caught.value.fix


def test_a_message_of_anthropics_has_its_system_apart():
    assert anthropic_body(request("anthropic/claude", max_tokens=5, top_k=3)) == {
        "model": "claude",
        "max_tokens": 5,
        "system": [{"type": "text", "text": "Be fair."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "1 or 2?"}]}],
        "top_k": 3,
    }


def test_a_message_without_a_system_has_none():
    assert "system" not in anthropic_body(request(messages=TALK[1:], max_tokens=5))


@pytest.mark.parametrize("name", sorted(NOT_ANTHROPICS))
def test_what_anthropic_does_not_have_is_unsupported(name):
    with pytest.raises(UnsupportedError) as caught:
        anthropic_body(request("anthropic/m", max_tokens=5, **{name: 1}))
    assert caught.value.reason == f"Anthropic's Messages have no parameter {name}"


@pytest.mark.parametrize("most", [{}, {"max_tokens": None}, {"max_tokens": -1},
                                  {"max_completion_tokens": "5"}])  # fmt: skip
def test_anthropic_needs_to_know_when_to_stop(most):
    with pytest.raises(JudgeError) as caught:
        anthropic_body(request("anthropic/m", **most))
    assert "max_tokens" in caught.value.what
    assert "max_tokens" in caught.value.fix


def test_a_body_does_not_change_its_request():
    asked = request("anthropic/m", max_tokens=5, stop="END", user="u")
    before, identity = dict(asked.parameters), asked.request_hash
    anthropic_body(asked)
    openai_body(asked)
    assert asked.parameters == before
    assert Request(asked.model, asked.messages, asked.parameters).request_hash == identity


@given(st.text(), st.text(alphabet="a\ud800\udfff\U0001f600"))
def test_every_text_can_be_sent(system, user):
    asked = request("m", (Message("system", system), Message("user", user)), max_tokens=1)
    for body in (openai_body(asked), anthropic_body(asked)):
        sent = json.loads(json.dumps(body, ensure_ascii=False).encode())
        assert sent == body
    assert openai_body(asked)["messages"][1]["content"] == storable(user)


# ---- replies


def test_an_answer_becomes_a_reply():
    answer = Answer("Verdict: 1", "m", 10, 2, "stop", ({"1": -0.5},), "fp")
    reply = answer.reply(UUID(int=1), paid_usd=0.5, price_version="v", seconds=1.5)
    assert (reply.request_hash, reply.paid_usd) == (UUID(int=1), 0.5)
    assert (reply.price_version, reply.seconds) == ("v", 1.5)
    for name in ("text", "served_model", "prompt_tokens", "completion_tokens", "finish_reason",
                 "logprobs", "fingerprint"):  # fmt: skip
        assert getattr(reply, name) == getattr(answer, name)


@pytest.mark.parametrize(
    ("tokens", "counted"),
    [(5, 5), (0, 0), (-1, None), (10**9, 10**9), (10**9 + 1, None), (1.5, None), ("5", None),
     (None, None)],
)  # fmt: skip
def test_a_count_is_one_that_can_be(tokens, counted):
    assert token_count(tokens) == counted


NAMES = st.sampled_from(
    ["choices", "message", "content", "text", "type", "usage", "model", "finish_reason", "error",
     "logprobs", "top_logprobs", "token", "logprob", "prompt_tokens", "completion_tokens",
     "input_tokens", "output_tokens", "stop_reason", "tool_calls", "code", "system_fingerprint"]
)  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.just(10**400)
    | st.sampled_from(["text", "x", "", "<think>a</think>b", "\ud83d", "max_tokens"])
)
BODIES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=25,
)
CHOICES = st.fixed_dictionaries(
    {"choices": st.lists(st.fixed_dictionaries({"message": st.dictionaries(NAMES, BODIES)},
                                               optional={"logprobs": BODIES}), max_size=2)},
    optional={"usage": BODIES, "model": BODIES, "error": BODIES},
)  # fmt: skip
MESSAGES = st.fixed_dictionaries(
    {"content": st.lists(BODIES, max_size=3)}, optional={"usage": BODIES, "stop_reason": BODIES}
)


@pytest.mark.parametrize("read", [read_completion, read_message])
@given(st.one_of(BODIES, CHOICES, MESSAGES))
def test_whatever_a_server_sends_is_an_answer_that_can_be_stored_or_unreadable(read, body):
    try:
        answer = read(body)
    except UnreadableError as error:
        assert str(error)  # noqa: PT017 (an answer is as good)
        return
    for text in (answer.text, answer.served_model, answer.fingerprint, answer.finish_reason):
        assert text is None or text.encode() is not None
    for count in (answer.prompt_tokens, answer.completion_tokens):
        assert count is None or 0 <= count <= 3 * 10**9
    for tops in answer.logprobs or ():
        assert all(token.encode() is not None and isfinite(p) for token, p in tops.items())
