"""The SQL statements of sessions, refresh tokens and revocations; their tables are in `session_tables`.

Times are those of the service's clock, because a token's times are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Table, delete, false, insert, select, update

from subgraphs.kit.database import Session
from subgraphs.kit.identity import LONGEST_LIFETIME_SECONDS
from subgraphs.kit.records import record_or_none, records
from subgraphs.users.model import KnownDevice
from subgraphs.users.session_model import (
    JUST_BEFORE,
    MAX_KNOWN_DEVICES,
    REPEATABLE,
    EndReason,
    SessionRecord,
)
from subgraphs.users.session_tables import devices, refresh_tokens, revocations, sessions
from subgraphs.users.tables import users

REVOCATIONS_LAST: Final = timedelta(seconds=LONGEST_LIFETIME_SECONDS + 3600)
_SESSION: Final = [sessions.c[item.name] for item in fields(SessionRecord)]
_OLD_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Login:
    """What must still hold of an account when a session is opened or refreshed."""

    password_hash: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class RefreshRecord:
    """A refresh token with its session, locked until the end of the transaction."""

    session_id: UUID
    user_id: UUID
    used_at: datetime | None
    used_with: bytes | None
    ended_at: datetime | None
    expires_at: datetime

    def may_be_repeated(self, key_hash: bytes | None, now: datetime) -> bool:
        """Return whether a second use with this idempotency key at the time `now` is a repetition of the
        first one, whose answer the client did not get.
        """
        return (
            self.used_at is not None
            and now < self.used_at + REPEATABLE
            and key_hash is not None
            and key_hash == self.used_with
        )


async def lock_login(session: Session, user_id: UUID) -> Login | None:
    """Return an account's password hash and state; neither changes until the end of the transaction."""
    chosen = select(users.c.password_hash, users.c.is_active).where(users.c.id == user_id)
    return record_or_none(Login, await session.fetch_one(chosen.with_for_update(key_share=True)))


async def add(session: Session, record: SessionRecord, address: str | None) -> None:
    """Insert a session; delete some that have expired."""
    values = {item.name: getattr(record, item.name) for item in fields(record)}
    await session.execute(insert(sessions).values(**values, address=address))
    await _delete_old(session, sessions, sessions.c.expires_at < session.clock.now())


async def add_refresh_token(
    session: Session, token_hash: bytes, session_id: UUID, access_token_id: str, access_expires_at: datetime
) -> None:
    """Insert a refresh token, and the access token that is issued with it."""
    await session.execute(
        insert(refresh_tokens).values(
            token_hash=token_hash,
            session_id=session_id,
            access_token_id=access_token_id,
            access_expires_at=access_expires_at,
        )
    )


async def lock_refresh_token(session: Session, token_hash: bytes) -> RefreshRecord | None:
    """Return a refresh token and its session, and lock the session: uses of its tokens are serialised."""
    joined = refresh_tokens.join(sessions, sessions.c.id == refresh_tokens.c.session_id)
    own = select(refresh_tokens.c.session_id).where(refresh_tokens.c.token_hash == token_hash)
    await session.execute(select(sessions.c.id).where(sessions.c.id.in_(own)).with_for_update())
    columns = [
        refresh_tokens.c.session_id,
        refresh_tokens.c.used_at,
        refresh_tokens.c.used_with,
        sessions.c.user_id,
        sessions.c.ended_at,
        sessions.c.expires_at,
    ]
    chosen = select(*columns).select_from(joined).where(refresh_tokens.c.token_hash == token_hash)
    return record_or_none(RefreshRecord, await session.fetch_one(chosen))


async def use(
    session: Session, token_hash: bytes, session_id: UUID, until: datetime, key_hash: bytes | None
) -> None:
    """Mark a refresh token as used, and its session as used now; it expires at `until`.

    `key_hash`: the hash of the idempotency key of the first use.
    """
    now = session.clock.now()
    token = (refresh_tokens.c.token_hash == token_hash) & refresh_tokens.c.used_at.is_(None)
    await session.execute(update(refresh_tokens).where(token).values(used_at=now, used_with=key_hash))
    used = update(sessions).where(sessions.c.id == session_id)
    await session.execute(used.values(last_used_at=now, expires_at=until))


async def open_sessions(session: Session, user_id: UUID) -> list[SessionRecord]:
    """Return a user's sessions that have neither ended nor expired, the last used first."""
    chosen = select(*_SESSION).where(*_is_open(user_id), sessions.c.expires_at > session.clock.now())
    newest = chosen.order_by(sessions.c.last_used_at.desc(), sessions.c.id).limit(100)
    return records(SessionRecord, await session.fetch_all(newest))


async def find(session: Session, user_id: UUID, session_id: UUID) -> SessionRecord | None:
    """Return a session of a user, also one that has ended; None if there is none."""
    own = (sessions.c.id == session_id) & (sessions.c.user_id == user_id)
    return record_or_none(SessionRecord, await session.fetch_one(select(*_SESSION).where(own)))


