"""Queries and mutations of the musicians subgraph, and the hidden fields for the consistency check.

Mutations send commands to the bus.
"""

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import ColumnElement

from subgraphs.kit import checks
from subgraphs.kit.cache_hints import public
from subgraphs.kit.commands.status import CommandStatus, status_of
from subgraphs.kit.copies import digests_field, rows_field, verify_field, versions_field
from subgraphs.kit.errors import BadUserInput, NotFound
from subgraphs.kit.graphql import Schema, field_with, for_role, for_users, object_type, provided, resolver
from subgraphs.kit.history import as_of_field, history_field
from subgraphs.kit.idempotency_keys import IdempotencyKey, RequiredKey, command_id_of
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.pagination import After, Before, First, Last, Page
from subgraphs.kit.payloads import user_errors
from subgraphs.musicians import store
from subgraphs.musicians.aggregates import ORIGINALS, PROFILES
from subgraphs.musicians.handlers import skill_ids
from subgraphs.musicians.inputs import (
    Category,
    CreateMusicianProfileInput,
    ExpectedVersion,
    UpdateMusicianProfileInput,
)
from subgraphs.musicians.listed import (
    MusicianProfileConnection,
    MusicianProfileFilter,
    MusicianProfileOrder,
)
from subgraphs.musicians.messages import CreateProfile, UpdateProfile
from subgraphs.musicians.model import Profile
from subgraphs.musicians.payloads import CreateMusicianProfilePayload, UpdateMusicianProfilePayload
from subgraphs.musicians.tables import PROFILE_ROWS
from subgraphs.musicians.types import Info, Musician, Skill, User

ForceRefresh = Annotated[
    bool,
    strawberry.argument(
        description="Read the profile from the database, not from a cache; ignored without a token."
    ),
]


async def _own_profile(info: Info, id: str) -> UUID:
    """Return the parsed id of a profile.

    Raises NotFound, and Forbidden unless the caller owns it or is an admin.
    """
    profile = await info.context.profiles.load(checks.identifier(id, "id", "Musician"))
    if profile is None:
        raise NotFound(f"There is no musician with the id {id}")
    info.context.require_owner_or_admin(profile.user_id)
    return profile.id


@object_type()
class Query:
    """Queries about musicians."""

    @resolver
    async def musician(
        self, info: Info, id: strawberry.ID, force_refresh: ForceRefresh = False
    ) -> Musician | None:
        """The musician with this id; null if there is none."""
        key = uuid_of(id, "Musician")
        info.context.tag_reply("Musician", key)
        if key is None or not force_refresh or info.context.identity is None:
            return await Musician.load(info, key)
        profile = await info.context.refreshed_profile(key)
        return Musician.of(profile) if profile is not None else None

    @field_with(inaccessible=True)
    async def musician_profiles(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: MusicianProfileFilter | None = None,
        order_by: MusicianProfileOrder = MusicianProfileOrder.NEWEST,
    ) -> MusicianProfileConnection | None:
        """The profiles that fulfil a filter, in pages; for services."""
        order = store.ORDERS[order_by.value]
        page = Page.of(order, first, after, last, before)
        conditions = await _conditions(info, filter) if filter else []
        database = info.context.database
        profiles = await PROFILE_ROWS.page(database, page, conditions)

        def key(profile: Profile) -> tuple[Any, UUID]:
            return getattr(profile, order.column.key or ""), profile.id

        return MusicianProfileConnection.of(
            page.connection(profiles, Musician.of, key, lambda: PROFILE_ROWS.count(database, conditions))
        )

    @resolver
    async def skill(self, info: Info, id: strawberry.ID) -> Skill | None:
        """The skill with this id; null if there is none."""
        return await Skill.load(info, uuid_of(id, "Skill"))

    @field_with(list_size=100, cached=public(300), cache_tags=("skills",))
    async def skills(self, info: Info, category: Category = None) -> list[Skill] | None:
        """The catalogue of skills, or one category."""
        records = await store.catalogue(info.context.database, category.value if category else None)
        return [Skill.of(record) for record in records]

    musician_history = history_field(
        PROFILES, _own_profile, "All changes of a profile, the newest first; for its musician and admins."
    )

    musician_as_of = as_of_field(
        PROFILES,
        _own_profile,
        "The state of a profile at a version or time, by default the newest; for its musician and admins.",
    )

    @for_users
    async def musician_command(self, info: Info, idempotency_key: RequiredKey) -> CommandStatus | None:
        """The status of a mutation of the profile that the caller has sent with an idempotency key."""
        return await status_of(info.context.database, info.context.require(), idempotency_key)

    copy_digests = digests_field(ORIGINALS)
    copy_versions = versions_field(ORIGINALS)
    copy_rows = rows_field(ORIGINALS)


@object_type()
class Mutation:
    """Mutations of musicians' profiles."""

    verify_rows = verify_field({"musician": PROFILES})

    @for_role("musician")
    @user_errors(CreateMusicianProfilePayload)
    async def create_musician_profile(
        self, info: Info, input: CreateMusicianProfileInput, idempotency_key: IdempotencyKey = None
    ) -> CreateMusicianProfilePayload | None:
        """Create the caller's profile; for users who registered as musicians."""
        by = info.context.require_role("musician")
        command = CreateProfile(by.user_id, _values(input))
        profile = await info.context.bus.handle(command, command_id_of(idempotency_key, by))
        return CreateMusicianProfilePayload(musician=Musician.of(info.context.changed(profile)))

    @for_role("musician")
    @user_errors(UpdateMusicianProfilePayload)
    async def update_musician_profile(
        self,
        info: Info,
        input: UpdateMusicianProfileInput,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> UpdateMusicianProfilePayload | None:
        """Change the caller's profile."""
        by = info.context.require_role("musician")
        command = UpdateProfile(by.user_id, _values(input), expected_version)
        profile = await info.context.bus.handle(command, command_id_of(idempotency_key, by))
        return UpdateMusicianProfilePayload(musician=Musician.of(info.context.changed(profile)))


def _values(input: CreateMusicianProfileInput | UpdateMusicianProfileInput) -> dict[str, Any]:
    """Return the provided fields of an input by name, with the location and the hourly rate as dicts."""
    values = provided(input)
    for name in ("location", "hourly_rate"):
        if values.get(name) is not None:
            values[name] = asdict(values[name])
    return values


async def _conditions(info: Info, wanted: MusicianProfileFilter) -> list[ColumnElement[bool]]:
    values = provided(wanted)
    for name, field in (("min_rate", "minRate"), ("max_rate", "maxRate")):
        if values[name] is not None:
            values[name] = checks.money(values[name], field)
    if wanted.min_rate is not None and wanted.max_rate is not None and wanted.min_rate > wanted.max_rate:
        raise BadUserInput(
            f"'minRate' must not be greater than 'maxRate', got {wanted.min_rate} and {wanted.max_rate}",
            "minRate",
        )
    for name in ("city", "search"):
        values[name] = checks.optional_text(values[name], name, 100)
    having = await skill_ids(info.context.database, values["skills"] or ())
    return store.conditions(values) + [store.has_skill(skill_id) for skill_id in having]


schema = Schema(Query, Mutation, types=[User])
