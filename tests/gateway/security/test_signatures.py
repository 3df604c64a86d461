"""Signatures of requests to subgraphs: RFC 9421's own vector, and each way in which a request is refused."""

import base64
import hmac
from collections.abc import Callable
from typing import Any

import pytest

from gateway.core.clock import FakeClock
from gateway.security.signatures import (
    NonceMemory,
    RequestSigner,
    SignableRequest,
    SignatureRefused,
    Verifier,
    digest,
    signature_base,
    verify,
)
from gateway.settings import Secret, SigningSettings

# RFC 9421, appendix B: the key test-shared-secret, the request test-request, and B.2.5
SHARED = base64.b64decode(
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
)
PARAMETERS = b'("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
SIGNATURE = b"pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="
RFC_REQUEST = SignableRequest(
    "POST",
    b"/foo",
    b"param=Value&Pet=dog",
    [
        (b"host", b"example.com"),
        (b"date", b"Tue, 20 Apr 2021 02:07:55 GMT"),
        (b"content-type", b"application/json"),
        (b"content-length", b"18"),
        (b"signature-input", b"sig-b25=" + PARAMETERS),
        (b"signature", b"sig-b25=:" + SIGNATURE + b":"),
    ],
    b'{"hello": "world"}',
)


def test_rfc_9421_b_2_5() -> None:
    """The signature base and the signature are those of the RFC."""
    base = signature_base(RFC_REQUEST, ["date", "@authority", "content-type"], PARAMETERS)
    assert base.decode().splitlines() == [
        '"date": Tue, 20 Apr 2021 02:07:55 GMT',
        '"@authority": example.com',
        '"content-type": application/json',
        f'"@signature-params": {PARAMETERS.decode()}',
    ]
    found = verify(RFC_REQUEST, {"test-shared-secret": SHARED}, "sig-b25")
    assert found.components == ("date", "@authority", "content-type")
    assert found.parameters == {"created": "1618884473", "keyid": "test-shared-secret"}


def test_rfc_9421_b_2_5_changed() -> None:
    """With another header, another key or another label the same signature is refused."""
    other = [
        (name, b"text/plain" if name == b"content-type" else value) for name, value in RFC_REQUEST.headers
    ]
    for request, key, label in (
        (RFC_REQUEST._replace(headers=other), SHARED, "sig-b25"),
        (RFC_REQUEST, SHARED + b"x", "sig-b25"),
        (RFC_REQUEST, SHARED, "sig-b26"),
    ):
        with pytest.raises(SignatureRefused):
            verify(request, {"test-shared-secret": key}, label)


def test_rfc_9530_digest() -> None:
    """The digest of the RFC's example."""
    assert digest(b'{"hello": "world"}') == b"sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"


KEY = "k" * 32
HEADERS = [
    (b"authorization", b"Bearer x"),
    (b"x-user", b"a,  b"),
    (b"x-request-id", b"r1"),
    (b"x-empty", b""),
]
BODY = b'{"query":"{ x }"}'
NOW = 1_700_000_000


def signed(
    clock: FakeClock, headers: Any = HEADERS, body: bytes = BODY, subgraph: str = "users", key: str = KEY
) -> SignableRequest:
    """Return a request that the gateway has signed, as a subgraph receives it."""
    signer = RequestSigner(SigningSettings(Secret(key), "k1"), subgraph, "/graphql?a=b%20c", clock)
    lines = signer.lines(headers, body).decode("latin-1").split("\r\n")[:-1]
    added = [
        (name.encode(), value.encode("latin-1")) for name, _, value in (one.partition(": ") for one in lines)
    ]
    known = [(b"host", b"users:4001"), (b"content-type", b"application/json"), (b"via", b"1.1 proxy")]
    return SignableRequest("POST", b"/graphql", b"a=b%20c", [*known, *headers, *added], body)


def verifier(clock: FakeClock, **options: Any) -> Verifier:
    """Return a verifier of the subgraph `users`."""
    return Verifier({"k0": "old" * 20, "k1": KEY}, "users", clock=clock, **options)


def replaced(request: SignableRequest, name: bytes, value: bytes | None) -> SignableRequest:
    """Return a request with another header; without it for None."""
    rest = [one for one in request.headers if one[0] != name]
    return request._replace(headers=[*rest, *([(name, value)] if value is not None else [])])


async def test_a_signed_request_is_accepted_once() -> None:
    """The same bytes are refused the second time; the same call, signed again, is accepted."""
    clock = FakeClock()
    checks = verifier(clock)
    request = signed(clock)
    checks.check(request)
    with pytest.raises(SignatureRefused, match="received before"):
        checks.check(request)
    checks.check(signed(clock))
    await clock.advance(66)
    checks.check(signed(clock))
    assert len(checks.nonces) == 1


