"""TLS to subgraphs: whom the gateway trusts, the certificate that it presents, and clear errors."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from gateway.config.load import ConfigError, settings_from
from gateway.core.errors import SettingsError, SubgraphError
from gateway.settings import ConnectionSettings, ServerTls, Settings, SubgraphSettings, SubgraphTls
from gateway.transport.http import transport_for
from gateway.transport.tls import server_context
from tests.gateway.certificates import Authority, Issued
from tests.gateway.real import Answer, Received, Upstream, upstream
from tests.gateway.support import payload_from

DATA = {"data": {"x": 1}}


def answer(_: Received) -> Answer:
    """Reply with data."""
    return Answer(DATA)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return an authority that subgraphs and the gateway may trust."""
    return Authority(tmp_path)


async def ask(
    to: Upstream,
    tls: SubgraphTls | None = None,
    connections: ConnectionSettings | None = None,
    name: str = "a",
) -> object:
    """Return the reply of a subgraph over a new connection. Raises SubgraphError."""
    own = {"a": SubgraphSettings(tls=tls or SubgraphTls())}
    settings = Settings(subgraphs=own, connections=connections or ConnectionSettings())
    transport = transport_for({name: to.url}, settings)
    try:
        return await payload_from(transport, subgraph=name)
    finally:
        await transport.close()


async def fault(
    to: Upstream, tls: SubgraphTls | None = None, connections: ConnectionSettings | None = None
) -> str:
    """Return the message of a call that fails before it reaches the subgraph."""
    with pytest.raises(SubgraphError) as caught:
        await ask(to, tls, connections)
    assert caught.value.code == "SUBGRAPH_UNREACHABLE"
    assert to.requests == []
    return caught.value.message


async def test_own_authority(authority: Authority, tmp_path: Path) -> None:
    """A subgraph's authority is trusted for this subgraph alone, and then no other is trusted for it."""
    other = Authority(tmp_path, "other")
    everywhere = ConnectionSettings(ca=authority.ca)
    async with upstream(answer, authority.issue("server").server()) as found:
        message = await fault(found)
        assert message == "has a certificate that is not accepted: unable to get local issuer certificate"
        assert "not accepted" in await fault(found, SubgraphTls(ca=other.ca), everywhere)
        assert await ask(found, SubgraphTls(ca=authority.ca)) == DATA
        assert await ask(found, None, everywhere) == DATA
        with pytest.raises(SubgraphError, match="not accepted"):
            await ask(found, SubgraphTls(ca=authority.ca), name="b")


async def test_expired_and_for_another_host(authority: Authority) -> None:
    """The error says what is wrong with a certificate."""
    own = SubgraphTls(ca=authority.ca)
    async with upstream(answer, authority.issue("old", expired=True).server()) as found:
        assert await fault(found, own) == "has a certificate that is not accepted: certificate has expired"
    async with upstream(answer, authority.issue("elsewhere", "elsewhere").server()) as found:
        assert "certificate is not valid for 'localhost'" in await fault(found, own)


async def test_client_certificate(authority: Authority, tmp_path: Path) -> None:
    """The gateway presents its certificate, the common one or the subgraph's."""
    mine, wrong = authority.issue("gateway"), Authority(tmp_path, "other").issue("stranger")
    common = ConnectionSettings(ca=authority.ca, certificate=mine.certificate, key=mine.key)
    async with upstream(answer, authority.issue("server").server(authority.ca)) as found:
        missing = await fault(found, SubgraphTls(ca=authority.ca))
        assert missing == "closed the TLS connection without a reply; it may demand a client certificate"
        stranger = SubgraphTls(ca=authority.ca, certificate=wrong.certificate, key=wrong.key)
        assert "it may demand a client certificate" in await fault(found, stranger)
        own = SubgraphTls(ca=authority.ca, certificate=mine.certificate, key=mine.key)
        assert await ask(found, own) == DATA
        assert await ask(found, None, common) == DATA


