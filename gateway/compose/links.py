"""Reads the @links of a subgraph: which specs it uses, in which versions, and under which local names.

Link spec v1.0 (https://specs.apollo.dev/link/v1.0): a spec ("feature") is linked once; its elements are
called `namespace__element`, or by a name from `import:`; no two features may use the same name.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from graphql import DocumentNode
from graphql.language import (
    ConstDirectiveNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
)
from graphql.language.ast import ConstValueNode

from gateway.compose.diagnostics import Report
from gateway.federation.spec import (
    BY_NAME,
    DIRECTIVES,
    LATEST,
    ONLY_VERSION,
    OWN_SPEC_DIRECTIVES,
    OWN_SPEC_VERSIONS,
    SPEC_TYPES,
)
from gateway.supergraph.features import Feature, arguments_of, read_feature, text

SPECS = "https://specs.apollo.dev/"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_GRAPHQL = frozenset({"@skip", "@include", "@deprecated", "@specifiedBy", "@oneOf", "@defer", "@stream"})
# for each version of another spec, the federation version that introduced it
_IMPLIED: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "authenticated": {"0.1": (2, 5)},
    "cost": {"0.1": (2, 9)},
    "connect": {"0.1": (2, 10), "0.2": (2, 11), "0.3": (2, 12), "0.4": (2, 13)},
}
_USAGE = "INVALID_LINK_DIRECTIVE_USAGE"


@dataclass(frozen=True, slots=True)
class Links:
    """The linked specs (`features`) of a subgraph.

    - `federation`: the feature of the federation spec; None for Federation 1.
    - `names`: the canonical name of each federation directive, by its local name.
    - `own_specs`: by local name, the feature of each directive whose spec is linked separately from the
      federation spec (https://specs.apollo.dev/tag/v0.3, for example).
    """

    features: tuple[Feature, ...]
    federation: Feature | None
    names: Mapping[str, str]
    own_specs: Mapping[str, Feature]

    @property
    def version(self) -> tuple[int, int]:
        """Return (major, minor) of the linked federation spec; (1, 0) if none is linked."""
        return version_of(self.federation) if self.federation else (1, 0)

    def definition(self, local: str) -> str:
        """Return the SDL of a directive as its linked spec defines it.

        Raises KeyError if `names` does not have the local name.
        """
        spec = BY_NAME[self.names[local]]
        feature = self.own_specs.get(local)
        if feature is None:
            return spec.definition(local, self.version, self._federation_scalars())
        version = _same_federation(feature) or LATEST
        return spec.definition(local, version, {name: feature.local(name) for name in SPEC_TYPES})

    def scalars(self) -> frozenset[str]:
        """Return the local names of the scalars that the linked specs define."""
        found = set(self._federation_scalars().values())
        for local, feature in self.own_specs.items():
            found.update(
                feature.local(name) for name in SPEC_TYPES if name in BY_NAME[self.names[local]].signature
            )
        return frozenset(found)

    def _federation_scalars(self) -> dict[str, str]:
        if self.federation is None:
            return {"FieldSet": "_FieldSet"}
        return {
            name: self.federation.local(name) for name, since in SPEC_TYPES.items() if since <= self.version
        }


def _same_federation(feature: Feature) -> tuple[int, int] | None:
    """Return the federation version that defines a directive as the directive's own spec does.

    `feature`: the directive's own spec, such as https://specs.apollo.dev/tag/v0.3. Returns (major, minor), or
    None if no federation version has the same definition.
    """
    return OWN_SPEC_VERSIONS.get(feature.name, ONLY_VERSION).get(feature.version)


def version_of(feature: Feature) -> tuple[int, int]:
    """Return (major, minor) of a feature."""
    major, minor = feature.version.split(".")
    return int(major), int(minor)


def identity_of(feature: Feature) -> str:
    """Return a feature's URL without its version: "https://specs.apollo.dev/federation"."""
    return feature.url.rstrip("/").rpartition("/v")[0]


def read_links(document: DocumentNode, subgraph: str, report: Report) -> Links | None:
    """Read and check the links of a subgraph's SDL. Reports errors, and returns None if there are any."""
    reader = _LinkReader(subgraph, report)
    before = report.count
    for definition in document.definitions:
        for node in getattr(definition, "directives", None) or ():
            if node.name.value in ("link", "core"):
                reader.read(node)
    features = tuple(reader.features)
    federation = next((item for item in features if identity_of(item) == f"{SPECS}federation"), None)
    if report.count > before:
        return None
    if federation is not None:
        _hint_upgrade(features, version_of(federation), subgraph, report)
    own_specs = dict(_own_specs(features))
    return Links(features, federation, _local_names(federation, own_specs), own_specs)


def _hint_upgrade(
    features: Iterable[Feature], version: tuple[int, int], subgraph: str, report: Report
) -> None:
    for feature in features:
        since = _IMPLIED.get(feature.name, {}).get(feature.version, version)
        if feature.url.startswith(SPECS) and since > version:
            message = f"{subgraph} links {feature.url}, which came with federation v{since[0]}.{since[1]}"
            report.hint("IMPLICITLY_UPGRADED_FEDERATION_VERSION", message, "@link")


def _own_specs(features: Iterable[Feature]) -> Iterator[tuple[str, Feature]]:
    """Yield (local name, feature) of each directive whose spec is linked separately from the
    federation spec.
    """
    for feature in features:
        if feature.name in BY_NAME and feature.url.startswith(SPECS) and _same_federation(feature):
            for name in OWN_SPEC_DIRECTIVES.get(feature.name, (feature.name,)):
                yield feature.local(f"@{name}"), feature


def _local_names(federation: Feature | None, own_specs: Mapping[str, Feature]) -> dict[str, str]:
    if federation is None:
        names = {item.name: item.name for item in DIRECTIVES if item.since == (1, 0)}
    else:
        version = version_of(federation)
        names = {federation.local(f"@{item.name}"): item.name for item in DIRECTIVES if item.since <= version}
    for local, feature in own_specs.items():
        directives = OWN_SPEC_DIRECTIVES.get(feature.name, (feature.name,))
        names[local] = next(name for name in directives if feature.local(f"@{name}") == local)
    return names


class _LinkReader:
    def __init__(self, subgraph: str, report: Report) -> None:
        self.subgraph = subgraph
        self.report = report
        self.features: list[Feature] = []

    def error(self, code: str, message: str, node: ConstDirectiveNode) -> None:
        self.report.error(code, message, subgraph=self.subgraph, node=node)

    def read(self, node: ConstDirectiveNode) -> None:
        """Check one @link and add its feature to `features`, unless the URL or the version is not
        supported.
        """
        url = text(arguments_of(node).get("url") or arguments_of(node).get("feature"))
        feature = read_feature(node)
        if feature is None or (url or "").endswith("/"):
            self.error(
                "INVALID_LINK_IDENTIFIER",
                f'expected the URL of a spec with its version, got "{url or ""}"',
                node,
            )
            return
        self.check_arguments(node)
        if identity_of(feature) == f"{SPECS}federation":
            version = version_of(feature)
            if not (2, 0) <= version <= LATEST:
                message = f"federation v{feature.version} is not supported"
                self.error("UNKNOWN_FEDERATION_LINK_VERSION", message, node)
                return
            for item in _items(arguments_of(node).get("import")):
                self.check_import(item, version, node)
        if feature.name == "link" and feature.version != "1.0":
            self.error("UNKNOWN_LINK_VERSION", f"link v{feature.version} is not supported", node)
        if identity_of(feature) == f"{SPECS}core":
            message = f"core v{feature.version} is not supported; link the specs with @link (link v1.0)"
            self.error("INVALID_GRAPHQL", message, node)
        self.check_conflicts(feature, node)
        self.features.append(feature)

    def check_arguments(self, node: ConstDirectiveNode) -> None:
        """Check the arguments of a @link other than its URL."""
        arguments = arguments_of(node)
        imports = arguments.get("import")
        if imports is not None and not isinstance(imports, ListValueNode):
            self.error(_USAGE, "expected a list of names as import:", node)
        namespace = arguments.get("as")
        if namespace is not None and not isinstance(namespace, NullValueNode):
            given = text(namespace) or ""
            if not given or "__" in given or given.endswith("_"):
                self.error(
                    _USAGE,
                    f'as: expected a name without __ and without _ at its end, got "{given}"',
                    node,
                )
            elif not _NAME.fullmatch(given):
                self.error("INVALID_GRAPHQL", f'"{given}" is not a name', node)
        purpose = text(arguments.get("for"))
        if purpose is not None and purpose not in ("SECURITY", "EXECUTION"):
            self.error("INVALID_GRAPHQL", f"for: expected SECURITY or EXECUTION, got {purpose}", node)

    def check_import(self, item: ConstValueNode, version: tuple[int, int], node: ConstDirectiveNode) -> None:
        """Check one entry of `import:` of the federation spec, whose linked version is `version`."""
        given = (
            {one.name.value: text(one.value) for one in item.fields}
            if isinstance(item, ObjectValueNode)
            else {}
        )
        name = item.value if isinstance(item, StringValueNode) else given.get("name")
        if not name or set(given) - {"name", "as"}:
            self.error(_USAGE, 'expected "@name" or {name: "@name", as: "@other"} as an import', node)
            return
        plain, directive = name.removeprefix("@"), name.startswith("@")
        since = (
            BY_NAME[plain].since
            if directive and plain in BY_NAME
            else None
            if directive
            else SPEC_TYPES.get(plain)
        )
        if since is None or since > version:
            hint = f'; write "@{plain}"' if not directive and plain in BY_NAME else ""
            hint = f"; it came with v{since[0]}.{since[1]}" if since else hint
            kind = "directive" if directive else "type"
            message = f"federation v{version[0]}.{version[1]} has no {kind} {name}{hint}"
            self.error(_USAGE, message, node)
        alias = given.get("as")
        if alias and alias.startswith("@") != directive:
            self.error(
                _USAGE, f'"{name}" is imported as "{alias}": expected both or neither to begin with @', node
            )

    def check_conflicts(self, feature: Feature, node: ConstDirectiveNode) -> None:
        """Report a feature that is linked twice or whose names collide with those of features read
        before it.
        """
        for other in self.features:
            if identity_of(other) == identity_of(feature):
                self.error(_USAGE, f"{identity_of(feature)} is linked twice", node)
                return
            if other.namespace == feature.namespace:
                self.error(
                    _USAGE, f'{feature.url} and {other.url} are both called "{feature.namespace}"', node
                )
            for _, ours in feature.imports:
                if ours.removeprefix("@") == other.namespace and ours.startswith("@"):
                    self.error(
                        _USAGE, f'"{ours}" of {feature.url} has the name of the spec {other.url}', node
                    )
        names: dict[str, str] = {}
        for theirs, ours in feature.imports:
            if names.setdefault(theirs, ours) != ours:
                self.error(_USAGE, f'"{theirs}" is imported as "{names[theirs]}" and as "{ours}"', node)
            self.check_local_name(feature, theirs, ours, node)

    def check_local_name(self, feature: Feature, theirs: str, ours: str, node: ConstDirectiveNode) -> None:
        """Report an import whose local name (`ours`) GraphQL reserves, or another spec or import already
        uses.

        `theirs`: the name in the spec.
        """
        if not _NAME.fullmatch(ours.removeprefix("@")):
            self.error(_USAGE, f'"{ours}" is not a valid name', node)
        elif ours in _GRAPHQL:
            self.error(
                "DIRECTIVE_DEFINITION_INVALID",
                f'"{ours}" is a directive of GraphQL, and can\'t be the name of {theirs}',
                node,
            )
        elif ours in ("@link", "@core") and feature.name != "link":
            self.error(_USAGE, f'"{ours}" is reserved for links, and can\'t be the name of {theirs}', node)
        elif theirs != ours and any(
            ours.removeprefix("@").startswith(f"{one.namespace}__") for one in (feature, *self.features)
        ):
            self.error(_USAGE, f'"{ours}" looks like an element of another spec', node)
        taken = [
            (one.url, other)
            for one in (feature, *self.features)
            for other, name in one.imports
            if name == ours and (one is not feature or other != theirs)
        ]
        if taken:
            self.error(
                _USAGE, f'"{ours}" names {theirs} of {feature.url}, and {taken[0][1]} of {taken[0][0]}', node
            )


def _items(value: ConstValueNode | None) -> tuple[ConstValueNode, ...]:
    return tuple(value.values) if isinstance(value, ListValueNode) else ()
