"""API keys: what a key gives, what is refused, how the file changes under a running gateway, the commands."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.app import create_gateway
from gateway.cli import app
from gateway.core.clock import FakeClock
from gateway.core.context import ANONYMOUS, Identity, RequestContext
from gateway.core.errors import RequestError, SettingsError
from gateway.core.headers import RequestHeaders
from gateway.guards import RateGuard
from gateway.observe.facts import Fact, KeySetFailed
from gateway.observe.observer import Observer
from gateway.request.graphql_request import GraphQLRequest
from gateway.security.api_keys import ApiKeys, KeyFile, KeyLimit, new_key, read_keys, utc, write_keys
from gateway.security.callers import Callers
from gateway.security.rates import MemoryRates
from gateway.settings import KeySettings, Settings
from tests.gateway.subgraph import Subgraph
from tests.gateway.support import supergraph_of

CLOCK = FakeClock()


def keys_of(path: Path, facts: list[Fact] | None = None, clock: FakeClock = CLOCK) -> ApiKeys:
    return ApiKeys(KeySettings(str(path)), Observer([facts.append] if facts is not None else []), clock)


def made(path: Path, *limits: KeyLimit, expires: float | None = None, **given: Any) -> str:
    """Add a key to a file, and return it."""
    end = utc(CLOCK.now() + expires) if expires is not None else None
    scopes = given.get("scopes", ("read",))
    record, key = new_key(given.get("name", "partner"), scopes, limits, utc(CLOCK.now()), end)
    write_keys(path, KeyFile((*(read_keys(path).keys if path.exists() else ()), record)))
    return key


def refusal(keys: ApiKeys, key: str) -> str:
    with pytest.raises(RequestError) as caught:
        keys.identify({"x-api-key": key})
    assert caught.value.code == "UNAUTHENTICATED"
    return caught.value.message


def test_what_a_key_gives(tmp_path: Path) -> None:
    """A key gives a name, scopes and limits; the file has no secret and is its owner's alone."""
    path = tmp_path / "keys.json"
    key = made(path, KeyLimit(60, requests=2))
    found = keys_of(path).identify({"x-api-key": key})
    assert found is not None and found.authenticated
    assert (found.subject, set(found.scopes)) == ("partner", {"read"})
    assert [(one.requests, one.window) for one in found.rates] == [(2, 60)]
    assert key.split("_", 2)[2] not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    assert keys_of(path).identify({}) is None


def test_keys_that_are_refused(tmp_path: Path) -> None:
    """Unknown, changed, expired, huge: refused, and the message repeats none of it."""
    path = tmp_path / "keys.json"
    key, short = made(path), made(path, expires=10)
    clock = FakeClock()
    keys = keys_of(path, clock=clock)
    prefix, id_, secret = key.split("_", 2)
    wrong = [
        "", "x", secret, f"{prefix}_{id_}_", f"{prefix}_{id_}_{secret}x", f"{prefix}_{'0' * 12}_{secret}",
        f"sk_{id_}_{secret}", key + "\n", key * 500, "gk_\ud800_x",
        f"{prefix}_{short.split('_')[1]}_{secret}",
    ]  # fmt: skip
    for one in wrong:
        assert refusal(keys, one) == "the API key is not known, or was revoked"
    assert keys.identify({"x-api-key": short}) is not None
    clock._time += 11
    assert "has expired" in refusal(keys, short)


def test_the_file_changes(tmp_path: Path) -> None:
    """A changed file is used after `poll` seconds; one that can't be read leaves the old keys in use."""
    path = tmp_path / "keys.json"
    facts: list[Fact] = []
    clock = FakeClock()
    first = made(path)
    keys = keys_of(path, facts, clock)
    second = made(path)
    assert "not known" in refusal(keys, second)
    clock._time += 6
    assert keys.identify({"x-api-key": second}) is not None
    good = path.read_text()
    for broken in ("", "{", good[:-20], json.dumps({"keys": [{"id": "x"}]})):
        path.write_text(broken)
        clock._time += 6
        assert keys.identify({"x-api-key": first}) is not None
    path.unlink()
    clock._time += 6
    assert keys.identify({"x-api-key": first}) is not None
    assert len(facts) == 5 and all(isinstance(one, KeySetFailed) for one in facts)
    write_keys(path, KeyFile())
    clock._time += 6
    assert "not known" in refusal(keys, first)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a file of API keys"),
        ('{"keys": [{"id": "1"}]}', "is not a file of API keys"),
        ('{"keys": [], "more": 1}', "unknown field `more`"),
        ("[" * 100_000, "is not a file of API keys"),
        (
            json.dumps({"keys": [
                {"id": "0" * 12, "name": "a", "hash": "sha256:" + "0" * 64, "created": "2026-01-01T00:00:00Z"}
            ] * 2}),
            "two keys have one id",
        ),
    ],
)  # fmt: skip
def test_files_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_keys(path)
    with pytest.raises(SettingsError, match="can't be read"):
        read_keys(tmp_path / "missing.json")


