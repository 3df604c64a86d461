"""The `gateway` command: its output, and its error messages."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.core.codes import CODES

ROOT = Path(__file__).parent.parent.parent
CASE = ROOT / "tests/cases/compose/simple"


def gateway(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "gateway.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, input=stdin, cwd=ROOT, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def supergraph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a supergraph that `gateway compose` has written."""
    file = tmp_path_factory.mktemp("cli") / "supergraph.graphql"
    files = [f"--subgraph={name}={CASE / name}.graphql" for name in ("users", "reviews")]
    done = gateway("compose", *files, "--subgraph-url", "users=http://127.0.0.1:9/", "-o", str(file))
    assert done.returncode == 0, done.stderr
    assert "2 subgraphs composed" in done.stderr
    return file


def test_plan_prints_text_and_json(supergraph: Path) -> None:
    """A plan is printed as text, as JSON, and with --explain after each pass."""
    query = "query Q { me { greeting } }"
    text = gateway("plan", "--supergraph", str(supergraph), "-", stdin=query)
    assert "fetch 1 from reviews after 0" in text.stdout
    printed = gateway("plan", "--supergraph", str(supergraph), "-", "--format", "json", stdin=query)
    assert [one["subgraph"] for one in json.loads(printed.stdout)["stages"][0]] == ["users", "reviews"]
    explained = gateway("plan", "--supergraph", str(supergraph), "-", "--explain", stdin=query)
    assert "after merge_requests:" in explained.stdout


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (
            ["plan", "--supergraph", "missing.graphql", "-"],
            "{a}",
            "missing.graphql can't be read: No such file",
        ),
        (["plan", "--supergraph", "README.md", "-"], "{a}", "INVALID_SUPERGRAPH"),
        (["plan", "--supergraph", str(CASE / "users.graphql"), "-"], "{a}", "compose the subgraphs first"),
        (
            ["plan", "--supergraph", "SUPERGRAPH", "-"],
            "{ me { nam } }",
            "Did you mean 'name'? (line 1, column 8)",
        ),
        (["plan", "--supergraph", "SUPERGRAPH", "-"], "{ me {", "Syntax Error"),
        (
            ["plan", "--supergraph", "SUPERGRAPH", "-", "--operation", "X"],
            "{ me { id } }",
            'no operation named "X"',
        ),
        (["plan", "--supergraph", "SUPERGRAPH", "-", "--format", "xml"], "{ me { id } }", "text or json"),
        (["compose"], None, "at least one --subgraph"),
        (["compose", "--subgraph", "users"], None, "--subgraph: expected NAME=VALUE"),
        (["compose", "--subgraph", "u=README.md"], None, "INVALID_GRAPHQL"),
        (["compose", "--subgraph", "u=http://127.0.0.1:9/"], None, "SUBGRAPH_UNREACHABLE: subgraph u"),
        (["serve"], None, "either --supergraph FILE or --subgraph"),
        (["serve", "--supergraph", "SUPERGRAPH", "--subgraph-url", "x=http://y/"], None, "UNKNOWN_SUBGRAPH"),
        (["serve", "--supergraph", "SUPERGRAPH", "--subgraph-url", "users=y"], None, "expected http(s)://"),
    ],
)
def test_mistakes_are_explained(
    supergraph: Path, arguments: list[str], stdin: str | None, words: str
) -> None:
    """Each error ends with exit code 1 and a message that describes it, without a traceback."""
    given = [str(supergraph) if one == "SUPERGRAPH" else one for one in arguments]
    done = gateway(*given, stdin=stdin)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_page_of_codes_is_current() -> None:
    """`gateway errors` prints every code, as docs/errors.md has them."""
    printed = gateway("errors").stdout
    assert all(f"| {name} |" in printed for name in CODES)
    tables = printed.partition("## ")[2]
    assert tables.strip() in (ROOT / "docs/errors.md").read_text()


@pytest.fixture
def port() -> Iterator[int]:
    """Yield a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    yield number


@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_answers_and_stops(supergraph: Path, port: int, workers: str) -> None:
    """The server replies on its port, refuses to start twice on it, and ends at SIGTERM."""
    command = [
        sys.executable,
        "-m",
        "gateway.cli",
        "serve",
        "--supergraph",
        str(supergraph),
        "--port",
        str(port),
    ]
    with subprocess.Popen([*command, "--workers", workers], cwd=ROOT, stderr=subprocess.PIPE) as process:
        try:
            for _ in range(200):
                try:
                    live = httpx.get(f"http://127.0.0.1:{port}/health/live")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            assert live.json() == {"status": "ok"}
            answer = httpx.post(
                f"http://127.0.0.1:{port}/graphql", json={"query": "{ __typename me { id } }"}
            ).json()
            assert answer["data"] == {"__typename": "Query", "me": None}
            assert answer["errors"][0]["extensions"]["code"] == "SUBGRAPH_UNREACHABLE"
            second = subprocess.run(
                command, capture_output=True, text=True, cwd=ROOT, timeout=30, check=False
            )
            assert second.returncode == 1
            assert "ADDRESS_IN_USE" in second.stderr
        finally:
            os.kill(process.pid, signal.SIGTERM)
            process.communicate(timeout=20)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/health/live")


def test_every_code_can_be_raised() -> None:
    """Each code of the table is raised somewhere in the sources (those made of a prefix and an ending by
    their parts).
    """
    sources = [path for path in (ROOT / "gateway").rglob("*.py") if path.name != "codes.py"]
    text = "\n".join(path.read_text() for path in sources)
    made = {
        f"{start}{end}"
        for start in ("KEY_", "REQUIRES_", "PROVIDES_")
        for end in text.split('"')
        if end.isupper()
    }
    made |= {
        f"{start}_INVALID_FIELDS{end}" for start in ("KEY", "REQUIRES", "PROVIDES") for end in ("", "_TYPE")
    }
    made |= {f"ROOT_{kind}_USED" for kind in ("QUERY", "MUTATION", "SUBSCRIPTION")}
    made |= {f"{start}_DEFAULT_MISMATCH" for start in ("FIELD_ARGUMENT", "INPUT_FIELD")}
    assert [name for name in CODES if f'"{name}"' not in text and name not in made] == []
