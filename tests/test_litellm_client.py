"""LiteLLM over real HTTP: what comes back, what goes wrong, what is charged, and where keys go.

The simulated provider stands for a provider; a small recorder stands for what it cannot say.
"""

import asyncio
import email.utils
import gc
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from uuid import UUID

import pytest

from data.errors import PriceError, ProviderError
from data.records import Comparison, LabelStatus, Preference, Shown
from judges.client import CallError, Message, Request
from judges.judge import Judge, Price, judge_comparison
from judges.litellm_client import LiteLLMClient, load_litellm
from judges.simulated import Behaviour, Truth, running
from tests.asking import request_of, shipped

ROOT = Path(__file__).resolve().parents[1]
FAKE = "sk-fake-0123456789abcdef"
GOOD = "The harbour is deep, and ships of any size can turn in it."
POOR = "I do not know anything about harbours, or about ships at all."
COMPARISON = Comparison(UUID(int=1), "Is the harbour deep?", GOOD, POOR)
TEMPLATE = shipped("pairwise")
PRICE = Price(2.0, 8.0)
BEHAVIOURS = {
    "good": Behaviour(sharpness=1000, rationale_words=0, served_model="good-2026-11"),
    "first": Behaviour(sharpness=0, position=1000),
    "rate": Behaviour(rate_limit=1, retry_after_seconds=7),
    "error": Behaviour(server_error=1),
    "drop": Behaviour(drop=1),
    "malformed": Behaviour(malformed=1),
    "off": Behaviour(off_menu=1),
    "slow": Behaviour(latency_seconds=20),
}


@pytest.fixture(scope="module")
def provider():
    with running(Truth([(GOOD, 0.9), (POOR, 0.1)]), BEHAVIOURS) as server:
        yield server


@pytest.fixture(scope="module")
def locked():
    with running(Truth([(GOOD, 0.9)]), BEHAVIOURS, require_key=FAKE) as server:
        yield server


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def judge(model, api_base=None, price=PRICE, **more):
    return Judge("j", model, TEMPLATE, api_base=api_base, price=price, **more)


def ask(judge, shown=Shown.AB, comparison=COMPARISON, **options):
    """One call in a loop of its own, closed as a run closes it."""

    async def once():
        client = LiteLLMClient(judge, **options)
        try:
            return await client.complete(request_of(judge, comparison, shown))
        finally:
            await client.close()

    return asyncio.run(once())


def failure(judge, **options):
    with pytest.raises(CallError) as caught:
        ask(judge, **options)
    return caught.value


def refusal(judge, kind=ProviderError, **options):
    with pytest.raises(kind) as caught:
        ask(judge, **options)
    assert caught.value.what.startswith("judge j: ")
    assert caught.value.fix
    return caught.value


# ---- replies


