"""The answer's layout, worked out of a plan.

Which fetch brings which field of which object, and what the client sees of it.

A Node is one place of the answer as one object type; a place of an interface or a union has a node for each
of its types. A node's own fields come with it, in the reply that brings the object; others are looked up.
Plans with more than that (values from several subgraphs, contexts, renamed keys, interface objects) have no
layout: they run exactly.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from gateway.plan.nodes import Fetch, Path, Plan, Representation, RepresentationField, Selection, Target
from gateway.request.operation import Field, Operation, Selections
from gateway.supergraph.model import Supergraph, named

NODES = (
    400  # what is larger is asked once in a while, and compiling it would take longer than running it exactly
)


class NoLayout(Exception):
    """The plan is one for the exact path."""


@dataclass(slots=True, eq=False)
class NodeSlot:
    """One key of a node: its type reference, the lookup that brings it (None.

    It comes with the object), and the nodes below.

    `asked`: the client sees it; the planner may need others. `attribute` is its name in the node's struct.
    `abstract`: each object's type decides which of the nodes it is.
    """

    key: str
    name: str
    type: str
    lookup: "NodeLookup | None"
    origin: tuple[int, int]
    nodes: "tuple[LayoutNode, ...]" = ()
    abstract: bool = False
    asked: bool = False
    attribute: str = ""

    @property
    def is_list(self) -> bool:
        """Whether its value is a list."""
        return self.type.startswith("[")

    @property
    def below(self) -> "LayoutNode | None":
        """The only node below, where no type has to decide."""
        return self.nodes[0] if self.nodes and not self.abstract else None


@dataclass(slots=True, eq=False)
class LayoutNode:
    """One place of the answer. `origin` is the fetch (and its lookup) in whose reply the object comes.

    `lost`: the plan brings not all that such an object needs, as none can stand here; if one does, the exact
    path has to see to it.
    """

    type: str
    origin: tuple[int, int]
    slots: dict[str, NodeSlot] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    lookups: "list[NodeLookup]" = field(default_factory=list)
    parent: "LayoutNode | None" = None
    key: str = ""
    lost: bool = False


@dataclass(slots=True, eq=False)
class NodeLookup:
    """A lookup at one node: the fetch, the lookup in it, and how an object becomes a representation."""

    node: LayoutNode
    fetch: int
    lookup: int
    typename: str
    fields: tuple[RepresentationField, ...]


@dataclass(slots=True)
class Layout:
    """The root node, and every lookup by fetch and number in it (entities of one lookup may stand at
    several nodes).
    """

    root: LayoutNode
    lookups: dict[tuple[int, int], list[NodeLookup]]
    nodes: list[LayoutNode]

    @property
    def abstract(self) -> Iterator[tuple[LayoutNode, NodeSlot]]:
        """Every slot whose objects' types decide, with the node that has it; outer ones first."""
        return ((node, slot) for node in self.nodes for slot in node.slots.values() if slot.abstract)


def lay_out(supergraph: Supergraph, operation: Operation, plan: Plan) -> Layout:
    """The layout of a plan; NoLayout where the exact path has to run it."""
    return _Builder(supergraph, plan).build(operation)


