"""All settings of the gateway as one tree."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from msgspec import Meta

from gateway.settings.access import AuthenticationSettings, AuthorizationSettings
from gateway.settings.cache import CacheSettings
from gateway.settings.cost import CostSettings
from gateway.settings.documents import DocumentSettings
from gateway.settings.door import CorsSettings, CsrfSettings
from gateway.settings.errors import ErrorSettings
from gateway.settings.headers import HeaderRules, RequestHeaderRule, SubgraphHeaderRules
from gateway.settings.limits import Limits, UploadSettings
from gateway.settings.rates import KeySettings, RateSettings, RedisSettings, RevocationSettings
from gateway.settings.signing import SigningSettings
from gateway.settings.subgraphs import ConnectionSettings, SubgraphSettings
from gateway.settings.subscriptions import SubscriptionSettings
from gateway.settings.tls import ServerTls
from gateway.settings.units import Count, File, HeaderName, Port, Seconds, Url

HIDDEN = frozenset({"introspection", "suggestions", "graphiql", "plan_header"})
"""The settings that are false by default in the profile of production."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the gateway listens. A change needs a restart."""

    host: Annotated[str, Meta(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="The port to listen on.")] = 4000
    workers: Annotated[Count, Meta(le=64, description="The number of processes that share the port.")] = 1
    tls: ServerTls | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the gateway."""

    supergraph: Annotated[File | None, Meta(description="The supergraph SDL file.")] = None
    compose: Annotated[
        Mapping[str, Url],
        Meta(
            description="The URLs of the subgraphs by name; the gateway fetches and composes their SDLs at"
            " the start."
        ),
    ] = field(default_factory=dict)
    server: ServerSettings = field(default_factory=ServerSettings)
    subgraphs: Annotated[
        Mapping[str, SubgraphSettings], Meta(description="Settings of single subgraphs, by name.")
    ] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    uploads: UploadSettings = field(default_factory=UploadSettings)
    keys: KeySettings = field(default_factory=KeySettings)
    revocation: RevocationSettings = field(default_factory=RevocationSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    rates: RateSettings = field(default_factory=RateSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    subscriptions: SubscriptionSettings = field(default_factory=SubscriptionSettings)
    cost: CostSettings = field(default_factory=CostSettings)
    documents: DocumentSettings = field(default_factory=DocumentSettings)
    headers: HeaderRules = field(default_factory=HeaderRules)
    errors: ErrorSettings = field(default_factory=ErrorSettings)
    csrf: CsrfSettings = field(default_factory=CsrfSettings)
    cors: CorsSettings = field(default_factory=CorsSettings)
    connections: ConnectionSettings = field(default_factory=ConnectionSettings)
    signing: SigningSettings | None = None
    authentication: AuthenticationSettings = field(default_factory=AuthenticationSettings)
    authorization: AuthorizationSettings = field(default_factory=AuthorizationSettings)
    timeout: Annotated[Seconds, Meta(description="Timeout of one subgraph request.")] = 30.0
    plan_cache: Annotated[Count, Meta(description="The number of operations whose plans are cached.")] = 1_000
    profile: Annotated[
        Literal["development", "production"],
        Meta(
            description="`production`: the defaults of `introspection`, `suggestions`, `graphiql` and"
            " `plan_header` are false, and `errors.mode` is `masked`."
        ),
    ] = "development"
    introspection_scope: Annotated[
        str | None,
        Meta(
            description="Callers with this scope may read the schema although `introspection` is false.",
        ),
    ] = None
    introspection: Annotated[bool, Meta(description="Whether clients may read the schema.")] = True
    suggestions: Annotated[
        bool, Meta(description="Whether error messages name similar fields and types.")
    ] = True
    graphiql: Annotated[
        bool, Meta(description="Whether browsers get GraphiQL at /graphql, to which / redirects.")
    ] = True
    plan_header: Annotated[
        bool,
        Meta(
            description="Whether `x-gateway-plan: 1` adds the plan and the subgraph requests of the answer as"
            " `extensions.plan`, and `x-gateway-plan: only` returns the plan without an execution."
        ),
    ] = True
    operations: Annotated[File | None, Meta(description="A folder of example operations for GraphiQL.")] = (
        None
    )
    labels: Annotated[
        frozenset[str], Meta(description="Labels of progressive @overrides that are active.")
    ] = frozenset()
    sticky_header: Annotated[
        HeaderName,
        Meta(
            description="The header that identifies a user for `percent(...)` labels; without it each request"
            " gets a random point."
        ),
    ] = "authorization"
    compile: Annotated[
        bool, Meta(description="Whether plans are compiled; if not, all run on the exact path.")
    ] = True
    incremental: Annotated[
        bool, Meta(description="Whether clients may use @defer and @stream, and receive the parts later.")
    ] = True
    share: Annotated[bool, Meta(description="Whether equal concurrent queries share one execution.")] = True
    batch: Annotated[bool, Meta(description="Whether entity fetches of concurrent requests are batched.")] = (
        True
    )
    extensions: Annotated[
        frozenset[str], Meta(description="Keys of subgraphs' response extensions that clients receive.")
    ] = frozenset()
    sagas: Annotated[
        str | None,
        Meta(description="MODULE:NAME of a function that returns the sagas which mutations start."),
    ] = None
    http_status: Annotated[
        Literal["audited", "draft-2026"],
        Meta(
            description="HTTP statuses as graphql-http audits them, or as in the draft of 2026 of GraphQL"
            " over HTTP."
        ),
    ] = "audited"

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for header rules that contradict each other, or the headers with claims; and
        for settings that need Redis where there is none.
        """
        yield from self._missing_redis()
        merges: dict[str, str] = {}
        for name, rules in self.header_rules().items():
            field = "subgraphs" if name else "headers"
            yield from self._claimed_headers(field, rules.request)
            for rule in rules.response:
                first = merges.setdefault(rule.target, rule.merge)
                if first != rule.merge:
                    yield field, f"the response header {rule.target} has two merges: {first}, {rule.merge}"

    def _missing_redis(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for settings that need the Redis server."""
        if self.redis.url is not None:
            return
        if self.rates.store == "redis":
            yield "rates", "the store redis needs the setting `redis.url`"
        if self.revocation.enabled:
            yield "revocation", "revoked tokens need the setting `redis.url`"
        if self.cache.redis:
            yield "cache", "shared entries need the setting `redis.url`"

    def header_rules(self) -> Mapping[str, HeaderRules | SubgraphHeaderRules]:
        """Return the header rules of each subgraph that has some; those for all under the name ""."""
        own = {name: one.headers for name, one in self.subgraphs.items()}
        return {"": self.headers, **{name: one for name, one in own.items() if one.request or one.response}}

    def _claimed_headers(self, field: str, rules: Iterable[RequestHeaderRule]) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for rules by which a client could pretend to have a claim."""
        claimed = {one.header for one in self.authentication.claims if one.header is not None}
        for rule in rules:
            name = rule.rename or rule.propagate
            if name in claimed:
                yield field, f"the header {name} has the value of a claim; a client's header can't replace it"

    def production(self, given: frozenset[str] = frozenset()) -> "Settings":
        """Return the settings with the defaults of production. `given`: the paths of settings to keep."""
        hidden: dict[str, Any] = dict.fromkeys(HIDDEN - given, False)
        errors = self.errors if "errors.mode" in given else replace(self.errors, mode="masked")
        return replace(self, profile="production", errors=errors, **hidden)
