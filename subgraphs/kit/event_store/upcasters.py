"""Upcasters: an event of an old shape is brought to the newest when it is read, step by step (v1 → v2 →
v3).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from subgraphs.kit.event_store.events import NewEvent, StoredEvent

Upcaster = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Makes the data of the next schema version; pure, and without changing what it is given."""


class UnknownSchemaVersion(Exception):
    """An event is of a newer shape than this program knows, or a step up to the newest is missing."""


class Upcasters:
    """The steps of all event types; one that has none is at version 1."""

    def __init__(self, steps: Mapping[tuple[str, int], Upcaster] | None = None) -> None:
        """Steps by event type and the version that they start from.

        Raises UnknownSchemaVersion where one is missing.
        """
        self._steps = dict(steps or {})
        self._newest: dict[str, int] = {}
        for event_type, version in self._steps:
            self._newest[event_type] = max(self._newest.get(event_type, 1), version + 1)
        for event_type, newest in self._newest.items():
            if missing := [
                version for version in range(1, newest) if (event_type, version) not in self._steps
            ]:
                raise UnknownSchemaVersion(f"{event_type} has no step from version {missing[0]}")

    def newest(self, event_type: str) -> int:
        """The schema version in which events of a type are written."""
        return self._newest.get(event_type, 1)

    def stamped(self, event: NewEvent) -> NewEvent:
        """An event to append, marked as of the newest version."""
        return replace(event, schema_version=self.newest(event.event_type))

    def upcast(self, event: StoredEvent) -> StoredEvent:
        """The event in its newest shape. Raises UnknownSchemaVersion for one that is newer than that."""
        newest = self.newest(event.event_type)
        if event.schema_version == newest:
            return event
        if event.schema_version > newest:
            raise UnknownSchemaVersion(
                f"{event.event_type} is known up to {newest}, not {event.schema_version}"
            )
        data = event.data
        for version in range(event.schema_version, newest):
            data = self._steps[event.event_type, version](data)
        return replace(event, data=data, schema_version=newest)
