"""The fetch graph becomes the plan: ids in running order, request texts, and what each request brings.

Frozen.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from gateway.plan.fetch_graph import Draft, DraftField, DraftLookup, Group, in_order
from gateway.plan.nodes import Fetch, Lookup, Out, Pieces, Selection, Target
from gateway.request.operation import Operation
from gateway.supergraph.graph import TYPENAME, Arrival, Graph


@dataclass(slots=True)
class _Writing:
    """One request while it is written."""

    graph: Graph
    subgraph: str
    variables: set[str] = field(default_factory=set)
    renames: bool = False


def assemble(
    graph: Graph, operation: Operation, groups: Sequence[Group], first_id: int, root_kind: bool
) -> tuple[Fetch, ...]:
    """Freeze the groups of one stage.

    `root_kind` says whether its root requests are of the operation's own kind.
    """
    ordered = in_order(groups)
    ids = {group: first_id + index for index, group in enumerate(ordered)}
    return tuple(_fetch(graph, operation, group, ids, root_kind) for group in ordered)


def _fetch(
    graph: Graph, operation: Operation, group: Group, ids: Mapping[Group, int], root_kind: bool
) -> Fetch:
    writing = _Writing(graph, group.subgraph)
    number = ids[group]
    written = _written(group, writing)
    many = len(written) > 1
    parts: list[str] = []
    lookups: list[Lookup] = []
    declared: list[str] = []
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
        declared.append(f"${variable}:[_Any!]!")
        lookups.append(Lookup(targets, selection, variable, alias, lookup.contexts))
    contexts = {one.variable: one.type for lookup in lookups for one in lookup.contexts}
    root = any(lookup.root and not lookup.path for lookup in group.lookups)
    kind = operation.kind if root and root_kind else "query"
    types = dict(operation.variables)
    used = tuple(sorted(writing.variables))
    name = _operation_name(operation, group.subgraph, number)
    start = kind + (f" {name}" if name else "")
    plain = [f"${name}:{types[name]}" for name in used]
    declared.extend(plain)
    declared.extend(f"${name}:{reference}" for name, reference in contexts.items())
    head = start + (f"({','.join(declared)})" if declared else "")
    body = "{" + " ".join(parts) + "}"
    after = tuple(sorted(ids[parent] for parent in group.parents if parent in ids))
    return Fetch(
        id=number,
        subgraph=group.subgraph,
        text=body if head == "query" else head + body,
        operation_name=name,
        kind=kind,
        variables=used,
        lookups=tuple(lookups),
        after=after,
        renames=writing.renames,
        pieces=Pieces(start, tuple(plain), tuple(parts)) if contexts else None,
    )


def _written(group: Group, writing: _Writing) -> list[tuple[str, Selection, list[DraftLookup]]]:
    """The selections of a group with their texts.

    Entities at different places of which the same is asked share one.
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
    """Whether values below would be shared by objects of different places, where the plan may merge
    different things into them.
    """
    return any(out.below for out in selection.fields) or any(
        _has_objects(inner) for _, inner in selection.fragments
    )


def _same(one: tuple[str, Selection], other: tuple[str, Selection]) -> bool:
    """Whether two selections ask for the same, in whatever order. Arguments stand in the text alone."""
    if one == other:
        return True
    return "(" not in one[0] + other[0] and _mark(one[1]) == _mark(other[1])


def _mark(selection: Selection) -> frozenset[object]:
    fields = {
        (out.reply_key, out.key, out.name, _mark(out.below) if out.below else None)
        for out in selection.fields
    }
    return frozenset(fields | {(types, _mark(inner)) for types, inner in selection.fragments})


def _free_name(name: str, operation: Operation) -> str:
    """A variable's name that is none of the client's."""
    while any(name == taken for taken, _ in operation.variables):
        name = f"_{name}"
    return name


def _operation_name(operation: Operation, subgraph: str, number: int) -> str | None:
    """The client's name with where and when, so that a subgraph's log tells them apart."""
    if not operation.name:
        return None
    return re.sub(r"\W", "_", f"{operation.name}__{subgraph}__{number}")


