"""The HTTP transport: a bounded pool of keep-alive connections per origin, and a deadline for each call.

The server may close an idle connection at the moment when a call is sent over it. The call has then probably
not reached the subgraph, and is sent again over a new connection. That is not certain, so a mutation is never
sent again; instead it uses only a connection that was in use recently, because servers close connections that
are idle for some seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.errors import SettingsError, SubgraphError
from gateway.security.signatures import RequestSigner
from gateway.settings import ConnectionSettings, Settings, SigningSettings, SubgraphTls
from gateway.transport.base import Call, Done, Handle
from gateway.transport.exchange import Deadlines, SubgraphExchange, Timeouts
from gateway.transport.pool import Origin
from gateway.transport.tls import subgraph_context

NO_TLS_SETTINGS = SubgraphTls()


@dataclass(frozen=True, slots=True)
class _Target:
    url: str
    origin: Origin
    head: bytes
    signer: RequestSigner | None


def parse_url(name: str, url: str) -> tuple[str, int, bool, str]:
    """Return (host, port, whether TLS is used, path) of a subgraph's URL. Raises SettingsError BAD_OPTION.

    `name`: the subgraph's, for the message.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"expected a URL of the subgraph {name}, got {url!r}", "BAD_OPTION") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or any(char <= " " for char in url):
        message = f"expected http(s)://HOST[:PORT]/PATH as the URL of the subgraph {name}, got {url!r}"
        raise SettingsError(message, "BAD_OPTION")
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname, port or (443 if tls else 80), tls, path


class HttpTransport:
    """Sends each call to the URL of its subgraph (`urls`), within the limits of `settings`.

    `tls`, `signing`: the settings of those subgraphs that have some. Subgraphs share connections only if they
    have the same server and the same TLS settings. `exchange`: makes one call and its reply.
    """

    exchange: type[SubgraphExchange] = SubgraphExchange

    def __init__(
        self,
        urls: Mapping[str, str],
        settings: ConnectionSettings | None = None,
        clock: Clock = SYSTEM_CLOCK,
        tls: Mapping[str, SubgraphTls] | None = None,
        signing: Mapping[str, SigningSettings] | None = None,
    ) -> None:
        self.settings = settings or ConnectionSettings()
        self.clock = clock
        self.patience = Timeouts(self.settings.connect_timeout, self.settings.first_byte_timeout)
        self.closed = False
        self.deadlines = Deadlines(clock)
        self.tls, self.signing = tls or {}, signing or {}
        self._origins: dict[tuple[str, int, SubgraphTls | None], Origin] = {}
        self._targets = {name: self._target(name, url) for name, url in urls.items()}

    def __repr__(self) -> str:
        return f"HttpTransport({', '.join(f'{name}={target.url}' for name, target in self._targets.items())})"

    def _target(self, name: str, url: str) -> _Target:
        host, port, secure, path = parse_url(name, url)
        tls = self.tls.get(name, NO_TLS_SETTINGS) if secure else None
        origin = self._origins.get((host, port, tls))
        if origin is None:
            context = subgraph_context(self.settings, tls) if tls is not None else None
            origin = Origin(host, port, context, self.settings, self.clock)
            self._origins[host, port, tls] = origin
        shown = f"[{host}]" if ":" in host else host
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {shown}:{port}\r\ncontent-type: application/json\r\n"
            "accept: application/graphql-response+json, application/json\r\n"
        )
        if self.settings.compressed:
            head += "accept-encoding: gzip\r\n"
        signing = self.signing.get(name)
        signer = RequestSigner(signing, name, path, self.clock) if signing is not None else None
        return _Target(url, origin, head.encode("ascii", "strict"), signer)

    def address_of(self, subgraph: str) -> str:
        return self._targets[subgraph].url

    def post(self, call: Call, done: Done) -> Handle:
        now = self.clock.time()
        target = self._targets.get(call.subgraph)
        if target is None:
            message = "has no URL; set --subgraph-url NAME=URL"
            error = SubgraphError(message, "SUBGRAPH_UNREACHABLE", subgraph=call.subgraph)
            return self.clock.call_soon(done, error)
        origin = target.origin
        exchange = self.exchange(self, call, origin, target.head, done, target.signer)
        self.deadlines.watch(exchange, now)
        if origin.busy < origin.limit:
            exchange.begin()
        elif len(origin.waiting) < self.settings.queue:
            origin.waiting.append(exchange)
        else:
            exchange.fail("has too many waiting requests", "SUBGRAPH_OVERLOADED", None)
        return exchange

    async def close(self) -> None:
        """Close the idle connections now, and every other connection after its reply."""
        self.closed = True
        for origin in self._origins.values():
            while origin.idle:
                origin.idle.pop().close()


def transport_for(
    urls: Mapping[str, str],
    settings: Settings,
    clock: Clock = SYSTEM_CLOCK,
    kind: type[HttpTransport] = HttpTransport,
) -> HttpTransport:
    """Return the transport to subgraphs, given by name and URL, with all that the settings say about them.

    `kind`: its class. Raises SettingsError for an invalid URL or certificate.
    """
    own = settings.subgraphs
    tls = {name: one.tls for name, one in own.items()}
    found = {name: (own[name].signing if name in own else None) or settings.signing for name in urls}
    signing = {name: one for name, one in found.items() if one is not None}
    return kind(urls, settings.connections, clock, tls, signing)
