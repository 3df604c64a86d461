"""One test for each advisory about another gateway or library that could concern this one, named after it.

Most of what they test has larger suites elsewhere: `bombs` (expensive operations), `cases/oracle`
(composition). None of them measures time: they count. `http/test_advisories_of_doors` has those about HTTP
and tokens.
"""

import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import orjson
import pytest
from graphql import parse

from gateway.answering import Gateway
from gateway.compose.compose import compose
from gateway.compose.diagnostics import CompositionFailed
from gateway.compose.ingest import SubgraphSource
from gateway.core.context import Identity, RequestContext
from gateway.core.envelope import encoded_body
from gateway.core.errors import CODES, RequestError
from gateway.core.jsontext import read_json
from gateway.pipeline import check
from gateway.plugins import Hooks
from gateway.request.graphql_request import GraphQLRequest
from gateway.request.validate import validate_document
from gateway.settings import Limits, Settings
from gateway.supergraph.load import load_supergraph
from gateway.transport.base import Call
from gateway.transport.fake import FakeTransport
from tests.gateway.support import engine_of, supergraph_of

LINK = """extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: [IMPORT])
"""
AUTH = '"@key", "@requires", "@external", "@context", "@fromContext", "@authenticated", "@requiresScopes"'
SDL = """
type Query { me: User users: [User] node: Node }
interface Node { id: ID! next: Node }
type User implements Node @key(fields: "id") { id: ID! next: Node name(a: String, b: [Int]): String }
"""

LIMIT_CODES = frozenset(name for name in CODES if name.startswith("MAX_") and name.endswith("_LIMIT"))


def composed(sdl: str, imports: str = AUTH, *more: str) -> str:
    """Compose subgraphs, `sdl` and others. Raises CompositionFailed."""
    link = LINK.replace("IMPORT", imports)
    named = enumerate((sdl, *more))
    return compose([SubgraphSource(f"s{number}", "", link + text) for number, text in named]).supergraph


def codes_of(sdl: str, imports: str = AUTH, *more: str) -> set[str]:
    """Return the codes of the errors of a composition that fails."""
    with pytest.raises(CompositionFailed) as caught:
        composed(sdl, imports, *more)
    return {one.code for one in caught.value.problems}


class Anybody:
    """Each caller is known, and has no scopes."""

    def on_request(self, context: RequestContext, request: GraphQLRequest) -> None:
        """Set the identity."""
        context.identity = Identity("u", authenticated=True)


def gateway_over(supergraph: str, data: Any = None, plugins: Any = ()) -> tuple[Gateway, FakeTransport]:
    """Return a gateway whose subgraphs reply with some data, and its transport."""
    transport = FakeTransport(lambda _: {"data": data or {}})
    return Gateway(engine_of(supergraph, transport), Hooks(plugins)), transport


async def refusal(query: str, variables: Mapping[str, Any] | None = None) -> str:
    """Return the code with which a request is refused, before any call; "" if it is answered."""
    gateway, transport = gateway_over(supergraph_of({"a": SDL}), {"me": None, "users": []})
    envelope = await gateway.answer(GraphQLRequest(query, variables or {}), {})
    response = read_json(encoded_body(envelope))
    if envelope.refused is None:
        return ""
    assert transport.requests == []
    return str(response["errors"][0]["extensions"]["code"])


