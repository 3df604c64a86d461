"""Generates the source of a plan's functions, from generated names and constants only.

`program` has an example. Each fetch has `prepare` (collect the objects, and encode one representation for
each distinct entity) and `accept` (assign the entities to the objects), the plan has `finish` and `check`.
The objects of a node with lookups are collected once. Of objects with equal representation fields only the
first (in `firsts`) is looked up; in the end the others get its looked-up values, or its encoding.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.execute.compile.layout import Layout, LayoutNode, NodeLookup, NodeSlot, entity_slots
from gateway.execute.compile.representations import representation_template
from gateway.execute.compile.structs import Structs
from gateway.plan.nodes import Fetch, Plan, RepresentationField
from gateway.supergraph.model import named
from gateway.supergraph.scalars import SCALARS


@dataclass(slots=True)
class SourceWriter:
    """Writes the lines of a plan's source (`lines`), and collects the constants that they use by name.

    `numbers`: the number N of each node in generated names such as `firsts_N`.
    """

    layout: Layout
    plan: Plan
    structs: Structs
    lines: list[str] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    numbers: dict[LayoutNode, int] = field(default_factory=dict)

    def number(self, node: LayoutNode) -> int:
        """Return a node's number, for the generated names."""
        return self.numbers.setdefault(node, len(self.numbers))

    def constant(self, value: Any) -> str:
        """Add a constant and return its generated name."""
        name = f"C{len(self.constants)}"
        self.constants[name] = value
        return name

    def line(self, depth: int, text: str) -> None:
        """Append a line, indented `depth` times."""
        self.lines.append("    " * depth + text)

    def write(self) -> str:
        """Return the whole source."""
        for fetch in self.plan.fetches:
            entities = any(lookup.field for lookup in fetch.lookups)
            if entities:
                self.prepare(fetch)
            if entities or any(slot.origin[0] == fetch.id for _, slot in self.layout.abstract):
                self.accept(fetch)
        for node in self.layout.nodes:
            if node.lookups:
                self.collect(node)
        self.finish()
        self.check()
        return "\n".join(self.lines) + "\n"

    def prepare(self, fetch: Fetch) -> None:
        """Write `prepare_F(s)`, which returns a list of encoded representations for each lookup."""
        self.line(0, f"def prepare_{fetch.id}(s):")
        names = []
        for number, lookup in enumerate(fetch.lookups):
            if lookup.field is None:
                continue
            names.append(f"reps{number}")
            self.line(1, f"reps{number} = []")
            lookups = self.layout.lookups[fetch.id, number]
            for kind in typenames_of(lookups):
                self.line(1, "known = {}")
                for index, one in enumerate(lookups):
                    if one.typename == kind:
                        self.represent(one, number, index)
        self.line(1, f"return ({', '.join(names)},)")

    def represent(self, one: NodeLookup, number: int, index: int) -> None:
        """Write the code that encodes the representations of one node's objects.

        `number`: the position of the lookup in its fetch. `index`: the position of the node in the lookup.
        """
        node = self.number(one.node)
        self.line(1, f"if s.firsts_{node} is None: collect_{node}(s)")
        self.line(1, "places = []")
        self.line(1, f"for x in s.firsts_{node}:")
        values = list(inputs(one.node, one.fields, "x"))
        keys = []
        for position, (expression, checks, slot) in enumerate(values):
            for check in checks:
                self.line(2, f"if {check}: raise NeedsExactPath")
            self.line(2, f"k{position} = {expression}")
            keys.append(self.key(f"k{position}", slot))
        self.line(2, f"k = ({', '.join(keys)},)" if len(values) != 1 else f"k = {keys[0]}")
        self.line(2, "i = known.get(k)")
        self.line(2, "if i is None:")
        self.line(3, f"i = known[k] = len(reps{number})")
        template = self.constant(representation_template(one))
        encoded = ", ".join(f"encode(k{position})" for position in range(len(values)))
        self.line(3, f"reps{number}.append({template} % ({encoded},))")
        self.line(2, "places.append(i)")
        self.line(1, f"s.places_{one.fetch}_{number}_{index} = places")

    def accept(self, fetch: Fetch) -> None:
        """Write `accept_F(s, data, counts)`, which assigns the entities of a reply to objects in `firsts`."""
        self.line(0, f"def accept_{fetch.id}(s, data, counts):")
        position = 0
        for number, lookup in enumerate(fetch.lookups):
            if lookup.field is None:
                continue
            self.line(1, f"es = data.e{number}")
            self.line(1, f"if len(es) != counts[{position}]: raise NeedsExactPath")
            position += 1
            lookups = self.layout.lookups[fetch.id, number]
            kinds = typenames_of(lookups)
            for kind in kinds:
                same = [one for one in lookups if one.typename == kind]
                get = "es[i]"
                if len(kinds) > 1:
                    self.line(1, "found = {}")
                    get = f"entity(found, es, i, {self.constant(self.structs.entity_decoder(same))})"
                for one in same:
                    self.assign(one, lookups.index(one), list(entity_slots(same)), get)
        for node, slot in self.layout.abstract:
            if slot.origin[0] == fetch.id:
                self.decode_abstract(node, slot)
        self.line(1, "return")

    def assign(self, one: NodeLookup, index: int, keys: list[str], get: str) -> None:
        """Write the code that copies the fields of the entities in a reply to the objects of one node.

        `get`: the expression of entity i. `keys`: the response keys of its attributes b0, b1, ...
        """
        slots = [slot for slot in one.node.slots.values() if slot.lookup is one]
        if not slots:  # another lookup returns the same fields
            return
        node = self.number(one.node)
        self.line(1, f"for x, i in zip(s.firsts_{node}, s.places_{one.fetch}_{one.lookup}_{index}):")
        self.line(2, f"e = {get}")
        self.line(2, "if e is None:")
        needed = {field.key for lookup in one.node.lookups for field in lookup.fields}
        if any(slot.type.endswith("!") or slot.key in needed for slot in slots):
            self.line(3, "raise NeedsExactPath")  # an unknown entity has no input values
        else:
            for slot in slots:
                self.line(3, f"x.{slot.attribute} = None")
        self.line(2, "else:")
        for slot in slots:
            self.line(3, f"x.{slot.attribute} = e.b{keys.index(slot.key)}")

    def decode_abstract(self, node: LayoutNode, slot: NodeSlot) -> None:
        """Write the decoding of an abstract slot's objects by their run-time types."""
        if node is self.layout.root:
            depth, item = 1, f"s.data_{slot.origin[0]}"
        elif slot.lookup is not None:
            self.line(1, f"for x in s.firsts_{self.number(node)}:")
            depth, item = 2, "x"
        else:
            depth, item, _ = self.loop_to_objects(node)
        decoders = self.constant(self.structs.decoders_by_type(slot))
        value = f"{item}.{slot.attribute}"
        self.line(depth, f"{value} = {decode_expression(slot.type, value, decoders)}")

    def key(self, expression: str, slot: NodeSlot) -> str:
        """Return the expression of a value in a dictionary's key: raw JSON can't be hashed."""
        return f"hashable({expression})" if self.structs.may_be_raw(slot) else expression

    def collect(self, node: LayoutNode) -> None:
        """Write `collect_N(s)`, which finds a node's objects and the distinct ones among them."""
        number = self.number(node)
        self.line(0, f"def collect_{number}(s):")
        self.line(1, "known, firsts, objects, places, parents = {}, [], [], [], []")
        depth, item, parent = self.loop_to_objects(node)
        used = own_inputs(node)
        values = [self.key(value, slot) for one in used for value, _, slot in inputs(node, (one,), item)]
        self.line(depth, f"k = ({', '.join(values)},)" if len(values) != 1 else f"k = {values[0]}")
        self.line(depth, "i = known.get(k)")
        self.line(depth, "if i is None:")
        self.line(depth + 1, "i = known[k] = len(firsts)")
        self.line(depth + 1, f"firsts.append({item})")
        self.line(depth, f"objects.append({item}); places.append(i)")
        if shares_encoding(node):
            self.line(depth, f"parents.append({parent})")
        self.line(1, f"s.firsts_{number}, s.objects_{number} = firsts, objects")
        self.line(1, f"s.same_{number}, s.parents_{number} = places, parents")

    def loop_to_objects(self, node: LayoutNode) -> tuple[int, str, str]:
        """Write loops to every object of a node; return the indentation, the object's and its
        parent's name.
        """
        chain = [node]
        while chain[0].parent is not None and chain[0].parent.slots[chain[0].key].lookup is None:
            if chain[0].parent is self.layout.root:
                break
            chain.insert(0, chain[0].parent)
        start = chain[0].parent
        depth, item = 1, "x0"
        if start is self.layout.root:
            fetch = start.slots[chain[0].key].origin[0]
            self.line(1, f"x0 = s.data_{fetch}")
        elif start is not None:
            self.line(1, f"for x0 in s.firsts_{self.number(start)}:")
            depth = 2
        parent = item
        for step, one in enumerate(chain, 1):
            slot = one.parent.slots[one.key] if one.parent else None
            if slot is None:
                raise AssertionError("only the root has no parent")
            parent, item = item, f"x{step}"
            depth = self.loop_into_slot(depth, slot, parent, item)
            if slot.abstract:
                kind = self.constant(self.structs.node(one))
                self.line(depth, f"if {item}.__class__ is not {kind}: continue")
        return depth, item, parent

    def loop_into_slot(self, depth: int, slot: NodeSlot, parent: str, item: str) -> int:
        """Write loops over the objects in a slot, as variable `item`; return the indentation inside."""
        self.line(depth, f"{item} = {parent}.{slot.attribute}")
        reference = slot.type
        level = 0
        while reference.removesuffix("!").startswith("["):
            self.line(
                depth,
                f"if {item} is None: continue"
                if depth > 1
                else f"for {item} in ({item},) if {item} is not None else ():",
            )
            depth += depth == 1
            self.line(depth, f"for {item} in {item}:")
            depth += 1
            reference = reference.removesuffix("!")[1:-1]
            level += 1
        if depth == 1:
            self.line(depth, f"for {item} in ({item},):")
            depth += 1
        self.line(depth, f"if {item} is None: continue")
        return depth

    def finish(self) -> None:
        """Write `finish(s)`, which copies looked-up values to equal objects and removes unselected values."""
        self.line(0, "def finish(s):")
        for node in sorted(self.layout.nodes[1:], key=lambda one: -depth_of(one)):
            number = self.number(node)
            hidden = [slot.attribute for slot in node.slots.values() if not slot.selected]
            if node.lookups:
                self.copy_to_equal(node, number, hidden)
            elif hidden:
                self.remove_hidden(node, number, hidden)
        self.line(1, "return")

    def check(self) -> None:
        """Write `check(s)`, which raises NeedsExactPath for a forbidden null in undecoded values."""
        self.line(0, "def check(s):")
        for node in self.layout.nodes:
            slots = [slot for slot in node.slots.values() if slot.selected and self.structs.is_raw(slot)]
            tests = [(slot, test) for slot in slots if (test := null_in(slot.type))]
            if tests:
                depth, item = self.loop_over(node)
                for slot, test in tests:
                    self.line(depth, f"v = {item or f's.data_{slot.origin[0]}'}.{slot.attribute}")
                    self.line(depth, f"if {test}: raise NeedsExactPath")
        self.line(1, "return")

    def loop_over(self, node: LayoutNode) -> tuple[int, str]:
        """Write a loop over a node's objects; return the indentation and the object's name ("": root)."""
        if node is self.layout.root:
            return 1, ""
        if node.lookups:
            self.line(1, f"for x in s.firsts_{self.number(node)} or ():")
            return 2, "x"
        depth, item, _ = self.loop_to_objects(node)
        return depth, item

    def copy_to_equal(self, node: LayoutNode, number: int, hidden: list[str]) -> None:
        """Write the code that removes `hidden` attributes and copies the first equal object to the others."""
        taken_out = "; ".join(f"x.{name} = UNSET" for name in hidden)
        copied = [slot.attribute for slot in node.slots.values() if slot.lookup is not None and slot.selected]
        self.line(1, f"if s.firsts_{number}:")
        self.line(2, f"firsts, objects = s.firsts_{number}, s.objects_{number}")
        self.line(2, "if len(firsts) == len(objects):")
        self.line(3, f"for x in firsts: {taken_out}" if hidden else "pass")
        self.line(2, "else:")
        if shares_encoding(node) and node.parent is not None:
            attribute = node.parent.slots[node.key].attribute
            if hidden:
                self.line(3, f"for x in firsts: {taken_out}")
            self.line(3, "raws = [Raw(encode(x)) for x in firsts]")
            self.line(3, f"for p, i in zip(s.parents_{number}, s.same_{number}): p.{attribute} = raws[i]")
            return
        self.line(3, f"for x, i in zip(objects, s.same_{number}):")
        self.line(4, "f = firsts[i]")
        for name in copied:
            self.line(4, f"x.{name} = f.{name}")
        for name in hidden:
            self.line(4, f"x.{name} = UNSET")
        self.line(4, "pass")

    def remove_hidden(self, node: LayoutNode, number: int, hidden: list[str]) -> None:
        """Write the code that removes unselected values from objects of a node without lookups."""
        self.line(1, f"hide_{number}(s)")
        at = self.lines.index("def finish(s):")
        inside, self.lines = self.lines, []
        self.line(0, f"def hide_{number}(s):")
        depth, item, _ = self.loop_to_objects(node)
        for name in hidden:
            self.line(depth, f"{item}.{name} = UNSET")
        self.lines = [*inside[:at], *self.lines, *inside[at:]]


