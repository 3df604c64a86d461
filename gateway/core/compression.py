"""Unpacking compressed bodies within limits: nothing is expanded beyond what is allowed."""

import zlib

READABLE = ("gzip", "deflate")
"""The names of the encodings that can be read (RFC 9110, 8.4.1), `identity` apart."""
PIECE = 65_536  # bytes that are unpacked at a time
MEMBERS = 1_000  # of one body
GZIP = zlib.MAX_WBITS | 16
ZLIB = zlib.MAX_WBITS
RAW = -zlib.MAX_WBITS


class UnknownEncoding(Exception):
    """A body is encoded in a way that nobody asked for and that can't be read."""


class Unreadable(Exception):
    """A compressed body is broken or cut off."""


class TooLarge(Exception):
    """A compressed body unpacks to more than is allowed."""


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """The content of a body with a Content-Encoding, at most `limit` bytes.

    gzip may have several members (RFC 1952, 2.2), deflate may lack the zlib wrapper, as some servers send it.

    Raises UnknownEncoding, Unreadable or TooLarge.
    """
    name = encoding.strip().lower()
    if name in ("", "identity") or not body:
        return body
    try:
        if name in ("gzip", "x-gzip"):
            return _unpacked(body, GZIP, limit)
        if name == "deflate":
            return _unpacked(body, ZLIB if _is_zlib(body) else RAW, limit)
    except zlib.error as error:
        raise Unreadable(f"the {name} data is broken: {error}") from error
    shown = name[:40].encode("ascii", "backslashreplace").decode()
    raise UnknownEncoding(f"it is encoded as {shown!r}, which can't be read; {' and '.join(READABLE)} can")


def _is_zlib(body: bytes) -> bool:
    """Whether a body begins as zlib's do (RFC 1950, 2.2)."""
    return len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0


def _unpacked(body: bytes, window: int, limit: int) -> bytes:
    found: list[bytes] = []
    size, members = 0, 1
    unpacker = zlib.decompressobj(window)
    for start in range(0, len(body), PIECE):
        piece = body[start : start + PIECE]
        while piece:
            if unpacker.eof:
                if window != GZIP or not piece.strip(b"\0"):
                    break  # padding behind the last member
                members += 1
                unpacker = _next_member(members)
            part = unpacker.decompress(piece, limit - size + 1)
            size += len(part)
            if size > limit:
                raise TooLarge(f"it is larger than {limit} bytes when unpacked")
            found.append(part)
            piece = unpacker.unused_data
    if not unpacker.eof:
        raise Unreadable("the compressed data is cut off")
    return b"".join(found)


def _next_member(number: int) -> "zlib._Decompress":
    if number > MEMBERS:
        raise Unreadable(f"the gzip data has more than {MEMBERS:,} members")
    return zlib.decompressobj(GZIP)