async def test_a_server_that_says_why(authority: Authority) -> None:
    """A server's alert is in the message. (asyncio's servers send none after a failed handshake.)"""
    context = authority.issue("server").server(authority.ca)
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        connection, _ = listener.accept()
        with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as tls:
            with suppress(ssl.SSLError):
                tls.do_handshake()
            while socket.socket.recv(tls, 65_536):  # unread data would reset the connection, with the alert
                pass

    url = f"https://localhost:{listener.getsockname()[1]}/"
    refused = asyncio.create_task(asyncio.to_thread(refuse))
    message = await fault(Upstream(answer, url), SubgraphTls(ca=authority.ca))
    assert message == "ended the TLS connection: tlsv13 alert certificate required"
    await refused
    listener.close()


async def test_a_server_without_tls(authority: Authority) -> None:
    """A server that speaks no TLS is an error of the connection."""

    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}/"
    message = await fault(Upstream(answer, url), SubgraphTls(ca=authority.ca))
    assert message == "ended the TLS connection: wrong version number"
    server.close()


async def test_subgraphs_with_other_certificates_share_no_connection(
    authority: Authority, tmp_path: Path
) -> None:
    """Two subgraphs at one server: a connection with the certificate of one is not used for the other."""
    mine = authority.issue("gateway")
    with_it = SubgraphTls(ca=authority.ca, certificate=mine.certificate, key=mine.key)
    own = {"a": SubgraphSettings(tls=with_it), "b": SubgraphSettings(tls=SubgraphTls(ca=authority.ca))}
    async with upstream(answer, authority.issue("server").server(authority.ca)) as found:
        transport = transport_for({"a": found.url, "b": found.url}, Settings(subgraphs=own))
        assert await payload_from(transport, subgraph="a") == DATA
        with pytest.raises(SubgraphError, match="client certificate"):
            await payload_from(transport, subgraph="b")
        await transport.close()
    assert len(found.requests) == 1


def pairs_that_fail(folder: Path) -> Mapping[str, tuple[Issued, str, str]]:
    """Return certificates that can't be used: with the code and a part of the message."""
    made = Authority(folder)
    mixed, broken, locked, missing = (made.issue(one) for one in ("mixed", "broken", "locked", "missing"))
    mixed.write_key(made.issue("other").private, serialization.NoEncryption())
    Path(broken.certificate).write_bytes(Path(broken.certificate).read_bytes()[:200])
    locked.write_key(locked.private, serialization.BestAvailableEncryption(b"hunter2"))
    Path(missing.key).unlink()
    return {
        "mixed": (mixed, "INVALID_CERTIFICATE", "key values mismatch"),
        "broken": (broken, "INVALID_CERTIFICATE", "can't be used with the key"),
        "locked": (locked, "INVALID_CERTIFICATE", "can't be used with the key"),
        "missing": (missing, "FILE_NOT_READABLE", "No such file"),
    }


@pytest.mark.parametrize("name", ["mixed", "broken", "locked", "missing"])
def test_pairs_that_can_not_be_used(name: str, tmp_path: Path) -> None:
    """A wrong certificate is refused at the start, for subgraphs and for the gateway itself."""
    issued, code, message = pairs_that_fail(tmp_path)[name]
    tls = SubgraphTls(certificate=issued.certificate, key=issued.key)
    settings = Settings(subgraphs={"a": SubgraphSettings(tls=tls)})
    with pytest.raises(SettingsError, match=message) as caught:
        transport_for({"a": "https://localhost/"}, settings)
    assert caught.value.code == code
    with pytest.raises(SettingsError, match=message) as caught:
        server_context(ServerTls(issued.certificate, issued.key))
    assert (caught.value.code, "hunter2" in str(caught.value)) == (code, False)


@pytest.mark.parametrize("text", ["connections: {certificate: a}", "subgraphs: {a: {tls: {key: a}}}"])
def test_a_certificate_needs_its_key(text: str, tmp_path: Path) -> None:
    """The configuration has both or none."""
    with pytest.raises(ConfigError, match="expected `certificate` and `key` together"):
        settings_from(text, {}, tmp_path / "gateway.yaml")
