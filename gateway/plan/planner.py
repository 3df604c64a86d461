"""The planner: unions > place > passes > assemble.

A query runs these stages once. A mutation runs place to assemble once per root field, or per run of root
fields that one request answers: root fields of a mutation run one after the other, each with everything below
it (GraphQL spec, section 6.2.2).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from gateway.core.errors import PlanError
from gateway.plan.assemble import assemble
from gateway.plan.choose import Chooser
from gateway.plan.explain import print_plan
from gateway.plan.fetch_graph import FetchGroup
from gateway.plan.nodes import Plan
from gateway.plan.passes import PASSES
from gateway.plan.paths import Paths
from gateway.plan.place import Placer
from gateway.plan.unions import without_partial_union_members
from gateway.request.operation import Field, Fragment, FragmentDirectives, Operation, Selections
from gateway.supergraph.query_graph import QueryGraph

DEFAULT_LIMIT = 200_000
Nesting = tuple[FragmentDirectives, ...]


def plan_operation(
    graph: QueryGraph, operation: Operation, limit: int = DEFAULT_LIMIT, explain: bool = False
) -> Plan:
    """The plan for an operation without introspection fields.

    `limit`: the number of options that planning may consider. `explain`: also keep the plan after each pass.

    Raises PlanError: PLAN_LIMIT_EXCEEDED above the limit, PLAN_NOT_FOUND or INTERFACE_FIELD_SPLIT when no
    plan exists.
    """
    operation = without_partial_union_members(graph, operation)
    paths = Paths(graph, limit, [name for name, _ in operation.variables])
    paths.is_mutation = operation.kind == "mutation"
    placed = _stages(paths, operation)
    if paths.ambiguous:  # an object of one type might keep the value of another type's field
        return plan_operation(graph.by_type, operation, limit, explain)
    stages = []
    notes: list[tuple[str, str]] = []
    count = 0
    for groups in placed:
        for step in PASSES:
            groups = step(groups)
            if explain:
                draft = Plan(operation.kind, (assemble(graph, operation, groups, count, True),))
                notes.append((step.__name__, print_plan(draft)))
        fetches = assemble(graph, operation, groups, count, True)
        count += len(fetches)
        stages.append(fetches)
    if any(fetch.request_parts for stage in stages for fetch in stage):
        stages = [tuple(replace(fetch, shared=False) for fetch in stage) for stage in stages]
    made = Plan(operation.kind, tuple(stages), tuple(notes))
    return _with_careful(made, paths, operation, limit, explain)


def _with_careful(made: Plan, paths: Paths, operation: Operation, limit: int, explain: bool) -> Plan:
    """A hasty plan with its careful plan, or the careful plan for a mutation; other plans as they are."""
    if not paths.hasty or paths.graph.is_careful:
        return made
    try:
        careful = plan_operation(paths.graph.careful, operation, limit, explain)
    except PlanError:  # only the hasty plan exists
        return made
    if operation.kind == "mutation":  # a hasty plan may have to run again, a mutation must not
        return careful
    return replace(made, hasty=frozenset(paths.hasty), careful=careful)


def _stages(paths: Paths, operation: Operation) -> list[list[FetchGroup]]:
    try:
        if operation.kind == "mutation":
            return _mutation_stages(paths, operation)
        return [_place(paths, operation.root, operation.selections)] if operation.selections else []
    except RecursionError as error:
        raise PlanError("the operation is nested too deeply to be planned", "PLAN_LIMIT_EXCEEDED") from error


def _place(paths: Paths, root: str, selections: Selections) -> list[FetchGroup]:
    placer = Placer(paths, Chooser(paths))
    placer.place(placer.root(root, selections), selections)
    return placer.lookups.groups


@dataclass(slots=True)
class _Run:
    """Neighbouring root fields of a mutation, the subgraph that answers all of them, and their nestings.

    The subgraph is None for a field that needs more than one request, or that is in different fragments.
    """

    subgraph: str | None
    items: list[Field | Fragment]
    nestings: list[Nesting]

    def accepts(self, subgraph: str | None, nesting: Nesting | None) -> bool:
        """Whether one request can ask for the next root field, too, with the client's order as it is.

        A request writes the fields of a selection before its fragments, and each fragment once.
        """
        fits = subgraph is not None and self.subgraph == subgraph
        return fits and nesting is not None and _is_written_last(self.nestings, nesting)


def _mutation_stages(paths: Paths, operation: Operation) -> list[list[FetchGroup]]:
    """The groups of each stage: neighbouring root fields that a single request answers share a stage."""
    runs: list[_Run] = []
    for items in _by_key(operation.selections).values():
        alone = _place(paths, operation.root, tuple(items))
        nesting = _nesting(items)
        subgraph = alone[0].subgraph if len(alone) == 1 and nesting is not None else None
        if runs and runs[-1].accepts(subgraph, nesting):
            runs[-1].items.extend(items)
            runs[-1].nestings.append(nesting or ())
        else:
            runs.append(_Run(subgraph, items, [nesting or ()]))
    return [_place(paths, operation.root, tuple(run.items)) for run in runs]


def _nesting(items: Sequence[Field | Fragment]) -> Nesting | None:
    """The fragments around a root field, outer ones first. None if the client selected the field several
    times, in different fragments.
    """
    found = {nesting for item in items for nesting in _nestings(item)}
    return found.pop() if len(found) == 1 else None


def _nestings(item: Field | Fragment) -> Iterator[Nesting]:
    """The fragments around each root field in a selection, outer ones first, by their directives."""
    if isinstance(item, Field):
        yield ()
        return
    for inner in item.selections:
        for nesting in _nestings(inner):
            yield (item.directives, *nesting) if item.directives is not None else nesting


def _is_written_last(before: Sequence[Nesting], new: Nesting) -> bool:
    """Whether a request writes a root field with this nesting after the fields with the nestings before it.

    Example: `... @x { a } b` is written as `b ...@x{a}`, so after `a` the field `b` is not written last.
    """
    last = before[-1]
    if new == last:
        return True
    shared = _shared(last, new)
    return all(_shared(one, new) <= shared and one[: len(new)] != new for one in before)


def _shared(one: Nesting, other: Nesting) -> int:
    """How many outer fragments two nestings have in common."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in pairs)


def _by_key(selections: Selections) -> dict[str, list[Field | Fragment]]:
    """The root selections by response key.

    A fragment with directives is copied for each of its fields, so that every copy has one field.
    """
    found: dict[str, list[Field | Fragment]] = {}
    for item in selections:
        if isinstance(item, Field):
            found.setdefault(item.key, []).append(item)
        else:
            for key, inner in _by_key(item.selections).items():
                found.setdefault(key, []).append(replace(item, selections=tuple(inner)))
    return found
