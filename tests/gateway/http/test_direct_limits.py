"""Limits for a client that sends no whole request: the size of a head, and the time for sending."""

import pytest

from tests.gateway.http.sockets import GET, HELLO, connected, gone, post, serving, well

GOOD = post(HELLO, "a")


@pytest.mark.parametrize(
    "start", [b"POST /graphql HTTP/1.1\r\nx: ", b"POST /graphql?", b"GET /", GOOD + b"GET /"]
)
async def test_a_head_has_a_limit(start: bytes) -> None:
    """A head that does not end is refused, whichever part of it is too long."""
    async with serving() as served:
        async with connected(served) as (reader, writer):
            writer.write(start + b"y" * 600_000)
            got = await reader.read()
        # a request before it that is still under way ends with it
        assert got.startswith(
            (b"HTTP/1.1 200 ", b"HTTP/1.1 431 ") if start.startswith(GOOD) else b"HTTP/1.1 431 "
        )
        assert len(served.subgraph.calls) <= start.startswith(GOOD)
        await gone(served)
        await well(served)


@pytest.mark.parametrize(
    ("some", "answers"),
    [(b"", 0), (GOOD[:40], 0), (GOOD[:-2], 0), (GOOD + GOOD[:40], 1), (GET + GOOD[:-2], 1)],
)
async def test_sending_has_a_time(monkeypatch: pytest.MonkeyPatch, some: bytes, answers: int) -> None:
    """A client that begins a request and does not finish it, or never begins one, is disconnected."""
    monkeypatch.setattr("gateway.http.direct.REQUEST_SECONDS", 0.1)
    async with serving(timeout_keep_alive=0.1) as served:
        async with connected(served) as (reader, writer):
            writer.write(some)
            assert (await reader.read()).count(b"HTTP/1.1 200 ") == answers
        await gone(served)
