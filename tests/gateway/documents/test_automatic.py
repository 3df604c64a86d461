"""Automatic persisted queries: what is stored, when, and how much of it."""

import asyncio
from sys import getsizeof
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import RequestError
from gateway.documents.automatic import AutomaticDocuments
from gateway.documents.hashes import hash_of, is_hash
from gateway.documents.memory import MemoryStore
from gateway.request.graphql_request import DocumentReference, GraphQLRequest
from gateway.settings import AutomaticDocumentSettings, DocumentSettings
from tests.gateway.documents.support import by_hash, gateway_of, outcome, persisted, registering

ON = DocumentSettings(automatic=AutomaticDocumentSettings(enabled=True))
UNKNOWN = "PERSISTED_QUERY_NOT_FOUND"


async def test_a_text_is_registered_and_found() -> None:
    """A hash is unknown, then the text is sent with it, then the hash alone is enough."""
    gateway = gateway_of(ON)
    assert await outcome(gateway, by_hash("{ a }")) == UNKNOWN
    assert await outcome(gateway, registering("{ a }")) == {"a": 1}
    assert await outcome(gateway, by_hash("{ a }")) == {"a": 1}
    assert await outcome(gateway, by_hash("{ a }", query_only=True)) == {"a": 1}
    assert await outcome(gateway, by_hash("{  a }")) == UNKNOWN  # the exact text counts


async def test_the_message_that_clients_compare() -> None:
    """Apollo's clients compare the message, not the code."""
    envelope = await gateway_of(ON).answer(by_hash("{ a }"), {})
    response: Any = envelope.response
    assert response["errors"][0]["message"] == "PersistedQueryNotFound"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{ a", "GRAPHQL_PARSE_FAILED"),
        ("{ unknown }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { a } query B { b }", "OPERATION_RESOLUTION_FAILURE"),
        ("query ($n: Int!) { a(n: $n) }", "BAD_USER_INPUT"),
    ],
)
async def test_what_did_not_run_is_not_stored(text: str, code: str) -> None:
    """A text that is not valid, or whose request is not, is not stored."""
    gateway = gateway_of(ON)
    assert await outcome(gateway, registering(text)) == code
    assert await outcome(gateway, by_hash(text)) == UNKNOWN


@pytest.mark.parametrize("key", ["", "x", "a" * 64, hash_of("{ a }").upper(), "sha256:" + hash_of("{ a }")])
async def test_a_wrong_hash_is_refused(key: str) -> None:
    """A text with the hash of another one does not run, and is not stored."""
    gateway = gateway_of(ON)
    assert await outcome(gateway, registering("{ a }", key)) == "PERSISTED_QUERY_HASH_MISMATCH"
    assert await outcome(gateway, by_hash("{ a }")) == UNKNOWN


WRONG: list[Any] = [
    {},
    7,
    "x",
    [],
    True,
    {"version": 1},
    {"version": 1, "sha256Hash": None},
    {"version": 1, "sha256Hash": 7},
    {"version": 1, "sha256Hash": ["a" * 64]},
    {"version": 2, "sha256Hash": "a" * 64},
    {"version": "1", "sha256Hash": "a" * 64},
    {"sha256Hash": "a" * 64},
]


@pytest.mark.parametrize("extension", WRONG)
@pytest.mark.parametrize("text", ["", "{ a }"])
async def test_wrong_extensions_are_refused(extension: Any, text: str) -> None:
    """An extension of another form or version is an error of the request."""
    request = GraphQLRequest(text, document=DocumentReference(None, extension))
    assert await outcome(gateway_of(ON), request) == "BAD_REQUEST"


async def test_a_mutation_by_get_stays_refused() -> None:
    """A registered mutation can't be sent by GET."""
    gateway = gateway_of(ON)
    assert await outcome(gateway, registering("mutation { add }")) == {"add": None}
    with pytest.raises(RequestError, match="GET") as raised:
        await gateway.answer(by_hash("mutation { add }", query_only=True), {})
    assert raised.value.code == "METHOD_NOT_ALLOWED"


async def test_many_unknown_hashes_leave_nothing() -> None:
    """Unknown hashes use no memory."""
    gateway = gateway_of(ON)
    for number in range(1_000):
        assert await outcome(gateway, by_hash(f"{{ a{number} }}")) == UNKNOWN
    assert automatic_of(gateway).memory.texts == {}


async def test_many_registrations_are_limited() -> None:
    """The last `count` documents stay."""
    count = DocumentSettings(automatic=AutomaticDocumentSettings(enabled=True, count=10))
    gateway = gateway_of(count)
    texts = [f"query Q{number} {{ a }}" for number in range(50)]
    for text in texts:
        await outcome(gateway, registering(text))
    assert list(automatic_of(gateway).memory.texts.values()) == texts[-10:]


async def test_concurrent_registrations() -> None:
    """Many requests that register the same and other texts at the same time store each once."""
    gateway = gateway_of(ON)
    texts = [f"query Q{number % 7} {{ a }}" for number in range(70)]
    found = await asyncio.gather(*(outcome(gateway, registering(text)) for text in texts))
    assert found == [{"a": 1}] * 70
    assert automatic_of(gateway).memory.texts == {hash_of(text): text for text in texts}


def automatic_of(gateway: Any) -> AutomaticDocuments:
    found: AutomaticDocuments = gateway.guards.planning[-1].automatic
    return found


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.text(max_size=40)), max_size=60),
    st.integers(1, 5),
    st.integers(100, 600),
)
@settings(max_examples=200, deadline=None)
def test_the_memory_is_bounded(puts: list[tuple[str, str]], count: int, size: int) -> None:
    """Number and size stay below the limits, the size is that of the content, and the last text is there."""
    store = MemoryStore(count, size)
    for key, text in puts:
        store.put(key, text)
        assert len(store.texts) <= count
        assert store.used == sum(getsizeof(one) + getsizeof(store.texts[one]) for one in store.texts) <= size
        assert store.get(key) in (text, None)
    store.put("large", "x" * size)
    assert store.get("large") is None


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5), st.booleans()), max_size=30))
@settings(max_examples=200, deadline=None)
def test_a_stored_text_has_its_hash(given: list[tuple[str, str, bool]]) -> None:
    """Whatever clients register, a text is found under its own hash only."""
    automatic = AutomaticDocuments(MemoryStore(10, 10_000))
    for text, other, honest in given:
        key = hash_of(text if honest else other)
        try:
            new = automatic.new_hash(persisted(key), text)
        except RequestError:
            continue
        if new is not None:
            automatic.register(new, text)
    assert all(is_hash(key) and hash_of(text) == key for key, text in automatic.memory.texts.items())
