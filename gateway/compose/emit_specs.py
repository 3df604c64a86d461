"""The parts of a supergraph SDL that do not depend on its types: links to specs, and the specs' definitions.

`emit` puts them around the body (the type definitions). The join spec is used in the oldest version that has
the needed elements, so that older routers can load the SDL.
"""

from collections.abc import Mapping, Sequence

from gateway.compose.merged import MergedSchema
from gateway.federation.carried import CARRIED, CarriedSpec

_JOIN_TYPE = (
    "directive @join__type(graph: join__Graph!, key: join__FieldSet, extension: Boolean! = false,"
    " resolvable: Boolean! = true, isInterfaceObject: Boolean! = false)"
    " repeatable on OBJECT | INTERFACE | UNION | ENUM | INPUT_OBJECT | SCALAR"
)
_LINK = (
    "directive @link(url: String, as: String, for: link__Purpose, import: [link__Import])"
    " repeatable on SCHEMA"
)
_JOIN_DIRECTIVE = (
    "directive @join__directive(graphs: [join__Graph!], name: String!, args: join__DirectiveArguments)"
    " repeatable on SCHEMA | OBJECT | INTERFACE | FIELD_DEFINITION"
)
_SPECS = """scalar link__Import

enum link__Purpose {
  "`SECURITY` features provide metadata necessary to securely resolve fields."
  SECURITY

  "`EXECUTION` features provide metadata necessary for operation execution."
  EXECUTION
}
"""
_CONTEXT_ARGUMENT = """input join__ContextArgument {
  name: String!
  type: String!
  context: String!
  selection: join__FieldValue!
}
"""


def schema_head(merged: MergedSchema, body: str, on_schema: Sequence[str]) -> str:
    """Return the schema definition as SDL: links to all specs that the body uses, and the root types.

    `body`: the type definitions as SDL. `on_schema`: further directives of the schema definition.
    """
    links = ['@link(url: "https://specs.apollo.dev/link/v1.0")']
    links.append(f'@link(url: "https://specs.apollo.dev/join/v{join_version(body)}", for: EXECUTION)')
    by_spec: dict[str, list[tuple[str, str]]] = {}
    for canonical in CARRIED:
        if canonical in merged.names:
            by_spec.setdefault(CARRIED[canonical].url, []).append((canonical, merged.names[canonical]))
    for url, elements in by_spec.items():
        links.append(_link(url, CARRIED[elements[0][0]], elements))
    if "@context(" in body:
        links.append('@link(url: "https://specs.apollo.dev/context/v0.1", for: SECURITY)')
    if 'name: "federation__cacheTag"' in body:
        links.append('@link(url: "https://specs.apollo.dev/cacheTag/v0.1", for: EXECUTION)')
    if any('"https://specs.apollo.dev/connect/' in one for one in on_schema):
        links.append('@link(url: "https://specs.apollo.dev/connect/v0.3", for: EXECUTION)')
    roots = "\n".join(f"  {kind}: {name}" for kind, name in merged.roots.items())
    return (
        "schema\n  " + "\n  ".join((*links, *merged.composed.links, *on_schema)) + "\n{\n" + roots + "\n}\n"
    )


def join_version(body: str) -> str:
    """Return the oldest version of the join spec, "0.3" to "0.5", that has all elements in the SDL `body`."""
    if "contextArguments: [" in body or "@join__directive(" in body:
        return "0.5"
    return "0.4" if "overrideLabel: " in body else "0.3"


def _link(url: str, spec: CarriedSpec, elements: Sequence[tuple[str, str]]) -> str:
    imports = []
    for canonical, local in elements:
        if local != canonical:
            imports.append(f'{{name: "@{canonical}", as: "@{local}"}}')
        elif canonical != spec.spec:
            imports.append(f'"@{canonical}"')
    text = f'@link(url: "{url}"'
    text += f", for: {spec.purpose}" if spec.purpose else ""
    text += f", import: [{', '.join(imports)}]" if imports else ""
    return text + ")"


def definitions(merged: MergedSchema, body: str) -> list[str]:
    """Return the directive definitions, as SDL, that the SDL `body` uses."""
    out = [
        "directive @join__enumValue(graph: join__Graph!) repeatable on ENUM_VALUE\n",
        f"{_join_field(body)}\n",
    ]
    out.append("directive @join__graph(name: String!, url: String!) on ENUM_VALUE\n")
    out.append(
        "directive @join__implements(graph: join__Graph!, interface: String!)"
        " repeatable on OBJECT | INTERFACE\n"
    )
    out.append(f"{_JOIN_TYPE}\n")
    out.append("directive @join__unionMember(graph: join__Graph!, member: String!) repeatable on UNION\n")
    if join_version(body) == "0.5":
        out.append(f"{_JOIN_DIRECTIVE}\n")
    out.append(f"{_LINK}\n")
    out += [f"directive @{local}{CARRIED[name].signature}\n" for name, local in _carried(merged.names)]
    if "@context(" in body:
        out.append("directive @context(name: String!) repeatable on INTERFACE | OBJECT | UNION\n")
        out.append(
            "directive @context__fromContext(field: context__ContextFieldValue) on ARGUMENT_DEFINITION\n"
        )
    if " @oneOf" in body:
        out.append("directive @oneOf on INPUT_OBJECT\n")
    return out + [f"{text}\n" for text in (*merged.composed.definitions, *merged.executable)]


def _carried(names: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, names[name]) for name in CARRIED if name in names]


def _join_field(body: str) -> str:
    version = join_version(body)
    extra = ", overrideLabel: String" if version != "0.3" else ""
    extra += ", contextArguments: [join__ContextArgument!]" if version == "0.5" else ""
    return (
        "directive @join__field(graph: join__Graph, requires: join__FieldSet, provides: join__FieldSet,"
        f" type: String, external: Boolean, override: String, usedOverridden: Boolean{extra})"
        " repeatable on FIELD_DEFINITION | INPUT_FIELD_DEFINITION"
    )


def spec_types(merged: MergedSchema, body: str) -> list[str]:
    """Return the scalars, inputs and enums of the used specs, as SDL."""
    out = ["scalar join__FieldSet\n"]
    if join_version(body) == "0.5":
        out += ["scalar join__DirectiveArguments\n", "scalar join__FieldValue\n", _CONTEXT_ARGUMENT]
    scalars = [CARRIED[name].scalar for name, _ in _carried(merged.names)]
    out += [f"scalar {name}\n" for name in scalars if name]
    if "@context(" in body:
        out.append("scalar context__ContextFieldValue\n")
    return [*out, _SPECS]
