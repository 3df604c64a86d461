"""The subgraphs of the client tests, each a process of its own: `python -m tests.clients.subgraphs NAME
PORT`.

`prices` has subscriptions, `names` the other fields of products. A test pushes events, and counts the
subscribers of a product, by requests to /push and /readers.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator
from typing import Any

import strawberry
import uvicorn
from graphql import GraphQLError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from strawberry.asgi import GraphQL

READERS: dict[str, list[asyncio.Queue[int]]] = defaultdict(list)


class QuietSchema(strawberry.federation.Schema):
    """A schema that does not log the errors that tests make."""

    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        """Log nothing."""


@strawberry.federation.type(name="Product", keys=["id"])
class Priced:
    """A product, as `prices` knows it."""

    id: strawberry.ID
    cents: int = 1

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "Priced":
        """Return the product with an id."""
        return cls(id=id)


@strawberry.type
class PriceQuery:
    """Products by id."""

    @strawberry.field
    async def product(self, id: strawberry.ID) -> Priced:
        """Return a product."""
        return Priced(id=id)

    @strawberry.field
    async def products(self, ids: list[strawberry.ID]) -> list[Priced]:
        """Return several products."""
        return [Priced(id=one) for one in ids]


@strawberry.type
class PriceMutation:
    """Changes of prices."""

    @strawberry.mutation
    async def reprice(self, id: strawberry.ID, cents: int) -> Priced:
        """Change a price, and tell the subscribers."""
        push(id, cents)
        return Priced(id=id, cents=cents)


@strawberry.type
class PriceSubscription:
    """Changes of prices, as they happen."""

    @strawberry.subscription
    async def price(self, id: strawberry.ID) -> AsyncGenerator[Priced, None]:
        """Send a product whenever its price changes."""
        queue: asyncio.Queue[int] = asyncio.Queue()
        READERS[id].append(queue)
        try:
            while True:
                yield Priced(id=id, cents=await queue.get())
        finally:
            READERS[id].remove(queue)

    @strawberry.subscription
    async def count(self, to: int) -> AsyncGenerator[int, None]:
        """Count from 0, then end."""
        for number in range(to):
            yield number

    @strawberry.subscription
    async def broken(self) -> AsyncGenerator[int, None]:
        """Send an event, then fail."""
        yield 1
        raise GraphQLError("is broken", extensions={"code": "BROKEN"})


@strawberry.federation.type(name="Product", keys=["id"])
class Named:
    """A product, as `names` knows it."""

    id: strawberry.ID

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "Named":
        """Return the product with an id."""
        return cls(id=id)

    @strawberry.field
    async def name(self) -> str | None:
        """Return the name; there is none for ids that begin with `bad`."""
        if self.id.startswith("bad"):
            raise GraphQLError("has no name", extensions={"code": "NO_NAME"})
        return f"name {self.id}"

    @strawberry.field
    async def parts(self) -> list[str]:
        """Return the names of some parts."""
        return ["a", "b", "c", "d"]


@strawberry.type
class NameQuery:
    """The root of queries, of which this subgraph has none of interest."""

    names: int = 1


SCHEMAS = {
    "prices": QuietSchema(
        PriceQuery,
        PriceMutation,
        PriceSubscription,
        types=[Priced],
        federation_version="2.9",
    ),
    "names": QuietSchema(NameQuery, types=[Named], federation_version="2.9"),
}


def push(id: str, cents: int) -> None:
    """Send an event to the subscribers of a product."""
    for queue in READERS[id]:
        queue.put_nowait(cents)


async def push_one(request: Request) -> JSONResponse:
    """Push an event; return the number of subscribers."""
    given = request.query_params
    push(given["id"], int(given["cents"]))
    return JSONResponse(len(READERS[given["id"]]))


async def count_readers(request: Request) -> JSONResponse:
    """Return the number of subscribers of a product."""
    return JSONResponse(len(READERS[request.query_params["id"]]))


def serve(name: str, port: int) -> None:
    """Serve one of the subgraphs until the process is ended."""
    graphql = GraphQL[Any, Any](SCHEMAS[name], subscription_protocols=["graphql-transport-ws"])
    routes = [
        Route("/push", push_one, methods=["POST"]),
        Route("/readers", count_readers),
        Mount("/graphql", graphql),
    ]
    quiet: dict[str, Any] = {"log_config": None, "log_level": 60, "lifespan": "off", "ws": "wsproto"}
    uvicorn.run(Starlette(routes=routes), port=port, timeout_graceful_shutdown=1, **quiet)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
