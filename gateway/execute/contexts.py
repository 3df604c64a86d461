"""Contexts (@fromContext): lookups whose arguments come from objects further up in the answer.

Objects of one lookup may stand under different contexts. All that share the values of theirs are looked up
together, each such set by an `_entities` of its own in the same request, with variables of its own.
"""

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from gateway.core.failure import Failure
from gateway.execute.entities import (
    EntityBatch,
    Tree,
    add,
    chain_to,
    each,
    fail,
    fitting,
    mark_of,
    objects_at,
)
from gateway.plan.nodes import ContextInput, Fetch, Lookup, RepresentationField, RequestParts

Chain = tuple[Tree, ...]
# strings are matched so that what looks like a variable inside of them is passed over
_VARIABLES = re.compile(r'"""(?:\\"""|(?!""").)*"""|"(?:\\.|[^"\\])*"|\$(\w+)', re.DOTALL)


@dataclass(slots=True)
class _ExpandedRequest:
    """A request while its lookups are multiplied: each part of its text, and what that part needs."""

    lookups: list[Lookup] = field(default_factory=list)
    batches: dict[str | None, EntityBatch] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    declared: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    def add(
        self, number: int, lookup: Lookup, text: str, values: Mapping[str, Any], batch: EntityBatch
    ) -> None:
        """Add a lookup for one set of context values, with variables and a key of its own."""
        alias, variable = f"{lookup.field}_{number}", f"{lookup.variable}_{number}"
        names = {lookup.variable or "": variable}
        names |= {one.variable: f"{one.variable}_{alias}" for one in lookup.contexts}
        self.lookups.append(replace(lookup, variable=variable, field=alias))
        self.batches[alias] = replace(batch, lookup=self.lookups[-1])
        self.variables |= {names[one.variable]: values[one.variable] for one in lookup.contexts}
        types = [f"${names[one.variable]}:{one.type}" for one in lookup.contexts]
        self.declared += [f"${variable}:[_Any!]!", *types]
        self.parts.append(_renamed(text, lookup.field or "", alias, names))


def expand(
    fetch: Fetch, request_parts: RequestParts, data: Tree
) -> tuple[Fetch, dict[str | None, EntityBatch], dict[str, Any]]:
    """The fetch as it is sent now, its lookups multiplied by the contexts of their objects.

    Their batches and variables.
    """
    request = _ExpandedRequest()
    for lookup, text in zip(fetch.lookups, request_parts.lookups, strict=True):
        if lookup.field is None or lookup.variable is None:
            request.lookups.append(lookup)
            request.parts.append(text)
            continue
        for number, (values, batch) in enumerate(_by_context(lookup, data)):
            request.add(number, lookup, text, values, batch)
    body = "{" + " ".join(request.parts) + "}"
    named = set(
        _VARIABLES.findall(body + request_parts.directives)
    )  # a lookup without objects may have been the only one with a variable
    declared = [
        one for one in request_parts.declared if one[1:].partition(":")[0] in named
    ] + request.declared
    head = request_parts.head + (f"({','.join(declared)})" if declared else "") + request_parts.directives
    kept = tuple(name for name in fetch.variables if name in named)
    sent = replace(fetch, text=head + body, variables=kept, lookups=tuple(request.lookups))
    return sent, request.batches, request.variables


def _renamed(text: str, alias: str, new: str, names: Mapping[str, str]) -> str:
    text = new + text.removeprefix(alias)
    return _VARIABLES.sub(lambda match: f"${names.get(match[1], match[1])}" if match[1] else match[0], text)


def _by_context(lookup: Lookup, data: Tree) -> list[tuple[dict[str, Any], EntityBatch]]:
    """The batches of a lookup, each with the values of its context variables."""
    found: dict[Hashable, tuple[dict[str, Any], EntityBatch, dict[Hashable, int]]] = {}
    for target in lookup.targets:
        for item, where in objects_at(data, target.path):
            chain = chain_to(data, where)
            values = {one.variable: _value(one, chain) for one in lookup.contexts}
            failure = next((value for value in values.values() if isinstance(value, Failure)), None)
            if failure is not None:
                fail(item, lookup.selection, failure.loud())
                continue
            _, batch, known = found.setdefault(mark_of(values), (values, EntityBatch(lookup), {}))
            add(batch, known, target, item, where)
    return [(values, batch) for values, batch, _ in found.values() if batch.representations]


def _value(one: ContextInput, chain: Chain) -> Any:
    for source in one.sources:
        for value in _read(source.fields, chain[source.depth]):
            return value
    return Failure("no object above sets the context of this field", "SUBGRAPH_BAD_RESPONSE", "")


def _read(fields: tuple[RepresentationField, ...], item: Any) -> Iterator[Any]:
    """The value of the one field that is selected on an object, by its run-time type.

    Nothing where none is.
    """
    if isinstance(item, dict):
        for one in fitting(fields, item):
            value = item.get(one.key)
            yield each(value, partial(_inside, one.below)) if one.below else value
    else:
        yield item


def _inside(fields: tuple[RepresentationField, ...], item: Any) -> Any:
    return next(_read(fields, item), None)
