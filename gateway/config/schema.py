"""The settings as a JSON schema, for editors (https://json-schema.org/draft/2020-12).

VS Code and JetBrains complete and check a file that begins with
`# yaml-language-server: $schema=gateway.schema.json`.
"""

from dataclasses import is_dataclass
from typing import Any

from gateway.config.types import REQUIRED, Kind, defaults_of, kind_of, settings_of
from gateway.settings import Secret, Settings

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}
_RANGES = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_TEXTS = {
    "seconds": r"^\d+(\.\d+)? ?(ms|s|m|h|d)$",
    "bytes": r"^\d+(\.\d+)? ?(B|kB|KB|MB|GB|KiB|MiB|GiB)$",
}
_VARIABLE = {"type": "string", "pattern": r"\$\{.+\}"}
"""A value with an environment variable may stand for any single value."""


_FILE = {"type": "object", "properties": {"file": {"type": "string"}}, "required": ["file"]}
_SECRET = {"anyOf": [{"type": "string"}, {**_FILE, "additionalProperties": False}]}


def config_schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration file."""
    found = _table(Settings)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "gateway.yaml", **found}


def _table(kind: type) -> dict[str, Any]:
    defaults = defaults_of(kind)
    properties = {}
    for name, hint in settings_of(kind).items():
        properties[name] = _value(kind_of(hint))
        default = _shown(defaults[name])
        if default is not None:
            properties[name]["default"] = default
    required = [name for name, default in defaults.items() if default is REQUIRED]
    found: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    if kind.__doc__:
        found["description"] = " ".join(kind.__doc__.split())
    return {**found, "required": required} if required else found


def _value(kind: Kind) -> dict[str, Any]:
    found = _not_null(kind)
    if kind.nullable or (kind.is_table and kind.shape in ("one", "map")):
        found = {"anyOf": [found, {"type": "null"}]}
    return {"description": kind.description, **found} if kind.description else found


def _not_null(kind: Kind) -> dict[str, Any]:
    if kind.shape in ("list", "set"):
        return {"type": "array", "items": _value(kind_of(kind.type))}
    if kind.shape == "map":
        return {"type": "object", "additionalProperties": _value(kind_of(kind.type))}
    if kind.shape == "choice":
        return {"enum": list(kind.type)}
    if kind.type is Secret:
        return _SECRET
    return _table(kind.type) if kind.is_table else _scalar(kind)


def _scalar(kind: Kind) -> dict[str, Any]:
    plain: dict[str, Any] = {"type": _TYPES[kind.type]}
    for one in kind.meta:
        plain |= {key: getattr(one, name) for name, key in _RANGES.items() if getattr(one, name) is not None}
        plain |= {"pattern": one.pattern} if one.pattern else {}
    choices = [plain, _VARIABLE]
    if kind.unit in _TEXTS:
        choices.append({"type": "string", "pattern": _TEXTS[kind.unit]})
    return {"anyOf": choices} if plain["type"] != "string" or "pattern" in plain else plain


def _shown(default: Any) -> Any:
    """Return a default as JSON; None for one that needs no mention, such as an empty list."""
    if default is REQUIRED or default is None or is_dataclass(default) or default in ((), {}, frozenset()):
        return None
    if isinstance(default, tuple | frozenset):
        return None if any(map(is_dataclass, default)) else list(default)
    return default
