"""Manifests of trusted documents: formats, mistakes, reloading."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from gateway.answering import Gateway
from gateway.app import GatewayApp
from gateway.core.clock import FakeClock
from gateway.core.errors import SettingsError
from gateway.documents import manifest_source
from gateway.documents.hashes import hash_of
from gateway.documents.manifest_source import ManifestSource
from gateway.documents.manifests import ManifestError, TrustedDocument, TrustedDocuments, read_manifest
from gateway.guards.documents import DocumentGuard
from gateway.observe.facts import DocumentsNotReloaded
from gateway.settings import DocumentSettings, Limits
from tests.gateway.documents.support import by_id, gateway_of, manifest, outcome

HEAD = {"format": "apollo-persisted-query-manifest", "version": 1}
ONE = {"id": "1", "name": "A", "type": "query", "body": "{ a }"}


def apollo(*operations: Any, **rest: Any) -> dict[str, Any]:
    """Return a manifest in Apollo's format."""
    return {**HEAD, "operations": list(operations), **rest}


def test_both_formats() -> None:
    """Apollo's format has names and clients, Relay's only ids and texts."""
    found = read_manifest(json.dumps(apollo(ONE, {**ONE, "clientName": "web", "body": "{ b }"})))
    assert found == [TrustedDocument("1", "{ a }", None, "A"), TrustedDocument("1", "{ b }", "web", "A")]
    assert read_manifest('{"1": "{ a }"}') == [TrustedDocument("1", "{ a }")]
    assert read_manifest("{}") == []


WRONG: list[tuple[Any, str]] = [
    ("", "empty"),
    ("not json", "not JSON"),
    ('{"1": "{ a }"', "cut off"),
    (json.dumps(apollo(ONE))[:-30], "unterminated string at byte"),
    (b"\xff\xfe{}", "UTF-16"),
    ("[" * 100_000, "not JSON"),
    ("[]", "expected a JSON object"),
    ("7", "expected a JSON object"),
    ({"1": 7}, "'1': expected a text"),
    ({"1": ""}, "'1': expected a text"),
    ({"": "{ a }"}, "expected a text that is not empty as `id`"),
    ({"x" * 1_001: "{ a }"}, "at most 1,000 characters"),
    (apollo(ONE, version=2), "expected 1 as `version`"),
    (apollo(ONE, format="x"), "expected 'apollo-persisted-query-manifest' as `format`"),
    ({**HEAD, "operations": {}}, "expected a list as `operations`"),
    (HEAD, "expected a list as `operations`"),
    (apollo(ONE, 7), "operations[1]: expected an object"),
    (apollo(ONE, {"id": "2"}), "operations[1]: expected a text that is not empty as `body`"),
    (apollo({**ONE, "id": 7}), "operations[0]: expected a text that is not empty as `id`"),
    (apollo({**ONE, "name": []}), "operations[0]: expected texts as `name`"),
    (apollo({**ONE, "clientName": 7}), "operations[0]: expected texts as `name`"),
    (apollo(ONE, {**ONE, "body": "{ b }"}), "operations[1]: the id '1' has two different texts"),
]


@pytest.mark.parametrize(("given", "words"), WRONG, ids=[words for _, words in WRONG])
def test_mistakes_have_their_place(given: Any, words: str) -> None:
    """The message of a wrong manifest says what is wrong, and where."""
    with pytest.raises(ManifestError) as raised:
        read_manifest(given if isinstance(given, str | bytes) else json.dumps(given))
    assert words in str(raised.value)
    assert len(str(raised.value)) < 300


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_any_content_is_read_or_refused(content: bytes | str) -> None:
    """No content causes another exception."""
    try:
        found = read_manifest(content)
    except ManifestError:
        return
    assert all(one.id and one.text for one in found)


def test_a_client_has_its_own_documents_first() -> None:
    """A document of a client takes precedence for this client, and no other client finds it."""
    documents = TrustedDocuments(
        [
            TrustedDocument("1", "{ a }"),
            TrustedDocument("1", "{ b }", "web"),
            TrustedDocument("2", "x", "web"),
        ]
    )
    assert [documents.find("1", client) for client in (None, "web", "app")] == ["{ a }", "{ b }", "{ a }"]
    assert [documents.find("2", client) for client in (None, "web", "app")] == [None, "x", None]


def test_texts_that_can_not_be_parsed_are_not_listed() -> None:
    """A manifest with hostile texts can be used; such texts equal no other."""
    deep = TrustedDocument("2", "{ a" * 5_000 + "}" * 5_000)
    documents = TrustedDocuments([TrustedDocument("1", "{ a"), deep, TrustedDocument("3", "{ a }")], Limits())
    assert len(documents.listed) == 1


