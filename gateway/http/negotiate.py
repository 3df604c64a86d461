"""Chooses the media type of a response by the Accept header.

See RFC 9110, 12.5.1, and GraphQL over HTTP, section 4.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from gateway.core.errors import RequestError

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
SSE = "text/event-stream"
MULTIPART = "multipart/mixed"


class Accepted(NamedTuple):
    """What a client accepts.

    `media`: of a response with a body. `stream`: of a stream, SSE or MULTIPART; None if it accepts none.
    `only_stream`: whether it accepts no response with a body. `incremental`: the format of parts that are
    sent later (`incremental.formats`); None if everything must be sent at once.
    """

    media: str
    stream: str | None = None
    only_stream: bool = False
    incremental: str | None = None


ACCEPTS_JSON = Accepted(JSON)


def _ranges(accept: str) -> list[tuple[str, float, list[str]]]:
    """Return the media type, the quality and the parameters of each range in an Accept header."""
    found = []
    for part in accept.split(","):
        media, *parameters = [piece.strip().lower() for piece in part.split(";")]
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        if media:
            found.append((media, quality, parameters))
    return found


@lru_cache(maxsize=256)
def negotiate(accept: str) -> Accepted:
    """Return what the client prefers; JSON if it has no preference.

    Raises RequestError NOT_ACCEPTABLE when the client accepts nothing that the gateway sends.
    """
    if not accept.strip():
        return ACCEPTS_JSON
    best, chosen, best_stream, stream = 0.0, "", 0.0, None
    incremental = None
    for media, quality, parameters in _ranges(accept):
        if media in (SSE, MULTIPART):
            if quality > best_stream:
                best_stream, stream = quality, media
                incremental = _incremental(media, parameters)
            continue
        candidate = JSON if media in ("*/*", "application/*") else media
        if candidate not in (GRAPHQL, JSON):
            continue
        if quality > best or (quality == best and quality > 0 and candidate == GRAPHQL):
            best, chosen = quality, candidate
    if not chosen and stream is None:
        raise RequestError(f"expected Accept to allow {GRAPHQL} or {JSON}, got {accept}", "NOT_ACCEPTABLE")
    return Accepted(chosen or JSON, stream, not chosen, incremental)


def _incremental(media: str, parameters: Sequence[str]) -> str | None:
    """Return the format of later parts that a range asks for; None for one of subscriptions alone."""
    given = {name.strip(): value.strip(' "') for name, _, value in (one.partition("=") for one in parameters)}
    if given.get("incrementalspec") == "v0.2":
        return "v0.2"
    if given.get("deferspec") == "20220824":
        return "2022"
    if "subscriptionspec" in given:
        return None
    return "v0.2" if media == SSE else "2022"


def prefers_html(accept: str) -> bool:
    """Return whether a client prefers an HTML page to a GraphQL response, as browsers do."""
    qualities = {media: quality for media, quality, _ in _ranges(accept)}
    page = qualities.get("text/html", 0.0)
    return page > 0 and page >= max(qualities.get(JSON, 0.0), qualities.get(GRAPHQL, 0.0))
