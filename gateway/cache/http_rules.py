"""Decides for an HTTP cache what to store, reuse, validate, update and remove (RFC 9111), without I/O.

The sequence for one request, where `kept` are the stored responses of its URL:

    stored = select(kept, method, request)
    decision = decide(stored, request, now)
    FRESH                     send `stored_answer`
    STALE_WHILE_REVALIDATE    send `stored_answer`, then ask the origin as in REVALIDATE
    REVALIDATE                ask the origin with `validation_request`; a 304 updates: `updated`;
                              after a failure send `stored_answer` if `usable_after_error`
    MISS                      ask the origin; `stored_response` returns what to store
    UNSATISFIABLE             answer 504: the client forbids asking the origin

The gateway's cache of GraphQL replies follows policy.py alone. This module shows, by the tests of other
HTTP caches, that the rules of both are those of the RFC: tests/conformance/test_http_cache.py.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urljoin, urlsplit

from gateway.cache.directives import Headers, read_date, values_of
from gateway.cache.policy import (
    ReplyFacts,
    RequestPolicy,
    may_share,
    read_reply,
    request_policy,
    stale_windows,
)

HEURISTIC_SHARE = 0.1  # of the time since Last-Modified (RFC 9111, 4.2.2)
_HEURISTIC = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})
_NEVER_STORED = frozenset({206, 304})  # parts and validations: only whole responses are stored
_UNDERSTOOD = _HEURISTIC | {302, 303, 307, 400, 403, 500, 502, 503, 504}
_FAILURES = frozenset({500, 502, 503, 504})  # RFC 5861, 4
_READING = frozenset({"GET", "HEAD"})
_SAFE = _READING | {"OPTIONS", "TRACE"}
_OF_THE_CONNECTION = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authentication-info proxy-authorization proxy-connection"
    b" te trailer transfer-encoding upgrade".split()
)
_OF_THE_BODY = frozenset({b"content-encoding", b"content-length", b"content-md5", b"content-range"})
_VALIDATING = frozenset({b"if-none-match", b"if-modified-since"})
_NOT_OF_THE_CACHE = frozenset({b"range", b"if-range", b"if-match", b"if-unmodified-since"})
_UNORDERED = frozenset({b"accept-charset", b"accept-encoding", b"accept-language"})
_ETAG = re.compile(rb'(?:W/)?("[^"]*")')
Variant = tuple[tuple[bytes, bytes | None], ...]


class Decision(Enum):
    """What to do with a request: see the sequence at the top of this module."""

    FRESH = "fresh"
    STALE_WHILE_REVALIDATE = "stale-while-revalidate"
    REVALIDATE = "revalidate"
    MISS = "miss"
    UNSATISFIABLE = "unsatisfiable"


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored response. Times are seconds since 1970.

    `variant`: the request headers that select it, with their values. `lifetime`: the seconds from its
    creation in which it is fresh. `age`: the seconds since its creation at the time `received`.
    """

    status: int
    headers: Headers
    body: bytes
    variant: Variant
    facts: ReplyFacts
    lifetime: float
    received: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request to the origin and its response. `sent` and `received`: seconds since 1970."""

    method: str
    request: Headers
    status: int
    response: Headers
    body: bytes
    sent: float
    received: float


def stored_response(exchange: Exchange) -> Stored | None:
    """Return what a shared cache stores of an exchange; None if it must not store the response."""
    facts = read_reply(exchange.response, exchange.received, exchange.received - exchange.sent)
    if not _may_store(exchange, facts):
        return None
    lifetime = facts.lifetime
    if lifetime is None:
        lifetime = _heuristic_lifetime(exchange, facts)
    return Stored(
        exchange.status,
        _end_to_end(exchange.response, facts),
        exchange.body,
        _variant(facts.vary, exchange.request),
        facts,
        lifetime,
        exchange.received,
    )


def _may_store(exchange: Exchange, facts: ReplyFacts) -> bool:
    """Return whether a shared cache may store a response (RFC 9111, 3)."""
    said, status = facts.directives, exchange.status
    whole = exchange.method == "GET" and 200 <= status < 600 and status not in _NEVER_STORED
    understood = status in _UNDERSTOOD or not said.must_understand
    reusable = facts.lifetime is not None or said.public or status in _HEURISTIC
    authorized = bool(values_of(exchange.request, b"authorization"))
    permitted = may_share(said, authorized) and not said.private and not facts.varies_always
    return whole and understood and reusable and permitted and not _demands(exchange.request).no_store


def _heuristic_lifetime(exchange: Exchange, facts: ReplyFacts) -> float:
    """Return a tenth of the time since the last change; 0 where the RFC allows no heuristic."""
    if exchange.status not in _HEURISTIC and not facts.directives.public:
        return 0.0
    changed = read_date(values_of(exchange.response, b"last-modified"))
    date = read_date(values_of(exchange.response, b"date"))
    created = exchange.received if date is None else date
    return 0.0 if changed is None else max(created - changed, 0.0) * HEURISTIC_SHARE


def end_to_end(headers: Headers) -> Headers:
    """Return the headers without those that are for one connection (RFC 9110, 7.6.1)."""
    listed = b",".join(values_of(headers, b"connection")).split(b",")
    dropped = _OF_THE_CONNECTION | {name.strip(b" \t").lower() for name in listed}
    return tuple((name, value) for name, value in headers if name.lower() not in dropped)


def _end_to_end(response: Headers, facts: ReplyFacts) -> Headers:
    """Return the headers to store: without Age, and without those that the directives name."""
    said = facts.directives
    named = {name.encode("latin-1") for name in said.no_cache_fields | said.private_fields}
    dropped = named | {b"age"}
    return tuple((name, value) for name, value in end_to_end(response) if name.lower() not in dropped)


def _variant(names: Iterable[bytes], request: Headers) -> Variant:
    """Return the values of the selecting headers, normalised (RFC 9111, 4.1); None for a missing header."""
    return tuple((name, _normalised(name, values_of(request, name))) for name in sorted(names))


def _normalised(name: bytes, values: Sequence[bytes]) -> bytes | None:
    if not values:
        return None
    joined = b",".join(values)
    if b'"' in joined:  # a comma can be inside quotes
        return joined
    members = [one.strip(b" \t") for one in joined.split(b",")]
    return b",".join(sorted(one.lower() for one in members) if name in _UNORDERED else members)


def select(kept: Iterable[Stored], method: str, request: Headers) -> Stored | None:
    """Return the most recent stored response that this request selects; None without such a response."""
    names = {name.lower() for name, _ in request}
    if method not in _READING or not names.isdisjoint(_NOT_OF_THE_CACHE):
        return None
    matching = [one for one in kept if one.variant == _variant(one.facts.vary, request)]
    return max(matching, key=lambda one: one.received, default=None)


def replaced(kept: Iterable[Stored], new: Stored) -> list[Stored]:
    """Return the stored responses of a URL with `new` in place of the one that the same request selects."""
    return [*(one for one in kept if one.variant != new.variant), new]


def current_age(stored: Stored, now: float) -> float:
    """Return the seconds since the response's creation (RFC 9111, 4.2.3)."""
    return stored.facts.age + max(now - stored.received, 0.0)


