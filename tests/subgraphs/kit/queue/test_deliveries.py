"""Tests of deliveries: an event is published again until every consumer that subscribes to its type has
confirmed it.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from subgraphs.kit.queue import confirmations, deliveries
from subgraphs.kit.queue.confirmations import Confirmation, Subscription
from subgraphs.kit.queue.streams import confirmations_of
from subgraphs.kit.testing import entries_of
from subgraphs.kit.unit_of_work import UnitOfWork
from tests.subgraphs.kit.queue.service_pair import HANDLERS, ItemRenamed, ServicePair, record, started, until

_CONSUMERS = text("SELECT consumer, event_types, first_id FROM outbox_consumers ORDER BY consumer")


async def consumers(pair: ServicePair) -> list[tuple[str, list[str], int]]:
    """Return the consumers that the publisher has recorded."""
    return [tuple(row) for row in await pair.publisher.fetch_all(_CONSUMERS)]


async def test_events_are_confirmed(pair: ServicePair) -> None:
    """Each event is delivered when its consumer has confirmed it, with the latency; an event without a
    subscriber is delivered, too.
    """
    await pair.publish(1, 2)
    async with UnitOfWork(pair.publisher) as uow:
        uow.emit(ItemRenamed(item_id=uuid4()))
    async with started(pair.relay(confirm_seconds=1.0), pair.inbox()):
        await until(pair.outcomes, ["done", "done"])
        await until(pair.undelivered, 0)
        assert await consumers(pair) == [("consumer", ["ItemCounted"], 1)]
    rows = await pair.publisher.fetch_all(text("SELECT latency_ms FROM outbox_deliveries"))
    assert all(0 < row.latency_ms < 60_000 for row in rows)
    assert len(await entries_of(pair.queue.redis, "publisher")) == 3, "nothing was published twice"


async def test_lost_confirmations_are_said_again(pair: ServicePair) -> None:
    """If the queue loses a confirmation, the event is published and confirmed again, but not
    applied again; its entries say which of them repeat it.
    """
    await pair.publish(1)
    async with started(pair.relay(confirm_seconds=0.5)):
        await until(pair.waiting, 0)
    async with started(pair.inbox()):
        await until(pair.received, [1])
    await pair.queue.redis.delete(confirmations_of("publisher"))
    assert await pair.undelivered() == 1
    async with started(pair.relay(confirm_seconds=0.5), pair.inbox()):
        await until(pair.undelivered, 0)
    assert await pair.received() == [1]
    first, *repeated = [int(entry[b"attempts"]) for entry in await entries_of(pair.queue.redis, "publisher")]
    assert first == 0
    assert repeated and all(repeated)
    assert await pair.outcomes() == ["done"]


async def test_lost_events_are_published_again(pair: ServicePair) -> None:
    """An entry that vanishes from a server that was not restarted is published again."""
    async with started(pair.relay(confirm_seconds=0.5)):
        async with started(pair.inbox()):
            await pair.publish(1)
            await until(pair.undelivered, 0)
        await pair.publish(2)
        await until(pair.waiting, 0)
        for stream in await pair.queue.redis.keys("events:publisher:*"):
            await pair.queue.redis.xtrim(stream, maxlen=0, approximate=False)
        async with started(pair.inbox()):
            await until(pair.sorted, [1, 2])
            await until(pair.undelivered, 0)


_PUBLISHED = text("UPDATE outbox SET published_at = now(), check_at = now()")
_NEXT_LOOK = text("SELECT round(extract(epoch FROM check_at - clock_timestamp())) FROM outbox")
_LONG_HERE = text("UPDATE outbox_consumers SET since = now() - interval '31 seconds'")


async def test_pauses_between_publications_double(pair: ServicePair) -> None:
    """An event that a consumer never confirms is published again after intervals that double up to
    an hour.
    """
    await _hello(pair, "mute", "ItemCounted")
    await pair.publisher.execute(_LONG_HERE)
    await pair.publish(1)
    pauses = []
    for _ in range(9):
        await pair.publisher.execute(_PUBLISHED)
        assert await deliveries.republish(pair.publisher, 30.0) == 1
        assert await pair.waiting() == 1
        pauses.append(int(await pair.publisher.fetch_value(_NEXT_LOOK)))
        assert await deliveries.republish(pair.publisher, 30.0) == 0
    assert pauses == [60, 120, 240, 480, 960, 1920, 3840, 3840, 3840]
    async with started(pair.relay()):
        await until(pair.waiting, 0)
    assert 3830 < int(await pair.publisher.fetch_value(_NEXT_LOOK)) <= 3840


async def test_a_consumer_that_is_away_is_not_pestered(pair: ServicePair) -> None:
    """Nothing is published again for a consumer that is down, nor at once when it is back: it reads the
    streams first.
    """
    await _hello(pair, "mute", "ItemCounted")
    await pair.publish(1)
    away = text(
        "UPDATE outbox_consumers SET since = now() - interval '2 hours', seen_at = now() - interval '1 hour'"
    )
    await pair.publisher.execute(away)
    await pair.publisher.execute(_PUBLISHED)
    assert await deliveries.republish(pair.publisher, 30.0) == 0
    assert await pair.undelivered() == 1
    await _hello(pair, "mute", "ItemCounted")
    await pair.publisher.execute(_PUBLISHED)
    assert await deliveries.republish(pair.publisher, 30.0) == 0
    await pair.publisher.execute(_LONG_HERE)
    await pair.publisher.execute(_PUBLISHED)
    assert await deliveries.republish(pair.publisher, 30.0) == 1


async def test_all_who_want_it_have_to_confirm(pair: ServicePair) -> None:
    """With two subscribers an event is delivered when both have confirmed it; a consumer of other types does
    not count.
    """
    await _hello(pair, "consumer", "ItemCounted")
    await _hello(pair, "archive", "*")
    await _hello(pair, "polisher", "ItemRenamed")
    await pair.publish(1)
    (row,) = await pair.publisher.fetch_all(text("SELECT * FROM outbox"))
    await _said(pair, row, "consumer", "done")
    await _said(pair, row, "archive", "retry")
    assert await pair.undelivered() == 1
    await _said(pair, row, "archive", "failed")
    assert await pair.undelivered() == 0
    await _said(pair, row, "archive", "done")
    await _said(pair, row, "archive", "retry")
    assert await pair.outcomes() == ["done", "done"], "what was done stays done"


async def test_a_new_consumer_gets_what_is_in_the_streams(pair: ServicePair) -> None:
    """A new consumer reads all entries of the streams, and has to confirm events from the first undelivered
    one on.
    """
    await pair.publish(1, 2)
    async with started(pair.relay(), pair.inbox()):
        await until(pair.undelivered, 0)
    await pair.publish(3)
    async with started(pair.relay(), pair.inbox(HANDLERS)):
        await until(pair.undelivered, 0)
        late = pair.inbox({"*": record}, consumer="late")
        async with started(late):
            await until(lambda: pair.count("received", "consumer"), 6)
            await until(lambda: pair.count("outbox_consumers"), 2)
            await pair.publish(4)
            await until(pair.outcomes, ["done"] * 8)
    assert [row[2] for row in await consumers(pair)] == [1, 4]


async def test_confirmations_of_another_past_are_no_ones(pair: ServicePair) -> None:
    """A confirmation of an event that is not in the outbox, or that cannot be decoded, changes nothing."""
    await pair.publish(1)
    (row,) = await pair.publisher.fetch_all(text("SELECT * FROM outbox"))
    await pair.queue.redis.xadd(confirmations_of("publisher"), {"confirmation": "{nonsense"})
    await pair.queue.redis.xadd(confirmations_of("publisher"), {"what": "ever"})
    other: Any = dict(row._mapping) | {"event_id": uuid4()}
    await confirmations.publish(pair.queue.redis, [_confirmation(other, "consumer", "done")])
    await confirmations.publish(
        pair.queue.redis,
        [Subscription(consumer="consumer", source="publisher", event_types=("ItemCounted",))],
    )
    async with started(pair.relay()):
        await until(lambda: pair.count("outbox_consumers"), 1)  # written with all that was said before it
    assert await pair.outcomes() == []
    assert await pair.undelivered() == 1


async def test_old_rows_go(pair: ServicePair) -> None:
    """Delivered rows are deleted after 7 days and published ones after 30; unpublished ones are never
    deleted.
    """
    await pair.publish(1, 2, 3, 4)
    ages = {1: ("8 days", "8 days"), 2: ("8 days", None), 3: ("31 days", None), 4: (None, None)}
    for number, (published, delivered) in ages.items():
        moved = (
            "UPDATE outbox SET occurred_at = now() - interval '{}', published_at = {}, delivered_at = {}"
            " WHERE id = {}"
        )
        times = [f"now() - interval '{age}'" if age else "NULL" for age in (published, delivered)]
        await pair.publisher.execute(text(moved.format(published or "40 days", *times, number)))
    await deliveries.delete_old(pair.publisher)
    rows = await pair.publisher.fetch_all(text("SELECT id FROM outbox ORDER BY id"))
    assert [row.id for row in rows] == [2, 4]


async def _hello(pair: ServicePair, consumer: str, *types: str) -> None:
    async with UnitOfWork(pair.publisher) as uow:
        await deliveries.record_subscription(
            uow, Subscription(consumer=consumer, source="publisher", event_types=types)
        )


def _confirmation(row: Any, consumer: str, outcome: Any) -> Confirmation:
    return Confirmation(
        consumer=consumer,
        source="publisher",
        event_id=row["event_id"],
        position=row["id"],
        event_type=row["event_type"],
        aggregate_type=row["aggregate_type"],
        aggregate_id=row["aggregate_id"],
        outcome=outcome,
        occurred_at=row["occurred_at"],
        handled_at=datetime.now(UTC),
    )


async def _said(pair: ServicePair, row: Any, consumer: str, outcome: str) -> None:
    async with UnitOfWork(pair.publisher) as uow:
        await deliveries.record_confirmations(uow, [_confirmation(row._mapping, consumer, outcome)])
