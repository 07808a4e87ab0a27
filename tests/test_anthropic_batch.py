"""Message Batches through Anthropic's SDK over real HTTP, with a provider whose answers are
scripted.
"""

import asyncio
import json
import os
import subprocess
import sys
import traceback
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.errors import InputError, JudgeError, ProviderError
from judges.anthropic_batch import AnthropicBatchClient
from judges.batch import BatchStatus
from judges.chat import anthropic_body
from judges.client import CallError, Message, Request, UnsupportedError
from judges.judge import Judge, Price
from judges.litellm_client import LiteLLMClient
from judges.prompts import parse_template
from tests.scripted import Scripted, json_lines
from tests.test_litellm_client import recorder

ROOT = Path(__file__).resolve().parents[1]
FAKE = "sk-ant-fake-0123456789abcdef"
MODEL = "anthropic/claude-haiku-4-5"
TEMPLATE = parse_template("## user\n{{response_1}} or {{response_2}}", "t")
PRICE = Price(1.0, 5.0)
BATCHES = "/v1/messages/batches"


class Provider(Scripted):
    """Batches in memory; a test says how one ends."""

    def __init__(self):
        super().__init__()
        self.batches = {}
        self.results = {}

    def route(self, sent):
        batch_id, _, what = sent.path.removeprefix(BATCHES).strip("/").partition("/")
        match (sent.method, batch_id in self.batches, what):
            case ("POST", False, "") if sent.path == BATCHES:
                return 200, self.create(json.loads(sent.body))
            case ("GET", True, ""):
                return 200, self.batches[batch_id]
            case ("GET", True, "results") if batch_id in self.results:
                return 200, self.results[batch_id]
            case ("POST", True, "cancel"):
                return self.cancel(self.batches[batch_id])
        return 404, said("not_found_error", "Not found")

    def create(self, asked):
        batch_id = f"msgbatch_{len(self.batches)}"
        self.batches[batch_id] = {
            "id": batch_id,
            "type": "message_batch",
            "processing_status": "in_progress",
            "request_counts": counts(processing=len(asked["requests"])),
            "created_at": "2026-11-01T10:00:00Z",
            "expires_at": "2026-11-02T10:00:00Z",
            "results_url": None,
        }
        return self.batches[batch_id]

    def cancel(self, batch):
        if batch["processing_status"] == "ended":
            return 400, said("invalid_request_error", "The batch has ended.")
        batch["processing_status"] = "canceling"
        return 200, batch

    def end(self, batch_id, lines, **counted):
        self.results[batch_id] = json_lines(lines)
        self.batches[batch_id].update(
            processing_status="ended",
            request_counts=counts(**counted),
            results_url=f"{self.address}{BATCHES}/{batch_id}/results",
        )


def counts(**given):
    names = ("processing", "succeeded", "errored", "canceled", "expired")
    return dict.fromkeys(names, 0) | given


def said(kind, message):
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "r"}


