"""The documents: their links, options and code are right, and their examples do what the text says."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import parse, validate
from typer.testing import CliRunner

from gateway import cli
from gateway.app import create_gateway
from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.config.load import read_config, settings_from
from gateway.config.reference import reference
from gateway.core.context import Identity, RequestContext
from gateway.core.envelope import encoded_body
from gateway.observe.observer import Observer
from gateway.request.graphql_request import GraphQLRequest
from gateway.security.signatures import RequestSigner
from gateway.settings import ConnectionSettings, Limits, Settings
from gateway.supergraph.load import load_supergraph
from subgraphs.platform import cli as platform_cli
from tests.folders import temporary_folder
from tests.gateway.subgraph import Subgraph
from tests.libraries.libraries import NODE
from tests.oracle.programs import NO_NODE, find_node, install

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")])
QUICK_START = (ROOT / "docs" / "gateway" / "quick-start.md").read_text()
FRONTEND = (ROOT / "docs" / "platform" / "frontend.md").read_text()
COMMANDS = {
    "gateway": (
        "serve",
        "compose",
        "plan",
        "check",
        "contract",
        "config",
        "documents make",
        "documents check",
        "cache stats",
        "cache invalidate",
        "cache explain",
        "cache operations",
        "cache warm",
        "keys create",
        "keys list",
        "keys revoke",
        "revoke",
    ),
    "mussikon": ("run", "seed", "migrate", "schema", "stop", "start", "status"),
}


def named(path: Path) -> str:
    """A document's path as the test's name shows it."""
    return str(path.relative_to(ROOT))


def anchor(heading: str) -> str:
    """The anchor that a heading has on a page."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def code(document: str, language: str) -> list[str]:
    """The code blocks in one language."""
    return re.findall(rf"```{language}\n(.*?)```", document, re.DOTALL)


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_links_lead_somewhere(path: Path) -> None:
    """The files and headings that a document links to exist."""
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if target.startswith(("http:", "https:")):
            continue
        file, _, heading = target.partition("#")
        page = (path.parent / file).resolve() if file else path
        headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE) if heading else []
        if not page.exists() or (heading and heading not in map(anchor, headings)):
            missing.append(target)
    assert missing == []


