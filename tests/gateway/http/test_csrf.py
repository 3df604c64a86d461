"""Requests by GET that another site's page may have caused, over sockets, through both doors."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from gateway.config.load import ConfigError, settings_from
from gateway.settings import CsrfSettings, Settings
from tests.folders import temporary_folder
from tests.gateway.http.sockets import GET, Served, Watched, body_of, payload, raw, serving, talk

CHROME = b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36"
MUTATION = b"GET /graphql?query=mutation%7Badd%7D HTTP/1.1\r\nhost: x\r\n\r\n"


def get(*lines: bytes, request: bytes = GET) -> bytes:
    """Return a query by GET with some header lines."""
    return request.removesuffix(b"\r\n") + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


async def outcome(served: Served, request: bytes) -> tuple[int, str]:
    """Return the status and the error code ("" without an error) of the reply to a request."""
    reply = (await talk(served, request)).split(b"HTTP/1.1 ")[1]
    errors = body_of(reply).get("errors")
    return int(reply[:3]), errors[0]["extensions"]["code"] if errors else ""


@pytest.fixture(scope="module", params=[Watched, "httptools"])
async def door(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    """Yield a gateway with the default settings, behind each of the two protocols."""
    async with serving(request.param) as served:
        yield served


OK = (200, "")
REFUSED = (400, "CSRF_PREVENTED")
NOT_JSON = (415, "UNSUPPORTED_MEDIA_TYPE")
BY_DEFAULT: Mapping[str, tuple[tuple[bytes, ...], tuple[int, str]]] = {
    "a program": ((), OK),
    "a program that accepts GraphQL": ((b"Accept: application/graphql-response+json",), OK),
    "node's fetch": ((b"Sec-Fetch-Mode: cors", b"User-Agent: node"), OK),
    "a browser": ((CHROME,), REFUSED),
    "a browser in capitals": ((CHROME.upper(),), REFUSED),
    "a browser that accepts GraphQL": ((CHROME, b"Accept: application/graphql-response+json"), REFUSED),
    "a cookie": ((b"Cookie: session=1",), REFUSED),
    "an origin": ((b"Origin: https://evil.example",), REFUSED),
    "no origin": ((b"Origin: null",), REFUSED),
    "a link": ((b"Referer: https://evil.example/",), REFUSED),
    "another site": ((b"Sec-Fetch-Site: cross-site",), REFUSED),
    "another host of the site": ((b"Sec-Fetch-Site: same-site", CHROME), REFUSED),
    "an unknown site": ((b"Sec-Fetch-Site: ", CHROME), REFUSED),
    "two sites": ((b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Site: same-origin"), REFUSED),
    "an image": ((b"Sec-Fetch-Dest: image",), REFUSED),
    "the page itself": ((CHROME, b"Sec-Fetch-Site: same-origin", b"Cookie: a=b"), OK),
    "an address that was typed": ((CHROME, b"Sec-Fetch-Site: none", b"Cookie: a=b"), OK),
    "Apollo's header": ((CHROME, b"Apollo-Require-Preflight: 1"), OK),
    "the common header": ((CHROME, b"GraphQL-Require-Preflight: 1"), OK),
    "Apollo's name": ((CHROME, b"X-Apollo-Operation-Name: a"), OK),
    "an empty header": ((CHROME, b"Apollo-Require-Preflight: "), REFUSED),
    "another header": ((CHROME, b"X-Requested-With: XMLHttpRequest"), REFUSED),
    "JSON": ((CHROME, b"Content-Type: application/json"), OK),
    "JSON with a charset": ((CHROME, b"Content-Type: application/json; charset=utf-8"), OK),
    "an odd content type": ((b"Content-Type: x-odd/type",), NOT_JSON),
    "an odd content type of a browser": ((CHROME, b"Content-Type: message/rfc822"), NOT_JSON),
    "an odd content type with proof": (
        (b"Apollo-Require-Preflight: 1", b"Content-Type: text/plain"),
        NOT_JSON,
    ),
    "an empty content type": ((b"Content-Type: ",), NOT_JSON),
    "two content types": ((b"Content-Type: application/json", b"Content-Type: text/plain"), NOT_JSON),
    "JSON as a parameter": ((b"Content-Type: text/plain; application/json",), NOT_JSON),
    "bytes that are no text": ((CHROME, b"Content-Type: \xff\xfe/\x80"), NOT_JSON),
    "an agent of 50 kB": ((b"User-Agent: " + b"Mozilla/" * 6_000,), REFUSED),
}


@pytest.mark.parametrize("name", BY_DEFAULT)
async def test_queries_by_get(door: Served, name: str) -> None:
    """A query by GET is answered unless a browser may have sent it for another site's page."""
    lines, expected = BY_DEFAULT[name]
    assert await outcome(door, get(*lines)) == expected


