"""Decides what the headers of a message allow a shared cache to do (RFC 9111, RFC 5861, RFC 9213).

Example: the reply headers `Cache-Control: max-age=60, stale-while-revalidate=30` and `Age: 15` give a
`ReplyPolicy` with a lifetime of 45 seconds and, after it, 30 seconds in which the reply may still be used
while it is fetched again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.cache.directives import (
    NOTHING,
    Directives,
    Headers,
    directives_of,
    read_age,
    read_date,
    read_vary,
    targeted_directives,
)

TARGETED = b"cdn-cache-control"
"""The field that overrides Cache-Control and Expires for caches close to the origin (RFC 9213)."""


class ReplyFacts(NamedTuple):
    """What the headers of a response say about its reuse, before any decision.

    `lifetime`: the seconds from its creation in which the response is fresh; None if no header says it.
    `age`: the seconds since its creation when it was received. `vary` and `varies_always`: see `read_vary`.
    """

    directives: Directives
    lifetime: float | None
    age: float
    vary: frozenset[bytes]
    varies_always: bool
    sets_cookie: bool


@dataclass(frozen=True, slots=True)
class ReplyPolicy:
    """What a shared cache may do with a reply, in seconds from its receipt.

    `lifetime`: how long the reply stays fresh; 0 also if the headers give no lifetime.
    `explicit`: whether the headers give a lifetime (0 included) or forbid storing or reuse, so that a
    configured lifetime must not replace it. `public`, `private` or `must-revalidate` alone give none.
    `storable`: false if the headers forbid storing, and if they leave no second in which the stored reply
    could be used. `private`: only for requests of the same identity.
    `must_revalidate`: whether the reply must not be used once it is stale, in any circumstances.
    `stale_while_revalidate`, `stale_if_error`: how long after `lifetime` the stale reply may be used while
    it is fetched again, and when that fails.
    `states_revalidate`, `states_error`: whether the headers give these two times, be they 0.
    `vary`: the lower-case names of the request headers that select the reply. `varies_always`: whether no
    other request can get it.
    """

    lifetime: float
    explicit: bool
    storable: bool
    private: bool
    must_revalidate: bool
    stale_while_revalidate: float
    stale_if_error: float
    public: bool
    vary: frozenset[bytes]
    varies_always: bool
    states_revalidate: bool = False
    states_error: bool = False


class RequestPolicy(NamedTuple):
    """What a client's request demands of a cache, in seconds.

    `no_cache`: to ask the origin. `no_store`: to store nothing, and to use nothing stored. `max_age`: the
    greatest age that the client accepts; None without a limit. `min_fresh`: how long the response must stay
    fresh. `max_stale`: how long it may have been stale. `only_if_cached`: not to ask the origin.
    `stale_if_error`: how long it may have been stale if the origin fails.
    """

    no_cache: bool = False
    no_store: bool = False
    max_age: int | None = None
    min_fresh: int = 0
    max_stale: int = 0
    only_if_cached: bool = False
    stale_if_error: int = 0


NO_DEMANDS = RequestPolicy()


def reply_policy(headers: Headers, *, authorized: bool = False, received: float | None = None) -> ReplyPolicy:
    """Return the policy of one subgraph's reply.

    `authorized`: whether the request had an Authorization header. `received`: the time of receipt in seconds
    since 1970; with it a Date in the past counts as an age, and Expires counts without a Date.
    A `private` or `no-cache` that names header fields holds for the whole reply, of which no headers are
    stored apart from it.
    """
    facts = read_reply(headers, received)
    said = facts.directives
    no_cache = said.no_cache or bool(said.no_cache_fields)
    private = said.private or bool(said.private_fields)
    explicit = facts.lifetime is not None or said.no_store or no_cache
    strict = said.forbids_stale or no_cache
    left = 0.0 if no_cache else (facts.lifetime or 0.0) - facts.age
    overdue = max(-left, 0.0)
    while_revalidating, if_error = (max(window - overdue, 0.0) for window in stale_windows(said, strict))
    usable = not explicit or left > 0 or while_revalidating > 0 or if_error > 0
    allowed = may_share(said, authorized and not private) and not facts.sets_cookie
    return ReplyPolicy(
        lifetime=max(left, 0.0),
        explicit=explicit,
        storable=allowed and usable and not facts.varies_always,
        private=private,
        must_revalidate=strict,
        stale_while_revalidate=while_revalidating,
        stale_if_error=if_error,
        public=said.public and not private,
        vary=facts.vary,
        varies_always=facts.varies_always,
        states_revalidate=said.stale_while_revalidate is not None,
        states_error=said.stale_if_error is not None,
    )


def read_reply(headers: Headers, received: float | None = None, delay: float = 0.0) -> ReplyFacts:
    """Return what the headers of a response say.

    `received`: the time of receipt in seconds since 1970; None if it is not known. `delay`: the seconds
    between the request and the receipt, which an Age does not contain (RFC 9111, 4.2.3).
    """
    lines: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        lines.setdefault(name.lower(), []).append(value)
    targeted = targeted_directives(lines[TARGETED]) if TARGETED in lines else None
    said = directives_of(lines.get(b"cache-control", ())) if targeted is None else targeted
    expires = lines.get(b"expires", ()) if targeted is None else ()
    dated = received is not None or expires  # else Date is not needed, and reading it takes microseconds
    date = read_date(lines.get(b"date", ())) if dated else None
    apparent = received - date if received is not None and date is not None else 0.0
    vary, always = read_vary(lines.get(b"vary", ()))
    return ReplyFacts(
        directives=said,
        lifetime=_lifetime(said, expires, received if date is None else date),
        age=max(read_age(lines.get(b"age", ())) + delay, apparent),
        vary=vary,
        varies_always=always,
        sets_cookie=b"set-cookie" in lines,
    )


def _lifetime(said: Directives, expires: Sequence[bytes], created: float | None) -> float | None:
    """Return the seconds in which a response is fresh (RFC 9111, 4.2.1); None if nothing says it.

    An Expires that cannot be read is in the past, and so is one that has no time to compare it with.
    """
    if said.s_maxage is not None:
        return said.s_maxage
    if said.max_age is not None:
        return said.max_age
    if not expires:
        return None
    end = read_date(expires)
    return 0.0 if end is None or created is None else max(end - created, 0.0)


def stale_windows(said: Directives, strict: bool) -> tuple[float, float]:
    """Return the seconds of staleness allowed while revalidating, and after an error (RFC 5861).

    `strict`: whether a stale response must not be used, which overrides both.
    """
    return (0.0, 0.0) if strict else (said.stale_while_revalidate or 0.0, said.stale_if_error or 0.0)


def may_share(said: Directives, authorized: bool) -> bool:
    """Return whether a response's directives let a shared cache store it, `private` apart.

    `authorized`: whether the request had an Authorization header: without a directive that permits sharing
    the response is its sender's alone (RFC 9111, 3.5).
    """
    permitted = said.public or said.must_revalidate or said.s_maxage is not None
    return not said.no_store and (permitted or not authorized)


def request_policy(cache_control: str, pragma: str = "") -> RequestPolicy:
    """Return what a request's headers demand; Pragma counts only if there is no Cache-Control."""
    if not cache_control:
        return RequestPolicy(no_cache=True) if _pragma_forbids(pragma) else NO_DEMANDS
    said = directives_of([cache_control.encode("latin-1", "replace")])
    if said is NOTHING:
        return NO_DEMANDS
    return RequestPolicy(
        no_cache=said.no_cache,
        no_store=said.no_store,
        max_age=said.max_age,
        min_fresh=said.min_fresh or 0,
        max_stale=said.max_stale or 0,
        only_if_cached=said.only_if_cached,
        stale_if_error=said.stale_if_error or 0,
    )


def _pragma_forbids(pragma: str) -> bool:
    return bool(pragma) and directives_of([pragma.encode("latin-1", "replace")]).no_cache
