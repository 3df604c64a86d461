"""TLS of the gateway itself, through both doors, and with the command."""

import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from typer.testing import CliRunner

from gateway.cli import app
from gateway.core.errors import SettingsError
from gateway.settings import Secret, ServerTls, Settings
from gateway.transport.tls import server_context
from tests.gateway.certificates import Authority, Issued
from tests.gateway.real import Answer, Door, door, upstream
from tests.gateway.support import supergraph_of

BODY = {"query": "{ x }"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return the authority of the gateway's certificate, and of its clients'."""
    return Authority(tmp_path)


async def serving(http: Any, tls: ServerTls) -> AsyncIterator[Door]:
    """Yield a gateway with TLS, as `gateway serve` configures uvicorn."""
    async with upstream(lambda _: Answer({"data": {"x": 1}})) as found:
        sdls = {"a": "type Query { x: Int }"}
        factory = partial(server_context, tls)
        async with door(sdls, {"a": found}, Settings(), http, ssl_context_factory=factory) as served:
            yield served


def trusting(authority: Authority, mine: Issued | None = None, **versions: Any) -> ssl.SSLContext:
    """Return a client's context. `mine`: its certificate. `versions`: attributes of the context."""
    context = ssl.create_default_context(cafile=authority.ca)
    if mine is not None:
        context.load_cert_chain(mine.certificate, mine.key)
    for name, value in versions.items():
        setattr(context, name, value)
    return context


async def post(served: Door, context: ssl.SSLContext, count: int = 1) -> list[Any]:
    """Send queries over one connection, and return the responses."""
    async with httpx.AsyncClient(base_url=f"https://localhost:{served.port}", verify=context) as client:
        return [(await client.post("/graphql", json=BODY)).json() for _ in range(count)]


@pytest.mark.parametrize("http", ["gateway.http.direct:DirectProtocol", "httptools"])
async def test_https(http: str, authority: Authority) -> None:
    """Queries are answered over TLS 1.2 and 1.3, several on a connection; older versions are refused."""
    issued = authority.issue("gateway")
    async for served in serving(http, ServerTls(issued.certificate, issued.key)):
        assert await post(served, trusting(authority), 3) == [{"data": {"x": 1}}] * 3
        old = trusting(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
        assert await post(served, old) == [{"data": {"x": 1}}]
        older = trusting(authority)
        older.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            older.minimum_version = older.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError):
            await post(served, older)


@pytest.mark.parametrize("http", ["gateway.http.direct:DirectProtocol", "httptools"])
async def test_clients_need_a_certificate(http: str, authority: Authority, tmp_path: Path) -> None:
    """With `client_ca`, a client without a certificate of this authority is refused, and others go on."""
    issued, client = authority.issue("gateway"), authority.issue("client")
    stranger = Authority(tmp_path, "other").issue("stranger")
    async for served in serving(http, ServerTls(issued.certificate, issued.key, client_ca=authority.ca)):
        for mine in (None, stranger, authority.issue("old", expired=True)):
            with pytest.raises((httpx.TransportError, ssl.SSLError)):
                await post(served, trusting(authority, mine))
        assert await post(served, trusting(authority, client)) == [{"data": {"x": 1}}]


async def test_bytes_that_are_no_tls(authority: Authority) -> None:
    """Plain HTTP, noise and half a handshake end their connection, and the gateway goes on."""
    issued = authority.issue("gateway")
    async for served in serving(
        "gateway.http.direct:DirectProtocol", ServerTls(issued.certificate, issued.key)
    ):
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.TransportError):
                await client.post(f"http://localhost:{served.port}/graphql", json=BODY)
        assert await post(served, trusting(authority)) == [{"data": {"x": 1}}]


def test_the_password_of_the_key(authority: Authority) -> None:
    """A protected key needs its password, which is in no `repr`."""
    issued = authority.issue("gateway")
    issued.write_key(issued.private, serialization.BestAvailableEncryption(b"hunter2"))
    tls = ServerTls(issued.certificate, issued.key, Secret("hunter2"))
    assert server_context(tls).minimum_version is ssl.TLSVersion.TLSv1_2
    assert "hunter2" not in repr(tls)


@pytest.mark.system
@pytest.mark.parametrize("workers", [1, 2])
def test_the_command(workers: int, authority: Authority, tmp_path: Path) -> None:
    """`gateway serve` with a certificate in the configuration, in one process and in several."""
    issued = authority.issue("gateway")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "supergraph.graphql").write_text(supergraph_of({"a": "type Query { x: Int }"}))
    tls = f"{{certificate: {issued.certificate}, key: {issued.key}}}"
    server = f"server: {{port: {port}, workers: {workers}, tls: {tls}}}"
    (tmp_path / "gateway.yaml").write_text(f"supergraph: supergraph.graphql\n{server}\n")
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(tmp_path / "gateway.yaml")]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        assert typename(port, trusting(authority)) == {"data": {"__typename": "Query"}}
        assert f"https://127.0.0.1:{port}/graphql" in (tmp_path / "log").read_text()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def typename(port: int, context: ssl.SSLContext) -> Any:
    """Return the response of a gateway to a query, as soon as it accepts connections."""
    end = time.monotonic() + 60
    while True:
        try:
            url = f"https://localhost:{port}/graphql"
            return httpx.post(url, json={"query": "{ __typename }"}, verify=context).json()
        except httpx.ConnectError:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_the_command_refuses_a_wrong_certificate(authority: Authority, tmp_path: Path) -> None:
    """`gateway config check` names the files of a certificate that can't be used."""
    issued, other = authority.issue("gateway"), authority.issue("other")
    (tmp_path / "supergraph.graphql").write_text(supergraph_of({"a": "type Query { x: Int }"}))
    server = f"server: {{tls: {{certificate: {issued.certificate}, key: {other.key}}}}}"
    (tmp_path / "gateway.yaml").write_text(f"supergraph: supergraph.graphql\n{server}\n")
    found = CliRunner().invoke(app, ["config", "check", str(tmp_path / "gateway.yaml")])
    assert found.exit_code != 0
    assert isinstance(found.exception, SettingsError)
    assert other.key in found.exception.message
