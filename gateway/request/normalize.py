"""Normalizes a valid operation: expands fragments, evaluates @skip and @include, merges duplicate fields.

Afterwards a selection set has each response key once per type condition, and fragments only where the type is
really narrower. The number of selections and the characters of arguments are limited after expansion, since
fragments that spread each other can grow far beyond the size of the document.
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
from gateway.request.limits import LimitExceeded
from gateway.request.operation import (
    Deferred,
    Field,
    Fragment,
    FragmentDirectives,
    Operation,
    Selections,
    Streamed,
)
from gateway.request.variables import (
    CONDITIONS,
    INCREMENTAL,
    argument_value,
    included,
    incremental_directive,
)
from gateway.settings import Limits
from gateway.supergraph.model import Supergraph

OWN = CONDITIONS | INCREMENTAL
"""The directives that the gateway executes itself."""
Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType
_Arguments = tuple[tuple[tuple[str, str], ...], frozenset[str]]


@dataclass(slots=True)
class _Level:
    """One selection set while it is collected: field nodes by response key, and nested levels for fragments.

    `possible`: the object types that the selection applies to. `directives`: those of the fragment, if it is
    one.
    """

    parent: str
    possible: frozenset[str]
    entries: dict[str, "list[FieldNode] | _Level"] = field(default_factory=dict)
    directives: FragmentDirectives | None = None
    deferred: Deferred | None = None


def normalize(
    supergraph: Supergraph,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    conditions: Mapping[str, Any],
    limits: Limits,
    *,
    incremental: bool = False,
) -> Operation:
    """Normalize one operation of a valid document.

    `conditions`: the values of the variables in @skip, @include, @defer and @stream. `incremental`: whether
    fragments with @defer and fields with @stream are marked; otherwise they are like others. Raises
    LimitExceeded when the expanded operation is above a limit.
    """
    root = supergraph.api.get_root_type(operation.operation)
    if root is None:
        raise RequestError(f"the schema has no {operation.operation.value}", "GRAPHQL_VALIDATION_FAILED")
    normalizer = _Normalizer(supergraph, document, conditions, limits, incremental)
    selections = normalizer.selections(root.name, [operation])
    variables = tuple(
        (item.variable.name.value, _declaration(item)) for item in operation.variable_definitions or ()
    )
    name, own = operation.name.value if operation.name else None, _operation_directives(operation)
    return Operation(operation.operation.value, name, root.name, variables, selections, own)


def _operation_directives(operation: OperationDefinitionNode) -> FragmentDirectives | None:
    own = directives_of(operation)
    return FragmentDirectives(own, None, variables_in(_forwarded_directives(operation))) if own else None


def _declaration(node: VariableDefinitionNode) -> str:
    """Return a variable's type, default and directives as text.

    The default matters for subgraphs: with it, a nullable variable may be used where null is forbidden.
    """
    default = f"={print_ast(node.default_value)}" if node.default_value else ""
    return print_ast(node.type) + default + directives_of(node)


def directives_of(node: Node) -> str:
    """Return a node's directives as text, without @skip and @include, which are already evaluated."""
    return "".join(map(_print_directive, _forwarded_directives(node)))


def _forwarded_directives(*nodes: Node | None) -> tuple[DirectiveNode, ...]:
    """Return the directives of these nodes that subgraphs receive: all except those of the gateway."""
    given = [one for node in nodes for one in getattr(node, "directives", None) or ()]
    return tuple(one for one in given if one.name.value not in OWN)


def _print_directive(node: DirectiveNode) -> str:
    arguments = ",".join(f"{one.name.value}:{print_ast(one.value)}" for one in node.arguments or ())
    return f"@{node.name.value}({arguments})" if arguments else f"@{node.name.value}"


