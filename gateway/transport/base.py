"""The protocol that every way to a subgraph follows."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SubgraphRequest:
    """One GraphQL request to one subgraph. `headers` are those that the forwarding rules let through, in lower case.

    `repeatable` says that sending it twice does no harm (a query), so that a broken connection may be tried once more.
    """

    subgraph: str
    query: str
    variables: Mapping[str, Any] | None = None
    operation_name: str | None = None
    headers: Headers = ()
    repeatable: bool = True

    def payload(self) -> dict[str, Any]:
        """The request as the JSON object of GraphQL over HTTP."""
        out: dict[str, Any] = {"query": self.query}
        if self.variables:
            out["variables"] = self.variables
        if self.operation_name:
            out["operationName"] = self.operation_name
        return out

    def body(self) -> bytes:
        """The payload as it goes out. Raises TypeError for a variable that JSON can't hold."""
        return orjson.dumps(self.payload(), option=orjson.OPT_NON_STR_KEYS)


class RawReply:
    """One HTTP reply as it came: status, body, and headers as pairs of bytes."""

    __slots__ = ("body", "raw_headers", "status")

    def __init__(self, status: int, body: bytes, raw_headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        self.body = body
        self.raw_headers = raw_headers

    @property
    def headers(self) -> dict[str, str]:
        """The headers, names in lower case."""
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.raw_headers}


@dataclass(frozen=True, slots=True)
class SubgraphReply:
    """A subgraph's GraphQL response, read from JSON but not trusted yet. The payload is the receiver's, to merge into."""

    payload: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class Transport(Protocol):
    """Sends requests to subgraphs."""

    async def send(self, request: SubgraphRequest, timeout: float) -> SubgraphReply:
        """Send a request and wait at most `timeout` seconds for the whole reply.

        Raises SubgraphError: SUBGRAPH_UNREACHABLE, SUBGRAPH_TIMEOUT, SUBGRAPH_HTTP_ERROR or SUBGRAPH_BAD_RESPONSE.
        """
        ...

    def post(
        self, subgraph: str, body: bytes, headers: Headers, repeatable: bool, timeout: float
    ) -> "asyncio.Future[RawReply]":
        """Send a request body; the future fails as `send` does. Cancelling it gives the request up."""
        ...

    def read(self, subgraph: str, reply: RawReply) -> SubgraphReply:
        """A raw reply as `send` would have returned it, or SubgraphError."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


class _Spoken(RawReply):
    """A reply that was never bytes; its body is empty where JSON can't hold it."""

    __slots__ = ("reply",)

    def __init__(self, reply: SubgraphReply) -> None:
        try:
            body = orjson.dumps(reply.payload)
        except TypeError:
            body = b""
        super().__init__(200, body, [])
        self.reply = reply


class Spoken:
    """`post` and `read` for transports that call subgraphs directly, without bytes in between."""

    async def send(self, request: SubgraphRequest, timeout: float) -> SubgraphReply:
        """See Transport.send."""
        raise NotImplementedError

    def post(
        self, subgraph: str, body: bytes, headers: Headers, repeatable: bool, timeout: float
    ) -> "asyncio.Future[RawReply]":
        """See Transport.post."""
        return asyncio.ensure_future(self._spoken(subgraph, body, headers, repeatable, timeout))

    async def _spoken(self, subgraph: str, body: bytes, headers: Headers, repeatable: bool, timeout: float) -> RawReply:
        asked = orjson.loads(body)
        request = SubgraphRequest(
            subgraph, asked["query"], asked.get("variables"), asked.get("operationName"), headers, repeatable
        )
        return _Spoken(await self.send(request, timeout))

    def read(self, subgraph: str, reply: RawReply) -> SubgraphReply:
        """See Transport.read."""
        if not isinstance(reply, _Spoken):
            raise TypeError("not a reply of this transport")
        return reply.reply
