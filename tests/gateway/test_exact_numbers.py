"""Numbers of custom scalars keep their text, from clients to subgraphs and back, on every path."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from gateway.answering import Gateway
from gateway.core.headers import RequestHeaders
from gateway.http.endpoint import Endpoint
from gateway.settings import Settings
from gateway.transport.base import Call, Reply
from gateway.transport.fake import FakeTransport
from gateway.transport.local import LocalTransport
from tests.gateway.support import engine_of, supergraph_of

SDLS = {
    "a": """
        scalar Exact
        type Query {
            echo(e: Exact, list: [Exact], in: In, f: Float, n: Int, id: ID): Exact
            float: Float int: Int id: ID things: [Thing] node: Node
        }
        input In { e: Exact = 1.10 more: [In] }
        interface Node { e: Exact }
        type Thing implements Node @key(fields: "key") { key: Exact e: Exact }
    """,
    "b": """
        scalar Exact
        type Thing @key(fields: "key") { key: Exact e: Exact @external name: String
            cost: Exact @requires(fields: "e") }
    """,
}
NUMBERS = [
    "1.10",
    "1e400",
    "-1E-400",
    "0.1000000000000000055",
    "123456789012345678901234567890",
    "-9223372036854775809",
    "18446744073709551616",
    "9007199254740993",
    "100.0",
    "1E5",
    "7",
    "0.5",
]
Replying = Callable[[Call], bytes]
paths = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "exact"])
numbers = pytest.mark.parametrize("number", NUMBERS)


def gateway_of(replying: Replying, compiled: bool, batch: bool = False) -> tuple[Endpoint, FakeTransport]:
    """Return an endpoint over subgraphs that reply with these bytes."""
    transport = FakeTransport(lambda call: Reply(200, replying(call)))
    engine = engine_of(supergraph_of(SDLS), transport, Settings(compile=compiled, batch=batch))
    return Endpoint(Gateway(engine), 1_000_000), transport


async def post(endpoint: Endpoint, query: str, variables: str = "{}") -> str:
    """Return the body of the response to a POST."""
    body = b'{"query":%b,"variables":%b}' % (orjson.dumps(query), variables.encode())
    headers = RequestHeaders([(b"content-type", b"application/json")], None)
    return (await endpoint.reply("POST", b"", headers, body)).body.decode()


async def get(endpoint: Endpoint, query: str, variables: str = "{}") -> str:
    """Return the body of the response to a GET."""
    asked = urlencode({"query": query, "variables": variables}).encode()
    return (await endpoint.reply("GET", asked, RequestHeaders([], None), b"")).body.decode()


def sent(transport: FakeTransport) -> list[str]:
    """Return the bodies of the requests to subgraphs."""
    return [call.body.decode() for call in transport.requests]


@paths
@numbers
async def test_a_reply(number: str, compiled: bool) -> None:
    """A number in a reply keeps its text: alone, in lists and objects, in abstract types, and in entities."""
    value = f'{{"x":[{number},{{"y":{number}}}]}}'
    thing = f'{{"__typename":"Thing","key":1,"e":{value}}}'

    def replying(call: Call) -> bytes:
        if call.subgraph == "b":
            return f'{{"data":{{"_entities":[{{"name":"n","cost":{number}}}]}}}}'.encode()
        return f'{{"data":{{"echo":{value},"node":{thing},"things":[{thing}]}}}}'.encode()

    query = "{ echo node { __typename e } things { e name cost } }"
    endpoint, _ = gateway_of(replying, compiled)
    expected = (
        f'{{"data":{{"echo":{value},"node":{{"__typename":"Thing","e":{value}}},'
        f'"things":[{{"e":{value},"name":"n","cost":{number}}}]}}}}'
    )
    assert await post(endpoint, query) == expected


@pytest.mark.parametrize("asking", [post, get])
@paths
@numbers
async def test_a_variable(number: str, compiled: bool, asking: Any) -> None:
    """A number in a variable keeps its text, by POST and by GET: alone, in a list, in nested input
    objects.
    """
    endpoint, transport = gateway_of(lambda _: b'{"data":{"echo":1}}', compiled)
    query = "query($e: Exact, $l: [Exact], $i: In) { echo(e: $e, list: $l, in: $i) }"
    given = (
        f'{{"e":{number},"l":[{number},[{number}]],"i":{{"e":{{"x":{number}}},"more":[{{"e":{number}}}]}}}}'
    )
    assert await asking(endpoint, query, given) == '{"data":{"echo":1}}'
    (body,) = sent(transport)
    assert f'"e":{number},' in body
    assert f'"l":[{number},[{number}]]' in body
    assert f'"e":{{"x":{number}}},"more":[{{"e":{number}}}]' in body


@paths
@numbers
async def test_a_literal(number: str, compiled: bool) -> None:
    """A number in a literal keeps its text: in an argument, a list, an object, and the default of a
    variable.
    """
    endpoint, transport = gateway_of(lambda _: b'{"data":{"echo":1}}', compiled)
    await post(endpoint, f"{{ echo(e: {number}, list: [{number}], in: {{e: {{x: {number}}}}}) }}")
    await post(endpoint, f"query($e: Exact = {number}, $i: In = {{e: [{number}]}}) {{ echo(e: $e, in: $i) }}")
    literal, default = (body.replace(" ", "") for body in sent(transport))
    assert f"e:{number},list:[{number}],in:{{e:{{x:{number}}}}}" in literal
    assert f'"e":{number}' in default and f'"i":{{"e":[{number}]}}' in default


@paths
async def test_a_default_of_the_schema(compiled: bool) -> None:
    """A default of the schema is sent as the schema writes it."""
    endpoint, transport = gateway_of(lambda _: b'{"data":{"echo":1}}', compiled)
    await post(endpoint, "query($i: In) { echo(in: $i) }", '{"i":{"more":[{}]}}')
    assert sent(transport)[0].count('"e":1.10') == 2


@pytest.mark.parametrize("batch", [True, False], ids=["loader", "alone"])
@paths
@numbers
async def test_a_representation(number: str, compiled: bool, batch: bool) -> None:
    """A key and a @requires input keep their text in representations, also through the loader."""

    def replying(call: Call) -> bytes:
        if call.subgraph == "a":
            return f'{{"data":{{"things":[{{"key":{number},"e":[{number}]}}]}}}}'.encode()
        return b'{"data":{"_entities":[{"cost":%b}]}}' % number.encode()

    endpoint, transport = gateway_of(replying, compiled, batch)
    answers = await asyncio.gather(
        post(endpoint, "{ things { cost } }"), post(endpoint, "{ things { key cost } }")
    )
    assert answers[0] == f'{{"data":{{"things":[{{"cost":{number}}}]}}}}'
    assert answers[1] == f'{{"data":{{"things":[{{"key":{number},"cost":{number}}}]}}}}'
    asked = [body for body in sent(transport) if "_entities" in body]
    assert asked
    for body in asked:
        assert f'"key":{number}' in body and f'"e":[{number}]' in body


@paths
@pytest.mark.parametrize(
    ("keys", "count"),
    [
        (["1", "1.0", "1.00", "10e-1"], 1),
        (["0.1", "0.1000000000000000055"], 2),
        (["1e400", "1e401", "10e399"], 2),
        (["true", "1"], 2),
        (["18446744073709551616", "18446744073709551617"], 2),
    ],
)
async def test_entities_are_told_apart(keys: list[str], count: int, compiled: bool) -> None:
    """Entities are distinguished by the values of their keys, not by floats or notation."""

    def replying(call: Call) -> bytes:
        if call.subgraph == "a":
            things = ",".join(f'{{"key":{key},"e":1}}' for key in keys)
            return f'{{"data":{{"things":[{things}]}}}}'.encode()
        found = [{"name": str(at)} for at, _ in enumerate(call.variables["representations"])]
        return orjson.dumps({"data": {"_entities": found}})

    endpoint, transport = gateway_of(replying, compiled)
    answer = orjson.loads(await post(endpoint, "{ things { name } }"))
    asked = transport.requests[1].variables["representations"]
    assert len(asked) == count
    assert len(answer["data"]["things"]) == len(keys)
    assert len({one["name"] for one in answer["data"]["things"]}) == len(asked)


async def test_the_exact_path_goes_on_with_the_calls_of_the_other() -> None:
    """The exact path uses the compiled path's replies, whatever numbers are in their representations."""
    for number in NUMBERS:

        def replying(call: Call, number: str = number) -> bytes:
            if call.subgraph == "a":
                return f'{{"data":{{"things":[{{"key":{number},"e":{number}}}]}}}}'.encode()
            error = b'{"message":"no","path":["_entities",0,"cost"]}'
            return b'{"errors":[%b],"data":{"_entities":[{"cost":null}]}}' % error

        endpoint, transport = gateway_of(replying, compiled=True)
        answer = orjson.loads(await post(endpoint, "{ things { cost } }"))
        assert answer["data"] == {"things": [{"cost": None}]}
        assert len(transport.requests) == 2


