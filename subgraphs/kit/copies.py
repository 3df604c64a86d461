"""Hidden GraphQL fields by which `sync` compares a service's rows with other services' copies of them, and
repairs the copies.

Each id belongs to one of 64 buckets, by its last byte. Owner and copy return a count and a hash of ids and
versions per bucket, so the comparison of equal buckets costs little. In a bucket that differs, `sync`
compares the versions of all rows and replaces the copies that differ by the owner's data. No service reads
another's tables.

Example: `copyDigests(kind: "musician")` returns {"7": [3, "-12345"]}: bucket 7 has 3 rows, whose hash is
-12345.

The facts of an object are its present values, as its owner publishes them in events; in JSON they are named
`told`.
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
MAX_ROWS = 500  # rows that one request may read or repair
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
    """A set of objects with keys and versions, which `sync` compares with the same objects elsewhere.

    Both the owner's tables and the tables or sinks with copies implement this protocol.
    """

    async def digests(self, session: Session) -> dict[str, list[Any]]:
        """Return the number of objects and the hash of their keys and versions, by bucket."""
        ...

    async def versions(self, session: Session, bucket: int) -> dict[str, int]:
        """Return the versions of one bucket's objects, by key."""
        ...

    async def rows(self, session: Session, keys: Sequence[UUID]) -> dict[str, dict[str, Any]]:
        """Return {"version": version, "told": facts} for each object with one of these keys, by key."""
        ...


class Repairable(Protocol):
    """A set of copies that `sync` can replace by the owner's data."""

    async def repair(
        self, uow: UnitOfWork, consumer: str, key: UUID, version: int, told: Mapping[str, Any]
    ) -> bool:
        """Replace the copy with this key by `told`, the owner's facts at `version`.

        `consumer` is the name under which the service consumes the owner's events. Returns False, with
        nothing changed, if it has applied an event with a higher version.
        """
        ...


@dataclass(frozen=True, slots=True)
class KeyedTable:
    """A Comparable: a table whose rows have a key column and a column `version`.

    `told`: the SQL expression for the facts of a row, in which `it` is the row.
    """

    table: str
    key: str
    told: str = "to_jsonb(it)"

    def sql(self, statement: str) -> TextClause:
        """Return a statement with {table}, {key}, {told}, {bucket} and {hash} replaced.

        {bucket} is the SQL expression for the bucket of a row, {hash} that for the hash of its key and
        version. The table's and the key's name come from this code base, never from a caller. Raises
        ValueError if one of them is not a plain name.
        """
        if not all(_NAME.fullmatch(name) for name in (self.table, self.key)):
            raise ValueError(f"table and key must match {_NAME.pattern}, got {self.table!r} and {self.key!r}")
        expanded = statement.replace("{bucket}", _BUCKET).replace("{hash}", _HASH)
        return text(expanded.format(table=self.table, key=self.key, told=self.told))

    async def digests(self, session: Session) -> dict[str, list[Any]]:
        """Return [number of rows, hash of their keys and versions] by bucket."""
        statement = (
            "SELECT {bucket} AS bucket, count(*) AS rows, bit_xor({hash})::text AS hash"
            " FROM {table} GROUP BY 1"
        )
        return {str(row.bucket): [row.rows, row.hash] for row in await session.fetch_all(self.sql(statement))}

    async def versions(self, session: Session, bucket: int) -> dict[str, int]:
        """Return the versions of one bucket's rows, by key."""
        statement = self.sql("SELECT {key} AS key, version FROM {table} WHERE {bucket} = :bucket")
        return {str(row.key): row.version for row in await session.fetch_all(statement, bucket=bucket)}

    async def rows(self, session: Session, keys: Sequence[UUID]) -> dict[str, dict[str, Any]]:
        """Return versions and facts of the rows with these keys, by key."""
        statement = self.sql(
            "SELECT {key} AS key, version, {told} AS told FROM {table} AS it WHERE {key} = ANY (:keys)"
        )
        rows = await session.fetch_all(statement, keys=list(keys))
        return {str(row.key): {"version": row.version, "told": _decoded(row.told)} for row in rows}


