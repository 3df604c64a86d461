"""Unusual HTTP/1.1 requests and the statuses of their replies.

PATH stands for the target, which decides whether a request takes the direct path or uvicorn's. Each request
is followed by LAST, whose 200 is the last status if the connection stays open. A single 200 or 413 stands for
a reply after which the connection ends, as the client must expect: nothing follows it.
"""

from tests.gateway.http.sockets import HELLO, payload

BODY = payload(HELLO, "a")
UPGRADE = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")
ASKED = b"GET PATH?query=%7Bhello%7D HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked"
HTTP_1_0 = b"POST PATH HTTP/1.0"


def head(*lines: bytes, line: bytes = b"POST PATH HTTP/1.1", host: bytes | None = b"x") -> bytes:
    """Return the head of a JSON request, without a length."""
    start = [line, *([b"Host: " + host] if host is not None else []), b"Content-Type: application/json"]
    return b"\r\n".join([*start, *lines]) + b"\r\n\r\n"


def whole(*lines: bytes, line: bytes = b"POST PATH HTTP/1.1", body: bytes = BODY) -> bytes:
    """Return a request with a body and its length."""
    return head(b"Content-Length: %d" % len(body), *lines, line=line) + body


def chunks(extension: bytes = b"", trailers: bytes = b"", size: int = 1_000) -> bytes:
    """Return the body in chunks."""
    pieces = [BODY[start : start + size] for start in range(0, len(BODY), size)]
    written = b"".join(b"%x%b\r\n%b\r\n" % (len(one), extension, one) for one in pieces)
    return written + b"0\r\n" + trailers + b"\r\n"


def in_chunks(*lines: bytes, extension: bytes = b"", trailers: bytes = b"", size: int = 1_000) -> bytes:
    """Return a request in chunks."""
    return head(CHUNKED, *lines) + chunks(extension, trailers, size)


Rows = dict[str, tuple[bytes, tuple[int, ...]]]

