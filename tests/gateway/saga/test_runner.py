"""The saga engine with PostgreSQL: steps, retries, compensation, leases, timers, and operations."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from gateway.core.errors import SagaError
from gateway.saga.definition import Definitions, FollowUp, RetryPolicy, Saga, Step, StepCall, StepRefused
from gateway.saga.journal import LostLease, SagaChange, SagaRequest
from gateway.saga.machine import begun, next_move
from gateway.saga.postgres import PostgresJournal
from gateway.saga.runner import Runner, RunnerSettings
from tests.gateway.saga.world import FAST, PACE, World, begin, run_to_rest, seen
from tests.gateway.support import until


async def test_all_steps(journal: PostgresJournal) -> None:
    """Each step is done once, in order, gets the earlier results, and is recorded with its caller."""
    world = World()
    saga = world.saga()
    found = await run_to_rest(journal, saga, await begin(journal, saga, {"n": 7}))
    assert (found.status, world.effects) == ("completed", ["a", "b", "c"])
    assert [step.status for step in found.steps] == ["completed"] * 3
    assert [call.key for call in world.calls] == [f"{found.id}:{name}:do" for name in "abc"]
    assert world.calls[2].results == {name: {"of": name, "attempt": 1} for name in "ab"}
    assert world.calls[2].data == {"n": 7}
    assert [(one.step, one.direction, one.outcome) for one in found.attempts] == [
        (name, "do", "done") for name in "abc"
    ]
    assert (found.by, found.correlation_id, found.error, found.completed_at is not None) == (
        "kim",
        "c1",
        None,
        True,
    )


async def test_failures_are_tried_again(journal: PostgresJournal) -> None:
    """A step is retried with the same key up to the limit; of an unexpected error only the class name is
    recorded.
    """
    world = World()
    world.failing["do:b"] = [RuntimeError("password=hunter2"), TimeoutError(), None]
    saga = world.saga()
    found = await run_to_rest(journal, saga, await begin(journal, saga))
    assert (found.status, world.effects) == ("completed", ["a", "b", "c"])
    tries = [one for one in found.attempts if one.step == "b"]
    assert [(one.number, one.outcome) for one in tries] == [(1, "failed"), (2, "failed"), (3, "done")]
    assert [one.error for one in tries] == ["b: RuntimeError", "b: timed out", None]
    assert len({call.key for call in world.calls if call.step == "b"}) == 1


async def test_a_refused_step_undoes_those_before(journal: PostgresJournal) -> None:
    """The earlier steps are undone in reverse order, once; the reason is stored."""
    world = World()
    world.failing["do:c"] = [StepRefused("the musician is taken", "TAKEN")]
    saga = world.saga()
    found = await run_to_rest(journal, saga, await begin(journal, saga))
    assert (found.status, found.code, found.error) == ("compensated", "TAKEN", "c: the musician is taken")
    assert world.effects == []
    assert [call.key.split(":", 1)[1] for call in world.calls] == ["a:do", "b:do", "c:do", "b:undo", "a:undo"]
    assert [step.status for step in found.steps] == ["compensated", "compensated", "failed"]


async def test_a_step_without_end_is_broken_off(journal: PostgresJournal) -> None:
    """A step that times out may have taken effect, so it is undone too."""
    world = World()
    world.hold["do:b"] = asyncio.Event()
    world.effects.append("b")  # it did happen, only the answer is lost
    saga = world.saga(step={"timeout": 0.02})
    found = await run_to_rest(journal, saga, await begin(journal, saga))
    assert (found.status, found.code) == ("compensated", "TIMEOUT")
    assert world.effects == []
    assert [call.key.split(":", 1)[1] for call in world.calls][-2:] == ["b:undo", "a:undo"]


async def test_undoing_that_fails_waits_for_a_person(journal: PostgresJournal) -> None:
    """After all attempts the saga waits; the operation `retry` continues it and is recorded."""
    world = World()
    world.failing["do:c"] = [StepRefused("no")]
    world.failing["undo:b"] = [RuntimeError()] * 3
    saga = world.saga()
    saga_id = await begin(journal, saga)
    found = await run_to_rest(journal, saga, saga_id)
    assert (found.status, world.effects) == ("compensation_failed", ["a", "b"])
    with pytest.raises(SagaError):
        await journal.operate(saga_id, "cancel", "admin", "")
    await journal.operate(saga_id, "retry", "admin", "the service is back")
    found = await run_to_rest(journal, saga, saga_id)
    assert (found.status, world.effects) == ("compensated", [])
    assert [(one.by, one.error) for one in found.attempts if one.direction == "retry"] == [
        ("admin", "the service is back")
    ]


async def test_calling_off_while_a_step_runs(journal: PostgresJournal) -> None:
    """The worker loses its lease and writes nothing more; the step in progress is undone with the others."""
    world = World()
    world.hold["do:b"] = asyncio.Event()
    saga = world.saga()
    saga_id = await begin(journal, saga)
    slow = Runner(journal, Definitions.of([saga]), RunnerSettings(lease=0.2, poll=0.02), owner="slow")
    await slow.start()
    await until(lambda: len(world.calls) == 2)
    world.effects.append("b")  # it has happened
    await journal.operate(saga_id, "cancel", "admin", "changed my mind")
    found = await run_to_rest(journal, saga, saga_id)
    await slow.stop()
    assert (found.status, world.effects) == ("cancelled", [])
    assert [call.step for call in world.calls if call.direction == "undo"] == ["b", "a"]


async def test_a_result_that_is_too_large_turns_back(journal: PostgresJournal) -> None:
    """A result that is too large can't be stored, so the step is undone without a retry."""
    world = World()
    saga = world.saga()

    async def much(call: StepCall) -> Any:
        await world.action("b", "do")(call)
        return "x" * 70_000

    steps = (saga.steps[0], Step("b", much, world.action("b", "undo"), retry=FAST), saga.steps[2])
    saga = Saga(saga.type, steps)
    found = await run_to_rest(journal, saga, await begin(journal, saga))
    assert (found.status, found.code, world.effects) == ("compensated", "PAYLOAD_TOO_LARGE", [])


