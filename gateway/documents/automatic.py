"""Automatic persisted queries: a client sends the hash of a text, and the text only if the hash is unknown.

The protocol is Apollo's: `extensions.persistedQuery` is `{version: 1, sha256Hash}`.
"""

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from gateway.core.errors import RequestError
from gateway.documents.hashes import hash_of, is_hash
from gateway.documents.memory import MemoryStore

VERSION = 1


class SharedStore(Protocol):
    """Stores documents by their hashes for several gateways. What it can't read counts as unknown."""

    async def get(self, key: str) -> str | None:
        """Return a document; None if it is not stored, or can't be read."""
        ...

    def put(self, key: str, text: str) -> None:
        """Start to store a document."""
        ...

    async def close(self) -> None:
        """Return when what is being stored is stored."""
        ...


class AutomaticDocuments:
    """The documents that clients have registered: in memory, and in a store that gateways share."""

    def __init__(self, memory: MemoryStore, shared: SharedStore | None = None) -> None:
        self.memory = memory
        self.shared = shared

    def find(self, persisted: Any) -> str | Awaitable[str | None] | None:
        """Return the document that `extensions.persistedQuery` names; None if it is unknown.

        Raises RequestError BAD_REQUEST.
        """
        key = requested_hash(persisted)
        found = self.memory.get(key)
        if found is not None or self.shared is None or not is_hash(key):
            return found
        return self._find_shared(self.shared, key)

    async def _find_shared(self, shared: SharedStore, key: str) -> str | None:
        """Return a document from the shared store, if it has the right hash: others may write there too."""
        found = await shared.get(key)
        if found is None or hash_of(found) != key:
            return None
        self.memory.put(key, found)
        return found

    def new_hash(self, persisted: Any, text: str) -> str | None:
        """Return the hash under which a text may be stored; None if it is stored already.

        Raises RequestError: BAD_REQUEST, PERSISTED_QUERY_HASH_MISMATCH.
        """
        key = requested_hash(persisted)
        if self.memory.get(key) == text:
            return None
        if hash_of(text) != key:
            message = "the hash in extensions.persistedQuery is not the SHA-256 of `query`"
            raise RequestError(message, "PERSISTED_QUERY_HASH_MISMATCH")
        return key

    def register(self, key: str, text: str) -> None:
        """Store a valid document. `key`: its hash."""
        self.memory.put(key, text)
        if self.shared is not None:
            self.shared.put(key, text)


def requested_hash(persisted: Any) -> str:
    """Return the hash in `extensions.persistedQuery`. Raises RequestError BAD_REQUEST."""
    if not isinstance(persisted, Mapping) or not isinstance(persisted.get("sha256Hash"), str):
        message = "expected extensions.persistedQuery as {version: 1, sha256Hash: a text}"
        raise RequestError(message, "BAD_REQUEST")
    if persisted.get("version") != VERSION:
        raise RequestError(f"expected version {VERSION} of extensions.persistedQuery", "BAD_REQUEST")
    key: str = persisted["sha256Hash"]
    return key
