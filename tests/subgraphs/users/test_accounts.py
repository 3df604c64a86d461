"""Tests of accounts: registration, log-in and its limits, and changes of the own account."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import text

from subgraphs.kit.global_ids import encode
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.testing import ApiUser, Client, SigningKeys

Register = Callable[..., Awaitable[ApiUser]]
REGISTER = """mutation($input: RegisterInput!) {
  register(input: $input) {
    session {
      token expiresAt user { uuid username email userType isActive preferences profile { firstName } }
    }
    userErrors { code field message }
  }
}"""
LOG_IN = """mutation($login: String!, $password: String!) {
  logIn(input: {login: $login, password: $password}) {
    session { token expiresAt user { uuid email } } userErrors { code field message }
  }
}"""
PROFILE = """mutation($input: UpdateProfileInput!) {
  updateProfile(input: $input) {
    user { phone dateOfBirth preferences profile { firstName lastName profilePictureUrl } }
    userErrors { code field message }
  }
}"""
CHANGE = """mutation($old: String!, $new: String!) {
  changePassword(input: {currentPassword: $old, newPassword: $new}) {
    session { token } userErrors { code field message }
  }
}"""
PASSWORD = "correct horse"


def account(name: str, **changes: Any) -> dict[str, Any]:
    """Return a valid input of a registration, with these changes."""
    return {"username": name, "email": f"{name}@mail.example", "password": PASSWORD, **changes}


async def log_in(client: Client, login: str, password: str, address: str | None = None) -> dict[str, Any]:
    """Return the response to a log-in from an address."""
    headers = {"x-forwarded-for": address} if address else {}
    return await client.service.execute(LOG_IN, {"login": login, "password": password}, None, headers)


def code(answer: Mapping[str, Any]) -> str:
    """Return the code of the errors or user errors, "" without errors."""
    codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
    for payload in (answer["data"] or {}).values():
        codes += [error["code"] for error in (payload or {}).get("userErrors", [])]
    return "".join(sorted(set(codes)))


async def test_who_registers_is_logged_in(client: Client, keys: SigningKeys) -> None:
    """A registration returns a token that every service accepts, and the own private fields."""
    session = (await client.data(REGISTER, input=account("mia", userType="MUSICIAN")))["register"]["session"]
    identity = TokenVerifier(keys.public).identity(f"Bearer {session['token']}")
    assert identity is not None
    assert (str(identity.user_id), identity.role) == (session["user"]["uuid"], "musician")
    expected = {"username": "mia", "email": "mia@mail.example", "userType": "MUSICIAN", "isActive": True}
    assert session["user"].items() >= expected.items()
    stored = text("SELECT password_hash FROM users WHERE username = 'mia'")
    assert str(await client.service.database.fetch_value(stored)).startswith(
        "$argon2id$v=19$m=65536,t=3,p=4$"
    )
    told = text("SELECT payload FROM outbox WHERE aggregate_id = :id").bindparams(id=identity.user_id)
    payload = {"user_id": str(identity.user_id), "username": "mia", "user_type": "musician"}
    assert await client.service.database.fetch_value(told) == payload


async def test_nobody_becomes_admin(client: Client) -> None:
    """A registration as admin is refused, in any notation, and stores nothing."""
    assert await client.codes(REGISTER, input=account("root1", userType="ADMIN")) == ["FORBIDDEN"]
    assert await client.codes(REGISTER, input=account("root1", userType="admin")) == ["BAD_USER_INPUT"]
    assert await client.codes(REGISTER, input=account("root1", user_type="admin")) == ["BAD_USER_INPUT"]
    written = """mutation { register(
        input: {username: "root1", email: "a@b.cd", password: "12345678", userType: ADMIN}
    ) { session { token } } }"""
    assert await client.codes(written) == ["FORBIDDEN"]
    assert (
        await client.service.database.fetch_one(text("SELECT 1 FROM users WHERE username = 'root1'")) is None
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"username": "ab"}, "username"),
        ({"username": "x" * 51}, "username"),
        ({"username": "Robert'); DROP TABLE users;--"}, "username"),
        ({"username": "a\u0000b"}, "username"),
        ({"username": "a b"}, "username"),
        ({"username": "ann@home"}, "username"),
        ({"email": "nobody"}, "email"),
        ({"email": f"{'x' * 250}@b.cd"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"username": "passwordx", "password": "PASSWORDX"}, "password"),
    ],
)
async def test_wrong_input_is_named(client: Client, changes: dict[str, Any], field: str) -> None:
    """Each wrong value is refused with its field."""
    mistakes = await client.mistakes(REGISTER, input=account("wrong", **changes))
    assert mistakes == [("BAD_USER_INPUT", field)]
    assert (
        await client.service.database.fetch_value(text("SELECT count(*) FROM users WHERE username = 'wrong'"))
        == 0
    )


async def test_names_are_taken_once(client: Client) -> None:
    """Of many concurrent registrations with one name one succeeds; names are compared without case."""
    answers = await asyncio.gather(*[client.send(REGISTER, input=account("zoe")) for _ in range(5)])
    assert sorted(code(answer) for answer in answers) == ["", *["CONFLICT"] * 4]
    for taken, field in [
        (account("ZOE", email="other@b.cd"), "username"),
        (account("zoe2", email="Zoe@Mail.Example"), "email"),
    ]:
        assert await client.mistakes(REGISTER, input=taken) == [("CONFLICT", field)]
    both = [("CONFLICT", "username"), ("CONFLICT", "email")]
    assert await client.mistakes(REGISTER, input=account("zoe")) == both


async def test_all_wrong_fields_at_once(client: Client) -> None:
    """A registration, and a change of the profile, name every wrong field."""
    wrong = account("a b", email="nobody", password="short", device="x" * 101)
    fields = [field for _, field in await client.mistakes(REGISTER, input=wrong)]
    assert fields == ["username", "email", "password", "device"]


async def test_logging_in(client: Client) -> None:
    """The name or the email address with the password gives a token; the error does not say which of them is
    wrong.
    """
    await client.data(REGISTER, input=account("lena"))
    for login in ("lena", "LENA", " lena@mail.example "):
        session = (await log_in(client, login, PASSWORD))["data"]["logIn"]["session"]
        assert session["user"]["email"] == "lena@mail.example"
    wrong = await log_in(client, "lena", "wrong horse")
    nobody = await log_in(client, "nobody-of-this-name", PASSWORD)
    assert wrong == nobody
    assert wrong["data"]["logIn"]["userErrors"][0]["field"] == "password"
    assert code(wrong) == "WRONG_CREDENTIALS"
    for odd in ("", "x" * 256, "a\0b"):
        assert code(await log_in(client, odd, PASSWORD)) == "BAD_USER_INPUT"
    for odd in ("' or 1=1 --", "%", "lena'--"):
        assert code(await log_in(client, odd, "' or '1'='1")) == "WRONG_CREDENTIALS"


async def test_attempts_are_limited_by_account_and_address(client: Client) -> None:
    """After five wrong passwords from one address even the right one is refused from there, but not from
    another.
    """
    await client.data(REGISTER, input=account("paul"))
    attempts = await asyncio.gather(*[log_in(client, "paul", f"guess {n}", "5.5.5.5") for n in range(12)])
    codes = sorted(code(answer) for answer in attempts)
    assert codes == ["RATE_LIMITED"] * 7 + ["WRONG_CREDENTIALS"] * 5
    limited = await log_in(client, "Paul", PASSWORD, "5.5.5.5")
    assert 0 < limited["errors"][0]["extensions"]["retryAfterSeconds"] <= 900
    assert code(await log_in(client, "paul", PASSWORD, "6.6.6.6")) == ""


async def test_a_success_clears_the_account(client: Client) -> None:
    """A log-in with the right password deletes the account's earlier attempts."""
    await client.data(REGISTER, input=account("vera"))
    for _ in range(2):
        for _ in range(3):
            assert code(await log_in(client, "vera", "wrong", "5.5.5.6")) == "WRONG_CREDENTIALS"
        assert code(await log_in(client, "vera", PASSWORD, "5.5.5.6")) == ""


