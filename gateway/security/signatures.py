"""HTTP message signatures (RFC 9421): the gateway signs its requests, and subgraphs verify them.

Signed are the method, the path, the query, the digest of the body (RFC 9530), the content type, and all
headers that the gateway's rules send, except those that proxies on the way may change. `@target-uri` and
`@authority` are not signed, because a proxy that ends TLS changes them; instead the parameter `tag` names the
subgraph, so that it can't pass a request on to another one. Each sending has its own `nonce`, also when the
gateway sends a call again after a broken connection: a verifier that has seen the first accepts the second.

Example: the header Signature-Input of a request is

    gateway=("@method" "@path" "@query" "content-type" "content-digest" "authorization");created=1618884473;
    keyid="gateway";alg="hmac-sha256";nonce="mDmF0h1YHn2Cd3xh0aYbVQ";tag="users"
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.security.structured_fields import SignatureInput, Unreadable, read_inputs, read_signatures
from gateway.settings import TRACING_HEADERS, SigningSettings

LABEL = "gateway"
ALGORITHM = "hmac-sha256"
REQUIRED = ("@method", "@path", "@query", "content-type", "content-digest")
CHANGED_ON_THE_WAY = frozenset({*TRACING_HEADERS, "x-forwarded-for"})
"""Headers that proxies add or change, so they are not signed."""

RawHeaders = Sequence[tuple[bytes, bytes]]
Key = bytes | str


class SignatureRefused(Exception):
    """A request that is not accepted; the message says why."""


class SignableRequest(NamedTuple):
    """An HTTP request. `path`: percent-encoded, without the query. `headers`: with lower-case names."""

    method: str
    path: bytes
    query: bytes
    headers: RawHeaders
    body: bytes

    def value(self, name: str) -> bytes | None:
        """Return the value of a header; the values of several are joined. None if it is missing."""
        wanted = name.encode("latin-1", "replace")
        found = [value.strip(b" \t") for one, value in self.headers if one == wanted]
        return b", ".join(found) if found else None

    def component(self, name: str) -> bytes:
        """Return the value of a component (RFC 9421, 2). Raises SignatureRefused if there is none."""
        if name == "@method":
            return self.method.encode()
        if name == "@path":
            return self.path or b"/"
        if name == "@query":
            return b"?" + self.query
        if name == "@authority":
            return (self.value("host") or b"").lower()
        found = None if name.startswith("@") or ";" in name else self.value(name)
        if found is None:
            raise SignatureRefused(f"the signature covers {name[:100]}, which the request does not have")
        return found


def digest(body: bytes) -> bytes:
    """Return the value of Content-Digest for a body (RFC 9530)."""
    return digest_line(hashlib.sha256(body).digest())


def digest_line(checksum: bytes) -> bytes:
    """Return the value of Content-Digest for the SHA-256 of a body."""
    return b"sha-256=:%b:" % base64.b64encode(checksum)


def signature_base(request: SignableRequest, components: Sequence[str], parameters: bytes) -> bytes:
    """Return the bytes that are signed (RFC 9421, 2.5). `parameters`: the member of Signature-Input.

    Raises SignatureRefused for a component that the request does not have.
    """
    lines = [b'"%b": %b' % (name.encode(), request.component(name)) for name in components]
    return b"\n".join([*lines, b'"@signature-params": ' + parameters])


def mac(key: Key, base: bytes) -> bytes:
    """Return the HMAC-SHA256 of a signature base."""
    return hmac.digest(key.encode() if isinstance(key, str) else key, base, "sha256")


class RequestSigner:
    """Signs the requests to one subgraph. `target`: path and query of its URL, as in the request line."""

    def __init__(
        self, settings: SigningSettings, subgraph: str, target: str, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.key = settings.key.value.encode()
        self.clock = clock
        path, _, query = target.encode("ascii").partition(b"?")
        self.path, self.query = path, query
        self.identity = f'keyid="{settings.key_id}";alg="{ALGORITHM}"'
        self.tag = audience_tag(subgraph)

    def lines(self, headers: RawHeaders, body: bytes) -> bytes:
        """Return the header lines to add to a request by POST. `headers`: those of the call."""
        return self.lines_for(headers, digest(body))

    def lines_for(
        self, headers: RawHeaders, checksum: bytes, content_type: bytes = b"application/json"
    ) -> bytes:
        """Return the header lines to add to a request by POST. `checksum`: the `digest` of its body."""
        sent = [(name, value) for name, value in headers if b"\r" not in value and b"\n" not in value]
        covered = [name for name, _ in sent if name.decode("latin-1") not in CHANGED_ON_THE_WAY]
        own = [(b"content-type", content_type), (b"content-digest", checksum)]
        request = SignableRequest("POST", self.path, self.query, [*own, *sent], b"")
        components = [*REQUIRED, *dict.fromkeys(name.decode("latin-1") for name in covered)]
        parameters = self._parameters(components)
        signature = base64.b64encode(mac(self.key, signature_base(request, components, parameters)))
        return b"content-digest: %b\r\nsignature-input: gateway=%b\r\nsignature: gateway=:%b:\r\n" % (
            checksum,
            parameters,
            signature,
        )

    def _parameters(self, components: Sequence[str]) -> bytes:
        listed = " ".join(f'"{name}"' for name in components)
        created, nonce = int(self.clock.now()), secrets.token_urlsafe(16)
        return f'({listed});created={created};{self.identity};nonce="{nonce}";tag="{self.tag}"'.encode()


def audience_tag(subgraph: str) -> str:
    """Return the name of a subgraph as the value of the parameter `tag`, in printable ASCII."""
    return quote(subgraph, safe=" !#$&'()*+,-./:;<=>?@[]^_`{|}~")


def verify(request: SignableRequest, keys: Mapping[str, Key], label: str = LABEL) -> SignatureInput:
    """Check the signature of a request by the key that it names, and return what the signature covers.

    `keys`: by their names. `label`: which of several signatures. Age, nonce and digest are not checked; see
    `Verifier`. Raises SignatureRefused.
    """
    try:
        found = read_inputs(request.value("signature-input") or b"").get(label)
        signature = read_signatures(request.value("signature") or b"").get(label)
    except Unreadable as error:
        raise SignatureRefused(f"the request has no valid signature: {error}") from error
    if found is None or signature is None:
        raise SignatureRefused(f"the request has no signature named {label}")
    key = keys.get(found.parameters.get("keyid", ""))
    if key is None or found.parameters.get("alg", ALGORITHM) != ALGORITHM:
        raise SignatureRefused("the signature has an unknown key or algorithm")
    if not hmac.compare_digest(mac(key, signature_base(request, found.components, found.raw)), signature):
        raise SignatureRefused("the signature does not fit the request")
    return found


class NonceMemory:
    """The nonces that were used, until no request with them would be accepted any more.

    Each process has its own. Only requests with a valid signature get here, so its size is bounded by what
    the gateway sends in that time.
    """

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def first_use(self, nonce: tuple[str, str], now: float, until: float) -> bool:
        """Return whether a nonce is new, and store it until the time `until`."""
        while self._until:
            oldest = next(iter(self._until))
            if self._until[oldest] >= now:
                break
            del self._until[oldest]
        if nonce in self._until:
            return False
        self._until[nonce] = until
        return True


class Verifier:
    """Accepts requests that a gateway has signed for this subgraph, each once.

    - `keys`: the secrets by key id; two while a key is replaced.
    - `subgraph`: its name in the supergraph; a request for another one is refused.
    - `max_age`: for how many seconds a request is accepted. `clock_skew`: by how many seconds the clocks of
      gateway and subgraph may differ.
    - `signed_headers`: headers that are refused if the signature does not cover them.
    """

    def __init__(
        self,
        keys: Mapping[str, Key],
        subgraph: str,
        *,
        max_age: float = 60.0,
        clock_skew: float = 5.0,
        signed_headers: Collection[str] = ("authorization", "cookie"),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.keys = dict(keys)
        self.tag = audience_tag(subgraph)
        self.max_age, self.clock_skew = max_age, clock_skew
        self.signed_headers = tuple(name.lower() for name in signed_headers)
        self.clock = clock
        self.nonces = NonceMemory()

    def check(self, request: SignableRequest) -> None:
        """Raise SignatureRefused for a request that is unsigned, changed, too old or already known."""
        found = verify(request, self.keys)
        self._check_coverage(request, found.components)
        if digest(request.body) not in [
            one.strip() for one in request.component("content-digest").split(b",")
        ]:
            raise SignatureRefused("the body does not fit the header content-digest")
        if found.parameters.get("tag") != self.tag:
            raise SignatureRefused("the request was signed for another subgraph")
        self._check_age(found.parameters)

    def _check_coverage(self, request: SignableRequest, components: Sequence[str]) -> None:
        demanded = [*REQUIRED, *(name for name in self.signed_headers if request.value(name) is not None)]
        if missing := [name for name in demanded if name not in components]:
            raise SignatureRefused(f"the signature does not cover {', '.join(missing)}")

    def _check_age(self, parameters: Mapping[str, str]) -> None:
        """Refuse a request that is too old, from the future, or known. Raises SignatureRefused."""
        now = self.clock.now()
        try:
            created = int(parameters["created"])
        except (KeyError, ValueError):
            raise SignatureRefused("the signature does not say when it was created") from None
        until = created + self.max_age + self.clock_skew
        if not created - self.clock_skew <= now <= until:
            raise SignatureRefused(f"the signature was created {now - created:.0f} seconds ago")
        nonce = parameters.get("nonce", "")
        if not nonce or not self.nonces.first_use((parameters["keyid"], nonce), now, until):
            raise SignatureRefused("the request has no nonce, or it was received before")