@pytest.mark.parametrize(
    ("name", "value"), [(b"x-request-id", b"r2"), (b"x-forwarded-for", b"1.2.3.4"), (b"via", b"2")]
)
def test_what_proxies_may_change(name: bytes, value: bytes) -> None:
    """Headers of tracing and of proxies are not signed."""
    clock = FakeClock()
    verifier(clock).check(replaced(signed(clock), name, value))


Change = Callable[[SignableRequest], SignableRequest]
CHANGES: dict[str, tuple[Change, str]] = {
    "the method": (lambda one: one._replace(method="GET"), "does not fit the request"),
    "the path": (lambda one: one._replace(path=b"/admin"), "does not fit the request"),
    "no path": (lambda one: one._replace(path=b""), "does not fit the request"),
    "the query": (lambda one: one._replace(query=b"a=b%20c&d"), "does not fit the request"),
    "the body": (lambda one: one._replace(body=BODY + b" "), "body does not fit"),
    "no body": (lambda one: one._replace(body=b""), "body does not fit"),
    "the digest": (lambda one: replaced(one, b"content-digest", digest(b"")), "does not fit the request"),
    "body and digest": (
        lambda one: replaced(one._replace(body=b""), b"content-digest", digest(b"")),
        "does not fit the request",
    ),
    "the content type": (
        lambda one: replaced(one, b"content-type", b"text/plain"),
        "does not fit the request",
    ),
    "the caller": (lambda one: replaced(one, b"authorization", b"Bearer y"), "does not fit the request"),
    "no caller": (
        lambda one: replaced(one, b"authorization", None),
        "covers authorization, which the request",
    ),
    "two callers": (
        lambda one: one._replace(headers=[*one.headers, (b"authorization", b"Bearer y")]),
        "does not fit the request",
    ),
    "a cookie": (lambda one: replaced(one, b"cookie", b"a=b"), "does not cover cookie"),
    "no signature": (lambda one: replaced(one, b"signature", None), "no valid signature"),
    "no input": (lambda one: replaced(one, b"signature-input", None), "no valid signature"),
    "another label": (
        lambda one: replaced(one, b"signature", b"other=" + (one.value("signature") or b"")[8:]),
        "no signature named gateway",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_requests(name: str) -> None:
    """Whatever is changed, the request is refused, and its nonce is not used up."""
    change, message = CHANGES[name]
    clock = FakeClock()
    checks, request = verifier(clock), signed(clock)
    with pytest.raises(SignatureRefused, match=message):
        checks.check(change(request))
    checks.check(request)


@pytest.mark.parametrize(
    ("seconds", "accepted"), [(-6, False), (-5, True), (0, True), (64, True), (66, False), (1e9, False)]
)
async def test_age(seconds: float, accepted: bool) -> None:
    """A request is accepted for its age, and the clocks may differ by some seconds."""
    gateways, mine = FakeClock(epoch=NOW), FakeClock(epoch=NOW + seconds)
    request = signed(gateways)
    if accepted:
        verifier(mine).check(request)
    else:
        with pytest.raises(SignatureRefused, match="seconds ago"):
            verifier(mine).check(request)


def test_other_keys_and_subgraphs() -> None:
    """A request for another subgraph, and one with an unknown key, are refused."""
    clock = FakeClock()
    for request, message in (
        (signed(clock, subgraph="reviews"), "another subgraph"),
        (signed(clock, key="x" * 32), "does not fit the request"),
    ):
        with pytest.raises(SignatureRefused, match=message):
            verifier(clock).check(request)
    with pytest.raises(SignatureRefused, match="unknown key"):
        Verifier({"k2": KEY}, "users", clock=clock).check(signed(clock))


def test_names_of_subgraphs() -> None:
    """Any name can be in the tag."""
    clock = FakeClock()
    for name in ('a"b\\c', "müsik 漢", "%", ""):
        Verifier({"k1": KEY}, name, clock=clock).check(signed(clock, subgraph=name))


def forged(clock: FakeClock, member: bytes) -> SignableRequest:
    """Return a request whose Signature-Input a holder of the key has written freely."""
    request = signed(clock)
    components = [one.strip('"') for one in member.decode().partition(")")[0].strip("(").split(" ") if one]
    base = signature_base(request, components, member)
    signature = base64.b64encode(hmac.digest(KEY.encode(), base, "sha256"))
    changed = replaced(request, b"signature-input", b"gateway=" + member)
    return replaced(changed, b"signature", b"gateway=:" + signature + b":")


ALL = b'("@method" "@path" "@query" "content-type" "content-digest" "authorization")'


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (b'("@method");created=1700000000;keyid="k1";nonce="a"', "does not cover @path, @query"),
        (b'();created=1700000000;keyid="k1";nonce="a"', "does not cover @method"),
        (
            ALL[:-17] + b');created=1700000000;keyid="k1";nonce="a";tag="users"',
            "does not cover authorization",
        ),
        (ALL + b';created=1700000000;keyid="k1";tag="users"', "no nonce"),
        (ALL + b';created=1700000000;keyid="k1";nonce="";tag="users"', "no nonce"),
        (ALL + b';keyid="k1";nonce="a";tag="users"', "when it was created"),
        (ALL + b';created="soon";keyid="k1";nonce="a";tag="users"', "when it was created"),
        (ALL + b';created=1700000000;keyid="k1";nonce="a"', "another subgraph"),
        (
            ALL + b';created=1700000000;keyid="k1";nonce="a";tag="users";alg="none"',
            "unknown key or algorithm",
        ),
    ],
)
def test_signatures_that_say_too_little(member: bytes, message: str) -> None:
    """A valid signature is refused if it does not cover or say all that is needed."""
    clock = FakeClock(epoch=NOW)
    with pytest.raises(SignatureRefused, match=message):
        verifier(clock).check(forged(clock, member))


