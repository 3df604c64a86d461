"""Tests that the archivist moves old events to the archive, and that readers still find them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.event_store.archivist import Archivist
from subgraphs.kit.testing import fresh_database
from tests.subgraphs.kit.event_store.test_event_store import ACCOUNT, filled, stored


@pytest.fixture
async def database(postgres_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """A fresh database with the kit's tables."""
    async with fresh_database(postgres_url, "archivist") as url:
        database = Database(url)
        await database.migrate(tmp_path)
        yield database
        await database.close()


async def test_what_is_old_and_behind_a_snapshot_is_archived(database: Database) -> None:
    """Only events that are old and covered by a snapshot are archived: 17 of 25 here, and none of a stream
    without a snapshot or of a young one.
    """
    old, young, short = await filled(database, 25), await filled(database, 25), await filled(database, 5)
    before = [await stored(database, stream) for stream in (old, young, short)]
    age = text(
        "UPDATE events SET occurred_at = occurred_at - interval '91 days'"
        " WHERE aggregate_id = :id AND version <= 17"
    )
    for stream in (old, short):
        await database.execute(age.bindparams(id=stream.aggregate_id))
    archivist = Archivist(database)
    assert await archivist.sweep() == 17
    assert await archivist.sweep() == 0
    left = text("SELECT count(*) FROM events WHERE aggregate_id = :id")
    counts = [await database.fetch_value(left, id=stream.aggregate_id) for stream in (old, young, short)]
    assert counts == [8, 25, 5]
    after = [await stored(database, stream) for stream in (old, young, short)]
    assert [[event.event_id for event in events] for events in after] == [
        [event.event_id for event in events] for events in before
    ]
    assert (await ACCOUNT.load_at(database, old, 3)).version == 3