def decide(stored: Stored | None, request: Headers, now: float) -> Decision:
    """Return how to answer a request. `stored`: what `select` returned. `now`: seconds since 1970."""
    demands = _demands(request)
    if stored is None or demands.no_store:
        return Decision.UNSATISFIABLE if demands.only_if_cached else Decision.MISS
    age = current_age(stored, now)
    left, said = stored.lifetime - age, stored.facts.directives
    too_old = demands.max_age is not None and age > demands.max_age
    if not (demands.no_cache or said.no_cache or too_old):
        allowed = 0 if said.forbids_stale else demands.max_stale
        if (left > 0 and left >= demands.min_fresh) or 0 <= -left < allowed:
            return Decision.FRESH
        if not demands.min_fresh and 0 <= -left < stale_windows(said, said.forbids_stale)[0]:
            return Decision.STALE_WHILE_REVALIDATE
    return Decision.UNSATISFIABLE if demands.only_if_cached else Decision.REVALIDATE


def usable_after_error(stored: Stored | None, request: Headers, now: float, status: int | None) -> bool:
    """Return whether a stale response may answer when the origin has failed (RFC 5861, 4).

    `status`: the origin's status; None if no response came.
    """
    if stored is None or (status is not None and status not in _FAILURES):
        return False
    demands, said = _demands(request), stored.facts.directives
    if said.forbids_stale or demands.no_cache:
        return False
    allowed = max(stale_windows(said, strict=False)[1], demands.stale_if_error)
    return current_age(stored, now) - stored.lifetime < allowed


