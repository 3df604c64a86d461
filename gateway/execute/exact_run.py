"""The state of one run of a plan on the exact path. `executor` and `fetch` fill it, `pipeline` reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.execute.cached.replies import CachedReply
from gateway.execute.entities import Tree
from gateway.execute.inputs import ExecutionInputs
from gateway.execute.response_headers import ReplyHead
from gateway.execute.sent_calls import SentCall
from gateway.transport.base import Transport


@dataclass(slots=True)
class ExactRun:
    """One run: its inputs, the transport, and the results so far.

    - `sent_calls`: the calls that the compiled path has already sent, by fetch id; they are not sent again.
    - `data`: the merged response before projection. A field that failed has a `Failure` as its value.
    - `errors`: entries for the response's `errors`, with response paths.
    - `extensions`: the `extensions` of each reply, by fetch id. `replies`: the HTTP headers of each reply.
    - `cached`: the replies that were made of cached values; None for each other reply.
    """

    transport: Transport
    inputs: ExecutionInputs
    sent_calls: Mapping[int, SentCall] = field(default_factory=dict)
    data: Tree = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    extensions: dict[int, Any] = field(default_factory=dict)
    replies: list[ReplyHead] = field(default_factory=list)
    cached: list[CachedReply | None] = field(default_factory=list)
