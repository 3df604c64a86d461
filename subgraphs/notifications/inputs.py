"""The GraphQL input types of the notifications subgraph, except the filter of deliveries."""

from datetime import time
from typing import Any

import strawberry
from strawberry.utils.str_converters import to_camel_case

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import UNSET, input_type, provided
from subgraphs.notifications.model import check_changes
from subgraphs.notifications.types import NotificationType


@input_type
class SendMessageInput:
    """A message to the other party of a booking."""

    booking_id: strawberry.ID = strawberry.field(description="A booking of the caller that is not cancelled.")
    text: str = strawberry.field(description="The text, 1 to 2,000 characters.")


@input_type
class TypeSettingInput:
    """Whether to send notifications of a type."""

    type: NotificationType = strawberry.field(description="The type.")
    enabled: bool = strawberry.field(description="Whether to send notifications of this type.")


@input_type
class NotificationSettingsInput:
    """Changes of settings; an absent field is not changed, null is refused."""

    email_enabled: bool | None = strawberry.field(
        default=UNSET, description="Whether to send notifications by email."
    )
    push_enabled: bool | None = strawberry.field(
        default=UNSET, description="Whether to send notifications by push."
    )
    sms_enabled: bool | None = strawberry.field(
        default=UNSET, description="Whether to send notifications by SMS."
    )
    types: list[TypeSettingInput] | None = strawberry.field(
        default=UNSET, description="Types to switch on or off."
    )
    quiet_hours_start: time | None = strawberry.field(
        default=UNSET, description="The local time at which quiet hours start."
    )
    quiet_hours_end: time | None = strawberry.field(
        default=UNSET, description="The local time at which quiet hours end."
    )
    time_zone: str | None = strawberry.field(
        default=UNSET, description="An IANA time zone, such as Europe/Berlin."
    )

    def read(self) -> dict[str, Any]:
        """Return the checked provided values of settings, by column.

        Raises BadUserInput, with every wrong field.
        """
        given = provided(self)
        with checks.Mistakes() as mistakes:
            changes = {name: value for name, value in given.items() if value is not None}
            for name in (to_camel_case(name) for name in given.keys() - changes.keys()):
                mistakes.found.append(BadUserInput(f"'{name}' must not be null", name))
            if (types := changes.pop("types", None)) is not None:
                changes["notification_types"] = {item.type.value: item.enabled for item in types}
            return mistakes.check(check_changes, changes)
