"""Chooses the subgraph for each field: fewest rounds first, then fewest fetches, then fewest late fields.

Comparing all combinations of options, as the first federation planners did, takes exponential time. Here each
object is decided separately: fields with one option are decided first; the subgraphs that they enter cost
nothing more for the other fields. The option of a composite field includes the best cost of its own
selection, which is cached per (selection, vertices). So the work is at most selections x subgraphs. A value
that no single subgraph can complete is resolved in several subgraphs and merged.

Example: subgraph a returns `product`, b resolves `stock` and (with `@requires(fields: "weight")`) `shipping`,
c resolves `stock` and `name`. For `{ product { stock name shipping } }`, at the vertex (a, Product), `ways`
gives

    stock     from b: Cost(depth=1, jumps={b})    or from c: Cost(depth=1, jumps={c})
    name      from c: Cost(depth=1, jumps={c})
    shipping  from b with inputs: Cost(depth=1, jumps={(b, {})}), a fetch of its own

`name` and `shipping` have one option each. `assign` then resolves `stock` in c, which `name` enters anyway:
the whole object costs one round (depth 1) and two fetches (jumps).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from gateway.core.errors import PlanError
from gateway.plan.paths import Option, Paths, Reached
from gateway.request.operation import Field, Selections
from gateway.supergraph.query_graph import Vertex


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a selection at an object.

    - `depth`: rounds of fetches. `nested`: the number of fetches for objects in the selection's values.
    - `jumps`: the entity lookups of this object, each counted once however many fields use it.
    - `late`: the number of fields that are resolved after the first round.
    """

    depth: int = 0
    nested: int = 0
    jumps: frozenset[object] = frozenset()
    late: int = 0

    def plus(self, other: "Cost") -> "Cost":
        """Return the cost of two selections at the same object."""
        depth, nested = max(self.depth, other.depth), self.nested + other.nested
        return Cost(depth, nested, self.jumps | other.jumps, self.late + other.late)

    @property
    def fetches(self) -> int:
        """Return the total number of fetches."""
        return self.nested + len(self.jumps)


@dataclass(frozen=True, slots=True)
class Choice:
    """A field with the options chosen to resolve it, and their cost.

    There is one option, or several for a value that no single subgraph can complete.
    """

    field: Field
    options: tuple[Option, ...]
    cost: Cost


@dataclass(frozen=True, slots=True)
class _FieldChoices:
    field: Field
    ways: list[Choice]


