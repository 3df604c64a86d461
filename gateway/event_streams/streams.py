"""Opens streams of events from Redis: `Streams` for the fields of Subscription in the settings."""

import asyncio
from collections.abc import Hashable, Mapping, Sequence

from gateway.cache.cache import Cache
from gateway.cache.keys import entity_tag
from gateway.core.clock import Clock
from gateway.core.errors import SubgraphError
from gateway.event_streams.channels import ChannelReader
from gateway.event_streams.cursors import InvalidCursor, Position, read_cursor, write_cursor
from gateway.event_streams.entries import Event, read_entry, read_message
from gateway.event_streams.history import History
from gateway.event_streams.reader import StreamReader
from gateway.event_streams.repetitions import Repetitions
from gateway.event_streams.rules import FieldRule, entities_in
from gateway.event_streams.selection import read_request
from gateway.event_streams.subscriber import Subscriber
from gateway.event_streams.subscribers import Subscribers
from gateway.supergraph.model import Supergraph
from gateway.transport.base import Call, Handle
from gateway.transport.streams import Events

FULL = 100  # events that may wait at a client that receives what it has missed
PAUSE = 0.01  # seconds until it is asked again


class EventStreams:
    """The streams of events from Redis streams.

    `rules`: the fields of Subscription, by name. `cache`: in which events invalidate their entities; None
    without one. `basis`: the settings on which the streams depend. `users`: how many gateways use them.
    """

    def __init__(
        self,
        rules: Mapping[str, FieldRule],
        reader: StreamReader,
        channels: ChannelReader | None,
        supergraph: Supergraph,
        cache: Cache | None,
        clock: Clock,
        basis: Hashable = None,
    ) -> None:
        self.basis = basis
        self.users = 0
        self.rules = rules
        self.reader = reader
        self.channels = channels
        self.supergraph = supergraph
        self.cache = cache
        self.clock = clock
        self.subscribers = {name: Subscribers() for name in rules}
        self.waiting: list[tuple[Subscriber, str | None]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.is_ready = False
        windows = [int(one.settings.repeated_within * 1_000) for one in rules.values()]
        self.repetitions = Repetitions(max(windows, default=0))
        self.by_stream: dict[bytes, list[FieldRule]] = {}
        for rule in rules.values():
            for stream in rule.streams:
                self.by_stream.setdefault(stream, []).append(rule)
        reader.on_entry, reader.on_ready, reader.lost = self._entry, self._ready, self._lost
        if channels is not None:
            channels.on_message, channels.on_ready = self._message, self._channels_ready
            channels.lost = self._channels_lost

    # Streams

    def serves(self, call: Call) -> bool:
        """Return whether the field of a call has its events here."""
        return read_request(call.query, self.supergraph.api).field.name in self.rules

    def resumes(self, call: Call) -> bool:
        return bool(self.rules[read_request(call.query, self.supergraph.api).field.name].streams)

    def source(self, call: Call) -> Hashable:
        return id(self)

    def open(self, call: Call, events: Events, after: str | None = None) -> Handle:
        request = read_request(call.query, self.supergraph.api)
        rule = self.rules[request.field.name]
        arguments = request.values(call.variables)
        claims = {} if call.context is None else call.context.identity.claims
        subscriber = Subscriber(rule, request, rule.tests(arguments, claims), events)
        argument = rule.settings.cursor_argument
        given = arguments.get(argument) if argument is not None else None
        after = after or (given if isinstance(given, str) else None)
        self.subscribers[rule.name].add(subscriber)
        if rule.streams:
            self.reader.start()
            if self.is_ready:
                self._begin(subscriber, after)
            else:
                self.waiting.append((subscriber, after))
        elif self.channels is not None:
            self.channels.start()
            subscriber.is_live = True
            if self.channels.is_ready:
                self.clock.call_soon(subscriber.opened)
        return _Opened(self, subscriber)

    async def close(self) -> None:
        """Stop to read. Streams that are open receive nothing more."""
        for task in self.tasks:
            task.cancel()
        await self.reader.close()
        if self.channels is not None:
            await self.channels.close()

    def leave(self, subscriber: Subscriber) -> None:
        """Remove a subscriber."""
        subscriber.cancel()
        self.subscribers[subscriber.rule.name].remove(subscriber)

    # the reader

    def _ready(self) -> None:
        self.is_ready = True
        waiting, self.waiting = self.waiting, []
        for subscriber, after in waiting:
            self._begin(subscriber, after)

    def _begin(self, subscriber: Subscriber, after: str | None) -> None:
        """Begin to pass events to a subscriber: from now on, or after a cursor."""
        if after is None:
            subscriber.is_live = True
            self.clock.call_soon(subscriber.opened)
            return
        task = asyncio.ensure_future(self._catch_up(subscriber, after, dict(self.reader.positions)))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _lost(self, reason: str) -> None:
        self._interrupt(reason, of_channels=False)

    def _interrupt(self, reason: str, *, of_channels: bool) -> None:
        """Say that events may be missing: to the subscribers of channels, or of streams."""
        for name, rule in self.rules.items():
            if bool(rule.channels) is of_channels:
                for subscriber in self.subscribers[name].all():
                    subscriber.interrupted(reason)

    # channels

    def _channels_ready(self) -> None:
        for name, rule in self.rules.items():
            if rule.channels:
                for subscriber in self.subscribers[name].all():
                    subscriber.opened()

    def _channels_lost(self, reason: str) -> None:
        self._interrupt(reason, of_channels=True)

    def _message(self, channel: bytes, message: bytes) -> None:
        """Pass a message on to the subscribers that it is for."""
        event = read_message(message)
        for rule in self.rules.values():
            if event is not None and channel in rule.channels:
                self._invalidate(rule, event)
                for subscriber in self.subscribers[rule.name].candidates(event):
                    subscriber.receive(event, None)

    def _entry(self, stream: bytes, position: Position, fields: Sequence[bytes]) -> None:
        """Pass an entry on to the subscribers that it is for."""
        for rule in self.by_stream.get(stream, ()):
            event = read_entry(fields, rule.settings.json_fields)
            if event is None or not self.repetitions.is_new(_name(rule, event), position[0]):
                continue
            self._invalidate(rule, event)
            subscribers = self.subscribers[rule.name]
            if len(subscribers):
                cursor = write_cursor([self.reader.positions[one] for one in rule.streams])
                for subscriber in subscribers.candidates(event):
                    subscriber.pass_on(event, cursor)

    def _invalidate(self, rule: FieldRule, event: Event) -> None:
        """Make the cached values of an event's entities invalid, so that subscribers receive the new ones."""
        if self.cache is None or not rule.settings.invalidates:
            return
        tags = [entity_tag(kind, key) for kind, key in entities_in(rule.value(event)) if key]
        if tags:
            self.cache.invalidate(tags)

    # what a client has missed

    async def _catch_up(self, subscriber: Subscriber, after: str, until: Mapping[bytes, Position]) -> None:
        """Pass on what a client has missed, then what came meanwhile; then it receives new events."""
        rule = subscriber.rule
        try:
            positions = read_cursor(after, len(rule.streams))
            subscriber.opened()
            await self._replay(
                subscriber, History(self.reader, dict(zip(rule.streams, positions, strict=True)), until)
            )
        except InvalidCursor as error:
            self._fail(subscriber, f"can't go on: {error}", "INVALID_CURSOR")
        except Exception as error:  # the client must learn of it, and come back
            kind = type(error).__name__
            message = f"can't read the events that were missed ({kind}: {error}); subscribe again"
            self._fail(subscriber, message, "SUBGRAPH_UNREACHABLE")

    async def _replay(self, subscriber: Subscriber, history: History) -> None:
        rule = subscriber.rule
        seen = await self._seen_before(rule, history)
        gap = await history.gap()
        if gap is not None and subscriber.events is not None:
            subscriber.events.interrupted(gap)
        async for _, position, fields in history.entries():
            event = read_entry(fields, rule.settings.json_fields)
            if event is not None and seen.is_new(rule.id_of(event), position[0]):
                await self._has_room(subscriber)
                subscriber.receive(event, write_cursor([history.at[one] for one in rule.streams]))
            if subscriber.events is None:
                return
        while subscriber.missed:
            event, cursor = subscriber.missed.pop(0)
            if seen.is_new(rule.id_of(event), 0):
                subscriber.receive(event, cursor)
                await self._has_room(subscriber)
        subscriber.is_live = True
        if subscriber.events is not None:
            subscriber.events.caught_up()

    async def _seen_before(self, rule: FieldRule, history: History) -> Repetitions:
        """Return the ids of the events before the cursor that may be repeated after it."""
        window = int(rule.settings.repeated_within * 1_000)
        seen = Repetitions(window)
        if rule.id_path is None:
            return seen
        before = {one: (max(at[0] - window, 0), 0) for one, at in history.at.items()}
        async for _, position, fields in History(self.reader, before, dict(history.at)).entries():
            event = read_entry(fields, rule.settings.json_fields)
            if event is not None:
                seen.is_new(rule.id_of(event), position[0])
        return seen

    async def _has_room(self, subscriber: Subscriber) -> None:
        """Wait while too many events wait at the client."""
        while subscriber.events is not None and subscriber.events.backlog() > FULL:
            await self.clock.sleep(PAUSE)

    def _fail(self, subscriber: Subscriber, message: str, code: str) -> None:
        events = subscriber.events
        self.leave(subscriber)
        if events is not None:
            events.failed(SubgraphError(message, code, subgraph=""))


def _name(rule: FieldRule, event: Event) -> str | None:
    """Return the id of an event for one field: several fields may use the same event."""
    found = rule.id_of(event)
    return None if found is None else f"{rule.name}:{found}"


class _Opened:
    """A stream that is open."""

    __slots__ = ("streams", "subscriber")

    def __init__(self, streams: EventStreams, subscriber: Subscriber) -> None:
        self.streams = streams
        self.subscriber = subscriber

    def cancel(self) -> None:
        self.streams.leave(self.subscriber)
