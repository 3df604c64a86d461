"""The GraphQL input types of the musicians subgraph, and its arguments with descriptions."""

from typing import Annotated, Final

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit.graphql import UNSET, input_type
from subgraphs.kit.money import MoneyInput
from subgraphs.musicians.types import SkillCategory

_SKILLS: Final = "Up to 30 ids or names of skills in the catalogue."
Category = Annotated[SkillCategory | None, strawberry.argument(description="Only skills of this category.")]
ExpectedVersion = Annotated[
    int | None,
    strawberry.argument(
        description="The `version` of the profile that the user has seen: if somebody has changed it since,"
        " nothing is changed, and the user error VERSION_CONFLICT is returned."
    ),
]


@input_type
class MusicianLocationInput:
    """The place where a musician lives."""

    latitude: float = strawberry.field(description="Degrees north, -90 to 90.")
    longitude: float = strawberry.field(description="Degrees east, -180 to 180.")
    address: str | None = strawberry.field(default=None, description="Street and number; public.")
    city: str | None = strawberry.field(default=None, description="The city.")
    country: str | None = strawberry.field(
        default=None, description="The country's code of two letters (ISO 3166-1)."
    )


@input_type
class CreateMusicianProfileInput:
    """A new profile."""

    stage_name: str = strawberry.field(description="The stage name, up to 100 characters.")
    hourly_rate: MoneyInput = strawberry.field(description="The price of an hour.")
    bio: str = strawberry.field(default="", description="The self-description, up to 5,000 characters.")
    experience_years: int = strawberry.field(default=0, description="Years on stage, 0 to 80.")
    location: MusicianLocationInput | None = strawberry.field(
        default=None, description="The place where the musician lives."
    )
    availability: JSON | None = strawberry.field(
        default=None, description='The usual times in a week: {"friday": [{"from": "18:00", "to": "02:00"}]}.'
    )
    portfolio_urls: list[str] = strawberry.field(
        default_factory=list, description="Up to 20 http or https URLs."
    )
    skills: list[strawberry.ID] = strawberry.field(default_factory=list, description=_SKILLS)
    profile_document: JSON | None = strawberry.field(default=None, description="Any JSON object up to 64 kB.")


@input_type
class UpdateMusicianProfileInput:
    """Changes of a profile: an absent field is not changed, null clears an optional field."""

    stage_name: str | None = strawberry.field(default=UNSET, description="The stage name.")
    hourly_rate: MoneyInput | None = strawberry.field(default=UNSET, description="The price of an hour.")
    bio: str | None = strawberry.field(
        default=UNSET, description="The self-description, up to 5,000 characters."
    )
    experience_years: int | None = strawberry.field(default=UNSET, description="Years on stage, 0 to 80.")
    location: MusicianLocationInput | None = strawberry.field(
        default=UNSET, description="The place where the musician lives."
    )
    availability: JSON | None = strawberry.field(
        default=UNSET,
        description='The usual times in a week: {"friday": [{"from": "18:00", "to": "02:00"}]}.',
    )
    portfolio_urls: list[str] | None = strawberry.field(
        default=UNSET, description="Up to 20 http or https URLs."
    )
    skills: list[strawberry.ID] | None = strawberry.field(default=UNSET, description=_SKILLS)
    profile_document: JSON | None = strawberry.field(
        default=UNSET, description="Any JSON object up to 64 kB."
    )
