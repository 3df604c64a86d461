"""Connections to subgraphs: host names, TLS, compressed replies, timeouts, and the limits of the pool."""

import asyncio
import datetime
import gzip
import ipaddress
import socket
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.core.errors import SettingsError, SubgraphError
from gateway.settings import Wire
from gateway.transport.http import HttpTransport
from tests.gateway.support import payload_from, until
from tests.gateway.transport.test_http_faults import OK, Handler, read_request, reply


@asynccontextmanager
async def server(
    handler: Handler, wire: Wire, tls: ssl.SSLContext | None = None
) -> AsyncIterator[HttpTransport]:
    """Yield a transport to a server under the name localhost."""
    running = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls)
    port = running.sockets[0].getsockname()[1]
    transport = HttpTransport({"a": f"{'https' if tls else 'http'}://localhost:{port}/"}, wire)
    try:
        yield transport
    finally:
        await transport.close()
        running.close()


def always(raw: bytes, seen: list[bytes] | None = None) -> Handler:
    """Return a handler that answers every request with some bytes, and stores the requests' heads."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head, _ = await read_request(reader)
                if seen is not None:
                    seen.append(head)
                writer.write(raw)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return handle


# Compressed replies

MEMBERS = b"".join(gzip.compress(OK[at : at + 1], mtime=0) for at in range(len(OK)))
RAW = zlib.compress(OK, wbits=-15)
PACKED = gzip.compress(OK, mtime=0)  # a name of a test must not depend on the time: workers compare them


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"gzip", PACKED),
        (b"X-GZIP", PACKED),
        (b"gzip", MEMBERS),
        (b"deflate", zlib.compress(OK)),
        (b"deflate", RAW),
        (b"identity", OK),
        (b"", OK),
    ],
)
async def test_compressed_replies(compressed: bool, encoding: bytes, body: bytes) -> None:
    """Compressed replies are decompressed, requested or not; requesting them is a setting."""
    seen: list[bytes] = []
    raw = reply(body, more=b"Content-Encoding: " + encoding + b"\r\n")
    async with server(always(raw, seen), Wire(compressed=compressed)) as transport:
        for _ in range(2):
            assert await payload_from(transport, 5.0) == {"data": {"x": 1}}
    assert [b"accept-encoding: gzip" in head for head in seen] == [compressed] * 2


@pytest.mark.parametrize(
    ("encoding", "body", "words"),
    [
        (b"gzip", PACKED[:-9], "truncated"),
        (b"gzip", OK, "incorrect header"),
        (b"gzip", gzip.compress(b" " * 50_000_000, mtime=0), "more than 1000000 decompressed bytes"),
        (b"gzip", PACKED * 2_000, "more than 1,000 members"),
        (
            b"gzip",
            PACKED * 900 + gzip.compress(b" " * 999_000, mtime=0),
            "more than 1000000 decompressed bytes",
        ),
        (b"gzip", PACKED + b"junk", "incorrect header"),
        (b"deflate", zlib.compress(b" " * 50_000_000, wbits=-15), "more than 1000000 decompressed bytes"),
        (b"deflate", RAW[:-3], "truncated"),
        (b"deflate", OK, "is corrupt"),
        (b"br", OK, "'br', which can't be read; gzip and deflate can"),
        (b"zstd", b"(\xb5/\xfd", "'zstd', which can't be read"),
        (b"gzip, gzip", gzip.compress(PACKED, mtime=0), "'gzip, gzip', which can't be read"),
        (b"gzip\r\ncontent-encoding: br", PACKED, "'gzip, br', which can't be read"),
        (b"\xff" * 300, OK, "xff', which can't be read"),
    ],
)
async def test_what_can_not_be_unpacked(encoding: bytes, body: bytes, words: str) -> None:
    """A truncated, corrupt, too large or unknown encoding is an error of the subgraph; the next request
    succeeds.
    """
    raw = reply(body, more=b"content-encoding: " + encoding + b"\r\n")
    async with server(always(raw), Wire(max_reply=1_000_000)) as transport:
        for _ in range(2):
            with pytest.raises(SubgraphError, match=words) as caught:
                await payload_from(transport, 5.0)
            assert caught.value.code == "SUBGRAPH_BAD_RESPONSE"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (b"502 Bad Gateway", "HTTP status 502"),
        (b"301 Moved", "HTTP status 301, a redirect to http://localhost:"),
    ],
)
@pytest.mark.parametrize("encoding", [b"br", b"gzip"])
async def test_a_status_counts_before_an_encoding(encoding: bytes, status: bytes, words: str) -> None:
    """An error page that can't be decompressed is still reported by its status."""
    raw = reply(OK, status, b"content-encoding: " + encoding + b"\r\nlocation: /x\r\n")
    async with server(always(raw), Wire()) as transport:
        for _ in range(2):
            with pytest.raises(SubgraphError, match=words) as caught:
                await payload_from(transport, 5.0)
            assert caught.value.code == "SUBGRAPH_HTTP_ERROR"


