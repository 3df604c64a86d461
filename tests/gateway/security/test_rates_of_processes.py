"""One rate limit over four gateway processes and one Redis, under four times the load."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from subgraphs.platform.processes import free_port
from subgraphs.platform.valkey import start_valkey
from tests.gateway.real import wait_for
from tests.gateway.support import supergraph_of

LIMIT, WINDOW, SECONDS, PROCESSES = 200, 2.0, 8.5, 4
CONFIG = """
supergraph: supergraph.graphql
server: {{port: {port}}}
redis: {{url: "{url}", timeout: 1s}}
rates:
  store: redis
  rules: [{{name: all, requests: {limit}, window: {window}s}}]
"""


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a Redis of this test's own, which it can stop."""
    server = start_valkey(tmp_path / "valkey", durable=False)
    yield server.url
    server.stop()


@pytest.fixture
def gateways(tmp_path: Path, redis: str) -> Iterator[list[str]]:
    """Yield the addresses of four gateways with one limit; their operation needs no subgraph."""
    (tmp_path / "supergraph.graphql").write_text(supergraph_of({"a": "type Query { x: Int }"}))
    ports = [free_port() for _ in range(PROCESSES)]
    running = []
    for port in ports:
        file = tmp_path / f"{port}.yaml"
        file.write_text(CONFIG.format(port=port, url=redis, limit=LIMIT, window=WINDOW))
        command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(file)]
        running.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    try:
        for port in ports:
            wait_for(f"http://127.0.0.1:{port}/health/live")
        yield [f"http://127.0.0.1:{port}/graphql" for port in ports]
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait(20)


async def load(urls: list[str], seconds: float) -> list[tuple[float, float, int]]:
    """Ask all gateways at four times the limit; return when each request was sent and answered, and its
    status.
    """
    found: list[tuple[float, float, int]] = []
    loop = asyncio.get_running_loop()
    gap = PROCESSES * WINDOW / (4 * LIMIT)
    accept = {"accept": "application/graphql-response+json"}

    async def ask(client: httpx.AsyncClient, url: str) -> None:
        sent = loop.time()
        reply = await client.post(url, json={"query": "{ __typename }"}, headers=accept)
        found.append((sent, loop.time(), reply.status_code))

    async def keep_asking(client: httpx.AsyncClient, url: str) -> None:
        start = loop.time()
        for number in range(int(seconds / gap)):
            await asyncio.sleep(max(start + number * gap - loop.time(), 0))
            await ask(client, url)

    async with httpx.AsyncClient(timeout=20) as client:
        await asyncio.gather(*(keep_asking(client, url) for url in urls))
    return found


async def test_one_limit_over_four_processes(gateways: list[str], redis: str, tmp_path: Path) -> None:
    """No interval of the window's length has more than the limit, at least 98 % of it is used; and without
    Redis requests go on.
    """
    found = await load(gateways, SECONDS)
    assert {status for _, _, status in found} == {200, 429}
    admitted = [(sent, got) for sent, got, status in found if status == 200]
    for start, _ in admitted:
        assert sum(start <= sent and got < start + WINDOW for sent, got in admitted) <= LIMIT
    assert len(admitted) >= 0.98 * LIMIT * int(SECONDS / WINDOW)
    with Redis.from_url(redis) as client:
        pid = client.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert 200 in {status for _, _, status in await load(gateways, 1.0)}
    finally:
        os.kill(pid, signal.SIGKILL)
    after = await load(gateways, 1.0)
    assert {status for _, _, status in after} <= {200, 429}
    assert any(status == 200 for _, _, status in after)
