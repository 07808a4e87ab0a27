"""Batches of OpenAI through its SDK over real HTTP, with a provider whose answers are scripted."""

import asyncio
import email.parser
import email.policy
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.errors import InputError, JudgeError, ProviderError
from judges.batch import BatchStatus
from judges.chat import openai_body
from judges.client import CallError, Message, Request, UnsupportedError
from judges.judge import Judge, Price
from judges.litellm_client import LiteLLMClient
from judges.openai_batch import OpenAIBatchClient
from judges.prompts import parse_template
from tests.scripted import Scripted, json_lines
from tests.test_direct_client import ANSWERS
from tests.test_litellm_client import completion, recorder, said

ROOT = Path(__file__).resolve().parents[1]
FAKE = "sk-fake-0123456789abcdef"
TEMPLATE = parse_template("## user\n{{response_1}} or {{response_2}}", "t")
PRICE = Price(2.0, 8.0)
EXPIRES = 1_800_000_000


class Provider(Scripted):
    """Files and batches in memory; a test says how a batch ends."""

    def __init__(self):
        super().__init__()
        self.files = {}
        self.batches = []  # the newest first

    def route(self, sent):
        parts = sent.path.removeprefix("/v1").strip("/").split("/")
        match (sent.method, *parts):
            case ("POST", "files"):
                return 200, {"id": self.add(uploaded(sent)), "object": "file", "purpose": "batch"}
            case ("GET", "files", file_id, "content") if file_id in self.files:
                return 200, self.files[file_id]
            case ("POST", "batches"):
                return 200, self.create(json.loads(sent.body))
            case ("GET", "batches"):
                return 200, self.page(sent.query)
            case ("GET", "batches", batch_id) if self.known(batch_id):
                return 200, self.batch(batch_id)
            case ("POST", "batches", batch_id, "cancel"):
                return self.cancel(self.batch(batch_id))
        return 404, said(f"No such thing: {sent.path}", "not_found")

    def add(self, content):
        self.files[f"file-{len(self.files)}"] = content
        return f"file-{len(self.files) - 1}"

    def known(self, batch_id):
        return any(batch["id"] == batch_id for batch in self.batches)

    def batch(self, batch_id):
        return next(batch for batch in self.batches if batch["id"] == batch_id)

    def create(self, asked, created_at=None):
        batch = {
            "id": f"batch_{len(self.batches)}",
            "object": "batch",
            "status": "validating",
            "created_at": int(time.time()) if created_at is None else created_at,
            "expires_at": EXPIRES,
            **asked,
        }
        self.batches.insert(0, batch)
        return batch

    def page(self, query):
        names = [batch["id"] for batch in self.batches]
        first = names.index(query["after"][0]) + 1 if "after" in query else 0
        data = self.batches[first : first + 2]  # whatever limit was asked for
        return {"object": "list", "data": data, "has_more": first + 2 < len(names)}

    def cancel(self, batch):
        if batch["status"] in ("completed", "cancelled"):
            return 409, said("Cannot cancel a batch that has ended.")
        batch["status"] = "cancelling"
        return 200, batch

    def end(self, batch_id, status, output=(), failed=(), **more):
        batch = self.batch(batch_id)
        batch["status"] = status
        batch["request_counts"] = {"completed": len(output), "failed": len(failed), "total": 9}
        for name, lines in {"output_file_id": output, "error_file_id": failed}.items():
            batch[name] = self.add(json_lines(lines)) if lines else None
        batch.update(more)


def uploaded(sent):
    """The file of a multipart request, which says that it is for batches."""
    head = f"Content-Type: {sent.headers['content-type']}\r\n\r\n".encode()
    whole = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + sent.body)
    parts = {part.get_param("name", header="content-disposition"): part
             for part in whole.iter_parts()}  # fmt: skip
    assert parts["purpose"].get_payload() == "batch"
    return parts["file"].get_payload(decode=True)


