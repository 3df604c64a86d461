"""The use cases of accounts: the handlers of the commands of the users service, and what they share.

`session_handlers` calls those that check a password, and opens a session for the account that they return.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid4

from subgraphs.kit import checks, mutation_keys
from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.errors import Forbidden, NotFound, RateLimited
from subgraphs.kit.messages import Command
from subgraphs.kit.records import values_of
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
from subgraphs.users.model import Account, Credentials, KnownDevice, Taken, WrongCredentials
from subgraphs.users.passwords import Passwords
from subgraphs.users.session_model import Client, hash_of

PASSWORDS: Final = Passwords()


async def register(uow: UnitOfWork, command: Register) -> Account:
    """Create an account with an empty profile.

    Raises Taken if other users have the name or address.
    """
    new = command.account
    if fields := await store.taken(uow.database, new.username, new.email):
        raise Taken(fields)
    user_id, hashed = uuid4(), await PASSWORDS.hash(new.password)
    await _claim_registration(uow, command)
    values = values_of(new, "username", "email", "user_type")
    if not await store.add(uow, {"id": user_id, **values, "password_hash": hashed}):
        raise Taken(await store.taken(uow, new.username, new.email) or ["username"])
    uow.emit(UserRegistered(user_id=user_id, username=new.username, user_type=new.user_type))
    return await account_of(uow, user_id)


async def registered_before(uow: UnitOfWork, command: Register) -> Account | None:
    """Return the account that an earlier call of a registration with the same key has created; None if
    another user has the name or the address.

    The password must be right: a key opens no account. Raises RateLimited after too many attempts.
    """
    new = command.account
    if command.idempotency_key is None:
        return None
    try:
        account = await log_in(uow, LogIn(new.username, new.password, command.client))
    except WrongCredentials:
        return None
    is_same = account.email.lower() == new.email.lower() and await _claim_registration(uow, command)
    return account if is_same else None


async def _claim_registration(uow: UnitOfWork, command: Register) -> bool:
    """Record that a registration uses its idempotency key; return whether it is a repetition."""
    values, email = values_of(command.account, "username", "email", "user_type"), command.account.email
    return await mutation_keys.claim(uow, command.idempotency_key, email.lower(), "register", values)


async def log_in(uow: UnitOfWork, command: LogIn) -> Account:
    """Return the account with this name (or email address) and password.

    Raises RateLimited after too many attempts, Forbidden for a deactivated account, and WrongCredentials if
    name or password is wrong.
    """
    login = checks.text(command.login, "login", 255)
    user = await store.credentials(uow.database, login)
    limits = await _limits(uow, login, user.id if user else None, command.client)
    attempt_ids = await count_attempt(uow, limits)
    if not await PASSWORDS.matches(user.password_hash if user else None, command.password) or user is None:
        raise WrongCredentials("password")
    await _lock(uow, user, "password")
    account = await account_of(uow, user.id)
    await store.delete_attempts(uow, _of_account(limits), attempt_ids)
    if PASSWORDS.is_outdated(user.password_hash):
        await store.change(uow, user.id, password_hash=await PASSWORDS.hash(command.password))
    return account


async def update_profile(uow: UnitOfWork, command: UpdateProfile) -> Account:
    """Change columns of a user's profile, once for a key."""
    key, user_id = command.idempotency_key, command.user_id
    if await claim(uow, key, user_id, "updateProfile", **command.changes):
        return await account_of(uow, user_id)
    changes = command.changes
    if model.PICTURE_URL in changes:
        changes = model.with_picture(changes, (await account_of(uow, user_id)).picture)
    await store.change_profile(uow, user_id, changes)
    return await changed(uow, user_id)


async def change_password(uow: UnitOfWork, command: ChangePassword) -> Account:
    """Replace a user's password. A wrong current password is counted like a failed log-in.

    Raises RateLimited after too many attempts, WrongCredentials, BadUserInput.
    """
    user = await check_password(
        uow, command.user_id, command.current_password, command.client, "currentPassword"
    )
    password = model.password(command.new_password, "newPassword", user.username, user.email)
    await claim(uow, command.idempotency_key, command.user_id, "changePassword")
    await store.change(uow, command.user_id, password_hash=await PASSWORDS.hash(password))
    return await account_of(uow, command.user_id)


