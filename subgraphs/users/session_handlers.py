"""The use cases of sessions: they are opened by a log-in, refreshed, listed, and ended in several ways."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.errors import Forbidden, NotFound
from subgraphs.kit.idempotency_keys import checked
from subgraphs.kit.identity import TokenSigner
from subgraphs.kit.messages import Command
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.users import handlers, mail_handlers, session_store, store
from subgraphs.users.mail_handlers import MailHandlers
from subgraphs.users.mail_messages import ConfirmEmail, RequestConfirmation, RequestReset, ResetPassword
from subgraphs.users.messages import ChangePassword, LogIn, Register
from subgraphs.users.model import Account, Taken, WrongCredentials, client_network
from subgraphs.users.session_messages import (
    CloseAccount,
    EndSession,
    LogOut,
    LogOutEverywhere,
    RefreshSession,
)
from subgraphs.users.session_model import Client, OpenedSession, SessionRecord, hash_of, new_secret


class SessionHandlers:
    """Handlers that issue tokens: `signer` signs access tokens; a session not used for `lifetime` expires."""

    def __init__(self, signer: TokenSigner, lifetime: timedelta, mail: MailHandlers) -> None:
        self._signer = signer
        self._lifetime = lifetime
        self._mail = mail

    async def register(self, uow: UnitOfWork, command: Register) -> OpenedSession:
        """Create an account (see `handlers.register`), open its first session, and have its address
        confirmed; open only a session if an earlier call with the same key has created the account.
        """
        try:
            account = await handlers.register(uow, command)
        except Taken:
            if (known := await handlers.registered_before(uow, command)) is None:
                raise
            return await self._open(uow, known, command.client)
        await self._mail.send(uow, account.id, "confirm_email", account.email)
        return await self._open(uow, account, command.client)

    async def log_in(self, uow: UnitOfWork, command: LogIn) -> OpenedSession:
        """Open a session for an account's name and password (see `handlers.log_in`)."""
        command.client.device_name()
        account = await handlers.log_in(uow, command)
        await handlers.claim(uow, command.idempotency_key, account.id, "logIn")
        return await self._open(uow, account, command.client)

    async def change_password(self, uow: UnitOfWork, command: ChangePassword) -> OpenedSession:
        """Replace a user's password (see `handlers.change_password`), end all sessions, and open one; open
        only a session if an earlier call with the same key has replaced the password.
        """
        user_id, client, key = command.user_id, command.client, command.idempotency_key
        try:
            account = await handlers.change_password(uow, command)
        except WrongCredentials:
            known = await handlers.changed_before(uow, user_id, command.new_password, client, key)
            if known is None or not await handlers.claim(uow, key, user_id, "changePassword"):
                raise
            return await self._open(uow, known, client)
        await session_store.end_all(uow, account.id, "password")
        return await self._open(uow, account, command.client)

    async def reset_password(self, uow: UnitOfWork, command: ResetPassword) -> OpenedSession:
        """Replace a forgotten password (see `mail_handlers.reset`), and open a session."""
        command.client.device_name()
        return await self._open(uow, await mail_handlers.reset(uow, command), command.client)

    async def refresh(self, uow: UnitOfWork, command: RefreshSession) -> OpenedSession | None:
        """Issue new tokens for a refresh token, which cannot be used again; return None if it is not valid.

        A second use ends the session, because one of the two users has copied the token, unless it is a
        repetition with the same idempotency key at once. It is no error, so that the transaction with the end
        of the session is committed.
        """
        key_hash = hash_of(checked(key)) if (key := command.idempotency_key) is not None else None
        token_hash, now = hash_of(command.refresh_token), uow.clock.now()
        known = await session_store.lock_refresh_token(uow, token_hash)
        if known is None or known.ended_at is not None or known.expires_at <= now:
            return None
        if known.used_at is not None and not known.may_be_repeated(key_hash, now):
            await session_store.end(uow, known.user_id, known.session_id, "reused")
            return None
        account = await store.account(uow, known.user_id)
        if account is None or not account.is_active:
            return None
        await session_store.use(uow, token_hash, known.session_id, now + self._lifetime, key_hash)
        return await self._issue(uow, account, known.session_id, None)

    async def _open(self, uow: UnitOfWork, account: Account, client: Client) -> OpenedSession:
        now = uow.clock.now()
        device_token = await _device_token(uow, account.id, client)
        record = SessionRecord(uuid4(), account.id, client.device_name(), now, now, now + self._lifetime)
        await session_store.add(uow, record, client_network(client.address))
        return await self._issue(uow, account, record.id, device_token)

    async def _issue(
        self, uow: UnitOfWork, account: Account, session_id: UUID, device_token: str | None
    ) -> OpenedSession:
        access, refresh = self._signer.sign(account.id, account.user_type, session_id), new_secret()
        await session_store.add_refresh_token(uow, hash_of(refresh), session_id, access.id, access.expires_at)
        return OpenedSession(account, access, refresh, uow.clock.now() + self._lifetime, device_token)

    def by_command(self) -> Mapping[type[Command[Any]], CommandHandler]:
        """Return the handlers of all commands about sessions and e-mail."""
        return {
            Register: self.register,
            LogIn: self.log_in,
            ChangePassword: self.change_password,
            ResetPassword: self.reset_password,
            RefreshSession: self.refresh,
            RequestConfirmation: self._mail.request_confirmation,
            RequestReset: self._mail.request_reset,
            ConfirmEmail: mail_handlers.confirm,
            LogOut: log_out,
            LogOutEverywhere: log_out_everywhere,
            EndSession: end_session,
            CloseAccount: close_account,
        }


