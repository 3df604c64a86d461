"""Comparison of the rows that a service owns with other services' copies of them, and repair of the copies,
over GraphQL fields that only the `sync` service may use.

Ids are assigned to buckets. Each side returns a count and a hash of ids and versions per bucket, so equal
buckets cost little. For a bucket that differs, versions are compared row by row. No service reads another's
tables.

Example: `copyDigests(kind: "musician")` returns {"7": [3, "-12345"]}: bucket 7 has 3 rows, and their hash.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

import msgspec
import strawberry
from sqlalchemy import Integer, TextClause, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from strawberry.scalars import JSON
from strawberry.types.field import StrawberryField

from subgraphs.kit import checks
from subgraphs.kit.cause import Cause, because
from subgraphs.kit.database import Session
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.event_store.sourced import EventSourcedTable
from subgraphs.kit.graphql import field_with
from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.inbox import EventHandler
from subgraphs.kit.service import ServiceContext
from subgraphs.kit.unit_of_work import UnitOfWork

BUCKETS = 64
MAX_ROWS = 500  # rows of one request
DIGESTS_QUERY = "query($kind: String!) { found: copyDigests(kind: $kind) }"
VERSIONS_QUERY = "query($kind: String!, $bucket: Int!) { found: copyVersions(kind: $kind, bucket: $bucket) }"
ROWS_QUERY = "query($kind: String!, $keys: [ID!]!) { found: copyRows(kind: $kind, keys: $keys) }"
REPAIR_MUTATION = (
    "mutation($kind: String!, $originals: JSON!) { found: repairCopies(kind: $kind, originals: $originals) }"
)
_NAME = re.compile(r"[a-z][a-z_]*")
_BUCKET = f"get_byte(uuid_send({{key}}), 15) % {BUCKETS}"
_HASH = "hashtextextended({key}::text || ':' || version, 0)"


class Comparable(Protocol):
    """Objects with keys and versions, which can be compared with the same objects in another service."""

    async def digests(self, session: Session) -> dict[str, list[Any]]:
        """Return the number of objects and the hash of their keys and versions, by bucket."""
        ...

    async def versions(self, session: Session, bucket: int) -> dict[str, int]:
        """Return the versions of a bucket's objects by key."""
        ...

    async def rows(self, session: Session, keys: Sequence[UUID]) -> dict[str, dict[str, Any]]:
        """Return the objects with these keys: {"version": ..., "told": the published facts} by key."""
        ...


class Repairable(Protocol):
    """Copies of objects that can be replaced by the owner's data."""

    async def repair(
        self, uow: UnitOfWork, consumer: str, key: UUID, version: int, told: Mapping[str, Any]
    ) -> bool:
        """Replace the copy with this key by the values `told`, which the owner has at its version `version`.

        Returns False, with nothing changed, if an event with a higher version was applied meanwhile.
        """
        ...


@dataclass(frozen=True, slots=True)
class KeyedTable:
    """A table whose rows have a key and a version. `told`: an SQL expression for the published facts of a
    row `it`.
    """

    table: str
    key: str
    told: str = "to_jsonb(it)"

    def sql(self, statement: str) -> TextClause:
        """Return a statement with {table}, {key}, {told}, {bucket} and {hash} replaced.

        The names come from this code base, never from a caller. Raises ValueError for one that is not a plain
        name.
        """
        if not all(_NAME.fullmatch(name) for name in (self.table, self.key)):
            raise ValueError(f"table and key must match {_NAME.pattern}, got {self.table!r} and {self.key!r}")
        expanded = statement.replace("{bucket}", _BUCKET).replace("{hash}", _HASH)
        return text(expanded.format(table=self.table, key=self.key, told=self.told))

    async def digests(self, session: Session) -> dict[str, list[Any]]:
        """Return the number of rows and the hash of their keys and versions, by bucket."""
        statement = "SELECT {bucket} AS bucket, count(*) AS rows, bit_xor({hash})::text AS hash FROM {table} GROUP BY 1"
        return {str(row.bucket): [row.rows, row.hash] for row in await session.fetch_all(self.sql(statement))}

    async def versions(self, session: Session, bucket: int) -> dict[str, int]:
        """Return the versions of a bucket's rows by key."""
        statement = self.sql("SELECT {key} AS key, version FROM {table} WHERE {bucket} = :bucket")
        return {str(row.key): row.version for row in await session.fetch_all(statement, bucket=bucket)}

    async def rows(self, session: Session, keys: Sequence[UUID]) -> dict[str, dict[str, Any]]:
        """Return versions and published facts of rows by key."""
        statement = self.sql(
            "SELECT {key} AS key, version, {told} AS told FROM {table} AS it WHERE {key} = ANY (:keys)"
        )
        rows = await session.fetch_all(statement, keys=list(keys))
        return {str(row.key): {"version": row.version, "told": _decoded(row.told)} for row in rows}


