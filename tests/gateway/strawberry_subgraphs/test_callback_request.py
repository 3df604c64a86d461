"""Which requests for subscriptions are refused: wrong extensions, and URLs that are not allowed."""

import json
from typing import Any

import pytest

from gateway.strawberry_subgraphs.callback_request import (
    AllowedUrls,
    Refused,
    asks_for_callbacks,
    read_request,
)
from tests.gateway.strawberry_subgraphs.callbacks import ACCEPT, PREFIX, VERIFIER, rig

ALLOWED = AllowedUrls([PREFIX, "https://Edge.example/cb/"])
DETAILS = {
    "callbackUrl": f"{PREFIX}/id1",
    "subscriptionId": "id1",
    "verifier": VERIFIER,
    "heartbeatIntervalMs": 5_000,
}


def body(details: object, **more: Any) -> bytes:
    """Return a request's body."""
    return json.dumps(
        {"query": "subscription { x }", "extensions": {"subscription": details}, **more}
    ).encode()


def test_a_right_request() -> None:
    """Everything is there; the verifier is not in a text of it."""
    found = read_request(body(DETAILS, variables={"a": 1}, operationName="n"), ALLOWED)
    assert found is not None
    operation, callback = found
    assert (operation.variables, operation.name, operation.extensions) == ({"a": 1}, "n", {})
    assert (str(callback.url), callback.id, callback.heartbeat) == (f"{PREFIX}/id1", "id1", 5.0)
    assert VERIFIER not in repr(callback)


@pytest.mark.parametrize(
    "text", ["{}", "[]", "null", "5", '{"extensions": null}', '{"extensions": {"other": 1}}']
)
def test_what_asks_for_no_callback(text: str) -> None:
    """Strawberry answers it."""
    assert read_request(text.encode(), ALLOWED) is None


TEXTS: list[Any] = [None, 5, True, [], {}, "", "x" * 3_000, "\ud800"]
HEARTBEATS: list[Any] = [-1, 1, 99, 3_600_001, 1.5, True, "5000", [], 10**400]
WRONG: list[Any] = [
    *(None, [], "text", 5, {}),
    *({**DETAILS, name: one} for name in ("callbackUrl", "subscriptionId", "verifier") for one in TEXTS),
    *({**DETAILS, "heartbeatIntervalMs": one} for one in HEARTBEATS),
]


@pytest.mark.parametrize("details", WRONG, ids=repr)
def test_a_wrong_extension(details: Any) -> None:
    """The message names what is wrong, never its value."""
    with pytest.raises(Refused, match=r"extensions\.subscription") as raised:
        read_request(body(details), ALLOWED)
    assert raised.value.status == 400 and "xxx" not in str(raised.value) and VERIFIER not in str(raised.value)


@pytest.mark.parametrize("change", [{"query": None}, {"query": 5}, {"variables": []}, {"operationName": 5}])
def test_a_wrong_request(change: Any) -> None:
    """Nothing is executed."""
    with pytest.raises(Refused, match="must be"):
        read_request(body(DETAILS, **change), ALLOWED)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 5_000])
def test_what_is_no_json(text: bytes) -> None:
    """It is refused."""
    with pytest.raises(Refused, match="must be JSON"):
        read_request(text, ALLOWED)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        (f"{PREFIX}/id", f"{PREFIX}/id"),
        (PREFIX, PREFIX),
        ("http://GATEWAY:4000/callback/~a-b_c%20d", f"{PREFIX}/~a-b_c%20d"),
        ("https://edge.example/cb/x", "https://edge.example/cb/x"),
        ("https://edge.example:443/cb/x", "https://edge.example/cb/x"),
    ],
)
def test_an_allowed_url(url: str, sent: str) -> None:
    """The scheme, the host and the port are equal, and the path is below the prefix's."""
    assert str(ALLOWED.check(url)) == sent


OTHER_PATHS = ["callbacks/id", "", "other/../callback/id", "callback/../admin", "callback/%2e%2e/admin"]
OTHER_PATHS += ["callback/..%2fadmin", "callback/.", "callback%2fid", "callback\\id", "callback/%zz"]
OTHER_PATHS += ["callback/id?a=1", "callback/id#x", "callback/id ", "callback/id\r\nX: y", "callback/i\td"]
OTHER_PATHS += ["callback/é", "Callback/id", "/callback/id"]
OTHER_HOSTS = ["gateway", "gateway:40000", "gateway.evil:4000", "evil", "127.0.0.1:4000", "[::1]:4000"]
OTHER_HOSTS += ["gateway:4000@evil", "evil#@gateway:4000", "evil\\@gateway:4000", "user:p@gateway:4000"]
OTHER_HOSTS += [
    "gateway:99999",
    "",
    ":4000",
    "[::1",
    "gateway:4000:4000",
    "g\N{CYRILLIC SMALL LETTER A}teway:4000",
]
OTHERS = ["https://gateway:4000/callback/id", "http://gateway:4000", f" {PREFIX}/id", "file:///etc/passwd"]
OTHERS += [
    "//gateway:4000/callback/id",
    "/callback/id",
    "gateway:4000/callback/id",
    "ftp://gateway:4000/callback",
]
OTHERS += [f"http://gateway:4000/{path}" for path in OTHER_PATHS]
OTHERS += [f"http://{host}/callback/id" for host in OTHER_HOSTS]


@pytest.mark.parametrize("url", OTHERS)
async def test_a_url_that_is_not_allowed(url: str) -> None:
    """It is refused by the function and by the emitter, which posts nothing."""
    with pytest.raises(Refused, match="callbackUrl"):
        ALLOWED.check(url)
    async with rig() as one:
        reply = await one.subscribe(callbackUrl=url)
        assert reply.status_code in (400, 403) and "callbackUrl" in reply.text
        assert one.callback.posts == [] and one.app.feed.started == 0 and not one.emitter.active


async def test_a_large_request() -> None:
    """It is refused, also if its size is not in the header."""
    async with rig(max_body=10_000) as one:
        reply = await one.subscribe(query=f"subscription {{ numbers }} # {'x' * 10_000}")
        assert reply.status_code == 413

        async def pieces() -> Any:
            for _ in range(20):
                yield b" " * 1_000

        headers = {**ACCEPT, "content-type": "application/json"}
        assert (await one.client.post("/", content=pieces(), headers=headers)).status_code == 413


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/json;callbackSpec=1.0", True),
        ("Application/JSON ; q=0.5; callbackspec = 1.0 ", True),
        ('text/html,application/json;callbackSpec="1.0"', True),
        ("application/json;callbackSpec=1.0, application/json", True),
        ("application/json", False),
        ("application/json;callbackSpec=2.0", False),
        ("application/json;callbackSpec", False),
        ("multipart/mixed;callbackSpec=1.0", False),
        ("", False),
        (",;,=;", False),
    ],
)
def test_the_header(accept: str, expected: bool) -> None:
    """Only version 1.0 as JSON is a request for callbacks."""
    assert asks_for_callbacks(accept) is expected
