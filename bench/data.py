"""The two benchmark queries with their exact answers, from SHARED/bench."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
WORK = ROOT / ".data" / "bench"
RESULTS = Path(__file__).parent / "results"
SUBGRAPHS = ("accounts", "inventory", "products", "reviews")
QUERIES = ("heavy", "light")
PORT = 4200  # where supergraph.graphql says that the subgraphs are


@dataclass(frozen=True, slots=True)
class Query:
    """One query: the request's body, and the expected data."""

    name: str
    body: bytes
    expected: Any

    def check(self, answer: bytes, system: str) -> None:
        """Exit with an error that names the system if a response is not the expected one."""
        try:
            found = json.loads(answer)
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.get("errors") or found.get("data") != self.expected:
            sys.exit(f"bench: {system} answers the {self.name} query wrongly: {answer[:300]!r}")


def folder() -> Path:
    """The folder SHARED/bench; exits with instructions if it is missing."""
    found = Path(os.environ.get("SHARED", ROOT.parent / "shared")) / "bench"
    if not (found / "data.json").exists():
        sys.exit(
            f"bench: the benchmark's data is not in {found}; say SHARED=DIR, the folder that has bench/data.json"
        )
    return found


def read_query(name: str) -> Query:
    """The heavy or the light query."""
    expected = json.loads((folder() / f"{name}-expected.json").read_bytes())["data"]
    return Query(name, (folder() / f"{name}.json").read_bytes(), expected)


def supergraph(port: int) -> str:
    """The supergraph of the subgraphs, which listen on this port."""
    return (folder() / "supergraph.graphql").read_text().replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{port}")
