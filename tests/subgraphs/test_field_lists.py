"""Tests that the lists of an aggregate's fields agree: in the table, the record, the state, the event, the
GraphQL type, and the copies in other services. A field that is added in one place and forgotten in another
fails here, with the names of the aggregate, the place and the field. Intended differences are listed with the
reason; one that is no difference any more fails, too.
"""

import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from decimal import Decimal
from typing import Any, Final, get_type_hints

import pytest
from sqlalchemy import Table

from subgraphs.kit.messages import Event
from subgraphs.kit.places import EventPlace, MusicianLocation
from subgraphs.matching import messages as matching
from subgraphs.matching import tables as matching_tables
from subgraphs.musicians import messages as musicians
from subgraphs.musicians import types as musician_types
from subgraphs.musicians.aggregates import ProfileState
from subgraphs.musicians.model import Profile
from subgraphs.musicians.tables import profiles
from subgraphs.notifications import messages as notifications
from subgraphs.payments import messages as payments
from subgraphs.payments import types as payment_types
from subgraphs.payments.aggregates import EscrowState
from subgraphs.payments.records import EscrowRecord
from subgraphs.payments.tables import escrows
from subgraphs.read_side import tables as read_side
from subgraphs.requests import messages as requests
from subgraphs.requests import tables as request_tables
from subgraphs.requests import types as request_types
from subgraphs.requests.aggregates import BookingState, RequestState
from subgraphs.requests.records import BookingRecord, RequestRecord
from subgraphs.reviews import messages as reviews

Fields = Mapping[str, Any]
"""Types by the name of the field; None where the place has no Python type."""
Reasons = Mapping[str, str]
"""Names of fields, separated by blanks, by the reason for which only one of two places has them."""


@dataclass(frozen=True)
class Place:
    """A place that lists the fields of an aggregate, and how it differs from the reference.

    `renamed`: names in the reference by names in this place. `lacks`: fields of the reference that this place
    does not have. `adds`: fields of this place that the reference does not have.
    """

    name: str
    fields: Fields
    renamed: Mapping[str, str] = field(default_factory=dict)
    lacks: Reasons = field(default_factory=dict)
    adds: Reasons = field(default_factory=dict)


def table(columns: Table) -> Fields:
    """Return the columns of a table."""
    return dict.fromkeys(columns.c.keys())


def struct(kind: type[Any]) -> Fields:
    """Return the fields of a dataclass or struct, except `event_id`, which is no field of an aggregate."""
    assert is_dataclass(kind) or hasattr(kind, "__struct_fields__"), kind
    hints = get_type_hints(kind)
    return {
        name: hint
        for name, hint in hints.items()
        if name != "event_id" and typing.get_origin(hint) is not typing.ClassVar
    }


def graphql(kind: Any, parts: Mapping[str, Any] | None = None, priced: str = "") -> Fields:
    """Return the fields of a GraphQL type in Python's spelling; `id` stands for `uuid`, too.

    `parts`: types of fields whose own fields count. `priced`: a field of the type Money, which also has the
    currency.
    """
    names: dict[str, Any] = {}
    for item in kind.__strawberry_definition__.fields:
        inner = (parts or {}).get(item.python_name)
        names.update(graphql(inner) if inner else {item.python_name: None})
    if priced:
        assert priced in names, priced
        names["currency"] = None
    return {name: hint for name, hint in names.items() if name != "uuid"}


ROW: Final = "the row itself, not its contents"
OF_STREAM: Final = {ROW: "id version created_at updated_at"}
LINKS: Final = "a link to another type stands for it, or the field is for services only"
EVENT_OF_PROFILE: Final = {"musician_id": "id"}
EVENT_OF_REQUEST: Final = {"request_id": "id", "skill_ids": "required_skill_ids"}
COPIED: Final = {"the copy's own order of events": "position version"}

