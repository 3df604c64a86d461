"""The fetch graph during planning: groups (one subgraph request each), their selections, and their order.

The graph is mutable, and only this package uses it; `assemble` turns it into frozen `Fetch` values.

Example: for `{ product { stock shipping } }`, where subgraph a has `product`, b has `shipping` with
`@requires(fields: "weight")` and c has `stock`, `place` builds three groups:

    FetchGroup a               root lookup:            { product { id weight } }
    FetchGroup c, parents {a}  lookup at `product`:    { ... on Product { stock } }
                               representations:        Product { id }
    FetchGroup b, parents {a}  lookup at `product`:    { ... on Product { shipping } }
                               representations:        Product { id weight }, inputs {weight}

`id` and `weight` are in the first group because the other two need them; the client did not select them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.plan.nodes import ContextInput, Path, Representation, RepresentationField
from gateway.plan.response_keys import ResponseKeys
from gateway.request.operation import FragmentDirectives
from gateway.supergraph.query_graph import Vertex


@dataclass(slots=True, eq=False)
class DraftField:
    """A field that a group selects.

    `key`: the key of its value in the merged response. `type`: the subgraph's type reference. `variables`:
    the client's variables in its arguments and directives. `below`: the selection of a composite field.
    `directives`: as in `request.operation.Field`. `inputs`: the representation fields that its @requires
    needs.
    """

    key: str
    name: str
    type: str
    arguments: tuple[tuple[str, str], ...]
    variables: frozenset[str]
    below: "DraftSelection | None" = None
    directives: tuple[str, ...] = ()
    inputs: frozenset[RepresentationField] = frozenset()

    def merge_directives(self, new: "DraftField") -> None:
        """Add the directives and variables of another occurrence of the same field in the operation."""
        if new.directives != self.directives:
            mine, theirs = self.directives or ("",), new.directives or ("",)
            self.directives = tuple(dict.fromkeys((*mine, *theirs)))
            self.variables |= new.variables


@dataclass(slots=True, eq=False)
class DraftSelection:
    """The fields that a group selects on one object.

    `type`: the type condition, a type of the subgraph. `fragments`: nested selections, by type condition and
    directives. `directives`: those of the fragment, if this selection is a fragment.
    """

    type: str
    fields: dict[str, DraftField] = field(default_factory=dict)
    fragments: "dict[tuple[str, FragmentDirectives | None], DraftSelection]" = field(default_factory=dict)
    directives: FragmentDirectives | None = None

    def narrow(self, type_name: str, directives: FragmentDirectives | None = None) -> "DraftSelection":
        """Return the nested selection for a narrower type or for a fragment's directives; create it if
        missing.
        """
        if type_name == self.type and directives is None:
            return self
        return self.fragments.setdefault(
            (type_name, directives), DraftSelection(type_name, directives=directives)
        )

    def select(self, new: DraftField) -> DraftField:
        """Add a field.

        If the key is already selected, merge into the existing field; return the field that remains.
        """
        known = self.fields.setdefault(new.key, new)
        if known is not new:
            known.merge_directives(new)
        return known

    def conflicts_with(self, new: DraftField) -> bool:
        """Return whether the field's key already stands for a different field or other arguments here."""
        known = self.fields.get(new.key)
        return known is not None and (known.name, known.arguments) != (new.name, new.arguments)

    def conflicts_with_selection(self, other: "DraftSelection") -> bool:
        """Return whether some key stands for different fields in the two selections, at any depth."""
        for key, item in other.fields.items():
            if self.conflicts_with(item):
                return True
            below = self.fields[key].below if key in self.fields else None
            if below is not None and item.below is not None and below.conflicts_with_selection(item.below):
                return True
        return any(
            part in self.fragments and self.fragments[part].conflicts_with_selection(inner)
            for part, inner in other.fragments.items()
        )

    def restricted_to(self, inputs: frozenset[RepresentationField]) -> "DraftSelection":
        """Return a copy with only the fields that need exactly these @requires inputs."""
        kept = {key: item for key, item in self.fields.items() if item.inputs == inputs}
        parts = {part: inner.restricted_to(inputs) for part, inner in self.fragments.items()}
        return DraftSelection(
            self.type,
            kept,
            {part: one for part, one in parts.items() if one.selects_anything()},
            self.directives,
        )

    def input_sets(self) -> set[frozenset[RepresentationField]]:
        """Return the distinct sets of @requires inputs that fields need; a field without inputs adds the
        empty set.
        """
        own = {item.inputs for item in self.fields.values()}
        return own.union(*(inner.input_sets() for inner in self.fragments.values()))

    def selects_anything(self) -> bool:
        """Return whether the selection has a field, directly or in a fragment."""
        return bool(self.fields) or any(inner.selects_anything() for inner in self.fragments.values())

    def merge(self, other: "DraftSelection") -> None:
        """Add everything that another selection of the same type selects."""
        for key, item in other.fields.items():
            mine = self.fields.get(key)
            if mine is None:
                self.fields[key] = item
                continue
            mine.merge_directives(item)
            if mine.below is not None and item.below is not None:
                mine.below.merge(item.below)
        for part, inner in other.fragments.items():
            self.narrow(*part).merge(inner)


