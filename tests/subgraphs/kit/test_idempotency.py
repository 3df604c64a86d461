"""Tests that a saga's step takes effect once, whether it is repeated, late, out of order or concurrent."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.errors import IdempotencyKeyReused
from subgraphs.kit.idempotency import (
    AlreadyUndone,
    Direction,
    SagaCall,
    Superseded,
    run_once,
)
from subgraphs.kit.testing import fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork

ADD = text("INSERT INTO effects (amount) VALUES (:amount)")
TAKE = text("DELETE FROM effects WHERE amount = :amount")


class Till:
    """A service with one effect: it inserts an amount, or deletes it again."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.saga = uuid4()

    async def send(
        self, direction: Direction = "do", amount: int = 5, token: int = 1, *, fail: bool = False
    ) -> Mapping[str, Any] | None:
        """Send one call of the step."""
        async with UnitOfWork(self.database) as uow:

            async def effect(before: Mapping[str, Any] | None) -> Mapping[str, Any]:
                assert (before is None) == (direction == "do")
                await uow.execute((ADD if direction == "do" else TAKE).bindparams(amount=amount))
                if fail:
                    raise RuntimeError
                return {"amount": amount, "id": str(uuid4())}

            return await run_once(
                uow, SagaCall(self.saga, "charge", direction, token), {"amount": amount}, effect
            )

    async def amounts(self) -> list[int]:
        """Return the amounts that are not undone."""
        return [row.amount for row in await self.database.fetch_all(text("SELECT amount FROM effects"))]

    def next_saga(self) -> UUID:
        """Begin another saga."""
        self.saga = uuid4()
        return self.saga


@pytest.fixture
async def till(postgres_url: str, tmp_path: Path) -> AsyncIterator[Till]:
    """A Till on a fresh database."""
    (tmp_path / "0001_effects.sql").write_text("CREATE TABLE effects (amount integer NOT NULL)")
    async with fresh_database(postgres_url, "till") as url:
        database = Database(url)
        await database.migrate(tmp_path)
        yield Till(database)
        await database.close()


async def test_once(till: Till) -> None:
    """A repeated call, with the same or a newer token, has no effect and returns the same result."""
    first = await till.send()
    assert await till.send() == first
    assert await till.send(token=7) == first
    assert await till.amounts() == [5]
    till.next_saga()
    assert await till.send() != first
    assert await till.amounts() == [5, 5]


async def test_many_at_once(till: Till) -> None:
    """Twenty concurrent calls have one effect and one result."""
    results = await asyncio.gather(*(till.send() for _ in range(20)))
    assert len({str(result) for result in results}) == 1
    assert await till.amounts() == [5]


async def test_a_failure_leaves_nothing(till: Till) -> None:
    """A step that has failed can be called again."""
    with pytest.raises(RuntimeError):
        await till.send(fail=True)
    assert await till.amounts() == []
    assert await till.send() is not None
    assert await till.amounts() == [5]


async def test_undoing(till: Till) -> None:
    """An undo takes effect once and always returns the same result; afterwards the step cannot be done."""
    await till.send()
    first = await till.send("undo", token=2)
    assert first is not None
    assert await till.send("undo", token=2) == first
    assert await till.amounts() == []
    with pytest.raises(AlreadyUndone):
        await till.send(token=2)
    assert await till.amounts() == []


async def test_an_undo_that_comes_first(till: Till) -> None:
    """An undo before its step does nothing, and the late step is refused."""
    assert await till.send("undo") is None
    assert await till.send("undo") is None
    with pytest.raises(AlreadyUndone):
        await till.send()
    assert await till.amounts() == []


async def test_who_has_lost_the_saga(till: Till) -> None:
    """A call with an older token than a former one is refused, for both directions."""
    await till.send(token=5)
    directions: tuple[Direction, ...] = ("do", "undo")
    for direction in directions:
        with pytest.raises(Superseded):
            await till.send(direction, token=4)
    assert await till.amounts() == [5]
    await till.send("undo", token=6)
    with pytest.raises(Superseded):
        await till.send("undo", token=5)


async def test_another_input(till: Till) -> None:
    """A repeated call with other input is refused."""
    await till.send(amount=5)
    with pytest.raises(IdempotencyKeyReused):
        await till.send(amount=6)
    assert await till.amounts() == [5]


async def test_do_and_undo_at_once(till: Till) -> None:
    """After a concurrent do and undo there is no effect, whichever is first."""
    for _ in range(20):
        till.next_saga()
        found = await asyncio.gather(
            till.send("do", token=1), till.send("undo", token=2), return_exceptions=True
        )
        assert not isinstance(found[1], BaseException)
        assert await till.amounts() == []
