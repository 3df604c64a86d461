"""The GraphQL inputs of the requests subgraph; their methods `read` convert them to commands."""

from datetime import date, datetime, time
from decimal import Decimal
from uuid import UUID

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import input_type
from subgraphs.kit.identity import Identity
from subgraphs.kit.money import MoneyInput
from subgraphs.kit.vocabulary import UrgencyLevel
from subgraphs.requests import model
from subgraphs.requests.messages import (
    Budget,
    Place,
    PublishRequest,
    TimeChanges,
    UpdateRequest,
    WallTimes,
)
from subgraphs.requests.model import MAX_SKILLS


@input_type
class PlaceInput:
    """The place of an event."""

    latitude: float = strawberry.field(description="Degrees north, -90 to 90.")
    longitude: float = strawberry.field(description="Degrees east, -180 to 180.")
    address: str = strawberry.field(default="", description="Street and number.")
    city: str = strawberry.field(default="", description="The city.")
    country: str = strawberry.field(default="", description="The country's code of two letters.")

    def read(self) -> Place:
        """Return the place, which the rules of requests check."""
        return Place(**vars(self))


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
    budget_min: MoneyInput = strawberry.field(description="The lowest price for the whole event.")
    budget_max: MoneyInput = strawberry.field(
        description="The highest price for the whole event, in the same currency."
    )
    location: PlaceInput = strawberry.field(description="The place of the event.")
    required_skills: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="The skills that the musician must have."
    )
    urgency_level: UrgencyLevel = strawberry.field(
        default=UrgencyLevel.MEDIUM, description="How soon you need applications."
    )

    def read(self, by: Identity, now: datetime) -> PublishRequest:
        """Return the command to publish the request of the caller `by`.

        Raises BadUserInput with all wrong fields.
        """
        with checks.Mistakes() as mistakes:
            command = PublishRequest(
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
                budget=mistakes.check(_budget, self.budget_min, self.budget_max) or NO_BUDGET,
                place=self.location.read(),
                required_skill_ids=mistakes.check(_skills, self.required_skills) or (),
                urgency_level=self.urgency_level.value,
            )
            mistakes.check(model.published, command, now)
        return command


@input_type
class UpdateRequestInput:
    """Changes of a request; an absent field is not changed."""

    title: str | None = strawberry.field(default=None, description="The title, at most 200 characters.")
    description: str | None = strawberry.field(default=None, description="A longer description.")
    event_date: date | None = strawberry.field(
        default=None, description="The local day on which the event starts."
    )
    start_time: time | None = strawberry.field(
        default=None, description="The local time at which the event starts."
    )
    end_time: time | None = strawberry.field(
        default=None,
        description="The local time at which the event ends; if it is before `startTime`, on the next day.",
    )
    end_date: date | None = strawberry.field(
        default=None, description="The local day on which the event ends, by default derived from the times."
    )
    time_zone: str | None = strawberry.field(
        default=None, description="The IANA time zone of the event's place, such as Europe/Berlin."
    )
    location: PlaceInput | None = strawberry.field(default=None, description="The place of the event.")
    budget_min: MoneyInput | None = strawberry.field(
        default=None, description="The lowest price for the whole event."
    )
    budget_max: MoneyInput | None = strawberry.field(
        default=None, description="The highest price for the whole event."
    )
    required_skills: list[strawberry.ID] | None = strawberry.field(
        default=None, description="The skills that the musician must have."
    )
    urgency_level: UrgencyLevel | None = strawberry.field(
        default=None, description="How soon you need applications."
    )

    def read(self, by: Identity, request_id: str, expected_version: int | None) -> UpdateRequest:
        """Return the command to change the request of the caller `by`. Raises BadUserInput."""
        least, most, skills = self.budget_min, self.budget_max, self.required_skills
        with checks.Mistakes() as mistakes:
            key = mistakes.check(checks.identifier, request_id, "id", "MusicianRequest")
            currency = mistakes.check(_currency, least, most)
            skill_ids = None if skills is None else mistakes.check(_skills, skills)
        return UpdateRequest(
            by=by,
            request_id=key,
            title=self.title,
            description=self.description,
            budget_min=least.amount if least else None,
            budget_max=most.amount if most else None,
            currency=currency,
            times=TimeChanges(
                event_date=self.event_date,
                start_time=self.start_time,
                end_time=self.end_time,
                time_zone=self.time_zone,
                end_date=self.end_date,
            ),
            place=self.location.read() if self.location else None,
            required_skill_ids=skill_ids,
            urgency_level=self.urgency_level.value if self.urgency_level else None,
            expected_version=expected_version,
        )


NO_BUDGET = Budget(least=Decimal(0), most=Decimal(0))


def _skills(skills: list[strawberry.ID]) -> tuple[UUID, ...]:
    return checks.identifiers(skills, "requiredSkills", MAX_SKILLS, "Skill")


def _budget(least: MoneyInput, most: MoneyInput) -> Budget:
    return Budget(least=least.amount, most=most.amount, currency=_currency(least, most) or "")


def _currency(least: MoneyInput | None, most: MoneyInput | None) -> str | None:
    """Return the currency of both amounts of a budget. Raises BadUserInput if they differ."""
    if least and most and least.currency != most.currency:
        raise BadUserInput(
            f"'budgetMax' must be in the currency of 'budgetMin', {least.currency!r}, got {most.currency!r}",
            "budgetMax.currency",
        )
    given = least or most
    return given.currency if given else None


@input_type
class ApplicationInput:
    """A musician's application to a request."""

    proposed_price: MoneyInput = strawberry.field(
        description="The musician's price for the whole event, in the request's currency."
    )
    message: str = strawberry.field(default="", description="A message to the client.")


@input_type
class ChangeApplicationInput:
    """Changes of an application; an absent field is not changed."""

    proposed_price: MoneyInput | None = strawberry.field(
        default=None, description="The musician's price for the whole event, in the request's currency."
    )
    message: str | None = strawberry.field(default=None, description="A message to the client.")
