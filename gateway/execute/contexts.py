"""Contexts (@fromContext): lookups with arguments whose values come from enclosing objects of the response.

The objects of one lookup may have different context values. Objects with equal values are looked up together:
each distinct set of values gets an `_entities` field of its own in the same request, with its own variables.

Example: `e0:_entities(representations:$representations0){...on P{price(in:$context__0)}}`, for objects whose
context values are EUR and USD, is sent twice, as `e0_0` with `$representations0_0` and `$context__0_e0_0`,
and as `e0_1` with `$representations0_1` and `$context__0_e0_1`.
"""

import re
from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from gateway.core.failure import Failure
from gateway.execute.entities import (
    EntityBatch,
    Tree,
    add,
    fail,
    fitting,
    map_nested,
    objects_above,
    objects_at,
    representation_key,
)
from gateway.plan.nodes import ContextInput, Fetch, Lookup, RepresentationField, RequestParts

Chain = tuple[Tree, ...]
# also matches strings, so that a $ inside a string does not count as a variable
_VARIABLES = re.compile(r'"""(?:\\"""|(?!""").)*"""|"(?:\\.|[^"\\])*"|\$(\w+)', re.DOTALL)


@dataclass(slots=True)
class _ExpandedRequest:
    """A request while its lookups are repeated for each set of context values.

    `declared`: the declarations of the new variables; `variables`: their values. `parts`: the texts of the
    fields.
    """

    lookups: list[Lookup] = field(default_factory=list)
    batches: dict[str | None, EntityBatch] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    declared: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    def add(
        self, number: int, lookup: Lookup, text: str, values: Mapping[str, Any], batch: EntityBatch
    ) -> None:
        """Add a lookup for one set of context values, with its own variables and response key.

        `number`: the set's number, from 0. `text`: the lookup's text in the request. `values`: by context
        variable.
        """
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
    fetch: Fetch,
    request_parts: RequestParts,
    data: Tree,
    fallback: bool = False,
    only: Collection[int] | None = None,
) -> tuple[Fetch, dict[str | None, EntityBatch], dict[str, Any]]:
    """Return a fetch in which each lookup is repeated for each distinct set of context values of its objects.

    Returns the fetch to send, the batches by key in the reply, and the values of the context variables.
    `fallback`, `only`: as for `entities.collect`.
    """
    request = _ExpandedRequest()
    for lookup, text in zip(fetch.lookups, request_parts.lookups, strict=True):
        if lookup.field is None or lookup.variable is None:
            request.lookups.append(lookup)
            request.parts.append(text)
            continue
        for number, (values, batch) in enumerate(_by_context(lookup, data, fallback, only)):
            request.add(number, lookup, text, values, batch)
    body = "{" + " ".join(request.parts) + "}"
    # a lookup without objects is omitted; variables that only it uses must not be declared
    named = set(_VARIABLES.findall(body + request_parts.directives))
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


def _by_context(
    lookup: Lookup, data: Tree, fallback: bool, only: Collection[int] | None
) -> list[tuple[dict[str, Any], EntityBatch]]:
    """Return the batches of a lookup, each with the values of its context variables.

    An object whose context value failed gets this failure as the value of the fields to look up.
    """
    found: dict[Hashable, tuple[dict[str, Any], EntityBatch, dict[Hashable, int]]] = {}
    for target in lookup.targets:
        for item, where in objects_at(data, target.path):
            if only is not None and id(item) not in only:
                continue
            chain = objects_above(data, where)
            values = {one.variable: _context_value(one, chain) for one in lookup.contexts}
            failure = next((value for value in values.values() if isinstance(value, Failure)), None)
            if failure is not None:
                fail(item, lookup.selection, failure.as_error())
                continue
            new = EntityBatch(lookup, missing_inputs=[] if fallback else None)
            _, batch, known = found.setdefault(representation_key(values), (values, new, {}))
            add(batch, known, target, item, where)
    return [
        (values, batch)
        for values, batch, _ in found.values()
        if batch.representations or batch.missing_inputs
    ]


def _context_value(one: ContextInput, chain: Chain) -> Any:
    """Return the value of a context variable. `chain`: the objects along the path to the looked-up object."""
    for source in one.sources:
        for value in _read(source.fields, chain[source.depth]):
            return value
    return Failure("no enclosing object sets the context that this field needs", "SUBGRAPH_BAD_RESPONSE", "")


def _read(fields: tuple[RepresentationField, ...], item: Any) -> Iterator[Any]:
    """Yield the value of the field that applies to the object's run-time type, or nothing if none applies."""
    if isinstance(item, dict):
        for one in fitting(fields, item):
            value = item.get(one.key)
            yield map_nested(value, partial(_read_first, one.below)) if one.below else value
    else:
        yield item


def _read_first(fields: tuple[RepresentationField, ...], item: Any) -> Any:
    return next(_read(fields, item), None)
