"""The GraphQL types of the musicians subgraph, except inputs and payloads.

The method `of` makes an object from a record; `resolve_reference` resolves the representation of an entity.
"""

import enum
from datetime import datetime
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit.cache_hints import public
from subgraphs.kit.graphql import enum_type, enum_value, field_with, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.money import Money
from subgraphs.kit.places import MusicianLocation
from subgraphs.musicians.loaders import MusiciansContext
from subgraphs.musicians.model import Profile, SkillRecord

Info = strawberry.Info[MusiciansContext, None]


@enum_type
class SkillCategory(enum.Enum):
    """The category of a skill."""

    INSTRUMENT = enum_value("instrument", "What the musician plays, such as Piano; also voices.")
    GENRE = enum_value("genre", "The kind of music, such as Jazz.")
    STYLE = enum_value("style", "How and where the musician performs, such as Duo or Wedding Ceremony.")


@object_type(keys=["uuid"], cached=public(300))
class Skill:
    """An instrument, a genre or a style."""

    uuid: strawberry.ID
    name: str = strawberry.field(description="The skill's name.")
    category: SkillCategory = strawberry.field(description="Instrument, genre or style.")
    description: str = strawberry.field(description="A description of the skill.")
    icon_url: str | None = strawberry.field(description="The URL of an icon.")

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Skill | None":
        """Return the skill with this UUID, None if there is none."""
        return await cls.load(info, uuid_of(uuid))

    @classmethod
    async def load(cls, info: Info, skill_id: UUID | None) -> "Skill | None":
        """Return the skill with this UUID, None if there is none."""
        record = await info.context.skills.load(skill_id) if skill_id else None
        return cls.of(record) if record else None

    @classmethod
    def of(cls, record: SkillRecord) -> "Skill":
        """Return the GraphQL object of a record."""
        return cls(
            uuid=strawberry.ID(str(record.id)),
            name=record.name,
            category=SkillCategory(record.category),
            description=record.description,
            icon_url=record.icon_url,
        )


@object_type(keys=["uuid"], cached=public(120))
class Musician:
    """A musician who can be booked."""

    uuid: strawberry.ID
    stage_name: str = strawberry.federation.field(shareable=True, description="The stage name.")
    bio: str = strawberry.federation.field(shareable=True, description="The musician's self-description.")
    hourly_rate: Money = strawberry.federation.field(shareable=True, description="The price of an hour.")
    experience_years: int = strawberry.federation.field(
        shareable=True, description="Years of experience on stage."
    )
    portfolio_urls: list[str] = strawberry.field(description="URLs of recordings, pictures and pages.")
    created_at: datetime = strawberry.federation.field(
        shareable=True, description="When the profile was created."
    )
    updated_at: datetime | None = strawberry.field(description="When the profile was last changed.")
    version: int = strawberry.field(
        description="The version of the profile, for `expectedVersion`; each change increments it."
    )
    profile: strawberry.Private[Profile]

    @resolver
    def user(self) -> "User | None":
        """The user who owns the profile."""
        return User(uuid=strawberry.ID(str(self.profile.user_id)))

    @field_with(shareable=True)
    def location(self) -> MusicianLocation | None:
        """The place where the musician lives."""
        return MusicianLocation.of(self.profile)

    @resolver
    def availability(self) -> JSON | None:
        """When the musician is usually available, by day: {"friday": [{"from": "18:00", "to": "02:00"}]}."""
        return JSON(self.profile.availability_schedule)

    @field_with(shareable=True)
    async def skills(self, info: Info) -> list[Skill] | None:
        """The musician's instruments, genres and styles."""
        return [Skill.of(record) for record in await info.context.skills_of_musicians.load(self.profile.id)]

    @resolver
    async def profile_document(self, info: Info) -> JSON | None:
        """Further information in free form, such as portfolio, press and riders."""
        document = await info.context.documents.load(self.profile.id)
        return JSON(document) if document is not None else None

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Musician | None":
        """Return the musician with this UUID, None if there is none."""
        return await cls.load(info, uuid_of(uuid))

    @classmethod
    async def load(cls, info: Info, musician_id: UUID | None) -> "Musician | None":
        """Return the musician with this UUID, perhaps from the cache; None if there is none."""
        profile = await info.context.cached_profiles.load(musician_id) if musician_id else None
        return cls.of(profile) if profile else None

    @classmethod
    def of(cls, profile: Profile) -> "Musician":
        """Return the GraphQL object of a profile."""
        return cls(
            uuid=strawberry.ID(str(profile.id)),
            stage_name=profile.stage_name,
            bio=profile.bio,
            hourly_rate=Money.of(profile.hourly_rate, profile.currency),
            experience_years=profile.experience_years,
            portfolio_urls=list(profile.portfolio_urls),
            created_at=profile.created_at,
            updated_at=profile.updated_at,
            version=profile.version,
            profile=profile,
        )


@object_type(keys=["uuid"])
class User:
    """A user, with the profile as a musician."""

    uuid: strawberry.ID

    @resolver
    async def musician_profile(self, info: Info) -> Musician | None:
        """The user's profile as a musician; null if there is none."""
        user_id = uuid_of(self.uuid)
        profile = await info.context.profiles_of_users.load(user_id) if user_id else None
        return Musician.of(profile) if profile else None

    @classmethod
    def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "User":
        """Return the user with this id, without a check that it exists: the users service does it."""
        return cls(uuid=uuid)