def test_a_good_reply(provider):
    one = judge("openai/good", provider.base_url)
    request = request_of(one, COMPARISON, Shown.AB)
    reply = ask(one)
    assert reply.request_hash == request.request_hash
    assert reply.text == "Verdict: 1"
    assert reply.served_model == "good-2026-11"
    assert reply.finish_reason == "stop"
    assert reply.price_version == "judge file"
    assert 0 < reply.seconds < 10
    # The simulated provider counts 4 tokens for each message and a token for 4 characters, rounded
    # up: "Verdict: 1" are 10 characters, 3 tokens. The price is 2 and 8 USD per million.
    characters = sum(len(message.content) for message in request.messages)
    assert reply.prompt_tokens == 4 * 2 + -(-characters // 4)
    assert reply.completion_tokens == 3
    assert reply.paid_usd == pytest.approx((reply.prompt_tokens * 2 + 3 * 8) / 1_000_000)


def test_a_judge_labels_a_comparison_in_both_orders(provider):
    for model, preferences in {"openai/good": "aa", "openai/first": "ab"}.items():
        one = judge(model, provider.base_url)

        async def both(one=one):
            client = LiteLLMClient(one)
            labels = [await judge_comparison(one, COMPARISON, order, client) for order in Shown]
            await client.close()
            return labels

        labels = asyncio.run(both())
        assert [label.preference for label in labels] == [Preference(p) for p in preferences]
        assert [label.shown for label in labels] == list(Shown)
        assert {label.status for label in labels} == {LabelStatus.OK}
        assert {label.annotator_id for label in labels} == {one.annotator().annotator_id}
        assert all(label.cost_usd > 0 for label in labels)


def test_a_reply_off_the_menu_is_a_parse_error_that_was_paid_for(provider):
    one = judge("openai/off", provider.base_url)

    async def once():
        client = LiteLLMClient(one)
        label = await judge_comparison(one, COMPARISON, Shown.AB, client)
        await client.close()
        return label

    label = asyncio.run(once())
    assert (label.status, label.preference) == (LabelStatus.PARSE_ERROR, None)
    assert label.details == {"reason": "no verdict line", "finish_reason": "stop"}
    assert label.cost_usd > 0


def test_parameters_reach_the_provider(provider):
    one = judge("openai/first", provider.base_url, parameters={"max_tokens": 5})
    reply = ask(one)
    assert reply.finish_reason == "length"
    assert reply.completion_tokens == 5


def test_odd_characters_reach_the_provider(provider):
    for text in ("a\ud800b", "\x00", "\U0001f600\u202e"):
        odd = Comparison(UUID(int=2), text, GOOD, POOR)
        assert ask(judge("openai/good", provider.base_url), comparison=odd).text == "Verdict: 1"


# ---- failures


def test_a_rate_limit_is_retried_after_what_the_provider_asks(provider):
    error = failure(judge("openai/rate", provider.base_url))
    assert error.reason.startswith("the provider answered 429: ")
    assert error.retryable
    assert error.retry_after_seconds == 7
    assert not error.maybe_paid


def test_a_server_error_is_retried_and_was_not_charged(provider):
    error = failure(judge("openai/error", provider.base_url))
    assert (error.retryable, error.maybe_paid) == (True, False)
    assert error.retry_after_seconds is None


@pytest.mark.parametrize("model", ["openai/drop", "hosted_vllm/drop", "openai/malformed"])
def test_what_was_lost_on_the_way_may_have_been_paid(model, provider):
    error = failure(judge(model, provider.base_url))
    assert (error.retryable, error.maybe_paid) == (True, True)


def test_a_call_that_takes_too_long_may_have_been_paid(provider):
    started = time.perf_counter()
    error = failure(judge("openai/slow", provider.base_url), call_seconds=0.3)
    assert (error.retryable, error.maybe_paid) == (True, True)
    assert time.perf_counter() - started < 10


def test_a_server_that_is_not_there_was_not_paid():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # taken, and nobody listens
        port = unused.getsockname()[1]
        error = failure(judge("openai/m", f"http://127.0.0.1:{port}/v1"))
    assert (error.retryable, error.maybe_paid) == (True, False)


def test_a_refused_key_ends_the_run(locked):
    error = refusal(judge("openai/good", locked.base_url))
    assert "refused the key" in error.what


def test_a_model_that_the_provider_does_not_know_ends_the_run(provider):
    error = refusal(judge("openai/nobody", provider.base_url))
    assert "'openai/nobody'" in error.what
    assert "`model` or `api_base`" in error.fix


# ---- what the simulated provider cannot say: a recorder with a prepared answer


class Recorder(BaseHTTPRequestHandler):
    def do_POST(self):
        size = int(self.headers["Content-Length"])
        self.server.seen.append((self.path, dict(self.headers), json.loads(self.rfile.read(size))))
        self.send_response(self.server.status)
        for name, value in self.server.sent.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        for byte in self.server.body:
            self.wfile.write(bytes((byte,)))
            if self.server.drip:
                self.wfile.flush()
                time.sleep(self.server.drip)

    def log_message(self, *_):
        pass


@contextmanager
def recorder(body=None, status=200, drip=0.0, **headers):
    with ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        server.seen, server.status, server.drip = [], status, drip
        server.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        server.sent = {name.replace("_", "-"): value for name, value in headers.items()}
        server.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def completion(content="Verdict: 1", usage=(1000, 100), **more):
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"} | more
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    if usage is not None:
        names = ("prompt_tokens", "completion_tokens", "total_tokens")
        body["usage"] = dict(zip(names, (*usage, sum(usage)), strict=True))
    return body


def said(message="no", code="x", **more):
    return {"error": {"message": message, "type": "invalid_request_error", "code": code} | more}


def test_an_answer_without_usage_costs_an_unknown_amount_and_not_nothing():
    with recorder(completion(usage=None)) as server:
        reply = ask(judge("openai/m", server.address))
    assert reply.text == "Verdict: 1"
    assert (reply.prompt_tokens, reply.completion_tokens, reply.paid_usd) == (None, None, None)


def test_half_a_character_does_not_reach_the_store():
    body = json.dumps(completion("Verdict: 1 \ud83d")).encode()
    assert b"\\ud83d" in body
    with recorder(body) as server:
        reply = ask(judge("openai/m", server.address))
    assert reply.text == "Verdict: 1 \ufffd"


def test_a_reply_without_choices_was_paid_for_and_has_no_text():
    with recorder(completion() | {"choices": []}) as server:
        reply = ask(judge("openai/m", server.address))
    assert (reply.text, reply.finish_reason) == (None, None)
    assert reply.paid_usd == pytest.approx((1000 * 2 + 100 * 8) / 1_000_000)


def test_a_reply_that_was_filtered_has_no_text():
    with recorder(completion(None, finish_reason="content_filter")) as server:
        reply = ask(judge("openai/m", server.address))
    assert (reply.text, reply.finish_reason) == (None, "content_filter")


def test_no_retry_of_litellms_own():
    with recorder(said(), 500) as server:
        failure(judge("openai/m", server.address))
        assert len(server.seen) == 1


UNSAFE = "Your request was rejected as a result of our safety system."
# (status, body) -> retryable, maybe_paid, refused
CALL_ERRORS = {
    "bad request": (400, said("bad value"), (False, False, False)),
    "too long": (400, said("too long", "context_length_exceeded"), (False, False, False)),
    "unprocessable": (422, said(), (False, False, False)),
    "too large": (413, said(), (False, False, False)),
    "conflict": (409, said(), (True, False, False)),
    "timeout": (408, said(), (True, True, False)),
    "bad gateway": (502, b"<html>", (True, True, False)),
    "unavailable": (503, said(), (True, False, False)),
    "gateway timeout": (504, b"", (True, True, False)),
    "overloaded": (529, said("Overloaded"), (True, False, False)),
    "not JSON": (200, b"<html>", (True, True, False)),
    "empty": (200, b"", (True, True, False)),
    "error with 200": (200, said(), (True, True, False)),
    "policy": (400, said(UNSAFE, "content_policy_violation"), (False, False, True)),
    "moderation": (403, said("Your input was flagged"), (False, False, True)),
}


@pytest.mark.parametrize("case", CALL_ERRORS)
def test_what_the_run_may_do_about_an_answer(case):
    status, body, expected = CALL_ERRORS[case]
    with recorder(body, status) as server:
        error = failure(judge("openai/m", server.address))
    assert (error.retryable, error.maybe_paid, error.refused) == expected


@pytest.mark.parametrize("model", ["hosted_vllm/m", "anthropic/m", "gemini/m", "deepseek/m"])
def test_other_providers_of_litellm_are_read_alike(model):
    with recorder(said(), 429, Retry_After="9") as server:
        error = failure(judge(model, server.address))
        assert (error.retryable, error.maybe_paid, error.retry_after_seconds) == (True, False, 9)
    with recorder(said(), 503) as server:
        error = failure(judge(model, server.address))
        assert (error.retryable, error.maybe_paid) == (True, False)
    with recorder(b"{", 200) as server:
        error = failure(judge(model, server.address))
        assert (error.retryable, error.maybe_paid) == (True, True)
    with recorder(said("nope"), 403) as server:
        assert "refused the key" in refusal(judge(model, server.address)).what
    with recorder(said(), 404) as server:
        assert "does not know the model" in refusal(judge(model, server.address)).what


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (402, said("Insufficient Balance")),
        (429, said("You exceeded your current quota.", "insufficient_quota")),
        (400, said("Your credit balance is too low to access the API.")),
    ],
)
def test_an_account_without_credit_ends_the_run(status, body):
    with recorder(body, status) as server:
        error = refusal(judge("openai/m", server.address))
    assert "no credit" in error.what


