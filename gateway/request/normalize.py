"""A valid operation becomes a normalised one.

Fragments written in place, conditions settled, repetitions merged.

After it, a selection set holds each response key once per type condition, and fragments only where the type
really narrows. What is written out is limited, selections and arguments: fragments that spread each other can
otherwise grow beyond any document's size.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DirectiveLocation,
    DocumentNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    is_composite_type,
    print_ast,
)
from graphql.language import (
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)

from gateway.core.errors import RequestError
from gateway.request.operation import Field, Fragment, FragmentDirectives, Operation, Selections
from gateway.request.variables import CONDITIONS, included
from gateway.settings import Limits
from gateway.supergraph.model import Supergraph

Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType
_Arguments = tuple[tuple[tuple[str, str], ...], frozenset[str]]


@dataclass(slots=True)
class _Level:
    """One selection set while it is collected.

    Field nodes by response key, and levels by type condition, in order. `directives`: the directives of the
    fragment that it stands for.
    """

    parent: str
    possible: frozenset[str]
    entries: dict[str, "list[FieldNode] | _Level"] = field(default_factory=dict)
    directives: FragmentDirectives | None = None


def normalize(
    supergraph: Supergraph,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    conditions: Mapping[str, Any],
    limits: Limits,
) -> Operation:
    """Normalise one operation of a valid document for the given values of the variables in its conditions.

    Raises RequestError TOO_COMPLEX when writing out its fragments takes more selections, or longer arguments,
    than allowed.
    """
    root = supergraph.api.get_root_type(operation.operation)
    if root is None:
        raise RequestError(f"the schema has no {operation.operation.value}", "GRAPHQL_VALIDATION_FAILED")
    normalizer = _Normalizer(supergraph, document, conditions, limits)
    selections = normalizer.selections(root.name, [operation])
    variables = tuple(
        (item.variable.name.value, _declared(item)) for item in operation.variable_definitions or ()
    )
    name, directives = operation.name.value if operation.name else None, _operation_directives(operation)
    return Operation(operation.operation.value, name, root.name, variables, selections, directives)


def _operation_directives(operation: OperationDefinitionNode) -> FragmentDirectives | None:
    own = directives_of(operation)
    return FragmentDirectives(own, None, variables_in(_kept(operation))) if own else None


def _declared(node: VariableDefinitionNode) -> str:
    """A variable's type with its default: only with it may a nullable variable stand where null may not."""
    default = f"={print_ast(node.default_value)}" if node.default_value else ""
    return print_ast(node.type) + default + directives_of(node)


def directives_of(node: Node) -> str:
    """A node's directives as text, without the conditions (@skip, @include), which are settled here."""
    return "".join(map(_written, _kept(node)))


def _kept(*nodes: Node | None) -> tuple[DirectiveNode, ...]:
    """The directives of nodes that go on to subgraphs."""
    given = [one for node in nodes for one in getattr(node, "directives", None) or ()]
    return tuple(one for one in given if one.name.value not in CONDITIONS)


def _written(node: DirectiveNode) -> str:
    arguments = ",".join(f"{one.name.value}:{print_ast(one.value)}" for one in node.arguments or ())
    return f"@{node.name.value}({arguments})" if arguments else f"@{node.name.value}"


