"""Commands have ids, and a service accepts each id once.

Who sends one again gets the answer that it missed, not a second effect.

A command is written down before it is carried out, in a transaction of its own. Its effect, its result and
the mark that it is completed are one transaction, which begins by locking the command: of two that carry out
the same, one finds it done. What was accepted and left (the process died, the database went away) is carried
out later, if its caller chose the id and so may rely on it; otherwise it is marked as failed, since the
caller has no way to know and may have done it anew. What was asked for is kept until the command has ended,
no longer.
"""

import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import msgspec
import orjson
from sqlalchemy import Row, text

from subgraphs.kit import cause
from subgraphs.kit.cause import Cause, because
from subgraphs.kit.database import Database, Session
from subgraphs.kit.errors import BadUserInput, Conflict, DomainError
from subgraphs.kit.messages import Command
from subgraphs.kit.unit_of_work import UnitOfWork

CommandHandler = Callable[[UnitOfWork, Any], Awaitable[Any]]
Reload = Callable[[Session, UUID], Awaitable[Any]]
"""What a command has answered, found again by its id as it is now; None where it is gone."""

_ACCEPT = text(
    """
INSERT INTO pending_commands (command_id, command_type, aggregate_id, command_data, input_hash, is_named, issued_by,
    correlation_id, status)
VALUES (:command_id, :command_type, :aggregate_id, cast(cast(:command_data AS text) AS json), :input_hash, :is_named, :issued_by,
    :correlation_id, 'processing')
ON CONFLICT DO NOTHING
"""
)
_LOCK = text("SELECT * FROM pending_commands WHERE command_id = :command_id FOR UPDATE")
# not joined to the lock: whoever had to wait for it would see the results of before
_RESULT = text("SELECT result_data FROM processed_commands WHERE command_id = :command_id")
_COMPLETE = text(
    """
WITH done AS (
    INSERT INTO processed_commands (command_id, result_data, processing_time_ms)
    VALUES (:command_id, cast(cast(:result AS text) AS jsonb), :milliseconds)
)
UPDATE pending_commands SET status = 'completed', command_data = '{}', updated_at = clock_timestamp(),
    aggregate_id = coalesce(aggregate_id, cast(:result_id AS uuid))
WHERE command_id = :command_id
"""
)
_END = text(
    """
UPDATE pending_commands SET status = :status, error_code = :code, error_message = :message, updated_at = clock_timestamp(),
    command_data = CASE :status WHEN 'failed' THEN '{}' ELSE command_data END
WHERE command_id = :command_id AND status IN ('pending', 'processing')
"""
)


class CommandIdReused(Conflict):
    """The id belongs to another command."""

    code = "COMMAND_ID_REUSED"


