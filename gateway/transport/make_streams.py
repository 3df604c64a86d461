"""Builds the streams of events from subgraphs, by the protocol that the settings name for each."""

import re
import ssl
from collections.abc import Hashable, Mapping
from dataclasses import replace

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.errors import SettingsError, SubgraphError
from gateway.security.signatures import RequestSigner
from gateway.settings import Settings, SubgraphSettings, SubgraphSubscriptions, SubgraphTls
from gateway.transport.base import Call, Handle
from gateway.transport.dial import Dialer
from gateway.transport.http import parse_url
from gateway.transport.reconnecting import ReconnectingStreams
from gateway.transport.stream_http import HttpStreams
from gateway.transport.stream_target import StreamTarget
from gateway.transport.stream_ws import WebSocketStreams
from gateway.transport.streams import Events, Streams
from gateway.transport.tls import subgraph_context

PLAIN = SubgraphSettings()
_SCHEME = re.compile("^ws(?=s?://)", re.IGNORECASE)


class Targets:
    """Finds where and how to subscribe; subgraphs with the same server and TLS settings share a Dialer.

    Contexts of TLS are made once for equal settings: each reads the system's certificates.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self._dialers: dict[tuple[str, int, SubgraphTls | None], Dialer] = {}
        self._contexts: dict[SubgraphTls, ssl.SSLContext] = {}

    def target(self, name: str, url: str) -> StreamTarget:
        """Return the target of a subgraph. Raises SettingsError for an invalid URL or certificate."""
        own = self.settings.subgraphs.get(name, PLAIN)
        host, port, secure, path = parse_url(name, _SCHEME.sub("http", url))
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if not f"{shown}{path}".isascii():
            message = (
                f"expected ASCII in the URL of the subgraph {name}, with %XX for other bytes, got {url!r}"
            )
            raise SettingsError(message, "BAD_OPTION")
        tls = own.tls if secure else None
        signing = own.signing or self.settings.signing
        return StreamTarget(
            name,
            url,
            shown,
            path,
            tls,
            self._dialer(host, port, tls),
            replace(own.subscriptions, url=None),
            RequestSigner(signing, name, path, self.clock) if signing is not None else None,
        )

    def _dialer(self, host: str, port: int, tls: SubgraphTls | None) -> Dialer:
        found = self._dialers.get((host, port, tls))
        if found is None:
            context = None if tls is None else self._context(tls)
            found = self._dialers[host, port, tls] = Dialer(host, port, context, self.clock)
        return found

    def _context(self, tls: SubgraphTls) -> ssl.SSLContext:
        found = self._contexts.get(tls)
        if found is None:
            found = self._contexts[tls] = subgraph_context(self.settings.connections, tls)
        return found


class StreamsByProtocol:
    """Opens each stream by the protocol of its subgraph.

    `settings`: those of subgraphs that have some. `streams`: by protocol.
    """

    def __init__(
        self, settings: Mapping[str, SubgraphSubscriptions], streams: Mapping[str, Streams], clock: Clock
    ) -> None:
        self.settings = settings
        self.streams = streams
        self.clock = clock

    def _protocol(self, subgraph: str) -> str:
        own = self.settings.get(subgraph)
        return PLAIN.subscriptions.protocol if own is None else own.protocol

    def open(self, call: Call, events: Events, after: str | None = None) -> Handle:
        protocol = self._protocol(call.subgraph)
        streams = self.streams.get(protocol)
        if streams is not None:
            return streams.open(call, events, after)
        message = f"has the protocol {protocol} for subscriptions, which is not served here"
        error = SubgraphError(message, "SUBGRAPH_UNREACHABLE", subgraph=call.subgraph)
        return self.clock.call_soon(events.failed, error)

    def resumes(self, call: Call) -> bool:
        streams = self.streams.get(self._protocol(call.subgraph))
        return streams is not None and streams.resumes(call)

    def source(self, call: Call) -> Hashable:
        protocol = self._protocol(call.subgraph)
        streams = self.streams.get(protocol)
        return protocol, None if streams is None else streams.source(call)

    async def close(self) -> None:
        for one in dict.fromkeys(self.streams.values()):
            await one.close()


def make_streams(
    urls: Mapping[str, str],
    settings: Settings,
    clock: Clock = SYSTEM_CLOCK,
    others: Mapping[str, Streams] | None = None,
) -> Streams:
    """Return the streams from subgraphs, each by the protocol of its settings, opened again when they break.

    - `urls`: of the subgraphs by name, with http(s) or ws(s), whatever their protocol is; the setting
      `subscriptions.url` of a subgraph replaces its URL, or adds one.
    - `others`: streams for protocols that this module does not build, by protocol, such as `callback`.

    Raises SettingsError for an invalid URL or certificate.
    """
    own = {name: one.subscriptions for name, one in settings.subgraphs.items()}
    addresses = {**urls, **{name: one.url for name, one in own.items() if one.url is not None}}
    making = Targets(settings, clock)
    targets = {name: making.target(name, url) for name, url in addresses.items()}
    http = HttpStreams(_with_protocol(targets, "sse", "multipart"), clock)
    sockets = WebSocketStreams(_with_protocol(targets, "graphql-transport-ws", "graphql-ws"), clock)
    by_protocol: dict[str, Streams] = {
        "sse": http,
        "multipart": http,
        "graphql-transport-ws": sockets,
        "graphql-ws": sockets,
    }
    by_protocol.update(others or {})
    return ReconnectingStreams(StreamsByProtocol(own, by_protocol, clock), own, clock)


def _with_protocol(targets: Mapping[str, StreamTarget], *protocols: str) -> Mapping[str, StreamTarget]:
    return {name: one for name, one in targets.items() if one.settings.protocol in protocols}
