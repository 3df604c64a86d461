"""Test of the upgrade of a payments database from a release without events of escrows."""

import shutil
from pathlib import Path
from uuid import uuid4

import asyncpg

from subgraphs.kit.database import Database
from subgraphs.kit.event_store.sourced import Verification
from subgraphs.kit.migrations import migrate
from subgraphs.kit.testing import fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.payments.aggregates import ESCROWS
from subgraphs.payments.app import MIGRATIONS

RELEASED = """
    INSERT INTO escrows (id, booking_id, request_id, client_id, musician_id, musician_user_id,
        amount, currency, status, released, version)
    VALUES ($1, $2, $2, $2, $2, $2, 400, 'EUR', 'released', 400, 2)"""
MOVED = """
    INSERT INTO ledger_entries (transaction_id, escrow_id, account, amount, currency)
    SELECT $2::uuid, $1::uuid, account || id, amount, 'EUR'
    FROM (VALUES ('escrow:', $1::uuid, $3::numeric), ('client:', $2::uuid, -$3::numeric))
        AS given (account, id, amount)"""


async def test_escrows_that_are_there_get_their_events(postgres_url: str, tmp_path: Path) -> None:
    """A changed escrow has a version above 1; its stream begins with its present state, and later changes
    work.
    """
    shutil.copy(MIGRATIONS / "0001_init.sql", tmp_path)
    async with fresh_database(postgres_url, "upgrade") as url:
        await migrate(url, tmp_path)
        connection, escrow = await asyncpg.connect(url), uuid4()
        try:
            async with connection.transaction():
                await connection.execute(RELEASED, escrow, uuid4())
                for amount in (400, -400):
                    await connection.execute(MOVED, escrow, uuid4(), amount)
        finally:
            await connection.close()
        await migrate(url, MIGRATIONS)
        database = Database(url)
        try:
            assert (
                await ESCROWS.aggregate.load(database, ESCROWS.aggregate.stream(escrow))
            ).state.status == "released"
            async with UnitOfWork(database) as uow:
                assert await ESCROWS.verify(uow) == Verification(1, [], None)
        finally:
            await database.close()
