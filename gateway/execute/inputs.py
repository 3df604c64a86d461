"""The values of one request that the execution of its plan needs, on both paths."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.core.context import RequestContext
from gateway.plan.nodes import Fetch
from gateway.transport.base import Call
from gateway.transport.headers import Headers
from gateway.transport.template import Representations, RequestTemplate


class ExecutionInputs:
    """The coerced variables, the headers for subgraphs, the timeout of one call in seconds, and the request's
    context.
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
        """The call for a fetch, with a deadline within the request's."""
        context = self.context
        return Call(
            fetch.subgraph,
            fetch.id,
            template,
            members,
            representations,
            self.headers,
            fetch.kind == "query",
            context.due(self.timeout),
            self.timeout,
            context,
        )
