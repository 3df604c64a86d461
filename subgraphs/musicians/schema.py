"""Queries and mutations of the musicians subgraph, and the hidden fields for the consistency check.

Mutations send commands to the bus.
"""

from dataclasses import asdict
from typing import Any
from uuid import UUID

import strawberry
from sqlalchemy import ColumnElement

from subgraphs.kit import checks
from subgraphs.kit.commands.status import CommandId, CommandStatus, command_id_of, status_of
from subgraphs.kit.copies import digests_field, rows_field, verify_field, versions_field
from subgraphs.kit.errors import BadUserInput, NotFound
from subgraphs.kit.graphql import Schema, field_with, for_role, for_users, object_type, provided, resolver
from subgraphs.kit.history import as_of_field, history_field
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, First, Page
from subgraphs.musicians import store
from subgraphs.musicians.aggregates import ORIGINALS, PROFILES
from subgraphs.musicians.handlers import skill_ids
from subgraphs.musicians.messages import CreateProfile, UpdateProfile
from subgraphs.musicians.model import Profile
from subgraphs.musicians.tables import PROFILE_ROWS
from subgraphs.musicians.types import (
    CreateMusicianProfileInput,
    Info,
    Musician,
    MusicianFilter,
    MusicianOrder,
    Skill,
    SkillCategory,
    UpdateMusicianProfileInput,
    User,
)


async def _own_profile(info: Info, id: str) -> UUID:
    """Return the parsed id of a profile.

    Raises NotFound, and Forbidden unless the caller owns it or is an admin.
    """
    profile = await info.context.profiles.load(checks.identifier(id, "id"))
    if profile is None:
        raise NotFound(f"There is no musician with the id {id}")
    info.context.require_owner_or_admin(profile.user_id)
    return profile.id


@object_type()
class Query:
    """Queries about musicians."""

    @resolver
    async def musician(self, info: Info, id: strawberry.ID) -> Musician | None:
        """The musician with this id; null if there is none."""
        return await Musician.resolve_reference(info, id)

    @resolver
    async def musicians(
        self,
        info: Info,
        first: First = DEFAULT_FIRST,
        after: After = None,
        filter: MusicianFilter | None = None,
        order_by: MusicianOrder = MusicianOrder.NEWEST,
    ) -> Connection[Musician] | None:
        """The musicians who fulfil a filter, in pages."""
        order = store.ORDERS[order_by.value]
        page = Page.of(order, first, after)
        conditions = await _conditions(info, filter) if filter else []
        database = info.context.database
        profiles = await PROFILE_ROWS.page(database, page, conditions)

        def key(profile: Profile) -> tuple[Any, UUID]:
            return getattr(profile, order.column.key or ""), profile.id

        return page.connection(profiles, Musician.of, key, lambda: PROFILE_ROWS.count(database, conditions))

    @resolver
    async def skill(self, info: Info, id: strawberry.ID) -> Skill | None:
        """The skill with this id; null if there is none."""
        return await Skill.resolve_reference(info, id)

    @field_with(list_size=100)
    async def skills(self, info: Info, category: SkillCategory | None = None) -> list[Skill] | None:
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
    async def musician_command(self, info: Info, id: strawberry.ID) -> CommandStatus | None:
        """The status of a command about a profile that the caller has sent."""
        return await status_of(info.context.database, info.context.require(), id)

    copy_digests = digests_field(ORIGINALS)
    copy_versions = versions_field(ORIGINALS)
    copy_rows = rows_field(ORIGINALS)


@object_type()
class Mutation:
    """Mutations of musicians' profiles."""

    verify_rows = verify_field({"musician": PROFILES})

    @for_role("musician")
    async def create_musician_profile(
        self, info: Info, input: CreateMusicianProfileInput, command_id: CommandId = None
    ) -> Musician | None:
        """Create the caller's profile; for users who registered as musicians."""
        user_id = info.context.require_role("musician").user_id
        command = CreateProfile(user_id, _values(input))
        return Musician.of(await info.context.bus.handle(command, command_id_of(command_id)))

    @for_role("musician")
    async def update_musician_profile(
        self, info: Info, input: UpdateMusicianProfileInput, command_id: CommandId = None
    ) -> Musician | None:
        """Change the caller's profile."""
        user_id = info.context.require_role("musician").user_id
        command = UpdateProfile(user_id, _values(input))
        return Musician.of(await info.context.bus.handle(command, command_id_of(command_id)))


def _values(input: CreateMusicianProfileInput | UpdateMusicianProfileInput) -> dict[str, Any]:
    """Return the provided fields of an input by name, with the location as a dict."""
    values = provided(input)
    if values.get("location") is not None:
        values["location"] = asdict(values["location"])
    return values


async def _conditions(info: Info, wanted: MusicianFilter) -> list[ColumnElement[bool]]:
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
