"""Turns the fetch graph of one stage into frozen fetches with ids in topological order.

Each gets its request text, and the description of the fields to read from the reply.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from gateway.plan.fetch_graph import DraftField, DraftLookup, DraftSelection, FetchGroup, in_order
from gateway.plan.nodes import (
    Fetch,
    Lookup,
    ReplyField,
    Representation,
    RepresentationField,
    RequestParts,
    Selection,
    Target,
)
from gateway.plan.shapes import Shape, find_or_add, shape_of
from gateway.request.operation import Operation
from gateway.supergraph.query_graph import TYPENAME, QueryGraph, Vertex

_NAMED = "F"  # the start of the names of named fragments


@dataclass(slots=True)
class _RequestWriter:
    """The state of writing one request text.

    `variables`: the client's variables that the text uses. `renames`: whether a key in the request differs
    from the response key. `fragments`: the names of named fragments, by their text after the name. `inline`:
    whether all fragments must be inline.
    """

    graph: QueryGraph
    subgraph: str
    variables: set[str] = field(default_factory=set)
    renames: bool = False
    inline: bool = False
    fragments: dict[str, str] = field(default_factory=dict)


def assemble(
    graph: QueryGraph, operation: Operation, groups: Sequence[FetchGroup], first_id: int, root_kind: bool
) -> tuple[Fetch, ...]:
    """Return the fetches of one stage, with ids from `first_id` on.

    `root_kind`: whether root requests have the operation's kind; otherwise they are queries.
    """
    ordered = in_order(groups)
    ids = {group: first_id + index for index, group in enumerate(ordered)}
    return tuple(
        _with_fallback(_fetch(graph, operation, group, ids, root_kind), graph, operation, group, ids)
        for group in ordered
    )


def _with_fallback(
    fetch: Fetch, graph: QueryGraph, operation: Operation, group: FetchGroup, ids: Mapping[FetchGroup, int]
) -> Fetch:
    """Return the fetch with its `fallback` (see `Fetch`), if its fields need different @requires inputs.

    Example: `_entities(…) { ...on P { cost free } }`, where only cost needs the input weight, gets the
    fallback `e0:_entities(…) { ...on P { cost } } e1:_entities(…) { ...on P { free } }`; the representations
    of e1 have no weight.
    """
    if all(len(lookup.draft.input_sets()) < 2 for lookup in group.lookups):
        return fetch
    lookups = [
        DraftLookup(
            lookup.path,
            lookup.draft.restricted_to(inputs),
            [_reduced(one, inputs) for one in lookup.representations],
            contexts=lookup.contexts,
        )
        for lookup in group.lookups
        for inputs in sorted(lookup.draft.input_sets(), key=lambda one: sorted(item.key for item in one))
    ]
    single = FetchGroup(group.subgraph, lookups, group.parents)
    return replace(fetch, fallback=_fetch(graph, operation, single, {**ids, single: fetch.id}, False))


def _reduced(template: Representation, inputs: frozenset[RepresentationField]) -> Representation:
    """Return a representation with its key fields and only these inputs."""
    fields = tuple(one for one in template.fields if one not in template.inputs or one in inputs)
    return Representation(template.types, template.typename, fields, template.inputs & inputs)


def _fetch(
    graph: QueryGraph, operation: Operation, group: FetchGroup, ids: Mapping[FetchGroup, int], root_kind: bool
) -> Fetch:
    writing = _RequestWriter(graph, group.subgraph, inline=any(one.contexts for one in group.lookups))
    parts, lookups = _lookups(_written(group, writing), operation)
    root = any(lookup.root and not lookup.path for lookup in group.lookups)
    kind = operation.kind if root and root_kind else "query"
    directives = operation.directives if kind == operation.kind else None
    used = tuple(sorted(writing.variables | (directives.variables if directives else frozenset())))
    name = _operation_name(operation, group.subgraph, ids[group])
    request = RequestParts(
        f"{kind} {name}" if name else kind,
        _declared(used, operation),
        tuple(parts),
        directives.here if directives else "",
    )
    return Fetch(
        id=ids[group],
        subgraph=group.subgraph,
        text=_request_text(_head(request, lookups), parts, writing),
        operation_name=name,
        kind=kind,
        variables=used,
        lookups=tuple(lookups),
        after=tuple(sorted(ids[parent] for parent in group.parents if parent in ids)),
        renames=writing.renames,
        request_parts=request if any(lookup.contexts for lookup in lookups) else None,
    )


def _declared(used: Sequence[str], operation: Operation) -> tuple[str, ...]:
    """Return the declarations of the client's variables that a request uses."""
    types = dict(operation.variables)
    return tuple(f"${name}:{types[name]}" for name in used)


def _head(request: RequestParts, lookups: Sequence[Lookup]) -> str:
    """Return a request's text before its selection: the kind, name, variables and directives."""
    contexts = {one.variable: one.type for lookup in lookups for one in lookup.contexts}
    declared = (
        *(f"${lookup.variable}:[_Any!]!" for lookup in lookups if lookup.variable),
        *request.declared,
        *(f"${name}:{reference}" for name, reference in contexts.items()),
    )
    return request.head + (f"({','.join(declared)})" if declared else "") + request.directives