class Chooser:
    """Chooses options for the fields of one operation.

    `_costs` caches costs by the `id` of a selection, so `_alive` holds a reference to each such selection:
    its id must not be reused. `_open` holds the fields whose @requires inputs are being computed; `_cuts`
    counts how often a circle among them was cut.
    """

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.graph = paths.graph
        self._costs: dict[tuple[int, str, tuple[Vertex, ...]], Cost | None] = {}
        self._alive: list[Selections] = []
        self._open: set[tuple[str, str, Vertex]] = set()
        self._cuts = 0
        self._sizes: dict[int, int] = {}
        self._single_selections: dict[int, tuple[Field]] = {}

    def assign(
        self,
        type_name: str,
        fields: Sequence[Field],
        vertices: Sequence[Vertex],
        reached: Reached,
        used: Collection[Vertex],
    ) -> list[Choice] | None:
        """Choose the options for each field of an object; return the choices in the order of `fields`.

        `vertices`: those at which the object is returned without a further fetch. `reached`: all vertices
        that can be entered from them. `used`: vertices that are already entered, at no further cost. Returns
        None when a field can't be resolved.
        """
        waiting = []
        for item in fields:
            ways = self.ways(type_name, item, vertices, reached)
            if not ways:
                return None
            waiting.append(_FieldChoices(item, ways))
        settled: dict[int, Choice] = {}
        entered: set[object] = set(used)
        depth = 0
        order = sorted(range(len(waiting)), key=lambda index: len(waiting[index].ways) > 1)
        popular = _popularity(waiting)
        for index in order:
            best = min(waiting[index].ways, key=lambda way: _rank(way, depth, entered, popular))
            settled[index] = best
            entered |= best.cost.jumps
            depth = max(depth, best.cost.depth)
        return [settled[index] for index in range(len(waiting))]

    def ways(self, type_name: str, item: Field, vertices: Sequence[Vertex], reached: Reached) -> list[Choice]:
        """Return the possible choices for one field, each with its cost; empty if the field can't be
        resolved.

        If no single option suffices, the only choice combines several. A root field of a mutation is never
        combined: only one subgraph may run it.
        """
        options = self.paths.options(type_name, item, reached)
        ways = []
        for option in options:
            cost = self.cost_of(type_name, item, (option,), vertices, reached)
            if cost is not None:
                ways.append(Choice(item, (option,), cost))
        if ways or len(options) < 2 or type_name == self.graph.supergraph.roots.get("mutation"):
            return ways
        together = self._in_several(type_name, item, options, vertices, reached)
        return [together] if together else []

    def _in_several(
        self,
        type_name: str,
        item: Field,
        options: list[Option],
        vertices: Sequence[Vertex],
        reached: Reached,
    ) -> Choice | None:
        """Return a combination of options that together resolve the field; None if even all of them can't.

        Options are removed, those with the most rounds first, as long as the remaining ones suffice.
        """
        kept = list(options)
        if self.cost_of(type_name, item, kept, vertices, reached) is None:
            return None
        for option in sorted(options, key=lambda one: -one.depth):
            fewer = [one for one in kept if one is not option]
            if fewer and self.cost_of(type_name, item, fewer, vertices, reached) is not None:
                kept = fewer
        cost = self.cost_of(type_name, item, kept, vertices, reached)
        return Choice(item, tuple(kept), cost) if cost else None

    def cost_of(
        self,
        type_name: str,
        item: Field,
        options: Sequence[Option],
        vertices: Sequence[Vertex],
        reached: Reached,
    ) -> Cost | None:
        """Return the cost of a field and its selection by all these options together; None if they can't
        resolve it.
        """
        total = Cost()
        for option in options:
            cost = self._entry_cost(type_name, option, vertices, reached)
            if cost is None:
                return None
            total = total.plus(cost)
        is_late = total.depth > (0 if vertices else 1)  # entering the root types is the first round
        late = total.late + self.size((item,)) if is_late else 0
        total = replace(total, late=late)
        return self._with_selection(total, item, options) if item.selections else total

    def _with_selection(self, total: Cost, item: Field, options: Sequence[Option]) -> Cost | None:
        """Return the cost `total` of a field plus the cost of its selection; None when that can't be
        resolved.
        """
        below = tuple(dict.fromkeys(self.graph.below(option.source, option.edge) for option in options))
        inner = self.cost(item.type_name, item.selections, below)
        if inner is None:
            return None
        nested = total.nested + inner.fetches
        return Cost(total.depth + inner.depth, nested, total.jumps, total.late or inner.late)

    def size(self, selections: Selections) -> int:
        """Return the number of fields in a selection, at any depth."""
        total = 0
        for item in selections:
            below = 0
            if item.selections:
                key = id(item.selections)
                if key not in self._sizes:
                    self._alive.append(item.selections)
                    self._sizes[key] = self.size(item.selections)
                below = self._sizes[key]
            total += below + isinstance(item, Field)
        return total

    def _entry_cost(
        self, type_name: str, option: Option, vertices: Sequence[Vertex], reached: Reached
    ) -> Cost | None:
        """Return the cost of entering the vertex of an option, @requires inputs included.

        None when an input can't be resolved, or depends on the field itself.
        """
        source = option.source
        if not option.with_inputs:
            if source in vertices:
                return Cost()
            chain = max(reached[source].depth - 1, 0)
            return Cost(option.depth, chain, frozenset({source}))
        mark = (type_name, option.edge.field.name, source)
        if mark in self._open:
            self._cuts += 1
            return None
        self._open.add(mark)
        inputs = self.cost(
            type_name, self.paths.selections_of(type_name, option.edge.requires), tuple(vertices)
        )
        self._open.discard(mark)
        if inputs is None:
            return None
        jumps = inputs.jumps | {(source, inputs.jumps)}
        return Cost(max(inputs.depth + 1, option.depth), inputs.nested, jumps, inputs.late)

    def cost(self, type_name: str, selections: Selections, vertices: tuple[Vertex, ...]) -> Cost | None:
        """Return the lowest cost of a selection on an object of these vertices; None when it can't be
        resolved.
        """
        key = (id(selections), type_name, vertices)
        if key in self._costs:
            return self._costs[key]
        cuts = self._cuts
        cost = self._cost(type_name, selections, vertices)
        if cuts == self._cuts:  # a cost is cached only if no circle of @requires was cut to compute it
            self._alive.append(selections)  # so that its id is not reused
            self._costs[key] = cost
        return cost

    def _cost(self, type_name: str, selections: Selections, vertices: tuple[Vertex, ...]) -> Cost | None:
        reached = self.graph.reach(type_name, vertices)
        split = self.paths.split(type_name, selections, vertices, reached)
        if len(vertices) > 1 and not self._abstract_fields_answered(type_name, selections, vertices, reached):
            return None
        total, known = Cost(), 0
        if split.typed:
            source = self.paths.typed_source(reached)
            if source is None:
                return None
            known = reached[source].depth
            total = Cost(known, 0, frozenset({source}))
            vertices = (*vertices, source)
        choices = self.assign(type_name, split.direct, vertices, reached, ())
        if choices is None:
            return None
        for choice in choices:
            total = total.plus(choice.cost)
        for member, inner, _ in split.parts:
            narrowed = vertices if member == type_name else self.paths.narrowed(vertices, member)
            cost = self._cost(member, inner, narrowed) if narrowed else Cost()
            if cost is None:
                return None
            if cost.depth:  # a lookup by type starts after the types are known
                cost = replace(cost, depth=cost.depth + known)
            total = total.plus(cost)
        return total

    def _abstract_fields_answered(
        self, type_name: str, selections: Selections, vertices: tuple[Vertex, ...], reached: Reached
    ) -> bool:
        """Return whether each field of an abstract type has a vertex that resolves it for all object types.

        These are the object types that the vertex's own subgraph may return. Fields without such a vertex are
        added to `paths.split_fields`, for the error message.
        """
        for item, types in self.paths.asked_by_type(type_name, selections, reached):
            if not any(self._answers(item, types, vertex) for vertex in vertices):
                self.paths.split_fields.add(f"{item.parent}.{item.name}")
                return False
        return True

    def _answers(self, item: Field, types: frozenset[str], vertex: Vertex) -> bool:
        """Return whether a field can be resolved from one vertex alone, for all of `types` that it may
        return.
        """
        alone = self._single_selections.setdefault(id(item), (item,))
        for member in sorted(types & self.graph.possible(vertex)):
            narrowed = self.graph.narrowed((vertex,), member)
            if not narrowed or self.cost(member, alone, narrowed) is None:
                return False
        return True


