"""Reads example operations for GraphiQL, from a folder of NAME.graphql with variables in NAME.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.core.errors import SettingsError
from gateway.core.jsontext import NotJson, read_json


def read_examples(folder: str | None) -> list[Mapping[str, Any]]:
    """Return the name, description (the comments in the file), query and variables of each example in a
    folder.

    A folder of None has no examples. Raises SettingsError FILE_NOT_READABLE.
    """
    if folder is None:
        return []
    root = Path(folder)
    if not root.is_dir():
        raise SettingsError(f"--operations: there is no folder {folder}", "FILE_NOT_READABLE")
    return [_example(path) for path in sorted(root.glob("*.graphql"))]


def _example(path: Path) -> Mapping[str, Any]:
    beside = path.with_suffix(".json")
    try:
        text = path.read_bytes().decode()
        variables = read_json(beside.read_bytes()) if beside.exists() else {}
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path.name} is not UTF-8 text: {error.reason}", "FILE_NOT_READABLE") from error
    except NotJson as error:
        raise SettingsError(f"{beside.name} is not JSON: {error}", "FILE_NOT_READABLE") from error
    except OSError as error:
        raise SettingsError(f"{path.name} can't be read: {error.strerror}", "FILE_NOT_READABLE") from error
    comment = [line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#")]
    return {"name": path.stem, "description": " ".join(comment), "query": text, "variables": variables}
