"""The sub-protocol of one WebSocket connection, whatever carries its messages; it implements `wire.Peer`."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol

from gateway.core.context import Identity, RequestContext
from gateway.core.errors import RequestError
from gateway.core.headers import RequestHeaders
from gateway.http.operations import Door as OperationDoor
from gateway.http.operations import Operation, OperationPeer
from gateway.http.read import from_payload
from gateway.observe.facts import InternalFailure
from gateway.request.graphql_request import GraphQLRequest
from gateway.wire.messages import Close, Machine, Stage

HELD = 100_000  # bytes of the messages that wait until `connection_init` is accepted


class Door(OperationDoor, Protocol):
    """What a connection needs of the door for WebSockets."""

    def headers_with(self, headers: RequestHeaders, payload: Mapping[str, Any]) -> RequestHeaders:
        """Return the headers of a connection with those in the payload of a message."""
        ...


class WebSocketPeer(OperationPeer):
    """A connection as its sub-protocol sees it. Subclasses send and receive.

    - `headers`: those of the handshake, with those in the payload of `connection_init`.
    - `early`: the messages that wait until `connection_init` is accepted; None if there are none.
    """

    __slots__ = ("early", "headers", "machine", "pending", "stage")
    door: Door

    def __init__(self, door: Door, machine: Machine, headers: RequestHeaders) -> None:
        super().__init__(door, machine)
        self.machine = machine
        self.headers = headers
        self.stage = Stage.NEW
        self.pending: asyncio.Task[None] | None = None
        self.early: list[bytes] | None = None

    # for subclasses

    def send(self, text: bytes) -> None:
        """Send a message."""
        raise NotImplementedError

    def close(self, code: int, reason: str) -> None:
        """Close the connection."""
        raise NotImplementedError

    def shutdown(self) -> None:
        """Close the connection, as the process ends."""
        self.close(Close.GOING_AWAY, "The gateway is shutting down; connect again")

    # Peer

    def check(self, payload: dict[str, Any]) -> None:
        self.headers = self.door.headers_with(self.headers, payload)
        handler = self.door.handler
        context = handler.context(self.headers)
        try:
            found = handler.connect(context)
        except Exception as error:
            self._not_identified(error, context)
            return
        if isinstance(found, Identity):
            self.machine.accepted(self)
        else:
            self.pending = asyncio.ensure_future(self._check_later(found, context))

    async def _check_later(self, found: Awaitable[Identity], context: RequestContext) -> None:
        try:
            await found
        except Exception as error:
            self._not_identified(error, context)
        else:
            if self.stage == Stage.CHECKING:
                self.machine.accepted(self)
        finally:
            self.pending = None

    def _not_identified(self, error: Exception, context: RequestContext) -> None:
        """Refuse the caller, or report an unexpected exception."""
        if isinstance(error, RequestError):
            self.machine.refused(self, error.message)
            return
        context.observer.emit(InternalFailure(context.id, error))
        self.close(Close.INTERNAL, "Internal server error")

    def renew(self, payload: dict[str, Any]) -> None:
        headers = self.door.headers_with(self.headers, payload)
        if headers is self.headers:
            return
        self.headers = headers
        for operation in list((self.started or {}).values()):
            if operation.subscribed is not None:
                operation.subscribed.renew(self.door.handler.context(headers))

    def start(self, name: str, payload: dict[str, Any]) -> None:
        handler = self.door.handler
        extensions = payload.get("extensions")
        given = extensions.get("headers") if isinstance(extensions, dict) else None
        headers = self.door.headers_with(self.headers, given) if isinstance(given, dict) else self.headers
        request: GraphQLRequest | Exception
        try:
            request = from_payload(payload, False, self.door.finder)
        except Exception as error:  # the operation is answered with it
            request = error
        self.begin(name, Operation(self, name, handler.context(headers)), request)

    def hold(self, text: bytes) -> None:
        early = self.early = self.early or []
        early.append(text)
        if len(early) > self.door.operations or sum(map(len, early)) > HELD:
            self.close(Close.BAD_REQUEST, "Too many messages before connection_ack")

    def held_back(self) -> Sequence[bytes]:
        early, self.early = self.early, None
        return early or ()

    def stop_all(self) -> None:
        """End all operations without a message, since the connection is closed."""
        self.stage, self.early = Stage.CLOSED, None
        if self.pending is not None:
            self.pending.cancel()
        super().stop_all()
