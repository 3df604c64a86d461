"""The settings of subscriptions: of clients' streams, and of the streams from subgraphs."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from gateway.settings.events import EventSettings
from gateway.settings.units import Bytes, Count, Seconds

StreamProtocol = Literal["graphql-transport-ws", "graphql-ws", "sse", "multipart", "callback"]
StreamUrl = Annotated[str, Meta(pattern="^(https?|wss?)://[^/]+")]
Pause = Annotated[float, Meta(ge=0, extra={"unit": "seconds"})]


@dataclass(frozen=True, slots=True)
class SubgraphSubscriptions:
    """How the gateway subscribes to one subgraph."""

    protocol: Annotated[
        StreamProtocol,
        Meta(
            description="`graphql-transport-ws`: WebSocket as npm's graphql-ws speaks it. `graphql-ws`: the"
            " legacy protocol of subscriptions-transport-ws. `sse`: graphql-sse, distinct connections."
            " `multipart`: Apollo's multipart over HTTP. `callback`: the subgraph posts events to the"
            " gateway (`subscriptions.callback`)."
        ),
    ] = "graphql-transport-ws"
    url: Annotated[
        StreamUrl | None, Meta(description="The URL for subscriptions; by default that of the subgraph.")
    ] = None
    connect_timeout: Annotated[
        Seconds, Meta(description="Timeout for opening a stream, until `connection_ack` or the reply's head.")
    ] = 10.0
    ping: Annotated[Pause, Meta(description="Time between pings to the subgraph; 0: none.")] = 15.0
    silence: Annotated[
        Pause,
        Meta(description="A WebSocket without any byte for this time, pings included, is broken; 0: never."),
    ] = 45.0
    idle: Annotated[
        Pause, Meta(description="A WebSocket without subscriptions is closed after this time.")
    ] = 10.0
    max_message: Annotated[Bytes, Meta(description="Bytes of one event.")] = 1_000_000
    attempts: Annotated[
        int, Meta(ge=0, description="How often a broken stream is opened again before it ends.")
    ] = 10
    max_pause: Annotated[Seconds, Meta(description="The longest pause between two attempts.")] = 30.0


@dataclass(frozen=True, slots=True)
class WebSocketSettings:
    """The WebSocket connections of clients."""

    enabled: Annotated[bool, Meta(description="Whether clients may open WebSockets at /graphql.")] = True
    legacy: Annotated[
        bool,
        Meta(description="Whether the old protocol `graphql-ws` is served besides graphql-transport-ws."),
    ] = True
    init_timeout: Annotated[Seconds, Meta(description="Timeout for the client's `connection_init`.")] = 3.0
    ping: Annotated[Pause, Meta(description="Time between pings to an idle client; 0: none.")] = 30.0
    silence: Annotated[
        Pause,
        Meta(description="A client that sends nothing for this time, pongs included, is cut off; 0: never."),
    ] = 75.0
    operations: Annotated[
        Count, Meta(description="Operations of one connection that may run at the same time.")
    ] = 100
    connections: Annotated[Count, Meta(description="Connections of one process.")] = 18_000
    origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Origins whose pages may connect, besides the gateway's own and those of `cors`; `*`"
            " allows any."
        ),
    ] = ()
    deflate: Annotated[bool, Meta(description="Whether messages may be compressed (permessage-deflate).")] = (
        False
    )
    deflate_window: Annotated[
        int, Meta(ge=9, le=15, description="The largest window of compression, as a power of two.")
    ] = 12


@dataclass(frozen=True, slots=True)
class SingleConnectionSettings:
    """Single connections of graphql-sse: one event stream for all operations of a client."""

    enabled: Annotated[bool, Meta(description="Whether clients may reserve streams, by PUT at /graphql.")] = (
        True
    )
    connections: Annotated[
        Count, Meta(description="Streams of one process, with those that are only reserved.")
    ] = 10_000
    expires: Annotated[
        Seconds, Meta(description="The time in which a client must open the stream that it has reserved.")
    ] = 30.0


@dataclass(frozen=True, slots=True)
class CallbackSettings:
    """Subscriptions for which subgraphs post their events to the gateway (HTTP callback 1.0)."""

    url: Annotated[
        StreamUrl | None,
        Meta(
            description="The URL of this gateway's `/callback` as subgraphs reach it, such as"
            " `http://gateway:4000/callback`. Without it, callbacks are not served."
        ),
    ] = None
    heartbeat: Annotated[Pause, Meta(description="Time between heartbeats of a subgraph; 0: none.")] = 5.0


@dataclass(frozen=True, slots=True)
class SubscriptionSettings:
    """Subscriptions of clients."""

    enabled: Annotated[bool, Meta(description="Whether subscriptions are served.")] = True
    websocket: WebSocketSettings = field(default_factory=WebSocketSettings)
    single_connection: SingleConnectionSettings = field(default_factory=SingleConnectionSettings)
    redis: EventSettings = field(default_factory=EventSettings)
    callback: CallbackSettings = field(default_factory=CallbackSettings)
    heartbeat: Annotated[
        Seconds, Meta(description="Time between heartbeats of streams over SSE and multipart.")
    ] = 5.0
    queue: Annotated[Bytes, Meta(description="Bytes that may wait for a client that reads too slowly.")] = (
        1_000_000
    )
    overflow: Annotated[
        Literal["drop", "close"],
        Meta(
            description="What happens when a client's queue is full. `drop`: the oldest events are dropped,"
            " and the next event says how many. `close`: the connection is closed."
        ),
    ] = "drop"
    read_timeout: Annotated[
        Pause,
        Meta(
            description="A client that reads nothing for this time, while data waits for it, is cut off;"
            " 0: never."
        ),
    ] = 60.0
    events: Annotated[
        Count, Meta(description="Events of one subscription that may wait for their entities.")
    ] = 1_000
    limit: Annotated[Count, Meta(description="Different subscriptions of one process.")] = 100_000
    check_identity: Annotated[
        Seconds, Meta(description="Time between two checks that a subscriber's token is still valid.")
    ] = 30.0

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for timeouts that contradict each other."""
        if 0 < self.websocket.silence <= self.websocket.ping:
            yield "websocket", "silence must be longer than the time between pings"
