"""The paths besides /graphql."""

from pathlib import Path

import httpx
import pytest

from gateway.app import create_app
from gateway.http import routes
from gateway.settings import Settings
from tests.gateway.support import supergraph_of


async def test_an_installation_without_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the built page a browser gets the reason; everything else is served."""
    monkeypatch.setattr(routes, "PAGE", tmp_path)
    app = create_app(supergraph_of({"a": "type Query { x: Int }"}), Settings(graphiql=True))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        page = await client.get("/graphql", headers={"accept": "text/html"})
        assert (page.status_code, page.text) == (503, routes.NO_PAGE)
        assert (await client.get("/graphiql/page.js")).status_code == 404
        assert (await client.post("/graphql", json={"query": "{ __typename }"})).json() == {
            "data": {"__typename": "Query"}
        }
