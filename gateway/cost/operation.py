"""The cost of a prepared operation: its trees, its estimate, and what happens above the limits."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.core.context import RequestContext
from gateway.core.envelope import Envelope
from gateway.core.errors import RequestError
from gateway.core.jsontext import NotJson, read_json
from gateway.core.lru import LruCache
from gateway.cost.actual import actual_cost
from gateway.cost.estimate import Estimator, NoVariables
from gateway.cost.spending import Spending
from gateway.cost.tree import CostSelections, TreeBuilder
from gateway.observe.facts import OperationCost
from gateway.plan.nodes import Plan
from gateway.request.operation import Operation, print_selections
from gateway.settings import CostSettings
from gateway.supergraph.model import Supergraph
from gateway.transport.base import Call, Reply

MUTATION_COST = 10
TREES = 1_000  # the number of request texts whose trees are cached, for actual costs
OK = "COST_OK"
TOO_EXPENSIVE = "COST_ESTIMATED_TOO_EXPENSIVE"
ACTUAL_TOO_EXPENSIVE = "COST_ACTUAL_TOO_EXPENSIVE"


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated cost: in all, and by subgraph."""

    total: int
    subgraphs: Mapping[str, int] = field(default_factory=dict)


class CostModel:
    """The costs of operations over one supergraph."""

    def __init__(self, supergraph: Supergraph, settings: CostSettings, always: bool = False) -> None:
        self.supergraph = supergraph
        self.settings = settings
        self.always = always or settings.shows
        self.builder = TreeBuilder(supergraph, settings.list_size, settings.list_sizes)
        self.weights = self.builder.weights
        self._trees: LruCache[tuple[str, str], CostSelections] = LruCache(TREES)

    def of(self, operation: Operation, plan: Plan) -> "CostOfOperation | None":
        """Return the cost of an operation; None if it is the same for all variables and within the limit.

        Raises RequestError COST_ESTIMATED_TOO_EXPENSIVE if it is above the limit for all variables.
        """
        root = self.supergraph.roots[operation.kind]
        trees = tuple((one.subgraph, self.builder.tree(one.text, root, one.subgraph)) for one in plan.fetches)
        shown: CostSelections = ()
        if self.settings.actual == "by_response":
            shown = self.builder.tree(print_selections(operation.selections) or "{__typename}", root)
        cost = CostOfOperation(self, operation.name, operation.kind == "mutation", trees, shown)
        if self.always or cost.constant is None:
            return cost
        cost.refuse(cost.estimate({}))
        return None

    def weigh(self, call: Call, reply: Reply) -> int:
        """Return the actual cost of a subgraph's reply; 0 if it is not a GraphQL response with data."""
        key = (call.subgraph, call.query)
        tree = self._trees.get(key)
        if tree is None:
            root = self.supergraph.roots["query" if call.repeatable else "mutation"]
            tree = self.builder.tree(call.query, root, call.subgraph)
            self._trees.put(key, tree)
        return actual_cost(self.weights, tree, _data(reply.body))