class _Builder:
    def __init__(self, supergraph: Supergraph, plan: Plan) -> None:
        self.supergraph = supergraph
        self.plan = plan
        self.root = LayoutNode(supergraph.roots[plan.kind], (-1, -1))
        self.nodes = [self.root]
        self.lookups: dict[tuple[int, int], list[NodeLookup]] = {}

    def build(self, operation: Operation) -> Layout:
        """Place every fetch, then mark what the client asked."""
        if len(self.plan.stages) != 1 or any(
            fetch.renames or fetch.request_parts for fetch in self.plan.fetches
        ):
            raise NoLayout
        for fetch in self.plan.fetches:
            self.place(fetch)
        self.ask(self.root, operation.selections)
        return Layout(self.root, self.lookups, self.nodes)

    def place(self, fetch: Fetch) -> None:
        """The fields that a fetch brings."""
        for number, lookup in enumerate(fetch.lookups):
            origin = (fetch.id, number)
            self.lookups[origin] = []
            for target in lookup.targets:
                nodes = self.at(target.path)
                if lookup.field is None:
                    if nodes != [self.root]:
                        raise NoLayout
                    self.fill(self.root, lookup.selection, origin, None)
                    continue
                for node in nodes:
                    template = template_for(target, node.type)
                    if template is not None:
                        self.look_up(node, template, lookup.selection, origin)

    def look_up(
        self, node: LayoutNode, template: Representation, selection: Selection, origin: tuple[int, int]
    ) -> None:
        """A lookup at one node, and what it brings there."""
        fields = joined(one for one in template.fields if one.types is None or node.type in one.types)
        self.check_inputs(node, fields)
        made = NodeLookup(node, *origin, template.typename or node.type, fields)
        node.lookups.append(made)
        self.lookups[origin].append(made)
        self.fill(node, selection, origin, made)

    def at(self, path: Path) -> list[LayoutNode]:
        """The nodes at a path."""
        nodes = [self.root]
        for step in path:
            slots = [node.slots[step.key] for node in nodes if step.key in node.slots]
            below = [inner for slot in slots for inner in slot.nodes]
            nodes = [one for one in below if step.types is None or one.type in step.types]
            if not below:
                raise NoLayout
        return nodes

    def fill(
        self, node: LayoutNode, selection: Selection, origin: tuple[int, int], lookup: NodeLookup | None
    ) -> None:
        """Put a selection's fields on a node."""
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
                    self.hang(node, slot)
            elif slot.name != out.name or (
                out.below is not None and (slot.origin, slot.lookup) != (origin, lookup)
            ):
                raise NoLayout
            if out.below is not None:
                for inner in slot.nodes:
                    self.fill(inner, out.below, origin, None)
        for types, inner_selection in selection.fragments:
            if node.type in types:
                self.fill(node, inner_selection, origin, lookup)

    def hang(self, node: LayoutNode, slot: NodeSlot) -> None:
        """The nodes below a slot."""
        name = named(slot.type)
        slot.abstract = self.supergraph.kinds.get(name) != "object"
        seen = self.supergraph.api.type_map  # what clients can't see, the exact path hides
        types = sorted(self.supergraph.possible[name] & seen.keys()) if slot.abstract else [name]
        views = (subgraph.types.get(name) for subgraph in self.supergraph.subgraphs.values())
        if slot.abstract and any(view is not None and view.interface_object for view in views):
            raise NoLayout  # some subgraphs don't know an object's type
        slot.nodes = tuple(LayoutNode(one, slot.origin, parent=node, key=slot.key) for one in types)
        self.nodes.extend(slot.nodes)
        if len(self.nodes) > NODES:
            raise NoLayout

    def check_inputs(self, node: LayoutNode, fields: tuple[RepresentationField, ...]) -> None:
        """Inputs lie on the object itself, or on single objects that came with their parent."""
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

    def ask(self, node: LayoutNode, selections: Selections) -> None:
        """Mark what the client asked, in its order."""
        for item in selections:
            if not isinstance(item, Field):
                if node.type in self.supergraph.possible.get(item.type, {item.type}):
                    self.ask(node, item.selections)
                continue
            slot = node.slots.get(item.key)
            if slot is None or slot.name != item.name or bool(item.selections) != bool(slot.nodes):
                raise NoLayout
            if not slot.asked:
                slot.asked = True
                node.order.append(item.key)
            for inner in slot.nodes:
                self.ask_below(slot, inner, item.selections)
            if slot.nodes and all(inner.lost for inner in slot.nodes):
                raise NoLayout

    def ask_below(self, slot: NodeSlot, node: LayoutNode, selections: Selections) -> None:
        """The same for a node; one of several types that some subgraph does not know may be lost."""
        try:
            self.ask(node, selections)
        except NoLayout:
            if not slot.abstract:
                raise
            node.lost = True


def joined(fields: Iterable[RepresentationField]) -> tuple[RepresentationField, ...]:
    """The fields of a representation, each name once: what two field sets read of one value goes together."""
    found: dict[str, RepresentationField] = {}
    for one in fields:
        known = found.setdefault(one.name, one)
        if (known.key, known.types) != (one.key, one.types):
            raise NoLayout
        found[one.name] = replace(known, below=joined((*known.below, *one.below)))
    return tuple(found.values())


def template_for(target: Target, type_name: str) -> Representation | None:
    """How objects of a type become representations at a target, if at all."""
    fitting = (one for one in target.representations if one.types is None or type_name in one.types)
    return next(fitting, None)


def entity_slots(lookups: list[NodeLookup]) -> dict[str, NodeSlot]:
    """What one lookup brings, by key: the slots of whichever of its nodes take them from it."""
    return {slot.key: slot for one in lookups for slot in one.node.slots.values() if slot.lookup is one}
