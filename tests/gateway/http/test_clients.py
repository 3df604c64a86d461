"""Clients that request HTTP/2 in every request over plain HTTP, against a real `gateway serve`."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.real import wait_for
from tests.gateway.support import supergraph_of

JAVA, CURL = shutil.which("java"), shutil.which("curl")
CLIENT = Path(__file__).with_name("Client.java")


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the gateway's address; no operation here needs a subgraph."""
    file = tmp_path_factory.mktemp("clients") / "supergraph.graphql"
    file.write_text(supergraph_of({"a": "type Query { x: Int }"}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--supergraph", str(file), "--port", str(port), "--workers", str(request.param)]
    command = [sys.executable, "-m", "gateway.cli", "serve", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/health/live")
            yield f"http://127.0.0.1:{port}/graphql"
        finally:
            os.kill(process.pid, signal.SIGTERM)
            process.communicate(timeout=20)


def plainly(url: str, body: bytes, chunked: bool) -> bytes:
    """Return the reply to an upgrade written by hand, whose body follows a moment after its head."""
    host, port = url.removeprefix("http://").removesuffix("/graphql").split(":")
    length = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % len(body)
    head = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n%b\r\n" % length
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(head + b"connection: upgrade, close\r\nupgrade: h2c\r\n\r\n")
        time.sleep(0.05)
        connection.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def with_curl(url: str, body: bytes, chunked: bool) -> bytes:
    """Return what `curl --http2` prints of a reply."""
    more = ["-H", "transfer-encoding: chunked"] if chunked else ["-H", "expect: 100-continue"]
    command = [CURL or "", "-si", "--http2", "-H", "content-type: application/json", *more]
    done = subprocess.run(
        [*command, "--data-binary", "@-", url], input=body, capture_output=True, timeout=60, check=True
    )
    return done.stdout


def with_java(url: str, body: bytes, chunked: bool) -> bytes:
    """Return what the JDK's client prints of its last reply; with `chunked` it sends a body of unknown
    length.
    """
    command = [JAVA or "", str(CLIENT), url, "chunked" if chunked else "length"]
    return subprocess.run(command, input=body, capture_output=True, timeout=120, check=True).stdout


CLIENTS = {
    "by hand": plainly,
    **({"curl": with_curl} if CURL else {}),
    **({"java": with_java} if JAVA else {}),
}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [0, 300_000])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_that_asks_for_http_2(url: str, client: str, size: int, chunked: bool) -> None:
    """The client gets its response by HTTP/1.1, for small bodies and for bodies of many packets."""
    body = b'{"query":"{ __typename }%b"}' % (b" " * size)
    got = CLIENTS[client](url, body, chunked)
    assert b"HTTP/1.1 200" in got
    assert got.endswith(b'{"data":{"__typename":"Query"}}')
