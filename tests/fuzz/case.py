"""A supergraph with its data, a question to it, and both as a folder of text."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.world import Fault


@dataclass(frozen=True, slots=True)
class Supply:
    """A monolith, the subgraphs that it was cut into, and the data of both."""

    monolith: str
    subgraphs: dict[str, str]
    data: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Question:
    """An operation, its variables, what fails while it runs, and the labels of progressive overrides that are
    on.

    `unknown`: subgraphs that do not know an object, as "s1 E0/2". No monolith says what the answer is then,
    but both paths have to agree, and requests to be right.
    """

    query: str
    variables: dict[str, Any] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    labels: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """What can be run, shrunk and kept."""

    supply: Supply
    question: Question


def write_case(case: Case, folder: Path) -> None:
    """Write a case; what stood in the folder goes."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    supply, question = case.supply, case.question
    for name, sdl in {"monolith": supply.monolith, **supply.subgraphs}.items():
        (folder / f"{name}.graphql").write_text(sdl.strip() + "\n")
    (folder / "query.graphql").write_text(question.query.strip() + "\n")
    _write_json(folder / "data.json", supply.data)
    if question.variables:
        _write_json(folder / "variables.json", question.variables)
    if question.faults:
        _write_json(folder / "faults.json", [asdict(fault) for fault in question.faults])
    if question.labels:
        _write_json(folder / "labels.json", question.labels)
    if question.unknown:
        _write_json(folder / "unknown.json", question.unknown)


def read_case(folder: Path) -> Case:
    """Read a case."""
    texts = {path.stem: path.read_text() for path in sorted(folder.glob("*.graphql"))}
    monolith, query = texts.pop("monolith"), texts.pop("query")
    faults = tuple(Fault(**one) for one in _read_json(folder / "faults.json", []))
    variables = _read_json(folder / "variables.json", {})
    labels = tuple(_read_json(folder / "labels.json", ()))
    return Case(
        Supply(monolith, texts, _read_json(folder / "data.json", {})),
        Question(query, variables, faults, labels, tuple(_read_json(folder / "unknown.json", ()))),
    )


def _read_json(path: Path, default: Any) -> Any:
    return json.loads(path.read_text()) if path.exists() else default


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
