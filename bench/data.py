"""The two benchmark queries with their expected responses, and the supergraph, from the folder SHARED/bench.

All programs of the benchmark use it; SHARED is an environment variable.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
WORK = ROOT / ".data" / "bench"
RESULTS = Path(__file__).parent / "results"
SUBGRAPHS = ("accounts", "inventory", "products", "reviews")
QUERIES = ("heavy", "light")
PORT = 4200  # the port of the subgraphs' URLs in supergraph.graphql


@dataclass(frozen=True, slots=True)
class Query:
    """A benchmark query: its name, the request's body, and the expected `data` of the response.

    `headers`: those of the request, besides the usual ones.
    """

    name: str
    body: bytes
    expected: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    def check(self, answer: bytes, system: str) -> None:
        """Exit with an error that names the system unless the response `answer` has exactly the expected
        data.
        """
        try:
            found = json.loads(answer)
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.get("errors") or found.get("data") != self.expected:
            sys.exit(
                f"bench: {system} must answer the {self.name} query with the data of"
                f" {self.name}-expected.json, got {answer[:300]!r}"
            )


def folder() -> Path:
    """Return the folder SHARED/bench; exit with instructions if it is missing."""
    found = Path(os.environ.get("SHARED", ROOT.parent / "shared")) / "bench"
    if not (found / "data.json").exists():
        sys.exit(
            f"bench: the benchmark's data is not in {found}; set SHARED to the folder with bench/data.json"
        )
    return found


def read_query(name: str) -> Query:
    """Return the query with this name, "heavy" or "light"."""
    expected = json.loads((folder() / f"{name}-expected.json").read_bytes())["data"]
    return Query(name, (folder() / f"{name}.json").read_bytes(), expected)


def supergraph(port: int) -> str:
    """Return the text of the supergraph, with this port in the subgraphs' URLs."""
    return (folder() / "supergraph.graphql").read_text().replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{port}")
