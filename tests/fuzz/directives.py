"""Reads the federation directives of a subgraph's SDL, for the fuzz's own subgraphs (`subgraph`)."""

from dataclasses import dataclass, field

from graphql import parse
from graphql.language import (
    ConstDirectiveNode,
    DocumentNode,
    FieldDefinitionNode,
    InlineFragmentNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    OperationDefinitionNode,
    SchemaDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    StringValueNode,
)

_ROOTS = {"query": "Query", "mutation": "Mutation"}


@dataclass(frozen=True, slots=True)
class Key:
    """A key: its field set as text and as a selection."""

    text: str
    selection: SelectionSetNode
    resolvable: bool

    @property
    def nested(self) -> bool:
        """Return whether a field of the key has a selection."""
        return "{" in self.text

    @property
    def composite(self) -> bool:
        """Return whether the key has several fields."""
        return len(self.selection.selections) > 1


@dataclass(slots=True)
class FieldFacts:
    """The directives of one field.

    `contexts`: for each argument with @fromContext the context's name and the selection.
    """

    external: bool = False
    shareable: bool = False
    requires: SelectionSetNode | None = None
    provides: SelectionSetNode | None = None
    override: str | None = None
    label: str | None = None
    contexts: dict[str, tuple[str, SelectionSetNode]] = field(default_factory=dict)


@dataclass(slots=True)
class Facts:
    """The directives of one subgraph.

    `keys`: by type. `fields`: by (type, field). `roots`: the subgraph's names of the root types, by their
    default names. `setters`: the types that set each context.
    """

    document: DocumentNode
    keys: dict[str, list[Key]] = field(default_factory=dict)
    fields: dict[tuple[str, str], FieldFacts] = field(default_factory=dict)
    interface_objects: set[str] = field(default_factory=set)
    interfaces: set[str] = field(default_factory=set)
    roots: dict[str, str] = field(default_factory=lambda: {"Query": "Query", "Mutation": "Mutation"})
    objects: set[str] = field(default_factory=set)
    setters: dict[str, set[str]] = field(default_factory=dict)


def field_set(text: str) -> SelectionSetNode:
    """Return a field set as a selection."""
    definition = parse(f"{{ {text} }}", no_location=True).definitions[0]
    assert isinstance(definition, OperationDefinitionNode)
    return definition.selection_set


def read_facts(sdl: str) -> Facts:
    """Return the directives of a subgraph's SDL."""
    document = parse(sdl, no_location=True)
    facts = Facts(document)
    for definition in document.definitions:
        if isinstance(definition, SchemaDefinitionNode):
            facts.roots = {
                _ROOTS[one.operation.value]: one.type.name.value for one in definition.operation_types
            }  # fmt: skip
        elif isinstance(definition, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
            _read_type(facts, definition)
    return facts


def _read_type(facts: Facts, definition: ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode) -> None:
    name = definition.name.value
    facts.keys[name] = [_key(one) for one in definition.directives or () if one.name.value == "key"]
    (facts.objects if isinstance(definition, ObjectTypeDefinitionNode) else facts.interfaces).add(name)
    if any(one.name.value == "interfaceObject" for one in definition.directives or ()):
        facts.interface_objects.add(name)
    for mark in definition.directives or ():
        if mark.name.value == "context":
            facts.setters.setdefault(_text(mark, "name") or "", set()).add(name)
    for item in definition.fields or ():
        facts.fields[name, item.name.value] = _read_field(name, item)


def _without_fragments(kind: str, wanted: SelectionSetNode) -> SelectionSetNode:
    """Return a field set in which fragments on its own type are replaced by their fields."""
    found: list[SelectionNode] = []
    for item in wanted.selections:
        own = isinstance(item, InlineFragmentNode) and (
            item.type_condition is None or item.type_condition.name.value == kind
        )
        if own and isinstance(item, InlineFragmentNode):
            found += _without_fragments(kind, item.selection_set).selections
        else:
            found.append(item)
    return SelectionSetNode(selections=tuple(found))


def _read_field(kind: str, item: FieldDefinitionNode) -> FieldFacts:
    marks = {one.name.value: one for one in item.directives or ()}
    requires, provides = _text(marks.get("requires"), "fields"), _text(marks.get("provides"), "fields")
    return FieldFacts(
        external="external" in marks,
        shareable="shareable" in marks,
        requires=_without_fragments(kind, field_set(requires)) if requires else None,
        provides=field_set(provides) if provides else None,
        override=_text(marks.get("override"), "from"),
        label=_text(marks.get("override"), "label"),
        contexts={one.name.value: found for one in item.arguments or () if (found := _context(one))},
    )


def _context(argument: InputValueDefinitionNode) -> tuple[str, SelectionSetNode] | None:
    """Return the context's name and the selection of an argument with @fromContext (`$above { motto }`); else
    None.
    """
    mark = next((one for one in argument.directives or () if one.name.value == "fromContext"), None)
    text = _text(mark, "field")
    if text is None:
        return None
    name, _, selection = text.strip().removeprefix("$").partition(" ")
    return name, field_set(selection.strip().removeprefix("{").removesuffix("}"))


def _text(mark: ConstDirectiveNode | None, argument: str) -> str | None:
    for one in (mark.arguments or ()) if mark else ():
        if one.name.value == argument and isinstance(one.value, StringValueNode):
            return one.value.value
    return None


def _key(mark: ConstDirectiveNode) -> Key:
    text = _text(mark, "fields") or ""
    return Key(text, field_set(text), all(one.name.value != "resolvable" for one in mark.arguments or ()))
