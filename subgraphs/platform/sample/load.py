"""Loads the sample data: generates it in memory and copies it into the services' databases in bulk (COPY).

The services' copies of other services' data are filled as if events had arrived, but no events are published
for sample data. Only the read side gets events, in its local log, because its read models are computed from
that log alone.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import asyncpg
import orjson
from argon2 import PasswordHasher

from gateway.saga.postgres import tables_script
from subgraphs.platform.accounts import DEMO_PASSWORD
from subgraphs.platform.sample import reads
from subgraphs.platform.sample.gig_tables import (
    CALENDAR_TABLES,
    MATCHING_TABLES,
    NOTIFICATION_TABLES,
    REQUEST_TABLES,
    REVIEW_TABLES,
    reviews_of,
)
from subgraphs.platform.sample.gigs import GigMaker
from subgraphs.platform.sample.payment_tables import PAYMENT_TABLES
from subgraphs.platform.sample.people import make_people
from subgraphs.platform.sample.people_tables import MUSICIAN_TABLES, user_tables
from subgraphs.platform.sample.places import cities
from subgraphs.platform.sample.table import SEED, SampleData, Table
from subgraphs.platform.sample.timer_tables import TIMER_TABLES

MUSICIANS = {"small": 2_000, "large": 100_000}
CHUNK = 5_000
Progress = Callable[[str, int, int], None]
_ADOPT: Mapping[str, Sequence[str]] = {
    "musicians": ["'musician', 'musician_profiles', 'MusicianProfileCreated', 'profile_parts'"],
    "requests": [
        "'musician_request', 'musician_requests', 'RequestPublished'",
        "'booking', 'bookings', 'BookingMade'",
    ],
    "payments": ["'escrow', 'escrows', 'EscrowCreated'"],
}
"""By service, the arguments of calls of the SQL function `adopt_rows`, which creates an event
stream per row.
"""
_READ_SIDE_TABLES = (
    Table(
        "read_side",
        "event_streams",
        reads.STREAM_COLUMNS,
        lambda world: reads.streams(world.people, world.gigs, reviews_of(world)),
    ),
    Table(
        "read_side",
        "events",
        reads.EVENT_COLUMNS,
        lambda world: reads.events(world.people, world.gigs, reviews_of(world)),
    ),
)


def make_sample_data(musicians: int, now: datetime) -> SampleData:
    """Generate the sample data with this number of musicians and with dates relative to `now`.

    Ids and names do not depend on `now`.
    """
    people = make_people(SEED, musicians, cities(), now)
    return SampleData(people, list(GigMaker(SEED, people, now).make(musicians)), now)


async def load(databases: Mapping[str, str], size: str, progress: Progress) -> None:
    """Fill empty databases with sample data of a size, "small" or "large".

    `databases`: their URLs by service. `progress` is called with the name of a step, the number of rows that
    are loaded, and the total number.
    """
    now = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    progress("generating the sample data", 0, 1)
    world = await asyncio.to_thread(make_sample_data, MUSICIANS[size], now)
    progress("generating the sample data", 1, 1)
    password_hash = await asyncio.to_thread(PasswordHasher().hash, DEMO_PASSWORD)
    services = dict.fromkeys(table.service for table in tables(password_hash))
    for service in services:
        connection = await asyncpg.connect(
            databases[service].replace("postgresql+asyncpg://", "postgresql://")
        )
        try:
            async with (
                connection.transaction()
            ):  # one transaction, because deferred constraints check several tables at its end
                await connection.execute("select set_config('mussikon.loading', 'on', true)")
                if service == "orchestration":
                    await connection.execute(tables_script())
                for table in tables(password_hash):
                    if table.service == service:
                        await _copy(connection, table, world, progress)
                for adopt in _ADOPT.get(service, ()):
                    await connection.execute(f"select adopt_rows({adopt})")
            await connection.execute("analyze")
        finally:
            await connection.close()
    await reads.project(databases["read_side"], progress)


async def _copy(connection: Any, table: Table, world: SampleData, progress: Progress) -> None:
    # the binary format of jsonb is a version byte, then the text
    codec = {
        "encoder": lambda value: b"\x01" + orjson.dumps(value),
        "decoder": lambda raw: orjson.loads(raw[1:]),
    }
    await connection.set_type_codec("jsonb", schema="pg_catalog", format="binary", **codec)
    step = f"{table.service}: {table.name}"
    rows = await asyncio.to_thread(lambda: list(table.rows(world)))
    waiting = iter(rows)
    done = 0
    while chunk := list(islice(waiting, CHUNK)):
        await connection.copy_records_to_table(table.name, records=chunk, columns=table.columns.split())
        done += len(chunk)
        progress(step, done, len(rows))


def tables(password_hash: str) -> tuple[Table, ...]:
    """Return the tables with sample data, in an order that the foreign keys allow."""
    return (
        *user_tables(password_hash),
        *MUSICIAN_TABLES,
        *REQUEST_TABLES,
        *REVIEW_TABLES,
        *MATCHING_TABLES,
        *PAYMENT_TABLES,
        *CALENDAR_TABLES,
        *_READ_SIDE_TABLES,
        *NOTIFICATION_TABLES,
        *TIMER_TABLES,
    )
