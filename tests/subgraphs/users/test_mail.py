"""Tests of e-mail with tokens: to confirm an address, and to choose a new password."""

import itertools
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.identity import SERVICE
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, counted_statements

PASSWORD = "correct horse"
REGISTER = """mutation($input: RegisterInput!) {
  register(input: $input) { session { token refreshToken user { uuid emailConfirmed } } } }"""
LOG_IN = """mutation($input: LogInInput!) {
  logIn(input: $input) { session { token user { emailConfirmed } } userErrors { code } } }"""
REFRESH = "mutation($token: String!) { refreshSession(refreshToken: $token) { session { token } } }"
CONFIRM = """mutation($token: String!, $key: String) {
  confirmEmail(token: $token, idempotencyKey: $key) { user { username } userErrors { code field } } }"""
AGAIN = """mutation($key: String) {
  requestEmailConfirmation(idempotencyKey: $key) { isMailSent userErrors { code field } } }"""
FORGOT = """mutation($email: String!, $key: String) {
  requestPasswordReset(email: $email, idempotencyKey: $key) { email userErrors { code field } } }"""
RESET = """mutation($token: String!, $new: String!, $key: String) {
  resetPassword(token: $token, newPassword: $new, idempotencyKey: $key) {
    session { token user { uuid emailConfirmed } } userErrors { code field } } }"""
MAIL = "query($id: ID!) { accountMail(id: $id) { username email token } }"
CONTACTS = "query($ids: [ID!]!) { contacts(ids: $ids) { userId username email phone } }"
_numbers = itertools.count()


class Account:
    """An account, and the mail that is to be sent to it."""

    def __init__(self, client: Client, keys: SigningKeys, name: str, session: Any) -> None:
        self.client, self.name, self.session = client, name, session
        self.user = ApiUser.make(keys, user_id=UUID(session["user"]["uuid"]))
        self.mailer = ApiUser.make(keys, SERVICE)

    @property
    def email(self) -> str:
        """The address of the account."""
        return f"{self.name}@mail.example"

    async def mail_ids(self, kind: str) -> list[str]:
        """Return the ids of the mails in the published events, the newest last."""
        query = text(
            "SELECT payload->>'mail_id' AS mail_id FROM outbox WHERE event_type = 'AccountMailRequested'"
            " AND payload->>'kind' = :kind AND payload->>'user_id' = :user ORDER BY id"
        ).bindparams(kind=kind, user=str(self.user.id))
        return [row.mail_id for row in await self.client.service.database.fetch_all(query)]

    async def mailed(self, kind: str) -> str:
        """Return the token in the newest mail, as the notifications service asks for it."""
        mail_id = (await self.mail_ids(kind))[-1]
        mail = (await self.client.data(MAIL, self.mailer, id=mail_id))["accountMail"]
        assert (mail["username"], mail["email"]) == (self.name, self.email)
        return str(mail["token"])

    async def log_in(self, password: str) -> list[str]:
        """Return the codes of the errors of a log-in."""
        return await self.client.codes(LOG_IN, input={"login": self.name, "password": password})


@pytest.fixture
async def account(client: Client, keys: SigningKeys) -> Account:
    """A new account."""
    name = f"mailed{next(_numbers)}"
    given = {"username": name, "email": f"{name}@mail.example", "password": PASSWORD}
    return Account(client, keys, name, (await client.data(REGISTER, input=given))["register"]["session"])


async def test_an_address_is_confirmed_once(account: Account) -> None:
    """The mail of the registration has the token; it works once, and then no mail is sent again."""
    assert account.session["user"]["emailConfirmed"] is False
    token = await account.mailed("confirm_email")
    assert (await account.client.data(AGAIN, account.user))["requestEmailConfirmation"]["isMailSent"] is True
    newer = await account.mailed("confirm_email")
    assert newer != token
    confirmed = (await account.client.data(CONFIRM, token=token, key="once"))["confirmEmail"]
    assert confirmed["user"] == {"username": account.name}
    assert (await account.client.data(CONFIRM, token=token, key="once"))["confirmEmail"] == confirmed
    for used, key in ((token, None), (token, "other"), (newer, None), (newer, "once")):
        mistakes = await account.client.mistakes(CONFIRM, token=used, key=key)
        assert mistakes == [("BAD_USER_INPUT", "token")]
    assert (await account.client.data("{ me { emailConfirmed } }", account.user))["me"]["emailConfirmed"]
    assert (await account.client.data(AGAIN, account.user))["requestEmailConfirmation"]["isMailSent"] is False
    for mail_id in await account.mail_ids("confirm_email"):
        assert await account.client.data(MAIL, account.mailer, id=mail_id) == {"accountMail": None}


