"""A circuit breaker: after too many failed calls, a server is not called for a while; then probes decide.

A state machine without I/O. Each outcome of a call is an event; TRANSITIONS says which state follows.

Example, with a window of 4 outcomes, a minimum of 3 before the one that decides, a ratio of 0.5 and 1 probe
(S: success, F: failure, R: rejected call):

    S F F     CLOSED: only 3 outcomes, so none could decide
    F         OPEN for `pause` seconds: 3 of the last 4 calls failed
    R R       OPEN
    (time)    HALF_OPEN: the next call is a probe, all others are rejected
    F         OPEN, for twice as long
    (time) S  CLOSED, with an empty window
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from gateway.core.clock import SYSTEM_CLOCK, Clock


class State(StrEnum):
    """Whether calls are made: all of them, no call, or probes only."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Event(StrEnum):
    """What can change the state: the outcome of a call, or a call that is attempted after the pause."""

    SUCCESS = "success"
    FAILURE = "failure"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When a breaker opens, for how long, and when it closes again. Raises ValueError for limits that do not
    fit each other.

    `window`: the number of last outcomes that count; `seconds`: the age at which an outcome no longer counts.
    `minimum`: the number of outcomes that the window must hold before the failure that opens the breaker.
    `ratio`: the share of failures, from 0 to 1, at which the breaker opens (in the window) and stays open
    (among the probes). `pause`: seconds for which no call is made; after probes that failed the pause is
    `growth` times as long, and at most `longest_pause`. `probes`: the number of calls that decide afterwards.
    """

    window: int = 20
    seconds: float = 60.0
    minimum: int = 4
    ratio: float = 0.5
    pause: float = 1.0
    growth: float = 2.0
    longest_pause: float = 10.0
    probes: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= self.window or self.window < 1 or self.probes < 1:
            raise ValueError(
                "expected window >= 1, 0 <= minimum <= window and probes >= 1, got"
                f" window {self.window}, minimum {self.minimum}, probes {self.probes}"
            )


Guard = Callable[["Breaker"], bool]


def _always(_: "Breaker") -> bool:
    return True


def _fails_too_often(breaker: "Breaker") -> bool:
    """Return whether the window's share of failures opens the breaker; it holds the latest outcome."""
    return breaker.outcomes > breaker.limits.minimum and breaker.failing >= breaker.limits.ratio


def _probes_failed(breaker: "Breaker") -> bool:
    return breaker.outcomes >= breaker.limits.probes and breaker.failing >= breaker.limits.ratio


def _probes_succeeded(breaker: "Breaker") -> bool:
    return breaker.outcomes >= breaker.limits.probes and breaker.failing < breaker.limits.ratio


TRANSITIONS: dict[tuple[State, Event], tuple[tuple[Guard, State], ...]] = {
    (State.CLOSED, Event.SUCCESS): (),
    (State.CLOSED, Event.FAILURE): ((_fails_too_often, State.OPEN),),
    (State.CLOSED, Event.TIME): (),
    # late outcomes of calls from before the pause decide nothing
    (State.OPEN, Event.SUCCESS): (),
    (State.OPEN, Event.FAILURE): (),
    (State.OPEN, Event.TIME): ((_always, State.HALF_OPEN),),
    (State.HALF_OPEN, Event.SUCCESS): ((_probes_failed, State.OPEN), (_probes_succeeded, State.CLOSED)),
    (State.HALF_OPEN, Event.FAILURE): ((_probes_failed, State.OPEN), (_probes_succeeded, State.CLOSED)),
    # probes whose outcomes were never reported must not reject all calls for ever
    (State.HALF_OPEN, Event.TIME): ((_always, State.HALF_OPEN),),
}
"""The states that may follow a state and an event: the first whose guard holds; without any, none follows."""


