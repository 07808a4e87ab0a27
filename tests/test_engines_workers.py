"""Real worker processes against a real server: what crosses, who dies with whom, what is told."""

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ConcordError, PriceError, ProviderError, RunError
from judges.client import CallError, UnsupportedError
from judges.judge import Judge, Price
from judges.litellm_client import LiteLLMClient
from judges.simulated import Behaviour, Truth, running
from pipelines.engines import workers
from pipelines.engines.channel import Failure, Unpacker, pack
from pipelines.engines.workers import WorkersClient, auto_workers
from tests import http_client
from tests.asking import filled, shipped
from tests.http_client import HttpClient, request

ROOT = Path(__file__).resolve().parents[1]
FAKE = "sk-fake-0123456789abcdef"
BEHAVIOURS = {
    "m": Behaviour(constant="Verdict: 1", latency_seconds=0.05),
    "second": Behaviour(constant="Verdict: 1", latency_seconds=1.0),
    "slow": Behaviour(constant="Verdict: 1", latency_seconds=60),
    "rate": Behaviour(rate_limit=1, retry_after_seconds=7),
    "error": Behaviour(server_error=1),
    "drop": Behaviour(drop=1),
}


@pytest.fixture(scope="module")
def base():
    with running(Truth([]), BEHAVIOURS) as server:
        yield server.base_url


def use(work, make=HttpClient, workers=1, **options):
    """What `work` does with a client, which is closed then; no process is left."""

    async def main():
        client = WorkersClient(make, workers, **options)
        try:
            async with asyncio.timeout(60):
                return await work(client)
        finally:
            pids = client.pids
            await client.close()
            assert not any(map(alive, pids))
            assert client.pids == ()

    return asyncio.run(main())


