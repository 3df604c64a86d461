"""Whether a request uses the cache: what its client demands, as far as it may demand it (RFC 9111, 5.2.1)."""

from gateway.core.context import RequestContext
from gateway.settings import CacheSettings

Mode = tuple[bool, bool]
"""Whether a request reads from the cache, and whether its replies are stored."""
NOT_READ = frozenset({"no-cache", "no-store", "max-age=0"})


def cache_mode(context: RequestContext, settings: CacheSettings) -> Mode:
    """Return the mode of a request, which is computed once."""
    known = context.cache_mode
    if known is not None:
        return known
    reads, stores = not settings.shadow, True
    allowed = settings.client_directives
    if allowed == "all" or (allowed == "authenticated" and context.identity.authenticated):
        directives = context.cache_directives
        if directives:
            reads = reads and directives.isdisjoint(NOT_READ)
            stores = "no-store" not in directives
    context.cache_mode = reads, stores
    return context.cache_mode