@pytest.fixture
def provider():
    with Provider().running() as server:
        yield server


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("OPENAI_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def judge(address, **more):
    more = {"model": "openai/m", "price": PRICE, **more}
    return Judge("j", template=TEMPLATE, api_base=f"{address}/v1", **more)


@contextmanager
def connected(provider, *, retries=2, limits=None, **more):
    client = OpenAIBatchClient(
        judge(provider.address, **more), PRICE.cost_usd, retries=retries, **(limits or {})
    )
    try:
        yield client
    finally:
        client.close()


def requests(n, **more):
    return [Request("openai/m", (Message("user", f"text {i}"),), **more) for i in range(n)]


def by_id(asked):
    return {str(request.request_hash): request for request in asked}


def done(request, body=None, status=200):
    """A line of the output file, or of the error file."""
    response = {"status_code": status, "request_id": "r", "body": body or completion()}
    return {"id": "x", "custom_id": str(request.request_hash), "response": response, "error": None}


def not_done(request, code, message="This request was not executed."):
    error = {"code": code, "message": message}
    return {"id": "x", "custom_id": str(request.request_hash), "response": None, "error": error}


def ended(provider, client, asked, *end, **more):
    """The lines of a batch that ended so, by request, and what was ignored."""
    batch_id = client.submit(asked, "t")
    provider.end(batch_id, *end, **more)
    results = client.results(batch_id, by_id(asked))
    lines = list(results)
    found = {line.custom_id: line for line in lines}
    assert len(found) == len(lines)
    assert set(found) == set(by_id(asked))
    return [found[str(request.request_hash)] for request in asked], results.n_ignored


def flags(line):
    error = line.error
    return error.retryable, error.refused, line.charged


# ---- a batch from its beginning to its end


def test_a_batch_is_submitted_watched_and_read(provider):
    parameters = {"temperature": 0, "extra_body": {"top_k": 3}}
    asked = requests(3, parameters=parameters)
    with connected(provider) as client:
        [chunk] = client.chunks(asked)
        batch_id = client.submit(chunk, "run 1")
        [batch] = provider.batches
        assert (batch["endpoint"], batch["completion_window"]) == ("/v1/chat/completions", "24h")
        assert batch["metadata"] == {"concord": "run 1"}
        lines = [json.loads(line) for line in provider.files[batch["input_file_id"]].splitlines()]
        assert lines == [
            {"custom_id": str(request.request_hash), "method": "POST",
             "url": "/v1/chat/completions", "body": openai_body(request)}
            for request in asked
        ]  # fmt: skip
        assert lines[0]["body"]["top_k"] == 3

        state = client.state(batch_id)
        assert (state.batch_id, state.status, state.said) == (batch_id, "running", "validating")
        assert (state.n_total, state.message) == (0, "")
        assert state.expires_at == datetime.fromtimestamp(EXPIRES, UTC)
        with pytest.raises(CallError, match="has not ended") as caught:
            client.results(batch_id, by_id(asked))
        assert caught.value.retryable

        provider.end(batch_id, "completed", [done(request) for request in reversed(asked)])
        state = client.state(batch_id)
        assert (state.status, state.n_done, state.n_failed) == (BatchStatus.ENDED, 3, 0)
        found = list(client.results(batch_id, by_id(asked)))
    assert [line.custom_id for line in found] == [str(r.request_hash) for r in reversed(asked)]
    reply = found[0].reply
    assert (reply.request_hash, reply.text) == (asked[2].request_hash, "Verdict: 1")
    assert (reply.prompt_tokens, reply.completion_tokens) == (1000, 100)
    # Live: 1000 tokens at $2 and 100 at $8 per million, $0.0028; a batch is half of it.
    assert reply.paid_usd == pytest.approx(0.0014)
    assert reply.price_version == "judge file batch"
    assert reply.seconds is None
    assert all(line.charged and line.error is None for line in found)


def test_an_answer_in_a_batch_is_the_reply_that_it_is_live(provider):
    asked = dict(zip(ANSWERS, requests(len(ANSWERS)), strict=True))
    with connected(provider) as client:
        output = [done(request, ANSWERS[case]) for case, request in asked.items()]
        lines, _ = ended(provider, client, list(asked.values()), "completed", output)
    for case, line in zip(ANSWERS, lines, strict=True):
        live = live_reply(ANSWERS[case], asked[case])
        half = None if live.paid_usd is None else pytest.approx(live.paid_usd / 2)
        assert line.reply == replace(
            live, paid_usd=half, seconds=None, price_version="judge file batch"
        ), case


def live_reply(body, request):
    async def once(address):
        client = LiteLLMClient(replace(judge(address), api_base=address))
        reply = await client.complete(replace(request, api_base=address))
        await client.close()
        return replace(reply, request_hash=request.request_hash)

    with recorder(body) as server:
        return asyncio.run(once(server.address))


def test_a_price_that_is_not_known_is_not_nothing(provider):
    asked = requests(1)
    one = judge(provider.address)
    client = OpenAIBatchClient(one, lambda *_: None, price_version="litellm 1")
    [line], _ = ended(provider, client, asked, "completed", [done(asked[0])])
    client.close()
    assert (line.reply.paid_usd, line.reply.price_version) == (None, "litellm 1 batch")
    assert line.charged


UNSAFE = said("Your request was rejected as a result of our safety system.", "x")
# status, body -> error, (retryable, refused)
ERRORS = {
    "bad request": (400, said("bad"), CallError, (False, False)),
    "unsupported": (400, said("logprobs are not supported"), UnsupportedError, (False, False)),
    "policy": (400, UNSAFE, CallError, (False, True)),
    "rate": (429, said("slow down"), CallError, (True, False)),
    "server": (500, said("sorry"), CallError, (True, False)),
    "gateway": (504, None, CallError, (True, False)),
    "key": (401, said("no key"), CallError, (False, False)),
    "model": (404, said("no model"), CallError, (False, False)),
    "quota": (429, said("quota", "insufficient_quota"), CallError, (False, False)),
}


def test_requests_that_fail_are_in_the_error_file_and_cost_nothing(provider):
    asked = requests(len(ERRORS) + 1)
    errors = [done(r, body, status)
              for r, (status, body, *_) in zip(asked, ERRORS.values(), strict=False)]  # fmt: skip
    errors[5]["response"]["body"] = None
    with connected(provider) as client:
        lines, ignored = ended(provider, client, asked, "completed", [done(asked[-1])], errors)
        state = client.state("batch_0")
    assert (state.n_done, state.n_failed, ignored) == (1, len(ERRORS), 0)
    assert lines[-1].reply.text == "Verdict: 1"
    for line, (status, _, kind, expected) in zip(lines, ERRORS.values(), strict=False):
        assert line.reply is None
        assert type(line.error) is kind
        assert flags(line) == (*expected, False)
        assert not line.error.maybe_paid
        assert f"answered {status}" in line.error.reason


def test_a_batch_that_fails_at_validation_answers_nothing(provider):
    asked = requests(2)
    problems = [{"code": "model_not_found", "message": f"No model\nm, {FAKE}", "line": 1},
                {"code": "other", "message": None, "line": None}]  # fmt: skip
    with connected(provider) as client:
        lines, _ = ended(provider, client, asked, "failed", errors={"data": problems})
        state = client.state("batch_0")
    assert (state.status, state.said) == (BatchStatus.FAILED, "failed")
    assert state.message == f"line 1: No model m, {FAKE}; other"
    assert [flags(line) for line in lines] == [(False, False, False)] * 2
    assert lines[0].error.reason == f"the provider refused the batch: {state.message}"


def test_a_batch_that_came_too_early_can_come_again(provider):
    problem = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}
    with connected(provider) as client:
        lines, _ = ended(provider, client, requests(1), "failed", errors={"data": [problem]})
    assert flags(lines[0]) == (True, False, False)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [("expired", "batch_expired", "expired"), ("cancelled", "batch_cancelled", "cancelled")],
)
def test_a_batch_that_ended_early_still_holds_what_was_paid(status, code, words, provider):
    asked = requests(3)
    with connected(provider) as client:
        lines, _ = ended(
            provider, client, asked, status, [done(asked[1])], [not_done(asked[0], code)]
        )
        assert client.state("batch_0").status is BatchStatus.ENDED
    assert lines[1].reply.paid_usd == pytest.approx(0.0014)
    assert lines[1].charged
    assert [flags(lines[0]), flags(lines[2])] == [(True, False, False)] * 2
    assert lines[0].error.reason == "not in the batch: This request was not executed."
    assert words in lines[2].error.reason


