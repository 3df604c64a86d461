"""The table of hints: what composes, but may not be what its authors meant.

Codes and levels as Apollo publishes them, and OWN ones of ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

OWN = frozenset({"INTERFACE_FIELD_SPLIT_BETWEEN_SUBGRAPHS"})
Level = Literal["WARN", "INFO", "DEBUG"]
LEVELS: Mapping[str, Level] = {"WARN": "WARN", "INFO": "INFO", "DEBUG": "DEBUG"}


@dataclass(frozen=True, slots=True)
class HintCode:
    """One code: how much it matters, and what it means."""

    name: str
    level: Level
    meaning: str


_ROWS = """
INCONSISTENT_BUT_COMPATIBLE_FIELD_TYPE | INFO | A field's types differ between subgraphs, but can be merged.
INCONSISTENT_BUT_COMPATIBLE_ARGUMENT_TYPE | INFO | An argument's or input field's types differ between subgraphs, but can be merged.
INCONSISTENT_DEFAULT_VALUE_PRESENCE | WARN | An argument or input field has a default in some subgraphs only.
INCONSISTENT_ENTITY | INFO | A type has a @key in some subgraphs only.
INCONSISTENT_OBJECT_VALUE_TYPE_FIELD | DEBUG | Not every subgraph with an object type (without @key) has this field of it.
INCONSISTENT_INTERFACE_VALUE_TYPE_FIELD | DEBUG | Not every subgraph with an interface (without @key) has this field of it.
INCONSISTENT_INPUT_OBJECT_FIELD | WARN | An input field is left out: not every subgraph with its type has it.
INCONSISTENT_UNION_MEMBER | DEBUG | Not every subgraph with a union has this member of it.
INCONSISTENT_ENUM_VALUE_FOR_INPUT_ENUM | WARN | An enum value is left out: not every subgraph with the enum, used as input, has it.
INCONSISTENT_ENUM_VALUE_FOR_OUTPUT_ENUM | DEBUG | Not every subgraph with an enum, used as output, has this value of it.
INCONSISTENT_EXECUTABLE_DIRECTIVE_PRESENCE | WARN | A directive for operations is left out: not every subgraph defines it.
NO_EXECUTABLE_DIRECTIVE_INTERSECTION | WARN | A directive for operations is left out: the subgraphs share no place for it.
INCONSISTENT_EXECUTABLE_DIRECTIVE_REPEATABLE | WARN | A directive for operations is repeatable in some subgraphs only.
INCONSISTENT_EXECUTABLE_DIRECTIVE_LOCATIONS | WARN | A directive for operations may stand in different places in different subgraphs.
INCONSISTENT_DESCRIPTION | WARN | The subgraphs describe an element differently.
INCONSISTENT_ARGUMENT_PRESENCE | WARN | An optional argument is left out: not every subgraph with the field has it.
FROM_SUBGRAPH_DOES_NOT_EXIST | WARN | @override names a subgraph that is not there.
OVERRIDDEN_FIELD_CAN_BE_REMOVED | INFO | A field is overridden by another subgraph and can be removed.
OVERRIDE_DIRECTIVE_CAN_BE_REMOVED | INFO | The overridden subgraph does not have the field any more.
OVERRIDE_MIGRATION_IN_PROGRESS | INFO | A field moves from one subgraph to another by a progressive @override.
UNUSED_ENUM_TYPE | DEBUG | An enum is used nowhere.
INCONSISTENT_NON_REPEATABLE_DIRECTIVE_ARGUMENTS | WARN | A directive that can stand once has different arguments in different subgraphs.
MERGED_NON_REPEATABLE_DIRECTIVE_ARGUMENTS | INFO | A directive's different arguments were merged as its spec says.
DIRECTIVE_COMPOSITION_INFO | INFO | Something about directives that are not composed.
DIRECTIVE_COMPOSITION_WARN | WARN | Something about directives that are composed.
INCONSISTENT_RUNTIME_TYPES_FOR_SHAREABLE_RETURN | WARN | A @shareable field may return other object types in one subgraph than in another.
CONTEXTUAL_ARGUMENT_NOT_CONTEXTUAL_IN_ALL_SUBGRAPHS | INFO | An argument is left out: one subgraph takes it from a context.
INTERFACE_FIELD_SPLIT_BETWEEN_SUBGRAPHS | WARN | An interface's field is split: no subgraph has all of it.
IMPLICITLY_UPGRADED_FEDERATION_VERSION | INFO | A linked spec needs a newer version of federation than is linked.
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
