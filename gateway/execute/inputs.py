"""The values of one client request that both paths need to run its plan."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.core.context import RequestContext
from gateway.plan.nodes import Fetch
from gateway.transport.base import Call
from gateway.transport.headers import Headers
from gateway.transport.template import Representations, RequestTemplate


class ExecutionInputs:
    """What the calls of one request have in common.

    `variables`: coerced. `headers`: those to send to subgraphs. `timeout`: of one call, in seconds.
    """

    __slots__ = ("context", "headers", "timeout", "variables")

    def __init__(
        self, variables: Mapping[str, Any], headers: Headers, timeout: float, context: RequestContext
    ) -> None:
        self.variables = variables
        self.headers = headers
        self.timeout = timeout
        self.context = context

    def call(
        self,
        fetch: Fetch,
        template: RequestTemplate,
        members: Sequence[bytes],
        representations: Representations,
    ) -> Call:
        """Return the call for a fetch. Its deadline is after `timeout` seconds, or at the request's own if
        earlier.

        `members`: the variables as encoded JSON members (`"a":1`). `representations`: those of each lookup.
        """
        context, headers = self.context, self.headers
        if headers.by_subgraph is not None:
            headers = headers.by_subgraph.get(fetch.subgraph) or headers.by_subgraph[""]
        return Call(
            fetch.subgraph,
            fetch.id,
            template,
            members,
            representations,
            headers,
            fetch.kind == "query",
            context.due(self.timeout),
            self.timeout,
            context,
        )
