"""Events that fail: tried again in order, given up at last, and replayed; and what their versions say."""

from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.failures import Pace
from subgraphs.kit.queue.ledger import judged
from subgraphs.kit.queue.streams import replays_of
from subgraphs.kit.testing import entries_of, put
from subgraphs.kit.unit_of_work import UnitOfWork
from tests.subgraphs.kit.queue.street import BellPolished, Street, hear, started, until

SLOW = Pace(max_retries=3, seconds=30.0)


class Broken:
    """A listener that breaks at one number until it is mended."""

    def __init__(self, number: int) -> None:
        """What it breaks at, and how often it did."""
        self.number: int | None = number
        self.tries = 0

    async def hear(self, uow: UnitOfWork, envelope: Envelope) -> None:
        """Write first and break then: what was written must be gone."""
        await hear(uow, envelope)
        if envelope.payload["times"] == self.number:
            self.tries += 1
            raise RuntimeError("broken at\0 " + "x" * 1000)


async def test_a_failure_is_tried_again_and_given_up(street: Street) -> None:
    """After the first try and three more it is failed, with its reason.

    Others pass, and what is no event is there as well.
    """
    broken = Broken(7)
    await street.ring(1, 7, 2)
    await put(street.queue.redis, "tower", {"what": "no event at all", "aggregate_id": str(uuid4())})
    await street.ring(3)
    async with started(street.relay(), street.inbox({"BellRang": broken.hear})):
        await until(street.sorted, [1, 2, 3])
        await until(street.statuses, [("failed", 0), ("failed", 3)])
        await until(street.outcomes, ["done", "failed", "done", "done"])
        await until(street.undelivered, 0)
    malformed, failed = await street.failures()
    assert broken.tries in (4, 5), "once more where the first try was one of a batch"
    assert malformed.error_message.startswith("KeyError")
    assert failed.error_message.startswith("RuntimeError: broken at xx")
    assert len(failed.error_message) == 500
    assert failed.fields["event_type"] == "BellRang"


async def test_later_events_wait_behind_a_failure(street: Street) -> None:
    """What follows a failing event of the same bell waits for it, other bells don't.

    It goes on in order when it is mended.
    """
    broken, bell = Broken(2), uuid4()
    await street.ring(1, 2, 3, bell=bell)
    async with started(
        street.relay(), street.inbox({"BellRang": broken.hear}, Pace(max_retries=50, seconds=0.05, factor=1))
    ):
        await until(street.heard, [1])
        await street.ring(4, bell=bell)
        await street.ring(100)
        await until(street.heard, [1, 100])
        await until(lambda: street.count("inbox_failures WHERE status = 'waiting'", "ear"), 2)
        broken.number = None
        await until(lambda: street.heard(bell), [1, 2, 3, 4])
        assert await street.failures() == []
        await street.ring(5, bell=bell)
        await until(lambda: street.heard(bell), [1, 2, 3, 4, 5])
        await until(street.outcomes, ["done"] * 6)


async def test_later_events_go_on_after_a_dead_one(street: Street) -> None:
    """An event that is given up no longer stops those behind it, versioned or not."""
    for version in (0, 2):
        broken, bell = Broken(2), uuid4()
        for number in (1, 2, 3, 4):
            await street.ring(number, bell=bell, version=version and number)
        async with started(street.relay(), street.inbox({"BellRang": broken.hear})):
            await until(partial(street.heard, bell), [1, 3, 4])
    assert await street.statuses() == [("failed", 3)] * 2


async def test_failures_survive_the_queue(street: Street) -> None:
    """What waits to be tried again, and what waits behind it, needs the queue no more."""
    broken, bell = Broken(1), uuid4()
    await street.ring(1, 2, bell=bell)
    async with started(street.relay(), street.inbox({"BellRang": broken.hear}, SLOW)):
        await until(street.statuses, [("retry", 0), ("waiting", 0)])
    await street.queue.redis.flushdb()
    await street.ear.execute(text("UPDATE inbox_failures SET next_at = now() WHERE status = 'retry'"))
    async with started(street.inbox()):
        await until(street.heard, [1, 2])


