"""One test for each advisory about HTTP and tokens that could concern the gateway, named after it.

The larger suites are `http` and `security`; see also `test_advisories`.
"""

import asyncio
import base64
import hmac
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest
from starlette.responses import FileResponse

from gateway.app import create_app
from gateway.observe.observer import Observer
from gateway.security.authenticate import Authenticator
from gateway.settings import AuthenticationSettings, IssuerSettings, Settings
from tests.gateway.security.test_authenticate import (
    CLOCK,
    NEW,
    OLD,
    authenticator,
    identity,
    key_set,
    refused,
    serving,
    token,
)
from tests.gateway.support import supergraph_of
from tests.gateway.test_advisories import SDL, calls_during


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of a gateway with the default settings."""

    async def users(*_: Any) -> dict[str, Any]:
        return {"data": {"me": None}}

    app = create_app(supergraph_of({"a": SDL}), Settings(), {"a": users})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as found:
        yield found


@pytest.mark.parametrize("value", ["[" * 20_000 + "]" * 20_000, '{"a":' * 8_000 + "1" + "}" * 8_000])
async def test_cve_2026_40324_in_variables(client: httpx.AsyncClient, value: str) -> None:
    """So do 40 kB of brackets in the variables."""
    body = f'{{"query": "query ($b: [Int]) {{ me {{ name(b: $b) }} }}", "variables": {{"b": {value}}}}}'
    response = await client.post("/graphql", content=body, headers={"content-type": "application/json"})
    assert response.json()["errors"][0]["extensions"]["code"] in ("INVALID_JSON", "BAD_USER_INPUT")


@pytest.mark.parametrize(
    "kind", ["message/rfc822", "x/y", "text/plain", "application/json;charset=x", "text/json"]
)
async def test_ghsa_hff2_gcpx_8f4p(client: httpx.AsyncClient, kind: str) -> None:
    """A GET with an unusual content type, for which a browser asked nobody, is refused."""
    headers = {"content-type": kind, "user-agent": "Mozilla/5.0", "apollo-require-preflight": "1"}
    response = await client.get("/graphql", params={"query": "{ me { id } }"}, headers=headers)
    assert (response.status_code, "data" in response.json()) == (415, False)


@pytest.mark.parametrize(
    "charset", ["utf-16", "utf-7", "ibm037", "shift_jis", "utf-8\\x00", "utf-8; charset=utf-7"]
)
async def test_cve_2026_23897(client: httpx.AsyncClient, charset: str) -> None:
    """Bodies in any charset but UTF-8 are refused unread."""
    headers = {"content-type": f"application/json; charset={charset}"}
    response = await client.post("/graphql", content=b"\xff" * 100, headers=headers)
    assert response.json()["errors"][0]["extensions"]["code"] == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
async def test_cve_2026_54283(client: httpx.AsyncClient, kind: str) -> None:
    """Forms are refused by their type; no form is parsed, however many fields it has."""

    async def sent(fields: int) -> int:
        body = b"&".join(b"a%d=b" % number for number in range(fields))
        loop, headers = asyncio.get_running_loop(), {"content-type": kind}
        count = 0

        def profile(frame: FrameType, event: str, _: Any) -> None:
            nonlocal count
            count += event == "call" and "httpx" not in frame.f_code.co_filename

        sys.setprofile(profile)
        response = await client.post("/graphql", content=body, headers=headers)
        sys.setprofile(None)
        assert (response.status_code, loop.is_running()) == (415, True)
        return count

    await sent(1)
    assert abs(await sent(20_000) - await sent(1)) < 50


def test_cve_2025_62727(tmp_path: Path) -> None:
    """The ranges of a request for one of GraphiQL's files take a time in proportion to their number."""
    file = tmp_path / "page.js"
    file.write_bytes(b"x" * 100_000)

    def asked(count: int) -> None:
        ranges = ",".join(f"{3 * number}-{3 * number + 1}" for number in range(count))

        async def sent(message: Any) -> None:
            assert message["type"].startswith("http.response")

        scope = {
            "type": "http",
            "method": "GET",
            "asgi": {"spec_version": "2.4"},
            "headers": [(b"range", b"bytes=" + ranges.encode())],
        }
        asyncio.run(FileResponse(file)(scope, None, sent))  # type: ignore[arg-type]

    asked(10)
    few, many = calls_during(lambda: asked(1_000)), calls_during(lambda: asked(4_000))
    assert many < 6 * few


# Tokens: PyJWT


async def test_cve_2026_48524() -> None:
    """Tokens with unknown key ids cause few fetches, and a failed fetch keeps the keys."""
    with serving(key_set(("old", OLD))) as server:
        issuer = IssuerSettings("main", jwks_url=f"http://127.0.0.1:{server.server_address[1]}/jwks")
        one = Authenticator(AuthenticationSettings((issuer,), cache=1), Observer(), CLOCK)
        for number in range(50):
            await refused(one, token(kid=f"unknown{number}"))
        assert len(server.seen) <= 3
        server.reply = (500, "")
        await refused(one, token(NEW, "new"))
        assert (await identity(one, authorization=f"Bearer {token(sub='b')}")).subject == "b"


def forged(secret: str) -> str:
    """Return a token that is signed with HS256 and a text as its key. (joserfc refuses to make it.)"""
    parts = ({"alg": "HS256", "kid": "old"}, {"sub": "eve", "exp": int(CLOCK.now()) + 600})
    encoded = b".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(secret.encode(), encoded, "sha256")).rstrip(b"=")
    return (encoded + b"." + signature).decode()


async def test_cve_2026_48523(tmp_path: Path) -> None:
    """A public key is never the secret of an HMAC, whatever the token's header says."""
    public = key_set(("old", OLD))
    file = tmp_path / "jwks.json"
    file.write_text(public)
    one = authenticator(file)
    for secret in (public, OLD.as_pem(private=False).decode()):
        assert "no issuer has the key" in await refused(one, forged(secret))
    assert "no issuer has the key" in await refused(one, "eyJhbGciOiJub25lIiwia2lkIjoib2xkIn0.e30.x")


async def test_crit_of_pyjwt(tmp_path: Path) -> None:
    """A token whose `crit` names an extension that the gateway does not know is refused."""
    file = tmp_path / "jwks.json"
    file.write_text(key_set(("old", OLD)))
    assert "critical" in await refused(authenticator(file), "eyJhbGciOiJFUzI1NiIsImNyaXQiOlsieCJdfQ.e30.x")