@pytest.mark.parametrize(
    ("declared", "given", "expected"),
    [
        ("n: Int", "2147483647", '"n":2147483647'),
        ("n: Int", "-2147483648", '"n":-2147483648'),
        ("n: Int", "2147483648", "Int cannot represent non 32-bit signed integer value: 2147483648"),
        ("n: Int", "123456789012345678901234567890", "Int cannot represent non 32-bit"),
        ("n: Int", "1.0", '"n":1'),
        ("n: Int", "1.00", '"n":1'),
        ("n: Int", "1e0", '"n":1'),
        ("n: Int", "1.10", "Int cannot represent non-integer value: 1.10"),
        ("n: Int", "1e400", "Int cannot represent non-integer value: 1e400"),
        ("n: Int", '"1"', "Int cannot represent non-integer value"),
        ("f: Float", "1", '"f":1.0'),
        ("f: Float", "1.10", '"f":1.1'),
        ("f: Float", "0.1000000000000000055", '"f":0.1'),
        ("f: Float", "18446744073709551616", '"f":1.8446744073709552e19'),
        ("f: Float", "1e400", "Float cannot represent non numeric value: 1e400"),
        ("id: ID", "7", '"id":"7"'),
        ("id: ID", "123456789012345678901234567890", '"id":"123456789012345678901234567890"'),
        ("id: ID", "-18446744073709551616", '"id":"-18446744073709551616"'),
        ("id: ID", "1.10", "ID cannot represent value: 1.10"),
        ("id: ID", "1e400", "ID cannot represent value: 1e400"),
    ],
)
async def test_variables_of_the_built_in_scalars(declared: str, given: str, expected: str) -> None:
    """Variables of built-in scalars are checked and coerced as GraphQL requires."""
    endpoint, transport = gateway_of(lambda _: b'{"data":{"echo":1}}', True)
    name, kind = declared.split(": ")
    answer = await post(endpoint, f"query($v: {kind}) {{ echo({name}: $v) }}", f'{{"v":{given}}}')
    if expected.startswith('"'):
        assert expected.replace(f'"{name}"', '"v"') in sent(transport)[0]
    else:
        assert expected in answer
        assert "BAD_USER_INPUT" in answer


