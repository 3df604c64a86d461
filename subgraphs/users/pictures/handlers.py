"""The use cases of pictures: a user uploads one, or removes it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog

from subgraphs.kit import mutation_keys
from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.errors import Forbidden, NotFound
from subgraphs.kit.messages import Command
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.users import handlers, session_store, store
from subgraphs.users.model import Account
from subgraphs.users.pictures import records
from subgraphs.users.pictures.messages import RemovePicture, SetPicture
from subgraphs.users.pictures.stores import PictureStore, StoreUnavailable

log = structlog.get_logger("subgraphs.pictures")
_MUTATION = "uploadProfilePicture"


class PictureHandlers:
    """Handlers of the commands about pictures; `store` has the files."""

    def __init__(self, store: PictureStore) -> None:
        self._store = store

    async def set_picture(self, uow: UnitOfWork, command: SetPicture) -> Account:
        """Store a picture, then give it to the user, once for a key.

        The file is put before the transaction begins: a slow store occupies no connection to the database. If
        the rest fails, the cleaner deletes the file. Of the table `pictures` the transaction changes only the
        row of the replaced one (by a trigger): two rows in any order could be a deadlock. Raises NotFound,
        Forbidden for a closed account, and StoreUnavailable.
        """
        user_id, name, key = command.user_id, command.picture.name, command.idempotency_key
        given = {"picture": name}
        if await mutation_keys.is_repeated(uow.database, key, str(user_id), _MUTATION, given):
            return await handlers.account_of(uow, user_id)
        upload_id = await self._put(uow, command)
        await _lock_open_account(uow, command)
        await records.end_upload(uow, upload_id)
        if await handlers.claim(uow, key, user_id, _MUTATION, **given):
            return await handlers.account_of(uow, user_id)
        await store.change_profile(uow, user_id, {"picture": name, "profile_picture_url": None})
        return await handlers.changed(uow, user_id)

    async def _put(self, uow: UnitOfWork, command: SetPicture) -> UUID:
        """Put the file, and return the id of the upload, which ends with the transaction of the change."""
        async with UnitOfWork(uow.database) as beginning:
            upload_id = await records.begin_upload(beginning, command.picture.name)
        try:
            await self._store.put(command.picture)
            return upload_id
        except StoreUnavailable as error:
            log.warning("a picture cannot be stored", reason=error.reason)
            raise

    def by_command(self) -> Mapping[type[Command[Any]], CommandHandler]:
        """Return the handlers of all commands about pictures."""
        return {SetPicture: self.set_picture, RemovePicture: remove_picture}


async def remove_picture(uow: UnitOfWork, command: RemovePicture) -> Account:
    """Remove a user's picture, once for a key; the cleaner deletes its file. Raises NotFound."""
    user_id, key = command.user_id, command.idempotency_key
    if not await handlers.claim(uow, key, user_id, "removeProfilePicture"):
        known = await handlers.account_of(uow, user_id)
        if known.picture is not None or known.profile_picture_url is not None:
            await store.change_profile(uow, user_id, {"picture": None, "profile_picture_url": None})
            return await handlers.changed(uow, user_id)
    return await handlers.account_of(uow, user_id)


async def _lock_open_account(uow: UnitOfWork, command: SetPicture) -> None:
    """Lock an account, so that it is not closed before its picture is there.

    Raises NotFound, and Forbidden for a closed one.
    """
    login = await session_store.lock_login(uow, command.user_id)
    if login is None:
        raise NotFound(f"There is no user with the id {command.user_id}")
    if not login.is_active:
        raise Forbidden("This account is deactivated: ask an admin to activate it")
