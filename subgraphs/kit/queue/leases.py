"""Leases: each partition of a consumer's events is handled by one process of the consumer at a time.

A lease is a row of the consumer's database with an owner, an expiry time and a fencing token. Every
transaction that handles events locks the rows of its partitions and compares their tokens (`fence`), so a
process whose lease expired while it was paused commits nothing. A process that is paused inside a transaction
holds that lock; the database server ends such a transaction after the duration of a lease, so that other
processes can lease the partition. The server's timeout does not run between the preparation of a statement
and its execution (asyncpg sends Flush, not Sync, after Parse); the session of a process that is paused there
is ended by the next process that needs the partition (`_END_STALLED`).

Example: process A has leased partition 3 with token 7 and pauses for a minute. Its lease expires, and B
leases the partition, which sets the token to 8. A continues, its `fence` finds no row (3, 7), and it raises
LeaseLost.
"""

import os
import secrets
import socket
from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Integer, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from subgraphs.kit.database import Database
from subgraphs.kit.queue.streams import PARTITIONS
from subgraphs.kit.unit_of_work import UnitOfWork

# A process that is paused inside `renew` holds locks, too: the server ends its transaction.
_IDLE = text("SELECT set_config('idle_in_transaction_session_timeout', :idle, true)")
_ALIVE = text("""
INSERT INTO inbox_members (consumer, owner, expires_at)
VALUES (:consumer, :owner, clock_timestamp() + make_interval(secs => :seconds))
ON CONFLICT (consumer, owner) DO UPDATE SET expires_at = excluded.expires_at""")
_PARTITIONS = text("""
INSERT INTO inbox_leases (consumer, partition) SELECT :consumer, generate_series(0, :most)
ON CONFLICT DO NOTHING""")
# A paused process may hold the lock of its own row; nobody waits for that.
_DEAD = text("""
DELETE FROM inbox_members WHERE (consumer, owner) IN (
    SELECT consumer, owner FROM inbox_members
    WHERE consumer = :consumer AND expires_at < clock_timestamp() FOR UPDATE SKIP LOCKED)""")
_COUNT = text("""
SELECT count(*) FROM inbox_members WHERE consumer = :consumer AND expires_at > clock_timestamp()""")
_RENEW = text("""
UPDATE inbox_leases SET expires_at = clock_timestamp() + make_interval(secs => :seconds)
WHERE consumer = :consumer AND owner = :owner RETURNING partition, token""")
_ACQUIRE = text("""
UPDATE inbox_leases
SET owner = :owner, token = token + 1, expires_at = clock_timestamp() + make_interval(secs => :seconds)
WHERE consumer = :consumer AND partition IN (
    SELECT partition FROM inbox_leases
    WHERE consumer = :consumer AND (owner IS NULL OR expires_at < clock_timestamp())
    ORDER BY partition LIMIT :count FOR UPDATE SKIP LOCKED)
RETURNING partition, token""")
# Sessions with locks on leases whose statement waits for its client for longer than a lease lasts.
_END_STALLED = text("""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
    AND state = 'active' AND wait_event = 'ClientRead'
    AND state_change < clock_timestamp() - make_interval(secs => :seconds)
    AND pid IN (SELECT pid FROM pg_locks WHERE relation = 'inbox_leases'::regclass)""")
_RELEASE = text("""
UPDATE inbox_leases SET owner = NULL
WHERE consumer = :consumer AND owner = :owner AND partition = ANY(:partitions)""").bindparams(
    bindparam("partitions", type_=ARRAY(Integer))
)
_GONE = text("DELETE FROM inbox_members WHERE consumer = :consumer AND owner = :owner")
# FOR SHARE: no other process can get a lease on these partitions before this transaction ends.
_FENCE = text("""
SELECT set_config('idle_in_transaction_session_timeout', :idle, true), (SELECT count(*) FROM (
    SELECT 1 FROM inbox_leases WHERE consumer = :consumer AND expires_at > clock_timestamp()
        AND (partition, token) IN (SELECT * FROM unnest(:partitions, :tokens))
    FOR SHARE) AS mine) AS held""").bindparams(
    bindparam("partitions", type_=ARRAY(Integer)), bindparam("tokens", type_=ARRAY(BigInteger))
)


class LeaseLost(Exception):
    """A lease has expired or belongs to another process, so the transaction must not be committed."""


class Leases:
    """The leases that one process of a consumer has; a lease lasts `seconds` unless it is renewed."""

    def __init__(self, database: Database, consumer: str, seconds: float) -> None:
        self._database = database
        self._consumer = consumer
        self.seconds = seconds
        self.owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._idle = str(int(seconds * 1000))
        self.held: Mapping[int, int] = {}
        """The fencing token of each partition that this process has leased, as of the last `renew`."""

    async def renew(self, unit: UnitOfWork | None = None) -> None:
        """Renew the leases, lease free partitions up to this process's share, and release the surplus.

        The share is the number of partitions divided by the number of living processes, rounded up. `unit`:
        a unit of work to use instead of a new one.
        """
        own: dict[str, Any] = {"consumer": self._consumer, "owner": self.owner}
        async with unit or UnitOfWork(self._database) as uow:
            await uow.execute(_IDLE.bindparams(idle=self._idle))
            await uow.execute(_ALIVE.bindparams(**own, seconds=self.seconds))
            await uow.execute(_DEAD.bindparams(consumer=self._consumer))
            living = int(await uow.fetch_value(_COUNT, consumer=self._consumer))
            held = await self._rows(uow, _RENEW, **own, seconds=self.seconds)
            share = -(-PARTITIONS // max(living, 1))
            if len(held) < share:
                await uow.execute(_PARTITIONS.bindparams(consumer=self._consumer, most=PARTITIONS - 1))
                held |= await self._rows(uow, _ACQUIRE, **own, seconds=self.seconds, count=share - len(held))
                if len(held) < share:
                    await uow.execute(_END_STALLED.bindparams(seconds=self.seconds))
            elif surplus := sorted(held)[share:]:
                await uow.execute(_RELEASE.bindparams(**own, partitions=surplus))
                held = {partition: token for partition, token in held.items() if partition not in surplus}
        self.held = held

    async def _rows(self, uow: UnitOfWork, statement: Any, **values: Any) -> dict[int, int]:
        return {row.partition: row.token for row in await uow.fetch_all(statement, **values)}

    async def release(self) -> None:
        """Release all leases of this process now, so that other processes need not wait for their expiry."""
        own: dict[str, Any] = {"consumer": self._consumer, "owner": self.owner}
        self.held = {}
        async with UnitOfWork(self._database) as uow:
            await uow.execute(_RELEASE.bindparams(**own, partitions=list(range(PARTITIONS))))
            await uow.execute(_GONE.bindparams(**own))

    async def fence(self, uow: UnitOfWork, tokens: Mapping[int, int]) -> None:
        """Lock the leases of the partitions in `tokens` (fencing token by partition) until the transaction
        ends.

        Raises LeaseLost if a lease has expired or has another token: the transaction must not commit.
        """
        row = await uow.fetch_one(
            _FENCE,
            idle=self._idle,
            consumer=self._consumer,
            partitions=list(tokens),
            tokens=list(tokens.values()),
        )
        if row is None or row.held != len(tokens):
            raise LeaseLost(
                f"{self._consumer}: the lease on one of the partitions {sorted(tokens)} has expired"
                " or belongs to another process"
            )
