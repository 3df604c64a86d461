"""The modes of trusted documents: which texts run, for whom, and what is reported."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.context import RequestContext
from gateway.core.errors import RequestError
from gateway.core.headers import RequestHeaders
from gateway.documents.texts import text_facts
from gateway.guards.documents import Requirement
from gateway.observe.facts import UnlistedDocument
from gateway.observe.observer import Observer
from gateway.reload import GatewaySource, read_source, write_source
from gateway.request.graphql_request import DocumentReference, GraphQLRequest
from gateway.settings import (
    AutomaticDocumentSettings,
    DocumentSettings,
    HeaderSecret,
    HeaderValue,
    Limits,
    RedisSettings,
    RemoteDocumentSettings,
    Secret,
    SelectorSettings,
    Settings,
)
from tests.gateway.documents.support import by_hash, by_id, gateway_of, manifest, outcome, registering

REQUIRED = "PERSISTED_DOCUMENT_ID_REQUIRED"
UNLISTED = "QUERY_NOT_IN_SAFELIST"
DOCUMENTS = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [
        {"id": "1", "name": "A", "type": "query", "body": "query A { a } # all"},
        {"id": "2", "name": "B", "type": "query", "body": "query B { b }", "clientName": "web"},
        {"id": "3", "name": "C", "type": "query", "body": "query C { unknown }"},
    ],
}
WEB = {"apollographql-client-name": "web"}


@pytest.fixture
def file(tmp_path: Path) -> str:
    return manifest(tmp_path, DOCUMENTS)


async def test_require(file: str) -> None:
    """Only ids run, whatever the text beside them is."""
    gateway = gateway_of(DocumentSettings("require", file))
    assert await outcome(gateway, by_id("1")) == {"a": 1}
    assert await outcome(gateway, by_id("1", "{ b }")) == {"a": 1}
    assert await outcome(gateway, GraphQLRequest("query A { a }")) == REQUIRED
    assert await outcome(gateway, GraphQLRequest("")) == REQUIRED
    assert await outcome(gateway, by_id("9")) == "PERSISTED_DOCUMENT_NOT_FOUND"


async def test_prefer(file: str) -> None:
    """Ids and texts run; a text takes precedence."""
    gateway = gateway_of(DocumentSettings("prefer", file))
    assert await outcome(gateway, by_id("1")) == {"a": 1}
    assert await outcome(gateway, by_id("1", "{ b }")) == {"b": 2}
    assert await outcome(gateway, GraphQLRequest("")) == "BAD_REQUEST"
    unsupported = GraphQLRequest("", document=DocumentReference(None, {}))
    assert await outcome(gateway, unsupported) == "PERSISTED_QUERY_NOT_SUPPORTED"


async def test_require_listed(file: str) -> None:
    """Texts run that are trusted, with other spaces, comments and order of definitions."""
    gateway = gateway_of(DocumentSettings("require_listed", file))
    assert await outcome(gateway, by_id("1")) == {"a": 1}
    assert await outcome(gateway, GraphQLRequest("#\nquery   A {a}")) == {"a": 1}
    for text in ("query X { a }", "query A { a b }", "{ a }"):
        assert await outcome(gateway, GraphQLRequest(text)) == UNLISTED
    assert await outcome(gateway, GraphQLRequest("{ a")) == "GRAPHQL_PARSE_FAILED"
    assert await outcome(gateway, GraphQLRequest("query B { b }")) == UNLISTED
    assert await outcome(gateway, GraphQLRequest("query B { b }"), WEB) == {"b": 2}


async def test_documents_of_a_client(file: str) -> None:
    """A document with a client's name is for this client only."""
    gateway = gateway_of(DocumentSettings("require", file))
    assert await outcome(gateway, by_id("2"), WEB) == {"b": 2}
    assert await outcome(gateway, by_id("2")) == "PERSISTED_DOCUMENT_NOT_FOUND"
    assert await outcome(gateway, by_id("1"), WEB) == {"a": 1}


async def test_log(file: str) -> None:
    """Every text runs; one that is not trusted is reported once for each client."""
    facts: list[Any] = []
    gateway = gateway_of(DocumentSettings("log", file), facts)
    for _ in range(3):
        assert await outcome(gateway, GraphQLRequest("query A { a }")) == {"a": 1}
        assert await outcome(gateway, GraphQLRequest("query B { b }")) == {"b": 2}
        assert await outcome(gateway, GraphQLRequest("query B { b }"), WEB) == {"b": 2}
        assert await outcome(gateway, GraphQLRequest("{ b }"), WEB) == {"b": 2}
        assert await outcome(gateway, GraphQLRequest("{ b")) == "GRAPHQL_PARSE_FAILED"
    found = [(one.client, one.operation, one.text) for one in facts if isinstance(one, UnlistedDocument)]
    assert found == [(None, "B", "query B { b }"), ("web", None, "{ b }")]


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("{ __schema { queryType { name } } }", True),
        ('query I { __type(name: "Query") { ...F } __typename } fragment F on __Type { name }', True),
        ("{ __typename a }", False),
        ("{ ...F } fragment F on Query { a }", False),
        ("{ ... { __typename } }", False),
        ("{ x: a }", False),
        ("query A { __typename } query B { a }", False),
        ("fragment F on Query { a }", False),
        ("{ __typename", False),
    ],
)
@pytest.mark.parametrize("mode", ["require", "require_listed"])
async def test_introspection_by_tools(file: str, mode: Any, text: str, runs: bool) -> None:
    """By setting, texts whose root fields read only the schema run."""
    gateway = gateway_of(DocumentSettings(mode, file, introspection=True))
    found = await outcome(gateway, GraphQLRequest(text))
    assert isinstance(found, dict) == runs
    assert isinstance(await outcome(gateway_of(DocumentSettings(mode, file)), GraphQLRequest(text)), str)


