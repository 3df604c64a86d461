"""Tests of the picture formats: metadata goes and the pixels stay, and files that are not valid are refused.

Pillow is the other reader: what it shows of the cleaned file must be what it shows of the given one.
"""

import io
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageOps

from subgraphs.kit.errors import BadUserInput
from subgraphs.users.pictures.formats import NAME, media_type_of, picture_of
from subgraphs.users.pictures.jpeg import clean_jpeg, exif_of, orientation_of
from subgraphs.users.pictures.picture import MOST_PARTS, NotAPicture
from subgraphs.users.pictures.png import clean_png
from subgraphs.users.pictures.webp import clean_webp
from tests.subgraphs.users.pictures import samples
from tests.subgraphs.users.pictures.samples import SECRET, chunk, pattern, pixels, png_of, riff, saved

Cleaner = Callable[[bytes], Any]
PROFILE = b"a colour profile, which stays"
VALID: dict[str, bytes] = {
    "png": samples.png(),
    "png with transparency": samples.png("RGBA"),
    "grey png": samples.png("L"),
    "png with a palette": saved(pattern().quantize(16), "PNG", transparency=3),
    "png with 16 bits": saved(Image.new("I;16", (9, 7), 40_000), "PNG"),
    "png with a profile": saved(pattern(), "PNG", icc_profile=PROFILE),
    "jpeg": samples.jpeg(),
    "progressive jpeg": samples.jpeg(progressive=True),
    "jpeg with restarts": samples.jpeg(restart_marker_blocks=1),
    "grey jpeg": saved(pattern("L"), "JPEG", comment=SECRET),
    "jpeg in CMYK": saved(pattern("CMYK"), "JPEG", comment=SECRET),
    "jpeg with a profile": samples.jpeg(icc_profile=PROFILE * 5_000),
    "turned jpeg": samples.jpeg(orientation=6),
    "webp": samples.webp(),
    "lossless webp": samples.webp(lossless=True),
    "webp with transparency": samples.webp("RGBA"),
    "lossless webp with transparency": samples.webp("RGBA", lossless=True),
    "webp with a profile": samples.webp(icc_profile=PROFILE),
    "plain webp": saved(pattern(), "WEBP"),
}


@pytest.mark.parametrize("name", VALID)
def test_metadata_goes_and_the_picture_stays(name: str) -> None:
    """The cleaned file has the same pixels and the same colour profile, and nothing that tells on anybody."""
    given = VALID[name]
    found = picture_of(given, "picture")
    assert pixels(found.content) == pixels(given)
    assert SECRET not in found.content
    assert (PROFILE in Image.open(io.BytesIO(found.content)).info.get("icc_profile", b"")) == (
        "profile" in name
    )
    assert Image.open(io.BytesIO(found.content)).getexif().get_ifd(0x8825) == {}
    assert NAME.fullmatch(found.name)
    assert media_type_of(found.name) == f"image/{name.split(' with')[0].split(' in')[0].split()[-1]}"
    again = picture_of(found.content, "picture")
    assert again == found


@pytest.mark.parametrize("orientation", range(2, 9))
def test_photos_stay_upright(orientation: int) -> None:
    """Of EXIF only the orientation is left, so a viewer shows the picture as before."""
    given = samples.jpeg(orientation)
    found = clean_jpeg(given).content
    shown = [ImageOps.exif_transpose(Image.open(io.BytesIO(one))) for one in (given, found)]
    assert shown[0].tobytes() == shown[1].tobytes()
    assert dict(Image.open(io.BytesIO(found)).getexif()) == {0x0112: orientation}
    assert found.count(b"Exif") == 1


def test_no_orientation_no_exif() -> None:
    """A picture that is not turned has no EXIF afterwards."""
    assert b"Exif" not in clean_jpeg(samples.jpeg()).content


@pytest.mark.parametrize("name", VALID)
def test_what_follows_the_picture_is_dropped(name: str) -> None:
    """A file that is a picture and an archive or a page as well is a picture only afterwards."""
    hidden = b"PK\x03\x04<script>alert(1)</script>"
    assert picture_of(VALID[name] + hidden, "picture") == picture_of(VALID[name], "picture")


