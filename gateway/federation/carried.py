"""The directives that composition copies into the supergraph, and how different applications are merged.

The supergraph links the spec of each under its own URL (https://specs.apollo.dev/NAME/VERSION). The
federation spec defines how the arguments of a directive that is not repeatable are merged: the strategies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Strategy = Literal["max", "union", "and", "dnf"]


@dataclass(frozen=True, slots=True)
class CarriedSpec:
    """A directive that composition copies into the supergraph.

    `spec`, `version`: the name and version of its spec. `purpose`: the argument `for` of the supergraph's
    link to the spec. `signature`: the directive's definition after the name. `scalar`: the scalar that its
    arguments use. `merged`: the merge strategy of each argument.
    """

    spec: str
    version: str
    purpose: str | None
    signature: str
    scalar: str | None = None
    merged: Mapping[str, Strategy] | None = None

    @property
    def url(self) -> str:
        """Return the URL of the spec."""
        return f"https://specs.apollo.dev/{self.spec}/v{self.version}"


_ELEMENTS = (
    "FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR | ENUM | ENUM_VALUE"
    " | INPUT_OBJECT | INPUT_FIELD_DEFINITION"
)
_GUARDED = "FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM"

CARRIED: Mapping[str, CarriedSpec] = {
    "tag": CarriedSpec("tag", "0.3", None, f"(name: String!) repeatable on {_ELEMENTS} | SCHEMA"),
    "inaccessible": CarriedSpec("inaccessible", "0.2", "SECURITY", f" on {_ELEMENTS}"),
    "authenticated": CarriedSpec("authenticated", "0.1", "SECURITY", f" on {_GUARDED}"),
    "requiresScopes": CarriedSpec(
        "requiresScopes",
        "0.1",
        "SECURITY",
        f"(scopes: [[requiresScopes__Scope!]!]!) on {_GUARDED}",
        "requiresScopes__Scope",
        {"scopes": "dnf"},
    ),
    "policy": CarriedSpec(
        "policy",
        "0.1",
        "SECURITY",
        f"(policies: [[policy__Policy!]!]!) on {_GUARDED}",
        "policy__Policy",
        {"policies": "dnf"},
    ),
    "cost": CarriedSpec(
        "cost",
        "0.1",
        None,
        "(weight: Int!) on ARGUMENT_DEFINITION | ENUM | FIELD_DEFINITION | INPUT_FIELD_DEFINITION"
        " | OBJECT | SCALAR",
        merged={"weight": "max"},
    ),
    "listSize": CarriedSpec(
        "cost",
        "0.1",
        None,
        "(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!],"
        " requireOneSlicingArgument: Boolean = true) on FIELD_DEFINITION",
        merged={
            "assumedSize": "max",
            "slicingArguments": "union",
            "sizedFields": "union",
            "requireOneSlicingArgument": "and",
        },
    ),
}
ACCESS = ("authenticated", "requiresScopes", "policy")
