"""Pacing: no window holds more calls than the vendor allows, and little is left unused."""

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.limits import Limiter, limiter_for
from integrations.manifest_parts import Rate


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def rate(per_second: float | None = None, per_minute: float | None = None) -> Rate:
    return Rate(per_second=per_second, per_minute=per_minute, source="T1")


def times(limits: Rate, calls: int, idle: Callable[[int], float] = lambda _n: 0.0) -> list[float]:
    clock = Clock()
    limiter = Limiter(limits, clock=clock)
    taken = []
    for number in range(calls):
        clock.sleep(idle(number))
        limiter.take(clock.sleep)
        taken.append(clock.now)
    return taken


def most_in_any_window(taken: list[float], seconds: float) -> int:
    """The most calls in a window, wherever it begins; both ends belong to it."""
    first, most = 0, 0
    for last, at in enumerate(taken):
        while at - taken[first] > seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


@given(
    per_second=st.integers(1, 50),
    per_minute=st.integers(10, 400),
    idle=st.lists(st.floats(0, 3), min_size=1, max_size=20),
)
def test_no_window_holds_more_calls_than_allowed(
    per_second: int, per_minute: int, idle: list[float]
):
    taken = times(rate(per_second, per_minute), 300, lambda n: idle[n % len(idle)] * (n % 40 == 0))

    assert most_in_any_window(taken, 0.999) <= per_second
    assert most_in_any_window(taken, 59.999) <= per_minute


@pytest.mark.parametrize(
    ("limits", "per_second"), [(rate(5), 5), (rate(20, 300), 5), (rate(100), 100)]
)
def test_at_least_95_percent_of_the_rate_is_used(limits: Rate, per_second: float):
    """performance.md, calls to vendors."""
    taken = times(limits, 3000)

    assert 2999 / (taken[-1] - taken[0]) >= 0.95 * per_second


def test_a_pause_holds_everybody_back():
    """F-18: requests in the forbidden window: none."""
    clock = Clock()
    limiter = Limiter(rate(100), clock=clock)
    limiter.take(clock.sleep)

    limiter.pause(30)
    waited = limiter.take(clock.sleep)

    assert waited == pytest.approx(30)


def test_a_pause_that_comes_while_somebody_sleeps_holds_too():
    clock = Clock()
    limiter = Limiter(rate(1), clock=clock)
    limiter.take(clock.sleep)

    def sleep(seconds: float) -> None:
        if clock.now == 1000.0:
            limiter.pause(10)
        clock.sleep(seconds)

    limiter.take(sleep)

    assert clock.now >= 1010


def test_threads_share_the_rate():
    clock = Clock()
    limiter = Limiter(rate(10), clock=clock)
    waits: list[float] = []

    def work() -> None:
        waits.extend(limiter.reserve() for _ in range(25))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most_in_any_window(sorted(waits), 0.999) <= 10
    assert len(waits) == 100


def test_clients_with_the_same_credentials_share_a_limiter():
    assert limiter_for(555, rate(5)) is limiter_for(555, rate(5))
    assert limiter_for(555, rate(5)) is not limiter_for(556, rate(5))
