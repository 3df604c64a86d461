"""Tests of sessions: their tokens end by log-out, a new password and a closed account; refresh tokens work
once; who has copied one ends the session.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from subgraphs.kit.errors import Unauthenticated
from subgraphs.kit.global_ids import encode
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.revocation import PREFIX, RevokedTokens
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, counted_statements, entries_of

PASSWORD = "correct horse"
TOKENS = "token expiresAt refreshToken refreshExpiresAt deviceToken user { uuid email }"
SESSION = f"{{ session {{ {TOKENS} }} userErrors {{ code field message }} }}"
REGISTER = f"""mutation($input: RegisterInput!, $key: String) {{
  register(input: $input, idempotencyKey: $key) {SESSION} }}"""
LOG_IN = f"""mutation($input: LogInInput!, $key: String) {{
  logIn(input: $input, idempotencyKey: $key) {SESSION} }}"""
REFRESH = f"""mutation($token: String!, $key: String) {{
  refreshSession(refreshToken: $token, idempotencyKey: $key) {SESSION} }}"""
MINE = "{ mySessions { id uuid device createdAt lastUsedAt isCurrent } }"
CHANGE = f"""mutation($old: String!, $new: String!, $key: String) {{
  changePassword(input: {{currentPassword: $old, newPassword: $new}}, idempotencyKey: $key) {SESSION} }}"""
CLOSE = """mutation($password: String!) {
  closeAccount(password: $password) { user { isActive } userErrors { code field } } }"""
END = """mutation($id: ID!, $key: String) {
  endSession(id: $id, idempotencyKey: $key) { endedSession { uuid device } userErrors { code field } } }"""
OUT = "mutation { logOut { endedSessions } }"
_numbers = itertools.count()


class Person:
    """Somebody with an account, who logs in on several devices."""

    def __init__(self, client: Client, name: str) -> None:
        self.client, self.name = client, name

    async def log_in(self, device: str | None = None, **more: Any) -> Any:
        """Return the session of a new log-in."""
        given = {"login": self.name, "password": PASSWORD, "device": device, **more}
        return (await self.client.data(LOG_IN, input=given))["logIn"]["session"]

    async def send(self, session: Any, query: str, **variables: Any) -> Any:
        """Send a request with the access token of a session."""
        headers = {"authorization": f"Bearer {session['token']}"}
        return await self.client.service.execute(query, variables, None, headers)

    async def may(self, session: Any) -> bool:
        """Return whether the access token of a session is accepted."""
        return bool((await self.send(session, "{ me { uuid } }")).get("data"))

    async def refresh(self, session: Any, key: str | None = None) -> Any:
        """Return the session with new tokens."""
        answer = await self.client.data(REFRESH, token=session["refreshToken"], key=key)
        return answer["refreshSession"]["session"]


@pytest.fixture
async def person(client: Client) -> Person:
    """Somebody with an account."""
    name = f"device{next(_numbers)}"
    account = {"username": name, "email": f"{name}@mail.example", "password": PASSWORD}
    await client.data(REGISTER, input=account)
    return Person(client, name)


@pytest.fixture
async def elsewhere(queue_url: str, keys: SigningKeys) -> AsyncIterator[TokenVerifier]:
    """The verifier of another service."""
    verifier = TokenVerifier(keys.public)
    verifier.revoked = part = RevokedTokens(queue_url)
    await part.start()
    yield verifier
    await part.stop()


async def ends(verifier: TokenVerifier, session: Any) -> bool:
    """Return whether another service refuses a session's access token at the latest after a second."""
    for _ in range(100):
        try:
            verifier.identity(f"Bearer {session['token']}")
        except Unauthenticated:
            return True
        await asyncio.sleep(0.01)
    return False


def code(answer: Any) -> str:
    """Return the code of the only error or user error, "" without errors."""
    codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
    for payload in (answer["data"] or {}).values():
        codes += [error["code"] for error in (payload or {}).get("userErrors", [])]
    return "".join(codes)


async def test_a_log_out_ends_one_session(
    person: Person, elsewhere: TokenVerifier, queue_url: str, keys: SigningKeys
) -> None:
    """Its tokens, also those before a refresh, are refused here and by other services; others work on. The
    gateway's key is in Redis.
    """
    one, other = await person.log_in(), await person.log_in()
    refreshed = await person.refresh(one)
    assert await person.may(one)
    assert elsewhere.identity(f"Bearer {one['token']}")
    assert (await person.send(refreshed, OUT))["data"] == {"logOut": {"endedSessions": 1}}
    assert await ends(elsewhere, one)
    assert await ends(elsewhere, refreshed)
    assert not await person.may(one)
    assert not await person.may(refreshed)
    assert await person.client.codes(REFRESH, token=refreshed["refreshToken"]) == ["UNAUTHENTICATED"]
    assert await person.may(other)
    async with Redis.from_url(queue_url) as redis:
        token = TokenVerifier(keys.public).token(f"Bearer {one['token']}")
        assert token is not None
        assert await redis.exists(f"{PREFIX}revoked:jti:{token.id}") == 1


