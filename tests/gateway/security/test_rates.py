"""Rate limits: never more than the limit in any window, nearly all of it, and one caller's is his own."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.app import create_gateway
from gateway.config.load import ConfigError, settings_from
from gateway.core.clock import FakeClock
from gateway.core.context import Identity, RequestContext
from gateway.core.errors import RequestError
from gateway.core.headers import RequestHeaders
from gateway.guards import RateGuard
from gateway.observe.facts import Fact, RedisFailed, RedisReturned
from gateway.observe.observer import Observer
from gateway.request.graphql_request import GraphQLRequest
from gateway.security.rates import Charge, MemoryRates, RedisRates
from gateway.security.redis_link import PAUSE, RedisLink
from gateway.settings import (
    CostSettings,
    KeySettings,
    RateRule,
    RateSettings,
    RedisSettings,
    Secret,
    Settings,
)
from tests.gateway.subgraph import Subgraph
from tests.gateway.support import supergraph_of

SDL = """
type Query { a: Int }
type Mutation { login(name: String): Int other: Int }
"""
HELLO = GraphQLRequest("{ a }")


def charge(limit: int, window: float = 10.0, key: str = "k", amount: int = 1) -> Charge:
    return Charge("rule", key, amount, limit, window)


@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 5)), max_size=120),
    st.integers(1, 12),
    st.floats(0.5, 20),
)
@settings(max_examples=150, deadline=None)
def test_no_interval_has_more_than_the_limit(
    arrivals: list[tuple[float, int]], limit: int, window: float
) -> None:
    """Whenever requests arrive, no interval of the window's length has admitted more than the limit."""
    clock = FakeClock()
    rates = MemoryRates(10, clock)
    admitted: list[tuple[float, int]] = []
    for gap, amount in arrivals:
        clock._time += gap
        verdict = rates.admit_now([charge(limit, window, amount=amount)])
        if verdict.refused is None:
            admitted.append((clock.time(), amount))
        else:
            assert verdict.wait >= 0
    for start, _ in admitted:
        assert sum(amount for at, amount in admitted if start <= at < start + window) <= limit


@pytest.mark.parametrize(("limit", "window"), [(20, 1.0), (100, 60.0)])
def test_a_caller_that_always_asks_gets_nearly_the_limit(limit: int, window: float) -> None:
    """At four times the limit at least 98 % of it is admitted, and waiting as told is enough."""
    clock = FakeClock()
    rates = MemoryRates(10, clock)
    count = 0
    for _ in range(limit * 4 * 50):
        clock._time += window / limit / 4
        count += rates.admit_now([charge(limit, window)]).refused is None
    assert count >= 0.98 * limit * 50
    while (verdict := rates.admit_now([charge(limit, window)])).refused is None:
        pass
    clock._time += verdict.wait + 1e-6
    assert rates.admit_now([charge(limit, window)]).refused is None


def test_callers_are_forgotten_one_by_one() -> None:
    """Memory is bounded by the number of callers, however many there are."""
    rates = MemoryRates(50, FakeClock())
    for number in range(1000):
        rates.admit_now([charge(5, key=str(number))])
    assert len(rates.slots) == 50


def test_what_one_rule_refuses_is_counted_in_none() -> None:
    rates = MemoryRates(50, FakeClock())
    wide, narrow = charge(10, key="wide"), charge(1, key="narrow")
    assert rates.admit_now([wide, narrow]).refused is None
    for _ in range(20):
        assert rates.admit_now([wide, narrow]).refused == 1
    assert rates.admit_now([wide]).remaining == (8,)


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[RedisLink]:
    """Yield a link to an empty Redis."""
    found = RedisLink(RedisSettings(Secret(redis_url), timeout=2.0, prefix="test-rates:"), Observer())
    await found.client.flushdb()
    yield found
    await found.close()


async def test_redis_counts_like_memory(link: RedisLink) -> None:
    """The script admits up to the limit, all or nothing, says what is left, and how long to wait."""
    rates = RedisRates(link, MemoryRates(10))
    wide, narrow = charge(5, 60, "wide"), charge(3, 60, "narrow")
    left = [(await rates.admit([wide, narrow])).remaining for _ in range(3)]
    assert left == [(4, 2), (3, 1), (2, 0)]
    refused = await rates.admit([wide, narrow])
    assert (refused.refused, refused.remaining) == (1, (2, 0))
    assert 59 < refused.wait <= 61
    assert (await rates.admit([charge(5, 60, "wide", amount=3)])).refused == 0
    assert (await rates.admit([charge(5, 60, "wide", amount=2)])).remaining == (0,)
    assert 0 < await link.client.pttl(link.key("rate", "wide")) <= 62_000


