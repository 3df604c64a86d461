"""Compressed request bodies: read within the limits by either door; other encodings are refused."""

import gzip
import zlib

import pytest

from gateway.settings import Limits, Settings
from tests.gateway.http.sockets import HELLO, Served, body_of, connected, payload, raw, read_one, serving

BODY = payload(HELLO, "a")
LINES = {"direct": b"POST /graphql HTTP/1.1", "asgi": b"POST /graphql?long HTTP/1.1"}
doors = pytest.mark.parametrize("line", LINES.values(), ids=LINES)


def packed(body: bytes, encoding: bytes, line: bytes) -> bytes:
    """Return a request with a body in some encoding."""
    return raw(b"Content-Encoding: " + encoding, body=body, line=line)


async def reply_to(served: Served, request: bytes) -> tuple[int, bytes]:
    """Return the status of a reply, and the reply."""
    async with connected(served) as (reader, writer):
        writer.write(request)
        got = await read_one(reader)
    return int(got.split()[1]), got


@doors
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"gzip", gzip.compress(BODY, mtime=0)),
        (b"X-Gzip", gzip.compress(BODY, mtime=0)),
        (b"gzip", gzip.compress(BODY[:20], mtime=0) + gzip.compress(BODY[20:], mtime=0)),
        (b"deflate", zlib.compress(BODY)),
        (b"deflate", zlib.compress(BODY, wbits=-15)),
        (b"identity", BODY),
        (b"", BODY),
    ],
)
async def test_a_packed_body(served: Served, encoding: bytes, body: bytes, line: bytes) -> None:
    """A compressed body is read like the same body without compression."""
    status, got = await reply_to(served, packed(body, encoding, line))
    assert (status, body_of(got)) == (200, {"data": {"hello": "a"}})


@doors
@pytest.mark.parametrize(
    ("encoding", "body", "status", "code", "words"),
    [
        (b"br", BODY, 415, "UNSUPPORTED_CONTENT_ENCODING", "encoded as 'br'"),
        (b"zstd", BODY, 415, "UNSUPPORTED_CONTENT_ENCODING", "encoded as 'zstd'"),
        (b"gzip, gzip", BODY, 415, "UNSUPPORTED_CONTENT_ENCODING", "encoded as 'gzip, gzip'"),
        (b"gzip\r\nContent-Encoding: br", BODY, 415, "UNSUPPORTED_CONTENT_ENCODING", "encoded as 'gzip, br'"),
        (b"\xff\xfe", BODY, 415, "UNSUPPORTED_CONTENT_ENCODING", "encoded as"),
        (b"gzip", BODY, 400, "BAD_REQUEST", "gzip data is corrupt"),
        (b"gzip", gzip.compress(BODY, mtime=0)[:-4], 400, "BAD_REQUEST", "truncated"),
        (b"deflate", BODY, 400, "BAD_REQUEST", "deflate data is corrupt"),
        (b"gzip", gzip.compress(b"{", mtime=0), 400, "INVALID_JSON", "ends at byte 1"),
        (b"gzip", b"", 400, "INVALID_JSON", "it is empty"),
        (
            b"gzip",
            gzip.compress(b" " * 2_001, mtime=0),
            413,
            "REQUEST_TOO_LARGE",
            "2,000 bytes when unpacked",
        ),
        (b"gzip", gzip.compress(b" " * 1_500_000, mtime=0), 413, "REQUEST_TOO_LARGE", "when unpacked"),
        (b"deflate", zlib.compress(b" " * 1_500_000), 413, "REQUEST_TOO_LARGE", "when unpacked"),
        (b"gzip", gzip.compress(BODY, 0, mtime=0) * 30, 413, "REQUEST_TOO_LARGE", "at most 2,000 bytes"),
    ],
)
async def test_what_can_not_be_unpacked(
    served: Served, encoding: bytes, body: bytes, status: int, code: str, words: str, line: bytes
) -> None:
    """An invalid body is refused with the reason; for an unknown encoding the reply lists the
    supported ones.
    """
    found, got = await reply_to(served, packed(body, encoding, line))
    (error,) = body_of(got)["errors"]
    assert (found, error["extensions"]["code"]) == (status, code)
    assert words in error["message"]
    assert (b"\r\naccept-encoding: gzip, deflate\r\n" in got) == (status == 415)
    assert served.subgraph.calls == []


async def test_the_limit_counts_twice() -> None:
    """The same limit applies to the compressed and to the decompressed body; at the limit it is read."""
    size = len(BODY) + 40
    async with serving(settings=Settings(limits=Limits(body=size))) as served:
        for line in LINES.values():
            fits = gzip.compress(BODY.ljust(size), mtime=0)
            assert (await reply_to(served, packed(fits, b"gzip", line)))[0] == 200
            over = gzip.compress(BODY.ljust(size + 1), mtime=0)
            assert (await reply_to(served, packed(over, b"gzip", line)))[0] == 413
            stored = gzip.compress(BODY.ljust(size), 0, mtime=0)
            assert len(stored) > size
            assert (await reply_to(served, packed(stored, b"gzip", line)))[0] == 413


@doors
async def test_a_packed_body_of_another_type(served: Served, line: bytes) -> None:
    """A compressed body of a wrong media type is refused for its media type."""
    body = gzip.compress(BODY, mtime=0)
    request = raw(b"Content-Encoding: gzip", body=body, line=line, kind=b"text/plain")
    status, got = await reply_to(served, request)
    assert (status, body_of(got)["errors"][0]["extensions"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
