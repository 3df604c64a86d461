"""Reports results: prints tables, saves results in bench/results/*.json, and makes docs/performance.md of
them.
"""

import json
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.data import RESULTS, ROOT

PAGE = ROOT / "docs" / "performance.md"
HEAD = (
    "system",
    "query",
    "shared",
    "conns",
    "CPU ms",
    "req/s",
    "p50 ms",
    "p99 ms",
    "RSS MB",
    "fetches",
    "/ ceiling",
)
ELSEWHERE = (
    ("Cosmo (Go)", "2.7", "0.139", "0.172"),
    ("Hive Router (Rust, full release build)", "1.02", "0.060", "0.051"),
    ("`ceiling.py`, interleaved with Hive Router", "0.68", "0.059", "0.041"),
)

INTRO = """Two queries over four subgraphs (accounts, inventory, products, reviews): *heavy* fetches users
and products with their reviews, four levels deep (6 subgraph requests here, 80 kB of replies, a response of
88 kB); *light* is `{ topProducts { name price } }` (1 request). The *ceiling* is `bench/ceiling.py`: a
program that answers these two queries and does nothing else, written by hand in Python, with 8 requests
for heavy.

The gateway is alone on one core; subgraphs that remember their answers, and the load tool, have the other.
Every answer is compared with the expected one. The machine may be busy with other things: look at ratios
first."""
SYSTEMS = """Medians of interleaved rounds. CPU is per request, of all processes of the system; `fetches`
are subgraph requests per query; `/ ceiling` is the system's CPU divided by the ceiling's, measured in the
same round of the benchmark and with the same sharing. `shared`: equal queries in flight share one
execution; where it says no, Hive Gateway's sharing of subgraph requests, which is on by default, is off,
too. `ours, subgraphs in process` contains the cost of its subgraphs (a look-up and reading JSON);
`ours, entity fetches batched` joins the requests for entities of concurrent operations; `ours, exact path`
runs without compiled plans (`--no-compile`)."""
OTHERS = """From another run on another day: CPU ms per request at 50 connections. Compare no
row with the table above: these gateways ran elsewhere. The ceiling of the last row was measured beside Hive
Router. The benchmark's data is not in this repository: `SHARED=DIR` names the folder of published test
data, by default `../shared`. To measure another gateway, start it on this machine with the file
`bench/supergraph.graphql` of that folder; then `PEER=name=url make bench`, with its URL, starts the file's
subgraphs and measures it, too."""


@dataclass(slots=True)
class Figure:
    """The results of one system with one query and a number of connections.

    `shared`: equal queries in flight share one execution. `cpu_ms` and `fetches` (subgraph requests) are per
    query; `ratio_to_ceiling`: the CPU time divided by that of `ceiling.py`.
    """

    system: str
    query: str
    shared: bool
    connections: int
    cpu_ms: float
    rps: float
    p50_ms: float
    p99_ms: float
    rss_mb: float
    fetches: float
    ratio_to_ceiling: float | None

    @property
    def key(self) -> tuple[str, str, bool, int]:
        """What was measured: system, query, whether executions are shared, and the number of connections."""
        return self.system, self.query, self.shared, self.connections

    @classmethod
    def median(cls, figures: Sequence["Figure"], middle: Callable[[list[float]], float]) -> "Figure":
        """Return a figure whose numbers are the medians (computed by `middle`) of those of `figures`."""
        first = asdict(figures[0])
        for name in NUMBERS:
            first[name] = round(middle([getattr(one, name) for one in figures]), 4)
        return cls(**first)


NUMBERS = tuple(field.name for field in fields(Figure))[4:]


def cells(figure: Figure) -> tuple[str, ...]:
    """Return a figure as the cells of a row with the columns HEAD."""
    shared = "yes" if figure.shared else "no"
    numbers = (f"{figure.cpu_ms:.3f}", f"{figure.rps:.0f}", f"{figure.p50_ms:.2f}", f"{figure.p99_ms:.2f}")
    rest = (f"{figure.rss_mb:.0f}", f"{figure.fetches:.2f}", f"{figure.ratio_to_ceiling:.2f}")
    return figure.system, figure.query, shared, str(figure.connections), *numbers, *rest


