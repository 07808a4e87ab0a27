"""A steady pace and a width that gives way to overload; times are those of a jumping clock."""

import asyncio
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.engines.pacing import Pacer, Throttle
from tests.clock import StuckError, now, run


def departures(pacer, tokens):
    """When each of the calls leaves that all come at second 0; in the order of their coming."""
    left = {}

    async def one(number, size):
        await pacer.wait(size)
        left[number] = now()

    async def main():
        await asyncio.gather(*(one(*each) for each in enumerate(tokens)))

    run(main())
    assert list(left) == list(range(len(tokens))), "first come, first served"
    return list(left.values())


# ---- the pace


def test_after_one_second_s_worth_requests_leave_evenly():
    """600 a minute are 10 a second: 10 at once, then one each tenth of a second."""
    left = departures(Pacer(600, None), [0] * 50)
    assert left == pytest.approx([0.0] * 10 + [k / 10 for k in range(1, 41)])


def test_a_slow_pace_begins_with_one():
    assert departures(Pacer(30, None), [0] * 4) == pytest.approx([0, 2, 4, 6])


def test_tokens_are_paced_too():
    """6,000 a minute are 100 a second, which is two calls of 50."""
    left = departures(Pacer(None, 6000), [50] * 6)
    assert left == pytest.approx([0, 0, 0.5, 1, 1.5, 2])


def test_a_call_larger_than_a_second_s_worth_leaves_and_the_next_one_waits_for_it():
    left = departures(Pacer(None, 6000), [1000, 10, 1000])
    # 100 there, 1,000 taken, so 900 owed: after 9 s nothing, after 9.1 s 10, 1 s later 100
    assert left == pytest.approx([0, 9.1, 10.1])


def test_the_tighter_of_two_limits_rules():
    assert departures(Pacer(60, 600), [5] * 4) == pytest.approx([0, 1, 2, 3])
    assert departures(Pacer(60, 600), [20] * 4) == pytest.approx([0, 2, 4, 6])


def test_idle_time_is_not_saved_up():
    pacer, left = Pacer(600, None), []

    async def main():
        await asyncio.sleep(3600)
        for _ in range(12):
            await pacer.wait(0)
            left.append(now() - 3600)

    run(main())
    assert left == pytest.approx([0.0] * 10 + [0.1, 0.2])


def test_a_wait_that_is_given_up_has_taken_nothing():
    async def main():
        pacer = Pacer(60, None)
        await pacer.wait(0)
        given_up = [asyncio.create_task(pacer.wait(0)) for _ in range(5)]
        last = asyncio.create_task(pacer.wait(0))
        await asyncio.sleep(0.5)
        for task in given_up:
            task.cancel()
        await last
        return now()

    assert run(main()) == pytest.approx(1.0)


def test_without_limits_nothing_waits():
    async def main():
        for _ in range(1000):
            await Pacer(None, None).wait(10**9)
        return now()

    assert run(main()) == 0


@pytest.mark.parametrize("limit", [0, -1, math.nan, math.inf])
def test_what_is_no_pace_is_refused(limit):
    for limits in ((limit, None), (None, limit)):
        with pytest.raises(ValueError, match="no pace"):
            Pacer(*limits)


@settings(deadline=None, max_examples=50)
@given(
    st.floats(1, 10_000),
    st.floats(10, 1e6),
    st.lists(st.integers(0, 2000), min_size=1, max_size=60),
)
def test_no_stretch_of_time_sees_more_than_the_pace_and_one_second_s_worth(rpm, tpm, tokens):
    left = departures(Pacer(rpm, tpm), tokens)
    for first in range(len(left)):
        for last in range(first, len(left)):
            seconds = left[last] - left[first]
            assert last - first + 1 <= rpm / 60 * seconds + max(1, rpm / 60) + 1e-3
            # the last one may owe what a full bucket does not hold
            before = sum(tokens[first:last])
            assert before <= tpm / 60 * seconds + max(1, tpm / 60) + 1e-3


# ---- the width


async def hold(throttle, seconds, order=None, number=None):
    async with throttle:
        if order is not None:
            order.append(number)
        await asyncio.sleep(seconds)


def test_no_more_at_once_than_the_limit_and_in_order():
    async def main():
        throttle, order = Throttle(4), []
        await asyncio.gather(*(hold(throttle, 1.0, order, n) for n in range(10)))
        assert order == list(range(10))
        return now()

    assert run(main()) == pytest.approx(3.0)  # 4 + 4 + 2, one second each


def test_overload_halves_the_limit_once_a_second_and_never_below_one():
    async def main():
        throttle, limits = Throttle(16), []
        for _ in range(70):
            throttle.overloaded()
            limits.append(throttle.limit)
            await asyncio.sleep(0.1)
        return limits

    limits = run(main())
    changes = [k for k in range(1, 70) if limits[k] != limits[k - 1]]
    assert limits[0] == 8
    assert [limits[k] for k in changes] == [4, 2, 1]
    assert all(10 <= later - at <= 11 for at, later in zip([0, *changes], changes, strict=False))


