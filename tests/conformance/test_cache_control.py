"""The public cases of Cache-Control headers (SHARED/conformance/policies): replies of subgraphs, and values
as they are merged.
"""

import json
from contextlib import AsyncExitStack
from functools import cache
from typing import Any

import httpx
import pytest

from gateway.execute.cache_control import merge_cache_control
from gateway.settings import HeaderRules, ResponseHeaderRule, Settings, SubgraphHeaderRules, SubgraphSettings
from tests.conformance.suites import ABSENT, FOLDER
from tests.gateway.real import Answer, Upstream, door, upstream

FILE = FOLDER / "policies" / "cache-control.json"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason=ABSENT)
DIFFERENT = {"values-unknown-directive-among-known": "public, max-age=300"}
"""The case that is contested: a recipient ignores a directive that it does not know (RFC 9111, 5.2.3)."""


@cache
def document() -> Any:
    """Return the file's content; without cases if it is absent."""
    return json.loads(FILE.read_text()) if FILE.exists() else {"cases": [], "schemas": {}}


def cases(key: str) -> list[Any]:
    """Return the cases that have this member, as parameters."""
    found = [case for case in document()["cases"] if key in case]
    return [pytest.param(case, id=case["name"]) for case in found]


def rule_of(given: Any) -> ResponseHeaderRule:
    """Return the rule of a case in the gateway's own terms."""
    return ResponseHeaderRule(
        "cache-control", merge="cache-control", default=given.get("default"), value=given.get("value")
    )


def settings_of(given: Any) -> Settings:
    """Return the settings of a case in the gateway's own terms."""
    common = HeaderRules(response=(rule_of(given["default"]),)) if "default" in given else HeaderRules()
    own = {
        name: SubgraphSettings(headers=SubgraphHeaderRules(response=(rule_of(one),)))
        for name, one in given.get("subgraphs", {}).items()
    }
    return Settings(headers=common, subgraphs=own)


def answering(fetch: Any) -> Any:
    """Return how a subgraph replies. `fetch`: the case's reply; without a body the reply has no JSON."""
    lines = tuple(f"{name}: {value}".encode() for name, value in (fetch.get("headers") or {}).items())
    status = f"{fetch['status']} Status".encode()
    return lambda _: Answer(fetch.get("body"), lines, status)


@pytest.mark.parametrize("case", cases("fetches"))
async def test_answers_of_the_gateway(case: Any) -> None:
    """The response has the header that the case expects, and no subgraph is asked that is not in it."""
    supergraph = document()["schemas"][case["schema"]]["supergraph"]
    async with AsyncExitStack() as stack:
        servers: dict[str, Upstream] = {}
        for fetch in case["fetches"]:
            servers[fetch["subgraph"]] = await stack.enter_async_context(upstream(answering(fetch)))
        here = await stack.enter_async_context(door(supergraph, servers, settings_of(case["settings"])))
        client = await stack.enter_async_context(httpx.AsyncClient())
        response = await client.post(f"http://127.0.0.1:{here.port}/graphql", json={"query": case["query"]})
    found, expected = response.headers.get("cache-control"), case["expect"]
    assert (response.status_code, found) == (expected["status"], expected["cache-control"])
    assert all(word in found for word in expected["asserted"]["contains"])
    assert not any(word in found for word in expected["asserted"]["not_contains"])


@pytest.mark.parametrize("case", [*cases("values"), *cases("values_hex")])
def test_values(case: Any) -> None:
    """The values of several replies become the one that the case expects."""
    values = [one.encode() for one in case.get("values", ())]
    values += [bytes.fromhex(one) for one in case.get("values_hex", ())]
    found = merge_cache_control(values, case["responses"], case.get("forced", False))
    expected = DIFFERENT.get(case["name"], case["expect"]["cache-control"])
    assert (found and found.decode()) == expected
