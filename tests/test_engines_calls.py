"""Every attempt passes the gates and is settled, whatever becomes of it."""

import asyncio

import pytest

from data.errors import PriceError, ProviderError
from data.records import Reply
from judges.client import CallError
from judges.simulated import Behaviour, Fault, Truth, running
from pipelines.engines.budget import Budget
from pipelines.engines.calls import BudgetSpentError, Gates, RetryPolicy, StoppedError, call
from pipelines.engines.pacing import Pacer, Throttle
from tests.clock import now, run
from tests.http_client import PRICE_USD, HttpClient, request

REQUEST = request(None)
QUICK = RetryPolicy(base_seconds=0.0)


def reply(paid_usd):
    return Reply(REQUEST.request_hash, "Verdict: 1", "m", 10, 3, paid_usd, None, 0.5)


def slow_down(**more):
    return CallError("slow down", **({"retryable": True} | more))


class Scripted:
    """A client that answers as it is told; what is under test is the caller."""

    def __init__(self, *answers, seconds=0.0):
        self.answers, self.seconds, self.sent_at = list(answers), seconds, []

    async def complete(self, _):
        self.sent_at.append(now())
        await asyncio.sleep(self.seconds)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def close(self):
        pass


async def ask(client, policy=QUICK, gates=None, most_usd=0.1, **more):
    more = {"on_send": lambda: None, "on_answered": lambda: None} | more
    return await call(client, REQUEST, policy, gates=gates or Gates(), most_usd=most_usd, **more)


# ---- the budget


@pytest.mark.parametrize(
    ("answers", "spent"),
    [
        ([reply(0.03)], 0.03),
        ([reply(None)], 0.1),
        ([slow_down(), reply(0.03)], 0.03),
        ([slow_down(maybe_paid=True), reply(0.03)], 0.13),
        ([slow_down(maybe_paid=True), slow_down(), slow_down(maybe_paid=True), reply(0)], 0.2),
        ([slow_down(retryable=False)], 0.0),
        ([slow_down(retryable=False, maybe_paid=True)], 0.1),
        ([ProviderError("no key")], 0.0),
        ([PriceError("no price")], 0.0),
        ([OSError("who knows")], 0.1),
    ],
)
def test_every_attempt_is_settled_by_what_is_known_of_it(answers, spent):
    budget = Budget(1.0)
    last = answers[-1]

    async def main():
        if isinstance(last, BaseException):
            with pytest.raises(type(last)):
                await ask(Scripted(*answers), gates=Gates(budget))
        else:
            assert await ask(Scripted(*answers), gates=Gates(budget)) is last

    run(main())
    assert (budget.spent_usd, budget.reserved_usd) == (pytest.approx(spent), 0.0)


def test_a_call_that_is_cancelled_under_way_counts_in_full():
    budget = Budget(1.0)

    async def main():
        task = asyncio.create_task(ask(Scripted(reply(0), seconds=60), gates=Gates(budget)))
        await asyncio.sleep(1)
        assert budget.reserved_usd == 0.1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert (budget.spent_usd, budget.reserved_usd) == (0.1, 0.0)


def test_what_never_left_costs_nothing():
    budget, throttle = Budget(1.0), Throttle(1)

    def disk_full():
        raise OSError("no space")

    async def main():
        for _ in range(2):
            with pytest.raises(OSError, match="no space"):
                await ask(Scripted(), gates=Gates(budget, None, throttle), on_send=disk_full)

    run(main())
    assert (budget.spent_usd, budget.reserved_usd) == (0.0, 0.0)


def test_an_attempt_that_can_never_fit_is_not_sent():
    events = []

    async def main():
        client = Scripted(slow_down(maybe_paid=True), reply(0))
        with pytest.raises(BudgetSpentError):
            await ask(client, gates=Gates(Budget(0.15)), on_send=lambda: events.append("send"))

    run(main())
    assert events == ["send"], "the first attempt may have been paid, so the second does not fit"


# ---- the pace and the width


