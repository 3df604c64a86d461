"""A saga's step in a service.

Its effect happens once, however often it is asked for, and not at all once it was undone.

What is remembered (key, hash of the input, result, fencing token) is written in the transaction of the
effect. An undo that comes before its do leaves a tombstone, which refuses the do when that comes at last. A
call with an older token than one seen comes from a process that only thinks that it carries the saga, and is
refused.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import Row, text

from subgraphs.kit.errors import Conflict
from subgraphs.kit.unit_of_work import UnitOfWork

Direction = Literal["do", "undo"]
Effect = Callable[[Mapping[str, Any] | None], Awaitable[Mapping[str, Any]]]
"""What is to happen; an undo is told what the do gave, a do is told None."""

_CLAIM = text(
    "INSERT INTO saga_calls (saga_id, step, token, state) VALUES (:saga_id, :step, :token, 'begun') ON CONFLICT DO NOTHING"
)
_LOCK = text("SELECT * FROM saga_calls WHERE saga_id = :saga_id AND step = :step FOR UPDATE")
_DONE = text(
    "UPDATE saga_calls SET state = 'done', input_hash = :input_hash, result = :result, token = :token "
    "WHERE saga_id = :saga_id AND step = :step"
)
_UNDONE = text(
    "UPDATE saga_calls SET state = :state, undo_result = :result, token = :token WHERE saga_id = :saga_id AND step = :step"
)
_SET_TOKEN = text("UPDATE saga_calls SET token = :token WHERE saga_id = :saga_id AND step = :step")


class Superseded(Conflict):
    """Somebody with a newer token has been here: the caller has lost its saga."""

    code = "SUPERSEDED"


class AlreadyUndone(Conflict):
    """The step was undone before it was done, so it is not done any more."""

    code = "ALREADY_UNDONE"


class IdempotencyKeyReused(Conflict):
    """The key was used with another input."""

    code = "IDEMPOTENCY_KEY_REUSED"


@dataclass(frozen=True, slots=True)
class SagaCall:
    """Who calls: the saga, its step, the direction, and the fencing token of the process that carries it."""

    saga_id: UUID
    step: str
    direction: Direction
    token: int


async def run_once(
    uow: UnitOfWork, call: SagaCall, given: Mapping[str, Any], effect: Effect
) -> Mapping[str, Any] | None:
    """Have an effect once, and give its result each time; None where an undo found nothing to undo.

    `given` is the input, which has to be the same each time. Raises Superseded, AlreadyUndone or KeyReused;
    what the effect raises leaves no trace, so it may be asked for again.
    """
    about: dict[str, Any] = {"saga_id": call.saga_id, "step": call.step}
    new = await uow.execute(_CLAIM.bindparams(**about, token=call.token)) == 1
    row = await uow.fetch_one(_LOCK, **about)
    if row is None:
        raise AssertionError("the row was just written, and is never deleted")
    if call.token < row.token:
        raise Superseded("A newer process carries this saga")
    if call.direction == "do":
        return await _do(uow, call, row, _hash(given), effect, new=new)
    return await _undo(uow, call, row, effect, new=new)


async def _do(
    uow: UnitOfWork, call: SagaCall, row: Row[Any], input_hash: bytes, effect: Effect, *, new: bool
) -> Mapping[str, Any]:
    about: dict[str, Any] = {"saga_id": call.saga_id, "step": call.step, "token": call.token}
    if new:
        result = await effect(None)
        written = orjson.dumps(result).decode()
        await uow.execute(_DONE.bindparams(**about, input_hash=input_hash, result=written))
        return result
    if row.state != "done":
        raise AlreadyUndone("This step was undone")
    if bytes(row.input_hash) != input_hash:
        raise IdempotencyKeyReused("This step was done with another input")
    await uow.execute(_SET_TOKEN.bindparams(**about))
    found: Mapping[str, Any] = _json(row.result)
    return found


async def _undo(
    uow: UnitOfWork, call: SagaCall, row: Row[Any], effect: Effect, *, new: bool
) -> Mapping[str, Any] | None:
    about: dict[str, Any] = {"saga_id": call.saga_id, "step": call.step, "token": call.token}
    if new:
        await uow.execute(_UNDONE.bindparams(**about, state="tombstone", result=None))
        return None
    if row.state == "done":
        result = await effect(_json(row.result))
        written = orjson.dumps(result).decode()
        await uow.execute(_UNDONE.bindparams(**about, state="undone", result=written))
        return result
    await uow.execute(_SET_TOKEN.bindparams(**about))
    return None if row.undo_result is None else _json(row.undo_result)


def _json(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str | bytes) else value


def _hash(given: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(orjson.dumps(given, option=orjson.OPT_SORT_KEYS, default=str)).digest()