@pytest.mark.parametrize(
    "header",
    [
        b"", b"gateway", b"gateway=", b"gateway=()", b"gateway=(", b'gateway=("@method', b'gateway=("a" "b"',
        b'gateway=("a";created=1', b"gateway=(\xff)", b"\x00", b'gateway=("@method");created', b",",
        b"gateway=();",
        b'gateway=("a"),', b"gateway=()" * 1_000, b"gateway=(" + b'"a" ' * 5_000, b"g" * 100_000,
        b'gateway=("@status");keyid="k1"', b'gateway=("@query-param";name="a");keyid="k1"',
        b'gateway=("a;b");keyid="k1"', b'gateway=("Authorization");keyid="k1"', b"gateway=" + b"(" * 10_000,
        b"gateway=();a" + b";a" * 8_000, b'gateway=("\\"");keyid="k1"', b'GATEWAY=();keyid="k1"',
    ],
)  # fmt: skip
def test_hostile_headers(header: bytes) -> None:
    """Truncated, huge and odd headers are refused, each as an invalid signature."""
    clock = FakeClock()
    request = signed(clock)
    for name in (b"signature-input", b"signature"):
        with pytest.raises(SignatureRefused):
            verifier(clock).check(replaced(request, name, header))


def test_every_truncation_is_refused() -> None:
    """No prefix of the headers is accepted."""
    clock = FakeClock()
    request = signed(clock)
    for name in (b"signature-input", b"signature", b"content-digest"):
        value = request.value(name.decode()) or b""
        for end in range(len(value)):
            with pytest.raises(SignatureRefused):
                verifier(clock).check(replaced(request, name, value[:end]))


def test_other_signatures_beside_the_gateways() -> None:
    """A proxy may add a signature of its own, whatever it covers."""
    clock = FakeClock()
    request = signed(clock)
    both = b'proxy=("@query-param";name="a" "@status";req);created=1;tag="x, y", ' + (
        request.value("signature-input") or b""
    )
    more = b"proxy=:AAAA:, " + (request.value("signature") or b"")
    verifier(clock).check(replaced(replaced(request, b"signature-input", both), b"signature", more))


def test_line_breaks_are_neither_sent_nor_signed() -> None:
    """A header with a line break is not sent, so the signature does not cover it."""
    clock = FakeClock()
    signer = RequestSigner(SigningSettings(Secret(KEY)), "users", "/", clock)
    assert b"x-bad" not in signer.lines([(b"x-bad", b"a\r\nb: c")], BODY)


def test_the_memory_forgets() -> None:
    """Nonces are kept until their time, not longer."""
    memory = NonceMemory()
    assert [memory.first_use(("k", str(n)), n, n + 10) for n in range(1_000)] == [True] * 1_000
    assert len(memory) == 11
    assert not memory.first_use(("k", "995"), 999, 1_009)
    assert memory.first_use(("other", "995"), 999, 1_009)


def test_secrets_are_not_shown() -> None:
    """The key is in no `repr`."""
    assert KEY not in repr(SigningSettings(Secret(KEY)))
