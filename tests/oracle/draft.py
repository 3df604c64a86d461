"""A generated set of subgraphs under construction.

Types and fields are stored by name and printed one field a line, so that breakers can edit single lines.
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
    """One type definition: the text before the brace, and the lines between the braces by name."""

    head: str
    lines: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class SubgraphDraft:
    """One subgraph: its federation version (None means federation 1), the style of its directive names, and
    its definitions.
    """

    name: str
    version: str | None
    style: str = "imported"
    types: dict[str, TypeDraft] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    schema: str = ""

    def at_least(self, minor: int) -> bool:
        """Return whether the subgraph links federation version 2.`minor` or newer."""
        return self.version is not None and int(self.version.split(".")[1]) >= minor

    def add(self, name: str, head: str, **lines: str) -> None:
        """Add lines to a definition, creating it if needed; a leading `_`, used for Python keywords, is
        removed.
        """
        item = self.types.setdefault(name, TypeDraft(head))
        item.lines.update(
            {key.removeprefix("_"): f"{key.removeprefix('_')}{text}" for key, text in lines.items()}
        )

    def query(self, **lines: str) -> None:
        """Add fields to the Query type."""
        self.add("Query", "type Query", **lines)

    def print(self, rng: random.Random) -> str:
        """Print the SDL, with federation's directives under the names that the subgraph imports them by."""
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
        """Return the name that the subgraph uses for a federation directive."""
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
    """All subgraphs of a generated set, its random generator, and a counter for unique names."""

    rng: random.Random
    subgraphs: list[SubgraphDraft]
    count: int = 0

    def name(self, prefix: str) -> str:
        """Return a type name that is not used yet."""
        self.count += 1
        return f"{prefix}{self.count}"

    def pick(self, number: int, minor: int = 0) -> list[SubgraphDraft]:
        """Choose random subgraphs of federation version 2.`minor` or newer, fewer if not enough exist;
        `minor` -1 means any version.
        """
        fit = [one for one in self.subgraphs if minor < 0 or one.at_least(minor)]
        return self.rng.sample(fit, min(number, len(fit)))

    def chance(self, part: float = 0.5) -> bool:
        """Return True with the given probability."""
        return self.rng.random() < part

    def scalar(self) -> str:
        """Choose a random type built from built-in scalars, such as `[ID!]`."""
        return self.rng.choice(["Int", "String!", "Boolean", "Float!", "[ID!]", "[[Int!]!]!"])

    def print(self) -> dict[str, str]:
        """Print the SDL of each subgraph."""
        return {one.name: one.print(self.rng) for one in self.subgraphs}


def new_draft(rng: random.Random) -> Draft:
    """Create two to five subgraphs with random federation versions and directive name styles; most get a
    query field of their own.
    """
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
