"""Who runs the calls: every cell once, no more at a time than allowed, patience with providers."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import ProviderError
from data.records import Reply
from judges.client import CallError, Message, Request
from pipelines.engines.calls import RetryPolicy, call
from pipelines.engines.local import run_cells

REQUEST = Request("openai/m", (Message("user", "1 or 2?"),))
REPLY = Reply(REQUEST.request_hash, "Verdict: 1", "m", 10, 3, 0.1, None, 0.5)
QUICK = RetryPolicy(base_seconds=0.0)


async def stream(cells):
    for cell in cells:
        yield cell


def run(cells, work, *, concurrency=3, stop=None, ahead=2000):
    async def main():
        async with asyncio.timeout(10):
            await run_cells(
                stream(cells),
                work,
                concurrency=concurrency,
                stop=stop or asyncio.Event(),
                ahead=ahead,
            )
        assert len(asyncio.all_tasks()) == 1, "nothing goes on behind the run's back"

    asyncio.run(main())


# ---- run_cells


@pytest.mark.parametrize("concurrency", [1, 2, 7, 200])
@pytest.mark.parametrize("ahead", [1, 5, 2000])
def test_every_cell_is_done_once(concurrency, ahead):
    done = []

    async def work(cell):
        await asyncio.sleep(0)
        done.append(cell)

    run(range(100), work, concurrency=concurrency, ahead=ahead)
    assert sorted(done) == list(range(100))


def test_cells_are_begun_in_order_of_arrival():
    begun = []

    async def work(cell):
        begun.append(cell)
        await asyncio.sleep(0.001 * (cell % 3))

    run(range(50), work, concurrency=4)
    assert begun == list(range(50))


def test_no_more_cells_at_once_than_allowed_and_no_fewer():
    now, most = 0, 0

    async def work(_):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1

    run(range(60), work, concurrency=5)
    assert (now, most) == (0, 5)


def test_no_cells_are_no_work():
    done = []

    async def work(cell):
        done.append(cell)

    run([], work)
    assert done == []


@pytest.mark.parametrize("concurrency", [0, -1])
def test_a_run_without_workers_is_refused(concurrency):
    async def work(_):
        pass

    with pytest.raises(ValueError, match="concurrency"):
        run([1], work, concurrency=concurrency)


def test_the_producer_reads_ahead_no_further_than_asked():
    read, gaps = 0, []

    async def cells():
        nonlocal read
        for cell in range(50):
            read += 1
            yield cell

    async def work(cell):
        await asyncio.sleep(0.001)
        gaps.append(read - cell)

    async def main():
        await run_cells(cells(), work, concurrency=2, stop=asyncio.Event(), ahead=4)

    asyncio.run(main())
    # at most: the cells of 2 workers, 4 that wait, and one in the producer's hand
    assert max(gaps) <= 2 + 4 + 1


def test_after_stop_no_cell_is_begun_and_those_under_way_are_finished():
    stop, begun, finished = asyncio.Event(), [], []

    async def work(cell):
        begun.append(cell)
        if cell == 6:
            stop.set()
        await asyncio.sleep(0.01)
        finished.append(cell)

    run(range(1000), work, concurrency=3, stop=stop, ahead=10)
    assert set(begun) == set(finished)
    assert 7 <= len(begun) <= 9, "6 before, the one that stops, and at most two beside it"


def test_a_run_that_is_stopped_before_it_begins_does_nothing():
    stop, done = asyncio.Event(), []
    stop.set()

    async def work(cell):
        done.append(cell)

    run(range(10), work, stop=stop)
    assert done == []


def test_a_producer_that_has_more_to_give_than_fits_is_let_go_at_a_stop():
    stop = asyncio.Event()

    async def work(_):
        stop.set()

    run(range(100_000), work, concurrency=1, stop=stop, ahead=1)


def test_the_first_exception_is_raised_and_the_rest_is_cancelled():
    begun, finished, cancelled = [], [], []

    async def work(cell):
        begun.append(cell)
        try:
            await asyncio.sleep(0.001 if cell == 1 else 5)
        except asyncio.CancelledError:
            cancelled.append(cell)
            raise
        if cell == 1:
            raise ProviderError("no key")
        finished.append(cell)

    with pytest.raises(ProviderError, match="no key"):
        run(range(100), work, concurrency=4)
    assert sorted(begun) == [0, 1, 2, 3]
    assert sorted(cancelled) == [0, 2, 3]
    assert finished == []


def test_an_exception_of_the_producer_is_raised_as_it_is():
    async def cells():
        yield 1
        raise OSError("the disk is gone")

    async def main():
        await run_cells(cells(), lambda _: asyncio.sleep(5), concurrency=2, stop=asyncio.Event())

    with pytest.raises(OSError, match="the disk is gone"):
        asyncio.run(asyncio.wait_for(main(), 3))


def test_work_that_cancels_itself_fails_loudly():
    """Else its worker would be gone, its cell undone, and after the last worker it would hang."""

    async def work(_):
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="cancelled from within"):
        run(range(100), work, concurrency=2, ahead=1)


def test_a_run_that_is_cancelled_cancels_its_work():
    cancelled = []

    async def work(cell):
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            cancelled.append(cell)
            raise

    async def main():
        task = asyncio.create_task(
            run_cells(stream(range(9)), work, concurrency=2, stop=asyncio.Event())
        )
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert sorted(cancelled) == [0, 1]


# ---- pauses


def error(after=None, **more):
    return CallError("slow down", **({"retryable": True, "retry_after_seconds": after} | more))


@pytest.mark.parametrize(
    ("attempt", "chance", "seconds"),
    [
        # .5 s doubled with each attempt, times .5 to 1 by chance, from 30 s on no more
        (0, 0.0, 0.25),
        (0, 1.0, 0.5),
        (1, 0.0, 0.5),
        (1, 0.5, 0.75),
        (3, 0.0, 2.0),
        (5, 1.0, 16.0),
        (6, 0.0, 15.0),
        (6, 1.0, 30.0),
        (20, 1.0, 30.0),
    ],
)
def test_the_pause_without_a_wish_of_the_provider(attempt, chance, seconds):
    assert RetryPolicy().pause_seconds(attempt, error(), chance) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("after", "attempt", "chance", "seconds"),
    [
        (7.0, 0, 0.0, 7.0),
        (7.0, 0, 0.5, 7.05),  # spread over a tenth of a second, so not all come back at once
        (7.0, 6, 0.0, 15.0),  # the backoff is longer
        (90.0, 0, 0.0, 60.0),  # no longer than a minute
        (90.0, 0, 1.0, 60.1),
        (0.0, 0, 0.0, 0.25),
        (0.1, 0, 0.0, 0.25),
        (float("inf"), 0, 0.0, 60.0),
    ],
)
def test_the_pause_that_a_provider_asks_for(after, attempt, chance, seconds):
    assert RetryPolicy().pause_seconds(attempt, error(after), chance) == pytest.approx(seconds)


def test_the_numbers_of_a_policy_are_ones_own():
    policy = RetryPolicy(base_seconds=2, longest_seconds=3, longest_retry_after_seconds=1)
    assert policy.pause_seconds(0, error(), 0.0) == pytest.approx(1.0)
    assert policy.pause_seconds(9, error(), 1.0) == pytest.approx(3.0)
    assert policy.pause_seconds(0, error(50), 0.0) == pytest.approx(1.0)


@settings(deadline=None)
@given(
    st.integers(0, 200),
    st.none() | st.floats(allow_nan=True),
    st.floats(0, 1, exclude_max=True),
)
def test_a_pause_is_never_negative_and_never_longer_than_the_longest(attempt, after, chance):
    pause = RetryPolicy().pause_seconds(attempt, error(after), chance)
    assert 0.25 <= pause <= 60.1


# ---- calls


class Scripted:
    """A client that answers as it is told; what is under test is the caller."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.events = []

    async def complete(self, request):
        assert request is REQUEST
        self.events.append("call")
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def close(self):
        pass


