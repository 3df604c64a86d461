"""Chooses the media type of a response by the Accept header.

See RFC 9110, 12.5.1, and GraphQL over HTTP, section 4.
"""

from functools import lru_cache

from gateway.core.errors import RequestError

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"


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
def negotiate(accept: str) -> str:
    """Return GRAPHQL or JSON, whichever the client prefers; JSON if it has no preference.

    Raises RequestError NOT_ACCEPTABLE when the client accepts neither.
    """
    if not accept.strip():
        return JSON
    best, chosen = 0.0, ""
    for media, quality in _ranges(accept):
        if media in ("*/*", "application/*"):
            candidate = JSON
        elif media in (GRAPHQL, JSON):
            candidate = media
        else:
            continue
        if quality > best or (quality == best and quality > 0 and candidate == GRAPHQL):
            best, chosen = quality, candidate
    if not chosen:
        raise RequestError(f"expected Accept to allow {GRAPHQL} or {JSON}, got {accept}", "NOT_ACCEPTABLE")
    return chosen


def prefers_html(accept: str) -> bool:
    """Return whether a client prefers an HTML page to a GraphQL response, as browsers do."""
    qualities = dict(_ranges(accept))
    page = qualities.get("text/html", 0.0)
    return page > 0 and page >= max(qualities.get(JSON, 0.0), qualities.get(GRAPHQL, 0.0))
