"""Checks from time to time that the callers of long streams still have the rights with which they began."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.core.clock import Clock, Timer
from gateway.core.context import Identity, RequestContext
from gateway.core.errors import RequestError

CHECK_EVERY = 1.0  # seconds between two looks for streams that are due for a check
Identify = Callable[[RequestContext], Identity | Awaitable[Identity]]
"""Finds the identity of a request. It, or the awaitable, raises RequestError UNAUTHENTICATED."""
Found = Callable[[Identity | RequestError], object]


class Checked(Protocol):
    """A stream whose caller is known. `check_at`: the time of the clock at which it is checked next."""

    check_at: float

    @property
    def context(self) -> RequestContext:
        """Return the context whose identity is checked."""
        ...

    def end(self, error: RequestError) -> None:
        """End the stream."""
        ...


class IdentityChecks:
    """The streams whose callers are checked, each after `wait` seconds and when its token expires.

    `identify`: None if callers have no identity.
    """

    def __init__(self, wait: float, clock: Clock) -> None:
        self.wait = wait
        self.clock = clock
        self.identify: Identify | None = None
        self.streams: set[Checked] = set()
        self.timer: Timer | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    def watch(self, stream: Checked) -> None:
        """Check a stream from now on, if its caller is known."""
        if self.identify is None or not stream.context.identity.authenticated:
            return
        self.set_next(stream)
        self.streams.add(stream)
        if self.timer is None:
            self.timer = self.clock.call_at(self.clock.time() + CHECK_EVERY, self._look)

    def forget(self, stream: Checked) -> None:
        """Check a stream no longer."""
        self.streams.discard(stream)

    def close(self) -> None:
        """Stop all checks."""
        self.streams.clear()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        for task in self.tasks:
            task.cancel()

    def set_next(self, stream: Checked) -> None:
        """Set the time of the next check: at the latest just after the token has expired."""
        wait = self.wait
        expires = stream.context.identity.claims.get("exp")
        if isinstance(expires, int | float):
            wait = min(wait, max(expires - self.clock.now(), 0.0))
        stream.check_at = self.clock.time() + wait

    def _look(self) -> None:
        """Check the streams that are due."""
        self.timer = None
        now = self.clock.time()
        for stream in [one for one in self.streams if one.check_at <= now]:
            self.set_next(stream)
            self.find(stream.context, _judgement(stream))
        if self.streams:
            self.timer = self.clock.call_at(now + CHECK_EVERY, self._look)

    def find(self, context: RequestContext, found: Found) -> None:
        """Pass the present identity of a context to `found`, or the error with which it is refused."""
        if self.identify is None:
            found(context.identity)
            return
        try:
            identity = self.identify(context)
        except RequestError as error:
            found(error)
            return
        if isinstance(identity, Identity):
            found(identity)
            return
        task = asyncio.ensure_future(self._find_later(identity, found))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    @staticmethod
    async def _find_later(identity: Awaitable[Identity], found: Found) -> None:
        try:
            found(await identity)
        except RequestError as error:
            found(error)


def _judgement(stream: Checked) -> Found:
    """Return what ends a stream whose caller is refused, or has other rights than when it began."""

    def judge(found: Identity | RequestError) -> None:
        if isinstance(found, RequestError):
            stream.end(expired(found.message))
        elif not same_caller(found, stream.context.identity):
            stream.end(expired("the caller's rights have changed"))

    return judge


def same_caller(one: Identity, other: Identity) -> bool:
    """Return whether two identities are the same caller with the same rights."""
    return one.subject == other.subject and one.rights == other.rights


def expired(reason: str) -> RequestError:
    """Return the error for a subscription whose token is no longer valid."""
    return RequestError(f"{reason}; subscribe again with a new token", "SUBSCRIPTION_JWT_EXPIRED")
