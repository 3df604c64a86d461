"""@composeDirective: copies directives of other specs into the supergraph, each with its newest definition.

A composed directive must be defined in its subgraph, belong to a linked spec, and have the same name in all
subgraphs. All subgraphs that compose directives of a spec must use the same major version.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from graphql import (
    Undefined,
    parse_value,
    print_ast,
    specified_scalar_types,
    value_from_ast,
)
from graphql.language import DirectiveDefinitionNode, NameNode

from gateway.compose.diagnostics import Report
from gateway.compose.links import identity_of, version_of
from gateway.compose.merge.names import metadata_of, used_names
from gateway.compose.merged import ComposedDirectives
from gateway.compose.model import ComposedDirective, SubgraphSchema
from gateway.federation.carried import CARRIED
from gateway.supergraph.api_schema import copied
from gateway.supergraph.features import Feature

_ERROR = "DIRECTIVE_COMPOSITION_ERROR"
Found = tuple[str, Feature, DirectiveDefinitionNode]  # the name, spec and definition of a directive


@dataclass(slots=True)
class _Spec:
    """One spec of which subgraphs compose directives.

    - `versions`: by subgraph, the linked feature and the definition of one of its directives.
    - `elements`: the spec's name of each composed directive, by its local name.
    - `definitions`: by local name, the newest version and the definition in it.
    - `places`: by local name, the locations that any subgraph allows.
    """

    versions: dict[str, tuple[Feature, DirectiveDefinitionNode]] = field(default_factory=dict)
    elements: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, tuple[tuple[int, int], DirectiveDefinitionNode]] = field(default_factory=dict)
    places: dict[str, dict[str, NameNode]] = field(default_factory=dict)

    def definition(self, name: str) -> DirectiveDefinitionNode:
        """Return the newest definition of a directive, with every location that some subgraph allows."""
        return copied(self.definitions[name][1], locations=tuple(self.places[name].values()))


def compose_directives(schemas: Sequence[SubgraphSchema], report: Report) -> ComposedDirectives:
    """Check every @composeDirective and return the definitions, links and names for the supergraph."""
    specs: dict[str, _Spec] = {}
    owner: dict[str, str] = {}
    for schema in schemas:
        for composed in schema.composed:
            found = _find(schema, composed, report)
            if found is None:
                continue
            name, feature, node = found
            identity = identity_of(feature)
            if owner.setdefault(name, identity) != identity:
                message = f"@{name} is composed, but belongs to {owner[name]} and to {identity}"
                report.error(_ERROR, message, subgraph=schema.name, node=composed.node)
                continue
            _add(specs.setdefault(identity, _Spec()), schema.name, name, feature, node, report)
    _check_majors(schemas, specs, report)
    for name in owner:
        _check_conflict(name, schemas, report)
    for schema in schemas:
        _check_applications(schema, specs.values(), report)
    definitions = tuple(
        print_ast(spec.definition(name)) for spec in specs.values() for name in spec.definitions
    )
    namespaces = frozenset(one.namespace for spec in specs.values() for one, _ in spec.versions.values())
    links = tuple(_link(spec) for spec in specs.values())
    return ComposedDirectives(definitions, links, frozenset(owner), namespaces)


def _find(schema: SubgraphSchema, composed: ComposedDirective, report: Report) -> Found | None:
    """Return what a @composeDirective names; report an error and return None if it is invalid."""
    name = composed.name or ""
    if name.startswith("@") and schema.links.names.get(name.removeprefix("@")) in CARRIED:
        message = f"{name} is always composed; @composeDirective is not needed for it"
        report.hint("DIRECTIVE_COMPOSITION_INFO", message, name)
        return None
    found = _composable(schema, name)
    if isinstance(found, str):
        report.error(_ERROR, found, subgraph=schema.name, node=composed.node)
        return None
    return found


def _composable(schema: SubgraphSchema, given: str) -> Found | str:
    """Return the directive that a @composeDirective names by `given`, or why it can't be composed."""
    if not given:
        return "@composeDirective: expected a directive's name"
    if not given.startswith("@"):
        return f'@composeDirective(name: "{given}"): expected a name that begins with @'
    name = given.removeprefix("@")
    if name in schema.links.names:
        return f"{given} is a federation directive, which can't be composed"
    node = schema.directives.get(name)
    if node is None:
        return f"{given} is composed, but this subgraph does not define it"
    feature = _feature_of(schema, name)
    if feature is None:
        return f"{given} is composed, but no linked spec has it; add a @link that imports it"
    return name, feature, node


