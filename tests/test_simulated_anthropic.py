"""The simulated provider in Anthropic's shape: its own client, LiteLLM, and errors."""

import asyncio
import json
from uuid import UUID

import pytest

from data.errors import ProviderError
from data.records import Comparison, Preference, Shown
from judges.client import CallError
from judges.judge import Judge, Price, judge_comparison
from judges.litellm_client import LiteLLMClient
from judges.simulated import Behaviour, Truth, body_sha256, running
from tests.asking import filled, request_of, shipped
from tests.test_simulated import call

GOOD = "The harbour is deep, and ships of any size can turn in it."
POOR = "I do not know anything about harbours, or about ships at all."
COMPARISON = Comparison(UUID(int=1), "Is the harbour deep?", GOOD, POOR)
TEMPLATE = shipped("pairwise")
KEY = "sk-ant-fake-0123456789"
SERVED = {
    "m": Behaviour(sharpness=1000, served_model="m-20261101"),
    "rate": Behaviour(rate_limit=1, retry_after_seconds=7),
    "busy": Behaviour(overloaded=1),
    "error": Behaviour(server_error=1),
    "drop": Behaviour(drop=1),
    "malformed": Behaviour(malformed=1),
    "off-menu": Behaviour(off_menu=1),
    "no-format": Behaviour(refuse_response_format=True),
}
VERSION = {"anthropic-version": "2023-06-01", "x-api-key": KEY}
SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"type": "string", "enum": ["1", "2", "tie"]}},
}


@pytest.fixture(scope="module")
def provider():
    with running(Truth([(GOOD, 0.9), (POOR, 0.1)]), SERVED, require_key=KEY) as server:
        yield server


@pytest.fixture(scope="module")
def client(provider):
    import anthropic

    with anthropic.Anthropic(base_url=provider.anthropic_url, api_key=KEY, max_retries=0) as made:
        yield made


def asked(model="m", first=GOOD, second=POOR, max_tokens=300, **more):
    system, user = filled(TEMPLATE, "Is it deep?", first, second)
    messages = [{"role": "user", "content": user.content}]
    return {"model": model, "system": system.content, "messages": messages,
            "max_tokens": max_tokens, **more}  # fmt: skip


def post(provider, given, headers=VERSION):
    status, _, text = call(provider, given, "/v1/messages", headers=headers)
    return status, json.loads(text)


# ---- Anthropic's own client


def test_a_message_is_read_by_anthropics_client_and_logged(provider, client):
    given = asked()
    message = client.messages.create(**given)
    (block,) = message.content
    assert (message.type, message.role, block.type) == ("message", "assistant", "text")
    assert (message.model, message.stop_reason) == ("m-20261101", "end_turn")
    assert message.stop_sequence is None
    assert block.text.splitlines()[-1] == "Verdict: 1"
    characters = len(given["system"]) + len(given["messages"][0]["content"])
    assert message.usage.input_tokens == 4 * 2 + -(-characters // 4)
    assert message.usage.output_tokens == -(-len(block.text) // 4)
    *_, line = provider.log()
    assert line.body_sha256 == body_sha256(given)
    assert (line.model, line.status, line.answered, line.choice) == ("m", 200, True, "first")
    assert line.prompt_tokens == message.usage.input_tokens
    assert line.completion_tokens == message.usage.output_tokens


def test_both_apis_say_the_same(provider, client):
    given = asked(first=POOR, second=GOOD)
    (block,) = client.messages.create(**given).content
    messages = [{"role": "system", "content": given["system"]}, *given["messages"]]
    chat = {"model": "m", "messages": messages, "max_tokens": 300}
    reply = json.loads(call(provider, chat, key=KEY)[2])
    assert reply["choices"][0]["message"]["content"] == block.text
    assert reply["usage"]["completion_tokens"] == -(-len(block.text) // 4)


def test_contents_and_system_may_be_of_blocks(client):
    given = asked()
    blocks = {
        **given,
        "system": [{"type": "text", "text": given["system"]}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": given["messages"][0]["content"]}]}
        ],
    }
    assert client.messages.create(**blocks).content == client.messages.create(**given).content


def test_the_limit_of_tokens_cuts_the_text(client):
    message = client.messages.create(**asked(max_tokens=5))
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 5)
    assert len(message.content[0].text) == 20


def test_a_schema_is_obeyed_as_a_format_and_as_a_tool(provider):
    form = {"type": "json_schema", "schema": SCHEMA}
    for given in (asked(output_config={"format": form}), asked(output_format=form)):
        _, reply = post(provider, given)
        assert json.loads(reply["content"][0]["text"]) == {"verdict": "1"}
        assert reply["stop_reason"] == "end_turn"
    tool = {"name": "judge", "input_schema": SCHEMA}
    _, reply = post(provider, asked(tools=[tool], tool_choice={"type": "tool", "name": "judge"}))
    (block,) = reply["content"]
    assert (block["type"], block["name"], block["input"]) == ("tool_use", "judge", {"verdict": "1"})
    assert reply["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("model", "kind", "status"),
    [
        ("rate", "RateLimitError", 429),
        ("busy", "OverloadedError", 529),
        ("error", "InternalServerError", 500),
        ("drop", "APIConnectionError", None),
        ("gpt-nothing", "NotFoundError", 404),
    ],
)
def test_faults_are_anthropics_errors(client, model, kind, status):
    import anthropic

    with pytest.raises(anthropic.APIError) as caught:
        client.messages.create(**asked(model))
    assert type(caught.value).__name__ == kind
    assert getattr(caught.value, "status_code", None) == status
    if status is not None:
        assert caught.value.body["type"] == "error"
        words = {429: "rate_limit_error", 529: "overloaded_error", 500: "api_error"}
        assert caught.value.body["error"]["type"] == words.get(status, "not_found_error")
    if status == 429:
        assert caught.value.response.headers["retry-after"] == "7"


def test_overload_is_a_503_of_openais(provider):
    chat = {"model": "busy", "messages": [{"role": "user", "content": "x"}]}
    status, _, text = call(provider, chat, key=KEY)
    assert (status, json.loads(text)["error"]["type"]) == (503, "server_error")


# ---- refusals


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": "x"}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "system"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages.0.content"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"stream": True}, "stream"),
        ({"model": "no-format", "output_config": {"format": {"schema": {}}}}, "response_format"),
    ],
)
def test_bad_bodies_are_refused_in_anthropics_shape(provider, changes, named):
    status, reply = post(provider, {**asked(), **changes})
    assert (status, reply["type"], reply["error"]["type"]) == (
        400,
        "error",
        "invalid_request_error",
    )
    assert named in reply["error"]["message"]
    *_, line = provider.log()
    assert (line.status, line.answered) == (400, False)