def print_figures(figures: Sequence[Figure]) -> None:
    """Print a table of figures, with aligned columns."""
    rows = [HEAD, *(cells(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for row in rows:
        print(
            "  ".join(
                cell.ljust(width) if n < 3 else cell.rjust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        )


def save(name: str, value: Any) -> None:
    """Save the results of one program as bench/results/<name>.json."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n")


def save_figures(figures: Sequence[Figure]) -> None:
    """Save the figures of a run of `bench.run`."""
    save("latest", [asdict(figure) for figure in figures])


def read(name: str) -> Any:
    """Return the saved results of one program; None if there are none."""
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdicts(figures: Sequence[Figure]) -> Iterator[tuple[str, str, str]]:
    """Yield, for each goal of our gateway, what is measured, the limit, and the result."""
    by_key = {figure.key: figure for figure in figures}

    def ratio(query: str, shared: bool) -> str:
        found = by_key.get(("ours", query, shared, 50))
        return f"{found.ratio_to_ceiling:.2f}" if found else "not measured yet"

    yield "heavy, nothing shared: CPU against the ceiling's", "≤ 1.3", ratio("heavy", False)
    yield "heavy, equal queries shared", "≤ 1.3", ratio("heavy", True)
    yield "light, nothing shared", "≤ 1.4", ratio("light", False)
    yield "light, equal queries shared", "≤ 1.3", ratio("light", True)
    alone = by_key.get(("ours", "heavy", False, 50))
    fetches = f"{alone.fetches:.2f}" if alone else "not measured yet"
    yield "heavy: subgraph requests per query", "≤ 7", fetches
    latency, best = by_key.get(("ours", "heavy", False, 1)), by_key.get(("ceiling", "heavy", False, 1))
    shown = f"{latency.p50_ms / best.p50_ms:.2f}" if latency and best else "not measured yet"
    yield "heavy, one connection: p50 against the ceiling's", "≤ 1.3", shown


def sections() -> Iterator[str]:
    """Yield the sections of docs/performance.md; those of programs without saved results are omitted."""
    figures = [Figure(**row) for row in read("latest") or ()]
    yield "## What was aimed at\n\n" + table(("what", "bound", "measured"), list(verdicts(figures)))
    by = sorted(figures, key=lambda one: (one.query, -one.connections, one.shared))
    yield f"## All systems\n\n{SYSTEMS}\n\n" + table(HEAD, [cells(figure) for figure in by])
    head = ("what", "heavy", "heavy, shared", "light")
    yield f"## Gateways that can't be had here\n\n{OTHERS}\n\n" + table(head, ELSEWHERE)
    for name in ("cold", "memory", "mix", "sagas", "guard", "cache", "zipf", "coherence"):
        found = read(name)
        if found:
            yield section(found)


def section(found: Any) -> str:
    """Return the section of the page with what `save_rows` has saved."""
    return f"## {found['title']}\n\n{found['text']}\n\n" + table(("what", "measured"), found["rows"])


def write_section(name: str) -> None:
    """Write the section of one program into docs/performance.md; the rest of the page stays as it is."""
    found = read(name)
    page = PAGE.read_text()
    before, head, rest = page.partition(f"\n## {found['title']}\n")
    _, following, after = rest.partition("\n## ") if head else ("", "", "")
    PAGE.write_text(f"{before.rstrip()}\n\n{section(found)}\n{following}{after}")


def save_rows(name: str, title: str, text: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print the results of a program other than `bench.run`, and save them as bench/results/<name>.json.

    `text` explains the results. `rows`: pairs of what was measured and its value.
    """
    print(f"{title}")
    for what, measured in rows:
        print(f"  {what:60} {measured}")
    save(name, {"title": title, "text": text, "rows": [list(row) for row in rows]})


def machine() -> str:
    """Return a text with the processor and the Python version."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{len(models)} cores of {model}, Python {platform.python_version()}"


def write_page() -> None:
    """Write docs/performance.md from the results in bench/results."""
    intro = f"# Performance\n\nPrinted by `make bench` on {datetime.now(UTC):%Y-%m-%d} ({machine()}). {INTRO}"
    PAGE.write_text("\n\n".join((intro, *sections())) + "\n")