async def test_many_workers_do_each_step_once(journal: PostgresJournal) -> None:
    """Several workers share the sagas; no step is done by two of them."""
    world = World()
    saga = world.saga()
    ids = [await begin(journal, saga) for _ in range(40)]
    workers = [Runner(journal, Definitions.of([saga]), PACE, owner=f"w{n}") for n in range(4)]
    for worker in workers:
        await worker.start()
    await until(lambda: len(world.effects) == 120)
    await asyncio.sleep(0.2)
    for worker in workers:
        await worker.stop()
    assert {(await seen(journal, saga_id)).status for saga_id in ids} == {"completed"}
    assert sorted(world.effects) == sorted("abc" * 40)
    assert len(world.calls) == 120


async def test_a_worker_that_is_gone_is_replaced(journal: PostgresJournal) -> None:
    """After its lease another worker continues with the same step, key and a higher token; the first can't
    write.
    """
    world = World()
    saga = world.saga()
    saga_id = await begin(journal, saga)
    kinds = [(saga.type, saga.version)]
    (mine,) = await journal.claim("gone", kinds, 0.05, 10)
    move = next_move(mine.state)
    assert move is not None
    assert not isinstance(move, str)
    await journal.write(mine, SagaChange("begin", begun(mine.state, move), begun=move))
    assert await journal.claim("other", kinds, 5.0, 10) == []
    found = await run_to_rest(journal, saga, saga_id)
    assert (found.status, [call.attempt for call in world.calls]) == ("completed", [2, 1, 1])
    assert world.calls[0].token > mine.token
    for attempt in (journal.write(mine, SagaChange("late", mine.state)), journal.renew(mine, 5.0)):
        with pytest.raises(LostLease):
            await attempt
    await journal.release(mine)
    assert (await seen(journal, saga_id)).status == "completed"


async def test_a_deadline(journal: PostgresJournal) -> None:
    """After the deadline no step begins, and completed steps are undone."""
    world = World()
    world.failing["do:b"] = [RuntimeError()] * 100
    retry = RetryPolicy(attempts=1000, first=0.02, factor=1.0)
    saga = world.saga(deadline=0.1, step={"retry": retry})
    found = await run_to_rest(journal, saga, await begin(journal, saga))
    assert (found.status, found.code, world.effects) == ("compensated", "DEADLINE", [])


async def test_versions_are_pinned(journal: PostgresJournal) -> None:
    """A saga continues with the version it was started with; a worker without that version does not
    lease it.
    """
    world = World()
    old = world.saga("ab")
    saga_id = await begin(journal, old)
    new = world.saga("abc", type=old.type, version=2)
    newer = Runner(journal, Definitions.of([new]), PACE)
    await newer.start()
    await asyncio.sleep(0.1)
    await newer.stop()
    assert (await seen(journal, saga_id)).status == "started"
    both = Runner(journal, Definitions.of([old, new]), PACE)
    await both.start()
    second = (await journal.start(SagaRequest(new, "two", {})))[0]
    await until(lambda: sorted(world.effects) == ["a", "a", "b", "b", "c"])
    await both.stop()
    assert len((await seen(journal, second)).steps) == 3


async def test_stopping_gives_sagas_back(journal: PostgresJournal) -> None:
    """A worker that stops within a step releases its saga at once."""
    world = World()
    world.hold["do:a"] = asyncio.Event()
    saga = world.saga()
    saga_id = await begin(journal, saga)
    worker = Runner(journal, Definitions.of([saga]), RunnerSettings(lease=600.0, poll=0.02))
    await worker.start()
    await until(lambda: len(world.calls) == 1)
    await worker.stop()
    world.hold.clear()
    found = await run_to_rest(journal, saga, saga_id)
    assert (found.status, world.effects) == ("completed", ["a", "b", "c"])


