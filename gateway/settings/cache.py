"""The settings of the cache of subgraph replies and responses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from gateway.settings.units import Bytes, Count, HeaderName, Seconds, Secret

Lifetime = Annotated[float, Meta(ge=0, extra={"unit": "seconds"})]


@dataclass(frozen=True, slots=True)
class TypeCacheSettings:
    """How values of a type, or of a field, are cached, beside or instead of the hints in the SDL."""

    enabled: Annotated[bool, Meta(description="Whether replies with such values may be stored.")] = True
    lifetime: Annotated[
        Lifetime | None, Meta(description="The lifetime, instead of @cacheControl's maxAge.")
    ] = None
    private: Annotated[bool, Meta(description="Whether the values are for one user only.")] = False
    tags: Annotated[
        tuple[str, ...],
        Meta(description="Further tags, as in @cacheTag: `musician-{$key.id}`, `city-{$args.city}`."),
    ] = ()


@dataclass(frozen=True, slots=True)
class SubgraphCacheSettings:
    """How the replies of one subgraph are cached."""

    enabled: Annotated[bool, Meta(description="Whether its replies are stored.")] = True
    vary: Annotated[
        tuple[HeaderName, ...] | None,
        Meta(
            description="The forwarded headers that change its replies. Without this setting all of them do,"
            " so that a reply to a request with a token is reused for the same token only."
        ),
    ] = None
    types: Annotated[
        Mapping[str, TypeCacheSettings],
        Meta(description="Settings of types and fields (`User`, `Query.search`), in this subgraph."),
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InvalidationSettings:
    """The HTTP endpoint that invalidates and describes what is cached."""

    secret: Annotated[
        Secret | None,
        Meta(description="The bearer token for /cache/invalidate; without it the endpoint does not exist."),
    ] = None


@dataclass(frozen=True, slots=True)
class MutationCacheRule:
    """What a mutation invalidates, beside the entities that it returns."""

    tags: Annotated[
        tuple[str, ...],
        Meta(description="Tags: `type:users:User`, `subgraph:users`, `tag:city-{$args.city}`."),
    ] = ()


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """The cache of subgraph replies and of whole responses. By default it is off."""

    enabled: Annotated[bool, Meta(description="Whether replies are stored and reused.")] = False
    shadow: Annotated[
        bool,
        Meta(description="Store and compare with fresh replies, but serve nothing from the cache."),
    ] = False
    memory: Annotated[Bytes, Meta(description="Bytes of cached values in each process.")] = 64_000_000
    redis: Annotated[
        bool, Meta(description="Whether the processes share entries in Redis; needs `redis`.")
    ] = False
    lifetime: Annotated[
        Lifetime, Meta(description="The lifetime of replies about which nothing else states one.")
    ] = 0.0
    longest: Annotated[Seconds, Meta(description="The longest lifetime, stale times included.")] = 86_400.0
    stale_while_revalidate: Annotated[
        Lifetime,
        Meta(description="How long a stale value may be used while it is fetched again (RFC 5861)."),
    ] = 0.0
    stale_if_error: Annotated[
        Lifetime, Meta(description="How long a stale value may be used if it can't be fetched (RFC 5861).")
    ] = 0.0
    negative: Annotated[
        Lifetime, Meta(description="The longest lifetime of entities that a subgraph does not know.")
    ] = 1.0
    staleness: Annotated[
        Seconds,
        Meta(
            description="How long a process may use its own entries while it receives no invalidations:"
            " because Redis is away, or because there are several processes and no Redis."
        ),
    ] = 2.0
    responses: Annotated[bool, Meta(description="Whether whole responses are stored too.")] = True
    client_directives: Annotated[
        Literal["none", "authenticated", "all"],
        Meta(description="Whose `Cache-Control: no-cache` and `no-store` the cache obeys."),
    ] = "authenticated"
    headers: Annotated[
        bool, Meta(description="Whether responses have `Cache-Control` and `Age` of what they contain.")
    ] = True
    cdn_header: Annotated[
        HeaderName | None,
        Meta(
            description="The header with the lifetime for a CDN, such as `CDN-Cache-Control`; none without."
        ),
    ] = None
    tags_header: Annotated[
        HeaderName | None,
        Meta(description="The header with the tags for a CDN (`Surrogate-Key`, `Cache-Tag`); none without."),
    ] = None
    debug: Annotated[
        bool, Meta(description="Whether a request with `x-cache-debug: 1` gets `extensions.cache`.")
    ] = False
    compress: Annotated[
        Count, Meta(description="Bytes from which values are compressed in Redis.", extra={"unit": "bytes"})
    ] = 4_096
    types: Annotated[
        Mapping[str, TypeCacheSettings],
        Meta(description="Settings of types and fields (`User`, `Query.search`), in all subgraphs."),
    ] = field(default_factory=dict)
    subgraphs: Annotated[
        Mapping[str, SubgraphCacheSettings], Meta(description="Settings of single subgraphs, by name.")
    ] = field(default_factory=dict)
    mutations: Annotated[
        Mapping[str, MutationCacheRule], Meta(description="What single mutations invalidate, by name.")
    ] = field(default_factory=dict)
    returned: Annotated[
        bool, Meta(description="Whether the entities that a mutation returns are invalidated.")
    ] = True
    invalidation: InvalidationSettings = field(default_factory=InvalidationSettings)