async def test_a_refused_request_reaches_no_subgraph(door: Served) -> None:
    """A refused query causes no call, so its duration says nothing."""
    door.subgraph.renew()
    assert await outcome(door, get(CHROME)) == REFUSED
    assert door.subgraph.calls == []


async def test_requests_by_post_need_json(door: Served) -> None:
    """By POST the content type is the proof; those that forms can send are refused."""
    body = payload("{ hello }")
    assert await outcome(door, raw(CHROME, b"Origin: https://evil.example", body=body)) == OK
    for kind in (
        b"text/plain",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"a/b",
    ):
        assert await outcome(door, raw(CHROME, body=body, kind=kind)) == NOT_JSON


async def test_the_error_says_what_to_do(door: Served) -> None:
    """The message names the headers of which one is needed."""
    reply = (await talk(door, get(CHROME))).split(b"HTTP/1.1 ")[1]
    error = body_of(reply)["errors"][0]
    assert all(name in error["message"] for name in CsrfSettings().headers)
    assert "POST" in error["extensions"]["nextStep"]


@pytest.mark.parametrize(
    ("settings", "lines", "expected"),
    [
        (CsrfSettings("always"), (), REFUSED),
        (CsrfSettings("always"), (b"Sec-Fetch-Site: same-origin",), REFUSED),
        (CsrfSettings("always"), (b"Apollo-Require-Preflight: 1",), OK),
        (CsrfSettings("always"), (b"Content-Type: application/json",), OK),
        (CsrfSettings("never"), (CHROME, b"Cookie: a=b", b"Sec-Fetch-Site: cross-site"), OK),
        (CsrfSettings("never"), (b"Content-Type: text/plain",), NOT_JSON),
        (CsrfSettings(headers=("x-mine",)), (CHROME, b"X-Mine: 1"), OK),
        (CsrfSettings(headers=("x-mine",)), (CHROME, b"Apollo-Require-Preflight: 1"), REFUSED),
    ],
)
async def test_other_settings(settings: CsrfSettings, lines: Any, expected: tuple[int, str]) -> None:
    """Each GET can need a proof, none can, and the headers can be others."""
    async with serving(Watched, Settings(csrf=settings)) as served:
        assert await outcome(served, get(*lines)) == expected


async def test_a_mutation_by_get_is_refused_anyway(door: Served) -> None:
    """With a proof, a mutation by GET is refused for its method."""
    assert await outcome(door, get(CHROME, b"Apollo-Require-Preflight: 1", request=MUTATION)) == (
        405,
        "METHOD_NOT_ALLOWED",
    )


def test_a_header_that_any_page_may_send_is_no_proof() -> None:
    """The configuration refuses a safelisted header as a proof."""
    with temporary_folder("csrf-") as folder, pytest.raises(ConfigError, match="accept proves nothing"):
        settings_from("csrf: {headers: [Accept, x-mine]}", {}, folder / "gateway.yaml")