async def test_a_forgotten_password(account: Account) -> None:
    """The token replaces the password once; all sessions end, and the answer has a new one."""
    for _ in range(2):
        asked = await account.client.data(FORGOT, email=account.email.upper(), key="asked once")
        assert asked["requestPasswordReset"]["email"] == account.email.upper()
    assert len(await account.mail_ids("reset_password")) == 1
    mail_id = (await account.mail_ids("reset_password"))[-1]
    token = (await account.client.data(MAIL, account.mailer, id=mail_id))["accountMail"]["token"]
    short = await account.client.mistakes(RESET, token=token, new="short", key="reset")
    assert short == [("BAD_USER_INPUT", "newPassword")]
    for _ in range(2):
        answer = await account.client.data(RESET, token=token, new="battery staple", key="reset")
        session = answer["resetPassword"]["session"]
        assert session["user"] == {"uuid": str(account.user.id), "emailConfirmed": True}
    wrong = await account.client.mistakes(RESET, token=token, new="a guessed one", key="reset")
    assert wrong == [("BAD_USER_INPUT", "token")]
    assert await account.log_in(PASSWORD) == ["WRONG_CREDENTIALS"]
    assert await account.log_in("battery staple") == []
    old = account.session["refreshToken"]
    assert await account.client.codes(REFRESH, token=old) == ["UNAUTHENTICATED"]
    assert await account.client.codes(RESET, token=token, new="other staple") == ["BAD_USER_INPUT"]
    headers = {"authorization": f"Bearer {session['token']}"}
    answer = await account.client.service.execute("{ me { uuid } }", None, None, headers)
    assert answer["data"]["me"]["uuid"] == str(account.user.id)


async def test_unknown_addresses_cannot_be_told_apart(account: Account, admin: ApiUser) -> None:
    """The answer and the statements are the same for known, unknown and closed accounts; only the events
    differ, which clients never see.
    """
    client, seen = account.client, []
    for email in (account.email, "nobody@nowhere.example", "closed"):
        if email == "closed":
            close = "mutation($id: ID!) { setUserActive(id: $id, isActive: false) { user { uuid } } }"
            await client.data(close, admin, id=str(account.user.id))
            email = account.email
        with counted_statements(client.service.database) as statements:
            answer = await client.send(FORGOT, email=email)
        assert answer["data"]["requestPasswordReset"].pop("email") == email
        seen.append((answer, list(statements)))
    assert seen[0] == seen[1] == seen[2]
    assert len(await account.mail_ids("reset_password")) == 1


async def test_mail_is_limited(account: Account) -> None:
    """An address gets three mails in a quarter of an hour, whoever asks; unknown addresses are counted
    alike.
    """
    for email in (account.email, f"no-{account.email}"):
        codes = [await account.client.codes(FORGOT, email=email) for _ in range(4)]
        assert codes == [[], [], [], ["RATE_LIMITED"]]
    assert await account.client.codes(AGAIN, account.user) == ["RATE_LIMITED"]
    assert await account.client.codes(FORGOT, email="no address") == ["BAD_USER_INPUT"]


async def test_tokens_expire_and_are_of_one_kind(account: Account) -> None:
    """A token of the other kind, an expired one and odd texts are refused."""
    confirm = await account.mailed("confirm_email")
    await account.client.data(FORGOT, email=account.email)
    reset = await account.mailed("reset_password")
    wrong: list[tuple[str, Any]] = [(CONFIRM, {"token": reset})]
    wrong.append((RESET, {"token": confirm, "new": "battery staple"}))
    wrong += [(CONFIRM, {"token": odd}) for odd in ("", "\0", "\ud800", "' or 1=1 --", "x" * 100_000)]
    for query, variables in wrong:
        assert await account.client.codes(query, **variables) == ["BAD_USER_INPUT"]
    expire = "UPDATE account_mail SET expires_at = now() - interval '1 second' WHERE user_id = :id"
    await account.client.service.database.execute(text(expire).bindparams(id=account.user.id))
    assert await account.client.codes(CONFIRM, token=confirm) == ["BAD_USER_INPUT"]
    assert await account.client.codes(RESET, token=reset, new="battery staple") == ["BAD_USER_INPUT"]


async def test_no_token_is_stored(account: Account) -> None:
    """Neither the tables nor the events have a token as text."""
    await account.client.data(FORGOT, email=account.email)
    tokens = [await account.mailed("confirm_email"), await account.mailed("reset_password")]
    for table in ("account_mail", "outbox"):
        dump = text(f"SELECT string_agg(t::text, chr(10)) FROM {table} AS t")
        stored = str(await account.client.service.database.fetch_value(dump))
        assert [token for token in tokens if token in stored] == []


async def test_only_services_read_addresses_and_tokens(account: Account, admin: ApiUser) -> None:
    """Users, also admins, are refused; services get up to 100 contacts, without unknown users."""
    client, mail_id = account.client, (await account.mail_ids("confirm_email"))[0]
    for person in (None, account.user, admin):
        expected = ["UNAUTHENTICATED"] if person is None else ["FORBIDDEN"]
        assert await client.codes(MAIL, person, id=mail_id) == expected
        assert await client.codes(CONTACTS, person, ids=[str(account.user.id)]) == expected
    found = await client.data(CONTACTS, account.mailer, ids=[str(account.user.id), str(uuid4())])
    expected_contact = {"userId": str(account.user.id), "username": account.name, "email": account.email}
    assert found["contacts"] == [{**expected_contact, "phone": None}]
    assert await client.codes(CONTACTS, account.mailer, ids=[str(uuid4())] * 101) == ["BAD_USER_INPUT"]
    assert await client.data(MAIL, account.mailer, id=str(uuid4())) == {"accountMail": None}
