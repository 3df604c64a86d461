"""The contract of `gateway.saga.journal.Journal`, run against every implementation."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from gateway.core.errors import SagaError
from gateway.saga.definition import Saga, Step, StepCall
from gateway.saga.journal import Journal, LostLease, SagaChange, SagaRecord, SagaRequest, SagaView
from gateway.saga.machine import Attempt, begun, done, failed
from gateway.saga.memory import MemoryJournal
from gateway.saga.postgres import PostgresJournal
from subgraphs.kit.testing import fresh_database

A, B = Attempt(0, "do"), Attempt(1, "do")
_LATER = """UPDATE sagas SET wake_at = wake_at - $1 * interval '1 second',
    lease_until = lease_until - $1 * interval '1 second',
    deadline_at = deadline_at - $1 * interval '1 second'"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A journal, and a function that moves its clock forward."""

    journal: Journal
    later: Callable[[float], Awaitable[None]]

    async def start(self, saga: Saga, key: str = "k", data: Any = None) -> UUID:
        """Start a new saga."""
        request = SagaRequest(saga, key, data or {"n": 1}, by="kim", correlation_id="c1")
        saga_id, new = await self.journal.start(request)
        assert new
        return saga_id

    async def claim(self, saga: Saga, lease: float = 10.0, most: int = 10) -> list[SagaRecord]:
        """Claim the due sagas of a kind."""
        return list(await self.journal.claim("worker", [(saga.type, saga.version)], lease, most))

    async def take(self, saga: Saga, lease: float = 10.0) -> SagaRecord:
        """Claim the only due saga of a kind."""
        (record,) = await self.claim(saga, lease)
        return record

    async def view(self, saga_id: UUID) -> SagaView:
        """A saga that exists."""
        found = await self.journal.view(saga_id)
        assert found is not None
        return found

    async def due_in(self, saga: Saga) -> float | None:
        """The seconds until a saga of this kind is due."""
        return await self.journal.due_in([(saga.type, saga.version)])


