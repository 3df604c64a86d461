"""The opening handshake of a WebSocket (RFC 6455, section 4) without I/O, for servers and clients.

Example: `accept_response(read_handshake(b"GET", "1.1", headers), "graphql-transport-ws")` is the response 101
to a request with these headers.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import NoReturn

VERSION = b"13"

Headers = Sequence[tuple[bytes, bytes]]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VISIBLE = re.compile(rb"[!-~]+")  # a host, a target
_TEXT = re.compile(rb"[\t -~\x80-\xff]*")  # a header's value
_BLANK = b" \t"


class HandshakeRefused(Exception):
    """There is no WebSocket. `status`: of the response, `text`: why; `headers`: what the response needs."""

    def __init__(self, status: int, text: str, headers: Headers = ()) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text
        self.headers = tuple(headers)


@dataclass(frozen=True, slots=True)
class Handshake:
    """A valid request. `protocols`: the sub-protocols that the client offers, the best one first.

    `extensions`: the value of Sec-WebSocket-Extensions, "" without one; it may be malformed. `origin`: the
    header's value, which nobody has checked.
    """

    key: bytes
    protocols: tuple[str, ...]
    extensions: str
    origin: str | None


def read_handshake(method: bytes, version: str, headers: Headers) -> Handshake:
    """Return a client's request. Raises HandshakeRefused if it does not open a WebSocket.

    `version`: of HTTP, such as "1.1".
    """
    if method != b"GET":
        raise HandshakeRefused(405, f"expected the method GET, got {method!r}", [(b"allow", b"GET")])
    if version != "1.1":
        raise HandshakeRefused(400, f"expected HTTP of version 1.1, got {version!a}")
    _check_request(headers)
    origins = _values(headers, b"origin")
    if len(origins) > 1:
        _refuse(f"expected at most one header Origin, got {len(origins)}")
    return Handshake(
        _key(headers),
        _protocols(headers),
        b", ".join(_values(headers, b"sec-websocket-extensions")).decode("latin-1"),
        origins[0].decode("latin-1") if origins else None,
    )


def _refuse(text: str) -> NoReturn:
    raise HandshakeRefused(400, text)


def _values(headers: Headers, name: bytes) -> list[bytes]:
    """Return the values of a header. `name`: in lower case."""
    return [value.strip(_BLANK) for key, value in headers if key.lower() == name]


def _elements(headers: Headers, name: bytes) -> list[bytes]:
    """Return the elements of a header that is a list; empty ones do not count (RFC 9110, 5.6.1)."""
    every = (part.strip(_BLANK) for value in _values(headers, name) for part in value.split(b","))
    return [part for part in every if part]


def _check_request(headers: Headers) -> None:
    """Raise HandshakeRefused unless the request may become a WebSocket of version 13."""
    if b"websocket" not in [one.lower() for one in _elements(headers, b"upgrade")]:
        _refuse("expected the header Upgrade: websocket, got none")
    if b"upgrade" not in [one.lower() for one in _elements(headers, b"connection")]:
        _refuse("expected the header Connection: Upgrade, got none")
    if (count := len(_values(headers, b"host"))) != 1:
        _refuse(f"expected one header Host, got {count}")
    if _values(headers, b"transfer-encoding") or set(_values(headers, b"content-length")) - {b"0"}:
        _refuse("expected a request without a body, got one with a body")  # it would be read as frames
    if (versions := _values(headers, b"sec-websocket-version")) != [VERSION]:
        text = f"expected one header Sec-WebSocket-Version: 13, got {versions!r:.100}"
        raise HandshakeRefused(426, text, [(b"sec-websocket-version", VERSION), (b"upgrade", b"websocket")])


def _key(headers: Headers) -> bytes:
    """Return the key of the request, in Base64."""
    keys = _values(headers, b"sec-websocket-key")
    if len(keys) != 1:
        _refuse(f"expected one header Sec-WebSocket-Key, got {len(keys)}")
    try:
        size = len(b64decode(keys[0], validate=True))
    except ValueError:
        _refuse("expected Base64 in Sec-WebSocket-Key, got something else")
    if size != 16:
        _refuse(f"expected 16 bytes in Sec-WebSocket-Key, got {size}")
    return keys[0]


def _protocols(headers: Headers) -> tuple[str, ...]:
    """Return the sub-protocols of all headers Sec-WebSocket-Protocol together."""
    name = b"sec-websocket-protocol"
    found = _elements(headers, name)
    if not found and _values(headers, name):
        _refuse("expected a sub-protocol in Sec-WebSocket-Protocol, got none")
    for one in found:
        if not _TOKEN.fullmatch(one):
            _refuse(f"expected the names of sub-protocols in Sec-WebSocket-Protocol, got {one[:100]!r}")
    if len(set(found)) < len(found):
        _refuse("expected each sub-protocol once in Sec-WebSocket-Protocol, got one twice")
    return tuple(one.decode("ascii") for one in found)


def accept_response(
    handshake: Handshake, protocol: str | None = None, extension: bytes | None = None, headers: Headers = ()
) -> bytes:
    """Return the response that opens the WebSocket.

    `protocol`: the sub-protocol that was selected, one of the offered. `extension`: the answer to the offered
    extensions. Raises ValueError for a sub-protocol that was not offered and for headers that are not valid.
    """
    if protocol is not None and protocol not in handshake.protocols:
        raise ValueError(f"expected one of the offered sub-protocols {handshake.protocols}, got {protocol!r}")
    lines: list[tuple[bytes, bytes]] = [
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Accept", _accept_value(handshake.key)),
    ]
    if protocol is not None:
        lines.append((b"Sec-WebSocket-Protocol", protocol.encode()))
    if extension is not None:
        lines.append((b"Sec-WebSocket-Extensions", extension))
    return _head(b"HTTP/1.1 101 Switching Protocols", [*lines, *headers])


def upgrade_request(
    host: str, target: str, key: bytes, protocols: Sequence[str] = (), headers: Headers = ()
) -> bytes:
    """Return a client's request.

    `host`: with a port if it is not the default; `target`: path and query; `key`: 16 random bytes in Base64.
    Raises ValueError for a value that would break the request.
    """
    for text in (host, target):
        if not _VISIBLE.fullmatch(text.encode()):
            raise ValueError(f"expected visible ASCII characters in a host or a target, got {text!r}")
    lines: list[tuple[bytes, bytes]] = [
        (b"Host", host.encode()),
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Key", key),
        (b"Sec-WebSocket-Version", VERSION),
    ]
    if protocols:
        lines.append((b"Sec-WebSocket-Protocol", ", ".join(protocols).encode()))
    return _head(b"GET %b HTTP/1.1" % target.encode(), [*lines, *headers])


def check_accept(status: int, headers: Headers, key: bytes, protocols: Sequence[str] = ()) -> str | None:
    """Return the sub-protocol that the server has selected; None if it has not selected any.

    `key` and `protocols`: those of the request. Raises HandshakeRefused with the server's status if the
    response does not open a WebSocket.
    """
    if status != 101:
        raise HandshakeRefused(status, f"expected the status 101, got {status}")
    selected = _values(headers, b"sec-websocket-protocol")
    expectations: tuple[tuple[list[bytes], list[bytes], str], ...] = (
        ([b"websocket"], [one.lower() for one in _elements(headers, b"upgrade")], "Upgrade"),
        ([_accept_value(key)], _values(headers, b"sec-websocket-accept"), "Sec-WebSocket-Accept"),
        ([], _values(headers, b"sec-websocket-extensions"), "Sec-WebSocket-Extensions"),
        (selected[:1], selected, "Sec-WebSocket-Protocol"),
    )
    for expected, found, name in expectations:
        if found != expected:
            raise HandshakeRefused(status, f"expected {expected} in the response's {name}, got {found}")
    if b"upgrade" not in [one.lower() for one in _elements(headers, b"connection")]:
        raise HandshakeRefused(status, "expected the header Connection: Upgrade in the response, got none")
    if not selected:
        return None
    protocol = selected[0].decode("latin-1")
    if protocol not in protocols:
        raise HandshakeRefused(status, f"expected a sub-protocol of {list(protocols)}, got {protocol!r}")
    return protocol


def _accept_value(key: bytes) -> bytes:
    """Return the value of Sec-WebSocket-Accept for a key."""
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def _head(first: bytes, headers: Headers) -> bytes:
    """Return a first line, headers and an empty line. Raises ValueError for a header that is not valid."""
    for name, value in headers:
        if not _TOKEN.fullmatch(name) or not _TEXT.fullmatch(value):
            raise ValueError(f"expected a header without control characters, got {name!r}: {value!r}")
    lines = [b"%b: %b" % header for header in headers]
    return b"\r\n".join([first, *lines, b"", b""])
