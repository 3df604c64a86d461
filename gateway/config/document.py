"""A YAML document as a tree of nodes with their places in the file.

Example: `limits: {depth: 20}` is a Table with one entry, the Scalar "limits" (line 1, column 1) and another
Table, whose entry is the Scalar "depth" (line 1, column 10) and the Scalar 20 (line 1, column 17).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

MAX_CHARACTERS = 1_000_000
MAX_NODES = 50_000
MAX_DEPTH = 40
Value = None | bool | int | float | str
_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "timestamp", "map", "seq")
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is written: line and column, from 1, or the name of an environment variable."""

    line: int = 1
    column: int = 1
    variable: str | None = None

    def __str__(self) -> str:
        if self.variable is not None:
            return f"environment variable {self.variable}"
        return f"line {self.line}, column {self.column}"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. `text`: as it is written. `quoted`: whether it is in quotes, so that it is a text."""

    value: Value
    text: str
    place: Place
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: "tuple[Node, ...]"
    place: Place


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping: pairs of a key and a value, in the order of the file."""

    entries: "tuple[tuple[Scalar, Node], ...]"
    place: Place

    def get(self, key: str) -> "Node | None":
        """Return the value of a key; None if the table does not have it."""
        return next((value for name, value in self.entries if name.text == key), None)


Node = Scalar | Items | Table


class Unreadable(Exception):
    """A document that is not the YAML of a configuration: the message, and where."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.message = message
        self.place = place


def parse(text: str) -> Table:
    """Return the document as a tree. Raises Unreadable.

    YAML's tags are refused, and so are documents that anchors (`*name`) make large or endless.
    """
    documents = _composed(text)
    if not documents or documents[0] is None or _is_null(documents[0]):
        return Table((), Place())
    if len(documents) > 1:
        raise Unreadable("expected one YAML document, got a second one", _place(documents[1]))
    tree = _Builder().node(documents[0], 0)
    if not isinstance(tree, Table):
        raise Unreadable("expected settings such as `server: {port: 4000}`", tree.place)
    return tree


def _composed(text: str) -> list[yaml.Node]:
    """Return the root nodes of the YAML documents in a text. Raises Unreadable."""
    if len(text) > MAX_CHARACTERS:
        raise Unreadable(f"expected at most {MAX_CHARACTERS:,} characters, got {len(text):,}", Place())
    try:
        return list(yaml.compose_all(text, yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place()
        raise Unreadable(f"this is not valid YAML: {error.problem or error}", place) from error
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise Unreadable(f"this is not valid YAML: {reason}", Place()) from error


def parse_value(text: str, place: Place) -> Node:
    """Return one value, as it would be written behind a key. `place`: the place of every node in it.

    Raises Unreadable.
    """
    try:
        node = yaml.compose(text, yaml.SafeLoader) if text.strip() else None
        return _Builder(place).node(node, 0) if node is not None else Scalar(None, "", place)
    except (yaml.YAMLError, RecursionError) as error:
        raise Unreadable(f"{text!r} is not valid YAML", place) from error


class _Builder:
    """Makes the tree. `fixed`: a place for all nodes, in place of the nodes' own."""

    def __init__(self, fixed: Place | None = None) -> None:
        self.fixed = fixed
        self.count = 0
        self.loader = yaml.SafeLoader("")

    def node(self, given: yaml.Node, depth: int) -> Node:
        """Return the tree of a YAML node. Raises Unreadable."""
        place = self.fixed or _place(given)
        self.check(given, depth, place)
        if isinstance(given, yaml.MappingNode):
            return Table(tuple(self.entries(given, depth)), place)
        if isinstance(given, yaml.SequenceNode):
            return Items(tuple(self.node(one, depth + 1) for one in given.value), place)
        quoted = isinstance(given, yaml.ScalarNode) and given.style in ("'", '"', "|", ">")
        return self.scalar(given.value, given.tag, place, quoted)

    def check(self, given: yaml.Node, depth: int, place: Place) -> None:
        """Raise Unreadable for a node above the limits or with a tag."""
        self.count += 1
        if self.count > MAX_NODES or depth > MAX_DEPTH:
            message = f"expected at most {MAX_NODES:,} values, nested at most {MAX_DEPTH} levels, got more"
            raise Unreadable(message, place)
        if given.tag not in _TAGS:
            raise Unreadable(f"YAML tags such as {given.tag} are not supported", place)

    def scalar(self, text: str, tag: str, place: Place, quoted: bool) -> Scalar:
        """Return a scalar, as YAML reads it; dates and numbers to base 60 are texts."""
        if tag.endswith((":timestamp", ":str")) or ":" in text:
            return Scalar(text, text, place, quoted)
        try:
            value = self.loader.construct_object(yaml.ScalarNode(tag, text))
        except (yaml.YAMLError, ValueError) as error:
            raise Unreadable(f"{text!r} can't be read: {error}", place) from error
        return Scalar(value, text, place, quoted)

    def entries(self, given: yaml.MappingNode, depth: int) -> Iterator[tuple[Scalar, Node]]:
        """Yield the entries of a mapping. Raises Unreadable for a key that is used twice or is no text."""
        seen: dict[str, Place] = {}
        for key, value in given.value:
            place = self.fixed or _place(key)
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                raise Unreadable("expected a name as the key", place)
            if key.value in seen:
                raise Unreadable(f"the key `{key.value}` was already used on {seen[key.value]}", place)
            seen[key.value] = place
            yield Scalar(key.value, key.value, place), self.node(value, depth + 1)


def resolve(text: str, place: Place) -> Scalar:
    """Return an unquoted text as YAML reads it: `4000` as a number, `true` as a truth value."""
    tag = yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    if tag not in _TAGS:
        return Scalar(text, text, place)
    return _Builder(place).scalar(text, tag, place, quoted=False)


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