def test_as_many_successes_as_the_limit_is_wide_widen_it_by_one():
    async def main():
        throttle, limits = Throttle(3), []
        throttle.overloaded()  # 1.5
        throttle.overloaded()
        assert throttle.limit == 1
        for _ in range(8):
            throttle.succeeded()
            limits.append(throttle.limit)
        return limits

    # 1.5 + 1/1.5 = 2.17, 2.63, 3.01, and never above 3
    assert run(main()) == [2, 2, 3, 3, 3, 3, 3, 3]


def test_after_overload_those_under_way_finish_before_another_begins():
    async def main():
        throttle, order = Throttle(4), []
        tasks = [asyncio.create_task(hold(throttle, 1.0 + n / 10, order, n)) for n in range(6)]
        await asyncio.sleep(0.5)
        throttle.overloaded()  # 2 may, 4 are
        await asyncio.sleep(0.65)  # 1.15: two are done, two still hold what may be
        assert order == [0, 1, 2, 3]
        await asyncio.sleep(0.1)  # 1.25: the third is done
        assert order == [0, 1, 2, 3, 4]
        await asyncio.gather(*tasks)

    run(main())


def test_who_waits_is_woken_when_the_limit_rises():
    async def main():
        throttle = Throttle(2)
        throttle.overloaded()
        tasks = [asyncio.create_task(hold(throttle, 5.0)) for _ in range(2)]
        await asyncio.sleep(1)
        throttle.succeeded()
        await asyncio.gather(*tasks)
        return now()

    assert run(main()) == pytest.approx(6.0)


def test_who_gives_up_does_not_take_a_place():
    async def main():
        throttle, order = Throttle(1), []
        first, second, third = (
            asyncio.create_task(hold(throttle, 1.0, order, n)) for n in range(3)
        )
        await asyncio.sleep(0.5)
        second.cancel()
        await asyncio.gather(first, third)
        assert order == [0, 2]
        return now()

    assert run(main()) == pytest.approx(2.0)


def test_who_gives_up_as_it_gets_its_place_passes_it_on():
    async def main():
        throttle, order = Throttle(1), []
        await throttle.__aenter__()
        second, third = (asyncio.create_task(hold(throttle, 1.0, order, n)) for n in (2, 3))
        await asyncio.sleep(0.5)
        throttle.leave()  # the second has the place now, and has not run yet
        second.cancel()
        await third
        assert order == [3]

    run(main())


def test_who_gives_up_just_before_its_turn_is_passed_over():
    async def main():
        throttle, order = Throttle(1), []
        await throttle.__aenter__()
        second, third = (asyncio.create_task(hold(throttle, 1.0, order, n)) for n in (2, 3))
        await asyncio.sleep(0.5)
        second.cancel()
        throttle.leave()
        await third
        assert order == [3]

    run(main())


def test_waiting_is_not_asking_again():
    async def main():
        throttle = Throttle(1)
        await throttle.__aenter__()
        await throttle.__aenter__()

    with pytest.raises(StuckError):
        run(main())


@pytest.mark.parametrize("most", [0, -3])
def test_a_width_of_nothing_is_refused(most):
    with pytest.raises(ValueError, match="none could be made"):
        Throttle(most)


STEPS = st.lists(
    st.tuples(
        st.floats(0, 3),  # when it comes
        st.floats(0, 3),  # how long it stays
        st.none() | st.floats(0, 3),  # when it is given up
        st.sampled_from(["succeeded", "overloaded", "neither"]),
    ),
    max_size=100,
)


@settings(deadline=None, max_examples=60)
@given(STEPS, st.integers(1, 20))
def test_no_mixture_of_ends_loses_a_place_or_leaves_somebody_waiting(steps, most):
    running = 0

    async def one(throttle, comes, stays, end):
        nonlocal running
        await asyncio.sleep(comes)
        async with throttle:
            running += 1
            try:
                assert running <= most
                await asyncio.sleep(stays)
                if end != "neither":
                    getattr(throttle, end)()
            finally:
                running -= 1

    async def main():
        throttle, tasks = Throttle(most), []
        for comes, stays, patience, end in steps:
            tasks.append(asyncio.create_task(one(throttle, comes, stays, end)))
            if patience is not None:
                asyncio.get_running_loop().call_later(patience, tasks[-1].cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            assert task.cancelled() or task.exception() is None, task.exception()
        began = now()
        await asyncio.gather(*(hold(throttle, 1.0) for _ in range(throttle.limit)))
        assert now() - began == pytest.approx(1.0), "every place is free again"

    run(main())
