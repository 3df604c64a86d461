"""WebP (RFC 9649): reads the size, and keeps only the chunks that a still picture needs.

EXIF, XMP, unknown chunks and everything behind the end are left out; animations are refused.

Example: the chunks VP8X, ICCP, VP8, EXIF and XMP give VP8X (without its flags for EXIF and XMP), ICCP, VP8.
"""

import struct
from collections.abc import Iterator
from typing import Final

from subgraphs.users.pictures.picture import CleanPicture, NotAPicture, check_parts, check_size

_ICC, _ALPHA, _ANIMATION = 0x20, 0x10, 0x02
_PIXELS: Final = (b"VP8 ", b"VP8L")


def is_webp(content: bytes) -> bool:
    """Return whether a file begins as a WebP."""
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP"


def clean_webp(content: bytes) -> CleanPicture:
    """Return a WebP without metadata. Raises NotAPicture."""
    chunks: dict[bytes, bytes] = {}
    first = b""
    for name, data in _chunks(content):
        first = first or name
        if name in (b"ANIM", b"ANMF"):
            raise NotAPicture("it is an animation")
        if name in (b"VP8X", b"ICCP", b"ALPH", *_PIXELS) and chunks.setdefault(name, data) is not data:
            raise NotAPicture(f"it has a second chunk {name!r}")
    pixels = [name for name in _PIXELS if name in chunks]
    if len(pixels) != 1 or first not in (b"VP8X", *pixels):
        raise NotAPicture("it does not begin with its header, or has no pixels")
    size = _lossy_size(chunks[b"VP8 "]) if b"VP8 " in chunks else _lossless_size(chunks[b"VP8L"])
    check_size(*size)
    kept = _extended(chunks, size) if first == b"VP8X" else b""
    body = b"WEBP" + kept + _chunk(pixels[0], chunks[pixels[0]])
    return CleanPicture(struct.pack("<4sI", b"RIFF", len(body)) + body, *size)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and data of each chunk. Raises NotAPicture."""
    (length,) = struct.unpack_from("<I", content, 4)
    end, position = 8 + length, 12
    if end > len(content):
        raise NotAPicture("it is cut off")
    for number in range(len(content)):
        check_parts(number)
        if position == end:
            return
        if position + 8 > end:
            break
        name, size = struct.unpack_from("<4sI", content, position)
        position += 8
        if position + size > end:
            break
        yield name, content[position : position + size]
        position = min(position + size + size % 2, end)
    raise NotAPicture("it is cut off, or a chunk has a wrong length")


def _extended(chunks: dict[bytes, bytes], size: tuple[int, int]) -> bytes:
    """Return the chunks before the pixels of an extended file. Raises NotAPicture."""
    header = chunks[b"VP8X"]
    if len(header) != 10:
        raise NotAPicture("its header is not valid")
    if header[0] & _ANIMATION:
        raise NotAPicture("it is an animation")
    if (int.from_bytes(header[4:7], "little") + 1, int.from_bytes(header[7:10], "little") + 1) != size:
        raise NotAPicture("its header names another size than its pixels have")
    flags = header[0] & (_ICC if b"ICCP" in chunks else 0) | header[0] & _ALPHA
    kept = _chunk(b"VP8X", bytes((flags, 0, 0, 0)) + header[4:])
    if flags & _ICC:
        kept += _chunk(b"ICCP", chunks[b"ICCP"])
    if flags & _ALPHA and b"ALPH" in chunks and b"VP8 " in chunks:
        kept += _chunk(b"ALPH", chunks[b"ALPH"])
    return kept


def _lossy_size(data: bytes) -> tuple[int, int]:
    """Return the size in the key frame of lossy pixels (RFC 6386, 9.1). Raises NotAPicture."""
    tag = int.from_bytes(data[:3], "little")
    if len(data) < 10 or tag & 1 or data[3:6] != b"\x9d\x01\x2a" or tag >> 5 > len(data) - 10:
        raise NotAPicture("the header of its pixels is not valid, or they are cut off")
    width, height = struct.unpack_from("<HH", data, 6)
    return width & 0x3FFF, height & 0x3FFF


def _lossless_size(data: bytes) -> tuple[int, int]:
    """Return the size in the header of lossless pixels (RFC 9649, 3.4). Raises NotAPicture."""
    if len(data) < 6 or data[0] != 0x2F:
        raise NotAPicture("the header of its pixels is not valid, or they are cut off")
    bits = int.from_bytes(data[1:5], "little")
    if bits >> 29:
        raise NotAPicture("its pixels have an unknown version")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack("<4sI", name, len(data)) + data + b"\0" * (len(data) % 2)
