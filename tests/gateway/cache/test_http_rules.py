"""Storing, selecting, validating, updating and removing responses as RFC 9111 says."""

import pytest

from gateway.cache.directives import Headers
from gateway.cache.http_rules import (
    Decision,
    Exchange,
    Stored,
    current_age,
    decide,
    end_to_end,
    invalidated,
    replaced,
    select,
    stored_answer,
    stored_response,
    updated,
    usable_after_error,
    validates,
    validation_request,
)

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
TIME = 784111777.0
URL = "http://a.example/items?x=1"


def headers(text: str) -> Headers:
    """Return the header lines of a text, a line each."""
    pairs = (line.strip().partition(": ") for line in text.splitlines() if line.strip())
    return tuple((name.encode(), value.encode()) for name, _, value in pairs)


def exchange(response: str, request: str = "", status: int = 200, method: str = "GET") -> Exchange:
    """Return an exchange at TIME, of which the response has these headers."""
    return Exchange(method, headers(request), status, headers(response), b"body", TIME, TIME)


def stored(response: str, request: str = "") -> Stored:
    """Return what is stored of a response, which must be storable."""
    found = stored_response(exchange(response, request))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("response", "request_headers", "status", "method", "storable"),
    [
        ("Cache-Control: max-age=60", "", 200, "GET", True),
        ("", "", 200, "GET", True),
        ("", "", 201, "GET", False),
        ("Cache-Control: max-age=60", "", 201, "GET", True),
        ("Cache-Control: public", "", 599, "GET", True),
        ("Cache-Control: max-age=60", "", 200, "POST", False),
        ("Cache-Control: max-age=60", "", 200, "HEAD", False),
        ("Cache-Control: max-age=60", "", 206, "GET", False),
        ("Cache-Control: max-age=60", "", 304, "GET", False),
        ("Cache-Control: max-age=60", "", 101, "GET", False),
        ("Cache-Control: max-age=60", "", 999, "GET", False),
        ("Cache-Control: max-age=60, must-understand", "", 599, "GET", False),
        ("Cache-Control: max-age=60, must-understand", "", 404, "GET", True),
        ("Cache-Control: max-age=60, no-store", "", 200, "GET", False),
        ("Cache-Control: max-age=60, private", "", 200, "GET", False),
        ("Cache-Control: max-age=60", "Cache-Control: no-store", 200, "GET", False),
        ("Cache-Control: max-age=60", "Authorization: x", 200, "GET", False),
        ("Cache-Control: max-age=60, public", "Authorization: x", 200, "GET", True),
        ("Cache-Control: max-age=60\nVary: *", "", 200, "GET", False),
        ("Cache-Control: max-age=60\nSet-Cookie: a=b", "", 200, "GET", True),
    ],
)
def test_what_is_stored(
    response: str, request_headers: str, status: int, method: str, storable: bool
) -> None:
    """A shared cache stores whole responses to GET that no header forbids and a later request could use."""
    found = stored_response(exchange(response, request_headers, status, method))
    assert (found is not None) is storable


def test_headers_that_are_not_stored() -> None:
    """Headers of the connection, those that Connection or a directive names, and Age are not stored."""
    text = """
        Connection: close, X-Hop
        X-Hop: 1
        Keep-Alive: 5
        TE: trailers
        Upgrade: h2c
        Age: 5
        Secret: 1
        Cache-Control: max-age=60, no-cache="secret", private="Own"
        Own: 1
        Kept: 1
    """
    assert [name for name, _ in stored(text).headers] == [b"Cache-Control", b"Kept"]
    assert end_to_end(((b"connection", b""), (b"a", b"1"))) == ((b"a", b"1"),)


def test_age() -> None:
    """The age is the greatest that the headers show, with the delay of the response and the time stored."""
    late = Exchange("GET", (), 200, headers("Cache-Control: max-age=60\nAge: 10"), b"", TIME - 4, TIME)
    found = stored_response(late)
    assert found is not None
    assert current_age(found, TIME + 5) == 19
    assert current_age(found, TIME - 5) == 14  # the clock was set back
    old = stored(f"Date: {DATE}\nCache-Control: max-age=60")
    assert current_age(old, TIME + 5) == 5


