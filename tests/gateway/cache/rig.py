"""A gateway with a cache in front of subgraphs whose replies a test computes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import orjson

from gateway.answering import Gateway
from gateway.cache.cache import Cache
from gateway.cache.redis_nodes import Nodes
from gateway.cache.redis_server import BlockingReader
from gateway.cache.resp import Command, Replies
from gateway.cache.resp import Done as Replied
from gateway.core.clock import Clock, FakeClock
from gateway.core.context import Identity
from gateway.core.envelope import encoded_body
from gateway.engine import make_engine
from gateway.execute.cached.transport import CachedTransport
from gateway.execution import envelope_of
from gateway.request.graphql_request import GraphQLRequest
from gateway.resilience.breaker import Breaker
from gateway.settings import CacheSettings, HeaderRules, Settings, SubgraphCacheSettings
from gateway.supergraph.load import load_supergraph
from gateway.supergraph.model import Supergraph
from gateway.transport.base import Call, Done, Handle, Reply, run_in_task
from tests.gateway.support import supergraph_of

Headers = Mapping[str, str]
Answered = tuple[dict[str, Any], Headers]
Replying = Callable[[Call], Awaitable[Answered]]
PUBLIC: Headers = {"cache-control": "public, max-age=60"}
FORWARDED = ("authorization", "x-lang")


def caching_of(*subgraphs: str, **given: Any) -> CacheSettings:
    """Return settings of a cache. `subgraphs`: those that vary by no header."""
    shared = {name: SubgraphCacheSettings(vary=()) for name in subgraphs}
    return CacheSettings(enabled=True, **{"subgraphs": shared, **given})


@cache
def _supergraph(sdls: tuple[tuple[str, str], ...]) -> Supergraph:
    return load_supergraph(supergraph_of(dict(sdls)))


class Rig:
    """A gateway over `sdls`. `replying`: returns the body and the headers of a subgraph's reply.

    `calls`: those that subgraphs received.
    """

    def __init__(
        self,
        sdls: Mapping[str, str],
        replying: Replying,
        caching: CacheSettings | None = None,
        *,
        settings: Settings | None = None,
        clock: Clock | None = None,
        nodes: Nodes | None = None,
        prefix: str = "gateway:",
        cached: bool = True,
    ) -> None:
        self.replying = replying
        self.clock = clock or FakeClock()
        chosen = caching or CacheSettings(enabled=True)
        self.cache = Cache(chosen, self.clock, nodes=nodes, prefix=prefix)
        self.settings = settings or Settings(cache=chosen, headers=HeaderRules(forward=FORWARDED))
        self.calls: list[Call] = []
        kept = self.cache if cached else None
        found = _supergraph(tuple(sdls.items()))
        self.engine = make_engine(found, self, self.settings, clock=self.clock, cache=kept)
        self.gateway = Gateway(self.engine)

    @property
    def pending(self) -> int:
        """Return how many values are being fetched."""
        queries = self.engine.queries
        return len(queries.pending) if isinstance(queries, CachedTransport) else 0

    def post(self, call: Call, done: Done) -> Handle:
        """Reply in a task."""
        self.calls.append(call)
        return run_in_task(self._reply(call), done)

    async def _reply(self, call: Call) -> Reply:
        body, headers = await self.replying(call)
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        return Reply(200, orjson.dumps(body), raw)

    async def close(self) -> None:
        """Close the cache's connections."""
        await self.cache.close()

    async def ask(
        self, query: str, user: str | None = None, headers: Headers | None = None, **variables: Any
    ) -> dict[str, Any]:
        """Return the response to an operation. `user`: whose token is forwarded."""
        context = self.engine.context({**({"authorization": user} if user else {}), **(headers or {})})
        if user is not None:
            context.identity = Identity(user, key=user, authenticated=True)
        request = GraphQLRequest(query, variables)
        envelope = await envelope_of(partial(self.gateway.begin, request, context))
        found: dict[str, Any] = orjson.loads(encoded_body(envelope))
        return found

    def start(self, query: str, user: str | None = None, **variables: Any) -> "asyncio.Task[dict[str, Any]]":
        """Start to ask, in a task."""
        return asyncio.ensure_future(self.ask(query, user, **variables))


