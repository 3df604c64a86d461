"""The systems that are measured: the ceiling, our gateway in several variants, the peers from npm (other
federation gateways), and gateways that run already (`PEER=name=url`). Starts and stops them.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import click
import typer

from bench.data import PORT, ROOT, SUBGRAPHS, WORK, supergraph
from bench.processes import free_port, is_free, listener, running, wait_for
from gateway.cli import app as command_line
from tests.oracle.programs import find_node

PEERS = Path(__file__).parent / "peers"
PYTHON = sys.executable
OURS = "ours"
CEILING = "ceiling"


@dataclass(frozen=True, slots=True)
class System:
    """A gateway that can be started by a command.

    In `command` and `environment`, `{port}` is replaced by its port, `{subgraphs}` by the subgraphs' port,
    and `{supergraph}` by the path of the supergraph. `shared`: equal queries in flight share one execution.
    `connections`: the numbers of connections with which it is measured. `inside`: it has the subgraphs in its
    own process.
    """

    name: str
    shared: bool
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    connections: tuple[int, ...] = (50, 1)
    inside: bool = False

    @property
    def title(self) -> str:
        """The name of the system, with ", shared" if executions are shared."""
        return f"{self.name}, shared" if self.shared else self.name


@dataclass(frozen=True, slots=True)
class Running:
    """A running system: its process id, the port and path of its GraphQL endpoint.

    `counts`: the port of the process that serves /counts for its subgraph requests.
    """

    system: System
    pid: int
    port: int
    path: str
    counts: int


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run our gateway, with the options `flags`.

    `needs`: the options without which the variant would not be what its name says. If `gateway serve` of this
    checkout lacks one of `needs`, the variant is skipped; other options that it lacks are omitted.
    """

    name: str
    shared: bool
    flags: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    connections: tuple[int, ...] = (50, 1)


VARIANTS = (
    Variant(OURS, False, ("--no-share", "--no-batch")),
    Variant(f"{OURS}, entity fetches batched", False, ("--no-share",), ("--no-batch",), (50,)),
    Variant(OURS, True, (), ("--no-share",), (50,)),
    Variant(f"{OURS}, exact path", False, ("--no-share", "--no-batch", "--no-compile"), ("--no-compile",)),
    Variant(f"{OURS}, exact path", True, ("--no-compile",), ("--no-share", "--no-compile"), (50,)),
)
_URLS = tuple(
    part for name in SUBGRAPHS for part in ("--subgraph-url", f"{name}=http://127.0.0.1:{{subgraphs}}/{name}")
)
SERVE = (PYTHON, "-m", "gateway.cli", "serve", "--port", "{port}", "--supergraph", "{supergraph}", *_URLS)


def known_flags() -> set[str]:
    """Return the names of the options of `gateway serve`."""
    commands = typer.main.get_command(command_line)
    assert isinstance(commands, typer.core.TyperGroup | click.Group)  # noqa: S101
    options = commands.commands["serve"].params
    return {name for option in options for name in (*option.opts, *option.secondary_opts)}


def ours() -> Iterator[System]:
    """Yield our gateway in all variants that this checkout supports; print the names of skipped ones."""
    known = known_flags()
    for variant in VARIANTS:
        if missing := [flag for flag in variant.needs if flag not in known]:
            print(
                f"skipped: {variant.name}{', shared' if variant.shared else ''}: no {' '.join(missing)} yet"
            )
            continue
        flags = tuple(flag for flag in variant.flags if flag in known)
        yield System(variant.name, variant.shared, (*SERVE, *flags), connections=variant.connections)
    inside = (PYTHON, "-m", "bench.inside", "{port}")
    yield System(f"{OURS}, subgraphs in process", False, inside, inside=True)


def ceilings() -> Iterator[System]:
    """Yield the hand-written program `ceiling.py`, without and with shared executions."""
    for share in (False, True):
        environment = {"SUBGRAPHS": "127.0.0.1:{subgraphs}", "PORT": "{port}", "SHARE": str(int(share))}
        yield System(CEILING, share, (PYTHON, "bench/ceiling.py"), environment, (50,) if share else (50, 1))