UPGRADES: Rows = {
    "h2c with a body": (whole(*UPGRADE), (200, 200)),
    "h2c with a body in chunks": (in_chunks(*UPGRADE), (200, 200)),
    "h2c without a body": (head(*UPGRADE), (400, 200)),
    "h2c, several times": (whole(*UPGRADE) * 3, (200, 200, 200, 200)),
    "h2c, then a plain one": (whole(*UPGRADE) + whole(), (200, 200, 200)),
    "a plain one, then h2c": (whole() + whole(*UPGRADE), (200, 200, 200)),
    "h2c, then what is no request": (whole(*UPGRADE) + b"\x00", (400,)),
    "h2c and close": (whole(b"Connection: close, Upgrade", b"Upgrade: h2c"), (200,)),
    "h2c in two Connection headers": (
        whole(b"Connection: keep-alive", b"Connection: upgrade", b"Upgrade: h2c"),
        (200, 200),
    ),
    "h2c by HTTP/1.0": (whole(*UPGRADE, line=HTTP_1_0), (200,)),
    "h2c by GET": (head(*UPGRADE, line=ASKED), (200, 200)),
    "h2c and Expect": (whole(*UPGRADE, b"Expect: 100-continue"), (100, 200, 200)),
    "h2c and a body over the limit": (whole(*UPGRADE, body=b"x" * 3_000), (413, 200)),
    "h2c and a proxy": (whole(*UPGRADE, b"X-Forwarded-For: 10.0.0.1"), (200, 200)),
    "another protocol": (whole(b"Connection: upgrade", b"Upgrade: foo/2, bar"), (200, 200)),
    "Connection alone": (whole(b"Connection: upgrade"), (200, 200)),
    "Upgrade alone": (whole(b"Upgrade: h2c"), (200, 200)),
    "Upgrade without a value": (whole(b"Connection: upgrade", b"Upgrade:"), (200, 200)),
    "WebSocket by POST": (whole(b"Connection: upgrade", b"Upgrade: websocket"), (200, 200)),
    "WebSocket": (head(b"Connection: upgrade", b"Upgrade: WebSocket", line=b"GET PATH HTTP/1.1"), (400, 200)),
    "WebSocket and a query": (head(b"Connection: upgrade", b"Upgrade: websocket", line=ASKED), (200, 200)),
    "TLS by upgrade": (whole(b"Connection: upgrade", b"Upgrade: TLS/1.2"), (200, 200)),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400,)),
}
TARGETS: Rows = {
    "CONNECT with an authority": (head(line=b"CONNECT x:80 HTTP/1.1", host=b"x:80"), (405,)),
    "CONNECT with the path": (whole(line=b"CONNECT PATH HTTP/1.1"), (405,)),
    "absolute": (whole(line=b"POST http://x:81PATH HTTP/1.1"), (200, 200)),
    "absolute, elsewhere": (whole(line=b"POST http://x/nowhere HTTP/1.1"), (404, 200)),
    "absolute without a path": (whole(line=b"POST http://x HTTP/1.1"), (400,)),
    "absolute with a wrong port": (whole(line=b"POST http://x:99999PATH HTTP/1.1"), (400,)),
    "OPTIONS of the server": (head(line=b"OPTIONS * HTTP/1.1"), (204, 200)),
    "OPTIONS of the path": (head(line=b"OPTIONS PATH HTTP/1.1"), (405, 200)),
    "a star by POST": (whole(line=b"POST * HTTP/1.1"), (204, 200)),
    "TRACE": (head(line=b"TRACE PATH HTTP/1.1"), (405, 200)),
    "HEAD": (head(line=ASKED.replace(b"GET", b"HEAD")), (405, 200)),
    "an unknown method": (whole(line=b"FOO PATH HTTP/1.1"), (400,)),
    "a method in lower case": (whole(line=b"post PATH HTTP/1.1"), (400,)),
    "GET with a body": (whole(line=ASKED), (200, 200)),
    "not ASCII": (whole(line=b"POST PATH\xc3\xa9 HTTP/1.1"), (400,)),
    "not ASCII in the query": (head(line=ASKED.replace(b"%7B", b"\xff")), (400,)),
    "NUL": (whole(line=b"POST PATH\x00 HTTP/1.1"), (400,)),
    "NUL by its number": (whole(line=b"POST /graphql%00 HTTP/1.1"), (404, 200)),
    "a wrong number": (whole(line=b"POST /graphql%zz HTTP/1.1"), (404, 200)),
    "not UTF-8 by its number": (whole(line=b"POST /graphql%ff HTTP/1.1"), (404, 200)),
    "letters by their numbers": (whole(line=b"POST /%67raphql HTTP/1.1"), (200, 200)),
    "a fragment": (whole(line=b"POST PATH#x HTTP/1.1"), (200, 200)),
    "a space": (whole(line=b"POST PATH x HTTP/1.1"), (400,)),
    "nothing": (whole(line=b"POST  HTTP/1.1"), (400,)),
    "two slashes": (whole(line=b"POST /PATH HTTP/1.1"), (404, 200)),
    "no slash": (whole(line=b"POST graphql HTTP/1.1"), (400,)),
    "60,000 bytes": (whole(line=b"POST PATH?" + b"y" * 60_000 + b" HTTP/1.1"), (200, 200)),
}
HEADS: Rows = {
    "bare LF": (whole().replace(b"\r\n", b"\n"), (400,)),
    "CR in a value": (whole(b"x: a\rb"), (400,)),
    "NUL in a value": (whole(b"x: a\x00b"), (400,)),
    "a control in a value": (whole(b"x: a\x01b"), (400,)),
    "not ASCII in a value": (whole(b"x: \xc3\xa9\xff"), (200, 200)),
    "an empty value": (whole(b"x:", b"authorization:  "), (200, 200)),
    "an empty Accept": (whole(b"accept:"), (200, 200)),
    "an empty name": (whole(b": x"), (400,)),
    "a value over two lines": (whole(b"x: a\r\n b"), (400,)),
    "a first line with a space": (whole().replace(b"Host", b" Host"), (400,)),
    "a space before the colon": (whole(b"x : b"), (400,)),
    "empty lines before": (b"\r\n\r\n" + whole(), (200, 200)),
    "as large as may be": (whole(b"x: " + b"y" * 65_000), (200, 200)),
    "too large": (whole(b"x: " + b"y" * 66_000), (431,)),
    "too many": (whole(*[b"x: y"] * 20_000), (431,)),
    "no host": (head(host=None), (400,)),
    "no host by HTTP/1.0": (whole(line=HTTP_1_0).replace(b"Host: x\r\n", b""), (200,)),
    "two hosts": (whole(b"Host: y"), (400,)),
    "an empty host": (whole().replace(b"Host: x", b"Host:"), (200, 200)),
    "two Accept": (whole(b"accept: image/png", b"accept: application/json"), (200, 200)),
    "two Content-Type": (whole(b"content-type: text/plain"), (415, 200)),
    "HTTP/0.9": (b"GET PATH\r\n\r\n", (505,)),
    "HTTP/1.0": (whole(line=HTTP_1_0), (200,)),
    "HTTP/1.0 that stays": (whole(b"connection: keep-alive", line=HTTP_1_0), (200,)),
    "HTTP/1.2": (whole(line=b"POST PATH HTTP/1.2"), (400,)),
    "HTTP/2.0": (whole(line=b"POST PATH HTTP/2.0"), (505,)),
    "Expect with a body": (whole(b"Expect: 100-continue"), (100, 200, 200)),
    "Expect in chunks": (in_chunks(b"Expect: 100-Continue"), (100, 200, 200)),
    "Expect without a body": (head(b"Expect: 100-continue"), (400, 200)),
    "Expect and no length": (head(b"Expect: 100-continue", b"Content-Length: 0"), (400, 200)),
    "Expect by GET": (head(b"Expect: 100-continue", line=ASKED), (200, 200)),
    "Expect by HTTP/1.0": (whole(b"Expect: 100-continue", line=HTTP_1_0), (200,)),
    "Expect for another thing": (whole(b"Expect: more"), (200, 200)),
    "Expect and too much": (head(b"Expect: 100-continue", b"Content-Length: 3000"), (413,)),
}
BODIES: Rows = {
    "two equal lengths": (whole(b"Content-Length: %d" % len(BODY)), (400,)),
    "two lengths": (whole(b"Content-Length: 3"), (400,)),
    "a list of lengths": (head(b"Content-Length: 3, 3") + BODY, (400,)),
    "a length with a sign": (head(b"Content-Length: +3") + BODY, (400,)),
    "a length of two words": (head(b"Content-Length: 3 3") + BODY, (400,)),
    "an empty length": (head(b"Content-Length:") + BODY, (400,)),
    "a length and chunks": (whole(CHUNKED), (400,)),
    "no length": (head(), (400, 200)),
    "too much": (whole(body=b"x" * 3_000), (413, 200)),
    "NUL behind the document": (whole(body=BODY + b"\x00"), (400, 200)),
    "chunks": (in_chunks(), (200, 200)),
    "chunks of one byte": (in_chunks(size=1), (200, 200)),
    "chunks by HTTP/1.0": (head(CHUNKED, line=HTTP_1_0) + chunks(), (200,)),
    "chunks with an extension": (in_chunks(extension=b';a="b"'), (200, 200)),
    "many extensions": (in_chunks(extension=b";" + b"a" * 3_000, size=1), (400,)),
    "a huge extension": (in_chunks(extension=b";" + b"a" * 300_000), (400,)),
    "trailers": (in_chunks(trailers=b"x: y\r\nhost: other\r\n"), (200, 200)),
    "a trailer with a length": (in_chunks(trailers=b"content-length: 3\r\n"), (400,)),
    "huge trailers": (in_chunks(trailers=b"x: " + b"y" * 300_000 + b"\r\n"), (400,)),
    "a chunk without its end": (head(CHUNKED) + b"5\r\n12345X", (400,)),
    "a chunk of no size": (head(CHUNKED) + b"zz\r\n", (400,)),
    "a chunk of negative size": (head(CHUNKED) + b"-5\r\n12345\r\n0\r\n\r\n", (400,)),
    "a chunk beyond numbers": (head(CHUNKED) + b"f" * 17 + b"\r\n", (400,)),
    "gzip in chunks": (head(b"Transfer-Encoding: gzip, chunked") + chunks(), (501,)),
    "gzip and chunks in two headers": (head(b"Transfer-Encoding: gzip", CHUNKED) + chunks(), (501,)),
    "chunks in gzip": (head(b"Transfer-Encoding: chunked, gzip") + chunks(), (400,)),
    "identity": (head(b"Transfer-Encoding: identity") + chunks(), (501,)),
    "chunks in chunks": (head(b"Transfer-Encoding: chunked, chunked") + chunks(), (400,)),
}
CORNERS: Rows = {
    f"{table}: {name}": row
    for table, rows in {"upgrade": UPGRADES, "target": TARGETS, "head": HEADS, "body": BODIES}.items()
    for name, row in rows.items()
}
