"""Runs the load tool load.c, which sends one request repeatedly over several connections; reads its results.

The tool is compiled at its first use. It compares every response with the first one.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.data import WORK

SOURCE = Path(__file__).with_name("load.c")
NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Load:
    """The results of one run of the load tool: the number of responses, the duration, and latencies in ms.

    `first` is the first response; all others were equal to it.
    """

    requests: int
    seconds: float
    p50: float
    p95: float
    p99: float
    first: bytes


def compile_load() -> Path:
    """Return the path of the load tool, compiled if needed; exit if there is no C compiler."""
    program = WORK / "load"
    if not program.exists() or program.stat().st_mtime < SOURCE.stat().st_mtime:
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            sys.exit("bench: there is no C compiler for the load tool; install gcc")
        WORK.mkdir(parents=True, exist_ok=True)
        subprocess.run([compiler, "-O2", str(SOURCE), "-o", str(program)], check=True)  # noqa: S603
    return program


def start_load(
    port: int, path: str, body: bytes, connections: int, seconds: float, headers: Mapping[str, str] = NONE
) -> "subprocess.Popen[bytes]":
    """Start the load tool: it sends a POST with `body` to 127.0.0.1 repeatedly, for `seconds`.

    `headers`: further headers of each request. Returns the process, for `finish_load`.
    """
    program, file = compile_load(), WORK / "body.json"
    file.write_bytes(body)
    command = [
        str(program),
        str(port),
        path,
        str(file),
        str(connections),
        f"{seconds:g}",
        str(WORK / "first.json"),
        "".join(f"{name}: {value}\r\n" for name, value in headers.items()),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603


def finish_load(process: "subprocess.Popen[bytes]", what: str) -> Load:
    """Wait for the end of the load tool and return its results; `what` names the run in errors.

    Exit if a response failed or differed from the first one.
    """
    out, _ = process.communicate()
    if process.returncode:
        sys.exit(f"bench: {what}: the load tool could not connect")
    found = json.loads(out)
    if bad := {name: value for name, value in found.items() if name.startswith("err_") and value}:
        sys.exit(
            f"bench: {what}: expected equal responses, got the errors {bad} in {found['requests']} responses"
        )
    seconds = found["drained_secs"]
    first = (WORK / "first.json").read_bytes()
    return Load(found["requests"], seconds, found["p50"], found["p95"], found["p99"], first)


def load(
    port: int,
    path: str,
    body: bytes,
    connections: int,
    seconds: float,
    what: str,
    headers: Mapping[str, str] = NONE,
) -> Load:
    """Run the load tool from start to end and return its results: `start_load`, then `finish_load`."""
    return finish_load(start_load(port, path, body, connections, seconds, headers), what)
