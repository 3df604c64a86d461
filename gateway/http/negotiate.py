"""Chooses the media type of a response by the Accept header.

See RFC 9110, 12.5.1, and GraphQL over HTTP, section 4.
"""

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
    `only_stream`: whether it accepts no response with a body.
    """

    media: str
    stream: str | None = None
    only_stream: bool = False


ACCEPTS_JSON = Accepted(JSON)


def _ranges(accept: str) -> list[tuple[str, float]]:
    """Return (media type, quality) of each range in an Accept header."""
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
            found.append((media, quality))
    return found


@lru_cache(maxsize=256)
def negotiate(accept: str) -> Accepted:
    """Return what the client prefers; JSON if it has no preference.

    Raises RequestError NOT_ACCEPTABLE when the client accepts nothing that the gateway sends.
    """
    if not accept.strip():
        return ACCEPTS_JSON
    best, chosen, best_stream, stream = 0.0, "", 0.0, None
    for media, quality in _ranges(accept):
        if media in (SSE, MULTIPART):
            if quality > best_stream:
                best_stream, stream = quality, media
            continue
        candidate = JSON if media in ("*/*", "application/*") else media
        if candidate not in (GRAPHQL, JSON):
            continue
        if quality > best or (quality == best and quality > 0 and candidate == GRAPHQL):
            best, chosen = quality, candidate
    if not chosen and stream is None:
        raise RequestError(f"expected Accept to allow {GRAPHQL} or {JSON}, got {accept}", "NOT_ACCEPTABLE")
    return Accepted(chosen or JSON, stream, not chosen)


def prefers_html(accept: str) -> bool:
    """Return whether a client prefers an HTML page to a GraphQL response, as browsers do."""
    qualities = dict(_ranges(accept))
    page = qualities.get("text/html", 0.0)
    return page > 0 and page >= max(qualities.get(JSON, 0.0), qualities.get(GRAPHQL, 0.0))