class _Normalizer:
    def __init__(
        self, supergraph: Supergraph, document: DocumentNode, conditions: Mapping[str, Any], limits: Limits
    ) -> None:
        self.schema = supergraph.api
        self.conditions = conditions
        self.limits = limits
        self.count = 0
        self.introspection = 0
        self.characters = 0
        self.known_arguments: dict[int, _Arguments] = {}
        self.fragments = {
            item.name.value: item for item in document.definitions if isinstance(item, FragmentDefinitionNode)
        }
        self.possible = supergraph.shown

    def selections(self, parent: str, nodes: list[Any]) -> Selections:
        """The merged selection sets of several nodes on one parent type."""
        level = _Level(parent, self.possible.of(parent))
        for node in nodes:
            for item in node.selection_set.selections if node.selection_set else ():
                self.collect(item, level)
        return self.freeze(level)

    def collect(self, node: SelectionNode, level: _Level) -> None:
        """Put one selection into its place in a level."""
        self.count_selection(level)
        if not included(tuple(node.directives or ()), self.conditions):
            return
        if isinstance(node, FieldNode):
            key = node.alias.value if node.alias else node.name.value
            if key == "__typename" != node.name.value:
                message = (
                    f'"__typename" can\'t be an alias of {node.name.value}: under this name the gateway '
                    "reads the types of objects; choose another alias"
                )
                raise RequestError(message, "GRAPHQL_VALIDATION_FAILED")
            entry = level.entries.setdefault(key, [])
            if isinstance(entry, list):
                entry.append(node)
        elif isinstance(node, FragmentSpreadNode):
            fragment = self.fragments[node.name.value]
            directives = self.fragment_directives(node, fragment)
            self.enter(
                fragment.type_condition.name.value, fragment.selection_set.selections, level, directives
            )
        elif isinstance(node, InlineFragmentNode):
            condition = node.type_condition.name.value if node.type_condition else level.parent
            self.enter(condition, node.selection_set.selections, level, self.fragment_directives(node))

    def fragment_directives(
        self, node: FragmentSpreadNode | InlineFragmentNode, definition: FragmentDefinitionNode | None = None
    ) -> FragmentDirectives | None:
        """The directives of a fragment, where it is used and at its definition; None when it has none."""
        here = directives_of(node)
        there = directives_of(definition) if definition else None
        if not here and not there:
            return None
        self.count_characters(len(here) + len(there or ""))
        known = (self.schema.get_directive(one.name.value) for one in _kept(node))
        inline = all(one and DirectiveLocation.INLINE_FRAGMENT in one.locations for one in known)
        return FragmentDirectives(here, there, variables_in(_kept(node, definition)), inline and not there)

    def count_selection(self, level: _Level) -> None:
        """Count one more selection, and stop over the limits.

        Introspection costs its size for each element of the schema.
        """
        self.count += 1
        self.introspection += level.parent.startswith("__")
        for count, limit, what in (
            (self.count, self.limits.selections, "selections"),
            (self.introspection, self.limits.introspection, "selections of introspection"),
        ):
            if count > limit:
                message = f"the operation has more than {limit} {what} when its fragments are written out"
                raise RequestError(message, "TOO_COMPLEX")

    def enter(
        self,
        condition: str,
        nodes: tuple[SelectionNode, ...],
        level: _Level,
        directives: FragmentDirectives | None,
    ) -> None:
        """Follow a fragment: into this level when it neither narrows the type nor has directives, else into
        a level of its own.
        """
        both = level.possible & self.possible.of(condition)
        if not both and condition != level.parent:
            return
        target = level
        narrows = not (both == level.possible and self.fits(condition, level.parent))
        if narrows or directives:
            target = self.narrower(condition if narrows else level.parent, both, level, directives)
        for node in nodes:
            self.collect(node, target)

    @staticmethod
    def narrower(
        condition: str, possible: frozenset[str], level: _Level, directives: FragmentDirectives | None
    ) -> _Level:
        """The level of a fragment: the last one if that has the same condition and directives, else one of
        its own, to keep the fields' order.
        """
        last = next(reversed(level.entries.values()), None)
        if isinstance(last, _Level) and (last.parent, last.directives) == (condition, directives):
            return last
        made = _Level(condition, possible, directives=directives)
        level.entries[f"on {condition} {len(level.entries)}"] = made  # a response key never holds a space
        return made

    def fits(self, condition: str, parent: str) -> bool:
        """Whether fields of the condition's type are fields of the parent, too."""
        if condition == parent:
            return True
        abstract, own = self.schema.type_map[condition], self.schema.type_map[parent]
        if isinstance(abstract, GraphQLUnionType):
            return True
        return (
            isinstance(abstract, GraphQLInterfaceType)
            and isinstance(own, GraphQLObjectType | GraphQLInterfaceType)
            and abstract in own.interfaces
        )

    def freeze(self, level: _Level) -> Selections:
        """The level as it stands in the operation; what became empty is left out."""
        out: list[Field | Fragment] = []
        for entry in level.entries.values():
            if isinstance(entry, _Level):
                if below := self.freeze(entry):
                    out.append(Fragment(entry.parent, below, entry.directives))
            else:
                out.append(self.field(entry, level.parent))
        return tuple(out)

    def field(self, nodes: list[FieldNode], parent: str) -> Field:
        """The field nodes of one response key as one field."""
        first = nodes[0]
        name = first.name.value
        definition = self.schema.get_field(self.composite(parent), name)
        if definition is None:
            raise RequestError(f"{parent} has no field {name}", "GRAPHQL_VALIDATION_FAILED")
        reference = str(definition.type)
        inner = reference.strip("[]!")
        below = self.selections(inner, list(nodes)) if is_composite_type(self.schema.type_map[inner]) else ()
        arguments, variables = self.arguments(first)
        directives, more = self.field_directives(nodes)
        key = first.alias.value if first.alias else name
        return Field(key, name, parent, reference, arguments, variables | more, below, directives)

    def field_directives(self, nodes: list[FieldNode]) -> tuple[tuple[str, ...], frozenset[str]]:
        """The distinct directives of one key's nodes, and the variables in them; empty for none."""
        texts = tuple(dict.fromkeys(map(directives_of, nodes)))
        if not any(texts):
            return (), frozenset()
        self.count_characters(sum(map(len, texts)))
        return texts, variables_in(_kept(*nodes))

    def arguments(self, node: FieldNode) -> _Arguments:
        """A field's arguments as text, and the variables in them.

        Printed once, however often a fragment brings the field.
        """
        known = self.known_arguments.get(id(node))
        if known is None:
            texts = tuple((item.name.value, print_ast(item.value)) for item in node.arguments or ())
            known = self.known_arguments[id(node)] = (texts, variables_in(node.arguments or ()))
        self.count_characters(sum(len(text) for _, text in known[0]))
        return known

    def count_characters(self, count: int) -> None:
        """Count characters of arguments and directives, and stop over the limit."""
        self.characters += count
        if self.characters > self.limits.body:
            message = (
                f"the arguments and directives are longer than {self.limits.body:,} characters when the "
                "operation's fragments are written out"
            )
            raise RequestError(message, "TOO_COMPLEX")

    def composite(self, name: str) -> Composite:
        """A type that has fields, by name."""
        found = self.schema.type_map[name]
        if not isinstance(found, GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType):
            raise RequestError(f"{name} has no fields", "GRAPHQL_VALIDATION_FAILED")
        return found


class _Variables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        """Note a variable."""
        self.names.add(node.name.value)


def variables_in(nodes: tuple[Node, ...]) -> frozenset[str]:
    """The variables used in some arguments."""
    visitor = _Variables()
    for node in nodes:
        visit(node, visitor)
    return frozenset(visitor.names)
