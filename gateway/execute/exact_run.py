"""What one run of a plan on the exact path carries along."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.execute.entities import Tree
from gateway.execute.inputs import Inputs
from gateway.execute.receipts import Receipt
from gateway.transport.base import RawHeaders, Transport


@dataclass(slots=True)
class ExactRun:
    """One run: what the request gives it, the way to subgraphs, and what has come so far.

    `receipts`: the calls that the compiled path has sent already, by fetch; none of them is sent again.
    `errors` are entries of the response, with paths of the answer. `extensions` are those of replies by
    fetch, `replies` the headers of each reply.
    """

    transport: Transport
    inputs: Inputs
    receipts: Mapping[int, Receipt] = field(default_factory=dict)
    data: Tree = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    extensions: dict[int, Any] = field(default_factory=dict)
    replies: list[RawHeaders] = field(default_factory=list)
