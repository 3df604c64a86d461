"""Makes the event streams of the settings, and combines them with the streams from subgraphs."""

from collections.abc import Hashable

from gateway.cache.cache import Cache
from gateway.cache.redis_nodes import make_nodes
from gateway.core.clock import Clock
from gateway.core.errors import SettingsError
from gateway.event_streams.channels import ChannelReader
from gateway.event_streams.reader import StreamReader
from gateway.event_streams.rules import FieldRule
from gateway.event_streams.streams import EventStreams
from gateway.observe.observer import Observer
from gateway.settings import RedisSettings, Settings
from gateway.supergraph.model import Supergraph
from gateway.transport.base import Call, Handle
from gateway.transport.streams import Events, Streams

REQUEST_SECONDS = 5.0  # timeout of one command; a page of events may be large


class FieldStreams:
    """Opens the fields with events from Redis there, all others at their subgraphs."""

    def __init__(self, events: EventStreams, rest: Streams) -> None:
        self.events = events
        self.events.users += 1
        self.rest = rest

    def _for(self, call: Call) -> Streams:
        return self.events if self.events.serves(call) else self.rest

    def open(self, call: Call, events: Events, after: str | None = None) -> Handle:
        return self._for(call).open(call, events, after)

    def resumes(self, call: Call) -> bool:
        return self._for(call).resumes(call)

    def source(self, call: Call) -> Hashable:
        return self._for(call).source(call)

    async def close(self) -> None:
        self.events.users -= 1
        if not self.events.users:
            await self.events.close()
        await self.rest.close()


def make_event_streams(
    settings: Settings, supergraph: Supergraph, cache: Cache | None, observer: Observer, clock: Clock
) -> EventStreams | None:
    """Return the event streams of the settings; None if no field has any.

    Raises SettingsError BAD_OPTION for a field that the supergraph does not have, or without a Redis server.
    """
    given = settings.subscriptions.redis
    rules = {name: FieldRule(name, one) for name, one in given.fields.items()}
    if not rules:
        return None
    root = supergraph.api.subscription_type
    known = root.fields if root is not None else {}
    if unknown := sorted(set(rules) - set(known)):
        names = ", ".join(sorted(known)) or "none"
        message = f"subscriptions.redis: there is no subscription {', '.join(unknown)}; known are {names}"
        raise SettingsError(message, "BAD_OPTION")
    url = given.url or settings.redis.url
    if url is None:
        raise SettingsError("subscriptions.redis needs a url, or the setting redis.url", "BAD_OPTION")
    nodes = make_nodes(RedisSettings(url, REQUEST_SECONDS), clock)
    streams = list(dict.fromkeys(one for rule in rules.values() for one in rule.streams))
    reader = StreamReader(nodes, streams, given.block, given.page, observer, clock)
    listed = list(dict.fromkeys(one for rule in rules.values() for one in rule.channels))
    channels = ChannelReader(url, listed, observer, clock) if listed else None
    return EventStreams(rules, reader, channels, supergraph, cache, clock, basis_of(settings))


def basis_of(settings: Settings) -> Hashable:
    """Return the settings on which event streams depend."""
    return repr(settings.subscriptions.redis), settings.subscriptions.redis.url, settings.redis.url


def kept_event_streams(before: Streams | None, settings: Settings) -> EventStreams | None:
    """Return the event streams of the gateway before, if the settings of them are the same.

    A client that resumes can join the others only where both have their events from the same reader.
    """
    if isinstance(before, FieldStreams) and before.events.basis == basis_of(settings):
        return before.events
    return None
