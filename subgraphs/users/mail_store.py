"""The SQL statements of e-mail about accounts."""

from dataclasses import fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    delete,
    insert,
    select,
    update,
)

from subgraphs.kit.database import Session
from subgraphs.kit.records import record_or_none
from subgraphs.users.mail_model import Kind, MailRecord

mails: Final = Table(
    "account_mail",
    MetaData(),
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid),
    Column("kind", Text),
    Column("email", Text),
    Column("token_hash", LargeBinary),
    Column("created_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
    Column("used_at", DateTime(timezone=True)),
)
_MAIL: Final = [mails.c[item.name] for item in fields(MailRecord)]
_OLD_AT_ONCE: Final = 100


async def add(session: Session, record: MailRecord, token_hash: bytes) -> None:
    """Insert a mail; delete some that have expired."""
    values: dict[str, Any] = {item.name: getattr(record, item.name) for item in fields(record)}
    now = session.clock.now()
    await session.execute(insert(mails).values(**values, token_hash=token_hash, created_at=now))
    old = select(mails.c.id).where(mails.c.expires_at < now).limit(_OLD_AT_ONCE)
    await session.execute(delete(mails).where(mails.c.id.in_(old.with_for_update(skip_locked=True))))


async def usable(session: Session, mail_id: UUID) -> MailRecord | None:
    """Return a mail of an account whose token can still be used, None if there is none."""
    chosen = select(*_MAIL).where(mails.c.id == mail_id, mails.c.user_id.is_not(None))
    return record_or_none(MailRecord, await session.fetch_one(chosen.where(*_usable(session.clock.now()))))


async def of_token(session: Session, token_hash: bytes, kind: Kind) -> MailRecord | None:
    """Return the mail whose token has this hash, unless it has expired; it may be used."""
    not_expired = mails.c.expires_at > session.clock.now()
    chosen = select(*_MAIL).where(*_with_token(token_hash, kind), not_expired)
    return record_or_none(MailRecord, await session.fetch_one(chosen))


async def use(session: Session, mail: MailRecord) -> bool:
    """Use the token of a mail, and with it all of this kind that the account has; return whether it
    succeeded: a token is used once.
    """
    now = session.clock.now()
    own = (mails.c.id == mail.id) & mails.c.used_at.is_(None)
    if await session.execute(update(mails).where(own).values(used_at=now)) == 0:
        return False
    others = (mails.c.user_id == mail.user_id) & (mails.c.kind == mail.kind) & mails.c.used_at.is_(None)
    await session.execute(update(mails).where(others).values(used_at=now))
    return True


def _usable(now: datetime) -> list[ColumnElement[bool]]:
    return [mails.c.used_at.is_(None), mails.c.expires_at > now]


def _with_token(token_hash: bytes, kind: Kind) -> list[ColumnElement[bool]]:
    return [mails.c.token_hash == token_hash, mails.c.kind == kind]
