"""Reads manifests of trusted documents: Apollo's format, and Relay's map of ids to texts."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from gateway.core.errors import RequestError
from gateway.core.jsontext import NotJson, read_json
from gateway.documents.hashes import PREFIX, hash_of
from gateway.documents.selectors import MAX_ID
from gateway.documents.texts import text_facts
from gateway.settings import Limits

FORMAT = "apollo-persisted-query-manifest"
VERSION = 1


class ManifestError(Exception):
    """A manifest that can't be read or used; the message says why and where."""


class TrustedDocument(NamedTuple):
    """A document of a manifest. `client`: the name of the only client that may use it; None for all.

    `name`: the name in the manifest; "" without one.
    """

    id: str
    text: str
    client: str | None = None
    name: str = ""


class TrustedDocuments:
    """The trusted documents, which do not change.

    `limits`: those of texts. Where it is given, the documents can be found by their texts.
    """

    def __init__(self, documents: Iterable[TrustedDocument] = (), limits: Limits | None = None) -> None:
        self.texts = {(one.client, one.id): one.text for one in documents}
        self.listed = frozenset(self._normalised(limits)) if limits is not None else frozenset()

    def _normalised(self, limits: Limits) -> Iterator[tuple[str | None, str]]:
        """Yield the client and the hash of each normalised text; a text that is not valid equals no other."""
        for (client, _), text in self.texts.items():
            try:
                yield client, text_facts(text, limits).normalised
            except RequestError:
                continue

    def find(self, document_id: str, client: str | None) -> str | None:
        """Return the text of a document for a client, first of the client's own ones; None without one."""
        found = self.texts.get((client, document_id))
        return self.texts.get((None, document_id)) if found is None and client is not None else found

    def lists(self, normalised: str, client: str | None) -> bool:
        """Return whether a client may use a text. `normalised`: see `TextFacts`."""
        return (client, normalised) in self.listed or (None, normalised) in self.listed


def read_manifest(text: bytes | str) -> list[TrustedDocument]:
    """Return the documents of a manifest. Raises ManifestError."""
    try:
        value = read_json(text)
    except NotJson as error:
        raise ManifestError(f"the manifest is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ManifestError("expected a JSON object as the manifest")
    if "format" in value or "operations" in value:
        return _distinct(_apollo(value))
    return [_document(repr(one[:60]), {"id": one, "body": body}) for one, body in value.items()]


def _apollo(value: Mapping[str, Any]) -> Iterator[TrustedDocument]:
    """Yield the documents of a manifest in Apollo's format. Raises ManifestError."""
    expected = {"format": FORMAT, "version": VERSION}
    for name, wanted in expected.items():
        if value.get(name) != wanted:
            raise ManifestError(f"expected {wanted!r} as `{name}`, got {str(value.get(name))[:60]!r}")
    operations = value.get("operations")
    if not isinstance(operations, list):
        raise ManifestError("expected a list as `operations`")
    for index, one in enumerate(operations):
        yield _document(f"operations[{index}]", one)


def _document(place: str, value: Any) -> TrustedDocument:
    """Return the document of an operation in Apollo's format. `place`: where it is, for errors."""
    if not isinstance(value, dict):
        raise ManifestError(f"{place}: expected an object")
    document_id, text = (_text(place, value, name) for name in ("id", "body"))
    if len(document_id) > MAX_ID:
        raise ManifestError(f"{place}: expected an id of at most {MAX_ID:,} characters")
    name, client = value.get("name"), value.get("clientName")
    if not isinstance(name, str | None) or not isinstance(client, str | None):
        raise ManifestError(f"{place}: expected texts as `name` and `clientName`")
    return TrustedDocument(document_id, text, client or None, name or "")


def _text(place: str, value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str) or not found:
        raise ManifestError(f"{place}: expected a text that is not empty as `{name}`")
    return found


def _distinct(documents: Iterable[TrustedDocument]) -> list[TrustedDocument]:
    """Return documents after a check that each id has one text. Raises ManifestError."""
    found: dict[tuple[str | None, str], TrustedDocument] = {}
    for index, one in enumerate(documents):
        if found.setdefault((one.client, one.id), one).text != one.text:
            raise ManifestError(f"operations[{index}]: the id {one.id[:80]!r} has two different texts")
    return list(found.values())


def of_texts(texts: Iterable[str]) -> list[TrustedDocument]:
    """Return documents whose ids are the hashes of their texts, with and without the prefix `sha256:`."""
    hashes = [(hash_of(text), text) for text in texts]
    return [TrustedDocument(prefix + one, text) for one, text in hashes for prefix in ("", PREFIX)]
