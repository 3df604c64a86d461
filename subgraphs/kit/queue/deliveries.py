"""The publisher's records of its consumers: their subscriptions, and which events each has confirmed.

The relay writes them from the stream `confirmations:<service>`, and finds with them the events to publish
again.

An event is delivered when every consumer that subscribes to its type has confirmed that it is applied, or
stored as failed. Until then the event is published again, after intervals that double, as long as at least
one such consumer is alive.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, DateTime, Float, Text, Uuid, bindparam, func, literal, text
from sqlalchemy.dialects.postgresql import ARRAY

from subgraphs.kit.database import Database
from subgraphs.kit.outbox import outbox
from subgraphs.kit.queue.confirmations import Confirmation, Subscription, decode
from subgraphs.kit.queue.cursors import StreamEntry
from subgraphs.kit.unit_of_work import UnitOfWork

CHECK_BATCH = 500
DOUBLINGS = 7
"""How often the interval between two checks of an event doubles: from 30 seconds to an hour (2**7 * 30 s)."""

# `first_id`: the outbox id of the first event that the consumer has to confirm. For a new consumer it is the
# first undelivered event; the streams still contain older events, and it reads them from their beginning.
# `since`: when the consumer subscribed, for the first time or after it was down for 3 minutes. It first gets
# time to read the streams, before events are published again for it.
_SUBSCRIBE = text("""
INSERT INTO outbox_consumers (consumer, event_types, first_id)
SELECT :consumer, :types, coalesce(
    (SELECT min(id) FROM outbox WHERE delivered_at IS NULL), (SELECT max(id) + 1 FROM outbox), 1)
ON CONFLICT (consumer) DO UPDATE
SET event_types = excluded.event_types, seen_at = excluded.seen_at, since = CASE
    WHEN outbox_consumers.seen_at < clock_timestamp() - interval '3 minutes' THEN excluded.since
    ELSE outbox_consumers.since END
""").bindparams(bindparam("types", type_=ARRAY(Text)))
_CONFIRM = text("""
INSERT INTO outbox_deliveries (outbox_id, consumer, outcome, confirmed_at, latency_ms)
SELECT outbox.id, said.consumer, said.outcome, said.handled_at,
    extract(epoch FROM said.handled_at - outbox.occurred_at) * 1000
FROM unnest(:positions, :events, :consumers, :outcomes, :handled)
    AS said (id, event_id, consumer, outcome, handled_at)
JOIN outbox ON outbox.id = said.id AND outbox.event_id = said.event_id
ON CONFLICT (outbox_id, consumer) DO UPDATE
SET outcome = excluded.outcome, confirmed_at = excluded.confirmed_at, latency_ms = excluded.latency_ms
WHERE outbox_deliveries.outcome IN ('retry', 'failed')""").bindparams(
    bindparam("positions", type_=ARRAY(BigInteger)),
    bindparam("events", type_=ARRAY(Uuid)),
    bindparam("consumers", type_=ARRAY(Text)),
    bindparam("outcomes", type_=ARRAY(Text)),
    bindparam("handled", type_=ARRAY(DateTime(timezone=True))),
)
_OWED = """
SELECT 1 FROM outbox_consumers WHERE first_id <= outbox.id AND event_types && ARRAY[outbox.event_type, '*']
AND NOT EXISTS (SELECT 1 FROM outbox_deliveries
    WHERE outbox_id = outbox.id AND outbox_deliveries.consumer = outbox_consumers.consumer
        AND outcome <> 'retry')"""
_SETTLE = text(f"""
UPDATE outbox SET delivered_at = clock_timestamp()
WHERE id = ANY(:ids) AND delivered_at IS NULL
    AND NOT EXISTS ({_OWED})""").bindparams(  # noqa: S608 - our own text
    bindparam("ids", type_=ARRAY(BigInteger))
)
# An event is published again only for consumers that are alive (`seen_at`: their last subscription) and have
# subscribed at least :seconds ago (`since`), so that they had time to read the streams.
_CHECK = text(f"""
WITH due AS (
    SELECT id, EXISTS ({_OWED}) AS owed, EXISTS ({_OWED}
        AND seen_at > clock_timestamp() - interval '3 minutes'
        AND since < clock_timestamp() - make_interval(secs => :seconds)) AS again
    FROM outbox WHERE published_at IS NOT NULL AND delivered_at IS NULL AND check_at <= clock_timestamp()
    ORDER BY check_at LIMIT {CHECK_BATCH} FOR UPDATE SKIP LOCKED)