def calls_during(work: Callable[[], object]) -> int:
    """Return the number of calls, of Python functions and built-in ones, during some work."""
    count = 0

    def profile(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def doubling(count: int, on: str, inside: str) -> str:
    """Return fragments of which each spreads the next one twice."""
    spread = (f"fragment F{n} on {on} {{ ...F{n + 1} ... on {on} {{ ...F{n + 1} }} }}" for n in range(count))
    return " ".join([*spread, f"fragment F{count} on {on} {{ {inside} }}"])


# Access requirements: Apollo Federation and Apollo Router


def test_ghsa_m8jr_fxqx_8xx6() -> None:
    """@requires and @fromContext must not read what the field itself does not protect."""
    users = 'type Query { me: User } type User @key(fields: "id") { id: ID! salary: Int @authenticated }'
    requires = """type User @key(fields: "id") { id: ID! salary: Int @external
        tax: Int @requires(fields: "salary") }"""
    assert codes_of(users, AUTH, requires) == {"MISSING_TRANSITIVE_AUTH_REQUIREMENTS"}
    context = """type Query { me: User }
        type User @key(fields: "id") @context(name: "u") { id: ID! salary: Int @authenticated job: Job }
        type Job @key(fields: "id") { id: ID! tax(pay: Int @fromContext(field: "$u { salary }")): Int }"""
    assert codes_of(context) == {"MISSING_TRANSITIVE_AUTH_REQUIREMENTS"}


def test_ghsa_mx7m_j9xf_62hw() -> None:
    """Requirements on interfaces and their fields, which nobody enforced, are refused."""
    for place in ("interface Node @authenticated { id: ID! }", "interface Node { id: ID! @authenticated }"):
        sdl = f"type Query {{ node: Node }} {place} type User implements Node {{ id: ID! }}"
        assert codes_of(sdl) == {"AUTH_REQUIREMENTS_APPLIED_ON_INTERFACE"}


async def test_ghsa_x33c_7c2v_mrj9() -> None:
    """A protected field of an object type is protected through its interface, too."""
    sdl = """type Query { node: Node } interface Node { id: ID! name: String }
        type User implements Node { id: ID! name: String @requiresScopes(scopes: [["read"]]) }
        type Dog implements Node { id: ID! name: String }"""
    reply = {"node": {"__typename": "User", "id": "1", "name": "secret"}}
    gateway, transport = gateway_over(composed(sdl), reply, [Anybody()])
    for query in (
        "{ node { id name } }",
        "{ node { id ... { name } } }",
        "{ node { id ...F } } fragment F on Node { name }",
    ):
        response = read_json(encoded_body(await gateway.answer(GraphQLRequest(query), {})))
        assert response["data"] == {"node": {"id": "1", "name": None}}
        assert response["errors"][0]["extensions"]["code"] == "UNAUTHORIZED_FIELD_OR_TYPE"
    assert all("name" not in one.query.replace("__typename", "") for one in transport.requests)


async def test_ghsa_g8jh_vg5j_4h3f() -> None:
    """A directive that is imported under another name is enforced all the same."""
    imports = '{name: "@authenticated", as: "@login"}, {name: "@requiresScopes", as: "@scopes"}'
    sdl = 'type Query { a: Int b: Int @login c: Int @scopes(scopes: [["read"]]) }'
    gateway, transport = gateway_over(composed(sdl, imports), {"a": 1, "b": 2, "c": 3})
    response = read_json(encoded_body(await gateway.answer(GraphQLRequest("{ a b c }"), {})))
    assert response["data"] == {"a": 1, "b": None, "c": None}
    assert [one.query for one in transport.requests] == ["{a}"]


# Expensive operations: Apollo Router, Hot Chocolate, graphql-go


async def test_ghsa_q2f9_x4p4_7xmh() -> None:
    """Fragments that double forty times are refused before planning."""
    assert await refusal(f"{{ me {{ ...F0 }} }} {doubling(40, 'User', 'id')}") in LIMIT_CODES


async def test_ghsa_3j43() -> None:
    """Fragments on an interface are counted as often as they are spread."""
    assert await refusal(f"{{ node {{ ...F0 }} }} {doubling(20, 'Node', 'id next { id }')}") in LIMIT_CODES


async def test_ghsa_84m6() -> None:
    """A count of fields above 2**32 does not start again at zero."""
    for levels in (32, 33, 64):
        query = f"{{ me {{ ...F0 }} }} {doubling(levels - 16, 'User', 'a: id b: id')}"
        assert await refusal(query) in LIMIT_CODES


async def test_ghsa_75m2() -> None:
    """Fields that repeat an object at each level are counted with all that is below them."""
    level = "id"
    for _ in range(16):
        level = f"a: next {{ {level} }} b: next {{ {level} }}"
    assert await refusal(f"{{ node {{ {level} }} }}") in LIMIT_CODES


async def test_ghsa_94hh() -> None:
    """The limits hold for introspection, too, where fragments multiply the fields of types."""
    query = f"{{ __schema {{ types {{ ...F0 }} }} }} {doubling(12, '__Type', 'name fields { name }')}"
    assert await refusal(query) in LIMIT_CODES


async def test_ghsa_fmj9() -> None:
    """Inline fragments in each other, on the same types again and again, are counted."""
    level = "id"
    for _ in range(14):
        level = f"... on Node {{ {level} }} ... on User {{ {level} }}"
    assert await refusal(f"{{ node {{ {level} }} }}") in LIMIT_CODES


NESTED = {
    "selections": "{" * 40_000,
    "fields": "{" + "me{" * 10_000 + "id" + "}" * 10_001,
    "inline fragments": "{" + "...{" * 9_000 + "me{id}" + "}" * 9_001,
    "lists": "{ me { name(b: " + "[" * 20_000 + "]" * 20_000 + ") } }",
    "open lists": "{ me { name(b: " + "[" * 40_000,
    "objects": "{ me { name(a: " + "{a:" * 13_000 + "1" + "}" * 13_000 + ") } }",
    "types": "query ($a: " + "[" * 20_000 + "Int" + "]" * 20_000 + ") { me { id } }",
    "default values": "query ($a: [Int] = " + "[" * 20_000 + "]" * 20_000 + ") { me { id } }",
    "directives": "{ me @a(b: " + "[" * 20_000 + "]" * 20_000 + ") { id } }",
}


@pytest.mark.parametrize("name", NESTED)
async def test_cve_2026_40324(name: str) -> None:
    """40 kB of brackets, wherever they may stand, end in an error of the request."""
    assert await refusal(NESTED[name]) in {*LIMIT_CODES, "GRAPHQL_PARSE_FAILED"}


def test_cve_2026_40476() -> None:
    """Checking whether fields with one name agree ends after a bounded number of comparisons."""
    schema, limits = load_supergraph(supergraph_of({"a": SDL})).api, Limits()

    def validated(count: int) -> list[str]:
        document = parse("{" + "me { id } " * count + "}")
        return [one.code for one in validate_document(schema, document, limits)]

    assert validated(1_000) == ["VALIDATION_ABORTED"]
    assert calls_during(lambda: validated(1_000)) < 1.5 * calls_during(lambda: validated(500))


# Names: Apollo Federation (prototype pollution)

NAMES = (
    "__class__", "__dict__", "__proto__", "__init__", "__slots__", "__struct_fields__", "__post_init__",
    "__eq__", "__module__", "__doc__", "__typename__", "constructor", "prototype", "keys", "items", "get",
    "self", "cls", "data", "errors", "extensions", "None", "class", "lambda", "print", "state",
    "type", "field", "encode",
)  # fmt: skip


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("name", NAMES)
async def test_cve_2026_32621(name: str, compiled: bool) -> None:
    """An alias is a key of the response and nothing else, for fields of one subgraph and of two."""
    sdls = {
        "a": 'type Query { thing: Thing } type Thing @key(fields: "id") { id: ID! kid: Thing }',
        "b": 'type Thing @key(fields: "id") { id: ID! color: String }',
    }

    def reply(call: Call) -> Any:
        if call.subgraph == "b":
            return {"data": {"_entities": [{name: "red", "color": "red"} for _ in call.representations[0]]}}
        thing = {"__typename": "Thing", "id": "1"}
        return {"data": {name: {**thing, name: thing}}}

    gateway = Gateway(engine_of(supergraph_of(sdls), FakeTransport(reply), Settings(compile=compiled)))
    query = f"{{ {name}: thing {{ {name}: kid {{ {name}: color }} }} }}"
    response = orjson.loads(encoded_body(await gateway.answer(GraphQLRequest(query), {})))
    assert response == {"data": {name: {name: {name: "red"}}}}
    assert (type(gateway), gateway.engine.settings.compile) == (Gateway, compiled)


async def test_ghsa_h9mw_h4qc_f5jf() -> None:
    """Without any setting there are limits on depth, width, tokens, aliases and size."""
    wide = " ".join(f"a{number}: me {{ id }}" for number in range(1_500))
    assert await refusal("{ node " + "{ next " * 60 + "{ id }" + "}" * 61) in LIMIT_CODES
    assert await refusal(f"{{ {wide} }}") in LIMIT_CODES
    assert await refusal("{ me { id } }" + "\n{ me { id } }" * 5_000) in LIMIT_CODES
    engine = engine_of(supergraph_of({"a": SDL}), FakeTransport(lambda _: {}))
    with pytest.raises(RequestError, match="tokens"):
        check(engine, "{" + "me { id } " * 10_000 + "}")
    assert all(getattr(Limits(), name) > 0 for name in Limits.__dataclass_fields__)
