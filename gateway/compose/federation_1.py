"""Rules for Federation 1 subgraphs that depend on the other subgraphs.

They need properties of the subgraph that `upgrade` has removed (`model.Federation1`).
"""

from collections.abc import Sequence

from gateway.compose.diagnostics import Report
from gateway.compose.model import SubgraphSchema


def check_federation_1(schemas: Sequence[SubgraphSchema], report: Report) -> None:
    """Report types that a Federation 1 subgraph only extends, and keys of interfaces, that do not compose.

    A type must be defined in another subgraph. An interface must have no @key if it is an @interfaceObject
    elsewhere.
    """
    for schema in schemas:
        if schema.old is not None:
            _check_extensions(schema, schemas, report)
            _check_interface_keys(schema, schemas, report)


def _check_extensions(schema: SubgraphSchema, schemas: Sequence[SubgraphSchema], report: Report) -> None:
    """Report types with @extends, or only extensions, that no other subgraph defines."""
    bases = {name for other in schemas if other is not schema for name in _based(other)}
    for name in sorted(schema.old.extended - bases) if schema.old else ():
        message = f"{name} is extended, but no other subgraph defines it; define it without @extends"
        report.error("EXTENSION_WITH_NO_BASE", message, subgraph=schema.name, coordinate=name)


def _based(schema: SubgraphSchema) -> frozenset[str]:
    if schema.old is not None:
        return schema.old.based
    return frozenset(name for name, item in schema.types.items() if item.base)


def _check_interface_keys(schema: SubgraphSchema, schemas: Sequence[SubgraphSchema], report: Report) -> None:
    """Report a @key on an interface that is an @interfaceObject in another subgraph.

    In Federation 1 such a key does not allow lookups, which @interfaceObject needs.
    """
    for name in sorted(schema.old.keyed) if schema.old else ():
        having = [one.name for one in schemas if name in one.types and one.types[name].interface_object]
        if having:
            message = (
                f"{name} is an @interfaceObject in {', '.join(having)}, whose objects are looked up by the"
                f" interface's @key, but in {schema.name}, a Federation 1 subgraph, that @key has no effect;"
                " link federation v2.3 there, or remove the @key from the interface"
            )
            report.error("INTERFACE_OBJECT_USAGE_ERROR", message, subgraph=schema.name, coordinate=name)
