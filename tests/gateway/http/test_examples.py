"""Example operations for GraphiQL: reading a folder, and its errors."""

from pathlib import Path

import httpx
import pytest

from gateway.app import create_app
from gateway.core.errors import SettingsError
from gateway.http.examples import read_examples
from gateway.settings import Settings
from tests.gateway.support import supergraph_of


async def test_a_folder(tmp_path: Path) -> None:
    """Each operation has the comment at its top and its variables, with numbers as they are written."""
    (tmp_path / "b.graphql").write_text("# The first\n# of all.\n{ x }")
    (tmp_path / "a.graphql").write_text("query($n: Int) { x }")
    (tmp_path / "a.json").write_text('{"n": 1.10, "m": 1e400}')
    app = create_app(supergraph_of({"a": "type Query { x: Int }"}), Settings(operations=str(tmp_path)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        found = await client.get("/graphiql/examples.json")
    assert found.headers["content-type"] == "application/json"
    assert '"variables":{"n":1.10,"m":1e400}' in found.text
    first, second = found.json()
    assert (first["name"], second["name"]) == ("a", "b")
    assert second == {
        "name": "b",
        "description": "The first of all.",
        "query": second["query"],
        "variables": {},
    }


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"{", "a.json is not JSON: it is cut off"),
        ("a.json", b"\xef\xbb\xbf{}", "byte order mark"),
        ("a.graphql", b"{ \xff }", "a.graphql is not UTF-8 text"),
    ],
)
def test_what_can_not_be_read(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    """At the start an error names the file that can't be read."""
    (tmp_path / "a.graphql").write_text("{ x }")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=words) as caught:
        read_examples(str(tmp_path))
    assert caught.value.code == "FILE_NOT_READABLE"


def test_no_folder() -> None:
    """No folder is allowed; a folder that does not exist is an error."""
    assert read_examples(None) == []
    with pytest.raises(SettingsError, match="there is no folder"):
        read_examples("/nowhere")
