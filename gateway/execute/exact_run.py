"""The state of one run of a plan on the exact path."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.execute.entities import Tree
from gateway.execute.inputs import ExecutionInputs
from gateway.execute.sent_calls import SentCall
from gateway.transport.base import RawHeaders, Transport


@dataclass(slots=True)
class ExactRun:
    """One run: its inputs, the transport, and the results so far.

    - `sent_calls`: the calls that the compiled path has sent, by fetch id; they are not sent again.
    - `data`: the merged response before projection. `errors`: entries of the response, with response paths.
    - `extensions`: those of each reply, by fetch id. `replies`: the headers of each reply.
    """

    transport: Transport
    inputs: ExecutionInputs
    sent_calls: Mapping[int, SentCall] = field(default_factory=dict)
    data: Tree = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    extensions: dict[int, Any] = field(default_factory=dict)
    replies: list[RawHeaders] = field(default_factory=list)
