"""What a known request costs while everything optional is off, as Python calls of the gateway's code."""

import asyncio
import sys
from types import FrameType
from typing import Any

from gateway.app import create_gateway
from gateway.core.headers import RequestHeaders
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import Settings
from tests.gateway.subgraph import Subgraph
from tests.gateway.support import supergraph_of

CALLS = 54  # on Python 3.11; newer versions need fewer for the same code


async def calls_of(gateway: Any, request: GraphQLRequest) -> int:
    """Return the number of calls of the gateway's functions for one request."""
    count = 0

    def profile(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        file = frame.f_code.co_filename
        count += event == "call" and "/gateway/" in file and "/tests/" not in file and "local.py" not in file

    answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    headers = RequestHeaders([(b"authorization", b"Bearer x")], "127.0.0.1")
    sys.setprofile(profile)
    try:
        gateway.begin(request, gateway.context(headers), answered.set_result)
        await answered
    finally:
        sys.setprofile(None)
    return count


async def test_what_is_off_costs_nothing() -> None:
    """Tokens, authorization, the configuration file, plugins: none of it is called for a known request."""
    subgraph = Subgraph("type Query { a: Int }", {"Query": {"a": 1}})
    gateway = create_gateway(supergraph_of({"s": "type Query { a: Int }"}), Settings(), {"s": subgraph})
    request = GraphQLRequest("{ a }")
    await calls_of(gateway, request)
    assert await calls_of(gateway, request) <= CALLS
