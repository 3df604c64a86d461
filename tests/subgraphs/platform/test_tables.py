"""Tests of the platform's tables: adding a service is adding a row, and files that are written by hand agree
with the rows.
"""

import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from subgraphs.platform import cli
from subgraphs.platform.control import send_order
from subgraphs.platform.options import Options
from subgraphs.platform.tables import SERVERS, SERVICES, ServiceRow
from subgraphs.sync.consistency import PAIRS, ROWS_OF_EVENTS
from tests.subgraphs.platform.test_run import free_ports

ROOT = Path(__file__).parents[3]
SERVICE = {
    "__init__.py": '"""A service that no list knows but the row."""\n',
    "migrations/0001_init.sql": "CREATE TABLE entries (said text NOT NULL);\n"
    "INSERT INTO entries VALUES ('I was here');\n",
    "schema.py": """
import strawberry
from sqlalchemy import text
from subgraphs.kit.graphql import Schema
from subgraphs.kit.service import ServiceContext

@strawberry.type
class Query:
    @strawberry.field
    async def entry(self, info: strawberry.Info[ServiceContext, None]) -> str | None:
        return await info.context.database.fetch_value(text("SELECT said FROM entries"))

schema = Schema(query=Query)
""",
    "app.py": """
from pathlib import Path
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.service import ServiceContext, Service
from guestbook.schema import schema

def bootstrap(settings):
    database = Database(settings.database_url)
    return Service(
        settings.name,
        schema=schema,
        context=lambda caller: ServiceContext(caller, database, Bus(database, {})),
        verifier=TokenVerifier(settings.jwt_public_key_file),
        database=database,
        migrations=Path(__file__).parent / "migrations",
    )
""",
}
RUN = """
import sys
from pathlib import Path
from subgraphs.platform.cli import launch
from subgraphs.platform.options import Options
from subgraphs.platform.schema_files import write_all
from subgraphs.platform.tables import SERVICES, ServiceRow, ServiceTable

port, data, schema = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
in_process = sys.argv[4] == "in-process"
services = ServiceTable((SERVICES["users"],)).with_row(ServiceRow("guestbook", 2, package="guestbook"))
write_all(schema, services)
launch(Options(port, data=data, sample=False, in_process=in_process, services=services, schema=schema))
"""


@pytest.fixture
def package(folder: Path) -> Path:
    """The folder of a package `guestbook`, beside the data folder."""
    for name, content in SERVICE.items():
        path = folder / "code" / "guestbook" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "schema" / "operations").mkdir(parents=True)
    return folder / "code"


@pytest.mark.system
@pytest.mark.parametrize("way", ["processes", "in-process"])
def test_a_row_adds_a_service(folder: Path, package: Path, way: str) -> None:
    """A new row gives the service a database, a role, a port and a place in the supergraph, and the gateway
    sends it requests.
    """
    port, words = free_ports(3), folder / "words"
    command = [sys.executable, "-c", RUN, str(port), str(folder / "data"), str(folder / "schema"), way]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{package}"}
    with words.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 60
        while "MussikOn runs." not in words.read_text():
            assert process.poll() is None and time.monotonic() < end, words.read_text()
            time.sleep(0.05)
        answer = httpx.post(
            f"http://127.0.0.1:{port}/graphql", json={"query": "{ entry users { totalCount } }"}
        )
        assert answer.json() == {"data": {"entry": "I was here", "users": {"totalCount": 0}}}
        assert (folder / "data" / "roles" / "guestbook").exists()
        if way == "processes":
            assert send_order(folder / "data" / "run", "status")["guestbook"]["state"] == "running"
            own = httpx.post(f"http://127.0.0.1:{port + 2}/graphql", json={"query": "{ entry }"})
            assert own.json() == {"data": {"entry": "I was here"}}
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, words.read_text()


def test_addresses_follow_from_the_row() -> None:
    """A port is the gateway's plus the offset, in any order of the rows; an unknown name is refused."""
    options = Options(port=5000, services=SERVICES.with_row(ServiceRow("guestbook", 40)))
    assert options.url_of("guestbook") == "http://127.0.0.1:5040/graphql"
    assert options.url_of("users") == "http://127.0.0.1:5001/graphql"
    assert options.services.highest_offset == 40
    with pytest.raises(KeyError, match="nobody"):
        options.port_of("nobody")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (ServiceRow("users", 40), "must be unique"),
        (ServiceRow("guestbook", 1), "offsets unique"),
        (ServiceRow("guestbook", 0), "above 0"),
        (ServiceRow("guestbook", 40, calls=("later",)), "must come after the services that it calls: later"),
        (ServiceRow("guestbook", 40, sinks=("lake",)), "got postgres, valkey, lake"),
    ],
)
def test_contradictions_are_refused(row: ServiceRow, problem: str) -> None:
    """Repeated names or ports, calls of later services and unknown servers raise ValueError."""
    with pytest.raises(ValueError, match=problem):
        SERVICES.with_row(row)


def test_every_service_has_its_package() -> None:
    """Every row has a package, and every package with a module `app`, except the kit, has a row."""
    folders = {path.parent.name for path in (ROOT / "subgraphs").glob("*/app.py")}
    assert set(SERVICES.names) == folders
    assert all(any(row.migrations.glob("*.sql")) for row in SERVICES)


def test_the_import_contracts_name_every_service() -> None:
    """The import contracts in pyproject.toml name all services of the table."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [domain_free] = [one for one in contracts if "subgraphs.kit" in one.get("source_modules", ())]
    assert set(domain_free["source_modules"]) == {"subgraphs.kit", *(row.module for row in SERVICES)}
    [layers] = [one for one in contracts if one.get("containers") == ["subgraphs"]]
    assert (layers["layers"][0], layers["layers"][-1]) == ("platform", "kit")
    assert set(layers["layers"][1].split(" | ")) == set(SERVICES.names)


def test_a_service_asks_only_whom_its_row_names() -> None:
    """The services that sagas, checks and fallback call in the code are those of the rows."""
    pairs = (*PAIRS, *ROWS_OF_EVENTS)
    assert set(SERVICES["sync"].calls) == {name for pair in pairs for name in (pair.source, pair.target)}
    folder = ROOT / "subgraphs" / "orchestration"
    sagas = "".join((folder / name).read_text() for name in ("sagas.py", "step_calls.py"))
    named = {name for name in SERVICES.names if re.search(f'"{name}"', sagas)}
    assert set(SERVICES["orchestration"].calls) == named


@pytest.mark.parametrize("command", ["run", "seed", "migrate"])
def test_every_server_has_its_option(command: str) -> None:
    """Every command that needs servers has an option for the URL of each."""
    shown = CliRunner().invoke(cli.app, [command, "--help"], env={"COLUMNS": "200"}).output
    assert all(f"--{server.option.replace('_', '-')}" in shown for server in SERVERS)
