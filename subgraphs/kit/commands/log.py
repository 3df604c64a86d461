"""The command log: a service executes each command id once, and returns the first result for a repeated one.

The mutations of a service call `CommandLog.execute`. Example: a client sends `publishRequest` with an
idempotency key, loses its connection and sends both again. The second call finds the command completed, reads
the created request's id from the stored result, and returns the request.

A command is stored before it is executed, in a transaction of its own. Its effect, its result and the status
`completed` are written in one transaction, which first locks the command's row: of two processes that execute
the same command, the second finds it completed. A command that was interrupted (the process was killed, the
database was unavailable) is executed later if the caller chose its id (`is_named`). If the id was generated
here, the command is marked as failed, because the caller cannot query it and may have sent it again. The
input of a command is deleted when the command has ended.
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
from subgraphs.kit.errors import BadUserInput, DomainError, IdempotencyKeyReused
from subgraphs.kit.messages import Command
from subgraphs.kit.unit_of_work import UnitOfWork

CommandHandler = Callable[[UnitOfWork, Any], Awaitable[Any]]
"""Executes a command in the unit of work; returns the created or changed object, or JSON values."""
Reload = Callable[[Session, UUID], Awaitable[Any]]
"""Returns the present state of the object that a command returned at its execution, by the object's id.

Returns None if the object does not exist any more.
"""

_ACCEPT = text(
    """
INSERT INTO pending_commands (command_id, command_type, aggregate_id, command_data, input_hash, is_named,
    issued_by, correlation_id, status)
VALUES (:command_id, :command_type, :aggregate_id, cast(cast(:command_data AS text) AS json), :input_hash,
    :is_named, :issued_by, :correlation_id, 'processing')
ON CONFLICT DO NOTHING
"""
)
_LOCK = text("SELECT * FROM pending_commands WHERE command_id = :command_id FOR UPDATE")
# A statement of its own: one that waits for the lock would read `processed_commands` as of its beginning,
# without the result that the other process has written meanwhile.
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
UPDATE pending_commands SET status = :status, error_code = :code, error_message = :message,
    updated_at = clock_timestamp(),
    command_data = CASE :status WHEN 'failed' THEN '{}' ELSE command_data END
WHERE command_id = :command_id AND status IN ('pending', 'processing')
"""
)