def typenames_of(lookups: list[NodeLookup]) -> list[str]:
    """Return the distinct `__typename`s in a lookup's representations; each type gets its own code."""
    return list(dict.fromkeys(one.typename for one in lookups))


def decode_expression(reference: str, value: str, decoders: str) -> str:
    """Return an expression that decodes `value` by run-time type, with the constant named `decoders`."""
    null = "False" if reference.endswith("!") else "True"
    bare = reference.removesuffix("!")
    if not bare.startswith("["):
        return f"by_type({value}, {decoders}, {null})"
    inner = f"[{decode_expression(bare[1:-1], 'r', decoders)} for r in {value}]"
    return f"({inner} if {value} is not None else None)"


def null_in(reference: str, value: str = "v") -> str:
    """Return an expression that is true if `value` has a null that its type forbids; "" if it forbids none.

    Example: for `[Date!]` it is `(v is not None and any(r == NULL for r in v))`.
    """
    bare = reference.removesuffix("!")
    if not bare.startswith("["):
        return f"{value} == NULL" if reference.endswith("!") else ""
    inner = null_in(bare[1:-1], "r")
    return f"({value} is not None and any({inner} for r in {value}))" if inner else ""


def depth_of(node: LayoutNode) -> int:
    """Return the distance of a node from the root."""
    return 0 if node.parent is None else 1 + depth_of(node.parent)