@pytest.fixture(scope="module")
async def pool(postgres_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to a database of this module."""
    async with fresh_database(postgres_url, "journal") as url:
        pool = await asyncpg.create_pool(url, min_size=1, max_size=8)
        await PostgresJournal(pool).create()
        yield pool
        await pool.close()


@pytest.fixture(params=["memory", "postgres"])
def kept(request: pytest.FixtureRequest) -> Kept:
    """Each implementation. For PostgreSQL, all times in the database move into the past instead of time
    passing.
    """
    if request.param == "memory":
        memory = MemoryJournal()

        async def move(seconds: float) -> None:
            memory.now += seconds

        return Kept(memory, move)
    pool: asyncpg.Pool = request.getfixturevalue("pool")

    async def shift(seconds: float) -> None:
        await pool.execute(_LATER, seconds)

    return Kept(PostgresJournal(pool), shift)


async def act(_: StepCall) -> None:
    """An action that is never called."""


def saga_of(names: str = "ab", **settings: Any) -> Saga:
    """A saga with a type of its own."""
    steps = tuple(Step(name, act, service=f"of-{name}", operation=f"do-{name}") for name in names)
    return Saga(f"s-{uuid4().hex[:8]}", steps, **settings)


def beginning(record: SagaRecord, move: Attempt) -> SagaChange:
    """The change that begins an attempt."""
    return SagaChange("begin", begun(record.state, move), begun=move)


async def refusal(of: Awaitable[Any]) -> str:
    """The code of the error that is raised."""
    with pytest.raises(SagaError) as caught:
        await of
    return caught.value.code


async def test_a_new_saga(kept: Kept) -> None:
    """It is seen with everything that was given, due at once, and nothing has been done."""
    saga = saga_of()
    found = await kept.view(await kept.start(saga, "key", {"n": 7}))
    assert (found.saga_type, found.version, found.status) == (saga.type, 1, "started")
    assert (found.key, found.by, found.correlation_id, found.data) == ("key", "kim", "c1", {"n": 7})
    assert (found.error, found.code, found.completed_at, found.current) == (None, None, None, None)
    steps = [(s.number, s.name, s.service, s.operation, s.status, s.attempts) for s in found.steps]
    assert steps == [(0, "a", "of-a", "do-a", "pending", 0), (1, "b", "of-b", "do-b", "pending", 0)]
    assert list(found.attempts) == []
    assert found.wake_at is not None


async def test_an_unknown_saga(kept: Kept) -> None:
    """There is nothing to be seen, and nothing to be said about it."""
    assert await kept.journal.view(uuid4()) is None
    assert await refusal(kept.journal.operate(uuid4(), "cancel", "admin", "")) == "UNKNOWN_SAGA"


async def test_one_key_is_one_saga_of_a_type(kept: Kept) -> None:
    """Equal inputs start one saga, also at the same time; another input is refused.

    Another type is another saga.
    """
    saga, other = saga_of(), saga_of()
    requests = [SagaRequest(saga, "k", {"a": 1, "b": 2}), SagaRequest(saga, "k", {"b": 2, "a": 1})] * 4
    found = await asyncio.gather(*(kept.journal.start(one) for one in requests))
    assert len({saga_id for saga_id, _ in found}) == 1
    assert [new for _, new in found].count(True) == 1
    assert await refusal(kept.journal.start(SagaRequest(saga, "k", {"a": 1}))) == "IDEMPOTENCY_KEY_REUSED"
    assert await kept.start(other) != found[0][0]


@pytest.mark.parametrize(
    ("key", "data", "code"),
    [
        ("", {}, "INVALID_KEY"),
        ("k" * 201, {}, "INVALID_KEY"),
        ("k", {"x": "y" * 70_000}, "PAYLOAD_TOO_LARGE"),
        ("k", {"x": object()}, "PAYLOAD_INVALID"),
    ],
    ids=["no key", "long key", "large input", "no JSON"],
)
async def test_what_is_no_request(kept: Kept, key: str, data: Any, code: str) -> None:
    """Keys and inputs have limits; nothing is left of what was refused."""
    saga = saga_of()
    assert await refusal(kept.journal.start(SagaRequest(saga, key, data))) == code
    assert await kept.claim(saga) == []


async def test_a_claim_takes_what_is_due(kept: Kept) -> None:
    """One worker gets each saga of the kinds asked for, the longest waiting first, up to the number asked
    for.
    """
    saga, other = saga_of(), saga_of()
    ids = []
    for number in range(3):
        ids.append(await kept.start(saga, f"k{number}"))
        await kept.later(1.0)
    stranger = await kept.start(other)
    assert {one.id for one in await kept.claim(saga, most=2)} == set(ids[:2])
    assert [one.id for one in await kept.claim(saga)] == ids[2:]
    assert await kept.claim(saga) == []
    assert await kept.claim(replace(other, version=2)) == []
    assert await kept.journal.claim("worker", [], 10.0, 10) == []
    record = await kept.take(other)
    assert (record.id, record.saga_type, record.version) == (stranger, other.type, 1)
    assert (record.data, record.results, record.late) == ({"n": 1}, {}, False)
    assert [step.name for step in record.state.steps] == ["a", "b"]


async def test_a_lease_ends(kept: Kept) -> None:
    """Until then only its holder has the saga.

    Then another claims it with a higher token, and the old one cannot write.
    """
    saga = saga_of()
    saga_id = await kept.start(saga)
    old = await kept.take(saga, lease=5.0)
    await kept.later(4.0)
    assert await kept.claim(saga) == []
    await kept.journal.renew(old, 5.0)
    await kept.later(4.0)
    assert await kept.claim(saga) == []
    await kept.later(2.0)
    new = await kept.take(saga, lease=5.0)
    assert new.token > old.token
    for attempt in (kept.journal.write(old, beginning(old, A)), kept.journal.renew(old, 5.0)):
        with pytest.raises(LostLease):
            await attempt
    await kept.journal.release(old)
    assert await kept.claim(saga) == [], "what a stale holder gives back stays with the new one"
    await kept.journal.write(new, beginning(new, A))
    assert len((await kept.view(saga_id)).attempts) == 1


async def test_a_saga_is_given_back(kept: Kept) -> None:
    """It can be claimed at once; whoever had it has it no more."""
    saga = saga_of()
    await kept.start(saga)
    old = await kept.take(saga, lease=600.0)
    await kept.journal.release(old)
    with pytest.raises(LostLease):
        await kept.journal.write(old, beginning(old, A))
    with pytest.raises(LostLease):
        await kept.journal.renew(old, 5.0)
    assert (await kept.take(saga)).token > old.token


async def test_an_attempt_is_written_before_and_after(kept: Kept) -> None:
    """The next holder sees that a step was begun; later steps get its result, and the log has both."""
    saga = saga_of()
    saga_id = await kept.start(saga)
    first = await kept.take(saga, lease=5.0)
    await kept.journal.write(first, beginning(first, A))
    await kept.later(6.0)
    second = await kept.take(saga)
    assert (second.state.status, second.state.steps[0].status, second.state.steps[0].attempts) == (
        "in_progress",
        "in_progress",
        1,
    )
    again = begun(second.state, A)
    await kept.journal.write(second, SagaChange("begin", again, begun=A))
    ended = SagaChange("done", done(again, A), A, "done", orjson.dumps({"id": 5}))
    await kept.journal.write(second, ended.then(SagaChange("begin", begun(ended.state, B), begun=B)))
    await kept.journal.release(second)
    third = await kept.take(saga)
    assert third.results == {"a": {"id": 5}}
    assert [(one.status, one.attempts) for one in third.state.steps] == [("completed", 2), ("in_progress", 1)]
    found = await kept.view(saga_id)
    results = [(step.status, step.result) for step in found.steps]
    assert results == [("completed", {"id": 5}), ("in_progress", None)]
    assert found.current is not None
    assert found.current.name == "b"
    assert [(one.step, one.direction, one.number) for one in found.attempts] == [
        ("a", "do", 1),
        ("a", "do", 2),
        ("b", "do", 1),
    ]
    assert [one.outcome for one in found.attempts][1:] == ["done", None]
    assert [one.ended_at is None for one in found.attempts][1:] == [False, True]


async def test_a_failure_waits(kept: Kept) -> None:
    """The step's error is kept, and the saga is due again after its pause, not before."""
    saga = saga_of()
    saga_id = await kept.start(saga)
    record = await kept.take(saga)
    await kept.journal.write(record, beginning(record, A))
    state = failed(begun(record.state, A), A, 3, refused=False)
    await kept.journal.write(
        record, SagaChange("failed", state, A, "failed", error="a: down", code="DOWN", wake_after=30.0)
    )
    await kept.journal.release(record)
    assert await kept.claim(saga) == []
    due = await kept.due_in(saga)
    assert due is not None
    assert 0.0 < due <= 30.0
    found = await kept.view(saga_id)
    assert (found.error, found.code, found.steps[0].error) == ("a: down", "DOWN", "a: down")
    assert [(one.outcome, one.error) for one in found.attempts] == [("failed", "a: down")]
    await kept.later(31.0)
    due = await kept.due_in(saga)
    assert due is not None
    assert due <= 0.0
    assert (await kept.take(saga)).state.steps[0].failures == 1


async def test_a_repeated_undo_keeps_the_reason(kept: Kept) -> None:
    """A failed undo that is repeated changes the error of its step and its attempt, not the saga's; one that
    is given up changes the saga's, too.
    """
    saga, undo = saga_of(), Attempt(0, "undo")
    saga_id = await kept.start(saga)
    record = await kept.take(saga)

    async def write(change: SagaChange) -> None:
        nonlocal record
        await kept.journal.write(record, change)
        record = replace(record, state=change.state)

    await write(SagaChange("begin", begun(record.state, A), begun=A))
    await write(SagaChange("end", done(record.state, A), A, "done"))
    await write(SagaChange("begin", begun(record.state, B), begun=B))
    refused = failed(record.state, B, 1, refused=True)
    await write(SagaChange("end", refused, B, "refused", error="b: taken", code="TAKEN"))
    for expected in (("b: taken", "TAKEN"), ("a: late", "TIMEOUT")):
        await write(SagaChange("begin", begun(record.state, undo), begun=undo))
        late = failed(record.state, undo, 2, refused=False)
        await write(SagaChange("late", late, undo, "failed", error="a: late", code="TIMEOUT"))
        found = await kept.view(saga_id)
        assert (found.error, found.code) == expected
        assert (found.steps[0].error, found.attempts[-1].error) == ("a: late", "a: late")
    assert found.status == "compensation_failed"


async def test_a_saga_that_rests(kept: Kept) -> None:
    """It has an end, is never claimed again and never due."""
    saga = saga_of("a")
    saga_id = await kept.start(saga)
    record = await kept.take(saga)
    await kept.journal.write(record, beginning(record, A))
    state = done(begun(record.state, A), A)
    await kept.journal.write(
        record, SagaChange("done", replace(state, status="completed"), A, "done", b"null")
    )
    await kept.journal.release(record)
    await kept.later(1000.0)
    assert await kept.claim(saga) == []
    assert await kept.due_in(saga) is None
    found = await kept.view(saga_id)
    assert (found.status, found.wake_at, found.completed_at is not None) == ("completed", None, True)


async def test_a_held_saga_is_due_when_its_lease_ends(kept: Kept) -> None:
    """So that a worker knows how long it may sleep; a kind without sagas is never due."""
    saga = saga_of()
    assert await kept.due_in(saga) is None
    await kept.start(saga)
    due = await kept.due_in(saga)
    assert due is not None
    assert due <= 0.0
    await kept.take(saga, lease=20.0)
    due = await kept.due_in(saga)
    assert due is not None
    assert 0.0 < due <= 20.0


async def test_a_deadline_shows(kept: Kept) -> None:
    """Whoever claims the saga after it is told so."""
    saga = saga_of(deadline=60.0)
    await kept.start(saga)
    first = await kept.take(saga)
    await kept.journal.release(first)
    await kept.later(61.0)
    assert (first.late, (await kept.take(saga)).late) == (False, True)


async def test_an_operator_takes_the_saga_away(kept: Kept) -> None:
    """Its holder cannot write any more, the saga is due at once, and the log has the word with who and
    why.
    """
    saga = saga_of()
    saga_id = await kept.start(saga)
    record = await kept.take(saga, lease=600.0)
    await kept.journal.write(record, beginning(record, A))
    await kept.journal.operate(saga_id, "cancel", "admin", "changed my mind")
    with pytest.raises(LostLease):
        await kept.journal.write(record, SagaChange("done", done(begun(record.state, A), A), A, "done", b"1"))
    found = await kept.view(saga_id)
    assert found.status == "compensating"
    words = [(one.direction, one.by, one.error) for one in found.attempts if one.by]
    assert words == [("cancel", "admin", "changed my mind")]
    taken = await kept.take(saga)
    assert (taken.state.cancelled, taken.token > record.token) == (True, True)


async def test_a_word_that_makes_no_sense(kept: Kept) -> None:
    """It is refused, and changes nothing: not even who holds the saga."""
    saga = saga_of()
    saga_id = await kept.start(saga)
    record = await kept.take(saga)
    assert await refusal(kept.journal.operate(saga_id, "skip", "admin", "")) == "SAGA_STATE"
    await kept.journal.write(record, beginning(record, A))
    assert [one.by for one in (await kept.view(saga_id)).attempts] == [""]