def test_a_batch_that_says_nothing_of_a_request(provider):
    asked = requests(2)
    with connected(provider) as client:
        lines, _ = ended(provider, client, asked, "completed", [done(asked[0])])
    assert lines[1].error.reason == "the batch ended without an answer to this request"
    assert flags(lines[1]) == (True, False, False)


def test_what_was_not_asked_about_and_what_comes_twice_is_counted(provider):
    first, second, other = requests(3)
    output = [
        done(first),
        done(first, completion("Verdict: 2")),
        done(other),
        b"{broken",
        [1],
        {"custom_id": 7},
        b"",
        done(second),
    ]
    errors = [done(first, said(), 500), {"id": "x"}]
    with connected(provider) as client:
        lines, ignored = ended(provider, client, [first, second], "completed", output, errors)
        again = client.results("batch_0", by_id([first, second]))
        assert [line.reply for line in again] == [line.reply for line in lines]
        assert again.n_ignored == ignored
    assert [line.reply.text for line in lines] == ["Verdict: 1", "Verdict: 1"]
    assert ignored == 7


@pytest.mark.parametrize("body", [{}, {"choices": [{}]}, said(), [1]])
def test_a_result_that_is_no_reply_was_paid(body, provider):
    [asked] = requests(1)
    line = done(asked)
    line["response"]["body"] = body
    with connected(provider) as client:
        [found], _ = ended(provider, client, [asked], "completed", [line])
    assert flags(found) == (True, False, True)
    assert found.error.maybe_paid
    assert "sent no reply" in found.error.reason