@pytest.mark.parametrize("name", VALID)
def test_a_file_that_is_cut_off_is_refused(name: str) -> None:
    """Wherever a file ends early, it is refused, and nothing else happens."""
    whole = VALID[name]
    ends = range(len(whole)) if len(whole) < 5_000 else random.Random(1).sample(range(len(whole)), 500)
    for end in ends:
        with pytest.raises(BadUserInput):
            picture_of(whole[:end], "picture")


@pytest.mark.parametrize("name", VALID)
def test_damaged_files_do_no_harm(name: str) -> None:
    """Any change of bytes gives a picture without the metadata, or a refusal."""
    chance = random.Random(name)
    for _ in range(300):
        damaged = bytearray(VALID[name])
        for _ in range(chance.choice((1, 1, 2, 8))):
            damaged[chance.randrange(8, len(damaged))] = chance.choice(
                (0, 0xFF, 0xD8, 0xD9, chance.randrange(256))
            )
        try:
            found = picture_of(bytes(damaged), "picture")
        except BadUserInput:
            continue
        assert picture_of(found.content, "picture") == found


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG",
        b"GIF89a" + b"\0" * 100,
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html>" + samples.png(),
        b"%PDF-1.7" + samples.jpeg(),
        b"RIFF\x00\x00\x00\x00WAVE",
        saved(pattern(), "BMP"),
        saved(pattern(), "TIFF"),
        saved(pattern().quantize(8), "GIF"),
    ],
)
def test_other_files_are_refused(content: bytes) -> None:
    """What does not begin as one of the three formats is no picture, whatever its name says."""
    with pytest.raises(BadUserInput, match="'picture' must be a picture: PNG, JPEG or WebP") as refused:
        picture_of(content, "picture")
    assert refused.value.extensions == {"field": "picture"}


def large_jpeg(width: int, height: int) -> bytes:
    """Return a JPEG that claims a size."""
    file = bytearray(saved(pattern(), "JPEG"))
    file[(at := file.index(b"\xff\xc0")) + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(file)


def large_webp(width: int, height: int) -> bytes:
    """Return a lossy WebP that claims a size."""
    file = bytearray(saved(pattern(), "WEBP"))
    file[(at := file.index(b"\x9d\x01\x2a")) + 3 : at + 7] = struct.pack("<HH", width, height)
    return bytes(file)


def large_lossless(width: int, height: int) -> bytes:
    """Return a lossless WebP that claims a size."""
    return riff((b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + b"\0" * 9))


@pytest.mark.parametrize("make", [png_of, large_jpeg, large_webp, large_lossless])
def test_sizes(make: Callable[[int, int], bytes]) -> None:
    """8,000 pixels are allowed in each direction, and the header counts, whatever the pixels are."""
    assert picture_of(make(8_000, 8_000), "picture")
    for size in ((8_001, 1), (1, 8_001), (16_000, 16_000)):
        with pytest.raises(BadUserInput, match="pixels in width and height, got"):
            picture_of(make(*size), "picture")


@pytest.mark.parametrize("make", [png_of, large_jpeg, large_webp])
def test_no_pixels(make: Callable[[int, int], bytes]) -> None:
    """A picture without a width or a height is refused."""
    for size in ((0, 5), (5, 0)):
        with pytest.raises(BadUserInput, match="got"):
            picture_of(make(*size), "picture")


HEADER = struct.pack(">IIBBBBB", 3, 3, 8, 2, 0, 0, 0)
START, END = b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b"")
FIRST, DATA = chunk(b"IHDR", HEADER), chunk(b"IDAT", zlib.compress(b"\0" * 30))


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ((DATA, END), "does not begin with its header"),
        ((FIRST, END), "no pixels"),
        ((FIRST, FIRST, DATA, END), "second header"),
        ((chunk(b"IHDR", HEADER[:-1]), DATA, END), "does not begin with its header"),
        ((chunk(b"IHDR", HEADER[:8] + b"\x03\x02\0\0\0"), DATA, END), "header is not valid"),
        ((chunk(b"IHDR", HEADER[:8] + b"\x08\x07\0\0\0"), DATA, END), "header is not valid"),
        ((chunk(b"IHDR", HEADER[:8] + b"\x08\x02\0\0\x02"), DATA, END), "header is not valid"),
        ((FIRST, DATA, chunk(b"tEXt", b"a\0b"), DATA, END), "not together"),
        ((FIRST, chunk(b"EVIL", b""), DATA, END), "critical chunk"),
        ((FIRST, DATA[:-1] + b"\0", END), "checksum"),
        ((FIRST, b"\xff\xff\xff\xff" + DATA[4:], END), "cut off"),
        ((FIRST, chunk(b"te t", b""), DATA, END), "checksum"),
        ((FIRST, *[chunk(b"tEXt", b"a\0")] * (MOST_PARTS + 1), DATA, END), "parts"),
    ],
)
def test_wrong_pngs(parts: tuple[bytes, ...], problem: str) -> None:
    """What the standard forbids is refused."""
    with pytest.raises(NotAPicture, match=problem):
        clean_png(START + b"".join(parts))