@dataclass(frozen=True, slots=True)
class Copy:
    """A table in which a service stores copies of another service's objects.

    `handler` is the inbox's handler of the event `event_type`, which writes the copy.
    """

    table: KeyedTable
    source: str
    aggregate_type: str
    event_type: str
    handler: EventHandler
    is_replaced: bool = True
    """Whether a repair deletes the row before the handler writes it; False for a log, to which it appends."""

    async def repair(
        self, uow: UnitOfWork, consumer: str, key: UUID, version: int, told: Mapping[str, Any]
    ) -> bool:
        """Replace the copy with this key by the owner's facts; later, events up to `version` are skipped as
        stale.

        Returns False, with nothing changed, if an event with a higher version was applied meanwhile.
        """
        if (
            self.is_replaced
        ):  # lock the row, then the version: the inbox's order, so that they do not deadlock
            await uow.execute(
                self.table.sql("SELECT 1 FROM {table} WHERE {key} = :key FOR UPDATE").bindparams(key=key)
            )
        if not await record_version(uow, consumer, self.source, key, version):
            return False
        if self.is_replaced:
            await uow.execute(self.table.sql("DELETE FROM {table} WHERE {key} = :key").bindparams(key=key))
        envelope = event_from_original(
            self.source, self.aggregate_type, self.event_type, key, version, told, uow.clock.now()
        )
        with because(Cause("service:sync", str(uuid4()))):
            await self.handler(uow, envelope)
        return True


_RECORD_VERSION = text(
    """
INSERT INTO inbox_versions AS known (consumer, source, aggregate_id, version) VALUES (:consumer, :source, :key, :version)
ON CONFLICT (consumer, source, aggregate_id) DO UPDATE SET version = excluded.version WHERE known.version <= excluded.version
"""
)


async def record_version(uow: UnitOfWork, consumer: str, source: str, key: UUID, version: int) -> bool:
    """Record a version of an aggregate as applied, so that events up to it are skipped as stale.

    Returns False if a higher version was applied before.
    """
    statement = _RECORD_VERSION.bindparams(consumer=consumer, source=source, key=key, version=version)
    return await uow.execute(statement) > 0


def event_from_original(
    source: str,
    aggregate_type: str,
    event_type: str,
    key: UUID,
    version: int,
    told: Mapping[str, Any],
    at: datetime,
) -> Envelope:
    """Return an owner's facts about an aggregate at a time as an event, as if the owner had published it."""
    return Envelope(
        event_id=uuid4(),
        source=source,
        position=0,
        event_type=event_type,
        aggregate_type=aggregate_type,
        aggregate_id=key,
        occurred_at=at,
        payload=told,
        version=version,
    )


_DIGESTS = text(
    f"SELECT {_BUCKET.format(key='key')} AS bucket, count(*) AS rows,"  # noqa: S608 - our own text
    f" bit_xor({_HASH.format(key='key')})::text AS hash FROM unnest(:keys, :versions) AS it (key, version) GROUP BY 1"
).bindparams(bindparam("keys", type_=ARRAY(Uuid)), bindparam("versions", type_=ARRAY(Integer)))


async def digests_of(session: Session, versions: Mapping[UUID, int]) -> dict[str, list[Any]]:
    """Return the number of objects and a hash of their keys and versions, by bucket.

    For an owner whose objects are not rows of a table, such as streams of events. `versions`: by key."""
    rows = await session.fetch_all(_DIGESTS, keys=list(versions), versions=list(versions.values()))
    return {str(row.bucket): [row.rows, row.hash] for row in rows}


