"""What one run of a plan carries along."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.transport.base import Headers, RawHeaders, Transport

Tree = dict[str, Any]


@dataclass(slots=True)
class Context:
    """One run: the client's variables and forwarded headers, the way to subgraphs, and what has come so far.

    `timeout`: seconds for one subgraph request. `errors` are entries of the response, with paths of the answer. `extensions` are those of
    replies by fetch, `replies` the headers of each.
    """

    transport: Transport
    variables: Mapping[str, Any]
    headers: Headers = ()
    timeout: float = 30.0
    data: Tree = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    extensions: dict[int, Any] = field(default_factory=dict)
    replies: list[RawHeaders] = field(default_factory=list)
