"""The public cases of demand control (SHARED/conformance/policies): estimated and actual costs, what is
refused, what is not fetched, response headers and facts.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from graphql import parse
from graphql.language import (
    FieldNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

from gateway.app import create_gateway
from gateway.core.context import RequestContext
from gateway.core.envelope import encoded_body, error_envelope
from gateway.core.errors import RequestError
from gateway.core.jsontext import read_json
from gateway.execution import envelope_of
from gateway.http.respond import http_reply
from gateway.observe.facts import OperationCost
from gateway.observe.observer import Observer
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import CostHeaders, CostSettings, Settings, SubgraphBudgets
from tests.conformance.suites import ABSENT, FOLDER

FILE = FOLDER / "policies" / "demand-control.json"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason=ABSENT)
RESPONSE = "application/graphql-response+json"


@cache
def document() -> Any:
    return json.loads(FILE.read_text()) if FILE.exists() else {"cases": [], "schemas": {}, "datasets": {}}


class MockSubgraph:
    """A subgraph without a schema: a root field's value is found by its name, selections pick keys."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.calls = 0

    async def execute(self, query: str, variables: Any, operation_name: Any, headers: Any) -> Any:
        self.calls += 1
        (operation,) = parse(query).definitions
        assert isinstance(operation, OperationDefinitionNode)
        found: dict[str, Any] = {}
        for item in operation.selection_set.selections:
            assert isinstance(item, FieldNode)
            key = item.alias.value if item.alias else item.name.value
            if item.name.value == "_entities":
                value: Any = [self.entity(one) for one in variables[variable_of(item)]]
            else:
                value = self.data.get(operation.operation.value, {}).get(item.name.value)
            found[key] = picked(item.selection_set, value)
        errors = self.data.get("errors")
        return {"data": found, "errors": errors} if errors else {"data": found}

    def entity(self, representation: Mapping[str, Any]) -> Any:
        for one in self.data.get("entities", ()):
            if all(one.get(name) == value for name, value in representation.items()):
                return one
        return None


def variable_of(field: FieldNode) -> str:
    """Return the name of the variable with the representations of an `_entities` field."""
    (argument,) = field.arguments or ()
    assert isinstance(argument.value, VariableNode)
    return argument.value.name.value


def picked(selection: SelectionSetNode | None, value: Any) -> Any:
    if isinstance(value, list):
        return [picked(selection, one) for one in value]
    if selection is None or not isinstance(value, Mapping):
        return value
    found: dict[str, Any] = {}
    for item in selection.selections:
        if isinstance(item, InlineFragmentNode):
            name = item.type_condition.name.value if item.type_condition else value["__typename"]
            if name in (value.get("__typename"), None) or "__typename" not in value:
                found |= picked(item.selection_set, value)
        else:
            assert isinstance(item, FieldNode)
            key = item.alias.value if item.alias else item.name.value
            found[key] = picked(item.selection_set, value.get(item.name.value))
    return found


def settings_of(case: Mapping[str, Any]) -> CostSettings:
    """Return the settings of a case in the gateway's own terms."""
    given = case["settings"]
    sizes, budget = given["default_list_size"], given["subgraph_budget"]
    headers = given.get("headers", {})
    return CostSettings(
        given["operation"]["max"],
        given["operation"]["mode"],
        sizes.get("all", 0),
        sizes.get("subgraphs", {}),
        SubgraphBudgets(budget["mode"], budget.get("all"), budget.get("subgraphs", {})),
        given["actual_cost"].replace("-", "_"),
        CostHeaders(headers.get("estimated"), headers.get("actual"), headers.get("max")),
        extension=True,
    )


