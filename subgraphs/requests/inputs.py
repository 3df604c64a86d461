"""The GraphQL inputs of the requests subgraph; their methods `read` convert them to commands and filters."""

from datetime import date, datetime, time
from decimal import Decimal

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.geography import Circle
from subgraphs.kit.graphql import input_type
from subgraphs.kit.identity import Identity
from subgraphs.requests.enums import RequestStatus, UrgencyLevel
from subgraphs.requests.messages import Budget, Place, PublishRequest, UpdateRequest, WallTimes
from subgraphs.requests.model import MAX_SKILLS
from subgraphs.requests.store import RequestFilter


@input_type
class NearInput:
    """A circle around a point."""

    lat: float = strawberry.field(description="Degrees north, -90 to 90.")
    lng: float = strawberry.field(description="Degrees east, -180 to 180.")
    km: float = strawberry.field(default=50.0, description="The radius in kilometres.")

    def read(self) -> Circle:
        """Return the checked circle. Raises BadUserInput."""
        return Circle.read(self.lat, self.lng, self.km, ("lat", "lng", "km"))


@input_type
class RequestFilterInput:
    """Conditions on the listed requests, joined by AND."""

    status: list[RequestStatus] | None = strawberry.field(
        default=None, description="Requests with one of these statuses."
    )
    urgency: list[UrgencyLevel] | None = strawberry.field(
        default=None, description="Requests with one of these urgency levels."
    )
    skills: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Ids of skills, all of which the request requires."
    )
    starts_from: datetime | None = strawberry.field(
        default=None,
        name="from",
        description="Events that start at this time or later; a time without an offset is in UTC.",
    )
    starts_to: datetime | None = strawberry.field(
        default=None,
        name="to",
        description="Events that start at this time or earlier; a time without an offset is in UTC.",
    )
    near: NearInput | None = strawberry.field(default=None, description="Events in this circle.")

    def read(self) -> RequestFilter:
        """Return the checked filter. Raises BadUserInput."""
        earliest, latest = checks.period(self.starts_from, self.starts_to, ("from", "to"))
        return RequestFilter(
            statuses=tuple(status.value for status in self.status or ()),
            urgency_levels=tuple(level.value for level in self.urgency or ()),
            skill_ids=checks.identifiers(self.skills or [], "skills", MAX_SKILLS),
            starts_from=earliest,
            starts_to=latest,
            near=self.near.read() if self.near else None,
        )


@input_type
class PlaceInput:
    """The place of an event."""

    latitude: float = strawberry.field(description="Degrees north, -90 to 90.")
    longitude: float = strawberry.field(description="Degrees east, -180 to 180.")
    address: str = strawberry.field(default="", description="Street and number.")
    city: str = strawberry.field(default="", description="The city.")
    country: str = strawberry.field(default="", description="The country's code of two letters.")


@input_type
class PublishRequestInput:
    """A new request for a musician."""

    title: str = strawberry.field(description="The title, at most 200 characters.")
    description: str = strawberry.field(default="", description="A longer description.")
    event_date: date = strawberry.field(description="The local day on which the event starts.")
    start_time: time = strawberry.field(description="The local time at which the event starts.")
    end_time: time = strawberry.field(
        description="The local time at which the event ends; if it is before `startTime`, on the next day."
    )
    end_date: date | None = strawberry.field(
        default=None, description="The local day on which the event ends, by default derived from the times."
    )
    time_zone: str = strawberry.field(
        description="The IANA time zone of the event's place, such as Europe/Berlin."
    )
    budget_min: Decimal = strawberry.field(description="The lowest price for the whole event.")
    budget_max: Decimal = strawberry.field(description="The highest price for the whole event.")
    currency: str = strawberry.field(
        default="EUR", description="The currency's code of three letters (ISO 4217)."
    )
    location: PlaceInput = strawberry.field(description="The place of the event.")
    required_skills: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Ids of skills that the musician must have."
    )
    urgency_level: UrgencyLevel = strawberry.field(
        default=UrgencyLevel.MEDIUM, description="How soon you need applications."
    )

    def read(self, by: Identity) -> PublishRequest:
        """Return the command to publish the request of the caller `by`. Raises BadUserInput."""
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
            required_skill_ids=checks.identifiers(self.required_skills, "requiredSkills", MAX_SKILLS),
            urgency_level=self.urgency_level.value,
        )


@input_type
class UpdateRequestInput:
    """Changes of a request; an absent field is not changed."""

    title: str | None = strawberry.field(default=None, description="The title, at most 200 characters.")
    description: str | None = strawberry.field(default=None, description="A longer description.")
    budget_min: Decimal | None = strawberry.field(
        default=None, description="The lowest price for the whole event."
    )
    budget_max: Decimal | None = strawberry.field(
        default=None, description="The highest price for the whole event."
    )
    required_skills: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Ids of skills that the musician must have."
    )
    urgency_level: UrgencyLevel | None = strawberry.field(
        default=None, description="How soon you need applications."
    )

    def read(self, by: Identity, request_id: str) -> UpdateRequest:
        """Return the command to change the request of the caller `by`. Raises BadUserInput."""
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
            else checks.identifiers(skills, "requiredSkills", MAX_SKILLS),
            urgency_level=self.urgency_level.value if self.urgency_level else None,
        )


@input_type
class ApplicationInput:
    """A musician's application to a request."""

    proposed_price: Decimal = strawberry.field(
        description="The musician's price for the whole event, in the request's currency."
    )
    message: str = strawberry.field(default="", description="A message to the client.")
