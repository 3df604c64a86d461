"""The hash of a document, as automatic persisted queries and folders of documents use it."""

import hashlib
import re

PREFIX = "sha256:"
"""The beginning of a document id that is a hash (GraphQL over HTTP, appendix on persisted documents)."""
_HASH = re.compile(r"[0-9a-f]{64}")


def hash_of(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_hash(text: str) -> bool:
    """Return whether a text can be a hash, whatever it is the hash of."""
    return _HASH.fullmatch(text) is not None