def _feature_of(schema: SubgraphSchema, name: str) -> Feature | None:
    """Return the linked spec that a subgraph's directive belongs to."""
    return next((one for one in schema.links.features if one.owns(name, True)), None)


def _add(
    spec: _Spec, subgraph: str, name: str, feature: Feature, node: DirectiveDefinitionNode, report: Report
) -> None:
    spec.versions[subgraph] = (feature, node)
    element = _element(feature, name)
    other = next(
        (local for local, theirs in spec.elements.items() if theirs == element and local != name), None
    )
    if other is not None:
        message = f"@{element} of {identity_of(feature)} is composed as @{other} and as @{name}"
        report.error(_ERROR, message, subgraph=subgraph, node=node)
        return
    spec.elements[name] = element
    version = version_of(feature)
    spec.places.setdefault(name, {}).update({one.value: one for one in node.locations})
    if name not in spec.definitions or spec.definitions[name][0] <= version:
        spec.definitions[name] = (version, node)


def _element(feature: Feature, name: str) -> str:
    """Return the name that a directive of local name `name` has in its spec."""
    for theirs, ours in feature.imports:
        if ours == f"@{name}":
            return theirs.removeprefix("@")
    return name.removeprefix(f"{feature.namespace}__") if name != feature.namespace else feature.name


def _check_majors(schemas: Sequence[SubgraphSchema], specs: Mapping[str, _Spec], report: Report) -> None:
    for identity, spec in specs.items():
        majors = {version_of(feature)[0] for feature, _ in spec.versions.values()}
        if len(majors) > 1:
            shown = ", ".join(f"v{feature.version} in {name}" for name, (feature, _) in spec.versions.items())
            report.error(_ERROR, f"{identity} is composed in different major versions: {shown}")
            continue
        for schema in schemas:
            for feature in schema.links.features:
                if identity_of(feature) == identity and version_of(feature)[0] not in majors:
                    message = f"{schema.name} links v{feature.version} of {identity}, and does not compose it"
                    report.hint("DIRECTIVE_COMPOSITION_INFO", message, schema.name)
                elif identity_of(feature) == identity:
                    _hint_other_name(spec, schema, feature, report)


def _check_applications(schema: SubgraphSchema, specs: Iterable[_Spec], report: Report) -> None:
    """Report applications whose arguments do not fit the definition that the supergraph uses, the
    newest one.
    """
    chosen = {name: node for spec in specs for name, (_, node) in spec.definitions.items()}
    for item in schema.types.values():
        for applied in (
            one
            for metadata in metadata_of(item)
            for one in metadata.applied
            if not one.spec and one.name in chosen
        ):
            node = chosen[applied.name]
            known = {one.name.value: print_ast(one.type).removesuffix("!") for one in node.arguments or ()}
            for name, value in applied.arguments:
                scalar = specified_scalar_types.get(known.get(name, ""))
                misfit = (
                    scalar is not None
                    and value != "null"
                    and value_from_ast(parse_value(value), scalar) is Undefined
                )
                if name not in known or misfit:
                    message = (
                        f"@{applied.local}({name}: {value}) on {item.name} does not fit its newest definition"
                    )
                    report.error("INVALID_GRAPHQL", message, subgraph=schema.name, node=item.node)


def _hint_other_name(spec: _Spec, schema: SubgraphSchema, feature: Feature, report: Report) -> None:
    """Hint at a composed directive that a subgraph defines under another name and does not compose."""
    for local, element in spec.elements.items():
        theirs = feature.local(f"@{element}") if element != feature.name else feature.namespace
        if schema.name not in spec.versions and theirs != local and theirs in schema.directives:
            message = (
                f"@{local} is composed, and called @{theirs} in {schema.name}, which does not compose it"
            )
            report.hint("DIRECTIVE_COMPOSITION_WARN", message, f"@{local}")


def _check_conflict(name: str, schemas: Sequence[SubgraphSchema], report: Report) -> None:
    """Report a composed directive whose name another subgraph uses for a federation directive."""
    for schema in schemas:
        canonical = schema.links.names.get(name)
        if canonical is not None and canonical in used_names(schema):
            message = f"@{name} is composed, but in {schema.name} it is federation's @{canonical}"
            report.error(_ERROR, message, subgraph=schema.name)


def _link(spec: _Spec) -> str:
    feature = max((feature for feature, _ in spec.versions.values()), key=version_of)
    imports = []
    for local, element in spec.elements.items():
        imports.append(f'"@{local}"' if local == element else f'{{name: "@{element}", as: "@{local}"}}')
    return f'@link(url: "{feature.url}", import: [{", ".join(imports)}])'
