"""Tests of what the gateway itself refuses, before it asks a service."""

import subprocess
import sys
import time

import httpx
import pytest

from subgraphs.platform.accounts import DEMO_PASSWORD
from tests.system.conftest import Platform

pytestmark = pytest.mark.system
ADMINS = "{ audit { totalCount } syncTargets { pending } readModels { name } }"

ASSIGN = 'mutation { assignMusician(requestId: "1", musicianId: "1", idempotencyKey: "1") { saga { id } } }'


@pytest.mark.parametrize(
    ("login", "query"),
    [
        (None, '{ me { id } myPayments { totalCount } saga(id: "x") { id } }'),
        (None, "mutation { markAllNotificationsRead { readNotifications } }"),
        (None, ADMINS),
        ("demo_client", ADMINS),
        ("demo_musician", ASSIGN),
    ],
)
def test_what_callers_may_not_see_is_not_asked_for(platform: Platform, login: str | None, query: str) -> None:
    """Fields for users and roles are null without the token; a service would answer with another code."""
    answer = platform.post(query, token=platform.token(login) if login else None)
    assert set(answer["data"].values()) == {None}
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"UNAUTHORIZED_FIELD_OR_TYPE"}
    assert [error["path"] for error in answer["errors"]] == [[name] for name in answer["data"]]


def test_admins_see_what_is_for_admins(platform: Platform) -> None:
    """The role in the token is the scope that such fields demand."""
    answer = platform.post(ADMINS, token=platform.token("demo_admin"))
    assert "errors" not in answer
    assert None not in answer["data"].values()


@pytest.mark.parametrize("aliases", [20, 100])
def test_a_query_of_many_seconds_is_refused_at_once(platform: Platform, aliases: int) -> None:
    """Without limits on cost, a hundred pages of musicians with their reviews took 25 seconds."""
    page = """musicians(first: 100) { edges { node { stageName
        reviews(first: 100) { edges { node { text author { username } } } } } } }"""
    begin = time.monotonic()
    answer = platform.post("{" + " ".join(f"a{number}: {page}" for number in range(aliases)) + "}")
    assert time.monotonic() - begin < 3
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["COST_ESTIMATED_TOO_EXPENSIVE"]
    assert "data" not in answer


def from_address(platform: Platform, address: str, query: str) -> httpx.Response:
    """Return the response to an operation that an address of this machine sends."""
    accept = {"accept": "application/graphql-response+json"}
    with httpx.Client(transport=httpx.HTTPTransport(local_address=address), timeout=30) as client:
        return client.post(f"{platform.url}/graphql", json={"query": query}, headers=accept)


LOG_IN = f'''mutation {{ logIn(input: {{login: "demo_musician", password: "{DEMO_PASSWORD}"}}) {{
    session {{ token }} }} }}'''
REGISTER = """mutation { register(input: {username: "x", email: "nobody", password: "short"}) {
    userErrors { code } } }"""


@pytest.mark.parametrize(
    ("operation", "limit", "rule", "address"),
    [(LOG_IN, 10, "log-in", "127.0.0.77"), (REGISTER, 5, "registration", "127.0.0.78")],
    ids=["log-in", "registration"],
)
def test_an_address_may_not_go_on_forever(
    platform: Platform, operation: str, limit: int, rule: str, address: str
) -> None:
    """The eleventh log-in within a minute, and the sixth registration within an hour, are refused; other
    operations and other addresses go on.
    """
    for _ in range(limit):
        assert from_address(platform, address, operation).status_code == 200
    refused = from_address(platform, address, operation)
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["extensions"]["code"]) == (429, "RATE_LIMITED")
    assert (error["extensions"]["limit"], int(refused.headers["retry-after"]) > 0) == (rule, True)
    assert "data" in from_address(platform, address, "{ users { totalCount } }").json()
    assert from_address(platform, "127.0.0.79", operation).status_code == 200


def partner_key(platform: Platform, name: str, *options: str) -> str:
    """Return a new API key, made as the page for operators says, which the gateway knows already."""
    file = platform.data / "keys" / "partners.json"
    command = [sys.executable, "-m", "gateway.cli", "keys", "create", name, "--file", str(file), *options]
    key = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()
    for _ in range(100):
        if with_key(platform, key, "{ __typename }").status_code != 401:
            return key
        time.sleep(0.1)
    raise AssertionError("the gateway has not read the file again")


def with_key(platform: Platform, key: str, query: str) -> httpx.Response:
    """Return the response to an operation with an API key."""
    headers = {"x-api-key": key, "accept": "application/graphql-response+json"}
    return httpx.post(f"{platform.url}/graphql", json={"query": query}, headers=headers, timeout=30)


def test_a_partner_has_an_own_limit_and_sees_what_is_public(platform: Platform) -> None:
    """A key without a scope for a field is refused by the gateway, with the scope by the service: it has no
    token. A wrong key is refused.
    """
    plain = partner_key(platform, "plain")
    assert with_key(platform, plain, "{ users { totalCount } }").json()["data"]["users"]["totalCount"] >= 3000
    (refused,) = with_key(platform, plain, "{ readModels { name } }").json()["errors"]
    assert refused["extensions"]["code"] == "UNAUTHORIZED_FIELD_OR_TYPE"
    scoped = partner_key(platform, "scoped", "--scope", "admin", "--requests", "20/1m")
    (refused,) = with_key(platform, scoped, "{ readModels { name } }").json()["errors"]
    assert (refused["extensions"]["code"], refused["extensions"]["service"]) == (
        "UNAUTHENTICATED",
        "read_side",
    )
    statuses = [with_key(platform, scoped, "{ __typename }").status_code for _ in range(20)]
    assert (statuses[0], statuses[-1]) == (200, 429)
    assert with_key(platform, plain, "{ __typename }").status_code == 200
    assert with_key(platform, plain + "x", "{ __typename }").status_code == 401
