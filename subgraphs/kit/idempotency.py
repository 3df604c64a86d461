"""Makes the steps of sagas idempotent: a step has its effect once, however often it is called, and never
after it was undone. `steps` calls it.

The transaction of the effect also stores a row of `saga_calls`: saga id and step name (the key), hash of the
input, result and fencing token. If an undo arrives before its do, it stores a row with the state `tombstone`,
and the do is refused when it arrives. A call with an older token than the stored one comes from a process
that has lost the saga's lease, and is refused.

Example: "do reserve" is called twice, because the first reply was lost. The second call finds the row and
returns the stored result without reserving again.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import Row, text

from subgraphs.kit.errors import Conflict, IdempotencyKeyReused
from subgraphs.kit.unit_of_work import UnitOfWork

Direction = Literal["do", "undo"]
Effect = Callable[[Mapping[str, Any] | None], Awaitable[Mapping[str, Any]]]
"""Does or undoes a step and returns the result as JSON values.

Its argument is None to do the step; to undo it, the result of doing it.
"""

_CLAIM = text(
    "INSERT INTO saga_calls (saga_id, step, token, state) VALUES (:saga_id, :step, :token, 'begun') "
    "ON CONFLICT DO NOTHING"
)
_LOCK = text("SELECT * FROM saga_calls WHERE saga_id = :saga_id AND step = :step FOR UPDATE")
_DONE = text(
    "UPDATE saga_calls SET state = 'done', input_hash = :input_hash, result = :result, token = :token "
    "WHERE saga_id = :saga_id AND step = :step"
)
_UNDONE = text(
    "UPDATE saga_calls SET state = :state, undo_result = :result, token = :token "
    "WHERE saga_id = :saga_id AND step = :step"
)
_SET_TOKEN = text("UPDATE saga_calls SET token = :token WHERE saga_id = :saga_id AND step = :step")


class Superseded(Conflict):
    """A process with a newer fencing token has called the step: the caller has lost the saga's lease."""

    code = "SUPERSEDED"


class AlreadyUndone(Conflict):
    """The step was undone before, so it must not be done any more."""

    code = "ALREADY_UNDONE"


@dataclass(frozen=True, slots=True)
class SagaCall:
    """A call of a saga's step: to do or to undo it. `token`: the fencing token of the calling process."""

    saga_id: UUID
    step: str
    direction: Direction
    token: int


async def run_once(
    uow: UnitOfWork, call: SagaCall, given: Mapping[str, Any], effect: Effect
) -> Mapping[str, Any] | None:
    """Run `effect` at the first call of a step, and return its result at every call.

    `given` is the step's input, which must be the same at each call. Returns None for the undo of a step that
    was not done. Raises Superseded, AlreadyUndone, IdempotencyKeyReused, and the errors of the effect; after
    an error the caller must not commit the unit of work, and the call may be repeated.
    """
    key: dict[str, Any] = {"saga_id": call.saga_id, "step": call.step}
    new = await uow.execute(_CLAIM.bindparams(**key, token=call.token)) == 1
    row = await uow.fetch_one(_LOCK, **key)
    if row is None:
        raise AssertionError(f"saga_calls has no row of the step {call.step!r}, which was just inserted")
    if call.token < row.token:
        raise Superseded(
            f"A process with the newer fencing token {row.token} executes this saga;"
            f" this call has the token {call.token}"
        )
    if call.direction == "do":
        return await _do(uow, call, row, _hash(given), effect, new=new)
    return await _undo(uow, call, row, effect, new=new)


async def _do(
    uow: UnitOfWork, call: SagaCall, row: Row[Any], input_hash: bytes, effect: Effect, *, new: bool
) -> Mapping[str, Any]:
    values: dict[str, Any] = {"saga_id": call.saga_id, "step": call.step, "token": call.token}
    if new:
        result = await effect(None)
        encoded = orjson.dumps(result).decode()
        await uow.execute(_DONE.bindparams(**values, input_hash=input_hash, result=encoded))
        return result
    if row.state != "done":
        raise AlreadyUndone(f"The step {call.step!r} of this saga was undone and cannot be done any more")
    if bytes(row.input_hash) != input_hash:
        raise IdempotencyKeyReused(f"The step {call.step!r} of this saga was done with another input")
    await uow.execute(_SET_TOKEN.bindparams(**values))
    stored: Mapping[str, Any] = _json(row.result)
    return stored


async def _undo(
    uow: UnitOfWork, call: SagaCall, row: Row[Any], effect: Effect, *, new: bool
) -> Mapping[str, Any] | None:
    values: dict[str, Any] = {"saga_id": call.saga_id, "step": call.step, "token": call.token}
    if new:
        await uow.execute(_UNDONE.bindparams(**values, state="tombstone", result=None))
        return None
    if row.state == "done":
        result = await effect(_json(row.result))
        encoded = orjson.dumps(result).decode()
        await uow.execute(_UNDONE.bindparams(**values, state="undone", result=encoded))
        return result
    await uow.execute(_SET_TOKEN.bindparams(**values))
    return None if row.undo_result is None else _json(row.undo_result)


def _json(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str | bytes) else value


def _hash(given: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(orjson.dumps(given, option=orjson.OPT_SORT_KEYS, default=str)).digest()