def test_heuristic_lifetime() -> None:
    """Without a lifetime, a tenth of the time since Last-Modified counts, for some statuses alone."""
    text = f"Date: {DATE}\nLast-Modified: Sun, 06 Nov 1994 08:48:37 GMT"
    assert stored(text).lifetime == 6
    assert stored("ETag: x").lifetime == 0
    assert stored(f"Date: {DATE}\nLast-Modified: Sun, 06 Nov 1994 09:48:37 GMT").lifetime == 0
    strange = stored_response(exchange(f"{text}\nCache-Control: public", status=599))
    assert strange is not None
    assert strange.lifetime == 6
    assert stored_response(exchange(text, status=599)) is None


@pytest.mark.parametrize(
    ("response", "request_headers", "after", "decision"),
    [
        ("max-age=60", "", 59, Decision.FRESH),
        ("max-age=60", "", 60, Decision.REVALIDATE),
        ("max-age=60", "no-cache", 1, Decision.REVALIDATE),
        ("max-age=60", "no-cache, only-if-cached", 1, Decision.UNSATISFIABLE),
        ("max-age=60", "no-store", 1, Decision.MISS),
        ("max-age=60", "max-age=0", 1, Decision.REVALIDATE),
        ("max-age=60", "max-age=30", 30, Decision.FRESH),
        ("max-age=60", "max-age=30", 31, Decision.REVALIDATE),
        ("max-age=60", "min-fresh=30", 30, Decision.FRESH),
        ("max-age=60", "min-fresh=30", 31, Decision.REVALIDATE),
        ("max-age=60", "max-stale=10", 69, Decision.FRESH),
        ("max-age=60", "max-stale=10", 70, Decision.REVALIDATE),
        ("max-age=60", "max-stale", 9999, Decision.FRESH),
        ("max-age=60, must-revalidate", "max-stale", 61, Decision.REVALIDATE),
        ("s-maxage=60", "max-stale", 61, Decision.REVALIDATE),
        ("max-age=60, proxy-revalidate", "max-stale", 61, Decision.REVALIDATE),
        ("max-age=60, stale-while-revalidate=10", "", 69, Decision.STALE_WHILE_REVALIDATE),
        ("max-age=60, stale-while-revalidate=10", "", 70, Decision.REVALIDATE),
        ("max-age=60, stale-while-revalidate=10", "min-fresh=1", 69, Decision.REVALIDATE),
        ("max-age=60, stale-while-revalidate=10", "max-age=60", 69, Decision.REVALIDATE),
        ("max-age=60, stale-while-revalidate=10, must-revalidate", "", 69, Decision.REVALIDATE),
        ("max-age=60, no-cache", "", 1, Decision.REVALIDATE),
        ("max-age=60", "only-if-cached", 1, Decision.FRESH),
        ("max-age=60", "only-if-cached", 61, Decision.UNSATISFIABLE),
    ],
)
def test_decisions(response: str, request_headers: str, after: float, decision: Decision) -> None:
    """The decision follows from the directives of both sides and the seconds since the receipt."""
    kept = stored(f"Cache-Control: {response}")
    asked = headers(f"Cache-Control: {request_headers}") if request_headers else ()
    assert decide(kept, asked, TIME + after) is decision


