"""The planner: a normalised operation becomes a plan.

unions > place > passes > assemble, once for a query; for a mutation once per root field, or per run of root
fields that one request answers (GraphQL spec, section 6.2.2: root fields of a mutation run one after the
other, with all that belongs to them).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile

from gateway.core.errors import PlanError
from gateway.plan.assemble import assemble
from gateway.plan.choose import Chooser
from gateway.plan.explain import print_plan
from gateway.plan.fetch_graph import Group
from gateway.plan.nodes import Plan
from gateway.plan.passes import PASSES
from gateway.plan.paths import Paths
from gateway.plan.place import Placer
from gateway.plan.unions import without_unsure_members
from gateway.request.operation import Field, Fragment, Marks, Operation, Selections
from gateway.supergraph.graph import Graph

DEFAULT_LIMIT = 200_000


def plan_operation(
    graph: Graph, operation: Operation, limit: int = DEFAULT_LIMIT, explain: bool = False
) -> Plan:
    """Plan an operation whose introspection fields were taken out.

    Raises PlanError: PLAN_LIMIT_EXCEEDED when more than `limit` choices would be weighed, PLAN_NOT_FOUND when
    there is no way.
    """
    operation = without_unsure_members(graph, operation)
    paths = Paths(graph, limit, [name for name, _ in operation.variables])
    paths.frugal = operation.kind == "mutation"
    stages = []
    notes: list[tuple[str, str]] = []
    count = 0
    for groups in _stages(paths, operation):
        for step in PASSES:
            groups = step(groups)
            if explain:
                draft = Plan(operation.kind, (assemble(graph, operation, groups, count, True),))
                notes.append((step.__name__, print_plan(draft)))
        fetches = assemble(graph, operation, groups, count, True)
        count += len(fetches)
        stages.append(fetches)
    if any(fetch.pieces for stage in stages for fetch in stage):
        stages = [tuple(replace(fetch, shared=False) for fetch in stage) for stage in stages]
    made = Plan(operation.kind, tuple(stages), tuple(notes))
    if not paths.hasty or graph.is_careful:
        return made
    try:
        careful = plan_operation(graph.careful, operation, limit, explain)
    except PlanError:  # nothing but the hasty plan answers it
        return made
    if operation.kind == "mutation":  # it must not run twice
        return careful
    return replace(made, hasty=frozenset(paths.hasty), careful=careful)


def _stages(paths: Paths, operation: Operation) -> list[list[Group]]:
    try:
        if operation.kind == "mutation":
            return _mutation_stages(paths, operation)
        return [_place(paths, operation.root, operation.selections)] if operation.selections else []
    except RecursionError as error:
        raise PlanError("the operation is nested too deeply to be planned", "PLAN_LIMIT_EXCEEDED") from error


def _place(paths: Paths, root: str, selections: Selections) -> list[Group]:
    placer = Placer(paths, Chooser(paths))
    placer.place(placer.root(root, selections), selections)
    return placer.groups


def _mutation_stages(paths: Paths, operation: Operation) -> list[list[Group]]:
    """One stage per root field; neighbours that one and the same request answers share a stage."""
    runs: list[tuple[str | None, list[Field | Fragment], list[Group]]] = []
    around: list[tuple[Marks, ...]] = []
    for items in _by_key(operation.selections).values():
        alone = _place(paths, operation.root, tuple(items))
        subgraph = alone[0].subgraph if len(alone) == 1 else None
        places = {place for item in items for place in _fragments_around(item)}
        joins = bool(runs) and subgraph is not None and runs[-1][0] == subgraph
        if joins and len(places) == 1 and _comes_last(around, *places):
            runs[-1][1].extend(items)
        else:
            runs.append((subgraph if len(places) == 1 else None, items, alone))
            around = []
        around.extend(places)
    return [_place(paths, operation.root, tuple(run)) for _, run, _ in runs]


def _fragments_around(item: Field | Fragment) -> Iterator[tuple[Marks, ...]]:
    """The directives of the fragments around each field of a root selection, outer ones first."""
    if isinstance(item, Field):
        yield ()
        return
    for inner in item.selections:
        for place in _fragments_around(inner):
            yield (item.marks, *place) if item.marks is not None else place


def _comes_last(around: Sequence[tuple[Marks, ...]], place: tuple[Marks, ...]) -> bool:
    """Whether a root field in some fragments comes after all others in the text of a request.

    A selection is written with its fields before its fragments, and each fragment once, so a field may get
    in front of one that the client wrote first; a mutation would run in another order.

    Example: of `... @x { a } b` the second field comes first: `b ...@x{a}`.
    """
    last = around[-1]
    if place == last:
        return True
    near = _common(last, place)
    return all(_common(one, place) <= near and one[: len(place)] != place for one in around)


def _common(one: tuple[Marks, ...], other: tuple[Marks, ...]) -> int:
    """How many fragments two places have in common."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in pairs)


def _by_key(selections: Selections) -> dict[str, list[Field | Fragment]]:
    """What is selected under each root key; a field in a fragment with directives stands in it by itself."""
    found: dict[str, list[Field | Fragment]] = {}
    for item in selections:
        if isinstance(item, Field):
            found.setdefault(item.key, []).append(item)
        else:
            for key, inner in _by_key(item.selections).items():
                found.setdefault(key, []).append(replace(item, selections=tuple(inner)))
    return found
