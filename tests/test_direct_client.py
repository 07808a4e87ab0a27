"""Direct calls over real HTTP, beside LiteLLM's: the same servers, the same outcomes."""

import asyncio
import email.utils
import gc
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from data.errors import JudgeError, PriceError, ProviderError
from data.records import Comparison, Shown
from judges.client import CallError, Message, Request, UnsupportedError
from judges.direct_client import DirectClient
from judges.judge import Judge, Price
from judges.litellm_client import LiteLLMClient
from judges.provider_errors import is_loopback
from judges.simulated import Behaviour, Truth, running
from tests.asking import request_of, shipped
from tests.test_litellm_client import CALL_ERRORS, completion, recorder, said

ROOT = Path(__file__).resolve().parents[1]
FAKE = "sk-fake-0123456789abcdef"
GOOD = "The harbour is deep, and ships of any size can turn in it."
POOR = "I do not know anything about harbours, or about ships at all."
COMPARISON = Comparison(UUID(int=1), "Is the harbour deep?", GOOD, POOR)
TEMPLATE = shipped("pairwise")
PRICE = Price(2.0, 8.0)
BEHAVIOURS = {
    "good": Behaviour(sharpness=1000, rationale_words=3, served_model="good-2026-11"),
    "rate": Behaviour(rate_limit=1, retry_after_seconds=7),
    "error": Behaviour(server_error=1),
    "drop": Behaviour(drop=1),
    "malformed": Behaviour(malformed=1),
    "slow": Behaviour(latency_seconds=20),
}
CLIENTS = {"direct": DirectClient, "litellm": LiteLLMClient}
both = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)


