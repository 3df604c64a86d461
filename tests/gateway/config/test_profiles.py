"""The profile of production: what it hides, what a file can still show, and introspection by scope."""

from pathlib import Path
from typing import Any

import pytest

from gateway.app import create_gateway
from gateway.config.load import settings_from
from gateway.core.context import Identity
from gateway.core.errors import RequestError
from gateway.pipeline import check
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import AuthorizationSettings, Settings
from tests.gateway.subgraph import Subgraph
from tests.gateway.support import supergraph_of

SDL = "type Query { animal: Int }"


def read(text: str) -> Settings:
    return settings_from(text, {}, Path("gateway.yaml"))


def test_production_hides_the_schema() -> None:
    """Introspection, suggestions, GraphiQL, plans and errors of subgraphs are hidden by default."""
    found = read("profile: production")
    assert (found.introspection, found.suggestions, found.graphiql, found.plan_header) == (False,) * 4
    assert found.errors.mode == "masked"
    found = read("{profile: production, graphiql: true, errors: {mode: full}, introspection: true}")
    assert (found.introspection, found.suggestions, found.graphiql, found.plan_header) == (
        True, False, True, False,
    )  # fmt: skip
    assert found.errors.mode == "full"
    assert read("profile: development") == Settings()


def gateway_with(**given: Any) -> Any:
    subgraph = Subgraph(SDL, {"Query": {"animal": 1}})
    return create_gateway(supergraph_of({"s": SDL}), Settings(**given), {"s": subgraph}, plugins=[Caller()])


class Caller:
    """A plugin that makes the header `scopes` the caller's scopes."""

    def on_request(self, context: Any, request: Any) -> None:
        scopes = frozenset(context.headers.get("scopes", "").split())
        context.identity = Identity("a", scopes, key=scopes, authenticated=True)


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    "text", ["{ __schema { queryType { name } } }", '{ animal __type(name: "Int") { name } }']
)
async def test_introspection_by_scope(text: str, dry_run: bool) -> None:
    """Only callers with the scope may read the schema; also in a dry run, and whoever asks first."""
    settings = AuthorizationSettings(dry_run=dry_run)
    gateway = gateway_with(introspection=False, introspection_scope="schema", authorization=settings)
    for scopes, outcome in (("", False), ("a schema", True), ("a", False), ("schema", True)):
        found = await gateway.answer(GraphQLRequest(text), {"scopes": scopes})
        assert ("INTROSPECTION_DISABLED" in str(found.response)) is not outcome
        assert (b'"data"' in bytes(str(found.response), "utf-8") or "data" in found.response) is outcome
    plain = await gateway.answer(GraphQLRequest("{ animal __typename }"), {})
    assert "INTROSPECTION_DISABLED" not in str(plain.response)


@pytest.mark.parametrize(("suggestions", "word"), [(True, True), (False, False)])
def test_suggestions(suggestions: bool, word: bool) -> None:
    """Without suggestions an error does not name what a caller has nearly guessed."""
    gateway = gateway_with(suggestions=suggestions)
    with pytest.raises(RequestError) as caught:
        check(gateway.engine, "{ animl }")
    assert ("animal" in caught.value.message) is word