@pytest.mark.parametrize("content", ["not json", '{"1": 7}', None])
def test_a_wrong_manifest_at_the_start(tmp_path: Path, content: str | None) -> None:
    """A manifest that can't be read is a mistake in the settings."""
    file = tmp_path / "absent.json" if content is None else Path(manifest(tmp_path, content))
    with pytest.raises(SettingsError, match="documents: ") as raised:
        gateway_of(DocumentSettings("require", str(file)))
    assert raised.value.code == "INVALID_DOCUMENTS"


async def test_a_folder(tmp_path: Path) -> None:
    """The ids of a folder's documents are the hashes of their texts, with and without a prefix."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.graphql").write_text("{ a }\n")
    gateway = gateway_of(DocumentSettings("require", folder=str(tmp_path)))
    for prefix in ("", "sha256:"):
        assert await outcome(gateway, by_id(prefix + hash_of("{ a }\n"))) == {"a": 1}
    assert await outcome(gateway, by_id("a")) == "PERSISTED_DOCUMENT_NOT_FOUND"


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_folder_that_can_not_be_used(tmp_path: Path, content: bytes | None) -> None:
    """A folder without documents, or with one that is not text, is a mistake in the settings."""
    if content is not None:
        (tmp_path / "a.graphql").write_bytes(content)
    with pytest.raises(SettingsError, match="the folder"):
        gateway_of(DocumentSettings("require", folder=str(tmp_path)))


def rewrite(file: str, content: Any, second: int) -> None:
    """Write a file with another time."""
    manifest(Path(file).parent, content)
    os.utime(file, (second, second))


def test_a_failed_reload_keeps_the_documents(tmp_path: Path) -> None:
    """Old documents stay until a good manifest is there; an unchanged one is not read again."""
    file = manifest(tmp_path, {"1": "{ a }"})
    source = ManifestSource(DocumentSettings("require", file), None, FakeClock(), print)
    source.load()
    first = source.documents
    source.load()
    assert source.documents is first
    for second, content in enumerate(('{"1": "{ b }"', "", '{"1": 7}')):
        rewrite(file, content, second)
        with pytest.raises(ManifestError):
            source.load()
        assert source.documents is first
    rewrite(file, {"2": "{ b }"}, 9)
    source.load()
    assert (source.documents.find("1", None), source.documents.find("2", None)) == (None, "{ b }")


async def test_a_manifest_is_read_again(tmp_path: Path) -> None:
    """A gateway polls the file, reports failures, and closes without a task that remains."""
    clock, facts = FakeClock(), list[Any]()
    file = manifest(tmp_path, {"1": "{ a }"})
    gateway = gateway_of(DocumentSettings("require", file, poll=10), facts, clock=clock)
    gateway.start()
    rewrite(file, "not json", 1)
    await clock.advance(10)
    await until(lambda: facts)
    assert isinstance(facts[0], DocumentsNotReloaded)
    assert await outcome(gateway, by_id("1")) == {"a": 1}
    rewrite(file, {"1": "{ b }"}, 2)
    (guard,) = gateway.guards.planning
    assert isinstance(guard, DocumentGuard)
    source = guard.trusted
    assert isinstance(source, ManifestSource)
    before = source.documents
    await clock.advance(10)
    await until(lambda: source.documents is not before)
    assert await outcome(gateway, by_id("1")) == {"b": 2}
    await gateway.close()
    await until(lambda: source.polling is None or source.polling.done())


async def test_an_application_polls_while_it_runs(tmp_path: Path) -> None:
    """The application starts and ends the polling of its gateway, also of one that replaces it."""
    settings = DocumentSettings("require", manifest(tmp_path, {"1": "{ a }"}))
    first, second = gateway_of(settings), gateway_of(settings)
    served = GatewayApp(first)
    async with served.lifespan(Starlette()):
        assert [polls(one) for one in (first, second)] == [True, False]
        await served.replace(second)
        await until(lambda: not polls(first))
        assert polls(second)
    await until(lambda: not polls(second))


def polls(gateway: Gateway) -> bool:
    """Return whether a gateway reads its manifest again and again."""
    (guard,) = gateway.guards.planning
    assert isinstance(guard, DocumentGuard)
    assert isinstance(guard.trusted, ManifestSource)
    polling = guard.trusted.polling
    return polling is not None and not polling.done()


async def until(done: Any) -> None:
    """Return when `done()` is true: a thread reads the file."""
    async with asyncio.timeout(30):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_manifest_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A file, or the files of a folder, must not be larger than the limit."""
    monkeypatch.setattr(manifest_source, "MAX_MANIFEST", 10)
    (tmp_path / "a.graphql").write_text("query LongEnough { a }")
    file = manifest(tmp_path, {"1": "{ a }"})
    found = DocumentSettings("require", file if kind == "file" else None, folder=str(tmp_path))
    settings = found if kind == "folder" else DocumentSettings("require", file)
    with pytest.raises(SettingsError, match="at most 10 bytes"):
        gateway_of(settings)
