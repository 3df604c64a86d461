"""Recognizes replies of subgraphs that must not be shared between callers.

The loader does not batch such calls, and responses that contain such a reply are private.
"""

from collections.abc import Iterable

from gateway.transport.base import RawHeaders


def is_private(replies: Iterable[RawHeaders]) -> bool:
    """Return whether any of these replies is for one user only: Set-Cookie, or Cache-Control private or
    no-store.

    See RFC 9111, 5.2.2, and RFC 6265. `replies`: the headers of each reply.
    """
    for headers in replies:
        for name, value in headers:
            lower = name.lower()
            if lower == b"set-cookie":
                return True
            if lower == b"cache-control" and (b"private" in value.lower() or b"no-store" in value.lower()):
                return True
    return False
