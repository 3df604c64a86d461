"""The wheel in an empty environment: it has only the gateway, it serves, and it names a missing extra."""

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest

from subgraphs.platform.processes import free_port
from tests.packaging.two_subgraphs import two_subgraphs

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[2]
GATEWAY = {
    "mussikon",
    "graphql-core",
    "httptools",
    "msgspec",
    "multipart",
    "orjson",
    "pyyaml",
    "starlette",
    "structlog",
    "typer",
    "rich",
    "uvicorn",
    "uvloop",
}
BELOW = {  # what those need
    *(
        "annotated-doc",
        "annotated-types",
        "anyio",
        "click",
        "h11",
        "idna",
        "markdown-it-py",
        "mdurl",
        "pydantic",
        "pydantic-core",
    ),
    *("pygments", "shellingham", "typing-extensions", "typing-inspection"),
}
QUERY = "{ me { name reviews { stars } } }"
ANSWER = {"data": {"me": {"name": "Ada", "reviews": [{"stars": 5}, {"stars": 3}]}}}


def uv(*arguments: str) -> None:
    """Run uv like `make env`, with pip's settings of an index and a certificate."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    for ours, pips in (("SSL_CERT_FILE", "PIP_CERT"), ("UV_DEFAULT_INDEX", "PIP_INDEX_URL")):
        if value := environment.get(pips):
            environment.setdefault(ours, value)
    command = [sys.executable, "-m", "uv", "--quiet", *arguments]
    options: dict[str, Any] = {"cwd": ROOT, "env": environment, "timeout": 180, "check": False}
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", str(folder))
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel and its locked dependencies."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    uv("venv", "--python", sys.executable, str(folder))
    python = str(folder / "bin" / "python")
    uv("pip", "install", "--python", python, "--constraint", str(ROOT / "requirements.lock"), str(wheel))
    return folder / "bin"


def run(installed: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of that environment, outside of the project's folder."""
    given = [str(installed / command[0]), *command[1:]]
    return subprocess.run(given, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def served(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an installed gateway in front of two subgraphs."""
    port = free_port()
    folder = tmp_path_factory.mktemp("served")
    words = folder / "words"
    with two_subgraphs() as urls, words.open("wb") as file:
        command = [str(installed / "gateway"), "serve", "--port", str(port)]
        command += [f"--subgraph={name}={url}" for name, url in urls.items()]
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file)
        try:
            end = time.monotonic() + 60
            while not _answers(port):
                assert time.monotonic() < end, words.read_text()
                assert process.poll() is None, words.read_text()
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_what_is_installed(installed: Path, tmp_path: Path) -> None:
    """The gateway's packages and what they need.

    No package of the platform, the tests or the journal of sagas.
    """
    names = "import json, importlib.metadata as m; print(json.dumps([one.name for one in m.distributions()]))"
    done = run(installed, tmp_path, "python", "-c", names)
    found = {re.sub("[-_.]+", "-", name).lower() for name in json.loads(done.stdout)}
    assert found >= GATEWAY
    assert found <= GATEWAY | BELOW


def test_it_serves_two_subgraphs(served: str) -> None:
    """It composes what two subgraphs say of themselves, and answers a query over both of them."""
    answer = httpx.post(f"{served}/graphql", json={"query": QUERY}, timeout=10)
    assert answer.json() == ANSWER


def test_the_page_is_there(served: str, wheel: Path) -> None:
    """The wheel holds the GraphiQL that `make env` has built, without its sources; the gateway serves it."""
    page = httpx.get(f"{served}/graphql", headers={"accept": "text/html"}, timeout=10)
    assert (page.status_code, "graphiql.min.js" in page.text) == (200, True)
    assert httpx.get(f"{served}/graphiql/graphiql.min.js", timeout=10).status_code == 200
    inside = [name for name in ZipFile(wheel).namelist() if name.startswith("gateway/http/graphiql/")]
    assert inside
    assert [name for name in inside if "/dist/" not in name] == []


def test_the_platform_says_what_to_install(installed: Path, tmp_path: Path) -> None:
    """`mussikon` without the packages of its extra: one line, and no traceback."""
    done = run(installed, tmp_path, "mussikon", "run")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install 'mussikon[platform]'" in done.stderr


def test_sagas_say_what_to_install(installed: Path, wheel: Path, tmp_path: Path) -> None:
    """A module of sagas that wants the journal in PostgreSQL: the message names the extra."""
    (tmp_path / "booking.py").write_text("from gateway.saga.postgres import PostgresJournal\n")
    (tmp_path / "supergraph.graphql").write_text((ROOT / "schema" / "supergraph.graphql").read_text())
    options = ("--supergraph", "supergraph.graphql", "--sagas", "booking:make", "--port", str(free_port()))
    done = run(installed, tmp_path, "python", "-m", "gateway.cli", "serve", *options)
    assert done.returncode == 1, done.stdout
    assert "pip install 'mussikon[sagas]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_helpers_for_strawberry_say_what_to_install(installed: Path, tmp_path: Path) -> None:
    """A subgraph without the extra: the message names it."""
    done = run(installed, tmp_path, "python", "-c", "import gateway.strawberry_subgraphs")
    assert done.returncode == 1
    assert "pip install 'mussikon[strawberry]'" in done.stderr.splitlines()[-1]


def test_what_the_platform_needs_is_in_the_wheel(wheel: Path) -> None:
    """Its supergraph, its operations and every migration, as they are in the repository."""
    inside = set(ZipFile(wheel).namelist())
    wanted = [path.relative_to(ROOT) for path in (ROOT / "subgraphs").glob("*/migrations/*.sql")]
    wanted += [Path("subgraphs") / path.relative_to(ROOT) for path in (ROOT / "schema").rglob("*.graphql")]
    assert len(wanted) > 40
    assert [str(path) for path in wanted if str(path) not in inside] == []


def test_each_extra_is_locked() -> None:
    """Every package that an extra names is in `requirements.lock`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = {re.split(r"[\[<>=;~ ]", line)[0] for line in lines} - {"mussikon"}
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert names - locked == set()
