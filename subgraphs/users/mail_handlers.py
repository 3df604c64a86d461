"""The use cases of e-mail with tokens: confirm an address, choose a new password.

The answer to a request for a new password, and the work for it, are the same whether an account has the
address or not: nobody can find out addresses.
"""

from uuid import UUID, uuid4

from subgraphs.kit import checks, mutation_keys
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.users import handlers, mail_model, mail_store, model, session_store, store
from subgraphs.users.mail_messages import (
    ConfirmEmail,
    RequestConfirmation,
    RequestReset,
    ResetPassword,
)
from subgraphs.users.mail_model import LIFETIMES, Kind, MailRecord, MailTokens
from subgraphs.users.messages import AccountMailRequested
from subgraphs.users.model import Account
from subgraphs.users.session_model import Client, hash_of


class MailHandlers:
    """Handlers of the commands about mail; `tokens` computes the tokens in it."""

    def __init__(self, tokens: MailTokens) -> None:
        self._tokens = tokens

    async def send(self, uow: UnitOfWork, user_id: UUID | None, kind: Kind, email: str) -> None:
        """Store a mail, and publish that it is to be sent. `user_id`: None if no account has the address."""
        mail_id, expires_at = uuid4(), uow.clock.now() + LIFETIMES[kind]
        record = MailRecord(mail_id, user_id, kind, email, expires_at, None)
        await mail_store.add(uow, record, hash_of(self._tokens.token(mail_id)))
        uow.emit(AccountMailRequested(mail_id=mail_id, user_id=user_id, kind=kind, expires_at=expires_at))

    async def request_confirmation(self, uow: UnitOfWork, command: RequestConfirmation) -> bool:
        """Send the mail to confirm the caller's address, once for a key. Raises RateLimited, NotFound."""
        account = await handlers.account_of(uow, command.user_id)
        if account.email_confirmed_at is not None:
            return False
        await _count(uow, account.email, command.client)
        key, mutation = command.idempotency_key, "requestEmailConfirmation"
        if not await handlers.claim(uow, key, account.id, mutation):
            await self.send(uow, account.id, "confirm_email", account.email)
        return True

    async def request_reset(self, uow: UnitOfWork, command: RequestReset) -> str:
        """Send the mail to choose a new password, once for a key, if an open account has the address.

        Raises BadUserInput for a text that is no address, and RateLimited.
        """
        email = checks.email(command.email)
        await _count(uow, email, command.client)
        key, mutation = command.idempotency_key, "requestPasswordReset"
        if not await mutation_keys.claim(uow, key, email.lower(), mutation, {}):
            account = await store.open_account_with(uow, email)
            await self.send(uow, account, "reset_password", email)
        return email


async def confirm(uow: UnitOfWork, command: ConfirmEmail) -> Account:
    """Confirm an account's address; change nothing if an earlier call with the same key has confirmed it.

    Raises BadUserInput for a token that cannot be used.
    """
    mail = await _mail_of(uow, command.token, "confirm_email")
    account = await store.account(uow, mail.user_id) if mail.user_id else None
    if account is None or account.email.lower() != mail.email.lower():
        raise mail_model.wrong_token()
    if await _claim(uow, command.idempotency_key, mail, "confirmEmail"):
        return account
    if not await mail_store.use(uow, mail):
        raise mail_model.wrong_token()
    await store.change(uow, account.id, email_confirmed_at=uow.clock.now())
    return await handlers.account_of(uow, account.id)


async def reset(uow: UnitOfWork, command: ResetPassword) -> Account:
    """Replace the password of the account to which a mail was sent, and return the account.

    All its sessions end, its devices are forgotten, and its address is confirmed: its user has read the mail.
    Nothing changes if an earlier call with the same key has replaced the password. Raises BadUserInput for a
    token that cannot be used, which stays usable after a bad password, and RateLimited.
    """
    mail = await _mail_of(uow, command.token, "reset_password")
    account = await store.account(uow, mail.user_id) if mail.user_id else None
    if account is None or not account.is_active:
        raise mail_model.wrong_token()
    if mail.used_at is not None:
        return await _reset_before(uow, command, mail, account.id)
    password = model.password(command.new_password, "newPassword", account.username, account.email)
    hashed = await handlers.PASSWORDS.hash(password)
    await _claim(uow, command.idempotency_key, mail, "resetPassword")
    if not await mail_store.use(uow, mail):
        raise mail_model.wrong_token()
    await store.change(uow, account.id, password_hash=hashed, email_confirmed_at=uow.clock.now())
    await session_store.end_all(uow, account.id, "password")
    await session_store.forget_devices(uow, account.id)
    return await handlers.account_of(uow, account.id)


async def _reset_before(uow: UnitOfWork, command: ResetPassword, mail: MailRecord, user_id: UUID) -> Account:
    """Return the account whose password an earlier call with the same key has replaced.

    Raises BadUserInput if none has, and RateLimited.
    """
    key, password = command.idempotency_key, command.new_password
    known = await handlers.changed_before(uow, user_id, password, command.client, key)
    if known is None or not await _claim(uow, key, mail, "resetPassword"):
        raise mail_model.wrong_token()
    return known


async def _claim(uow: UnitOfWork, key: str | None, mail: MailRecord, mutation: str) -> bool:
    """Record that the reader of a mail uses an idempotency key; return whether it is a repetition."""
    return await mutation_keys.claim(uow, key, str(mail.id), mutation, {})


async def _mail_of(uow: UnitOfWork, token: str, kind: Kind) -> MailRecord:
    """Return the mail with a token of this kind, which may be used. Raises BadUserInput if it has expired."""
    if (mail := await mail_store.of_token(uow.database, hash_of(token), kind)) is None:
        raise mail_model.wrong_token()
    return mail


async def _count(uow: UnitOfWork, email: str, client: Client) -> None:
    """Count a request for mail to an address. Raises RateLimited."""
    limits = mail_model.mail_limits(email, model.client_network(client.address))
    await handlers.count_attempt(uow, limits)
