"""The settings and their defaults: one tree of frozen values, with a description and the valid range of each.

`config` reads them from a YAML file and the environment, `options` from the command line; both use the
descriptions and ranges that are written here, and `gateway config reference` prints them. Nothing here reads
a file or the environment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]
Bytes = Annotated[int, Meta(ge=1, extra={"unit": "bytes"})]
Seconds = Annotated[float, Meta(gt=0, extra={"unit": "seconds"})]
File = Annotated[str, Meta(min_length=1, extra={"unit": "file"})]
Url = Annotated[str, Meta(pattern="^https?://[^/]+")]
Port = Annotated[int, Meta(ge=1, le=65_535)]
HeaderName = Annotated[str, Meta(pattern="^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", extra={"unit": "header"})]


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that must not be shown: it is not in the `repr` of the settings, and in no error message."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the gateway listens. A change needs a restart."""

    host: Annotated[str, Meta(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="The port to listen on.")] = 4000
    workers: Annotated[Count, Meta(le=64, description="The number of processes that share the port.")] = 1


@dataclass(frozen=True, slots=True)
class SubgraphSettings:
    """The settings of one subgraph."""

    url: Annotated[Url | None, Meta(description="Its URL, instead of the one in the supergraph.")] = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on one request, checked before the expensive stages."""

    body: Annotated[
        Bytes,
        Meta(
            description="Bytes of the request body, also after decompression; and characters of all arguments"
            " after fragments are expanded."
        ),
    ] = 1_000_000
    tokens: Annotated[Count, Meta(description="Lexer tokens of the document.")] = 15_000
    depth: Annotated[Count, Meta(description="Nested selection sets, those in fragments included.")] = 50
    selections: Annotated[Count, Meta(description="Fields after fragments are expanded.")] = 20_000
    introspection: Annotated[
        Count, Meta(description="Fields inside `__schema` and `__type`, after fragments are expanded.")
    ] = 500
    aliases: Annotated[Count, Meta(description="Fields of one selection set.")] = 1_000
    paths: Annotated[Count, Meta(description="Options that planning may consider.")] = 200_000
    validation_errors: Annotated[Count, Meta(description="Errors that are reported at once.")] = 20


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """The client headers that are forwarded to subgraphs; no others are.

    `x-forwarded-for` is the address of the gateway's peer, set by the gateway.
    """

    forward: Annotated[
        tuple[HeaderName, ...], Meta(description="Client headers to forward to subgraphs; no others are.")
    ] = (
        "authorization",
        "accept-language",
        "x-forwarded-for",
        "x-request-id",
        "traceparent",
        "tracestate",
    )


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """The connections to subgraphs."""

    connections: Annotated[Count, Meta(description="The maximum number of connections to one server.")] = 100
    queue: Annotated[Count, Meta(description="Requests to one server that may wait for a connection.")] = (
        10_000
    )
    max_reply: Annotated[Bytes, Meta(description="Bytes of a reply, also after decompression.")] = 50_000_000
    connect_timeout: Annotated[Seconds, Meta(description="Timeout for opening a connection.")] = 5.0
    first_byte_timeout: Annotated[
        Seconds | None, Meta(description="Timeout for the first byte of a reply; by default `timeout`.")
    ] = None
    compressed: Annotated[bool, Meta(description="Accept gzip-compressed replies.")] = False
    ca: Annotated[
        File | None, Meta(description="A file of CA certificates, in addition to the system's.")
    ] = None


Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    "HS256", "HS384", "HS512",
]  # fmt: skip
ASYMMETRIC: tuple[Algorithm, ...] = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class IssuerSettings:
    """One issuer of tokens, with the keys that verify them: `jwks_url` or `jwks_file`."""

    name: Annotated[str, Meta(min_length=1, description="Its name in logs and error messages.")]
    jwks_url: Annotated[Url | None, Meta(description="The URL of its JSON Web Key Set.")] = None
    jwks_file: Annotated[File | None, Meta(description="A file with its JSON Web Key Set.")] = None
    issuers: Annotated[
        tuple[str, ...], Meta(description="Accepted values of the claim `iss`; any, if empty.")
    ] = ()
    audiences: Annotated[
        tuple[str, ...], Meta(description="Accepted values of the claim `aud`; any, if empty.")
    ] = ()
    algorithms: Annotated[
        tuple[Algorithm, ...],
        Meta(description="Accepted signature algorithms; HS256 and the like only for a set of secret keys."),
    ] = ASYMMETRIC
    poll: Annotated[Seconds, Meta(description="How often the key set is read again.")] = 60.0
    headers: Annotated[
        Mapping[HeaderName, Secret], Meta(description="Headers of the request for the key set.")
    ] = field(default_factory=dict)
    allow_missing_exp: Annotated[
        bool, Meta(description="Accept tokens without `exp`, which never expire.")
    ] = False

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for fields that do not fit each other."""
        if (self.jwks_url is None) == (self.jwks_file is None):
            yield "name", f"the issuer {self.name} needs either `jwks_url` or `jwks_file`"


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """A claim of the token that subgraphs receive as a header; the client's own header is replaced."""

    claim: Annotated[
        str, Meta(min_length=1, description="The claim, with dots for nested ones: `realm.roles`.")
    ]
    header: Annotated[HeaderName, Meta(description="The header of subgraph requests.")]
    default: Annotated[
        str | None,
        Meta(description="The value without the claim; by default the header is then not sent."),
    ] = None


