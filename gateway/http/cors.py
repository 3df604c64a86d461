"""Which other origins' pages may read responses: CORS (Fetch standard, 3.2).

The headers are added to every response of the endpoint, errors included: a page can't read an error without
them. A response that depends on the origin has `Vary: Origin`, also if the request has none, or a cache could
give one origin the response for another.
"""

import re
from collections.abc import Mapping

from gateway.http.respond import HttpReply
from gateway.settings import CorsSettings

HeaderPairs = tuple[tuple[bytes, bytes], ...]
VARY = (b"vary", b"origin")
ALLOW = (b"allow", b"GET, POST, OPTIONS")
ANY = b"*"
LONGEST_ORIGIN = 300  # bytes; a host name has at most 253
_HEADER_LIST = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, \t-]{1,4000}")


class Cors:
    """The rules for other origins, with the headers that do not depend on a request.

    `credentials`: whether pages may send cookies.
    """

    def __init__(self, settings: CorsSettings) -> None:
        self.credentials = settings.credentials
        self.any = "*" in settings.origins
        self.origins = frozenset(one.encode() for one in settings.origins)
        self.patterns = tuple(_expression(one) for one in settings.patterns)
        credentials = ((b"access-control-allow-credentials", b"true"),) if settings.credentials else ()
        self.on_response: HeaderPairs = (
            *credentials,
            *_listed(b"access-control-expose-headers", settings.expose),
        )
        self.on_preflight: HeaderPairs = (
            *credentials,
            *_listed(b"access-control-allow-methods", settings.methods),
            *((b"access-control-max-age", b"%d" % age) for age in [settings.max_age] if age is not None),
        )
        self.by_origin = {one: self._granting(one) for one in self.origins}
        self.request_headers = _listed(b"access-control-allow-headers", settings.headers)

    def response_headers(self, raw: Mapping[bytes, bytes]) -> HeaderPairs:
        """Return the headers to add to the response. `raw`: the headers of the request."""
        if self.any:
            return self.by_origin[ANY]
        origin = raw.get(b"origin", b"")
        return self.by_origin.get(origin) or (self._granting(origin) if self._allowed(origin) else (VARY,))

    def _granting(self, origin: bytes) -> HeaderPairs:
        """Return the headers of a response that an origin may read; `*` for any."""
        vary = () if origin == ANY else (VARY,)
        return (*vary, (b"access-control-allow-origin", origin), *self.on_response)

    def allows(self, origin: bytes) -> bool:
        """Return whether pages of an origin may read responses."""
        return bool(self._allowed(origin))

    def preflight(self, raw: Mapping[bytes, bytes]) -> HttpReply:
        """Return the reply to a request by OPTIONS: what another origin's page may send, without a body."""
        allowed = self._allowed(raw.get(b"origin")) if b"access-control-request-method" in raw else ()
        headers: HeaderPairs = (ALLOW,) if self.any else (ALLOW, VARY)
        if allowed:
            headers = (*headers, *allowed, *self.on_preflight, *self._request_headers(raw))
        return HttpReply(204, b"", "", None, headers)

    def _allowed(self, origin: bytes | None) -> HeaderPairs:
        """Return the header that allows an origin; () if it is not allowed."""
        if self.any:
            return ((b"access-control-allow-origin", ANY),)
        if origin is None or len(origin) > LONGEST_ORIGIN:
            return ()
        if origin in self.origins or any(one.fullmatch(origin) for one in self.patterns):
            return ((b"access-control-allow-origin", origin),)
        return ()

    def _request_headers(self, raw: Mapping[bytes, bytes]) -> HeaderPairs:
        """Return the header with the allowed request headers: those of the settings, or those asked for."""
        if self.request_headers:
            return self.request_headers
        asked = raw.get(b"access-control-request-headers", b"")
        vary = (b"vary", b"access-control-request-headers")
        if _HEADER_LIST.fullmatch(asked) is None:
            return (vary,)
        return (vary, (b"access-control-allow-headers", asked))


def _listed(name: bytes, values: tuple[str, ...]) -> HeaderPairs:
    return ((name, ", ".join(values).encode("latin-1", "replace")),) if values else ()


def _expression(pattern: str) -> "re.Pattern[bytes]":
    """Return a pattern as an expression for whole origins.

    A `*` matches no dot, and a label has at most one, so that matching takes linear time.
    """
    start, star, port = pattern.rpartition(":*")
    host, ending = (start, r":[0-9]{1,5}") if star and not port else (pattern, "")
    return re.compile((re.escape(host).replace(r"\*", "[a-z0-9-]+") + ending).encode())


def cors(settings: CorsSettings) -> Cors | None:
    """Return the rules of the settings; None if no other origin is allowed."""
    return Cors(settings) if settings.enabled else None
