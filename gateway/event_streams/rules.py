"""The fields of Subscription whose events come from Redis, ready to be used."""

import importlib
import json
from collections.abc import Mapping
from typing import Any

from gateway.core.errors import SettingsError
from gateway.event_streams.conditions import Condition, Convert, Path, Test, path_of
from gateway.event_streams.entries import Event, at_path
from gateway.event_streams.selection import TYPENAME, filled
from gateway.settings import EventFieldSettings


class FieldRule:
    """One field. `streams`: the names of its streams, `channels`: or of its channels."""

    def __init__(self, name: str, settings: EventFieldSettings) -> None:
        self.name = name
        self.settings = settings
        self.streams = tuple(one.encode() for one in settings.stream_names)
        self.channels = tuple(one.encode() for one in settings.channels)
        self.conditions = tuple(Condition(one, load(one.convert)) for one in settings.where)
        self.template = json.loads(settings.value)
        self.id_path: Path | None = path_of(settings.id) if settings.id is not None else None

    def tests(self, arguments: Mapping[str, Any], claims: Mapping[str, Any]) -> tuple[Test, ...]:
        """Return the tests of events for a subscriber."""
        found = (one.test(arguments, claims) for one in self.conditions)
        return tuple(test for test in found if test is not None)

    def value(self, event: Event) -> Any:
        """Return what the field returns for an event."""
        return filled(self.template, event)

    def id_of(self, event: Event) -> str | None:
        """Return the id of an event; None if it has none, so that it is never a repetition."""
        found = None if self.id_path is None else at_path(event, self.id_path)
        return None if found is None else str(found)


def load(name: str | None) -> Convert | None:
    """Return the function MODULE:NAME; None for None. Raises SettingsError BAD_OPTION."""
    if name is None:
        return None
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        message = f"subscriptions.redis: expected MODULE:NAME of a function, got {name}: {error}"
        raise SettingsError(message, "BAD_OPTION") from error
    if not callable(found):
        raise SettingsError(f"subscriptions.redis: expected {name} to be a function", "BAD_OPTION")
    convert: Convert = found
    return convert


def entities_in(value: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return the type and the fields of each object in a value that has a `__typename`."""
    if isinstance(value, list):
        return [one for element in value for one in entities_in(element)]
    if not isinstance(value, dict):
        return []
    found = [one for element in value.values() for one in entities_in(element)]
    kind = value.get(TYPENAME)
    if isinstance(kind, str):
        found.append((kind, {name: one for name, one in value.items() if name != TYPENAME}))
    return found
