"""Upcasters: functions that convert the data of stored events from an old schema to the next.

Aggregates and projections apply them when they read events, so that their code handles only the newest
schema. Example: with upcasters from 1 to 2 and from 2 to 3, an event of schema version 1 is converted twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from subgraphs.kit.event_store.events import NewEvent, StoredEvent

Upcaster = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Returns an event's data in the next schema version; it is pure and does not change its argument."""


class UnknownSchemaVersion(Exception):
    """An event has a newer schema version than the upcasters convert to, or one of their versions
    is missing.
    """


class Upcasters:
    """The upcasters of all event types; a type without upcasters has only schema version 1."""

    def __init__(self, steps: Mapping[tuple[str, int], Upcaster] | None = None) -> None:
        """`steps`: upcasters by event type and the schema version from which they convert to the next.

        Raises UnknownSchemaVersion if a version between 1 and the newest has no upcaster.
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
        """Return the newest schema version of an event type, in which new events are written; from 1."""
        return self._newest.get(event_type, 1)

    def stamped(self, event: NewEvent) -> NewEvent:
        """Return the event with the newest schema version as its `schema_version`; its data are not
        changed.
        """
        return replace(event, schema_version=self.newest(event.event_type))

    def upcast(self, event: StoredEvent) -> StoredEvent:
        """Return the event with its data converted to the newest schema.

        Raises UnknownSchemaVersion for an event with a newer schema, which newer code has written.
        """
        newest = self.newest(event.event_type)
        if event.schema_version == newest:
            return event
        if event.schema_version > newest:
            raise UnknownSchemaVersion(
                f"{event.event_type}: expected a schema version up to {newest}, got {event.schema_version}:"
                " run the code that has written the event"
            )
        data = event.data
        for version in range(event.schema_version, newest):
            data = self._steps[event.event_type, version](data)
        return replace(event, data=data, schema_version=newest)
