"""Reads and writes HTTP/1.1 messages with every header line as it was sent, since the tests check each."""

from asyncio import StreamReader, StreamWriter, open_connection, wait_for
from collections.abc import Sequence
from contextlib import closing

from gateway.cache.directives import Headers, values_of

SECONDS = 10.0  # for a whole exchange with the origin
_NO_BODY = frozenset({204, 304})


async def read_head(reader: StreamReader) -> tuple[bytes, Headers]:
    """Return the first line and the header lines of a message. Raises EOFError if the message is cut off."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].split(b"\r\n")
    pairs = (line.partition(b":") for line in lines)
    return first, tuple((name, value.strip(b" \t")) for name, _, value in pairs)


async def read_request_body(reader: StreamReader, headers: Headers) -> bytes:
    """Return the body of a request, which has a length or is chunked."""
    if values_of(headers, b"transfer-encoding"):
        return await _chunks(reader)
    return await reader.readexactly(int((values_of(headers, b"content-length") or [b"0"])[0]))


async def _chunks(reader: StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return body


def message(first: bytes, headers: Headers, body: bytes, *, length: bool) -> bytes:
    """Return the bytes of a message that ends its connection. `length`: whether to write Content-Length."""
    lines = [first, *(name + b": " + value for name, value in headers), b"Connection: close"]
    if length and not values_of(headers, b"content-length"):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def ask_origin(
    port: int, method: str, target: str, headers: Headers, body: bytes
) -> tuple[bytes, Headers, bytes]:
    """Return status line, headers and body of the response of a server on loopback.

    Raises OSError, EOFError or TimeoutError if no whole response comes. The request is HTTP/1.0, to which
    no server replies in chunks.
    """
    return await wait_for(_ask_origin(port, method, target, headers, body), SECONDS)


async def _ask_origin(
    port: int, method: str, target: str, headers: Headers, body: bytes
) -> tuple[bytes, Headers, bytes]:
    reader, writer = await open_connection("localhost", port)
    with closing(writer):
        kept = tuple(one for one in headers if one[0].lower() != b"content-length")
        writer.write(message(f"{method} {target} HTTP/1.0".encode(), kept, body, length=bool(body)))
        first, found = await read_head(reader)
        lengths = values_of(found, b"content-length")
        if method == "HEAD" or int(first.split(b" ")[1]) in _NO_BODY:
            return first, found, b""
        return first, found, await (reader.readexactly(int(lengths[0])) if lengths else reader.read())


async def send(writer: StreamWriter, status: bytes, headers: Headers, body: bytes, method: str) -> None:
    """Write a response and end the connection. `status`: number and reason."""
    bare = method == "HEAD" or int(status.split(b" ")[0]) in _NO_BODY
    writer.write(message(b"HTTP/1.1 " + status, headers, b"" if bare else body, length=not bare))
    await writer.drain()
    writer.close()


def header_text(headers: Headers, name: bytes) -> str:
    """Return the first value of a header as text; "" if it is missing."""
    found: Sequence[bytes] = values_of(headers, name)
    return found[0].decode("latin-1") if found else ""