UPDATE outbox SET attempts = attempts + 1,
    delivered_at = CASE WHEN NOT owed THEN clock_timestamp() END,
    published_at = CASE WHEN NOT again THEN published_at END,
    check_at = clock_timestamp() + make_interval(secs => :seconds * power(2, least(attempts + 1, :doublings)))
FROM due WHERE outbox.id = due.id RETURNING again""")  # noqa: S608 - our own text
_FORGET = (
    text("DELETE FROM outbox_consumers WHERE seen_at < now() - interval '30 days'"),
    text("DELETE FROM outbox WHERE delivered_at < now() - interval '7 days'"),
    text("DELETE FROM outbox WHERE published_at IS NOT NULL AND occurred_at < now() - interval '30 days'"),
    text("DELETE FROM inbox WHERE processed_at < now() - interval '30 days'"),
)


def check_interval(seconds: float) -> ColumnElement[Any]:
    """Return the SQL interval until the next check whether all consumers have confirmed an event.

    It is `seconds`, doubled for each earlier check of the event, at most DOUBLINGS times.
    """
    doubled = func.power(2, func.least(outbox.c.attempts, DOUBLINGS))
    return func.make_interval(0, 0, 0, 0, 0, 0, literal(seconds, Float) * doubled)


async def record_entries(uow: UnitOfWork, entries: Sequence[StreamEntry]) -> None:
    """Store the subscriptions and confirmations that entries of the confirmation stream contain."""
    subscriptions, confirmations = decode(entry.fields for entry in entries)
    for subscription in {each.consumer: each for each in subscriptions}.values():
        await record_subscription(uow, subscription)
    if confirmations:
        await record_confirmations(uow, confirmations)


async def record_subscription(uow: UnitOfWork, subscription: Subscription) -> None:
    """Store the event types to which a consumer subscribes, and the present time as proof that it
    is alive.
    """
    values = {"consumer": subscription.consumer, "types": list(subscription.event_types)}
    await uow.execute(_SUBSCRIBE.bindparams(**values))


async def record_confirmations(uow: UnitOfWork, confirmations: Sequence[Confirmation]) -> None:
    """Store the outcomes of events, and mark events as delivered that all subscribers have confirmed.

    If one consumer has confirmed an event several times, a final outcome (`done`, `stale`, `gap`) has
    precedence over `retry` and `failed`; otherwise the newest outcome is stored.
    """
    chosen: dict[tuple[int, str], Confirmation] = {}
    for each in confirmations:
        key = (each.position, each.consumer)
        if key not in chosen or chosen[key].outcome in ("retry", "failed"):
            chosen[key] = each
    latest = list(chosen.values())
    await uow.execute(
        _CONFIRM.bindparams(
            positions=[each.position for each in latest],
            events=[each.event_id for each in latest],
            consumers=[each.consumer for each in latest],
            outcomes=[each.outcome for each in latest],
            handled=[each.handled_at for each in latest],
        )
    )
    if final := sorted({each.position for each in latest if each.outcome != "retry"}):
        await uow.execute(_SETTLE.bindparams(ids=final))


async def republish(database: Database, seconds: float) -> int:
    """Mark published events that were not confirmed in time as unpublished; return how many.

    An event is checked `seconds` after its publication, then after intervals that double. An event that all
    subscribers have confirmed, or that has none, is marked as delivered.
    """
    again = 0
    while True:
        async with UnitOfWork(database) as uow:
            rows = await uow.fetch_all(_CHECK, seconds=seconds, doublings=DOUBLINGS)
        again += sum(bool(row.again) for row in rows)
        if len(rows) < CHECK_BATCH:
            return again


async def delete_old(database: Database) -> None:
    """Delete old rows of outbox and inbox.

    After 7 days: delivered events. After 30 days: published events that were not delivered, the ids of events
    that this service has applied, and consumers that have not renewed their subscription.
    """
    for statement in _FORGET:
        await database.execute(statement)
