"""The public cases of authorization (SHARED/conformance/policies): whole answers, and what is left of an
operation.

Where a case has two right answers, the one with nulls as after an error of the field counts (GraphQL
specification, 6.4.4).
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from gateway.app import create_gateway
from gateway.core.context import Identity
from gateway.core.envelope import encoded_body
from gateway.core.jsontext import read_json
from gateway.http.respond import http_reply
from gateway.pipeline import check, pick, variables_for
from gateway.request.authorize import allows, authorize, without_denied
from gateway.request.graphql_request import GraphQLRequest
from gateway.request.normalize import normalize
from gateway.request.operation import Fragment, Selections, fields_of
from gateway.settings import AuthorizationSettings, Settings
from tests.conformance.suites import ABSENT, FOLDER, local_executor, subgraphs_module

FILE = FOLDER / "policies" / "authorization.json"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason=ABSENT)


@cache
def document() -> Any:
    return json.loads(FILE.read_text()) if FILE.exists() else {"cases": [], "decisions": [], "schemas": {}}


def identity_of(claims: Mapping[str, Any] | None, scopes_claim: str = "scope") -> Identity:
    """Return the identity that a verified token with these claims gives."""
    if claims is None:
        return Identity()
    scopes = frozenset(str(claims.get(scopes_claim, "")).split())
    return Identity(claims.get("sub"), scopes, claims, key=json.dumps(claims), authenticated=True)


class Authenticated:
    """A plugin that sets the identity."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.calls: list[str] = []

    def on_request(self, context: Any, request: Any) -> None:
        context.identity = self.identity

    def on_call(self, context: Any, call: Any) -> None:
        self.calls.append(call.subgraph)


@cache
def subgraphs(schema: str) -> dict[str, Any]:
    """Return the subgraphs of a schema with data."""
    found = document()["schemas"][schema]
    mock, made = found["mock"], {}
    for one in found["subgraphs"]:
        rules = mock["rules"].get(one["name"], {})
        made[one["name"]] = subgraphs_module().Subgraph(
            schema, one["name"], one["sdl"], one["sdl"], rules, mock["tables"], mock["typenames"]
        )
    return made


def names(path: Any) -> list[str]:
    return [one for one in path if isinstance(one, str)]


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "exact"])
@pytest.mark.parametrize("case", document()["cases"], ids=lambda case: str(case["name"]))
async def test_case(case: Mapping[str, Any], compiled: bool) -> None:
    """The response has the data, errors and status of the case, and denied fields are in no request."""
    plugin = Authenticated(identity_of(case["claims"], case.get("scopes_claim", "scope")))
    settings = Settings(
        authorization=AuthorizationSettings(mode=case["mode"]), share=False, batch=False, compile=compiled
    )
    local = {name: local_executor(one) for name, one in subgraphs(case["schema"]).items()}
    sdl = document()["schemas"][case["schema"]]["supergraph"]
    gateway = create_gateway(sdl, settings, local, plugins=[plugin])
    envelope = await gateway.answer(GraphQLRequest(case["query"], case.get("variables") or {}), {})
    expected = case["expected"]
    assert http_reply(envelope, "application/json").status == expected["status"]
    answer = read_json(encoded_body(envelope))
    wanted = expected.get("data_by_field_errors", expected.get("data"))
    assert answer.get("data") == wanted
    assert ("data" in answer) == ("data" in expected)
    errors = [(names(one["path"]), one["extensions"]["code"]) for one in answer.get("errors", ())]
    assert errors == [(one["path"], one["code"]) for one in expected.get("errors", ())]
    for name, count in case.get("expected_subgraph_requests", {}).items():
        assert plugin.calls.count(name) == count
    if expected["status"] == 403:
        assert plugin.calls == []


def shape(selections: Selections) -> Any:
    """Return selections as nested values that do not depend on their order, without added `__typename`."""
    found = {}
    for item in selections:
        if isinstance(item, Fragment):
            for key, value in shape(item.selections).items():
                found[f"{item.type}: {key}"] = value
        elif item.key != "__typename":
            found[f"{item.key} {item.name} {sorted(item.arguments)}"] = shape(item.selections)
    return found


@pytest.mark.parametrize("case", document()["decisions"], ids=lambda case: str(case["name"]))
def test_decision(case: Mapping[str, Any]) -> None:
    """What is left of an operation, and the errors, are those of the case."""
    gateway = create_gateway(document()["schemas"][case["schema"]]["supergraph"], Settings(), {})
    engine = gateway.engine

    def normalized(text: str) -> Any:
        checked = check(engine, text)
        node = pick(checked, None)
        values = variables_for(engine, node, case.get("variables") or {})
        return checked, normalize(engine.supergraph, checked.document, node, values, engine.settings.limits)

    checked, operation = normalized(case["query"])
    identity = identity_of(case["claims"])
    unmet = frozenset(one for one in checked.access if not allows(identity, one))
    found = authorize(engine.access, operation, unmet)
    expected = case["expected"]
    assert [(list(one.path or ()), one.code) for one in found.errors] == [
        (one["path"], one["code"]) for one in expected["errors"]
    ]
    left = shape(without_denied(found.operation).selections)
    if expected["unchanged"]:
        assert left == shape(operation.selections)
    elif any(item.denied and item.type.endswith("!") for item in fields_of(found.operation.selections)):
        assert left == {}  # the data is null as a whole, so not even the rest is fetched
    elif expected["forwarded"] is None:  # objects whose fields are all denied are still counted
        assert not _leaves(left)
    else:
        text = expected["forwarded"].removeprefix("mutation")
        kind = "mutation" if expected["forwarded"].startswith("mutation") else "query"
        variables = case["query"].partition("{")[0].removeprefix(kind).strip() if "$" in text else ""
        assert left == shape(normalized(f"{kind} {variables} {text}")[1].selections)


def _leaves(shape: Mapping[str, Any]) -> int:
    return sum(1 if not below else _leaves(below) for key, below in shape.items() if below)