def alive(pid):
    """Whether a process runs; one that is dead and waits to be asked for its end does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def gone_within(seconds, pids):
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


# ---- the channel

ERRORS = [
    CallError("slow down", retryable=True, retry_after_seconds=7.5, overloaded=True),
    CallError("half \ud800", retryable=False, refused=True),
    CallError("lost", retryable=True, maybe_paid=True),
    UnsupportedError("no logprobs"),
    ProviderError("no key", "Set it."),
    PriceError("no price"),
    RuntimeError("a", 1),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_exception_crosses_with_all_it_says(error):
    (crossed,) = Unpacker().feed(pack(Failure.of(error)))
    other = crossed.exception()
    assert type(other) is type(error)
    assert (other.args, vars(other), str(other)) == (error.args, vars(error), str(error))


@given(st.lists(st.binary(max_size=50)), st.lists(st.integers(1, 60)))
def test_messages_arrive_however_the_stream_is_cut(messages, cuts):
    stream = b"".join(map(pack, messages))
    unpacker, found = Unpacker(), []
    for cut in [*cuts, len(stream)]:
        found += unpacker.feed(stream[:cut])
        stream = stream[cut:]
    found += unpacker.feed(stream)
    assert found == messages


# ---- replies


def test_replies_come_back_whole_from_all_processes(base):
    async def work(client):
        asked = [request(base, text=f"question {n}") for n in range(60)]
        return asked, await asyncio.gather(*map(client.complete, asked)), client.pids

    asked, replies, pids = use(work, workers=2)
    assert [reply.request_hash for reply in replies] == [each.request_hash for each in asked]
    assert {reply.text for reply in replies} == {"Verdict: 1"}
    assert all(reply.logprobs == ({"1": -0.1, "2": -2.5},) for reply in replies)
    by = [reply.served_model.rpartition(" ")[2] for reply in replies]
    assert sorted(set(by)) == sorted(map(str, pids))
    assert {by.count(pid) for pid in set(by)} == {30}, "each takes its half"


def test_a_process_that_has_more_to_do_gets_no_more(base):
    async def work(client):
        await client.start()
        stuck = [asyncio.create_task(client.complete(request(base, "slow"))) for _ in range(20)]
        await asyncio.sleep(0.3)  # ten in each
        for task in stuck[::2]:
            task.cancel()  # all of one process
        await asyncio.gather(*stuck[::2], return_exceptions=True)
        replies = [client.complete(request(base, text=str(n))) for n in range(10)]
        by = [reply.served_model for reply in await asyncio.gather(*replies)]
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        return by

    assert len(set(use(work, workers=2))) == 1


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("rate", {"retryable": True, "retry_after_seconds": 7.0, "overloaded": True}),
        ("error", {"retryable": True, "maybe_paid": False, "overloaded": False}),
        ("drop", {"retryable": True, "maybe_paid": True}),
    ],
)
def test_errors_of_calls_come_back_whole(base, model, fields):
    async def work(client):
        with pytest.raises(CallError) as caught:
            await client.complete(request(base, model))
        return caught.value

    error = use(work)
    assert type(error) is CallError
    assert {name: getattr(error, name) for name in fields} == fields
    assert error.reason


def test_an_error_of_the_provider_comes_back_whole(base):
    async def work(client):
        with pytest.raises(ProviderError) as caught:
            await client.complete(request(base, "nobody"))
        return caught.value

    error = use(work)
    assert (error.what, error.fix) == ("no model nobody", "Correct it.")


def test_a_fault_of_the_program_is_told_with_its_place(base):
    async def work(client):
        for model, said in (
            ("x", "LookupError: no x"),
            ("function", "pickle"),
            ("cancel", "cancelled"),
        ):
            with pytest.raises(RuntimeError, match=said) as caught:
                await client.complete(request(base, model))
            assert "in a worker process: Traceback" in str(caught.value) or model == "cancel"

    use(work, http_client.OddClient)


def test_a_request_that_cannot_cross_is_the_caller_s_fault(base):
    async def work(client):
        odd = request(base)
        object.__setattr__(odd, "parameters", {"x": lambda: None})
        with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
            await client.complete(odd)
        return (await client.complete(request(base))).text

    assert use(work) == "Verdict: 1"


def test_who_gives_up_a_call_ends_it(base):
    """Its connection is closed, so that a provider may notice."""

    async def work(client):
        task = asyncio.create_task(client.complete(request(base, "slow")))
        await until(lambda: client.pids)
        (pid,) = client.pids
        await until(lambda: connections(pid) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: connections(pid) == 0)
        return (await client.complete(request(base))).text

    assert use(work) == "Verdict: 1"


def connections(pid):
    """Open TCP connections of a process."""
    links = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # one that is closed meanwhile
            links.append(str(path.readlink()))
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    rows = [row.split() for row in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(row[9] in inodes for row in rows)


def test_it_can_be_used_again_after_it_was_closed_and_in_another_loop(base):
    client = WorkersClient(HttpClient, 1)

    async def main():
        for _ in range(2):
            reply = await client.complete(request(base))
            await client.close()
        return reply.text

    assert [asyncio.run(main()) for _ in range(2)] == ["Verdict: 1"] * 2


def test_closing_what_never_started_is_nothing():
    async def main():
        client = WorkersClient(HttpClient, 2)
        await client.close()
        await client.close()

    asyncio.run(main())


# ---- starting


@pytest.mark.parametrize("error", [ProviderError("no key", "Set it."), PriceError("no price")])
def test_a_client_that_cannot_be_made_is_told_here(base, error):
    async def work(client):
        for attempt in (client.start(), client.complete(request(base)), client.start()):
            with pytest.raises(type(error)) as caught:
                await attempt
            assert (caught.value.what, caught.value.fix) == (error.what, error.fix)

    use(work, partial(http_client.fail, error), workers=2)


def test_a_fault_in_making_a_client_is_told_with_its_place():
    async def work(client):
        with pytest.raises(RuntimeError, match="KeyError: 'nothing'"):
            await client.start()

    use(work, http_client.fail_oddly)


def test_processes_that_die_as_they_start_are_not_started_for_ever():
    async def work(client):
        with pytest.raises(RunError, match="exit code 7: the last words") as caught:
            await client.start()
        assert caught.value.fix

    use(work, http_client.die_now, workers=2, replacements=3)


def test_closing_does_not_wait_for_a_slow_start():
    async def main():
        client = WorkersClient(http_client.be_slow_to_start, 2)
        starting = asyncio.create_task(client.start())
        await asyncio.sleep(0.5)
        began = time.monotonic()
        await client.close()
        await asyncio.gather(starting, return_exceptions=True)
        return time.monotonic() - began

    assert asyncio.run(main()) < 5


def test_what_cannot_be_imported_elsewhere_is_refused_at_once():
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        WorkersClient(lambda: HttpClient(), 1)
    with pytest.raises(ValueError, match="nobody would make the calls"):
        WorkersClient(HttpClient, 0)


def test_as_many_processes_as_cores_that_may_be_used():
    everything = os.sched_getaffinity(0)
    assert auto_workers() == len(everything) >= 1
    os.sched_setaffinity(0, {min(everything)})
    try:
        assert auto_workers() == 1
    finally:
        os.sched_setaffinity(0, everything)


# ---- dying


def test_a_process_that_is_killed_fails_its_calls_and_is_replaced(base):
    async def work(client):
        await client.start()
        first, second = client.pids
        calls = [asyncio.create_task(client.complete(request(base, "slow"))) for _ in range(8)]
        await asyncio.sleep(0.3)
        os.kill(first, signal.SIGKILL)
        done, pending = await asyncio.wait(calls, timeout=2)
        assert (len(done), len(pending)) == (4, 4), "those of the other go on"
        for task in done:
            error = task.exception()
            assert isinstance(error, CallError)
            assert (error.retryable, error.maybe_paid) == (True, True)
        assert (await client.complete(request(base))).text == "Verdict: 1"
        await until(lambda: len(client.pids) == 2)
        assert second in client.pids
        assert first not in client.pids
        for task in pending:
            task.cancel()
        await asyncio.wait(pending)

    use(work, workers=2)


def test_calls_wait_while_the_only_process_is_replaced(base):
    async def work(client):
        await client.start()
        os.kill(client.pids[0], signal.SIGKILL)
        await until(lambda: not client.pids)
        return await asyncio.gather(*(client.complete(request(base)) for _ in range(5)))

    assert [reply.text for reply in use(work)] == ["Verdict: 1"] * 5


def test_processes_that_keep_dying_end_the_run(base):
    async def work(client):
        await client.start()
        for _ in range(3):
            await until(lambda: client.pids)
            os.kill(client.pids[0], signal.SIGKILL)
            await until(lambda: not client.pids)
        with pytest.raises(RunError, match="keep ending, the last one with SIGKILL") as caught:
            await client.complete(request(base))
        assert "memory" in caught.value.fix

    use(work, replacements=2)


def test_a_call_that_waits_for_a_process_learns_that_there_will_be_none(base):
    async def work(client):
        await client.start()
        os.kill(client.pids[0], signal.SIGKILL)
        await until(lambda: not client.pids)
        with pytest.raises(RunError, match="SIGKILL"):
            await client.complete(request(base))

    use(work, replacements=0)


def test_a_process_that_hangs_at_its_end_is_killed(base, monkeypatch):
    monkeypatch.setattr(workers, "END_SECONDS", 0.2)

    use(lambda client: client.start(), http_client.HangingClient)


def test_a_machine_that_starts_no_process_is_told(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    async def work(client):
        with pytest.raises(RunError, match="cannot start a worker process"):
            await client.start()

    use(work, workers=2)


def test_a_stray_interrupt_or_termination_does_not_end_a_process(base):
    async def work(client):
        await client.start()
        (pid,) = client.pids
        call = asyncio.create_task(client.complete(request(base)))
        for number in (signal.SIGINT, signal.SIGTERM) * 3:
            os.kill(pid, number)
            await asyncio.sleep(0.005)
        await call
        assert client.pids == (pid,)

    use(work)


PARENT = """
import asyncio, os, signal, sys
from pipelines.engines.workers import WorkersClient
from tests import http_client
from tests.http_client import HttpClient, request

