"""One stream of events for one subscription: which events it gets, and how they are written."""

from collections.abc import Sequence

from gateway.core.jsontext import encode_json
from gateway.event_streams.conditions import Test, is_met
from gateway.event_streams.entries import Event
from gateway.event_streams.rules import FieldRule
from gateway.event_streams.selection import Request
from gateway.transport.streams import Events


class Subscriber:
    """A subscription of a group.

    - `live`: whether it receives the events that are read now; False while it receives what it has missed.
    - `missed`: the events that were read meanwhile, with their cursors; they follow.
    """

    __slots__ = ("events", "is_live", "missed", "request", "rule", "tests")

    def __init__(self, rule: FieldRule, request: Request, tests: Sequence[Test], events: Events) -> None:
        self.rule = rule
        self.request = request
        self.tests = tests
        self.events: Events | None = events
        self.is_live = False
        self.missed: list[tuple[Event, str]] = []

    def cancel(self) -> None:
        """Receive nothing more."""
        self.events = None
        self.missed.clear()

    def opened(self) -> None:
        """Say that the stream is open."""
        if self.events is not None:
            self.events.opened()

    def interrupted(self, reason: str) -> None:
        """Say that events may be missing."""
        if self.events is not None:
            self.events.interrupted(reason)

    def pass_on(self, event: Event, cursor: str) -> None:
        """Receive an event that is read now, or store it while the subscriber catches up."""
        if self.is_live:
            self.receive(event, cursor)
        elif self.events is not None:
            self.missed.append((event, cursor))

    def receive(self, event: Event, cursor: str | None) -> None:
        """Pass an event on, if it meets the conditions."""
        events = self.events
        if events is not None and is_met(self.tests, event):
            events.event(encode_json(self.request.reply(self.rule.value(event))), cursor)