def test_attempts_are_paced_and_not_only_labels():
    async def main():
        client = Scripted(*[slow_down()] * 4, reply(0))
        await ask(client, gates=Gates(pacer=Pacer(30, None)))
        return client.sent_at

    assert run(main()) == pytest.approx([0, 2, 4, 6, 8])


def test_tokens_are_paced():
    async def main():
        client = Scripted(*[slow_down()] * 2, reply(0))
        await ask(client, gates=Gates(pacer=Pacer(None, 60)), tokens=5)
        return client.sent_at

    assert run(main()) == pytest.approx([0, 5, 10])


def test_a_call_between_its_attempts_leaves_its_place_to_others():
    async def main():
        throttle = Throttle(1)
        policy = RetryPolicy(longest_retry_after_seconds=20)
        first = Scripted(slow_down(retry_after_seconds=20), reply(0), seconds=1)
        second = Scripted(reply(0), seconds=1)
        gates = Gates(throttle=throttle)
        await asyncio.gather(ask(first, policy, gates), ask(second, policy, gates))
        return first.sent_at[0], second.sent_at[0], first.sent_at[1]

    first, second, again = run(main())
    assert (first, second) == (0, 1)
    assert 21 <= again <= 21.2


@pytest.mark.parametrize(
    ("answer", "limit"),
    [
        (slow_down(overloaded=True, retryable=False), 4),
        (slow_down(retryable=False), 8),
        (ProviderError("no key"), 8),
    ],
)
def test_overload_narrows_and_other_errors_do_not(answer, limit):
    throttle = Throttle(8)

    async def main():
        with pytest.raises(type(answer)):
            await ask(Scripted(answer), gates=Gates(throttle=throttle))

    run(main())
    assert throttle.limit == limit


def test_replies_widen_again():
    throttle = Throttle(8)

    async def main():
        throttle.overloaded()
        for _ in range(5):
            await ask(Scripted(reply(0)), gates=Gates(throttle=throttle))

    run(main())
    assert throttle.limit == 5


# ---- the deadline


def test_no_pause_goes_beyond_the_deadline():
    async def main():
        client = Scripted(*[slow_down(retry_after_seconds=10)] * 10, seconds=1)
        with pytest.raises(CallError, match="slow down"):
            await ask(client, RetryPolicy(attempts=10, deadline_seconds=30))
        return now(), len(client.sent_at)

    # an attempt each 11 s (and up to .1 s of jitter): at 0, 11 and 22; the fourth would be at 33
    ended, attempts = run(main())
    assert attempts == 3
    assert 23 <= ended <= 23.3


def test_the_wait_at_the_gates_does_not_count():
    async def main():
        gates, policy = Gates(pacer=Pacer(1, None)), RetryPolicy(deadline_seconds=30)
        await ask(Scripted(reply(0)), gates=gates)
        client = Scripted(slow_down(), slow_down(), reply(0))
        await ask(client, policy, gates)
        return client.sent_at

    assert run(main()) == pytest.approx([60, 120, 180])


# ---- the stop


def gate_that_is_shut(kind):
    """Gates that let nobody through for an hour."""
    if kind == "budget":
        return Gates(Budget(1.0))
    if kind == "throttle":
        return Gates(throttle=Throttle(1))
    return Gates(Budget(10.0), Pacer(1 / 60, None), Throttle(5))


@pytest.mark.parametrize("kind", ["budget", "throttle", "pacer"])
def test_who_waits_at_a_gate_is_let_go_at_a_stop(kind):
    gates, sent = gate_that_is_shut(kind), []

    async def main():
        stop = asyncio.Event()
        first = asyncio.create_task(ask(Scripted(reply(0), seconds=3000), gates=gates, most_usd=1))
        await asyncio.sleep(1)
        others = [
            asyncio.create_task(
                ask(Scripted(), gates=gates, most_usd=1, stop=stop, on_send=lambda: sent.append(1))
            )
            for _ in range(3)
        ]
        await asyncio.sleep(1)
        stop.set()
        found = await asyncio.gather(*others, return_exceptions=True)
        assert [type(each) for each in found] == [StoppedError] * 3
        assert now() == pytest.approx(2)
        await first

    run(main())
    assert sent == []
    if gates.budget:
        assert (gates.budget.spent_usd, gates.budget.reserved_usd) == (0, 0)


