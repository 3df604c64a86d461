"""docker-compose.yml: valid for docker-compose itself, and in step with the platform. No engine runs it here."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from subgraphs.platform.plan import SERVICES, Options

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
COMMAND = shutil.which("docker-compose")


@pytest.fixture
def services() -> dict[str, Any]:
    """The services of the file."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]
    return found


@pytest.mark.skipif(COMMAND is None, reason="no docker-compose on this machine")
def test_the_file_fits_the_schema() -> None:
    """docker-compose reads the file, checks it against its schema, and resolves every reference in it."""
    assert COMMAND is not None
    done = subprocess.run([COMMAND, "-f", str(FILE), "config"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    resolved = yaml.safe_load(done.stdout)["services"]
    assert set(resolved) >= {*SERVICES, "gateway", "postgres", "redis", "neo4j", "elasticsearch"}


def test_every_subgraph_is_there_on_its_port(services: dict[str, Any]) -> None:
    """Each service has a container with its own database, and the gateway is told where it is."""
    options = Options()
    for name in SERVICES:
        environment = services[name]["environment"]
        assert environment["PORT"] == str(options.port_of(name))
        assert environment["DATABASE_URL"].endswith(f"@postgres/{name}")
        assert f"--subgraph-url={name}=http://{name}:{options.port_of(name)}/graphql" in services["gateway"]["command"]


def test_only_users_gets_the_private_key_and_only_the_gateway_a_port(services: dict[str, Any]) -> None:
    """What signs tokens is in one container (beside the one that makes it), and the machine's network sees the gateway alone."""
    with_key = {
        name for name, one in services.items() if any("private-key" in volume for volume in one.get("volumes", []))
    }
    assert with_key == {"users", "setup"}
    assert {name for name, one in services.items() if one.get("ports")} == {"gateway"}
    assert services["gateway"]["ports"] == ["127.0.0.1:${PORT:-4000}:4000"]


def test_the_image_holds_what_the_containers_run() -> None:
    """Every file that the Dockerfile copies is in the repository, and what is not needed stays out."""
    copies = [
        line.split()[1:-1]
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY") and "--from" not in line
    ]
    for path in (one for line in copies for one in line):
        assert (ROOT / path).exists() or (ROOT / "gateway/http/graphiql" / path).exists(), path
    assert ".data" in (ROOT / ".dockerignore").read_text().split()
