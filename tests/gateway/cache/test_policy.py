"""What the headers of a subgraph's reply and of a client's request allow the gateway's cache to do."""

import pytest
from hypothesis import given, strategies

from gateway.cache.directives import LONGEST, Headers
from gateway.cache.policy import NO_DEMANDS, ReplyPolicy, RequestPolicy, reply_policy, request_policy
from gateway.execute.cache_control import NEVER, merge_cache_control

DATE = (b"Date", b"Sun, 06 Nov 1994 08:49:37 GMT")
TIME = 784111777.0


def policy(cache_control: str, *more: tuple[bytes, bytes], authorized: bool = False) -> ReplyPolicy:
    """Return the policy of a reply with this Cache-Control header and more headers."""
    headers = [(b"Cache-Control", cache_control.encode()), *more]
    return reply_policy(headers, authorized=authorized)


def test_no_headers() -> None:
    """A reply without headers may be stored, for a time that only the configuration can give."""
    assert reply_policy([]) == ReplyPolicy(
        lifetime=0,
        explicit=False,
        storable=True,
        private=False,
        must_revalidate=False,
        stale_while_revalidate=0,
        stale_if_error=0,
        public=False,
        vary=frozenset(),
        varies_always=False,
    )


@pytest.mark.parametrize(
    ("text", "lifetime", "explicit", "storable"),
    [
        ("max-age=60", 60, True, True),
        ("max-age=10, s-maxage=60", 60, True, True),
        ("s-maxage=0, max-age=60", 0, True, False),
        ("max-age=0", 0, True, False),
        ("max-age=oops", 0, True, False),
        ("max-age=99999999999", LONGEST, True, True),
        ("max-age=60, no-store", 60, True, False),
        ("no-store", 0, True, False),
        ("max-age=60, no-cache", 0, True, False),
        ('max-age=60, no-cache="set-cookie"', 0, True, False),
        ("no-cache", 0, True, False),
        ("public", 0, False, True),
        ("private", 0, False, True),
        ("must-revalidate", 0, False, True),
        ("huh, what=1", 0, False, True),
        ("max-age=0, stale-while-revalidate=10", 0, True, True),
        ("max-age=0, stale-if-error=10", 0, True, True),
        ("max-age=0, stale-if-error=10, must-revalidate", 0, True, False),
    ],
)
def test_lifetime(text: str, lifetime: float, explicit: bool, storable: bool) -> None:
    """The lifetime is that of s-maxage, else of max-age, and a reply that can never be used is not stored."""
    found = policy(text)
    assert (found.lifetime, found.explicit, found.storable) == (lifetime, explicit, storable)


def test_an_age_beyond_the_lifetime() -> None:
    """`Age: 90` with `max-age=5` is never stored (router#8456), and the lifetime is not negative."""
    found = policy("max-age=5", (b"age", b"90"))
    assert (found.lifetime, found.storable) == (0, False)
    assert policy("max-age=90", (b"AGE", b"5")).lifetime == 85  # not 5 - 90: grafbase#2043
    assert not policy("max-age=5", (b"age", b"5")).storable
    assert not policy("max-age=3600", (b"age", b"unknown")).storable


def test_stale_if_error_is_a_number() -> None:
    """`stale-if-error=N` is a number of seconds (router#9562), counted from the end of the lifetime."""
    found = policy("max-age=60, stale-if-error=300, stale-while-revalidate=30")
    assert (found.stale_if_error, found.stale_while_revalidate) == (300, 30)
    assert policy("max-age=60, stale-if-error").stale_if_error == 0
    late = policy("max-age=5, stale-if-error=300, stale-while-revalidate=30", (b"age", b"90"))
    assert (late.stale_if_error, late.stale_while_revalidate, late.storable) == (215, 0, True)


@pytest.mark.parametrize("strict", ["must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache"])
def test_strict_directives_end_stale_use(strict: str) -> None:
    """With these directives no stale reply may be used, whatever RFC 5861's directives say."""
    found = policy(f"max-age=60, stale-if-error=300, stale-while-revalidate=30, {strict}")
    assert (found.must_revalidate, found.stale_if_error, found.stale_while_revalidate) == (True, 0, 0)


@pytest.mark.parametrize(
    ("text", "storable"),
    [
        ("max-age=60", False),
        ("max-age=60, public", True),
        ("s-maxage=60", True),
        ("max-age=60, must-revalidate", True),
        ("max-age=60, proxy-revalidate", False),
        ("max-age=60, public, no-store", False),
        ("max-age=60, private", True),
        ("", False),
    ],
)
def test_replies_to_authorized_requests(text: str, storable: bool) -> None:
    """A reply to Authorization is shared only where a directive permits it; a private reply has an owner."""
    assert policy(text, authorized=True).storable is storable


def test_private_beats_public() -> None:
    """A private reply is marked so, also where fields are named, and is never public (hive-router#1022)."""
    for text in ("private, max-age=60", "public, private, max-age=60", 'private="x", public, max-age=60'):
        found = policy(text)
        assert (found.private, found.public, found.storable, found.lifetime) == (True, False, True, 60)
    assert policy("public").public


