"""Tests of events that fail: they are retried in order, failed after the last retry, and replayed; and tests
of versions.
"""

from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.batch_state import compare_versions
from subgraphs.kit.queue.failures import RetryPolicy
from subgraphs.kit.queue.streams import replays_of
from subgraphs.kit.testing import entries_of, publish_entry
from subgraphs.kit.unit_of_work import UnitOfWork
from tests.subgraphs.kit.queue.service_pair import ItemRenamed, ServicePair, record, started, until

SLOW = RetryPolicy(max_retries=3, seconds=30.0)


class Broken:
    """A handler that raises an error for one number until the test repairs it."""

    def __init__(self, number: int) -> None:
        """`number`: the value in an event at which the handler fails."""
        self.number: int | None = number
        self.tries = 0

    async def record(self, uow: UnitOfWork, envelope: Envelope) -> None:
        """Write first and fail then: the write must be rolled back."""
        await record(uow, envelope)
        if envelope.payload["times"] == self.number:
            self.tries += 1
            raise RuntimeError("broken at\0 " + "x" * 1000)


async def test_a_failure_is_tried_again_and_given_up(pair: ServicePair) -> None:
    """After three retries an event is `failed`, with its error; other events are applied, and an entry that
    is no event is stored, too.
    """
    broken = Broken(7)
    await pair.publish(1, 7, 2)
    await publish_entry(
        pair.queue.redis, "publisher", {"what": "no event at all", "aggregate_id": str(uuid4())}
    )
    await pair.publish(3)
    async with started(pair.relay(), pair.inbox({"ItemCounted": broken.record})):
        await until(pair.sorted, [1, 2, 3])
        await until(pair.statuses, [("failed", 0), ("failed", 3)])
        await until(pair.outcomes, ["done", "failed", "done", "done"])
        await until(pair.undelivered, 0)
    malformed, failed = await pair.failures()
    assert broken.tries in (4, 5), "once more where the first try was one of a batch"
    assert malformed.error_message.startswith("KeyError")
    assert failed.error_message.startswith("RuntimeError: broken at xx")
    assert len(failed.error_message) == 500
    assert failed.fields["event_type"] == "ItemCounted"


async def test_later_events_wait_behind_a_failure(pair: ServicePair) -> None:
    """Later events of the same aggregate wait behind a failing event, those of others do not; after the
    repair they follow in order.
    """
    broken, item = Broken(2), uuid4()
    await pair.publish(1, 2, 3, item=item)
    async with started(
        pair.relay(),
        pair.inbox({"ItemCounted": broken.record}, RetryPolicy(max_retries=50, seconds=0.05, factor=1)),
    ):
        await until(pair.received, [1])
        await pair.publish(4, item=item)
        await pair.publish(100)
        await until(pair.received, [1, 100])
        await until(lambda: pair.count("inbox_failures WHERE status = 'waiting'", "consumer"), 2)
        broken.number = None
        await until(lambda: pair.received(item), [1, 2, 3, 4])
        assert await pair.failures() == []
        await pair.publish(5, item=item)
        await until(lambda: pair.received(item), [1, 2, 3, 4, 5])
        await until(pair.outcomes, ["done"] * 6)


async def test_later_events_go_on_after_a_dead_one(pair: ServicePair) -> None:
    """After the last retry of an event the ones behind it are applied, with and without versions."""
    for version in (0, 2):
        broken, item = Broken(2), uuid4()
        for number in (1, 2, 3, 4):
            await pair.publish(number, item=item, version=version and number)
        async with started(pair.relay(), pair.inbox({"ItemCounted": broken.record})):
            await until(partial(pair.received, item), [1, 3, 4])
    assert await pair.statuses() == [("failed", 3)] * 2


async def test_failures_survive_the_queue(pair: ServicePair) -> None:
    """Stored events are retried although the queue has lost them."""
    broken, item = Broken(1), uuid4()
    await pair.publish(1, 2, item=item)
    async with started(pair.relay(), pair.inbox({"ItemCounted": broken.record}, SLOW)):
        await until(pair.statuses, [("retry", 0), ("waiting", 0)])
    await pair.queue.redis.flushdb()
    await pair.consumer.execute(text("UPDATE inbox_failures SET next_at = now() WHERE status = 'retry'"))
    async with started(pair.inbox()):
        await until(pair.received, [1, 2])