class _Normalizer:
    def __init__(
        self,
        supergraph: Supergraph,
        document: DocumentNode,
        conditions: Mapping[str, Any],
        limits: Limits,
        incremental: bool,
    ) -> None:
        self.incremental = incremental
        self.deferred = 0
        self.schema = supergraph.api
        self.conditions = conditions
        self.limits = limits
        self.count = 0
        self.introspection = 0
        self.height = 0
        self.characters = 0
        self.known_arguments: dict[int, _Arguments] = {}
        self.fragments = {
            item.name.value: item for item in document.definitions if isinstance(item, FragmentDefinitionNode)
        }
        self.possible = supergraph.shown

    def selections(self, parent: str, nodes: list[Any]) -> Selections:
        """Return the merged selection sets of several nodes on the type `parent`."""
        level = _Level(parent, self.possible.of(parent))
        for node in nodes:
            for item in node.selection_set.selections if node.selection_set else ():
                self.collect(item, level)
        return self.freeze(level)

    def collect(self, node: SelectionNode, level: _Level) -> None:
        """Add one selection to a level, unless @skip or @include excludes it."""
        self.count_selection(level)
        if not included(tuple(node.directives or ()), self.conditions):
            return
        if isinstance(node, FieldNode):
            key = node.alias.value if node.alias else node.name.value
            if key == "__typename" != node.name.value:
                message = (
                    f'"__typename" can\'t be an alias of {node.name.value}: the gateway reads the types of '
                    "objects under this key; choose another alias"
                )
                raise RequestError(message, "GRAPHQL_VALIDATION_FAILED")
            entry = level.entries.setdefault(key, [])
            if isinstance(entry, list):
                entry.append(node)
        elif isinstance(node, FragmentSpreadNode):
            fragment = self.fragments[node.name.value]
            directives = self.fragment_directives(node, fragment)
            condition, nodes = fragment.type_condition.name.value, fragment.selection_set.selections
            self.add_fragment(condition, nodes, level, directives, self.deferral(node))
        elif isinstance(node, InlineFragmentNode):
            condition = node.type_condition.name.value if node.type_condition else level.parent
            directives = self.fragment_directives(node)
            self.add_fragment(
                condition, node.selection_set.selections, level, directives, self.deferral(node)
            )

    def deferral(self, node: FragmentSpreadNode | InlineFragmentNode) -> Deferred | None:
        """Return the mark of a fragment with an active @defer; None for others."""
        if not self.incremental:
            return None
        found = incremental_directive(tuple(node.directives or ()), "defer", self.conditions)
        if found is None:
            return None
        self.deferred += 1
        return Deferred(argument_value(found, "label", {}, None), self.deferred)

    def stream(self, nodes: list[FieldNode]) -> Streamed | None:
        """Return the mark of a field with an active @stream; None for others."""
        if not self.incremental:
            return None
        for node in nodes:
            found = incremental_directive(tuple(node.directives or ()), "stream", self.conditions)
            if found is not None:
                initial = argument_value(found, "initialCount", self.conditions, 0)
                return Streamed(argument_value(found, "label", {}, None), max(int(initial), 0))
        return None

    def fragment_directives(
        self, node: FragmentSpreadNode | InlineFragmentNode, definition: FragmentDefinitionNode | None = None
    ) -> FragmentDirectives | None:
        """Return the directives of a fragment, at its use and at its definition; None if it has none."""
        here = directives_of(node)
        there = directives_of(definition) if definition else None
        if not here and not there:
            return None
        self.count_characters(len(here) + len(there or ""))
        known = (self.schema.get_directive(one.name.value) for one in _forwarded_directives(node))
        inline = all(one and DirectiveLocation.INLINE_FRAGMENT in one.locations for one in known)
        return FragmentDirectives(
            here, there, variables_in(_forwarded_directives(node, definition)), inline and not there
        )

    def count_selection(self, level: _Level) -> None:
        """Count a selection. Raises LimitExceeded.

        Introspection has a lower limit: each selection of it is evaluated for every element of the schema.
        """
        self.count += 1
        self.introspection += level.parent.startswith("__")
        for code, count, limit, what in (
            ("MAX_SELECTIONS_LIMIT", self.count, self.limits.selections, "selections"),
            (
                "MAX_INTROSPECTION_LIMIT",
                self.introspection,
                self.limits.introspection,
                "introspection selections",
            ),
        ):
            if count > limit:
                raise LimitExceeded(code, limit, f"{what} after fragments are expanded")

    def add_fragment(
        self,
        condition: str,
        nodes: tuple[SelectionNode, ...],
        level: _Level,
        directives: FragmentDirectives | None,
        deferred: Deferred | None = None,
    ) -> None:
        """Add the selections of a fragment to a level.

        If the fragment narrows the type, has directives, or is deferred, they are in a level of their own
        inside it.
        """
        both = level.possible & self.possible.of(condition)
        if not both and condition != level.parent:
            return
        target = level
        narrows = not (both == level.possible and self.fits(condition, level.parent))
        if narrows or directives or deferred:
            parent = condition if narrows else level.parent
            target = self.fragment_level(parent, both, level, directives, deferred)
        for node in nodes:
            self.collect(node, target)

    @staticmethod
    def fragment_level(
        condition: str,
        possible: frozenset[str],
        level: _Level,
        directives: FragmentDirectives | None,
        deferred: Deferred | None,
    ) -> _Level:
        """Return the level of a fragment inside `level`, created if needed.

        If the last entry of `level` is a fragment with equal condition and directives, its level is reused.
        Only the last entry is, so that the order of fields stays the same.
        """
        last = next(reversed(level.entries.values()), None)
        found = (condition, directives, deferred)
        if isinstance(last, _Level) and (last.parent, last.directives, last.deferred) == found:
            return last
        made = _Level(condition, possible, directives=directives, deferred=deferred)
        level.entries[f"on {condition} {len(level.entries)}"] = made  # response keys have no spaces
        return made

    def fits(self, condition: str, parent: str) -> bool:
        """Return whether all fields of the type `condition` are also fields of the type `parent`."""
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
        """Return the frozen selections of a level, without empty fragments."""
        out: list[Field | Fragment] = []
        for entry in level.entries.values():
            if isinstance(entry, _Level):
                if below := self.freeze(entry):
                    out.append(Fragment(entry.parent, below, entry.directives, entry.deferred))
            else:
                out.append(self.field(entry, level.parent))
        return tuple(out)

    def field(self, nodes: list[FieldNode], parent: str) -> Field:
        """Return the field nodes of one response key as one field."""
        first = nodes[0]
        name = first.name.value
        self.height += 1
        if self.height > self.limits.height:
            raise LimitExceeded("MAX_HEIGHT_LIMIT", self.limits.height, "fields in the response")
        definition = self.schema.get_field(self.composite(parent), name)
        if definition is None:
            raise RequestError(f"{parent} has no field {name}", "GRAPHQL_VALIDATION_FAILED")
        reference = str(definition.type)
        inner = reference.strip("[]!")
        below = self.selections(inner, list(nodes)) if is_composite_type(self.schema.type_map[inner]) else ()
        arguments, variables = self.arguments(first)
        directives, more = self.field_directives(nodes)
        key = first.alias.value if first.alias else name
        streamed = self.stream(nodes)
        return Field(
            key, name, parent, reference, arguments, variables | more, below, directives, streamed=streamed
        )

    def field_directives(self, nodes: list[FieldNode]) -> tuple[tuple[str, ...], frozenset[str]]:
        """Return the distinct directives of one key's nodes, and the variables in them; empty if there are
        none.
        """
        texts = tuple(dict.fromkeys(map(directives_of, nodes)))
        if not any(texts):
            return (), frozenset()
        self.count_characters(sum(map(len, texts)))
        return texts, variables_in(_forwarded_directives(*nodes))

    def arguments(self, node: FieldNode) -> _Arguments:
        """Return a field's arguments as text, and the variables in them.

        They are printed once, however often the fragment with the field is spread.
        """
        known = self.known_arguments.get(id(node))
        if known is None:
            texts = tuple((item.name.value, print_ast(item.value)) for item in node.arguments or ())
            known = self.known_arguments[id(node)] = (texts, variables_in(node.arguments or ()))
        self.count_characters(sum(len(text) for _, text in known[0]))
        return known

    def count_characters(self, count: int) -> None:
        """Count characters of arguments and directives. Raises LimitExceeded."""
        self.characters += count
        if self.characters > self.limits.arguments:
            what = "characters of arguments and directives after fragments are expanded"
            raise LimitExceeded("MAX_ARGUMENTS_LIMIT", self.limits.arguments, what)

    def composite(self, name: str) -> Composite:
        """Return a composite type by name. Raises RequestError if the type has no fields."""
        found = self.schema.type_map[name]
        if not isinstance(found, GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType):
            raise RequestError(
                f"the type {name} has no fields, so nothing can be selected on it",
                "GRAPHQL_VALIDATION_FAILED",
            )
        return found


class _Variables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        """Collect the name of a variable."""
        self.names.add(node.name.value)


def variables_in(nodes: tuple[Node, ...]) -> frozenset[str]:
    """Return the names of the variables in these nodes."""
    visitor = _Variables()
    for node in nodes:
        visit(node, visitor)
    return frozenset(visitor.names)
