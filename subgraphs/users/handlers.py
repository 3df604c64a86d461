"""The use cases of the users service: the handlers of its commands."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid4

from subgraphs.kit import checks
from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.errors import Conflict, Forbidden, NotFound, RateLimited, Unauthenticated
from subgraphs.kit.messages import Command
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.users import model, store
from subgraphs.users.messages import (
    ChangePassword,
    LogIn,
    Register,
    SetActive,
    UpdateProfile,
    UserRegistered,
    UserUpdated,
)
from subgraphs.users.model import Account
from subgraphs.users.passwords import Passwords

PASSWORDS: Final = Passwords()


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
    return await _account(uow, user_id)


async def log_in(uow: UnitOfWork, command: LogIn) -> Account:
    """Return the account with this name (or email address) and password.

    Raises RateLimited after too many attempts, Forbidden for a deactivated account, and Unauthenticated if
    name or password is wrong; the error does not say which, so that nobody can find out names.
    """
    login = checks.text(command.login, "login", 255)
    limits = model.login_limits(login, command.address)
    attempt_ids = await _attempt(uow, limits)
    user = await store.credentials(uow.database, login)
    if not await PASSWORDS.matches(user.password_hash if user else None, command.password) or user is None:
        raise Unauthenticated("The name or the password is wrong")
    account = await _account(uow, user.id)
    if not account.is_active:
        raise Forbidden("This account is deactivated: ask an admin to activate it")
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
    limits = model.login_limits(f"password of {command.user_id}", command.address)
    attempt_ids = await _attempt(uow, limits)
    user = await store.credentials_of(uow.database, command.user_id)
    if user is None or not await PASSWORDS.matches(user.password_hash, command.current_password):
        raise Forbidden("'currentPassword' is wrong", field="currentPassword")
    password = model.password(command.new_password, "newPassword", user.username, user.email)
    await store.change(uow, command.user_id, password_hash=await PASSWORDS.hash(password))
    await store.delete_attempts(uow, _of_account(limits), attempt_ids)
    return await _account(uow, command.user_id)


async def set_active(uow: UnitOfWork, command: SetActive) -> Account:
    """Activate or deactivate an account. Raises NotFound."""
    if not await store.change(uow, command.user_id, is_active=command.is_active):
        raise NotFound(f"There is no user with the id {command.user_id}")
    return await _changed(uow, command.user_id)


async def _attempt(uow: UnitOfWork, limits: Mapping[str, int]) -> list[int]:
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
    return [subject for subject in limits if subject.startswith("account:")]


async def _changed(uow: UnitOfWork, user_id: UUID) -> Account:
    account = await _account(uow, user_id)
    uow.emit(
        UserUpdated(
            user_id=account.id,
            username=account.username,
            user_type=account.user_type,
            is_active=account.is_active,
        )
    )
    return account


async def _account(uow: UnitOfWork, user_id: UUID) -> Account:
    if (account := await store.account(uow, user_id)) is None:
        raise NotFound(f"There is no user with the id {user_id}")
    return account


def _taken(field: str) -> Conflict:
    taken = "name" if field == "username" else "email address"
    return Conflict(f"The {taken} is taken by another user: choose another one", field=field)


COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {
    Register: register,
    LogIn: log_in,
    UpdateProfile: update_profile,
    ChangePassword: change_password,
    SetActive: set_active,
}
