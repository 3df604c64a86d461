"""The services that the crash test's sagas book: requests, notices, a ledger and a calendar in one database.

Each effect is one transaction with what `kit.idempotency` remembers of it, as in the real services.
"""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from gateway.saga.definition import Call, Refused, Retry, Saga, Step
from gateway.saga.journal import LostLease
from subgraphs.kit.database import Database
from subgraphs.kit.idempotency import AlreadyUndone, SagaCall, Superseded, once
from subgraphs.kit.unit_of_work import UnitOfWork

TABLES = """
CREATE TABLE effects (saga_id uuid NOT NULL, step text NOT NULL, amount integer NOT NULL);
CREATE TABLE ledger (saga_id uuid NOT NULL, account text NOT NULL, amount integer NOT NULL);
"""
NAMES = ("validate", "assign", "notify", "escrow", "block")
PRICE = 100
_DO = text("INSERT INTO effects VALUES (:saga_id, :step, 1)")
_UNDO = text("INSERT INTO effects VALUES (:saga_id, :step, -1)")
_ENTRY = text("INSERT INTO ledger VALUES (:saga_id, 'client', -:amount), (:saga_id, 'escrow', :amount)")
_LEFT = text(
    "SELECT step, sum(amount) FILTER (WHERE amount > 0) AS done, sum(amount) AS held, "
    "count(*) FILTER (WHERE amount < 0) AS undone FROM effects WHERE saga_id = :saga_id GROUP BY step"
)
_LEDGER = text("SELECT account, sum(amount) AS amount FROM ledger WHERE saga_id = :saga_id GROUP BY account")

Point = Callable[[str, str], Awaitable[None]]


async def no_point(name: str, when: str) -> None:
    """Nothing happens."""


class Services:
    """The effects. `point` is called before and after each commit; `careful` False leaves the idempotency check out."""

    def __init__(self, database: Database, point: Point = no_point, *, careful: bool = True) -> None:
        self.database = database
        self.point = point
        self.careful = careful

    @staticmethod
    def write_tables(folder: Path) -> Path:
        """The migrations that make the tables, in a folder."""
        folder.mkdir(exist_ok=True)
        (folder / "0001_effects.sql").write_text(TABLES)
        return folder

    def saga(self) -> Saga:
        """The saga: five steps; the input says at which one it is refused."""
        retry = Retry(attempts=200, first=0.02, longest=0.5)
        steps = [
            Step(name, self.action(name, _DO, 1), self.action(name, _UNDO, -1), retry=retry, undo_retry=retry)
            for name in NAMES
        ]
        return Saga("booking", tuple(steps))

    def action(self, name: str, statement: TextClause, sign: int) -> Callable[[Call], Awaitable[Any]]:
        """What does a step, or undoes it."""

        async def act(call: Call) -> Any:
            if call.direction == "do" and call.data.get("refuse_at") == name:
                raise Refused(f"{name} says no")
            about = f"service {call.direction}:{name}"
            try:
                async with UnitOfWork(self.database) as uow:
                    result = await self.effect(uow, call, statement, sign)
                    await self.point(about, "before")
            except Superseded as error:
                raise LostLease from error
            except AlreadyUndone as error:
                raise Refused(error.message) from error
            await self.point(about, "after")
            return result

        return act

    async def effect(self, uow: UnitOfWork, call: Call, statement: TextClause, sign: int) -> Mapping[str, Any] | None:
        """The effect, in a transaction."""

        async def write() -> Mapping[str, Any]:
            await uow.execute(statement.bindparams(saga_id=call.saga_id, step=call.step))
            if call.step == "escrow":
                await uow.execute(_ENTRY.bindparams(saga_id=call.saga_id, amount=sign * PRICE))
            return {"step": call.step}

        if not self.careful:
            return await write()
        order = SagaCall(call.saga_id, call.step, call.direction, call.token)
        return await once(uow, order, {"step": call.step}, write)

    async def judge(self, saga_id: UUID, status: str, refuse_at: str | None) -> list[str]:
        """What is wrong with the effects of a saga that has ended: `lost …`, `doubled …`, or a ledger out of balance."""
        rows = await self.database.fetch_all(_LEFT, saga_id=saga_id)
        found = {row.step: row for row in rows}
        wanted = "completed" if refuse_at is None else "failed" if refuse_at == NAMES[0] else "compensated"
        wrong = [] if status == wanted else [f"lost: it ended as {status}"]
        for name in NAMES:
            row = found.get(name)
            held, done, undone = (row.held, row.done or 0, row.undone) if row else (0, 0, 0)
            should = 1 if refuse_at is None else 0
            if held < should:
                wrong.append(f"lost: {name}")
            if held > should or done > 1 or undone > 1:
                wrong.append(f"doubled: {name} ({done} done, {undone} undone)")
        ledger = {row.account: row.amount for row in await self.database.fetch_all(_LEDGER, saga_id=saga_id)}
        if sum(ledger.values()) != 0:
            wrong.append("lost: the ledger does not balance")
        return wrong
