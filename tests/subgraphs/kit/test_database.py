"""Tests of databases: migrations are applied once, a unit of work is all or nothing, loaders execute few
statements.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.loaders import many, one, pages, uuid_of
from subgraphs.kit.migrations import OWN, MigrationError
from subgraphs.kit.testing import counted_statements, fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """An empty database."""
    async with fresh_database(postgres_url, "kit") as url:
        database = Database(url)
        yield database
        await database.close()


async def test_migrations_are_applied_once(database: Database, tmp_path: Path) -> None:
    """Three concurrent processes apply each script once; later scripts are applied in order."""
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (id int); INSERT INTO first VALUES (1);")
    applied = await asyncio.gather(*[database.migrate(tmp_path) for _ in range(3)])
    kit = [f"kit/{path.stem}" for path in sorted(OWN.glob("*.sql"))]
    assert sorted(applied, key=len) == [[], [], [*kit, "service/0001_first"]]
    (tmp_path / "0002_second.sql").write_text("INSERT INTO first VALUES (2)")
    assert await database.migrate(tmp_path) == ["service/0002_second"]
    assert await database.fetch_value(text("SELECT count(*) FROM first")) == 2


async def test_a_changed_migration_is_refused(database: Database, tmp_path: Path) -> None:
    """A script that was changed after it was applied, or has no number, raises MigrationError."""
    script = tmp_path / "0001_first.sql"
    script.write_text("CREATE TABLE first (id int)")
    await database.migrate(tmp_path)
    script.write_text("CREATE TABLE first (id bigint)")
    with pytest.raises(MigrationError, match="service/0001_first was changed"):
        await database.migrate(tmp_path)
    (tmp_path / "second.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match=r"second\.sql"):
        await database.migrate(tmp_path)


async def test_a_failing_migration_leaves_nothing(database: Database, tmp_path: Path) -> None:
    """A script is applied as a whole or not at all."""
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (id int); SELECT nonsense();")
    with pytest.raises(Exception, match="nonsense"):
        await database.migrate(tmp_path)
    assert await database.fetch_value(text("SELECT to_regclass('first')")) is None


async def test_a_unit_of_work_is_all_or_nothing(database: Database) -> None:
    """A failed unit of work changes nothing, a successful one is stored, and every connection returns to the
    pool.
    """
    await database.execute(text("CREATE TABLE kept (id int)"))
    insert = text("INSERT INTO kept VALUES (1), (2)")
    with pytest.raises(ZeroDivisionError):
        async with UnitOfWork(database) as uow:
            assert await uow.execute(insert) == 2
            raise ZeroDivisionError
    assert await database.fetch_one(text("SELECT * FROM kept")) is None
    async with UnitOfWork(database) as uow:
        await uow.execute(insert)
        assert len(await uow.fetch_all(text("SELECT * FROM kept"))) == 2
    assert await database.fetch_value(text("SELECT count(*) FROM kept")) == 2
    assert "Connections in pool: 1 Current Overflow: -9 Current Checked out connections: 0" in str(
        database.engine.pool.status()
    )


async def test_is_ready_tells_the_truth(database: Database) -> None:
    """`is_ready` is True for a database that answers and False for an unreachable one; `repr` does not show
    the password.
    """
    assert await database.is_ready()
    gone = Database("postgresql://somebody:secret@127.0.0.1:1/nothing")
    assert not await gone.is_ready()
    assert "secret" not in repr(gone)
    await gone.close()


async def test_loaders_ask_once(database: Database) -> None:
    """A loader fetches keys that are loaded one by one with one statement, and pages with one per
    argument.
    """
    numbers = text("SELECT 1")

    async def squares(keys: object) -> dict[int, int]:
        await database.fetch_value(numbers)
        return {2: 4, 3: 9}

    async def lists(keys: object) -> dict[int, list[int]]:
        await database.fetch_value(numbers)
        return {2: [4]}

    async def parts(keys: object, first: int) -> dict[int, list[int]]:
        await database.fetch_value(numbers)
        return {2: [4] * first}

    with counted_statements(database) as statements:
        single, several, paged = one(squares), many(lists), pages(parts)
        assert await single.load_many([2, 3, 2, 5]) == [4, 9, 4, None]
        assert await several.load_many([2, 3]) == [[4], []]
        assert await paged.load_many([(2, 1), (2, 2), (3, 1)]) == [[4], [4, 4], []]
    assert len(statements) == 4


def test_ids_that_are_none() -> None:
    """An id that is no UUID becomes None."""
    for value in ("", "x", "0" * 1000, None, 7, ["a"], "'; drop table users; --"):
        assert uuid_of(value) is None
    assert uuid_of("d2f24e28-75e4-48da-b2af-aacd007b12cf") is not None
