"""What one run of a plan on the exact path carries along."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.execute.entities import Tree
from gateway.execute.inputs import ExecutionInputs
from gateway.execute.sent_calls import SentCall
from gateway.transport.base import RawHeaders, Transport


@dataclass(slots=True)
class ExactRun:
    """One run: what the request gives it, the way to subgraphs, and what has come so far.

    `sent_calls`: the calls that the compiled path has sent already, by fetch; none of them is sent again.
    `errors` are entries of the response, with paths of the answer. `extensions` are those of replies by
    fetch, `replies` the headers of each reply.
    """

    transport: Transport
    inputs: ExecutionInputs
    sent_calls: Mapping[int, SentCall] = field(default_factory=dict)
    data: Tree = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    extensions: dict[int, Any] = field(default_factory=dict)
    replies: list[RawHeaders] = field(default_factory=list)
