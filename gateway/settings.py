"""The settings and their defaults.

Nothing here reads a file or the environment; `options` reads the command line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on one request, checked before the expensive stages.

    - `body`: bytes of the request body, and characters of all arguments after fragments are expanded.
    - `tokens`: lexer tokens of the document.
    - `depth`: nested selection sets, those in fragments included.
    - `selections`: fields after fragments are expanded; `introspection`: those of them inside `__schema` and
      `__type`.
    - `aliases`: fields of one selection set.
    - `paths`: options that planning may consider.
    - `validation_errors`: errors that are reported at once.
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
    """The client headers that are forwarded to subgraphs, by lower-case name; no others are.

    `x-forwarded-for` is the address of the gateway's peer, set by the gateway.
    """

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
    """The connections to subgraphs.

    - `connections`: the maximum number to one server; `queue`: the number of requests that may wait for one
      of them.
    - `max_reply`: the maximum bytes of a reply, also after decompression.
    - `connect_timeout`: seconds for opening a connection.
    - `first_byte_timeout`: seconds until the first byte of a reply; None for the timeout of the whole
      request.
    - `compressed`: whether to accept gzip. `ca`: a file of CA certificates to trust in addition to the
      system's.
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
    """All settings of the gateway.

    - `urls`: URLs of subgraphs that replace those in the supergraph.
    - `timeout`: seconds for one subgraph request.
    - `plan_cache`: the number of operations whose plans are cached.
    - `plan_header`: whether a request may request its plan in `extensions.plan`.
    - `operations`: a folder of example operations for GraphiQL.
    - `labels`: active labels of progressive @overrides. `sticky_header`: the header that identifies a user
      for `percent(...)` labels; without it each request gets a random point.
    - `compile`: whether to compile plans; if not, all plans run on the exact path.
    - `share`: whether equal concurrent queries share one execution.
    - `batch`: whether entity fetches of concurrent requests are batched.
    - `extensions`: the keys of subgraphs' extensions that clients receive.
    - `sagas`: MODULE:NAME of a function that returns the sagas which mutations start.
    - `http_status`: which HTTP statuses responses have (see `http/statuses`).
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
