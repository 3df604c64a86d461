"""The journal in PostgreSQL. The tables are in journal.sql; each method is one transaction."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from gateway.core.errors import SagaError
from gateway.saga.journal import (
    AttemptView,
    LostLease,
    SagaChange,
    SagaRecord,
    SagaRequest,
    SagaView,
    StepView,
    payload,
)
from gateway.saga.machine import ACTIVE, SagaState, StepState, Verb, operated

CHANNEL = "sagas"

_INSERT = """INSERT INTO sagas (saga_type, version, total_steps, data, idempotency_key, input_digest,
        created_by, correlation_id, wake_at, deadline_at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, wake, greatest(wake, clock_timestamp()) + $9 * interval '1 second'
    FROM (SELECT CASE WHEN $11 > 0.0::float8 THEN greatest($10, clock_timestamp() + $11 * interval '1 second')
        ELSE coalesce($10, clock_timestamp()) END AS wake) AS times
    ON CONFLICT (saga_type, idempotency_key) DO NOTHING RETURNING id"""
_STEPS = (
    "INSERT INTO saga_steps (saga_id, step_number, name, service_name, operation) VALUES ($1, $2, $3, $4, $5)"
)
_SAME = "SELECT id, input_digest FROM sagas WHERE saga_type = $1 AND idempotency_key = $2"
_CLAIM = """UPDATE sagas SET lease_owner = $1, lease_until = clock_timestamp() + $2 * interval '1 second',
    fencing_token = fencing_token + 1
    WHERE id IN (SELECT id FROM sagas
        JOIN unnest($4::text[], $5::integer[]) AS kind (saga_type, version) USING (saga_type, version)
        WHERE wake_at <= clock_timestamp() AND (lease_until IS NULL OR lease_until < clock_timestamp())
        ORDER BY wake_at LIMIT $3 FOR UPDATE OF sagas SKIP LOCKED)
    RETURNING *, coalesce(deadline_at < clock_timestamp(), false) AS late"""
_OF = "SELECT * FROM saga_steps WHERE saga_id = ANY($1) ORDER BY saga_id, step_number"
_TRIED = "SELECT * FROM saga_attempts WHERE saga_id = ANY($1) ORDER BY id"
_RENEW = """UPDATE sagas SET lease_until = clock_timestamp() + $3 * interval '1 second'
    WHERE id = $1 AND fencing_token = $2 AND lease_owner IS NOT NULL"""
_RELEASE = "UPDATE sagas SET lease_owner = NULL, lease_until = NULL WHERE id = $1 AND fencing_token = $2"
# One statement means one round trip and one commit. The update of the saga's row is the first part:
# it checks the fencing token, and the other parts join its result.
_WRITE = """WITH saga AS (
    UPDATE sagas SET status = $3, cancelled = $4, current_step = $5,
        wake_at = CASE WHEN $6::float8 IS NULL THEN NULL
            ELSE clock_timestamp() + $6 * interval '1 second' END,
        completed_at = CASE WHEN $6::float8 IS NULL THEN coalesce(completed_at, clock_timestamp()) END,
        error_message = coalesce($16, error_message), error_code = coalesce($8, error_code)
    WHERE id = $1 AND fencing_token = $2 AND lease_owner IS NOT NULL RETURNING id),
  steps AS (
    UPDATE saga_steps SET status = new.status, attempts = new.attempts, failures = new.failures,
        uncertain = new.uncertain,
        response_data = CASE WHEN new.status = 'completed' THEN coalesce(new.result, response_data)
            ELSE response_data END,
        compensation_data = CASE WHEN new.status = 'compensated' THEN coalesce(new.result, compensation_data)
            ELSE compensation_data END,
        request_data = coalesce(new.request, request_data),
        error_message = coalesce(new.error, error_message),
        started_at = coalesce(started_at, clock_timestamp()),
        completed_at = CASE WHEN new.status IN ('in_progress', 'compensating') THEN NULL
            ELSE clock_timestamp() END
    FROM saga, jsonb_to_recordset($9::jsonb) AS new (number int, status text, attempts int, failures int,
        uncertain boolean, result jsonb, request jsonb, error text)
    WHERE saga_id = saga.id AND step_number = new.number),
  ended AS (
    UPDATE saga_attempts SET outcome = $12, error_message = $7, ended_at = clock_timestamp() FROM saga
    WHERE saga_id = saga.id AND step_number = $10 AND direction = $11 AND fencing_token = $2
        AND ended_at IS NULL),
  begun AS (
    INSERT INTO saga_attempts (saga_id, step_number, direction, attempt, fencing_token)
    SELECT saga.id, $13, $14, $15, $2 FROM saga WHERE $13::int IS NOT NULL)
  SELECT count(*) FROM saga"""
_WORD = """INSERT INTO saga_attempts (saga_id, direction, fencing_token, by, outcome, error_message, ended_at)
    VALUES ($1, $2, $3, $4, 'told', $5, clock_timestamp())"""
_TAKE_AWAY = """UPDATE sagas SET fencing_token = fencing_token + 1, lease_owner = 'operator' WHERE id = $1
    RETURNING fencing_token"""
_DUE = """SELECT
    extract(epoch FROM min(greatest(wake_at, coalesce(lease_until, wake_at))) - clock_timestamp())
    FROM sagas JOIN unnest($1::text[], $2::integer[]) AS kind (saga_type, version) USING (saga_type, version)
    WHERE wake_at IS NOT NULL"""


def tables_script() -> str:
    """Return the SQL statements that create the journal's tables, unless they exist."""
    return files("gateway.saga").joinpath("journal.sql").read_text(encoding="utf-8")


class PostgresJournal:
    """The journal over a connection pool, or over a DSN, to which `open` connects."""

    def __init__(self, pool: asyncpg.Pool | str) -> None:
        self._pool = pool

    @property
    def pool(self) -> asyncpg.Pool:
        """Return the connection pool. Raises SagaError before `open`."""
        if isinstance(self._pool, str):
            raise SagaError("the journal is not open; call open() first", "SAGA_STATE")
        return self._pool

    async def open(self) -> None:
        """Connect, if only a DSN was given, and create the tables."""
        if isinstance(self._pool, str):
            self._pool = await asyncpg.create_pool(
                self._pool, min_size=1, max_size=8, timeout=5, command_timeout=30
            )
        await self.create()

    async def close(self) -> None:
        """Close the connections."""
        await self.pool.close()

    async def create(self) -> None:
        """Create the tables, unless they exist."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "SELECT pg_advisory_xact_lock(7245316)"
            )  # CREATE IF NOT EXISTS races with itself
            await connection.execute(tables_script())

    async def start(self, request: SagaRequest) -> tuple[UUID, bool]:
        digest = request.digest
        async with self.pool.acquire() as connection, connection.transaction():
            made = await _insert(connection, request, digest)
            if made is not None:
                return made, True
            found = await connection.fetchrow(_SAME, request.saga.type, request.key)
        if found is None or bytes(found["input_digest"]) != digest:
            message = (
                f"the idempotency key {request.key!r} was used for a saga {request.saga.type}"
                " with another input"
            )
            raise SagaError(message, "IDEMPOTENCY_KEY_REUSED")
        return found["id"], False

    async def claim(
        self, owner: str, kinds: Collection[tuple[str, int]], lease: float, most: int
    ) -> Sequence[SagaRecord]:
        types, versions = [kind for kind, _ in kinds], [version for _, version in kinds]
        async with self.pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_CLAIM, owner, lease, most, types, versions)
            steps = await connection.fetch(_OF, [row["id"] for row in rows]) if rows else []
        by_saga: dict[UUID, list[asyncpg.Record]] = {row["id"]: [] for row in rows}
        for step in steps:
            by_saga[step["saga_id"]].append(step)
        return [_record(row, by_saga[row["id"]]) for row in rows]

    async def renew(self, record: SagaRecord, lease: float) -> None:
        if await self.pool.execute(_RENEW, record.id, record.token, lease) != "UPDATE 1":
            raise LostLease

    async def release(self, record: SagaRecord) -> None:
        await self.pool.execute(_RELEASE, record.id, record.token)

    async def write(self, record: SagaRecord, change: SagaChange) -> None:
        if not change.follow_ups:
            await _write(self.pool, record.id, record.token, record.state, change)
            return
        async with self.pool.acquire() as connection, connection.transaction():
            await _write(connection, record.id, record.token, record.state, change)
            for request in change.follow_ups:
                await _insert(connection, request, request.digest)

    async def operate(self, saga_id: UUID, verb: Verb, by: str, reason: str) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                "SELECT *, false AS late FROM sagas WHERE id = $1 FOR UPDATE", saga_id
            )
            if row is None:
                raise SagaError(f"there is no saga {saga_id}", "UNKNOWN_SAGA")
            record = _record(row, await connection.fetch(_OF, [saga_id]))
            after = operated(record.state, verb)
            token = await connection.fetchval(_TAKE_AWAY, saga_id)
            await _write(connection, saga_id, token, record.state, SagaChange(verb, after))
            await connection.execute(_WORD, saga_id, verb, token, by, reason)
            await connection.execute(_RELEASE, saga_id, token)
            await connection.execute("SELECT pg_notify($1, '')", CHANNEL)

    async def view(self, saga_id: UUID) -> SagaView | None:
        found = await self.views([saga_id])
        return found[0] if found else None

    async def views(self, ids: Sequence[UUID]) -> list[SagaView]:
        """Return those of these sagas that exist, with steps and attempts, in the order of `ids`."""
        async with self.pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            rows = {
                row["id"]: row
                for row in await connection.fetch("SELECT * FROM sagas WHERE id = ANY($1)", ids)
            }
            steps, attempts = (
                _grouped(await connection.fetch(_OF, ids)),
                _grouped(await connection.fetch(_TRIED, ids)),
            )
        return [_view(rows[key], steps[key], attempts[key]) for key in ids if key in rows]

    async def due_in(self, kinds: Collection[tuple[str, int]]) -> float | None:
        found = await self.pool.fetchval(_DUE, [kind for kind, _ in kinds], [version for _, version in kinds])
        return None if found is None else float(found)


async def _insert(connection: Any, request: SagaRequest, digest: bytes) -> UUID | None:
    """Store a saga to be run, in an open transaction; return its id, None if there is one with its key."""
    saga, data = request.saga, payload(request.data, "the input").decode()
    about = (request.key, digest, request.by, request.correlation_id, saga.deadline)
    made: UUID | None = await connection.fetchval(
        _INSERT, saga.type, saga.version, len(saga.steps), data, *about, request.at, request.after
    )
    if made is not None:
        steps = [(made, n, one.name, one.service, one.operation) for n, one in enumerate(saga.steps)]
        await connection.executemany(_STEPS, steps)
        await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
    return made


async def _write(session: Any, saga_id: UUID, token: int, before: SagaState, change: SagaChange) -> None:
    """Write a change, over a connection or a pool. Raises LostLease. `before`: the state as stored."""
    after, ended, begun = change.state, change.ended, change.begun
    wake = change.wake_after if after.status in ACTIVE else None
    at = next(
        (n for n, step in enumerate(after.steps) if step.status in ("pending", "in_progress")),
        len(after.steps),
    )
    error, code = change.saga_error
    written = await session.fetchval(
        _WRITE,
        saga_id,
        token,
        after.status,
        after.cancelled,
        at,
        wake,
        change.error,
        code,
        (b"[" + b",".join(_steps(before, change)) + b"]").decode(),
        ended.number if ended else None,
        ended.direction if ended else None,
        change.outcome,
        begun.number if begun else None,
        begun.direction if begun else None,
        after.steps[begun.number].attempts if begun else None,
        error,
    )
    if not written:
        raise LostLease


def _steps(before: SagaState, change: SagaChange) -> Iterator[bytes]:
    """Yield the changed steps as JSON; results and requests are already encoded."""
    for number, (old, new) in enumerate(zip(before.steps, change.state.steps, strict=True)):
        if old == new:
            continue
        ended, begun = (move is not None and move.number == number for move in (change.ended, change.begun))
        yield orjson.dumps(
            {
                "number": number,
                "status": new.status,
                "attempts": new.attempts,
                "failures": new.failures,
                "uncertain": new.uncertain,
                "result": orjson.Fragment(change.result) if ended and change.result is not None else None,
                "request": orjson.Fragment(change.request) if begun and change.request is not None else None,
                "error": change.error if ended else None,
            }
        )


def _record(row: asyncpg.Record, steps: Sequence[asyncpg.Record]) -> SagaRecord:
    state = SagaState(
        row["status"],
        tuple(StepState(s["name"], s["status"], s["attempts"], s["failures"], s["uncertain"]) for s in steps),
        row["cancelled"],
    )
    results = {
        step["name"]: _json(step["response_data"]) for step in steps if step["response_data"] is not None
    }
    data: Any = _json(row["data"])
    return SagaRecord(
        row["id"],
        row["saga_type"],
        row["version"],
        state,
        data,
        results,
        row["fencing_token"],
        row["late"],
        row["created_by"],
        row["correlation_id"],
    )


def _json(value: str | None) -> Any:
    return None if value is None else orjson.loads(value)


def _grouped(rows: Sequence[asyncpg.Record]) -> Mapping[UUID, list[asyncpg.Record]]:
    found: dict[UUID, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        found[row["saga_id"]].append(row)
    return found


def _view(
    row: asyncpg.Record, steps: Sequence[asyncpg.Record], attempts: Sequence[asyncpg.Record]
) -> SagaView:
    names = {step["step_number"]: step["name"] for step in steps}
    return SagaView(
        id=row["id"],
        saga_type=row["saga_type"],
        version=row["version"],
        status=row["status"],
        key=row["idempotency_key"],
        by=row["created_by"],
        correlation_id=row["correlation_id"],
        data=_json(row["data"]),
        error=row["error_message"],
        code=row["error_code"],
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        wake_at=row["wake_at"],
        steps=[
            StepView(
                step["step_number"],
                step["name"],
                step["service_name"],
                step["operation"],
                step["status"],
                step["attempts"],
                _json(step["response_data"]),
                step["error_message"],
                step["started_at"],
                step["completed_at"],
            )
            for step in steps
        ],
        attempts=[
            AttemptView(
                names.get(one["step_number"], ""),
                one["direction"],
                one["attempt"],
                one["outcome"],
                one["error_message"],
                one["by"],
                one["started_at"],
                one["ended_at"],
            )
            for one in attempts
        ],
    )
