"""Decompresses bodies within a size limit: requests of clients, and replies of subgraphs."""

import zlib

SUPPORTED_ENCODINGS = ("gzip", "deflate")
"""The supported content encodings (RFC 9110, 8.4.1), besides `identity`."""
PIECE = 65_536  # compressed bytes that are processed at a time
MEMBERS = 1_000  # the number of gzip members of a body, at most
GZIP = zlib.MAX_WBITS | 16
ZLIB = zlib.MAX_WBITS
RAW = -zlib.MAX_WBITS


class UnknownEncoding(Exception):
    """The content encoding of a body is not supported."""


class CorruptBody(Exception):
    """A compressed body is corrupt or truncated."""


class BodyTooLarge(Exception):
    """A decompressed body exceeds the limit."""


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """Return the decompressed content of a body.

    `encoding`: the Content-Encoding. `limit`: the maximum size of the content in bytes. gzip data may have
    several members (RFC 1952, 2.2); deflate data may lack the zlib wrapper, as some servers send it. Raises
    UnknownEncoding, CorruptBody or BodyTooLarge.
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
        raise CorruptBody(f"the {name} data is corrupt: {error}") from error
    shown = name[:40].encode("ascii", "backslashreplace").decode()
    raise UnknownEncoding(
        f"it is encoded as {shown!r}, which can't be read; {' and '.join(SUPPORTED_ENCODINGS)} can"
    )


def _is_zlib(body: bytes) -> bool:
    """Return whether a body starts with a zlib header (RFC 1950, 2.2)."""
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
                    break  # padding after the last member
                members += 1
                unpacker = _next_member(members)
            part = unpacker.decompress(piece, limit - size + 1)
            size += len(part)
            if size > limit:
                raise BodyTooLarge(f"more than {limit} decompressed bytes")
            found.append(part)
            piece = unpacker.unused_data
    if not unpacker.eof:
        raise CorruptBody("the compressed data is truncated")
    return b"".join(found)


def _next_member(number: int) -> "zlib._Decompress":
    if number > MEMBERS:
        raise CorruptBody(f"the gzip data has more than {MEMBERS:,} members")
    return zlib.decompressobj(GZIP)