def _write(draft: Draft, writing: _Writing) -> tuple[str, Selection]:
    """A selection as text (braces included) and as what comes back."""
    parts, selection = _write_parts(draft, None, _aliases(draft), writing)
    if not parts:
        parts.append(_placeholder(draft, writing))
    return "{" + " ".join(parts) + "}", selection


def _write_parts(
    draft: Draft, outer: Draft | None, aliases: Mapping[tuple[int, str], str], writing: _Writing
) -> tuple[list[str], Selection]:
    """The fields and fragments of a selection.

    Plain fields that the one around it asks for as well are left out.
    """
    parts: list[str] = []
    outs: list[Out] = []
    for item in draft.fields.values():
        same = outer.fields.get(item.key) if outer else None
        if same and same.below is None and (same.name, same.arguments) == (item.name, item.arguments):
            continue
        text, out = _write_field(item, aliases.get((id(draft), item.key), item.key), writing)
        parts.append(text)
        outs.append(out)
    fragments: list[tuple[frozenset[str], Selection]] = []
    for inner in draft.fragments.values():
        texts, selection = _write_parts(inner, draft, aliases, writing)
        if texts:
            parts.append(f"...on {inner.type}{{{' '.join(texts)}}}")
            fragments.append((_possible(inner.type, writing), selection))
    return parts, Selection(tuple(outs), tuple(fragments))


def _placeholder(draft: Draft, writing: _Writing) -> str:
    """GraphQL has no empty selections; an interface object's own type name must not pass for the real one."""
    view = writing.graph.view(Arrival(writing.subgraph, draft.type))
    if view and view.interface_object:
        writing.renames = True
        return f"_placeholder:{TYPENAME}"
    return TYPENAME


def _possible(type_name: str, writing: _Writing) -> frozenset[str]:
    view = writing.graph.view(Arrival(writing.subgraph, type_name))
    return view.possible if view else frozenset({type_name})


def _write_field(item: DraftField, reply_key: str, writing: _Writing) -> tuple[str, Out]:
    writing.variables |= item.variables
    writing.renames = writing.renames or reply_key != item.key
    name = item.name if reply_key == item.name else f"{reply_key}:{item.name}"
    if item.arguments:
        name += "(" + ",".join(f"{key}:{value}" for key, value in item.arguments) + ")"
    if item.below is None:
        return name, Out(reply_key, item.key, item.name)
    text, selection = _write(item.below, writing)
    return name + text, Out(reply_key, item.key, item.name, selection)


def _aliases(draft: Draft) -> dict[tuple[int, str], str]:
    """Other reply keys for fields of different types that share a key, where the subgraph's types would not
    let them.

    The client's keys may stand for fields of one shape in the API schema and of another in this subgraph
    (FieldsInSetCanMerge).
    """
    if not draft.fragments:
        return {}
    seen: dict[str, list[tuple[object, ...]]] = {key: [_shape(item)] for key, item in draft.fields.items()}
    chosen: dict[tuple[str, int], str] = {}
    aliases: dict[tuple[int, str], str] = {}
    waiting = list(draft.fragments.values())
    taken = set(_keys(draft))
    while waiting:
        inner = waiting.pop(0)
        waiting.extend(inner.fragments.values())
        for key, item in inner.fields.items():
            shapes = seen.setdefault(key, [])
            shape = _shape(item)
            if shape not in shapes:
                shapes.append(shape)
            if (index := shapes.index(shape)) > 0:
                if (key, index) not in chosen:
                    number = next(one for one in count(index) if f"{key}__{one}" not in taken)
                    chosen[key, index] = f"{key}__{number}"
                    taken.add(f"{key}__{number}")
                aliases[id(inner), key] = chosen[key, index]
    return aliases


def _keys(draft: Draft) -> Iterator[str]:
    yield from draft.fields
    for inner in draft.fragments.values():
        yield from _keys(inner)


def _shape(item: DraftField) -> tuple[object, ...]:
    return (item.type,) if item.below is None else (item.type, item.name, item.arguments)