@pytest.fixture
def provider():
    with Provider().running() as server:
        yield server


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("ANTHROPIC_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def judge(address, **more):
    more = {"model": MODEL, "price": PRICE, **more}
    return Judge("j", template=TEMPLATE, api_base=address, **more)


@contextmanager
def connected(provider, *, retries=2, limits=None, path="", **more):
    client = AnthropicBatchClient(
        judge(provider.address + path, **more), PRICE.cost_usd, retries=retries, **(limits or {})
    )
    try:
        yield client
    finally:
        client.close()


def requests(count, **parameters):
    parameters = parameters or {"max_tokens": 400}
    return [Request(MODEL, (Message("user", f"text {i}"),), parameters) for i in range(count)]


def by_id(asked):
    return {str(request.request_hash): request for request in asked}


def text(words):
    return {"type": "text", "text": words}


def message(*blocks, stop="end_turn", **more):
    content = list(blocks) or [text("Verdict: 1")]
    usage = {"input_tokens": 1000, "output_tokens": 100}
    fixed = {"id": "msg_1", "type": "message", "role": "assistant", "stop_sequence": None}
    answer = {
        "model": "claude-haiku-4-5-x",
        "content": content,
        "stop_reason": stop,
        "usage": usage,
    }
    return fixed | answer | more


def result(request, kind, **more):
    return {"custom_id": str(request.request_hash), "result": {"type": kind, **more}}


def done(request, *blocks, **more):
    return result(request, "succeeded", message=message(*blocks, **more))


def ended(provider, client, asked, lines, **counted):
    batch_id = client.submit(asked, "t")
    provider.end(batch_id, lines, **counted)
    results = client.results(batch_id, by_id(asked))
    found = {line.custom_id: line for line in results}
    assert set(found) == set(by_id(asked))
    return [found[str(request.request_hash)] for request in asked], results.n_ignored


def flags(line):
    return line.error.retryable, line.error.refused, line.charged


# ---- a batch from its beginning to its end


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/messages"])
def test_a_batch_is_submitted_watched_and_read(path, provider):
    asked = requests(3)
    with connected(provider, path=path) as client:
        [chunk] = client.chunks(asked)
        batch_id = client.submit(chunk, "run 1")
        assert json.loads(provider.seen[0].body) == {
            "requests": [
                {"custom_id": str(request.request_hash), "params": anthropic_body(request)}
                for request in asked
            ]
        }
        assert client.find("run 1") is None
        state = client.state(batch_id)
        assert (state.batch_id, state.status, state.said) == (batch_id, "running", "in_progress")
        assert (state.n_done, state.n_failed, state.n_total) == (0, 0, 3)
        assert state.expires_at == datetime(2026, 11, 2, 10, tzinfo=UTC)
        with pytest.raises(CallError, match="has not ended") as caught:
            client.results(batch_id, by_id(asked))
        assert caught.value.retryable

        provider.end(batch_id, [done(r) for r in reversed(asked)], succeeded=3)
        state = client.state(batch_id)
        assert (state.status, state.n_done, state.n_total) == (BatchStatus.ENDED, 3, 3)
        found = list(client.results(batch_id, by_id(asked)))
    assert [line.custom_id for line in found] == [str(r.request_hash) for r in reversed(asked)]
    reply = found[0].reply
    assert (reply.request_hash, reply.text) == (asked[2].request_hash, "Verdict: 1")
    assert (reply.served_model, reply.finish_reason) == ("claude-haiku-4-5-x", "stop")
    # Live: 1000 tokens at $1 and 100 at $5 per million, $0.0015; a batch is half of it.
    assert reply.paid_usd == pytest.approx(0.00075)
    assert reply.price_version == "judge file batch"
    assert all(line.charged and line.error is None for line in found)


THINKING = {"type": "thinking", "thinking": "Hm. 2?", "signature": "x"}
MESSAGES = {
    "plain": message(),
    "several blocks": message(text("Verdict"), text(": 1")),
    "thoughts": message(THINKING, text("Verdict: 1")),
    "nothing": message() | {"content": []},
    "half a character": message(text("Verdict: 1 \ud83d")),
    "kept tokens": message(usage={"input_tokens": 5, "output_tokens": 2,
        "cache_creation_input_tokens": 11, "cache_read_input_tokens": 7}),
    "only kept tokens": message(usage={"input_tokens": 0, "output_tokens": 2,
        "cache_creation_input_tokens": None, "cache_read_input_tokens": 7}),
    "no tokens": message(usage={"input_tokens": 0, "output_tokens": 2}),
    "usage that cannot be": message(usage={"input_tokens": 10**30, "output_tokens": 2}),
} | {
    f"stop reason {reason}": message(stop=reason)
    for reason in ("end_turn", "stop_sequence", "max_tokens", "refusal", "tool_use", "pause_turn",
                   "compaction", None, "a new one")
}  # fmt: skip


def live(body, request, client=LiteLLMClient):
    """The reply of a live call to a server with this answer, and the body that it was sent."""

    async def once(address):
        asked = client(replace(judge(address), api_base=address))
        try:
            return await asked.complete(replace(request, api_base=address))
        finally:
            await asked.close()

    with recorder(body) as server:
        reply = asyncio.run(once(server.address))
        [(path, _, sent)] = server.seen
    assert path == "/v1/messages"
    return replace(reply, request_hash=request.request_hash, seconds=None), sent


def test_an_answer_in_a_batch_is_the_reply_that_it_is_live(provider):
    asked = requests(len(MESSAGES))
    output = [result(r, "succeeded", message=m)
              for r, m in zip(asked, MESSAGES.values(), strict=True)]  # fmt: skip
    with connected(provider) as client:
        lines, _ = ended(provider, client, asked, output)
    for (case, body), line in zip(MESSAGES.items(), lines, strict=True):
        reply, _ = live(body, requests(1)[0])
        half = None if reply.paid_usd is None else pytest.approx(reply.paid_usd / 2)
        assert replace(line.reply, request_hash=reply.request_hash) == replace(
            reply, paid_usd=half, price_version="judge file batch"
        ), case


PARAMETERS = [
    {"max_tokens": 400},
    {"max_completion_tokens": 400, "temperature": 0, "stop": "END"},
    {"max_tokens": 400, "top_p": 0.5, "stop": ["a", "b"], "user": "u-1"},
    {"max_tokens": 400, "top_k": 3, "stop_sequences": ["x"]},
    {"max_tokens": 10.6, "temperature": None},
    {"max_tokens": 1, "max_completion_tokens": 7},
    {"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}},
]
TALKS = [
    (Message("user", "a"),),
    (Message("system", "Be fair."), Message("user", "a\ud800")),
    (Message("system", "x"), Message("system", ""), Message("system", "y"), Message("user", "a")),
    (Message("user", "a"), Message("user", "b"), Message("assistant", "c"), Message("user", "d")),
]


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_parameters_are_the_ones_that_litellm_sends(parameters):
    request = Request(MODEL, TALKS[0], parameters)
    assert live(message(), request)[1] == anthropic_body(request)


@pytest.mark.parametrize("messages", TALKS)
def test_messages_are_the_ones_that_litellm_sends(messages):
    request = Request(MODEL, messages, {"max_tokens": 5})
    assert live(message(), request)[1] == anthropic_body(request)


@pytest.mark.parametrize(
    "name", ["seed", "logprobs", "top_logprobs", "response_format", "presence_penalty", "n",
             "reasoning_effort", "tools", "extra_headers"]
)  # fmt: skip
def test_a_parameter_that_anthropic_does_not_have_is_named(name, provider):
    with connected(provider) as client, pytest.raises(UnsupportedError) as caught:
        client.chunks(requests(1, max_tokens=5, **{name: 1}))
    assert name in caught.value.reason
    assert provider.seen == []


@pytest.mark.parametrize("most", [{"top_k": 1}, {"max_tokens": 0}, {"max_tokens": "many"}])
def test_the_length_of_a_reply_must_be_bounded(most, provider):
    with connected(provider) as client, pytest.raises(JudgeError) as caught:
        client.chunks(requests(1, **most))
    assert "max_tokens" in caught.value.what
    assert "[parameters]" in caught.value.fix


# kind -> error, (retryable, refused)
ERRORS = {
    ("invalid_request_error", "bad"): (CallError, (False, False)),
    ("invalid_request_error", "blocked by content filtering policy"): (CallError, (False, True)),
    ("invalid_request_error", "Your credit balance is too low"): (CallError, (False, False)),
    ("authentication_error", "key"): (CallError, (False, False)),
    ("permission_error", "no"): (CallError, (False, False)),
    ("not_found_error", "model"): (CallError, (False, False)),
    ("request_too_large", "long"): (CallError, (False, False)),
    ("rate_limit_error", "slow down"): (CallError, (True, False)),
    ("api_error", "sorry"): (CallError, (True, False)),
    ("overloaded_error", "Overloaded"): (CallError, (True, False)),
    ("a new one", "what"): (CallError, (True, False)),
}


def test_requests_that_fail_cost_nothing(provider):
    asked = requests(len(ERRORS) + 1)
    lines = [result(r, "errored", error=said(*e)) for r, e in zip(asked, ERRORS, strict=False)]
    with connected(provider) as client:
        found, _ = ended(provider, client, asked, [*lines, done(asked[-1])],
                         succeeded=1, errored=len(ERRORS))  # fmt: skip
        state = client.state("msgbatch_0")
    assert (state.n_done, state.n_failed) == (1, len(ERRORS))
    assert found[-1].reply.text == "Verdict: 1"
    for line, ((_, words), (kind, expected)) in zip(found, ERRORS.items(), strict=False):
        assert line.reply is None
        assert type(line.error) is kind
        assert flags(line) == (*expected, False)
        assert not line.error.maybe_paid
        assert words in line.error.reason


def test_a_batch_that_ended_early_still_holds_what_was_paid(provider):
    asked = requests(4)
    lines = [result(asked[0], "expired"), done(asked[1]), result(asked[2], "canceled")]
    with connected(provider) as client:
        found, _ = ended(
            provider, client, asked, lines, expired=1, succeeded=1, canceled=1, processing=1
        )
        state = client.state("msgbatch_0")
    assert (state.n_done, state.n_failed, state.n_total) == (1, 2, 4)
    assert found[1].reply.paid_usd == pytest.approx(0.00075)
    for number, words in {0: "expired", 2: "cancelled", 3: "ended without an answer"}.items():
        assert flags(found[number]) == (True, False, False)
        assert words in found[number].error.reason


def test_what_was_not_asked_about_and_what_comes_twice_is_counted(provider):
    first, second, other = requests(3)
    lines = [done(first), done(first, text("2")), done(other), b"{", [1], b"", done(second)]
    with connected(provider) as client:
        found, ignored = ended(provider, client, [first, second], lines)
    assert [line.reply.text for line in found] == ["Verdict: 1"] * 2
    assert ignored == 4


@pytest.mark.parametrize("body", [None, {}, {"content": "x"}, [1]])
def test_a_result_that_is_no_reply_was_paid(body, provider):
    [asked] = requests(1)
    with connected(provider) as client:
        [found], _ = ended(provider, client, [asked], [result(asked, "succeeded", message=body)])
    assert flags(found) == (True, False, True)
    assert found.error.maybe_paid


@pytest.mark.parametrize("odd", [None, [1], {}, {"type": None}])
def test_a_result_without_a_type(odd, provider):
    [asked] = requests(1)
    line = {"custom_id": str(asked.request_hash), "result": odd}
    with connected(provider) as client:
        [found], _ = ended(provider, client, [asked], [line])
    assert found.reply is None
    assert found.error.retryable


# ---- limits


def test_requests_are_split_by_number_and_by_the_bytes_that_are_sent(provider):
    asked = [Request(MODEL, (Message("user", "é" * n),), {"max_tokens": 5}) for n in (9, 200, 30)]
    with connected(provider, limits={"max_requests": 2}) as client:
        assert [len(chunk) for chunk in client.chunks(asked + asked[:1])] == [2, 1]
        client.submit(asked[:2], "t")
    exactly = len(provider.seen[0].body)
    for spare, expected in {1: [2, 1], 0: [1, 1, 1]}.items():
        with connected(provider, limits={"max_bytes": exactly + spare}) as client:
            chunks = client.chunks(asked)
            assert [len(chunk) for chunk in chunks] == expected
            for chunk in chunks:
                client.submit(chunk, "t")
    assert all(len(sent.body) <= exactly + 1 for sent in provider.seen)
    with (
        connected(provider, limits={"max_bytes": 300}) as client,
        pytest.raises(InputError, match="larger than a batch may be"),
    ):
        client.chunks(asked)


# ---- what goes wrong


@pytest.mark.parametrize(
    ("status", "expected"),
    [(None, (True, True)), (500, (True, True)), (529, (True, True)), (429, (True, False)),
     (400, (False, False)), (413, (False, False))],
)  # fmt: skip
def test_a_create_is_not_repeated(status, expected, provider):
    provider.fail("POST", BATCHES, status, said("x", "no"))
    with connected(provider) as client, pytest.raises(CallError) as caught:
        client.submit(requests(1), "t")
    assert (caught.value.retryable, caught.value.maybe_paid) == expected
    assert provider.count("POST", BATCHES) == 1


@pytest.mark.parametrize("body", [b"<html>", {}, [], b"{"])
def test_a_create_that_is_answered_by_something_else_may_have_been_paid(body, provider):
    provider.fail("POST", BATCHES, 200, body)
    with connected(provider) as client, pytest.raises(CallError) as caught:
        client.submit(requests(1), "t")
    assert (caught.value.retryable, caught.value.maybe_paid) == (True, True)


def test_a_provider_that_is_not_there(provider):
    provider.server_close()
    with connected(provider, retries=0) as client, pytest.raises(CallError) as caught:
        client.submit(requests(1), "t")
    assert (caught.value.retryable, caught.value.maybe_paid) == (True, False)
    assert caught.value.reason == f"no connection to {provider.address}: connection refused"


def test_what_may_be_asked_twice_is_asked_again(provider):
    asked = requests(1)
    with connected(provider) as client:
        batch_id = client.submit(asked, "t")
        provider.end(batch_id, [done(asked[0])])
        provider.fail("GET", batch_id, 529, said("overloaded_error", "Overloaded"), times=2)
        assert client.state(batch_id).status is BatchStatus.ENDED
        provider.fail("GET", "/results", 503, said("api_error", "x"))
        provider.fail("GET", "/results")
        [line] = client.results(batch_id, by_id(asked))
    assert line.reply.text == "Verdict: 1"


def test_results_that_break_off_are_fetched_again(provider, monkeypatch):
    monkeypatch.setattr("judges.batch.PAUSE_SECONDS", 0.01)
    asked = requests(50)
    whole = provider.route
    cuts = [100, 9000]

    def cut(sent):
        status, body = whole(sent)
        if sent.path.endswith("/results") and cuts:
            return status, body[: cuts.pop()], {"Content-Length": str(len(body))}
        return status, body

    provider.route = cut
    with connected(provider) as client:
        lines, ignored = ended(provider, client, asked, [done(r) for r in asked])
    assert [line.reply.request_hash for line in lines] == [r.request_hash for r in asked]
    assert (cuts, ignored) == ([], 0)


def test_results_that_are_gone_are_not_bought_again(provider):
    asked = requests(1)
    with connected(provider) as client:
        batch_id = client.submit(asked, "t")
        provider.end(batch_id, [done(asked[0])])
        provider.results.clear()
        with pytest.raises(ProviderError, match="knows no results of batch msgbatch_0"):
            list(client.results(batch_id, by_id(asked)))
        provider.batches[batch_id]["results_url"] = None
        with pytest.raises(ProviderError, match="no longer holds the results"):
            client.results(batch_id, by_id(asked))


def test_a_batch_that_is_not_known(provider):
    with connected(provider) as client:
        for ask in (client.state, client.cancel, lambda name: client.results(name, {})):
            with pytest.raises(ProviderError, match="knows no batch msgbatch_9"):
                ask("msgbatch_9")


def test_a_batch_can_be_cancelled(provider):
    with connected(provider) as client:
        batch_id = client.submit(requests(1), "t")
        client.cancel(batch_id)
        assert client.state(batch_id).said == "canceling"
        assert client.state(batch_id).status is BatchStatus.RUNNING
        provider.fail("POST", "/cancel", 500, said("api_error", "sorry"))
        with pytest.raises(CallError, match="sorry"):
            client.cancel(batch_id)
        provider.end(batch_id, [])
        client.cancel(batch_id)  # it has ended already


@pytest.mark.parametrize(
    "odd",
    [
        {"processing_status": "dreaming", "request_counts": None, "expires_at": None},
        {"processing_status": None, "request_counts": [1], "expires_at": "soon"},
        {"request_counts": {"succeeded": None}, "expires_at": 10**30},
    ],
)
def test_a_state_in_other_words_is_one_of_a_batch_that_runs(odd, provider):
    with connected(provider) as client:
        batch_id = client.submit(requests(1), "t")
        provider.batches[batch_id].update(odd)
        state = client.state(batch_id)
    assert state.status is BatchStatus.RUNNING
    assert (state.n_done, state.n_failed, state.n_total) == (0, 0, 0)


# ---- keys


def keys(sent):
    return {value.removeprefix("Bearer ") for name, value in sent.headers.items()
            if name in ("authorization", "x-api-key")}  # fmt: skip


def test_where_a_key_comes_from(provider, monkeypatch, tmp_path):
    (tmp_path / "key").write_text(f"{FAKE}2\n", encoding="utf-8")
    monkeypatch.setenv("MY_KEY", FAKE)
    for more, expected in (
        ({}, "no-key"),
        ({"api_key_env": "MY_KEY"}, FAKE),
        ({"api_key_file": str(tmp_path / "key")}, f"{FAKE}2"),
    ):
        with connected(provider, **more) as client:
            client.submit(requests(1), "t")
        assert keys(provider.seen[-1]) == {expected}


def test_what_is_meant_for_the_provider_is_not_sent_to_an_address_of_the_users(
    provider, monkeypatch
):
    monkeypatch.setenv("ANTHROPIC_API_KEY", FAKE)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", FAKE)
    custom = f"Authorization: Bearer {FAKE}\nx-api-key: {FAKE}\nX-Team: {FAKE}"
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", custom)
    asked = requests(1)
    with connected(provider) as client:
        ended(provider, client, asked, [done(asked[0])])
        client.cancel("msgbatch_0")
    assert len(provider.seen) >= 5
    assert FAKE not in repr(provider.seen)
    assert all(keys(sent) == {"no-key"} for sent in provider.seen)


def test_a_key_does_not_follow_to_another_address(provider, monkeypatch):
    """A provider says where its results are."""
    monkeypatch.setenv("MY_KEY", FAKE)
    asked = requests(1)
    with Provider().running() as other, connected(provider, api_key_env="MY_KEY") as client:
        other.create({"requests": []})
        other.end("msgbatch_0", [done(asked[0])])
        batch_id = client.submit(asked, "t")
        provider.end(batch_id, [])
        provider.batches[batch_id]["results_url"] = other.batches["msgbatch_0"]["results_url"]
        [line] = client.results(batch_id, by_id(asked))
        assert line.reply.text == "Verdict: 1"
        assert keys(provider.seen[0]) == {FAKE}
        assert [keys(sent) for sent in other.seen] == [set()]
        assert FAKE not in repr(other.seen)


def test_without_an_address_the_providers_own_is_asked_with_its_key(provider, monkeypatch):
    one = replace(judge(provider.address), api_base=None)
    with pytest.raises(ProviderError) as caught:
        AnthropicBatchClient(one, PRICE.cost_usd)
    assert "ANTHROPIC_API_KEY is not set" in caught.value.what
    monkeypatch.setenv("ANTHROPIC_API_KEY", FAKE)
    for variable in ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"):
        monkeypatch.setenv(variable, provider.address)
        client = AnthropicBatchClient(one, PRICE.cost_usd)
        client.submit(requests(1), "t")
        client.close()
        monkeypatch.delenv(variable)
    assert [keys(sent) for sent in provider.seen] == [{FAKE}] * 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 200])
