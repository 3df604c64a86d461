"""Metadata of types and fields: read from every directive, under whatever name a supergraph imports it."""

import pytest

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.core.errors import SupergraphError
from gateway.supergraph.load import load_supergraph
from gateway.supergraph.metadata import NO_METADATA, Access, CacheHint, ListSize
from gateway.supergraph.model import Supergraph

SPECS = "https://specs.apollo.dev"
BODY = """
enum join__Graph { A @join__graph(name: "a", url: "") }
type Query @join__type(graph: A) { %s }
type Thing @join__type(graph: A) { id: ID }
"""


def loaded(links: str, field: str) -> Supergraph:
    """Return a supergraph with some links and a root field with some directives."""
    head = f'schema @link(url: "{SPECS}/link/v1.0") @link(url: "{SPECS}/join/v0.3")'
    return load_supergraph(f"{head} {links} {{ query: Query }}\n{BODY % field}")


@pytest.mark.parametrize(("rename", "name"), [("", "authenticated"), ("mustLogIn", "mustLogIn")])
def test_access_under_any_name(rename: str, name: str) -> None:
    """A directive may be imported under another name; several requirements must all be met."""
    url = "https://specs.apollo.dev/authenticated/v0.1"
    link = (
        f'@link(url: "{url}", for: SECURITY{f", as: {rename!r}".replace(chr(39), chr(34)) if rename else ""})'
    )
    links = f'{link} @link(url: "https://specs.apollo.dev/requiresScopes/v0.1", for: SECURITY, as: "needs")'
    field = f'secret: Int @{name} @needs(scopes: [["a", "b"], ["c"]]) @needs(scopes: [["d"]]) free: Int'
    graph = loaded(links, field)
    scopes = (frozenset({"a", "b", "d"}), frozenset({"c", "d"}))
    assert graph.metadata.of_field("Query", "secret").access == Access(True, scopes)
    assert graph.metadata.of_field("Query", "free") is NO_METADATA


def test_costs_sizes_hints_and_tags() -> None:
    """Directives are read if their own spec is linked, if they are composed by import, and in
    @join__directive.
    """
    links = (
        f'@link(url: "{SPECS}/cost/v0.1", import: ["@listSize", {{name: "@cost", as: "@price"}}])'
        f' @link(url: "{SPECS}/tag/v0.3") @link(url: "https://x.dev/c/v1.0", import: ["@cacheControl"])'
    )
    field = """things(first: Int @price(weight: 3)): [Thing] @price(weight: 5)
        @tag(name: "public") @tag(name: "b")
        @listSize(slicingArguments: ["first"], assumedSize: 10, requireOneSlicingArgument: false)
        @cacheControl(maxAge: 60, scope: PRIVATE)
        @join__directive(graphs: [A], name: "federation__cacheTag", args: {format: "thing-{$args.first}"})"""
    metadata = loaded(links, field).metadata.of_field("Query", "things")
    assert metadata.cost == 5
    assert metadata.arguments == {"first": 3}
    assert metadata.list_size == ListSize(10, ("first",), (), one_required=False)
    assert metadata.cache == CacheHint(60, "PRIVATE")
    assert metadata.tags == {"public", "b"}
    assert metadata.cache_tags == ("thing-{$args.first}",)


def test_what_our_own_composition_writes() -> None:
    """The metadata of types and fields is unchanged after composition."""
    sdl = """extend schema @link(url: "https://specs.apollo.dev/federation/v2.12", import: ["@key",
          "@authenticated", "@policy", {name: "@tag", as: "@label"}, "@cost", "@cacheTag"])
        type Query { thing: Thing @policy(policies: [["p"], ["q", "r"]]) @cacheTag(format: "all") }
        type Thing @key(fields: "id") @authenticated @label(name: "x") @cost(weight: 7) { id: ID! }"""
    graph = load_supergraph(compose([SubgraphSource("a", "http://a", sdl)]).supergraph)
    policies = (frozenset({"p"}), frozenset({"q", "r"}))
    assert graph.metadata.of_field("Query", "thing").access == Access(policies=policies)
    assert graph.metadata.of_field("Query", "thing").cache_tags == ("all",)
    thing = graph.metadata.of_type("Thing")
    assert (thing.access, thing.cost) == (Access(True), 7)
    assert thing.tags == {"x"}


@pytest.mark.parametrize("scopes", ['"a"', '["a"]', '[["a"]]'])
def test_a_single_value_is_a_list_of_one(scopes: str) -> None:
    """A single value counts as a list of one, as everywhere in GraphQL."""
    fields = f'x: Int @requiresScopes(scopes: {scopes}) y: [Int] @listSize(slicingArguments: "first")'
    metadata = loaded("", f"{fields} z: Int @policy(policies: 5)").metadata
    assert metadata.of_field("Query", "z").access == Access(policies=(frozenset({"5"}),))
    assert metadata.of_field("Query", "x").access == Access(scopes=(frozenset({"a"}),))
    assert metadata.of_field("Query", "y").list_size == ListSize(slicing=("first",))


@pytest.mark.parametrize(
    "applied",
    [
        "@requiresScopes",
        "@requiresScopes(scopes: null)",
        "@requiresScopes(scopes: [null])",
        "@policy(policies: [[{a: 1}]])",
        '@cost(weight: "heavy")',
        "@cost",
        "@tag",
        "@cacheControl(scope: NOBODY)",
        "@cacheControl(maxAge: [1])",
        "@listSize(assumedSize: {})",
    ],
)
def test_arguments_of_another_shape(applied: str) -> None:
    """Wrong arguments are refused with the directive and the place; ignoring them would expose what they
    protect.
    """
    with pytest.raises(SupergraphError) as caught:
        loaded("", f"x: Int {applied}")
    assert caught.value.code == "INVALID_SUPERGRAPH"
    assert applied.partition("(")[0] in caught.value.message
    assert caught.value.locations