OWNERS: Final[Mapping[str, tuple[Fields, Sequence[Place]]]] = {
    "profile": (
        table(profiles),
        [
            Place("record", struct(Profile)),
            Place(
                "state",
                struct(ProfileState),
                lacks=OF_STREAM,
                adds={"these have tables of their own": "skill_ids profile_document"},
            ),
            Place(
                "event",
                struct(musicians.MusicianProfileUpdated),
                renamed=EVENT_OF_PROFILE,
                lacks={"the envelope has the time and the version": "updated_at version"},
                adds={"skills have a table of their own": "skill_ids skills"},
            ),
            Place(
                "GraphQL type",
                graphql(musician_types.Musician, {"location": MusicianLocation}, "hourly_rate"),
                renamed={"availability": "availability_schedule"},
                lacks={LINKS: "user_id"},
                adds={"links": "user skills", "it has a table of its own": "profile_document"},
            ),
        ],
    ),
    "request": (
        table(request_tables.requests),
        [
            Place("record", struct(RequestRecord)),
            Place("state", struct(RequestState), lacks=OF_STREAM),
            Place(
                "event",
                struct(requests.RequestUpdated),
                renamed=EVENT_OF_REQUEST,
                lacks={"the envelope has the time and the version": "updated_at version"},
            ),
            Place(
                "GraphQL type",
                graphql(request_types.MusicianRequest, {"location": EventPlace}, "budget_min"),
                renamed={"required_skills": "required_skill_ids"},
                lacks={LINKS: "client_id"},
                adds={
                    "links": "client applications my_application booking",
                    "computed from the times": "duration_hours",
                },
            ),
        ],
    ),
    "booking": (
        table(request_tables.bookings),
        [
            Place("record", struct(BookingRecord)),
            Place("state", struct(BookingState), lacks=OF_STREAM),
            Place(
                "event",
                struct(requests.BookingMade),
                renamed={"booking_id": "id"},
                lacks={
                    "the envelope has the time and the version": "created_at updated_at version",
                    "the event is about the booking alone": "application_id",
                    "what only this service needs": "is_offered objection",
                },
                adds={"for notifications, from the request": "title urgency_level"},
            ),
            Place(
                "GraphQL type",
                graphql(request_types.Booking, priced="price"),
                lacks={
                    LINKS: "request_id client_id musician_id musician_user_id application_id",
                    "shown by bookingHistory": "version",
                    "an offer that is still being made": "is_offered",
                },
                adds={"links": "request client musician", "computed from the times": "duration_hours"},
            ),
        ],
    ),
    "escrow": (
        table(escrows),
        [
            Place("record", struct(EscrowRecord)),
            Place("state", struct(EscrowState), lacks=OF_STREAM),
            Place(
                "event",
                struct(payments.EscrowCreated),
                renamed={"escrow_id": "id"},
                lacks={"the envelope has the time": "created_at updated_at"},
            ),
            Place(
                "GraphQL type",
                graphql(payment_types.Escrow, priced="amount"),
                lacks={LINKS: "booking_id request_id client_id musician_id musician_user_id"},
                adds={"links": "booking request client musician refunds"},
            ),
        ],
    ),
}
"""The table of each aggregate, which is the reference, and the other places in its service."""

NO_RANKING: Final = "rankings do not use it"
MATCHED_PROFILE: Final = {
    NO_RANKING: "bio address city country availability_schedule portfolio_urls created_at",
    "rankings compare ids": "skills",
}
MATCHED_REQUEST: Final = {
    NO_RANKING: "description event_date start_time end_time address city country created_at"
}
COPIES: Final[Mapping[str, tuple[type[Event], Sequence[Place]]]] = {
    "profile": (
        musicians.MusicianProfileUpdated,
        [
            Place("struct in matching", struct(matching.MusicianFacts), lacks=MATCHED_PROFILE),
            Place("table in matching", table(matching_tables.musicians), lacks=MATCHED_PROFILE, adds=COPIED),
            Place(
                "table in read_side",
                table(read_side.musicians),
                adds={
                    "from reviews": "rating rating_order rating_sum total_reviews",
                    "from accounts and activity": "is_active is_available last_active",
                    "words for the search": "search",
                },
            ),
        ],
    ),
    "request": (
        requests.RequestUpdated,
        [
            Place("struct in matching", struct(matching.RequestFacts), lacks=MATCHED_REQUEST),
            Place("table in matching", table(matching_tables.requests), lacks=MATCHED_REQUEST, adds=COPIED),
            Place(
                "table in read_side",
                table(read_side.requests),
                renamed={"required_skill_ids": "skill_ids"},
                adds={
                    "from users, profiles and applications": "client_name required_skills total_applications",
                    "words for the search": "search",
                },
            ),
        ],
    ),
}
"""The event of each aggregate, which is the reference, and the copies in other services."""

