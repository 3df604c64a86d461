"""JPEG (ISO/IEC 10918-1): reads the size, and keeps only the segments that the picture needs.

EXIF (with GPS), XMP, IPTC, comments, thumbnails, further pictures and everything behind the end are left out.
Of the EXIF only the orientation stays, in a new segment: without it, photos of phones would lie on
their side.

Example: the segments SOI, APP1 (EXIF: GPS, orientation 6), COM, DQT, SOF0, DHT, SOS, pixels, EOI give SOI,
APP1 (EXIF: orientation 6), DQT, SOF0, DHT, SOS, pixels, EOI.
"""

import re
import struct
from typing import Final

from subgraphs.users.pictures.picture import CleanPicture, NotAPicture, check_parts, check_size

SIGNATURE: Final = b"\xff\xd8\xff"
_APP0, _APP1, _APP2, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_SOS, _EOI, _COM = 0xDA, 0xD9, 0xFE
_FRAMES: Final = (0xC0, 0xC1, 0xC2)
"""The frames that browsers show: baseline, extended and progressive with Huffman codes."""
_TABLES: Final = (0xC4, 0xDB, 0xDD)
"""Huffman tables, quantization tables, and the restart interval."""
_KEPT: Final = {_APP0: b"JFIF\0", _APP2: b"ICC_PROFILE\0", _APP14: b"Adobe"}
"""The application segments that colours depend on, by marker, with their first bytes."""
_NEXT: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""The end of a scan: a marker that is neither a stuffed byte nor a restart."""
_EXIF: Final = b"Exif\0\0"
_ORIENTATION: Final = 0x0112


def clean_jpeg(content: bytes) -> CleanPicture:
    """Return a JPEG without metadata but its orientation. Raises NotAPicture."""
    return _Reader(content).read()


class _Reader:
    """Reads the segments of one file in their order."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.position = 2  # behind the marker of the start
        self.kept: list[bytes] = []
        self.size: tuple[int, int] | None = None
        self.orientation = 1
        self.has_scan = False

    def read(self) -> CleanPicture:
        for number in range(len(self.content)):
            check_parts(number)
            marker = self.marker()
            if marker == _EOI:
                break
            self.segment(marker)
        if self.size is None or not self.has_scan:
            raise NotAPicture("it has no pixels")
        turned = exif_of(self.orientation) if self.orientation > 1 else b""
        return CleanPicture(b"".join((b"\xff\xd8", turned, *self.kept, b"\xff\xd9")), *self.size)

    def marker(self) -> int:
        """Return the next marker, which fill bytes may precede."""
        start = self.position
        while self.content[self.position : self.position + 1] == b"\xff":
            self.position += 1
        if self.position == start or self.position >= len(self.content):
            raise NotAPicture("it is cut off, or a segment has a wrong length")
        self.position += 1
        return self.content[self.position - 1]

    def segment(self, marker: int) -> None:
        """Read the segment behind a marker, and keep it if the picture needs it."""
        start = self.position
        if start + 2 > len(self.content):
            raise NotAPicture("it is cut off")
        (length,) = struct.unpack_from(">H", self.content, start)
        self.position = start + length
        if length < 2 or self.position > len(self.content):
            raise NotAPicture("it is cut off, or a segment has a wrong length")
        data = self.content[start + 2 : self.position]
        if marker in _FRAMES:
            self.frame(data)
        elif marker == _SOS:
            self.scan()
        elif marker == _APP1 and data.startswith(_EXIF):
            self.orientation = orientation_of(data[len(_EXIF) :])
        if marker in (*_FRAMES, *_TABLES, _SOS) or _is_kept(marker, data):
            self.kept.append(bytes((0xFF, marker)) + self.content[start : self.position])
        elif not (_APP0 <= marker <= _APP15 or marker == _COM):
            raise NotAPicture(f"browsers do not show JPEGs of its kind (marker {marker:02X})")

    def frame(self, data: bytes) -> None:
        """Read the size of the picture."""
        if self.size is not None:
            raise NotAPicture("it has a second frame")
        if len(data) < 6:
            raise NotAPicture("its header is not valid")
        depth, height, width, components = struct.unpack_from(">BHHB", data)
        check_size(width, height)
        if depth != 8 or components not in (1, 3, 4) or len(data) != 6 + 3 * components:
            raise NotAPicture("its header is not valid")
        self.size = (width, height)

    def scan(self) -> None:
        """Skip the pixels of a scan."""
        if self.size is None:
            raise NotAPicture("its pixels precede its header")
        if (found := _NEXT.search(self.content, self.position)) is None:
            raise NotAPicture("it is cut off")
        self.position = found.start()
        while self.content[self.position - 1] == 0xFF:  # fill bytes
            self.position -= 1
        self.has_scan = True


def _is_kept(marker: int, data: bytes) -> bool:
    return marker in _KEPT and data.startswith(_KEPT[marker])


def orientation_of(tiff: bytes) -> int:
    """Return the orientation in EXIF, 1 to 8; 1, the usual one, if there is none or it can't be read."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order is None:
            return 1
        magic, first = struct.unpack_from(f"{order}HI", tiff, 2)
        (entries,) = struct.unpack_from(f"{order}H", tiff, first)
        for number in range(entries if magic == 42 else 0):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, first + 2 + 12 * number)
            if tag == _ORIENTATION:
                return value if kind == 3 and 1 <= value <= 8 else 1
    except struct.error:
        pass  # it ends before what it names
    return 1


def exif_of(orientation: int) -> bytes:
    """Return a segment APP1 with EXIF that has nothing but an orientation."""
    tiff = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)
    return struct.pack(">BBH", 0xFF, _APP1, 2 + len(_EXIF) + len(tiff)) + _EXIF + tiff