@pytest.mark.parametrize("error", [None, {}, "gone", {"code": "x"}, [1]])
def test_a_line_without_a_response(error, provider):
    [asked] = requests(1)
    line = {"custom_id": str(asked.request_hash), "response": None, "error": error}
    with connected(provider) as client:
        [found], _ = ended(provider, client, [asked], "expired", [], [line])
    assert flags(found) == (True, False, False)
    assert found.error.reason.startswith("not in the batch: ")


# ---- limits


def sizes(provider):
    return [len(provider.files[batch["input_file_id"]]) for batch in reversed(provider.batches)]


def test_requests_are_split_by_their_number(provider):
    asked = requests(7)
    with connected(provider, limits={"max_requests": 3}) as client:
        chunks = client.chunks(asked + asked[:2])
        assert [len(chunk) for chunk in chunks] == [3, 3, 1]
        assert [request for chunk in chunks for request in chunk] == asked
        assert client.chunks([]) == []


def test_requests_are_split_by_the_bytes_that_are_uploaded(provider):
    texts = ["é" * n + "\ud800" for n in (10, 200, 30, 400, 1)]
    asked = [Request("openai/m", (Message("user", text),)) for text in texts]
    with connected(provider) as client:
        client.submit(asked, "t")
        [all_bytes] = sizes(provider)
        single = [len(line) + 1 for line in provider.files["file-0"].splitlines()]
        assert sum(single) == all_bytes
    limit = single[0] + single[1]  # the first two fit exactly
    with connected(provider, limits={"max_bytes": max(limit, single[3])}) as client:
        limit = max(limit, single[3])
        chunks = client.chunks(asked)
        assert [request for chunk in chunks for request in chunk] == asked
        assert len(chunks[0]) == 2
        for chunk in chunks:
            client.submit(chunk, "t")
    assert all(size <= limit for size in sizes(provider)[1:])
    assert sum(sizes(provider)[1:]) == all_bytes
    with (
        connected(provider, limits={"max_bytes": single[3] - 1}) as client,
        pytest.raises(InputError) as caught,
    ):
        client.chunks(asked)
    assert f"{single[3]:,} bytes" in caught.value.what
    assert "éééé" in caught.value.fix


# ---- a kill between create and write

SUBMIT = """
import sys
from judges.client import Message, Request
from judges.judge import Judge, Price
from judges.openai_batch import OpenAIBatchClient
from judges.prompts import parse_template

template = parse_template("## user\\n{{response_1}} or {{response_2}}", "t")
judge = Judge("j", "openai/m", template, api_base=sys.argv[1], price=Price(1, 1))
client = OpenAIBatchClient(judge, lambda *_: 0.0)
client.submit([Request("openai/m", (Message("user", "x"),))], "the tag")
print("written")
"""


