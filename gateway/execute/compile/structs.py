"""Creates msgspec struct types for replies from a layout, so that decoding checks each value's GraphQL type.

A node's struct has the selected fields in the client's order, those of lookups included; unset fields are not
encoded. So the decoded objects themselves are encoded as the response, after the looked-up values are
assigned and the unselected ones are removed.
"""

from typing import Any, Literal

import msgspec
from graphql import GraphQLEnumType, GraphQLSchema
from msgspec import UNSET, Raw, Struct

from gateway.execute.compile.layout import Layout, LayoutNode, NodeLookup, NodeSlot, entity_slots
from gateway.plan.nodes import Fetch
from gateway.supergraph.model import named
from gateway.supergraph.scalars import SCALARS


class Structs:
    """The struct types of one plan.

    `strict`: refuse replies with other fields than the requested ones. `extensions`: decode the extensions of
    replies.
    """

    def __init__(self, schema: GraphQLSchema, layout: Layout, strict: bool, extensions: bool = False) -> None:
        self.strict = strict
        self.extensions = extensions
        self.schema = schema
        self.layout = layout
        self._nodes: dict[LayoutNode, type[Struct]] = {}

    def node(self, node: LayoutNode) -> type[Struct]:
        """Return the struct type of the objects at a node."""
        if node not in self._nodes:
            ordered = [node.slots[key] for key in node.order]
            hidden = [slot for slot in node.slots.values() if not slot.selected]
            fields: list[Any] = []
            for slot in (*ordered, *hidden):
                if slot.denied:
                    fields.append((slot.attribute, None, None))
                elif slot.lookup is None:
                    fields.append((slot.attribute, self.type_of(slot)))
                else:
                    fields.append((slot.attribute, Any, UNSET))
            self._nodes[node] = self._make(
                f"Node_{node.type}", fields, {slot.attribute: slot.key for slot in node.slots.values()}
            )
        return self._nodes[node]

    def decoders_by_type(self, slot: NodeSlot) -> dict[str, Any]:
        """Return the decoders for the objects of an abstract slot, by object type."""
        return {
            one.type: msgspec.json.Decoder(self.node(one)).decode for one in slot.nodes if not one.incomplete
        }

    def reply(self, fetch: Fetch) -> type[Struct]:
        """Return the struct type of a fetch's reply."""
        fields: list[Any] = []
        names: dict[str, str] = {}
        for number, lookup in enumerate(fetch.lookups):
            if lookup.field is None:
                for slot in self.layout.root.slots.values():
                    if slot.origin == (fetch.id, number):
                        fields.append((slot.attribute, self.type_of(slot)))
                        names[slot.attribute] = slot.key
            else:
                lookups = self.layout.lookups[fetch.id, number]
                several = len({one.typename for one in lookups}) > 1
                one: Any = Raw if several else self.entity(lookups) | None
                fields.append((f"e{number}", list[one]))
                names[f"e{number}"] = lookup.field
        data = self._make("Data", fields, names)
        whole: list[Any] = [("data", data)]
        if not self.strict:
            whole.append(("errors", Any, None))
        if self.strict or self.extensions:
            whole.append(("extensions", Any, UNSET))
        return msgspec.defstruct("Reply", whole, gc=False, forbid_unknown_fields=self.strict)

    def entity_decoder(self, lookups: list[NodeLookup]) -> Any:
        """Return the decoder for the entities of one type, for a fetch whose lookup has several types.

        `lookups`: the parts of the lookup with this type, one for each node.
        """
        return msgspec.json.Decoder(self.entity(lookups)).decode

    def entity(self, lookups: list[NodeLookup]) -> Any:
        """Return the struct type of a lookup's entities of one type. `lookups`: its parts, one for each node.

        Its attributes b0, b1, ... are in the order of `entity_slots`.
        """
        slots = list(entity_slots(lookups).values())
        fields: list[Any] = [(f"b{index}", self.type_of(slot)) for index, slot in enumerate(slots)]
        return self._make("Entity", fields, {f"b{index}": slot.key for index, slot in enumerate(slots)})

    def answer(self) -> type[Struct]:
        """Return the struct type of the response's data."""
        ordered = [self.layout.root.slots[key] for key in self.layout.root.order]
        return self._make(
            "Answer",
            [(slot.attribute, Any, None) if slot.denied else (slot.attribute, Any) for slot in ordered],
            {slot.attribute: slot.key for slot in ordered},
        )

    def type_of(self, slot: NodeSlot) -> Any:
        """Return the Python type of a slot's values; it includes None if the GraphQL type is nullable.

        An unselected leaf may have any value, since the client does not receive it. Its value is used in
        dictionary keys, where 1, 1.0 and True are equal: so it stays raw JSON, or has a type without such
        equal values.
        """
        if slot.selected or slot.nodes:
            return self._type(slot, slot.type)
        if slot.type.removesuffix("!") not in ("ID", "String"):
            return Raw
        return str | int if slot.type.endswith("!") else str | int | None

    def _type(self, slot: NodeSlot, reference: str) -> Any:
        if not reference.endswith("!"):
            inner = self._type(slot, f"{reference}!")
            return inner if inner is Raw else inner | None  # typing.Union would cache the types forever
        bare = reference[:-1]
        if bare.startswith("["):
            return list[self._type(slot, bare[1:-1])]  # type: ignore[misc]
        if slot.abstract:
            return Raw  # decoded by its `__typename` later
        if slot.below is not None:
            return self.node(slot.below)
        if slot.name == "__typename":
            return str
        return self._leaf(named(bare))

    def is_raw(self, slot: NodeSlot) -> bool:
        """Return whether a slot's values are not decoded, so that nulls in them are not checked."""
        return not slot.nodes and slot.name != "__typename" and self._leaf(named(slot.type)) is Raw

    def may_be_raw(self, slot: NodeSlot) -> bool:
        """Return whether a value of a slot without nodes may be raw JSON; see `type_of`."""
        if slot.selected:
            return self.is_raw(slot)
        return slot.type.removesuffix("!") not in ("ID", "String")

    def _leaf(self, name: str) -> Any:
        if name in SCALARS:
            return SCALARS[name].decoded
        item = self.schema.type_map.get(name)
        if isinstance(item, GraphQLEnumType):
            return Literal[tuple(item.values)]
        return Raw  # a custom scalar is not decoded

    def _make(self, name: str, fields: list[Any], names: dict[str, str]) -> type[Struct]:
        return msgspec.defstruct(
            name, fields, gc=False, kw_only=True, rename=names, forbid_unknown_fields=self.strict
        )
