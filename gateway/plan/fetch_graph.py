"""The fetch graph while it is built.

Groups (one subgraph request each), the selections in them, and what waits for what.

Mutable on purpose, and known to this room alone; `assemble` freezes it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.plan.nodes import ContextInput, Path, Representation, RepresentationField
from gateway.plan.response_keys import ResponseKeys
from gateway.request.operation import FragmentDirectives
from gateway.supergraph.query_graph import Vertex


@dataclass(slots=True, eq=False)
class DraftField:
    """A field that a group asks for; `key` is where its value is kept.

    `directives` are the texts of its nodes, as in `request.operation.Field`. `needs` are the inputs that its
    @requires asks for.
    """

    key: str
    name: str
    type: str
    arguments: tuple[tuple[str, str], ...]
    variables: frozenset[str]
    below: "DraftSelection | None" = None
    directives: tuple[str, ...] = ()
    needs: frozenset[RepresentationField] = frozenset()

    def also(self, new: "DraftField") -> None:
        """Take over the directives of the same field, asked for again."""
        if new.directives != self.directives:
            mine, theirs = self.directives or ("",), new.directives or ("",)
            self.directives = tuple(dict.fromkeys((*mine, *theirs)))
            self.variables |= new.variables


@dataclass(slots=True, eq=False)
class DraftSelection:
    """A selection that a group asks of an object; `type` is the subgraph's own type there.

    `fragments` are its parts, by type and directives; `directives` are the directives of a part.
    """

    type: str
    fields: dict[str, DraftField] = field(default_factory=dict)
    fragments: "dict[tuple[str, FragmentDirectives | None], DraftSelection]" = field(default_factory=dict)
    directives: FragmentDirectives | None = None

    def narrow(self, type_name: str, directives: FragmentDirectives | None = None) -> "DraftSelection":
        """The part for objects of a narrower type, or under the directives of a fragment."""
        if type_name == self.type and directives is None:
            return self
        return self.fragments.setdefault(
            (type_name, directives), DraftSelection(type_name, directives=directives)
        )

    def ask(self, new: DraftField) -> DraftField:
        """Ask for a field, or once more for one that has its key; returns the field that is asked for."""
        known = self.fields.setdefault(new.key, new)
        if known is not new:
            known.also(new)
        return known

    def means_other(self, new: DraftField) -> bool:
        """Whether a field's key stands for another field here, or for the same one with other arguments."""
        known = self.fields.get(new.key)
        return known is not None and (known.name, known.arguments) != (new.name, new.arguments)

    def clashes(self, other: "DraftSelection") -> bool:
        """Whether some key stands for something else in another selection of the same type."""
        for key, item in other.fields.items():
            if self.means_other(item):
                return True
            below = self.fields[key].below if key in self.fields else None
            if below is not None and item.below is not None and below.clashes(item.below):
                return True
        return any(
            part in self.fragments and self.fragments[part].clashes(inner)
            for part, inner in other.fragments.items()
        )

    def needing(self, inputs: frozenset[RepresentationField]) -> "DraftSelection":
        """The fields of an entity that need exactly these inputs."""
        kept = {key: item for key, item in self.fields.items() if item.needs == inputs}
        parts = {part: inner.needing(inputs) for part, inner in self.fragments.items()}
        return DraftSelection(
            self.type, kept, {part: one for part, one in parts.items() if one.asks()}, self.directives
        )

    def needs(self) -> set[frozenset[RepresentationField]]:
        """The sets of inputs that the fields of an entity need."""
        own = {item.needs for item in self.fields.values()}
        return own.union(*(inner.needs() for inner in self.fragments.values()))

    def asks(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.fields) or any(inner.asks() for inner in self.fragments.values())

    def absorb(self, other: "DraftSelection") -> None:
        """Take over everything another selection of the same type asks for."""
        for key, item in other.fields.items():
            mine = self.fields.get(key)
            if mine is None:
                self.fields[key] = item
                continue
            mine.also(item)
            if mine.below is not None and item.below is not None:
                mine.below.absorb(item.below)
        for part, inner in other.fragments.items():
            self.narrow(*part).absorb(inner)


@dataclass(slots=True, eq=False)
class DraftLookup:
    """A place that a group fills.

    Entities at a path with their representations, or (without any) the root type's fields. `apart` tells
    lookups of one path apart that must not be joined.
    """

    path: Path
    draft: DraftSelection
    representations: list[Representation] = field(default_factory=list)
    root: bool = False
    contexts: tuple[ContextInput, ...] = ()
    apart: str = ""

    def fits(self, new: Representation) -> bool:
        """Whether a representation can be joined.

        No object would get two, and no field stand for two values.
        """
        return all(compatible(old, new) for old in self.representations)

    def represent(self, new: Representation) -> None:
        """Add what an object of some types is looked up by; fields for the same types are joined."""
        for index, old in enumerate(self.representations):
            if old.types == new.types and old.typename == new.typename:
                self.representations[index] = _both(old, new)
                return
        self.representations.append(new)


