"""The schema coordinates that operations use: fields, arguments, types, enum values and input fields.

The value of a variable is unknown, so everything in its type counts as used.
"""

from typing import Any

from graphql import (
    DocumentNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    is_abstract_type,
    is_union_type,
    visit,
)
from graphql.language import (
    ArgumentNode,
    DirectiveNode,
    EnumValueNode,
    FieldNode,
    FragmentDefinitionNode,
    InlineFragmentNode,
    ObjectFieldNode,
    VariableDefinitionNode,
)


def used_coordinates(schema: GraphQLSchema, document: DocumentNode) -> frozenset[str]:
    """Return every coordinate that a document uses; skip elements that the schema does not have."""
    info = TypeInfo(schema)
    used = _CoordinateCollector(schema, info)
    visit(document, TypeInfoVisitor(info, used))
    return frozenset(used.found)


class _CoordinateCollector(Visitor):
    def __init__(self, schema: GraphQLSchema, info: TypeInfo) -> None:
        super().__init__()
        self.schema = schema
        self.info = info
        self.found: set[str] = set()
        self.variables: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """Add a field, its parent type and its own type."""
        parent, result = self.info.get_parent_type(), self.info.get_type()
        if parent is None:
            return
        self.found |= {parent.name, f"{parent.name}.{node.name.value}"}
        if result is not None:
            self.answered(get_named_type(result).name)

    def answered(self, name: str) -> None:
        """Add a type whose values a response may have, with all values of an enum."""
        item = self.schema.type_map.get(name)
        self.found.add(name)
        if isinstance(item, GraphQLEnumType):
            self.found.update(f"{name}.{value}" for value in item.values)

    def enter_argument(self, node: ArgumentNode, *_: Any) -> None:
        """Add an argument of a field or directive."""
        parent, field, directive = (
            self.info.get_parent_type(),
            self.info.get_field_def(),
            self.info.get_directive(),
        )
        expected = self.info.get_input_type()
        if expected is not None:
            self.found.add(get_named_type(expected).name)
        if directive is not None:
            self.found.add(f"@{directive.name}({node.name.value}:)")
        elif parent is not None and field is not None:
            name = next((key for key, value in getattr(parent, "fields", {}).items() if value is field), None)
            if name is not None:
                self.found.add(f"{parent.name}.{name}({node.name.value}:)")

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        """Add a directive."""
        self.found.add(f"@{node.name.value}")

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: Any) -> None:
        """Add the type condition of an inline fragment."""
        if node.type_condition:
            self.condition(node.type_condition.name.value)

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: Any) -> None:
        """Add the type condition of a named fragment."""
        self.condition(node.type_condition.name.value)

    def condition(self, name: str) -> None:
        """Add a type condition: the type, its memberships in unions as `Union|Member`, and the parent type if
        abstract.
        """
        self.found.add(name)
        parent = self.info.get_parent_type()
        for item in self.schema.type_map.values():
            if is_union_type(item) and any(member.name == name for member in item.types):
                self.found.add(f"{item.name}|{name}")
        if parent is not None and is_abstract_type(parent):
            self.found.add(parent.name)

    def enter_enum_value(self, node: EnumValueNode, *_: Any) -> None:
        """Add an enum value."""
        item = self.info.get_input_type()
        if item is not None:
            self.found.add(f"{get_named_type(item).name}.{node.value}")

    def enter_object_field(self, node: ObjectFieldNode, *_: Any) -> None:
        """Add an input field and its type."""
        parent = self.info.get_parent_input_type()
        if parent is not None:
            self.found |= {get_named_type(parent).name, f"{get_named_type(parent).name}.{node.name.value}"}

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: Any) -> None:
        """Add everything in a variable's type."""
        item = self.info.get_input_type()
        if item is not None:
            self.accepted(get_named_type(item).name)

    def accepted(self, name: str) -> None:
        """Add a type whose values a variable may have, with everything in it."""
        if name in self.variables:
            return
        self.variables.add(name)
        self.found.add(name)
        item = self.schema.type_map.get(name)
        if isinstance(item, GraphQLEnumType):
            self.found.update(f"{name}.{value}" for value in item.values)
        elif isinstance(item, GraphQLInputObjectType):
            for key, one in item.fields.items():
                self.found.add(f"{name}.{key}")
                self.accepted(get_named_type(one.type).name)