def ask(client, policy=QUICK):
    return asyncio.run(
        call(
            client,
            REQUEST,
            policy,
            on_send=lambda: client.events.append("send"),
            on_answered=lambda: client.events.append("answered"),
        )
    )


def test_a_reply_at_once_is_one_attempt():
    client = Scripted(REPLY)
    assert ask(client) is REPLY
    assert client.events == ["send", "call"]


def test_each_attempt_is_announced_and_each_that_was_not_charged_is_settled():
    client = Scripted(error(), error(maybe_paid=True), error(), REPLY)
    assert ask(client) is REPLY
    charged, free = ["send", "call"], ["send", "call", "answered"]
    assert client.events == [*free, *charged, *free, *charged]


@pytest.mark.parametrize("attempts", [1, 2, 6])
def test_the_last_error_is_raised_after_all_attempts(attempts):
    errors = [CallError(str(n), retryable=True) for n in range(10)]
    client = Scripted(*errors)
    with pytest.raises(CallError) as caught:
        ask(client, RetryPolicy(attempts=attempts, base_seconds=0.0))
    assert caught.value is errors[attempts - 1]
    assert client.events == ["send", "call", "answered"] * attempts


@pytest.mark.parametrize(("maybe_paid", "settled"), [(False, ["answered"]), (True, [])])
def test_an_error_that_no_retry_mends_is_raised_at_once(maybe_paid, settled):
    final = CallError("too long", retryable=False, maybe_paid=maybe_paid)
    client = Scripted(error(), final, REPLY)
    with pytest.raises(CallError) as caught:
        ask(client)
    assert caught.value is final
    assert client.events == ["send", "call", "answered", "send", "call", *settled]


def test_a_provider_that_cannot_be_used_did_not_charge():
    client = Scripted(error(), ProviderError("no key"), REPLY)
    with pytest.raises(ProviderError, match="no key"):
        ask(client)
    assert client.events == ["send", "call", "answered", "send", "call", "answered"]


@pytest.mark.parametrize("final", [asyncio.CancelledError(), OSError("the disk is gone")])
def test_what_is_no_answer_of_a_provider_is_not_settled(final):
    client = Scripted(final)
    with pytest.raises(type(final)):
        ask(client)
    assert client.events == ["send", "call"]


def test_between_attempts_there_is_a_pause():
    client = Scripted(error(0.2), REPLY)

    async def main():
        loop = asyncio.get_running_loop()
        started = loop.time()
        nothing = {"on_send": lambda: None, "on_answered": lambda: None}
        await call(client, REQUEST, QUICK, **nothing)
        return loop.time() - started

    assert asyncio.run(main()) >= 0.19
