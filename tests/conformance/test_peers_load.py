"""Other gateways load our supergraphs: Apollo Gateway and Hive Gateway, over running subgraphs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    REMOVE,
    DirectiveDefinitionNode,
    DirectiveNode,
    Visitor,
    build_client_schema,
    get_introspection_query,
    graphql_sync,
    lexicographic_sort_schema,
    parse,
    print_ast,
    print_schema,
    visit,
)

from gateway.compose.compose import compose
from gateway.supergraph.load import load_supergraph
from tests.conformance.suites import ABSENT, SUITES, Served, instance, judge, read, read_peers, serve, sources
from tests.oracle.programs import NO_NODE, find_node, run

PLATFORM = Path(__file__).parents[2] / "schema" / "supergraph.graphql"
INTROSPECTION = get_introspection_query(descriptions=False)
pytestmark = [
    pytest.mark.skipif(find_node() is None, reason=NO_NODE),
    pytest.mark.skipif(not SUITES, reason=ABSENT),
]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """The suites' subgraphs over HTTP."""
    with serve() as running:
        yield running


ACCESS = ("authenticated", "requiresScopes")
COMPOSED = ("cacheControl", "cacheTag")  # by @composeDirective


class _WithoutAccess(Visitor):
    """Removes access requirements, the links to their specifications, and their definitions."""

    def enter_directive(self, node: DirectiveNode, *_: object) -> object:
        linked = any(f"/{name}/" in print_ast(node) for name in ACCESS)
        return REMOVE if node.name.value in ACCESS or linked else None

    def enter_directive_definition(self, node: DirectiveDefinitionNode, *_: object) -> object:
        return REMOVE if node.name.value in ACCESS else None


def without_access(supergraph: str) -> str:
    """Return a supergraph without access requirements."""
    return print_ast(visit(parse(supergraph), _WithoutAccess()))


def shape(introspection: Any) -> str:
    """A schema as sorted SDL, as far as introspection returns it, without the directives of costs, which one
    peer shows.
    """
    schema = introspection["__schema"]
    shown = [one for one in schema["directives"] if one["name"] not in ("cost", "listSize")]
    plain: Any = {"__schema": {**schema, "directives": shown}}
    return print_schema(lexicographic_sort_schema(build_client_schema(plain)))


@pytest.mark.parametrize(("peer", "key"), [("apollo", "apollo_gateway"), ("hive", "hive_gateway")])
def test_peer_answers_from_our_supergraphs(peer: str, key: str, served: Served) -> None:
    """What a peer answers right from the given supergraph, it answers right from the one that we compose."""
    peers, asked, expected = read_peers(), [], {}
    for name in SUITES:
        queries = []
        for index, test in enumerate(read(name)["tests"]):
            query, expectation = instance(test)
            queries.append(query)
            if peers[name][str(index)][key]["pass"]:
                expected[name, index] = expectation
        asked.append({"supergraph": compose(sources(name, served)).supergraph, "queries": queries})
    answers = dict(zip(SUITES, run("peers.mjs", peer, lines=asked), strict=True))
    failures = {name: answer["failure"] for name, answer in answers.items() if "failure" in answer}
    assert failures == {}
    wrong = {at: judge(answers[at[0]]["answers"][at[1]], one) for at, one in expected.items()}
    assert {at: reason for at, reason in wrong.items() if reason} == {}
    assert len(expected) >= 126


@pytest.mark.parametrize("peer", ["apollo", "hive"])
def test_peer_shows_the_platform_as_we_do(peer: str) -> None:
    """The platform's supergraph loads in a peer, which shows its clients the schema that our gateway shows.

    It is cut down to what both peers serve: Apollo's refuses access requirements, which it does not enforce.
    """
    text = without_access(PLATFORM.read_text())
    (answer,) = run("peers.mjs", peer, lines=[{"supergraph": text, "queries": [INTROSPECTION]}])
    assert "failure" not in answer
    ours = graphql_sync(load_supergraph(text).api, INTROSPECTION)
    theirs = answer["answers"][0]["data"]
    if peer == "hive":  # it shows the directives that subgraphs have composed; Apollo and we do not
        shown = theirs["__schema"]["directives"]
        theirs["__schema"]["directives"] = [one for one in shown if one["name"] not in COMPOSED]
    assert ours.data and shape(theirs) == shape(ours.data)
