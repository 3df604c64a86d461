"""The use cases of the musicians service."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row

from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.commands.log import Reload
from subgraphs.kit.database import Session
from subgraphs.kit.errors import BadUserInput, Conflict, NotFound
from subgraphs.kit.messages import Command
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.musicians import model, store
from subgraphs.musicians.aggregates import PROFILES
from subgraphs.musicians.messages import (
    CreateProfile,
    MusicianProfileCreated,
    MusicianProfileUpdated,
    UpdateProfile,
)
from subgraphs.musicians.model import Profile, SkillRecord

_TOLD: Final = (
    *("user_id", "stage_name", "hourly_rate", "currency", "experience_years"),
    *("latitude", "longitude", "bio", "address", "city", "country"),
    *("availability_schedule", "portfolio_urls", "created_at"),
)


_PARTS: Final = {"skills", "profile_document"}


async def create_profile(uow: UnitOfWork, command: CreateProfile) -> Profile:
    """Make a user's one profile, with its skills and document."""
    values = {"user_id": command.user_id, **await _state(uow, command.values)}
    facts = partial(_told, skills=await _skills_of(uow, None, values.get("skill_ids", ())))
    row = await PROFILES.create(uow, uuid4(), values, MusicianProfileCreated, facts)
    if row is None:
        raise Conflict("You have a profile already: change it with updateMusicianProfile")
    await _set_parts(uow, row.id, values)
    return Profile(**row._asdict())


async def update_profile(uow: UnitOfWork, command: UpdateProfile) -> Profile:
    """Change a user's profile."""
    values = await _state(uow, command.values)
    if (row := await store.lock(uow, command.user_id)) is None:
        raise NotFound("You have no profile yet: make one with createMusicianProfile")
    facts = partial(_told, skills=await _skills_of(uow, row.id, values.get("skill_ids")))
    changed = await PROFILES.change(uow, row, values, MusicianProfileUpdated, facts)
    await _set_parts(uow, row.id, values)
    return Profile(**changed._asdict())


async def skill_ids(session: Session, keys: Sequence[str]) -> tuple[UUID, ...]:
    """The ids of skills that a caller named by id or name; an unknown one is an error that says which."""
    wanted = model.skill_keys(keys)
    known = await store.skills_by_keys(session, wanted) if wanted else {}
    if unknown := [key for key in wanted if key.lower() not in known]:
        raise BadUserInput(f"There is no skill {unknown[0]!r}: ask for 'skills' to see all", "skills")
    return tuple(dict.fromkeys(known[key.lower()] for key in wanted))


async def _state(session: Session, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the state that somebody gave, checked."""
    values = model.columns({name: value for name, value in given.items() if name not in _PARTS})
    if "skills" in given:
        values["skill_ids"] = sorted(await skill_ids(session, given["skills"] or ()))
    if "profile_document" in given:
        values["profile_document"] = model.document(given["profile_document"])
    return values


async def _set_parts(uow: UnitOfWork, musician_id: UUID, values: Mapping[str, Any]) -> None:
    """Skills and document are tables of their own."""
    if "skill_ids" in values:
        await store.set_skills(uow, musician_id, values["skill_ids"])
    if "profile_document" in values:
        await store.set_document(uow, musician_id, values["profile_document"])


def _told(row: Row[Any], skills: Sequence[SkillRecord]) -> dict[str, Any]:
    own = {"skill_ids": tuple(skill.id for skill in skills), "skills": tuple(skill.name for skill in skills)}
    return {"musician_id": row.id, **own, **{name: getattr(row, name) for name in _TOLD}}


async def _skills_of(
    session: Session, musician_id: UUID | None, ids: Sequence[UUID] | None
) -> list[SkillRecord]:
    """The skills that a musician is about to have: these, or where none were given those that they have."""
    if ids is not None:
        found = list((await store.skills_by_ids(session, ids)).values())
    else:
        found = (
            (await store.skills_by_musicians(session, [musician_id])).get(musician_id, [])
            if musician_id
            else []
        )
    return sorted(found, key=lambda skill: skill.id)


COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {
    CreateProfile: create_profile,
    UpdateProfile: update_profile,
}


async def _again(session: Session, musician_id: UUID) -> Profile | None:
    return (await store.profiles_by_ids(session, [musician_id])).get(musician_id)


RESULTS: Mapping[type[Command[Any]], Reload] = {CreateProfile: _again, UpdateProfile: _again}
"""How the result of a command that was executed before is loaded."""
