"""Requests for subscriptions by HTTP callback: what they ask for, and which of them are refused.

This module does no I/O. The callback's URL comes with the request, so whoever reaches the subgraph could have
it post anywhere. It posts only to URLs with an allowed prefix.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

VERSION = "1.0"
PROTOCOL_HEADER = ("subscription-protocol", "callback/1.0")
EXTENSION = "subscription"  # the key in a request's `extensions`
LONGEST = {"callbackUrl": 2_000, "subscriptionId": 500, "verifier": 1_000}  # characters
HEARTBEATS = range(100, 3_600_001)  # milliseconds
_PORTS = {"http": 80, "https": 443}
_URL = re.compile(
    r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*"
)
_DOTS_OR_SEPARATORS = re.compile(r"/\.{1,2}(?:/|$)|%2e|%2f|%5c", re.IGNORECASE)


class Refused(Exception):
    """A request that is not served: the HTTP status, and a message for the gateway's operator."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Callback:
    """Where the events of a subscription are posted. `heartbeat`: seconds between two `check`; 0 for none."""

    url: httpx.URL
    id: str
    verifier: str = field(repr=False)
    heartbeat: float = 0.0

    def message(self, action: str, **more: Any) -> dict[str, Any]:
        """Return the body of a post."""
        return {"kind": "subscription", "action": action, "id": self.id, "verifier": self.verifier, **more}


@dataclass(frozen=True)
class Operation:
    """A GraphQL request. `extensions`: without that of the callback."""

    query: str
    variables: dict[str, Any] | None
    name: str | None
    extensions: dict[str, Any]


class AllowedUrls:
    """The URLs to which events may be posted, by prefixes such as "http://gateway:4000/callback".

    A prefix ends at a segment of the path. Raises ValueError without prefixes, or for one that is no URL.
    """

    def __init__(self, prefixes: Iterable[str]) -> None:
        given = [prefixes] if isinstance(prefixes, str) else list(prefixes)
        if not given:
            raise ValueError("`allowed` must name the URLs of the gateway's callback, got none")
        self.prefixes = [_parsed(prefix, "an allowed prefix") for prefix in given]

    def check(self, text: str) -> httpx.URL:
        """Return a callback's URL. Raises Refused if it has no allowed prefix."""
        try:
            url = _parsed(text, "callbackUrl")
        except ValueError as error:
            raise Refused(400, str(error)) from error
        if not any(_is_below(url, prefix) for prefix in self.prefixes):
            raise Refused(
                403, "callbackUrl is not allowed: the subgraph's setting `allowed` has no prefix of it"
            )
        return url


def _parsed(text: str, what: str) -> httpx.URL:
    """Return a URL. Raises ValueError unless it is plain: no credentials, query, fragment, dot segments."""
    try:
        if not _URL.fullmatch(text) or _DOTS_OR_SEPARATORS.search(text.partition("://")[2]):
            raise ValueError("it has other parts")
        return httpx.URL(text)
    except (ValueError, httpx.InvalidURL) as error:
        expected = "an absolute http or https URL of host, port and path"
        raise ValueError(f"{what} must be {expected}, without dot segments") from error


def _is_below(url: httpx.URL, prefix: httpx.URL) -> bool:
    if _origin(url) != _origin(prefix):
        return False
    path, allowed = url.raw_path.decode(), prefix.raw_path.decode().rstrip("/")
    return path == allowed or path.startswith(f"{allowed}/")


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or _PORTS[url.scheme]


def asks_for_callbacks(accept: str) -> bool:
    """Return whether a header `Accept` has `application/json;callbackSpec=1.0`."""
    for part in accept.split(","):
        kind, *parameters = (one.strip() for one in part.split(";"))
        names = {name.strip().lower(): value.strip().strip('"') for name, _, value in _pairs(parameters)}
        if kind.lower() == "application/json" and names.get("callbackspec") == VERSION:
            return True
    return False


def _pairs(parameters: Sequence[str]) -> list[tuple[str, str, str]]:
    return [one.partition("=") for one in parameters]


def read_request(body: bytes, allowed: AllowedUrls) -> tuple[Operation, Callback] | None:
    """Return what a body asks for; None if it has no extension for callbacks.

    Raises Refused for a body that is no JSON, an extension that is wrong, or a URL that is not allowed.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "the body must be JSON") from None
    extensions = request.get("extensions") if isinstance(request, dict) else None
    if not isinstance(extensions, dict) or EXTENSION not in extensions:
        return None
    others = {name: value for name, value in extensions.items() if name != EXTENSION}
    return _operation(request, others), _callback(extensions[EXTENSION], allowed)


def _operation(request: dict[str, Any], extensions: dict[str, Any]) -> Operation:
    query, variables, name = (request.get(one) for one in ("query", "variables", "operationName"))
    if not isinstance(query, str):
        raise Refused(400, "query must be a text")
    if variables is not None and not isinstance(variables, dict):
        raise Refused(400, "variables must be an object or null")
    if name is not None and not isinstance(name, str):
        raise Refused(400, "operationName must be a text or null")
    return Operation(query, variables, name, extensions)


def _callback(details: object, allowed: AllowedUrls) -> Callback:
    if not isinstance(details, dict):
        raise Refused(400, "extensions.subscription must be an object")
    for name, longest in LONGEST.items():
        value = details.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= longest or not _is_unicode(value):
            raise Refused(400, f"extensions.subscription.{name} must be a text of 1 to {longest} characters")
    heartbeat = _heartbeat(details.get("heartbeatIntervalMs"))
    url = allowed.check(details["callbackUrl"])
    return Callback(url, details["subscriptionId"], details["verifier"], heartbeat)


def _heartbeat(value: object) -> float:
    """Return the seconds between two heartbeats; 0 for none."""
    if value is None or value == "disabled" or (value == 0 and not isinstance(value, bool)):
        return 0.0
    if isinstance(value, int) and not isinstance(value, bool) and value in HEARTBEATS:
        return value / 1_000
    longest = f"{HEARTBEATS.start} to {HEARTBEATS.stop - 1}"
    raise Refused(400, f'extensions.subscription.heartbeatIntervalMs must be 0, "disabled", or {longest}')


def _is_unicode(text: str) -> bool:
    """Return whether a text can be sent: JSON can escape half of a surrogate pair."""
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False
