"""The use cases of accounts: the handlers of the commands of the users service, and what they share.

`session_handlers` calls those that check a password, and opens a session for the account that they return.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid4

from subgraphs.kit import checks
from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.errors import Conflict, Forbidden, NotFound, RateLimited, Unauthenticated
from subgraphs.kit.messages import Command
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.users import model, session_store, store
from subgraphs.users.messages import (
    AccountClosed,
    ChangePassword,
    LogIn,
    Register,
    SetActive,
    UpdateProfile,
    UserRegistered,
    UserUpdated,
)
from subgraphs.users.model import Account, Credentials, KnownDevice
from subgraphs.users.passwords import Passwords
from subgraphs.users.session_model import Client, hash_of

PASSWORDS: Final = Passwords()
_WRONG: Final = "The name or the password is wrong"


async def register(uow: UnitOfWork, command: Register) -> Account:
    """Create an account with an empty profile.

    Raises BadUserInput, Forbidden for admins' accounts, and Conflict if another user has the name or address.
    """
    username, email = model.username(command.username), checks.email(command.email)
    user_type = model.open_type(command.user_type)
    password = model.password(command.password, "password", username, email)
    if field := await store.taken(uow.database, username, email):
        raise _taken(field)
    user_id = uuid4()
    values = {"id": user_id, "username": username, "email": email, "user_type": user_type}
    if not await store.add(uow, {**values, "password_hash": await PASSWORDS.hash(password)}):
        raise _taken(await store.taken(uow, username, email) or "username")
    uow.emit(UserRegistered(user_id=user_id, username=username, user_type=user_type))
    return await account_of(uow, user_id)


async def log_in(uow: UnitOfWork, command: LogIn) -> Account:
    """Return the account with this name (or email address) and password.

    Raises RateLimited after too many attempts, Forbidden for a deactivated account, and Unauthenticated if
    name or password is wrong; the error does not say which, so that nobody can find out names.
    """
    login = checks.text(command.login, "login", 255)
    user = await store.credentials(uow.database, login)
    limits = await _limits(uow, login, user.id if user else None, command.client)
    attempt_ids = await count_attempt(uow, limits)
    if not await PASSWORDS.matches(user.password_hash if user else None, command.password) or user is None:
        raise Unauthenticated(_WRONG)
    await _lock(uow, user)
    account = await account_of(uow, user.id)
    await store.delete_attempts(uow, _of_account(limits), attempt_ids)
    if PASSWORDS.is_outdated(user.password_hash):
        await store.change(uow, user.id, password_hash=await PASSWORDS.hash(command.password))
    return account


async def update_profile(uow: UnitOfWork, command: UpdateProfile) -> Account:
    """Change columns of a user's profile. Raises BadUserInput."""
    await store.change_profile(
        uow, command.user_id, model.profile_changes(command.changes, uow.clock.now().date())
    )
    return await _changed(uow, command.user_id)


async def change_password(uow: UnitOfWork, command: ChangePassword) -> Account:
    """Replace a user's password. A wrong current password is counted like a failed log-in.

    Raises RateLimited after too many attempts, Forbidden for a wrong current password, BadUserInput.
    """
    user = await check_password(
        uow, command.user_id, command.current_password, command.client, "currentPassword"
    )
    password = model.password(command.new_password, "newPassword", user.username, user.email)
    await store.change(uow, command.user_id, password_hash=await PASSWORDS.hash(password))
    return await account_of(uow, command.user_id)


async def check_password(
    uow: UnitOfWork, user_id: UUID, password: str, client: Client, field: str
) -> Account:
    """Return the account of a user who proves to be its owner by the password.

    `field`: the input field of the password. Raises RateLimited after too many attempts, and Forbidden for a
    wrong password.
    """
    limits = model.login_limits(f"password of {user_id}", client.address, KnownDevice())
    attempt_ids = await count_attempt(uow, limits)
    user = await store.credentials_of(uow.database, user_id)
    if user is None or not await PASSWORDS.matches(user.password_hash, password):
        raise Forbidden(f"'{field}' is wrong", field=field)
    await _lock(uow, user)
    await store.delete_attempts(uow, _of_account(limits), attempt_ids)
    return await account_of(uow, user_id)


async def set_active(uow: UnitOfWork, command: SetActive) -> Account:
    """Activate or deactivate an account. Raises NotFound."""
    if not command.is_active:
        return await close(uow, command.user_id, command.by)
    if not await store.change(uow, command.user_id, is_active=True):
        raise NotFound(f"There is no user with the id {command.user_id}")
    return await _changed(uow, command.user_id)


async def close(uow: UnitOfWork, user_id: UUID, by: UUID) -> Account:
    """Close an account and end its sessions and tokens; return it. Raises NotFound.

    A closed account is not closed again: nothing is published.
    """
    if not (known := await account_of(uow, user_id)).is_active:
        return known
    await store.change(uow, user_id, is_active=False)
    await session_store.end_all(uow, user_id, "closed")
    account = await _changed(uow, user_id)
    uow.emit(
        AccountClosed(user_id=user_id, username=account.username, user_type=account.user_type, closed_by=by)
    )
    return account


async def _limits(uow: UnitOfWork, login: str, user_id: UUID | None, client: Client) -> dict[str, int]:
    token_hash = hash_of(client.device_token) if client.device_token else None
    address = model.client_network(client.address)
    known = await session_store.known_device(uow.database, user_id, token_hash, address)
    return model.login_limits(login, client.address, known)


async def _lock(uow: UnitOfWork, user: Credentials) -> None:
    """Lock an account whose password was right, so that no session is opened with a password just replaced.

    Raises Unauthenticated if the password was replaced meanwhile, and Forbidden for a closed account.
    """
    login = await session_store.lock_login(uow, user.id)
    if login is None or login.password_hash != user.password_hash:
        raise Unauthenticated(_WRONG)
    if not login.is_active:
        raise Forbidden("This account is deactivated: ask an admin to activate it")


async def count_attempt(uow: UnitOfWork, limits: Mapping[str, int]) -> list[int]:
    """Record an attempt to log in; return the ids of its rows, to delete them if the log-in succeeds.

    It is a transaction of its own, so that a failed log-in does not roll it back. Raises RateLimited if one
    of the limits (attempts by subject) is reached.
    """
    async with UnitOfWork(uow.database) as counting:
        attempt_ids, seconds = await store.attempt(counting, limits, model.LOGIN_WINDOW)
    if seconds:
        raise RateLimited(f"Too many attempts: try again in {seconds} seconds", seconds)
    return attempt_ids


def _of_account(limits: Mapping[str, int]) -> list[str]:
    return [subject for subject in limits if subject.startswith(("account:", "device:"))]


async def _changed(uow: UnitOfWork, user_id: UUID) -> Account:
    account = await account_of(uow, user_id)
    uow.emit(
        UserUpdated(
            user_id=account.id,
            username=account.username,
            user_type=account.user_type,
            is_active=account.is_active,
        )
    )
    return account


async def account_of(uow: UnitOfWork, user_id: UUID) -> Account:
    """Return the account with this id. Raises NotFound."""
    if (account := await store.account(uow, user_id)) is None:
        raise NotFound(f"There is no user with the id {user_id}")
    return account


def _taken(field: str) -> Conflict:
    taken = "name" if field == "username" else "email address"
    return Conflict(f"The {taken} is taken by another user: choose another one", field=field)


COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {
    UpdateProfile: update_profile,
    SetActive: set_active,
}
