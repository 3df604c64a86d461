"""The faults that `make mutants` plants, each as a text in one file and its replacement."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """A plausible fault: a text in one file of the gateway, and its replacement."""

    name: str
    file: str
    old: str
    new: str


_MERGE, _ENTITIES, _FETCH = (
    "gateway/execute/merge.py",
    "gateway/execute/entities.py",
    "gateway/execute/fetch.py",
)
_EXECUTOR, _PROJECT, _PLACE = (
    "gateway/execute/executor.py",
    "gateway/shape/project.py",
    "gateway/plan/place.py",
)
_PATHS, _DRAFTS, _ASSEMBLE = (
    "gateway/plan/paths.py",
    "gateway/plan/fetch_graph.py",
    "gateway/plan/assemble.py",
)
_PASS, _PLANNER = "gateway/plan/passes/merge_requests.py", "gateway/plan/planner.py"
_GRAPH, _NORMALIZE = "gateway/supergraph/query_graph.py", "gateway/request/normalize.py"
_TEMPLATE, _SCHEDULE, _RECEIPTS = (
    "gateway/transport/template.py",
    "gateway/execute/schedule.py",
    "gateway/execute/sent_calls.py",
)
_NAMES, _COMPILED = "gateway/plan/response_keys.py", "gateway/execute/compile/run.py"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "merge: lists joined at the wrong position", _MERGE, "there = old[index]", "there = old[-1 - index]"
    ),
    Mutant(
        "merge: objects replaced, not joined",
        _MERGE,
        "                merge(old, new)",
        "                target[key] = new",
    ),
    Mutant(
        "merge: replies kept under their own keys",
        _MERGE,
        "merge(out, {item.key:",
        "merge(out, {item.reply_key:",
    ),
    Mutant(
        "entities: error paths with the wrong index",
        _ENTITIES,
        "(*where, index), into)",
        "(*where, 0), into)",
    ),
    Mutant(
        "entities: same type taken for same object",
        _ENTITIES,
        "representation_key(made), len",
        'representation_key({"": made["__typename"]}), len',
    ),
    Mutant(
        "entities: nulls left out of lists of inputs",
        _ENTITIES,
        "[_complete(one, inner, each) for each in value] if",
        "[_complete(one, inner, each) for each in value if each is not None] if",
    ),
    Mutant(
        "entities: any representation for any type",
        _ENTITIES,
        "if template.types is None or typename_of(item) in template.types:",
        "if template.fields:",
    ),
    Mutant(
        "fetch: entities scattered in reverse",
        _FETCH,
        "in zip(entities, batch.objects",
        "in zip(entities[::-1], batch.objects",
    ),
    Mutant(
        "fetch: only the first place of an entity filled",
        _FETCH,
        "for item, _ in objects:",
        "for item, _ in objects[:1]:",
    ),
    Mutant(
        "fetch: an entity's error at one place only",
        _FETCH,
        "for _, where in batch.objects[path[1]]]",
        "for _, where in batch.objects[path[1]][:1]]",
    ),
    Mutant(
        "fetch: error path keeps the reply's keys",
        _FETCH,
        "kept.append(out.key if out else step)",
        "kept.append(step)",
    ),
    Mutant("fetch: errors of subgraphs dropped", _FETCH, "if path is not None:", "if path is None:"),
    Mutant(
        "template: falsy variables not passed on",
        _TEMPLATE,
        "for name in names if name in variables]",
        "for name in names if variables.get(name)]",
    ),
    Mutant(
        "schedule: one finished fetch starts all others", _SCHEDULE, "waits[other] -= 1", "waits[other] = 0"
    ),
    Mutant(
        "executor: mutations in another order",
        _EXECUTOR,
        "enumerate(plan.stages):",
        "enumerate(plan.stages[::-1]):",
    ),
    Mutant(
        "shape: null stays where none may be",
        _PROJECT,
        "                raise _Null\n",
        "                return None\n",
    ),
    Mutant(
        "shape: null in a list takes the list",
        _PROJECT,
        "inner, one, (*path, index)) for",
        'inner + "!", one, (*path, index)) for',
    ),
    Mutant(
        "shape: a repeated field loses its selection",
        _PROJECT,
        "(*first.selections, *item.selections)",
        "first.selections",
    ),
    Mutant(
        "shape: a fragment's type condition ignored",
        _PROJECT,
        " and typename in self.possible.of(item.type):",
        ":",
    ),
    Mutant("shape: paths into what only the planner asked", _PROJECT, "else path[:index]", "else path"),
    Mutant("plan: inputs not sent", _PLACE, "plain, (*key, *fields), parents", "plain, key, parents"),
    Mutant(
        "plan: inputs not awaited",
        _PLACE,
        "(*key, *fields), parents, contexts, inputs=inputs",
        "(*key, *fields), more, contexts, inputs=inputs",
    ),
    Mutant(
        "plan: type above not awaited",
        "gateway/plan/lookups.py",
        "parents = parents | groups_fetching_types_above(self.graph, site)",
        "parents = set(parents)",
    ),
    Mutant(
        "plan: a part for every type",
        "gateway/plan/site_parts.py",
        "Site(site.place, member, types, whole",
        "Site(site.place, member, None, whole",
    ),
    Mutant(
        "plan: @requires not seen",
        _PATHS,
        "max(depth - 1, needed) + 1, True",
        "max(depth - 1, needed) + 1, False",
    ),
    Mutant(
        "plan: other arguments under a taken key",
        _NAMES,
        "if self.keys.get(key, meaning) != meaning:",
        "if False:",
    ),
    Mutant("plan: merged though one waits for the other", _PASS, " and early not in ancestors(late):", ":"),
    Mutant(
        "plan: two representations for one object",
        _DRAFTS,
        "return one.types == other.types and one.typename == other.typename and agree(",
        "return one.typename != other.typename or agree(",
    ),
    Mutant("plan: types meet under one alias", _ASSEMBLE, "if index > 0:", "if index > 9:"),
    Mutant(
        "plan: mutations of one subgraph in one request",
        _PLANNER,
        "subgraph is not None and self.subgraph == subgraph",
        "subgraph is not None",
    ),
    Mutant(
        "plan: provided fields are for all_objects",
        _GRAPH,
        "if found.external and not hit:",
        "if found.external and False:",
    ),
    Mutant(
        "sent_calls: entities asked for again",
        _RECEIPTS,
        "place = places.get(representation_key(representation))",
        "place = None",
    ),
    Mutant(
        "sent_calls: entities in the other path's order",
        _RECEIPTS,
        "known.objects[place].extend(objects)",
        "known.objects[-1 - place].extend(objects)",
    ),
    Mutant(
        "compiled: calls under way forgotten",
        _COMPILED,
        "ended(body, self.sent_calls)",
        "ended(body, {key: one for key, one in self.sent_calls.items() if one.outcome})",
    ),
    Mutant(
        "entities: nested objects lose their type",
        _ENTITIES,
        'if one.typed and "__typename"',
        'if False and "__typename"',
    ),
    Mutant("request: conditions ignored", _NORMALIZE, "if not included(", "if None and included("),
    Mutant(
        "plan: shapes not compared further down",
        "gateway/plan/shapes.py",
        "if self.own != other.own or self.mixed or other.mixed:",
        "if True:\n            return self.own == other.own\n        if self.mixed:",
    ),
    Mutant(
        "plan: directives not sent",
        _ASSEMBLE,
        'first, *others = item.directives or ("",)',
        'first, *others = ("",)',
    ),
    Mutant(
        "plan: a mutation without its fragments",
        _PLANNER,
        "for key, inner in _by_key(item.selections).items():",
        "for key, inner in dict[str, list[Field | Fragment]]().items():",
    ),
    Mutant(
        "request: variables of conditions declared",
        _NORMALIZE,
        "if one.name.value not in OWN)",
        "if one)",
    ),
    Mutant(
        "plan: a key under the client's directive",
        _NAMES,
        ".add((item.name, item.arguments, item.directives))",
        ".add((item.name, item.arguments, ()))",
    ),
    Mutant(
        "plan: fields do not know what they need",
        _PLACE,
        "new.inputs = inputs = frozenset(fields) - frozenset(key)",
        "inputs = frozenset(fields) - frozenset(key)",
    ),
    Mutant(
        "plan: an interface object is asked of all types",
        _GRAPH,
        "if hasty and self.is_careful:",
        "if hasty and not hasty:",
    ),
    Mutant(
        "run: the careful plan never runs",
        "gateway/pipeline.py",
        'return any("path" not in error',
        'return False and any("path" not in error',
    ),
    Mutant(
        "entities: no fallback for missing inputs",
        _ENTITIES,
        "if made is not None and batch.missing_inputs is not None:",
        "if made is None and batch.missing_inputs is not None:",
    ),
    Mutant(
        "entities: a null takes its object along everywhere", _ENTITIES, "if strict and (part", "if (part"
    ),
    Mutant(
        "entities: a field that lacks inputs is no null",
        _ENTITIES,
        "return None if value.reads_as_null else value",
        "return value",
    ),
    Mutant(
        "plan: a mutation in a fragment waits for those outside",
        _PLANNER,
        "nesting is not None and _is_written_last(self.nestings, nesting)",
        "nesting is not None",
    ),
    Mutant(
        "plan: a strict input with inputs has no lookup of its own",
        _PLACE,
        "return self.slot_with_inputs(site, option, new, new.key)",
        "return self.slot_with_inputs(site, option, new)",
    ),
    Mutant(
        "plan: an input that the client selects on some type is safe on all",
        _PLACE,
        "selected = types <= site.place.keys.client_types.get(key, frozenset())",
        "selected = key in site.place.keys.client_types",
    ),
    Mutant(
        "plan: two fields of an interface object under one key",
        _PLANNER,
        "if paths.ambiguous:",
        "if False:",
    ),
    Mutant(
        "graph: inputs of a type come from one subgraph",
        _GRAPH,
        "return self._obtain_below(condition, item.selections, narrowed)",
        "return self.obtain(condition, item.selections, narrowed)",
    ),
    Mutant(
        "load: a fragment on every object hides what is in it",
        "gateway/federation/field_set.py",
        "always and not item.directives",
        "always and item.directives",
    ),
    Mutant(
        "shape: a subgraph names its root type",
        "gateway/shape/introspect.py",
        '(item.name == "__typename" and item.parent in roots)',
        "False",
    ),
    Mutant(
        "compiled: an unknown entity is an input",
        "gateway/execute/compile/source.py",
        '"raise NeedsExactPath")  # an unknown',
        '"pass")  # an unknown',
    ),
)
