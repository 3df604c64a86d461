"""Tests of a service's endpoint: valid requests are answered, invalid ones refused, and internal errors
masked.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import strawberry
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from structlog.testing import capture_logs

from subgraphs.kit.asgi import GraphQLEndpoint, Reply
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.errors import Conflict, RateLimited
from subgraphs.kit.graphql import Schema, object_type, resolver
from subgraphs.kit.http_requests import BODY_LIMIT
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.outages import does_not_answer
from subgraphs.kit.service import Service, ServiceContext
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, fresh_database

Info = strawberry.Info[ServiceContext, None]


@object_type(keys=["id"])
class Thing:
    """A thing."""

    id: strawberry.ID

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Thing":
        """Any thing."""
        return cls(id=id)


@object_type()
class Query:
    """Questions."""

    @resolver
    def whoami(self, info: Info) -> str | None:
        """Who asks, from where."""
        identity = info.context.identity
        return f"{identity.user_id if identity else None} {info.context.address}"

    @resolver
    def noted(self, info: Info, word: str) -> str | None:
        """Something to say beside the data."""
        info.context.extensions.setdefault("notes", {})[str(info.path.key)] = (
            f"{word} {info.context.authorization}"
        )
        return word

    @resolver
    async def broken(self, info: Info) -> str | None:
        """A statement that fails."""
        secret = text("SELECT secret_column FROM secret_table WHERE a = :value").bindparams(value="s3cr3t")
        return str(await info.context.database.fetch_value(secret))

    @resolver
    async def stopped(self) -> str | None:
        """A database that does not answer."""
        gone = Database("postgresql://somebody@127.0.0.1:1/nothing")
        return str(await gone.fetch_value(text("SELECT 1")))

    @resolver
    def taken(self) -> str | None:
        """A conflict."""
        raise Conflict("It is taken", field="name")

    @resolver
    def limited(self) -> str | None:
        """Too often."""
        raise RateLimited("Too often", 30)

    @resolver
    def thing(self) -> Thing | None:
        """A thing."""
        return None


@pytest.fixture(scope="module")
async def client(postgres_url: str, keys: SigningKeys) -> AsyncIterator[Client]:
    """A client of a service without tables."""
    async with fresh_database(postgres_url, "door") as url:
        database = Database(url)
        bus = Bus(database, {})
        service = Service(
            "door",
            schema=Schema(Query),
            context=lambda caller: ServiceContext(caller, database, bus),
            verifier=TokenVerifier(keys.public),
            database=database,
            migrations=Path(__file__).parent / "no_migrations",
        )
        await service.start()
        yield Client(service)
        await service.stop()


@pytest.fixture
async def http(client: Client) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the same service."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(client.service.asgi), base_url="http://door"
    ) as http:
        yield http


async def test_questions_are_answered(http: httpx.AsyncClient, keys: SigningKeys) -> None:
    """A POST with JSON is answered, with the identity of its token."""
    person = ApiUser.make(keys)
    headers = {**person.headers, "X-User-Id": "admin", "X-Forwarded-For": "6.6.6.6, 9.9.9.9"}
    body = {"query": "query A { whoami } query B { __typename }", "operationName": "A", "variables": None}
    answer = await http.post("/graphql", json=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"data": {"whoami": f"{person.id} 9.9.9.9"}})
    forged = await http.post("/graphql", json=body, headers={"X-User-Id": str(person.id), "X-Role": "admin"})
    assert forged.json() == {"data": {"whoami": "None None"}}


async def test_a_bad_token_refuses_the_request(http: httpx.AsyncClient) -> None:
    """A wrong token refuses the whole request; it is not treated as a missing one."""
    answer = await http.post(
        "/graphql", json={"query": "{ whoami }"}, headers={"Authorization": "Bearer x.y.z"}
    )
    body = answer.json()
    assert body["data"] is None
    assert body["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert "log in again" in body["errors"][0]["message"]


async def test_only_proxies_of_ours_speak_for_others(client: Client) -> None:
    """`x-forwarded-for` of an untrusted client is replaced by the client's address."""
    transport = httpx.ASGITransport(client.service.asgi, client=("8.8.8.8", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as stranger:
        headers = {"X-Forwarded-For": "1.1.1.1"}
        answer = await stranger.post("/graphql", json={"query": "{ whoami }"}, headers=headers)
    assert answer.json() == {"data": {"whoami": "None 8.8.8.8"}}


@pytest.mark.parametrize(
    ("method", "path", "content", "media_type", "status"),
    [
        ("GET", "/graphql", b"", "application/json", 405),
        ("POST", "/health/live", b"", "application/json", 405),
        ("GET", "/", b"", "application/json", 404),
        ("POST", "/graphql", b"{}", "text/plain", 415),
        ("POST", "/graphql", b"{}", "", 415),
        ("POST", "/graphql", b"", "application/json", 400),
        ("POST", "/graphql", b"{", "application/json", 400),
        ("POST", "/graphql", b"[]", "application/json", 400),
        ("POST", "/graphql", b"{}", "application/json", 400),
        ("POST", "/graphql", b'{"query": 1}', "application/json", 400),
        ("POST", "/graphql", b'{"query": "{a}", "variables": []}', "application/json", 400),
        ("POST", "/graphql", b'{"query": "{a}", "operationName": 1}', "application/json", 400),
        ("POST", "/graphql", b"[" * 100_000, "application/json", 400),
        ("POST", "/graphql", b'"\xff"', "application/json", 400),
        ("POST", "/graphql", b" " * (BODY_LIMIT + 1), "application/json", 413),
    ],
)
async def test_bad_requests(
    http: httpx.AsyncClient, method: str, path: str, content: bytes, media_type: str, status: int
) -> None:
    """Each invalid request gets its status and a JSON error that says what is wrong."""
    answer = await http.request(method, path, content=content, headers={"content-type": media_type})
    assert answer.status_code == status
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_a_body_without_length_has_a_limit(http: httpx.AsyncClient) -> None:
    """A body in chunks is refused as soon as it exceeds the limit."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000

    answer = await http.post("/graphql", content=pieces(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


async def test_health(http: httpx.AsyncClient) -> None:
    """The service is live; it is ready while its database answers."""
    assert (await http.get("/health/live")).json() == {"status": "live"}
    assert (await http.get("/health/ready")).json() == {"status": "ready"}
    gone = Database("postgresql://somebody@127.0.0.1:1/nothing")
    door = httpx.ASGITransport(GraphQLEndpoint(refuse, gone.is_ready))
    async with httpx.AsyncClient(transport=door, base_url="http://door") as without:
        assert (await without.get("/health/live")).status_code == 200
        assert (await without.get("/health/ready")).status_code == 503
    await gone.close()


async def refuse(*_: object) -> Reply:
    """Return an empty response; no test sends a request that is executed."""
    return Reply({}, "no-store")


async def test_the_unexpected_is_masked(client: Client) -> None:
    """The caller receives an id for an unexpected error; the log has the traceback, without parameters."""
    with capture_logs() as logs:
        answer = await client.send("{ broken whoami }")
    error = answer["errors"][0]
    assert answer["data"] == {"broken": None, "whoami": "None None"}
    assert (error["message"], error["path"]) == ("Internal error", ["broken"])
    assert error["extensions"] == {"code": "INTERNAL_SERVER_ERROR", "id": logs[0]["id"]}
    assert b"secret" not in orjson.dumps(answer)
    assert "secret_table" in logs[0]["trace"]
    assert "s3cr3t" not in str(logs)


async def test_a_database_that_does_not_answer_has_a_code(client: Client) -> None:
    """If the database is stopped, or all connections are in use, callers learn that they can try again."""
    with capture_logs() as logs:
        answer = await client.send("{ stopped whoami }")
    assert answer["data"] == {"stopped": None, "whoami": "None None"}
    [error] = answer["errors"]
    assert error["message"] == "A server that this service needs does not answer; try again"
    assert error["extensions"] == {"code": "SERVER_UNAVAILABLE", "id": logs[0]["id"]}
    small = Database(client.service.database.url, pool_size=1, pool_seconds=0.01)
    async with small.engine.connect():
        with pytest.raises(PoolTimeout) as busy:
            await small.fetch_value(text("SELECT 1"))
    await small.close()
    assert does_not_answer(busy.value)


async def test_errors_have_codes(client: Client) -> None:
    """Every kind of error has its code."""
    cases: dict[str, dict[str, Any]] = {
        "{ taken }": {"code": "CONFLICT", "field": "name"},
        "{ limited }": {"code": "RATE_LIMITED", "retryAfterSeconds": 30},
        "{ unknown }": {"code": "GRAPHQL_VALIDATION_FAILED"},
        "{ whoami": {"code": "GRAPHQL_PARSE_FAILED"},
        "": {"code": "BAD_USER_INPUT"},
        "fragment A on Query { whoami }": {"code": "BAD_USER_INPUT"},
        "query($a: Int!) { whoami @skip(if: false) thing { id } x: __type(name: $a) { name } }": {
            "code": "GRAPHQL_VALIDATION_FAILED"
        },
        "query($a: Boolean!) { whoami @skip(if: $a) }": {"code": "BAD_USER_INPUT"},
    }
    for query, extensions in cases.items():
        answer = await client.send(query)
        assert answer["errors"][0]["extensions"] == extensions, query
    unnamed = await client.service.execute("query A { whoami } query B { whoami }", None, "C")
    assert unnamed["errors"][0]["message"] == "The document has no operation 'C'"


async def test_representations_are_checked(client: Client) -> None:
    """A wrong representation is an error of its entity only; the variables are not changed."""
    given = [
        {"__typename": "Thing", "id": "1"},
        {"__typename": "Thing"},
        {"__typename": "Nix", "id": "1"},
        7,
        {},
    ]
    given.append({"__typename": "Thing", "id": "1", "more": 1})
    given.append({"__typename": "Query"})
    query = "query($given: [_Any!]!) { _entities(representations: $given) { ... on Thing { id } } }"
    answer = await client.send(query, given=given)
    assert answer["data"]["_entities"] == [{"id": "1"}, None, None, None, None, None, None]
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_USER_INPUT"}
    assert given[0] == {"__typename": "Thing", "id": "1"}


async def test_long_queries_are_refused(client: Client) -> None:
    """A query with too many tokens is refused before its execution."""
    answer = await client.send("{" + " whoami" * 20_000 + "}")
    assert answer["errors"][0]["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"


async def test_requests_at_once_do_not_mix(client: Client, keys: SigningKeys) -> None:
    """Each of many concurrent requests sees its own caller."""
    people = [ApiUser.make(keys) for _ in range(20)]
    answers = await asyncio.gather(*[client.data("{ whoami }", person) for person in people])
    assert [answer["whoami"] for answer in answers] == [f"{person.id} None" for person in people]


async def test_the_sdl_is_federations(client: Client) -> None:
    """`_service { sdl }` returns the printed SDL, with its @link."""
    asked = await client.data("{ _service { sdl } }")
    assert asked["_service"]["sdl"] == client.service.sdl
    assert "https://specs.apollo.dev/federation/v2" in client.service.sdl
    assert 'type Thing @key(fields: "id")' in client.service.sdl


async def test_extensions_stand_beside_the_data(client: Client, keys: SigningKeys) -> None:
    """The response has the extensions that its own resolvers have set; without them it has no
    `extensions`.
    """
    person = ApiUser.make(keys)
    query = '{ a: noted(word: "x") b: noted(word: "y") taken }'
    answer = await client.send(query, person)
    header = person.headers["authorization"]
    assert answer["extensions"] == {"notes": {"a": f"x {header}", "b": f"y {header}"}}
    assert answer["data"] == {"a": "x", "b": "y", "taken": None}
    other = await client.send('{ c: noted(word: "z") }')
    assert other == {"data": {"c": "z"}, "extensions": {"notes": {"c": "z None"}}}
    assert "extensions" not in await client.send("{ whoami }")
