"""Comparing what one service owns with the copies that others keep of it, and repairing copies, without
either reading the other's tables.

Rows are counted and hashed by buckets of their ids, so that equal ones cost next to nothing; where a bucket
differs, versions are compared row by row. Only the `sync` service asks for any of this; clients don't see it.
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
MAX_ROWS = 500  # rows at once
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
    """Things with keys and versions, which can be compared with others of the same kind elsewhere."""

    async def digests(self, session: Session) -> dict[str, list[Any]]:
        """How many things each bucket has, and a hash of their keys and versions, by bucket."""
        ...

    async def versions(self, session: Session, bucket: int) -> dict[str, int]:
        """The versions of a bucket's things by key."""
        ...

    async def rows(self, session: Session, keys: Sequence[UUID]) -> dict[str, dict[str, Any]]:
        """What is told of some things, with their versions, by key."""
        ...


class Repairable(Protocol):
    """A copy in which a thing can be replaced by what its owner tells."""

    async def repair(
        self, uow: UnitOfWork, consumer: str, key: UUID, version: int, told: Mapping[str, Any]
    ) -> bool:
        """Replace a copy by what its owner tells; answer False where a newer event has come since the owner
        was asked."""
        ...


@dataclass(frozen=True, slots=True)
class KeyedTable:
    """A table whose rows have a key and the version of what they tell of.

    `told` makes of a row `it` what is published of it.
    """

    table: str
    key: str
    told: str = "to_jsonb(it)"

    def sql(self, statement: str) -> TextClause:
        """A statement over it; names are ours, never a caller's."""
        if not all(_NAME.fullmatch(name) for name in (self.table, self.key)):
            raise ValueError(self)
        named = statement.replace("{bucket}", _BUCKET).replace("{hash}", _HASH)
        return text(named.format(table=self.table, key=self.key, told=self.told))

    async def digests(self, session: Session) -> dict[str, list[Any]]:
        """How many rows each bucket has, and a hash of their keys and versions, by bucket."""
        counted = "SELECT {bucket} AS bucket, count(*) AS rows, bit_xor({hash})::text AS hash FROM {table} GROUP BY 1"
        return {str(row.bucket): [row.rows, row.hash] for row in await session.fetch_all(self.sql(counted))}

    async def versions(self, session: Session, bucket: int) -> dict[str, int]:
        """The versions of a bucket's rows by key."""
        found = self.sql("SELECT {key} AS key, version FROM {table} WHERE {bucket} = :bucket")
        return {str(row.key): row.version for row in await session.fetch_all(found, bucket=bucket)}

    async def rows(self, session: Session, keys: Sequence[UUID]) -> dict[str, dict[str, Any]]:
        """What is told of some rows, with their versions, by key."""
        found = self.sql(
            "SELECT {key} AS key, version, {told} AS told FROM {table} AS it WHERE {key} = ANY (:keys)"
        )
        rows = await session.fetch_all(found, keys=list(keys))
        return {str(row.key): {"version": row.version, "told": _decoded(row.told)} for row in rows}


@dataclass(frozen=True, slots=True)
class Copy:
    """What a service keeps of another's.

    Where, and the handler of the event by which it learns of a change.
    """

    keyed: KeyedTable
    source: str
    aggregate_type: str
    event_type: str
    handler: EventHandler
    is_replaced: bool = True
    """Whether the row goes before the handler writes it anew; a log is written on instead."""

    async def repair(
        self, uow: UnitOfWork, consumer: str, key: UUID, version: int, told: Mapping[str, Any]
    ) -> bool:
        """Put in place of a copy what its owner tells; events up to its version change nothing any more.

        Answers False, with nothing changed, where a newer event has come since the owner was asked.
        """
        if self.is_replaced:  # locked first, as the inbox does: the row, then the version
            await uow.execute(
                self.keyed.sql("SELECT 1 FROM {table} WHERE {key} = :key FOR UPDATE").bindparams(key=key)
            )
        if not await record_version(uow, consumer, self.source, key, version):
            return False
        if self.is_replaced:
            await uow.execute(self.keyed.sql("DELETE FROM {table} WHERE {key} = :key").bindparams(key=key))
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
    """Have events of an aggregate up to a version change nothing any more; False where a newer one has been
    applied."""
    seen = _RECORD_VERSION.bindparams(consumer=consumer, source=source, key=key, version=version)
    return await uow.execute(seen) > 0


