"""A cap holds whatever happens: nothing leaves that could break it, and nobody waits in vain."""

import asyncio
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.engines.budget import Budget
from tests.clock import StuckError, now, run


async def turn():
    """Let everything happen that can happen now."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_what_is_reserved_is_given_back_and_what_was_paid_is_counted():
    async def main():
        budget = Budget(1.0)
        assert await budget.reserve(0.4)
        assert (budget.spent_usd, budget.reserved_usd, budget.left_usd) == (0.0, 0.4, 0.6)
        budget.settle(0.4, 0.1)
        assert (budget.spent_usd, budget.reserved_usd, budget.left_usd) == (0.1, 0.0, 0.9)
        assert not budget.exhausted

    run(main())


@pytest.mark.parametrize(("paid", "spent"), [(0.0, 0.0), (None, 0.4), (math.nan, 0.4), (-1, 0.4)])
def test_what_nobody_knows_counts_as_the_whole_reservation(paid, spent):
    async def main():
        budget = Budget(1.0)
        assert await budget.reserve(0.4)
        budget.settle(0.4, paid)
        assert (budget.spent_usd, budget.reserved_usd) == (spent, 0.0)

    run(main())


def test_a_call_that_cost_more_than_it_could_is_counted_in_full():
    async def main():
        budget = Budget(1.0)
        assert await budget.reserve(0.4)
        budget.settle(0.4, 1.5)
        assert (budget.spent_usd, budget.left_usd) == (1.5, 0.0)
        assert not await budget.reserve(0.0001)

    run(main())


@pytest.mark.parametrize(
    ("cap", "each", "n"), [(1.0, 0.1, 10), (0.3, 0.1, 3), (3.003, 1.001, 3), (9e-8, 3e-8, 3)]
)
def test_a_cap_is_used_to_the_last_cent_in_spite_of_binary_fractions(cap, each, n):
    """.1 + .1 + .1 > .3 and 1.001 * 10**12 < 1001 * 10**9, as floats go."""

    async def main():
        budget = Budget(cap)
        for _ in range(n):
            assert await budget.reserve(each)
            budget.settle(each, each)
        assert budget.spent_usd == cap
        assert budget.left_usd == 0
        assert not budget.exhausted, "everything fitted"
        assert not await budget.reserve(1e-12)
        assert budget.exhausted

    run(main())


def test_what_was_spent_before_counts():
    async def main():
        budget = Budget(1.0, spent_usd=0.7)
        assert await budget.reserve(0.3)
        assert not await Budget(1.0, spent_usd=0.7).reserve(0.31)
        assert not await Budget(1.0, spent_usd=5.0).reserve(0.01)
        assert Budget(1.0, spent_usd=5.0).left_usd == 0

    run(main())


def test_a_call_waits_for_room_that_a_call_in_flight_gives_back():
    async def main():
        budget = Budget(1.0)
        assert await budget.reserve(0.8)
        second = asyncio.create_task(budget.reserve(0.5))
        await turn()
        assert not second.done()
        budget.settle(0.8, 0.5)
        assert await second
        assert (budget.spent_usd, budget.reserved_usd) == (0.5, 0.5)

    run(main())


def test_a_call_that_waited_is_turned_away_when_the_one_in_flight_used_it_up():
    async def main():
        budget = Budget(1.0)
        assert await budget.reserve(0.8)
        second = asyncio.create_task(budget.reserve(0.5))
        await turn()
        budget.settle(0.8, 0.6)
        assert not await second
        assert (budget.spent_usd, budget.reserved_usd) == (0.6, 0.0)
        assert budget.exhausted

    run(main())


def test_a_call_that_can_never_fit_is_turned_away_though_others_are_in_flight():
    async def main():
        budget = Budget(1.0, spent_usd=0.5)
        assert await budget.reserve(0.4)
        assert not await budget.reserve(0.6)

    run(main())


def test_small_calls_do_not_overtake_a_large_one_that_waits():
    async def main():
        budget, order = Budget(1.0), []

        async def ask(most):
            assert await budget.reserve(most)
            order.append(most)

        assert await budget.reserve(0.6)
        tasks = [asyncio.create_task(ask(most)) for most in (0.7, 0.2, 0.1)]
        await turn()
        assert order == [], "there is room for .2, which came later"
        budget.settle(0.6, 0.0)
        await asyncio.gather(*tasks)
        assert order == [0.7, 0.2, 0.1]

    run(main())


def test_who_is_turned_away_no_longer_stands_in_the_way():
    async def main():
        budget = Budget(1.0)
        assert await budget.reserve(0.6)
        large, small = (asyncio.create_task(budget.reserve(most)) for most in (0.9, 0.3))
        await turn()
        budget.settle(0.6, 0.5)  # .5 is left
        assert (await large, await small) == (False, True)

    run(main())


def test_nobody_asks_again_and_again():
    async def main():
        budget = Budget(1.0)
        assert await budget.reserve(0.6)
        await budget.reserve(0.6)

    with pytest.raises(StuckError):  # without a timer, so nothing is ever going to wake up
        run(main())


def test_a_call_that_is_given_up_lets_the_next_one_go():
    async def main():
        budget = Budget(1.0)
        assert await budget.reserve(0.6)
        large, small = (asyncio.create_task(budget.reserve(most)) for most in (0.9, 0.3))
        await turn()
        large.cancel()
        assert await small
        assert budget.reserved_usd == 0.9
        assert large.cancelled()

    run(main())


def test_a_call_that_is_given_up_as_it_gets_its_turn_gives_it_back():
    async def main():
        budget = Budget(1.0)
        assert await budget.reserve(0.6)
        second, third = (asyncio.create_task(budget.reserve(most)) for most in (0.9, 0.8))
        await turn()
        budget.settle(0.6, 0.0)
        assert budget.reserved_usd == 0.9, "it is the second's before the second wakes up"
        second.cancel()
        assert await third
        assert budget.reserved_usd == 0.8

    run(main())


def test_a_call_that_is_given_up_just_before_its_turn_is_passed_over():
    async def main():
        budget = Budget(1.0)
        assert await budget.reserve(0.6)
        second, third = (asyncio.create_task(budget.reserve(most)) for most in (0.9, 0.8))
        await turn()
        second.cancel()
        budget.settle(0.6, 0.0)
        assert budget.reserved_usd == 0.8
        assert await third

    run(main())


def test_at_a_stop_everybody_is_turned_away():
    async def main():
        budget = Budget(1.0)
        assert await budget.reserve(0.6)
        waiting = [asyncio.create_task(budget.reserve(0.5)) for _ in range(3)]
        await turn()
        budget.stop()
        assert await asyncio.gather(*waiting) == [False] * 3
        assert not await budget.reserve(0.1)
        assert not budget.exhausted, "there was room"
        budget.settle(0.6, 0.2)
        assert (budget.spent_usd, budget.reserved_usd) == (0.2, 0.0)

    run(main())


def test_without_a_cap_nothing_waits_and_all_is_counted():
    async def main():
        budget = Budget(None)
        assert all([await budget.reserve(1e6) for _ in range(100)])
        assert (budget.left_usd, budget.reserved_usd) == (None, 1e8)
        for paid in (None, 2.5):
            budget.settle(1e6, paid)
        assert budget.spent_usd == 1_000_002.5
        assert not budget.exhausted

    run(main())


def test_what_costs_nothing_fits_a_cap_of_nothing():
    async def main():
        budget = Budget(0.0)
        assert await budget.reserve(0.0)
        budget.settle(0.0, 0.0)
        assert not await budget.reserve(1e-9)

    run(main())


@pytest.mark.parametrize("amount", [-0.1, math.nan, math.inf])
def test_what_is_no_amount_is_refused(amount):
    with pytest.raises(ValueError, match="no amount"):
        Budget(amount)
    with pytest.raises(ValueError, match="no amount"):
        Budget(1.0, spent_usd=amount)
    with pytest.raises(ValueError, match="no amount"):
        run(Budget(1.0).reserve(amount))


CALLS = st.lists(
    st.tuples(
        st.floats(0, 0.5),  # the most that it costs
        st.none() | st.floats(0, 1),  # the share of it that is paid
        st.floats(0, 3),  # seconds until it comes
        st.floats(0, 3),  # seconds that it takes
        st.none() | st.floats(0, 3),  # seconds after which it is given up
    ),
    max_size=256,
)


@settings(deadline=None, max_examples=60)
@given(CALLS, st.floats(0, 3))
def test_no_mixture_of_calls_breaks_the_cap_or_leaves_somebody_waiting(calls, cap):
    budget, granted = Budget(cap), []

    def check():
        assert budget.spent_usd + budget.reserved_usd <= cap + 1e-9
        assert budget.reserved_usd >= 0

    async def one(number, most, share, comes, takes):
        await asyncio.sleep(comes)
        if not await budget.reserve(most):
            assert most > cap - budget.spent_usd - 1e-9, "there was room, or would have been"
            return
        paid = None
        try:
            granted.append(number)
            check()
            await asyncio.sleep(takes)
            paid = None if share is None else share * most
        finally:
            budget.settle(most, paid)
            check()

    async def main():
        tasks = []
        for number, (*call, patience) in enumerate(calls):
            tasks.append(asyncio.create_task(one(number, *call)))
            if patience is not None:
                asyncio.get_running_loop().call_later(patience, tasks[-1].cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            assert task.cancelled() or task.exception() is None, task.exception()

    run(main())
    assert budget.reserved_usd == 0
    assert len(granted) == len(set(granted))


def test_256_at_once_are_served_in_order_and_spend_the_cap_and_no_more():
    chance = random.Random(7)
    budget, order, most_in_flight = Budget(5.0), [], 0.0

    async def one(number):
        nonlocal most_in_flight
        if not await budget.reserve(0.1):
            return
        order.append(number)
        most_in_flight = max(most_in_flight, budget.spent_usd + budget.reserved_usd)
        await asyncio.sleep(chance.random())
        budget.settle(0.1, 0.05)

    async def main():
        await asyncio.gather(*(one(number) for number in range(256)))
        return now()

    run(main())
    # A call costs .05 of the .1 set aside for it: it goes while .1 is left, so 99 of them do.
    assert order == list(range(99))
    assert budget.spent_usd == pytest.approx(99 * 0.05)
    assert most_in_flight <= 5.0
    assert budget.exhausted
