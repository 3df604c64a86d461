"""Where a request has its document id, at both doors."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import RequestError
from gateway.documents.selectors import DocumentSelectors, RequestParts, read_parameters
from gateway.settings import AutomaticDocumentSettings, DocumentSettings, SelectorSettings, Settings
from tests.gateway.documents.support import manifest, persisted
from tests.gateway.http.sockets import Served, Watched, body_of, connected, raw, read_one, serving

HELLO = {"hello": None}
EVERYWHERE = (
    SelectorSettings(path="/:id"),
    SelectorSettings(path="/docs/*/:id"),
    SelectorSettings(query_param="pid"),
    SelectorSettings(json="documentId"),
)


@pytest.fixture(scope="module")
async def doors(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Served, Served]]:
    """Yield the gateway on the direct path, and the gateway on uvicorn's path."""
    file = manifest(tmp_path_factory.mktemp("documents"), {"1": "{ hello }", "m": "mutation { add }"})
    documents = DocumentSettings("require", file, selectors=EVERYWHERE)
    settings = Settings(documents=documents)
    async with serving(Watched, settings) as direct, serving("httptools", settings) as plain:
        yield direct, plain


async def asked(served: Served, line: bytes, body: bytes = b"", *head: bytes) -> tuple[int, Any]:
    """Return the status of a reply, and its data or the code of its error."""
    async with connected(served) as (reader, writer):
        writer.write(raw(*head, body=body, line=line + b" HTTP/1.1"))
        reply = await read_one(reader)
    answer = body_of(reply)
    errors = answer.get("errors")
    return int(reply.split()[1]), errors[0]["extensions"]["code"] if errors else answer["data"]


@pytest.mark.parametrize("door", [0, 1], ids=["direct", "uvicorn"])
@pytest.mark.parametrize(
    ("line", "body", "expected"),
    [
        (b"POST /graphql", b'{"documentId": "1"}', (200, HELLO)),
        (b"POST /graphql", b'{"documentId": 1}', (200, HELLO)),
        (b"POST /graphql/1", b"{}", (200, HELLO)),
        (b"POST /graphql/1?x=2", b"{}", (200, HELLO)),
        (b"GET /graphql/1", b"", (200, HELLO)),
        (b"GET /graphql/%31", b"", (200, HELLO)),
        (b"GET /graphql/docs/any/1", b"", (200, HELLO)),
        (b"POST /graphql?pid=1", b"{}", (200, HELLO)),
        (b"GET /graphql?pid=1", b"", (200, HELLO)),
        (b"GET /graphql/9", b"", (200, "PERSISTED_DOCUMENT_NOT_FOUND")),
        (b"GET /graphql/", b"", (200, "PERSISTED_DOCUMENT_ID_REQUIRED")),
        (b"GET /graphql/1/", b"", (200, "PERSISTED_DOCUMENT_ID_REQUIRED")),
        (b"GET /graphql/docs//1", b"", (200, "PERSISTED_DOCUMENT_ID_REQUIRED")),
        (b"POST /graphql", b'{"query": "{ hello }"}', (200, "PERSISTED_DOCUMENT_ID_REQUIRED")),
        (b"POST /graphql", b'{"query": 7, "documentId": "1"}', (400, "BAD_REQUEST")),
        (b"GET /graphql/m", b"", (405, "METHOD_NOT_ALLOWED")),
        (b"POST /graphql/m", b"{}", (200, {"add": 1})),
        (b"PUT /graphql/1", b"", (405, "METHOD_NOT_ALLOWED")),
        (b"GET /graphqlx/1", b"", (404, "NOT_FOUND")),
    ],
)
async def test_places(
    doors: tuple[Served, Served], door: int, line: bytes, body: bytes, expected: Any
) -> None:
    """An id is found in the body, the query string and the path; a mutation by GET stays refused."""
    served = doors[door]
    served.subgraph.renew()
    assert await asked(served, line, body) == expected


async def test_a_browser_gets_a_document(doors: tuple[Served, Served]) -> None:
    """A GET with an id gets the response, also from a browser; without one it gets GraphiQL."""
    accept = b"Accept: text/html,application/xhtml+xml,*/*;q=0.8"
    for line in (b"GET /graphql/1", b"GET /graphql?pid=1"):
        assert await asked(doors[0], line, b"", accept) == (200, HELLO)


async def test_without_paths_nothing_is_below_the_endpoint() -> None:
    """If no selector reads the path, /graphql/1 does not exist."""
    automatic = DocumentSettings(automatic=AutomaticDocumentSettings(enabled=True))
    async with serving(Watched, Settings(documents=automatic)) as served:
        assert await asked(served, b"POST /graphql/1", b"{}") == (404, "NOT_FOUND")
        body = orjson.dumps({"extensions": {"persistedQuery": persisted("a" * 64)}})
        assert await asked(served, b"POST /graphql", body) == (200, "PERSISTED_QUERY_NOT_FOUND")
        wrong = orjson.dumps({"query": "{ hello }", "extensions": {"persistedQuery": persisted("a" * 64)}})
        assert await asked(served, b"POST /graphql", wrong) == (400, "PERSISTED_QUERY_HASH_MISMATCH")
        plain = orjson.dumps({"query": "{ hello }"})
        assert await asked(served, b"POST /graphql", plain) == (200, HELLO)


@pytest.mark.parametrize("value", ["", None, True, False, -1, 1.5, [], ["1"], {}, {"id": "1"}])
def test_values_that_are_no_ids(value: Any) -> None:
    """Only texts and whole numbers are ids; the next place is then read."""
    selectors = DocumentSelectors([SelectorSettings(json="a.b"), SelectorSettings(json="c")])
    assert selectors.find(RequestParts({"a": {"b": value}, "c": "2"}, {}, "")) == "2"
    assert selectors.find(RequestParts({"a": value, "c": 0}, {}, "")) == "0"


def test_huge_ids_and_query_strings() -> None:
    """An id is limited in length, a query string in the number of its parameters."""
    selectors = DocumentSelectors([SelectorSettings(json="id")])
    for value in ("x" * 1_001, 10**1_500):
        with pytest.raises(RequestError, match="at most 1,000 characters"):
            selectors.find(RequestParts({"id": value}, {}, ""))
    for query_string in (b"a=1&" * 21, b"a=%ff", b"a=\xff"):
        with pytest.raises(RequestError, match="at most 20 parameters"):
            read_parameters(query_string)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from("abc"), JSON), st.binary(max_size=40), st.text("/ab*:id", max_size=9))
def test_any_request_has_an_id_or_none(payload: Any, query_string: bytes, path: str) -> None:
    """No request causes another exception."""
    every = (
        SelectorSettings(json="a.b.c"),
        SelectorSettings(query_param="a"),
        SelectorSettings(path="/a/:id"),
    )
    try:
        found = DocumentSelectors(every).find(RequestParts(payload, read_parameters(query_string), path))
    except RequestError:
        return
    assert found is None or (isinstance(found, str) and found)
