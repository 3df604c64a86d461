"""SDLs that libraries print: composed as by Apollo's composition, and served through the gateway.

`make test-libraries` tests all libraries, and names those whose tools are missing; other runs test those of
Node and Python.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.transport.local import LocalTransport
from tests.gateway.subgraph import Subgraph
from tests.gateway.support import ask, engine_of
from tests.libraries.libraries import LIBRARIES, Library
from tests.oracle.compare import compose_ours, differences
from tests.oracle.programs import NO_NODE, Conversation, find_node
from tests.oracle.sets import SdlSet, ask_oracle, link

EVERY = os.environ.get("LIBRARIES") == "all"
CHOSEN = [one for one in LIBRARIES if EVERY or one.bounded]
REVIEWS = """type Query { best: Product }
type Product @key(fields: "id") { id: ID! score: Int }
"""
HORN = {"__typename": "Product", "id": "1", "score": 5}
DATA = {"Query": {"best": HORN}, "Product:1": HORN}

pytestmark = pytest.mark.skipif(find_node() is None, reason=NO_NODE)


class Served:
    """A library's running subgraph."""

    def __init__(self, library: Library) -> None:
        self.conversation = Conversation(library.command(), library.folder)
        self.asked: list[str] = []

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The reply to one request."""
        self.asked.append(query)
        return dict(self.conversation.ask({"query": query, "variables": dict(variables or {})}))

    async def __call__(
        self,
        query: str,
        variables: Mapping[str, Any] | None,
        operation_name: str | None,
        headers: Mapping[str, str],
    ) -> dict[str, Any]:
        """Reply to the gateway."""
        return await asyncio.to_thread(self.ask, query, variables)


@pytest.fixture(scope="module", params=CHOSEN, ids=lambda one: str(one.name))
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """Each library in turn; skipped if its tool is missing."""
    library: Library = request.param
    if library.lacks:
        pytest.skip(library.lacks)
    running = Served(library)
    yield running
    running.conversation.end()


def sdls_of(served: Served) -> dict[str, str]:
    """The library's SDL, and a hand-written subgraph."""
    answer = served.ask("{ _service { sdl } }")
    assert not answer.get("errors")
    return {"products": answer["data"]["_service"]["sdl"], "reviews": link("2.3") + REVIEWS}


def test_its_sdl_composes_as_with_apollo(served: Served) -> None:
    """Both accept it, and nothing differs: hints, the clients' schema, what each subgraph resolves."""
    one = SdlSet("library", sdls_of(served))
    (said,) = ask_oracle([one])
    assert said.codes == (), said.messages
    ours = compose_ours(one)
    assert ours.codes == (), ours.messages
    assert list(differences(said, ours)) == []


async def test_it_is_served(served: Served) -> None:
    """Its root field, and its entity looked up after another subgraph's."""
    sdls = sdls_of(served)
    made = compose([SubgraphSource(name, f"http://{name}", sdl) for name, sdl in sdls.items()])
    reviews = Subgraph(REVIEWS, DATA)
    engine = engine_of(made.supergraph, LocalTransport({"products": served, "reviews": reviews}))
    before = len(served.asked)
    assert await ask(engine, "{ product { id name score } }") == {
        "data": {"product": {"id": "1", "name": "Horn", "score": 5}}
    }
    assert len(served.asked) == before + 1
    assert await ask(engine, "{ best { name score } }") == {"data": {"best": {"name": "Horn", "score": 5}}}
    assert "_entities" in served.asked[-1]
