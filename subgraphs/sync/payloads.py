"""The payloads of the sync subgraph's mutations."""

import strawberry

from subgraphs.kit.graphql import object_type
from subgraphs.kit.payloads import Payload
from subgraphs.sync.types import ConsistencyCheck, PendingSync


@object_type()
class CheckConsistencyPayload(Payload):
    """The result of `checkConsistency`."""

    checks: list[ConsistencyCheck] | None = strawberry.field(
        default=None, description="The result of each comparison."
    )


@object_type()
class ReplaySyncPayload(Payload):
    """The result of `replaySync`."""

    sync: PendingSync | None = strawberry.field(
        default=None, description="The sync, whose event is applied again."
    )