@dataclass(frozen=True, slots=True)
class Copy:
    """A Repairable: a table in which a service stores copies of the objects of the service `source`.

    `handler` is the inbox's handler of the event `event_type`, which writes the copy. A repair calls it with
    an event made from the owner's facts.
    """

    table: KeyedTable
    source: str
    aggregate_type: str
    event_type: str
    handler: EventHandler
    is_replaced: bool = True
    """Whether a repair deletes the row before it calls the handler; False if the handler appends to a log."""

    async def repair(
        self, uow: UnitOfWork, consumer: str, key: UUID, version: int, told: Mapping[str, Any]
    ) -> bool:
        """Replace the copy with this key by `told`, the owner's facts at `version`.

        Events up to `version` that arrive later are skipped as stale. Returns False, with nothing changed, if
        the service has applied an event with a higher version.
        """
        if (
            self.is_replaced
        ):  # lock the row first, then the version: the inbox locks in this order, so the two do not deadlock
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
INSERT INTO inbox_versions AS known (consumer, source, aggregate_id, version)
VALUES (:consumer, :source, :key, :version)
ON CONFLICT (consumer, source, aggregate_id) DO UPDATE
SET version = excluded.version WHERE known.version <= excluded.version
"""
)


async def record_version(uow: UnitOfWork, consumer: str, source: str, key: UUID, version: int) -> bool:
    """Record that a consumer has applied a version of the aggregate `key` of the service `source`.

    Its inbox then skips events up to this version as stale. Returns False, with nothing recorded, if a higher
    version was applied before.
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
    """Return an event like those of the owner, with `told`, the facts of the aggregate `key` at `version`.

    `at` is the event's time.
    """
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
    f" bit_xor({_HASH.format(key='key')})::text AS hash"
    " FROM unnest(:keys, :versions) AS it (key, version) GROUP BY 1"
).bindparams(bindparam("keys", type_=ARRAY(Uuid)), bindparam("versions", type_=ARRAY(Integer)))


async def digests_of(session: Session, versions: Mapping[UUID, int]) -> dict[str, list[Any]]:
    """Return [number of objects, hash of their keys and versions] by bucket.

    For objects that are not rows of a table, such as documents of a sink. `versions`: the version of each
    object, by key.
    """
    rows = await session.fetch_all(_DIGESTS, keys=list(versions), versions=list(versions.values()))
    return {str(row.bucket): [row.rows, row.hash] for row in rows}


def bucket_of(key: UUID) -> int:
    """Return the bucket of a key, the same number that the SQL expression in `_BUCKET` computes."""
    return key.bytes[15] % BUCKETS


class _Original(msgspec.Struct):
    """The owner's data of one object: its version and its published facts."""

    version: int
    told: dict[str, Any]


def digests_field(tables: Mapping[str, Comparable]) -> StrawberryField:
    """Return the resolver of the hidden query `copyDigests`; `tables` are the service's, by kind of
    object.
    """

    async def digests(info: strawberry.Info[ServiceContext, None], kind: str) -> JSON | None:
        """For the sync service: the number of rows and the hash of their keys and versions, by bucket."""
        info.context.require_service()
        return JSON(await _find(tables, kind).digests(info.context.database))

    return field_with(inaccessible=True, shareable=True)(digests)


def versions_field(tables: Mapping[str, Comparable]) -> StrawberryField:
    """Return the resolver of the hidden query `copyVersions`; `tables` are the service's, by kind
    of object.
    """

    async def versions(info: strawberry.Info[ServiceContext, None], kind: str, bucket: int) -> JSON | None:
        """For the sync service: the versions of a bucket's rows by key."""
        info.context.require_service()
        checked = checks.whole(bucket, "bucket", 0, BUCKETS - 1)
        return JSON(await _find(tables, kind).versions(info.context.database, checked))

    return field_with(inaccessible=True, shareable=True)(versions)


def rows_field(tables: Mapping[str, Comparable]) -> StrawberryField:
    """Return the resolver of the hidden query `copyRows`; `tables` are the service's, by kind of object."""

    async def rows(
        info: strawberry.Info[ServiceContext, None], kind: str, keys: list[strawberry.ID]
    ) -> JSON | None:
        """For the sync service: versions and published facts of rows by key."""
        info.context.require_service()
        ids = checks.identifiers(keys, "keys", MAX_ROWS)
        return JSON(await _find(tables, kind).rows(info.context.database, ids))

    return field_with(inaccessible=True, shareable=True)(rows)


def repair_field(copies: Mapping[str, Repairable], consumer: str) -> StrawberryField:
    """Return the resolver of the hidden mutation `repairCopies`, which replaces copies by their owner's data.

    `copies` are the service's, by kind; `consumer`: its name as a consumer of events.
    """

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
                f"'originals' must be an object of versions and facts by key: {error}", "originals"
            ) from error
        return repaired

    return field_with(inaccessible=True, shareable=True)(repair)


def verify_field(sourced: Mapping[str, EventSourcedTable[Any, Any]]) -> StrawberryField:
    """Return the resolver of the hidden mutation that compares rows with their event streams and
    repairs them.

    `sourced` are the service's event-sourced tables, by kind of object.
    """

    async def verify(
        info: strawberry.Info[ServiceContext, None], kind: str, after: strawberry.ID | None = None
    ) -> JSON | None:
        """For the sync service: compare some rows with their events and repair those that differ. Returns
        the number of compared rows, the columns that differed by id, and the id for the next call's `after`.
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
