"""Header rules over sockets: what subgraphs receive, and what clients receive of their replies."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.config.load import ConfigError, settings_from
from gateway.settings import HeaderRules, KeySettings, RequestHeaderRule, Settings
from gateway.transport.header_rules import RequestHeaderRules
from gateway.transport.headers import NO_HEADERS
from tests.gateway.real import Answer, Door, Received, Upstream, door, upstream

SDLS = {
    "a": """
        type Query { thing: Thing other: Int }
        type Mutation { add: Thing }
        type Thing @key(fields: "id") { id: ID! }
    """,
    "b": 'type Thing @key(fields: "id") { id: ID! color: String }',
}
BOTH = "{ thing { id color } }"
THING = {"__typename": "Thing", "id": "1"}
Lines = dict[str, tuple[bytes, ...]]


def answering(name: str, lines: Lines) -> Any:
    """Return how a subgraph answers, with its header lines of `lines`."""

    def answer(received: Received) -> Answer:
        if name == "b":
            return Answer({"data": {"_entities": [{"color": "red"}]}}, lines.get("b", ()))
        key = "add" if "mutation" in received.query else "thing"
        if "other" in received.query:
            return Answer({"data": {"other": None}, "errors": [{"message": "no"}]}, lines.get("a", ()))
        return Answer({"data": {key: THING}}, lines.get("a", ()))

    return answer


def settings_of(text: str) -> Settings:
    """Return the settings in a YAML text."""
    return settings_from(text, {"TOKEN": "s3cret"}, Path("gateway.yaml").absolute())


class Running:
    """A gateway and its two subgraphs. `lines`: header lines of each one's replies."""

    def __init__(self, door: Door, subgraphs: Mapping[str, Upstream], lines: Lines) -> None:
        self.door, self.subgraphs, self.lines = door, subgraphs, lines

    async def ask(self, query: str = BOTH, headers: Any = None, method: str = "POST") -> httpx.Response:
        """Send a query."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.door.port}") as client:
            if method == "GET":
                return await client.get("/graphql", params={"query": query}, headers=headers)
            return await client.post("/graphql", json={"query": query}, headers=headers)


@asynccontextmanager
async def running(text: str, http: Any = "gateway.http.direct:DirectProtocol") -> AsyncIterator[Running]:
    """Serve a gateway with settings in YAML."""
    lines: Lines = {}
    async with upstream(answering("a", lines)) as a, upstream(answering("b", lines)) as b:
        subgraphs = {"a": a, "b": b}
        async with door(SDLS, subgraphs, settings_of(text), http) as served:
            yield Running(served, subgraphs, lines)


REQUEST = """
headers:
  forward: [authorization, x-plain]
  request:
    - {propagate: X-Team, rename: x-group}
    - {propagate: x-region, default: eu}
    - {propagate: x-exp-*}
    - {insert: x-via, value: "gateway ${TOKEN}"}
    - {remove: x-exp-secret*}
subgraphs:
  b:
    headers:
      request:
        - {insert: x-only-b, value: "1"}
        - {remove: authorization}
"""
SENT = [
    ("authorization", "Bearer x"), ("x-plain", "1"), ("x-team", "red"), ("x-exp-one", "1"),
    ("x-exp-two", "a"), ("x-exp-two", "b"), ("x-exp-secrets", "no"), ("x-other", "no"), ("x-via", "client"),
    ("x-group", "client"),
]  # fmt: skip


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("http", ["gateway.http.direct:DirectProtocol", "httptools"])
async def test_what_subgraphs_receive(http: str, method: str) -> None:
    """Each subgraph receives the headers of the rules, once each, and no others of the client."""
    async with running(REQUEST, http) as found:
        await found.ask(headers=SENT, method=method)
        (at_a,), (at_b,) = (one.requests for one in found.subgraphs.values())
    expected = {
        "x-plain": "1",
        "x-group": "red",
        "x-region": "eu",
        "x-exp-one": "1",
        "x-exp-two": "a, b",
        "x-via": "gateway s3cret",
    }
    known = [*(name for name, _ in SENT), *expected, "x-only-b", "x-exp-secrets"]
    assert {name: at_a.get(name) for name in known if at_a.get(name)} == {
        **expected,
        "authorization": "Bearer x",
    }
    assert {name: at_b.get(name) for name in known if at_b.get(name)} == {**expected, "x-only-b": "1"}


async def test_a_pattern_for_everything() -> None:
    """`*` propagates all headers but those of the connection, of the body, and those with claims."""
    text = """