def _popularity(waiting: Sequence[_FieldChoices]) -> dict[Vertex, int]:
    """Return how many options use each vertex."""
    counts: dict[Vertex, int] = {}
    for item in waiting:
        for way in item.ways:
            for option in way.options:
                counts[option.source] = counts.get(option.source, 0) + 1
    return counts


def _rank(
    way: Choice, depth: int, entered: Collection[object], popular: dict[Vertex, int]
) -> tuple[int, int, int, int, int, int]:
    """Return the sort key of a choice; the smallest is best.

    In this order: rounds of the whole object, new fetches, late fields, rounds of this field, rounds to its
    vertices, and the number of other fields that the vertex could resolve (more is better). `depth`,
    `entered`: the rounds and vertices of the fields that are already decided.
    """
    new = way.cost.nested + sum(1 for jump in way.cost.jumps if jump not in entered)
    own = sum(option.depth for option in way.options)
    cost = way.cost
    return (max(depth, cost.depth), new, cost.late, cost.depth, own, -popular[way.options[0].source])


def no_plan(type_name: str, fields: Sequence[Field], split: Collection[str] = ()) -> PlanError:
    """Return the error for fields that can't be resolved at an object.

    `split`: interface fields that no single subgraph resolves for all object types.
    """
    names = ", ".join(f"{type_name}.{item.name}" for item in fields[:5])
    if split:
        message = (
            f"expected one subgraph that resolves {', '.join(sorted(split)[:5])} for all object types that "
            f"it returns below {names}, found none; select the field in fragments on the object types"
        )
        return PlanError(message, "INTERFACE_FIELD_SPLIT")
    return PlanError(f"no subgraph that can be reached here resolves {names}", "PLAN_NOT_FOUND")