async def changed_before(
    uow: UnitOfWork, user_id: UUID, password: str, client: Client, key: str | None
) -> Account | None:
    """Return the account whose password an earlier call with a key has already replaced by `password`; None
    if it is not the current one.

    Raises RateLimited after too many attempts.
    """
    if key is None:
        return None
    try:
        return await check_password(uow, user_id, password, client, "newPassword")
    except WrongCredentials:
        return None


async def check_password(
    uow: UnitOfWork, user_id: UUID, password: str, client: Client, field: str
) -> Account:
    """Return the account of a user who proves to be its owner by the password.

    `field`: the input field of the password. Raises RateLimited after too many attempts, and WrongCredentials
    for a wrong password.
    """
    limits = model.login_limits(f"password of {user_id}", client.address, KnownDevice())
    attempt_ids = await count_attempt(uow, limits)
    user = await store.credentials_of(uow.database, user_id)
    if user is None or not await PASSWORDS.matches(user.password_hash, password):
        raise WrongCredentials(field)
    await _lock(uow, user, field)
    await store.delete_attempts(uow, _of_account(limits), attempt_ids)
    return await account_of(uow, user_id)


async def set_active(uow: UnitOfWork, command: SetActive) -> Account:
    """Activate or deactivate an account, once for a key. Raises NotFound."""
    given = {"id": command.user_id, "is_active": command.is_active}
    if await claim(uow, command.idempotency_key, command.by, "setUserActive", **given):
        return await account_of(uow, command.user_id)
    if not command.is_active:
        return await close(uow, command.user_id, command.by)
    if not await store.change(uow, command.user_id, is_active=True):
        raise NotFound(f"There is no user with the id {command.user_id}")
    return await changed(uow, command.user_id)


async def close(uow: UnitOfWork, user_id: UUID, by: UUID) -> Account:
    """Close an account and end its sessions and tokens; return it. Raises NotFound.

    A closed account is not closed again: nothing is published.
    """
    if not (known := await account_of(uow, user_id)).is_active:
        return known
    await store.change(uow, user_id, is_active=False)
    await session_store.end_all(uow, user_id, "closed")
    account = await changed(uow, user_id)
    uow.emit(
        AccountClosed(user_id=user_id, username=account.username, user_type=account.user_type, closed_by=by)
    )
    return account


async def _limits(uow: UnitOfWork, login: str, user_id: UUID | None, client: Client) -> dict[str, int]:
    token_hash = hash_of(client.device_token) if client.device_token else None
    address = model.client_network(client.address)
    known = await session_store.known_device(uow.database, user_id, token_hash, address)
    return model.login_limits(login, client.address, known)


async def _lock(uow: UnitOfWork, user: Credentials, field: str) -> None:
    """Lock an account whose password was right, so that no session is opened with a password just replaced.

    `field`: the input field of the password. Raises WrongCredentials if the password was replaced meanwhile,
    and Forbidden for a closed account.
    """
    login = await session_store.lock_login(uow, user.id)
    if login is None or login.password_hash != user.password_hash:
        raise WrongCredentials(field)
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


async def claim(uow: UnitOfWork, key: str | None, user_id: UUID, mutation: str, **given: Any) -> bool:
    """Record that a user uses an idempotency key for a mutation; return whether it is a repetition.

    `given`: the input without secrets. Raises IdempotencyKeyReused (`kit/mutation_keys`), BadUserInput.
    """
    return await mutation_keys.claim(uow, key, str(user_id), mutation, given)


def _of_account(limits: Mapping[str, int]) -> list[str]:
    return [subject for subject in limits if subject.startswith(("account:", "device:"))]


async def changed(uow: UnitOfWork, user_id: UUID) -> Account:
    """Publish that an account or its profile was changed; return it. Raises NotFound."""
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


COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {
    UpdateProfile: update_profile,
    SetActive: set_active,
}
