"""The payloads of the mutations of the requests subgraph."""

import strawberry

from subgraphs.kit.graphql import object_type
from subgraphs.kit.payloads import Payload
from subgraphs.requests.types import Application, MusicianRequest


@object_type()
class PublishRequestPayload(Payload):
    """The result of `publishRequest`."""

    request: MusicianRequest | None = strawberry.field(default=None, description="The published request.")


@object_type()
class UpdateRequestPayload(Payload):
    """The result of `updateRequest`."""

    request: MusicianRequest | None = strawberry.field(default=None, description="The changed request.")


@object_type()
class ApplyToRequestPayload(Payload):
    """The result of `applyToRequest`."""

    application: Application | None = strawberry.field(default=None, description="The application.")


@object_type()
class ChangeApplicationPayload(Payload):
    """The result of `changeApplication`."""

    application: Application | None = strawberry.field(default=None, description="The changed application.")


@object_type()
class RejectApplicationPayload(Payload):
    """The result of `rejectApplication`."""

    application: Application | None = strawberry.field(default=None, description="The rejected application.")


@object_type()
class WithdrawApplicationPayload(Payload):
    """The result of `withdrawApplication`."""

    application: Application | None = strawberry.field(default=None, description="The withdrawn application.")
