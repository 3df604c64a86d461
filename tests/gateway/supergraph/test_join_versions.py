"""Supergraphs of every join version: supported versions load, the others are refused wherever they are
loaded.
"""

from pathlib import Path

import pytest

from gateway.app import create_app
from gateway.compose.contract import contract
from gateway.core.errors import SupergraphError
from gateway.settings import Settings
from gateway.supergraph.load import load_supergraph
from tests.gateway.test_cli import gateway

SDL = """
{header} {{ query: Query }}
directive @join__graph(name: String!, url: String!) on ENUM_VALUE
enum join__Graph {{ A @join__graph(name: "a", url: "http://127.0.0.1:9/") }}
directive @join__type(graph: join__Graph!, key: String) repeatable on OBJECT
type Query @join__type(graph: A) {{ a: Int }}
"""
LINK = 'schema @link(url: "https://specs.apollo.dev/join/v{}", for: EXECUTION)'
CORE = 'schema @core(feature: "https://specs.apollo.dev/join/v{}", for: EXECUTION)'
REFUSED = [
    LINK.format("0.1"),
    CORE.format("0.1"),
    LINK.format("0.6"),
    LINK.format("1.0"),
    LINK.format("9999.9999"),
    LINK.format("0.1/"),
    LINK.format('0.1", as: "j'),
    LINK.format("0.3") + ' @link(url: "https://specs.apollo.dev/join/v0.1")',
]


@pytest.mark.parametrize("version", ["0.2", "0.3", "0.4", "0.5"])
def test_versions_that_are_read(version: str) -> None:
    """A supported version loads by @link and by @core, and without any link to join."""
    for header in (LINK.format(version), CORE.format(version), "schema"):
        assert set(load_supergraph(SDL.format(header=header)).subgraphs) == {"a"}


@pytest.mark.parametrize("header", REFUSED)
def test_versions_that_are_refused(header: str) -> None:
    """The message names the version found and the supported versions, in every function that loads a
    supergraph.
    """
    sdl = SDL.format(header=header)
    for load in (
        load_supergraph,
        lambda text: contract(text, ["x"], []),
        lambda text: create_app(text, Settings()),
    ):
        with pytest.raises(SupergraphError) as caught:
            load(sdl)
        assert caught.value.code == "INVALID_SUPERGRAPH"
        assert "expected join v0.2 to v0.5" in caught.value.message
        assert "is written in join v" in caught.value.message


def test_commands_refuse_federation_1(tmp_path: Path) -> None:
    """serve, plan, contract and check end with the same message, before anything is started or called."""
    file, query = tmp_path / "old.graphql", tmp_path / "query.graphql"
    file.write_text(SDL.format(header=CORE.format("0.1")))
    query.write_text("{ a }")
    commands = [
        ["serve", "--supergraph", str(file), "--port", "4999"],
        ["plan", "--supergraph", str(file), str(query)],
        ["contract", "--include-tag", "x", str(file)],
        ["check", str(file), str(file)],
    ]
    for command in commands:
        done = gateway(*command)
        assert done.returncode == 1, command
        assert "INVALID_SUPERGRAPH: the supergraph is written in join v0.1 (Federation 1)" in done.stderr
        assert "Compose it again" in done.stderr
