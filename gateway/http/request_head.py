"""Checks of a request's head that the parser leaves to the server (RFC 9112), and heads without `Upgrade`.

Example: `Connection: Upgrade, HTTP2-Settings` with `Upgrade: h2c` requests another protocol (RFC 9110, 7.8).
llhttp then stops after the head and returns no body. A server without upgrades must process the request as if
it had no `Upgrade`, so `without_upgrade` writes the head again without `upgrade` in `Connection`, and the
connection parses that head and the bytes after it.
"""

from collections.abc import Sequence

RawHeaders = Sequence[tuple[bytes, bytes]]
WEBSOCKET = b"websocket"
VERSIONS = frozenset({"1.0", "1.1"})


class RequestRefused(Exception):
    """A request that is refused and ends its connection.

    `status`: HTTP. `text`: the body of the reply. `headers`: added to those of the reply.
    """

    def __init__(self, status: int, text: str, headers: RawHeaders = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


def check_head(method: bytes, version: str, headers: RawHeaders) -> None:
    """Raise RequestRefused for a head that leaves the end or the recipient of the request unclear."""
    if method == b"CONNECT":
        raise RequestRefused(405, "CONNECT is not supported: this server is not a proxy")
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
        raise RequestRefused(501, f"expected the transfer coding chunked or none, got {shown!r}")


def has_body(headers: RawHeaders) -> bool:
    """Return whether a head announces a body of at least one byte."""
    lengths = [value for name, value in headers if name == b"content-length"]
    chunked = any(name == b"transfer-encoding" for name, _ in headers)
    return chunked or any(value.strip(b"0 \t") for value in lengths)


def without_upgrade(method: bytes, target: bytes, version: str, headers: RawHeaders) -> bytes:
    """Return the head of the same request without `Upgrade`.

    `Upgrade: websocket` remains, so that the endpoint can reply that it does not support WebSocket.
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


def refusal_reply(status_line: bytes, default_headers: bytes, why: RequestRefused) -> bytes:
    """Return the complete reply to a refused request, whose connection is closed after it.

    `status_line` and `default_headers` (those of the server) end with a line break.
    """
    body = why.text.encode("ascii", "backslashreplace")
    own = b"".join([b"%b: %b\r\n" % header for header in why.headers])
    if why.status == 405 and not own:
        own = b"allow: GET, POST\r\n"
    head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return status_line + default_headers + own + head % len(body) + body