@paths
@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("int", "2147483647", "2147483647"),
        ("int", "2147483648", None),
        ("int", "1.0", None),
        ("int", "1.00", None),
        ("int", "123456789012345678901234567890", None),
        ("float", "7", "7"),
        ("float", "0.5", "0.5"),
        ("float", "1e400", None),
        ("id", "7", '"7"'),
        ("id", "123456789012345678901234567890", '"123456789012345678901234567890"'),
        ("id", "1.10", None),
    ],
)
async def test_replies_of_the_built_in_scalars(
    name: str, given: str, expected: str | None, compiled: bool
) -> None:
    """Built-in scalars have their range, and ids are text."""
    endpoint, _ = gateway_of(lambda _: f'{{"data":{{"{name}":{given}}}}}'.encode(), compiled)
    answer = await post(endpoint, f"{{ {name} __typename }}")
    if expected is None:
        assert orjson.loads(answer)["data"][name] is None
        assert "SUBGRAPH_WRONG_VALUE" in answer
    else:
        assert f'"{name}":{expected}' in answer


@paths
@numbers
async def test_extensions(number: str, compiled: bool) -> None:
    """Numbers in the extensions of replies and of errors keep their text."""
    error = f'{{"message":"no","extensions":{{"code":"NO","at":{number}}}}}'
    bodies = {
        "echo": f'{{"data":{{"echo":1}},"extensions":{{"cost":[{number}]}}}}',
        "int": f'{{"errors":[{error}],"data":{{"int":null}}}}',
    }
    transport = FakeTransport(
        lambda call: Reply(200, bodies["echo" if "echo" in call.query else "int"].encode())
    )
    settings = Settings(compile=compiled, extensions=frozenset({"cost"}))
    endpoint = Endpoint(Gateway(engine_of(supergraph_of(SDLS), transport, settings)), 10_000)
    for query in ("{ echo }", "{ echo __typename }"):
        assert f'"extensions":{{"cost":[{number}]}}' in await post(endpoint, query)
    assert f'"at":{number}' in await post(endpoint, "{ int }")


@paths
@numbers
async def test_a_service_in_the_process(number: str, compiled: bool) -> None:
    """A service in the process gets numbers that it can compute with, and returns them with their text."""
    seen: list[Any] = []

    async def execute(query: str, variables: Any, name: Any, headers: Any) -> dict[str, Any]:
        seen.append(variables["e"][0])
        return {"data": {"echo": variables["e"]}}

    transport = LocalTransport({"a": execute, "b": execute})
    endpoint = Endpoint(
        Gateway(engine_of(supergraph_of(SDLS), transport, Settings(compile=compiled))), 10_000
    )
    answer = await post(endpoint, "query($e: Exact) { echo(e: $e) }", f'{{"e":[{number}]}}')
    assert answer == f'{{"data":{{"echo":[{number}]}}}}'
    assert isinstance(seen[0], int | float)


@pytest.mark.parametrize("number", ["1" * 4_301, "[" * 2_000 + "]" * 2_000])
async def test_a_number_beyond_all_measure(number: str) -> None:
    """A number that can't be read is refused with its byte position, or with the reason."""
    endpoint, transport = gateway_of(lambda _: b"", True)
    answer = await post(endpoint, "query($e: Exact) { echo(e: $e) }", f'{{"e":{number}}}')
    assert "INVALID_JSON" in answer
    assert "4,300 digits begins at byte" in answer or "nested too deeply" in answer
    assert transport.requests == []