def test_an_animated_png_becomes_still() -> None:
    """The first picture of an animation is left."""
    frames = [pattern(seed=seed) for seed in (1, 2, 3)]
    given = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    found = clean_png(given).content
    assert b"fdAT" in given
    assert not any(name in found for name in (b"acTL", b"fcTL", b"fdAT"))
    assert pixels(found) == pixels(given)


def segment(marker: int, data: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


FRAME = segment(0xC0, b"\x08\0\x03\0\x03\x01\x01\x11\0")
SCAN, STOP = segment(0xDA, b"\x01\x01\0\0\x3f\0") + b"\x12\xff\x00\x34\xff\xd0\x56", b"\xff\xd9"


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ((FRAME, STOP), "no pixels"),
        ((STOP,), "no pixels"),
        ((SCAN, FRAME, STOP), "precede its header"),
        ((FRAME, FRAME, SCAN, STOP), "second frame"),
        ((FRAME, SCAN), "cut off"),
        ((segment(0xC0, b"\x08\0\x03\0"), SCAN, STOP), "header is not valid"),
        ((segment(0xC0, b"\x0c\0\x03\0\x03\x01\x01\x11\0"), SCAN, STOP), "header is not valid"),
        ((segment(0xC0, b"\x08\0\x03\0\x03\x03\x01\x11\0"), SCAN, STOP), "header is not valid"),
        ((segment(0xC3, FRAME[4:]), SCAN, STOP), "browsers do not show"),
        ((segment(0xC9, FRAME[4:]), SCAN, STOP), "browsers do not show"),
        ((FRAME, SCAN, segment(0xDC, b"\0\x09"), STOP), "browsers do not show"),
        ((FRAME, b"\xff\xdb\x00\x01", SCAN, STOP), "wrong length"),
        ((FRAME, b"\xff\xdb\xff\xff", SCAN, STOP), "wrong length"),
        ((FRAME, b"\0\0", SCAN, STOP), "wrong length"),
        ((*[segment(0xFE, b"")] * (MOST_PARTS + 1), FRAME, SCAN, STOP), "parts"),
    ],
)
def test_wrong_jpegs(parts: tuple[bytes, ...], problem: str) -> None:
    """What the standard forbids, or no browser shows, is refused."""
    with pytest.raises(NotAPicture, match=problem):
        clean_jpeg(b"\xff\xd8" + b"".join(parts))


def test_fill_bytes_and_other_segments_of_a_jpeg() -> None:
    """Any number of fill bytes precedes a marker; segments that look like kept ones are left out."""
    others = segment(0xE0, b"JFXX\0\x10" + SECRET), segment(0xE2, b"MPF\0" + SECRET), segment(0xED, SECRET)
    given = b"\xff\xd8" + b"".join((*others, b"\xff" * 9, FRAME, SCAN, b"\xff" * 9, STOP))
    found = clean_jpeg(given)
    assert found.content == b"\xff\xd8" + FRAME + SCAN + STOP
    assert (found.width, found.height) == (3, 3)


