"""Helpers for tests of services: fresh databases, keys and tokens, requests, and counts of SQL statements.

They are in the package, not in tests/, so that the benchmarks can use them, too.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from redis.asyncio import Redis
from sqlalchemy import make_url, text

from subgraphs.kit.database import Database
from subgraphs.kit.identity import SERVICE, SERVICE_PRIVATE, SERVICE_PUBLIC, TokenSigner
from subgraphs.kit.keys import make_key_pair
from subgraphs.kit.queue.streams import partition_of, stream_of, streams_of
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.unit_of_work import UnitOfWork

_counting: ContextVar[list[str] | None] = ContextVar("counting", default=None)
Bootstrap = Callable[[ServiceSettings], Service]
Running = Callable[[str, Bootstrap], AbstractAsyncContextManager[Service]]
"""The type of the fixture `running` of the services' tests: it runs a service on a fresh database."""


@asynccontextmanager
async def fresh_database(postgres_url: str, name: str) -> AsyncIterator[str]:
    """Create an empty database on the server `postgres_url`, yield its URL, and drop it afterwards."""
    database = f"test_{name}_{secrets.token_hex(4)}"
    url = make_url(postgres_url).set(drivername="postgresql")
    admin = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        await admin.execute(f'CREATE DATABASE "{database}"')
        yield url.set(database=database).render_as_string(hide_password=False)
        await admin.execute(f'DROP DATABASE "{database}" WITH (FORCE)')
    finally:
        await admin.close()


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The key files for users' and services' tokens; `headers` signs tokens with them."""

    private: Path
    public: Path

    @classmethod
    def make(cls, folder: Path) -> "SigningKeys":
        """Generate the keys in a folder."""
        keys = cls(folder / "jwt.pem", folder / "jwt.pub.pem")
        make_key_pair(keys.private, keys.public)
        make_key_pair(keys.service, keys.public.with_name(SERVICE_PUBLIC))
        return keys

    @property
    def service(self) -> Path:
        """The private key for services' tokens."""
        return self.private.with_name(SERVICE_PRIVATE)

    def headers(
        self, user_id: UUID | str, role: str = "client", lifetime_seconds: int = 600
    ) -> dict[str, str]:
        """Return the headers of a request by this user, or by a service if the role is `service`."""
        user = user_id if isinstance(user_id, UUID) else UUID(user_id)
        signer = TokenSigner(self.service if role == SERVICE else self.private, lifetime_seconds)
        return {"authorization": f"Bearer {signer.sign(user, role).value}"}


@dataclass(frozen=True, slots=True)
class ApiUser:
    """A user who sends requests in a test, with the headers of the requests."""

    id: UUID
    role: str
    headers: Mapping[str, str]

    @classmethod
    def make(cls, keys: SigningKeys, role: str = "client", user_id: UUID | None = None) -> "ApiUser":
        """Return a user with this role, with a random id unless `user_id` is set."""
        id_or_new = user_id or uuid4()
        return cls(id_or_new, role, keys.headers(id_or_new, role))


@dataclass(frozen=True, slots=True)
class Client:
    """Sends requests to a service in the same process, as a gateway does."""

    service: Service

    async def send(self, query: str, person: ApiUser | None = None, **variables: Any) -> dict[str, Any]:
        """Execute an operation as `person` (None: without a token) and return the response."""
        return await self.service.execute(query, variables, None, dict(person.headers) if person else {})

    async def data(self, query: str, person: ApiUser | None = None, **variables: Any) -> dict[str, Any]:
        """Execute an operation and return the response's data.

        Raises AssertionError if the response has errors, or a payload has user errors.
        """
        answer = await self.send(query, person, **variables)
        if found := answer.get("errors") or _user_errors(answer):
            raise AssertionError(found)
        data: dict[str, Any] = answer["data"]
        return data

    async def mistakes(
        self, query: str, person: ApiUser | None = None, **variables: Any
    ) -> list[tuple[str, str | None]]:
        """Execute a mutation and return the codes and fields of its user errors, in their order.

        Raises AssertionError if the response has errors.
        """
        answer = await self.send(query, person, **variables)
        if "errors" in answer:
            raise AssertionError(answer["errors"])
        return [(one["code"], one.get("field")) for one in _user_errors(answer)]

    async def codes(self, query: str, person: ApiUser | None = None, **variables: Any) -> list[str]:
        """Execute an operation and return the codes of the response's errors, then of user errors."""
        answer = await self.send(query, person, **variables)
        codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
        return codes + [one["code"] for one in _user_errors(answer)]

    async def entities(
        self, typename: str, ids: list[Any], selection: str, person: ApiUser | None = None
    ) -> dict[str, Any]:
        """Execute `_entities` for entities with these ids and return the response."""
        fragment = f"... on {typename} {{ {selection} }}"
        query = f"query($r: [_Any!]!) {{ _entities(representations: $r) {{ {fragment} }} }}"
        return await self.send(query, person, r=[{"__typename": typename, "uuid": str(key)} for key in ids])


def _user_errors(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the user errors of all payloads in a response, which the operation must select."""
    payloads = [value for value in (answer.get("data") or {}).values() if isinstance(value, dict)]
    return [error for payload in payloads for error in payload.get("userErrors") or ()]


async def load_rows(database: Database, *statements: str) -> None:
    """Execute SQL statements that append and publish no events for the changed rows, as for the
    sample data.
    """
    async with UnitOfWork(database) as uow:
        await uow.execute(text("SELECT set_config('mussikon.loading', 'on', true)"))
        for statement in statements:
            await uow.execute(text(statement))


@contextmanager
def counted_statements(database: Database) -> Iterator[list[str]]:
    """Yield a list that collects the SQL statements which the `with` block executes on this database.

    Statements of tasks that the block starts are included, those of a service's background loops are not.
    """
    statements: list[str] = []

    def note(statement: str) -> None:
        if _counting.get() is statements:
            statements.append(statement)

    token = _counting.set(statements)
    remove = database.on_statement(note)
    try:
        yield statements
    finally:
        remove()
        _counting.reset(token)


async def publish_entry(redis: Redis, service: str, fields: Mapping[Any, Any]) -> None:
    """Add an entry to the stream of its aggregate, as the service's relay does."""
    value = fields.get(b"aggregate_id") or fields["aggregate_id"]
    aggregate = UUID(value.decode() if isinstance(value, bytes) else value)
    await redis.xadd(stream_of(service, partition_of(aggregate)), dict(fields))


async def entries_of(redis: Redis, service: str) -> list[dict[bytes, bytes]]:
    """Return all stream entries that a service has published, partition by partition."""
    published: list[dict[bytes, bytes]] = []
    for stream in streams_of(service):
        entries: Any = await redis.xrange(stream)
        published += [fields for _, fields in entries]
    return published