async def test_a_failed_event_is_replayed(street: Street) -> None:
    """A person's order has a failed event tried again with all its tries.

    Only one that is failed, and nonsense harms nothing.
    """
    broken, bell = Broken(1), uuid4()
    await street.ring(1, bell=bell, version=1)
    redis = street.queue.redis
    async with started(street.relay(), street.inbox({"BellRang": broken.hear})):
        await until(street.statuses, [("failed", 3)])
        (failure,) = await street.failures()
        await redis.xadd(replays_of("ear"), {"event_id": "nonsense"})
        await redis.xadd(replays_of("ear"), {"event_id": str(uuid4())})
        await redis.xadd(replays_of("ear"), {"event_id": str(failure.event_id)})
        await until(lambda: street.count("inbox_failures WHERE status = 'failed' AND replays = 1", "ear"), 1)
        assert broken.tries == 4 + 3
        broken.number = None
        await redis.xadd(replays_of("ear"), {"event_id": str(failure.event_id)})
        await until(street.heard, [1])
        await until(street.outcomes, ["done"])
        await redis.xadd(replays_of("ear"), {"event_id": str(failure.event_id)})
        await street.ring(2, bell=bell, version=2)
        await until(street.heard, [1, 2])
    assert await street.failures() == []


async def test_a_replay_does_not_undo_what_came_later(street: Street) -> None:
    """A dead event that is replayed when newer versions have been applied is stale: it changes nothing."""
    broken, bell = Broken(1), uuid4()
    async with started(street.relay(), street.inbox({"BellRang": broken.hear})):
        await street.ring(1, bell=bell, version=1)
        await street.ring(2, bell=bell, version=2)
        await until(street.heard, [2])
        (failure,) = await street.failures()
        broken.number = None
        await street.queue.redis.xadd(replays_of("ear"), {"event_id": str(failure.event_id)})
        await until(street.outcomes, ["stale", "done"])
    assert await street.heard() == [2]
    assert await street.failures() == []


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
    """The next one is applied, an old one is stale, one that skips another is a gap.

    Without versions all are next.
    """
    assert judged(version, known) == verdict


async def test_two_writers_are_a_conflict(street: Street) -> None:
    """Of two events with the same version the first stands.

    The other is not applied, and said to be stale.
    """
    bell = uuid4()
    await street.ring(1, bell=bell, version=1)
    await street.ring(2, bell=bell, version=2)
    await street.ring(20, bell=bell, version=2)
    await street.ring(3, bell=bell, version=3)
    async with started(street.relay(), street.inbox()):
        await until(street.heard, [1, 2, 3])
        await until(street.outcomes, ["done", "done", "stale", "done"])
        await until(street.undelivered, 0)


async def test_a_gap_waits_for_what_is_missing(street: Street) -> None:
    """An event that came too early waits, and those behind it.

    They follow in order once the missing one is there.
    """
    bell = uuid4()
    for version in (1, 2, 3, 4):
        await street.ring(version, bell=bell, version=version)
    async with started(street.relay()):
        await until(street.waiting, 0)
    one, two, *late = await entries_of(street.queue.redis, "tower")
    await street.queue.redis.flushdb()
    for fields in (one, *late):
        await put(street.queue.redis, "tower", fields)
    async with started(street.inbox(pace=SLOW)):
        await until(street.statuses, [("retry", 0), ("waiting", 0)])
        (gap, _) = await street.failures()
        assert gap.error_message.startswith("Gap: version 3 came after version 1")
        await put(street.queue.redis, "tower", two)
        await until(street.heard, [1, 2, 3, 4])
    assert await street.failures() == []


async def test_a_gap_that_is_never_filled_is_applied(street: Street) -> None:
    """When the missing event does not come the rest is applied all the same, in order, and said to be a
    gap.
    """
    bell = uuid4()
    for version in (1, 3, 4):
        await street.ring(version, bell=bell, version=version)
    async with started(street.relay(), street.inbox()):
        await until(street.heard, [1, 3, 4])
        await until(street.outcomes, ["done", "gap", "done"])
    assert await street.failures() == []


async def test_events_without_a_handler_count(street: Street) -> None:
    """An event that nobody here wants fills its place in the versions, also behind one that fails.

    And nobody confirms it.
    """
    broken, bell = Broken(1), uuid4()
    await street.ring(1, bell=bell, version=1)
    await _polish(street, bell, 2)
    await street.ring(3, bell=bell, version=3)
    async with started(street.relay(), street.inbox({"BellRang": broken.hear}, SLOW)):
        await until(street.statuses, [("retry", 0), ("waiting", 0), ("waiting", 0)])
        broken.number = None
        await street.ear.execute(text("UPDATE inbox_failures SET next_at = now() WHERE status = 'retry'"))
        await until(street.heard, [1, 3])
        await until(street.outcomes, ["done", "done"])


async def _polish(street: Street, bell: UUID, version: int) -> None:
    async with UnitOfWork(street.tower) as uow:
        uow.emit(BellPolished(bell_id=bell), version)