def test_a_batch_whose_id_was_lost_with_its_process_is_found_by_its_tag(provider):
    killed = []
    create = provider.create

    def create_and_kill(asked):
        batch = create(asked)
        os.kill(process.pid, signal.SIGKILL)
        killed.append(batch["id"])
        return batch

    provider.create = create_and_kill
    process = subprocess.Popen(
        [sys.executable, "-c", SUBMIT, f"{provider.address}/v1"],
        env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.communicate(timeout=60)[0] == b""
    assert process.returncode == -signal.SIGKILL
    provider.create = create
    with connected(provider) as client:
        for _ in range(4):  # onto another page
            client.submit(requests(1), "another tag")
        assert client.find("the tag") == killed[0]
        assert client.find("no such tag") is None


def test_the_newest_batch_of_a_tag_is_found_and_old_ones_are_not_looked_at(provider):
    month = 33 * 24 * 3600
    for age in (3 * month, 2 * month, month, 1, 0):
        tag = "old" if age == 3 * month else "new"
        provider.create({"metadata": {"concord": tag}}, int(time.time()) - age)
    provider.create({"metadata": None})
    with connected(provider) as client:
        assert client.find("new") == "batch_4"
        before = provider.count("GET", "/batches")
        assert client.find("old") is None
        assert provider.count("GET", "/batches") - before == 2  # pages of 2; the 4th is old


@pytest.mark.parametrize("status", [None, 500, 502, 504])
def test_a_create_whose_answer_is_lost_is_not_repeated_and_may_have_been_paid(status, provider):
    provider.fail("POST", "/batches", status, said(), done=True)
    with connected(provider) as client:
        with pytest.raises(CallError) as caught:
            client.submit(requests(1), "the tag")
        assert (caught.value.retryable, caught.value.maybe_paid) == (True, True)
        assert provider.count("POST", "/batches") == 1
        assert client.find("the tag") == "batch_0"


@pytest.mark.parametrize("body", [b"<html>", {}, [], {"id": 3}, b"{"])
def test_a_create_that_is_answered_by_something_else_may_have_been_paid(body, provider):
    provider.fail("POST", "/batches", 200, body)
    with connected(provider) as client, pytest.raises(CallError) as caught:
        client.submit(requests(1), "t")
    assert (caught.value.retryable, caught.value.maybe_paid) == (True, True)
    assert provider.address in caught.value.reason


@pytest.mark.parametrize(("status", "retryable"), [(429, True), (400, False)])
def test_a_create_that_is_refused_was_not_paid(status, retryable, provider):
    provider.fail("POST", "/batches", status, said("no"))
    with connected(provider) as client, pytest.raises(CallError) as caught:
        client.submit(requests(1), "t")
    assert (caught.value.retryable, caught.value.maybe_paid) == (retryable, False)
    assert caught.value.reason == f"{provider.address}/v1 answered {status}: no"
    assert provider.count("POST", "/batches") == 1


@pytest.mark.parametrize("status", [None, 500])
def test_a_file_that_is_lost_costs_nothing(status, provider):
    provider.fail("POST", "/files", status, said())
    with connected(provider) as client, pytest.raises(CallError) as caught:
        client.submit(requests(1), "t")
    assert (caught.value.retryable, caught.value.maybe_paid) == (True, False)
    assert (provider.count("POST", "/files"), provider.batches) == (1, [])


def test_a_provider_that_is_not_there(provider):
    provider.server_close()
    with connected(provider, retries=0) as client:
        with pytest.raises(CallError) as caught:
            client.submit(requests(1), "t")
        assert (caught.value.retryable, caught.value.maybe_paid) == (True, False)
        assert caught.value.reason == (
            f"no connection to {provider.address}/v1: connection refused"
        )


# ---- watching and reading


def test_what_may_be_asked_twice_is_asked_again(provider):
    asked = requests(1)
    with connected(provider) as client:
        batch_id = client.submit(asked, "t")
        provider.end(batch_id, "completed", [done(asked[0])])
        provider.fail("GET", batch_id, 500, said(), times=2)
        assert client.state(batch_id).status is BatchStatus.ENDED
        provider.fail("GET", "/content", 503, said())
        provider.fail("GET", "/content")
        [line] = client.results(batch_id, by_id(asked))
        assert line.reply.text == "Verdict: 1"
        provider.fail("GET", "/batches", 429, said())
        assert client.find("t") == batch_id


def test_what_fails_for_long_can_be_asked_later(provider):
    with connected(provider, retries=1) as client:
        batch_id = client.submit(requests(1), "t")
        provider.fail("GET", batch_id, 503, said("busy"), times=9)
        with pytest.raises(CallError) as caught:
            client.state(batch_id)
    assert (caught.value.retryable, caught.value.maybe_paid) == (True, False)
    assert provider.count("GET", batch_id) == 2


def test_results_that_break_off_are_fetched_again(provider, monkeypatch):
    monkeypatch.setattr("judges.batch.PAUSE_SECONDS", 0.01)
    asked = requests(50)
    whole = provider.route
    cuts = [100, 9000]

    def cut(sent):
        status, body = whole(sent)
        if sent.path.endswith("/content") and cuts:
            return status, body[: cuts.pop()], {"Content-Length": str(len(body))}
        return status, body

    provider.route = cut
    with connected(provider) as client:
        lines, ignored = ended(provider, client, asked, "completed", [done(r) for r in asked])
    assert [line.reply.request_hash for line in lines] == [r.request_hash for r in asked]
    assert (cuts, ignored) == ([], 0)


def test_results_that_always_break_off_are_given_up(provider, monkeypatch):
    monkeypatch.setattr("judges.batch.PAUSE_SECONDS", 0.01)
    asked = requests(1)
    whole = provider.route

    def cut(sent):
        status, body = whole(sent)
        if sent.path.endswith("/content"):
            return status, body[:9], {"Content-Length": str(len(body))}
        return status, body

    provider.route = cut
    with connected(provider) as client, pytest.raises(CallError) as caught:
        ended(provider, client, asked, "completed", [done(asked[0])])
    assert (caught.value.retryable, caught.value.maybe_paid) == (True, False)
    assert provider.count("GET", "/content") == 3


def test_results_that_are_gone_are_not_bought_again(provider):
    asked = requests(1)
    with connected(provider) as client:
        batch_id = client.submit(asked, "t")
        provider.end(batch_id, "completed", [done(asked[0])])
        provider.files.pop(provider.batch(batch_id)["output_file_id"])
        with pytest.raises(ProviderError, match="knows no file file-1"):
            list(client.results(batch_id, by_id(asked)))
        provider.batch(batch_id)["output_file_id"] = None
        with pytest.raises(ProviderError, match="no longer holds the 1 replies"):
            client.results(batch_id, by_id(asked))


def test_a_batch_that_is_not_known(provider):
    with connected(provider) as client:
        for ask in (client.state, client.cancel, lambda name: client.results(name, {})):
            with pytest.raises(ProviderError) as caught:
                ask("batch_9")
            assert "knows no batch batch_9" in caught.value.what
            assert caught.value.what.startswith("judge j: ")


def test_a_server_without_batches(provider):
    provider.fail("POST", "/files", 404, {"detail": "Not Found"})
    with connected(provider) as client, pytest.raises(ProviderError) as caught:
        client.submit(requests(1), "t")
    assert "knows no files for batches (Not Found)" in caught.value.what
    assert "another transport" in caught.value.fix


def test_a_batch_can_be_cancelled(provider):
    with connected(provider) as client:
        batch_id = client.submit(requests(1), "t")
        client.cancel(batch_id)
        assert client.state(batch_id).said == "cancelling"
        assert client.state(batch_id).status is BatchStatus.RUNNING
        provider.fail("POST", "/cancel", 500, said("sorry"))
        with pytest.raises(CallError, match="sorry"):
            client.cancel(batch_id)
        provider.end(batch_id, "cancelled")
        client.cancel(batch_id)  # it has ended already


@pytest.mark.parametrize(
    "odd",
    [
        {"status": "dreaming"},
        {"status": None, "request_counts": None, "expires_at": None, "errors": None},
        {"request_counts": [1], "expires_at": "soon", "errors": [1]},
        {"request_counts": {"completed": None}, "expires_at": 10**30, "errors": {"data": None}},
        {"errors": {"data": ["x", {"code": None}]}},
    ],
)
def test_a_state_in_other_words_is_one_of_a_batch_that_runs(odd, provider):
    with connected(provider) as client:
        batch_id = client.submit(requests(1), "t")
        provider.batch(batch_id).update(odd)
        state = client.state(batch_id)
    assert state.status is BatchStatus.RUNNING
    assert (state.n_done, state.n_failed, state.n_total) == (0, 0, 0)


# ---- keys


def test_where_a_key_comes_from(provider, monkeypatch, tmp_path):
    (tmp_path / "key").write_text(f"{FAKE}2\n", encoding="utf-8")
    monkeypatch.setenv("MY_KEY", FAKE)
    for more, expected in (
        ({}, "no-key"),
        ({"api_key_env": "MY_KEY"}, FAKE),
        ({"api_key_file": str(tmp_path / "key")}, f"{FAKE}2"),
    ):
        with connected(provider, **more) as client:
            assert client.find("t") is None
        assert provider.seen[-1].headers["authorization"] == f"Bearer {expected}"


def test_what_is_meant_for_the_provider_is_not_sent_to_an_address_of_the_users(
    provider, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", FAKE)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", FAKE)
    monkeypatch.setenv("OPENAI_ORG_ID", f"org-{FAKE}")
    monkeypatch.setenv("OPENAI_PROJECT_ID", f"proj-{FAKE}")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"Authorization: Bearer {FAKE}\nX-Team: {FAKE}")
    asked = requests(1)
    with connected(provider) as client:
        ended(provider, client, asked, "completed", [done(asked[0])])
        client.cancel("batch_0")
        client.find("x")
    assert len(provider.seen) >= 7
    assert FAKE not in repr(provider.seen)
    assert {sent.headers["authorization"] for sent in provider.seen} == {"Bearer no-key"}


