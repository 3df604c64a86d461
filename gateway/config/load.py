"""Reads a configuration file."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gateway.config.document import Node, Place, Table, Unreadable, parse
from gateway.config.environment import with_overrides, with_variables
from gateway.config.read import FAILED, Mistake, Reader, lines_of
from gateway.core.errors import SettingsError
from gateway.settings import Settings


class ConfigError(SettingsError):
    """A configuration file with mistakes; the message has a line for each of them."""

    def __init__(self, file: Path, mistakes: Sequence[Mistake]) -> None:
        lines = list(lines_of(mistakes))
        count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
        message = "\n".join([f"{file}: {count}", *(f"  {line}" for line in lines)])
        super().__init__(message, "INVALID_CONFIG")
        self.mistakes = tuple(mistakes)


def read_config(file: Path, environment: Mapping[str, str]) -> Settings:
    """Return the settings in a YAML file; `environment` supplies `${NAME}` and overrides.

    Paths in the file are relative to its folder. Raises ConfigError with all mistakes, and SettingsError
    FILE_NOT_READABLE.
    """
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        message = f"the configuration file {file} can't be read: {error.strerror or error}"
        raise SettingsError(message, "FILE_NOT_READABLE") from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"the configuration file {file} is not UTF-8 at byte {error.start}", "FILE_NOT_READABLE"
        ) from error
    return settings_from(text, environment, file)


def settings_from(text: str, environment: Mapping[str, str], file: Path) -> Settings:
    """Return the settings in a YAML text; `file` names it, and its folder is where relative paths begin.

    Raises ConfigError with all mistakes.
    """
    reader = Reader(file.parent)

    def report(message: str, place: Place) -> None:
        reader.mistakes.append(Mistake(message, place))

    try:
        tree = with_overrides(parse(text), environment, report)
    except Unreadable as error:
        raise ConfigError(file, [Mistake(error.message, error.place)]) from error
    filled = with_variables(tree, environment, report)
    settings = reader.table(filled, Settings)
    if reader.mistakes or settings is FAILED:
        raise ConfigError(file, reader.mistakes)
    found: Settings = settings
    return found.production(frozenset(_given(filled))) if found.profile == "production" else found


def _given(node: Node, prefix: str = "") -> Iterator[str]:
    """Yield the paths of the settings in a file, such as `errors.mode`."""
    if isinstance(node, Table):
        for key, value in node.entries:
            yield prefix + key.text
            yield from _given(value, f"{prefix}{key.text}.")
