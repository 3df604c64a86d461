"""The generator's decisions as data: the types of a monolith, and what each subgraph has of them.

`cut` creates them, `sdl` writes them as SDL.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

SCALARS = ("String", "Int", "Boolean", "Float", "ID", "Color", "Big")
BIG_NUMBERS = ContextVar("BIG_NUMBERS", default=True)
"""Whether a scalar has integers beyond 64 bits: JavaScript rounds them, Hive's Rust planner refuses them."""
Role = Literal["own", "external", "overridden"]


def scalars() -> tuple[str, ...]:
    """Return the scalars that fields may have."""
    return SCALARS if BIG_NUMBERS.get() else SCALARS[:-1]


def base_of(reference: str) -> str:
    """Return the name in a type reference."""
    return reference.strip("[]!")


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a field; its default is GraphQL text."""

    name: str
    type: str
    default: str | None = None

    @property
    def needed(self) -> bool:
        """Return whether a client must give the argument."""
        return self.type.endswith("!") and self.default is None


@dataclass(slots=True)
class Member:
    """A field of the monolith.

    - `key`: whether it is part of a key. `promised`: whether an interface declares it.
    - `through`: the interface object that adds it to every implementing type; None for an ordinary field.
    - `fixed`: whether it never fails.
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
        """Return the name of the field's type."""
        return base_of(self.type)

    @property
    def leaf(self) -> bool:
        """Return whether the field has a scalar type."""
        return self.base in SCALARS


@dataclass(slots=True)
class Monolith:
    """The types of a monolith by kind, their fields, and the members of interfaces and unions.

    `values`: object types without keys. `split`: the one of them whose fields are in several subgraphs.
    """

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
        """Return the interfaces and unions."""
        return self.interfaces + self.unions


@dataclass(slots=True)
class Part:
    """A field as one subgraph has it.

    `override`: the subgraph from which it is overridden, with or without a label. `context`: the source of an
    argument that clients do not see. `strict`: whether it is non-null in this subgraph, though nullable
    elsewhere.
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

    - `parts`: its fields by type. `keys`: its keys by type.
    - `stubs`: entities to which it only refers (`resolvable: false`). `setters`: the types that set a
      context.
    - `object_of`: the interface that it has as @interfaceObject. `keyed_interface`: the interface with a @key
      here.
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
    """A monolith and the views of its subgraphs.

    `hubs`: for each entity the subgraph with all of its keys. `homes`: the subgraphs that resolve its fields.
    """

    monolith: Monolith
    views: dict[str, View]
    hubs: dict[str, str] = field(default_factory=dict)
    homes: dict[str, list[str]] = field(default_factory=dict)

    def owners(self, kind: str, name: str) -> list[View]:
        """Return the subgraphs that resolve a field."""
        return [
            view
            for view in self.views.values()
            if (part := view.parts.get(kind, {}).get(name)) is not None and part.role == "own"
        ]

    def holders(self, kind: str, name: str) -> list[View]:
        """Return the subgraphs that resolve a field, and those in which it is overridden."""
        wanted = ("own", "overridden")
        return [
            view
            for view in self.views.values()
            if (part := view.parts.get(kind, {}).get(name)) and part.role in wanted
        ]