class Breaker:
    """The breaker of one server.

    A caller asks `acquire` before a call, and reports exactly one of `success`, `failure` and `cancelled`
    after it; code further up may ask `allows` as often as it likes. `state`: the present state; time changes
    it only when a caller asks. `is_closed`: whether it is CLOSED, for the hot path. `epoch`: the number of
    changes so far. `failures`, `rejections`: the numbers of failed and of rejected calls so far. `outcomes`:
    the latest outcome, and those that the window held before. `changed` is called with the old and the new
    state.
    """

    __slots__ = (
        "_free_probes",
        "_pause",
        "_recent",
        "_recent_failures",
        "_until",
        "changed",
        "clock",
        "epoch",
        "failures",
        "is_closed",
        "limits",
        "outcomes",
        "rejections",
        "state",
    )

    def __init__(
        self,
        limits: BreakerLimits | None = None,
        clock: Clock = SYSTEM_CLOCK,
        changed: Callable[[State, State], object] | None = None,
    ) -> None:
        self.limits = limits or BreakerLimits()
        self.clock = clock
        self.changed = changed
        self.state = State.CLOSED
        self.is_closed = True
        self.epoch = self.failures = self.rejections = self.outcomes = 0
        self._recent: deque[tuple[float, bool]] = deque()  # (time, whether the call failed)
        self._recent_failures = 0
        self._pause = self.limits.pause  # seconds: the next one
        self._until = 0.0  # the end of the pause; when half open, the time at which probes count as lost
        self._free_probes = 0

    @property
    def failing(self) -> float:
        """Return the share of failures among the outcomes in the window, from 0 to 1."""
        return self._recent_failures / (len(self._recent) or 1)

    def allows(self) -> bool:
        """Return whether a call may be made now; count a rejection if not."""
        return self.is_closed or self._has_probe()

    def acquire(self) -> bool:
        """Return whether a call may be made now, as `allows`, and count it as a probe if HALF_OPEN."""
        if self.is_closed:
            return True
        if not self._has_probe():
            return False
        self._free_probes -= 1
        return True

    def success(self, epoch: int | None = None) -> None:
        """Record a call that succeeded.

        `epoch`: the breaker's when the call began; its outcome does not count if the state has changed since.
        """
        recent = self._recent
        if self.is_closed and not self._recent_failures and len(recent) == self.limits.window:
            recent.popleft()  # the hot path: a window full of successes becomes younger
            recent.append((self.clock.time(), False))
        else:
            self._record(Event.SUCCESS, epoch)

    def failure(self, epoch: int | None = None) -> None:
        """Record a call that failed. `epoch`: as in `success`."""
        self.failures += 1
        self._record(Event.FAILURE, epoch)

    def cancelled(self, epoch: int | None = None) -> None:
        """Record a call without an outcome: another call may take its place as a probe."""
        if self.state is State.HALF_OPEN and epoch in (None, self.epoch):
            self._free_probes = min(self._free_probes + 1, self.limits.probes)

    def _has_probe(self) -> bool:
        if self.clock.time() >= self._until:
            self._apply(Event.TIME)
        if not self._free_probes:
            self.rejections += 1
        return self._free_probes > 0

    def _record(self, event: Event, epoch: int | None) -> None:
        """Add an outcome to the window, without those that no longer count, and apply the event."""
        if self.state is State.OPEN or (epoch is not None and epoch != self.epoch):
            return
        recent, now = self._recent, self.clock.time()
        while recent and recent[0][0] <= now - self.limits.seconds:
            self._recent_failures -= recent.popleft()[1]
        self.outcomes = len(recent) + 1
        if self.outcomes > self.limits.window and self.is_closed:
            self._recent_failures -= recent.popleft()[1]
        failed = event is Event.FAILURE
        recent.append((now, failed))
        self._recent_failures += failed
        self._apply(event)

    def _apply(self, event: Event) -> None:
        for guard, following in TRANSITIONS[self.state, event]:
            if guard(self):
                self._enter(following)
                return

    def _enter(self, state: State) -> None:
        previous, self.state = self.state, state
        limits = self.limits
        if state is State.OPEN:
            self._until = self.clock.time() + self._pause
            self._pause = min(self._pause * limits.growth, limits.longest_pause)
        elif state is State.HALF_OPEN:
            self._until = self.clock.time() + limits.pause
        else:
            self._pause = limits.pause
        self._free_probes = limits.probes if state is State.HALF_OPEN else 0
        if state is previous:  # probes again: the outcomes of slow probes still count
            return
        self.is_closed = state is State.CLOSED
        self.epoch += 1
        self._recent.clear()
        self._recent_failures = 0
        if self.changed is not None:
            self.changed(previous, state)
