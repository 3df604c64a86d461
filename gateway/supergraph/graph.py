"""Who can answer what, from where: the questions that planning and satisfiability ask of a supergraph.

An Arrival is an object as one subgraph hands it out: the subgraph, its own type for it, and what @provides
adds. From arrivals at one object, `reach` finds every subgraph that can be entered by a key, in rounds: a key
may need what another jump brings. The answers depend on the supergraph alone, so they are kept; what stays
small is bounded (types x subgraphs).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from gateway.federation.field_set import FieldSet, FieldSetField, FieldSetFragment, top_fields
from gateway.federation.provided import common, provided_below
from gateway.supergraph.model import SubgraphField, SubgraphType, Supergraph

TYPENAME = "__typename"
_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """An object as seen from one subgraph.

    `type` is the subgraph's type for it, `provided` what @provides makes known. `mixed`: the subgraph knows
    the objects as an interface object only, and those here are of more types than the one that is asked for.
    """

    subgraph: str
    type: str
    provided: FieldSet = ()
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Local:
    """A field that an arrival resolves: the subgraph's field, and what is provided below it.

    `hasty`: it is asked of objects of other types, too, which it takes along when it fails.
    """

    field: SubgraphField
    provided: FieldSet = ()
    hasty: bool = False

    @property
    def requires(self) -> FieldSet:
        """What the subgraph must be given before it can resolve the field."""
        return self.field.requires


@dataclass(frozen=True, slots=True)
class Entry:
    """A way into a subgraph: as which of its types an object is looked up, and by which key.

    A root type needs no key.
    """

    arrival: Arrival
    key: FieldSet


@dataclass(frozen=True, slots=True)
class Reach:
    """How an arrival is come by: after how many rounds of fetches, and through which entry (None.

    It was there).
    """

    depth: int
    entry: Entry | None = None


def _is_in_key(view: SubgraphType, name: str) -> bool:
    return any(name == one.name for key in view.keys for one in top_fields(key.fields))


class Graph:
    """The questions, with their answers remembered.

    `labels` are the progressive overrides that are on. `careful`: no way may ask objects of another type for
    a field that can't be null; otherwise such ways are found, and marked as hasty.
    """

    def __init__(
        self, supergraph: Supergraph, labels: frozenset[str] = frozenset(), careful: bool = False
    ) -> None:
        self.supergraph = supergraph
        self.labels = labels
        self.is_careful = careful
        self.interfaces_of: dict[str, tuple[str, ...]] = {}
        for abstract, members in supergraph.possible.items():
            if supergraph.kinds.get(abstract) == "interface":
                for member in members:
                    self.interfaces_of[member] = (*self.interfaces_of.get(member, ()), abstract)
        self._entries: dict[str, tuple[Entry, ...]] = {}
        self._reach: dict[tuple[str, frozenset[Arrival]], Mapping[Arrival, Reach]] = {}
        self._local: dict[tuple[Arrival, str], Local | None] = {}
        self._obtained: dict[tuple[str, FieldSet, frozenset[tuple[Arrival, Reach]]], int | None] = {}
        self._open: set[tuple[object, ...]] = set()
        self._finding: set[tuple[str, frozenset[Arrival]]] = set()
        self._cuts = 0

    def view(self, arrival: Arrival) -> SubgraphType | None:
        """The subgraph's own definition of the arrival's type."""
        return self.supergraph.subgraphs[arrival.subgraph].types.get(arrival.type)

    def possible(self, arrival: Arrival) -> frozenset[str]:
        """The object types that the subgraph may hand out there."""
        view = self.view(arrival)
        return view.possible if view else frozenset()

    def is_abstract(self, type_name: str) -> bool:
        """Whether a type of the supergraph is an interface or a union."""
        return self.supergraph.kinds.get(type_name) in ("interface", "union")

    def is_composite(self, type_name: str) -> bool:
        """Whether a type of the supergraph has selections."""
        return self.supergraph.kinds.get(type_name) in ("object", "interface", "union")

    def local(self, arrival: Arrival, name: str) -> Local | None:
        """The field as the arrival's subgraph resolves it; None when it can't.

        A field of an interface counts only if every implementation that the subgraph knows resolves it
        without further input.
        """
        key = (arrival, name)
        if key not in self._local:
            if len(self._local) > _REMEMBERED:
                self._local.clear()
            self._local[key] = self._find_local(arrival, name)
        return self._local[key]

    def _find_local(self, arrival: Arrival, name: str) -> Local | None:
        view = self.view(arrival)
        if view is None:
            return None
        if name == TYPENAME:
            return None if view.interface_object else Local(SubgraphField(TYPENAME, "String!"))
        found = view.fields.get(name)
        if found is None or (found.label is not None and (found.label in self.labels) != found.when_on):
            return None
        names = frozenset({view.name, *view.interfaces, *self.interfaces_of.get(view.name, ())})
        hit, below = provided_below(arrival.provided, names, name)
        if found.external and not hit:
            return None
        hasty = arrival.mixed and self._takes_along(view, found)
        if hasty and self.is_careful:
            return None
        if view.kind == "interface":
            everywhere: FieldSet | None = None
            for member in sorted(view.possible):
                inner = self.local(Arrival(arrival.subgraph, member, arrival.provided), name)
                if inner is None or inner.requires or inner.field.contexts:
                    return None
                everywhere = inner.provided if everywhere is None else common(everywhere, inner.provided)
            below = (*below, *(everywhere or ()))
        return Local(found, (*found.provides, *below), hasty)

    @cached_property
    def careful(self) -> "Graph":
        """The same supergraph without hasty ways."""
        return self if self.is_careful else Graph(self.supergraph, self.labels, careful=True)

    def takes_along(self, type_name: str, name: str) -> bool:
        """Whether a field that fails makes its object null in some subgraph."""
        views = [
            view
            for one in (type_name, *self.supergraph.possible.get(type_name, ()))
            for subgraph in self.supergraph.subgraphs.values()
            if (view := subgraph.types.get(one)) and name in view.fields
        ]
        return any(view.fields[name].type.endswith("!") and not _is_in_key(view, name) for view in views)

    @staticmethod
    def _takes_along(view: SubgraphType, found: SubgraphField) -> bool:
        """Whether a field that fails makes its object null, though the object might be looked up without it.

        Fields of keys are asked of all objects in any case.
        """
        if not found.type.endswith("!") or not any(key.resolvable for key in view.keys):
            return False
        return not _is_in_key(view, found.name)

    def sets_context(self, type_name: str, context: str) -> bool:
        """Whether an object of this type sets a context, itself or by an interface or union that it is of."""
        setters = self.supergraph.contexts.get(context, frozenset())
        possible = self.supergraph.possible
        return any(one == type_name or type_name in possible.get(one, ()) for one in setters)

    def below(self, arrival: Arrival, local: Local) -> Arrival:
        """The arrival at a composite field's value."""
        return Arrival(arrival.subgraph, local.field.type_name, local.provided)

    def entries(self, type_name: str) -> tuple[Entry, ...]:
        """Every way to look up an object of this type, in all subgraphs."""
        if type_name not in self._entries:
            found: list[Entry] = []
            roots = self.supergraph.roots.values()
            for subgraph in self.supergraph.subgraphs.values():
                for name in (type_name, *self.interfaces_of.get(type_name, ())):
                    view = subgraph.types.get(name)
                    if view is None or (name != type_name and not view.interface_object):
                        continue
                    if name in roots:
                        found.append(Entry(Arrival(subgraph.name, name), ()))
                    found.extend(
                        Entry(Arrival(subgraph.name, name), key.fields) for key in view.keys if key.resolvable
                    )
            self._entries[type_name] = tuple(found)
        return self._entries[type_name]

    def reach(self, type_name: str, have: Iterable[Arrival]) -> Mapping[Arrival, Reach]:
        """Every arrival that can be had at an object, given some.

        Those themselves at depth 0, others by rounds of jumps.
        """
        start = frozenset(have)
        key = (type_name, start)
        found = self._reach.get(key)
        if found is None:
            if len(self._reach) > _REMEMBERED:
                self._reach.clear()
            if key in self._finding:  # a circle of nested keys
                self._cuts += 1
                return {arrival: Reach(0) for arrival in start}
            self._finding.add(key)
            cuts = self._cuts
            found = self._find_reach(type_name, start)
            self._finding.discard(key)
            if cuts == self._cuts or not self._finding:
                self._reach[key] = found
        return found

    def _find_reach(self, type_name: str, have: frozenset[Arrival]) -> Mapping[Arrival, Reach]:
        reached = {arrival: Reach(0) for arrival in sorted(have, key=lambda item: (item.subgraph, item.type))}
        entries = self.entries(type_name)
        while True:
            found: dict[Arrival, Reach] = {}
            for entry in entries:
                if entry.arrival in reached:
                    continue
                depth = self.obtain(type_name, entry.key, reached)
                if depth is not None and (
                    entry.arrival not in found or found[entry.arrival].depth > depth + 1
                ):
                    found[entry.arrival] = Reach(depth + 1, entry)
            if not found:
                return reached
            nearest = min(item.depth for item in found.values())
            reached.update({arrival: item for arrival, item in found.items() if item.depth == nearest})

    def obtain(self, type_name: str, fields: FieldSet, have: Mapping[Arrival, Reach]) -> int | None:
        """After how many rounds a field set is known at an object with these arrivals; None: never.

        A field that itself has @requires costs a round more, if what it requires can be obtained. A
        requirement that comes back to itself can't be met on that way; answers found while such a way was cut
        are not remembered, as others might not cut it.
        """
        key = (type_name, fields, frozenset(have.items()))
        if key in self._obtained:
            return self._obtained[key]
        cuts = self._cuts
        depths = [self._obtain_item(type_name, item, have) for item in fields]
        known = [depth for depth in depths if depth is not None]
        found = max(known, default=0) if len(known) == len(depths) else None
        if cuts == self._cuts:
            if len(self._obtained) > _REMEMBERED:
                self._obtained.clear()
            self._obtained[key] = found
        return found

    def _obtain_item(
        self, type_name: str, item: FieldSetField | FieldSetFragment, have: Mapping[Arrival, Reach]
    ) -> int | None:
        if isinstance(item, FieldSetField):
            return self._obtain_field(type_name, item, have)
        condition = item.type_condition or type_name
        narrowed: dict[Arrival, Reach] = {}
        for arrival, reach in have.items():
            if narrow := self.narrow(arrival, condition):
                narrowed[narrow] = reach
        if not narrowed:
            return 0
        if condition == type_name:
            return self.obtain(condition, item.selections, narrowed)
        return self._obtain_below(condition, item.selections, narrowed)

    def _obtain_field(self, type_name: str, item: FieldSetField, have: Mapping[Arrival, Reach]) -> int | None:
        best: int | None = None
        children: dict[Arrival, Reach] = {}
        for arrival, reach in have.items():
            local = self.local(arrival, item.name)
            depth = reach.depth if local else None
            if local and local.requires:
                depth = self._with_inputs(type_name, arrival, local, have)
            if local is None or depth is None:
                continue
            if item.selections:
                children[self.below(arrival, local)] = Reach(depth)
            else:
                best = depth if best is None else min(best, depth)
        if not item.selections or not children:
            return best
        child = self.supergraph.field_types.get(type_name, {}).get(item.name, "").strip("[]!")
        child = child or next(iter(children)).type
        depths = [self._obtain_below(child, item.selections, {a: r}) for a, r in children.items()]
        known = [depth for depth in depths if depth is not None]
        return min(known) if known else self._obtain_below(child, item.selections, children)

    def _with_inputs(
        self, type_name: str, arrival: Arrival, local: Local, have: Mapping[Arrival, Reach]
    ) -> int | None:
        """The rounds until a field with @requires is known."""
        mark = (type_name, arrival, local.field.name)
        if mark in self._open:
            self._cuts += 1
            return None
        self._open.add(mark)
        needed = self.obtain(type_name, local.requires, have)
        self._open.discard(mark)
        return None if needed is None else max(have[arrival].depth, needed) + 1

    def _obtain_below(self, child: str, fields: FieldSet, have: Mapping[Arrival, Reach]) -> int | None:
        near = self.obtain(child, fields, have)
        if near is not None:
            return near
        mark = (child, fields, frozenset(have))
        if mark in self._open:
            self._cuts += 1
            return None
        self._open.add(mark)
        far = self.obtain(child, fields, self.reach(child, have))
        self._open.discard(mark)
        return None if far is None else max(item.depth for item in have.values()) + far

    @cached_property
    def unions_differ(self) -> bool:
        """Whether subgraphs give some union different members."""
        views: dict[str, set[frozenset[str]]] = {}
        for subgraph in self.supergraph.subgraphs.values():
            for name, view in subgraph.types.items():
                if view.kind == "union":
                    views.setdefault(name, set()).add(view.possible)
        return any(len(different) > 1 for different in views.values())

    def narrowed(self, arrivals: Iterable[Arrival], condition: str) -> tuple[Arrival, ...]:
        """The arrivals for objects of a narrower type."""
        found = (self.narrow(item, condition) for item in arrivals)
        return tuple(dict.fromkeys(item for item in found if item is not None))

    def narrow(self, arrival: Arrival, condition: str) -> Arrival | None:
        """The arrival for objects of a narrower type; None when the subgraph never hands one out there."""
        view = self.view(arrival)
        if view is None:
            return None
        if view.name == condition:
            return arrival
        if view.interface_object:
            covered = self.supergraph.possible.get(condition, frozenset({condition}))
            return arrival if view.possible <= covered else replace(arrival, mixed=True)
        types = self.supergraph.subgraphs[arrival.subgraph].types
        known = types.get(condition)
        wanted = known.possible if known else self.supergraph.possible.get(condition, frozenset())
        if not view.possible & wanted:
            return None
        if view.kind == "object":
            return arrival
        return replace(arrival, type=condition) if known else None
