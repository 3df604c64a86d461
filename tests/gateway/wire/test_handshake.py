"""The opening handshake of a WebSocket, as a server and as a client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.handshake import (
    Handshake,
    HandshakeRefused,
    accept_response,
    check_accept,
    read_handshake,
    upgrade_request,
)
from tests.gateway.wire.frame_parts import EXAMPLES

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455, 1.3
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
NAMES = {
    "host": b"Host",
    "upgrade": b"Upgrade",
    "connection": b"Connection",
    "key": b"Sec-WebSocket-Key",
    "version": b"Sec-WebSocket-Version",
    "protocol": b"Sec-WebSocket-Protocol",
    "extensions": b"Sec-WebSocket-Extensions",
    "origin": b"Origin",
    "length": b"Content-Length",
    "coding": b"Transfer-Encoding",
    "accept": b"Sec-WebSocket-Accept",
}
VALID = {"host": b"a", "upgrade": b"websocket", "connection": b"Upgrade", "key": KEY, "version": b"13"}
ACCEPTED = {"upgrade": b"websocket", "connection": b"Upgrade", "accept": ACCEPT}
Given = dict[str, bytes | list[bytes] | None]


def headers_of(base: dict[str, bytes], changes: Given) -> list[tuple[bytes, bytes]]:
    """Return headers with changes: another value, several headers, or none."""
    found = []
    for name, value in {**base, **changes}.items():
        values = value if isinstance(value, list) else [] if value is None else [value]
        found += [(NAMES[name], one) for one in values]
    return found


def handshake(**changes: bytes | list[bytes] | None) -> Handshake:
    """Return what is read of a valid request with changes."""
    return read_handshake(b"GET", "1.1", headers_of(VALID, changes))


def test_a_request_is_read() -> None:
    """Names and tokens have any case, lists may have other elements, several headers are one list."""
    found = handshake(
        upgrade=b"h2c, WebSocket",
        connection=[b"keep-alive", b" upgrade ,"],
        protocol=[b"graphql-transport-ws, graphql-ws", b"a"],
        extensions=[b"a; b", b"c"],
        origin=b"https://a.example",
        length=b"0",
    )
    protocols = ("graphql-transport-ws", "graphql-ws", "a")
    assert found == Handshake(KEY, protocols, "a; b, c", "https://a.example")
    assert handshake() == Handshake(KEY, (), "", None)
    lower = [(name.lower(), value) for name, value in headers_of(VALID, {})]
    assert read_handshake(b"GET", "1.1", lower) == handshake()
    assert handshake(extensions=b"\xff", origin=b"\xff") == Handshake(KEY, (), "ÿ", "ÿ")


REFUSED: dict[str, tuple[Given, int, str]] = {
    "no upgrade": ({"upgrade": None}, 400, "Upgrade: websocket"),
    "another upgrade": ({"upgrade": b"h2c"}, 400, "Upgrade: websocket"),
    "a part of a token": ({"upgrade": b"websocket2"}, 400, "Upgrade: websocket"),
    "no connection": ({"connection": None}, 400, "Connection: Upgrade"),
    "another connection": ({"connection": b"keep-alive, upgrade2"}, 400, "Connection: Upgrade"),
    "no host": ({"host": None}, 400, "one header Host, got 0"),
    "two hosts": ({"host": [b"a", b"a"]}, 400, "one header Host, got 2"),
    "a body": ({"length": b"5"}, 400, "without a body"),
    "a chunked body": ({"coding": b"chunked"}, 400, "without a body"),
    "no version": ({"version": None}, 426, "Version: 13"),
    "an old version": ({"version": b"8"}, 426, "8"),
    "two versions": ({"version": [b"13", b"13"]}, 426, "Version: 13"),
    "a list of versions": ({"version": b"13, 8"}, 426, "Version: 13"),
    "no key": ({"key": None}, 400, "Key, got 0"),
    "two keys": ({"key": [KEY, KEY]}, 400, "Key, got 2"),
    "an empty key": ({"key": b""}, 400, "16 bytes in Sec-WebSocket-Key, got 0"),
    "a short key": ({"key": b"dGhlIHNhbXBsZSBub24="}, 400, "got 14"),
    "a long key": ({"key": b"dGhlIHNhbXBsZSBub25jZWE="}, 400, "got 17"),
    "a key without padding": ({"key": KEY[:-2]}, 400, "Base64"),
    "a key that is not Base64": ({"key": b"\xff" * 24}, 400, "Base64"),
    "a key with a space": ({"key": b"dGhlIHNhbXBs ZSBub25jZQ=="}, 400, "Base64"),
    "two origins": ({"origin": [b"a", b"b"]}, 400, "Origin"),
    "an empty sub-protocol": ({"protocol": b" , "}, 400, "got none"),
    "a sub-protocol with a space": ({"protocol": b"a b"}, 400, "names of sub-protocols"),
    "a sub-protocol with a quote": ({"protocol": b'"a"'}, 400, "names of sub-protocols"),
    "a sub-protocol that is not ASCII": ({"protocol": "grün".encode()}, 400, "names of sub-protocols"),
    "a sub-protocol twice": ({"protocol": [b"a", b"b, a"]}, 400, "one twice"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_requests_are_refused(name: str) -> None:
    """Each with a status, and a text about what was expected."""
    changes, status, words = REFUSED[name]
    with pytest.raises(HandshakeRefused) as caught:
        handshake(**changes)
    assert (caught.value.status, words in caught.value.text) == (status, True), caught.value.text
    assert len(caught.value.text) < 300


def test_other_methods_and_versions_of_http() -> None:
    """Only GET and HTTP/1.1 open a WebSocket."""
    with pytest.raises(HandshakeRefused, match="405: expected the method GET, got b'POST'") as caught:
        read_handshake(b"POST", "1.1", headers_of(VALID, {}))
    assert caught.value.headers == ((b"allow", b"GET"),)
    for version in ("1.0", "2", "\u0661"):
        with pytest.raises(HandshakeRefused, match="400: expected HTTP of version"):
            read_handshake(b"GET", version, headers_of(VALID, {}))


def test_another_version_is_told_which_one_is_supported() -> None:
    """A refusal because of the version has the header with the version that would be accepted."""
    with pytest.raises(HandshakeRefused) as caught:
        handshake(version=b"8")
    assert (b"sec-websocket-version", b"13") in caught.value.headers


def test_a_request_is_accepted() -> None:
    """The response proves that the key was read, and has what was selected."""
    found = handshake(protocol=b"a, graphql-transport-ws")
    start = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    proof = b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n"
    assert accept_response(found) == start + proof + b"\r\n"
    full = accept_response(found, "graphql-transport-ws", b"x; y=1", [(b"X-Worker", b"1")])
    selected = b"Sec-WebSocket-Protocol: graphql-transport-ws\r\nSec-WebSocket-Extensions: x; y=1\r\n"
    assert full == start + proof + selected + b"X-Worker: 1\r\n\r\n"
    with pytest.raises(ValueError, match="expected one of the offered sub-protocols"):
        accept_response(found, "b")
    for header in ((b"a", b"b\r\nc: d"), (b"a:", b"b"), (b"", b"b"), (b"a", b"\x00")):
        with pytest.raises(ValueError, match="without control characters"):
            accept_response(found, headers=[header])


def test_what_a_client_asks_a_server_reads() -> None:
    """The request of a client is valid, and the response to it is accepted."""
    data = upgrade_request("a:80", "/b?c=d", KEY, ["p", "q"], [(b"Authorization", b"e f")])
    first, *lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert first == b"GET /b?c=d HTTP/1.1"
    headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
    assert (b"Host", b"a:80") in headers
    assert (b"Authorization", b"e f") in headers
    found = read_handshake(b"GET", "1.1", headers)
    assert found == Handshake(KEY, ("p", "q"), "", None)
    _, *lines = accept_response(found, "q").removesuffix(b"\r\n\r\n").split(b"\r\n")
    answer = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
    assert check_accept(101, answer, KEY, ["p", "q"]) == "q"


@pytest.mark.parametrize(
    ("host", "target", "key", "headers"),
    [
        ("a\r\nb: c", "/", KEY, []),
        ("", "/", KEY, []),
        ("a", "/ HTTP/1.1\r\n", KEY, []),
        ("a", "/ü", KEY, []),
        ("a", "/\ud800", KEY, []),
        ("a", "/", b"a\n", []),
        ("a", "/", KEY, [(b"a", b"b\nc")]),
        ("a", "/", KEY, [(b"a b", b"c")]),
    ],
)
def test_values_that_would_break_a_request(
    host: str, target: str, key: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    """They raise ValueError."""
    with pytest.raises(ValueError, match=r"expected|surrogates"):
        upgrade_request(host, target, key, headers=headers)


NOT_ACCEPTED: dict[str, tuple[Given, str]] = {
    "no upgrade": ({"upgrade": None}, "Upgrade"),
    "two upgrades": ({"upgrade": b"websocket, h2c"}, "Upgrade"),
    "no connection": ({"connection": None}, "Connection"),
    "no proof": ({"accept": None}, "Accept"),
    "another proof": ({"accept": ACCEPT.lower()}, "Accept"),
    "two proofs": ({"accept": [ACCEPT, ACCEPT]}, "Accept"),
    "an extension": ({"extensions": b"permessage-deflate"}, "Extensions"),
    "another sub-protocol": ({"protocol": b"c"}, "sub-protocol of"),
    "a sub-protocol that is not ASCII": ({"protocol": b"\xff"}, "sub-protocol of"),
    "two sub-protocols": ({"protocol": [b"a", b"b"]}, "Protocol"),
}


@pytest.mark.parametrize("name", NOT_ACCEPTED)
def test_responses_are_refused(name: str) -> None:
    """A client does not go on if the response lacks a proof or selects what was not offered."""
    changes, words = NOT_ACCEPTED[name]
    with pytest.raises(HandshakeRefused) as caught:
        check_accept(101, headers_of(ACCEPTED, changes), KEY, ["a", "b"])
    assert (caught.value.status, words in caught.value.text) == (101, True), caught.value.text


def test_responses_without_a_websocket() -> None:
    """The error has the server's status; a response without a sub-protocol is accepted."""
    with pytest.raises(HandshakeRefused, match="403: expected the status 101, got 403"):
        check_accept(403, [], KEY)
    changes: Given = {"upgrade": b"WebSocket", "connection": b"keep-alive, UPGRADE"}
    assert check_accept(101, headers_of(ACCEPTED, changes), KEY, ["a"]) is None


