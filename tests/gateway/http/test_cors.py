"""CORS over sockets, through both doors: preflights, responses, errors, and what the settings refuse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from gateway.config.load import ConfigError, settings_from
from gateway.http.cors import Cors
from gateway.settings import AuthenticationSettings, CorsSettings, IssuerSettings, Limits, Settings
from tests.gateway.http.sockets import HELLO, Watched, serving

OURS = "https://shop.example.com"
OTHER = "https://evil.example"
CORS = CorsSettings(
    origins=(OURS, "http://localhost:3000"),
    patterns=("https://*.preview.example.com", "http://127.0.0.1:*"),
    credentials=True,
    expose=("x-request-cost",),
    max_age=600.0,
)
Clients = dict[str, httpx.AsyncClient]


@pytest.fixture(scope="module", params=[Watched, "httptools"])
async def clients(request: pytest.FixtureRequest) -> AsyncIterator[Clients]:
    """Yield clients of gateways with CORS for some origins, for any, and without, behind each protocol."""
    body = Limits(body=2_000)
    settings = {
        "some": Settings(cors=CORS, limits=body),
        "any": Settings(cors=CorsSettings(origins=("*",), headers=("content-type", "x-mine")), limits=body),
        "off": Settings(limits=body),
    }
    async with AsyncExitStack() as stack:
        found = {}
        for name, one in settings.items():
            served = await stack.enter_async_context(serving(request.param, one))
            base = f"http://127.0.0.1:{served.port}"
            found[name] = await stack.enter_async_context(httpx.AsyncClient(base_url=base))
        yield found


async def ask(client: httpx.AsyncClient, origin: str | None, query: str = HELLO) -> httpx.Response:
    """Send a query by POST, from an origin or without one."""
    headers = {"origin": origin} if origin is not None else {}
    return await client.post("/graphql", json={"query": query}, headers=headers)


def granted(response: httpx.Response) -> dict[str, str]:
    """Return the headers that allow something, without the common start of their names."""
    start = "access-control-"
    return {name.removeprefix(start): value for name, value in response.headers.items() if start in name}


def varies(response: httpx.Response) -> set[str]:
    """Return the request headers on which a response depends."""
    return {one.strip().lower() for one in response.headers.get("vary", "").split(",")}


ALLOWED = {"allow-origin": OURS, "allow-credentials": "true", "expose-headers": "x-request-cost"}


async def test_the_response_to_an_allowed_origin(clients: Clients) -> None:
    """It names the origin, allows cookies, and exposes headers."""
    response = await ask(clients["some"], OURS)
    assert response.json() == {"data": {"hello": None}}
    assert granted(response) == ALLOWED
    assert varies(response) == {"accept", "origin"}


@pytest.mark.parametrize(
    "origin", [None, OTHER, "null", "", OURS + ".evil.example", OURS.upper(), OURS + "/"]
)
async def test_the_response_to_others(clients: Clients, origin: str | None) -> None:
    """It allows nothing, and caches know that it depends on the origin."""
    response = await ask(clients["some"], origin)
    assert (response.status_code, granted(response)) == (200, {})
    assert varies(response) == {"accept", "origin"}


async def test_errors_can_be_read(clients: Clients) -> None:
    """Refused requests of every kind have the headers, too."""
    client, headers = clients["some"], {"origin": OURS, "content-type": "application/json"}
    large = await client.post("/graphql", content=b"x" * 5_000, headers=headers)
    broken = await client.post("/graphql", content=b"{", headers=headers)
    method = await client.delete("/graphql", headers=headers)
    kind = await client.post("/graphql", content=b"{", headers={"origin": OURS, "content-type": "text/plain"})
    csrf = await client.get("/graphql", params={"query": "{hello}"}, headers={"origin": OURS})
    found = [large, broken, method, kind, csrf]
    assert [one.status_code for one in found] == [413, 400, 405, 415, 400]
    assert [granted(one) for one in found] == [ALLOWED] * 5


async def test_an_unauthenticated_request_and_an_internal_error_can_be_read() -> None:
    """The responses 401 and 500 have the headers."""

    class Breaking:
        def on_response(self, context: object, envelope: object) -> None:
            raise ValueError

    issuer = IssuerSettings("main", jwks_url="http://127.0.0.1:9/keys")
    required = AuthenticationSettings(issuers=(issuer,), required=True)
    for settings, plugins, status in (
        (Settings(cors=CORS, authentication=required), [], 401),
        (Settings(cors=CORS), [Breaking()], 500),
    ):
        async with AsyncExitStack() as stack:
            served = await stack.enter_async_context(serving(Watched, settings, plugins))
            base = f"http://127.0.0.1:{served.port}"
            response = await ask(await stack.enter_async_context(httpx.AsyncClient(base_url=base)), OURS)
        assert (response.status_code, granted(response)) == (status, ALLOWED)


async def preflight(client: httpx.AsyncClient, origin: str, **headers: str) -> httpx.Response:
    """Ask as a browser does before a request; further headers with underscores for hyphens."""
    asked = {"origin": origin, "access-control-request-method": "POST"}
    asked |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.options("/graphql", headers=asked)


async def test_a_preflight(clients: Clients) -> None:
    """An allowed origin gets methods, the headers that it asks for, and for how long this holds."""
    response = await preflight(clients["some"], OURS, access_control_request_headers="content-type,x-a")
    assert (response.status_code, response.content) == (204, b"")
    assert "content-length" not in response.headers
    assert granted(response) == {
        "allow-origin": OURS,
        "allow-credentials": "true",
        "allow-methods": "GET, POST",
        "allow-headers": "content-type,x-a",
        "max-age": "600",
    }
    assert varies(response) == {"origin", "access-control-request-headers"}


async def test_a_preflight_of_others(clients: Clients) -> None:
    """Another origin gets nothing; neither does a request that is no preflight."""
    refused = await preflight(clients["some"], OTHER)
    assert (refused.status_code, granted(refused), varies(refused)) == (204, {}, {"origin"})
    plain = await clients["some"].options("/graphql", headers={"origin": OURS})
    assert (plain.status_code, granted(plain), plain.headers["allow"]) == (204, {}, "GET, POST, OPTIONS")


@pytest.mark.parametrize("asked", ["x" * 5_000, "a\x00b", "a;b", ""])
async def test_a_preflight_with_hostile_headers(clients: Clients, asked: str) -> None:
    """Only a short list of names is repeated."""
    del clients
    raw = {b"origin": OURS.encode(), b"access-control-request-method": b"POST"}
    found = Cors(CORS).preflight({**raw, b"access-control-request-headers": asked.encode()})
    assert b"access-control-allow-headers" not in dict(found.headers())


async def test_any_origin(clients: Clients) -> None:
    """With `*` every origin may read, without cookies, and the response does not depend on the origin."""
    response = await ask(clients["any"], OTHER)
    assert (granted(response), varies(response)) == ({"allow-origin": "*"}, {"accept"})
    found = await preflight(clients["any"], OTHER, access_control_request_headers="x-other")
    assert granted(found) == {
        "allow-origin": "*",
        "allow-methods": "GET, POST",
        "allow-headers": "content-type, x-mine",
    }


async def test_off(clients: Clients) -> None:
    """By default there are no such headers, and OPTIONS is refused."""
    response = await ask(clients["off"], OURS)
    assert (granted(response), varies(response)) == ({}, {"accept"})
    assert (await preflight(clients["off"], OURS)).status_code == 405


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://a-1.preview.example.com", True),
        ("https://preview.example.com", False),
        ("https://a.b.preview.example.com", False),
        ("https://.preview.example.com", False),
        ("https://a.preview.example.com.evil.example", False),
        ("https://a.preview.example.com\n", False),
        ("https://evil.example/https://a.preview.example.com", False),
        ("https://a.previewxexample.com", False),
        ("http://a.preview.example.com", False),
        ("https://a.preview.example.com:8443", False),
        ("http://127.0.0.1:5173", True),
        ("http://127.0.0.1:", False),
        ("http://127.0.0.1", False),
        ("http://127.0.0.1:80x", False),
        ("https://" + "a" * 400 + ".preview.example.com", False),
    ],
)
def test_patterns_are_for_whole_origins(origin: str, allowed: bool) -> None:
    """A `*` stands for a part of a label or for a port, and the whole origin has to match."""
    headers = dict(Cors(CORS).response_headers({b"origin": origin.encode()}))
    assert (b"access-control-allow-origin" in headers) is allowed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{origins: ['*'], credentials: true}", "cors.origins: `*` with `credentials`"),
        ("{origins: [https://a.example], expose: ['*'], credentials: true}", "cors.expose: `*` with"),
        ("{origins: ['https://a.example/']}", "cors.origins: expected SCHEME://HOST"),
        ("{origins: ['https://A.example']}", "in lower case"),
        ("{origins: [a.example]}", "cors.origins: expected SCHEME://HOST"),
        ("{origins: ['null']}", "cors.origins: expected SCHEME://HOST"),
        ("{origins: ['https://a.example:443']}", "browsers omit the port 443"),
        ("{patterns: ['*']}", "cors.patterns: expected SCHEME://HOST"),
        ("{patterns: ['https://(a+)+.example']}", "cors.patterns: expected SCHEME://HOST"),
        ("{patterns: ['https://*-*.example']}", "at most one `*` between two dots"),
        ("{methods: ['get it']}", "cors.methods.0: expected a text"),
        ("{max_age: 0}", "cors.max_age: expected a duration"),
    ],
)
def test_settings_that_browsers_would_refuse(text: str, message: str, tmp_path: Path) -> None:
    """Each mistake is reported at its setting."""
    with pytest.raises(ConfigError, match=message.replace("*", r"\*")):
        settings_from(f"cors: {text}", {}, tmp_path / "gateway.yaml")
