"""The page about documents by id: its commands and requests do what it says."""

import json
import re
from pathlib import Path

import pytest

from gateway.app import create_gateway
from gateway.config.load import settings_from
from gateway.core.context import Identity, RequestContext
from gateway.documents.selectors import DocumentSelectors
from gateway.http.read import DocumentFinder, from_body
from gateway.observe.observer import Observer
from gateway.plugins import Hooks
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import DocumentSettings, Settings
from tests.gateway.subgraph import Subgraph
from tests.gateway.support import supergraph_of
from tests.gateway.test_cli import gateway

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "gateway" / "documents.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the code blocks in one language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the manifest that the command of the page makes from the files of the page."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "operations").mkdir()
    _, *parts = re.split(r"# (operations/\w+\.graphql)\n", blocks("graphql")[0])
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        (folder / name).write_text(text)
    made = gateway("documents", "make", str(folder / "operations"), "-o", str(folder / "manifest.json"))
    assert made.returncode == 0, made.stderr
    return folder / "manifest.json"


def test_the_commands(manifest: Path) -> None:
    """The manifest is the one on the page, and has no mistakes."""
    assert json.loads(manifest.read_text()) == json.loads(blocks("json")[0])
    supergraph = str(ROOT / "schema" / "supergraph.graphql")
    done = gateway("documents", "check", str(manifest), "--supergraph", supergraph)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("text", blocks("yaml"))
def test_the_settings(tmp_path: Path, text: str) -> None:
    """Each configuration on the page is valid."""
    for name, secret in (("staff.secret", "x"), ("redis.secret", "redis://localhost")):
        (tmp_path / name).write_text(secret)
    assert settings_from(text, {}, tmp_path / "gateway.yaml").documents.enabled


async def test_the_request(manifest: Path) -> None:
    """The gateway runs the document whose id the page sends."""
    documents = DocumentSettings("require", str(manifest))
    sdl = "type Query { me: User } type User { id: ID! }"
    subgraph = Subgraph(sdl, {"Query": {"me": {"__typename": "User", "id": "1"}}})
    served = create_gateway(supergraph_of({"s": sdl}), Settings(documents=documents), {"s": subgraph})
    finder = DocumentFinder(DocumentSelectors(documents.selectors), b"", "")
    request = from_body(blocks("json")[1].encode(), "application/json", finder=finder)
    envelope = await served.answer(request, {})
    assert envelope.response == b'{"data":{"me":{"id":"1"}}}'


def test_the_plugin() -> None:
    """The plugin of the page lets the texts of its callers run."""
    names: dict[str, type] = {}
    exec(blocks("python")[0], names)
    hooks = Hooks([names["Staff"]()])
    for scopes, runs in (({"staff"}, True), ({"other"}, False)):
        context = RequestContext({}, Observer())
        context.identity = Identity(scopes=frozenset(scopes))
        assert hooks.runs_text(context, GraphQLRequest("{ me { id } }")) == runs
