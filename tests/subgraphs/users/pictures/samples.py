"""Pictures for tests, made by Pillow, with the metadata that cameras and programs write."""

import io
import struct
import zlib
from typing import Any, Final

from PIL import Image, PngImagePlugin

SECRET: Final = b"52.5200N-13.4050E"
"""A text in all metadata of the samples."""


def pattern(mode: str = "RGB", size: tuple[int, int] = (37, 23), seed: int = 1) -> Image.Image:
    """Return a picture with colours that differ from pixel to pixel."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    width, height = size
    data = bytes(
        (x * 7 + y * 5 + band * 31 + seed) % 256
        for y in range(height)
        for x in range(width)
        for band in range(bands)
    )
    return Image.frombytes(mode, size, data)


def exif(orientation: int = 1) -> Image.Exif:
    """Return EXIF with a place, a description, and an orientation."""
    found = Image.Exif()
    found[0x010E] = SECRET.decode()
    found[0x0112] = orientation
    found.get_ifd(0x8825)[1] = SECRET.decode()
    return found


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Return a picture as a file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def jpeg(orientation: int = 1, seed: int = 1, **options: Any) -> bytes:
    """Return a JPEG with EXIF, a comment, XMP and a resolution."""
    given = {
        "exif": exif(orientation),
        "comment": SECRET,
        "xmp": b"<x:xmpmeta>" + SECRET,
        "dpi": (72, 72),
        **options,
    }
    return saved(pattern(seed=seed), "JPEG", **given)


def png(mode: str = "RGB", seed: int = 1) -> bytes:
    """Return a PNG with texts, EXIF and a resolution."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", SECRET.decode())
    texts.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    texts.add_text("Packed", SECRET.decode() * 9, zip=True)
    return saved(pattern(mode, seed=seed), "PNG", pnginfo=texts, exif=exif(), dpi=(72, 72))


def webp(mode: str = "RGB", **options: Any) -> bytes:
    """Return a WebP with EXIF and XMP."""
    return saved(pattern(mode), "WEBP", exif=exif(), xmp=b"<x:xmpmeta>" + SECRET, **options)


def pixels(content: bytes) -> tuple[str, tuple[int, int], bytes]:
    """Return the mode, the size and the pixels of a file."""
    with Image.open(io.BytesIO(content)) as found:
        return found.mode, found.size, found.tobytes()


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(width: int, height: int) -> bytes:
    """Return a small PNG that claims a size."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a WebP of chunks."""
    body = b"WEBP" + b"".join(
        struct.pack("<4sI", name, len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks
    )
    return struct.pack("<4sI", b"RIFF", len(body)) + body