def own_inputs(node: LayoutNode) -> list[RepresentationField]:
    """Return the distinct representation fields of a node's lookups that come with the object itself."""
    found: list[RepresentationField] = []
    for lookup in node.lookups:
        for one in lookup.fields:
            if node.slots[one.key].lookup is None and one not in found:
                found.append(one)
    return found


def inputs(
    node: LayoutNode, fields: tuple[RepresentationField, ...], item: str
) -> Iterator[tuple[str, list[str], NodeSlot]]:
    """Yield (expression of a leaf value, conditions under which it is missing, its slot) of a
    representation.
    """
    for one in fields:
        slot = node.slots[one.key]
        value = f"{item}.{slot.attribute}"
        checks = [f"{value} is UNSET"] if slot.lookup is not None else []
        if not one.below or slot.below is None:
            if one.type.endswith("!") and _may_be_null(slot):
                checks.append(f"{value} == NULL")
            yield value, checks, slot
            continue
        for inner, more, leaf in inputs(slot.below, one.below, value):
            yield f"({inner} if {value} is not None else None)", [*checks, f"{value} is None", *more], leaf


def _may_be_null(slot: NodeSlot) -> bool:
    """Return whether a slot's value is undecoded, so that it may be null where the type forbids it."""
    name = named(slot.type)
    return name not in (SCALARS if slot.selected else ("ID", "String"))


def shares_encoding(node: LayoutNode) -> bool:
    """Return whether equal objects of a node may share one encoding.

    They may when all selected fields are looked up or in the representation, and no list contains the
    objects.
    """
    if node.parent is None or node.parent.slots[node.key].is_list:
        return False
    needed = {one.key for one in own_inputs(node) if not one.below}
    return all(slot.lookup is not None or slot.key in needed for slot in node.slots.values() if slot.selected)
