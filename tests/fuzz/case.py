"""A case: a supergraph with its data (`Supply`) and an operation on it (`Question`), stored as a folder of
text files.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.world import Fault


@dataclass(frozen=True, slots=True)
class Supply:
    """The SDL of a monolith, the SDLs of the subgraphs cut from it, and the data of both by type."""

    monolith: str
    subgraphs: dict[str, str]
    data: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Question:
    """An operation with its variables, and the conditions under which it runs.

    - `faults`: the fields that fail. `labels`: the active labels of progressive @overrides.
    - `unknown`: subgraphs that do not have an object, as "s1 E0/2". The monolith has no response for that,
      but both paths must agree, and the requests must be valid.
    """

    query: str
    variables: dict[str, Any] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    labels: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A supply and a question: what can be run, shrunk and stored."""

    supply: Supply
    question: Question


def write_case(case: Case, folder: Path) -> None:
    """Write a case into a folder; other files in the folder are deleted."""
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
    """Return the case in a folder."""
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