ANY_NAME = st.sampled_from(tuple(NAMES.values())) | st.binary(max_size=5)
VALUES = st.sampled_from((b"websocket", b"Upgrade", KEY, b"13", b"a", ACCEPT, b"", b",", b"0", b"\xff"))
ANY_VALUE = VALUES | st.binary(max_size=30)
ANY_HEADERS = st.lists(st.tuples(ANY_NAME, ANY_VALUE), max_size=4)


@EXAMPLES
@given(
    st.booleans(),
    ANY_HEADERS,
    st.sampled_from((b"GET", b"\xff")) | st.binary(max_size=3),
    st.text(max_size=3),
)
def test_random_headers(valid: bool, extra: list[tuple[bytes, bytes]], method: bytes, version: str) -> None:
    """They raise nothing but HandshakeRefused, and what is read can be accepted."""
    base = headers_of(VALID, {}) if valid else []
    try:
        found = read_handshake(*((b"GET", "1.1") if valid else (method, version)), [*base, *extra])
    except HandshakeRefused as error:
        assert error.status in (400, 405, 426)
        assert error.text.isascii()
    else:
        selected = found.protocols[0] if found.protocols else None
        assert accept_response(found, selected).endswith(b"\r\n\r\n")


@EXAMPLES
@given(st.booleans(), ANY_HEADERS, st.lists(st.text(max_size=3), max_size=2))
def test_random_responses(valid: bool, extra: list[tuple[bytes, bytes]], protocols: list[str]) -> None:
    """They raise nothing but HandshakeRefused, and select nothing that was not offered."""
    base = headers_of(ACCEPTED, {}) if valid else []
    try:
        assert check_accept(101, [*base, *extra], KEY, protocols) in (None, *protocols)
    except HandshakeRefused as error:
        assert error.status == 101
