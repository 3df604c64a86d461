"""Identities: where tokens are read, how they are verified and remembered, and how keys are rotated."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from gateway.app import create_gateway
from gateway.config.load import ConfigError, settings_from
from gateway.core.clock import FakeClock
from gateway.core.context import ANONYMOUS, Identity
from gateway.core.errors import RequestError, SettingsError
from gateway.observe.facts import Fact, KeySetFailed
from gateway.observe.observer import Observer
from gateway.request.graphql_request import GraphQLRequest
from gateway.security.authenticate import Authenticator
from gateway.settings import AuthenticationSettings, ClaimRule, IssuerSettings, Secret, Settings
from tests.gateway.subgraph import Subgraph
from tests.gateway.support import supergraph_of

OLD, NEW = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
CLOCK = FakeClock()


def key_set(*keys: tuple[str, ECKey]) -> str:
    return json.dumps({"keys": [{**key.as_dict(private=False), "kid": name} for name, key in keys]})


KEY_SET = key_set(("old", OLD))


def write(file: Path, text: str) -> None:
    file.write_text(text)


def token(key: Any = OLD, kid: str | None = "old", alg: str = "ES256", **claims: Any) -> str:
    header = {"alg": alg} | ({"kid": kid} if kid else {})
    given = {"sub": "ada", "exp": int(CLOCK.now()) + 600, **claims}
    return str(jwt.encode(header, {n: v for n, v in given.items() if v is not None}, key, algorithms=[alg]))


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    """Return a file with the old key."""
    file = tmp_path / "jwks.json"
    file.write_text(KEY_SET)
    return file


def authenticator(
    jwks: Path, clock: FakeClock = CLOCK, facts: list[Fact] | None = None, **given: Any
) -> Authenticator:
    issuer = given.pop("issuer", {})
    settings = AuthenticationSettings((IssuerSettings("main", jwks_file=str(jwks), **issuer),), **given)
    return Authenticator(settings, Observer([facts.append] if facts is not None else []), clock)


async def identity(one: Authenticator, **headers: str) -> Identity:
    found = one.identify({name.replace("_", "-"): value for name, value in headers.items()})
    return found if isinstance(found, Identity) else await found


async def refused(one: Authenticator, given: str) -> str:
    """Return why a token is refused."""
    with pytest.raises(RequestError) as caught:
        await identity(one, authorization=f"Bearer {given}")
    assert caught.value.code == "UNAUTHENTICATED"
    assert caught.value.headers == ((b"www-authenticate", b'Bearer error="invalid_token"'),)
    return caught.value.message


async def test_what_a_token_gives(jwks: Path) -> None:
    """Subject, scopes and policies come from claims; a known token needs no second verification."""
    one = authenticator(jwks)
    given = token(scope="a b", policies=["p"])
    found = await identity(one, authorization=f"Bearer {given}")
    assert (found.subject, set(found.scopes), set(found.policies)) == ("ada", {"a", "b"}, {"p"})
    assert found.authenticated and found.claims["sub"] == "ada"
    assert one.identify({"authorization": f"bearer {given}"}) is found
    other = await identity(one, authorization=f"Bearer {token(scope=['a', 'b c'])}")
    assert other.scopes == {"a", "b c"} and other.key != found.key


async def test_where_tokens_are_read(jwks: Path) -> None:
    """From the header with its prefix, else from the cookie; another word in the header is no token."""
    one = authenticator(jwks, cookie="session")
    given = token()
    assert (await identity(one, cookie=f"a=b; session={given}")).subject == "ada"
    assert await identity(one, authorization="Basic YTpi") is ANONYMOUS
    assert await identity(one, cookie="a=b") is ANONYMOUS
    assert await identity(one) is ANONYMOUS
    bare = authenticator(jwks, header="x-token", prefix="")
    assert (await identity(bare, x_token=given)).subject == "ada"
    required = authenticator(jwks, required=True)
    with pytest.raises(RequestError) as caught:
        await identity(required)
    assert caught.value.headers == ((b"www-authenticate", b"Bearer"),)


async def test_tokens_that_are_refused(jwks: Path) -> None:
    """Whatever is wrong with a token, the message says what; none of its content is repeated."""
    one = authenticator(jwks, issuer={"issuers": ("me",), "audiences": ("web",)})
    good: dict[str, Any] = {"iss": "me", "aud": ["web", "x"]}
    assert (await identity(one, authorization=f"Bearer {token(**good)}")).subject == "ada"
    for given, words in (
        (token(iss="you", aud="web"), "another issuer"),
        (token(iss="me", aud="app"), "another audience"),
        (token(iss="me"), "another audience"),
        (token(**good, exp=int(CLOCK.now()) - 10), "has expired"),
        (token(**good, exp=None), "no `exp`"),
        (token(**good, exp="tomorrow"), "a number as `exp`"),
        (token(**good, nbf=int(CLOCK.now()) + 100), "not valid yet"),
        (token(NEW, **good), "signature"),
        (token(kid="new", **good), "no issuer has the key 'new'"),
        (token(OctKey.import_key(KEY_SET.encode()), "old", "HS256", **good), "no issuer has the key"),
        (token(**good)[:-4], "signature"),
        ("a.b", "three parts"),
        ("a" * 20_000, "at most 16,384"),
        ("e30.e30.x", "texts as `alg`"),
        ("eyJhbGciOiJub25lIn0.e30.", "three parts"),
        ("eyJhbGciOiJub25lIn0.e30.x", "no issuer has the key None for none"),
        ("eyJhbGciOiJFUzI1NiIsImNyaXQiOlsieCJdfQ.e30.x", "critical"),
        ("[1].e30.x", "not JSON"),
    ):
        assert words in await refused(one, given), given


async def test_a_remembered_token_expires(jwks: Path) -> None:
    clock = FakeClock()
    one = authenticator(jwks, clock, clock_skew=0.0)
    given = jwt.encode({"alg": "ES256", "kid": "old"}, {"exp": int(clock.now()) + 60}, OLD)
    assert (await identity(one, authorization=f"Bearer {given}")).authenticated
    await clock.advance(61)
    assert "expired" in await refused(one, given)


async def test_the_number_of_remembered_tokens_is_limited(jwks: Path) -> None:
    one = authenticator(jwks, cache=3)
    for number in range(6):
        await identity(one, authorization=f"Bearer {token(sub=str(number))}")
    assert len(one.cache.values) == 3


async def test_keys_are_rotated(jwks: Path) -> None:
    """A token with a new key id causes a refresh; tokens of a removed key are no longer remembered."""
    clock, facts = FakeClock(), list[Fact]()
    one = authenticator(jwks, clock, facts)
    old = token()
    await identity(one, authorization=f"Bearer {old}")
    write(jwks, key_set(("new", NEW)))
    assert (await identity(one, authorization=f"Bearer {token(NEW, 'new')}")).subject == "ada"
    assert "no issuer has the key 'old'" in await refused(one, old)
    write(jwks, "{")
    await clock.advance(100)
    given = token(NEW, "new", sub="eve")
    await identity(one, authorization=f"Bearer {given}")
    one.identify({"authorization": f"Bearer {given}"})
    source = one.sources[0]
    assert source.refreshing is not None
    await source.refreshing
    assert [type(fact) for fact in facts] == [KeySetFailed]
    assert (await identity(one, authorization=f"Bearer {token(NEW, 'new')}")).subject == "ada"


class Server(ThreadingHTTPServer):
    """Serves a key set. `reply`: status and body; a status of 0 closes the connection without a reply.

    `seen`: the requests' headers. `target`: where a redirect leads.
    """

    target = ""

    reply: tuple[int, str]
    seen: list[dict[str, str]]


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append({name.lower(): value for name, value in self.headers.items()})
        status, body = self.server.reply
        if status == 0:
            self.wfile.write(b"not HTTP\r\n\r\n")
            return
        self.send_response(status)
        if self.server.target:
            self.send_header("location", self.server.target)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(body: str) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), _Handler)
    server.reply, server.seen = (200, body), []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


async def test_unknown_keys_cause_few_fetches() -> None:
    """Many tokens with random key ids: two fetches at once, then one in half a minute; a failure keeps the
    keys.
    """
    clock = FakeClock()
    with serving(key_set(("old", OLD))) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/jwks"
        issuer = IssuerSettings("main", jwks_url=url, headers={"x-key": Secret("s")})
        one = Authenticator(AuthenticationSettings((issuer,)), Observer(), clock)
        good = token()
        assert (await identity(one, authorization=f"Bearer {good}")).subject == "ada"
        assert server.seen[0]["x-key"] == "s"
        for number in range(20):
            await refused(one, token(kid=f"k{number}"))
        assert len(server.seen) == 2
        server.reply = (500, "")
        await clock.advance(31)
        await refused(one, token(kid="another"))
        assert len(server.seen) == 3
        one.cache.values.clear()
        assert (await identity(one, authorization=f"Bearer {good}")).subject == "ada"


async def test_a_key_set_that_can_not_be_fetched() -> None:
    facts: list[Fact] = []
    settings = AuthenticationSettings((IssuerSettings("main", jwks_url="http://127.0.0.1:9/jwks"),))
    one = Authenticator(settings, Observer([facts.append]), FakeClock())
    assert "no issuer has the key" in await refused(one, token())
    assert isinstance(facts[0], KeySetFailed) and "127.0.0.1:9/jwks can't be fetched" in facts[0].message


async def test_a_redirect_is_not_followed() -> None:
    """It could lead the headers with secrets to another host; the message says where it leads."""
    facts: list[Fact] = []
    with serving(KEY_SET) as other, serving("") as server:
        server.reply, server.target = (302, ""), f"http://127.0.0.1:{other.server_address[1]}/jwks"
        url = f"http://127.0.0.1:{server.server_address[1]}/jwks"
        issuer = IssuerSettings("main", jwks_url=url, headers={"x-key": Secret("s")})
        one = Authenticator(AuthenticationSettings((issuer,)), Observer([facts.append]), FakeClock())
        assert "no issuer has the key" in await refused(one, token())
        assert other.seen == []
    assert isinstance(facts[0], KeySetFailed) and "redirects to" in facts[0].message
    assert "/jwks" in facts[0].message


async def test_a_reply_that_is_not_http() -> None:
    facts: list[Fact] = []
    with serving("") as server:
        server.reply = (0, "")
        url = f"http://127.0.0.1:{server.server_address[1]}/jwks"
        settings = AuthenticationSettings((IssuerSettings("main", jwks_url=url),))
        one = Authenticator(settings, Observer([facts.append]), FakeClock())
        assert "no issuer has the key" in await refused(one, token())
    assert isinstance(facts[0], KeySetFailed) and "can't be fetched" in facts[0].message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ('{"keys": [{"kty": "EC", "key_ops": 5}]}', "`key_ops`"),
        ("[]", "expected a JSON Web Key Set"),
        ('{"keys": []}', "no key that verifies"),
        ('{"keys": [{"kty": "EC", "kid": "x"}]}', "the key 'x' can't be read"),
        ('{"keys": [{"kty": "RSA", "kid": "x", "n": "AQAB", "e": "AQAB"}]}', "at least 2048 bits, got 17"),
        (json.dumps({"keys": [OctKey.generate_key(256).as_dict(), OLD.as_dict()]}), "got both"),
    ],
)
def test_a_file_that_is_no_key_set(text: str, words: str, tmp_path: Path) -> None:
    """The error at the start names the issuer and what is wrong."""
    (tmp_path / "jwks.json").write_text(text)
    with pytest.raises(SettingsError, match="authentication, issuer main") as caught:
        authenticator(tmp_path / "jwks.json")
    assert words in caught.value.message


async def test_claims_become_headers(jwks: Path) -> None:
    """The client's own header of the name never reaches a subgraph."""
    seen: list[dict[str, str]] = []

    class Recorder:
        def on_call(self, context: Any, call: Any) -> None:
            seen.append(dict(call.headers.pairs))

    rules = (
        ClaimRule("sub", "x-user"),
        ClaimRule("realm.roles", "x-roles", default="none"),
        ClaimRule("age", "x-age"),
    )
    issuer = IssuerSettings("main", jwks_file=str(jwks), allow_missing_exp=True)
    settings = Settings(authentication=AuthenticationSettings((issuer,), claims=rules))
    supergraph = supergraph_of({"s0": "type Query { a: Int }"})
    subgraph = Subgraph("type Query { a: Int }", {"Query": {"a": 1}})
    gateway = create_gateway(supergraph, settings, {"s0": subgraph}, plugins=[Recorder()])
    given = token(realm={"roles": ["x", "y"]}, age=7, exp=None)
    forged = {"x-user": "root", "x-age": "99"}
    await gateway.answer(GraphQLRequest("{ a }"), {"authorization": f"Bearer {given}", **forged})
    await gateway.answer(GraphQLRequest("{ a }"), forged)
    shown = [{name: one[name] for name in one if name.startswith("x-")} for one in seen]
    assert shown == [{"x-user": "ada", "x-roles": "x,y", "x-age": "7"}, {"x-roles": "none"}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[{name: a}]", "the issuer a needs either `jwks_url` or `jwks_file`"),
        ("[{name: a, jwks_url: http://x/, jwks_file: y}]", "either `jwks_url` or `jwks_file`"),
        ("[{jwks_file: y}]", "the setting `name` is missing"),
        ("[{name: a, jwks_file: y}, {name: a, jwks_file: z}]", "each issuer's name once, got a 2 times"),
        ("[{name: a, jwks_file: y, algorithms: [RS265]}]", "did you mean RS256?"),
        ("[{name: a, jwks_file: y, audience: [x]}]", "did you mean `audiences`?"),
        ("{name: a}", "expected a list"),
    ],
)
def test_wrong_configuration(text: str, words: str) -> None:
    """Each mistake names its place and what is valid."""
    with pytest.raises(ConfigError) as caught:
        settings_from(f"authentication:\n  issuers: {text}\n", {}, Path("gateway.yaml"))
    assert words in caught.value.message
    assert "line 2, column " in caught.value.message


def test_secrets_are_not_shown() -> None:
    text = """
authentication:
  issuers:
    - name: a
      jwks_url: http://x/
      headers: {authorization: "top secret"}
"""
    settings = settings_from(text, {}, Path("gateway.yaml"))
    assert settings.authentication.issuers[0].headers["authorization"].value == "top secret"
    assert "top secret" not in repr(settings)
    with pytest.raises(ConfigError) as caught:
        settings_from(text.replace('"top secret"', "[top secret]"), {}, Path("gateway.yaml"))
    assert "top secret" not in caught.value.message
