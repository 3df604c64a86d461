"""Tests that docker-compose.yml is valid and agrees with the platform's tables. No container is started."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from subgraphs.platform.options import Options
from subgraphs.platform.service_options import SERVICE_OPTIONS
from subgraphs.platform.tables import SERVERS, SERVICES

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
PICTURES = {
    "USERS_PICTURES_PORT": "4080",
    "USERS_PICTURES_PUBLIC_URL": "${PICTURES_PUBLIC_URL:-http://127.0.0.1:4080/pictures}",
    **{f"USERS_PICTURES_{name}": f"${{PICTURES_{name}:-}}" for name in ("URL", "KEY_ID", "SECRET")},
}
COMMAND = shutil.which("docker-compose")


@pytest.fixture
def services() -> dict[str, Any]:
    """Return the services of the file."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]
    return found


@pytest.mark.skipif(COMMAND is None, reason="no docker-compose on this machine")
def test_the_file_fits_the_schema() -> None:
    """docker-compose itself accepts the file and resolves every reference in it."""
    assert COMMAND is not None
    done = subprocess.run(
        [COMMAND, "-f", str(FILE), "config"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    resolved = yaml.safe_load(done.stdout)["services"]
    assert set(resolved) >= {*SERVICES.names, *(row.container for row in SERVERS), "gateway"}


def test_every_container_is_its_row(services: dict[str, Any]) -> None:
    """Each service of the table has a container with the environment variables that the launcher
    would set.
    """
    options = Options(services=SERVICES)
    for row in SERVICES:
        environment = dict(services[row.name]["environment"])
        urls = {other: f"http://{other}:{options.port_of(other)}/graphql" for other in row.calls}
        assert json.loads(environment.pop("SERVICE_URLS", "{}")) == urls
        sources = environment.pop("EVENT_SOURCES", None)
        assert sources == (",".join(SERVICES.others(row.name)) if row.reads_all_events else None)
        password = "${POSTGRES_PASSWORD:-mussikon}"
        key = {"people": "/keys/private/jwt.pem", "services": "/keys/service/service.pem", None: None}[
            row.signs
        ]
        assert environment == {
            "HOST": "0.0.0.0",
            "PORT": str(options.port_of(row.name)),
            "DATABASE_URL": f"postgresql://postgres:{password}@postgres/{row.name}",
            "REDIS_URL": "redis://:${REDIS_PASSWORD:-mussikon}@redis:6379/0",
            "JWT_PUBLIC_KEY_FILE": "/keys/public/jwt.pem",
            **({"JWT_PRIVATE_KEY_FILE": key} if key else {}),
            **({f"{row.name}_{row.folder}".upper(): f"/{row.folder}"} if row.folder else {}),
            **(PICTURES if row.serves_folder else {}),
            **{
                one.variable: f"${{{one.variable.removeprefix('NOTIFICATIONS_')}:-}}"
                for one in SERVICE_OPTIONS
                if one.service == row.name
            },
        }
        assert services[row.name]["command"][-1] == row.name


def test_the_containers_are_those_of_the_tables(services: dict[str, Any]) -> None:
    """The containers are those of the tables, the gateway and the setup, and two servers for future sinks,
    for which no container waits.
    """
    containers = {*SERVICES.names, *(row.container for row in SERVERS), "gateway", "setup"}
    assert set(services) - containers == {"neo4j", "elasticsearch"}
    assert containers <= set(services)
    assert set(services["setup"]["depends_on"]) == {row.container for row in SERVERS}
    assert all("healthcheck" in services[row.container] for row in SERVERS)


def test_the_gateway_knows_every_service(services: dict[str, Any]) -> None:
    """The gateway has the URL of each service of the table, forwards its extensions, and waits for it."""
    options, command = Options(), services["gateway"]["command"]
    urls = {f"--subgraph-url={name}=http://{name}:{options.port_of(name)}/graphql" for name in SERVICES.names}
    assert {word for word in command if word.startswith("--subgraph-url=")} == urls
    extensions = {f"--extension={key}" for key in SERVICES.extensions}
    assert {word for word in command if word.startswith("--extension=")} == extensions
    assert set(services["gateway"]["depends_on"]) == set(SERVICES.names)


def test_the_gateway_shares_the_public_key_and_the_redis(services: dict[str, Any]) -> None:
    """The gateway reads the key set that the setup writes, and counts rates in the Redis of the services."""
    file = services["gateway"]["environment"]["MUSSIKON_KEY_SET"]
    assert f"/keys/public/jwt.pem {file}" in services["setup"]["command"][-1]
    manifest = services["gateway"]["environment"]["MUSSIKON_MANIFEST"]
    assert (ROOT / manifest.removeprefix("/app/")).exists()
    assert (
        services["gateway"]["environment"]["MUSSIKON_REDIS"] == services["users"]["environment"]["REDIS_URL"]
    )
    assert services["gateway"]["volumes"] == ["public-key:/keys/public:ro", "partner-keys:/keys/partners:ro"]


def test_each_key_is_where_it_signs_and_only_the_gateway_and_pictures_have_a_port(
    services: dict[str, Any],
) -> None:
    """A private key is mounted only where its row demands it or it is made; only the gateway has a published
    port, and the service of pictures one for them.
    """
    for volume, kind in (("private-key", "people"), ("service-key", "services")):
        holders = {
            name for name, one in services.items() if any(volume in each for each in one.get("volumes", []))
        }
        assert holders == {row.name for row in SERVICES if row.signs == kind} | {"setup"}
    assert {name for name, one in services.items() if one.get("ports")} == {"gateway", "users"}
    assert services["users"]["ports"] == ["127.0.0.1:4080:4080"]  # pictures only
    assert services["gateway"]["ports"] == ["127.0.0.1:${PORT:-4000}:4000"]


def test_the_image_holds_what_the_containers_run() -> None:
    """Every file that the Dockerfile copies is in the repository, and unneeded files are excluded."""
    copies = [
        line.split()[1:-1]
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY") and "--from" not in line
    ]
    for path in (one for line in copies for one in line):
        assert (ROOT / path).exists() or (ROOT / "gateway/http/graphiql" / path).exists(), path
    assert ".data" in (ROOT / ".dockerignore").read_text().split()
