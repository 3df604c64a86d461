"""Changed objects of all services as admins see them: the enum of their types, their ids in filters, and the
fields of events about them as JSON.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement
from strawberry.utils.str_converters import to_camel_case

from subgraphs.kit import checks
from subgraphs.kit.global_ids import decode
from subgraphs.kit.graphql import enum_type, enum_value


@enum_type
class AggregateType(Enum):
    """The type of a changed object."""

    USER = enum_value("user", "A user's account.")
    ACCOUNT_MAIL = enum_value("account_mail", "An e-mail to a user about the account.")
    MUSICIAN = enum_value("musician", "A musician's profile.")
    MUSICIAN_REQUEST = enum_value("musician_request", "A client's request for a musician.")
    APPLICATION = enum_value("application", "A musician's application to a request.")
    BOOKING = enum_value("booking", "A booking.")
    REVIEW = enum_value("review", "A review of a booking.")
    MATCHING_RESULT = enum_value("matching_result", "A ranking of musicians for a request.")
    NOTIFICATION = enum_value("notification", "A notification of a user.")
    CHAT = enum_value("chat", "The messages between the parties of a booking.")
    SAGA = enum_value("saga", "An operation over several services.")
    ESCROW = enum_value("escrow", "The payment for a booking.")
    SLOT = enum_value("slot", "A slot in a musician's calendar.")
    OTHER = enum_value("other", "An object of a type that this list does not have.")

    @classmethod
    def of(cls, aggregate_type: str) -> "AggregateType":
        """Return the value for the aggregate type in an event; OTHER if there is none."""
        return _BY_NAME.get(aggregate_type, cls.OTHER)

    def condition(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        """Return the SQL condition for rows whose aggregate type in `column` is this one."""
        return column.not_in(_BY_NAME.keys()) if self is AggregateType.OTHER else column == self.value


_BY_NAME: Final = {kind.value: kind for kind in AggregateType if kind is not AggregateType.OTHER}


def aggregate_id_of(value: str | None, field: str) -> UUID | None:
    """Return the UUID in the id of an object of any type: a global id, or a plain UUID; None for None.

    Raises BadUserInput.
    """
    if value is None:
        return None
    found = decode(value)
    return checks.identifier(value, field) if found is None else found.key


def event_fields(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an event by name in camelCase, also those of objects in its lists.

    Objects that are values of fields are documents of users: their keys stay as they are.
    """
    return {to_camel_case(name): _renamed(value) for name, value in payload.items()}


def _renamed(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    return [event_fields(item) if isinstance(item, Mapping) else item for item in value]