READERS: Final[Sequence[tuple[str, type[Any], Sequence[type[Event]], str]]] = [
    ("booking in reviews", reviews.BookingCompleted, [requests.BookingCompleted], ""),
    (
        "booking in notifications",
        notifications.BookingFacts,
        [requests.BookingMade, requests.BookingConfirmed, requests.BookingCompleted],
        "",
    ),
    (
        "copy of a booking in notifications",
        notifications.BookingCopyFacts,
        [requests.BookingMade, requests.BookingConfirmed, requests.BookingCancelled],
        "",
    ),
    ("moved request in notifications", notifications.MovedRequestFacts, [requests.RequestMoved], ""),
    ("payout in reviews", reviews.Payout, [payments.EscrowReleased, payments.EscrowRefunded], ""),
    (
        "application in notifications",
        notifications.ApplicationFacts,
        [requests.ApplicationSubmitted, requests.ApplicationRejected, requests.ApplicationWithdrawn],
        "",
    ),
]
"""Structs that read parts of events, the events, and the optional fields that these events do not have."""


def names_in(reasons: Reasons) -> set[str]:
    """Return all names in the values."""
    return {name for names in reasons.values() for name in names.split()}


def shape(hint: Any) -> Any:
    """Return a type without the differences that encoding hides: the kind of sequence or mapping.

    Whether a value may be None is part of the result.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return frozenset(shape(part) for part in inner)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "object"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return ("list", shape(inner[0]))
    return hint


def differences(reference: Fields, place: Place) -> list[str]:
    """Return the fields that only the place or only the reference has, beyond the intended differences."""
    own = {place.renamed.get(name, name): hint for name, hint in place.fields.items()}
    lacking, added = names_in(place.lacks), names_in(place.adds)
    found = [f"{name}: not in the {place.name}" for name in sorted(reference.keys() - own.keys() - lacking)]
    found += [f"{name}: only in the {place.name}" for name in sorted(own.keys() - reference.keys() - added)]
    for name in sorted(
        (lacking - (reference.keys() - own.keys())) | (added - (own.keys() - reference.keys()))
    ):
        found.append(f"{name}: listed as a difference of the {place.name}, but it is none")
    for name in sorted(reference.keys() & own.keys()):
        hints = (reference[name], own[name])
        if None not in hints and shape(hints[0]) != shape(hints[1]):
            found.append(f"{name}: {hints[0]} and in the {place.name} {hints[1]}")
    return found


def cases() -> Iterable[Any]:
    """Return each aggregate with each of its places."""
    for aggregate, (columns, places) in OWNERS.items():
        for place in places:
            yield pytest.param(aggregate, columns, place, id=f"{aggregate}-{place.name}")
    for aggregate, (event, places) in COPIES.items():
        for place in places:
            yield pytest.param(aggregate, struct(event), place, id=f"{aggregate}-{place.name}")


@pytest.mark.parametrize(("aggregate", "reference", "place"), list(cases()))
def test_every_place_lists_the_fields(aggregate: str, reference: Fields, place: Place) -> None:
    """A table, a record, a state, an event, a GraphQL type or a copy has the fields of the reference."""
    found = differences(reference, place)
    assert not found, "; ".join(f"{aggregate}.{difference}" for difference in found)


@pytest.mark.parametrize("aggregate", sorted(OWNERS))
def test_record_state_and_event_agree_in_types(aggregate: str) -> None:
    """A field has one type, except that the encoding of lists and objects may differ."""
    record, *others = (place for place in OWNERS[aggregate][1] if place.name != "GraphQL type")
    for place in others:
        own = {place.renamed.get(name, name): hint for name, hint in place.fields.items()}
        shared = {name: hint for name, hint in own.items() if name in record.fields}
        expected = {name: record.fields[name] for name in shared}
        assert differences(expected, Place(f"{place.name} of the {aggregate}", shared)) == []


@pytest.mark.parametrize(
    ("reader", "events", "optional"),
    [pytest.param(reader, events, optional, id=name) for name, reader, events, optional in READERS],
)
def test_readers_read_what_events_have(
    reader: type[Any], events: Sequence[type[Event]], optional: str
) -> None:
    """Every field of the reader's struct is in each event, with the same type."""
    for event in events:
        available, wanted = struct(event), struct(reader)
        assert set(optional.split()) == wanted.keys() - available.keys(), event.__name__
        if optional:
            wanted = {name: hint for name, hint in wanted.items() if name not in optional.split()}
        for name, hint in wanted.items():
            assert shape(hint) in (shape(available[name]), frozenset({shape(available[name]), type(None)})), (
                name
            )


def test_a_forgotten_field_is_named() -> None:
    """A missing field, a new field, an unneeded exception, and another type are found."""
    reference = {"id": None, "title": str, "price": Decimal}
    place = Place("event", {"title": bytes, "length": int}, lacks={"why": "id title"})
    assert differences(reference, place) == [
        "price: not in the event",
        "length: only in the event",
        "title: listed as a difference of the event, but it is none",
        "title: <class 'str'> and in the event <class 'bytes'>",
    ]
