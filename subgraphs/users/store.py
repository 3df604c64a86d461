"""The SQL statements of the users service; its tables are in `tables`.

Names and addresses match in any case.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Select,
    Text,
    any_,
    delete,
    func,
    literal,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from subgraphs.kit.database import Session, among_ids
from subgraphs.kit.pagination import Order, Page
from subgraphs.kit.records import count, record_or_none, records
from subgraphs.users.model import Account, Credentials
from subgraphs.users.tables import attempts, profiles, users

NEWEST = Order("users:newest", users.c.created_at, datetime, users.c.id, descending=True)
_ACCOUNT = [
    *[column for column in users.c if column.name != "password_hash"],
    *[column for column in profiles.c if column.name != "user_id"],
]
_accounts = select(*_ACCOUNT).select_from(users.outerjoin(profiles, profiles.c.user_id == users.c.id))
_credentials = select(users.c.id, users.c.username, users.c.email, users.c.password_hash)
_BY_IDS = _accounts.where(among_ids(users.c.id))


async def accounts_by_ids(session: Session, ids: Sequence[UUID]) -> dict[UUID, Account]:
    """Return the accounts with these ids, by id, with one statement."""
    accounts = records(Account, await session.fetch_all(_BY_IDS, ids=ids))
    return {account.id: account for account in accounts}


async def account(session: Session, user_id: UUID) -> Account | None:
    """Return the account with this id, None if it does not exist."""
    return (await accounts_by_ids(session, [user_id])).get(user_id)


async def page_of_accounts(session: Session, page: Page, conditions: Sequence[Any]) -> list[Account]:
    """Return the accounts of a page, and one more if there is a next page."""
    return records(Account, await session.fetch_all(page.select(_accounts.where(*conditions))))


async def count_accounts(session: Session, conditions: Sequence[Any]) -> int:
    """Return the number of accounts that fulfil the conditions."""
    return await count(session, users, conditions)


def conditions(user_type: str | None, search: str | None, *, for_admin: bool) -> list[Any]:
    """Return the SQL conditions for a list of users.

    `user_type`: None: all types. `search`: a part of the user name, for admins also a whole email address.
    Only for admins the list contains deactivated accounts and admins.
    """
    clauses: list[Any] = []
    if user_type:
        clauses.append(users.c.user_type == user_type)
    if not for_admin:
        clauses += [users.c.is_active, users.c.user_type != "admin"]
    if search:
        in_name = func.lower(users.c.username).contains(search.lower(), autoescape=True)
        clauses.append(in_name | (func.lower(users.c.email) == search.lower()) if for_admin else in_name)
    return clauses


async def add(session: Session, values: Mapping[str, Any]) -> bool:
    """Insert a user with an empty profile; return False if another user has the name or email address."""
    if not await session.execute(insert(users).values(**values).on_conflict_do_nothing()):
        return False
    await session.execute(insert(profiles).values(user_id=values["id"], preferences={}))
    return True


async def taken(session: Session, username: str, email: str) -> list[str]:
    """Return which of the name ("username") and the address ("email") other users have."""
    wanted = {"username": (users.c.username, username), "email": (users.c.email, email)}
    found = [
        select(literal(field).label("field")).where(_is(column, value)).select_from(users)
        for field, (column, value) in wanted.items()
    ]
    fields = {row.field for row in await session.fetch_all(union_all(*found))}
    return [field for field in wanted if field in fields]


async def credentials(session: Session, login: str) -> Credentials | None:
    """Return the credentials of the user with this name or email address, None if there is none."""
    column = users.c.email if "@" in login else users.c.username
    return record_or_none(Credentials, await session.fetch_one(_credentials.where(_is(column, login))))


async def credentials_of(session: Session, user_id: UUID) -> Credentials | None:
    """Return the credentials of a user, None if the user does not exist."""
    return record_or_none(Credentials, await session.fetch_one(_credentials.where(users.c.id == user_id)))


async def open_account_with(session: Session, email: str) -> UUID | None:
    """Return the id of the account with this email address, None if there is none or it is closed."""
    chosen = select(users.c.id).where(_is(users.c.email, email), users.c.is_active)
    found: UUID | None = await session.fetch_value(chosen)
    return found


async def change(session: Session, user_id: UUID, **values: Any) -> bool:
    """Change columns of a user, `values` by name; return False if the user does not exist."""
    changed = update(users).where(users.c.id == user_id).values(**values, updated_at=func.now())
    return await session.execute(changed) == 1


async def change_profile(session: Session, user_id: UUID, values: Mapping[str, Any]) -> None:
    """Change columns of a user's profile; `values`: the new values by column."""
    if values:
        added = insert(profiles).values(**{"user_id": user_id, "preferences": {}, **values})
        await session.execute(added.on_conflict_do_update(index_elements=["user_id"], set_=dict(values)))


async def attempt(session: Session, limits: Mapping[str, int], window: timedelta) -> tuple[list[int], int]:
    """Record an attempt to log in for each subject in `limits`, unless one of them has reached its limit.

    `limits`: the allowed attempts within `window`, by subject (`model.login_limits`). Returns the ids of the
    new rows and 0; or, at a limit, no ids and the seconds to wait. Locks on the subjects, acquired in sorted
    order, serialise attempts on the same account, so that concurrent attempts cannot exceed a limit.
    """
    subjects = sorted(limits)
    await session.execute(_LOCK.bindparams(subjects=subjects))
    await session.execute(delete(attempts).where(attempts.c.id.in_(_old(window))))
    rows = await session.fetch_all(_recent(subjects, window))
    waits = [_seconds_left(row.oldest, window) for row in rows if row.total >= limits[row.subject]]
    if waits:
        return [], max(waits)
    added = insert(attempts).values([{"subject": subject} for subject in subjects]).returning(attempts.c.id)
    return [row.id for row in await session.fetch_all(added)], 0


async def delete_attempts(session: Session, subjects: Collection[str], ids: Collection[int]) -> None:
    """Delete all attempts of these subjects, and the attempts with these ids."""
    singles = attempts.c.id == any_(literal(list(ids), ARRAY(BigInteger)))
    await session.execute(delete(attempts).where(_among(subjects) | singles))


_LOCK = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(subject, 0)) "
    "FROM (SELECT unnest(CAST(:subjects AS text[])) AS subject ORDER BY 1) AS sorted"
)


def _old(window: timedelta) -> Select[Any]:
    """Return the SELECT of the ids of up to 100 attempts that are older than `window`.

    Rows that a concurrent log-in deletes are skipped.
    """
    old = (
        select(attempts.c.id)
        .where(attempts.c.attempted_at < func.now() - window)
        .order_by(attempts.c.attempted_at)
    )
    return old.limit(100).with_for_update(skip_locked=True)


def _recent(subjects: list[str], window: timedelta) -> Select[Any]:
    age = func.extract("epoch", func.clock_timestamp() - func.min(attempts.c.attempted_at))
    statement = select(attempts.c.subject, func.count().label("total"), age.label("oldest"))
    recent = attempts.c.attempted_at >= func.now() - window
    return statement.where(_among(subjects), recent).group_by(attempts.c.subject)


def _among(subjects: Collection[str]) -> ColumnElement[bool]:
    return attempts.c.subject == any_(literal(list(subjects), ARRAY(Text)))


def _seconds_left(age: Any, window: timedelta) -> int:
    return max(1, int(window.total_seconds() - float(age)) + 1)


def _is(column: Column[Any], value: str) -> Any:
    return func.lower(column) == value.lower()
