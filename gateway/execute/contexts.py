"""Contexts (@fromContext): lookups whose arguments come from objects further up in the answer.

Objects of one lookup may stand under different contexts. All that share the values of theirs are looked up together, each such set
by an `_entities` of its own in the same request, with variables of its own.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.core.failure import Failure, ResponsePath
from gateway.execute.context import Tree
from gateway.execute.entities import Batch, add, fail, mark_of, typename_of
from gateway.plan.nodes import ContextInput, ContextSource, Fetch, Lookup, Pieces, RepField, Target

Chain = tuple[Tree, ...]
# strings are matched so that what looks like a variable inside of them is passed over
_VARIABLES = re.compile(r'"""(?:\\"""|(?!""").)*"""|"(?:\\.|[^"\\])*"|\$(\w+)', re.DOTALL)


def expand(fetch: Fetch, pieces: Pieces, data: Tree) -> tuple[Fetch, dict[str | None, Batch], dict[str, Any]]:
    """The fetch as it is sent now: its lookups multiplied by the contexts of their objects, their batches, and their variables."""
    lookups: list[Lookup] = []
    batches: dict[str | None, Batch] = {}
    variables: dict[str, Any] = {}
    declared: list[str] = []
    parts: list[str] = []
    for lookup, text in zip(fetch.lookups, pieces.lookups, strict=True):
        if lookup.field is None or lookup.variable is None:
            lookups.append(lookup)
            parts.append(text)
            continue
        for number, (values, batch) in enumerate(_by_context(lookup, data)):
            names = {lookup.variable: f"{lookup.variable}_{number}"}
            names |= {one.variable: f"{one.variable}_{lookup.field}_{number}" for one in lookup.contexts}
            field = f"{lookup.field}_{number}"
            made = replace(lookup, variable=names[lookup.variable], field=field)
            lookups.append(made)
            batches[field] = replace(batch, lookup=made)
            variables |= {names[one.variable]: values[one.variable] for one in lookup.contexts}
            declared.append(f"${names[lookup.variable]}:[_Any!]!")
            declared += [f"${names[one.variable]}:{one.type}" for one in lookup.contexts]
            parts.append(_renamed(text, lookup.field, field, names))
    body = "{" + " ".join(parts) + "}"
    named = set(_VARIABLES.findall(body))  # a lookup that has no objects now may have been the only one with a variable
    declared = [*(one for one in pieces.declared if one[1:].partition(":")[0] in named), *declared]
    head = pieces.head + (f"({','.join(declared)})" if declared else "")
    kept = tuple(name for name in fetch.variables if name in named)
    sent = replace(fetch, text=head + body, variables=kept, lookups=tuple(lookups))
    return sent, batches, variables


def _renamed(text: str, alias: str, new: str, names: Mapping[str, str]) -> str:
    text = new + text.removeprefix(alias)
    return _VARIABLES.sub(lambda match: f"${names.get(match[1], match[1])}" if match[1] else match[0], text)


def _by_context(lookup: Lookup, data: Tree) -> list[tuple[dict[str, Any], Batch]]:
    """The batches of a lookup, each with the values of its context variables."""
    found: dict[bytes, tuple[dict[str, Any], Batch, dict[bytes, int]]] = {}
    for target in lookup.targets:
        for item, where, chain in _objects(data, target):
            values = {one.variable: _value(one, chain) for one in lookup.contexts}
            failure = next((value for value in values.values() if isinstance(value, Failure)), None)
            if failure is not None:
                fail(item, lookup.selection, failure)
                continue
            _, batch, known = found.setdefault(mark_of(values), (values, Batch(lookup), {}))
            add(batch, known, target, item, where)
    return [(values, batch) for values, batch, _ in found.values() if batch.representations]


def _objects(data: Tree, target: Target) -> list[tuple[Tree, ResponsePath, Chain]]:
    """The objects at a target's path, with the objects on the way to each: one per step, the root first."""
    found: list[tuple[Tree, ResponsePath, Chain]] = [(data, (), (data,))]
    for step in target.path:
        following: list[tuple[Tree, ResponsePath, Chain]] = []
        for item, where, chain in found:
            _flatten(item.get(step.key), (*where, step.key), chain, following)
        if step.types is not None:
            following = [one for one in following if typename_of(one[0]) in step.types]
        found = following
    return found


def _flatten(value: Any, where: ResponsePath, chain: Chain, into: list[tuple[Tree, ResponsePath, Chain]]) -> None:
    if isinstance(value, dict):
        into.append((value, where, (*chain, value)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _flatten(item, (*where, index), chain, into)


def _value(one: ContextInput, chain: Chain) -> Any:
    for source in one.sources:
        there, value = _look(source, chain)
        if there:
            return value
    return Failure("no object above sets the context of this field", "SUBGRAPH_BAD_RESPONSE", "")


def _look(source: ContextSource, chain: Chain) -> tuple[bool, Any]:
    """Whether the object at this depth has the context's value, and the value."""
    return _pick(source.fields, chain[source.depth])


def _pick(fields: tuple[RepField, ...], item: Tree) -> tuple[bool, Any]:
    for one in fields:
        if one.types is not None and typename_of(item) not in one.types:
            continue
        value = item.get(one.key)
        return True, _below(value, one.below) if one.below else value
    return False, None


def _below(value: Any, fields: tuple[RepField, ...]) -> Any:
    """What is selected on an object, or on each of a list."""
    if isinstance(value, list):
        out = [_below(item, fields) for item in value]
        return next((item for item in out if isinstance(item, Failure)), out)
    return _pick(fields, value)[1] if isinstance(value, dict) else value
