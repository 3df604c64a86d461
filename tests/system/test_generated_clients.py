"""Tests of typed clients: generated from the running platform's schema and from schema/operations, they
carry out the journeys of the frontend guide.

`ariadne-codegen` makes the Python client, `graphql-codegen` the types for TypeScript; both are in
environments of their own (tests/clients).
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.environments import folder_of_programs
from tests.oracle.programs import NO_NODE, find_node, install
from tests.system.conftest import ROOT, Platform

pytestmark = pytest.mark.system
CLIENTS = ROOT / "tests" / "clients"
only_processes = pytest.mark.parametrize("platform", ["processes"], indirect=True)


def run(command: list[str | Path], folder: Path) -> str:
    """Run a program in a folder; return what it printed. Raises AssertionError if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def copy_operations(folder: Path, *, subscriptions: bool | None = None) -> None:
    """Copy the operations, except that on the schema's types, which ariadne-codegen does not support.

    `subscriptions`: whether to copy subscriptions only, or all others; None: all operations.
    """
    (folder / "operations").mkdir(parents=True)
    for path in (ROOT / "schema" / "operations").glob("*.graphql"):
        text = path.read_text()
        is_copied = subscriptions is None or subscriptions is ("\nsubscription " in text)
        if path.name != "schemaTypes.graphql" and is_copied:
            (folder / "operations" / path.name).write_text(text)


@only_processes
def test_the_python_client(platform: Platform, tmp_path: Path) -> None:
    """The generated Python client registers, publishes, applies, books, confirms, cancels and is refunded; an
    asynchronous one has the subscriptions, which a synchronous one can't have.
    """
    programs = folder_of_programs("clients", CLIENTS / "python")
    given = (CLIENTS / "python" / "pyproject.toml").read_text()
    settings = f'{given}remote_schema_url = "{platform.url}/graphql"\n'
    for folder, is_async in ((tmp_path, False), (tmp_path / "async", True)):
        copy_operations(folder, subscriptions=is_async)
        chosen = settings.replace("async_client = false", f"async_client = {str(is_async).lower()}")
        (folder / "pyproject.toml").write_text(chosen)
        run([programs / "ariadne-codegen", "client"], folder)
    imported = "from mussikon_client import Mussikon; print(Mussikon.booking_updated.__name__)"
    assert run([programs / "python", "-c", imported], tmp_path / "async") == "booking_updated\n"
    journey = CLIENTS / "python" / "journey.py"
    printed = run([programs / "python", journey, f"{platform.url}/graphql", tmp_path], tmp_path)
    assert len(printed.splitlines()) == 9


@only_processes
@pytest.mark.skipif(find_node() is None, reason=NO_NODE)
def test_the_typescript_client(platform: Platform, tmp_path: Path) -> None:
    """The generated types compile with the journey in strict mode, and the journey succeeds."""
    packages = CLIENTS / "node"
    node = install(packages)
    copy_operations(tmp_path)
    shutil.copytree(packages / "src", tmp_path / "src")
    for name in ("tsconfig.json", "package.json"):
        shutil.copy(packages / name, tmp_path)
    modules = tmp_path / "node_modules"
    modules.symlink_to(packages / "node_modules")
    settings = json.loads((packages / "codegen.json").read_text())
    (tmp_path / "codegen.json").write_text(json.dumps({**settings, "schema": f"{platform.url}/graphql"}))
    run([node, modules / "@graphql-codegen/cli/cjs/bin.js", "--config", "codegen.json"], tmp_path)
    run([node, modules / "typescript/bin/tsc", "-p", "."], tmp_path)
    printed = run([node, "build/journey.js", f"{platform.url}/graphql"], tmp_path)
    assert len(printed.splitlines()) == 6