def _both(old: Representation, new: Representation) -> Representation:
    fields = (*old.fields, *(item for item in new.fields if item not in old.fields))
    keys = (frozenset(old.fields) - old.inputs) | (frozenset(new.fields) - new.inputs)
    return Representation(old.types, old.typename, fields, (old.inputs | new.inputs) - keys)


def compatible(one: Representation, other: Representation) -> bool:
    """Whether two representations can be in one lookup.

    For objects of other types, or for the same ones and in agreement. Objects of two types that the subgraph
    looks up as one (as an interface object) would be asked for the same fields.
    """
    if one.types is not None and other.types is not None and not one.types & other.types:
        return one.typename is None or one.typename != other.typename
    return one.types == other.types and one.typename == other.typename and agree(one.fields, other.fields)


def agree(one: Sequence[RepresentationField], other: Sequence[RepresentationField]) -> bool:
    """Whether fields of one name stand for one value in both.

    A @requires may ask for the same field with other arguments.
    """
    for mine in one:
        for theirs in other:
            apart = mine.types is not None and theirs.types is not None and not mine.types & theirs.types
            same = mine.key == theirs.key and agree(mine.below, theirs.below)
            if mine.name == theirs.name and not apart and not same:
                return False
    return True


@dataclass(slots=True, eq=False)
class FetchGroup:
    """One subgraph request in the making."""

    subgraph: str
    lookups: list[DraftLookup]
    parents: "set[FetchGroup]" = field(default_factory=set)


def ancestors(group: FetchGroup) -> set[FetchGroup]:
    """Every group that a group waits for, directly or not."""
    found: set[FetchGroup] = set()
    waiting = list(group.parents)
    while waiting:
        parent = waiting.pop()
        if parent not in found:
            found.add(parent)
            waiting.extend(parent.parents)
    return found


def in_order(groups: Iterable[FetchGroup]) -> list[FetchGroup]:
    """The groups, each after those it waits for; otherwise as they came."""
    done: dict[FetchGroup, None] = {}

    def visit(group: FetchGroup) -> None:
        if group not in done:
            for parent in sorted(group.parents, key=positions.__getitem__):
                visit(parent)
            done[group] = None

    given = list(groups)
    positions = {group: index for index, group in enumerate(given)}
    for group in given:
        visit(group)
    return list(done)


def levels(groups: Iterable[FetchGroup]) -> dict[FetchGroup, int]:
    """The round in which each group can run: 0 for those that wait for nothing."""
    depth: dict[FetchGroup, int] = {}
    for group in in_order(groups):
        depth[group] = max((depth[parent] + 1 for parent in group.parents), default=0)
    return depth


@dataclass(slots=True)
class RequestSlot:
    """Where an vertex's fields are asked for: a group, and the selection in it."""

    vertex: Vertex
    group: FetchGroup
    draft: DraftSelection


@dataclass(slots=True, eq=False)
class ResponsePlace:
    """A place of the answer, shared by its sites of all type conditions."""

    path: Path
    names: ResponseKeys
    groups: dict[tuple[object, ...], FetchGroup] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Site:
    """A place of the response with one static type, and which requests fetch what of its objects.

    - `types`: the run-time types to which the site is restricted; None for every object at the place.
    - `directives`: those of the fragment that the site stands for.
    - `start`: the vertices that the parent's requests reach. `slots`: where the fields of these vertices, and
      of those entered here by a key, are selected.
    - `children`: the sites of the values of composite fields, by response key; `parent` is the site above.
    - `parts`: sites for the same place and a narrower type, or under the directives of a fragment; `whole` is
      the site of which this one is a part.
    - `demanded`: representation fields that are already placed here, by field set item, vertices and use.
    """

    place: ResponsePlace
    type: str
    types: frozenset[str] | None = None
    start: tuple[Vertex, ...] = ()
    slots: dict[Vertex, RequestSlot] = field(default_factory=dict)
    children: "dict[str, Site]" = field(default_factory=dict)
    parts: "dict[tuple[str, FragmentDirectives | None], Site]" = field(default_factory=dict)
    whole: "Site | None" = None
    parent: "Site | None" = None
    demanded: dict[object, tuple[tuple[RepresentationField, ...], set[FetchGroup]]] = field(
        default_factory=dict
    )
    directives: FragmentDirectives | None = None

    def arrive(self, slot: RequestSlot) -> None:
        """Another subgraph brings the object along with its parent."""
        if slot.vertex not in self.slots:
            self.slots[slot.vertex] = slot
            self.start = (*self.start, slot.vertex)
