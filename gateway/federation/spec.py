"""The federation spec's own elements: its directives by version, as GraphQL text.

Source: https://specs.apollo.dev/federation; directive signatures as published there.
"""

from dataclasses import dataclass

LATEST = (2, 12)


@dataclass(frozen=True, slots=True)
class SpecDirective:
    """A directive of the spec: since which version it exists, and its arguments and locations as text."""

    name: str
    since: tuple[int, int]
    signature: str

    def definition(self, local: str, field_set: str) -> str:
        """The SDL under a local name, with the local name of the FieldSet scalar."""
        return f"directive @{local}{self.signature.replace('FieldSet', field_set)}"


DIRECTIVES: tuple[SpecDirective, ...] = (
    SpecDirective("key", (1, 0), "(fields: FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE"),
    SpecDirective("requires", (1, 0), "(fields: FieldSet!) on FIELD_DEFINITION"),
    SpecDirective("provides", (1, 0), "(fields: FieldSet!) on FIELD_DEFINITION"),
    SpecDirective("external", (1, 0), "(reason: String) on OBJECT | FIELD_DEFINITION"),
    SpecDirective("extends", (1, 0), " on OBJECT | INTERFACE"),
    SpecDirective(
        "tag",
        (1, 0),
        "(name: String!) repeatable on FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR | ENUM"
        " | ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION | SCHEMA",
    ),
    SpecDirective("shareable", (2, 0), " repeatable on OBJECT | FIELD_DEFINITION"),
    SpecDirective("override", (2, 0), "(from: String!, label: String) on FIELD_DEFINITION"),
    SpecDirective(
        "inaccessible",
        (2, 0),
        " on FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR | ENUM | ENUM_VALUE"
        " | INPUT_OBJECT | INPUT_FIELD_DEFINITION",
    ),
    SpecDirective("composeDirective", (2, 1), "(name: String!) repeatable on SCHEMA"),
    SpecDirective("interfaceObject", (2, 3), " on OBJECT"),
    SpecDirective("authenticated", (2, 5), " on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM"),
    SpecDirective(
        "requiresScopes", (2, 5), "(scopes: [[String!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM"
    ),
    SpecDirective(
        "policy", (2, 6), "(policies: [[String!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM"
    ),
)

BY_NAME = {item.name: item for item in DIRECTIVES}
UNSUPPORTED = frozenset(
    {
        "authenticated",
        "requiresScopes",
        "policy",
        "context",
        "fromContext",
        "cost",
        "listSize",
        "cacheTag",
        "composeDirective",
    }
)
SPEC_TYPES = frozenset({"FieldSet", "Scope", "Policy", "ContextFieldValue"})
GENERATED_TYPES = frozenset({"_Any", "_Entity", "_Service", "_FieldSet", "FieldSet"})
GENERATED_FIELDS = frozenset({"_entities", "_service"})
