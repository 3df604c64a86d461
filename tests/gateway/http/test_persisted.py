"""Persisted queries are not supported: a client that sends only a hash gets the error that it expects."""

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from tests.gateway.http.sockets import Served, body_of, connected, raw, read_one

HASH = {"version": 1, "sha256Hash": "a" * 64}
REFUSAL = ("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")


async def asked(served: Served, by: str, given: dict[str, Any], accept: bytes) -> tuple[int, Any]:
    """Return the status and body of the reply to a request by POST or by GET."""
    if by == "GET":
        text = {key: value if isinstance(value, str) else orjson.dumps(value) for key, value in given.items()}
        line = b"GET /graphql?%b HTTP/1.1" % urlencode(text).encode()
        request = b"\r\n".join([line, b"Host: x", b"Accept: " + accept, b"", b""])
    else:
        request = raw(b"Accept: " + accept, body=orjson.dumps(given))
    async with connected(served) as (reader, writer):
        writer.write(request)
        got = await read_one(reader)
    return int(got.split()[1]), body_of(got)


@pytest.mark.parametrize("by", ["POST", "GET"])
@pytest.mark.parametrize(
    ("given", "persisted"),
    [
        ({"extensions": {"persistedQuery": HASH}}, True),
        ({"extensions": {"persistedQuery": HASH}, "operationName": "Q", "variables": {"n": 1}}, True),
        ({"extensions": {"persistedQuery": HASH}, "query": ""}, True),
        ({"extensions": {"persistedQuery": {}}}, True),
        ({"extensions": {"persistedQuery": "x"}}, True),
        ({"extensions": {"persistedQuery": None}}, False),
        ({"extensions": {"other": HASH}}, False),
        ({"extensions": {}}, False),
        ({"variables": {"persistedQuery": HASH}}, False),
    ],
)
async def test_without_a_query(served: Served, by: str, given: dict[str, Any], persisted: bool) -> None:
    """With a hash the error has the code that Apollo's clients know; without one it says that the query is
    missing.
    """
    for accept, status in ((b"application/json", 200), (b"application/graphql-response+json", 400)):
        found, answer = await asked(served, by, given, accept)
        (error,) = answer["errors"]
        told = (error["message"], error["extensions"]["code"])
        assert (told == REFUSAL) == persisted
        assert found == (status if persisted else 400)
    assert served.subgraph.calls == []


@pytest.mark.parametrize("by", ["POST", "GET"])
@pytest.mark.parametrize("extension", [HASH, {}, None, 7])
async def test_with_a_query(served: Served, by: str, extension: Any) -> None:
    """A request with a query runs, whatever its hash is."""
    given = {"query": "{ hello }", "extensions": {"persistedQuery": extension}}
    assert await asked(served, by, given, b"application/json") == (200, {"data": {"hello": None}})