class Tokens:
    """Finds the identity of the header `authorization`."""

    def token_of(self, headers: Any) -> str | None:
        found: str | None = headers.get("authorization")
        return found

    def identify(self, headers: Any) -> Identity:
        given = headers.get("authorization")
        return Identity(given, frozenset({"own"}), key=given, authenticated=True) if given else ANONYMOUS


def test_a_key_and_a_token(tmp_path: Path) -> None:
    """With both, the rights are the token's and the limits the key's; a wrong key is always refused."""
    path = tmp_path / "keys.json"
    key = made(path, KeyLimit(60, requests=2))
    callers = Callers(keys_of(path), Tokens())  # type: ignore[arg-type]
    both = callers.identify({"x-api-key": key, "authorization": "ada"})
    assert isinstance(both, Identity)
    assert (both.subject, set(both.scopes), len(both.rates)) == ("ada", {"own"}, 1)
    only = callers.identify({"x-api-key": key})
    assert isinstance(only, Identity) and only.subject == "partner"
    assert callers.identify({}) is ANONYMOUS
    with pytest.raises(RequestError):
        callers.identify({"x-api-key": "gk_x", "authorization": "ada"})


def test_limits_of_a_key_are_its_own(tmp_path: Path) -> None:
    """Two keys with limits do not use up each other's, from whatever address they come."""
    path = tmp_path / "keys.json"
    given = [made(path, KeyLimit(60, requests=1), name=name) for name in ("a", "b")]
    keys = keys_of(path)
    guard = RateGuard([], MemoryRates(10, FakeClock()))

    def passes(key: str) -> bool:
        context = RequestContext(RequestHeaders([], "10.0.0.1"), Observer())
        context.identity = keys.identify({"x-api-key": key}) or ANONYMOUS
        try:
            guard.before_planning(GraphQLRequest("{ a }"), context)
        except RequestError:
            return False
        return True

    assert [passes(given[0]), passes(given[1]), passes(given[0])] == [True, True, False]


async def test_a_gateway_with_keys(tmp_path: Path) -> None:
    """A field with @requiresScopes is for keys with the scope; the cost limit of a key counts."""
    path = tmp_path / "keys.json"
    cost = KeyLimit(60, cost=25)
    reader, other = made(path, cost, scopes=("read",)), made(path, scopes=("x",))
    link = '@link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@requiresScopes"])'
    sdl = "type Query { a: Int %s } type Mutation { m: Int }"
    supergraph = supergraph_of(
        {"s": f"extend schema {link} " + sdl % '@requiresScopes(scopes: [["read"]])'}, linked=False
    )
    subgraph = Subgraph(sdl % "", {"Query": {"a": 1}, "Mutation": {"m": 1}})
    gateway = create_gateway(supergraph, Settings(keys=KeySettings(str(path))), {"s": subgraph})

    async def asked(key: str, query: str = "{ a }") -> Any:
        return (await gateway.answer(GraphQLRequest(query), {"x-api-key": key})).response

    assert b'"a":1' in bytes(await asked(reader))
    assert "UNAUTHORIZED_FIELD_OR_TYPE" in str(await asked(other))
    assert "UNAUTHENTICATED" in str(await asked("gk_x"))
    outcomes = [str(await asked(reader, "mutation { m }")) for _ in range(3)]
    assert ["RATE_LIMITED" in one for one in outcomes] == [False, False, True]


def test_commands(tmp_path: Path) -> None:
    """A key is created, listed and revoked; mistakes name the option and what was expected."""
    path = tmp_path / "keys.json"

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["keys", *arguments, "--file", str(path)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output.strip()

    key = run(
        "create", "radio", "--scope", "read", "--expires", "90d", "--requests", "600/1m", "--cost", "9/1h"
    )
    keys = ApiKeys(KeySettings(str(path)), Observer())
    assert keys.identify({"x-api-key": key}) is not None
    id_ = key.split("_")[1]
    listed = run("list")
    assert f"{id_}  radio  valid until" in listed and "600 requests in 60 s, cost 9 in 3600 s" in listed
    assert run("revoke", id_) == f"the key {id_} is revoked"
    assert "revoked" in run("list")
    os.utime(path, (1, 1))
    keys.refresh()
    assert "revoked" in refusal(keys, key)
    for wrong, message in (
        (["create", "a", "--requests", "600"], "--requests: expected a number and a span such as 600/1m"),
        (["create", "a", "--expires", "soon"], "--expires: expected a span"),
        (["create", "a", "--cost", "0/1m"], "--cost: expected a number"),
        (["revoke", "000000000000"], "has no key with the id"),
    ):
        with pytest.raises(SettingsError, match=message):
            run(*wrong)