async def test_attempts_are_limited_by_address(client: Client) -> None:
    """An address cannot try a hundred accounts; the limit ends with its window."""
    database = client.service.database
    fill = (
        "INSERT INTO login_attempts (subject, attempted_at)"
        " SELECT 'address:7.7.7.7', {} FROM generate_series(1, 100)"
    )
    await database.execute(text(fill.format("now() - interval '16 minutes'")))
    assert code(await log_in(client, "nobody1", "wrong", "7.7.7.7")) == "WRONG_CREDENTIALS"
    await database.execute(text(fill.format("now() - interval '14 minutes'")))
    assert code(await log_in(client, "nobody2", "wrong", "7.7.7.7")) == "RATE_LIMITED"
    assert code(await log_in(client, "nobody2", "wrong", "7.7.7.8")) == "WRONG_CREDENTIALS"


async def test_an_account_is_limited_from_everywhere(client: Client) -> None:
    """All addresses together can try one account at most twenty times."""
    fill = "INSERT INTO login_attempts (subject) SELECT 'account:target' FROM generate_series(1, 18)"
    await client.service.database.execute(text(fill))
    codes = [code(await log_in(client, "target", "wrong", f"9.9.9.{n}")) for n in range(3)]
    assert codes == ["WRONG_CREDENTIALS", "WRONG_CREDENTIALS", "RATE_LIMITED"]