@pytest.fixture(scope="module")
def help_texts() -> str:
    """The help of every command, in one text."""
    texts = [(ROOT / "Makefile").read_text()]
    for program, names in COMMANDS.items():
        app = cli.app if program == "gateway" else platform_cli.app
        for name in names:
            shown = CliRunner().invoke(app, [*name.split(), "--help"], terminal_width=200)
            assert shown.exit_code == 0, shown.output
            texts.append(shown.output)
    return "\n".join(texts)


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_options_and_targets_exist(path: Path, help_texts: str) -> None:
    """Each option of ours and each `make` target in a document exists."""
    text = path.read_text()
    lines = [line for line in text.splitlines() if not OTHER_PROGRAMS.search(line)]
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", "\n".join(lines)))
    known = set(re.findall(r"--[a-z][a-z-]+", help_texts)) | OPTIONS_OF_TESTS
    assert options - known == set()
    targets = set(re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", text, re.MULTILINE))
    made = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {first or second for first, second in targets} - made == set()


OTHER_PROGRAMS = re.compile(r"curl|uvicorn|pip |pytest|docker|pg_dumpall")  # their options are not ours
OPTIONS_OF_TESTS = {
    "--extra",
    "--python-version",
    "--seed",
    "--cuts",
    "--operations",
    "--faults",
    "--quick",
    "--every",
    "--sagas",
    "--http2",
}


@pytest.mark.parametrize("path", [one for one in DOCUMENTS if "```graphql" in one.read_text()], ids=named)
def test_operations_are_valid(path: Path) -> None:
    """Each GraphQL operation in a document fits the platform's schema."""
    schema = load_supergraph((ROOT / "schema" / "supergraph.graphql").read_text()).api
    for text in code(path.read_text(), "graphql"):
        assert validate(schema, parse(text)) == []


def test_limits_are_those_of_the_settings() -> None:
    """The configuration page has every limit, with its default."""
    page = (ROOT / "docs" / "gateway" / "configuration.md").read_text()
    for name in Limits.__dataclass_fields__:
        assert f"| `{name}` | {getattr(Limits(), name):,} |" in page
    assert f"{ConnectionSettings().queue:,}" in page
    assert f"{ConnectionSettings().max_reply:,}" in page


def free_ports(count: int) -> list[int]:
    """Some free ports."""
    with ExitStack() as open_until_all_are_known:
        sockets = [open_until_all_are_known.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def running(command: list[str], folder: Path, url: str) -> Iterator[None]:
    """A process that answers at a URL."""
    log = folder / f"log-{url.rpartition(':')[2].strip('/').replace('/', '-')}"
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file)
    try:
        end = time.monotonic() + 60
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            try:
                httpx.get(url, timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def test_the_quick_start_works() -> None:
    """Its two subgraphs, its gateway, its query and its plan are as the page says."""
    ports = dict(zip(("5001", "5002", "4000"), map(str, free_ports(3)), strict=True))
    modules = dict(zip(("accounts", "reviews"), code(QUICK_START, "python"), strict=True))
    with temporary_folder("quick-start-") as folder, ExitStack() as processes:
        for (name, text), port in zip(modules.items(), ("5001", "5002"), strict=True):
            (folder / f"{name}.py").write_text(text)
            command = [sys.executable, "-m", "uvicorn", f"{name}:app", "--port", ports[port]]
            processes.enter_context(running(command, folder, f"http://127.0.0.1:{ports[port]}/"))
        (serve,) = re.findall(r"^gateway (serve --subgraph .*)$", QUICK_START, re.MULTILINE)
        url = f"http://127.0.0.1:{ports['4000']}"
        processes.enter_context(running(gateway(serve, ports), folder, f"{url}/health/live"))
        (body,) = re.findall(r"-d '(\{\"query\".*?\})'", QUICK_START)
        (printed,) = code(QUICK_START, "json")
        assert httpx.post(f"{url}/graphql", json=json.loads(body)).json() == json.loads(printed)
        (compose,) = re.findall(r"^gateway (compose .*)$", QUICK_START, re.MULTILINE)
        subprocess.run(gateway(compose, ports), cwd=folder, check=True, capture_output=True)
        query, arguments = re.findall(r"^echo '(.*)' \| gateway (.*)$", QUICK_START, re.MULTILINE)[0]
        plan = subprocess.run(
            gateway(arguments, ports), cwd=folder, check=True, capture_output=True, input=query, text=True
        ).stdout
        assert plan.strip() in QUICK_START


def gateway(arguments: str, ports: dict[str, str]) -> list[str]:
    """A command of the page, on this test's ports."""
    for written, port in ports.items():
        arguments = arguments.replace(written, port)
    return [sys.executable, "-m", "gateway.cli", *arguments.split()]


def test_the_saga_example_is_a_program() -> None:
    """The example of sagas in the contributing page runs up to the object that the gateway uses."""
    blocks = code((ROOT / "docs" / "contributing.md").read_text(), "python")
    (text,) = [block for block in blocks if "def sagas()" in block]
    made: dict[str, Any] = {}
    exec(text, made)
    sagas = made["sagas"]()
    assert [trigger.mutation for trigger in sagas.triggers] == ["bookRoom"]
    assert sagas.definitions.newest("booking").steps[0].name == "reserve"


@pytest.mark.skipif(find_node() is None, reason=NO_NODE)
def test_the_apollo_server_example_is_a_subgraph() -> None:
    """It runs, its SDL composes with another subgraph's, and its entity is looked up."""
    (script,) = code(QUICK_START, "js")
    (port,) = map(str, free_ports(1))
    file = NODE / "node_modules" / ".examples" / f"{port}.mjs"
    node = install(NODE)
    file.parent.mkdir(exist_ok=True)
    file.write_text(script.replace("5003", port))
    url = f"http://127.0.0.1:{port}/"
    query = '{ _service { sdl } _entities(representations: [{__typename: "User", id: "7"}])'
    query += " { ... on User { id likes } } }"
    try:
        with running([node, str(file)], file.parent, url):
            data = httpx.post(url, json={"query": query}).json()["data"]
    finally:
        file.unlink()
    assert data["_entities"] == [{"id": "7", "likes": 3}]
    users = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])'
    users += ' type Query { me: User } type User @key(fields: "id") { id: ID! }'
    sdls = {"likes": data["_service"]["sdl"], "users": users}
    assert "likes" in compose([SubgraphSource(name, "", sdl) for name, sdl in sdls.items()]).supergraph


def test_the_list_of_settings_is_current() -> None:
    """`gateway config reference` prints docs/gateway/settings.md."""
    assert (ROOT / "docs" / "gateway" / "settings.md").read_text() == reference()


@pytest.mark.parametrize("name", ["development", "production"])
def test_the_example_configurations_have_no_mistakes(name: str) -> None:
    """The commented files can be served, with and without variables."""
    file = ROOT / "docs" / "gateway" / f"gateway.{name}.yaml"
    assert read_config(file, {}).server.port == 4000
    assert read_config(file, {"GATEWAY__SERVER__PORT": "5000"}).server.port == 5000