def test_a_rate_limit_with_the_words_of_a_quota_is_retried():
    """As Gemini says it for the limit of a minute."""
    with recorder(said("You exceeded your current quota. Retry in 34 s.", 429), 429) as server:
        assert failure(judge("gemini/m", server.address)).retryable


def test_a_date_to_retry_after():
    date = email.utils.formatdate(time.time() + 60, usegmt=True)
    with recorder(said(), 429, Retry_After=date) as server:
        error = failure(judge("openai/m", server.address))
    assert 50 < error.retry_after_seconds <= 60


@pytest.mark.parametrize(
    ("given", "seconds"), [("0.5", 0.5), ("-3", 0), ("soon", None), ("", None)]
)
def test_odd_times_to_retry_after(given, seconds):
    with recorder(said(), 429, Retry_After=given) as server:
        assert failure(judge("openai/m", server.address)).retry_after_seconds == seconds


def test_a_reply_that_drips_is_given_up_in_time():
    with recorder(completion(), drip=0.1) as server:
        started = time.perf_counter()
        error = failure(judge("openai/m", server.address), call_seconds=0.6)
        assert time.perf_counter() - started < 10
        server.drip = 0.0
    assert (error.retryable, error.maybe_paid) == (True, True)
    assert error.reason == "no reply within 0.6 seconds"