async def end(session: Session, user_id: UUID, session_id: UUID, reason: EndReason) -> bool:
    """End a user's session and revoke its access tokens; return False if it is not open."""
    if not await _end(session, [*_is_open(user_id), sessions.c.id == session_id], reason):
        return False
    now = session.clock.now()
    own = (refresh_tokens.c.session_id == session_id) & (refresh_tokens.c.access_expires_at > now)
    for row in await session.fetch_all(select(refresh_tokens.c.access_token_id).where(own)):
        await revoke_token(session, row.access_token_id)
    return True


async def end_all(session: Session, user_id: UUID, reason: EndReason) -> int:
    """End all sessions of a user and revoke all tokens that were issued until now; return how many ended."""
    ended = await _end(session, _is_open(user_id), reason)
    await _revoke(session, user_id=user_id, before=session.clock.now() - JUST_BEFORE)
    return ended


async def revoke_token(session: Session, token_id: str) -> None:
    """Revoke one access token."""
    await _revoke(session, token_id=token_id, before=session.clock.now())


async def known_device(
    session: Session, user_id: UUID | None, token_hash: bytes | None, address: str | None
) -> KnownDevice:
    """Return what is known of a client that logs in. `user_id`: None for a name that does not exist."""
    token = devices.c.token_hash == token_hash if token_hash is not None else false()
    device = select(devices.c.id).where(token, devices.c.user_id == user_id).scalar_subquery()
    place = (sessions.c.user_id == user_id) & (sessions.c.address == address)
    row = await session.fetch_one(
        select(device.label("device_id"), select(sessions.c.id).where(place).exists().label("knows_address"))
    )
    return KnownDevice(row.device_id, row.knows_address) if row is not None else KnownDevice()


async def add_device(session: Session, device_id: UUID, user_id: UUID, token_hash: bytes) -> None:
    """Insert a known device; a user has at most MAX_KNOWN_DEVICES, those that were used last."""
    now = session.clock.now()
    values = {"id": device_id, "user_id": user_id, "token_hash": token_hash, "last_used_at": now}
    await session.execute(insert(devices).values(**values))
    own = devices.c.user_id == user_id
    newest = select(devices.c.id).where(own).order_by(devices.c.last_used_at.desc())
    older = newest.offset(MAX_KNOWN_DEVICES)
    await session.execute(delete(devices).where(own, devices.c.id.in_(older)))


async def use_device(session: Session, device_id: UUID) -> None:
    """Mark a known device as used now."""
    used = update(devices).where(devices.c.id == device_id)
    await session.execute(used.values(last_used_at=session.clock.now()))


async def forget_devices(session: Session, user_id: UUID) -> None:
    """Delete all known devices of a user."""
    await session.execute(delete(devices).where(devices.c.user_id == user_id))


async def unpublished(session: Session, most: int) -> Sequence[Any]:
    """Return the oldest revocations that are not in Redis yet, and lock them."""
    waiting = revocations.c.published_at.is_(None)
    chosen = select(revocations).where(waiting).order_by(revocations.c.id).limit(most)
    return await session.fetch_all(chosen.with_for_update())


async def mark_published(session: Session, ids: Sequence[int]) -> None:
    """Mark revocations as published; delete some that have expired."""
    chosen = update(revocations).where(revocations.c.id.in_(ids))
    await session.execute(chosen.values(published_at=session.clock.now()))
    await _delete_old(session, revocations, revocations.c.expires_at < session.clock.now())


async def publish_again(session: Session) -> int:
    """Mark all revocations that are still needed as not published; return how many."""
    needed = (revocations.c.expires_at > session.clock.now()) & revocations.c.published_at.is_not(None)
    return await session.execute(update(revocations).where(needed).values(published_at=None))


def _is_open(user_id: UUID) -> list[ColumnElement[bool]]:
    return [sessions.c.user_id == user_id, sessions.c.ended_at.is_(None)]


async def _end(session: Session, conditions: Sequence[ColumnElement[bool]], reason: EndReason) -> int:
    now = session.clock.now()
    return await session.execute(update(sessions).where(*conditions).values(ended_at=now, end_reason=reason))


async def _revoke(session: Session, **values: Any) -> None:
    until = session.clock.now() + REVOCATIONS_LAST
    await session.execute(insert(revocations).values(**values, expires_at=until))


async def _delete_old(session: Session, table: Table, is_old: ColumnElement[bool]) -> None:
    """Delete a few old rows; those that a concurrent call deletes are skipped."""
    old = select(table.c.id).where(is_old).limit(_OLD_AT_ONCE).with_for_update(skip_locked=True)
    await session.execute(delete(table).where(table.c.id.in_(old)))