class CommandFailed(DomainError):
    """The command with this id failed before, with this code and message; it is not executed again."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class CommandLog:
    """Stores and executes the commands of one service.

    By command type: `handlers` execute a command; `results` load the object that an earlier execution of the
    command returned.
    """

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
        """Store and execute a command; return the handler's result.

        If the id was executed before, nothing is executed, and the object of the first result is loaded.
        `command_id`: the id that the caller chose; None: generate one. Raises IdempotencyKeyReused,
        CommandFailed, BadUserInput for input that cannot be stored as JSON, and the errors of the handler.
        """
        named, own_id = command_id is not None, command_id or uuid4()
        current = cause.current()
        data = _encoded(command)
        row = {
            "command_id": own_id,
            "command_type": type(command).__name__,
            "aggregate_id": _aggregate_of(command),
            "command_data": data,
            "input_hash": hashlib.sha256(data.encode()).digest(),
            "is_named": named,
            "issued_by": current.created_by,
            "correlation_id": current.correlation_id,
        }
        new = await self._database.execute(_ACCEPT, [row]) == 1
        if not new and not named:
            raise AssertionError(f"the generated command id {own_id} exists already: expected a new UUID")
        try:
            with because(replace(current, causation_id=own_id)):
                return await self.process(own_id, command, None if new else row)
        except DomainError:
            raise
        except Exception:
            await self._record_interruption(own_id, named=named)
            raise

    async def process(
        self, command_id: UUID, command: Command[Any], again: Mapping[str, Any] | None = None
    ) -> Any:
        """Execute a stored command and return its result; if it was completed before, return the stored one.

        `again`: None if this request has stored the command; otherwise the row of this request, by column,
        whose type, input and caller must equal those of the stored row. Raises the errors of `execute`.
        """
        begun = time.perf_counter()
        try:
            async with UnitOfWork(self._database) as uow:
                row = await uow.fetch_one(_LOCK, command_id=command_id)
                if row is None or (
                    again is not None
                    and any(getattr(row, name) != again[name] for name in _IDENTIFYING_COLUMNS)
                ):
                    raise IdempotencyKeyReused(
                        "The idempotency key was used for another change: choose a new key"
                    )
                if row.status == "failed":
                    raise CommandFailed(
                        row.error_code or "CONFLICT", row.error_message or "The command failed"
                    )
                if row.status == "completed":
                    return await self._stored_result(uow, command, command_id)
                result = await self._handlers[type(command)](uow, command)
                await uow.execute(_COMPLETE, [_completion(command_id, result, begun)])
        except (IdempotencyKeyReused, CommandFailed):
            raise
        except DomainError as error:
            await self._end(command_id, "failed", error.code, error.message)
            raise
        return result

    async def _stored_result(self, uow: UnitOfWork, command: Command[Any], command_id: UUID) -> Any:
        result = _decoded(await uow.fetch_value(_RESULT, command_id=command_id))
        if "id" not in result:
            return result.get("value")
        return await self._results[type(command)](uow, UUID(result["id"]))

    async def _record_interruption(self, command_id: UUID, *, named: bool) -> None:
        """Record that a technical error interrupted a command.

        `named`: the caller chose its id, so it becomes `pending` and is executed later; otherwise `failed`.
        """
        try:
            if named:
                await self._end(command_id, "pending", None, None)
            else:
                await self._end(
                    command_id,
                    "failed",
                    "INTERNAL",
                    "The command could not be executed and had no effect",
                )
        except (
            Exception
        ):  # the database is unavailable; `recovery` finds the command with status `processing`
            return

    async def _end(self, command_id: UUID, status: str, code: str | None, message: str | None) -> None:
        values = {"command_id": command_id, "status": status, "code": code, "message": message}
        await self._database.execute(_END, [values])

    async def recover(self, row: Row[Any]) -> None:
        """Execute the interrupted command of a row of `pending_commands`.

        The command is marked as failed instead if it is too old (`row.is_old`), if the caller did not choose
        its id, or if this version of the code has no such command. Raises technical errors, after which it
        can be tried again.
        """
        kind = self.types.get(row.command_type)
        if kind is None or not row.is_named or row.is_old:
            reason = "The command was interrupted and had no effect: send it again with a new id"
            await self._end(row.command_id, "failed", "ABANDONED", reason)
            return
        try:
            command = msgspec.convert(_decoded(row.command_data), kind, strict=False)
            with because(Cause(row.issued_by, row.correlation_id, row.command_id)):
                await self.process(row.command_id, command)
        except DomainError:
            return  # `process` has marked the command as failed
        except Exception:
            # This sets `updated_at` to now, so that other interrupted commands come first next time.
            await self._record_interruption(row.command_id, named=True)
            raise


_IDENTIFYING_COLUMNS = ("command_type", "input_hash", "issued_by")


def _encoded(command: Command[Any]) -> str:
    """Encode a command as JSON, from which it may be decoded and executed after a crash.

    Raises BadUserInput for values that JSON cannot represent.
    """
    try:
        encoded = json.dumps(
            msgspec.to_builtins(command), sort_keys=True, allow_nan=False, ensure_ascii=False
        )
        encoded.encode()
    except (ValueError, RecursionError):
        raise BadUserInput(
            "The input must be JSON: it is nested too deeply, or has a value such as infinity or NaN"
        ) from None
    return encoded


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str | bytes) else value


def _aggregate_of(command: Command[Any]) -> UUID | None:
    for name in ("request_id", "booking_id", "application_id", "musician_id", "review_id"):
        if isinstance(aggregate_id := getattr(command, name, None), UUID):
            return aggregate_id
    return None


def _completion(command_id: UUID, result: Any, begun: float) -> dict[str, Any]:
    key = getattr(result, "id", None)
    stored = {"id": str(key)} if key is not None else {"value": result}
    return {
        "command_id": command_id,
        "result": orjson.dumps(stored).decode(),
        "result_id": key,
        "milliseconds": (time.perf_counter() - begun) * 1000,
    }
