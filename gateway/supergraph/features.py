"""The features (linked specs) of an SDL, by `@link` or the older `@core`, and the names of their elements.

Link spec v1.0: an element of a feature is called `namespace__element`, or by the name of an import; the
feature's main directive is `@namespace`. Elements of features are not part of the API schema. Composition
reads the links of subgraphs with the same functions.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from graphql import DocumentNode
from graphql.language import (
    ConstDirectiveNode,
    ListValueNode,
    ObjectValueNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    StringValueNode,
    ValueNode,
)
from graphql.language.ast import ConstValueNode

from gateway.core.errors import SupergraphError

JOIN_VERSIONS = ("0.2", "0.3", "0.4", "0.5")
_JOIN = "https://specs.apollo.dev/join/v"
_URL = re.compile(r"/(?P<name>[A-Za-z][\w-]*)/v(?P<version>[0-9]{1,4}\.[0-9]{1,4})/?$")


@dataclass(frozen=True, slots=True)
class Feature:
    """One linked spec.

    `name`, `version`: from its URL, such as "tag" and "0.3". `namespace`: the prefix of its elements in this
    document. `imports`: pairs of the spec's name and the local name. `purpose`: SECURITY, EXECUTION or None.
    """

    url: str
    name: str
    version: str
    namespace: str
    imports: tuple[tuple[str, str], ...]
    purpose: str | None

    def local(self, element: str) -> str:
        """Return the local name, without @, of a directive (`@tag`) or type of this feature."""
        for theirs, ours in self.imports:
            if theirs == element:
                return ours.removeprefix("@")
        plain = element.removeprefix("@")
        if element.startswith("@") and plain == self.name:
            return self.namespace
        return f"{self.namespace}__{plain}"

    def owns(self, name: str, directive: bool) -> bool:
        """Return whether a local name (without @) belongs to the feature.

        `directive`: whether it names a directive.
        """
        if name.startswith(f"{self.namespace}__") or (directive and name == self.namespace):
            return True
        return any(ours == (f"@{name}" if directive else name) for _, ours in self.imports)


def arguments_of(node: ConstDirectiveNode) -> dict[str, ConstValueNode]:
    """Return a directive's arguments by name, as AST values."""
    return {argument.name.value: argument.value for argument in node.arguments or ()}


def text(value: ValueNode | None) -> str | None:
    """Return the text of a string, or the name of an enum value; None for any other value."""
    if isinstance(value, StringValueNode):
        return value.value
    found = getattr(value, "value", None)
    return found if isinstance(found, str) else None


def read_imports(value: ValueNode | None) -> tuple[tuple[str, str], ...]:
    """Return the `import:` list as pairs (name in the spec, local name); skip invalid entries."""
    pairs: list[tuple[str, str]] = []
    for item in value.values if isinstance(value, ListValueNode) else ():
        if isinstance(item, StringValueNode):
            pairs.append((item.value, item.value))
        elif isinstance(item, ObjectValueNode):
            entry = {entry.name.value: text(entry.value) for entry in item.fields or ()}
            if name := entry.get("name"):
                pairs.append((name, entry.get("as") or name))
    return tuple(pairs)


def read_feature(node: ConstDirectiveNode) -> Feature | None:
    """Return the feature that a `@link(url:, as:, import:, for:)` or `@core(feature:, as:, for:)` links.

    None if the URL does not end with a spec's name and version.
    """
    arguments = arguments_of(node)
    url = text(arguments.get("url") or arguments.get("feature"))
    match = _URL.search(url or "")
    if not url or not match:
        return None
    namespace = text(arguments.get("as")) or match["name"]
    imports = read_imports(arguments.get("import"))
    return Feature(url, match["name"], match["version"], namespace, imports, text(arguments.get("for")))


def check_join_version(features: Iterable[Feature]) -> None:
    """Raise SupergraphError INVALID_SUPERGRAPH if the version of the join spec is not supported."""
    for feature in features:
        if feature.url.startswith(_JOIN) and feature.version not in JOIN_VERSIONS:
            known = f"v{JOIN_VERSIONS[0]} to v{JOIN_VERSIONS[-1]}"
            found = f"v{feature.version}{' (Federation 1)' if feature.version == '0.1' else ''}"
            message = (
                f"the supergraph is written in join {found}, expected join {known}; compose its"
                " subgraphs again (`gateway compose` supports Federation 1 subgraphs too)"
            )
            raise SupergraphError(message, "INVALID_SUPERGRAPH")


def read_features(document: DocumentNode) -> tuple[Feature, ...]:
    """Return the features that the schema definition and its extensions link."""
    found: list[Feature] = []
    for definition in document.definitions:
        if isinstance(definition, SchemaDefinitionNode | SchemaExtensionNode):
            for directive in definition.directives or ():
                if directive.name.value in ("link", "core") and (feature := read_feature(directive)):
                    found.append(feature)
    return tuple(found)