def test_long_runs_cost_nothing() -> None:
    """Files of one repeated byte are read in one pass: each byte is searched a bounded number of times."""
    for run in (b"\xff" * 4_000_000, b"\xff\x00" * 2_000_000, b"\xff\xd0" * 2_000_000, b"\0" * 4_000_000):
        found = clean_jpeg(b"\xff\xd8" + FRAME + SCAN + run + b"\0" + STOP)
        assert (found.width, found.height) == (3, 3)
        with pytest.raises(NotAPicture):
            clean_jpeg(b"\xff\xd8" + FRAME + SCAN + run)
        for head in (START, b"RIFF\xff\xff\xff\x7fWEBP", b"\xff\xd8\xff"):
            with pytest.raises(BadUserInput):
                picture_of(head + run, "picture")


@pytest.mark.parametrize(
    "tiff",
    [
        b"",
        b"MM",
        b"XX\0*\0\0\0\x08",
        b"MM\0*\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"MM\0+\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0",
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0",
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x04\0\0\0\x01\0\x06\0\0",
    ],
)
def test_wrong_exif_has_no_orientation(tiff: bytes) -> None:
    """EXIF that can't be read counts as none."""
    assert orientation_of(tiff) == 1


def test_exif_in_both_byte_orders() -> None:
    """The orientation is read from programs of both kinds."""
    little = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, 8, 0, 0)
    assert orientation_of(little) == 8
    assert orientation_of(exif_of(3)[10:]) == 3


LOSSY = saved(pattern(), "WEBP")[20:]
WIDE = b"\0\0\0\0" + (36).to_bytes(3, "little") + (22).to_bytes(3, "little")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (riff(), "no pixels"),
        (riff((b"EXIF", SECRET), (b"VP8 ", LOSSY)), "does not begin with its header"),
        (riff((b"VP8 ", LOSSY), (b"VP8 ", LOSSY)), "second chunk"),
        (riff((b"VP8 ", LOSSY), (b"VP8L", LOSSY)), "no pixels"),
        (riff((b"VP8X", WIDE), (b"EXIF", SECRET)), "no pixels"),
        (riff((b"VP8X", WIDE[:-1]), (b"VP8 ", LOSSY)), "header is not valid"),
        (riff((b"VP8X", b"\x02" + WIDE[1:]), (b"VP8 ", LOSSY)), "animation"),
        (riff((b"VP8X", WIDE), (b"ANMF", LOSSY)), "animation"),
        (riff((b"VP8X", b"\0\0\0\0" + b"\xff" * 6), (b"VP8 ", LOSSY)), "another size"),
        (riff((b"VP8 ", b"\x01" + LOSSY[1:])), "header of its pixels"),
        (riff((b"VP8 ", LOSSY[:9])), "header of its pixels"),
        (riff((b"VP8 ", b"\xf0\xff\xff" + LOSSY[3:])), "header of its pixels"),
        (riff((b"VP8L", b"\x2e" + b"\0" * 9)), "header of its pixels"),
        (riff((b"VP8L", b"\x2f\0\0\0\xe0")), "header of its pixels"),
        (riff((b"VP8L", b"\x2f\0\0\0\xe0\0")), "unknown version"),
        (riff((b"VP8 ", LOSSY))[:-4], "cut off"),
        (b"RIFF\x06\0\0\0WEBPVP", "wrong length"),
        (b"RIFF\x10\0\0\0WEBPVP8 \xff\xff\xff\xff\0\0\0\0", "wrong length"),
        (riff(*[(b"abcd", b"")] * (MOST_PARTS + 1)), "parts"),
    ],
)
def test_wrong_webps(content: bytes, problem: str) -> None:
    """What the standard forbids, and animations, are refused."""
    with pytest.raises(NotAPicture, match=problem):
        clean_webp(content)


def test_a_real_animation_is_refused() -> None:
    """An animated WebP says so."""
    frames = [pattern(seed=seed) for seed in (1, 90)]
    with pytest.raises(BadUserInput, match="it is an animation"):
        picture_of(saved(frames[0], "WEBP", save_all=True, append_images=frames[1:]), "picture")