async def test_a_plugin_lifts_the_requirement(file: str) -> None:
    """The hook is asked for texts that would be refused, with the context of the request."""
    asked: list[str] = []

    class Staff:
        def on_text(self, context: RequestContext, request: GraphQLRequest) -> bool:
            asked.append(request.query)
            return context.headers.get("x-staff") == "1"

    gateway = gateway_of(DocumentSettings("require", file), plugins=[Staff()])
    assert await outcome(gateway, GraphQLRequest("{ b }"), {"x-staff": "1"}) == {"b": 2}
    assert await outcome(gateway, GraphQLRequest("{ b }")) == REQUIRED
    assert await outcome(gateway, by_id("1")) == {"a": 1}
    assert asked == ["{ b }", "{ b }"]
    assert gateway.hooks.wraps_requests is False


@pytest.mark.parametrize(
    ("secret", "given", "lifted"),
    [
        ("s", "s", True),
        ("s", "", False),
        ("s", "S", False),
        ("s", "ü€", False),
        ("", "", False),
        (None, "", False),
    ],
)
def test_a_secret_lifts_the_requirement(secret: str | None, given: str, lifted: bool) -> None:
    """Only the right value does; without a value none does."""
    rule = HeaderSecret("x-lift", None if secret is None else Secret(secret))
    requirement = Requirement(DocumentSettings("require", "m", lifted_by=rule), lambda *_: False)
    context = RequestContext({"x-lift": given}, Observer())
    assert requirement.applies(GraphQLRequest("{ a }"), context) == (not lifted)


def test_a_secret_beyond_ascii() -> None:
    """The header is compared as bytes, the secret in UTF-8."""
    rule = HeaderSecret("x-lift", Secret("schlüssel"))
    requirement = Requirement(DocumentSettings("require", "m", lifted_by=rule), lambda *_: False)
    headers = RequestHeaders([(b"x-lift", "schlüssel".encode())], None)
    assert not requirement.applies(GraphQLRequest("{ a }"), RequestContext(headers, Observer()))


def test_workers_get_the_settings(tmp_path: Path) -> None:
    """The settings of documents pass from the first process to its workers unchanged."""
    documents = DocumentSettings(
        "require",
        "m",
        selectors=(SelectorSettings(path="/:id"),),
        required_when=HeaderValue("x-a", "1"),
        lifted_by=HeaderSecret("x-b", Secret("s")),
        automatic=AutomaticDocumentSettings(store="redis"),
    )
    source = GatewaySource("", Settings(documents=documents, redis=RedisSettings(Secret("redis://x"))))
    write_source(tmp_path / "source", source)
    assert read_source(tmp_path / "source") == source
    assert "redis://x" not in repr(source)


async def test_limits_hold_for_trusted_documents(file: str) -> None:
    """A trusted document is parsed, validated and limited as any other."""
    gateway = gateway_of(DocumentSettings("require", file), limits=Limits(tokens=3))
    assert await outcome(gateway, by_id("1")) == "MAX_TOKENS_LIMIT"
    gateway = gateway_of(DocumentSettings("require", file))
    assert await outcome(gateway, by_id("3")) == "GRAPHQL_VALIDATION_FAILED"


async def test_trusted_and_automatic_documents_together(file: str) -> None:
    """A hash is first looked up in the manifest, then among the registered ones."""
    automatic = AutomaticDocumentSettings(enabled=True)
    gateway = gateway_of(DocumentSettings("prefer", file, automatic=automatic))
    assert await outcome(gateway, by_hash("{ b }")) == "PERSISTED_QUERY_NOT_FOUND"
    assert await outcome(gateway, registering("{ b }")) == {"b": 2}
    assert await outcome(gateway, by_hash("{ b }")) == {"b": 2}
    trusted = GraphQLRequest("", document=DocumentReference("1", {"sha256Hash": "1"}))
    assert await outcome(gateway, trusted) == {"a": 1}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (DocumentSettings("require"), "need one of"),
        (DocumentSettings("require", "m", folder="f"), "got 2 of them"),
        (DocumentSettings("log", remote=RemoteDocumentSettings("https://x/{app}/{version}/{id}")), "list"),
        (DocumentSettings("require", "m", automatic=AutomaticDocumentSettings(enabled=True)), "register"),
    ],
)
def test_settings_that_do_not_fit(settings: DocumentSettings, words: str) -> None:
    """Settings that contradict each other are refused."""
    assert any(words in message for _, message in settings.problems())


@given(st.text(max_size=30))
def test_any_text_has_facts_or_is_refused(text: str) -> None:
    """No text causes another exception."""
    try:
        text_facts(text, Limits())
    except RequestError:
        return
