"""The layout of a response, computed from a plan: which fetch returns which field of which object.

A `LayoutNode` is one place of the response as one object type; a place with an interface or union type has a
node for each of its object types. The fields of a node come in the reply that returns the object, or from
lookups at the node. Plans with other features (mutation stages, contexts, renamed keys, values from several
subgraphs, interface objects) have no layout: the exact path runs them.

Example: `{ product { stock } }`, with `product { id }` from fetch 0 and `stock` from fetch 1, gives two
nodes: Query with the slot `product` (origin fetch 0), and Product with the slots `id` (fetch 0, not selected)
and `stock` (a lookup of fetch 1).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from gateway.plan.nodes import Fetch, Path, Plan, Representation, RepresentationField, Selection, Target
from gateway.request.operation import Field, Operation, Selections
from gateway.supergraph.model import Supergraph, named

NOWHERE = (-2, -2)  # the origin of a denied field's null
MAX_NODES = 400  # above that, compiling takes longer than running a rarely repeated operation exactly


class NoLayout(Exception):
    """The plan has no layout, so the exact path runs it."""


@dataclass(slots=True, eq=False)
class NodeSlot:
    """One response key of a node.

    - `type`: the field's type reference. `name`: the field's name.
    - `lookup`: the lookup that returns the value; None if the reply with the object also has the value.
    - `origin`: (fetch id, index of its lookup) of the reply that has the value.
    - `nodes`: the nodes of a composite value. `abstract`: whether the type is abstract, so that the run-time
      type of each object selects the node.
    - `selected`: whether the client selected it; other slots have values that only the plan needs.
    - `attribute`: the name of the attribute in the node's struct.
    - `denied`: whether the caller may not see the value, which is null.
    """

    key: str
    name: str
    type: str
    lookup: "NodeLookup | None"
    origin: tuple[int, int]
    nodes: "tuple[LayoutNode, ...]" = ()
    abstract: bool = False
    selected: bool = False
    attribute: str = ""
    denied: bool = False

    @property
    def is_list(self) -> bool:
        """Return whether the value is a list."""
        return self.type.startswith("[")

    @property
    def below(self) -> "LayoutNode | None":
        """Return the node of an object value; None for leaves and abstract types."""
        return self.nodes[0] if self.nodes and not self.abstract else None


@dataclass(slots=True, eq=False)
class LayoutNode:
    """One place of the response as one object type.

    - `origin`: (fetch id, index of its lookup) of the reply that returns the objects.
    - `slots`: by response key. `order`: the selected keys in the client's order.
    - `lookups`: the entity lookups at this node.
    - `parent`: the node that contains this one, in its slot `key`.
    - `incomplete`: whether the plan does not fetch all selected fields of such objects, because no subgraph
      should return one here; if one does, the exact path runs.
    """

    type: str
    origin: tuple[int, int]
    slots: dict[str, NodeSlot] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    lookups: "list[NodeLookup]" = field(default_factory=list)
    parent: "LayoutNode | None" = None
    key: str = ""
    incomplete: bool = False


@dataclass(slots=True, eq=False)
class NodeLookup:
    """A lookup at one node: the fetch's id, the index of the lookup in the fetch, and how to make
    representations.

    `typename` and `fields`: what the representations contain.
    """

    node: LayoutNode
    fetch: int
    lookup: int
    typename: str
    fields: tuple[RepresentationField, ...]


@dataclass(slots=True)
class Layout:
    """The layout of a plan: the root node, all nodes, and the lookups at nodes by (fetch id, index of the
    lookup).

    The entities of one lookup may be at several nodes.
    """

    root: LayoutNode
    lookups: dict[tuple[int, int], list[NodeLookup]]
    nodes: list[LayoutNode]

    @property
    def abstract(self) -> Iterator[tuple[LayoutNode, NodeSlot]]:
        """Yield (node, slot) for every slot with an abstract type, outer ones first."""
        return ((node, slot) for node in self.nodes for slot in node.slots.values() if slot.abstract)


def lay_out(supergraph: Supergraph, operation: Operation, plan: Plan) -> Layout:
    """Return the layout of a plan. Raises NoLayout if only the exact path can run the plan."""
    return _LayoutBuilder(supergraph, plan).build(operation)


class _LayoutBuilder:
    def __init__(self, supergraph: Supergraph, plan: Plan) -> None:
        self.supergraph = supergraph
        self.plan = plan
        self.root = LayoutNode(supergraph.roots[plan.kind], (-1, -1))
        self.nodes = [self.root]
        self.lookups: dict[tuple[int, int], list[NodeLookup]] = {}

    def build(self, operation: Operation) -> Layout:
        """Add the fields of every fetch, then mark the selected ones; return the layout."""
        if len(self.plan.stages) != 1 or any(
            fetch.renames or fetch.request_parts for fetch in self.plan.fetches
        ):
            raise NoLayout
        for fetch in self.plan.fetches:
            self.add_fetch(fetch)
        self.mark_selected(self.root, operation.selections)
        return Layout(self.root, self.lookups, self.nodes)

    def add_fetch(self, fetch: Fetch) -> None:
        """Add the fields that a fetch returns."""
        for number, lookup in enumerate(fetch.lookups):
            origin = (fetch.id, number)
            self.lookups[origin] = []
            for target in lookup.targets:
                nodes = self.nodes_at(target.path)
                if lookup.field is None:
                    if nodes != [self.root]:
                        raise NoLayout
                    self.add_fields(self.root, lookup.selection, origin, None)
                    continue
                for node in nodes:
                    template = representation_for(target, node.type)
                    if template is not None:
                        self.add_lookup(node, template, lookup.selection, origin)

    def add_lookup(
        self, node: LayoutNode, template: Representation, selection: Selection, origin: tuple[int, int]
    ) -> None:
        """Add a lookup at one node, and the fields that it returns there.

        `origin`: (fetch id, index of the lookup). `template`: how the node's objects become representations.
        """
        fields = merged_fields(one for one in template.fields if one.types is None or node.type in one.types)
        self.check_inputs(node, fields)
        made = NodeLookup(node, *origin, template.typename or node.type, fields)
        node.lookups.append(made)
        self.lookups[origin].append(made)
        self.add_fields(node, selection, origin, made)

    def nodes_at(self, path: Path) -> list[LayoutNode]:
        """Return the nodes at a path."""
        nodes = [self.root]
        for step in path:
            slots = [node.slots[step.key] for node in nodes if step.key in node.slots]
            below = [inner for slot in slots for inner in slot.nodes]
            nodes = [one for one in below if step.types is None or one.type in step.types]
            if not below:
                raise NoLayout
        return nodes

    def add_fields(
        self, node: LayoutNode, selection: Selection, origin: tuple[int, int], lookup: NodeLookup | None
    ) -> None:
        """Add the fields of a reply to a node.

        `lookup`: the node's lookup that returns them; None if they come with the object.
        """
        types_here = self.supergraph.field_types.get(node.type, {})
        for out in selection.fields:
            slot = node.slots.get(out.key)
            if slot is None:
                reference = "String!" if out.name == "__typename" else types_here.get(out.name)
                if reference is None:
                    raise NoLayout
                slot = NodeSlot(out.key, out.name, reference, lookup, origin, attribute=f"a{len(node.slots)}")
                node.slots[out.key] = slot
                if out.below is not None:
                    self.add_nodes_below(node, slot)
            elif slot.name != out.name or (
                out.below is not None and (slot.origin, slot.lookup) != (origin, lookup)
            ):
                raise NoLayout
            if out.below is not None:
                for inner in slot.nodes:
                    self.add_fields(inner, out.below, origin, None)
        for types, inner_selection in selection.fragments:
            if node.type in types:
                self.add_fields(node, inner_selection, origin, lookup)

    def add_nodes_below(self, node: LayoutNode, slot: NodeSlot) -> None:
        """Create the nodes of a composite slot, one per possible object type."""
        name = named(slot.type)
        slot.abstract = self.supergraph.kinds.get(name) != "object"
        seen = self.supergraph.api.type_map  # the exact path hides objects of @inaccessible types
        types = sorted(self.supergraph.possible[name] & seen.keys()) if slot.abstract else [name]
        views = (subgraph.types.get(name) for subgraph in self.supergraph.subgraphs.values())
        if slot.abstract and any(view is not None and view.interface_object for view in views):
            raise NoLayout  # some subgraphs do not know the run-time types
        slot.nodes = tuple(LayoutNode(one, slot.origin, parent=node, key=slot.key) for one in types)
        self.nodes.extend(slot.nodes)
        if len(self.nodes) > MAX_NODES:
            raise NoLayout

    def check_inputs(self, node: LayoutNode, fields: tuple[RepresentationField, ...]) -> None:
        """Raise NoLayout unless all representation fields are easy to read from the object.

        They must be on the object itself, or on single objects that came in the same reply as their parent.
        """
        for one in fields:
            slot = node.slots.get(one.key)
            if slot is None:
                raise NoLayout
            if one.below:
                if slot.below is None or slot.is_list:
                    raise NoLayout
                if any(inner.types is not None or inner.key not in slot.below.slots for inner in one.below):
                    raise NoLayout
                if any(slot.below.slots[inner.key].lookup is not None for inner in one.below):
                    raise NoLayout
                self.check_inputs(slot.below, one.below)
            elif slot.nodes:
                raise NoLayout

    def mark_selected(self, node: LayoutNode, selections: Selections) -> None:
        """Mark the slots that the client selected, and store their order.

        Raises NoLayout if one is missing.
        """
        for item in selections:
            if not isinstance(item, Field):
                if node.type in self.supergraph.possible.get(item.type, {item.type}):
                    self.mark_selected(node, item.selections)
                continue
            if item.denied:
                self.add_denied(node, item)
                continue
            slot = node.slots.get(item.key)
            if (
                slot is None
                or slot.denied
                or slot.name != item.name
                or bool(item.selections) != bool(slot.nodes)
            ):
                raise NoLayout
            if not slot.selected:
                slot.selected = True
                node.order.append(item.key)
            for inner in slot.nodes:
                self.mark_selected_below(slot, inner, item.selections)
            if slot.nodes and all(inner.incomplete for inner in slot.nodes):
                raise NoLayout

    def add_denied(self, node: LayoutNode, item: Field) -> None:
        """Add the slot of a denied field. Raises NoLayout if its null propagates, or if its key is in use."""
        reference = self.supergraph.field_types.get(node.type, {}).get(item.name, "!")
        if reference.endswith("!") or item.key in node.slots:
            raise NoLayout
        name = f"a{len(node.slots)}"
        node.slots[item.key] = NodeSlot(
            item.key, item.name, "String", None, NOWHERE, selected=True, attribute=name, denied=True
        )
        node.order.append(item.key)

    def mark_selected_below(self, slot: NodeSlot, node: LayoutNode, selections: Selections) -> None:
        """Mark the selected slots of a nested node; if one is missing and the type is abstract, the node is
        incomplete.
        """
        try:
            self.mark_selected(node, selections)
        except NoLayout:
            if not slot.abstract:
                raise
            node.incomplete = True


def merged_fields(fields: Iterable[RepresentationField]) -> tuple[RepresentationField, ...]:
    """Return the fields of a representation, each name once; their nested fields are merged.

    Raises NoLayout if fields of one name are read from different response keys, or for different types.
    """
    found: dict[str, RepresentationField] = {}
    for one in fields:
        known = found.setdefault(one.name, one)
        if (known.key, known.types) != (one.key, one.types):
            raise NoLayout
        found[one.name] = replace(known, below=merged_fields((*known.below, *one.below)))
    return tuple(found.values())


def representation_for(target: Target, type_name: str) -> Representation | None:
    """Return how objects of a type become representations for a lookup's target.

    None if the lookup does not select fields of this type.
    """
    fitting = (one for one in target.representations if one.types is None or type_name in one.types)
    return next(fitting, None)


def entity_slots(lookups: list[NodeLookup]) -> dict[str, NodeSlot]:
    """Return the slots that one lookup fills at all of its nodes, by response key."""
    return {slot.key: slot for one in lookups for slot in one.node.slots.values() if slot.lookup is one}
