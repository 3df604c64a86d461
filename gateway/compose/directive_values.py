"""Checks the arguments of directives in an SDL against the types in the directives' definitions.

GraphQL's own validation of SDLs checks only the names of these arguments.
"""

from collections.abc import Iterator

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    Undefined,
    print_ast,
    value_from_ast,
)
from graphql.language import (
    ConstDirectiveNode,
    DocumentNode,
    EnumValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    ValueNode,
    Visitor,
    visit,
)


def wrong_values(schema: GraphQLSchema, document: DocumentNode) -> Iterator[GraphQLError]:
    """Yield an error for each directive argument in a document whose value does not match the argument's
    type.
    """
    found = _Applied()
    visit(document, found)
    for node in found.directives:
        directive = schema.get_directive(node.name.value)
        for item in node.arguments or () if directive else ():
            argument = directive.args.get(item.name.value) if directive else None
            if argument is not None and not _fits(item.value, argument.type):
                place = f"@{node.name.value}({item.name.value}:)"
                yield GraphQLError(f"{place}: expected {argument.type}, got {print_ast(item.value)}", node)


class _Applied(Visitor):
    """Collects all applied directives of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.directives: list[ConstDirectiveNode] = []

    def enter_directive(self, node: ConstDirectiveNode, *_: object) -> None:
        self.directives.append(node)


def _fits(value: ValueNode, wanted: GraphQLInputType) -> bool:
    """Return whether a value matches a type.

    As in Apollo's composition, a string may name an enum value, and an input object may lack required fields.
    """
    if isinstance(wanted, GraphQLNonNull):
        return not isinstance(value, NullValueNode) and _fits(value, wanted.of_type)
    if isinstance(value, NullValueNode):
        return True
    if isinstance(wanted, GraphQLList):
        items = value.values if isinstance(value, ListValueNode) else (value,)
        return all(_fits(item, wanted.of_type) for item in items)
    return _fits_named(value, wanted)


def _fits_named(
    value: ValueNode, wanted: GraphQLScalarType | GraphQLEnumType | GraphQLInputObjectType
) -> bool:
    if isinstance(wanted, GraphQLEnumType):
        return isinstance(value, EnumValueNode | StringValueNode) and value.value in wanted.values
    if isinstance(wanted, GraphQLInputObjectType):
        return isinstance(value, ObjectValueNode) and all(
            item.name.value in wanted.fields and _fits(item.value, wanted.fields[item.name.value].type)
            for item in value.fields
        )
    if wanted.ast_node is not None:
        return True  # a scalar of the SDL may have any value
    return value_from_ast(value, wanted) is not Undefined
