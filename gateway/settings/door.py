"""The settings for browsers: protection against other sites' pages (CSRF), and access for them (CORS)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from gateway.settings.units import HeaderName, Method, Seconds

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
_PATTERN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9._*-]+(:([0-9]{1,5}|\*))?")


@dataclass(frozen=True, slots=True)
class CsrfSettings:
    """Which requests by GET are refused because another site's page could have caused them.

    A request by POST is safe without this: its content type, application/json, makes browsers ask first.
    """

    mode: Annotated[
        Literal["browsers", "always", "never"],
        Meta(
            description="`browsers`: a GET that a browser may have sent needs one of `headers`. `always`:"
            " each GET does. `never`: none does."
        ),
    ] = "browsers"
    headers: Annotated[
        tuple[HeaderName, ...],
        Meta(description="Headers that a browser sends only from an allowed page, so one of them proves it."),
    ] = ("x-apollo-operation-name", "apollo-require-preflight", "graphql-require-preflight")

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for headers that any page may send."""
        for name in sorted(SAFELISTED & set(self.headers)):
            yield "headers", f"{name} proves nothing: a page may send it to any site"


SAFELISTED = frozenset(
    {
        "accept", "accept-language", "content-language", "content-type", "cookie", "host", "origin", "range",
        "referer", "user-agent",
    }
)  # fmt: skip
"""Headers that browsers send to other sites without a preflight (Fetch standard, 2.2.2)."""


@dataclass(frozen=True, slots=True)
class CorsSettings:
    """Which other origins' pages may read responses (CORS). Off without `origins` and `patterns`."""

    origins: Annotated[
        tuple[str, ...], Meta(description="Origins such as `https://example.com`; `*` allows any.")
    ] = ()
    patterns: Annotated[
        tuple[str, ...],
        Meta(
            description="Patterns of whole origins: `https://*.example.com`. A `*` stands for letters, digits"
            " and hyphens, at least one, so never for a dot; instead of a port it stands for any port."
        ),
    ] = ()
    credentials: Annotated[
        bool, Meta(description="Whether browsers may send cookies and read the responses.")
    ] = False
    methods: Annotated[tuple[Method, ...], Meta(description="The allowed methods.")] = ("GET", "POST")
    headers: Annotated[
        tuple[HeaderName, ...], Meta(description="The allowed request headers; by default any.")
    ] = ()
    expose: Annotated[tuple[HeaderName, ...], Meta(description="Response headers that pages may read.")] = ()
    max_age: Annotated[
        Seconds | None,
        Meta(description="For how long browsers remember what is allowed; by default 5 seconds."),
    ] = None

    @property
    def enabled(self) -> bool:
        """Return whether any other origin is allowed."""
        return bool(self.origins or self.patterns)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for what no browser sends, and for combinations that browsers refuse."""
        for origin in self.origins:
            if origin != "*" and (fault := _fault(origin, _ORIGIN)):
                yield "origins", fault
        for pattern in self.patterns:
            if fault := _fault(pattern, _PATTERN) or _too_many_stars(pattern):
                yield "patterns", fault
        if self.credentials and "*" in self.origins:
            yield (
                "origins",
                "`*` with `credentials` would let every site act for the user; list the origins",
            )
        if self.credentials and "*" in self.expose:
            yield "expose", "`*` with `credentials` is the name of a header to browsers; list the headers"


def _fault(origin: str, form: "re.Pattern[str]") -> str:
    """Return why a text is not an origin as browsers send it; "" if it is one."""
    if form.fullmatch(origin) is None:
        return (
            f"expected SCHEME://HOST or SCHEME://HOST:PORT in lower case, without a path, got {origin[:60]!r}"
        )
    for start, port in (("https://", ":443"), ("http://", ":80")):
        if origin.startswith(start) and origin.endswith(port):
            return f"browsers omit the port {port[1:]} in {origin}; write {origin.removesuffix(port)}"
    return ""


def _too_many_stars(pattern: str) -> str:
    """Return the fault of a pattern with two `*` in one label, which would be slow to match; "" without."""
    if any(label.count("*") > 1 for label in re.split(r"[./:]", pattern)):
        return f"expected at most one `*` between two dots in {pattern}"
    return ""