async def test_a_failed_event_is_replayed(pair: ServicePair) -> None:
    """A replay request retries a failed event with all its retries; it changes no other event, and malformed
    requests are ignored.
    """
    broken, item = Broken(1), uuid4()
    await pair.publish(1, item=item, version=1)
    redis = pair.queue.redis
    async with started(pair.relay(), pair.inbox({"ItemCounted": broken.record})):
        await until(pair.statuses, [("failed", 3)])
        (failure,) = await pair.failures()
        await redis.xadd(replays_of("consumer"), {"event_id": "nonsense"})
        await redis.xadd(replays_of("consumer"), {"event_id": str(uuid4())})
        await redis.xadd(replays_of("consumer"), {"event_id": str(failure.event_id)})
        await until(
            lambda: pair.count("inbox_failures WHERE status = 'failed' AND replays = 1", "consumer"), 1
        )
        assert broken.tries == 4 + 3
        broken.number = None
        await redis.xadd(replays_of("consumer"), {"event_id": str(failure.event_id)})
        await until(pair.received, [1])
        await until(pair.outcomes, ["done"])
        await redis.xadd(replays_of("consumer"), {"event_id": str(failure.event_id)})
        await pair.publish(2, item=item, version=2)
        await until(pair.received, [1, 2])
    assert await pair.failures() == []


async def test_a_replay_does_not_undo_what_came_later(pair: ServicePair) -> None:
    """A replayed event is stale if a newer version was applied."""
    broken, item = Broken(1), uuid4()
    async with started(pair.relay(), pair.inbox({"ItemCounted": broken.record})):
        await pair.publish(1, item=item, version=1)
        await pair.publish(2, item=item, version=2)
        await until(pair.received, [2])
        (failure,) = await pair.failures()
        broken.number = None
        await pair.queue.redis.xadd(replays_of("consumer"), {"event_id": str(failure.event_id)})
        await until(pair.outcomes, ["stale", "done"])
    assert await pair.received() == [2]
    assert await pair.failures() == []


@pytest.mark.parametrize(
    ("version", "known", "verdict"),
    [
        (0, None, "next"),
        (0, 9, "next"),
        (4, None, "next"),
        (4, 3, "next"),
        (4, 4, "stale"),
        (3, 4, "stale"),
        (5, 3, "gap"),
    ],
)
def test_what_a_version_says(version: int, known: int | None, verdict: str) -> None:
    """The next version is applied, a lower one is stale, a higher one is a gap; without versions every event
    is next.
    """
    assert compare_versions(version, known) == verdict


async def test_two_writers_are_a_conflict(pair: ServicePair) -> None:
    """Of two events with the same version the first is applied and the second is stale."""
    item = uuid4()
    await pair.publish(1, item=item, version=1)
    await pair.publish(2, item=item, version=2)
    await pair.publish(20, item=item, version=2)
    await pair.publish(3, item=item, version=3)
    async with started(pair.relay(), pair.inbox()):
        await until(pair.received, [1, 2, 3])
        await until(pair.outcomes, ["done", "done", "stale", "done"])
        await until(pair.undelivered, 0)


async def test_a_gap_waits_for_what_is_missing(pair: ServicePair) -> None:
    """An event that skips a version waits, with those behind it; when the missing one arrives all are applied
    in order.
    """
    item = uuid4()
    for version in (1, 2, 3, 4):
        await pair.publish(version, item=item, version=version)
    async with started(pair.relay()):
        await until(pair.waiting, 0)
    one, two, *late = await entries_of(pair.queue.redis, "publisher")
    await pair.queue.redis.flushdb()
    for fields in (one, *late):
        await publish_entry(pair.queue.redis, "publisher", fields)
    async with started(pair.inbox(retry_policy=SLOW)):
        await until(pair.statuses, [("retry", 0), ("waiting", 0)])
        (gap, _) = await pair.failures()
        assert gap.error_message.startswith("MissingEvent: event has version 3, but")
        await publish_entry(pair.queue.redis, "publisher", two)
        await until(pair.received, [1, 2, 3, 4])
    assert await pair.failures() == []


async def test_a_gap_that_is_never_filled_is_applied(pair: ServicePair) -> None:
    """If the missing event never arrives, the others are applied in order after the last retry, as gaps."""
    item = uuid4()
    for version in (1, 3, 4):
        await pair.publish(version, item=item, version=version)
    async with started(pair.relay(), pair.inbox()):
        await until(pair.received, [1, 3, 4])
        await until(pair.outcomes, ["done", "gap", "done"])
    assert await pair.failures() == []


async def test_events_without_a_handler_count(pair: ServicePair) -> None:
    """The version of an event without a handler is recorded, also behind a failing event; it is not
    confirmed.
    """
    broken, item = Broken(1), uuid4()
    await pair.publish(1, item=item, version=1)
    await _rename(pair, item, 2)
    await pair.publish(3, item=item, version=3)
    async with started(pair.relay(), pair.inbox({"ItemCounted": broken.record}, SLOW)):
        await until(pair.statuses, [("retry", 0), ("waiting", 0), ("waiting", 0)])
        broken.number = None
        await pair.consumer.execute(text("UPDATE inbox_failures SET next_at = now() WHERE status = 'retry'"))
        await until(pair.received, [1, 3])
        await until(pair.outcomes, ["done", "done"])


async def _rename(pair: ServicePair, item: UUID, version: int) -> None:
    async with UnitOfWork(pair.publisher) as uow:
        uow.emit(ItemRenamed(item_id=item), version)
