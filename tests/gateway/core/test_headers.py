"""The headers of a request."""

from gateway.core.headers import RequestHeaders


def test_a_header_that_comes_several_times_has_all_values() -> None:
    """A repeated header has all values in their order; cookies have their own separator."""
    raw = [(b"accept", b"a"), (b"x", b"1"), (b"accept", b"b"), (b"cookie", b"a=1"), (b"cookie", b"b=2")]
    headers = RequestHeaders([*raw, (b"x-forwarded-for", b"10.0.0.1"), (b"accept", b"")], "127.0.0.1")
    assert headers["accept"] == "a, b, "
    assert headers["cookie"] == "a=1; b=2"
    assert headers["x"] == "1"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers.chosen([b"accept"], address=False) == ((b"accept", b"a, b, "),)