async def log_out(uow: UnitOfWork, command: LogOut) -> bool:
    """End the caller's session; without one, revoke the caller's token."""
    ended = command.session_id or command.token_id
    await handlers.claim(uow, command.idempotency_key, command.user_id, "logOut", ended=ended)
    if command.session_id is not None:
        return await session_store.end(uow, command.user_id, command.session_id, "log_out")
    await session_store.revoke_token(uow, command.token_id)
    return False


async def log_out_everywhere(uow: UnitOfWork, command: LogOutEverywhere) -> int:
    """End all sessions of a user, once for a key: later ones stay open."""
    if await handlers.claim(uow, command.idempotency_key, command.user_id, "logOutEverywhere"):
        return 0
    return await session_store.end_all(uow, command.user_id, "log_out")


async def end_session(uow: UnitOfWork, command: EndSession) -> SessionRecord:
    """End one of the caller's sessions. Raises NotFound, also for sessions of others."""
    user_id, session_id = command.user_id, command.session_id
    repeated = await handlers.claim(uow, command.idempotency_key, user_id, "endSession", id=session_id)
    ended = await session_store.end(uow, user_id, session_id, "ended")
    record = await session_store.find(uow, user_id, session_id) if ended or repeated else None
    if record is None:
        raise NotFound(f"You have no open session with the id {session_id}")
    return record


async def close_account(uow: UnitOfWork, command: CloseAccount) -> Account:
    """Close the caller's account.

    Raises WrongCredentials, Forbidden for admins (another admin closes their accounts), RateLimited.
    """
    account = await handlers.check_password(
        uow, command.user_id, command.password, command.client, "password"
    )
    if account.user_type == "admin":
        raise Forbidden("The account of an admin can be closed by another admin only")
    await handlers.claim(uow, command.idempotency_key, command.user_id, "closeAccount")
    return await handlers.close(uow, account.id, command.user_id)


async def _device_token(uow: UnitOfWork, user_id: UUID, client: Client) -> str:
    """Return the token by which the client's device is known, a new one unless the client has sent it."""
    if client.device_token:
        token_hash = hash_of(client.device_token)
        known = await session_store.known_device(uow, user_id, token_hash, client.address)
        if known.device_id is not None:
            await session_store.use_device(uow, known.device_id)
            return client.device_token
    created = new_secret()
    await session_store.add_device(uow, uuid4(), user_id, hash_of(created))
    return created
