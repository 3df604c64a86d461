"""PNG (ISO/IEC 15948): reads the size, and keeps only the chunks that a still picture needs.

Texts, times, EXIF, animations, unknown chunks and everything behind the end are left out.

Example: the chunks IHDR, tEXt, eXIf, IDAT, IEND and an archive behind them give IHDR, IDAT, IEND.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from subgraphs.users.pictures.picture import CleanPicture, NotAPicture, check_parts, check_size

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_KEPT: Final = frozenset(
    (
        *(b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"),
        *(b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI", b"sBIT", b"pHYs"),
    )
)
"""The picture, its colours, and the shape of its pixels."""
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""The allowed bits per sample, by colour type."""


def clean_png(content: bytes) -> CleanPicture:
    """Return a PNG without metadata. Raises NotAPicture."""
    width = height = 0
    kept = [SIGNATURE]
    names: list[bytes] = []
    for name, data, chunk in _chunks(content):
        if not names:
            width, height = _size(name, data)
        elif name == b"IHDR":
            raise NotAPicture("it has a second header")
        if name == b"IDAT" and b"IDAT" in names and names[-1] != name:
            raise NotAPicture("the chunks of its pixels are not together")
        names.append(name)
        if name in _KEPT:
            kept.append(chunk)
        elif not name[0] & 0x20:  # a capital first letter: nobody can show the picture without it
            raise NotAPicture(f"it has an unknown critical chunk {name!r}")
    if b"IDAT" not in names:
        raise NotAPicture("it has no pixels")
    return CleanPicture(b"".join(kept), width, height)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield name, data and bytes of each chunk up to the end of the picture. Raises NotAPicture."""
    position = len(SIGNATURE)
    for number in range(len(content)):
        check_parts(number)
        if position + 12 > len(content):
            raise NotAPicture("it is cut off")
        length, name = struct.unpack_from(">I4s", content, position)
        end = position + 12 + length
        if end > len(content):
            raise NotAPicture("it is cut off")
        chunk = content[position:end]
        if not name.isalpha() or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
            raise NotAPicture("a checksum is wrong")
        yield name, chunk[8:-4], chunk
        if name == b"IEND":
            return
        position = end


def _size(name: bytes, data: bytes) -> tuple[int, int]:
    """Return width and height in the header, which must be the first chunk. Raises NotAPicture."""
    if name != b"IHDR" or len(data) != 13:
        raise NotAPicture("it does not begin with its header")
    width, height, depth, colour, compression, filters, interlace = struct.unpack(">IIBBBBB", data)
    check_size(width, height)
    if depth not in _DEPTHS.get(colour, ()) or compression or filters or interlace > 1:
        raise NotAPicture("its header is not valid")
    return width, height