class CostOfOperation:
    """The cost of one prepared operation.

    `name`: the operation's; None if it has none. `trees`: with the subgraph of each fetch. `shown`: the tree
    of the response, for actual costs by response.
    """

    def __init__(
        self,
        model: CostModel,
        name: str | None,
        is_mutation: bool,
        trees: tuple[tuple[str, CostSelections], ...],
        shown: CostSelections,
    ) -> None:
        self.model = model
        self.settings = model.settings
        self.name = name
        self.base = MUTATION_COST if is_mutation else 0  # counted in the subgraph of the first mutation
        self.trees = trees
        self.shown = shown
        variables = NoVariables()
        found = self._compute(variables)
        self.constant = None if variables.needed else found

    def _compute(self, variables: Mapping[str, Any]) -> Estimate | RequestError:
        estimator = Estimator(self.model.weights, variables)
        subgraphs: Counter[str] = Counter()
        if self.trees:
            subgraphs[self.trees[0][0]] = self.base
        try:
            for subgraph, tree in self.trees:
                subgraphs[subgraph] += estimator.selections(tree)
        except RequestError as error:
            return error
        return Estimate(subgraphs.total(), subgraphs)

    def estimate(self, variables: Mapping[str, Any]) -> Estimate:
        """Return the estimated cost. Raises RequestError COST_INVALID_SLICING_ARGUMENTS."""
        found = self.constant or self._compute(variables)
        if isinstance(found, RequestError):
            raise found.with_traceback(None)
        return found

    def refuse(self, estimate: Estimate) -> None:
        """Raise RequestError COST_ESTIMATED_TOO_EXPENSIVE for an estimate above the limit."""
        limit = self.settings.max
        if limit is None or estimate.total <= limit or self.settings.mode == "measure":
            return
        message = f"expected an operation with an estimated cost of at most {limit:,}, got {estimate.total:,}"
        extensions = {"estimated": estimate.total, "max": limit}
        raise RequestError(message, TOO_EXPENSIVE, headers=self.headers(estimate), extensions=extensions)

    def headers(self, estimate: Estimate) -> tuple[tuple[bytes, bytes], ...]:
        """Return the response headers that are known before the execution."""
        names = self.settings.headers
        values = ((names.estimated, estimate.total), (names.max, self.settings.max))
        return tuple(
            (name.lower().encode(), b"%d" % value)
            for name, value in values
            if name is not None and value is not None
        )

    def check(self, variables: Mapping[str, Any], context: RequestContext) -> None:
        """Estimate the cost of a request, and refuse it above the limit.

        Sets `cost`, `spending` and response headers of the context. Raises RequestError.
        """
        estimate = self.estimate(variables)
        limit = self.settings.max
        result = TOO_EXPENSIVE if limit is not None and estimate.total > limit else OK
        over = self.over_budget(estimate)
        if self.model.always:
            fact = OperationCost(context.id, self.name, result, estimate.total, over_budget=tuple(over))
            context.observer.emit(fact)
        self.refuse(estimate)
        context.cost = estimate.total
        context.response_headers += self.headers(estimate)
        if self.settings.budgets.mode == "measure":
            over = {}
        if over or self.settings.actual is not None or self.settings.extension:
            weigh = self.model.weigh if self.settings.actual == "by_subgraph" else None
            report = CostReport(self, context, estimate, result)
            context.spending = Spending(over, weigh, report.finish)

    def over_budget(self, estimate: Estimate) -> dict[str, int]:
        """Return the subgraphs above their budgets, with their estimated costs."""
        budgets = self.settings.budgets
        return {
            name: cost
            for name, cost in estimate.subgraphs.items()
            if (limit := budgets.subgraphs.get(name, budgets.all)) is not None and cost > limit
        }


class CostReport:
    """What is reported about one request when its execution has ended."""

    def __init__(
        self, cost: CostOfOperation, context: RequestContext, estimate: Estimate, result: str
    ) -> None:
        self.cost = cost
        self.context = context
        self.estimate = estimate
        self.result = result

    def finish(self, spending: Spending, envelope: Envelope) -> Envelope:
        """Return the envelope with the costs that the settings want to be shown."""
        settings = self.cost.settings
        actual = self.actual(spending, envelope)
        if actual is not None:
            result = self.result
            if result == OK and settings.max is not None and actual > settings.max:
                result = ACTUAL_TOO_EXPENSIVE
            fact = OperationCost(self.context.id, self.cost.name, result, self.estimate.total, actual)
            self.context.observer.emit(fact)
            if settings.headers.actual is not None:
                envelope = envelope.with_headers((settings.headers.actual.lower().encode(), b"%d" % actual))
        return self._extended(spending, envelope, actual) if settings.extension else envelope

    def actual(self, spending: Spending, envelope: Envelope) -> int | None:
        """Return the actual cost; None if it is not computed."""
        mode = self.cost.settings.actual
        if mode == "by_subgraph":
            return spending.actual.total()
        if mode is None:
            return None
        response = envelope.response
        data = _data(response) if isinstance(response, bytes) else None
        if isinstance(response, Mapping):
            data = response.get("data")
        return actual_cost(self.cost.model.weights, self.cost.shown, data)

    def _extended(self, spending: Spending, envelope: Envelope, actual: int | None) -> Envelope:
        response: Any = envelope.response
        if isinstance(response, bytes):
            response = read_json(response)
        if not isinstance(response, dict):
            return envelope
        costs: dict[str, Any] = {"estimated": self.estimate.total, "max": self.cost.settings.max}
        subgraphs: dict[str, dict[str, int]] = {
            name: {"estimated": cost} for name, cost in self.estimate.subgraphs.items()
        }
        if actual is not None:
            costs["actual"] = actual
        for name, cost in spending.actual.items():
            subgraphs.setdefault(name, {})["actual"] = cost
        costs["subgraphs"] = subgraphs
        extensions = {**(response.get("extensions") or {}), "cost": costs}
        return envelope._replace(response={**response, "extensions": extensions})


def _data(body: bytes) -> Any:
    """Return the data of a GraphQL response; None if it has none."""
    try:
        payload = read_json(body)
    except NotJson:
        return None
    return payload.get("data") if isinstance(payload, dict) else None
