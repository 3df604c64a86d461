"""The settings as a page for people: `gateway config reference` prints docs/gateway/settings.md."""

from collections.abc import Iterator
from typing import Any

from gateway.config.types import REQUIRED, Kind, defaults_of, kind_of, settings_of
from gateway.settings import Settings

_HEAD = "| setting | default | meaning |\n| --- | --- | --- |"


def reference() -> str:
    """Return the settings in Markdown: a table for each group, with the full name of every setting."""
    lines = [
        "# Settings",
        "",
        "Printed by `gateway config reference`. A dot means nesting: `limits.depth` is",
    ]
    lines += ["`limits: {depth: ...}` in the file, and `GATEWAY__LIMITS__DEPTH` in the environment."]
    for title, text, rows in _groups(Settings, ""):
        lines += ["", f"## {title}", ""]
        lines += [text, ""] if text else []
        lines += [_HEAD, *rows]
    return "\n".join(lines) + "\n"


def _groups(table: type, prefix: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield title, introduction and rows of a table, then those of the tables in it."""
    kinds = {name: kind_of(hint) for name, hint in settings_of(table).items()}
    defaults = defaults_of(table)
    rows = [
        f"| `{prefix}{name}` | {_default(defaults[name], kind)} | {_meaning(kind)} |"
        for name, kind in kinds.items()
        if kind.shape != "one" or not kind.is_table
    ]
    yield prefix.rstrip(".") or "At the top", " ".join((table.__doc__ or "").split()) if prefix else "", rows
    for name, kind in kinds.items():
        inner = kind_of(kind.type) if kind.shape in ("list", "map") else kind
        if inner.is_table:
            more = {"map": ".NAME", "list": "[]"}.get(kind.shape, "")
            yield from _groups(inner.type, f"{prefix}{name}{more}.")


def _meaning(kind: Kind) -> str:
    if kind.shape in ("list", "set", "map") or (kind.type in (bool, str) and kind.unit is None):
        return kind.description
    return f"{kind.description} Expected: {kind.expected()}."


def _default(value: Any, kind: Kind) -> str:
    if value is REQUIRED:
        return "required"
    if value is None or value in ((), {}, frozenset()):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | frozenset):
        return ", ".join(f"`{one}`" for one in value)
    if isinstance(value, int | float) and kind.unit == "seconds":
        return f"{value:g} s"
    return f"{value:,}" if isinstance(value, int) else f"`{value}`"
