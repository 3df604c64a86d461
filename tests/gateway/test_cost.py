"""Costs: what the public cases do not have. Estimates against a slow model, hostile operations, sharing."""

import io
import random
from typing import Any

import pytest

from gateway.app import create_gateway
from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.core.context import RequestContext
from gateway.core.envelope import encoded_body
from gateway.core.errors import RequestError
from gateway.core.jsontext import read_json
from gateway.cost.actual import actual_cost
from gateway.cost.estimate import Estimator
from gateway.cost.tree import CostField, CostSelections, TreeBuilder
from gateway.observe.log import Log
from gateway.observe.observer import Observer
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import CostSettings, Limits, Settings, SubgraphBudgets
from tests.gateway.subgraph import Subgraph
from tests.gateway.support import supergraph_of

LINK = """extend schema @link(url: "https://specs.apollo.dev/federation/v2.9",
  import: ["@key", "@cost", "@listSize", "@inaccessible", "@requires", "@external"])
"""
SDL = """
type Query {
  one: Thing
  many(first: Int = 3): [Thing] @listSize(slicingArguments: ["first"])
  some: [Thing] @listSize(assumedSize: 4)
  plain: [Thing]
  grid: [[Thing]]
  search(filter: Filter): [Thing]
}
input Filter { page: Page names: [String!] @cost(weight: 7) inner: [Filter!] }
input Page { size: Int }
interface Named { name: String }
type Thing implements Named @key(fields: "id") @cost(weight: 2) {
  id: ID! name: String @cost(weight: 5) next: Thing
  things(first: Int): [Thing] @listSize(slicingArguments: ["first"], requireOneSlicingArgument: false)
}
"""


def supergraph(sdl: str = SDL) -> str:
    return compose([SubgraphSource("s", "", LINK + sdl)]).supergraph


def gateway_with(sdl: str = SDL, local: Any = None, **given: Any) -> Any:
    costs = {"max": None, "actual": "by_response", **given}
    settings = Settings(cost=CostSettings(**costs))
    return create_gateway(supergraph(sdl), settings, local or {}, observer=Observer())


def cost(gateway: Any, text: str, variables: dict[str, Any] | None = None) -> int | None:
    context = RequestContext({}, Observer())
    gateway.prepared.find(GraphQLRequest(text, variables or {}), context)
    return context.cost


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ one { id } }", 2),
        ("{ one { name } }", 7),
        ("{ many { id } }", 6),
        ("{ many(first: 0) { id } }", 0),
        ("{ many(first: -5) { id } }", 0),
        ("{ some { things(first: 2) { id } } }", 4 * (2 + 2 * 2)),
        ("{ some { things { id } } }", 4 * (2 + 10 * 2)),
        ("{ plain { id } }", 20),
        ("{ one { ... on Named { name } } }", 7),
        ("{ a: one { id } b: one { id } }", 4),
        ("{ one { id } one { name } }", 7),
        ("{ search(filter: {page: {size: 2}}) { id } }", 2 + 10 * 2),
        ('{ search(filter: {names: ["a"], inner: [{}, {}]}) { id } }', 1 + 7 + 2 + 10 * 2),
        ("{ search(filter: null) { id } }", 20),
        ("{ __typename }", 0),
        ("{ __schema { types { name } } }", 0),
    ],
)
def test_estimates(text: str, expected: int) -> None:
    assert cost(gateway_with(), text) == expected


def test_variables_count_by_their_values() -> None:
    """The same operation has other costs for other variables; the plan is made once."""
    gateway = gateway_with()
    text = "query($n: Int, $f: Filter) { many(first: $n) { id } search(filter: $f) { id } }"
    assert cost(gateway, text, {"n": 5, "f": {"page": {"size": 1}}}) == 5 * 2 + 2 + 20
    assert cost(gateway, text, {"n": 7}) == 7 * 2 + 20
    assert cost(gateway, text) == 3 * 2 + 20
    assert gateway.prepared.plans.misses == 1


