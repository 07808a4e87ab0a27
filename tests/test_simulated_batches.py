"""The simulated provider's batches, with OpenAI's and Anthropic's own clients."""

import json
import time
from collections import Counter
from contextlib import ExitStack

import pytest

from judges.simulated import Behaviour, Truth, running
from judges.simulated.anthropic_batches import read_requests as read_anthropic
from judges.simulated.openai_jsonl import BIGGEST_FILE, read_requests
from judges.simulated.shape import RefusedError
from tests.test_simulated import call

KEY = "sk-fake-0123456789"
ASKED = "End with one line, exactly one of:\nVerdict: 1\nVerdict: 2\nVerdict: tie"
N = 40
TEXTS = [
    f"{i} This is a response that nobody else has written, of this length." for i in range(2 * N)
]
TRUTH = Truth((text, (i * 37 % 100) / 100) for i, text in enumerate(TEXTS))
SERVED = {
    "m": Behaviour(tie_width=0.3),
    "other": Behaviour(),
    # What happens on the way does not happen in batches.
    "unlucky": Behaviour(rate_limit=0.5, drop=0.5, latency_seconds=100),
    "faulty": Behaviour(off_menu=0.4, seed=3),
    "slow": Behaviour(batch_seconds=2),
    "endless": Behaviour(batch_seconds=600),
    "expiring": Behaviour(batch_expired=0.5, seed=1),
    "failing": Behaviour(batch_failed=0.5, seed=2),
    "all-failing": Behaviour(batch_failed=1),
    "invalid": Behaviour(batch_invalid=True),
}


@pytest.fixture(scope="module")
def clients():
    """The server, a client of OpenAI's and one of Anthropic's."""
    import anthropic
    import openai

    with ExitStack() as stack:
        server = stack.enter_context(running(TRUTH, SERVED, require_key=KEY))
        options = {"api_key": KEY, "max_retries": 0}
        one = stack.enter_context(openai.OpenAI(base_url=server.base_url, **options))
        other = stack.enter_context(anthropic.Anthropic(base_url=server.anthropic_url, **options))
        yield server, one, other


def body(number, model="m", **more):
    a, b = TEXTS[2 * number], TEXTS[2 * number + 1]
    prompt = f"Is it deep?\n\nResponse 1:\n{a}\n\nResponse 2:\n{b}\n\n{ASKED}"
    messages = [{"role": "user", "content": prompt}]
    return {"model": model, "messages": messages, "max_tokens": 200, **more}


