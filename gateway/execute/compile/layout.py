"""The answer's layout, worked out of a plan: which fetch brings which field of which object, and what the client sees of it.

A Node is one place of the answer. Its own fields come with it, in the reply that brings the object; others are looked up. Plans with
more than that (objects whose type decides, values from several subgraphs, contexts, renamed keys) have no layout: they run exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.plan.nodes import Fetch, Path, Plan, RepField, Selection
from gateway.request.operation import Field, Operation, Selections
from gateway.supergraph.model import Supergraph, named

NODES = 400  # what is larger is asked once in a while, and compiling it would take longer than running it exactly


class NoLayout(Exception):
    """The plan is one for the exact path."""


@dataclass(slots=True, eq=False)
class Slot:
    """One key of a node: its type reference, the lookup that brings it (None: it comes with the object), and the node below.

    `asked`: the client sees it; the planner may need others. `attribute` is its name in the node's struct.
    """

    key: str
    name: str
    type: str
    lookup: "NodeLookup | None"
    origin: tuple[int, int]
    below: "Node | None" = None
    asked: bool = False
    attribute: str = ""

    @property
    def is_list(self) -> bool:
        """Whether its value is a list."""
        return self.type.startswith("[")


@dataclass(slots=True, eq=False)
class Node:
    """One place of the answer. `origin` is the fetch (and its lookup) in whose reply the object comes."""

    type: str
    origin: tuple[int, int]
    slots: dict[str, Slot] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    lookups: "list[NodeLookup]" = field(default_factory=list)
    parent: "Node | None" = None
    key: str = ""

    @property
    def own(self) -> Iterator[Slot]:
        """What comes with the object."""
        return (slot for slot in self.slots.values() if slot.lookup is None)


@dataclass(slots=True, eq=False)
class NodeLookup:
    """A lookup at one node: the fetch, the lookup in it, and how an object becomes a representation."""

    node: Node
    fetch: int
    lookup: int
    typename: str
    fields: tuple[RepField, ...]


@dataclass(slots=True)
class Layout:
    """The root node, and every lookup by fetch and number in it (entities of one lookup may stand at several nodes)."""

    root: Node
    lookups: dict[tuple[int, int], list[NodeLookup]]
    nodes: list[Node]


def lay_out(supergraph: Supergraph, operation: Operation, plan: Plan) -> Layout:
    """The layout of a plan; NoLayout where the exact path has to run it."""
    return _Builder(supergraph, plan).build(operation)


class _Builder:
    def __init__(self, supergraph: Supergraph, plan: Plan) -> None:
        self.supergraph = supergraph
        self.plan = plan
        self.root = Node(supergraph.roots[plan.kind], (-1, -1))
        self.nodes = [self.root]
        self.lookups: dict[tuple[int, int], list[NodeLookup]] = {}

    def build(self, operation: Operation) -> Layout:
        """Place every fetch, then mark what the client asked."""
        if len(self.plan.stages) != 1 or any(fetch.renames or fetch.pieces for fetch in self.plan.fetches):
            raise NoLayout
        for fetch in self.plan.fetches:
            self.place(fetch)
            if len(self.nodes) > NODES:
                raise NoLayout
        self.ask(self.root, operation.selections)
        return Layout(self.root, self.lookups, self.nodes)

    def place(self, fetch: Fetch) -> None:
        """The fields that a fetch brings."""
        for number, lookup in enumerate(fetch.lookups):
            for target in lookup.targets:
                node = self.at(target.path)
                if lookup.field is None:
                    if node is not self.root:
                        raise NoLayout
                    self.fill(node, lookup.selection, (fetch.id, number), None)
                    continue
                (template,) = target.representations if len(target.representations) == 1 else (None,)
                if template is None or template.types is not None or template.typename is None:
                    raise NoLayout
                self.check_inputs(node, template.fields)
                made = NodeLookup(node, fetch.id, number, template.typename, template.fields)
                node.lookups.append(made)
                self.lookups.setdefault((fetch.id, number), []).append(made)
                self.fill(node, lookup.selection, (fetch.id, number), made)

    def at(self, path: Path) -> Node:
        """The node at a path."""
        node = self.root
        for step in path:
            below = node.slots[step.key].below if step.key in node.slots else None
            if step.types is not None or below is None:
                raise NoLayout
            node = below
        return node

    def fill(self, node: Node, selection: Selection, origin: tuple[int, int], lookup: NodeLookup | None) -> None:
        """Put a selection's fields on a node."""
        for types, inner in selection.fragments:
            if types != frozenset({node.type}):
                raise NoLayout
            self.fill(node, inner, origin, lookup)
        types_here = self.supergraph.field_types.get(node.type, {})
        for out in selection.fields:
            known = node.slots.get(out.key)
            if known is not None:
                if out.below is not None or known.name != out.name:
                    raise NoLayout
                continue
            reference = "String!" if out.name == "__typename" else types_here.get(out.name)
            if reference is None or self.supergraph.kinds.get(node.type) != "object":
                raise NoLayout
            slot = Slot(out.key, out.name, reference, lookup, origin, attribute=f"a{len(node.slots)}")
            node.slots[out.key] = slot
            if out.below is not None:
                slot.below = Node(named(reference), origin, parent=node, key=out.key)
                self.nodes.append(slot.below)
                self.fill(slot.below, out.below, origin, None)

    def check_inputs(self, node: Node, fields: tuple[RepField, ...]) -> None:
        """Inputs lie on the object itself, or on single objects that came with their parent."""
        for one in fields:
            slot = node.slots.get(one.key)
            if slot is None or one.types is not None:
                raise NoLayout
            if one.below:
                if slot.below is None or slot.type.lstrip("[") != slot.type:
                    raise NoLayout
                if any(inner.key not in slot.below.slots for inner in one.below):
                    raise NoLayout
                if any(slot.below.slots[inner.key].lookup is not None for inner in one.below):
                    raise NoLayout
                self.check_inputs(slot.below, one.below)

    def ask(self, node: Node, selections: Selections) -> None:
        """Mark what the client asked, in its order."""
        for item in selections:
            if not isinstance(item, Field):
                raise NoLayout
            slot = node.slots.get(item.key)
            if slot is None or slot.name != item.name:
                raise NoLayout
            slot.asked = True
            node.order.append(item.key)
            if item.selections:
                if slot.below is None:
                    raise NoLayout
                self.ask(slot.below, item.selections)


def entity_slots(lookups: list[NodeLookup]) -> dict[str, Slot]:
    """What one lookup brings, by key: the slots of whichever of its nodes take them from it."""
    return {slot.key: slot for one in lookups for slot in one.node.slots.values() if slot.lookup is one}
