"""The client for Python, gql, with each of its transports, in the event loop of the test."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

from gql import Client, GraphQLRequest
from gql.client import AsyncClientSession
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.async_transport import AsyncTransport
from gql.transport.exceptions import TransportQueryError, TransportServerError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport
from gql.transport.websockets_protocol import WebsocketsProtocolTransportBase
from graphql import OperationDefinitionNode
from tenacity import retry, wait_fixed

from tests.clients.happened import Happened

NEW, OLD = ["graphql-transport-ws"], ["graphql-ws"]
RETRY = 0.05  # seconds
BATCH = 0.02  # seconds in which operations are collected into one request


def _socket(url: str) -> str:
    return url.replace("http", "ws", 1)


def _headers(token: str | None) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {token}"}


TRANSPORTS: dict[str, Callable[[str, str | None], AsyncTransport]] = {
    "gql-websockets": lambda url, token: WebsocketsTransport(
        _socket(url), init_payload=_headers(token), subprotocols=NEW
    ),
    "gql-websockets-old": lambda url, token: WebsocketsTransport(
        _socket(url), init_payload=_headers(token), subprotocols=OLD
    ),
    "gql-aiohttp-ws": lambda url, token: AIOHTTPWebsocketsTransport(
        _socket(url), init_payload=_headers(token), subprotocols=NEW
    ),
    "gql-aiohttp-ws-old": lambda url, token: AIOHTTPWebsocketsTransport(
        _socket(url), init_payload=_headers(token), subprotocols=OLD
    ),
    "gql-multipart": lambda url, token: AIOHTTPTransport(url, headers=_headers(token)),
    "gql-httpx": lambda url, token: HTTPXAsyncTransport(url, headers=_headers(token)),
}


class GqlOperation:
    """An operation of one of the clients."""

    def __init__(self, running: "asyncio.Task[None]", happened: Happened) -> None:
        self.running = running
        self.happened = happened

    def stop(self) -> None:
        """End the operation."""
        self.running.cancel()


class GqlClients:
    """The clients by transport; `sessions`: those that are open, by client and connection."""

    names = frozenset(TRANSPORTS)

    def __init__(self) -> None:
        self.sessions: dict[tuple[str, str], asyncio.Future[AsyncClientSession]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    def start(
        self, client: str, connection: str, url: str, request: dict[str, Any], token: str | None = None
    ) -> GqlOperation:
        """Start an operation."""
        key = (client, connection)
        if key not in self.sessions:
            self.sessions[key] = asyncio.ensure_future(self._open(client, url, token))
        happened = Happened()
        running = asyncio.create_task(self._run(self.sessions[key], request, happened))
        self.tasks.add(running)
        return GqlOperation(running, happened)

    def renew(self, client: str, connection: str, token: str) -> None:
        """Send a ping with a new token."""
        transport = self.sessions[client, connection].result().transport
        assert isinstance(transport, WebsocketsProtocolTransportBase)
        self.tasks.add(asyncio.create_task(transport.send_ping(_headers(token))))

    @staticmethod
    async def _open(client: str, url: str, token: str | None) -> AsyncClientSession:
        together = BATCH if client == "gql-httpx" else 0.0
        made: Any = Client(transport=TRANSPORTS[client](url, token), batch_interval=together)
        again = retry(wait=wait_fixed(RETRY))
        session: AsyncClientSession = await made.connect_async(reconnecting=True, retry_connect=again)
        return session

    async def _run(
        self, opened: "asyncio.Future[AsyncClientSession]", request: dict[str, Any], happened: Happened
    ) -> None:
        """Run an operation; run it again when the connection is lost, as applications do."""
        session = await asyncio.shield(opened)
        given = GraphQLRequest(request["query"], variable_values=request.get("variables"))
        while True:
            try:
                async with aclosing(self._results(session, given)) as results:
                    async for result in results:
                        _record(happened, result.data, result.errors)
                happened.add("complete")
                return
            except TransportQueryError as error:
                _record(happened, error.data, error.errors)
                happened.add("complete")
                return
            except TransportServerError as error:  # a multipart stream has ended with errors
                _record(happened, None, [{"message": str(error)}])
                happened.add("complete")
                return
            except Exception:
                await asyncio.sleep(RETRY)

    @staticmethod
    async def _results(session: AsyncClientSession, request: GraphQLRequest) -> AsyncGenerator[Any, None]:
        operation = request.document.definitions[0]
        if isinstance(operation, OperationDefinitionNode) and operation.operation.value != "subscription":
            yield await session.execute(request, get_execution_result=True)
            return
        async with aclosing(session.subscribe(request, get_execution_result=True)) as results:
            async for result in results:
                yield result

    async def close(self) -> None:
        """End all operations, and close all connections."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        sessions: list[Any] = await asyncio.gather(*self.sessions.values())
        for session in sessions:
            await session.close()


def _record(happened: Happened, data: Any, errors: Any) -> None:
    """Record one result; `errors` are those of a response, as objects of JSON or of graphql-core."""
    if not errors:
        happened.add("next", data)
        return
    found = [one if isinstance(one, dict) else getattr(one, "formatted", one) for one in errors]
    codes = [one.get("extensions", {}).get("code", one.get("message")) for one in found]
    happened.add("errors", {"data": data, "codes": codes})


@asynccontextmanager
async def gql_clients() -> AsyncIterator[GqlClients]:
    """Yield the clients; afterwards their connections are closed."""
    clients = GqlClients()
    try:
        yield clients
    finally:
        await clients.close()
