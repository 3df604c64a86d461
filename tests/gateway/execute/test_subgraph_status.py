"""HTTP statuses of subgraphs, and bodies that are not GraphQL: the resulting errors, on both paths."""

from typing import Any

import pytest

from gateway.settings import Settings
from gateway.transport.base import Reply
from tests.gateway.support import ask, fake_engine

SDLS = {"a": "scalar Any type Query { n: Int s: String any: Any }"}
DATA = b'{"data":{"n":7,"s":"x"}}'
ERROR = b'{"message":"not allowed","path":["n"],"extensions":{"code":"NO"}}'
ERRORS = b'{"errors":[%b],"data":{"n":null,"s":"x"}}' % ERROR
REFUSED = b'{"errors":[{"message":"not allowed","extensions":{"code":"NO"}}]}'
FINE = {"n": 7, "s": "x"}
NOTHING = {"n": None, "s": None}
HTTP, BAD = "SUBGRAPH_HTTP_ERROR", "SUBGRAPH_BAD_RESPONSE"
Row = tuple[int, bytes, dict[str, Any], str, str]  # status, body, data, words and code of the first error

ROWS: dict[str, Row] = {
    "success": (200, DATA, FINE, "", ""),
    "created": (201, DATA, FINE, "", ""),
    "blank space around": (200, b" \n" + DATA + b"\r\n", FINE, "", ""),
    "a key twice": (200, b'{"data":{"n":1,"n":7,"s":"x"}}', FINE, "", ""),
    "no content": (204, b"", NOTHING, "not JSON: it is empty", BAD),
    "a page": (200, b"<html>", NOTHING, "not JSON: expecting value at byte 0", BAD),
    "a byte order mark": (200, b"\xef\xbb\xbf" + DATA, NOTHING, "byte order mark of UTF-8 at byte 0", BAD),
    "a second value": (
        200,
        DATA * 2,
        NOTHING,
        "a second value follows the first value, at byte 24",
        BAD,
    ),
    "half a pair": (200, b'{"data":{"n":7,"s":"\\ud83d"}}', NOTHING, "half of a surrogate pair", BAD),
    "Latin-1": (200, b'{"data":{"n":7,"s":"\xfc"}}', NOTHING, "byte 20 is 0xfc, which is not UTF-8", BAD),
    "Latin-1 in a key": (
        200,
        b'{"data":{"n":7,"\xfc":1}}',
        NOTHING,
        "byte 16 is 0xfc, which is not UTF-8",
        BAD,
    ),
    "NaN": (200, b'{"data":{"n":NaN,"s":"x"}}', NOTHING, "NaN is not a number in JSON, at byte 13", BAD),
    "cut off": (200, DATA[:-2], NOTHING, "it is cut off: it ends at byte 22", BAD),
    "a list": (200, b"[%b]" % DATA, NOTHING, "not a GraphQL response", BAD),
    "a redirect": (302, b"", NOTHING, "HTTP status 302, a redirect to http://h/x", HTTP),
    "a redirect with data": (301, DATA, NOTHING, "HTTP status 301, a redirect to http://h/x", HTTP),
    "not modified": (304, b"", NOTHING, "HTTP status 304", HTTP),
    "errors and data under 401": (401, ERRORS, {"n": None, "s": "x"}, "not allowed", "NO"),
    "errors alone under 400": (400, REFUSED, NOTHING, "not allowed", "NO"),
    "errors alone under 503": (503, REFUSED, NOTHING, "not allowed", "NO"),
    "data under 500": (500, DATA, NOTHING, "HTTP status 500", HTTP),
    "data under 404": (404, DATA, NOTHING, "HTTP status 404", HTTP),
    "data and no errors under 500": (500, b'{"errors":[],%b' % DATA[1:], NOTHING, "HTTP status 500", HTTP),
    "data and null under 500": (500, b'{"errors":null,%b' % DATA[1:], NOTHING, "HTTP status 500", HTTP),
    "null under 500": (500, b'{"data":null}', NOTHING, "HTTP status 500", HTTP),
    "a page under 502": (502, b"<html>", NOTHING, "HTTP status 502", HTTP),
    "nothing under 403": (403, b"", NOTHING, "HTTP status 403", HTTP),
    "another object under 429": (429, b'{"message":"slow down"}', NOTHING, "HTTP status 429", HTTP),
    "a status that nobody knows": (799, DATA, NOTHING, "HTTP status 799", HTTP),
}


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("query", ["{ n s }", "{ s n: n __typename }"], ids=["passing", "merging"])
@pytest.mark.parametrize("name", ROWS)
async def test_a_reply(name: str, query: str, compiled: bool) -> None:
    """One request is sent, and the client's error describes what happened."""
    status, body, data, words, code = ROWS[name]
    reply = Reply(status, body, [(b"location", b"http://kim:s3cret@h/x?s3cret")])
    engine, transport = fake_engine(SDLS, lambda _: reply, Settings(compile=compiled))
    answer = await ask(engine, query)
    assert {key: answer["data"][key] for key in ("n", "s")} == data
    assert len(transport.requests) == 1
    errors = answer.get("errors", [])
    assert bool(errors) == bool(words)
    if errors:
        assert words in errors[0]["message"]
        assert errors[0]["extensions"]["code"] == code
        assert "s3cret" not in str(answer)


QUERIES = ["{ s }", "{ s __typename }", "{ any }", "{ s: any n }", "{ s any __typename }"]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("text", [b"\xff", b"\xed\xa0\x80", b"\xc3"])
async def test_text_that_is_not_utf_8_ends_the_request(query: str, text: bytes) -> None:
    """A reply that is not UTF-8 gives a response with an error, on either path."""
    for name in (b"s", b"n", b"any", b"other"):
        body = b'{"data":{"s":"x","n":7,"any":1,"%b":"%b"}}' % (name, text)
        engine, _ = fake_engine(SDLS, lambda _, body=body: Reply(200, body))  # type: ignore[misc]
        answer = await ask(engine, query)
        assert "data" in answer
        if name == b"any" and "any" in query:  # a value that is passed on without being looked into
            assert "which is not UTF-8" in answer["errors"][0]["message"]
