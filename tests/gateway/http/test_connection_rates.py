"""Guessing tokens by WebSocket: each `connection_init` with one counts in the rates that need no identity."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.core.clock import FakeClock
from gateway.core.context import ANONYMOUS, Identity, RequestContext
from gateway.core.errors import RequestError
from gateway.guards.base import Guards
from gateway.guards.rates import RateGuard
from gateway.observe.observer import Observer
from gateway.security.rates import Charge, MemoryRates, Verdict
from gateway.settings import AuthenticationSettings, IssuerSettings, RateRule, RateSettings, Settings
from tests.gateway.http.raw_clients import LEGACY_WS, TRANSPORT_WS, Closed, raw_stream, websocket
from tests.gateway.http.stream_doors import Doors, doors
from tests.gateway.security.test_authenticate import KEY_SET, token

LIMIT = 3
RULE = RateRule("attempts", requests=LIMIT, window=60.0)
FORBIDDEN = Closed(4403, "Forbidden")


@pytest.fixture
def clock() -> FakeClock:
    """Return the clock of the gateway."""
    return FakeClock()


@pytest.fixture
async def guarded(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Doors]:
    """Yield a gateway that knows tokens, does not need them, and counts requests by address."""
    (tmp_path / "jwks.json").write_text(KEY_SET)
    issuer = IssuerSettings("main", jwks_file=str(tmp_path / "jwks.json"))
    given = Settings(authentication=AuthenticationSettings((issuer,)), rates=RateSettings((RULE,)))
    async with doors(given, clock) as found:
        yield found


async def connect(served: Doors, authorization: str | None, protocol: str = TRANSPORT_WS) -> Any:
    """Return the reply to `connection_init` on a new socket: a message, or how the socket is closed."""
    async with websocket(served, protocol=protocol) as client:
        client.send("connection_init", payload={"authorization": authorization} if authorization else None)
        found = await client.receive()
        if isinstance(found, Closed) or found["type"] == "connection_ack":
            return found
        return found, await client.receive()


async def status(served: Doors) -> int:
    """Return the status of a request by HTTP."""
    async with raw_stream(served) as client:
        await client.post("{ y }", "application/json")
        return client.status


async def test_tokens_that_are_guessed(guarded: Doors, clock: FakeClock) -> None:
    """Above the limit even the right token is refused, until the window is over; HTTP counts the same."""
    for number in range(LIMIT):
        assert await connect(guarded, f"Bearer forged{number}") == FORBIDDEN
    assert await connect(guarded, f"Bearer {token()}") == FORBIDDEN
    assert await status(guarded) == 429
    await clock.advance(61.0)
    assert await connect(guarded, f"Bearer {token()}") == {"type": "connection_ack"}
    assert await status(guarded) == 200


async def test_the_legacy_protocol(guarded: Doors) -> None:
    """The legacy protocol says why, and closes with 1002; both protocols count together."""
    for _ in range(LIMIT):
        refused, closed = await connect(guarded, "Bearer forged", LEGACY_WS)
        assert refused["type"] == "connection_error"
        assert closed == Closed(1002, "Forbidden")
    refused, _ = await connect(guarded, f"Bearer {token()}", LEGACY_WS)
    assert refused["payload"]["message"].startswith("the limit attempts allows 3 in 60 s")
    assert await connect(guarded, f"Bearer {token()}") == FORBIDDEN


async def test_clients_without_tokens(guarded: Doors) -> None:
    """A client that guesses nothing is not counted when it connects."""
    for _ in range(LIMIT * 2):
        assert await connect(guarded, None) == {"type": "connection_ack"}
    assert await status(guarded) == 200


class Authenticator:
    """Knows the callers at once, or later if `is_slow`; refuses the header `bad`."""

    def __init__(self, is_slow: bool) -> None:
        self.is_slow = is_slow
        self.verified = 0

    def identify(self, context: RequestContext) -> Identity | Awaitable[Identity]:
        """Return the identity."""
        given = context.headers.get("authorization", "")
        return self._verify(given) if self.is_slow else self._found(given)

    async def _verify(self, given: str) -> Identity:
        return self._found(given)

    def _found(self, given: str) -> Identity:
        self.verified += 1
        if given == "bad":
            raise RequestError("the token is not valid", "UNAUTHENTICATED")
        return Identity("ada", frozenset(), {}, b"key", authenticated=True) if given else ANONYMOUS


class LaterRates:
    """Counts as Redis does: later."""

    def __init__(self, clock: FakeClock) -> None:
        self.memory = MemoryRates(100, clock)

    async def admit(self, charges: Sequence[Charge]) -> Verdict:
        """Count."""
        return self.memory.admit_now(charges)


@pytest.mark.parametrize("is_slow", [False, True])
@pytest.mark.parametrize("counts_later", [False, True])
async def test_what_is_counted(clock: FakeClock, is_slow: bool, counts_later: bool) -> None:
    """Valid or not, at once or later: each caller with a token counts; above the limit none is verified."""
    authenticator = Authenticator(is_slow)
    rates = LaterRates(clock) if counts_later else MemoryRates(100, clock)
    guards = Guards((), None, authenticator, RateGuard([RULE], rates))

    async def code(authorization: str) -> str:
        try:
            found = guards.connect(RequestContext({"authorization": authorization}, Observer()))
            return (found if isinstance(found, Identity) else await found).subject or ""
        except RequestError as error:
            return error.code

    given = ["bad", "good", "bad", "good", "bad"]
    expected = ["UNAUTHENTICATED", "ada", "UNAUTHENTICATED", "RATE_LIMITED", "RATE_LIMITED"]
    assert [await code(one) for one in given] == expected
    if is_slow:
        assert authenticator.verified == LIMIT


async def test_without_rates_or_tokens() -> None:
    """A gateway without rates counts nothing; one without tokens identifies nobody."""
    context = RequestContext({"authorization": "good"}, Observer())
    found = Guards((), None, Authenticator(is_slow=False)).connect(context)
    assert isinstance(found, Identity)
    assert found.subject == "ada"
    assert Guards(()).connect(context) is ANONYMOUS
