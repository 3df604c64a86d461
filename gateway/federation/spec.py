"""The directives and types of the federation spec, by version, as GraphQL text.

Source: https://specs.apollo.dev/federation; the signatures are those published there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

LATEST = (2, 14)


@dataclass(frozen=True, slots=True)
class SpecDirective:
    """A directive of the spec.

    `since`: the (major, minor) version that introduced it. `signature`: its newest definition after the name.
    """

    name: str
    since: tuple[int, int]
    signature: str

    def definition(self, local: str, version: tuple[int, int], scalars: Mapping[str, str]) -> str:
        """Return the SDL of the directive in a version of the spec, under the name `local`.

        `scalars`: the local name of each scalar of the spec.
        """
        signature = self.signature
        for since, older, newer in _GROWN.get(self.name, ()):
            signature = signature if version >= since else signature.replace(newer, older)
        for name, local_scalar in scalars.items():
            signature = re.sub(rf"\b{name}\b", local_scalar, signature)
        return f"directive @{local}{signature}"


DIRECTIVES: tuple[SpecDirective, ...] = (
    SpecDirective(
        "key", (1, 0), "(fields: FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE"
    ),
    SpecDirective("requires", (1, 0), "(fields: FieldSet!) on FIELD_DEFINITION"),
    SpecDirective("provides", (1, 0), "(fields: FieldSet!) on FIELD_DEFINITION"),
    SpecDirective("external", (1, 0), "(reason: String) on OBJECT | FIELD_DEFINITION"),
    SpecDirective("extends", (1, 0), " on OBJECT | INTERFACE"),
    SpecDirective(
        "tag",
        (1, 0),
        "(name: String!) repeatable on FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION"
        " | SCALAR | ENUM | ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION | SCHEMA",
    ),
    SpecDirective("shareable", (2, 0), " repeatable on OBJECT | FIELD_DEFINITION"),
    SpecDirective("override", (2, 0), "(from: String!, label: String) on FIELD_DEFINITION"),
    SpecDirective(
        "inaccessible",
        (2, 0),
        " on FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR | ENUM | ENUM_VALUE"
        " | INPUT_OBJECT | INPUT_FIELD_DEFINITION",
    ),
    SpecDirective("composeDirective", (2, 1), "(name: String) repeatable on SCHEMA"),
    SpecDirective("interfaceObject", (2, 3), " on OBJECT"),
    SpecDirective("authenticated", (2, 5), " on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM"),
    SpecDirective(
        "requiresScopes",
        (2, 5),
        "(scopes: [[Scope!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM",
    ),
    SpecDirective(
        "policy", (2, 6), "(policies: [[Policy!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM"
    ),
    SpecDirective("context", (2, 8), "(name: String!) repeatable on INTERFACE | OBJECT | UNION"),
    SpecDirective("fromContext", (2, 8), "(field: ContextFieldValue) on ARGUMENT_DEFINITION"),
    SpecDirective(
        "cost",
        (2, 9),
        "(weight: Int!) on ARGUMENT_DEFINITION | ENUM | FIELD_DEFINITION | INPUT_FIELD_DEFINITION"
        " | OBJECT | SCALAR",
    ),
    SpecDirective(
        "listSize",
        (2, 9),
        "(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!],"
        " requireOneSlicingArgument: Boolean = true) on FIELD_DEFINITION",
    ),
    SpecDirective("cacheTag", (2, 12), "(format: String!) repeatable on OBJECT | FIELD_DEFINITION"),
)

# changes of signatures: (version, text before that version, text since that version)
_SINCE_TAG_02 = (
    (1, 0),
    "",
    " | ARGUMENT_DEFINITION | SCALAR | ENUM | ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION",
)
_GROWN: Mapping[str, tuple[tuple[tuple[int, int], str, str], ...]] = {
    "override": (((2, 7), "", ", label: String"),),
    "shareable": (((2, 2), " on ", " repeatable on "),),
    "tag": (((2, 3), "", " | SCHEMA"), _SINCE_TAG_02),
    "inaccessible": (_SINCE_TAG_02,),
}
BY_NAME = {item.name: item for item in DIRECTIVES}
SPEC_TYPES: Mapping[str, tuple[int, int]] = {
    "FieldSet": (1, 0),
    "Scope": (2, 5),
    "Policy": (2, 6),
    "ContextFieldValue": (2, 8),
}
SERVICE_TYPES = frozenset({"_Any", "_Entity", "_Service"})
# Specs that can be linked separately from federation: their directives (by default the one with the spec's
# name), and for each version the federation version with the same definitions; (0, 1) is older than all.
OWN_SPEC_DIRECTIVES: Mapping[str, tuple[str, ...]] = {"cost": ("cost", "listSize")}
OWN_SPEC_VERSIONS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "tag": {"0.1": (0, 1), "0.2": (2, 0), "0.3": (2, 3)},
    "inaccessible": {"0.1": (0, 1), "0.2": LATEST},
}
ONLY_VERSION: Mapping[str, tuple[int, int]] = {"0.1": LATEST}
GENERATED_FIELDS = frozenset({"_entities", "_service"})
