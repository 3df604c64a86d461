"""Checks of a request's head that the parser leaves to the server (RFC 9112), and heads without an upgrade.

Example: `Connection: Upgrade, HTTP2-Settings` with `Upgrade: h2c` asks for another protocol (RFC 9110, 7.8).
llhttp then stops behind the head and hands out no body. A server that accepts no upgrade must read the
request as if it had not asked, so `without_upgrade` writes the head without `upgrade` in `Connection`, and
the connection parses it, and the bytes behind it, anew.
"""

from collections.abc import Sequence

RawHeaders = Sequence[tuple[bytes, bytes]]
WEBSOCKET = b"websocket"
VERSIONS = frozenset({"1.0", "1.1"})


class RequestRefused(Exception):
    """A request that ends its connection: the HTTP status, and a text that says why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def check_head(method: bytes, version: str, headers: RawHeaders) -> None:
    """Raise Refused for a head after which nobody can say where the request ends or whom it is for."""
    if method == b"CONNECT":
        raise RequestRefused(405, "CONNECT is not served: this server is no proxy")
    if version not in VERSIONS:
        raise RequestRefused(505, f"expected HTTP/1.0 or HTTP/1.1, got HTTP/{version}")
    hosts = sum(name == b"host" for name, _ in headers)
    if hosts > 1 or (not hosts and version == "1.1"):
        raise RequestRefused(400, f"expected one Host header, got {hosts}")
    _check_codings(b",".join([value for name, value in headers if name == b"transfer-encoding"]))


def _check_codings(codings: bytes) -> None:
    given = codings.strip().lower()
    if given and given != b"chunked":
        shown = given[:40].decode("ascii", "backslashreplace")
        raise RequestRefused(501, f"the transfer coding {shown!r} is not served; send chunked alone")


def has_body(headers: RawHeaders) -> bool:
    """Whether a head announces a body of at least one byte."""
    lengths = [value for name, value in headers if name == b"content-length"]
    chunked = any(name == b"transfer-encoding" for name, _ in headers)
    return chunked or any(value.strip(b"0 \t") for value in lengths)


def without_upgrade(method: bytes, target: bytes, version: str, headers: RawHeaders) -> bytes:
    """The head of the same request without the wish for another protocol.

    `Upgrade: websocket` stays, without effect, so that the endpoint can say that it serves no WebSocket.
    """
    lines = [b"%b %b HTTP/%b" % (method, target, version.encode())]
    for name, value in headers:
        kept = value
        if name == b"connection":
            tokens = [one.strip() for one in value.split(b",")]
            kept = b", ".join([one for one in tokens if one.lower() != b"upgrade"])
        if name != b"upgrade" or value.strip().lower() == WEBSOCKET:
            lines.append(b"%b: %b" % (name, kept))
    return b"\r\n".join(lines) + b"\r\n\r\n"


def refusal(status_line: bytes, standing: bytes, text: str) -> bytes:
    """The whole reply to a request whose connection ends with it.

    `status_line` and `standing` (the server's own headers) end with a line break.
    """
    body = text.encode("ascii", "backslashreplace")
    allow = b"allow: GET, POST\r\n" if status_line.startswith(b"HTTP/1.1 405 ") else b""
    head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return status_line + standing + allow + head % len(body) + body