@pytest.mark.parametrize("name", ["model", "messages", "max_tokens"])
def test_required_fields(provider, name):
    given = asked()
    del given[name]
    status, reply = post(provider, given)
    assert (status, reply["error"]["message"]) == (400, f"{name}: Field required")


def test_headers(provider):
    for headers, status, kind in (
        ({"x-api-key": KEY}, 400, "invalid_request_error"),
        ({"anthropic-version": "2023-06-01"}, 401, "authentication_error"),
        ({**VERSION, "x-api-key": "wrong"}, 401, "authentication_error"),
    ):
        got, reply = post(provider, asked(), headers)
        assert (got, reply["type"], reply["error"]["type"]) == (status, "error", kind)
    bearer = {"anthropic-version": "2023-06-01", "Authorization": f"Bearer {KEY}"}
    assert post(provider, asked(), bearer)[0] == 200


def test_wrong_paths_and_methods_are_refused_in_the_shape_of_the_path(provider):
    status, _, text = call(provider, None, "/v1/messages")
    assert (status, json.loads(text)["type"]) == (405, "error")
    assert "type" not in json.loads(call(provider, None, "/v1/chat/completions")[2])


def test_a_malformed_reply(provider):
    status, _, text = call(provider, asked("malformed"), "/v1/messages", headers=VERSION)
    assert status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


# ---- through LiteLLM


def judge(provider, model="m", **parameters):
    return Judge(
        "j",
        f"anthropic/{model}",
        TEMPLATE,
        api_base=provider.anthropic_url,
        api_key_env="SIMULATED_KEY",
        price=Price(2.0, 8.0),
        parameters={"max_tokens": 300, **parameters},
    )


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("SIMULATED_KEY", KEY)


def ask(one, order=Shown.AB):
    async def once():
        client = LiteLLMClient(one)
        try:
            return await client.complete(request_of(one, COMPARISON, order))
        finally:
            await client.close()

    return asyncio.run(once())


def test_litellm_finds_the_path_and_reads_the_reply(provider):
    reply = ask(judge(provider))
    assert reply.text.splitlines()[-1] == "Verdict: 1"
    assert (reply.served_model, reply.finish_reason) == ("m-20261101", "stop")
    *_, line = provider.log()
    assert (reply.prompt_tokens, reply.completion_tokens) == (
        line.prompt_tokens,
        line.completion_tokens,
    )
    assert reply.paid_usd == pytest.approx(
        (line.prompt_tokens * 2 + line.completion_tokens * 8) / 1e6
    )
    assert ask(judge(provider, max_tokens=5)).finish_reason == "length"


def test_a_judge_labels_in_both_orders_through_litellm(provider):
    one = judge(provider)

    async def both():
        client = LiteLLMClient(one)
        labels = [await judge_comparison(one, COMPARISON, order, client) for order in Shown]
        await client.close()
        return labels

    assert [label.preference for label in asyncio.run(both())] == [Preference.A] * 2


def test_a_schema_through_litellm(provider):
    form = {"type": "json_schema", "json_schema": {"name": "v", "schema": SCHEMA}}
    assert json.loads(ask(judge(provider, response_format=form)).text) == {"verdict": "1"}


@pytest.mark.parametrize(
    ("model", "retryable", "overloaded", "retry_after"),
    [("rate", True, True, 7), ("busy", True, True, None), ("error", True, False, None),
     ("drop", True, False, None), ("malformed", True, False, None)],
)  # fmt: skip
def test_faults_through_litellm(provider, model, retryable, overloaded, retry_after):
    with pytest.raises(CallError) as caught:
        ask(judge(provider, model))
    error = caught.value
    assert (error.retryable, error.overloaded) == (retryable, overloaded)
    assert error.retry_after_seconds == retry_after


def test_refusals_through_litellm(provider, monkeypatch):
    with pytest.raises(ProviderError, match="does not know the model"):
        ask(judge(provider, "nothing"))
    monkeypatch.setenv("SIMULATED_KEY", "another-key")
    with pytest.raises(ProviderError, match="refused the key"):
        ask(judge(provider))
