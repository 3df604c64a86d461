"""Streams of events over WebSocket: many subscriptions share one socket to a subgraph.

Subscriptions share a socket if they have the same server, path and settings, and the same headers except
those for tracing: the headers are sent once, in the request for the socket and in `connection_init`. A socket
that ends fails its own subscriptions only. A full one gets no further subscriptions.
"""

from collections.abc import Hashable, Mapping
from functools import partial

from gateway.core.clock import Clock
from gateway.transport.base import Call, Handle
from gateway.transport.shared_socket import SharedSocket
from gateway.transport.stream_target import StreamTarget, no_target
from gateway.transport.streams import Events


class WebSocketStreams:
    """Opens streams at the subgraphs of `targets`, whose protocol is one of the two of WebSocket.

    `sockets`: the open ones, and those that are being opened, by what their subscriptions have in common.
    """

    def __init__(self, targets: Mapping[str, StreamTarget], clock: Clock) -> None:
        self.targets = targets
        self.clock = clock
        self.sockets: dict[Hashable, list[SharedSocket]] = {}
        self.closed = False

    def __repr__(self) -> str:
        return f"WebSocketStreams({', '.join(self.targets)}; {len(self.all_sockets())} sockets)"

    def open(self, call: Call, events: Events, after: str | None = None) -> Handle:
        """Start a subscription. `after` has no place in these protocols, and is not used."""
        target = self.targets.get(call.subgraph)
        if target is None:
            return self.clock.call_soon(events.failed, no_target(call.subgraph))
        key = (target.dialer, target.path, target.settings, call.headers.sharing_key)
        found = self.sockets.setdefault(key, [])
        socket = next((one for one in found if not one.is_full), None)
        if socket is None:
            socket = SharedSocket(target, call.headers, self.clock, partial(self._forget, key))
            socket.is_kept = not self.closed
            found.append(socket)
        return socket.subscribe(call, events)

    def all_sockets(self) -> list[SharedSocket]:
        """Return the open sockets, and those that are being opened."""
        return [socket for found in self.sockets.values() for socket in found]

    def _forget(self, key: Hashable, socket: SharedSocket) -> None:
        """Use a socket for no further subscriptions."""
        found = self.sockets[key]
        found.remove(socket)
        if not found:
            del self.sockets[key]

    def resumes(self, call: Call) -> bool:
        """Return False: neither protocol has cursors."""
        return False

    def source(self, call: Call) -> Hashable:
        target = self.targets.get(call.subgraph)
        return None if target is None else (target.url, target.path, target.tls)

    async def close(self) -> None:
        """Close the sockets without subscriptions now, and each other one after its last subscription."""
        self.closed = True
        for socket in self.all_sockets():
            socket.release()
