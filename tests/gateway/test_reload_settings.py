"""A reload reads the supergraph and the settings together: both are served at once, or neither."""

from typing import Any

import pytest

from gateway.app import GatewayApp
from gateway.core.errors import SettingsError
from gateway.observe.facts import Fact, Reloaded, ReloadRefused
from gateway.observe.observer import Observer
from gateway.reload import GatewayFactory, GatewaySource, Reloader
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import Limits, Settings, SubgraphSettings
from tests.gateway.support import supergraph_of

BEFORE = GatewaySource(supergraph_of({"a": "type Query { one: Int }"}), Settings())
AFTER = GatewaySource(
    supergraph_of({"a": "type Query { two: Int }"}), Settings(limits=Limits(depth=1), plan_cache=7)
)
BROKEN = GatewaySource(
    AFTER.supergraph, Settings(subgraphs={"nobody": SubgraphSettings("http://127.0.0.1:9/")})
)


def reloading(*sources: GatewaySource | Exception) -> tuple[GatewayApp, Reloader, list[Fact]]:
    """Return an application over the first source, its reloader, which reads the others, and the reported
    facts.
    """
    facts: list[Fact] = []
    left = list(sources[1:])

    def read() -> GatewaySource:
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    making = GatewayFactory(read, Observer([facts.append]))
    first: Any = sources[0]
    served = GatewayApp(making.make(first))
    return served, Reloader(served, making), facts


async def test_both_change_at_once() -> None:
    """The new supergraph is served with the new settings, and recent operations are already planned."""
    served, reloader, facts = reloading(BEFORE, AFTER)
    await served.gateway.answer(GraphQLRequest("{ __typename }"), {})
    site = served.routes.service
    await reloader.reload()
    settings = served.gateway.engine.settings
    assert (settings.limits.depth, settings.plan_cache) == (1, 7)
    assert served.routes.service is not site
    assert served.routes.service.endpoint.handler is served.gateway
    assert "two" in served.gateway.engine.supergraph.sdl
    assert list(served.gateway.prepared.operations.values) == [("{ __typename }", None)]
    assert facts == [Reloaded(("a",))]


@pytest.mark.parametrize(
    ("bad", "code"),
    [(BROKEN, "UNKNOWN_SUBGRAPH"), (SettingsError("no file", "FILE_NOT_READABLE"), "FILE_NOT_READABLE")],
)
async def test_neither_changes_where_one_is_wrong(bad: GatewaySource | Exception, code: str) -> None:
    """Settings that do not fit the new supergraph leave both unchanged; the reported fact has the reason."""
    served, reloader, facts = reloading(BEFORE, bad)
    gateway = served.gateway
    await reloader.reload()
    assert served.gateway is gateway
    (refused,) = facts
    assert isinstance(refused, ReloadRefused)
    assert refused.code == code
