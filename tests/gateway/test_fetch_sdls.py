"""Fetching the SDLs of subgraphs, for `gateway compose` and `gateway serve`."""

import pytest

from gateway.core.errors import SubgraphError
from gateway.serve import fetch_sdls
from tests.gateway.transport.test_connections import always
from tests.gateway.transport.test_http_faults import reply, subgraph

SDL = b'{"data":{"_service":{"sdl":"type Query { x: Int }"}}}'
SLASH = b"location: /graphql/\r\n"


async def fetched(raw: bytes) -> str:
    """Return the SDL of a subgraph that replies with these bytes."""
    async with subgraph(always(raw)) as transport:
        (one,) = await fetch_sdls({"shop": transport.address_of("a")})
    return one.sdl


async def test_an_sdl() -> None:
    """The SDL is read from `_service`."""
    assert await fetched(reply(SDL)) == "type Query { x: Int }"


@pytest.mark.parametrize(
    ("raw", "words", "code"),
    [
        (reply(b"", b"307 Temporary Redirect", SLASH), "lacks the slash at its end", "SUBGRAPH_HTTP_ERROR"),
        (
            reply(b"", b"302 Found", b"location: /login?a=b\r\n"),
            "a redirect to http://",
            "SUBGRAPH_HTTP_ERROR",
        ),
        (reply(SDL, b"500 Oops"), "HTTP status 500", "SUBGRAPH_HTTP_ERROR"),
        (reply(b"\xef\xbb\xbf" + SDL), "byte order mark", "SUBGRAPH_BAD_RESPONSE"),
        (reply(SDL + SDL), "a second value", "SUBGRAPH_BAD_RESPONSE"),
        (reply(SDL, more=b"content-encoding: br\r\n"), "encoded as 'br'", "SUBGRAPH_BAD_RESPONSE"),
        (
            reply(b'{"data":{"_service":null}}'),
            "check that it is a federation subgraph",
            "SUBGRAPH_BAD_RESPONSE",
        ),
    ],
)
async def test_no_sdl(raw: bytes, words: str, code: str) -> None:
    """The error names the subgraph and describes its reply."""
    with pytest.raises(SubgraphError, match=words) as caught:
        await fetched(raw)
    assert (caught.value.subgraph, caught.value.code) == ("shop", code)
