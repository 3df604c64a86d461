"""The rules for @requires and @provides: their field sets must be valid selections of @external fields.

@requires selects fields of the type that has the field, and may give arguments. @provides selects fields of
the field's type, without arguments.
"""

from gateway.compose.diagnostics import Report
from gateway.compose.field_sets import check_arguments, check_selection, leaves_not_external
from gateway.compose.model import FieldDef, SubgraphSchema, TypeDef
from gateway.federation.field_set import FieldSet


def check_requires(schema: SubgraphSchema, report: Report) -> None:
    """Check every @requires of a subgraph."""
    for item, one in _fields(schema):
        if one.requires is not None:
            check = _FieldSetCheck(schema, item, one, report, "requires")
            if item.kind == "interface":
                check.complain("UNSUPPORTED_ON_INTERFACE", "it is not allowed on a field of an interface")
            check.fields(item.name, one.requires, arguments=True)


def check_provides(schema: SubgraphSchema, report: Report) -> None:
    """Check every @provides of a subgraph."""
    for item, one in _fields(schema):
        if one.provides is not None:
            check = _FieldSetCheck(schema, item, one, report, "provides")
            target = schema.types.get(one.type_name)
            if item.kind == "interface":
                check.complain("UNSUPPORTED_ON_INTERFACE", "it is not allowed on a field of an interface")
            elif target is None or target.kind not in ("object", "interface", "union"):
                check.complain("ON_NON_OBJECT_FIELD", f"{one.type} has no fields")
            else:
                check.fields(target.name, one.provides, arguments=False)


def _fields(schema: SubgraphSchema) -> list[tuple[TypeDef, FieldDef]]:
    return [(item, one) for item in schema.types.values() for one in item.fields.values()]


class _FieldSetCheck:
    """Checks the field set of one @requires or @provides. Its error codes begin with the directive's name."""

    def __init__(
        self, schema: SubgraphSchema, item: TypeDef, one: FieldDef, report: Report, directive: str
    ) -> None:
        self.schema = schema
        self.one = one
        self.coordinate = f"{item.name}.{one.name}"
        self.report = report
        self.directive = directive
        self.complaints = 0

    def complain(self, code: str, message: str) -> None:
        """Report an error of this field.

        `code`: the part of the error code after `REQUIRES_` or `PROVIDES_`.
        """
        self.complaints += 1
        self.report.error(
            f"{self.directive.upper()}_{code}",
            f"@{self.directive} on {self.coordinate}: {message}",
            subgraph=self.schema.name,
            coordinate=self.coordinate,
            node=self.one.node,
        )

    def fields(self, type_name: str, fields: FieldSet, *, arguments: bool) -> None:
        """Check the field set as a selection on a type. `arguments`: whether its fields may have arguments.

        The values of arguments are checked only if nothing else is wrong.
        """
        if not fields:
            self.complain("INVALID_FIELDS", "the field set is empty")
        check_selection(self.schema, type_name, fields, self.complain, arguments=arguments)
        if not self.complaints:
            check_arguments(self.schema, type_name, fields, self.complain)
        if self.schema.federation is not None:
            for leaf in leaves_not_external(self.schema, type_name, fields):
                self.complain("FIELDS_MISSING_EXTERNAL", f"{leaf} is not @external here")
