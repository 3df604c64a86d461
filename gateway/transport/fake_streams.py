"""Streams for unit tests: the test pushes the events, and the subscriptions are recorded."""

from collections.abc import Hashable

from gateway.core.errors import SubgraphError
from gateway.transport.base import Call, Handle
from gateway.transport.streams import Events


class FakeStream:
    """One subscription, which the test continues by the methods of `Events`.

    `after`: the cursor with which it was opened. `is_cancelled`: whether the subscriber has ended it. After
    that, and after `completed` and `failed`, nothing is passed on.
    """

    def __init__(self, call: Call, events: Events, after: str | None) -> None:
        self.call = call
        self.events: Events | None = events
        self.after = after
        self.is_cancelled = False

    def __repr__(self) -> str:
        state = "cancelled" if self.is_cancelled else "over" if self.events is None else "open"
        return f"FakeStream({self.call!r}, {state})"

    def cancel(self) -> None:
        self.is_cancelled = self.is_cancelled or self.events is not None
        self.events = None

    def opened(self) -> None:
        if self.events is not None:
            self.events.opened()

    def caught_up(self) -> None:
        if self.events is not None:
            self.events.caught_up()

    def event(self, body: bytes, cursor: str | None = None) -> None:
        if self.events is not None:
            self.events.event(body, cursor)

    def interrupted(self, reason: str) -> None:
        if self.events is not None:
            self.events.interrupted(reason)

    def completed(self) -> None:
        events, self.events = self.events, None
        if events is not None:
            events.completed()

    def failed(self, error: SubgraphError) -> None:
        events, self.events = self.events, None
        if events is not None:
            events.failed(error)


class FakeStreams:
    """Records all subscriptions in `opened`. `resuming`: the subgraphs whose streams resume."""

    def __init__(self, resuming: frozenset[str] = frozenset()) -> None:
        self.resuming = resuming
        self.opened: list[FakeStream] = []

    def __repr__(self) -> str:
        return f"FakeStreams({self.opened})"

    @property
    def running(self) -> list[FakeStream]:
        """Return the subscriptions that have not ended."""
        return [one for one in self.opened if one.events is not None]

    def open(self, call: Call, events: Events, after: str | None = None) -> Handle:
        stream = FakeStream(call, events, after)
        self.opened.append(stream)
        return stream

    def resumes(self, call: Call) -> bool:
        return call.subgraph in self.resuming

    def source(self, call: Call) -> Hashable:
        return call.subgraph

    async def close(self) -> None:
        """Do nothing: the subscriptions belong to the test."""
