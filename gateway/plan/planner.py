"""The stages of planning an operation: unions > place > passes > assemble.

A query runs them once. A mutation runs place to assemble once per stage: a root field, or several
neighbouring ones that one request can answer. Root fields of a mutation run one after the other, each with
its selections (GraphQL spec, section 6.2.2).
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
    """Return the plan for an operation without introspection fields.

    `limit`: the number of options that planning may consider. `explain`: also store the plan's text after
    each pass, in `Plan.explained`. Raises PlanError: PLAN_LIMIT_EXCEEDED above the limit, PLAN_NOT_FOUND or
    INTERFACE_FIELD_SPLIT when no plan exists.
    """
    operation = without_partial_union_members(graph, operation)
    paths = Paths(graph, limit, [name for name, _ in operation.variables])
    paths.is_mutation = operation.kind == "mutation"
    placed = _stages(paths, operation)
    if paths.ambiguous:  # an object of one type could get the value of another type's field
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
    """Return a hasty plan together with its careful plan; the careful plan alone if it is not for a query.

    A plan that is not hasty, or that has no careful plan, is returned unchanged.
    """
    if not paths.hasty or paths.graph.is_careful:
        return made
    try:
        careful = plan_operation(paths.graph.careful, operation, limit, explain)
    except PlanError:  # there is no careful plan
        return made
    if operation.kind != "query":  # a hasty plan may have to run again; a mutation or an event must not
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
    """Neighbouring root fields of a mutation that one request to `subgraph` can answer.

    `nestings`: for each of them, the fragments around it. `subgraph` is None for a single field that needs
    several requests, or that the client selected in different fragments.
    """

    subgraph: str | None
    items: list[Field | Fragment]
    nestings: list[Nesting]

    def accepts(self, subgraph: str | None, nesting: Nesting | None) -> bool:
        """Return whether the request can also select the next root field without changing the order of
        execution.

        `subgraph`, `nesting`: of the next field. A request text has the fields of a selection before its
        fragments, and each fragment once.
        """
        fits = subgraph is not None and self.subgraph == subgraph
        return fits and nesting is not None and _is_written_last(self.nestings, nesting)


def _mutation_stages(paths: Paths, operation: Operation) -> list[list[FetchGroup]]:
    """Return the groups of each stage; neighbouring root fields that a single request can answer share a
    stage.
    """
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
    """Return the directives of the fragments around a root field, outermost first.

    None if the client selected the field several times, in different fragments.
    """
    found = {nesting for item in items for nesting in _nestings(item)}
    return found.pop() if len(found) == 1 else None


def _nestings(item: Field | Fragment) -> Iterator[Nesting]:
    """Yield for each root field in a selection the directives of the fragments around it, outermost first."""
    if isinstance(item, Field):
        yield ()
        return
    for inner in item.selections:
        for nesting in _nestings(inner):
            yield (item.directives, *nesting) if item.directives is not None else nesting


def _is_written_last(before: Sequence[Nesting], new: Nesting) -> bool:
    """Return whether a request text has a root field with nesting `new` after the fields with the nestings
    `before`.

    A nesting is the fragments with directives around a field, from the outermost to the innermost. Example:
    `... @x { a } b` is written as `b ...@x{a}`, so `b` does not come after `a`.
    """
    last = before[-1]
    if new == last:
        return True
    shared = _shared(last, new)
    return all(_shared(one, new) <= shared and one[: len(new)] != new for one in before)


def _shared(one: Nesting, other: Nesting) -> int:
    """Return how many outermost fragments two nestings have in common."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in pairs)


def _by_key(selections: Selections) -> dict[str, list[Field | Fragment]]:
    """Return the root selections by response key.

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
