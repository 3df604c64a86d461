"""Clients that ask for HTTP/2 in every request over plain HTTP, against `gateway serve` as it runs."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.gateway.support import supergraph_of

JAVA, CURL = shutil.which("java"), shutil.which("curl")
CLIENT = Path(__file__).with_name("Client.java")


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gateway's address; no operation here needs a subgraph."""
    file = tmp_path_factory.mktemp("clients") / "supergraph.graphql"
    file.write_text(supergraph_of({"a": "type Query { x: Int }"}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--supergraph", str(file), "--port", str(port), "--workers", str(request.param)]
    command = [sys.executable, "-m", "gateway.cli", "serve", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            for _ in range(300):
                try:
                    httpx.get(f"http://127.0.0.1:{port}/health/live")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/graphql"
        finally:
            os.kill(process.pid, signal.SIGTERM)
            process.communicate(timeout=20)


@pytest.mark.skipif(JAVA is None, reason="no Java on this machine")
def test_the_client_of_java(url: str) -> None:
    """It has its answers by HTTP/1.1, for small bodies and for some that come in many packets."""
    done = subprocess.run(
        [JAVA or "", str(CLIENT), url], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = [f'200 {{"data":{{"a{number}":"Query"}}}}' for number in range(4)]
    assert done.stdout.splitlines() == expected


@pytest.mark.skipif(CURL is None, reason="no curl on this machine")
@pytest.mark.parametrize("size", [0, 300_000])
@pytest.mark.parametrize("more", [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]])
def test_curl(url: str, more: list[str], size: int) -> None:
    """`curl --http2` asks by an upgrade, too; with and without a length, and with `Expect`."""
    body = b'{"query":"{ __typename }%b"}' % (b" " * size)
    command = [CURL or "", "-s", "--http2", "-H", "content-type: application/json", *more]
    show = ["--data-binary", "@-", "-w", " %{http_version} %{http_code}", url]
    done = subprocess.run([*command, *show], input=body, capture_output=True, timeout=60, check=False)
    assert done.stdout == b'{"data":{"__typename":"Query"}} 1.1 200'
