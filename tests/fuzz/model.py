"""What the generator decides: the types of a monolith, and what each subgraph has of them."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

SCALARS = ("String", "Int", "Boolean", "Float", "ID", "Color", "Big")
BIG_NUMBERS = ContextVar("BIG_NUMBERS", default=True)
"""Whether a scalar has integers beyond 64 bits: JavaScript rounds them, Hive's Rust planner refuses them."""
Role = Literal["own", "external", "overridden"]


def scalars() -> tuple[str, ...]:
    """The scalars that fields may have."""
    return SCALARS if BIG_NUMBERS.get() else SCALARS[:-1]


def base_of(reference: str) -> str:
    """The name inside a type reference."""
    return reference.strip("[]!")


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a field; its default is GraphQL text."""

    name: str
    type: str
    default: str | None = None

    @property
    def needed(self) -> bool:
        """Whether a field can't be asked without it."""
        return self.type.endswith("!") and self.default is None


@dataclass(slots=True)
class Member:
    """A field of the monolith. `through`.

    The interface object that brings it to every implementing type; `fixed`: it never fails.
    """

    name: str
    type: str
    arguments: tuple[Argument, ...] = ()
    key: bool = False
    promised: bool = False
    through: str | None = None
    fixed: bool = False

    @property
    def base(self) -> str:
        """The name of its type."""
        return base_of(self.type)

    @property
    def leaf(self) -> bool:
        """Whether it ends a selection."""
        return self.base in SCALARS


@dataclass(slots=True)
class Monolith:
    """Types by kind, the fields of objects and interfaces, the members of interfaces and unions."""

    entities: list[str]
    values: list[str]
    interfaces: list[str]
    unions: list[str]
    fields: dict[str, dict[str, Member]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    interface_object: str | None = None
    split: str | None = None

    @property
    def abstract(self) -> list[str]:
        """Interfaces and unions."""
        return self.interfaces + self.unions


@dataclass(slots=True)
class Part:
    """A field as one subgraph has it. `strict`: it can't be null here, though elsewhere it may.

    `override`: the subgraph that it is taken from, with or without a label; `context`: where an argument that
    clients don't see gets its value.
    """

    role: Role = "own"
    requires: str = ""
    provides: str = ""
    override: str = ""
    label: str = ""
    context: str = ""
    strict: bool = False


@dataclass(slots=True)
class View:
    """What one subgraph has of the monolith.

    `stubs` are entities that it only names (`resolvable: false`), `setters` set a context.
    """

    name: str
    root_names: dict[str, str]
    parts: dict[str, dict[str, Part]] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    stubs: set[str] = field(default_factory=set)
    members: dict[str, list[str]] = field(default_factory=dict)
    interface_fields: dict[str, list[str]] = field(default_factory=dict)
    object_of: str | None = None
    keyed_interface: str | None = None
    setters: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Cut:
    """A monolith and the views of its subgraphs. A `hub` is the subgraph that knows all keys of an entity."""

    monolith: Monolith
    views: dict[str, View]
    hubs: dict[str, str] = field(default_factory=dict)
    homes: dict[str, list[str]] = field(default_factory=dict)

    def owners(self, kind: str, name: str) -> list[View]:
        """The subgraphs that resolve a field."""
        return [
            view
            for view in self.views.values()
            if (part := view.parts.get(kind, {}).get(name)) is not None and part.role == "own"
        ]

    def holders(self, kind: str, name: str) -> list[View]:
        """The subgraphs that may be asked for a field: its owners, and those it is taken from."""
        wanted = ("own", "overridden")
        return [
            view
            for view in self.views.values()
            if (part := view.parts.get(kind, {}).get(name)) and part.role in wanted
        ]
