"""Tests by other people's tools, against the platform in production mode.

schemathesis sends random operations; clairvoyance guesses the schema from error messages. Both are in an
environment of their own: they need other versions than the project, and one is a plugin of pytest.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from graphql import print_schema

from gateway.supergraph.load import load_supergraph
from subgraphs.platform import processes
from tests.environments import folder_of_programs
from tests.gateway.real import wait_for
from tests.system.conftest import ROOT, Platform

pytestmark = pytest.mark.system
TOOLS = Path(__file__).parent / "tools"
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "2")  # for each root field; `make schemathesis` sets it
SECONDS = os.environ.get("SCHEMATHESIS_SECONDS", "15")
SUPERGRAPH = load_supergraph((ROOT / "schema" / "supergraph.graphql").read_text())


def run_tool(
    program: str, folder: Path, *options: str, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a program of the tools' environment to its end. `folder`: its working directory."""
    command = [str(folder_of_programs("tools", TOOLS) / program), *options]
    variables = {**os.environ, **(environment or {})}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("login", [None, "demo_client"])
def test_random_operations_cause_no_server_error(
    open_production: Platform, tmp_path: Path, login: str | None
) -> None:
    """Whatever arguments and selections a client sends, the status is below 500 and the body is JSON."""
    schema = tmp_path / "schema.graphql"
    schema.write_text(print_schema(SUPERGRAPH.api))
    options = [
        "--url",
        f"{open_production.url}/graphql",
        "--phases",
        "fuzzing",
        "--checks",
        "no_server_error",
    ]
    options += ["--max-examples", EXAMPLES, "--max-time", SECONDS, "--seed", "1", "--no-color"]
    options += ["-H", f"Authorization: Bearer {open_production.token(login)}"] if login else []
    hooks = {"SCHEMATHESIS_HOOKS": "no_server_errors", "PYTHONPATH": str(TOOLS)}
    done = run_tool("schemathesis", tmp_path, "run", str(schema), *options, environment=hooks)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    generated = re.search(r"([\d,]+) generated, ([\d,]+) passed", done.stdout)
    assert generated is not None and generated[1] == generated[2], done.stdout
    assert int(generated[1].replace(",", "")) >= 40


def recovered(url: str, words: list[str], folder: Path) -> set[str]:
    """Return the fields that clairvoyance finds with a list of words."""
    (folder / "words").write_text("\n".join(words) + "\n")
    names, output = folder / "words", folder / "found"
    done = run_tool("clairvoyance", folder, "-w", str(names), "-o", str(output), f"{url}/graphql")
    if "Unable to get TypeRef" in done.stderr:  # no message tells it anything, so it gives up
        return set()
    assert done.returncode == 0, done.stderr[-2000:]
    types = json.loads((folder / "found").read_text())["data"]["__schema"]["types"]
    found = {field["name"] for item in types for field in item.get("fields") or ()}
    return found - {"dummy"}  # its field of a type without fields


QUERY = SUPERGRAPH.api.query_type
NAMES = sorted(QUERY.fields if QUERY is not None else ())
NEARLY = [name[:-1] + "x" for name in NAMES[:12]]  # fewer than the errors that are reported at once


def test_production_suggests_no_fields(open_production: Platform, tmp_path: Path) -> None:
    """Also without trusted documents, words that are nearly names find nothing; in development they do."""
    assert recovered(open_production.url, NEARLY, tmp_path) == set()
    port = processes.free_port()
    supergraph = str(ROOT / "schema" / "supergraph.graphql")
    command = [sys.executable, "-m", "gateway.cli", "serve", "--supergraph", supergraph, "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as gateway:
        try:
            wait_for(f"http://127.0.0.1:{port}/health/live")
            assert recovered(f"http://127.0.0.1:{port}", NEARLY, tmp_path) >= set(NAMES[:12])
        finally:
            gateway.terminate()


def test_production_tells_nobody_its_fields(production: Platform, tmp_path: Path) -> None:
    """Nothing is found, even by the names of fields: a text that is not trusted is not validated."""
    assert recovered(production.url, NAMES, tmp_path) == set()
