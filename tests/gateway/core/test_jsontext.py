"""Errors for invalid JSON: they describe what is wrong, and at which byte."""

from contextlib import suppress

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.jsontext import MAX_EXPLAINED, NotJson, read_json

SURROGATE = "half of a surrogate pair"
WRONG: list[tuple[bytes, str]] = [
    (b"", "it is empty"),
    (b" \r\n\t", "it is empty"),
    (b"\xef\xbb\xbf{}", "the byte order mark of UTF-8 at byte 0"),
    (b"\xff\xfe{\x00}\x00", "the byte order mark of UTF-16 at byte 0"),
    (b"\xfe\xff\x00{", "the byte order mark of UTF-16 at byte 0"),
    (b'{"a":"\xff"}', "byte 6 is 0xff, which is not UTF-8"),
    (b'{"a":"\xc3"}', "byte 6 is 0xc3, which is not UTF-8"),
    (b'{"\xc3\xa9":"\xed\xa0\x80"}', "byte 7 is 0xed, which is not UTF-8"),
    (b'"\\ud83d"', SURROGATE + r", \\ud83d, is at byte 1"),
    (b'{"\\uDC00":1}', SURROGATE + r", \\uDC00, is at byte 2"),
    (b'"\\ud83d\\ud83d\\ude00"', SURROGATE + r", \\ud83d, is at byte 1"),
    (b'"\\ud83d\\ude00\\ude00"', SURROGATE + r", \\ude00, is at byte 13"),
    (b'["\xc3\xa9", "\\\\\\ud83d"]', SURROGATE + r", \\ud83d, is at byte 10"),
    (b"{}{}", "a second value follows the first value, at byte 2"),
    (b'{"data":1}\n[2]', "a second value follows the first value, at byte 11"),
    (b"{} x", "other text follows the first value, at byte 3"),
    (b"{}\x00", "other text follows the first value, at byte 2"),
    (b"{", "it is cut off: it ends at byte 1"),
    (b'{"a":1', "it is cut off: it ends at byte 6"),
    (b'{"\xc3\xa9":', "it is cut off: it ends at byte 6"),
    (b'{"a":"x', "unterminated string at byte 5"),
    (b"<html>", "expecting value at byte 0"),
    (b"{'a':1}", "expecting property name enclosed in double quotes at byte 1"),
    (b'{"a" 1}', "expecting ':' delimiter at byte 5"),
    (b'{"a":1 "b":2}', "expecting ',' delimiter at byte 7"),
    (b'{"a":NaN}', "NaN is not a number in JSON, at byte 5"),
    (b'{"a":"NaN","b":-Infinity}', "-Infinity is not a number in JSON, at byte 15"),
    (b'"a\nb"', "invalid control character at byte 2"),
    (b'"\\x"', r"invalid \\escape at byte 1"),
    (b"01", "other text follows the first value, at byte 1"),
    (b"[" * 100_000, "nested too deeply"),
    (b"1" * 4_301, "a number of more than 4,300 digits begins at byte 0"),
    (b'{"a":"' + b"1" * 5_000 + b'"} x', "other text follows the first value, at byte 5009"),
    (b'{"a":1,}', "property name enclosed in double quotes at byte"),
    (b"[1,]", "at byte 3"),
    (b" " * MAX_EXPLAINED + b"{}{}", r"trailing characters \(byte 1000003\)"),
    (b'{"a":"' + b"x" * MAX_EXPLAINED, "truncated"),
]


@pytest.mark.parametrize(("text", "words"), WRONG, ids=[f"{text[:30]!r}" for text, _ in WRONG])
def test_why_a_text_is_no_json(text: bytes, words: str) -> None:
    """The message has the byte position, and of the text only what can't be JSON."""
    with pytest.raises(NotJson, match=words):
        read_json(text)


def test_a_string_is_explained_alike() -> None:
    """For a string the positions are those of its bytes in UTF-8."""
    with pytest.raises(NotJson, match="at byte 6"):
        read_json('{"é"} 1'.replace("}", ""))
    with pytest.raises(NotJson):
        read_json("\ud800")


PIECES = st.sampled_from(
    [
        *'{}[],:"\\ \n0123456789.-+eE',
        "true",
        "null",
        '"a"',
        "\\u",
        "d83d",
        "\\ude00",
        "é",
        "\x00",
        "NaN",
        "1e5",
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join).map(str.encode) | st.binary(max_size=12)


@given(TEXTS)
@example(b'"\\ud83d\\ude00"')
@example(b'{"a":1,"a":2}')
@example(b"1e500")
def test_it_is_the_json_of_other_readers(text: bytes) -> None:
    """A text that orjson reads is read to an equal value; one that it refuses is refused with a reason in one
    line.
    """
    try:
        expected = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if "infinity" in str(error):  # a number above the range of a double keeps its text here
            with suppress(NotJson):  # something behind it may be wrong
                read_json(text)
            return
        with pytest.raises(NotJson) as caught:
            read_json(text)
        assert str(caught.value) and str(caught.value).isprintable()
    else:
        assert read_json(text) == expected