@dataclass(slots=True, eq=False)
class DraftLookup:
    """One lookup of a group: entities at a path with their representations, or root fields (`root`).

    Lookups at one path merge only if `separate` is equal: it holds the key of a field that must have a lookup
    of its own, otherwise "".
    """

    path: Path
    draft: DraftSelection
    representations: list[Representation] = field(default_factory=list)
    root: bool = False
    contexts: tuple[ContextInput, ...] = ()
    separate: str = ""

    def fits(self, new: Representation) -> bool:
        """Return whether a representation can be added: no object would get two, and no field two values."""
        return all(compatible(old, new) for old in self.representations)

    def add_representation(self, new: Representation) -> None:
        """Add a representation.

        If there is one for the same types and `__typename`, extend it by the new fields.
        """
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
    """Return whether two representations can be in one lookup.

    They can when they are for different object types, or for the same types with the same value for each
    field. Two object types that the subgraph looks up as one interface object can't: the selection of either
    would apply to both.
    """
    if one.types is not None and other.types is not None and not one.types & other.types:
        return one.typename is None or one.typename != other.typename
    return one.types == other.types and one.typename == other.typename and agree(one.fields, other.fields)


def agree(one: Sequence[RepresentationField], other: Sequence[RepresentationField]) -> bool:
    """Return whether fields of the same name have the same value in both representations.

    They may not: a @requires can select a field with other arguments, whose value has another key.
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
    """One subgraph request during planning; it waits for the groups in `parents`."""

    subgraph: str
    lookups: list[DraftLookup]
    parents: "set[FetchGroup]" = field(default_factory=set)


def ancestors(group: FetchGroup) -> set[FetchGroup]:
    """Return every group that a group waits for, directly or through others."""
    found: set[FetchGroup] = set()
    waiting = list(group.parents)
    while waiting:
        parent = waiting.pop()
        if parent not in found:
            found.add(parent)
            waiting.extend(parent.parents)
    return found


def in_order(groups: Iterable[FetchGroup]) -> list[FetchGroup]:
    """Return the groups in topological order: each after its parents, otherwise in the order of `groups`."""
    ordered: dict[FetchGroup, None] = {}

    def visit(group: FetchGroup) -> None:
        if group not in ordered:
            for parent in sorted(group.parents, key=positions.__getitem__):
                visit(parent)
            ordered[group] = None

    given = list(groups)
    positions = {group: index for index, group in enumerate(given)}
    for group in given:
        visit(group)
    return list(ordered)


def levels(groups: Iterable[FetchGroup]) -> dict[FetchGroup, int]:
    """Return each group's round: 0 without parents, else one more than its latest parent's round."""
    depth: dict[FetchGroup, int] = {}
    for group in in_order(groups):
        depth[group] = max((depth[parent] + 1 for parent in group.parents), default=0)
    return depth


@dataclass(slots=True)
class RequestSlot:
    """Where the fields of a vertex are selected: a group, and a selection within the group."""

    vertex: Vertex
    group: FetchGroup
    draft: DraftSelection


@dataclass(slots=True, eq=False)
class ResponsePlace:
    """A place of the response, whatever the types of the objects there.

    `keys`: the response keys in use. `groups`: the groups with an entity lookup at this place, by the
    properties that keep them apart (subgraph, parents, ...).
    """

    path: Path
    keys: ResponseKeys
    groups: dict[tuple[object, ...], FetchGroup] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Site:
    """A place of the response with one static type, and which requests fetch which fields of its objects.

    - `types`: the run-time types to which the site is restricted; None for every object at the place.
    - `directives`: those of the fragment for which the site was created.
    - `start`: the vertices at which the parent's requests return the objects. `slots`: where fields are
      selected, for these vertices and for those that lookups at this site enter by a key.
    - `children`: the sites of the values of composite fields, by response key; `parent`: the enclosing site.
    - `parts`: sites for the same place and a narrower type, or for a fragment with directives; `whole`: the
      site of which this one is a part.
    - `demanded`: the representation fields that are already placed here (see `Placer.demand`).
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

    def add_start(self, slot: RequestSlot) -> None:
        """Add a vertex at which a request of the parent returns the objects, with the slot for its fields."""
        if slot.vertex not in self.slots:
            self.slots[slot.vertex] = slot
            self.start = (*self.start, slot.vertex)
