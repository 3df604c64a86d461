"""Responses and errors in the messages of streams: what is passed on as it was, and what is refused."""

import pytest

from gateway.core.jsontext import encode_json
from gateway.wire.payloads import check_response, errors_body, read_errors, read_part
from gateway.wire.stream_error import StreamError

DEEP = b"[" * 100_000
NUMBER = b"9" * 5_000


@pytest.mark.parametrize("text", [b"{}", b' {"data":{"n":1.10,"e":"\\u00e9"}} ', b'{"a":1,"a":2}'])
def test_responses(text: bytes) -> None:
    """Any JSON object is one."""
    check_response(text)


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"{", b'{"a":\xff}', b'{"a":"\xff"}', b"{}{}",
                                  b'{"a":' + DEEP, b'{"a":NaN}', b'{"a":"\n"}'], ids=range(10))  # fmt: skip
def test_what_is_no_response(text: bytes) -> None:
    """Other values, other texts, and other encodings."""
    with pytest.raises(StreamError, match=r"expected a GraphQL response"):
        check_response(text)


def test_parts_are_sliced() -> None:
    """Numbers, spaces and escapes remain as they were written."""
    part = read_part(b'{ "payload" : {"n": 1.10} , "errors": [ ], "x": 7}')
    assert (bytes(part.payload), bytes(part.errors)) == (b'{"n": 1.10}', b"[ ]")
    assert bytes(read_part(b"{}").payload) == b""


def test_errors_keep_their_numbers() -> None:
    """Also where they become the extensions of an error."""
    text = b'[{"message":"x","n":1.10,"big":123456789012345678901}]'
    assert errors_body(text) == b'{"errors":%b}' % text
    assert encode_json(read_errors(text)) == text


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"7", b"[{}]", b'[{"message":7}]', b'{"errors":7}', b'{"message":7}', b"[1]", b"nul"]
)
def test_what_is_no_error(text: bytes) -> None:
    """An error needs a message."""
    with pytest.raises(StreamError, match=r"expected (at least one )?GraphQL error"):
        errors_body(text)


def test_a_number_that_nobody_can_read() -> None:
    """It is found when the errors are read."""
    with pytest.raises(StreamError, match="more than 4,300 digits"):
        read_errors(b'[{"message":"x","n":%b}]' % NUMBER)
