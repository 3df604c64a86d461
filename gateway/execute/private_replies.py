"""Replies that must not be shared between callers."""

from collections.abc import Iterable

from gateway.transport.base import RawHeaders


def is_private(replies: Iterable[RawHeaders]) -> bool:
    """Whether a reply's headers restrict it to one user (RFC 9111, 5.2.2; RFC 6265)."""
    for headers in replies:
        for name, value in headers:
            lower = name.lower()
            if lower == b"set-cookie":
                return True
            if lower == b"cache-control" and (b"private" in value.lower() or b"no-store" in value.lower()):
                return True
    return False
