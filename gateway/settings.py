"""What can be set, with sensible values; nothing here reads a file or the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one request may ask, checked before the costly stages.

    `body`: bytes of a request's body, and characters of all arguments once fragments are written out.
    `tokens`: lexer tokens of a document. `depth`: nested selection sets, fragments followed. `selections`:
    fields after fragments are written out; `introspection`: those of them below `__schema` and `__type`.
    `aliases`: fields of one selection set. `paths`: choices that planning may weigh. `validation_errors`:
    errors reported at once.
    """

    body: int = 1_000_000
    tokens: int = 15_000
    depth: int = 50
    selections: int = 20_000
    introspection: int = 500
    aliases: int = 1_000
    paths: int = 200_000
    validation_errors: int = 20


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """Which headers of the client's request go on to subgraphs; nothing else does. Names in lower case.

    `x-forwarded-for` is the address of the gateway's peer, set by the gateway."""

    forward: tuple[str, ...] = (
        "authorization",
        "accept-language",
        "x-forwarded-for",
        "x-request-id",
        "traceparent",
        "tracestate",
    )


@dataclass(frozen=True, slots=True)
class Wire:
    """The way to subgraphs.

    `connections`: at once to one server; `queue`: requests that may wait for one of those. `max_reply`:
    bytes, also of what a compressed reply unpacks to.

    `connect_timeout`: seconds for a new connection; `first_byte_timeout`: seconds until a reply begins, None
    for as long as the whole may take. `compressed`: ask for gzip. `ca`: a file of certificates to trust
    besides the system's.
    """

    connections: int = 100
    queue: int = 10_000
    max_reply: int = 50_000_000
    connect_timeout: float = 5.0
    first_byte_timeout: float | None = None
    compressed: bool = False
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """All of the gateway's settings.

    `plan_header`: whether a request may ask for its plan in `extensions.plan`. `timeout`: seconds for one
    subgraph request. `compile`: whether plans are compiled; without, all of them run on the exact path.
    `share`: whether equal queries that are under way at the same time share one execution. `batch`: whether
    entity fetches of requests under way at the same time go out together. `sagas`: MODULE:NAME of a function
    that gives the sagas which mutations start. `extensions`: keys of subgraphs' extensions that go on to the
    client. `labels`: progressive overrides that are on for everyone. `sticky_header`: the header whose value
    keeps a user on one side of a `percent(...)` override; requests without it are drawn one by one.
    `http_status`: which HTTP statuses answers have (`http/statuses`).
    """

    limits: Limits = field(default_factory=Limits)
    headers: HeaderRules = field(default_factory=HeaderRules)
    urls: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 30.0
    plan_cache: int = 1_000
    introspection: bool = True
    graphiql: bool = True
    plan_header: bool = True
    wire: Wire = field(default_factory=Wire)
    operations: str | None = None
    labels: frozenset[str] = frozenset()
    compile: bool = True
    share: bool = True
    batch: bool = True
    extensions: frozenset[str] = frozenset()
    sagas: str | None = None
    sticky_header: str = "authorization"
    http_status: Literal["audited", "draft-2026"] = "audited"
