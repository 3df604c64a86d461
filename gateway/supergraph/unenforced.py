"""Finds the security features that a supergraph requires and this gateway does not enforce.

Serving such a supergraph would expose protected data, so it is refused. A directive may be imported under any
name, so features are identified by the URLs of their specs, in @join__directive too; a directive without a
link by its name. If in doubt, a feature is refused: any purpose except EXECUTION counts as SECURITY, and
links are recognized only under the name @link (or @core).
"""

from collections.abc import Iterable, Iterator, Mapping

from graphql import DirectiveNode, DocumentNode, Visitor, visit
from graphql.language import (
    EnumValueNode,
    ObjectValueNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    StringValueNode,
    ValueNode,
)

from gateway.core.errors import SupergraphError
from gateway.federation.carried import ACCESS
from gateway.supergraph.features import JOIN_VERSIONS, Feature, read_imports
from gateway.supergraph.model import Supergraph

PROTECTIVE = frozenset({*ACCESS, "connect", "source"})
_SPECS = "https://specs.apollo.dev/"
ENFORCED = frozenset(
    f"{_SPECS}{name}/v{version}"
    for name, versions in {
        "join": JOIN_VERSIONS,
        "link": ("1.0",),
        "core": ("0.1", "0.2"),
        "inaccessible": ("0.1", "0.2"),
        "context": ("0.1",),
        **dict.fromkeys(ACCESS, ("0.1",)),
    }.items()
    for version in versions
)
Arguments = Mapping[str, ValueNode]


class _DirectiveCollector(Visitor):
    """Collects the names of all applied directives, and the arguments of @join__directive."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[Arguments] = []

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        """Collect a directive."""
        self.names.add(node.name.value)
        if node.name.value.endswith("__directive"):
            given = {one.name.value: one.value for one in node.arguments or ()}
            self.names.update(one.value for one in given.values() if isinstance(one, StringValueNode))
            inner = given.get("args")
            if isinstance(inner, ObjectValueNode):
                self.links.append({one.name.value: one.value for one in inner.fields})


def unenforced(document: DocumentNode, features: Iterable[Feature]) -> Iterator[str]:
    """Yield each required feature that is not enforced, as its URL or the directive's name."""
    used = _DirectiveCollector()
    visit(document, used)
    for name, arguments in _links(document):
        url = _text(arguments.get("url") or arguments.get("feature"))
        if name not in ("link", "core"):
            yield f"@{name} in place of @link"
        elif _protects(arguments):
            yield url or f"a @{name} without url"
    for arguments in used.links:
        if _protects(arguments):
            yield _text(arguments.get("url")) or "a @join__directive that is a link"
    known = set()
    for feature in features:
        known |= {feature.local(theirs) for theirs, _ in feature.imports} | {
            feature.local(f"@{feature.name}")
        }
    for name in sorted(used.names - known):
        if name.rpartition("__")[2] in PROTECTIVE:
            yield f"@{name}"


def _links(document: DocumentNode) -> Iterator[tuple[str, Arguments]]:
    """Yield the name and arguments of each directive on the schema that links a spec, whatever its name."""
    for definition in document.definitions:
        if isinstance(definition, SchemaDefinitionNode | SchemaExtensionNode):
            for node in definition.directives or ():
                arguments = {one.name.value: one.value for one in node.arguments or ()}
                link = "url" in arguments or "feature" in arguments or node.name.value in ("link", "core")
                if link and not node.name.value.endswith("__directive"):
                    yield node.name.value, arguments


def _protects(arguments: Arguments) -> bool:
    """Return whether a link requires protection that the gateway does not enforce."""
    url = _text(arguments.get("url") or arguments.get("feature"))
    imported = {theirs.removeprefix("@") for theirs, _ in read_imports(arguments.get("import"))}
    own = url.removeprefix(_SPECS).partition("/")[0] if url in ENFORCED else None
    if (imported & {*PROTECTIVE, "inaccessible"}) - {own}:
        return True
    if url in ENFORCED:
        return False
    purpose = arguments.get("for")
    security = purpose is not None and not (
        isinstance(purpose, EnumValueNode) and purpose.value == "EXECUTION"
    )
    words = {word.lower() for word in url.replace("?", "/").replace("#", "/").split("/")}
    return security or bool(words & {name.lower() for name in PROTECTIVE})


def _text(value: ValueNode | None) -> str:
    return value.value if isinstance(value, StringValueNode) else ""


def refuse_unenforced(supergraph: Supergraph) -> None:
    """Raise SupergraphError UNSUPPORTED_FEATURE for a supergraph that must not be served."""
    if supergraph.unenforced:
        shown = ", ".join(supergraph.unenforced)
        message = f"the supergraph uses {shown}, which this gateway does not enforce"
        raise SupergraphError(message, "UNSUPPORTED_FEATURE")
