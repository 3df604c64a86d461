"""Compressed bodies: every form that servers send is decompressed, within the limit."""

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.compression import MEMBERS, PIECE, BodyTooLarge, CorruptBody, UnknownEncoding, unpack

WORDS = b'{"data":{"x":1}}'


@given(st.lists(st.binary(max_size=3_000), max_size=8), st.integers(0, 5))
def test_gzip_has_as_many_members_as_it_likes(parts: list[bytes], padding: int) -> None:
    """All members count, also empty ones; zero bytes after the last member are ignored."""
    body = b"".join(gzip.compress(one, mtime=0) for one in parts)
    assert unpack(body + bytes(padding) if parts else body, "gzip", 100_000) == b"".join(parts)


def test_members_across_the_pieces() -> None:
    """A member may begin anywhere, also where a piece ends."""
    filler = zlib.compressobj(0, wbits=31)
    first = filler.compress(b"x" * (PIECE - 30)) + filler.flush()
    for cut in range(len(first) - PIECE - 5, len(first) - PIECE + 30):
        body = gzip.compress(b"a" * max(cut, 1), mtime=0) + first + gzip.compress(b"end", mtime=0)
        assert unpack(body, "gzip", 1_000_000).endswith(b"xend")


@given(st.binary(min_size=1, max_size=3_000), st.integers(0, 9))
def test_deflate_has_a_wrapper_or_none(content: bytes, level: int) -> None:
    """Deflate data is decompressed with the zlib wrapper, as the standard requires, and without it, as some
    servers send it.
    """
    assert unpack(zlib.compress(content, level), "deflate", 3_000) == content
    assert unpack(zlib.compress(content, level, wbits=-15), "Deflate ", 3_000) == content


@pytest.mark.parametrize("name", ["", "identity", " IDENTITY "])
def test_what_is_not_packed(name: str) -> None:
    """A body that is not compressed is returned unchanged, whatever the limit: the receiver has already
    measured it.
    """
    assert unpack(WORDS, name, 3) == WORDS


@pytest.mark.parametrize("name", ["gzip", "deflate"])
def test_nothing_is_nothing(name: str) -> None:
    """An empty body stays empty, whatever its Content-Encoding is."""
    assert unpack(b"", name, 10) == b""


@pytest.mark.parametrize(("content", "allowed"), [(b"x" * 100, True), (b"x" * 101, False)])
def test_the_limit_is_exact(content: bytes, allowed: bool) -> None:
    """A body of exactly the limit is accepted, a body of one byte more is refused."""
    if allowed:
        assert unpack(gzip.compress(content, mtime=0), "gzip", 100) == content
    else:
        with pytest.raises(BodyTooLarge, match="more than 100 decompressed bytes"):
            unpack(gzip.compress(content, mtime=0), "gzip", 100)


@pytest.mark.parametrize("name", ["gzip", "deflate"])
def test_a_bomb_is_not_unpacked(name: str) -> None:
    """A body that would decompress to 200 MB needs about as much memory as the limit."""
    packer = zlib.compressobj(9, wbits=31 if name == "gzip" else 15)
    body = b"".join([packer.compress(bytes(1_000_000)) for _ in range(200)]) + packer.flush()
    tracemalloc.start()
    with pytest.raises(BodyTooLarge):
        unpack(body, name, 100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize(
    ("body", "name", "words"),
    [
        (gzip.compress(WORDS, mtime=0)[:-1], "gzip", "truncated"),
        (gzip.compress(WORDS, mtime=0)[:5], "gzip", "truncated"),
        (gzip.compress(WORDS, mtime=0)[:-8] + b"\0" * 8, "gzip", "corrupt"),
        (gzip.compress(WORDS, mtime=0) + WORDS, "gzip", "corrupt"),
        (gzip.compress(b"", mtime=0) * (MEMBERS + 1), "gzip", "more than 1,000 members"),
        (WORDS, "gzip", "corrupt"),
        (zlib.compress(WORDS)[:-1], "deflate", "truncated"),
        (zlib.compress(WORDS)[:-1] + b"\0", "deflate", "corrupt"),
        (b"\xff" * 50, "deflate", "corrupt"),
    ],
)
def test_what_is_broken(body: bytes, name: str, words: str) -> None:
    """Corrupt data is refused with the reason; a wrong checksum counts as corrupt."""
    with pytest.raises(CorruptBody, match=words):
        unpack(body, name, 100_000)


@pytest.mark.parametrize("name", ["br", "zstd", "compress", "gzip, br", "x" * 500, "\xff\x00"])
def test_unknown_encodings(name: str) -> None:
    """The message contains the unknown encoding, shortened and printable."""
    with pytest.raises(UnknownEncoding) as caught:
        unpack(WORDS, name, 100)
    text = str(caught.value)
    assert name[:2] in text or "\\xff" in text
    assert text.isascii() and text.isprintable() and len(text) < 150
