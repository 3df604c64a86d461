"""The SQL statements of deliveries. Times are the database's, because several processes share the rows."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Integer,
    Interval,
    MetaData,
    Table,
    Text,
    Uuid,
    cast,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from subgraphs.kit.database import Session, among_ids
from subgraphs.kit.errors import Conflict
from subgraphs.kit.pagination import Order
from subgraphs.kit.records import RecordTable, grouped, records
from subgraphs.notifications.delivery_model import LASTS, ClaimedDelivery, Decision, Outcome
from subgraphs.notifications.model import NotificationRecord

_METADATA = MetaData()
deliveries: Final = Table(
    "deliveries",
    _METADATA,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    Column("source_id", Uuid),
    Column("kind", Text),
    Column("user_id", Uuid),
    Column("channel", Text),
    Column("title", Text),
    Column("message", Text),
    Column("is_urgent", Boolean),
    Column("status", Text),
    Column("tries", Integer),
    Column("failures", Integer),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
    Column("error", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
)
attempts: Final = Table(
    "delivery_attempts",
    _METADATA,
    Column("delivery_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("started_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("outcome", Text),
    Column("error", Text),
)
NEWEST: Final = Order(
    "deliveries_newest", deliveries.c.created_at, datetime, deliveries.c.id, descending=True
)
KEPT: Final = timedelta(days=90)
"""How long a delivery is stored after its end."""
SHOWN_ATTEMPTS: Final = 100
_OLD_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """A row of the table `deliveries`."""

    id: UUID
    source_id: UUID
    kind: str
    user_id: UUID
    channel: str
    title: str
    message: str
    is_urgent: bool
    status: str
    tries: int
    failures: int
    next_attempt_at: datetime
    expires_at: datetime
    error: str | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """A row of the table `delivery_attempts`."""

    delivery_id: UUID
    number: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    error: str | None


DELIVERY_ROWS: Final = RecordTable(deliveries, DeliveryRecord)
_DELIVERY: Final = [deliveries.c[item.name] for item in fields(ClaimedDelivery)]


async def add_notifications(session: Session, due: Sequence[NotificationRecord]) -> None:
    """Insert a delivery for each channel of each notification; delete some that ended long ago."""
    rows = [
        {
            "source_id": one.id,
            "kind": "notification",
            "user_id": one.user_id,
            "channel": channel,
            "title": one.title,
            "message": one.message,
            "is_urgent": one.is_urgent,
        }
        for one in due
        for channel in one.channels
    ]
    if rows:
        values = [{**row, "expires_at": func.now() + LASTS} for row in rows]
        await session.execute(insert(deliveries).values(values).on_conflict_do_nothing())
        old = select(deliveries.c.id).where(deliveries.c.ended_at < func.now() - KEPT).limit(_OLD_AT_ONCE)
        chosen = deliveries.c.id.in_(old.with_for_update(skip_locked=True))
        await session.execute(delete(deliveries).where(chosen))


async def add_mail(session: Session, mail_id: UUID, kind: str, user_id: UUID, expires_at: datetime) -> None:
    """Insert the delivery of a mail of the users service, once."""
    mail = {"source_id": mail_id, "kind": kind, "user_id": user_id, "channel": "email", "is_urgent": True}
    added = insert(deliveries).values(**mail, expires_at=expires_at)
    await session.execute(added.on_conflict_do_nothing())


async def claim(session: Session, channel: str, most: int, lease: float) -> list[ClaimedDelivery]:
    """Claim up to `most` due deliveries for `lease` seconds, with an attempt for each; return them.

    If this process dies, another one claims them after the lease. Those that have expired become failed.
    """
    await session.execute(_expired(channel))
    due = (deliveries.c.status == "pending") & (deliveries.c.channel == channel)
    chosen = (
        select(deliveries.c.id)
        .where(due, deliveries.c.next_attempt_at <= func.now())
        .order_by(deliveries.c.next_attempt_at)
        .limit(most)
        .with_for_update(skip_locked=True)
        .cte("chosen")
    )
    claimed = (
        update(deliveries)
        .where(deliveries.c.id == chosen.c.id)
        .values(tries=deliveries.c.tries + 1, next_attempt_at=func.now() + _seconds(lease))
        .returning(*_DELIVERY)
    )
    found = records(ClaimedDelivery, await session.fetch_all(claimed))
    if found:
        rows = [{"delivery_id": one.id, "number": one.tries} for one in found]
        await session.execute(insert(attempts).values(rows))
    return found


async def finish(session: Session, delivery: ClaimedDelivery, outcome: Outcome, decision: Decision) -> bool:
    """Store how the attempt of a claimed delivery ended, and what follows.

    Returns False, and changes only the attempt, if another process has claimed the delivery meanwhile and
    this attempt has sent nothing.
    """
    error = outcome.short_error()
    own = (attempts.c.delivery_id == delivery.id) & (attempts.c.number == delivery.tries)
    ended = update(attempts).where(own)
    await session.execute(ended.values(ended_at=func.clock_timestamp(), outcome=outcome.kind, error=error))
    is_over = decision.status != "pending"
    chosen = update(deliveries).where(deliveries.c.id == delivery.id, deliveries.c.status == "pending")
    if decision.status != "sent":
        chosen = chosen.where(deliveries.c.tries == delivery.tries)
    values: dict[str, Any] = {
        "status": decision.status,
        "error": error,
        "failures": deliveries.c.failures + int(decision.counts),
        "next_attempt_at": func.now() + _seconds(decision.pause),
        "ended_at": func.now() if is_over else None,
    }
    return await session.execute(chosen.values(**values)) == 1


async def send_again(session: Session, delivery_id: UUID) -> DeliveryRecord:
    """Make a delivery that has ended due now, with no failures.

    A notification then lasts as long as a new one; e-mail about an account has the end of its token. Raises
    NotFound, and Conflict for one that is pending or was sent.
    """
    missing = f"There is no delivery with the id {delivery_id}"
    known = await DELIVERY_ROWS.lock(session, delivery_id, missing)
    if known.status not in {"failed", "skipped"}:
        raise Conflict(f"The delivery is {known.status}: only a failed or skipped one can be sent again")
    expires_at = func.now() + LASTS if known.kind == "notification" else deliveries.c.expires_at
    again = update(deliveries).where(deliveries.c.id == delivery_id)
    due = {"status": "pending", "failures": 0, "next_attempt_at": func.now(), "ended_at": None}
    await session.execute(again.values(**due, expires_at=expires_at))
    return await DELIVERY_ROWS.lock(session, delivery_id, missing)


async def attempts_of(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[AttemptRecord]]:
    """Return the last SHOWN_ATTEMPTS attempts of deliveries, the newest first, by delivery."""
    newest = func.row_number().over(partition_by=attempts.c.delivery_id, order_by=attempts.c.number.desc())
    ranked = select(attempts, newest.label("place")).where(among_ids(attempts.c.delivery_id)).subquery()
    columns = [ranked.c[item.name] for item in fields(AttemptRecord)]
    chosen = select(*columns).where(ranked.c.place <= SHOWN_ATTEMPTS).order_by(ranked.c.number.desc())
    return grouped(records(AttemptRecord, await session.fetch_all(chosen, ids=ids)), "delivery_id")


async def skip_all(session: Session, channel: str, reason: str) -> int:
    """End all pending deliveries of a channel as skipped; return how many."""
    pending = (deliveries.c.status == "pending") & (deliveries.c.channel == channel)
    skipped = update(deliveries).where(pending).values(status="skipped", error=reason, ended_at=func.now())
    return await session.execute(skipped)


def _expired(channel: str) -> Any:
    due = (deliveries.c.status == "pending") & (deliveries.c.channel == channel)
    late = due & (deliveries.c.expires_at <= func.now()) & (deliveries.c.next_attempt_at <= func.now())
    reason = func.coalesce(deliveries.c.error, "expired before it could be sent")
    return update(deliveries).where(late).values(status="failed", error=reason, ended_at=func.now())


def _seconds(seconds: float) -> Any:
    return cast(func.make_interval(0, 0, 0, 0, 0, 0, literal(seconds)), Interval)
