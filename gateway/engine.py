"""The objects that all requests over one supergraph share. A reload creates a new engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.cache.cache import Cache
from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.context import RequestContext
from gateway.cost.operation import CostModel
from gateway.execute.cached.mutations import InvalidatingTransport
from gateway.execute.cached.transport import CachedTransport
from gateway.execute.error_policy import ErrorPolicy, error_policy
from gateway.execute.loader.loader import Loader
from gateway.execute.response_headers import ResponseHeaderRules, response_header_rules
from gateway.federation.field_set import FieldSet
from gateway.observe.observer import Observer
from gateway.plan.deferral import deferral_graph, keys_of
from gateway.request.authorize import AccessIndex, index_access
from gateway.request.labels import LabelIndex, index_labels
from gateway.settings import Settings
from gateway.supergraph.model import Supergraph
from gateway.supergraph.query_graph import QueryGraph
from gateway.transport.base import Transport

GRAPHS = 16  # the number of sets of override labels whose query graphs are cached


class QueryGraphs:
    """The query graphs of a supergraph, one for each set of active override labels, created on first use."""

    def __init__(self, supergraph: Supergraph) -> None:
        self.supergraph = supergraph
        self.plain = QueryGraph(supergraph)
        self._others: dict[frozenset[str], QueryGraph] = {}

    def of(self, labels: frozenset[str]) -> QueryGraph:
        """Return the query graph for these active override labels."""
        if not labels:
            return self.plain
        if labels not in self._others:
            if len(self._others) >= GRAPHS:
                self._others.pop(next(iter(self._others)))
            self._others[labels] = QueryGraph(self.supergraph, labels)
        return self._others[labels]


class Deferrals:
    """What planning of deferred parts needs, made on first use: keys of types, and another engine."""

    def __init__(self, supergraph: Supergraph | None) -> None:
        self.supergraph = supergraph
        self._keys: dict[str, FieldSet] | None = None
        self._engine: Engine | None = None

    @property
    def keys(self) -> Mapping[str, FieldSet]:
        """Return the key by which objects of each entity type are found again."""
        if self._keys is None:
            self._keys = keys_of(self.supergraph) if self.supergraph is not None else {}
        return self._keys

    def engine(self, engine: "Engine") -> "Engine":
        """Return the engine over the supergraph in which known objects are values of root fields."""
        if self._engine is None:
            supergraph = deferral_graph(engine.supergraph, self.keys)
            graphs = QueryGraphs(supergraph)
            self._engine = replace(engine, supergraph=supergraph, graphs=graphs, costs=None)
        return self._engine


@dataclass(frozen=True, slots=True)
class Engine:
    """One supergraph, and what is needed to execute operations over it.

    `queries`: the transport for queries: it batches entity fetches of concurrent requests, and has the cache
    in front, as the settings say. `cache`: None if nothing is cached. `access`: the supergraph's access
    requirements. `costs`: the costs of operations; None if they are not limited. `response_headers`: which
    headers of replies clients receive; None if none. `errors`: what clients learn about errors; None for all.
    `deferrals`: for planning deferred parts.
    """

    supergraph: Supergraph
    graphs: QueryGraphs
    transport: Transport
    queries: Transport
    settings: Settings
    labels: LabelIndex
    observer: Observer
    clock: Clock = SYSTEM_CLOCK
    access: AccessIndex = AccessIndex()
    costs: CostModel | None = None
    response_headers: ResponseHeaderRules | None = None
    errors: ErrorPolicy | None = None
    cache: Cache | None = None
    deferrals: "Deferrals" = field(default_factory=lambda: Deferrals(None))

    def context(self, headers: Mapping[str, str]) -> RequestContext:
        """Return the context of a new request with these headers."""
        return RequestContext(headers, self.observer, self.clock)


def _costs(supergraph: Supergraph, settings: Settings) -> CostModel | None:
    cost = settings.cost
    rated = settings.keys.file is not None or any(one.cost is not None for one in settings.rates.rules)
    return CostModel(supergraph, cost, rated) if cost.max is not None or cost.shows or rated else None


def make_engine(
    supergraph: Supergraph,
    transport: Transport,
    settings: Settings,
    observer: Observer | None = None,
    clock: Clock = SYSTEM_CLOCK,
    cache: Cache | None = None,
) -> Engine:
    """Return an engine over a supergraph and a transport.

    Without an observer, facts are not reported; without a `cache`, nothing is cached.
    """
    queries: Transport = Loader(transport, clock=clock) if settings.batch else transport
    if cache is not None:
        queries = CachedTransport(queries, cache, supergraph)
        transport = InvalidatingTransport(transport, cache, supergraph)
    return Engine(
        supergraph,
        QueryGraphs(supergraph),
        transport,
        queries,
        settings,
        index_labels(supergraph),
        observer or Observer(),
        clock,
        index_access(supergraph, None if settings.introspection else settings.introspection_scope),
        _costs(supergraph, settings),
        response_header_rules(settings),
        error_policy(settings),
        cache,
        Deferrals(supergraph),
    )