CONFIGURATIONS = [
    pytest.param(text, id=f"{page}-{number}")
    for page in ("configuration", "door")
    for number, text in enumerate(code((ROOT / f"docs/gateway/{page}.md").read_text(), "yaml"))
]


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_configurations_have_no_mistakes(text: str) -> None:
    """Each YAML example on the pages about settings is valid."""
    settings_from(text, EXAMPLE_SECRETS, ROOT / "gateway.yaml")


EXAMPLE_SECRETS = {
    "SIGNING_KEY": "k" * 48,
    "PAYMENTS_SIGNING_KEY": "p" * 48,
    "REGION": "eu",
    "PAYMENTS_TOKEN": "t",
}
"""The environment variables that the examples name."""


async def test_the_example_of_a_denied_field() -> None:
    """The page about authorization shows what the gateway answers."""
    page = (ROOT / "docs/gateway/security.md").read_text()
    sdl = next(one for one in code(page, "graphqls"))
    names = ("@key", "@authenticated", "@requiresScopes", "@policy")
    link = (
        f'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: {json.dumps(names)})'
    )
    link += " type Query { me: User }"
    supergraph = compose([SubgraphSource("users", "", f"{link} {sdl}")]).supergraph
    user = {"__typename": "User", "id": "1", "name": "Ada", "salary": 9}
    plain = "type Query { me: User } type User { id: ID! name: String salary: Int }"

    class Known:
        def on_request(self, context: RequestContext, request: GraphQLRequest) -> None:
            context.identity = Identity("ada", authenticated=True)

    gateway = create_gateway(
        supergraph, Settings(), {"users": Subgraph(plain, {"Query": {"me": user}})}, plugins=[Known()]
    )
    envelope = await gateway.answer(GraphQLRequest("{ me { name salary } }"), {})
    assert json.loads(encoded_body(envelope)) == json.loads(code(page, "json")[0])


def test_yaml_on_the_page_about_authentication() -> None:
    text = code((ROOT / "docs/gateway/security.md").read_text(), "yaml")[0]
    assert settings_from(text, {}, ROOT / "gateway.yaml").authentication.issuers[0].audiences == ("shop",)


async def test_the_example_of_a_masked_error() -> None:
    """The page about the door shows what a client gets of a subgraph's error."""
    page = (ROOT / "docs/gateway/door.md").read_text()
    settings = settings_from(
        next(one for one in code(page, "yaml") if "show_codes" in one), {}, ROOT / "g.yaml"
    )
    settings = replace(settings, subgraphs={})
    error = {"message": "no table", "path": ["user"], "extensions": {"code": "DATABASE", "sql": "SELECT"}}

    async def users(*_: Any) -> dict[str, Any]:
        return {"data": {"user": None}, "errors": [error]}

    supergraph = compose([SubgraphSource("users", "", "type Query { user: String }")]).supergraph
    gateway = create_gateway(supergraph, settings, {"users": users}, observer=Observer())
    envelope = await gateway.answer(GraphQLRequest("{ user }"), {"x-request-id": "0a1b2c"})
    assert json.loads(encoded_body(envelope)) == json.loads(code(page, "json")[0])


async def test_the_example_of_a_signed_subgraph(monkeypatch: pytest.MonkeyPatch) -> None:
    """The subgraph on the page about the door accepts the gateway's requests, and no others."""
    page = (ROOT / "docs/gateway/door.md").read_text()
    monkeypatch.setenv("SIGNING_KEY", EXAMPLE_SECRETS["SIGNING_KEY"])
    text = next(one for one in code(page, "yaml") if "signing:" in one)
    signing = settings_from(text, EXAMPLE_SECRETS, ROOT / "gateway.yaml").signing
    assert signing is not None
    made: dict[str, Any] = {"__name__": __name__}
    exec(code(page, "python")[0], made)
    body = b'{"query":"{ x }"}'
    lines = RequestSigner(signing, "users", "/graphql").lines([], body).decode().split("\r\n")[:-1]
    headers = {"content-type": "application/json", **dict(one.split(": ", 1) for one in lines)}
    transport = httpx.ASGITransport(made["app"])
    async with httpx.AsyncClient(transport=transport, base_url="http://users") as client:
        signed = await client.post("/graphql", content=body, headers=headers)
        other = await client.post("/graphql", content=body, headers={"content-type": "application/json"})
    assert (signed.json(), other.status_code) == ({"data": {"x": 1}}, 401)
