"""The examples on the page about limits, costs and rates are true."""

import json
from pathlib import Path

import pytest

from gateway.app import create_gateway
from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.config.load import settings_from
from gateway.core.context import RequestContext
from gateway.core.envelope import encoded_body
from gateway.observe.observer import Observer
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import CostSettings, Settings
from tests.docs.test_documents import ROOT, code

PAGE = (ROOT / "docs/gateway/limits.md").read_text()
LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@cost", "@listSize"])'
TYPES = "type Product { name: String maker: Maker } type Maker { name: String }"


@pytest.mark.parametrize("text", code(PAGE, "yaml"), ids=["cost", "rates"])
def test_settings_are_valid(text: str) -> None:
    settings_from(text, {"REDIS_PASSWORD": "x"}, Path("gateway.yaml"))


async def test_the_error_of_aliases() -> None:
    """The error on the page is what a client gets."""
    sdl = "type Query { q: T } type T { a: Int }"
    supergraph = compose([SubgraphSource("a", "", sdl)]).supergraph
    gateway = create_gateway(supergraph, Settings(), {}, observer=Observer())
    text = "{ q { " + " ".join(f"a{number}: a" for number in range(301)) + " } }"
    envelope = await gateway.answer(GraphQLRequest(text), {})
    assert json.loads(encoded_body(envelope)) == json.loads(code(PAGE, "json")[0])


def test_the_cost_on_the_page() -> None:
    """The example costs 6, and the search 20 and its items."""
    sdl = LINK + code(PAGE, "graphqls")[0] + TYPES
    supergraph = compose([SubgraphSource("shop", "", sdl)]).supergraph
    settings = Settings(cost=CostSettings(actual="by_response"))
    gateway = create_gateway(supergraph, settings, {}, observer=Observer())

    def cost(text: str) -> int | None:
        context = RequestContext({}, Observer())
        gateway.prepared.find(GraphQLRequest(text), context)
        return context.cost

    assert cost("{ products(first: 3) { name maker { name } } }") == 6
    assert cost("{ products { name } }") == 10
    assert cost("{ search { name } }") == 70