async def test_redis_forgets_old_slots(link: RedisLink) -> None:
    """In a short window the limit is admitted again and again, never more in one window."""
    rates = RedisRates(link, MemoryRates(10))
    loop = asyncio.get_running_loop()
    spans: list[tuple[float, float]] = []
    end = loop.time() + 2.0
    while loop.time() < end:
        before = loop.time()
        verdict = await rates.admit([charge(20, 0.5, "short")])
        if verdict.refused is None:
            spans.append((before, loop.time()))
        await asyncio.sleep(0.002)
    for start, _ in spans:
        assert sum(start <= sent and got < start + 0.5 for sent, got in spans) <= 20
    assert len(spans) >= 60


async def test_requests_go_on_without_redis() -> None:
    """While Redis is away the process counts for itself; Redis is asked again after a pause."""
    facts: list[Fact] = []
    clock = FakeClock()
    settings = RedisSettings(Secret("redis://127.0.0.1:1/0"))
    link = RedisLink(settings, Observer([facts.append]), clock)
    rates = RedisRates(link, MemoryRates(10, clock))
    assert [(await rates.admit([charge(2)])).refused for _ in range(3)] == [None, None, 0]
    clock._time += PAUSE + 0.1
    await rates.admit([charge(2)])
    assert [type(one) for one in facts] == [RedisFailed]
    await link.close()


async def test_a_return_of_redis_is_reported(redis_url: str) -> None:
    facts: list[Fact] = []
    clock = FakeClock()
    link = RedisLink(RedisSettings(Secret(redis_url), timeout=2.0), Observer([facts.append]), clock)
    link.is_away = True
    await RedisRates(link, MemoryRates(10, clock)).admit([charge(2)])
    assert [type(one) for one in facts] == [RedisReturned]
    await link.close()


def gateway_with(*rules: RateRule) -> Any:
    subgraph = Subgraph(SDL, {"Query": {"a": 1}, "Mutation": {"login": 1, "other": 1}})
    given = Settings(rates=RateSettings(rules), cost=CostSettings())
    return create_gateway(supergraph_of({"s": SDL}), given, {"s": subgraph}, clock=FakeClock())


def context_of(gateway: Any, address: str = "10.0.0.1", **headers: str) -> RequestContext:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    found: RequestContext = gateway.context(RequestHeaders(raw, address))
    return found


async def ask(gateway: Any, request: GraphQLRequest, context: RequestContext) -> str:
    """Return "answered", or the code of the refusal."""
    answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    try:
        gateway.begin(request, context, answered.set_result)
        found = await answered
    except RequestError as error:
        found = error
    return found.code if isinstance(found, RequestError) else "answered"


async def test_each_address_has_its_own_limit_and_headers() -> None:
    """The limit is per address; an IPv6 customer counts as one network; headers tell what is left."""
    gateway = gateway_with(RateRule("all", requests=2))
    for address in ("10.0.0.1", "10.0.0.2", "2001:db8::1"):
        outcomes = [await ask(gateway, HELLO, context_of(gateway, address)) for _ in range(3)]
        assert outcomes == ["answered", "answered", "RATE_LIMITED"]
    context = context_of(gateway, "2001:db8::ffff")
    with pytest.raises(RequestError) as caught:
        gateway.begin(HELLO, context, lambda _: None)
    assert dict(context.response_headers) == {
        b"ratelimit-policy": b'"all";q=2;w=60',
        b"ratelimit": b'"all";r=0',
    }
    assert dict(caught.value.headers)[b"retry-after"] == b"61"
    assert caught.value.extensions == {"limit": "all", "retryAfter": 61}


async def test_root_fields_are_counted_with_aliases() -> None:
    """Ten aliases of a limited field are ten uses; other operations are not limited."""
    gateway = gateway_with(RateRule("login", requests=3, fields=("Mutation.login",)))
    two = GraphQLRequest("mutation { a: login other ...F } fragment F on Mutation { b: login }")
    assert await ask(gateway, two, context_of(gateway)) == "answered"
    assert await ask(gateway, two, context_of(gateway)) == "RATE_LIMITED"
    assert await ask(gateway, GraphQLRequest("mutation { login }"), context_of(gateway)) == "answered"
    for _ in range(5):
        assert await ask(gateway, GraphQLRequest("mutation { other }"), context_of(gateway)) == "answered"


