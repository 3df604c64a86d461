"""The SQL statements about the tables `pictures` (which files the store has, or may have) and
`picture_uploads` (who puts one at the moment).

The row of a picture is written before its file is put, and deleted after its file was deleted, so that no
file is forgotten, whatever fails in between. `check_at` is the time to look whether a profile has the
picture.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import text

from subgraphs.kit.unit_of_work import UnitOfWork

PUTTING: Final = timedelta(minutes=10)
"""How long a file stays that no profile has yet: much longer than an upload may take."""
LATER: Final = timedelta(minutes=1)
"""The pause before a deletion that has failed is repeated."""

# The update changes nothing, but waits for a cleaner that has locked the row.
_ADD: Final = text(
    """
INSERT INTO pictures (name, check_at) VALUES (:name, clock_timestamp() + :wait)
ON CONFLICT (name) DO UPDATE SET check_at = pictures.check_at
"""
)
_BEGIN: Final = text(
    """
WITH old AS (DELETE FROM picture_uploads WHERE expires_at < clock_timestamp())
INSERT INTO picture_uploads (id, name, expires_at) VALUES (:id, :name, clock_timestamp() + :wait)
"""
)
_END: Final = text("DELETE FROM picture_uploads WHERE id = :id")
_NEXT: Final = text(
    """
SELECT name FROM pictures
WHERE check_at <= clock_timestamp() AND NOT EXISTS (
    SELECT FROM picture_uploads WHERE name = pictures.name AND expires_at > clock_timestamp())
ORDER BY check_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""
)
_IS_USED: Final = text("SELECT EXISTS (SELECT FROM user_profiles WHERE picture = :name)")
_IS_PUT: Final = text(
    "SELECT EXISTS (SELECT FROM picture_uploads WHERE name = :name AND expires_at > clock_timestamp())"
)
_KEEP: Final = text("UPDATE pictures SET check_at = NULL WHERE name = :name")
_CHECK_LATER: Final = text("UPDATE pictures SET check_at = clock_timestamp() + :wait WHERE name = :name")
_FORGET: Final = text("DELETE FROM pictures WHERE name = :name")


async def begin_upload(uow: UnitOfWork, name: str) -> UUID:
    """Record that a file is about to be put; return the id of the upload.

    Waits while the cleaner deletes the same file.
    """
    upload_id = uuid4()
    await uow.execute(_ADD.bindparams(name=name, wait=PUTTING))
    await uow.execute(_BEGIN.bindparams(id=upload_id, name=name, wait=PUTTING))
    return upload_id


async def end_upload(uow: UnitOfWork, upload_id: UUID) -> None:
    """Record that the profile has the picture of an upload, or does not need it."""
    await uow.execute(_END.bindparams(id=upload_id))


async def next_due(uow: UnitOfWork) -> str | None:
    """Return a picture to look at, None if there is none.

    Until the end of the transaction nobody else can begin to upload it, nor make a profile refer to it.
    """
    name: str | None = await uow.fetch_value(_NEXT)
    return name


async def is_used(uow: UnitOfWork, name: str) -> bool:
    """Return whether any profile has a picture. Call it after `next_due`, which locks the picture."""
    return bool(await uow.fetch_value(_IS_USED, name=name))


async def is_being_put(uow: UnitOfWork, name: str) -> bool:
    """Return whether an upload of a picture has begun just before `next_due` has locked it."""
    return bool(await uow.fetch_value(_IS_PUT, name=name))


async def keep(uow: UnitOfWork, name: str) -> None:
    """Record that a profile has a picture: nobody looks at it again until the profile drops it."""
    await uow.execute(_KEEP.bindparams(name=name))


async def check_later(uow: UnitOfWork, name: str) -> None:
    """Look at a picture again after a while."""
    await uow.execute(_CHECK_LATER.bindparams(name=name, wait=LATER))


async def forget(uow: UnitOfWork, name: str) -> None:
    """Delete the row of a picture whose file is deleted."""
    await uow.execute(_FORGET.bindparams(name=name))
