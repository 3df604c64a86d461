"""Clients of subscriptions for the system tests, over Server-Sent Events and over WebSocket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Literal

import httpx
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.system.conftest import Platform

OPERATIONS = Path(__file__).parents[2] / "schema" / "operations"
PATIENCE = 30.0  # seconds
Way = Literal["sse", "websocket"]


def credentials(token: str) -> dict[str, str]:
    """Return the header with a token; none for an empty one."""
    return {"authorization": f"Bearer {token}"} if token else {}


class Received:
    """What one subscription has received: the value of its field and the cursor of each event.

    `errors`: of the stream. `is_open`: set when the server has accepted it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: list[Any] = []
        self.cursors: list[str] = []
        self.notices: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.is_open = asyncio.Event()
        self._changed = asyncio.Event()

    def take(self, response: Mapping[str, Any]) -> None:
        """Take in a response."""
        self.errors += [error["extensions"]["code"] for error in response.get("errors", ())]
        if response.get("data"):
            self.events += response["data"].values()
            notice = response["extensions"]["subscription"]
            self.cursors.append(notice.pop("cursor"))
            self.notices.append(notice)
        self._changed.set()

    async def until(self, count: int) -> list[Any]:
        """Wait until there are at least this many events; return all."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while len(self.events) < count and not self.errors:
                    self._changed.clear()
                    await self._changed.wait()
        assert len(self.events) >= count, f"{self.name}: {self.events} {self.errors}"
        return self.events

    async def failure(self) -> list[str]:
        """Wait until there is an error; return the codes of all."""
        async with asyncio.timeout(PATIENCE):
            while not self.errors:
                self._changed.clear()
                await self._changed.wait()
        return self.errors


class Streams:
    """The subscriptions of one test."""

    def __init__(self, platform: Platform) -> None:
        self.url = f"{platform.url}/graphql"
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting: list[Received] = []

    def open(
        self, name: str, variables: Any, token: str, way: Way = "sse", after: str | None = None
    ) -> Received:
        """Subscribe by an operation of schema/operations. `after`: the cursor after which to go on."""
        body = {"query": (OPERATIONS / f"{name}.graphql").read_text(), "variables": variables}
        found = Received(f"{name} {way}")
        follow = self._sse if way == "sse" else self._websocket
        self._tasks.append(asyncio.create_task(follow(body, token, after, found)))
        self._waiting.append(found)
        return found

    async def ready(self) -> None:
        """Wait until the gateway has opened the subscriptions."""
        for one in self._waiting:
            async with asyncio.timeout(PATIENCE):
                await one.is_open.wait()
        self._waiting.clear()
        await asyncio.sleep(0.3)  # clients do not learn when the stream begins

    async def close(self) -> None:
        """End all subscriptions. Raises the error of one that has failed."""
        for task in self._tasks:
            task.cancel()
        found = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for one in found:
            if isinstance(one, Exception):
                raise one

    async def _sse(self, body: Any, token: str, after: str | None, found: Received) -> None:
        headers = {"accept": "text/event-stream", **credentials(token)}
        if after is not None:
            headers["last-event-id"] = after
        async with (
            httpx.AsyncClient(timeout=httpx.Timeout(PATIENCE)) as client,
            client.stream("POST", self.url, json=body, headers=headers) as response,
        ):
            found.is_open.set()
            if not response.headers["content-type"].startswith("text/event-stream"):  # refused
                found.take(json.loads(await response.aread()))
                return
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    found.take(json.loads(line.removeprefix("data: ")))

    async def _websocket(self, body: Any, token: str, after: str | None, found: Received) -> None:
        if after is not None:
            body = {**body, "extensions": {"subscription": {"cursor": after}}}
        address = self.url.replace("http://", "ws://")
        async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            await socket.send(json.dumps({"type": "connection_init", "payload": credentials(token)}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": body}))
            found.is_open.set()
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "ping":
                    await socket.send(json.dumps({"type": "pong"}))
                elif message["type"] == "next":
                    found.take(message["payload"])
                elif message["type"] == "error":
                    found.take({"errors": message["payload"]})


@contextlib.asynccontextmanager
async def streams_of(platform: Platform) -> AsyncIterator[Streams]:
    """Yield the subscriptions of a test, and end them."""
    streams = Streams(platform)
    try:
        yield streams
    finally:
        await streams.close()