def served() -> list[Any]:
    """Return the cases of queries and mutations; those of subscriptions need a door for them."""
    return [case for case in document()["cases"] if not case["query"].startswith("subscription")]


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "exact"])
@pytest.mark.parametrize("case", served(), ids=lambda case: str(case["name"]))
async def test_case(case: Mapping[str, Any], compiled: bool) -> None:
    """Costs, outcome, calls, headers and facts are those of the case."""
    sdl = document()["schemas"][case["schema"]]["supergraph"]
    data = document()["datasets"].get(case.get("data"), {})
    facts: list[Any] = []
    settings = Settings(cost=settings_of(case), compile=compiled)
    names = re.findall(r'@join__graph\(name: "(\w+)"', sdl)
    mocks = {name: MockSubgraph(data.get(name, {})) for name in names}
    local = {name: mock.execute for name, mock in mocks.items()}
    gateway = create_gateway(sdl, settings, local, observer=Observer([facts.append]))
    expected = case["expect"]
    other = expected.get("at_the_same_time")
    requests = [case] * expected.get("each_of", 1) + ([other] if other else [])
    found = await asyncio.gather(*(answered(gateway, one, gateway.context({})) for one in requests))
    for (answer, headers, status), request in zip(found, requests, strict=True):
        assert_headers(other if request is other else expected, headers)
        if request is case:
            assert_outcome(expected, answer, status)
    for name, count in expected["calls"].items():
        assert mocks[name].calls in (count, expected.get("calls_also_good", {}).get(name, count))
    if "data" in expected:
        assert answer["data"] == expected["data"]
    assert_facts(expected, [one for one in facts if isinstance(one, OperationCost)])


async def answered(
    gateway: Any, case: Mapping[str, Any], context: RequestContext
) -> tuple[Any, Mapping[str, str], int]:
    """Return the response of a case, its headers and its status."""
    request = GraphQLRequest(case["query"], case.get("variables") or {})
    try:
        envelope = await envelope_of(lambda done: gateway.begin(request, context, done))
    except RequestError as error:
        envelope = error_envelope(error)
    reply = http_reply(envelope, RESPONSE)
    pairs = (*reply.extra_headers, *context.response_headers)
    headers = {name.decode(): value.decode() for name, value in pairs}
    return read_json(encoded_body(envelope)), headers, reply.status


def assert_headers(expected: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    for name, value in expected.get("headers", {}).items():
        assert headers.get(name) == (None if value is None else str(value)), name


def assert_outcome(expected: Mapping[str, Any], answer: Any, status: int) -> None:
    """The response is accepted, refused, or partial, with the costs of the case."""
    codes = Counter(one["extensions"]["code"] for one in answer.get("errors", ()))
    assert status == expected["status"]
    if expected["outcome"] == "refused":
        (error,) = answer["errors"]
        assert error["extensions"]["code"] == expected["code"]
        for name in ("estimated", "field", "found"):
            assert error["extensions"].get(name) == expected.get(name)
        return
    costs = answer["extensions"]["cost"]
    assert costs["estimated"] == expected["estimated"]
    for name, value in expected.get("estimated_by_subgraph", {}).items():
        assert costs["subgraphs"].get(name, {}).get("estimated", 0) == value
    if "actual" in expected and "actual" not in expected.get("peer_specific", ()):
        assert costs["actual"] == expected["actual"]
    for name, value in expected.get("actual_by_subgraph", {}).items():
        assert costs["subgraphs"].get(name, {}).get("actual", 0) == value
    assert bool(codes["SUBGRAPH_COST_ESTIMATED_TOO_EXPENSIVE"]) == (expected["outcome"] == "partial")
    for one in expected.get("skipped", ()):
        assert any(error["extensions"].get("service") == one["subgraph"] for error in answer["errors"])


def assert_facts(expected: Mapping[str, Any], facts: list[OperationCost]) -> None:
    """The observer receives the costs with the result of the case."""
    for one in expected.get("telemetry", {}).get("histograms", ()):
        found = [fact for fact in facts if (fact.actual is None) == (one["of"] == "estimated")]
        assert [fact.result for fact in found] == [one["labels"]["result"]] * one["samples"]
        if "operation" in one["labels"]:
            assert {fact.operation for fact in found} == {one["labels"]["operation"]}
        if "sum" in one:
            assert sum(fact.estimated for fact in found) == one["sum"]