async def test_everywhere_at_once(person: Person, elsewhere: TokenVerifier) -> None:
    """All sessions end; a new log-in at the same moment is not affected."""
    sessions = [await person.log_in() for _ in range(3)]
    answer = await person.send(sessions[0], "mutation { logOutEverywhere { endedSessions } }")
    assert answer["data"] == {"logOutEverywhere": {"endedSessions": 4}}
    later = await person.log_in()
    for session in sessions:
        assert await ends(elsewhere, session)
        assert await person.client.codes(REFRESH, token=session["refreshToken"]) == ["UNAUTHENTICATED"]
    assert await person.may(later)


async def test_a_new_password_ends_all_sessions(person: Person, elsewhere: TokenVerifier) -> None:
    """Earlier tokens of the user end, and the change itself returns a session that works."""
    sessions = [await person.log_in() for _ in range(2)]
    answer = await person.send(sessions[0], CHANGE, old=PASSWORD, new="battery staple")
    assert all([await ends(elsewhere, session) for session in sessions])
    assert await person.may(answer["data"]["changePassword"]["session"])


async def test_a_closed_account_cannot_act(
    person: Person, elsewhere: TokenVerifier, admin: ApiUser, queue_url: str
) -> None:
    """A wrong password closes nothing; afterwards tokens, refresh tokens and log-ins are refused, and the
    event names the user. An admin opens the account again.
    """
    session = await person.log_in()
    assert code(await person.send(session, CLOSE, password="wrong")) == "WRONG_CREDENTIALS"
    closed = (await person.send(session, CLOSE, password=PASSWORD))["data"]["closeAccount"]
    assert closed["user"] == {"isActive": False}
    assert await ends(elsewhere, session)
    assert await person.client.codes(REFRESH, token=session["refreshToken"]) == ["UNAUTHENTICATED"]
    given = {"login": person.name, "password": PASSWORD}
    assert await person.client.codes(LOG_IN, input=given) == ["FORBIDDEN"]
    stored = text("SELECT payload FROM outbox WHERE event_type = 'AccountClosed' AND aggregate_id = :id")
    user_id = session["user"]["uuid"]
    payload = await person.client.service.database.fetch_value(stored.bindparams(id=UUID(user_id)))
    expected = {"user_id": user_id, "username": person.name, "user_type": "client", "closed_by": user_id}
    assert payload == expected
    activate = "mutation($id: ID!) { setUserActive(id: $id, isActive: true) { user { isActive } } }"
    await person.client.data(activate, admin, id=user_id)
    assert await person.may(await person.log_in())
    async with Redis.from_url(queue_url) as redis:
        for _ in range(100):
            if b"AccountClosed" in [one[b"event_type"] for one in await entries_of(redis, "users")]:
                return
            await asyncio.sleep(0.05)
    raise AssertionError("AccountClosed was not published")


@pytest.mark.parametrize(
    ("change", "closes"), [("is_active = false", True), ("user_type = 'musician'", False)]
)
async def test_a_change_by_hand_ends_tokens(
    person: Person, elsewhere: TokenVerifier, change: str, closes: bool
) -> None:
    """Closing an account, or giving it another role, at the database's prompt ends its tokens, too."""
    session = await person.log_in()
    changed = text(f"UPDATE users SET {change} WHERE id = :id").bindparams(id=UUID(session["user"]["uuid"]))
    await person.client.service.database.execute(changed)
    assert await ends(elsewhere, session)
    codes = await person.client.codes(REFRESH, token=session["refreshToken"])
    assert codes == (["UNAUTHENTICATED"] if closes else [])


async def test_a_refresh_token_works_once(person: Person, elsewhere: TokenVerifier) -> None:
    """A second use ends the session with all its tokens, the newest included; other sessions stay."""
    first, other = await person.log_in(), await person.log_in()
    second = await person.refresh(first)
    third = await person.refresh(second)
    assert await person.may(third)
    assert await person.client.codes(REFRESH, token=first["refreshToken"]) == ["UNAUTHENTICATED"]
    assert await person.client.codes(REFRESH, token=third["refreshToken"]) == ["UNAUTHENTICATED"]
    for session in (first, second, third):
        assert await ends(elsewhere, session)
    assert await person.may(other)


async def test_of_concurrent_uses_one_wins(person: Person) -> None:
    """Ten uses of one refresh token at the same time give tokens at most once, and the session has ended."""
    session = await person.log_in()
    answers = await asyncio.gather(
        *[person.client.send(REFRESH, token=session["refreshToken"]) for _ in range(10)]
    )
    given = [answer["data"]["refreshSession"]["session"] for answer in answers if code(answer) == ""]
    assert len(given) == 1
    assert await person.client.codes(REFRESH, token=given[0]["refreshToken"]) == ["UNAUTHENTICATED"]