@pytest.fixture(scope="module")
def provider():
    with running(Truth([(GOOD, 0.9), (POOR, 0.1)]), BEHAVIOURS) as server:
        yield server


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("OPENAI_API_KEY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def judge(model="openai/m", api_base="http://127.0.0.1:9/v1", **more):
    return Judge("j", model, TEMPLATE, api_base=api_base, price=PRICE, **more)


def ask(judge, client=DirectClient, **options):
    """One call in a loop of its own, closed as a run closes it."""

    async def once():
        asked = client(judge, **options)
        try:
            return await asked.complete(request_of(judge, COMPARISON, Shown.AB))
        finally:
            await asked.close()

    return asyncio.run(once())


def outcome(judge, client, **options):
    """A reply without its duration, or what an error lets a run do."""
    try:
        return replace(ask(judge, client, **options), seconds=None)
    except CallError as error:
        flags = (error.retryable, error.maybe_paid, error.refused, error.overloaded)
        return type(error), flags, error.retry_after_seconds
    except ProviderError as error:
        return error.what.partition("(")[0], error.fix


def failure(judge, client=DirectClient, kind=CallError, **options):
    with pytest.raises(kind) as caught:
        ask(judge, client, **options)
    return caught.value


# ---- the same answers through both


def thought(content, **more):
    answer = completion(content)
    answer["choices"][0]["message"] |= more
    return answer


def top(*pairs):
    return [{"token": t, "logprob": p, "bytes": None} for t, p in pairs]


TOKENS = [
    {"token": "1", "logprob": -0.1, "top_logprobs": top(("1", -0.1), (" 2", -2.5))},
    {"token": "\n", "logprob": 0, "top_logprobs": []},
]
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ANSWERS = {
    "plain": completion(),
    "empty text": completion(""),
    "no text": completion(None),
    "without usage": completion(usage=None),
    "usage of nothing": completion(usage=(0, 5)),
    "usage that cannot be": completion(usage=(10**30, 5)),
    "negative usage": completion(usage=(10, -5)),
    "no choices": completion() | {"choices": []},
    "fingerprint": completion() | {"system_fingerprint": "fp_1"},
    "no model": {name: value for name, value in completion().items() if name != "model"},
    "half a character": completion("Verdict: 1 \ud83d"),
    "thoughts in the text": completion("<think>Hm\n2?</think>\nVerdict: 1"),
    "thoughts apart": thought("<think>no</think>Verdict: 1", reasoning_content=None),
    "thoughts apart, by another name": thought("<think>no</think>1", reasoning="hm"),
    "thoughts without an end": completion("<think>Hm. Verdict: 1"),
    "a call of a tool": thought(None, tool_calls=[CALL]),
    "logprobs": completion(logprobs={"content": TOKENS}),
    "no logprobs": completion(logprobs={"content": None}),
    "logprobs of the old kind": completion(logprobs={"tokens": ["1"], "token_logprobs": [-1.0]}),
    "an empty error": completion() | {"error": None},
    "an error without a word": completion() | {"error": {}},
}
REASONS = (
    *("stop", "length", "content_filter", "tool_calls", "function_call", None),
    *("abort", "max_tokens", "refusal", "end_turn", "eos", "sensitive"),
)
ANSWERS |= {f"finish reason {reason}": completion(finish_reason=reason) for reason in REASONS}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_is_the_same_reply_through_both(case):
    with recorder(ANSWERS[case]) as server:
        found = [outcome(judge(api_base=server.address), client) for client in CLIENTS.values()]
    assert found[0] == found[1]
    assert found[0].price_version == "judge file"


@pytest.mark.parametrize(
    "body", [[1], "x", None, {}, {"choices": None}, {"choices": ["x"]}, {"choices": [{}]},
             said(), completion() | {"error": {"message": "overloaded", "code": 429}}, 10**400]
)  # fmt: skip
def test_an_answer_that_is_no_reply_may_have_been_paid_through_both(body):
    with recorder(body) as server:
        found = [outcome(judge(api_base=server.address), client) for client in CLIENTS.values()]
    assert found[0] == found[1] == (CallError, (True, True, False, False), None)


@pytest.mark.parametrize("raw", [b"", b"<html>", b'{"choices": [', b"\xff\xfe\x00", b"[" * 10**5])
def test_an_answer_that_is_no_json_may_have_been_paid(raw):
    with recorder(raw) as server:
        error = failure(judge(api_base=server.address))
    assert (error.retryable, error.maybe_paid) == (True, True)
    assert error.reason == f"{server.address} sent no reply: no JSON"


def test_what_litellm_cannot_read_is_not_lost():
    """It raises for these, although they were paid for."""
    parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Verdict: 1"}]
    broken = {"content": [{"token": "x", "top_logprobs": top(("1", None), ("2", -1.5))}]}
    odd = {"content": [3, {"token": "1", "top_logprobs": top(("1", float("-inf")), ("2", -1))}]}
    for answer, expected in (
        (completion(parts), ("Verdict: 1", None, 1000)),
        (completion(logprobs=broken), ("Verdict: 1", ({"2": -1.5},), 1000)),
        (completion(logprobs=odd), ("Verdict: 1", ({}, {"2": -1.0}), 1000)),
        (completion() | {"usage": [5]}, ("Verdict: 1", None, None)),
        (completion() | {"usage": {"prompt_tokens": 1.5}}, ("Verdict: 1", None, None)),
    ):
        with recorder(answer) as server:
            reply = ask(judge(api_base=server.address))
        assert (reply.text, reply.logprobs, reply.prompt_tokens) == expected


STATUSES = {
    **{name: case[:2] for name, case in CALL_ERRORS.items()},
    "key": (401, said("Incorrect API key provided")),
    "not allowed": (403, said("nope")),
    "credit": (402, said("Insufficient Balance")),
    "quota": (429, said("You exceeded your current quota.", "insufficient_quota")),
    "credit, said by Anthropic": (400, said("Your credit balance is too low to access it.")),
    "a minute's quota": (429, said("You exceeded your current quota. Retry in 34 s.", 429)),
    "model": (404, said("The model `m` does not exist", "model_not_found")),
    "response_format": (400, said("'response_format' is not supported with this model")),
    "logprobs": (422, said("logprobs are not supported")),
    "json_schema": (400, said("json_schema is not supported")),
    "logprobs, too early": (425, said("logprobs")),
    "policy, in other words": (400, said("Invalid prompt: it is violating our usage policy")),
    "gone": (410, said()),
    "not there": (501, said()),
    "origin": (522, b""),
    "waited": (524, b"<html>"),
}


@pytest.mark.parametrize("case", STATUSES)
def test_an_error_is_the_same_through_both(case):
    status, body = STATUSES[case]
    with recorder(body, status) as server:
        found = [outcome(judge(api_base=server.address), client) for client in CLIENTS.values()]
    assert found[0] == found[1]
    if case in CALL_ERRORS:
        assert found[0][1][:3] == CALL_ERRORS[case][2]


@pytest.mark.parametrize("given", ["9", "0.5", "-3", "soon", "", "Fri, 31 Dec 2021 23:59:59 GMT"])
def test_a_time_to_retry_after_is_the_same_through_both(given):
    with recorder(said(), 429, Retry_After=given) as server:
        found = [outcome(judge(api_base=server.address), client) for client in CLIENTS.values()]
    assert found[0] == found[1]


def test_a_date_to_retry_after():
    date = email.utils.formatdate(time.time() + 60, usegmt=True)
    with recorder(said(), 503, Retry_After=date) as server:
        assert 50 < failure(judge(api_base=server.address)).retry_after_seconds <= 60


@pytest.mark.parametrize("model", ["good", "rate", "error", "drop", "malformed"])
def test_the_simulated_provider_is_read_alike(model, provider):
    one = judge(f"openai/{model}", provider.base_url)
    assert outcome(one, DirectClient) == outcome(one, LiteLLMClient)


def test_a_good_reply(provider):
    reply = ask(judge("openai/good", provider.base_url))
    assert reply.text.endswith("\nVerdict: 1")
    assert reply.served_model == "good-2026-11"
    assert 0 < reply.seconds < 10
    tokens = (reply.prompt_tokens * 2 + reply.completion_tokens * 8) / 1_000_000
    assert reply.paid_usd == pytest.approx(tokens)


@both
def test_a_call_that_takes_too_long_may_have_been_paid(client, provider):
    started = time.perf_counter()
    error = failure(judge("openai/slow", provider.base_url), client, call_seconds=0.3)
    assert time.perf_counter() - started < 10
    assert (error.retryable, error.maybe_paid) == (True, True)


def test_a_reply_that_drips_is_given_up_in_time():
    with recorder(completion(), drip=0.1) as server:
        error = failure(judge(api_base=server.address), call_seconds=0.6)
        server.drip = 0.0
    assert error.reason == f"no reply from {server.address} within 0.6 seconds"


# ---- what never arrived


@contextmanager
def taken_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # taken, and nobody listens
        yield unused.getsockname()[1]


@both
def test_a_server_that_is_not_there_was_not_paid(client):
    with taken_port() as port:
        error = failure(judge(api_base=f"http://127.0.0.1:{port}/v1"), client)
    assert (error.retryable, error.maybe_paid) == (True, False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_that_is_not_there_is_named(host):
    with taken_port() as port:
        address = f"http://{host}:{port}/v1"
        assert failure(judge(api_base=address)).reason == (
            f"no connection to {address}: connection refused"
        )


def test_a_host_that_nobody_knows_is_named():
    error = failure(judge(api_base="http://nobody.invalid:8000/v1?key=x"))
    assert error.reason == "no connection to http://nobody.invalid:8000/v1: nobody knows this host"
    assert (error.retryable, error.maybe_paid) == (True, False)


@contextmanager
def listener(serve):
    """A server that does with each connection what `serve` says."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def cut_short(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


def not_http(connection):
    connection.recv(65536)
    connection.sendall(b"220 mail.example ESMTP\r\n")


@pytest.mark.parametrize("serve", [cut_short, not_http])
def test_a_connection_that_breaks_may_have_been_paid(serve):
    with listener(serve) as address:
        error = failure(judge(api_base=f"http://{address}/v1"))
    assert (error.retryable, error.maybe_paid) == (True, True)
    assert error.reason.startswith(f"the connection to http://{address}/v1 was lost: ")
    assert len(error.reason) < 300


def test_a_server_without_tls_was_not_paid():
    with listener(not_http) as address:
        error = failure(judge(api_base=f"https://{address}/v1"))
    assert (error.retryable, error.maybe_paid) == (True, False)
    assert error.reason.startswith(f"no connection to https://{address}/v1: ")


def test_a_certificate_that_is_not_trusted_ends_the_run(tmp_path):
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1",
         "-keyout", tmp_path / "key", "-out", tmp_path / "certificate", "-days", "1"],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl makes no certificate here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")

    def shake_hands(connection):
        with suppress(OSError):  # the client ends it
            context.wrap_socket(connection, server_side=True)

    with listener(shake_hands) as address:
        error = failure(judge(api_base=f"https://{address}/v1"), kind=ProviderError)
    assert "certificate" in error.what
    assert "SSL_CERT_FILE" in error.fix


# ---- what is sent


@pytest.mark.parametrize("model", ["openai/m", "hosted_vllm/m", "openai/org/m"])
def test_the_body_is_the_one_that_litellm_sends(model):
    parameters = {
        "temperature": 0, "max_tokens": 5, "stop": ["END"], "seed": 3, "logprobs": True,
        "top_logprobs": 5, "response_format": {"type": "json_object"},
        "extra_body": {"top_k": 3, "guided_choice": ["1", "2"]},
    }  # fmt: skip
    sent = []
    with recorder(completion()) as server:
        for client in CLIENTS.values():
            ask(judge(model, server.address + "/v1/", parameters=parameters), client)
        for path, headers, body in server.seen:
            kind = {name.lower(): value for name, value in headers.items()}["content-type"]
            sent.append((path, kind, body))
    assert sent[0] == sent[1]
    assert sent[0][2]["model"] == model.partition("/")[2]


def test_a_question_mark_in_an_address_stays():
    with recorder(completion()) as server:
        ask(judge(api_base=f"{server.address}/a%2Fb/v1?version=3"))
        assert server.seen[0][0] == "/a%2Fb/v1/chat/completions?version=3"


def test_half_a_character_is_not_sent():
    one = judge()
    with recorder(completion()) as server:
        one = replace(one, api_base=server.address)
        request = request_of(one, replace(COMPARISON, prompt="a\ud800b"), Shown.AB)

        async def once():
            client = DirectClient(one)
            await client.complete(request)
            await client.close()

        asyncio.run(once())
        assert "a\ufffdb" in server.seen[0][2]["messages"][1]["content"]


def test_a_request_to_another_address_is_not_sent():
    """The key belongs to the judge's."""
    with recorder(completion()) as server:
        other = Request("openai/m", (Message("user", "x"),), {}, server.address)
        with pytest.raises(ValueError, match=r"a request to http://127\.0\.0\.1"):
            asyncio.run(DirectClient(judge()).complete(other))
        assert server.seen == []


def test_a_parameter_that_no_body_carries_is_named():
    one = judge(parameters={"extra_headers": {"X-Team": "a"}})
    error = failure(one, kind=JudgeError)
    assert "extra_headers" in error.what
    assert "[parameters]" in error.fix


# ---- keys


def key_sent(one, server):
    ask(replace(one, api_base=server.address))
    return server.seen[-1][1]["Authorization"]


def test_where_a_key_comes_from(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-0123456789")
    monkeypatch.setenv("MY_KEY", f" {FAKE}\n")
    (tmp_path / "key").write_text(f"{FAKE}2\n", encoding="utf-8")
    with recorder(completion()) as server:
        assert key_sent(judge(), server) == "Bearer no-key"
        assert key_sent(judge(api_key_env="MY_KEY"), server) == f"Bearer {FAKE}"
        assert key_sent(judge(api_key_file=str(tmp_path / "key")), server) == f"Bearer {FAKE}2"
        assert "sk-another" not in repr(server.seen)


@both
def test_a_key_that_is_missing_is_named(client, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", FAKE)
    for more in ({"api_key_env": "NO_SUCH_KEY"}, {"api_key_file": str(tmp_path / "none")}):
        with pytest.raises(ProviderError) as caught:
            client(judge(**more))
        assert next(iter(more.values())) in caught.value.what


def test_a_key_is_in_no_error(monkeypatch):
    monkeypatch.setenv("MY_KEY", FAKE)
    monkeypatch.setenv("OPENAI_API_KEY", FAKE + "-other")
    echo = said(f"{FAKE}-other and Bearer {FAKE} are no good", f"{FAKE}")
    bodies = {401: echo, 404: echo, 400: echo, 429: f"{FAKE} nested".encode(), 200: echo}
    for status, body in bodies.items():
        with recorder(body, status) as server:
            error = failure(judge(api_base=server.address, api_key_env="MY_KEY"), kind=Exception)
        shown = "".join(traceback.format_exception(error)) + repr(vars(error)) + repr(error)
        assert "[key]" in str(error)
        assert FAKE not in shown + repr(error.__cause__)


@pytest.mark.parametrize("serve", [cut_short, not_http])
def test_a_key_is_not_behind_an_error(serve, monkeypatch):
    """An error of aiohttp shows its request, with all headers."""
    monkeypatch.setenv("MY_KEY", FAKE)
    with listener(serve) as address:
        error = failure(judge(api_base=f"http://{address}", api_key_env="MY_KEY"))
    assert error.__cause__ is None
    assert FAKE not in "".join(traceback.format_exception(error))


def test_a_client_does_not_show_its_key(monkeypatch):
    monkeypatch.setenv("MY_KEY", FAKE)
    client = DirectClient(judge(api_key_env="MY_KEY"))
    assert FAKE not in repr(client) + str(client)


# ---- what a judge needs


@pytest.mark.parametrize(
    ("changed", "kind", "named"),
    [
        ({"api_base": None}, JudgeError, "api_base"),
        ({"api_base": "http://127.0.0.1:99999/v1"}, JudgeError, "api_base"),
        ({"model": "anthropic/m"}, JudgeError, "openai/NAME"),
        ({"model": "m"}, JudgeError, "openai/NAME"),
        ({"price": None}, PriceError, "input_usd_per_million_tokens"),
    ],
)
def test_what_a_judge_needs_is_named(changed, kind, named):
    with pytest.raises(kind) as caught:
        DirectClient(replace(judge(), **changed))
    assert caught.value.what.startswith("judge j: ")
    assert named in caught.value.fix


def test_an_unsupported_parameter_is_told_apart():
    for status in (400, 422):
        with recorder(said("response_format.type must be text"), status) as server:
            error = failure(judge(api_base=server.address), kind=UnsupportedError)
        assert error.reason == (
            f"{server.address} answered {status}: response_format.type must be text"
        )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": "busy"}, "busy"),
        ({"error": {"message": "busy"}}, "busy"),
        ({"object": "error", "message": "busy", "code": 400}, "busy"),
        ({"detail": [{"loc": ["body"], "msg": "busy"}]}, "busy"),
        ({"detail": "busy"}, "busy"),
        (b"<html>\n busy </html>", "busy"),
        (["busy"], "busy"),
        ({"error": {"message": "busy " * 999}}, "busy busy"),
        ({"error": {"message": {"text": "busy"}}}, "busy"),
    ],
)
def test_errors_are_written_in_several_ways(body, words):
    with recorder(body, 500) as server:
        reason = failure(judge(api_base=server.address)).reason
    assert reason.startswith(f"{server.address} answered 500: ")
    assert words in reason
    assert len(reason) < 300
    assert "\n" not in reason


def test_an_error_without_words():
    with recorder(b"", 500) as server:
        assert failure(judge(api_base=server.address)).reason == f"{server.address} answered 500"


# ---- proxies


def test_a_proxy_is_not_used_for_this_machine(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with recorder(completion()) as server:
        assert ask(judge(api_base=server.address)).text == "Verdict: 1"


def test_a_proxy_is_used_for_others_unless_excepted(monkeypatch):
    with recorder(completion()) as server:
        monkeypatch.setenv("http_proxy", server.address.replace("//", "//me:pass@"))
        one = judge(api_base="http://judge.invalid:8000/v1")
        assert ask(one).text == "Verdict: 1"
        [(path, headers, _)] = server.seen
        assert path == "http://judge.invalid:8000/v1/chat/completions"
        assert headers["Proxy-Authorization"] == "Basic bWU6cGFzcw=="
        assert headers["Authorization"] == "Bearer no-key"
        monkeypatch.setenv("no_proxy", "judge.invalid")
        assert "nobody knows this host" in failure(one).reason
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.5", True), ("::1", True), ("a.localhost", True),
     ("10.0.0.1", False), ("example.org", False), (None, False)],
)  # fmt: skip
def test_addresses_of_this_machine(host, here):
    assert is_loopback(host) is here


# ---- loops


def test_a_client_that_was_closed_can_be_used_again(provider):
    one = judge("openai/good", provider.base_url)
    request = request_of(one, COMPARISON, Shown.AB)
    client = DirectClient(one)

    async def twice():
        replies = [await client.complete(request)]
        await client.close()
        replies.append(await client.complete(request))
        await client.close()
        return replies

    for _ in range(2):
        assert {reply.text[-10:] for reply in asyncio.run(twice())} == {"Verdict: 1"}
    gc.collect()  # an open session would warn here


def test_a_client_that_was_never_used_can_be_closed():
    asyncio.run(DirectClient(judge()).close())


def test_many_calls_at_once(provider):
    one = judge("openai/good", provider.base_url)

    async def many():
        client = DirectClient(one)
        requests = [
            Request(one.model, (Message("user", str(number)),), {}, one.api_base)
            for number in range(300)
        ]
        replies = await asyncio.gather(*(client.complete(request) for request in requests))
        await client.close()
        return [reply.request_hash for reply in replies] == [r.request_hash for r in requests]

    assert asyncio.run(many())


ALONE = """
import asyncio, sys, warnings

warnings.simplefilter("error")
from judges.client import Message, Request
from judges.direct_client import DirectClient
from judges.judge import Judge, Price
from judges.prompts import parse_template

template = parse_template("## user\\n{{response_1}} {{response_2}}", "t")
judge = Judge("j", "openai/good", template, api_base="%s", price=Price(0, 0))
client = DirectClient(judge)

async def run():
    request = Request(judge.model, (Message("user", "hello"),), {}, judge.api_base)
    await client.complete(request)
    await client.close()

asyncio.run(run())
slow = {"litellm", "openai", "anthropic", "httpx", "pydantic", "pandas"} & set(sys.modules)
assert not slow, slow
"""


def test_in_a_process_of_its_own_it_warns_of_nothing_and_imports_no_library_of_a_provider(
    provider, tmp_path
):
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
