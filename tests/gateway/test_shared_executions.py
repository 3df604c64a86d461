"""Equal concurrent queries share one execution; nothing is shared that could differ between callers."""

import asyncio
from typing import Any

import orjson
import pytest

from gateway.answering import Gateway
from gateway.core.envelope import encoded_body
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import Settings
from gateway.transport.base import Call, Done, Handle, Reply, run_in_task
from tests.gateway.support import gateway_of

SDL = "type Query { me(n: Int): String } type Mutation { change: String }"


class Waiting:
    """Replies with the caller and the number of the request, once it is released, with the given headers."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = 0
        self.answered = 0
        self.headers: list[tuple[bytes, bytes]] = []

    def post(self, call: Call, done: Done) -> Handle:
        """Reply in a task."""
        return run_in_task(self.answer(call), done)

    async def answer(self, call: Call) -> Reply:
        """Return one reply."""
        self.asked += 1
        number = self.asked
        await self.go.wait()
        self.answered += 1
        key = "change" if "mutation" in call.query else "me"
        user = dict(call.headers.pairs).get("authorization", "nobody")
        return Reply(200, orjson.dumps({"data": {key: f"{user} {number}"}}), self.headers)

    async def close(self) -> None:
        """Do nothing."""


def gateway_over(transport: Waiting, *, share: bool = True) -> Gateway:
    """Return a gateway that has the test's operations cached."""
    return gateway_of({"a": SDL}, transport, Settings(share=share))


async def together(
    gateway: Gateway, transport: Waiting, *asks: tuple[GraphQLRequest, dict[str, str]]
) -> list[Any]:
    """Return the responses to concurrent requests."""
    transport.go.set()
    for ask, headers in asks:  # so that their plans are known
        await gateway.answer(ask, headers)
    transport.go.clear()
    transport.asked = 0
    tasks = [asyncio.ensure_future(gateway.answer(ask, headers)) for ask, headers in asks]
    await asyncio.sleep(0.01)
    transport.go.set()
    return [orjson.loads(encoded_body(await task))["data"] for task in tasks]


ME = GraphQLRequest("query { me }")
KIM, LEE = {"authorization": "kim"}, {"authorization": "lee"}


async def test_equal_queries_are_asked_once() -> None:
    """Equal concurrent queries of one user make one request and get one response; later ones make a new
    request.
    """
    transport = Waiting()
    gateway = gateway_over(transport)
    assert await together(gateway, transport, *[(ME, KIM)] * 20) == [{"me": "kim 1"}] * 20
    assert transport.asked == 1
    await gateway.answer(ME, KIM)
    assert transport.asked == 2
    assert not gateway.shared_executions.open


async def test_users_share_nothing() -> None:
    """Two users with the same query get their own responses, and so does an anonymous caller."""
    transport = Waiting()
    answers = await together(gateway_over(transport), transport, (ME, KIM), (ME, LEE), (ME, {}), (ME, KIM))
    assert [answer["me"].split()[0] for answer in answers] == ["kim", "lee", "nobody", "kim"]
    assert transport.asked == 3


@pytest.mark.parametrize(
    ("other", "asked"),
    [
        ((GraphQLRequest("query($n: Int) { me(n: $n) }", {"n": 2}), KIM), 2),
        ((GraphQLRequest("query($n: Int) { me(n: $n) }", {"n": 1}), {**KIM, "accept-language": "de"}), 2),
        (
            (
                GraphQLRequest("query($n: Int) { me(n: $n) }", {"n": 1}),
                {**KIM, "traceparent": "b", "x-request-id": "2"},
            ),
            1,
        ),
        ((GraphQLRequest("query($n: Int) { me(n: $n) }", {"n": 1}), {**KIM, "x-not-forwarded": "1"}), 1),
    ],
)
async def test_what_counts_as_equal(other: tuple[GraphQLRequest, dict[str, str]], asked: int) -> None:
    """Variables and forwarded headers distinguish requests; tracing headers and headers that are not
    forwarded do not.
    """
    transport = Waiting()
    first = (
        GraphQLRequest("query($n: Int) { me(n: $n) }", {"n": 1}),
        {**KIM, "traceparent": "a", "x-request-id": "1"},
    )
    await together(gateway_over(transport), transport, first, other)
    assert transport.asked == asked


async def test_mutations_are_never_shared() -> None:
    """Equal mutations each run."""
    transport = Waiting()
    await together(gateway_over(transport), transport, *[(GraphQLRequest("mutation { change }"), KIM)] * 5)
    assert transport.asked == 5


@pytest.mark.parametrize(
    "header",
    [(b"Set-Cookie", b"a=b"), (b"cache-control", b"max-age=5, private"), (b"Cache-Control", b"no-store")],
)
async def test_private_replies_are_not_shared(header: tuple[bytes, bytes]) -> None:
    """After a private reply, each of the waiting queries is executed."""
    transport = Waiting()
    transport.headers = [header]
    answers = await together(gateway_over(transport), transport, *[(ME, KIM)] * 3)
    assert transport.asked == 3
    assert sorted(answer["me"] for answer in answers) == ["kim 1", "kim 2", "kim 3"]


async def test_a_caller_that_leaves_takes_nobody_along() -> None:
    """The execution continues for the waiting callers, whoever disconnects, and ends with the last of
    them.
    """
    transport = Waiting()
    gateway = gateway_over(transport)
    transport.go.set()
    await gateway.answer(ME, KIM)
    transport.go.clear()
    transport.asked = 0
    tasks = [asyncio.ensure_future(gateway.answer(ME, KIM)) for _ in range(4)]
    await asyncio.sleep(0.01)
    tasks[0].cancel()
    tasks[2].cancel()
    await asyncio.sleep(0.01)
    transport.go.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(one, BaseException) for one in done] == [True, False, True, False]
    assert transport.asked == 1
    assert not gateway.shared_executions.open
    transport.go.clear()
    tasks = [asyncio.ensure_future(gateway.answer(ME, KIM)) for _ in range(3)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not gateway.shared_executions.open
    assert (transport.asked, transport.answered) == (2, 2)


async def test_sharing_can_be_turned_off() -> None:
    """With share=False every query is executed."""
    transport = Waiting()
    await together(gateway_over(transport, share=False), transport, *[(ME, KIM)] * 3)
    assert transport.asked == 3
