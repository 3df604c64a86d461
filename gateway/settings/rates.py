"""The settings of rates: how often and how much one caller may ask."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from gateway.settings.units import Count, File, HeaderName, Seconds, Secret

By = Annotated[
    str,
    Meta(pattern="^(address|client|key|subject|claim:.+|header:[A-Za-z0-9_-]+)$", extra={"unit": "caller"}),
]
RootField = Annotated[
    str,
    Meta(pattern="^(Query|Mutation|Subscription)\\.[_A-Za-z]\\w*$", extra={"unit": "root field"}),
]


@dataclass(frozen=True, slots=True)
class RateRule:
    """One limit on what one caller may ask in any interval of the length `window`."""

    name: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9_-]+$",
            description="Its name in errors, response headers and Redis keys.",
            extra={"unit": "name"},
        ),
    ]
    requests: Annotated[
        Count | None, Meta(description="Requests; with `fields`, selections of these fields.")
    ] = None
    cost: Annotated[Count | None, Meta(description="The sum of the estimated costs.")] = None
    window: Annotated[Seconds, Meta(description="The length of the interval.")] = 60.0
    by: Annotated[
        tuple[By, ...],
        Meta(
            description="What callers are told apart by: `address`, `client`, `key`, `subject`, `claim:NAME`"
            " or `header:NAME`. A request without it counts for its address."
        ),
    ] = ("address",)
    only: Annotated[
        Literal["anonymous", "authenticated"] | None,
        Meta(description="Whether the rule is only for callers without, or only for those with, identity."),
    ] = None
    fields: Annotated[
        tuple[RootField, ...],
        Meta(description="Root fields, such as `Mutation.login`; only operations with one of them count."),
    ] = ()

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for fields that do not fit each other."""
        if (self.requests is None) == (self.cost is None):
            yield "name", f"the rule {self.name} needs either `requests` or `cost`"
        if self.cost is not None and self.fields:
            yield "fields", f"the rule {self.name}: `fields` limit requests, not cost"


@dataclass(frozen=True, slots=True)
class RateSettings:
    """Limits on what callers may ask in a time. By default there are none."""

    rules: Annotated[
        tuple[RateRule, ...], Meta(description="The rules; each of them must allow a request.")
    ] = ()
    store: Annotated[
        Literal["memory", "redis"],
        Meta(description="Where requests are counted: by each process for itself, or in Redis for all."),
    ] = "memory"
    callers: Annotated[
        Count,
        Meta(description="The number of callers that a process counts for; others push out the oldest."),
    ] = 100_000

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for fields that do not fit each other."""
        names = [one.name for one in self.rules]
        for name in sorted({one for one in names if names.count(one) > 1}):
            yield "rules", f"expected each rule's name once, got {name} {names.count(name)} times"


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """The Redis server that gateways share. Without it, or while it is away, requests go on."""

    url: Annotated[
        Secret | None,
        Meta(
            description="Its URL: `redis://user:password@host:6379/0`, or `rediss:` for TLS. The cache also"
            " understands `unix:///path`, `redis+sentinel://host:26379/NAME/0`, `redis+cluster://host:7000`."
        ),
    ] = None
    timeout: Annotated[Seconds, Meta(description="Timeout of one command.")] = 0.05
    prefix: Annotated[str, Meta(description="What the gateway's keys and channels begin with.")] = "gateway:"


@dataclass(frozen=True, slots=True)
class KeySettings:
    """API keys, for partners whose programs have no user."""

    file: Annotated[
        File | None,
        Meta(
            description="The file with the hashes of the keys; `gateway keys` writes it. It is read again"
            " when it changes."
        ),
    ] = None
    header: Annotated[HeaderName, Meta(description="The header with the key.")] = "x-api-key"
    poll: Annotated[Seconds, Meta(description="How often the file is looked at.")] = 5.0


@dataclass(frozen=True, slots=True)
class RevocationSettings:
    """Tokens that stop to be valid before they expire; needs `redis`."""

    enabled: Annotated[bool, Meta(description="Whether revoked tokens are refused.")] = False
    unavailable: Annotated[
        Literal["accept", "refuse"],
        Meta(
            description="What happens, while Redis is away, to tokens that this process has not verified yet."
        ),
    ] = "accept"