def test_a_key_does_not_follow_to_another_address(provider, monkeypatch):
    monkeypatch.setenv("MY_KEY", FAKE)
    with Provider().running() as other, connected(provider, api_key_env="MY_KEY") as client:
        other.create({})
        provider.route = lambda _: (307, {}, {"Location": f"{other.address}/v1/batches/batch_0"})
        assert client.state("batch_0").said == "validating"
        assert provider.seen[0].headers["authorization"] == f"Bearer {FAKE}"
        assert "authorization" not in other.seen[0].headers
        assert FAKE not in repr(other.seen)


def test_without_an_address_the_providers_own_is_asked_with_its_key(provider, monkeypatch):
    one = replace(judge(provider.address), api_base=None)
    with pytest.raises(ProviderError) as caught:
        OpenAIBatchClient(one, PRICE.cost_usd)
    assert "OPENAI_API_KEY is not set" in caught.value.what
    monkeypatch.setenv("OPENAI_API_KEY", FAKE)
    for variable in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.setenv(variable, f"{provider.address}/v1")
        client = OpenAIBatchClient(one, PRICE.cost_usd)
        client.find("t")
        client.close()
        monkeypatch.delenv(variable)
    assert [sent.headers["authorization"] for sent in provider.seen] == [f"Bearer {FAKE}"] * 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 200])