def test_a_limit_that_depends_on_variables() -> None:
    """The limit holds for each request, not only for the first one of an operation."""
    gateway = gateway_with(max=20, actual=None)
    text = "query($n: Int) { many(first: $n) { id } }"
    for number, fits in ((10, True), (11, False), (1, True), (2**31 - 1, False)):
        if fits:
            gateway.prepared.find(GraphQLRequest(text, {"n": number}), RequestContext({}, Observer()))
            continue
        with pytest.raises(RequestError) as caught:
            cost(gateway, text, {"n": number})
        assert caught.value.code == "COST_ESTIMATED_TOO_EXPENSIVE"
        assert caught.value.extensions == {"estimated": number * 2, "max": 20}


def test_a_constant_cost_is_checked_once() -> None:
    """Where nothing depends on variables, known requests have no cost object at all."""
    gateway = gateway_with(max=100, actual=None)
    found = gateway.prepared.find(GraphQLRequest("{ many(first: 2) { id } }"), RequestContext({}, Observer()))
    assert found[1].cost is None
    for _ in range(2):
        with pytest.raises(RequestError):
            cost(gateway, "{ many(first: 200) { id } }")
    assert gateway.prepared.plans.misses == 2


def test_an_inaccessible_field_and_requires_inputs_count() -> None:
    """What clients can't see is fetched too, and counts."""
    one = LINK + (
        'type Query { t: T } type T @key(fields: "id") { id: ID! '
        "w: Int @cost(weight: 9) hidden: [Int] @inaccessible @cost(weight: 4) }"
    )
    two = LINK + (
        'type T @key(fields: "id") { id: ID! w: Int @external hidden: [Int] @external '
        'sum: Int @requires(fields: "w hidden") }'
    )
    sdl = compose([SubgraphSource("a", "", one), SubgraphSource("b", "", two)]).supergraph
    settings = Settings(cost=CostSettings(actual="by_subgraph"))
    gateway = create_gateway(sdl, settings, {}, observer=Observer())
    assert cost(gateway, "{ t { sum } }") == (1 + 9 + 4) + 10 * 1


def random_operation(chance: random.Random, depth: int, place: str = "k") -> str:
    """Return selections on Thing, with aliases, fragments, and lists of random lengths."""
    parts = []
    for number in range(chance.randint(1, 3)):
        kind = chance.choice(["id", "name", "next", "things", "fragment"]) if depth else "id"
        below = (
            random_operation(chance, depth - 1, f"{place}{number}")
            if kind in ("next", "things", "fragment")
            else ""
        )
        if kind == "things":
            parts.append(f"{place}{number}: things(first: {chance.randint(0, 3)}) {{ {below} }}")
        elif kind == "fragment":
            parts.append(f"... on Thing {{ {below} }}")
        else:
            parts.append(f"{place}{number}: {kind}" + (f" {{ {below} }}" if below else ""))
    return " ".join(parts)


def estimated(text: str) -> tuple[int, int]:
    """Return the estimate of an operation, and the actual cost of a response with lists of that length."""
    engine = gateway_with().engine
    builder = TreeBuilder(engine.supergraph, 10, {})
    tree = builder.tree(text, "Query")
    response = filled(tree)
    return Estimator(builder.weights, {}).selections(tree), actual_cost(builder.weights, tree, response)


def filled(tree: CostSelections) -> dict[str, Any]:
    """Return a response whose lists have the length that their argument says."""
    found: dict[str, Any] = {"__typename": "Thing"}
    for item in tree:
        if isinstance(item, CostField):
            value = filled(item.children) if item.children else 1
            size = next((int(one.value.value) for one in item.arguments), 10)  # type: ignore[attr-defined]
            found[item.key] = [value] * size if item.is_list else value
        else:
            found |= filled(item.children)
    return found


def test_an_estimate_is_reached_by_lists_of_that_length() -> None:
    """For random operations, a response whose lists are as long as estimated costs what was estimated."""
    chance = random.Random(7)
    for _ in range(150):
        estimate, actual = estimated("{ one { " + random_operation(chance, 4) + " } }")
        assert estimate == actual