async def test_cost_is_summed_up() -> None:
    """A rule by cost counts the estimated cost of each operation: 10 for a mutation."""
    gateway = gateway_with(RateRule("cost", cost=25))
    outcomes = [await ask(gateway, GraphQLRequest("mutation { other }"), context_of(gateway)) for _ in "123"]
    assert outcomes == ["answered", "answered", "RATE_LIMITED"]


@pytest.mark.parametrize(
    ("by", "own"),
    [
        ("client", {"graphql_client_name": "web"}),
        ("header:x-tenant", {"x_tenant": "a"}),
    ],
)
async def test_callers_are_told_apart(by: str, own: dict[str, str]) -> None:
    """A request without the value counts for its address."""
    gateway = gateway_with(RateRule("one", requests=1, by=(by,)))
    assert await ask(gateway, HELLO, context_of(gateway, **own)) == "answered"
    assert await ask(gateway, HELLO, context_of(gateway)) == "answered"
    assert await ask(gateway, HELLO, context_of(gateway, **own)) == "RATE_LIMITED"
    assert await ask(gateway, HELLO, context_of(gateway)) == "RATE_LIMITED"


def test_claims_subjects_and_long_values() -> None:
    """Claims and subjects tell callers apart; a long value is hashed; `only` leaves others out."""
    rule = RateRule("mine", requests=1, by=("subject", "claim:tenant"), only="authenticated")
    guard = RateGuard([rule], MemoryRates(10, FakeClock()))

    def passes(identity: Identity) -> bool:
        context = RequestContext(RequestHeaders([], "10.0.0.1"), Observer())
        context.identity = identity
        try:
            guard.before_planning(HELLO, context)
        except RequestError:
            return False
        return True

    ada = Identity("ada" * 100, claims={"tenant": 1}, authenticated=True)
    other = Identity("ada" * 100, claims={"tenant": 2}, authenticated=True)
    assert [passes(ada), passes(ada), passes(other), passes(Identity()), passes(Identity())] == [
        True, False, True, True, True,
    ]  # fmt: skip
    assert isinstance(guard.rates, MemoryRates)
    assert all(len(key) <= 110 for key in guard.rates.slots)


async def test_guessing_keys_is_limited(tmp_path: Path) -> None:
    """A limit by address counts requests with wrong keys and tokens, too."""
    (tmp_path / "keys.json").write_text('{"keys": []}')
    given = Settings(
        keys=KeySettings(str(tmp_path / "keys.json")),
        rates=RateSettings((RateRule("all", requests=2), RateRule("mine", requests=9, by=("subject",)))),
    )
    gateway = create_gateway(supergraph_of({"s": SDL}), given, {}, clock=FakeClock())
    outcomes = [await ask(gateway, HELLO, context_of(gateway, x_api_key="gk_x")) for _ in range(3)]
    assert outcomes == ["UNAUTHENTICATED", "UNAUTHENTICATED", "RATE_LIMITED"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rates: {rules: [{name: a}]}", "needs either `requests` or `cost`"),
        ("rates: {rules: [{name: a, requests: 1, cost: 2}]}", "needs either `requests` or `cost`"),
        ("rates: {rules: [{name: a, requests: 1}, {name: a, cost: 1}]}", "got a 2 times"),
        ("rates: {rules: [{name: a, cost: 1, fields: [Query.x]}]}", "`fields` limit requests"),
        ("rates: {rules: [{name: 'a b', requests: 1}]}", "expected a name of letters, digits"),
        ("rates: {rules: [{name: a, requests: 0}]}", "at least 1"),
        ("rates: {rules: [{name: a, requests: 1, by: [adress]}]}", "expected address, client, key"),
        (
            "rates: {rules: [{name: a, requests: 1, fields: [login]}]}",
            "expected a root field such as Mutation.login",
        ),
        ("rates: {store: redis}", "the store redis needs the setting `redis.url`"),
        ("revocation: {enabled: true}", "revoked tokens need the setting `redis.url`"),
        ("cost: {headers: {actual: x-cost}}", "needs the setting `cost.actual`"),
    ],
)
def test_wrong_rules(text: str, message: str) -> None:
    """Each mistake in a rule is reported with what was expected."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        settings_from(text, {}, Path("gateway.yaml"))
