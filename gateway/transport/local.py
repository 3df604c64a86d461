"""The transport to services in the same process: direct calls without a network (`mussikon run
--in-process`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.errors import SubgraphError
from gateway.core.jsontext import encode_json
from gateway.transport.base import Call, Done, Handle, Reply, run_in_task
from gateway.uploads.files import UploadFailed

LocalExecutor = Callable[
    [str, Mapping[str, Any] | None, str | None, Mapping[str, str]], Awaitable[Mapping[str, Any]]
]


class LocalTransport:
    """Calls `executors[subgraph](query, variables, operation_name, headers)`."""

    def __init__(self, executors: Mapping[str, LocalExecutor], clock: Clock = SYSTEM_CLOCK) -> None:
        self.executors = dict(executors)
        self.clock = clock

    def __repr__(self) -> str:
        return f"LocalTransport({', '.join(self.executors)})"

    def post(self, call: Call, done: Done) -> Handle:
        return run_in_task(self._run(call), done)

    async def _run(self, call: Call) -> Reply:
        """Run the service; its exceptions become errors of the subgraph."""
        executor = self.executors.get(call.subgraph)
        if executor is None:
            raise SubgraphError(
                "has no address and no function in this process: set its address (--subgraph-url NAME=URL)",
                "SUBGRAPH_UNREACHABLE",
                subgraph=call.subgraph,
            )
        variables = call.variables
        try:
            async with asyncio.timeout(max(call.deadline - self.clock.time(), 0.0)):
                if call.context is not None and call.context.uploads is not None:
                    await call.context.uploads.read_in(variables)
                payload = await executor(call.query, variables, call.operation_name, dict(call.headers.pairs))
        except UploadFailed as failure:
            message = f"did not get the files: {failure}"
            raise SubgraphError(message, failure.code, subgraph=call.subgraph) from failure
        except TimeoutError as error:
            message = f"did not reply within {call.timeout:g} s"
            raise SubgraphError(message, "SUBGRAPH_TIMEOUT", subgraph=call.subgraph) from error
        except Exception as error:
            message = "raised an exception"
            raise SubgraphError(message, "SUBGRAPH_BAD_RESPONSE", subgraph=call.subgraph) from error
        return json_reply(call.subgraph, payload)

    async def close(self) -> None:
        """Do nothing: the services belong to the caller."""


def json_reply(subgraph: str, payload: Any) -> Reply:
    """Return a reply with a value as its body.

    Raises SubgraphError SUBGRAPH_BAD_RESPONSE if JSON can't represent the value.
    """
    try:
        return Reply(200, encode_json(payload))
    except TypeError as error:
        message = f"returned a value that can't be encoded as JSON: {error}"
        raise SubgraphError(message, "SUBGRAPH_BAD_RESPONSE", subgraph=subgraph) from error
