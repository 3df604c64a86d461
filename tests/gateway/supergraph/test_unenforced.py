"""Security features that the gateway does not enforce are not served, whatever their names are.

GHSA-g8jh-vg5j-4h3f was such a renaming.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.app import create_gateway
from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.core.envelope import encoded_body
from gateway.core.errors import SupergraphError
from gateway.core.jsontext import read_json
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import Settings
from gateway.supergraph.load import load_supergraph
from tests.gateway.subgraph import Subgraph

FEDERATION = "https://specs.apollo.dev/federation/v2.10"
CONNECT = "https://specs.apollo.dev/connect/v0.1"
PROTECTED = {
    "authenticated": (f'@link(url: "{FEDERATION}", import: ["@authenticated"])', "a: Int @authenticated"),
    "scopes": (
        f'@link(url: "{FEDERATION}", import: ["@requiresScopes"])',
        'a: Int @requiresScopes(scopes: [["x"]])',
    ),
    "policy": (f'@link(url: "{FEDERATION}", import: ["@policy"])', 'a: Int @policy(policies: [["x"]])'),
    "renamed": (
        f'@link(url: "{FEDERATION}", import: [{{ name: "@authenticated", as: "@members" }}])',
        "a: Int @members",
    ),
    "by namespace": (f'@link(url: "{FEDERATION}")', "a: Int @federation__authenticated"),
    "by another namespace": (f'@link(url: "{FEDERATION}", as: "fed")', "a: Int @fed__authenticated"),
    "connectors": (
        f'@link(url: "{FEDERATION}") @link(url: "{CONNECT}", import: ["@connect"])',
        'a: Int @connect(http: { GET: "http://example.com" }, selection: "$")',
    ),
}


def composed(name: str) -> str:
    """Return the supergraph of one subgraph that uses a security directive."""
    link, field = PROTECTED[name]
    return compose(
        [SubgraphSource("a", "", f"extend schema {link} type Query {{ {field} b: Int }}")]
    ).supergraph


@pytest.mark.parametrize("name", [name for name in PROTECTED if name != "connectors"])
async def test_access_requirements_are_enforced(name: str) -> None:
    """Under any name of its directive, the field is not fetched for an anonymous caller."""
    subgraph = Subgraph("type Query { a: Int b: Int }", {"Query": {"a": 1, "b": 2}})
    gateway = create_gateway(composed(name), Settings(), {"a": subgraph})
    answer = read_json(encoded_body(await gateway.answer(GraphQLRequest("{ a b }"), {})))
    assert answer["data"] == {"a": None, "b": 2}
    assert [one["extensions"]["code"] for one in answer["errors"]] == ["UNAUTHORIZED_FIELD_OR_TYPE"]
    assert [query for query, _ in subgraph.asked] == ["{b}"]


def test_other_protection_is_composed_and_not_served() -> None:
    """The supergraph has the directive and can be loaded, but a gateway over it is refused with a code and a
    next step.
    """
    supergraph = composed("connectors")
    assert load_supergraph(supergraph).unenforced
    with pytest.raises(SupergraphError) as caught:
        create_gateway(supergraph, Settings(), {})
    assert caught.value.code == "UNSUPPORTED_FEATURE"
    assert caught.value.next_step


PLAIN = compose([SubgraphSource("a", "", "type Query { a: Int }")]).supergraph


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  a: Int", "  a: Int @authenticated"),
        ("  a: Int", '  a: Int @policy(policies: [["x"]])'),
        ("  a: Int", "  a: Int @federation__requiresScopes"),
        ("  a: Int", '  a: Int @join__directive(graphs: [A], name: "authenticated")'),
        ("  a: Int", '  a: Int @join__directive(graphs: [A], name: "fed__connect", args: {selection: "a"})'),
        (
            "  @link(",
            '  @link(url: "https://specs.apollo.dev/authenticated/v0.2", as: "tag2", for: SECURITY)\n'
            "  @link(",
        ),
        (
            "  @link(",
            '  @link(url: "https://specs.apollo.dev/authenticated/v0.1", import: ["@policy"])\n  @link(',
        ),
        ("  @link(", '  @link(url: "https://example.com/secrets/v1.0", for: SECURITY)\n  @link('),
        ("  @link(", '  @link(url: "https://specs.apollo.dev/authenticated", as: "z")\n  @link('),
        ("  @link(", '  @link(url: "https://specs.apollo.dev/policy/v0.1#x", as: "z")\n  @link('),
        ("  @link(", '  @link(url: "https://specs.apollo.dev/requiresScopes/v0.1.0", as: "z")\n  @link('),
        ("  @link(", '  @link(url: "https://example.com/join/v9.9", as: "z", for: SECURITY)\n  @link('),
        ("  @link(", '  @link(url: "https://example.com/", as: "z", for: [SECURITY])\n  @link('),
        ("  @link(", '  @lonk(url: "https://specs.apollo.dev/cost/v0.1", as: "z")\n  @link('),
        (
            "  @link(",
            '  @link(url: "https://specs.apollo.dev/federation/v2.0", '
            'import: [{name: "@inaccessible", as: "@z"}])\n  @link(',
        ),
        (
            "  @link(",
            '  @join__directive(graphs: [A], name: "link", '
            'args: {url: "https://specs.apollo.dev/connect/v0.1"})\n  @link(',
        ),
        (
            "  @link(",
            '  @link(url: "https://example.com/any/v1.0", import: [{name: "@policy", as: "@p"}])\n  @link(',
        ),
    ],
)
def test_any_supergraph_that_says_so(old: str, new: str) -> None:
    """Also a supergraph of another tool is refused: by the spec's URL, its purpose, an import, or the name
    alone.
    """
    assert old in PLAIN
    create_gateway(PLAIN, Settings(), {})
    with pytest.raises(SupergraphError, match="does not enforce"):
        create_gateway(PLAIN.replace(old, new, 1), Settings(), {})


def test_what_is_only_information_is_served() -> None:
    """Costs, tags, list sizes and cache tags need no enforcement."""
    sdl = """extend schema @link(
        url: "https://specs.apollo.dev/federation/v2.12"
        import: ["@cost", "@listSize", "@tag", "@cacheTag"]
    )
    type Query {
        a: [Int] @cost(weight: 2) @listSize(assumedSize: 3) @tag(name: "x") @cacheTag(format: "a")
    }"""
    create_gateway(compose([SubgraphSource("a", "", sdl)]).supergraph, Settings(), {})


def test_the_command_says_what_to_do(tmp_path: Path) -> None:
    """`gateway serve` ends with the code and the next step, not with a traceback."""
    file = tmp_path / "supergraph.graphql"
    file.write_text(composed("connectors"))
    command = [sys.executable, "-m", "gateway.cli", "serve", "--supergraph", str(file), "--port", "4999"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "UNSUPPORTED_FEATURE" in done.stderr
    assert "connect" in done.stderr
    assert "Traceback" not in done.stderr