class CommandFailed(DomainError):
    """The command was refused when it was carried out, and that stays so: its id is used up."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class CommandLog:
    """Carries commands out once each. `results` says by command type how its answer is found again."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[type[Command[Any]], CommandHandler],
        results: Mapping[type[Command[Any]], Reload],
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._results = results
        self.types = {kind.__name__: kind for kind in handlers}

    async def execute(self, command: Command[Any], command_id: UUID | None) -> Any:
        """Accept a command and carry it out: its answer, also when it was carried out before.

        Raises CommandIdReused, CommandFailed, BadUserInput for what cannot be written down, and what the
        handler raises.
        """
        named, own = command_id is not None, command_id or uuid4()
        now = cause.current()
        data = _written(command)
        facts = {
            "command_id": own,
            "command_type": type(command).__name__,
            "aggregate_id": _about(command),
            "command_data": data,
            "input_hash": hashlib.sha256(data.encode()).digest(),
            "is_named": named,
            "issued_by": now.created_by,
            "correlation_id": now.correlation_id,
        }
        new = await self._database.execute(_ACCEPT, [facts]) == 1
        if not new and not named:
            raise AssertionError("a random id was given twice")
        try:
            with because(replace(now, causation_id=own)):
                return await self.process(own, command, None if new else facts)
        except DomainError:
            raise
        except Exception:
            await self._leave(own, named=named)
            raise

    async def process(
        self, command_id: UUID, command: Command[Any], again: Mapping[str, Any] | None = None
    ) -> Any:
        """Carry out a command that was accepted. `again`: what is asked for under the id this time."""
        begun = time.perf_counter()
        try:
            async with UnitOfWork(self._database) as uow:
                row = await uow.fetch_one(_LOCK, command_id=command_id)
                if row is None or (
                    again is not None and any(getattr(row, name) != again[name] for name in _SAME)
                ):
                    raise CommandIdReused("This command id was used for another command")
                if row.status == "failed":
                    raise CommandFailed(
                        row.error_code or "CONFLICT", row.error_message or "The command failed"
                    )
                if row.status == "completed":
                    return await self._answer(uow, command, command_id)
                result = await self._handlers[type(command)](uow, command)
                await uow.execute(_COMPLETE, [_completion(command_id, result, begun)])
        except (CommandIdReused, CommandFailed):
            raise
        except DomainError as error:
            await self._end(command_id, "failed", error.code, error.message)
            raise
        return result

    async def _answer(self, uow: UnitOfWork, command: Command[Any], command_id: UUID) -> Any:
        found = _decoded(await uow.fetch_value(_RESULT, command_id=command_id))
        if "id" not in found:
            return found.get("value")
        return await self._results[type(command)](uow, UUID(found["id"]))

    async def _leave(self, command_id: UUID, *, named: bool) -> None:
        """It could not be carried out now, and nobody is to blame: a named one is carried out later."""
        try:
            if named:
                await self._end(command_id, "pending", None, None)
            else:
                await self._end(
                    command_id,
                    "failed",
                    "INTERNAL",
                    "It could not be carried out, and nothing of it was done",
                )
        except Exception:  # the database is away: whoever recovers commands finds it as it is
            return

    async def _end(self, command_id: UUID, status: str, code: str | None, message: str | None) -> None:
        facts = {"command_id": command_id, "status": status, "code": code, "message": message}
        await self._database.execute(_END, [facts])

    async def recover(self, row: Row[Any]) -> None:
        """Carry out a command that was left behind (`row.is_old`: for too long), or mark it as failed.

        Raises what keeps it from being carried out now.
        """
        kind = self.types.get(row.command_type)
        if kind is None or not row.is_named or row.is_old:
            reason = "It was left behind, and nothing of it was done: send it again"
            await self._end(row.command_id, "failed", "ABANDONED", reason)
            return
        try:
            command = msgspec.convert(_decoded(row.command_data), kind, strict=False)
            with because(Cause(row.issued_by, row.correlation_id, row.command_id)):
                await self.process(row.command_id, command)
        except DomainError:
            return  # refused, and marked so
        except Exception:
            await self._leave(row.command_id, named=True)  # behind the others, which it must not hold up
            raise


_SAME = ("command_type", "input_hash", "issued_by")


def _written(command: Command[Any]) -> str:
    """The command as it is kept. What could not be read again is refused.

    One such row would hold up the recovery of all.
    """
    try:
        written = json.dumps(
            msgspec.to_builtins(command), sort_keys=True, allow_nan=False, ensure_ascii=False
        )
        written.encode()
    except (ValueError, RecursionError):
        raise BadUserInput(
            "The input is nested too deep or holds what JSON cannot, such as infinity"
        ) from None
    return written


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str | bytes) else value


def _about(command: Command[Any]) -> UUID | None:
    """The aggregate that a command names, if it names one."""
    for name in ("request_id", "booking_id", "application_id", "musician_id", "review_id"):
        if isinstance(found := getattr(command, name, None), UUID):
            return found
    return None


def _completion(command_id: UUID, result: Any, begun: float) -> dict[str, Any]:
    key = getattr(result, "id", None)
    written = {"id": str(key)} if key is not None else {"value": result}
    return {
        "command_id": command_id,
        "result": orjson.dumps(written).decode(),
        "result_id": key,
        "milliseconds": (time.perf_counter() - begun) * 1000,
    }
