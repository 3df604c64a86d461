"""Example operations for GraphiQL, read from a folder of NAME.graphql with variables in NAME.json."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.core.errors import SettingsError


def read_examples(folder: str | None) -> list[Mapping[str, Any]]:
    """Name, description (the comment at the top), query and variables of each.

    SettingsError for a broken folder.
    """
    if folder is None:
        return []
    root = Path(folder)
    if not root.is_dir():
        raise SettingsError(f"there is no folder {folder} with operations", "FILE_NOT_READABLE")
    found: list[Mapping[str, Any]] = []
    for path in sorted(root.glob("*.graphql")):
        text = path.read_text()
        comment = [line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#")]
        beside = path.with_suffix(".json")
        try:
            variables = json.loads(beside.read_text()) if beside.exists() else {}
        except ValueError as error:
            raise SettingsError(f"{beside.name} is not JSON: {error}", "FILE_NOT_READABLE") from error
        found.append(
            {"name": path.stem, "description": " ".join(comment), "query": text, "variables": variables}
        )
    return found