headers: {forward: [], request: [{propagate: "*"}]}
authentication: {claims: [{claim: sub, header: x-user}]}
"""
    hostile = {
        "x-user": "admin",
        "x-a": "1",
        "te": "trailers",
        "keep-alive": "5",
        "content-digest": "x",
        "signature": "y",
    }
    async with running(text) as found:
        await found.ask(headers=hostile)
        (received,) = found.subgraphs["a"].requests
    names = [name for name, _ in received.headers]
    assert received.get("x-a") == "1"
    assert received.get("accept") == "application/graphql-response+json, application/json"
    assert {b"x-user", b"te", b"keep-alive", b"content-digest", b"signature"}.isdisjoint(names)
    assert len(names) == len(set(names))


def test_a_pattern_never_sends_keys() -> None:
    """The header with a partner's key is for the gateway; only a rule that names it sends it on."""
    for name, sent in (("x-*", ()), ("x-api-key", ((b"x-api-key", b"k"),))):
        rules = HeaderRules(request=(RequestHeaderRule(propagate=name),))
        made = RequestHeaderRules(Settings(headers=rules, keys=KeySettings(file="keys.yaml")))
        assert made.apply(NO_HEADERS, {"x-api-key": "k"}).raw == sent


async def test_inserted_headers_are_in_the_calls_of_the_gateway_itself() -> None:
    """The readiness check sends the inserted headers and the defaults, so a subgraph may demand them."""
    async with running(REQUEST) as found:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{found.door.port}") as client:
            await client.get("/health/ready")
        assert [one.requests[0].get("x-via") for one in found.subgraphs.values()] == ["gateway s3cret"] * 2
        assert [one.requests[0].get("x-only-b") for one in found.subgraphs.values()] == [None, "1"]