@dataclass(frozen=True, slots=True)
class AuthenticationSettings:
    """How callers are known: JSON Web Tokens in a header or a cookie."""

    issuers: Annotated[
        tuple[IssuerSettings, ...], Meta(description="The issuers of tokens; none: no token is read.")
    ] = ()
    required: Annotated[bool, Meta(description="Refuse requests without a token (401).")] = False
    header: Annotated[HeaderName, Meta(description="The header that has the token.")] = "authorization"
    prefix: Annotated[
        str, Meta(description="The word before the token; a header with another word has no token.")
    ] = "Bearer"
    cookie: Annotated[
        str | None, Meta(description="A cookie that has the token, for requests without the header.")
    ] = None
    scopes_claim: Annotated[
        str, Meta(description="The claim with the scopes: a text with spaces, or a list.")
    ] = "scope"
    policies_claim: Annotated[
        str, Meta(description="The claim with the granted policies of @policy, likewise.")
    ] = "policies"
    clock_skew: Annotated[
        float, Meta(ge=0, le=600, description="Seconds that the clocks of issuers may differ.")
    ] = 5.0
    cache: Annotated[
        Count, Meta(description="The number of verified tokens that are remembered until they expire.")
    ] = 10_000
    claims: Annotated[
        tuple[ClaimRule, ...], Meta(description="Claims that subgraphs receive as headers.")
    ] = ()

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for fields that do not fit each other."""
        names = [one.name for one in self.issuers]
        for name in sorted({one for one in names if names.count(one) > 1}):
            yield "issuers", f"expected each issuer's name once, got {name} {names.count(name)} times"


@dataclass(frozen=True, slots=True)
class AuthorizationSettings:
    """What happens to an operation that needs access rights which the caller lacks.

    The requirements are @authenticated, @requiresScopes and @policy in the subgraphs' SDLs.
    """

    mode: Annotated[
        Literal["filter", "reject"],
        Meta(
            description="`filter`: denied fields are null, with an error each, and are not fetched. `reject`:"
            " the operation is refused with status 403."
        ),
    ] = "filter"
    dry_run: Annotated[
        bool, Meta(description="Log what would be denied, and deny nothing. For the introduction only.")
    ] = False


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
    headers: HeaderRules = field(default_factory=HeaderRules)
    connections: ConnectionSettings = field(default_factory=ConnectionSettings)
    authentication: AuthenticationSettings = field(default_factory=AuthenticationSettings)
    authorization: AuthorizationSettings = field(default_factory=AuthorizationSettings)
    timeout: Annotated[Seconds, Meta(description="Timeout of one subgraph request.")] = 30.0
    plan_cache: Annotated[Count, Meta(description="The number of operations whose plans are cached.")] = 1_000
    introspection: Annotated[bool, Meta(description="Whether clients may read the schema.")] = True
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