def test_a_key_is_in_no_error(status, provider, monkeypatch):
    monkeypatch.setenv("MY_KEY", FAKE)
    provider.fail("POST", "/batches", status, said(f"Bearer {FAKE} is no good", FAKE))
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


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_ends_the_run(status, provider):
    provider.fail("GET", "/batches", status, said("no"))
    with connected(provider) as client, pytest.raises(ProviderError) as caught:
        client.find("t")
    assert "refused the key" in caught.value.what


def test_a_proxy_is_not_used_for_this_machine(provider, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with connected(provider) as client:
        assert client.find("t") is None


# ---- what a judge needs


@pytest.mark.parametrize("model", ["anthropic/m", "m", "gemini/m"])
def test_a_model_of_another_provider_is_named(model, provider):
    with pytest.raises(JudgeError) as caught, connected(provider, model=model):
        pass
    assert repr(model) in caught.value.what


def test_a_parameter_that_no_body_carries_is_named_before_anything_is_sent(provider):
    with connected(provider) as client, pytest.raises(JudgeError, match="extra_headers"):
        client.chunks(requests(1, parameters={"extra_headers": {"X-A": "b"}}))
    assert provider.seen == []


def test_the_sdk_is_imported_when_a_client_is_made(provider):
    script = f"""
import sys
import judges.openai_batch, judges.anthropic_batch
print(sorted({{"openai", "anthropic", "httpx", "litellm"}} & set(sys.modules)))
{SUBMIT.replace("the tag", "a tag")}
print(sorted({{"openai", "anthropic", "litellm"}} & set(sys.modules)))
"""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, f"{provider.address}/v1"],
        env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert finished.stdout.splitlines() == ["[]", "written", "['openai']"], finished.stderr
    assert Counter(sent.path for sent in provider.seen) == {"/v1/files": 1, "/v1/batches": 1}