def user_of(call: Call) -> str:
    """Return the user whose token a call has; "" for none."""
    return dict(call.headers.raw).get(b"authorization", b"").decode()


class DictNodes:
    """A Redis in a dictionary that replies at once: GET, MGET and SET. `values`: what it has."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.breaker = Breaker()

    def send(self, routing: bytes, commands: Sequence[Command], done: Replied) -> None:
        """Execute commands."""
        done([self._execute(one) for one in commands])

    def _execute(self, command: Command) -> Any:
        if command[0] == b"MGET":
            return [self.values.get(one) for one in command[1:]]
        if command[0] == b"SET":
            if b"NX" in command and command[1] in self.values:
                return None
            self.values[command[1]] = command[2]
        return b"OK"

    async def request(self, routing: bytes, commands: Sequence[Command]) -> Replies:
        """Return the replies."""
        return [self._execute(one) for one in commands]

    def blocking_reader(self, routing: bytes, block: float) -> BlockingReader:
        """Never called: tests with this Redis do not start the backplane."""
        raise NotImplementedError

    async def close(self) -> None:
        """Do nothing."""


SDLS = {
    "shop": """
        type Query { things(ids: [ID!]!): [Thing!]! }
        type Mutation { rename(id: ID!, name: String!): Thing }
        type Thing @key(fields: "id") { id: ID! }
    """,
    "info": 'type Thing @key(fields: "id") { id: ID! name: String mood: String }',
}
THINGS = "query ($ids: [ID!]!) { things(ids: $ids) { id name } }"
RENAME = 'mutation { rename(id: "1", name: "new") { id } }'


class Shop:
    """Replies of the subgraphs of SDLS.

    - `names`: what info replies by id, behind it the value of the header `varies`. `asked`: the ids in each
      of info's requests. `headers`: of its replies. `more`: added to their bodies.
    - `hold`: by subgraph, an event for which its replies wait.
    """

    def __init__(self, headers: Headers = PUBLIC, varies: bytes | None = None) -> None:
        self.names = {str(number): f"thing {number}" for number in range(10)}
        self.headers = headers
        self.varies = varies
        self.asked: list[list[str]] = []
        self.more: dict[str, Any] = {}
        self.hold: dict[str, asyncio.Event] = {}

    async def __call__(self, call: Call) -> Answered:
        """Return the body and the headers of a reply."""
        variables = call.variables
        body: dict[str, Any] = {}
        if call.subgraph == "shop":
            if not call.repeatable:
                self.names["1"] = "new"
            found = [{"__typename": "Thing", "id": one} for one in variables.get("ids", ["1"])]
            body["data"] = {"things": found, "rename": found[0]}
        else:
            ids = [one["id"] for one in variables["representations"]]
            self.asked.append(ids)
            own = dict(call.headers.raw).get(self.varies, b"").decode() if self.varies else ""
            body["data"] = {"_entities": [{"name": self.names[one] + own, "mood": "calm"} for one in ids]}
            body.update(self.more)
        if (event := self.hold.get(call.subgraph)) is not None:
            await event.wait()
        return body, PUBLIC if call.subgraph == "shop" else self.headers


def names_of(response: Mapping[str, Any]) -> list[Any]:
    """Return the names of the things in a response without errors."""
    assert "errors" not in response, response
    return [one["name"] for one in response["data"]["things"]]


def with_redis(nodes: DictNodes, shop: Shop, clock: Clock, **given: Any) -> Rig:
    """Return a process with the Redis of `nodes`, which reads no stream. `given`: settings of the cache."""
    rig = Rig(SDLS, shop, caching_of("shop", "info", **given), nodes=nodes, clock=clock)
    assert rig.cache.shared is not None
    rig.cache.shared.epoch, rig.cache.confirmed = b"epoch", float("inf")
    rig.cache.shared.offset = 0.0  # the clock of this Redis is the monotonic time
    return rig
