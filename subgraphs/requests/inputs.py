"""The inputs of the requests subgraph, and how they become orders."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import input_type
from subgraphs.kit.identity import Identity
from subgraphs.requests.enums import RequestStatus, UrgencyLevel
from subgraphs.requests.messages import Budget, Place, PublishRequest, UpdateRequest, WallTimes
from subgraphs.requests.model import MOST_SKILLS
from subgraphs.requests.store import Near, RequestFilter

_HALF_THE_EARTH_KM = 20_040.0


@input_type
class NearInput:
    """A circle around a place."""

    lat: float = strawberry.field(description="Degrees north, -90 to 90.")
    lng: float = strawberry.field(description="Degrees east, -180 to 180.")
    km: float = strawberry.field(default=50.0, description="The radius in kilometres.")

    def read(self) -> Near:
        """The circle, checked."""
        return Near(
            checks.decimal(self.lat, "lat", -90, 90),
            checks.decimal(self.lng, "lng", -180, 180),
            checks.decimal(self.km, "km", 0, _HALF_THE_EARTH_KM),
        )


@input_type
class RequestFilterInput:
    """Which requests are wanted; what is left out does not narrow."""

    status: list[RequestStatus] | None = strawberry.field(default=None, description="One of these.")
    urgency: list[UrgencyLevel] | None = strawberry.field(default=None, description="One of these.")
    skills: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Ids of skills, all required."
    )
    starts_from: datetime | None = strawberry.field(
        default=None, name="from", description="Events that start then or later; without an offset it is UTC."
    )
    starts_to: datetime | None = strawberry.field(
        default=None, name="to", description="Events that start then or earlier; without an offset it is UTC."
    )
    near: NearInput | None = strawberry.field(default=None, description="Events in this circle.")

    def read(self) -> RequestFilter:
        """The filter, checked."""
        earliest, latest = _in_utc(self.starts_from, "from"), _in_utc(self.starts_to, "to")
        if earliest and latest and earliest > latest:
            raise BadUserInput("'from' is after 'to'", "from")
        return RequestFilter(
            statuses=tuple(status.value for status in self.status or ()),
            urgency_levels=tuple(level.value for level in self.urgency or ()),
            skill_ids=checks.identifiers(self.skills or [], "skills", MOST_SKILLS),
            starts_from=earliest,
            starts_to=latest,
            near=self.near.read() if self.near else None,
        )


def _in_utc(moment: datetime | None, field: str) -> datetime | None:
    if moment is None:
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise BadUserInput(f"'{field}' is outside of the calendar", field) from None


@input_type
class PlaceInput:
    """Where the event is."""

    latitude: float = strawberry.field(description="Degrees north, -90 to 90.")
    longitude: float = strawberry.field(description="Degrees east, -180 to 180.")
    address: str = strawberry.field(default="", description="Street and house.")
    city: str = strawberry.field(default="", description="The city.")
    country: str = strawberry.field(default="", description="The country's code of two letters.")


@input_type
class PublishRequestInput:
    """What a client looks for."""

    title: str = strawberry.field(description="What is looked for, in at most 200 characters.")
    description: str = strawberry.field(default="", description="The same at length.")
    event_date: date = strawberry.field(description="The day of the event at its place.")
    start_time: time = strawberry.field(description="When it begins, by the clock on the wall there.")
    end_time: time = strawberry.field(description="When it ends; before the beginning it is the next day.")
    end_date: date | None = strawberry.field(
        default=None, description="The day on which it ends, for whoever wants to say so."
    )
    time_zone: str = strawberry.field(description="The place's IANA time zone, such as Europe/Berlin.")
    budget_min: Decimal = strawberry.field(description="The least that you would pay for the whole event.")
    budget_max: Decimal = strawberry.field(description="The most that you would pay for the whole event.")
    currency: str = strawberry.field(default="EUR", description="The currency's ISO code.")
    location: PlaceInput = strawberry.field(description="Where it is.")
    required_skills: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Ids of skills that the musician must have."
    )
    urgency_level: UrgencyLevel = strawberry.field(
        default=UrgencyLevel.MEDIUM, description="How soon you need an answer."
    )

    def read(self, by: Identity) -> PublishRequest:
        """The order of this caller."""
        place = self.location
        return PublishRequest(
            by=by,
            title=self.title,
            description=self.description,
            times=WallTimes(
                event_date=self.event_date,
                start_time=self.start_time,
                end_time=self.end_time,
                time_zone=self.time_zone,
                end_date=self.end_date,
            ),
            budget=Budget(least=self.budget_min, most=self.budget_max, currency=self.currency),
            place=Place(
                latitude=place.latitude,
                longitude=place.longitude,
                address=place.address,
                city=place.city,
                country=place.country,
            ),
            required_skill_ids=checks.identifiers(self.required_skills, "requiredSkills", MOST_SKILLS),
            urgency_level=self.urgency_level.value,
        )


@input_type
class UpdateRequestInput:
    """What to change in a request; what is left out stays."""

    title: str | None = strawberry.field(default=None, description="What is looked for, in a line.")
    description: str | None = strawberry.field(default=None, description="The same at length.")
    budget_min: Decimal | None = strawberry.field(default=None, description="The least that you would pay.")
    budget_max: Decimal | None = strawberry.field(default=None, description="The most that you would pay.")
    required_skills: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Ids of skills that the musician must have."
    )
    urgency_level: UrgencyLevel | None = strawberry.field(
        default=None, description="How soon you need an answer."
    )

    def read(self, by: Identity, request_id: str) -> UpdateRequest:
        """The order of this caller."""
        skills = self.required_skills
        return UpdateRequest(
            by=by,
            request_id=checks.identifier(request_id, "id"),
            title=self.title,
            description=self.description,
            budget_min=self.budget_min,
            budget_max=self.budget_max,
            required_skill_ids=None
            if skills is None
            else checks.identifiers(skills, "requiredSkills", MOST_SKILLS),
            urgency_level=self.urgency_level.value if self.urgency_level else None,
        )


@input_type
class ApplicationInput:
    """A musician's offer."""

    proposed_price: Decimal = strawberry.field(
        description="What you ask for the whole event, in its currency."
    )
    message: str = strawberry.field(default="", description="What you say to the client.")
