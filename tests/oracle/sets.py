"""Sets of SDLs as text pages (`tests/cases/oracle/*.txt`), and the composition oracle's verdicts on such
sets.

A page is a list of sets: `=== name`, then `--- subgraph` and its SDL. `--- subgraph 2.3` saves the link: it
imports every directive of that version. What the oracle says stands behind the set's name, `=== name: CODE
CODE` (errors) or `=== name: ok HINT HINT`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.oracle.programs import HERE, conversation

PAGES = HERE.parent / "cases" / "oracle"

DIRECTIVES = (
    (
        (2, 0),
        (
            "key",
            "requires",
            "provides",
            "external",
            "tag",
            "extends",
            "shareable",
            "override",
            "inaccessible",
        ),
    ),
    ((2, 1), ("composeDirective",)),
    ((2, 3), ("interfaceObject",)),
    ((2, 5), ("authenticated", "requiresScopes")),
    ((2, 6), ("policy",)),
    ((2, 8), ("context", "fromContext")),
    ((2, 9), ("cost", "listSize")),
    ((2, 12), ("cacheTag",)),
)


@dataclass(frozen=True, slots=True)
class SdlSet:
    """Subgraphs that are composed together; `noted` is what its page says the oracle makes of them."""

    name: str
    subgraphs: Mapping[str, str]
    noted: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a composer says of a set: error codes, or a supergraph and hints."""

    codes: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    supergraph: str | None = None
    hints: tuple[Mapping[str, Any], ...] = field(default=())

    @property
    def hint_codes(self) -> tuple[str, ...]:
        """The hints' codes, each once."""
        return tuple(sorted({str(hint["code"]) for hint in self.hints}))

    @property
    def note(self) -> str:
        """The verdict as a page notes it."""
        return " ".join(self.codes or ("ok", *self.hint_codes))


def link(version: str) -> str:
    """The link to a version of federation that imports every directive it has."""
    major, minor = (int(part) for part in version.split("."))
    names = [f'"@{name}"' for since, every in DIRECTIVES if since <= (major, minor) for name in every]
    url = f"https://specs.apollo.dev/federation/v{version}"
    return f'extend schema @link(url: "{url}", import: [{", ".join(names)}])\n'


def read_page(path: Path) -> list[SdlSet]:
    """The sets of one page."""
    sets = []
    for part in path.read_text().split("=== ")[1:]:
        head, body = part.split("\n", 1)
        name, _, noted = head.partition(": ")
        subgraphs = {}
        for section in body.split("--- ")[1:]:
            title, sdl = section.split("\n", 1)
            subgraph, _, version = title.partition(" ")
            subgraphs[subgraph] = (link(version) if version else "") + sdl
        sets.append(SdlSet(f"{path.stem}/{name}", subgraphs, noted or None))
    return sets


def read_pages() -> list[SdlSet]:
    """All sets of all pages."""
    return [one for path in sorted(PAGES.glob("*.txt")) for one in read_page(path)]


def ask_oracle(sets: Iterable[SdlSet]) -> list[Verdict]:
    """Every set, composed by @apollo/composition."""
    oracle = conversation("verdict.mjs")
    return [_verdict(oracle.ask({"subgraphs": dict(one.subgraphs)})) for one in sets]


def load_failures(supergraphs: Iterable[str]) -> list[str | None]:
    """Why Apollo's own code cannot load a supergraph; None where it can."""
    oracle = conversation("verdict.mjs")
    return [oracle.ask({"supergraph": one})["failure"] for one in supergraphs]


def _verdict(answer: Mapping[str, Any]) -> Verdict:
    return Verdict(
        tuple(answer["codes"]), tuple(answer["messages"]), answer["supergraph"], tuple(answer["hints"])
    )


def write_notes(sets: Sequence[SdlSet], verdicts: Sequence[Verdict]) -> None:
    """Write the oracle's verdicts behind the names of the pages' sets."""
    notes = {one.name: verdict.note for one, verdict in zip(sets, verdicts, strict=True)}
    for path in PAGES.glob("*.txt"):
        lines = path.read_text().splitlines()
        for index, line in enumerate(lines):
            if line.startswith("=== "):
                name = line.removeprefix("=== ").partition(": ")[0]
                lines[index] = f"=== {name}: {notes[f'{path.stem}/{name}']}"
        path.write_text("\n".join(lines) + "\n")
