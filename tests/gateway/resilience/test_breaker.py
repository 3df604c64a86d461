"""The circuit breaker: its table, the window, the pauses and the probes."""

import random
from dataclasses import replace
from itertools import product

import pytest

from gateway.core.clock import FakeClock
from gateway.resilience.breaker import TRANSITIONS, Breaker, BreakerLimits, Event, State

LIMITS = BreakerLimits(
    window=4, seconds=60.0, minimum=3, ratio=0.5, pause=1.0, growth=2.0, longest_pause=3.0, probes=1
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(clock: FakeClock) -> Breaker:
    return Breaker(LIMITS, clock)


def record(breaker: Breaker, outcomes: str) -> None:
    """Make allowed calls with these outcomes: S is a success, F a failure."""
    for outcome in outcomes:
        assert breaker.acquire()
        (breaker.success if outcome == "S" else breaker.failure)()


def test_every_state_and_event_is_in_the_table() -> None:
    assert TRANSITIONS.keys() == set(product(State, Event))


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("", State.CLOSED),
        ("FFF", State.CLOSED),
        ("FFFF", State.OPEN),
        ("SFFF", State.OPEN),
        ("FSSF", State.OPEN),
        ("SSSF", State.CLOSED),
        ("FFFS", State.CLOSED),
        ("FFFSF", State.OPEN),
        ("SSSSSSSSSSFSF", State.OPEN),
        ("SSSSSSSSSSFSSSF", State.CLOSED),
    ],
)
def test_when_it_opens(breaker: Breaker, outcomes: str, state: State) -> None:
    """A failure opens it, with enough others in the last outcomes; a success never does."""
    record(breaker, outcomes)
    assert breaker.state is state
    assert breaker.is_closed is (state is State.CLOSED)
    assert breaker.failures == outcomes.count("F")


async def test_old_outcomes_do_not_count(breaker: Breaker, clock: FakeClock) -> None:
    record(breaker, "FFF")
    await clock.advance(60.0)
    record(breaker, "FFF")
    assert breaker.is_closed
    record(breaker, "F")
    assert breaker.state is State.OPEN


async def test_a_window_of_successes_becomes_younger(breaker: Breaker, clock: FakeClock) -> None:
    """With four successes just before it, one failure is a quarter."""
    record(breaker, "SSSS")
    await clock.advance(59.0)
    record(breaker, "SSSS")
    await clock.advance(59.0)
    record(breaker, "F")
    assert (breaker.failing, breaker.state) == (0.25, State.CLOSED)


async def test_it_closes_after_a_good_probe(breaker: Breaker, clock: FakeClock) -> None:
    record(breaker, "FFFF")
    assert [breaker.acquire() for _ in range(3)] == [False] * 3
    assert breaker.rejections == 3
    await clock.advance(0.9)
    assert not breaker.allows()
    await clock.advance(0.1)
    assert [breaker.allows() for _ in range(3)] == [True] * 3  # it takes no probe
    assert breaker.acquire()
    assert (breaker.state, breaker.allows(), breaker.acquire()) == (State.HALF_OPEN, False, False)
    breaker.success()
    assert breaker.is_closed
    record(breaker, "FFF")
    assert breaker.is_closed  # the window was emptied


async def test_pauses_become_longer(breaker: Breaker, clock: FakeClock) -> None:
    """1, 2, 3, 3 seconds; after it was closed, 1 second again."""
    record(breaker, "FFFF")
    for pause in (1.0, 2.0, 3.0, 3.0):
        await clock.advance(pause - 0.01)
        assert not breaker.allows()
        await clock.advance(0.01)
        record(breaker, "F")
    await clock.advance(3.0)
    record(breaker, "S")
    record(breaker, "FFFF")
    await clock.advance(1.0)
    assert breaker.allows()


async def test_probes_decide_by_their_ratio(clock: FakeClock) -> None:
    """Of four probes two failures are too many; no fifth is allowed meanwhile."""
    for outcomes, state in (("FSSS", State.CLOSED), ("FSFS", State.OPEN)):
        breaker = Breaker(BreakerLimits(window=1, minimum=0, probes=4), clock)
        record(breaker, "F")
        await clock.advance(1.0)
        assert [breaker.acquire() for _ in range(5)] == [True] * 4 + [False]
        for outcome in outcomes:
            assert breaker.state is State.HALF_OPEN
            (breaker.success if outcome == "S" else breaker.failure)()
        assert breaker.state is state


async def test_a_probe_without_outcome(breaker: Breaker, clock: FakeClock) -> None:
    """A cancelled probe is replaced at once, one that is never reported after the pause; both still count."""
    record(breaker, "FFFF")
    await clock.advance(1.0)
    assert breaker.acquire()
    breaker.cancelled()
    assert breaker.acquire()
    assert not breaker.allows()
    await clock.advance(1.0)
    assert breaker.acquire()
    breaker.success()  # that of the slow probe
    assert breaker.is_closed
    breaker.cancelled()
    assert breaker.is_closed


async def test_late_outcomes(breaker: Breaker, clock: FakeClock) -> None:
    """The outcome of a call from before the last change decides nothing."""
    epoch = breaker.epoch
    record(breaker, "FFFF")
    breaker.success(epoch)
    breaker.success()
    assert breaker.state is State.OPEN
    await clock.advance(1.0)
    assert breaker.acquire()
    breaker.success(epoch)
    breaker.failure(epoch)
    breaker.cancelled(epoch)
    assert (breaker.state, breaker.allows()) == (State.HALF_OPEN, False)
    breaker.success(breaker.epoch)
    assert breaker.is_closed


async def test_changes_are_reported(clock: FakeClock) -> None:
    seen: list[tuple[State, State]] = []
    breaker = Breaker(LIMITS, clock, lambda old, new: seen.append((old, new)))
    record(breaker, "FFFF")
    await clock.advance(1.0)
    breaker.acquire()
    await clock.advance(1.0)
    breaker.acquire()  # half open again: no change
    breaker.success()
    half_open = State.HALF_OPEN
    assert seen == [(State.CLOSED, State.OPEN), (State.OPEN, half_open), (half_open, State.CLOSED)]
    assert breaker.epoch == 3


@pytest.mark.parametrize(
    "given", [{"minimum": 21}, {"minimum": -1}, {"window": 0, "minimum": 0}, {"probes": 0}]
)
def test_limits_that_do_not_fit(given: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected window"):
        replace(BreakerLimits(), **given)


@pytest.mark.parametrize("seed", range(20))
async def test_it_never_stays_open(seed: int) -> None:
    """Whatever happens, with and without outcomes: when the server is well again, it closes."""
    clock, choose = FakeClock(), random.Random(seed)
    breaker = Breaker(LIMITS, clock)
    events = (breaker.acquire, breaker.allows, breaker.success, breaker.failure, breaker.cancelled)
    for _ in range(500):
        choose.choice(events)()
        assert breaker.is_closed is (breaker.state is State.CLOSED)
        assert 0.0 <= breaker.failing <= 1.0
        await clock.advance(choose.choice((0.0, 0.3, 1.0)))
    await clock.advance(LIMITS.longest_pause)
    for _ in range(4):
        if breaker.acquire():
            breaker.success()
    assert breaker.is_closed