def test_decisions_without_a_stored_response() -> None:
    """Without a stored response the origin is asked, unless the client forbids it."""
    assert decide(None, (), TIME) is Decision.MISS
    assert decide(None, headers("Cache-Control: only-if-cached"), TIME) is Decision.UNSATISFIABLE
    assert (
        decide(stored("Cache-Control: max-age=9"), headers("Pragma: no-cache"), TIME) is Decision.REVALIDATE
    )


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Foo: 1", "Foo: 1", True),
        ("Foo: 1", "foo: 1\nOther: 2", True),
        ("Foo: 1", "Foo: 2", False),
        ("Foo: 1", "", False),
        ("", "Foo: 1", False),
        ("Foo: 1, 2", "Foo: 1\nFoo: 2", True),
        ("Foo: 1,2", "Foo: 2,1", False),
        ("Foo: A", "Foo: a", False),
        ('Foo: "a, b"', 'Foo: "a,b"', False),
        ("Accept-Language: en, de", "Accept-Language: DE,  eN", True),
        ("Accept-Language: en, de;q=0.5", "Accept-Language: de, en", False),
    ],
)
def test_variants(first: str, second: str, same: bool) -> None:
    """A request selects the stored response whose selecting headers are its own, but for blanks."""
    kept = stored("Cache-Control: max-age=60\nVary: Foo, Accept-Language", first)
    assert (select([kept], "GET", headers(second)) is kept) is same


def test_selection() -> None:
    """The latest of the matching responses is selected, for GET and HEAD without conditions on parts."""
    old, new = stored("Cache-Control: max-age=60"), stored("Cache-Control: max-age=60\nVary: Foo", "Foo: 1")
    later = stored_response(
        Exchange("GET", headers("Foo: 1"), 200, new.headers, b"later", TIME + 1, TIME + 1)
    )
    assert later is not None
    kept = [later, old]
    assert select(kept, "HEAD", headers("Foo: 1")) is later
    assert select(kept, "GET", ()) is old
    assert select(kept, "POST", ()) is None
    assert select([], "GET", ()) is None
    for name in ("Range", "If-Range", "If-Match", "If-Unmodified-Since"):
        assert select(kept, "GET", headers(f"{name}: x")) is None
    assert replaced([old, new], later) == [old, later]


@pytest.mark.parametrize(
    ("response", "request_headers", "after", "status", "usable"),
    [
        ("max-age=60, stale-if-error=300", "", 359, None, True),
        ("max-age=60, stale-if-error=300", "", 359, 503, True),
        ("max-age=60, stale-if-error=300", "", 360, None, False),
        ("max-age=60, stale-if-error=300", "", 100, 404, False),
        ("max-age=60, stale-if-error=300", "", 100, 501, False),
        ("max-age=60, stale-if-error=300", "no-cache", 100, None, False),
        ("max-age=60, stale-if-error=300, must-revalidate", "", 61, None, False),
        ("s-maxage=60, stale-if-error=300", "", 61, None, False),
        ("max-age=60", "stale-if-error=30", 89, None, True),
        ("max-age=60", "", 61, None, False),
        ("max-age=60, stale-if-error", "", 61, None, False),
    ],
)
def test_stale_after_an_error(
    response: str, request_headers: str, after: float, status: int | None, usable: bool
) -> None:
    """A stale response answers after a failure for as long as one of the sides permits it."""
    kept = stored(f"Cache-Control: {response}")
    asked = headers(f"Cache-Control: {request_headers}") if request_headers else ()
    assert usable_after_error(kept, asked, TIME + after, status) is usable
    assert not usable_after_error(None, asked, TIME + after, status)


def test_validation() -> None:
    """The request to the origin has the stored validators in place of the client's conditions."""
    modified = f"Last-Modified: {DATE}"
    kept = stored(f'Cache-Control: max-age=1\nETag: W/"a"\n{modified}')
    asked = headers('If-None-Match: "b"\nConnection: x\nX: 1\nY: 2')
    assert validation_request(kept, asked) == headers(
        f'Y: 2\nIf-None-Match: W/"a"\nIf-Modified-Since: {DATE}'
    )
    assert validation_request(stored("Cache-Control: max-age=1"), asked) == headers(
        'If-None-Match: "b"\nY: 2'
    )
    assert validation_request(None, asked) == headers('If-None-Match: "b"\nY: 2')
    assert validates(kept, exchange("", status=304))
    assert not validates(kept, exchange("", status=200))
    assert not validates(stored("Cache-Control: max-age=1"), exchange("", status=304))
    assert not validates(None, exchange("", status=304))