@pytest.mark.parametrize("token", ["", "x", "\0", "' or 1=1 --", "\ud800", "x" * 200_000])
async def test_odd_refresh_tokens_are_refused(client: Client, token: str) -> None:
    """Texts that are no refresh tokens have the usual error."""
    assert await client.codes(REFRESH, token=token) == ["UNAUTHENTICATED"]


async def test_secrets_are_not_stored(person: Person) -> None:
    """No table of the service, nor the outbox, has a token or the password as text."""
    session = await person.log_in()
    await person.client.data(REFRESH, token=session["refreshToken"])
    database = person.client.service.database
    tables = await database.fetch_all(
        text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    )
    secrets = [session["token"], session["refreshToken"], session["deviceToken"], PASSWORD]
    for row in tables:
        dump = text(f'SELECT string_agg(t::text, chr(10)) FROM "{row.tablename}" AS t')
        stored = str(await database.fetch_value(dump))
        assert [secret for secret in secrets if secret in stored] == [], row.tablename


async def test_an_unused_session_expires(person: Person) -> None:
    """After 30 days without a refresh the session is not listed, and its refresh token is refused."""
    session, current = await person.log_in("old"), await person.log_in("new")
    expire = text("UPDATE sessions SET expires_at = now() - interval '1 second' WHERE device = 'old'")
    await person.client.service.database.execute(expire)
    assert await person.client.codes(REFRESH, token=session["refreshToken"]) == ["UNAUTHENTICATED"]
    listed = (await person.send(current, MINE))["data"]["mySessions"]
    assert "old" not in {one["device"] for one in listed}


async def test_the_own_sessions(person: Person, client: Client) -> None:
    """The list has the device's names and the current session; only own sessions can be ended."""
    phone, laptop = await person.log_in("Ada's phone"), await person.log_in("Laptop")
    listed = (await person.send(laptop, MINE))["data"]["mySessions"]
    assert [(one["device"], one["isCurrent"]) for one in listed] == [
        ("Laptop", True),
        ("Ada's phone", False),
        ("Unknown device", False),
    ]
    other = Person(client, (await person.send(phone, "{ me { username } }"))["data"]["me"]["username"] + "x")
    await client.data(REGISTER, input={"username": other.name, "email": "x@y.example", "password": PASSWORD})
    theirs = await other.log_in()
    assert code(await other.send(theirs, END, id=listed[1]["uuid"])) == "NOT_FOUND"
    assert code(await other.send(theirs, END, id=str(uuid4()))) == "NOT_FOUND"
    for odd in ("1 or 1=1", encode("User", listed[1]["uuid"])):
        assert code(await other.send(theirs, END, id=odd)) == "BAD_USER_INPUT"
    for _ in range(2):
        ended = await person.send(laptop, END, id=listed[1]["id"], key="end it")
        assert ended["data"]["endSession"]["endedSession"] == {
            "uuid": listed[1]["uuid"],
            "device": "Ada's phone",
        }
    assert code(await person.send(laptop, END, id=listed[1]["id"])) == "NOT_FOUND"
    assert code(await person.send(laptop, END, id=listed[0]["id"], key="end it")) == "IDEMPOTENCY_KEY_REUSED"
    assert not await person.may(phone)
    listed = (await person.send(laptop, MINE))["data"]["mySessions"]
    assert [one["device"] for one in listed] == ["Laptop", "Unknown device"]
    assert await client.codes(MINE) == ["UNAUTHENTICATED"]
    given = {"login": person.name, "password": PASSWORD, "device": "x" * 101}
    assert await client.codes(LOG_IN, input=given) == ["BAD_USER_INPUT"]


async def test_the_list_is_cached(person: Person, queue_url: str) -> None:
    """A second query takes no statement; the cached list is deleted by each change, and an unreadable one is
    loaded again.
    """
    session = await person.log_in()
    await person.send(session, MINE)
    key = f"users:sessions:{session['user']['uuid']}"
    async with Redis.from_url(queue_url) as redis:
        assert await redis.exists(key) == 1
        with counted_statements(person.client.service.database) as statements:
            await person.send(session, MINE)
        assert statements == []
        await person.log_in("another")
        assert await redis.exists(key) == 0
        await redis.set(key, b"{broken")
        listed = (await person.send(session, MINE))["data"]["mySessions"]
        assert len(listed) == 3


async def test_a_token_without_a_session_can_be_revoked(client: Client, keys: SigningKeys) -> None:
    """A token that names no session is revoked by its id alone."""
    user = ApiUser.make(keys)
    assert await client.data(OUT, user) == {"logOut": {"endedSessions": 0}}
    for _ in range(100):
        if await client.codes(OUT, user) == ["UNAUTHENTICATED"]:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the token still works")
