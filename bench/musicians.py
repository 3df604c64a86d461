"""Two subgraphs with 100,000 musicians, for the benchmarks of the cache: `python -m bench.musicians PORT`.

`/search` has `musicians(ids)`, which no cache may store; `/musicians` has the entities, fresh for LIFETIME
seconds. GET /counts returns the numbers of requests and of entities asked for, POST /reset sets them to 0.
POST /change?id=N gives a musician a new name, POST /slow?ms=N delays all replies.
"""

import asyncio
import sys
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import uvloop

from bench.subgraphs import HttpConnection

COUNT = 100_000
LIFETIME = 600  # seconds
SDLS = {
    "search": """
        extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])
        type Query { musicians(ids: [ID!]!): [Musician!]! }
        type Musician @key(fields: "id") { id: ID! }
    """,
    "musicians": """
        extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])
        type Musician @key(fields: "id") { id: ID! name: String! city: String! instruments: [String!]!
          biography: String! rating: Float! }
    """,
}
QUERY = "query M($ids: [ID!]!) { musicians(ids: $ids) { id name city instruments biography rating } }"
INSTRUMENTS = ("violin", "piano", "saxophone", "drums", "double bass", "guitar", "trumpet")


class Musicians:
    """The data. `counts`: requests by subgraph, and `entities` asked for. `delay`: of replies, in seconds."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.changes: Counter[str] = Counter()
        self.delay = 0.0

    def entity(self, id_: str) -> dict[str, Any]:
        """Return one musician."""
        number, change = int(id_), self.changes[id_]
        return {
            "name": f"Musician {number}" + (f" ({change})" if change else ""),
            "city": f"City {number % 500}",
            "instruments": [INSTRUMENTS[number % 7], INSTRUMENTS[number % 5]],
            "biography": f"Plays since {1950 + number % 70}. " * 6,
            "rating": number % 50 / 10,
        }

    def reply(self, path: str, body: bytes) -> tuple[bytes, bytes]:
        """Return the cache control and the body of the reply to a request."""
        split = urlsplit(path)
        given = dict(parse_qsl(split.query))
        if split.path in ("/counts", "/reset", "/change", "/slow"):
            found = orjson.dumps(dict(self.counts))
            if split.path == "/reset":
                self.counts.clear()
            elif split.path == "/change":
                self.changes[given["id"]] += 1
            elif split.path == "/slow":
                self.delay = float(given["ms"]) / 1_000
            return b"no-store", found
        variables = orjson.loads(body).get("variables", {})
        self.counts[split.path[1:]] += 1
        if split.path == "/search":
            ids = variables.get("ids", ["1"])
            data: Any = {"musicians": [{"__typename": "Musician", "id": one} for one in ids]}
            return b"no-store", orjson.dumps({"data": {**data, "__typename": "Query"}})
        asked = [one["id"] for one in variables.get("representations", ())]
        self.counts["entities"] += len(asked)
        control = b"public, max-age=%d" % LIFETIME
        return control, orjson.dumps({"data": {"_entities": [self.entity(one) for one in asked]}})


class Connection(HttpConnection):
    """A connection to the two subgraphs."""

    def __init__(self, musicians: Musicians) -> None:
        super().__init__()
        self.musicians = musicians

    def respond(self, url: bytes, body: bytes) -> None:
        control, text = self.musicians.reply(url.decode(), body)
        reply = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: %b\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (control, len(text), text)
        )
        if self.musicians.delay:
            asyncio.get_running_loop().call_later(self.musicians.delay, self.transport.write, reply)
        else:
            self.transport.write(reply)


async def main(port: int) -> None:
    """Serve on a port until the process is terminated."""
    musicians = Musicians()
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Connection(musicians), "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
