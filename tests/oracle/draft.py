"""A set of subgraphs while it is being made up.

Types and fields by name, printed with one field a line so that breakers can edit lines.
"""

import random
import re
from dataclasses import dataclass, field

from tests.oracle.sets import DIRECTIVES, link

NEWEST = "2.12"
# These are merged into the supergraph: all subgraphs have to call them the same.
MERGED = frozenset(
    {
        "tag",
        "inaccessible",
        "authenticated",
        "requiresScopes",
        "policy",
        "cost",
        "listSize",
        "cacheTag",
        "context",
    }
)
KNOWN = tuple(name for _, names in DIRECTIVES for name in names)


@dataclass(slots=True)
class TypeDraft:
    """One definition: what stands before the brace, and its lines by name."""

    head: str
    lines: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class SubgraphDraft:
    """One subgraph: federation's version (None.

    Federation 1), how it names directives, and its definitions.
    """

    name: str
    version: str | None
    style: str = "imported"
    types: dict[str, TypeDraft] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    schema: str = ""

    def at_least(self, minor: int) -> bool:
        """Whether the subgraph links federation 2.minor or newer."""
        return self.version is not None and int(self.version.split(".")[1]) >= minor

    def add(self, name: str, head: str, **lines: str) -> None:
        """Add lines to a definition, which is made where it is new.

        `_` before a keyword's name is dropped.
        """
        item = self.types.setdefault(name, TypeDraft(head))
        item.lines.update(
            {key.removeprefix("_"): f"{key.removeprefix('_')}{text}" for key, text in lines.items()}
        )

    def query(self, **lines: str) -> None:
        """Add fields of the query root."""
        self.add("Query", "type Query", **lines)

    def print(self, rng: random.Random) -> str:
        """The SDL; federation's directives under the names that the subgraph imports them by."""
        parts = list(self.lines)
        for name in rng.sample(sorted(self.types), len(self.types)):
            item = self.types[name]
            body = "".join(f"  {line}\n" for line in item.lines.values())
            parts.append(f"{item.head} {{\n{body}}}" if body else item.head)
        text = "\n".join(parts) + "\n"
        if self.version is None:
            return text.replace(" @shareable", "")
        return self._header() + re.sub(r"@(\w+)", lambda found: f"@{self.local(found[1])}", text)

    def local(self, name: str) -> str:
        """What the subgraph calls a directive."""
        if name not in KNOWN or name in MERGED or self.style == "imported":
            return name
        return f"fed__{name}" if self.style == "namespaced" else f"my_{name}"

    def _header(self) -> str:
        assert self.version
        header = link(self.version)
        if self.style == "namespaced":
            header = re.sub(r'"@(\w+)",? ?', lambda found: found[0] if found[1] in MERGED else "", header)
            header = header.replace("import:", 'as: "fed", import:')
        elif self.style == "renamed":
            header = re.sub(r'"@(\w+)"', lambda found: _renamed(found[1]), header)
        return header.replace("\n", f" {self.schema}\n")


def _renamed(name: str) -> str:
    return f'"@{name}"' if name in MERGED else f'{{ name: "@{name}", as: "@my_{name}" }}'


@dataclass(slots=True)
class Draft:
    """All subgraphs of a set, a source of chance, and a counter for names."""

    rng: random.Random
    subgraphs: list[SubgraphDraft]
    count: int = 0

    def name(self, prefix: str) -> str:
        """A type's name that is not taken."""
        self.count += 1
        return f"{prefix}{self.count}"

    def pick(self, number: int, minor: int = 0) -> list[SubgraphDraft]:
        """Some subgraphs of Federation 2.minor or newer; fewer where there are not so many. minor -1: any."""
        fit = [one for one in self.subgraphs if minor < 0 or one.at_least(minor)]
        return self.rng.sample(fit, min(number, len(fit)))

    def chance(self, part: float = 0.5) -> bool:
        """True in this part of all cases."""
        return self.rng.random() < part

    def scalar(self) -> str:
        """A type that needs no definition."""
        return self.rng.choice(["Int", "String!", "Boolean", "Float!", "[ID!]", "[[Int!]!]!"])

    def print(self) -> dict[str, str]:
        """The SDLs by subgraph."""
        return {one.name: one.print(self.rng) for one in self.subgraphs}


def new_draft(rng: random.Random) -> Draft:
    """Empty subgraphs of several versions and styles, each with a query of its own."""
    kind = rng.choice(["mixed", "newest", "newest", "with federation 1"])
    subgraphs = []
    for index in range(rng.randint(2, 5)):
        version: str | None = NEWEST if kind == "newest" else f"2.{rng.choice([3, 5, 7, 8, 9, 10, 11, 12])}"
        if kind == "with federation 1" and index and rng.random() < 0.5:
            version = None
        one = SubgraphDraft(
            "abcde"[index], version, rng.choice(["imported", "imported", "namespaced", "renamed"])
        )
        if index == 0 or version is None or rng.random() < 0.7:
            one.query(**{f"{one.name}0": ": Int"})
        subgraphs.append(one)
    return Draft(rng, subgraphs)