def _request_text(head: str, parts: Sequence[str], writing: _RequestWriter) -> str:
    defined = (f" fragment {name} {rest}" for rest, name in writing.fragments.items())
    body = "{" + " ".join(parts) + "}" + "".join(defined)
    return body if head == "query" else head + body


def _lookups(
    written: Sequence[tuple[str, Selection, list[DraftLookup]]], operation: Operation
) -> tuple[list[str], list[Lookup]]:
    """Return the parts of a request text, and the lookup of each part.

    A part is the text of root fields, or of an `_entities` field with its variable.
    """
    many = len(written) > 1
    parts: list[str] = []
    lookups: list[Lookup] = []
    for index, (text, selection, same) in enumerate(written):
        targets = tuple(Target(lookup.path, tuple(lookup.representations)) for lookup in same)
        if same[0].root:
            parts.append(text[1:-1])
            lookups.append(Lookup(targets, selection))
            continue
        lookup = same[0]
        many = many or bool(lookup.contexts)
        variable = _free_name(f"representations{index}" if many else "representations", operation)
        alias = f"e{index}" if many else "_entities"
        call = f"_entities(representations:${variable})"
        parts.append(f"{alias}:{call}{text}" if many else call + text)
        lookups.append(Lookup(targets, selection, variable, alias, lookup.contexts))
    return parts, lookups


def _written(group: FetchGroup, writing: _RequestWriter) -> list[tuple[str, Selection, list[DraftLookup]]]:
    """Return each selection of a group with its text and the lookups that share it.

    Lookups at different places with equal selections share one `_entities` field.
    """
    written: list[tuple[str, Selection, list[DraftLookup]]] = []
    for lookup in group.lookups:
        text, selection = _write(lookup.draft, writing)
        for known, other, same in written:
            first = same[0]
            special = (
                lookup.root or first.root or lookup.contexts or first.contexts or _has_objects(selection)
            )
            if not special and _same((known, other), (text, selection)):
                same.append(lookup)
                break
        else:
            written.append((text, selection, [lookup]))
    return written


def _has_objects(selection: Selection) -> bool:
    """Return whether a selection has composite fields.

    Entities of different places must not share such values by reference, since the plan may merge different
    fields into them.
    """
    return any(out.below for out in selection.fields) or any(
        _has_objects(inner) for _, inner in selection.fragments
    )


def _same(one: tuple[str, Selection], other: tuple[str, Selection]) -> bool:
    """Return whether two selections, each with its text, are equal except for the order of fields.

    Arguments, directives and named fragments are only in the text, so selections with any of them are
    compared by their text.
    """
    if one == other:
        return True
    texts = one[0] + other[0]
    only_in_text = any(sign in texts for sign in ("(", "@", f"...{_NAMED}"))
    return not only_in_text and _mark(one[1]) == _mark(other[1])


def _mark(selection: Selection) -> frozenset[object]:
    """Return a hashable form of a selection that does not depend on the order of fields."""
    fields = {
        (out.reply_key, out.key, out.name, _mark(out.below) if out.below else None)
        for out in selection.fields
    }
    return frozenset(fields | {(types, _mark(inner)) for types, inner in selection.fragments})


def _free_name(name: str, operation: Operation) -> str:
    """Return `name`, with underscores before it if the client's operation has a variable of that name."""
    while any(name == taken for taken, _ in operation.variables):
        name = f"_{name}"
    return name


def _operation_name(operation: Operation, subgraph: str, number: int) -> str | None:
    """Return the operation name in a request, for the subgraph's log: `Client__subgraph__3` for fetch 3.

    None if the client's operation has no name.
    """
    if not operation.name:
        return None
    return re.sub(r"\W", "_", f"{operation.name}__{subgraph}__{number}")


def _write(draft: DraftSelection, writing: _RequestWriter) -> tuple[str, Selection]:
    """Return a selection as text in braces, and the fields to read from the reply."""
    parts, selection = _write_parts(draft, None, _aliases(draft), writing)
    if not parts:
        parts.append(_placeholder(draft, writing))
    return "{" + " ".join(parts) + "}", selection


def _write_parts(
    draft: DraftSelection,
    outer: DraftSelection | None,
    aliases: Mapping[tuple[int, str], str],
    writing: _RequestWriter,
) -> tuple[list[str], Selection]:
    """Return the texts of a selection's fields and fragments, and the fields to read from the reply.

    Leaf fields that the enclosing selection (`outer`) also has are omitted. `aliases`: from `_aliases`.
    """
    parts: list[str] = []
    outs: list[ReplyField] = []
    for item in draft.fields.values():
        same = outer.fields.get(item.key) if outer and not draft.directives and not item.directives else None
        if same and same.below is None and (same.name, same.arguments) == (item.name, item.arguments):
            continue
        text, out = _write_field(item, aliases.get((id(draft), item.key), item.key), writing)
        parts.append(text)
        outs.append(out)
    fragments: list[tuple[frozenset[str], Selection]] = []
    for inner in draft.fragments.values():
        texts, selection = _write_parts(inner, draft, aliases, writing)
        if texts:
            parts.append(_write_fragment(inner, f"{{{' '.join(texts)}}}", writing))
            fragments.append((_possible(inner.type, writing), selection))
    return parts, Selection(tuple(outs), tuple(fragments))


