"""A client for benchmarks that send many different requests: keep-alive connections without a library."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import orjson


class Client:
    """One connection to a gateway on this machine. It connects again when the gateway closes it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes, headers: str = "") -> bytes:
        """Send a POST, and return the body of the response. Raises RuntimeError for a bad status."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        head = (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{headers}"
            f"content-length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        found = await reader.readuntil(b"\r\n\r\n")
        length = int(found.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        answer = await reader.readexactly(length)
        if not found.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"expected the status 200, got {found[:60]!r} {answer[:200]!r}")
        return answer

    async def query(self, query: str, variables: Any) -> Any:
        """Return the data of a GraphQL response. Raises RuntimeError for one with errors."""
        answer = await self.post("/graphql", orjson.dumps({"query": query, "variables": variables}))
        if b'"errors"' in answer[:20]:
            raise RuntimeError(f"expected no errors, got {answer[:300]!r}")
        return orjson.loads(answer)["data"]

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()


class Load:
    """Requests on several connections at once. `latencies`: in ms. `failed`: what went wrong, with counts."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.failed: dict[str, int] = {}

    async def run(
        self, ports: list[int], body: Callable[[], bytes], go_on: Callable[[], bool], connections: int
    ) -> None:
        """Send requests with bodies from `body` while `go_on()` holds."""

        async def one(number: int) -> None:
            client = Client(ports[number % len(ports)])
            while go_on():
                begin = time.perf_counter()
                try:
                    answer = await client.post("/graphql", body())
                    if b'"errors"' in answer[:20]:
                        raise RuntimeError(answer[:80].decode())
                except (OSError, RuntimeError, asyncio.IncompleteReadError) as error:
                    reason = f"{type(error).__name__}: {error}"
                    self.failed[reason] = self.failed.get(reason, 0) + 1
                    client.close()
                    client = Client(ports[number % len(ports)])
                self.latencies.append((time.perf_counter() - begin) * 1_000)
            client.close()

        await asyncio.gather(*(one(number) for number in range(connections)))

    def percentile(self, share: float) -> float:
        """Return a latency in ms: 0.5 for the median, 1 for the largest."""
        ordered = sorted(self.latencies)
        return ordered[int((len(ordered) - 1) * share)] if ordered else 0.0