def validation_request(stored: Stored | None, request: Headers) -> Headers:
    """Return the request to the origin: with the validators of the stored response, if it has any."""
    found = () if stored is None else _validators(stored)
    own = {name.lower() for name, _ in request if name.lower() in _VALIDATING} if found else set()
    passed = tuple((name, value) for name, value in end_to_end(request) if name.lower() not in own)
    return (*passed, *found)


def _validators(stored: Stored) -> tuple[tuple[bytes, bytes], ...]:
    found = []
    for condition, field in ((b"If-None-Match", b"etag"), (b"If-Modified-Since", b"last-modified")):
        found += [(condition, value) for value in values_of(stored.headers, field)[:1]]
    return tuple(found)


def validates(stored: Stored | None, exchange: Exchange) -> bool:
    """Return whether a response confirms the stored one, so that `updated` applies (RFC 9111, 4.3.4)."""
    return stored is not None and exchange.status == 304 and bool(_validators(stored))


def updated(stored: Stored, exchange: Exchange) -> Stored | None:
    """Return the stored response with the headers of a 304; None if it must not remain stored.

    Headers that describe the stored body, and its ETag, stay as they are (RFC 9111, 3.2).
    """
    new = {name.lower() for name, _ in exchange.response} - _OF_THE_BODY - {b"etag"}
    headers = (
        *((name, value) for name, value in stored.headers if name.lower() not in new),
        *((name, value) for name, value in exchange.response if name.lower() in new),
    )
    return stored_response(
        Exchange(
            "GET", exchange.request, stored.status, headers, stored.body, exchange.sent, exchange.received
        )
    )


def stored_answer(stored: Stored, request: Headers, now: float) -> tuple[int, Headers, bytes]:
    """Return status, headers and body of the answer to a client; 304 if the client has the response."""
    headers = (*stored.headers, (b"Age", b"%d" % current_age(stored, now)))
    if not _client_has(stored, request):
        return stored.status, headers, stored.body
    return 304, tuple(one for one in headers if one[0].lower() not in _OF_THE_BODY), b""


def _client_has(stored: Stored, request: Headers) -> bool:
    """Return whether the client's condition finds its copy to be the stored response (RFC 9111, 4.3.2)."""
    tags = b",".join(values_of(request, b"if-none-match"))
    if tags:
        own = _ETAG.findall(b",".join(values_of(stored.headers, b"etag")))
        return tags.strip() == b"*" or any(tag in own for tag in _ETAG.findall(tags))
    since = read_date(values_of(request, b"if-modified-since"))
    changed = read_date(values_of(stored.headers, b"last-modified"))
    if changed is None:
        changed = read_date(values_of(stored.headers, b"date"))
    return since is not None and changed is not None and changed <= since


def invalidated(method: str, url: str, status: int, response: Headers) -> tuple[str, ...]:
    """Return the URLs whose stored responses a request has made invalid (RFC 9111, 4.4).

    Those are its own and, on the same host, those in Location and Content-Location, after an unsafe method
    that did not fail.
    """
    if method in _SAFE or not 200 <= status < 400:
        return ()
    named = values_of(response, b"location") + values_of(response, b"content-location")
    targets = (_on_the_same_host(url, one.decode("latin-1")) for one in named)
    return (url, *(one for one in targets if one is not None))


def _on_the_same_host(url: str, reference: str) -> str | None:
    """Return the absolute URL of a reference; None if it is no URL, or one of another host or scheme."""
    try:
        target = urljoin(url, reference)
        return target if urlsplit(target)[:2] == urlsplit(url)[:2] else None
    except ValueError:
        return None


def _demands(request: Headers) -> RequestPolicy:
    lines = values_of(request, b"cache-control"), values_of(request, b"pragma")
    return request_policy(*(b",".join(one).decode("latin-1") for one in lines))
