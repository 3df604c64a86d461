"""Compressed values: they come back, and what is no compressed value is refused."""

import zlib

import pytest
import zstandard

from gateway.cache.packing import DEFLATED, PLAIN, ZSTD, best_packing, unpacked

VALUE = b'{"name":"A musician"}' * 500
SOURCES = {DEFLATED: lambda value: zlib.compress(value, 1), ZSTD: zstandard.ZstdCompressor().compress}


@pytest.mark.parametrize("encoding", [DEFLATED, ZSTD])
def test_values_come_back(encoding: int) -> None:
    assert unpacked(SOURCES[encoding](VALUE), encoding) == VALUE
    assert unpacked(VALUE, PLAIN) == VALUE
    packing = best_packing()
    assert (packing.encoding, unpacked(packing.compress(VALUE), packing.encoding)) == (ZSTD, VALUE)


@pytest.mark.parametrize("encoding", [DEFLATED, ZSTD, 3, -1])
@pytest.mark.parametrize("value", [b"", b"x", b"\x00" * 100, VALUE], ids=["empty", "short", "zeros", "plain"])
def test_other_bytes_are_refused(value: bytes, encoding: int) -> None:
    with pytest.raises(ValueError):
        unpacked(value, encoding)


@pytest.mark.parametrize("encoding", [DEFLATED, ZSTD])
def test_truncated_changed_and_huge_values_are_refused(encoding: int) -> None:
    packed = SOURCES[encoding](VALUE) if encoding == DEFLATED else best_packing().compress(VALUE)
    for cut in range(len(packed)):
        with pytest.raises(ValueError):
            unpacked(packed[:cut], encoding)
    bomb = SOURCES[encoding](bytes(60_000_000))
    with pytest.raises(ValueError, match="too large"):
        unpacked(bomb, encoding)
