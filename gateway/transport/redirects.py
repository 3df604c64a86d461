"""Describes a subgraph's redirect, for a person who may have to correct the subgraph's URL."""

from collections.abc import Sequence
from urllib.parse import SplitResult, urljoin, urlsplit

LONGEST = 200  # the number of characters of a URL to show, at most


def describe_redirect(headers: Sequence[tuple[bytes, bytes]], address: str = "") -> str:
    """Return the target of a redirect in words: "a redirect to URL", without credentials, query or fragment.

    `address`: the URL of the request, "" if unknown. If the target differs from it only by a final slash or
    by TLS, the text mentions that.
    """
    given = next((value for name, value in headers if name.lower() == b"location"), b"")
    location = given.decode("latin-1").strip()
    if not location:
        return "a redirect without a target"
    try:
        target = urlsplit(urljoin(address, location))
        shown = _shown(target)
    except ValueError:
        return "a redirect to an invalid URL"
    return f"a redirect to {shown}{_difference(address, shown)}; redirects are not followed"


def _shown(target: SplitResult) -> str:
    """Return a URL in printable ASCII characters, at most LONGEST."""
    host = target.netloc.rpartition("@")[2]
    start = f"{target.scheme}://{host}" if host else ""
    text = f"{start}{target.path}"
    plain = "".join(one if one.isascii() and one.isprintable() else "?" for one in text)
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST]}..."


def _difference(address: str, shown: str) -> str:
    if not address:
        return ""
    given = _shown(urlsplit(address))
    if shown == f"{given}/":
        return f" (the address {given} lacks the slash at its end)"
    if given == f"{shown}/":
        return f" (the address {given} has a slash too many at its end)"
    if shown == given.replace("http://", "https://", 1):
        return f" (the address {given} has to begin with https)"
    return ""
