"""All settings of the gateway as one tree."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from gateway.settings.access import AuthenticationSettings, AuthorizationSettings
from gateway.settings.cost import CostSettings
from gateway.settings.documents import DocumentSettings
from gateway.settings.limits import Limits
from gateway.settings.subgraphs import ConnectionSettings, HeaderRules, SubgraphSettings
from gateway.settings.units import Count, File, HeaderName, Port, Seconds, Url


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the gateway listens. A change needs a restart."""

    host: Annotated[str, Meta(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="The port to listen on.")] = 4000
    workers: Annotated[Count, Meta(le=64, description="The number of processes that share the port.")] = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the gateway."""

    supergraph: Annotated[File | None, Meta(description="The supergraph SDL file.")] = None
    compose: Annotated[
        Mapping[str, Url],
        Meta(description="Subgraphs by name, whose SDLs the gateway fetches and composes at the start."),
    ] = field(default_factory=dict)
    server: ServerSettings = field(default_factory=ServerSettings)
    subgraphs: Annotated[
        Mapping[str, SubgraphSettings], Meta(description="Settings of single subgraphs, by name.")
    ] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    cost: CostSettings = field(default_factory=CostSettings)
    documents: DocumentSettings = field(default_factory=DocumentSettings)
    headers: HeaderRules = field(default_factory=HeaderRules)
    connections: ConnectionSettings = field(default_factory=ConnectionSettings)
    authentication: AuthenticationSettings = field(default_factory=AuthenticationSettings)
    authorization: AuthorizationSettings = field(default_factory=AuthorizationSettings)
    timeout: Annotated[Seconds, Meta(description="Timeout of one subgraph request.")] = 30.0
    plan_cache: Annotated[Count, Meta(description="The number of operations whose plans are cached.")] = 1_000
    introspection: Annotated[bool, Meta(description="Whether clients may read the schema.")] = True
    suggestions: Annotated[
        bool, Meta(description="Whether error messages name similar fields and types.")
    ] = True
    graphiql: Annotated[bool, Meta(description="Whether browsers get GraphiQL at /graphql.")] = True
    plan_header: Annotated[
        bool, Meta(description="Whether `x-gateway-plan: 1` adds the plan as `extensions.plan`.")
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
