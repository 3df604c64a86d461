"""Tests of sending push messages and SMS to webhooks on real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from subgraphs.notifications.addresses import Contact
from subgraphs.notifications.webhook import WebhookChannel
from tests.subgraphs.notifications.delivery_rig import World, free_port


@dataclass
class Hook:
    """A webhook: what was posted, and the next statuses."""

    port: int
    posted: list[tuple[Mapping[str, str], Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The URL."""
        return f"http://127.0.0.1:{self.port}/hook?key=1"


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    """A webhook on a real socket."""
    made = Hook(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        made.posted.append(({**headers, "path": head[0].split()[1]}, body))
        status = made.statuses.pop(0) if made.statuses else 204
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nlocation: /else\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


async def test_push_and_sms_go_to_webhooks(world: World, hook: Hook) -> None:
    """The body has the message, and the header the same key at each attempt; the status decides."""
    hook.statuses = [503, 429, 200]
    sms, push = WebhookChannel("sms", hook.url), WebhookChannel("push", hook.url)
    await world.due(channels="{sms}")
    for _ in range(3):
        await world.process(sms).deliver()
        await world.again()
    assert await world.states() == [("sent", 3, 2)]
    headers, body = hook.posted[0]
    assert (headers["path"], headers["content-type"]) == ("/hook?key=1", "application/json")
    expected = {"channel": "sms", "to": "+49 30 901820", "userId": str(world.person.id), "isUrgent": False}
    assert body.items() >= expected.items()
    assert {headers["idempotency-key"] for headers, _ in hook.posted} == {body["id"]}
    for status, expected_state in ((302, "failed"), (404, "failed"), (201, "sent")):
        hook.statuses = [status]
        await world.due(channels="{push}")
        await world.process(push).deliver()
        assert (await world.states())[-1][0] == expected_state
    assert hook.posted[-1][1]["to"] == str(world.person.id)
    world.book.known[world.person.id] = Contact(world.person.id, "ada", "ada@mail.example", None)
    await world.due(channels="{sms}")
    await world.process(sms).deliver()
    assert (await world.states())[-1][0] == "skipped"


async def test_a_dead_webhook_delays(world: World) -> None:
    """A webhook that cannot be reached delays; one that closes the connection has failed once."""
    await world.due(channels="{push}")
    await world.process(WebhookChannel("push", f"http://127.0.0.1:{free_port()}/")).deliver()
    assert await world.states() == [("pending", 1, 0)]
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await world.again()
    await world.process(WebhookChannel("push", f"http://127.0.0.1:{port}/")).deliver()
    assert await world.states() == [("pending", 2, 1)]
    server.close()
