"""Two small subgraphs over HTTP, in the tests' environment: accounts and reviews."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.gateway.subgraph import Subgraph
from tests.gateway.support import LINK

ACCOUNTS = 'type Query { me: User } type User @key(fields: "id") { id: ID! name: String }'
REVIEWS = 'type User @key(fields: "id") { id: ID! reviews: [Review] } type Review { stars: Int }'
_ACCOUNTS = {"Query": {"me": {"id": "1", "name": "Ada"}}, "User:1": {"__typename": "User", "name": "Ada"}}
_REVIEWS = {"Query": {}, "User:1": {"__typename": "User", "reviews": [{"stars": 5}, {"stars": 3}]}}


class _Server(ThreadingHTTPServer):
    """A server of one subgraph; `_service` returns its SDL."""

    daemon_threads = True

    def __init__(self, sdl: str, data: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sdl = LINK + sdl
        self.subgraph = Subgraph(sdl, data)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The reply to a request's body."""
        if "_service" in body["query"]:
            return {"data": {"_service": {"sdl": self.sdl}}}
        return asyncio.run(self.subgraph(body["query"], body.get("variables"), body.get("operationName"), {}))


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        """Reply to a GraphQL request."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = json.dumps(self.server.answer(body)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@contextmanager
def two_subgraphs() -> Iterator[dict[str, str]]:
    """The URLs of the subgraphs by name."""
    servers = {"accounts": _Server(ACCOUNTS, _ACCOUNTS), "reviews": _Server(REVIEWS, _REVIEWS)}
    threads = [threading.Thread(target=one.serve_forever, daemon=True) for one in servers.values()]
    for thread in threads:
        thread.start()
    try:
        yield {name: f"http://127.0.0.1:{one.server_port}/graphql" for name, one in servers.items()}
    finally:
        for one in servers.values():
            one.shutdown()
            one.server_close()
        for thread in threads:
            thread.join()