def _write_fragment(draft: DraftSelection, body: str, writing: _RequestWriter) -> str:
    """Return a fragment's text; with directives it is inline or named, as the client wrote it.

    The directives may be allowed on only one of the two.
    """
    directives = draft.directives
    if directives is None:
        return f"...on {draft.type}{body}"
    writing.variables |= directives.variables
    if directives.inline and draft.type in writing.graph.supergraph.roots.values():
        return f"...{directives.here}{body}"  # the root type may have another name in the subgraph
    if directives.definition is None or writing.inline:
        return f"...on {draft.type}{directives.here}{body}"
    rest = f"on {draft.type}{directives.definition}{body}"
    name = writing.fragments.setdefault(rest, f"{_NAMED}{len(writing.fragments)}")
    return f"...{name}{directives.here}"


def _placeholder(draft: DraftSelection, writing: _RequestWriter) -> str:
    """Return `__typename`, for a selection that would be empty, which GraphQL does not allow.

    The `__typename` of an interface object is not the run-time type, so there it gets the key `_placeholder`.
    """
    view = writing.graph.view(Vertex(writing.subgraph, draft.type))
    if view and view.interface_object:
        writing.renames = True
        return f"_placeholder:{TYPENAME}"
    return TYPENAME


def _possible(type_name: str, writing: _RequestWriter) -> frozenset[str]:
    view = writing.graph.view(Vertex(writing.subgraph, type_name))
    return view.possible if view else frozenset({type_name})


def _write_field(item: DraftField, reply_key: str, writing: _RequestWriter) -> tuple[str, ReplyField]:
    writing.variables |= item.variables
    writing.renames = writing.renames or reply_key != item.key
    name = _named(item, reply_key)
    first, *others = item.directives or ("",)
    if item.below is None:
        text = " ".join(name + directives for directives in (first, *others))
        return text, ReplyField(reply_key, item.key, item.name)
    text, selection = _write(item.below, writing)
    again = "".join(f" {name}{directives}{_first_leaf(item.below, writing)}" for directives in others)
    return name + first + text + again, ReplyField(reply_key, item.key, item.name, selection)


def _first_leaf(draft: DraftSelection, writing: _RequestWriter) -> str:
    """Return a minimal selection, for a field that occurs in the request before with its full selection.

    GraphQL merges the selections of both occurrences.
    """
    item = next(iter(draft.fields.values()), None)
    if item is None:
        return "{" + _placeholder(draft, writing) + "}"
    below = _first_leaf(item.below, writing) if item.below else ""
    return "{" + _named(item, item.key) + (item.directives or ("",))[0] + below + "}"


def _named(item: DraftField, reply_key: str) -> str:
    """Return a field's alias (if any), name and arguments as text."""
    name = item.name if reply_key == item.name else f"{reply_key}:{item.name}"
    if item.arguments:
        name += "(" + ",".join(f"{key}:{value}" for key, value in item.arguments) + ")"
    return name


def _aliases(draft: DraftSelection) -> dict[tuple[int, str], str]:
    """Return aliases for fields that share a key, under different type conditions, with incompatible shapes.

    The mapping is from (id of the selection, key) to the alias. The client's key may be valid for both in the
    API schema but not in the subgraph's schema, whose types differ (GraphQL spec, FieldsInSetCanMerge).

    Example: `... on A { x { y } } ... on B { x { y } }` is valid for the API schema, where y is `Int`. In a
    subgraph where B.x leads to a type with `y: Int!`, the second x is selected as `x__1`.
    """
    if not draft.fragments:
        return {}
    seen: dict[str, list[Shape]] = {key: [shape_of(item)] for key, item in draft.fields.items()}
    chosen: dict[tuple[str, int], str] = {}
    aliases: dict[tuple[int, str], str] = {}
    waiting = list(draft.fragments.values())
    taken = set(_keys(draft))
    while waiting:
        inner = waiting.pop(0)
        waiting.extend(inner.fragments.values())
        for key, item in inner.fields.items():
            index = find_or_add(seen.setdefault(key, []), shape_of(item))
            if index > 0:
                if (key, index) not in chosen:
                    number = next(one for one in count(index) if f"{key}__{one}" not in taken)
                    chosen[key, index] = f"{key}__{number}"
                    taken.add(f"{key}__{number}")
                aliases[id(inner), key] = chosen[key, index]
    return aliases


def _keys(draft: DraftSelection) -> Iterator[str]:
    yield from draft.fields
    for inner in draft.fragments.values():
        yield from _keys(inner)
