"""Closed accounts, as services store them that must refuse what a closed account does, or is booked for.

The users service publishes UserUpdated; the table `closed_users`, which the service's migrations create, has
what the newest event says.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, MetaData, Table, Uuid, select
from sqlalchemy.dialects import postgresql

from subgraphs.kit.database import Session
from subgraphs.kit.messages import Envelope
from subgraphs.kit.records import upsert_newer

_CLOSED = Table(
    "closed_users",
    MetaData(),
    Column("user_id", Uuid, primary_key=True),
    Column("is_closed", Boolean),
    Column("position", BigInteger),
)


class AccountFacts(msgspec.Struct):
    """The fields that services read from events about accounts."""

    user_id: UUID
    is_active: bool = True


async def store_account(session: Session, envelope: Envelope) -> AccountFacts:
    """Store whether the account in an event is closed, unless a later event is stored; return its facts."""
    facts = envelope.read(AccountFacts)
    row = {"user_id": facts.user_id, "is_closed": not facts.is_active, "position": envelope.position}
    await upsert_newer(session, _CLOSED, "user_id", row)
    return facts


async def mark_closed(session: Session, user_id: UUID) -> None:
    """Store that an account is closed, before the event about it is applied here."""
    row = {"user_id": user_id, "is_closed": True, "position": 0}
    await session.execute(postgresql.insert(_CLOSED).values(**row).on_conflict_do_nothing())


async def has_closed(session: Session, users: Sequence[UUID]) -> bool:
    """Return whether the account of one of these users is closed."""
    closed = select(_CLOSED.c.user_id).where(_CLOSED.c.user_id.in_(users), _CLOSED.c.is_closed)
    return await session.fetch_one(closed.limit(1)) is not None