# TLS


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """Return a self-signed certificate for a name, as a file, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName(
        [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))]
    )
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    )
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(
        now - datetime.timedelta(days=1)
    )
    made = builder.not_valid_after(now + datetime.timedelta(days=1)).add_extension(names, critical=False)
    signed = made.sign(key, hashes.SHA256())
    public, private = folder / f"{name}.pem", folder / f"{name}.key"
    public.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


async def test_https(tmp_path: Path) -> None:
    """A trusted certificate is accepted over TLS, and connections are reused."""
    ca, context = certificate(tmp_path, "localhost")
    connected = [0]

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected[0] += 1
        await always(reply(OK))(reader, writer)

    async with server(handle, Wire(ca=str(ca)), context) as transport:
        for _ in range(3):
            assert await payload_from(transport, 5.0) == {"data": {"x": 1}}
    assert connected == [1]


async def test_certificates_are_checked(tmp_path: Path) -> None:
    """An untrusted certificate, and one for another name, are refused before a byte of the request is
    sent.
    """
    seen: list[bytes] = []
    _, context = certificate(tmp_path, "localhost")
    other, wrong = certificate(tmp_path, "elsewhere")
    for wire, tls in ((Wire(), context), (Wire(ca=str(other)), wrong)):
        async with server(always(reply(OK), seen), wire, tls) as transport:
            with pytest.raises(SubgraphError) as caught:
                await payload_from(transport, 5.0)
            assert caught.value.code == "SUBGRAPH_UNREACHABLE"
    assert seen == []


def test_a_file_that_holds_no_certificates(tmp_path: Path) -> None:
    """A file without certificates is refused at the start, by name."""
    (tmp_path / "ca").write_text("no")
    for name in ("ca", "none"):
        with pytest.raises(SettingsError, match=name) as caught:
            HttpTransport({"a": "https://localhost/"}, Wire(ca=str(tmp_path / name)))
        assert caught.value.code == "FILE_NOT_READABLE"


# Names


async def test_names_are_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is resolved once for concurrent calls, and again when none of its addresses works."""
    asked: list[str] = []

    async def look_up(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        await asyncio.sleep(0)
        return [(2, 1, 6, "", (address, port)) for address in ("127.0.0.9", "127.0.0.1", "127.0.0.1")]

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", look_up)
    async with server(always(reply(OK)), Wire()) as transport:
        await asyncio.gather(*(payload_from(transport, 5.0) for _ in range(10)))
        assert asked == ["localhost"]
    for _ in range(2):
        with pytest.raises(SubgraphError):
            await payload_from(transport, 5.0)
    assert asked == ["localhost"] * 2


async def test_a_name_that_nobody_knows() -> None:
    """An unknown or invalid host name is reported as unreachable."""
    for host in ("nobody.invalid", "a" * 70 + ".invalid"):
        transport = HttpTransport({"a": f"http://{host}/"})
        with pytest.raises(SubgraphError) as caught:
            await payload_from(transport, 20.0)
        assert caught.value.code == "SUBGRAPH_UNREACHABLE"
        await transport.close()


# Patience


async def test_a_connection_that_does_not_come_about() -> None:
    """A silent host fails after the connect timeout, not after the call's timeout."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fill = [socket.socket() for _ in range(3)]  # what a listener of length 0 takes, and one more
        for one in fill:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        transport = HttpTransport({"a": f"http://127.0.0.1:{port}/"}, Wire(connect_timeout=0.05))
        with pytest.raises(SubgraphError, match=r"no connection within 0\.05 s") as caught:
            await payload_from(transport, 60.0)
        assert caught.value.code == "SUBGRAPH_UNREACHABLE"
        for one in fill:
            one.close()
        await transport.close()


async def test_the_first_byte_has_a_time_of_its_own() -> None:
    """A reply that does not begin fails early; one that has begun has the call's whole timeout."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await reader.read()
        writer.close()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for byte in reply(OK):
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)
        writer.close()

    async with server(silent, Wire(first_byte_timeout=0.2)) as transport:
        with pytest.raises(SubgraphError, match=r"no byte of its reply within 0\.2 s") as caught:
            await payload_from(transport, 60.0)
        assert caught.value.code == "SUBGRAPH_TIMEOUT"
    async with server(slow, Wire(first_byte_timeout=0.2)) as transport:
        assert await payload_from(transport, 60.0) == {"data": {"x": 1}}
        with pytest.raises(SubgraphError, match=r"did not reply within 0\.1 s"):
            await payload_from(transport, 0.1)


# How many


async def test_connections_have_a_limit_and_the_queue_has_one() -> None:
    """At most `connections` calls run at once, `queue` calls wait, and further calls fail at once."""
    now, most, go = [0], [0], asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await read_request(reader)
                now[0] += 1
                most[0] = max(most[0], now[0])
                await go.wait()
                now[0] -= 1
                writer.write(reply(OK))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with server(handle, Wire(connections=3, queue=5)) as transport:
        tasks = [asyncio.ensure_future(payload_from(transport, 20.0)) for _ in range(10)]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0)
        codes = [error.code for task in done if isinstance(error := task.exception(), SubgraphError)]
        assert codes == ["SUBGRAPH_OVERLOADED"] * 2
        await until(lambda: now == [3])
        tasks[5].cancel()  # one of those in line leaves
        go.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(not isinstance(one, BaseException) for one in found) == 7
        assert most == [3]
        assert await payload_from(transport, 5.0) == {"data": {"x": 1}}


async def test_a_closed_transport_keeps_no_connection() -> None:
    """After `close` a call in progress is answered, and its connection is closed."""
    go, left = asyncio.Event(), asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await go.wait()
        writer.write(reply(OK))
        assert await reader.read() == b""
        left.set()
        writer.close()

    async with server(handle, Wire()) as transport:
        task = asyncio.ensure_future(payload_from(transport, 5.0))
        await asyncio.sleep(0.05)
        await transport.close()
        go.set()
        assert await task == {"data": {"x": 1}}
        async with asyncio.timeout(5):
            await left.wait()
