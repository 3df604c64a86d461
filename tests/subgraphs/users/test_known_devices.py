"""Tests of the limits on wrong passwords: strangers can neither guess on, nor lock out the owner."""

import asyncio
from typing import Any

from sqlalchemy import text

from subgraphs.kit.testing import ApiUser, Client
from subgraphs.users.model import KnownDevice, client_network, login_limits

PASSWORD = "correct horse"
REGISTER = """mutation($input: RegisterInput!) {
  register(input: $input) { session { deviceToken user { uuid } } } }"""
LOG_IN = """mutation($input: LogInInput!) {
  logIn(input: $input) { session { deviceToken } userErrors { code } } }"""


async def registered(client: Client, name: str, address: str) -> str:
    """Create an account from an address; return the token of the device."""
    account = {"username": name, "email": f"{name}@mail.example", "password": PASSWORD}
    answer = await client.service.execute(REGISTER, {"input": account}, None, {"x-forwarded-for": address})
    return str(answer["data"]["register"]["session"]["deviceToken"])


async def log_in(
    client: Client, name: str, password: str, address: str, device: str | None = None
) -> tuple[str, str | None]:
    """Return the code of the error of a log-in ("" for none), and the token of the device."""
    given = {"login": name, "password": password, "deviceToken": device}
    answer: Any = await client.service.execute(LOG_IN, {"input": given}, None, {"x-forwarded-for": address})
    if errors := answer.get("errors"):
        return errors[0]["extensions"]["code"], None
    if mistakes := answer["data"]["logIn"]["userErrors"]:
        return mistakes[0]["code"], None
    return "", answer["data"]["logIn"]["session"]["deviceToken"]


async def guess(client: Client, subject: str, times: int) -> None:
    """Count wrong passwords of others for an account, or for an account and an address."""
    fill = (
        "INSERT INTO login_attempts (subject) SELECT 'account:' || :subject FROM generate_series(1, :times)"
    )
    await client.service.database.execute(text(fill).bindparams(subject=subject, times=times))


async def test_strangers_lock_out_no_known_device(client: Client) -> None:
    """Wrong passwords from everywhere, also from the owner's address, leave the owner's device free."""
    device = await registered(client, "greta", "10.1.0.1")
    await guess(client, "greta", 19)
    assert (await log_in(client, "greta", "wrong", "10.2.0.8"))[0] == "WRONG_CREDENTIALS"
    assert (await log_in(client, "greta", "wrong", "10.2.0.9"))[0] == "RATE_LIMITED"
    assert (await log_in(client, "greta", PASSWORD, "10.2.0.9"))[0] == "RATE_LIMITED"
    await guess(client, "greta@10.1.0.1", 5)
    assert (await log_in(client, "greta", PASSWORD, "10.1.0.1"))[0] == "RATE_LIMITED"
    assert await log_in(client, "greta", PASSWORD, "10.1.0.1", device) == ("", device)
    assert await log_in(client, "greta", PASSWORD, "10.3.0.1", device) == ("", device)


async def test_a_known_address_needs_no_token(client: Client) -> None:
    """From an address of an earlier log-in the owner logs in while others guess elsewhere."""
    await registered(client, "henri", "10.4.0.1")
    await guess(client, "henri", 20)
    assert (await log_in(client, "henri", PASSWORD, "10.5.0.9"))[0] == "RATE_LIMITED"
    assert (await log_in(client, "henri", PASSWORD, "10.4.0.1"))[0] == ""


async def test_a_stolen_device_token_guesses_no_further(client: Client) -> None:
    """A device's token allows ten attempts, for its own account only; odd tokens are unknown devices."""
    device = await registered(client, "ines", "10.6.0.1")
    answers = await asyncio.gather(
        *[log_in(client, "ines", "wrong", f"10.7.0.{n}", device) for n in range(11)]
    )
    assert sorted(one for one, _ in answers) == ["RATE_LIMITED"] + ["WRONG_CREDENTIALS"] * 10
    assert (await log_in(client, "ines", PASSWORD, "10.6.0.1"))[0] == ""
    await registered(client, "jens", "10.8.0.1")
    await guess(client, "jens@10.9.0.1", 4)
    codes = [(await log_in(client, "jens", "wrong", "10.9.0.1", device))[0] for _ in range(2)]
    assert codes == ["WRONG_CREDENTIALS", "RATE_LIMITED"]
    for odd in ("", "x", "\0", "x" * 100_000):
        _, token = await log_in(client, "jens", PASSWORD, "10.8.0.1", odd)
        assert token not in {None, odd}


async def test_only_the_newest_devices_are_known(client: Client) -> None:
    """A user has at most twenty known devices."""
    first = await registered(client, "kira", "10.10.0.1")
    others = """INSERT INTO known_devices (id, user_id, token_hash, last_used_at)
        SELECT gen_random_uuid(), id, sha256(n::text::bytea), now() FROM users, generate_series(1, 19) AS n
        WHERE username = 'kira'"""
    await client.service.database.execute(text(others))
    assert (await log_in(client, "kira", PASSWORD, "10.10.0.1"))[0] == ""
    count = text(
        "SELECT count(*) FROM known_devices JOIN users ON users.id = user_id WHERE username = 'kira'"
    )
    assert await client.service.database.fetch_value(count) == 20
    assert (await log_in(client, "kira", PASSWORD, "10.10.0.1", first))[1] != first


def test_the_addresses_of_one_network_are_one_client() -> None:
    """An IPv6 network of a household counts once; IPv4 in IPv6 is IPv4."""
    assert client_network("2001:db8:1:2:3::4") == client_network("2001:db8:1:2:ffff::") == "2001:db8:1:2::/64"
    assert client_network("::ffff:10.0.0.1") == client_network("10.0.0.1") == "10.0.0.1"
    assert (client_network(None), client_network("nowhere")) == (None, "nowhere")
    assert login_limits(" Ada", "10.0.0.1", KnownDevice(None, True)) == {
        "account:ada@10.0.0.1": 5,
        "address:10.0.0.1": 100,
    }


async def test_admins_are_not_listed(client: Client, admin: ApiUser, bob: ApiUser) -> None:
    """The public list has no admins, whatever the filter; admins see them."""
    made = """INSERT INTO users (id, username, email, password_hash, user_type)
        VALUES (gen_random_uuid(), 'the_boss', 'boss@mail.example', '-', 'admin')"""
    await client.service.database.execute(text(made))
    query = """query($filter: UserFilter) {
        users(first: 50, filter: $filter) { totalCount edges { node { username } } } }"""
    for person, expected in ((None, 0), (bob, 0), (admin, 1)):
        for wanted in ({"search": "the_boss"}, {"userType": "ADMIN", "search": "boss"}):
            found = (await client.data(query, person, filter=wanted))["users"]
            assert (found["totalCount"], len(found["edges"])) == (expected, expected)
