"""Two subgraphs with data that tests change, and a gateway in front of them with a cache and a fake clock."""

import asyncio
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import orjson
from graphql import OperationDefinitionNode

from gateway.answering import Gateway
from gateway.cache.cache import Cache
from gateway.cache.redis_nodes import Nodes
from gateway.core.clock import Clock, FakeClock
from gateway.core.context import Identity
from gateway.core.envelope import Envelope, encoded_body
from gateway.core.errors import SubgraphError
from gateway.engine import make_engine
from gateway.execute.inputs import ExecutionInputs
from gateway.execution import envelope_of, execute
from gateway.pipeline import PreparedOperation, check, pick, prepare, variables_for
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import CacheSettings, Settings
from gateway.supergraph.load import load_supergraph
from gateway.supergraph.model import Supergraph
from gateway.transport.base import Call, Done, Handle, Reply, run_in_task
from gateway.transport.headers import Headers
from tests.gateway.support import supergraph_of

SDLS = {
    "shop": """
        directive @cacheControl(maxAge: Int, scope: Scope, inheritMaxAge: Boolean)
          on FIELD_DEFINITION | OBJECT | INTERFACE | UNION
        enum Scope { PUBLIC PRIVATE }
        type Query { things(ids: [ID!]!): [Thing!]! count: Int }
        type Mutation { rename(id: ID!, name: String!): Thing }
        type Thing @key(fields: "id") { id: ID! }
    """,
    "info": """
        type Thing @key(fields: "id") { id: ID! name: String! mood: String }
    """,
}
QUERY = "query ($ids: [ID!]!) { things(ids: $ids) { id name } }"


@cache
def supergraph() -> Supergraph:
    """Return the supergraph of all towns."""
    return load_supergraph(supergraph_of(SDLS))


class Town:
    """The subgraphs `shop` and `info`, and an engine with a cache.

    - `names`: by id, what info knows; `headers`: of the replies of each subgraph. `asked`: the ids in each of
      info's requests. `calls`: the number of requests to each subgraph.
    - `entity_tags`: returns the tags that info names for entities.
    - `broken`: subgraphs that fail. `hold`: delays replies. `errors`: GraphQL errors of info, by id.
    """

    def __init__(
        self,
        caching: CacheSettings | None = None,
        settings: Settings | None = None,
        *,
        clock: Clock | None = None,
        nodes: Nodes | None = None,
    ) -> None:
        self.fake_clock = FakeClock()
        self.clock = clock or self.fake_clock
        chosen = caching or CacheSettings(enabled=True)
        self.cache = Cache(chosen, self.clock, nodes=nodes)
        self.settings = settings or Settings(cache=chosen)
        self.engine = make_engine(supergraph(), self, self.settings, clock=self.clock, cache=self.cache)
        self.gateway: Gateway | None = None
        self.prepared: dict[str, tuple[OperationDefinitionNode, PreparedOperation]] = {}
        self.names: dict[str, str | None] = {str(number): f"thing {number}" for number in range(1, 10)}
        self.headers: dict[str, dict[str, str]] = {
            "shop": {"cache-control": "public, max-age=60"},
            "info": {"cache-control": "public, max-age=60"},
        }
        self.errors: dict[str, str] = {}
        self.broken: set[str] = set()
        self.asked: list[list[str]] = []
        self.calls: dict[str, int] = {"shop": 0, "info": 0}
        self.hold: asyncio.Event | None = None
        self.entity_tags: Callable[[list[str]], list[list[str]]] | None = None

    def post(self, call: Call, done: Done) -> Handle:
        """Reply in a task."""
        return run_in_task(self.subgraph_reply(call), done)

    async def subgraph_reply(self, call: Call) -> Reply:
        """Return the reply of a subgraph."""
        self.calls[call.subgraph] += 1
        variables = call.variables
        body: dict[str, Any] = {}
        if call.subgraph == "shop":
            ids = variables.get("ids") or [variables.get("id", "1")]
            found = [{"__typename": "Thing", "id": one} for one in ids]
            body["data"] = {"things": found, "rename": found[0], "count": 3}
        else:
            ids = [one["id"] for one in variables["representations"]]
            self.asked.append(ids)
            known = [self.names.get(one) for one in ids]
            entities = [None if name is None else {"name": name, "mood": "calm"} for name in known]
            body["data"] = {"_entities": entities}
            errors = [
                {"message": self.errors[one], "path": ["_entities", place, "mood"]}
                for place, one in enumerate(ids)
                if one in self.errors
            ]
            if errors:
                body["errors"] = errors
            if self.entity_tags is not None:
                body["extensions"] = {"apolloEntityCacheTags": self.entity_tags(ids)}
        if self.hold is not None:
            await self.hold.wait()
        if call.subgraph in self.broken:
            raise SubgraphError("is down", "SUBGRAPH_UNREACHABLE", subgraph=call.subgraph)
        raw = [(name.encode(), value.encode()) for name, value in self.headers[call.subgraph].items()]
        return Reply(200, orjson.dumps(body), raw)

    async def close(self) -> None:
        """Do nothing."""

    async def ask(
        self,
        query: str = QUERY,
        user: str | None = None,
        headers: Mapping[str, str] | None = None,
        **variables: Any,
    ) -> dict[str, Any]:
        """Run an operation, and return the response. `user`: of the token that is forwarded."""
        engine = self.engine
        if query not in self.prepared:
            checked = check(engine, query)
            node = pick(checked, None)
            self.prepared[query] = node, prepare(engine, checked, node, {})
        node, prepared = self.prepared[query]
        values = variables_for(engine, node, variables)
        context = engine.context(dict(headers or {}))
        sent = []
        if user is not None:
            context.identity = Identity(user, key=user, authenticated=True)
            sent = [("authorization", user)]
        inputs = ExecutionInputs(values, Headers.of(sent), 30.0, context)
        envelope = await execute(engine, prepared, inputs)
        found: dict[str, Any] = orjson.loads(encoded_body(envelope))
        return found

    async def answer(
        self,
        query: str = QUERY,
        user: str | None = None,
        headers: Mapping[str, str] | None = None,
        **given: Any,
    ) -> Envelope:
        """Return the response of the gateway, from its cache of responses if it is there."""
        gateway = self.gateway = self.gateway or Gateway(self.engine)
        context = self.engine.context({**({"authorization": user} if user else {}), **(headers or {})})
        if user is not None:
            context.identity = Identity(user, key=user, authenticated=True)
        request = GraphQLRequest(query, given)
        return await envelope_of(partial(gateway.begin, request, context))

    async def things(self, *ids: str, user: str | None = None, **more: Any) -> list[Any]:
        """Return the names of things; the response must have no errors."""
        found = await self.ask(ids=list(ids), user=user, **more)
        assert "errors" not in found, found
        return [one["name"] for one in found["data"]["things"]]


__all__ = ["QUERY", "Town"]