def lines(bodies, url="/v1/chat/completions"):
    rows = [
        {"custom_id": f"r{n}", "method": "POST", "url": url, "body": each}
        for n, each in enumerate(bodies)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def start(client, content, **more):
    uploaded = client.files.create(file=("requests.jsonl", content), purpose="batch")
    assert uploaded.bytes == len(content)
    return client.batches.create(
        input_file_id=uploaded.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        **more,
    )


def finish(retrieve, batch, wait=20.0):
    """The batch when it has ended, and the statuses it was seen in."""
    seen, deadline = [], time.monotonic() + wait
    while time.monotonic() < deadline:
        batch = retrieve(batch.id)
        status = getattr(batch, "status", None) or batch.processing_status
        seen += [status] if status not in seen[-1:] else []
        if status in {"completed", "failed", "expired", "cancelled", "ended"}:
            return batch, seen
        time.sleep(0.02)
    raise AssertionError(seen)


def rows(client, file_id):
    if file_id is None:
        return {}
    found = [json.loads(line) for line in client.files.content(file_id).text.splitlines()]
    assert len({row["custom_id"] for row in found}) == len(found)
    return {row["custom_id"]: row for row in found}


def run(client, model, n=N):
    batch, _ = finish(
        client.batches.retrieve, start(client, lines([body(i, model) for i in range(n)]))
    )
    return batch, rows(client, batch.output_file_id), rows(client, batch.error_file_id)


def without_identity(reply):
    return {name: value for name, value in reply.items() if name not in ("id", "created")}


# ---- OpenAI


def test_replies_of_a_batch_are_those_of_the_live_endpoint(clients):
    server, client, _ = clients
    bodies = [body(i, temperature=0, logprobs=True, top_logprobs=3) for i in range(N)]
    before = len(list(server.log()))
    batch = start(client, lines(bodies), metadata={"run": "1"})
    assert (batch.object, batch.status, batch.metadata) == ("batch", "validating", {"run": "1"})
    assert batch.output_file_id is batch.error_file_id is None
    batch, _ = finish(client.batches.retrieve, batch)
    counts = batch.request_counts
    assert (batch.status, counts.total, counts.completed, counts.failed) == ("completed", N, N, 0)
    assert batch.error_file_id is None
    assert batch.created_at <= batch.in_progress_at <= batch.finalizing_at <= batch.completed_at
    assert batch.expires_at == batch.created_at + 24 * 3600
    logged = list(server.log())[before:]
    assert len(logged) == N
    assert all(line.batch and line.answered and line.status == 200 for line in logged)
    output = rows(client, batch.output_file_id)
    assert list(output) != [f"r{i}" for i in range(N)]
    for i, given in enumerate(bodies):
        row = output[f"r{i}"]
        assert row["error"] is None
        assert row["response"]["status_code"] == 200
        live = json.loads(call(server, given, key=KEY)[2])
        assert without_identity(row["response"]["body"]) == without_identity(live)
    assert sum(line.completion_tokens for line in logged) == sum(
        row["response"]["body"]["usage"]["completion_tokens"] for row in output.values()
    )
    assert not list(server.log())[-1].batch


def test_only_faults_of_content_happen_in_batches(clients):
    server, client, _ = clients
    _, good, bad = run(client, "unlucky")
    assert (len(good), len(bad)) == (N, 0)
    _, good, bad = run(client, "faulty")
    assert (len(good), len(bad)) == (N, 0)
    said = [row["response"]["body"]["choices"][0]["message"]["content"] for row in good.values()]
    off_menu = sum("Verdict" not in text for text in said)
    assert 5 < off_menu < 30
    live = [json.loads(call(server, body(i, "faulty"), key=KEY)[2]) for i in range(N)]
    assert Counter(reply["choices"][0]["message"]["content"] for reply in live) == Counter(said)
    faults = Counter(line.fault for line in server.log() if line.model == "faulty" and line.batch)
    assert faults["off_menu"] == off_menu


def test_a_batch_takes_its_time_and_passes_through_its_statuses(clients):
    _, client, _ = clients
    begun = time.monotonic()
    batch, seen = finish(
        client.batches.retrieve, start(client, lines([body(i, "slow") for i in range(N)]))
    )
    assert 1.9 < time.monotonic() - begun < 10
    order = ["validating", "in_progress", "finalizing", "completed"]
    assert seen == [status for status in order if status in seen]
    assert len(seen) > 2  # a busy machine may miss one
    assert batch.request_counts.completed == N


def test_requests_that_expire_are_in_the_error_file_and_others_are_not_lost(clients):
    server, client, _ = clients
    batch, good, bad = run(client, "expiring")
    assert (batch.status, batch.expired_at is not None) == ("expired", True)
    assert 8 < len(bad) < 32
    assert len(good) + len(bad) == N
    for row in bad.values():
        assert row["response"] is None
        assert row["error"]["code"] == "batch_expired"
    counts = batch.request_counts
    assert (counts.completed, counts.failed) == (len(good), len(bad))
    charged = [line for line in server.log() if line.model == "expiring" and line.answered]
    assert len(charged) == len(good)
    # They may be executed the next time.
    again, good_again, _ = run(client, "expiring")
    assert again.status == "expired"
    assert good_again.keys() & bad.keys()


def test_requests_that_fail_are_in_the_error_file(clients):
    server, client, _ = clients
    batch, good, bad = run(client, "failing")
    assert batch.status == "completed"
    assert 8 < len(bad) < 32
    assert len(good) + len(bad) == N
    for row in bad.values():
        assert (row["error"], row["response"]["status_code"]) == (None, 500)
        assert row["response"]["body"]["error"]["type"] == "server_error"
    lines_of = [line for line in server.log() if line.model == "failing"]
    assert Counter(line.fault for line in lines_of) == {None: len(good), "batch_failed": len(bad)}
    batch, good, bad = run(client, "all-failing", 3)
    assert (batch.status, batch.output_file_id, len(bad)) == ("completed", None, 3)


def test_a_request_that_the_live_endpoint_refuses_fails_alone(clients):
    _, client, _ = clients
    bodies = [body(0), {"model": "m", "messages": []}, body(1, top_logprobs=3)]
    batch, _ = finish(client.batches.retrieve, start(client, lines(bodies)))
    assert batch.status == "completed"
    assert list(rows(client, batch.output_file_id)) == ["r0"]
    bad = rows(client, batch.error_file_id)
    assert {name: row["response"]["status_code"] for name, row in bad.items()} == {
        "r1": 400,
        "r2": 400,
    }
    assert bad["r2"]["response"]["body"]["error"]["param"] == "top_logprobs"


def test_a_batch_that_is_cancelled_keeps_what_is_done(clients):
    _, client, _ = clients
    batch = start(client, lines([body(i, "slow") for i in range(N)]))
    while client.batches.retrieve(batch.id).request_counts.completed < 3:
        time.sleep(0.02)
    assert client.batches.cancel(batch.id).status == "cancelling"
    batch, seen = finish(client.batches.retrieve, batch)
    assert seen[-1] == "cancelled"
    assert batch.cancelled_at >= batch.cancelling_at
    good, bad = rows(client, batch.output_file_id), rows(client, batch.error_file_id)
    assert 3 <= len(good) < N
    assert len(good) + len(bad) == N
    assert {row["error"]["code"] for row in bad.values()} == {"batch_cancelled"}
    import openai

    with pytest.raises(openai.BadRequestError, match="cancelled"):
        client.batches.cancel(batch.id)


def test_batches_are_listed_newest_first_page_by_page(clients):
    _, client, _ = clients
    made = [start(client, lines([body(i)]), metadata={"n": str(i)}).id for i in range(5)]
    page = client.batches.list(limit=2)
    assert [batch.id for batch in page.data] == made[:2:-1]
    assert page.data[0].metadata == {"n": "4"}
    assert page.has_more
    after = client.batches.list(limit=2, after=made[3])
    assert [batch.id for batch in after.data] == [made[2], made[1]]
    listed = [batch.id for batch in client.batches.list(limit=3)]  # the client turns the pages
    assert listed[:5] == made[::-1]
    assert len(listed) == len(set(listed))
    oldest = client.batches.list(limit=1, after=listed[-2])
    assert ([batch.id for batch in oldest.data], oldest.has_more) == ([listed[-1]], False)


def failed(client, content):
    batch, seen = finish(client.batches.retrieve, start(client, content))
    assert (seen[-1], batch.output_file_id, batch.error_file_id) == ("failed", None, None)
    assert batch.failed_at
    assert batch.request_counts.total == 0
    return [(error.code, error.line, error.param) for error in batch.errors.data]


def test_a_file_that_is_wrong_fails_as_a_whole_and_says_where(clients):
    server, client, _ = clients
    before = len(list(server.log()))
    good = lines([body(0)])
    assert failed(client, good + b"{\n[1]\n") == [
        ("invalid_json_line", 2, None),
        ("invalid_json_line", 3, None),
    ]
    assert failed(client, good + good) == [("duplicate_custom_id", 2, "custom_id")]
    assert failed(client, lines([body(0), body(1, "other")])) == [
        ("model_mismatch", 2, "body.model")
    ]
    assert failed(client, lines([body(0, "nothing")])) == [("model_not_found", 1, "body.model")]
    assert failed(client, lines([body(0)], "/v1/responses")) == [("url_mismatch", 1, "url")]
    assert failed(client, b'{"custom_id": "x"}\n{"body": {}}\n') == [
        ("missing_required_parameter", 1, "body"),
        ("missing_required_parameter", 2, "custom_id"),
    ]
    assert failed(client, b"\n\n") == [("empty_file", None, None)]
    assert failed(client, lines([body(0, "invalid")])) == [("invalid_request", None, None)]
    assert len(list(server.log())) == before


def test_the_limits_of_a_file():
    (row,) = lines([{"model": "m"}]).splitlines(keepends=True)
    content = b"".join(row.replace(b'"r0"', b'"r%d"' % i) for i in range(50_001))
    requests, mistakes = read_requests(content, SERVED)
    assert ([each.code for each in mistakes], list(requests)) == (["too_many_tasks"], [])
    requests, mistakes = read_requests(content[: content.rindex(b"\n", 0, -1)], SERVED)
    assert (len(requests), list(mistakes)) == (50_000, [])
    for length, code in ((BIGGEST_FILE, "empty_file"), (BIGGEST_FILE + 1, "file_too_large")):
        assert [each.code for each in read_requests(b"\n" * length, SERVED)[1]] == [code]


def test_bad_uploads_and_batches_are_refused(clients):
    import openai

    server, client, _ = clients
    for name, purpose in (("x.csv", "batch"), ("x.jsonl", "assistants")):
        with pytest.raises(openai.BadRequestError):
            client.files.create(file=(name, b"{}"), purpose=purpose)
    assert call(server, {"x": 1}, "/v1/files", key=KEY)[0] == 400
    uploaded = client.files.create(file=("a.jsonl", lines([body(0)])), purpose="batch")
    good = {
        "input_file_id": uploaded.id,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    for changes, kind in (
        ({"input_file_id": "file-none"}, openai.NotFoundError),
        ({"endpoint": "/v1/embeddings"}, openai.BadRequestError),
        ({"completion_window": "1h"}, openai.BadRequestError),
        ({"metadata": {str(i): "x" for i in range(17)}}, openai.BadRequestError),
        ({"metadata": {"x": 1}}, openai.BadRequestError),
    ):
        with pytest.raises(kind):
            client.batches.create(**{**good, **changes})
    for wrong in (lambda: client.batches.retrieve("none"), lambda: client.files.content("none")):
        with pytest.raises(openai.NotFoundError):
            wrong()
    for query in ("limit=0", "limit=101", "after=none"):
        assert call(server, None, f"/v1/batches?{query}", key=KEY)[0] == 400
    assert call(server, None, "/v1/batches")[0] == 401
    assert call(server, None, "/v1/files/x/content")[0] == 401


def test_files_are_described_and_deleted(clients):
    import openai

    _, client, _ = clients
    uploaded = client.files.create(file=("a.jsonl", b"{}\n"), purpose="batch")
    found = client.files.retrieve(uploaded.id)
    assert (found.filename, found.bytes, found.purpose) == ("a.jsonl", 3, "batch")
    assert client.files.content(uploaded.id).read() == b"{}\n"
    assert client.files.delete(uploaded.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(uploaded.id)


def test_live_requests_are_answered_while_a_large_batch_is_worked_on(clients):
    server, client, _ = clients
    batch = start(client, lines([body(i % N) for i in range(4000)]))
    slowest, calls = 0.0, 0
    while client.batches.retrieve(batch.id).status in ("validating", "in_progress"):
        begun = time.monotonic()
        assert call(server, body(calls % N), key=KEY)[0] == 200
        slowest, calls = max(slowest, time.monotonic() - begun), calls + 1
    assert calls > 10
    assert slowest < 2
    assert finish(client.batches.retrieve, batch)[0].request_counts.completed == 4000


# ---- Anthropic


def asked(numbers, model="m", **more):
    return [{"custom_id": f"r{i}", "params": body(i, model, **more)} for i in numbers]


def results(client, batch):
    found = list(client.messages.batches.results(batch.id))
    assert len({each.custom_id for each in found}) == len(found)
    return {each.custom_id: each.result for each in found}


def run_messages(client, requests):
    batches = client.messages.batches
    return finish(batches.retrieve, batches.create(requests=requests))[0]


def test_message_batches_give_what_the_live_endpoint_gives(clients):
    server, _, client = clients
    before = len(list(server.log()))
    batch = client.messages.batches.create(requests=asked(range(N)))
    assert (batch.type, batch.processing_status) == ("message_batch", "in_progress")
    assert (batch.request_counts.processing, batch.results_url) == (N, None)
    batch, _ = finish(client.messages.batches.retrieve, batch)
    counts = batch.request_counts
    assert (counts.processing, counts.succeeded, counts.errored) == (0, N, 0)
    assert batch.created_at <= batch.ended_at <= batch.expires_at
    logged = list(server.log())[before:]
    assert [line.batch for line in logged] == [True] * N
    found = results(client, batch)
    for i in range(N):
        live = client.messages.create(**body(i))
        message = found[f"r{i}"].message
        assert message.model_dump(exclude={"id"}) == live.model_dump(exclude={"id"})


def test_messages_may_go_to_several_models_and_fail_alone(clients):
    _, _, client = clients
    requests = [
        *asked([0]),
        *asked([1], "other"),
        *asked([2], "nothing"),
        *asked([3], max_tokens=0),
    ]
    found = results(client, run_messages(client, requests))
    assert [found[f"r{i}"].type for i in range(4)] == ["succeeded"] * 2 + ["errored"] * 2
    assert found["r1"].message.model == "other"
    assert found["r2"].error.error.type == "not_found_error"
    assert found["r3"].error.error.type == "invalid_request_error"


def test_message_batches_expire_and_fail_in_part(clients):
    server, _, client = clients
    charged = sum(line.model == "expiring" and line.answered for line in server.log())
    batch = run_messages(client, asked(range(N), "expiring"))
    counts = batch.request_counts
    assert 8 < counts.expired < 32
    assert counts.expired + counts.succeeded == N
    kinds = Counter(result.type for result in results(client, batch).values())
    assert kinds == {"expired": counts.expired, "succeeded": counts.succeeded}
    now = sum(line.model == "expiring" and line.answered for line in server.log())
    assert now - charged == counts.succeeded
    batch = run_messages(client, asked(range(3), "all-failing"))
    found = results(client, batch)
    assert {result.error.error.type for result in found.values()} == {"api_error"}
    assert batch.request_counts.errored == 3


def test_a_message_batch_is_cancelled(clients):
    server, _, client = clients
    done = sum(line.model == "slow" and line.answered for line in server.log())
    batch = client.messages.batches.create(requests=asked(range(N), "slow"))
    while sum(line.model == "slow" and line.answered for line in server.log()) < done + 3:
        time.sleep(0.02)
    assert client.messages.batches.retrieve(batch.id).request_counts.succeeded == 0
    assert client.messages.batches.cancel(batch.id).processing_status == "canceling"
    batch, _ = finish(client.messages.batches.retrieve, batch)
    assert batch.cancel_initiated_at <= batch.ended_at
    counts = batch.request_counts
    assert counts.canceled + counts.succeeded == N
    assert counts.succeeded >= 3
    kinds = Counter(result.type for result in results(client, batch).values())
    assert kinds == {"canceled": counts.canceled, "succeeded": counts.succeeded}
    import anthropic

    with pytest.raises(anthropic.BadRequestError):
        client.messages.batches.cancel(batch.id)


def test_results_come_only_when_a_batch_has_ended(clients):
    import anthropic

    server, _, client = clients
    batch = client.messages.batches.create(requests=asked([0], "endless"))
    assert client.messages.batches.retrieve(batch.id).processing_status == "in_progress"
    with pytest.raises(anthropic.AnthropicError):
        client.messages.batches.results(batch.id)
    headers = {"anthropic-version": "2023-06-01", "x-api-key": KEY}
    path = f"/v1/messages/batches/{batch.id}/results"
    status, _, text = call(server, None, path, headers=headers)
    assert (status, json.loads(text)["error"]["type"]) == (404, "not_found_error")
    client.messages.batches.cancel(batch.id)


def test_message_batches_are_listed(clients):
    _, _, client = clients
    made = [client.messages.batches.create(requests=asked([i])).id for i in range(4)]
    page = client.messages.batches.list(limit=2)
    assert [batch.id for batch in page.data] == made[:1:-1]
    assert (page.has_more, page.first_id, page.last_id) == (True, made[3], made[2])
    older = client.messages.batches.list(limit=2, after_id=made[2])
    assert [batch.id for batch in older.data] == [made[1], made[0]]
    newer = client.messages.batches.list(limit=2, before_id=made[1])
    assert ([batch.id for batch in newer.data], newer.has_more) == ([made[3], made[2]], False)
    assert [batch.id for batch in client.messages.batches.list(limit=3)][:4] == made[::-1]


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        ([], "at least one"),
        ("x", "at least one"),
        ([{"params": {}}], "requests.0.custom_id"),
        ([{"custom_id": "a b", "params": {}}], "requests.0.custom_id"),
        ([{"custom_id": "a"}], "requests.0.params"),
        ([{"custom_id": "a", "params": {}}] * 2, "requests.1.custom_id: a comes twice"),
        (asked([0], "invalid"), "refused"),
    ],
)
def test_message_batches_that_are_wrong_are_refused(clients, requests, said):
    server, _, _ = clients
    headers = {"anthropic-version": "2023-06-01", "x-api-key": KEY}
    given = {"requests": requests}
    status, _, text = call(server, given, "/v1/messages/batches", headers=headers)
    error = json.loads(text)
    assert (status, error["type"], error["error"]["type"]) == (
        400,
        "error",
        "invalid_request_error",
    )
    assert said in error["error"]["message"]


def test_the_limits_of_a_message_batch():
    rows = [{"custom_id": f"r{i}", "params": {"model": "m"}} for i in range(100_001)]
    assert len(read_anthropic({"requests": rows[:-1]}, SERVED)) == 100_000
    with pytest.raises(RefusedError, match="at most 100000"):
        read_anthropic({"requests": rows}, SERVED)


def test_message_batches_need_key_and_version(clients):
    server, _, _ = clients
    for headers, status in (({"x-api-key": KEY}, 400), ({"anthropic-version": "x"}, 401)):
        got, _, text = call(server, None, "/v1/messages/batches", headers=headers)
        assert (got, json.loads(text)["type"]) == (status, "error")
    good = {"anthropic-version": "2023-06-01", "x-api-key": KEY}
    for query, status in (("", 200), ("?limit=0", 400), ("?after_id=none", 400), ("/none", 404)):
        assert call(server, None, f"/v1/messages/batches{query}", headers=good)[0] == status


def test_the_server_ends_while_a_batch_is_under_way():
    import openai

    with (
        running(TRUTH, SERVED) as server,
        openai.OpenAI(base_url=server.base_url, api_key="x") as client,
    ):
        start(client, lines([body(i, "endless") for i in range(N)]))
        begun = time.monotonic()
    assert time.monotonic() - begun < 4