base, model, make = sys.argv[1:]

async def main():
    client, stop = WorkersClient(getattr(http_client, make), 2), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    calls = [asyncio.create_task(client.complete(request(base, model))) for _ in range(20)]
    while len(open(f"/proc/self/task/{os.getpid()}/children").read().split()) < 2:
        await asyncio.sleep(0)
    print(open(f"/proc/self/task/{os.getpid()}/children").read().strip(), flush=True)
    if make == "HttpClient" and model == "slow":
        await client.start()
        await asyncio.sleep(.3)
        print("calling", flush=True)
    replies = await asyncio.gather(*calls)
    await client.close()
    print(len(replies), "replies", stop.is_set(), flush=True)

asyncio.run(main())
"""


def parent(folder, base, model, make="HttpClient"):
    """Another process with two worker processes, in a folder with names like ours."""
    for name in ("data.py", "pickle.py", "aiohttp.py"):
        (folder / name).write_text("raise SystemExit('the wrong one')")
    return subprocess.Popen(
        [sys.executable, "-P", "-c", PARENT, base, model, make],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(("model", "make"), [("slow", "HttpClient"), ("m", "be_slow_to_start")])
def test_processes_die_with_their_parent(base, tmp_path, model, make):
    with parent(tmp_path, base, model, make) as process:
        pids = list(map(int, process.stdout.readline().split()))
        assert len(pids) == 2
        if model == "slow":
            assert process.stdout.readline() == "calling\n"
        else:
            time.sleep(1)  # in the middle of making the client
        assert all(map(alive, pids))
        process.kill()
        process.wait()
        assert gone_within(5, pids)


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.03, 0.1, 0.6])
def test_an_interrupt_on_the_terminal_lets_the_parent_finish(base, tmp_path, seconds):
    """It reaches the whole group, also processes that have hardly begun."""
    with parent(tmp_path, base, "second") as process:
        pids = list(map(int, process.stdout.readline().split()))
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == "20 replies True\n"
        assert process.wait() == 0
        assert gone_within(1, pids)


# ---- LiteLLM


@pytest.fixture
def litellm_judge(monkeypatch):
    """A judge at a server that wants a key, which the environment has."""
    monkeypatch.setenv("CONCORD_TEST_KEY", FAKE)
    with running(Truth([]), BEHAVIOURS, require_key=FAKE) as server:
        yield Judge(
            "j", "openai/m", shipped("pairwise-brief"), parameters={"max_tokens": 50},
            api_base=server.base_url, api_key_env="CONCORD_TEST_KEY", price=Price(1.0, 4.0),
        )  # fmt: skip


def test_litellm_answers_from_its_processes_as_it_does_here(litellm_judge):
    def asked(number):
        template = filled(litellm_judge.template, f"question {number}", "one", "two")
        return type(request(""))(
            "openai/m", template, litellm_judge.parameters, litellm_judge.api_base
        )

    async def work(client):
        replies = await asyncio.gather(*(client.complete(asked(n)) for n in range(30)))
        for pid in client.pids:
            assert FAKE not in Path(f"/proc/{pid}/cmdline").read_text()
            assert f"CONCORD_TEST_KEY={FAKE}" in Path(f"/proc/{pid}/environ").read_text()
        return replies

    async def here():
        client = LiteLLMClient(litellm_judge)
        try:
            return await client.complete(asked(7))
        finally:
            await client.close()

    replies = use(work, partial(LiteLLMClient, litellm_judge), workers=2)
    one = asyncio.run(here())
    assert len(replies) == 30
    same = ("request_hash", "text", "served_model", "prompt_tokens", "completion_tokens")
    same += ("paid_usd", "price_version", "finish_reason", "logprobs", "fingerprint")
    assert [getattr(replies[7], name) for name in same] == [getattr(one, name) for name in same]


def test_a_missing_key_is_told_as_it_is_here(litellm_judge, monkeypatch):
    monkeypatch.delenv("CONCORD_TEST_KEY")

    async def work(client):
        with pytest.raises(ConcordError) as there:
            await client.complete(request(litellm_judge.api_base))
        return there.value

    with pytest.raises(ProviderError) as here:
        LiteLLMClient(litellm_judge)
    error = use(work, partial(LiteLLMClient, litellm_judge), workers=2)
    assert type(error) is ProviderError
    assert (error.what, error.fix) == (here.value.what, here.value.fix)
