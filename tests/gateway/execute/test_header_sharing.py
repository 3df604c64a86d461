"""Requests whose subgraph requests differ by header rules share nothing."""

import asyncio
from typing import Any

import orjson
import pytest

from gateway.core.envelope import encoded_body
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import HeaderRules, RequestHeaderRule, Settings, SubgraphHeaderRules, SubgraphSettings
from gateway.transport.base import Call, Done, Handle, Reply, run_in_task
from tests.gateway.support import gateway_of

SDLS = {
    "a": 'type Query { thing: Thing } type Thing @key(fields: "id") { id: ID! }',
    "b": 'type Thing @key(fields: "id") { id: ID! color: String }',
}
TENANT = RequestHeaderRule(propagate="x-tenant")
EVERYWHERE = HeaderRules(request=(TENANT,))
ONLY_B = {"b": SubgraphSettings(headers=SubgraphHeaderRules(request=(TENANT,)))}


class Subgraphs:
    """Replies with the tenant that it receives. `asked`: the calls to each subgraph."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {"a": 0, "b": 0}

    def post(self, call: Call, done: Done) -> Handle:
        """Reply in a task."""
        return run_in_task(self.answer(call), done)

    async def answer(self, call: Call) -> Reply:
        """Reply after some turns of the event loop, so that concurrent requests meet."""
        self.asked[call.subgraph] += 1
        for _ in range(5):
            await asyncio.sleep(0)
        if call.subgraph == "a":
            return Reply(200, b'{"data":{"thing":{"__typename":"Thing","id":"1"}}}')
        tenant = dict(call.headers.pairs).get("x-tenant", "none")
        entities = [{"color": tenant} for _ in call.representations[0]]
        return Reply(200, orjson.dumps({"data": {"_entities": entities}}))

    async def close(self) -> None:
        """Do nothing."""


async def colors(settings: Settings, *tenants: str) -> tuple[list[Any], dict[str, int]]:
    """Return the color that each of several concurrent requests gets, and the number of calls."""
    transport = Subgraphs()
    gateway = gateway_of(SDLS, transport, settings)
    request = GraphQLRequest("{ thing { color } }")
    await gateway.answer(request, {"x-tenant": "first"})  # plans the operation
    transport.asked = {"a": 0, "b": 0}
    asked = [gateway.answer(request, {"x-tenant": one, "x-other": str(n)}) for n, one in enumerate(tenants)]
    answers = [orjson.loads(encoded_body(one)) for one in await asyncio.gather(*asked)]
    return [one["data"]["thing"]["color"] for one in answers], transport.asked


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("settings", [Settings(headers=EVERYWHERE), Settings(subgraphs=ONLY_B)])
async def test_other_headers_share_nothing(settings: Settings, share: bool) -> None:
    """Requests with other values of a propagated header get their own entities, batched or not."""
    given = Settings(headers=settings.headers, subgraphs=settings.subgraphs, share=share)
    found, asked = await colors(given, "kim", "lee")
    assert (found, asked["b"]) == (["kim", "lee"], 2)


@pytest.mark.parametrize("settings", [Settings(headers=EVERYWHERE), Settings(subgraphs=ONLY_B)])
async def test_equal_headers_share(settings: Settings) -> None:
    """Requests with the same value share one execution, whatever else their clients send."""
    assert await colors(settings, "kim", "kim") == (["kim", "kim"], {"a": 1, "b": 1})


async def test_only_the_calls_with_the_header_are_separate() -> None:
    """Without shared executions, entity fetches of the same tenant still form one batch."""
    settings = Settings(subgraphs=ONLY_B, share=False)
    found, asked = await colors(settings, "kim", "kim", "lee")
    assert (found, asked) == (["kim", "kim", "lee"], {"a": 3, "b": 2})