def test_after_a_stop_no_call_begins():
    async def main():
        stop = asyncio.Event()
        stop.set()
        client = Scripted(reply(0))
        with pytest.raises(StoppedError):
            await ask(client, stop=stop)
        assert client.sent_at == []

    run(main())


def test_a_call_under_way_is_finished_after_a_stop():
    async def main():
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(1, stop.set)
        gates = Gates(Budget(1.0), Pacer(60, 60), Throttle(3))
        return await ask(Scripted(reply(0.1), seconds=5), gates=gates, stop=stop, tokens=1)

    assert run(main()).paid_usd == 0.1


def test_a_stop_ends_the_pause_between_attempts():
    async def main():
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(1, stop.set)
        with pytest.raises(StoppedError):
            await ask(Scripted(slow_down(retry_after_seconds=50)), stop=stop)
        return now()

    assert run(main()) == pytest.approx(1)


@pytest.mark.parametrize("turns", range(8))
def test_a_stop_at_the_moment_of_passing_loses_nothing(turns):
    """Somebody leaves and the stop comes, so many turns of the loop apart, either way round."""

    async def one(first_leave):
        stop, gates = asyncio.Event(), Gates(Budget(1.0), None, Throttle(1))
        await gates.enter(1.0, 0)
        task = asyncio.create_task(ask(Scripted(reply(0.0)), gates=gates, most_usd=1, stop=stop))
        await asyncio.sleep(1)
        steps = [lambda: gates.leave(1.0, 0.0), stop.set]
        for step in steps if first_leave else reversed(steps):
            step()
            for _ in range(turns):
                await asyncio.sleep(0)
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(ended, Reply | StoppedError)
        assert (gates.budget.spent_usd, gates.budget.reserved_usd) == (0, 0)
        await gates.enter(1.0, 0)  # else StuckError: a place or a reservation is lost

    run(one(True))
    run(one(False))


# ---- a provider that limits, drops and fails


def test_a_cap_holds_against_a_provider_that_fails_now_and_then():
    """Spent by our books is at least what the provider charged, and the cap is not exceeded."""
    faults = Behaviour(
        constant="Verdict: 1", latency_seconds=0.01, latency_jitter=1.0, seed=3,
        rate_limit=0.1, retry_after_seconds=0.01, server_error=0.1, drop=0.1, malformed=0.05,
    )  # fmt: skip
    policy = RetryPolicy(attempts=8, base_seconds=0.001)
    ends = []

    async def main(base):
        client, gates = HttpClient(), Gates(Budget(2.0), Pacer(60_000, None), Throttle(64))

        async def one(number):
            try:
                one = request(base, text=f"question {number:03d}: 1 or 2?")
                await call(
                    client, one, policy, gates=gates, most_usd=0.02, tokens=13,
                    on_send=lambda: None, on_answered=lambda: None,
                )  # fmt: skip
                ends.append("reply")
            except BudgetSpentError:
                ends.append("spent")
            except CallError:
                ends.append("failed")

        try:
            await asyncio.gather(*(one(number) for number in range(256)))
        finally:
            await client.close()
        return gates.budget

    with running(Truth([]), {"m": faults}) as provider:
        budget = asyncio.run(main(provider.base_url))
        lines = list(provider.log())
    # A prompt of 24 characters is 4 + 6 tokens and the reply 3: $ .013 of at most $ .02
    charged = sum(13 * PRICE_USD for line in lines if line.answered)
    lost = sum(0.02 for line in lines if line.fault in (Fault.DROP, Fault.MALFORMED))
    good = sum(13 * PRICE_USD for line in lines if line.answered and line.fault is None)
    assert budget.spent_usd == pytest.approx(good + lost)
    assert charged <= budget.spent_usd <= 2.0
    assert budget.spent_usd > 1.95, "what is left does not pay for one more"
    assert budget.reserved_usd == 0
    assert budget.exhausted
    assert len(ends) == 256
    assert ends.count("spent") > 50
    assert ends.count("reply") > 50
