"""A subgraph with entities for the benchmark of subscriptions: `python -m bench.things PORT`."""

import asyncio
import sys
from typing import Any

import orjson
import uvloop

from bench.subgraphs import HttpConnection


class Things(HttpConnection):
    """Replies with a name for each entity."""

    def respond(self, url: bytes, body: bytes) -> None:
        """Write the response."""
        request: dict[str, Any] = orjson.loads(body) if body else {}
        asked = (request.get("variables") or {}).get("representations", [])
        names = [{"name": f"thing {one['id']}"} for one in asked]
        reply = orjson.dumps({"data": {"_entities": names} if asked else {"__typename": "Query"}})
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(head % len(reply) + reply)


async def main(port: int) -> None:
    """Serve until the process ends."""
    server = await asyncio.get_running_loop().create_server(Things, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
