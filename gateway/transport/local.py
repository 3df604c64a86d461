"""To services in the same process: a direct call, no bytes in between."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gateway.core.errors import SubgraphError
from gateway.transport.base import Spoken, SubgraphReply, SubgraphRequest

LocalExecutor = Callable[[str, Mapping[str, Any] | None, str | None, Mapping[str, str]], Awaitable[Mapping[str, Any]]]


class LocalTransport(Spoken):
    """Calls `executor(query, variables, operation_name, headers)` of each subgraph by its name."""

    def __init__(self, executors: Mapping[str, LocalExecutor]) -> None:
        self.executors = dict(executors)

    def __repr__(self) -> str:
        return f"LocalTransport({', '.join(self.executors)})"

    async def send(self, request: SubgraphRequest, timeout: float) -> SubgraphReply:
        """Call the service; what it raises is an error of the subgraph."""
        executor = self.executors.get(request.subgraph)
        if executor is None:
            raise SubgraphError("is not in this process", "SUBGRAPH_UNREACHABLE", subgraph=request.subgraph)
        try:
            async with asyncio.timeout(timeout):
                payload = await executor(
                    request.query, request.variables, request.operation_name, dict(request.headers)
                )
        except TimeoutError as error:
            message = f"gave no answer within {timeout:g} s"
            raise SubgraphError(message, "SUBGRAPH_TIMEOUT", subgraph=request.subgraph) from error
        except Exception as error:
            message = "failed while it answered"
            raise SubgraphError(message, "SUBGRAPH_BAD_RESPONSE", subgraph=request.subgraph) from error
        return SubgraphReply(payload)

    async def close(self) -> None:
        """Nothing is open; the services belong to whoever started them."""