def test_update() -> None:
    """A 304 replaces the stored headers, except those of the body and the tag, and renews the lifetime."""
    kept = stored('Cache-Control: max-age=1\nETag: "a"\nContent-Length: 4\nX: 1\nY: 1')
    later = Exchange(
        "GET",
        (),
        304,
        headers('Cache-Control: max-age=60\nETag: "b"\nContent-Length: 0\nX: 2\nX: 3\nAge: 5'),
        b"",
        TIME + 9,
        TIME + 9,
    )
    found = updated(kept, later)
    assert found is not None
    assert (found.status, found.body, found.lifetime) == (200, b"body", 60)
    assert current_age(found, TIME + 10) == 6
    assert found.headers == headers(
        'ETag: "a"\nContent-Length: 4\nY: 1\nCache-Control: max-age=60\nX: 2\nX: 3'
    )
    assert updated(kept, exchange("Cache-Control: no-store", status=304)) is None


@pytest.mark.parametrize(
    ("response", "request_headers", "status"),
    [
        ('ETag: "a"', "", 200),
        ('ETag: "a"', 'If-None-Match: "a"', 304),
        ('ETag: W/"a"', 'If-None-Match: "x, y", "a"', 304),
        ('ETag: "a"', "If-None-Match: *", 304),
        ('ETag: "a"', 'If-None-Match: "b"', 200),
        ('ETag: "a"', "If-None-Match: a", 200),
        ("ETag: a", "If-None-Match: a", 200),
        (f"Last-Modified: {DATE}", f"If-Modified-Since: {DATE}", 304),
        (f"Last-Modified: {DATE}", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT", 200),
        (f"Last-Modified: {DATE}", "If-Modified-Since: yesterday", 200),
        (f"Date: {DATE}", f"If-Modified-Since: {DATE}", 304),
        (f'ETag: "a"\nLast-Modified: {DATE}', f'If-None-Match: "b"\nIf-Modified-Since: {DATE}', 200),
    ],
)
def test_conditions_of_clients(response: str, request_headers: str, status: int) -> None:
    """A client whose copy is the stored response gets a 304; If-None-Match overrides If-Modified-Since."""
    kept = stored(f"{response}\nContent-Length: 4")
    found = stored_answer(kept, headers(request_headers), TIME + 7.9)
    assert found[0] == status
    assert found[2] == (b"body" if status == 200 else b"")
    assert dict(found[1])[b"Age"] == b"7"
    assert (b"Content-Length" in dict(found[1])) is (status == 200)


@pytest.mark.parametrize(
    ("method", "status", "response", "expected"),
    [
        ("GET", 200, "Location: /b", ()),
        ("OPTIONS", 200, "", ()),
        ("POST", 500, "Location: /b", ()),
        ("POST", 404, "", ()),
        ("POST", 200, "", (URL,)),
        ("M-SEARCH", 204, "", (URL,)),
        ("DELETE", 303, "Location: b", (URL, "http://a.example/b")),
        ("PUT", 201, "Content-Location: /c?d", (URL, "http://a.example/c?d")),
        ("PUT", 201, "Location: http://b.example/items", (URL,)),
        ("PUT", 201, "Location: https://a.example/items", (URL,)),
    ],
)
def test_invalidation(method: str, status: int, response: str, expected: tuple[str, ...]) -> None:
    """An unsafe request that succeeds makes its URL invalid, and those that its response names."""
    assert invalidated(method, URL, status, headers(response)) == expected


@pytest.mark.parametrize("location", ["http://[", "//[::1", "\x00", "http://a.example:99999/", "\xff"])
def test_hostile_locations(location: str) -> None:
    """A Location that is no URL of this host changes nothing else, and raises nothing."""
    found = invalidated("POST", URL, 200, ((b"Location", location.encode("latin-1")),))
    assert found[0] == URL
