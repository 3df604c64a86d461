"""Deliveries: an event counts as delivered when all who want it have confirmed it, and is published again
until then.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from subgraphs.kit.queue import confirmations, deliveries
from subgraphs.kit.queue.confirmations import Confirmation, Hello
from subgraphs.kit.queue.streams import confirmations_of
from subgraphs.kit.testing import entries_of
from subgraphs.kit.unit_of_work import UnitOfWork
from tests.subgraphs.kit.queue.street import HANDLERS, BellPolished, Street, hear, started, until

_CONSUMERS = text("SELECT consumer, event_types, first_id FROM outbox_consumers ORDER BY consumer")


async def consumers(street: Street) -> list[tuple[str, list[str], int]]:
    """Who listens, as far as the tower knows."""
    return [tuple(row) for row in await street.tower.fetch_all(_CONSUMERS)]


async def test_events_are_confirmed(street: Street) -> None:
    """Each event is delivered once its consumer confirmed it, with how long it took.

    What nobody wants is done with, too.
    """
    await street.ring(1, 2)
    async with UnitOfWork(street.tower) as uow:
        uow.emit(BellPolished(bell_id=uuid4()))
    async with started(street.relay(confirm_seconds=1.0), street.inbox()):
        await until(street.outcomes, ["done", "done"])
        await until(street.undelivered, 0)
        assert await consumers(street) == [("ear", ["BellRang"], 1)]
    rows = await street.tower.fetch_all(text("SELECT latency_ms FROM outbox_deliveries"))
    assert all(0 < row.latency_ms < 60_000 for row in rows)
    assert len(await entries_of(street.queue.redis, "tower")) == 3, "nothing was published twice"


async def test_lost_confirmations_are_said_again(street: Street) -> None:
    """When the queue loses what a consumer said the event is published again, and confirmed again, but not
    applied again.
    """
    await street.ring(1)
    async with started(street.relay(confirm_seconds=0.5)):
        await until(street.waiting, 0)
    async with started(street.inbox()):
        await until(street.heard, [1])
    await street.queue.redis.delete(confirmations_of("tower"))
    assert await street.undelivered() == 1
    async with started(street.relay(confirm_seconds=0.5), street.inbox()):
        await until(street.undelivered, 0)
    assert await street.heard() == [1]
    assert len(await entries_of(street.queue.redis, "tower")) >= 2
    assert await street.outcomes() == ["done"]


async def test_lost_events_are_published_again(street: Street) -> None:
    """An entry that vanishes from a queue that was never restarted is published again, for nobody has
    confirmed it.
    """
    async with started(street.relay(confirm_seconds=0.5)):
        async with started(street.inbox()):
            await street.ring(1)
            await until(street.undelivered, 0)
        await street.ring(2)
        await until(street.waiting, 0)
        for stream in await street.queue.redis.keys("events:tower:*"):
            await street.queue.redis.xtrim(stream, maxlen=0, approximate=False)
        async with started(street.inbox()):
            await until(street.sorted, [1, 2])
            await until(street.undelivered, 0)


_PUBLISHED = text("UPDATE outbox SET published_at = now(), check_at = now()")
_NEXT_LOOK = text("SELECT round(extract(epoch FROM check_at - clock_timestamp())) FROM outbox")
_LONG_HERE = text("UPDATE outbox_consumers SET since = now() - interval '31 seconds'")


async def test_pauses_between_publications_double(street: Street) -> None:
    """An event that a consumer never confirms is published again, each time after twice the time, at last
    once an hour.
    """
    await _hello(street, "mute", "BellRang")
    await street.tower.execute(_LONG_HERE)
    await street.ring(1)
    pauses = []
    for _ in range(9):
        await street.tower.execute(_PUBLISHED)
        assert await deliveries.republish(street.tower, 30.0) == 1
        assert await street.waiting() == 1
        pauses.append(int(await street.tower.fetch_value(_NEXT_LOOK)))
        assert await deliveries.republish(street.tower, 30.0) == 0
    assert pauses == [60, 120, 240, 480, 960, 1920, 3840, 3840, 3840]
    async with started(street.relay()):
        await until(street.waiting, 0)
    assert 3830 < int(await street.tower.fetch_value(_NEXT_LOOK)) <= 3840


async def test_a_consumer_that_is_away_is_not_pestered(street: Street) -> None:
    """Nothing is published again for one that says nothing, nor at once when it is back.

    What it missed is in the streams.
    """
    await _hello(street, "mute", "BellRang")
    await street.ring(1)
    away = text(
        "UPDATE outbox_consumers SET since = now() - interval '2 hours', seen_at = now() - interval '1 hour'"
    )
    await street.tower.execute(away)
    await street.tower.execute(_PUBLISHED)
    assert await deliveries.republish(street.tower, 30.0) == 0
    assert await street.undelivered() == 1
    await _hello(street, "mute", "BellRang")
    await street.tower.execute(_PUBLISHED)
    assert await deliveries.republish(street.tower, 30.0) == 0
    await street.tower.execute(_LONG_HERE)
    await street.tower.execute(_PUBLISHED)
    assert await deliveries.republish(street.tower, 30.0) == 1


async def test_all_who_want_it_have_to_confirm(street: Street) -> None:
    """With two consumers an event is delivered when the second one has it.

    One that handles other types is not waited for.
    """
    await _hello(street, "ear", "BellRang")
    await _hello(street, "archive", "*")
    await _hello(street, "polisher", "BellPolished")
    await street.ring(1)
    (row,) = await street.tower.fetch_all(text("SELECT * FROM outbox"))
    await _said(street, row, "ear", "done")
    await _said(street, row, "archive", "retry")
    assert await street.undelivered() == 1
    await _said(street, row, "archive", "failed")
    assert await street.undelivered() == 0
    await _said(street, row, "archive", "done")
    await _said(street, row, "archive", "retry")
    assert await street.outcomes() == ["done", "done"], "what was done stays done"


async def test_a_new_consumer_gets_what_is_in_the_streams(street: Street) -> None:
    """One that starts for the first time hears all that the streams hold, and is owed from the first event
    that is not delivered.
    """
    await street.ring(1, 2)
    async with started(street.relay(), street.inbox()):
        await until(street.undelivered, 0)
    await street.ring(3)
    async with started(street.relay(), street.inbox(HANDLERS)):
        await until(street.undelivered, 0)
        late = street.inbox({"*": hear}, consumer="late")
        async with started(late):
            await until(lambda: street.count("heard", "ear"), 6)
            await until(lambda: street.count("outbox_consumers"), 2)
            await street.ring(4)
            await until(street.outcomes, ["done"] * 8)
    assert [row[2] for row in await consumers(street)] == [1, 4]


async def test_confirmations_of_another_past_are_no_ones(street: Street) -> None:
    """A confirmation whose event is not in the outbox (its database was restored, say) or that is nonsense
    changes nothing.
    """
    await street.ring(1)
    (row,) = await street.tower.fetch_all(text("SELECT * FROM outbox"))
    await street.queue.redis.xadd(confirmations_of("tower"), {"confirmation": "{nonsense"})
    await street.queue.redis.xadd(confirmations_of("tower"), {"what": "ever"})
    other: Any = dict(row._mapping) | {"event_id": uuid4()}
    await confirmations.tell(street.queue.redis, [_confirmation(other, "ear", "done")])
    await confirmations.tell(
        street.queue.redis, [Hello(consumer="ear", source="tower", event_types=("BellRang",))]
    )
    async with started(street.relay()):
        await until(lambda: street.count("outbox_consumers"), 1)  # written with all that was said before it
    assert await street.outcomes() == []
    assert await street.undelivered() == 1


async def test_old_rows_go(street: Street) -> None:
    """Delivered rows go after 7 days and published ones after 30.

    What the queue has never got stays however old it is.
    """
    await street.ring(1, 2, 3, 4)
    ages = {1: ("8 days", "8 days"), 2: ("8 days", None), 3: ("31 days", None), 4: (None, None)}
    for number, (published, delivered) in ages.items():
        moved = "UPDATE outbox SET occurred_at = now() - interval '{}', published_at = {}, delivered_at = {} WHERE id = {}"
        times = [f"now() - interval '{age}'" if age else "NULL" for age in (published, delivered)]
        await street.tower.execute(text(moved.format(published or "40 days", *times, number)))
    await deliveries.forget(street.tower)
    rows = await street.tower.fetch_all(text("SELECT id FROM outbox ORDER BY id"))
    assert [row.id for row in rows] == [2, 4]


async def _hello(street: Street, consumer: str, *types: str) -> None:
    async with UnitOfWork(street.tower) as uow:
        await deliveries.greet(uow, Hello(consumer=consumer, source="tower", event_types=types))


def _confirmation(row: Any, consumer: str, outcome: Any) -> Confirmation:
    return Confirmation(
        consumer=consumer,
        source="tower",
        event_id=row["event_id"],
        position=row["id"],
        event_type=row["event_type"],
        aggregate_type=row["aggregate_type"],
        aggregate_id=row["aggregate_id"],
        outcome=outcome,
        occurred_at=row["occurred_at"],
        handled_at=datetime.now(UTC),
    )


async def _said(street: Street, row: Any, consumer: str, outcome: str) -> None:
    async with UnitOfWork(street.tower) as uow:
        await deliveries.confirm(uow, [_confirmation(row._mapping, consumer, outcome)])