@pytest.mark.parametrize("share", [True, False])
async def test_budgets_do_not_leak_into_other_requests(share: bool) -> None:
    """A request above a subgraph's budget gets no value there; a smaller one at the same time does."""
    sdl = "type Query { a: Int list: [Thing] } type Thing { x: Int }"
    data = {"Query": {"a": 1, "list": [{"x": 1}]}, "Thing": {}}
    subgraph = Subgraph(sdl, data)
    settings = Settings(cost=CostSettings(budgets=SubgraphBudgets(all=5)), share=share)
    gateway = create_gateway(supergraph_of({"s": sdl}), settings, {"s": subgraph}, observer=Observer())
    large = read_json(encoded_body(await gateway.answer(GraphQLRequest("{ a list { x } }"), {})))
    assert large["data"] == {"a": None, "list": None}
    assert {one["extensions"]["code"] for one in large["errors"]} == {"SUBGRAPH_COST_ESTIMATED_TOO_EXPENSIVE"}
    small = read_json(encoded_body(await gateway.answer(GraphQLRequest("{ a }"), {})))
    assert small == {"data": {"a": 1}}


async def test_what_is_only_measured_is_in_the_log() -> None:
    """In measure mode nothing is refused, and the log has what would be, and nothing else."""
    sdl = "type Query { a: Int list: [Thing] } type Thing { x: Int }"
    subgraph = Subgraph(sdl, {"Query": {"a": 1, "list": [{"x": 1}]}, "Thing": {}})
    stream = io.StringIO()
    budgets = SubgraphBudgets(mode="measure", all=5)
    settings = Settings(cost=CostSettings(max=9, mode="measure", budgets=budgets))
    observer = Observer([Log(json=True, stream=stream)])
    gateway = create_gateway(supergraph_of({"s": sdl}), settings, {"s": subgraph}, observer=observer)
    for query in ("{ a }", "{ list { x } }"):
        found = read_json(encoded_body(await gateway.answer(GraphQLRequest(query), {})))
        assert "errors" not in found
    (entry,) = [read_json(line) for line in stream.getvalue().encode().splitlines()]
    assert entry["event"] == "operation above a cost limit"
    assert (entry["estimated"], entry["result"]) == (10, "COST_ESTIMATED_TOO_EXPENSIVE")
    assert entry["over_budget"] == ["s"]


async def test_a_plan_and_the_costs_in_one_response() -> None:
    """A request for the plan keeps the budgets and shows the costs."""
    sdl = "type Query { a: Int }"
    subgraph = Subgraph(sdl, {"Query": {"a": 1}})
    settings = Settings(cost=CostSettings(extension=True, actual="by_subgraph"))
    gateway = create_gateway(supergraph_of({"s": sdl}), settings, {"s": subgraph}, observer=Observer())
    envelope = await gateway.answer(GraphQLRequest("{ a }", plan=True), {})
    extensions = read_json(encoded_body(envelope))["extensions"]
    assert set(extensions) == {"cost", "plan"}
    assert extensions["cost"]["actual"] == 0


def test_hostile_operations_are_estimated_quickly() -> None:
    """Large numbers stay exact; an operation at the limits is estimated without trouble."""
    wide = Limits(aliases=20_000, height=20_000, root_fields=1_000)
    settings = Settings(limits=wide, cost=CostSettings(max=10**9))
    gateway = create_gateway(supergraph(), settings, {}, observer=Observer())
    nested = "id"
    for level in range(40):
        nested = f"k{level}: things(first: 2147483647) {{ {nested} }}"
    with pytest.raises(RequestError) as caught:
        cost(gateway, f"{{ one {{ {nested} }} }}")
    assert caught.value.extensions["estimated"] > 2**31**2
    many = " ".join(f"a{number}: one {{ id b: name }}" for number in range(900))
    found = gateway.prepared.find(GraphQLRequest(f"{{ {many} }}"), RequestContext({}, Observer()))
    assert found[1].cost is None
