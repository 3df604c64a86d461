"""Serves the four benchmark subgraphs over HTTP in one process: `python -m bench.subgraphs PORT`.

POST /<subgraph> executes a GraphQL request. GET /counts returns the number of requests of each subgraph, POST
/reset returns it and sets it to 0.
"""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

import httptools
import orjson
import uvloop

from bench.answers import Subgraph, load_subgraphs
from bench.data import folder


class HttpConnection(asyncio.Protocol):
    """The server's side of one keep-alive connection. Subclasses implement `respond`."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.url, self.body = b"", b""

    def connection_made(self, transport: Any) -> None:
        """Store the transport, whose type is Any because uvloop's is no asyncio.Transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Parse received data, which may be a part of a request; close the connection if it is no
        valid HTTP.
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    def on_url(self, url: bytes) -> None:
        """Append a piece of the request's path."""
        self.url += url

    def on_body(self, body: bytes) -> None:
        """Append a piece of the request's body."""
        self.body += body

    def on_message_complete(self) -> None:
        """Respond to the request that is now complete."""
        url, body, self.url, self.body = self.url, self.body, b"", b""
        self.respond(url, body)
        if not self.parser.should_keep_alive():
            self.transport.close()

    def respond(self, url: bytes, body: bytes) -> None:
        """Write the response to a request."""
        raise NotImplementedError


class Connection(HttpConnection):
    """A connection to the four subgraphs."""

    def __init__(self, subgraphs: Mapping[bytes, Subgraph]) -> None:
        super().__init__()
        self.subgraphs = subgraphs

    def respond(self, url: bytes, body: bytes) -> None:
        answer = self.answer(url, body)
        status = b"200 OK" if answer is not None else b"404 Not Found"
        text = answer or b""
        self.transport.write(
            b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (status, len(text), text)
        )

    def answer(self, url: bytes, body: bytes) -> bytes | None:
        """Return the body of the reply to a request; None for an unknown path."""
        subgraph = self.subgraphs.get(url)
        if subgraph is not None:
            return subgraph.reply(body)
        if url not in (b"/counts", b"/reset"):
            return None
        counts = orjson.dumps({name[1:].decode(): one.requests for name, one in self.subgraphs.items()})
        if url == b"/reset":
            for one in self.subgraphs.values():
                one.requests = 0
        return counts


async def serve(port: int) -> asyncio.Server:
    """Return a server that listens on a port of 127.0.0.1; 0: a free port."""
    subgraphs = {f"/{name}".encode(): one for name, one in load_subgraphs(folder()).items()}
    return await asyncio.get_running_loop().create_server(lambda: Connection(subgraphs), "127.0.0.1", port)


async def main(port: int) -> None:
    """Serve on a port until the process is terminated."""
    async with await serve(port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
