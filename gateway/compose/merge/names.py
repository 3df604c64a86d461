"""The local names of the federation directives that the supergraph copies (@tag, @cost, ...).

Subgraphs may import them under other names, but all under the same one, because the supergraph uses it too.
"""

from collections.abc import Iterator, Mapping, Sequence

from gateway.compose.diagnostics import Report
from gateway.compose.model import Metadata, SubgraphSchema, TypeDef
from gateway.federation.carried import CARRIED


def carried_names(schemas: Sequence[SubgraphSchema], report: Report) -> Mapping[str, str]:
    """Return the local name of each directive that some subgraph uses and the supergraph copies, by canonical
    name.

    Reports LINK_IMPORT_NAME_MISMATCH if the names differ between subgraphs.
    """
    found: dict[str, dict[str, str]] = {}
    for schema in schemas:
        local = {canonical: name for name, canonical in schema.links.names.items()}
        for name in used_names(schema):
            found.setdefault(name, {})[schema.name] = local.get(name, name)
    for name, by_subgraph in found.items():
        if len(set(by_subgraph.values())) > 1:
            shown = ", ".join(f'"@{local}" in {subgraph}' for subgraph, local in by_subgraph.items())
            message = f"@{name} has different names: {shown}; import it under one name everywhere"
            report.error("LINK_IMPORT_NAME_MISMATCH", message)
    return {name: next(iter(by_subgraph.values())) for name, by_subgraph in found.items()}


def used_names(schema: SubgraphSchema) -> set[str]:
    """Return the canonical names of the federation directives that a subgraph applies and the supergraph
    copies.
    """
    used: set[str] = {"tag"} if schema.metadata.tags else set()
    for node in schema.directives.values():
        applied = (one.name.value for argument in node.arguments or () for one in argument.directives or ())
        used.update(name for local in applied if (name := schema.links.names.get(local)) in CARRIED and name)
    for item in schema.types.values():
        used.update(["context"] if item.contexts else [])
        for metadata in metadata_of(item):
            used.update(one.name for one in metadata.applied if one.spec and one.name in CARRIED)
            if any(one.spec for one in metadata.routed):
                used.add("cacheTag")
            if metadata.tags:
                used.add("tag")
            if metadata.inaccessible:
                used.add("inaccessible")
    return used


def metadata_of(item: TypeDef) -> Iterator[Metadata]:
    """Yield the metadata of a type, its fields, their arguments, its enum values and its input fields."""
    yield item.metadata
    yield from item.values.values()
    yield from (one.metadata for one in item.inputs.values())
    for field in item.fields.values():
        yield field.metadata
        yield from (one.metadata for one in field.arguments.values())