def test_cookies_are_never_stored() -> None:
    """A reply with Set-Cookie is not stored, even if it is public."""
    assert not policy("public, max-age=60", (b"Set-Cookie", b"a=b")).storable


def test_vary() -> None:
    """The selecting headers are given in lower case, and `*` forbids storing."""
    found = policy("max-age=60", (b"Vary", b"Accept-Language, X-User"), (b"vary", b"accept-language"))
    assert found.vary == {b"accept-language", b"x-user"}
    star = policy("max-age=60", (b"Vary", b"*"))
    assert (star.varies_always, star.storable) == (True, False)


def test_expires() -> None:
    """Expires counts from Date, after max-age, and only with a time to compare it with."""
    expires = (b"Expires", b"Sun, 06 Nov 1994 08:50:37 GMT")
    assert reply_policy([DATE, expires]).lifetime == 60
    assert reply_policy([DATE, expires, (b"cache-control", b"max-age=5")]).lifetime == 5
    assert reply_policy([DATE, expires, (b"age", b"20")]).lifetime == 40
    assert reply_policy([expires], received=TIME).lifetime == 60
    assert reply_policy([expires]).lifetime == 0
    for wrong in (b"0", b"-1", b"Sun, 06 Nov 1994 08:50:37", b"Sun, 06 Nov 1993 08:50:37 GMT"):
        found = reply_policy([DATE, (b"expires", wrong)])
        assert (found.lifetime, found.explicit, found.storable) == (0, True, False)


def test_an_old_date_is_an_age() -> None:
    """With the time of receipt, a Date in the past counts as Age, and one in the future does not."""
    headers = [DATE, (b"cache-control", b"max-age=60")]
    assert reply_policy(headers, received=TIME + 20).lifetime == 40
    assert reply_policy([*headers, (b"age", b"30")], received=TIME + 20).lifetime == 30
    assert reply_policy(headers, received=TIME - 20).lifetime == 60


def test_targeted_field() -> None:
    """CDN-Cache-Control overrides Cache-Control and Expires, unless it is unreadable (RFC 9213)."""
    targeted = (b"CDN-Cache-Control", b"max-age=600")
    assert policy("no-store, private", targeted).lifetime == 600
    assert policy("no-store, private", targeted).storable
    assert not policy("max-age=5", (b"CDN-Cache-Control", b"no-store")).storable
    assert policy("max-age=5", (b"CDN-Cache-Control", b"max-age=600, ?")).lifetime == 5
    expires = (b"Expires", b"Sun, 06 Nov 1994 08:50:37 GMT")
    assert not reply_policy([DATE, expires, (b"CDN-Cache-Control", b"public")]).explicit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", NO_DEMANDS),
        ("huh", NO_DEMANDS),
        ("nothing-to-see-here", NO_DEMANDS),
        ("no-cache", RequestPolicy(no_cache=True)),
        ("No-Store", RequestPolicy(no_store=True)),
        ("max-age=0", RequestPolicy(max_age=0)),
        ("max-age=oops", RequestPolicy(max_age=0)),
        ("max-age=60, min-fresh=5", RequestPolicy(max_age=60, min_fresh=5)),
        ("max-stale", RequestPolicy(max_stale=LONGEST)),
        ("max-stale=5, stale-if-error=9", RequestPolicy(max_stale=5, stale_if_error=9)),
        ("only-if-cached", RequestPolicy(only_if_cached=True)),
        ('x="no-cache, no-store"', NO_DEMANDS),
        ("no-cache\u2028", NO_DEMANDS),
    ],
)
def test_requests(text: str, expected: RequestPolicy) -> None:
    """A request's directives are read as its own policy."""
    assert request_policy(text) == expected


def test_pragma() -> None:
    """Pragma counts only in a request without Cache-Control."""
    assert request_policy("", "no-cache").no_cache
    assert not request_policy("max-age=60", "no-cache").no_cache
    assert request_policy("", "foo") == NO_DEMANDS


NAMES = ("no-store", "no-cache", "private", "public", "max-age=60", "s-maxage=5", "must-revalidate", "huh")


@given(strategies.lists(strategies.sampled_from(NAMES), min_size=1, max_size=4))
def test_agrees_with_what_clients_get(parts: list[str]) -> None:
    """The header merged for clients forbids sharing exactly where this policy does."""
    text = ", ".join(parts)
    found = policy(text)
    refused = found.private or (found.explicit and found.lifetime == 0)
    assert (merge_cache_control([text.encode()], 1) == NEVER) == (refused or "no-store" in parts)


@given(
    strategies.lists(
        strategies.tuples(
            strategies.sampled_from(
                [b"cache-control", b"age", b"expires", b"date", b"vary", b"cdn-cache-control"]
            ),
            strategies.binary(max_size=30),
        ),
        max_size=6,
    )
)
def test_any_headers_have_a_policy(headers: Headers) -> None:
    """No bytes raise, and no number of a policy is negative or beyond the longest."""
    found = reply_policy(headers, received=TIME)
    for number in (found.lifetime, found.stale_if_error, found.stale_while_revalidate):
        assert 0 <= number <= LONGEST