def test_a_key_is_in_no_error(status, provider, monkeypatch):
    monkeypatch.setenv("MY_KEY", FAKE)
    provider.fail("POST", BATCHES, status, said(FAKE, f"Bearer {FAKE} is no good"))
    with (
        connected(provider, api_key_env="MY_KEY") as client,
        pytest.raises((ProviderError, CallError)) as caught,
    ):
        client.submit(requests(1), "t")
    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(vars(error)) + repr(error.__cause__)
    assert FAKE not in shown
    assert status == 200 or "[key]" in str(error)
    assert FAKE not in repr(client)


def test_a_proxy_is_not_used_for_this_machine(provider, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with connected(provider) as client:
        assert client.submit(requests(1), "t") == "msgbatch_0"


@pytest.mark.parametrize("model", ["openai/m", "claude-haiku-4-5", "bedrock/anthropic.m"])
def test_a_model_of_another_provider_is_named(model, provider):
    with pytest.raises(JudgeError) as caught, connected(provider, model=model):
        pass
    assert repr(model) in caught.value.what


ALONE = """
import sys
from judges.anthropic_batch import AnthropicBatchClient
from judges.client import Message, Request
from judges.judge import Judge, Price
from judges.prompts import parse_template

template = parse_template("## user\\n{{response_1}} or {{response_2}}", "t")
judge = Judge("j", "anthropic/m", template, api_base=sys.argv[1], price=Price(1, 1))
client = AnthropicBatchClient(judge, lambda *_: 0.0)
request = Request("anthropic/m", (Message("user", "x"),), {"max_tokens": 5})
print(client.submit([request], "t"))
client.close()
print(sorted({"openai", "anthropic", "litellm"} & set(sys.modules)))
"""


def test_in_a_process_of_its_own_it_warns_of_nothing(provider, tmp_path):
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", ALONE, provider.address], cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert finished.stdout.splitlines() == ["msgbatch_0", "['anthropic']"]
    assert finished.stderr == ""