async def test_changing_the_password(client: Client, register: Register) -> None:
    """The present password is required; afterwards only the new one is valid."""
    person = await register(name="nora")
    assert await client.mistakes(CHANGE, person, old="wrong", new="battery staple") == [
        ("WRONG_CREDENTIALS", "currentPassword")
    ]
    assert await client.mistakes(CHANGE, person, old=PASSWORD, new="short") == [
        ("BAD_USER_INPUT", "newPassword")
    ]
    assert await client.codes(CHANGE, person, old=PASSWORD, new="battery staple") == []
    assert code(await log_in(client, "nora", PASSWORD)) == "WRONG_CREDENTIALS"
    assert code(await log_in(client, "nora", "battery staple")) == ""
    assert await client.codes(CHANGE, None, old=PASSWORD, new="battery staple") == ["UNAUTHENTICATED"]


async def test_changing_the_profile(client: Client, ann: ApiUser) -> None:
    """Provided fields are changed, null clears, the rest is not changed; a token is required."""
    changed = await client.data(
        PROFILE, ann, input={"lastName": "Robert'); DROP TABLE users;--", "phone": None}
    )
    assert changed["updateProfile"]["user"] == {
        "phone": None,
        "dateOfBirth": "1990-05-17",
        "preferences": {"theme": "dark", "genres": ["jazz"]},
        "profile": {
            "firstName": "Ann",
            "lastName": "Robert'); DROP TABLE users;--",
            "profilePictureUrl": "https://pictures.example/ann.jpg",
        },
    }
    assert await client.codes(PROFILE, None, input={"firstName": "x"}) == ["UNAUTHENTICATED"]
    assert await client.codes(PROFILE, ann, input={}) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"firstName": "x" * 101}, "firstName"),
        ({"lastName": "a\nb"}, "lastName"),
        ({"phone": "call me"}, "phone"),
        ({"dateOfBirth": "2999-01-01"}, "dateOfBirth"),
        ({"dateOfBirth": "1066-01-01"}, "dateOfBirth"),
        ({"profilePictureUrl": "javascript:alert(1)"}, "profilePictureUrl"),
        ({"preferences": [1]}, "preferences"),
        ({"preferences": {"a": "x" * 20_000}}, "preferences"),
        ({"preferences": {"a": "\0"}}, "preferences"),
    ],
)
async def test_wrong_profiles_are_refused(
    client: Client, ann: ApiUser, changes: dict[str, Any], field: str
) -> None:
    """Each wrong value of a profile is refused with its field."""
    assert await client.mistakes(PROFILE, ann, input=changes) == [("BAD_USER_INPUT", field)]
    several = {"firstName": "a\nb", "profilePictureUrl": "x", "dateOfBirth": "2999-01-01"}
    fields = [name for _, name in await client.mistakes(PROFILE, ann, input=several | changes)]
    assert set(fields) == {*several, *changes}


async def test_closed_accounts(client: Client, register: Register, admin: ApiUser) -> None:
    """Only an admin can deactivate an account; it can then not log in or query `me`, and is not listed."""
    person = await register(name="karl")
    close = """mutation($id: ID!, $open: Boolean!) {
        setUserActive(id: $id, isActive: $open) { user { isActive } userErrors { code field } } }"""
    assert await client.codes(close, person, id=str(person.id), open=False) == ["FORBIDDEN"]
    assert await client.codes(close, None, id=str(person.id), open=False) == ["UNAUTHENTICATED"]
    for odd in ("x", encode("Musician", person.id)):
        assert await client.mistakes(close, admin, id=odd, open=False) == [("BAD_USER_INPUT", "id")]
    assert await client.codes(close, admin, id=str(admin.id), open=False) == ["NOT_FOUND"]
    closed = await client.data(close, admin, id=encode("User", person.id), open=False)
    assert closed["setUserActive"]["user"] == {"isActive": False}
    assert code(await log_in(client, "karl", PASSWORD)) == "FORBIDDEN"
    assert await client.codes("{ me { uuid } }", person) == ["UNAUTHENTICATED"]
    listed = '{ users(filter: {search: "karl"}) { totalCount } }'
    assert (await client.data(listed))["users"]["totalCount"] == 0
    assert (await client.data(listed, admin))["users"]["totalCount"] == 1