async def test_what_is_asked_of_a_step_is_kept(journal: PostgresJournal, pool: asyncpg.Pool) -> None:
    """The request of a step, made from the input and earlier results, is in the journal before it is sent."""
    world = World()
    saga = world.saga("a")
    asking = Step(
        "b", world.action("b", "do"), request=lambda data, results: {"n": data["n"], "a": results["a"]["of"]}
    )
    saga = Saga(saga.type, (*saga.steps, asking))
    saga_id = await begin(journal, saga, {"n": 3})
    await run_to_rest(journal, saga, saga_id)
    kept = await pool.fetchval(
        "SELECT request_data FROM saga_steps WHERE saga_id = $1 AND name = 'b'", saga_id
    )
    assert orjson.loads(kept) == world.calls[1].request == {"n": 3, "a": "a"}


async def test_a_request_that_can_not_be_made_turns_back(journal: PostgresJournal) -> None:
    """A request that can't be built would fail again, so completed steps are undone; the reason is stored."""
    world = World()
    first = world.saga("a")
    broken = Step("b", world.action("b", "do"), request=lambda data, results: data["nothing"], retry=FAST)
    saga = Saga(first.type, (*first.steps, broken))
    found = await run_to_rest(journal, saga, await begin(journal, saga))
    assert (found.status, found.code, world.effects) == ("compensated", "PAYLOAD_INVALID", [])
    assert "KeyError('nothing')" in (found.error or "")
    assert [call.step for call in world.calls] == ["a", "a"]


async def test_a_completed_saga_starts_others(journal: PostgresJournal) -> None:
    """Follow-ups are written with the completion: one begins at once, one at its time, each key once."""
    world = World()
    later = datetime.now(UTC) + timedelta(days=2)
    child = world.saga("bc", type=f"child-{uuid4().hex[:8]}", deadline=60.0)

    def follow(data: Mapping[str, Any], results: Mapping[str, Any]) -> list[FollowUp]:
        assert results["a"]["of"] == "a"
        return [
            FollowUp(child.type, f"now {data['n']}", {"n": 2}),
            FollowUp(child.type, f"later {data['n']}", {"n": 3}, later),
            FollowUp(child.type, f"now {data['n']}", {"n": 4}),
        ]

    saga = world.saga("a", follow_ups=follow)
    saga_id = await begin(journal, saga)
    worker = Runner(journal, Definitions.of([saga, child]), PACE, owner="w0")
    await worker.start()
    await until(lambda: world.effects == ["a", "b", "c"])
    await worker.stop()
    rows = await journal.pool.fetch("SELECT id FROM sagas WHERE saga_type = $1 ORDER BY wake_at", child.type)
    waiting, done = await journal.views([row["id"] for row in rows])
    assert (await seen(journal, saga_id)).status == "completed"
    assert (done.status, done.data, done.by, done.correlation_id) == ("completed", {"n": 2}, "kim", "c1")
    assert (waiting.status, waiting.data, waiting.wake_at) == ("started", {"n": 3}, later)
    deadline = await journal.pool.fetchval("SELECT deadline_at FROM sagas WHERE id = $1", waiting.id)
    assert deadline == later + timedelta(seconds=60)


async def test_an_undone_saga_starts_no_others(journal: PostgresJournal) -> None:
    """Only completion starts follow-ups."""
    world = World()
    child = world.saga("c", type=f"child-{uuid4().hex[:8]}")
    saga = world.saga("ab", follow_ups=lambda *_: [FollowUp(child.type, "k", {})])
    world.failing["do:b"] = [StepRefused("no")]
    saga_id = await begin(journal, saga)
    assert (await run_to_rest(journal, saga, saga_id)).status == "compensated"
    assert await journal.pool.fetchval("SELECT count(*) FROM sagas WHERE saga_type = $1", child.type) == 0


async def test_a_step_that_is_not_needed(journal: PostgresJournal) -> None:
    """It is neither done nor undone; what it depends on is the result of an earlier step."""
    world = World()
    steps = world.saga("abc").steps
    middle = replace(steps[1], when=lambda data, results: results["a"]["of"] == "z")
    saga = Saga(f"s-{uuid4().hex[:8]}", (steps[0], middle, steps[2]))
    done = await run_to_rest(journal, saga, await begin(journal, saga))
    assert (done.status, world.effects) == ("completed", ["a", "c"])
    assert [(one.status, one.result is None) for one in done.steps] == [
        ("completed", False),
        ("completed", True),
        ("completed", False),
    ]
    world.failing["do:c"] = [StepRefused("no")]
    world.effects.clear()
    undone = await run_to_rest(journal, saga, await begin(journal, saga))
    assert (undone.status, world.effects) == ("compensated", [])
    assert [(call.step, call.direction) for call in world.calls[-3:]] == [
        ("a", "do"),
        ("c", "do"),
        ("a", "undo"),
    ]
