"""Redirects of subgraphs: an error with the status and the target, without anything secret of the target."""

import pytest

from gateway.core.errors import SubgraphError
from gateway.transport.base import Reply, read_payload
from gateway.transport.redirects import describe_redirect
from tests.gateway.support import payload_from
from tests.gateway.transport.test_http_faults import OK, answering, reply, subgraph

LACKS = "lacks the slash at its end"


@pytest.mark.parametrize(
    ("location", "address", "words"),
    [
        (b"http://h/g/", "http://h/g", f"a redirect to http://h/g/ (the address http://h/g {LACKS})"),
        (b"/g/", "http://h/g", f"a redirect to http://h/g/ (the address http://h/g {LACKS})"),
        (b"g/", "http://h/g", f"a redirect to http://h/g/ (the address http://h/g {LACKS})"),
        (b"//h/g/", "http://h/g", f"a redirect to http://h/g/ (the address http://h/g {LACKS})"),
        (b"/g/?x=1", "http://h/g?x=1", f"a redirect to http://h/g/ (the address http://h/g {LACKS})"),
        (b"/", "http://h", f"a redirect to http://h/ (the address http://h {LACKS})"),
        (b"/g", "http://h/g/", "(the address http://h/g/ has a slash too many at its end)"),
        (b"https://h/g", "http://h/g", "(the address http://h/g has to begin with https)"),
        (b"https://other/login?token=s3cret", "http://h/g", "a redirect to https://other/login;"),
        (b"https://kim:s3cret@h/x", "http://h/g", "a redirect to https://h/x;"),
        (b"/x#s3cret", "http://u:s3cret@h/g", "a redirect to http://h/x;"),
        (b"/g/", "http://u:s3cret@h/g", f"(the address http://h/g {LACKS})"),
        (b"/x", "", "a redirect to /x;"),
        (b"http://h/" + b"y" * 5_000, "http://h/g", "a redirect to http://h/" + "y" * 191 + "...;"),
        (b"/\xc3\xa9\x1b[31m", "http://h/g", "a redirect to http://h/???[31m;"),
        (b"http://[", "http://h/g", "a redirect to an invalid URL"),
        (b"", "http://h/g", "a redirect without a target"),
    ],
)
def test_a_target_is_named(location: bytes, address: str, words: str) -> None:
    """The message has the target without secrets, and what is wrong about the configured URL."""
    found = describe_redirect([(b"Location", location)], address)
    assert words in found
    assert "s3cret" not in found
    assert len(found) < 500 and found.isprintable() and found.isascii()


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
@pytest.mark.parametrize("body", [b"", b"<html>", OK, b'{"errors":[{"message":"x"}]}'])
def test_every_redirect_is_an_error(status: int, body: bytes) -> None:
    """Every 3xx status is an error, whatever its body is."""
    with pytest.raises(SubgraphError, match=f"HTTP status {status}, a redirect to /x") as caught:
        read_payload("a", Reply(status, body, [(b"location", b"/x")]))
    assert caught.value.code == "SUBGRAPH_HTTP_ERROR"


@pytest.mark.parametrize("extra", [b"", b"location: /graphql/\r\n", b"location: /a\r\nlocation: /b\r\n"])
async def test_over_http(extra: bytes) -> None:
    """Over HTTP the message has the subgraph's URL; the redirect is not followed, and the connection is
    reused.
    """
    async with subgraph(answering(reply(b"", b"308 Permanent Redirect", extra))) as transport:
        with pytest.raises(SubgraphError, match="HTTP status 308, a redirect") as caught:
            await payload_from(transport)
    assert (LACKS in caught.value.message) == (b"graphql" in extra)
