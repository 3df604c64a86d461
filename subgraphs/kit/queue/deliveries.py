"""What a sender knows of its consumers: who listens to what, and which of them has had which event.

An event counts as delivered when every consumer that wants its type has confirmed that it is safe there:
applied, or in the table of what it gave up. Until then it is published again, with pauses that double, as
long as somebody is there who wants it.
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

CHECKED = 500
DOUBLINGS = 7
"""The longest pause between two looks at an event is 2**7 times the first.

An hour, where that is 30 seconds.
"""

# A consumer that is new is owed what nobody has confirmed yet; what was delivered to all others before is in
# the streams, and
# it reads those from their beginning. `since`: what it missed while it was away is first left to it, for it
# stands in the streams.
_HELLO = text("""
INSERT INTO outbox_consumers (consumer, event_types, first_id)
SELECT :consumer, :types, coalesce((SELECT min(id) FROM outbox WHERE delivered_at IS NULL), (SELECT max(id) + 1 FROM outbox), 1)
ON CONFLICT (consumer) DO UPDATE SET event_types = excluded.event_types, seen_at = excluded.seen_at, since = CASE
    WHEN outbox_consumers.seen_at < clock_timestamp() - interval '3 minutes' THEN excluded.since ELSE outbox_consumers.since END
""").bindparams(bindparam("types", type_=ARRAY(Text)))
_CONFIRM = text("""
INSERT INTO outbox_deliveries (outbox_id, consumer, outcome, confirmed_at, latency_ms)
SELECT outbox.id, said.consumer, said.outcome, said.handled_at, extract(epoch FROM said.handled_at - outbox.occurred_at) * 1000
FROM unnest(:positions, :events, :consumers, :outcomes, :handled) AS said (id, event_id, consumer, outcome, handled_at)
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
    WHERE outbox_id = outbox.id AND outbox_deliveries.consumer = outbox_consumers.consumer AND outcome <> 'retry')"""
_SETTLE = text(f"""
UPDATE outbox SET delivered_at = clock_timestamp()
WHERE id = ANY(:ids) AND delivered_at IS NULL AND NOT EXISTS ({_OWED})""").bindparams(  # noqa: S608 - our own text
    bindparam("ids", type_=ARRAY(BigInteger))
)
# published again only for consumers that are there, and have had the time to read what was waiting for them
_CHECK = text(f"""
WITH due AS (
    SELECT id, EXISTS ({_OWED}) AS owed, EXISTS ({_OWED}
        AND seen_at > clock_timestamp() - interval '3 minutes'
        AND since < clock_timestamp() - make_interval(secs => :seconds)) AS again
    FROM outbox WHERE published_at IS NOT NULL AND delivered_at IS NULL AND check_at <= clock_timestamp()
    ORDER BY check_at LIMIT {CHECKED} FOR UPDATE SKIP LOCKED)
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
    """How long after its publication an event is looked at, by how often that was in vain."""
    doubled = func.power(2, func.least(outbox.c.attempts, DOUBLINGS))
    return func.make_interval(0, 0, 0, 0, 0, 0, literal(seconds, Float) * doubled)


async def record_entries(uow: UnitOfWork, entries: Sequence[StreamEntry]) -> None:
    """Write down what consumers said."""
    hellos, confirmations = decode(entry.fields for entry in entries)
    for hello in {each.consumer: each for each in hellos}.values():
        await record_subscription(uow, hello)
    if confirmations:
        await record_confirmations(uow, confirmations)


async def record_subscription(uow: UnitOfWork, hello: Subscription) -> None:
    """Remember that a consumer listens, and to what."""
    await uow.execute(_HELLO.bindparams(consumer=hello.consumer, types=list(hello.event_types)))


async def record_confirmations(uow: UnitOfWork, confirmations: Sequence[Confirmation]) -> None:
    """Remember what became of events.

    Of each event and consumer what is final, or else what was said last.
    """
    chosen: dict[tuple[int, str], Confirmation] = {}
    for each in confirmations:
        key = (each.position, each.consumer)
        if key not in chosen or chosen[key].outcome in ("retry", "failed"):
            chosen[key] = each
    told = list(chosen.values())
    await uow.execute(
        _CONFIRM.bindparams(
            positions=[each.position for each in told],
            events=[each.event_id for each in told],
            consumers=[each.consumer for each in told],
            outcomes=[each.outcome for each in told],
            handled=[each.handled_at for each in told],
        )
    )
    if final := sorted({each.position for each in told if each.outcome != "retry"}):
        await uow.execute(_SETTLE.bindparams(ids=final))


async def republish(database: Database, seconds: float) -> int:
    """Let events be published again that are not confirmed in time; answer how many.

    What nobody wants is done with.
    """
    again = 0
    while True:
        async with UnitOfWork(database) as uow:
            rows = await uow.fetch_all(_CHECK, seconds=seconds, doublings=DOUBLINGS)
        again += sum(bool(row.again) for row in rows)
        if len(rows) < CHECKED:
            return again


async def delete_old(database: Database) -> None:
    """Delete what is old: a delivered event after 7 days, any published one after 30, what was heard of
    others after 30, and consumers that have not said anything for 30 days.
    """
    for statement in _FORGET:
        await database.execute(statement)