RESPONSE = """
headers:
  response:
    - {propagate: x-first}
    - {propagate: x-last, merge: last}
    - {propagate: x-all, merge: append, rename: x-joined}
    - {propagate: x-least, merge: min}
    - {propagate: x-most, merge: max}
    - {propagate: cache-control, merge: cache-control}
    - {propagate: set-cookie}
subgraphs:
  b: {headers: {response: [{propagate: x-only-b}]}}
"""
REPLIES: Lines = {
    "a": (
        b"X-First: a", b"x-last: a", b"x-all: a", b"x-least: 10", b"x-most: 9", b"x-other: a", b"x-only-b: a",
        b"cache-control: public, max-age=60", b"set-cookie: a=1", b"set-cookie: b=2",
    ),
    "b": (
        b"x-first: b", b"x-last: b", b"x-all: b", b"x-least: 9.5", b"x-most: 10", b"x-only-b: b",
        b"cache-control: max-age=30, must-revalidate", b"set-cookie: c=3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("http", ["gateway.http.direct:DirectProtocol", "httptools"])
async def test_what_clients_receive(http: str, compiled: bool) -> None:
    """Both paths merge the headers of replies in the order of the plan; others stay in the gateway."""
    async with running(f"{RESPONSE}\ncompile: {str(compiled).lower()}\n", http) as found:
        found.lines.update(REPLIES)
        response = await found.ask()
    assert response.json() == {"data": {"thing": {"id": "1", "color": "red"}}}
    names = (
        "x-first",
        "x-last",
        "x-joined",
        "x-least",
        "x-most",
        "x-only-b",
        "cache-control",
        "x-all",
        "x-other",
    )
    assert [response.headers.get(name) for name in names] == [
        "a", "b", "a, b", "9.5", "10", "b", "max-age=30, must-revalidate", None, None,
    ]  # fmt: skip
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2", "c=3"]


@pytest.mark.parametrize("query", ["mutation { add { id } }", "{ other thing { id } }"])
async def test_what_must_not_be_cached(query: str) -> None:
    """The response to a mutation, and one with errors, is not stored, whatever subgraphs say."""
    async with running(RESPONSE) as found:
        found.lines.update(REPLIES)
        response = await found.ask(query)
    assert response.headers["cache-control"] == "no-store, no-cache, must-revalidate"


VALUES = """
headers:
  response:
    - {propagate: cache-control, merge: cache-control, default: "public, max-age=90"}
    - {propagate: x-served-by, merge: append, default: unknown}
subgraphs:
  b: {headers: {response: [{propagate: x-served-by, merge: append, value: the b team}]}}
"""


@pytest.mark.parametrize("compiled", [True, False])
async def test_values_of_rules(compiled: bool) -> None:
    """A reply without the header has the rule's default; `value` replaces what a subgraph has sent."""
    async with running(f"{VALUES}\ncompile: {str(compiled).lower()}\n") as found:
        found.lines.update({"a": (), "b": (b"cache-control: max-age=60", b"x-served-by: host7")})
        response = await found.ask()
        failed = await found.ask("{ other }")
    assert response.headers["cache-control"] == "max-age=60"
    assert response.headers["x-served-by"] == "unknown, the b team"
    assert failed.headers["cache-control"] == "no-store, no-cache, must-revalidate"


async def test_hostile_replies() -> None:
    """Values that are too long or no numbers are dropped; what does not fit any more is not appended."""
    numbers = [b"x-least: " + one for one in (b"nan", b"1e400", b"9" * 5_000, b"", b"7", b"-\xff")]
    many = [b"x-all: " + b"v" * 3_000] * 5
    async with running(RESPONSE) as found:
        found.lines["a"] = (*numbers, *many, b"x-first: " + b"x" * 9_000, b"x-first: ok\xff", b"x-most: many")
        response = await found.ask("{ thing { id } }")
    assert response.headers["x-least"] == "7"
    assert len(response.headers["x-joined"]) == 6_002
    assert response.headers["x-first"] == "okÿ"
    assert "x-most" not in response.headers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *(
            (f"{{request: [{{{kind}: {name}{more}}}]}}", f"the header {name} is not for rules")
            for name in ("connection", "host", "content-length", "content-encoding", "set-cookie", "te")
            for kind, more in (("propagate", ""), ("insert", ", value: x"))
        ),
        *(
            (f"{{response: [{{propagate: {name}}}]}}", f"the header {name} is not for rules")
            for name in (
                "connection",
                "content-length",
                "content-encoding",
                "transfer-encoding",
                "host",
                "date",
            )
        ),
        ("{forward: [host]}", "headers.forward: the header host is not for rules"),
        ("{request: [{}]}", "expected one of `propagate`, `insert` and `remove`"),
        ("{request: [{propagate: a, remove: b}]}", "expected one of `propagate`, `insert` and `remove`"),
        ("{request: [{insert: a}]}", "expected `insert` and `value` together"),
        ("{request: [{propagate: a, value: b}]}", "expected `insert` and `value` together"),
        ("{request: [{insert: 'a*', value: b}]}", "expected no `*`, got a*"),
        ("{request: [{propagate: 'a*b*'}]}", "expected at most one `*`, got a*b*"),
        ("{request: [{propagate: 'a*', rename: b}]}", "only a rule that propagates one header can have it"),
        ("{request: [{remove: a, default: b}]}", "only a rule that propagates one header can have it"),
        ("{request: [{propagate: a, rename: traceparent}]}", "traceparent can't be a new name"),
        ('{request: [{insert: a, value: "s3cret\\nx-b: 1"}]}', "expected a text without line breaks"),
        ('{request: [{propagate: a, default: "b\\r"}]}', "expected a text without line breaks"),
        ("{request: [{propagate: a, default: 漢}]}", "in ISO-8859-1"),
        ("{response: [{propagate: 'a*'}]}", "expected the name of one header"),
        ("{response: [{propagate: set-cookie, rename: a}]}", "set-cookie can't be renamed"),
        ("{response: [{propagate: set-cookie, value: a}]}", "no rule can set cookies"),
        ('{response: [{propagate: a, value: "b\\r\\nx: 1"}]}', "expected a text without line breaks"),
        ("{response: [{propagate: a, value: b, default: c}]}", "has no use for `default`"),
        ("{response: [{propagate: a, merge: sum}]}", "expected one of first, last, append, min, max"),
        ("{response: [{propagate: a}, {propagate: b, rename: a, merge: last}]}", "two merges: first, last"),
    ],
)
def test_rules_that_are_refused(text: str, message: str) -> None:
    """Each mistake has its place, and secrets are in no message."""
    with pytest.raises(ConfigError) as caught:
        settings_of(f"headers: {text}")
    assert message in caught.value.message
    assert "s3cret" not in caught.value.message


def test_no_rule_replaces_a_claim() -> None:
    """A rule can't send a client's header under the name of a header with a claim."""
    claims = "authentication: {claims: [{claim: sub, header: x-user}]}\n"
    for text in (
        "headers: {request: [{propagate: x-user}]}",
        "headers: {request: [{propagate: x-me, rename: x-user}]}",
        "subgraphs: {b: {headers: {request: [{propagate: x-user}]}}}",
    ):
        with pytest.raises(ConfigError, match="the header x-user has the value of a claim"):
            settings_of(claims + text)
