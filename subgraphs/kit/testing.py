"""For tests of services: fresh databases, keys and tokens, and a count of the SQL that a request costs."""

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
"""Runs a service on a fresh database: the fixture `running` of the services' tests."""


@asynccontextmanager
async def fresh_database(postgres_url: str, name: str) -> AsyncIterator[str]:
    """The URL of an empty database, dropped afterwards."""
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
    """A pair of keys in files, and tokens signed with it."""

    private: Path
    public: Path

    @classmethod
    def make(cls, folder: Path) -> "SigningKeys":
        """A new pair in this folder."""
        keys = cls(folder / "jwt.pem", folder / "jwt.pub.pem")
        make_key_pair(keys.private, keys.public)
        make_key_pair(keys.service, keys.public.with_name(SERVICE_PUBLIC))
        return keys

    @property
    def service(self) -> Path:
        """The key that signs the tokens of services."""
        return self.private.with_name(SERVICE_PRIVATE)

    def headers(
        self, user_id: UUID | str, role: str = "client", lifetime_seconds: int = 600
    ) -> dict[str, str]:
        """The headers of a request by this user."""
        user = user_id if isinstance(user_id, UUID) else UUID(user_id)
        signer = TokenSigner(self.service if role == SERVICE else self.private, lifetime_seconds)
        return {"authorization": f"Bearer {signer.sign(user, role).value}"}


@dataclass(frozen=True, slots=True)
class ApiUser:
    """A user of tests."""

    id: UUID
    role: str
    headers: Mapping[str, str]

    @classmethod
    def make(cls, keys: SigningKeys, role: str = "client", user_id: UUID | None = None) -> "ApiUser":
        """Somebody with this role."""
        chosen = user_id or uuid4()
        return cls(chosen, role, keys.headers(chosen, role))


@dataclass(frozen=True, slots=True)
class Client:
    """Asks a service in the process, as a gateway does."""

    service: Service

    async def ask(self, query: str, person: ApiUser | None = None, **variables: Any) -> dict[str, Any]:
        """The whole answer."""
        return await self.service.execute(query, variables, None, dict(person.headers) if person else {})

    async def data(self, query: str, person: ApiUser | None = None, **variables: Any) -> dict[str, Any]:
        """The data of an answer that must have no errors."""
        answer = await self.ask(query, person, **variables)
        if "errors" in answer:
            raise AssertionError(answer["errors"])
        data: dict[str, Any] = answer["data"]
        return data

    async def codes(self, query: str, person: ApiUser | None = None, **variables: Any) -> list[str]:
        """The codes of an answer's errors."""
        answer = await self.ask(query, person, **variables)
        return [error["extensions"]["code"] for error in answer.get("errors", [])]

    async def entities(
        self, typename: str, ids: list[Any], selection: str, person: ApiUser | None = None
    ) -> dict[str, Any]:
        """The whole answer of `_entities` for entities with these ids."""
        query = f"query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {typename} {{ {selection} }} }} }}"
        return await self.ask(query, person, r=[{"__typename": typename, "id": str(key)} for key in ids])


async def load_rows(database: Database, *statements: str) -> None:
    """Rows by the crowd, of which nobody is told: as the sample is loaded."""
    async with UnitOfWork(database) as uow:
        await uow.execute(text("SELECT set_config('mussikon.loading', 'on', true)"))
        for statement in statements:
            await uow.execute(text(statement))


@contextmanager
def counted_statements(database: Database) -> Iterator[list[str]]:
    """The SQL statements that the caller, and what it awaits or starts, executes on this database meanwhile.

    A service's own loops (relay, inbox, projections) were started before, and do not count.
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
    """Put an entry on the stream of its aggregate, as the service's relay would."""
    given = fields.get(b"aggregate_id") or fields["aggregate_id"]
    aggregate = UUID(given.decode() if isinstance(given, bytes) else given)
    await redis.xadd(stream_of(service, partition_of(aggregate)), dict(fields))


async def entries_of(redis: Redis, service: str) -> list[dict[bytes, bytes]]:
    """All that a service has told, partition by partition."""
    found: list[dict[bytes, bytes]] = []
    for stream in streams_of(service):
        entries: Any = await redis.xrange(stream)
        found += [fields for _, fields in entries]
    return found
