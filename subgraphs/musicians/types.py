"""The GraphQL types of the musicians subgraph.

The method `of` makes an object from a record; `resolve_reference` resolves the representation of an entity.
"""

import enum
from datetime import datetime
from decimal import Decimal

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit.graphql import enum_type, input_type, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.musicians.loaders import MusiciansContext
from subgraphs.musicians.model import Profile, SkillRecord

Info = strawberry.Info[MusiciansContext, None]
UNSET = strawberry.UNSET


@enum_type
class SkillCategory(enum.Enum):
    """The category of a skill."""

    INSTRUMENT = "instrument"
    GENRE = "genre"
    STYLE = "style"


@enum_type
class MusicianOrder(enum.Enum):
    """The order of a list of musicians."""

    NEWEST = "newest"
    RATE_ASC = "rate_asc"
    RATE_DESC = "rate_desc"
    EXPERIENCE_DESC = "experience_desc"
    NAME_ASC = "name_asc"


@object_type(keys=["id"])
class Skill:
    """An instrument, a genre or a style."""

    id: strawberry.ID = strawberry.field(description="The skill's id.")
    name: str = strawberry.field(description="The skill's name.")
    category: SkillCategory = strawberry.field(description="Instrument, genre or style.")
    description: str = strawberry.field(description="A description of the skill.")
    icon_url: str | None = strawberry.field(description="The URL of an icon.")

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Skill | None":
        """Return the skill with this id, None if there is none."""
        skill_id = uuid_of(id)
        record = await info.context.skills.load(skill_id) if skill_id else None
        return cls.of(record) if record else None

    @classmethod
    def of(cls, record: SkillRecord) -> "Skill":
        """Return the GraphQL object of a record."""
        return cls(
            id=strawberry.ID(str(record.id)),
            name=record.name,
            category=SkillCategory(record.category),
            description=record.description,
            icon_url=record.icon_url,
        )


@object_type()
class MusicianLocation:
    """The place where a musician lives, from which distances are computed."""

    latitude: float = strawberry.field(description="Degrees north.")
    longitude: float = strawberry.field(description="Degrees east.")
    address: str | None = strawberry.field(description="Street and number; public.")
    city: str | None = strawberry.field(description="The city.")
    country: str | None = strawberry.field(description="The country's code of two letters (ISO 3166-1).")


@object_type(keys=["id"])
class Musician:
    """A musician who can be booked."""

    id: strawberry.ID = strawberry.field(description="The profile's id, which is not the user's id.")
    stage_name: str = strawberry.field(description="The stage name.")
    bio: str = strawberry.field(description="The musician's self-description.")
    hourly_rate: Decimal = strawberry.field(description="The price of an hour, in `currency`.")
    currency: str = strawberry.field(description="The currency's code of three letters (ISO 4217).")
    experience_years: int = strawberry.field(description="Years of experience on stage.")
    portfolio_urls: list[str] = strawberry.field(description="URLs of recordings, pictures and pages.")
    created_at: datetime = strawberry.field(description="When the profile was created.")
    updated_at: datetime = strawberry.field(description="When the profile was last changed.")
    profile: strawberry.Private[Profile]

    @resolver
    def user(self) -> "User | None":
        """The user who owns the profile."""
        return User(id=strawberry.ID(str(self.profile.user_id)))

    @resolver
    def location(self) -> MusicianLocation | None:
        """The place where the musician lives."""
        profile = self.profile
        if profile.latitude is None or profile.longitude is None:
            return None
        return MusicianLocation(
            latitude=profile.latitude,
            longitude=profile.longitude,
            address=profile.address,
            city=profile.city,
            country=profile.country,
        )

    @resolver
    def availability(self) -> JSON | None:
        """When the musician is usually available, by day: {"friday": [{"from": "18:00", "to": "02:00"}]}."""
        return JSON(self.profile.availability_schedule)

    @resolver
    async def skills(self, info: Info) -> list[Skill] | None:
        """The musician's instruments, genres and styles."""
        return [Skill.of(record) for record in await info.context.skills_of_musicians.load(self.profile.id)]

    @resolver
    async def profile_document(self, info: Info) -> JSON | None:
        """Further information in free form, such as portfolio, press and riders."""
        document = await info.context.documents.load(self.profile.id)
        return JSON(document) if document is not None else None

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Musician | None":
        """Return the musician with this id, None if there is none."""
        musician_id = uuid_of(id)
        profile = await info.context.profiles.load(musician_id) if musician_id else None
        return cls.of(profile) if profile else None

    @classmethod
    def of(cls, profile: Profile) -> "Musician":
        """Return the GraphQL object of a profile."""
        return cls(
            id=strawberry.ID(str(profile.id)),
            stage_name=profile.stage_name,
            bio=profile.bio,
            hourly_rate=profile.hourly_rate,
            currency=profile.currency,
            experience_years=profile.experience_years,
            portfolio_urls=list(profile.portfolio_urls),
            created_at=profile.created_at,
            updated_at=profile.updated_at,
            profile=profile,
        )


@object_type(keys=["id"])
class User:
    """A user, with the profile as a musician."""

    id: strawberry.ID = strawberry.field(description="The user's id.")

    @resolver
    async def musician_profile(self, info: Info) -> Musician | None:
        """The user's profile as a musician; null if there is none."""
        user_id = uuid_of(self.id)
        profile = await info.context.profiles_of_users.load(user_id) if user_id else None
        return Musician.of(profile) if profile else None

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "User":
        """Return the user with this id, without a check that it exists: the users service does it."""
        return cls(id=id)


@input_type
class MusicianFilter:
    """Conditions on the listed musicians, joined by AND."""

    skills: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Ids or names of skills, all of which the musician must have."
    )
    city: str | None = strawberry.field(default=None, description="The city where the musician lives.")
    min_rate: Decimal | None = strawberry.field(default=None, description="The lowest hourly rate.")
    max_rate: Decimal | None = strawberry.field(default=None, description="The highest hourly rate.")
    min_experience: int | None = strawberry.field(
        default=None, description="The lowest number of years of experience."
    )
    search: str | None = strawberry.field(default=None, description="A part of the stage name.")


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
    hourly_rate: Decimal = strawberry.field(description="The price of an hour, not negative.")
    bio: str = strawberry.field(default="", description="The self-description, up to 5,000 characters.")
    currency: str = strawberry.field(
        default="EUR", description="The currency's code of three letters (ISO 4217)."
    )
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
    skills: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Up to 30 ids or names of skills."
    )
    profile_document: JSON | None = strawberry.field(default=None, description="Any JSON object up to 64 kB.")


@input_type
class UpdateMusicianProfileInput:
    """Changes of a profile: an absent field is not changed, null clears an optional field."""

    stage_name: str | None = strawberry.field(default=UNSET, description="The stage name.")
    hourly_rate: Decimal | None = strawberry.field(default=UNSET, description="The price of an hour.")
    bio: str | None = strawberry.field(
        default=UNSET, description="The self-description, up to 5,000 characters."
    )
    currency: str | None = strawberry.field(default=UNSET, description="A code of three letters (ISO 4217).")
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
    skills: list[strawberry.ID] | None = strawberry.field(
        default=UNSET, description="Up to 30 ids or names of skills."
    )
    profile_document: JSON | None = strawberry.field(
        default=UNSET, description="Any JSON object up to 64 kB."
    )
