"""The filters of the sync subgraph's lists."""

from uuid import UUID

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.aggregates_in_schema import AggregateType, aggregate_id_of
from subgraphs.kit.between import BetweenInput, between_of
from subgraphs.kit.graphql import input_type
from subgraphs.sync import store
from subgraphs.sync.enums import ComparedKind, SyncOperation, SyncOutcome, SyncStatus

_SOURCE = "The name of the service that publishes the event."
_TARGET = "The name of the service that consumes the event."
_ENTITY = "The entity's id: a UUID or a global id of any type."


@input_type
class SyncFilter:
    """Conditions on syncs, joined by AND; an absent field is no condition."""

    status: SyncStatus | None = strawberry.field(default=None, description="The status.")
    operation: SyncOperation | None = strawberry.field(
        default=None, description="The operation of the event on its entity."
    )
    source: str | None = strawberry.field(default=None, description=_SOURCE)
    target: str | None = strawberry.field(default=None, description=_TARGET)
    entity_type: AggregateType | None = strawberry.field(default=None, description="The entity's type.")
    entity_id: strawberry.ID | None = strawberry.field(default=None, description=_ENTITY)
    event_type: str | None = strawberry.field(
        default=None, description="The event's type, such as RequestPublished."
    )
    between: BetweenInput | None = strawberry.field(
        default=None, description="The time in which the event happened."
    )

    def read(self) -> store.SyncCriteria:
        """Return the filter as checked conditions. Raises BadUserInput with every wrong field."""
        with checks.Mistakes() as mistakes:
            return store.SyncCriteria(
                status=self.status and self.status.value,
                operation=self.operation and self.operation.value,
                source_service=mistakes.check(_text, self.source, "source"),
                target_service=mistakes.check(_text, self.target, "target"),
                entity_type=self.entity_type,
                entity_id=mistakes.check(aggregate_id_of, self.entity_id, "entityId"),
                event_type=mistakes.check(_text, self.event_type, "eventType"),
                created=mistakes.check(between_of, self.between),
            )


@input_type
class SyncLogFilter:
    """Conditions on log entries, joined by AND; an absent field is no condition."""

    outcome: SyncOutcome | None = strawberry.field(default=None, description="The outcome of the event.")
    source: str | None = strawberry.field(default=None, description=_SOURCE)
    target: str | None = strawberry.field(default=None, description=_TARGET)
    entity_type: AggregateType | None = strawberry.field(default=None, description="The entity's type.")
    entity_id: strawberry.ID | None = strawberry.field(default=None, description=_ENTITY)
    sync_id: strawberry.ID | None = strawberry.field(default=None, description="The global id of the sync.")
    between: BetweenInput | None = strawberry.field(
        default=None, description="The time in which the entry was recorded."
    )

    def read(self) -> store.SyncCriteria:
        """Return the filter as checked conditions. Raises BadUserInput with every wrong field."""
        with checks.Mistakes() as mistakes:
            return store.SyncCriteria(
                outcome=self.outcome and self.outcome.value,
                source_service=mistakes.check(_text, self.source, "source"),
                target_service=mistakes.check(_text, self.target, "target"),
                entity_type=self.entity_type,
                entity_id=mistakes.check(aggregate_id_of, self.entity_id, "entityId"),
                sync_id=mistakes.check(_sync_id, self.sync_id),
                created=mistakes.check(between_of, self.between),
            )


@input_type
class ConsistencyCheckFilter:
    """Conditions on consistency checks, joined by AND; an absent field is no condition."""

    kind: ComparedKind | None = strawberry.field(default=None, description="The kind of the compared rows.")
    target: str | None = strawberry.field(
        default=None, description="The name of the service that has the copies."
    )
    has_differences: bool | None = strawberry.field(
        default=None, description="true: checks that found differences, or failed; false: the others."
    )
    between: BetweenInput | None = strawberry.field(
        default=None, description="The time in which the check was made."
    )

    def read(self) -> store.CheckCriteria:
        """Return the filter as checked conditions. Raises BadUserInput with every wrong field."""
        with checks.Mistakes() as mistakes:
            return store.CheckCriteria(
                kind=self.kind and self.kind.value,
                target_service=mistakes.check(_text, self.target, "target"),
                has_differences=self.has_differences,
                created=mistakes.check(between_of, self.between),
            )


def _sync_id(value: str | None) -> UUID | None:
    return None if value is None else checks.identifier(value, "syncId", "PendingSync")


def _text(value: str | None, field: str) -> str | None:
    return None if value is None else checks.text(value, field, 100)
