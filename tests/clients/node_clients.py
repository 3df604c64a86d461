"""The clients for Node, all in one process: the program `streams/program.mjs`."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from tests.clients.happened import Happened
from tests.oracle.programs import install

STREAMS = Path(__file__).parent / "streams"
PIPE = asyncio.subprocess.PIPE


class NodeOperation:
    """An operation of one of the clients."""

    def __init__(self, clients: "NodeClients", number: int) -> None:
        self.clients = clients
        self.number = number
        self.happened = Happened()

    def stop(self) -> None:
        """End the operation."""
        self.clients.tell(do="stop", number=self.number)


class NodeClients:
    """The clients, over the pipes of their process. `unhandled`: rejections that no client has caught."""

    names = frozenset(
        {
            "graphql-ws",
            "subscriptions-transport-ws",
            "graphql-sse",
            "graphql-sse-single",
            "eventsource",
            "meros",
            "apollo",
            "apollo-ws",
            "apollo-batch",
            "apollo-2022",
            "apollo-v0.2",
            "urql",
            "urql-ws",
        }
    )

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.numbers = count(1)
        self.running: dict[int, NodeOperation] = {}
        self.unhandled: list[str] = []

    def tell(self, **command: Any) -> None:
        """Write one command."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")

    def start(
        self, client: str, connection: str, url: str, request: dict[str, Any], token: str | None = None
    ) -> NodeOperation:
        """Start an operation."""
        operation = NodeOperation(self, next(self.numbers))
        self.running[operation.number] = operation
        given = {"client": client, "connection": connection, "url": url, "token": token, "request": request}
        self.tell(do="subscribe", number=operation.number, **given)
        return operation

    def renew(self, client: str, connection: str, token: str) -> None:
        """Send a ping with a new token."""
        self.tell(do="renew", client=client, connection=connection, token=token)

    async def read(self) -> None:
        """Read what happens, until the program ends."""
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            found = json.loads(line)
            if found["kind"] == "unhandled":
                self.unhandled.append(found["value"])
            else:
                self.running[found["number"]].happened.add(found["kind"], found["value"])


@asynccontextmanager
async def node_clients() -> AsyncIterator[NodeClients]:
    """Yield the clients, in a process that ends afterwards."""
    command = (await asyncio.to_thread(install, STREAMS), "program.mjs")
    process = await asyncio.create_subprocess_exec(*command, cwd=STREAMS, stdin=PIPE, stdout=PIPE)
    clients = NodeClients(process)
    reading = asyncio.create_task(clients.read())
    try:
        yield clients
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await reading
