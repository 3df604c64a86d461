"""Tests of idempotency keys in users: what a client may send again if it got no answer."""

import asyncio
import itertools
from typing import Any

import pytest
from sqlalchemy import text

from subgraphs.kit.testing import ApiUser, Client
from tests.subgraphs.users.conftest import Register
from tests.subgraphs.users.test_sessions import CHANGE, LOG_IN, PASSWORD, REFRESH, REGISTER, Person, code

PROFILE = """mutation($input: UpdateProfileInput!, $key: String) {
  updateProfile(input: $input, idempotencyKey: $key) { user { phone } userErrors { code field } } }"""
_numbers = itertools.count()


@pytest.fixture
def given() -> dict[str, Any]:
    """The input of a registration."""
    name = f"again{next(_numbers)}"
    return {"username": name, "email": f"{name}@mail.example", "password": PASSWORD}


@pytest.fixture
async def person(client: Client, given: dict[str, Any]) -> Person:
    """Somebody with an account."""
    await client.data(REGISTER, input=given)
    return Person(client, given["username"])


async def test_a_repeated_registration_logs_in(client: Client, given: dict[str, Any]) -> None:
    """The same registration with its key opens a session of the account; others are told that it is taken."""
    answers = await asyncio.gather(*[client.data(REGISTER, input=given, key="mine") for _ in range(3)])
    sessions = [answer["register"]["session"] for answer in answers]
    assert len({one["user"]["uuid"] for one in sessions}) == 1
    assert len({one["token"] for one in sessions}) == 3
    mails = text("SELECT count(*) FROM account_mail WHERE email = :email").bindparams(email=given["email"])
    assert await client.service.database.fetch_value(mails) == 1
    taken = [("CONFLICT", "username"), ("CONFLICT", "email")]
    assert await client.mistakes(REGISTER, input=given) == taken
    assert await client.mistakes(REGISTER, input=given, key="another") == taken
    assert await client.mistakes(REGISTER, input=given | {"password": "a guessed one"}, key="mine") == taken
    other = given | {"email": f"other-{given['email']}"}
    assert await client.mistakes(REGISTER, input=other, key="mine") == taken[:1]


async def test_a_key_guesses_no_password(client: Client, given: dict[str, Any]) -> None:
    """Repeated registrations with wrong passwords are counted like log-ins."""
    await client.data(REGISTER, input=given, key="mine")
    guesses = [given | {"password": f"guess number {n}"} for n in range(7)]
    codes = [(await client.codes(REGISTER, input=guess, key="mine"))[0] for guess in guesses]
    assert codes == ["CONFLICT"] * 5 + ["RATE_LIMITED"] * 2


async def test_a_wrong_registration_leaves_the_key_free(client: Client, given: dict[str, Any]) -> None:
    """A corrected input may be sent with the same key."""
    wrong = given | {"username": "a b"}
    assert await client.mistakes(REGISTER, input=wrong, key="free") == [("BAD_USER_INPUT", "username")]
    assert await client.mistakes(REGISTER, input=given, key="free") == []
    for odd in ("", "x" * 101):
        fresh = {**given, "username": f"{given['username']}x", "email": f"x{given['email']}"}
        mistakes = await client.mistakes(REGISTER, input=fresh, key=odd)
        assert mistakes == [("BAD_USER_INPUT", "idempotencyKey")]


async def test_two_log_ins_are_two_sessions(person: Person) -> None:
    """A log-in is repeated, whatever its key; the key cannot be used for another mutation."""
    login = {"login": person.name, "password": PASSWORD}
    first, second = [
        (await person.client.data(LOG_IN, input=login, key="one"))["logIn"]["session"] for _ in range(2)
    ]
    assert await person.may(first)
    assert await person.may(second)
    answer = await person.send(first, PROFILE, input={"phone": None}, key="one")
    assert code(answer) == "IDEMPOTENCY_KEY_REUSED"


async def test_a_repeated_change_of_the_password(person: Person) -> None:
    """With its key, and the new password as the current one, it opens a session; a wrong one is refused."""
    session = await person.log_in()
    variables: dict[str, Any] = {"old": PASSWORD, "new": "battery staple", "key": "new"}
    changed = await person.send(session, CHANGE, **variables)
    session = changed["data"]["changePassword"]["session"]
    again = await person.send(session, CHANGE, **variables)
    assert await person.may(again["data"]["changePassword"]["session"])
    assert await person.may(session)
    for wrong in ({"key": None}, {"key": "another"}, {"new": "another staple"}):
        assert code(await person.send(session, CHANGE, **(variables | wrong))) == "WRONG_CREDENTIALS"


async def test_a_repeated_refresh(person: Person) -> None:
    """Within a minute a refresh token works again with the key of its first use, also at the same time; with
    another key, or later, its use ends the session.
    """
    session = await person.log_in()
    answers = await asyncio.gather(*[person.refresh(session, "lost") for _ in range(4)])
    assert all([await person.may(one) for one in answers])
    newest = await person.refresh(answers[-1], "next")
    later = "UPDATE refresh_tokens SET used_at = used_at - interval '1 minute' WHERE used_with IS NOT NULL"
    await person.client.service.database.execute(text(later))
    wrong = await person.client.codes(REFRESH, token=session["refreshToken"], key="lost")
    assert wrong == ["UNAUTHENTICATED"]
    assert not await person.may(newest)
    session = await person.log_in()
    newest = await person.refresh(session, "mine")
    assert await person.client.codes(REFRESH, token=session["refreshToken"], key="guessed") == wrong
    assert not await person.may(newest)


async def test_a_key_is_for_one_change(client: Client, ann: ApiUser, register: Register) -> None:
    """The same change may be repeated with its key, another one is refused; others have their own keys."""
    for _ in range(2):
        assert await client.codes(PROFILE, ann, input={"phone": "+49 30 1"}, key="k") == []
    other = await client.mistakes(PROFILE, ann, input={"phone": None}, key="k")
    assert other == [("IDEMPOTENCY_KEY_REUSED", None)]
    assert await client.codes(PROFILE, await register(), input={"phone": None}, key="k") == []


async def test_a_late_repetition_changes_nothing(person: Person) -> None:
    """A change that is sent again does not undo a newer one, nor end sessions that were opened later."""
    everywhere = """mutation($key: String) {
      logOutEverywhere(idempotencyKey: $key) { endedSessions userErrors { code } } }"""
    session = await person.log_in()
    for phone, key in (("+49 30 1", "first"), (None, "second"), ("+49 30 1", "first")):
        answer = await person.send(session, PROFILE, input={"phone": phone}, key=key)
    assert answer["data"]["updateProfile"]["user"] == {"phone": None}
    await person.send(session, everywhere, key="all")
    later = await person.log_in()
    again = await person.send(later, everywhere, key="all")
    assert again["data"]["logOutEverywhere"]["endedSessions"] == 0
    assert await person.may(later)