def event_from_original(
    source: str,
    aggregate_type: str,
    event_type: str,
    key: UUID,
    version: int,
    told: Mapping[str, Any],
    at: datetime,
) -> Envelope:
    """What an owner tells of an aggregate at a moment, as the event that would have told it."""
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
    """The digests of things that are kept elsewhere than in a table, from their versions by key."""
    found = await session.fetch_all(_DIGESTS, keys=list(versions), versions=list(versions.values()))
    return {str(row.bucket): [row.rows, row.hash] for row in found}


def bucket_of(key: UUID) -> int:
    """The bucket of a key, as the statements compute it."""
    return key.bytes[15] % BUCKETS


class _Original(msgspec.Struct):
    """What an owner tells of one thing."""

    version: int
    told: dict[str, Any]


def digests_field(tables: Mapping[str, Comparable]) -> StrawberryField:
    """The field that answers with the digests of a table, by what it holds."""

    async def digests(info: strawberry.Info[ServiceContext, None], kind: str) -> JSON | None:
        """How many rows each bucket has, and a hash of their keys and versions; for the sync service."""
        info.context.require_service()
        return JSON(await _find(tables, kind).digests(info.context.database))

    return field_with(inaccessible=True, shareable=True)(digests)


def versions_field(tables: Mapping[str, Comparable]) -> StrawberryField:
    """The field that answers with the versions of a bucket's rows."""

    async def versions(info: strawberry.Info[ServiceContext, None], kind: str, bucket: int) -> JSON | None:
        """The versions of a bucket's rows by key; for the sync service."""
        info.context.require_service()
        wanted = checks.whole(bucket, "bucket", 0, BUCKETS - 1)
        return JSON(await _find(tables, kind).versions(info.context.database, wanted))

    return field_with(inaccessible=True, shareable=True)(versions)


def rows_field(tables: Mapping[str, Comparable]) -> StrawberryField:
    """The field that answers with what is told of some rows."""

    async def rows(
        info: strawberry.Info[ServiceContext, None], kind: str, keys: list[strawberry.ID]
    ) -> JSON | None:
        """What is told of some rows, with their versions, by key; for the sync service."""
        info.context.require_service()
        wanted = checks.identifiers(keys, "keys", MAX_ROWS)
        return JSON(await _find(tables, kind).rows(info.context.database, wanted))

    return field_with(inaccessible=True, shareable=True)(rows)


def repair_field(copies: Mapping[str, Repairable], consumer: str) -> StrawberryField:
    """The mutation that puts in place of copies what their owner tells."""

    async def repair(info: strawberry.Info[ServiceContext, None], kind: str, originals: JSON) -> int | None:
        """Put in place of copies what their owner tells; answers how many. For the sync service."""
        info.context.require_service()
        copy: Repairable = _find(copies, kind)
        repaired = 0
        try:
            given = msgspec.convert(originals, dict[UUID, _Original])
            if len(given) > MAX_ROWS:
                raise BadUserInput(f"'originals' holds more than {MAX_ROWS}", "originals")
            async with UnitOfWork(info.context.database) as uow:
                for key, original in sorted(given.items()):
                    repaired += await copy.repair(uow, consumer, key, original.version, original.told)
        except msgspec.ValidationError as error:
            raise BadUserInput(
                f"'originals' are not versions and facts by key: {error}", "originals"
            ) from error
        return repaired

    return field_with(inaccessible=True, shareable=True)(repair)


def verify_field(sourced: Mapping[str, EventSourcedTable[Any]]) -> StrawberryField:
    """The mutation that compares a service's rows with the streams of events that they follow from."""

    async def verify(
        info: strawberry.Info[ServiceContext, None], kind: str, after: strawberry.ID | None = None
    ) -> JSON | None:
        """Compare rows with their events and put right those that differ: how many were looked at, which
        differed, and where to go on. For the sync service.
        """
        info.context.require_service()
        about: EventSourcedTable[Any] = _find(sourced, kind)
        begin = UUID(int=0) if after is None else checks.identifier(after, "after")
        async with UnitOfWork(info.context.database) as uow:
            found = await about.verify(uow, begin)
        drifted = {str(one.aggregate_id): list(one.columns) for one in found.drifts}
        return JSON(
            {"compared": found.compared, "drifted": drifted, "next": str(found.next) if found.next else None}
        )

    return field_with(inaccessible=True, shareable=True)(verify)


def _find(tables: Mapping[str, Any], kind: str) -> Any:
    if kind not in tables:
        raise BadUserInput(
            f"There is nothing of this kind here; there is {', '.join(tables) or 'none'}", "kind"
        )
    return tables[kind]


def _decoded(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, str | bytes) else value
