"""The environment in a configuration: `${NAME}` inside values, and variables that replace settings.

Example: `port: ${PORT:-4000}` is 4000 unless the variable PORT is set, and `GATEWAY__LIMITS__DEPTH=20`
replaces `limits.depth`, whatever the file says.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from gateway.config.document import Items, Node, Place, Scalar, Table, Unreadable, parse_value, resolve

PREFIX = "GATEWAY__"
_REFERENCE = re.compile(r"\$\$|\$\{(?P<name>[^}:]*)(?::-(?P<default>[^}]*))?\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
Report = Callable[[str, Place], None]


def with_variables(node: Node, environment: Mapping[str, str], report: Report) -> Node:
    """Return a tree in which `${NAME}` and `${NAME:-default}` are replaced; `$$` stands for `$`.

    `report` is called with a message and a place for a variable that is not set and has no default.
    """
    if isinstance(node, Table):
        entries = ((key, with_variables(value, environment, report)) for key, value in node.entries)
        return Table(tuple(entries), node.place)
    if isinstance(node, Items):
        return Items(tuple(with_variables(one, environment, report) for one in node.items), node.place)
    if "$" not in node.text:
        return node
    text = _REFERENCE.sub(lambda found: _value_of(found, environment, node.place, report), node.text)
    return Scalar(text, text, node.place, True) if node.quoted else resolve(text, node.place)


def _value_of(found: "re.Match[str]", environment: Mapping[str, str], place: Place, report: Report) -> str:
    """Return the text that replaces a match of _REFERENCE."""
    if found[0] == "$$":
        return "$"
    name: str = found["name"]
    default: str | None = found["default"]
    given = environment.get(name, default)
    if not _NAME.fullmatch(name):
        report(f"expected the name of an environment variable in ${{...}}, got {name!r}", place)
    elif given is None:
        report(f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}", place)
    return given or ""


def with_overrides(tree: Table, environment: Mapping[str, str], report: Report) -> Table:
    """Return the tree with the settings that variables named GATEWAY__PART__PART replace.

    `report` is called with a message and a place for a variable whose value is not YAML.
    """
    for variable, text in sorted(environment.items()):
        path = [part for part in variable.removeprefix(PREFIX).split("__") if part]
        if not variable.startswith(PREFIX) or not path:
            continue
        place = Place(variable=variable)
        try:
            tree = _replaced(tree, path, parse_value(text, place), place)
        except Unreadable as error:
            report(error.message, error.place)
    return tree


def _replaced(tree: Table, path: Sequence[str], value: Node, place: Place) -> Table:
    """Return a table in which the value at a path is replaced, or added.

    Names of variables are in upper case, so keys are compared without regard to case.
    """
    name, rest = path[0], path[1:]
    known = next((key for key, _ in tree.entries if key.text.lower() == name.lower()), None)
    key = known or Scalar(name.lower(), name.lower(), place)
    before = tree.get(key.text)
    below = before if isinstance(before, Table) else Table((), place)
    made = _replaced(below, rest, value, place) if rest else value
    entries = [(one, made if one is known else old) for one, old in tree.entries]
    return Table((*entries, *(() if known else ((key, made),))), tree.place)
