"""The table of composition hints: code, level and meaning. `Report.hint` accepts only these codes.

Codes and levels are those that Apollo publishes; OWN has the codes that only this gateway has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

OWN = frozenset({"INTERFACE_FIELD_SPLIT_BETWEEN_SUBGRAPHS"})
Level = Literal["WARN", "INFO", "DEBUG"]
LEVELS: Mapping[str, Level] = {"WARN": "WARN", "INFO": "INFO", "DEBUG": "DEBUG"}


@dataclass(frozen=True, slots=True)
class HintCode:
    """A row of the table."""

    name: str
    level: Level
    meaning: str


_ROWS = """
INCONSISTENT_BUT_COMPATIBLE_FIELD_TYPE | INFO | A field's types differ between subgraphs; they were merged.
INCONSISTENT_BUT_COMPATIBLE_ARGUMENT_TYPE | INFO \
    | The types of an argument or input field differ between subgraphs, and were merged.
INCONSISTENT_DEFAULT_VALUE_PRESENCE | WARN | An argument or input field has a default in some subgraphs only.
INCONSISTENT_ENTITY | INFO | A type has a @key in some subgraphs only.
INCONSISTENT_OBJECT_VALUE_TYPE_FIELD | DEBUG \
    | A field of an object type without @key is missing in some subgraphs.
INCONSISTENT_INTERFACE_VALUE_TYPE_FIELD | DEBUG \
    | A field of an interface without @key is missing in some subgraphs.
INCONSISTENT_INPUT_OBJECT_FIELD | WARN \
    | An input field is left out, because some subgraphs with its type lack it.
INCONSISTENT_UNION_MEMBER | DEBUG | A union member is missing in some subgraphs with the union.
INCONSISTENT_ENUM_VALUE_FOR_INPUT_ENUM | WARN \
    | An input enum value is left out, because some subgraphs lack it.
INCONSISTENT_ENUM_VALUE_FOR_OUTPUT_ENUM | DEBUG | A value of an output enum is missing in some subgraphs.
INCONSISTENT_EXECUTABLE_DIRECTIVE_PRESENCE | WARN \
    | An executable directive is left out, because some subgraphs do not define it.
NO_EXECUTABLE_DIRECTIVE_INTERSECTION | WARN \
    | An executable directive is left out, because its definitions have no location in common.
INCONSISTENT_EXECUTABLE_DIRECTIVE_REPEATABLE | WARN \
    | An executable directive is repeatable in some subgraphs only.
INCONSISTENT_EXECUTABLE_DIRECTIVE_LOCATIONS | WARN \
    | An executable directive has different locations in different subgraphs.
INCONSISTENT_DESCRIPTION | WARN | The subgraphs describe an element differently.
INCONSISTENT_ARGUMENT_PRESENCE | WARN \
    | An optional argument is left out, because some subgraphs with the field lack it.
FROM_SUBGRAPH_DOES_NOT_EXIST | WARN | @override names a subgraph that does not exist.
OVERRIDDEN_FIELD_CAN_BE_REMOVED | INFO | A field is overridden by another subgraph and can be removed.
OVERRIDE_DIRECTIVE_CAN_BE_REMOVED | INFO | The overridden subgraph no longer has the field.
OVERRIDE_MIGRATION_IN_PROGRESS | INFO | A field moves from one subgraph to another by a progressive @override.
UNUSED_ENUM_TYPE | DEBUG | An enum is not used.
INCONSISTENT_NON_REPEATABLE_DIRECTIVE_ARGUMENTS | WARN \
    | A directive that is not repeatable has different arguments in different subgraphs.
MERGED_NON_REPEATABLE_DIRECTIVE_ARGUMENTS | INFO \
    | A directive's different arguments were merged as its spec defines.
DIRECTIVE_COMPOSITION_INFO | INFO | A note on @composeDirective.
DIRECTIVE_COMPOSITION_WARN | WARN | A possible mistake with @composeDirective.
INCONSISTENT_RUNTIME_TYPES_FOR_SHAREABLE_RETURN | WARN \
    | A @shareable field may return other object types in one subgraph than in another.
CONTEXTUAL_ARGUMENT_NOT_CONTEXTUAL_IN_ALL_SUBGRAPHS | INFO \
    | An argument is left out, because it comes from a context in one subgraph.
INTERFACE_FIELD_SPLIT_BETWEEN_SUBGRAPHS | WARN \
    | An interface's field is split: no subgraph resolves it for all object types.
IMPLICITLY_UPGRADED_FEDERATION_VERSION | INFO \
    | A linked spec needs a newer version of federation than the linked one.
"""


def _table() -> dict[str, HintCode]:
    table = {}
    for row in _ROWS.strip().splitlines():
        name, level, meaning = (cell.strip() for cell in row.split("|"))
        if level not in LEVELS:
            raise ValueError(f"the hint {name} has the level {level!r}; there are {', '.join(LEVELS)}")
        table[name] = HintCode(name, LEVELS[level], meaning)
    return table


HINTS: Mapping[str, HintCode] = _table()