def install_peers() -> str | None:
    """Install the peers' packages from their lock file, unless they are installed already.

    Returns the path of the program node; None if Node is not installed.
    """
    found = find_node()
    if found is None:
        return None
    node, npm = found
    lock = hashlib.sha256((PEERS / "package-lock.json").read_bytes()).hexdigest()
    stamp = PEERS / "node_modules" / ".installed"
    if not stamp.exists() or stamp.read_text() != lock:
        print("installing the peers' packages ...", flush=True)
        command = [node, npm] if npm.endswith(".js") else [npm]
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--silent")
        subprocess.run([*command, "ci", *quiet], cwd=PEERS, check=True, timeout=300)  # noqa: S603
        stamp.write_text(lock)
    return node


def peers() -> Iterator[System]:
    """Yield the other gateways, which run on Node, with the settings that they recommend for production.

    Yields none if Node is not installed.
    """
    node = install_peers()
    if node is None:
        print("skipped: the peers from npm: no Node on this machine")
        return
    production = {"NODE_ENV": "production"}
    names = {"apollo": "Apollo Gateway", "hive": "Hive Gateway", "hive-rust": "Hive Gateway, Rust planner"}
    for short, name in names.items():
        command = (node, "bench/peers/peer.mjs", short, "{supergraph}", "{port}")
        yield System(name, False, command, production)
        if short != "apollo":
            yield System(name, True, (*command, "share"), production, (50,))


def fill(text: str, values: Mapping[str, object]) -> str:
    """Return a text in which each `{name}` is replaced by the value with this name."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


@contextmanager
def start(system: System, subgraphs: int) -> Iterator[Running]:
    """Run a system while the `with` block runs; `subgraphs`: the subgraphs' port."""
    port, file = free_port(), WORK / "supergraph.graphql"
    WORK.mkdir(parents=True, exist_ok=True)
    file.write_text(supergraph(subgraphs))
    values = {"port": port, "subgraphs": subgraphs, "supergraph": file}
    command = [fill(word, values) for word in system.command]
    environment = {name: fill(word, values) for name, word in system.environment.items()}
    with running(system.title, command, {"PYTHONPATH": str(ROOT), **environment}) as pid:
        wait_for(system.title, f"http://127.0.0.1:{port}/graphql")
        yield Running(system, pid, port, "/graphql", port if system.inside else subgraphs)


@contextmanager
def start_subgraphs() -> Iterator[int]:
    """Run the four subgraphs in a process of their own while the `with` block runs; yield their port.

    It is the port in the supergraph if that is free, otherwise another one.
    """
    port = PORT if is_free(PORT) else free_port()
    if port != PORT and os.environ.get("PEER"):
        sys.exit(f"bench: port {PORT} is taken; a gateway given as PEER expects the subgraphs there")
    with running("subgraphs", [PYTHON, "-m", "bench.subgraphs", str(port)], gateway=False):
        wait_for("subgraphs", f"http://127.0.0.1:{port}/accounts")
        yield port


def strangers(subgraphs: int) -> Iterator[Running]:
    """Yield the gateways that run already, which the environment variable PEER="name=url ..." names.

    `subgraphs`: the subgraphs' port. A name that ends with ",shared" is one with shared executions.
    """
    for word in os.environ.get("PEER", "").split():
        name, _, url = word.partition("=")
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost") or not parts.port:
            sys.exit(
                "bench: PEER must be NAME=http://127.0.0.1:PORT/PATH, a gateway on this machine,"
                f" got {word!r}"
            )
        wait_for(name, url, 5)
        shared = name.endswith(",shared")
        system = System(name.removesuffix(",shared"), shared, ())
        yield Running(system, listener(parts.port), parts.port, parts.path or "/graphql", subgraphs)


def start_all(stack: ExitStack, chosen: list[System], subgraphs: int) -> list[Running]:
    """Start the systems `chosen`, which run until the stack is closed; return them and those of PEER.

    `subgraphs`: the subgraphs' port.
    """
    return [*(stack.enter_context(start(system, subgraphs)) for system in chosen), *strangers(subgraphs)]
