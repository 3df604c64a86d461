"""Upcasters: when an event with an old schema is read, its data are converted to the newest one, step by step
(version 1 → 2 → 3).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from subgraphs.kit.event_store.events import NewEvent, StoredEvent

Upcaster = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Returns the data in the next schema version; it is pure and does not change its argument."""


class UnknownSchemaVersion(Exception):
    """An event has a newer schema version than the upcasters know, or an upcaster for an old version is
    missing.
    """


class Upcasters:
    """The upcasters of all event types; a type without upcasters has only schema version 1."""

    def __init__(self, steps: Mapping[tuple[str, int], Upcaster] | None = None) -> None:
        """`steps`: upcasters by event type and the version that they convert from.

        Raises UnknownSchemaVersion if a version below the newest has no upcaster.
        """
        self._steps = dict(steps or {})
        self._newest: dict[str, int] = {}
        for event_type, version in self._steps:
            self._newest[event_type] = max(self._newest.get(event_type, 1), version + 1)
        for event_type, newest in self._newest.items():
            if missing := [
                version for version in range(1, newest) if (event_type, version) not in self._steps
            ]:
                raise UnknownSchemaVersion(f"{event_type} has no upcaster from schema version {missing[0]}")

    def newest(self, event_type: str) -> int:
        """Return the schema version in which events of a type are written."""
        return self._newest.get(event_type, 1)

    def stamped(self, event: NewEvent) -> NewEvent:
        """Return the event with the newest schema version."""
        return replace(event, schema_version=self.newest(event.event_type))

    def upcast(self, event: StoredEvent) -> StoredEvent:
        """Return the event in the newest schema. Raises UnknownSchemaVersion for an event with a newer
        one.
        """
        newest = self.newest(event.event_type)
        if event.schema_version == newest:
            return event
        if event.schema_version > newest:
            raise UnknownSchemaVersion(
                f"{event.event_type}: expected a schema version up to {newest}, got {event.schema_version}"
            )
        data = event.data
        for version in range(event.schema_version, newest):
            data = self._steps[event.event_type, version](data)
        return replace(event, data=data, schema_version=newest)