def bucket_of(key: UUID) -> int:
    """Return the bucket of a key, as the SQL statements compute it."""
    return key.bytes[15] % BUCKETS


class _Original(msgspec.Struct):
    """The owner's data of one object: its version and its published facts."""

    version: int
    told: dict[str, Any]


def digests_field(tables: Mapping[str, Comparable]) -> StrawberryField:
    """Return the query field for the digests of a table; `tables` are by kind of object."""

    async def digests(info: strawberry.Info[ServiceContext, None], kind: str) -> JSON | None:
        """For the sync service: the number of rows and the hash of their keys and versions, by bucket."""
        info.context.require_service()
        return JSON(await _find(tables, kind).digests(info.context.database))

    return field_with(inaccessible=True, shareable=True)(digests)


def versions_field(tables: Mapping[str, Comparable]) -> StrawberryField:
    """Return the query field for the versions of a bucket's rows."""

    async def versions(info: strawberry.Info[ServiceContext, None], kind: str, bucket: int) -> JSON | None:
        """For the sync service: the versions of a bucket's rows by key."""
        info.context.require_service()
        checked = checks.whole(bucket, "bucket", 0, BUCKETS - 1)
        return JSON(await _find(tables, kind).versions(info.context.database, checked))

    return field_with(inaccessible=True, shareable=True)(versions)


def rows_field(tables: Mapping[str, Comparable]) -> StrawberryField:
    """Return the query field for versions and published facts of rows."""

    async def rows(
        info: strawberry.Info[ServiceContext, None], kind: str, keys: list[strawberry.ID]
    ) -> JSON | None:
        """For the sync service: versions and published facts of rows by key."""
        info.context.require_service()
        ids = checks.identifiers(keys, "keys", MAX_ROWS)
        return JSON(await _find(tables, kind).rows(info.context.database, ids))

    return field_with(inaccessible=True, shareable=True)(rows)


def repair_field(copies: Mapping[str, Repairable], consumer: str) -> StrawberryField:
    """Return the mutation that replaces copies by their owner's data."""

    async def repair(info: strawberry.Info[ServiceContext, None], kind: str, originals: JSON) -> int | None:
        """For the sync service: replace copies by their owner's data; returns how many were replaced."""
        info.context.require_service()
        copy: Repairable = _find(copies, kind)
        repaired = 0
        try:
            by_key = msgspec.convert(originals, dict[UUID, _Original])
            if len(by_key) > MAX_ROWS:
                raise BadUserInput(
                    f"'originals' must have at most {MAX_ROWS} keys, got {len(by_key)}", "originals"
                )
            async with UnitOfWork(info.context.database) as uow:
                for key, original in sorted(by_key.items()):
                    repaired += await copy.repair(uow, consumer, key, original.version, original.told)
        except msgspec.ValidationError as error:
            raise BadUserInput(
                f"'originals' must be versions and facts by key: {error}", "originals"
            ) from error
        return repaired

    return field_with(inaccessible=True, shareable=True)(repair)


def verify_field(sourced: Mapping[str, EventSourcedTable[Any, Any]]) -> StrawberryField:
    """Return the mutation that compares a service's rows with their event streams and repairs them."""

    async def verify(
        info: strawberry.Info[ServiceContext, None], kind: str, after: strawberry.ID | None = None
    ) -> JSON | None:
        """For the sync service: compare some rows with their events and repair those that differ. Returns
        the number of compared rows, the columns that differed by id, and the id to continue behind.
        """
        info.context.require_service()
        table: EventSourcedTable[Any, Any] = _find(sourced, kind)
        begin = UUID(int=0) if after is None else checks.identifier(after, "after")
        async with UnitOfWork(info.context.database) as uow:
            result = await table.verify(uow, begin)
        drifted = {str(drift.aggregate_id): list(drift.columns) for drift in result.drifts}
        following = str(result.next) if result.next else None
        return JSON({"compared": result.compared, "drifted": drifted, "next": following})

    return field_with(inaccessible=True, shareable=True)(verify)


def _find(tables: Mapping[str, Any], kind: str) -> Any:
    if kind not in tables:
        raise BadUserInput(
            f"'kind' must be one of {', '.join(tables) or '(none)'}, got {kind!r}",
            "kind",
        )
    return tables[kind]


def _decoded(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, str | bytes) else value