def test_a_parameter_that_the_model_does_not_know_ends_the_run_before_anything_is_sent():
    with recorder(completion()) as server:
        error = refusal(judge("anthropic/claude-haiku-5-5", server.address, parameters={"seed": 1}))
        assert server.seen == []
    assert "seed" in error.what
    assert "[parameters]" in error.fix


@pytest.mark.skipif(find_spec("google.auth") is not None, reason="nothing is missing")
def test_a_package_that_is_missing_is_named():
    error = refusal(judge("vertex_ai/gemini-2.5-pro"))
    assert "google" in error.what


def test_parameters_arrive_as_they_are():
    parameters = {"temperature": 0, "max_tokens": 5, "stop": ["END"], "extra_body": {"top_k": 3}}
    with recorder(completion()) as server:
        ask(judge("openai/m", server.address, parameters=parameters))
        [(path, _, body)] = server.seen
    assert path == "/chat/completions"
    assert {name: body[name] for name in ("temperature", "max_tokens", "stop", "top_k")} == {
        "temperature": 0,
        "max_tokens": 5,
        "stop": ["END"],
        "top_k": 3,
    }
    assert body["model"] == "m"
    assert not body.get("stream")
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


# ---- keys


def keys_sent(server):
    names = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
    [(path, headers, _)] = server.seen
    assert "key=" not in path
    return [value for name, value in headers.items() if name.lower() in names]


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("openai/m", "OPENAI_API_KEY"),
        ("anthropic/m", "ANTHROPIC_API_KEY"),
        ("gemini/m", "GEMINI_API_KEY"),
        ("hosted_vllm/m", "HOSTED_VLLM_API_KEY"),
        ("deepseek/m", "DEEPSEEK_API_KEY"),
        ("openrouter/m", "OPENROUTER_API_KEY"),
    ],
)
def test_a_key_meant_for_a_provider_is_not_sent_to_an_address_of_the_users(
    model, variable, monkeypatch
):
    monkeypatch.setenv(variable, FAKE)
    with recorder(said(), 500) as server:
        failure(judge(model, server.address))
        assert [key.removeprefix("Bearer ") for key in keys_sent(server)] == ["no-key"]
        assert FAKE not in repr(server.seen)


