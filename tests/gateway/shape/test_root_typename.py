"""The `__typename` of a root type is the supergraph's, wherever it is selected, whatever a subgraph calls the
type.
"""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from graphql import build_schema, execute_sync, parse

from gateway.app import create_app
from gateway.settings import Settings
from tests.gateway.support import supergraph_of

SDL = """
schema { query: Root }
directive @log on INLINE_FRAGMENT
type Root { viewer: Viewer me: Int }
type Viewer { query: Root again: [Root!] }
"""
SCHEMA = build_schema(SDL)
VIEWER: dict[str, Any] = {"query": {"me": 1}, "again": [{"me": 2}, {"me": 3}]}
VIEWER["query"]["viewer"] = VIEWER


async def subgraph(
    query: str, variables: Mapping[str, Any] | None, operation_name: str | None, headers: Mapping[str, str]
) -> Mapping[str, Any]:
    """Reply as a subgraph whose query type is called Root."""
    return execute_sync(SCHEMA, parse(query), root_value={"viewer": VIEWER, "me": 0}).formatted


@pytest.mark.parametrize(
    ("query", "data"),
    [
        ("{ __typename }", {"__typename": "Query"}),
        ("{ kind: __typename me }", {"kind": "Query", "me": 0}),
        ("{ ... @log { __typename } }", {"__typename": "Query"}),
        ("{ ... @log { __typename me } }", {"__typename": "Query", "me": 0}),
        (
            "{ viewer { query { __typename } again { __typename me } } }",
            {"viewer": {
                "query": {"__typename": "Query"},
                "again": [{"__typename": "Query", "me": 2}, {"__typename": "Query", "me": 3}],
            }},
        ),
        (
            "{ viewer { again { __typename } __typename } }",
            {"viewer": {"again": [{"__typename": "Query"}] * 2, "__typename": "Viewer"}},
        ),
        (
            "{ viewer { query { viewer { again { a: __typename } } b: __typename } } }",
            {"viewer": {"query": {"viewer": {"again": [{"a": "Query"}] * 2}, "b": "Query"}}},
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_compiled", [True, False], ids=["compiled", "exact"])
async def test_it_is_the_supergraphs(query: str, data: dict[str, Any], is_compiled: bool) -> None:
    """It is so at the root, in fragments with directives, and in a field that returns the query type."""
    settings = Settings(compile=is_compiled)
    app = create_app(supergraph_of({"a": SDL}), settings, {"a": subgraph})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        answer = (await client.post("/graphql", json={"query": query})).json()
    assert answer == {"data": data}
