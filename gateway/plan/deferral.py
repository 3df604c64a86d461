"""A supergraph in which objects that are already known are the values of root fields.

A deferred part begins at objects of which the gateway has only the key. To plan it, the supergraph gets one
more subgraph, whose root field for each entity type returns objects with the key alone; the planner then
finds the lookups as for any other operation. At run time the gateway itself replies to that first fetch.

Example: the part `stock` of a Product with the key `id` is planned as `{ _gateway_Product { stock } }`. Fetch
0 asks the subgraph `_gateway` for `id`, fetch 1 looks up `stock`.
"""

from collections.abc import Mapping
from dataclasses import replace

from gateway.federation.field_set import FieldSet, FieldSetField, FieldSetFragment
from gateway.request.split import HIDDEN
from gateway.supergraph.model import Key, Subgraph, SubgraphField, SubgraphType, Supergraph, named

SUBGRAPH = "_gateway"


def root_field(type_name: str) -> str:
    """Return the name of the root field for a type."""
    return HIDDEN + type_name


def keys_of(supergraph: Supergraph) -> dict[str, FieldSet]:
    """Return the key by which the objects of each entity type are found again: the shortest resolvable one.

    A key with fragments can't be used here, nor one with arguments.
    """
    found: dict[str, FieldSet] = {}
    for subgraph in supergraph.subgraphs.values():
        for name, type_ in subgraph.types.items():
            if supergraph.kinds.get(name) != "object" or type_.interface_object:
                continue
            for key in type_.keys:
                if key.resolvable and _is_plain(key.fields):
                    known = found.get(name)
                    if known is None or _size(key.fields) < _size(known):
                        found[name] = key.fields
    return found


def _is_plain(fields: FieldSet) -> bool:
    return all(
        isinstance(one, FieldSetField) and not one.arguments and _is_plain(one.selections) for one in fields
    )


def _size(fields: FieldSet) -> int:
    return sum(1 if isinstance(one, FieldSetFragment) else 1 + _size(one.selections) for one in fields)


def deferral_graph(supergraph: Supergraph, keys: Mapping[str, FieldSet]) -> Supergraph:
    """Return the supergraph with one more subgraph, for objects of the types with keys."""
    root = supergraph.roots["query"]
    types: dict[str, SubgraphType] = {}
    for name, key in keys.items():
        _add(supergraph, types, name, key)
        types[name] = replace(types[name], keys=(Key(key, resolvable=False),))
    references = {root_field(name): f"[{name}]" for name in keys}
    fields = {name: SubgraphField(name, reference) for name, reference in references.items()}
    types[root] = SubgraphType(root, "object", fields, possible=frozenset({root}))
    field_types = {
        **supergraph.field_types,
        root: {**supergraph.field_types.get(root, {}), **references},
    }
    subgraphs = {**supergraph.subgraphs, SUBGRAPH: Subgraph(SUBGRAPH, "", types)}
    return replace(supergraph, subgraphs=subgraphs, field_types=field_types)


def _add(supergraph: Supergraph, types: dict[str, SubgraphType], name: str, fields: FieldSet) -> None:
    """Add the fields of a key to the type `name`, with the types of nested objects."""
    known = types.get(name, SubgraphType(name, "object", possible=frozenset({name})))
    more: dict[str, SubgraphField] = {}
    for one in fields:
        if isinstance(one, FieldSetField):
            reference = supergraph.field_types[name][one.name]
            more[one.name] = SubgraphField(one.name, reference)
            if one.selections:
                _add(supergraph, types, named(reference), one.selections)
    types[name] = replace(known, fields={**known.fields, **more})