def test_a_named_variable_holds_the_key(locked, monkeypatch):
    monkeypatch.setenv("MY_KEY", f" {FAKE}\n")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-0123456789")
    one = judge("openai/good", locked.base_url, api_key_env="MY_KEY")
    assert ask(one).text is not None


@pytest.mark.parametrize("value", [None, "", " "])
def test_a_named_variable_that_is_not_set_is_named(value, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", FAKE)
    monkeypatch.delenv("MY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    error = refusal(judge("openai/good", "http://127.0.0.1:9/v1", api_key_env="MY_KEY"))
    assert "MY_KEY" in error.what
    assert "MY_KEY" in error.fix


def test_a_key_file_holds_the_key(locked, tmp_path):
    (tmp_path / "key").write_text(f"{FAKE}\n", encoding="utf-8")
    one = judge("openai/good", locked.base_url, api_key_file=str(tmp_path / "key"))
    assert ask(one).text is not None


@pytest.mark.parametrize("content", [None, b"", b" \n", f"{FAKE} {FAKE}".encode(), b"sk-\xe9"])
def test_a_key_file_without_a_key_is_named_and_no_other_key_is_used(content, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", FAKE)
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with recorder(completion()) as server:
        error = refusal(judge("openai/m", server.address, api_key_file=str(path)))
        assert server.seen == []
    assert str(path) in error.what
    assert FAKE not in error.what


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("openai/gpt-5.4-mini", "OPENAI_API_KEY"),
        ("anthropic/claude-haiku-5-5", "ANTHROPIC_API_KEY"),
        ("gemini/gemini-3.8-flash", "GEMINI_API_KEY"),
    ],
)
def test_a_missing_key_is_asked_for_by_its_variable(model, variable, monkeypatch):
    error = refusal(judge(model))
    assert variable in error.what
    assert "export " in error.fix
    monkeypatch.setenv(variable, FAKE)
    LiteLLMClient(judge(model))


def test_a_server_that_repeats_the_key_does_not_bring_it_into_an_error(monkeypatch):
    monkeypatch.setenv("MY_KEY", FAKE)
    monkeypatch.setenv("OPENAI_API_KEY", FAKE + "-other")
    echo = said(f"{FAKE}-other and Bearer {FAKE} are no good")
    for status, kind in {401: ProviderError, 404: ProviderError, 400: CallError}.items():
        with recorder(echo, status) as server:
            one = judge("openai/m", server.address, api_key_env="MY_KEY")
            with pytest.raises(kind) as caught:
                ask(one)
        error = caught.value
        assert "no good" in str(error)
        assert FAKE not in repr(error) + str(error) + repr(vars(error))
        assert "[key] and Bearer [key]" in str(error)


def test_a_client_does_not_show_its_key(monkeypatch):
    monkeypatch.setenv("MY_KEY", FAKE)
    client = LiteLLMClient(judge("openai/m", "http://127.0.0.1:9/v1", api_key_env="MY_KEY"))
    assert FAKE not in repr(client) + str(client)


# ---- models and prices


@pytest.mark.parametrize("model", ["nobody", "nobody/m", "", "a/b/c"])
def test_a_model_without_a_provider_is_named(model):
    error = refusal(judge(model))
    assert repr(model) in error.what
    assert "provider/model" in error.fix


@pytest.mark.parametrize(
    ("model", "api_base"),
    [("openai/nobody", None), ("openai/gpt-5.4-mini", "http://127.0.0.1:9/v1")],
)
def test_a_price_that_is_not_known_is_asked_for(model, api_base, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", FAKE)
    error = refusal(judge(model, api_base, price=None), PriceError)
    assert model in error.what
    assert "input_usd_per_million_tokens" in error.fix


@pytest.mark.parametrize(
    "served", ["gpt-5.4-mini", "gpt-5.4-mini-2099-01-01", "gpt-5.4-mini-new", ""]
)
def test_a_price_of_litellms_map(served, monkeypatch):
    """LiteLLM itself prices `gpt-5.4-mini-new`, a name that it half knows, at nothing."""
    monkeypatch.setenv("OPENAI_API_KEY", FAKE)
    price = load_litellm().model_cost["gpt-5.4-mini"]
    with recorder(completion() | {"model": served}) as server:
        monkeypatch.setenv("OPENAI_API_BASE", server.address)
        reply = ask(judge("openai/gpt-5.4-mini", price=None))
        assert keys_sent(server) == [f"Bearer {FAKE}"]
    expected = 1000 * price["input_cost_per_token"] + 100 * price["output_cost_per_token"]
    assert expected > 0
    assert reply.paid_usd == pytest.approx(expected)
    assert reply.price_version.startswith("litellm 1.")


# ---- closing


def test_a_client_that_was_closed_can_be_used_again(provider):
    one = judge("openai/good", provider.base_url)
    request = request_of(one, COMPARISON, Shown.AB)
    client = LiteLLMClient(one)

    async def twice():
        replies = [await client.complete(request)]
        await client.close()
        replies.append(await client.complete(request))
        await client.close()
        return replies

    for _ in range(2):
        assert [reply.text for reply in asyncio.run(twice())] == ["Verdict: 1"] * 2


def test_a_client_that_was_never_used_can_be_closed(provider):
    asyncio.run(LiteLLMClient(judge("openai/good", provider.base_url)).close())


ALONE = """
import asyncio, gc, os, socket, warnings

warnings.simplefilter("error")
connect, socket.socket.connect = socket.socket.connect, None  # the import connects to nobody
from judges.litellm_client import LiteLLMClient, load_litellm

litellm = load_litellm()
assert len(litellm.model_cost) > 1000
assert not litellm.telemetry
assert "OPENAI_API_KEY" not in os.environ, "read from the .env file"
socket.socket.connect = connect

from judges.client import Message, Request
from judges.judge import Judge, Price
from judges.prompts import parse_template

warnings.simplefilter("always", ResourceWarning)
template = parse_template("## user\\n{{response_1}} {{response_2}}", "t")
judge = Judge("j", "openai/good", template, api_base="%s", price=Price(0, 0))
client = LiteLLMClient(judge)

async def run():
    messages = [(Message("user", str(number)),) for number in range(20)]
    requests = [Request(judge.model, each, {}, judge.api_base) for each in messages]
    await asyncio.gather(*(client.complete(request) for request in requests))
    await client.close()

for _ in range(2):
    asyncio.run(run())
    gc.collect()
"""


def test_in_a_process_of_its_own_it_warns_of_nothing_and_leaves_nothing_open(provider, tmp_path):
    """LiteLLM would read a .env file, download its price map, and keep its connections."""
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-from-the-env-file\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", ALONE % provider.base_url],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_many_calls_at_once(provider):
    one = judge("openai/good", provider.base_url)

    async def many():
        client = LiteLLMClient(one)
        requests = [
            Request(one.model, (Message("user", str(number)),), {}, one.api_base)
            for number in range(30)
        ]
        replies = await asyncio.gather(*(client.complete(request) for request in requests))
        await client.close()
        return [reply.request_hash for reply in replies] == [r.request_hash for r in requests]

    assert asyncio.run(many())
    gc.collect()


@pytest.mark.parametrize("usage", [(-10, 5), (10, -5), (10**30, 5), (10, 10**30)])
def test_a_usage_that_cannot_be_is_not_known(usage):
    with recorder(completion(usage=usage)) as server:
        reply = ask(judge("openai/m", server.address))
    assert reply.text == "Verdict: 1"
    assert reply.paid_usd is None
    assert {reply.prompt_tokens, reply.completion_tokens} <= {None, 5, 10}


def test_a_reason_has_no_traceback_of_litellms():
    with recorder(completion([{"type": "text", "text": "Verdict: 1"}])) as server:
        error = failure(judge("openai/m", server.address))
    assert "Traceback" not in error.reason
