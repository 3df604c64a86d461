"""Authorization of operations: what is fetched, what is in the response, and who shares it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.answering import Gateway
from gateway.app import create_gateway
from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.core.context import Identity, RequestContext
from gateway.core.envelope import encoded_body
from gateway.core.jsontext import read_json
from gateway.http.respond import http_reply
from gateway.observe.facts import AccessDenied, Fact
from gateway.observe.observer import Observer
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import AuthorizationSettings, Settings
from tests.gateway.subgraph import Subgraph

LINK = """extend schema @link(url: "https://specs.apollo.dev/federation/v2.9",
  import: ["@key", "@authenticated", "@requiresScopes", "@policy"])
"""
USERS = """type Query { me: User users: [User] strict: User! }
type Mutation { rename: User }
type User @key(fields: "id") { id: ID! name: String NAME strict: String! STRICT boss: User }
"""
SDL = USERS.replace("NAME", '@requiresScopes(scopes: [["read:name"]])').replace("STRICT", "@authenticated")
ADA = {"__typename": "User", "id": "1", "name": "Ada", "strict": "s", "boss": None}
BOB = {"__typename": "User", "id": "2", "name": "Bob", "strict": "t", "boss": ADA}
DATA = {"Query": {"me": BOB, "users": [ADA, BOB], "strict": ADA}, "Mutation": {"rename": ADA}}


class Scopes:
    """A plugin that takes the identity from headers, as a token would give it."""

    def on_request(self, context: RequestContext, request: GraphQLRequest) -> None:
        if "x-scopes" in context.headers:
            scopes = frozenset(context.headers["x-scopes"].split())
            context.identity = Identity("u", scopes, key=scopes, authenticated=True)


def served(sdl: str = SDL, **settings: Any) -> tuple[Gateway, Subgraph, list[Fact]]:
    """Return a gateway over one subgraph, the subgraph, and the facts that are reported."""
    facts: list[Fact] = []
    plain = USERS.replace("NAME", "").replace("STRICT", "")
    subgraph = Subgraph(plain, DATA)
    supergraph = compose([SubgraphSource("users", "", LINK + sdl)]).supergraph
    given = Settings(**settings)
    gateway = create_gateway(
        supergraph, given, {"users": subgraph}, observer=Observer([facts.append]), plugins=[Scopes()]
    )
    return gateway, subgraph, facts


async def answer(gateway: Gateway, query: str, scopes: str | None = None) -> Any:
    headers = {} if scopes is None else {"x-scopes": scopes}
    return read_json(encoded_body(await gateway.answer(GraphQLRequest(query), headers)))


def paths(response: Any) -> list[str]:
    return [".".join(one["path"]) for one in response.get("errors", ())]


async def test_a_denied_field_is_null_and_not_fetched_by_a_compiled_plan() -> None:
    """One plan for each set of missing rights, compiled, with the error and the null as constants."""
    gateway, subgraph, facts = served()
    found = await answer(gateway, "{ users { name id } }")
    assert found["data"] == {"users": [{"name": None, "id": "1"}, {"name": None, "id": "2"}]}
    assert paths(found) == ["users.name"]
    assert found["errors"][0]["extensions"] == {"code": "UNAUTHORIZED_FIELD_OR_TYPE"}
    assert [query for query, _ in subgraph.asked] == ["{users{id}}"]
    (prepared,) = gateway.prepared.plans.recent.values.values()
    assert prepared.program is not None  # type: ignore[union-attr]
    allowed = await answer(gateway, "{ users { name id } }", "read:name")
    assert allowed == {"data": {"users": [{"name": "Ada", "id": "1"}, {"name": "Bob", "id": "2"}]}}
    (fact,) = [one for one in facts if isinstance(one, AccessDenied)]
    assert fact.denied == ("users.name",)


async def test_nulls_go_up() -> None:
    """A denied non-null field makes its object null; where every object is null, none is fetched."""
    gateway, subgraph, _ = served()
    found = await answer(gateway, "{ me { id strict } users { id strict } }")
    assert found["data"] == {"me": None, "users": [None, None]}
    assert paths(found) == ["me.strict", "users.strict"]
    assert [query for query, _ in subgraph.asked] == ["{users{id}}"]
    assert (await answer(gateway, "{ strict { strict } }"))["data"] is None
    assert len(subgraph.asked) == 1


async def test_only_denied_fields_still_count_their_objects() -> None:
    gateway, subgraph, _ = served()
    found = await answer(gateway, "{ users { name } me { boss { boss { name } } } }")
    assert found["data"] == {"users": [{"name": None}] * 2, "me": {"boss": {"boss": None}}}
    assert "name" not in subgraph.asked[0][0].replace("__typename", "")


async def test_a_mutation_is_executed_although_its_result_is_denied() -> None:
    gateway, subgraph, _ = served()
    found = await answer(gateway, "mutation { rename { strict } }")
    assert found["data"] == {"rename": None}
    assert [query for query, _ in subgraph.asked] == ["mutation{rename{__typename}}"]


async def test_the_operation_is_refused() -> None:
    """With `reject` there is an error for each denied place, status 403, and no request."""
    gateway, subgraph, facts = served(authorization=AuthorizationSettings(mode="reject"))
    envelope = await gateway.answer(GraphQLRequest("{ me { name strict } }"), {})
    found = read_json(encoded_body(envelope))
    assert http_reply(envelope, "application/json").status == 403
    assert "data" not in found and paths(found) == ["me.name", "me.strict"]
    assert subgraph.asked == []
    assert [one.denied for one in facts if isinstance(one, AccessDenied)] == [("me.name", "me.strict")]


async def test_a_dry_run_denies_nothing() -> None:
    gateway, _, facts = served(authorization=AuthorizationSettings(dry_run=True))
    found = await answer(gateway, "{ me { name } }")
    assert found == {"data": {"me": {"name": "Bob"}}}
    (fact,) = [one for one in facts if isinstance(one, AccessDenied)]
    assert fact.dry_run and fact.denied == ("scopes read:name",)


async def test_callers_with_different_rights_share_nothing() -> None:
    """Equal operations at the same moment: each caller gets its own answer, callers with equal rights one."""
    gateway, subgraph, _ = served()
    query = "{ me { id name } }"
    asked = [answer(gateway, query, scopes) for scopes in ("read:name", None, "read:name", "other")]
    found = [one["data"]["me"]["name"] for one in await asyncio.gather(*asked)]
    assert found == ["Bob", None, "Bob", None]
    assert len(subgraph.asked) == 3


@pytest.mark.parametrize(
    "query", ["{ me { name } }", "query Q($a: Boolean = true) { me { name @include(if: $a) } }"]
)
async def test_remembered_rights_are_those_of_the_caller(query: str) -> None:
    """Whoever asked before, each caller gets what its own rights allow; each denial is reported."""
    gateway, _, facts = served()
    found = [
        (await answer(gateway, query, scopes))["data"]["me"]["name"]
        for scopes in ("read:name", "read:name", None, "other", "read:name other", "other", "read:name")
    ]
    assert found == ["Bob", "Bob", None, None, "Bob", None, "Bob"]
    assert len([one for one in facts if isinstance(one, AccessDenied)]) == 3


async def test_a_dry_run_reports_each_request() -> None:
    gateway, _, facts = served(authorization=AuthorizationSettings(dry_run=True))
    for scopes in ("read:name", "other", "other", "read:name", "other"):
        await answer(gateway, "{ me { name } }", scopes)
    assert len([one for one in facts if isinstance(one, AccessDenied)]) == 3


async def test_introspection_is_not_affected() -> None:
    gateway, _, _ = served(SDL.replace("type User", "type User @authenticated").replace(" @key", " @key", 1))
    found = await answer(gateway, '{ __type(name: "User") { fields { name } } }')
    assert {"name": "name"} in found["data"]["__type"]["fields"]


@pytest.mark.parametrize("given", ["x y", "x z", "w"])
async def test_policies(given: str) -> None:
    """A policy is a right like a scope; it is granted by what sets the identity."""

    class Policies:
        def on_request(self, context: RequestContext, request: GraphQLRequest) -> None:
            context.identity = replace(Identity(authenticated=True), policies=frozenset(given.split()))

    sdl = SDL.replace('@requiresScopes(scopes: [["read:name"]])', '@policy(policies: [["x", "y"], ["w"]])')
    supergraph = compose([SubgraphSource("users", "", LINK + sdl)]).supergraph
    plain = USERS.replace("NAME", "").replace("STRICT", "")
    local = {"users": Subgraph(plain, DATA)}
    gateway = create_gateway(supergraph, Settings(), local, plugins=[Policies()])
    found = await answer(gateway, "{ me { name } }")
    assert found["data"]["me"]["name"] == ("Bob" if given in ("x y", "w") else None)


async def test_aliases_fragments_and_one_key_of_two_selections() -> None:
    """Denied places are found under every name; a key is shown if one of its selections is allowed."""
    sdl = """type Query { node: Node all: [Node] }
    interface Node { id: ID! }
    type User implements Node @key(fields: "id") { id: ID! @requiresScopes(scopes: [["u"]]) name: String }
    type Team implements Node @key(fields: "id") { id: ID! size: Int @authenticated }
    """
    data = {"Query": {"node": ADA, "all": [ADA, {"__typename": "Team", "id": "9", "size": 3}]}}
    plain = sdl.replace('@requiresScopes(scopes: [["u"]])', "").replace("@authenticated", "")
    subgraph = Subgraph(plain, data)
    supergraph = compose([SubgraphSource("users", "", LINK + sdl)]).supergraph
    gateway = create_gateway(supergraph, Settings(), {"users": subgraph})
    query = """{ all { ...T ... on Team { id } a: __typename } node { other: id } }
    fragment T on Team { many: size }"""
    found = await answer(gateway, query)
    assert found["data"] == {
        "all": [{"a": "User"}, {"many": None, "id": "9", "a": "Team"}],
        "node": None,
    }
    assert paths(found) == ["all.many", "node.other"]
    both = await answer(gateway, "{ all { id ... on Team { id } } }")
    assert both["data"] == {"all": [None, {"id": "9"}]}


async def test_an_object_whose_denied_key_a_fragment_allows_is_fetched() -> None:
    """It is null only if it is of another type; so it can't be left out before its type is known."""
    sdl = """type Query { node: Node }
    interface Node { id: ID! }
    type User implements Node @key(fields: "id") { id: ID! @authenticated }
    type Team implements Node @key(fields: "id") { id: ID! }
    """
    data = {"Query": {"node": {"__typename": "Team", "id": "9"}}}
    subgraph = Subgraph(sdl.replace("@authenticated", ""), data)
    supergraph = compose([SubgraphSource("users", "", LINK + sdl)]).supergraph
    gateway = create_gateway(supergraph, Settings(), {"users": subgraph})
    found = await answer(gateway, "{ node { id ... on Team { id } } }")
    assert found["data"] == {"node": {"id": "9"}}


async def test_one_key_of_two_selections_of_which_one_makes_it_null() -> None:
    """Selections of one key are one selection (GraphQL, CollectFields), so the object is null."""
    gateway, _, _ = served()
    found = await answer(gateway, "{ me { boss { id } ... { boss { strict } } } }")
    assert found["data"] == {"me": {"boss": None}}
    query = "query($t: Boolean = true) { me { id } ... @include(if: $t) { me { strict } } }"
    assert (await answer(gateway, query))["data"] == {"me": None}
