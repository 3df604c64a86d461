"""The HTTP endpoints that invalidate and describe what is cached. They need the secret of the settings.

- POST /cache/invalidate: `[{"kind": "type", "type": "User"}]` -> `{"tags": 2, "entries": 17}`.
- POST /cache/explain: the same body -> the entries of this process that it concerns.
- GET /cache/stats: hits by level, type and operation. GET /cache/operations: the queries asked most.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.cache.cache import Cache
from gateway.cache.memory import Entry, Space
from gateway.cache.resp import RedisError, RedisFailure
from gateway.cache.wishes import read_tags
from gateway.cached_responses import CachedResponses
from gateway.core.errors import RequestError
from gateway.core.jsontext import NotJson, read_json
from gateway.execute.cached.transport import CachedTransport
from gateway.http.statuses import STATUSES
from gateway.supergraph.model import Supergraph

MAX_BODY = 1_000_000  # bytes
MOST_SHOWN = 100  # entries of one explanation
Answer = Callable[[Request], Awaitable[Any]]


class CacheAdmin:
    """What the endpoints need of a gateway."""

    def __init__(
        self,
        cache: Cache,
        requests: CachedTransport | None,
        responses: CachedResponses | None,
        supergraph: Supergraph,
        secret: str,
    ) -> None:
        self.cache = cache
        self.requests = requests
        self.responses = responses
        self.supergraph = supergraph
        self.secret = secret.encode()

    def check(self, authorization: str) -> None:
        """Raise RequestError UNAUTHENTICATED unless the header has the secret as a bearer token."""
        scheme, _, token = authorization.partition(" ")
        given = token.strip().encode("utf-8", "replace")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given, self.secret):
            raise RequestError("expected `Authorization: Bearer` with the secret", "UNAUTHENTICATED")

    async def invalidate(self, request: Request) -> Any:
        """Invalidate what the body names, everywhere; return the numbers of tags and of own entries."""
        tags = read_tags(await _body(request), self.supergraph)
        try:
            count = await self.cache.invalidate_everywhere(tags)
        except (RedisFailure, RedisError) as error:
            message = (
                f"only this process has dropped the entries: {error}; the others will when Redis returns"
            )
            raise RequestError(message, "CACHE_NOT_INVALIDATED") from error
        return {"tags": len(tags), "entries": count}

    async def explain(self, request: Request) -> Any:
        """Return the entries of this process that have any of the tags that the body names."""
        tags = frozenset(read_tags(await _body(request), self.supergraph))
        found = [
            self._described(space, key, entry)
            for space, key, entry in self.cache.memory.all()
            if not tags.isdisjoint(entry.tags) or not tags.isdisjoint(space.tags)
        ]
        last = {tag: self.cache.fence.local.last[tag] for tag in tags if tag in self.cache.fence.local.last}
        return {"tags": sorted(tags), "invalidated": last, "count": len(found), "entries": found[:MOST_SHOWN]}

    def _described(self, space: Space, key: bytes, entry: Entry) -> dict[str, Any]:
        now = self.cache.clock.time()
        return {
            "request": space.digest.hex(),
            "key": "of one user" if entry.private else key.decode("utf-8", "replace")[:1_000],
            "private": entry.private,
            "valid": self.cache.memory.is_valid(entry, space),
            "fresh_seconds": round(entry.fresh_until - now, 3),
            "stale_seconds": round(entry.stale_until - now, 3),
            "age_seconds": round(now - entry.born, 3),
            "bytes": len(entry.value),
            "tags": sorted((*entry.tags, *space.tags)),
        }

    async def stats(self, _: Request) -> Any:
        """Return how often values were found, by level, by subgraph and type, and by operation."""
        cache = self.cache
        types: dict[str, dict[str, int]] = {}
        for one in self.requests.requests.known.values.values() if self.requests is not None else ():
            row = types.setdefault(one.name, dict.fromkeys(("memory", "shared", "stale", "fetched"), 0))
            for level, count in zip(row, (one.memory, one.shared, one.stale, one.missed), strict=True):
                row[level] += count
        levels = {level: sum(row[level] for row in types.values()) for level in ("memory", "shared", "stale")}
        fetched = sum(row["fetched"] for row in types.values())
        asked = sum(levels.values()) + fetched
        operations = self.responses.counts() if self.responses is not None else {}
        return {
            "hit_ratio": round(sum(levels.values()) / asked, 4) if asked else None,
            "levels": {**levels, "fetched": fetched},
            "types": types,
            "operations": {
                name: {"hits": hits, "misses": misses} for name, (hits, misses) in operations.items()
            },
            "memory": {
                "entries": cache.memory.count,
                "bytes": cache.memory.size,
                "limit": cache.memory.limit,
                "evicted": cache.memory.evicted,
            },
            "redis": self._redis(),
            "shadow": {"same": cache.same, "different": cache.different} if cache.settings.shadow else None,
        }

    def _redis(self) -> Mapping[str, Any] | None:
        shared, backplane = self.cache.shared, self.cache.backplane
        if shared is None or backplane is None:
            return None
        return {
            "usable": shared.epoch is not None and shared.nodes.breaker.is_closed,
            "failed": shared.errors,
            "refused": shared.refused,
            "invalidations": backplane.read,
            "ignored": backplane.ignored,
        }

    async def operations(self, request: Request) -> Any:
        """Return the public queries whose responses are cached, those asked most first."""
        limit = request.query_params.get("limit", "100")
        if not limit.isdecimal() or not 0 < int(limit) <= 1_000:
            raise RequestError(f"expected a limit from 1 to 1000, got {limit[:20]}", "BAD_REQUEST")
        return self.responses.asked_most(int(limit)) if self.responses is not None else []


Admin = Callable[[], CacheAdmin | None]


def cache_routes(admin: Admin) -> list[Route]:
    """Return the routes. `admin`: returns what serves them now; None if they do not exist."""

    def route(path: str, method: str, choose: Callable[[CacheAdmin], Answer]) -> Route:
        async def serve(request: Request) -> Response:
            found = admin()
            try:
                if found is None:
                    raise RequestError(f"there is nothing at {request.url.path}", "NOT_FOUND")
                found.check(request.headers.get("authorization", ""))
                return JSONResponse(await choose(found)(request))
            except RequestError as error:
                return JSONResponse({"errors": [error.formatted()]}, STATUSES[error.code].json)

        return Route(path, serve, methods=[method])

    return [
        route("/cache/invalidate", "POST", lambda one: one.invalidate),
        route("/cache/explain", "POST", lambda one: one.explain),
        route("/cache/stats", "GET", lambda one: one.stats),
        route("/cache/operations", "GET", lambda one: one.operations),
    ]


async def _body(request: Request) -> Any:
    """Return the JSON of a request's body. Raises RequestError."""
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > MAX_BODY:
            raise RequestError(f"expected a body of at most {MAX_BODY:,} bytes", "REQUEST_TOO_LARGE")
    try:
        return read_json(bytes(found))
    except NotJson as error:
        raise RequestError(f"expected JSON: {error}", "INVALID_JSON") from error
