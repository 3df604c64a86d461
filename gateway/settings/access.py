"""The settings of authentication and authorization."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from gateway.settings.units import Count, File, HeaderName, Seconds, Secret, Url

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
    """A claim of the token that subgraphs receive, as a header or in the `extensions` of their requests.

    A header of the same name that the client sends is replaced.
    """

    claim: Annotated[
        str,
        Meta(
            min_length=1,
            description="The claim, with dots for nested ones: `realm.roles`; `*` for all claims.",
        ),
    ]
    header: Annotated[HeaderName | None, Meta(description="The header of subgraph requests.")] = None
    extension: Annotated[
        str | None,
        Meta(description="The key in the `extensions` of subgraph requests; it has the JSON value."),
    ] = None
    default: Annotated[
        str | None,
        Meta(description="The value without the claim; by default nothing is then sent."),
    ] = None

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for fields that do not fit each other."""
        if self.header is None and self.extension is None:
            yield "claim", f"the claim {self.claim} needs `header` or `extension`"


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
    claims: Annotated[tuple[ClaimRule, ...], Meta(description="Claims that subgraphs receive.")] = ()

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
