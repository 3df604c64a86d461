"""The use cases of the musicians service: the handlers of its commands.

Each handler checks the input (`model`), and calls `aggregates.PROFILES`, which changes the profile and
publishes an event. Then it writes the profile's skills and its document (further information as free JSON),
which have tables of their own.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from subgraphs.kit import checks
from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.commands.log import Reload
from subgraphs.kit.database import Session
from subgraphs.kit.errors import BadUserInput, Conflict, NotFound
from subgraphs.kit.event_store.events import VersionConflict
from subgraphs.kit.messages import Command
from subgraphs.kit.records import values_of
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
from subgraphs.musicians.tables import PROFILE_ROWS, SKILL_ROWS, profiles

_PUBLISHED_COLUMNS: Final = (
    *("user_id", "stage_name", "hourly_rate", "currency", "experience_years"),
    *("latitude", "longitude", "bio", "address", "city", "country"),
    *("availability_schedule", "portfolio_urls", "created_at"),
)


_PARTS: Final = {"skills", "profile_document"}


async def create_profile(uow: UnitOfWork, command: CreateProfile) -> Profile:
    """Create a user's profile with its skills and document.

    Raises BadUserInput, and Conflict if the user has a profile.
    """
    values = {"user_id": command.user_id, **await _state(uow, command.values)}
    facts = partial(_facts, skills=await _skills_of(uow, None, values.get("skill_ids", ())))
    profile = await PROFILES.create(uow, uuid4(), values, MusicianProfileCreated, facts)
    if profile is None:
        raise Conflict("You have a profile already: change it with updateMusicianProfile")
    await _set_parts(uow, profile.id, values)
    return profile


async def update_profile(uow: UnitOfWork, command: UpdateProfile) -> Profile:
    """Change a user's profile.

    Raises BadUserInput, NotFound if the user has no profile, and VersionConflict if it has another version
    than the expected one.
    """
    values = await _state(uow, command.values)
    profile = await PROFILE_ROWS.lock_first(uow, profiles.c.user_id == command.user_id)
    if profile is None:
        raise NotFound("You have no profile yet: create one with createMusicianProfile")
    if command.expected_version not in {None, profile.version}:
        raise VersionConflict(command.expected_version, profile.version)
    facts = partial(_facts, skills=await _skills_of(uow, profile.id, values.get("skill_ids")))
    changed = await PROFILES.change(uow, profile, values, MusicianProfileUpdated, facts)
    await _set_parts(uow, profile.id, values)
    return changed


async def skill_ids(session: Session, keys: Sequence[str]) -> tuple[UUID, ...]:
    """Return the ids of the skills with these keys, each an id or a name, without repetitions.

    Raises BadUserInput, with all keys that are neither id nor name of a skill in the catalogue.
    """
    checked = model.skill_keys(keys)
    known = await store.skills_by_keys(session, list(checked)) if checked else {}
    if unknown := [given for key, given in checked.items() if key not in known]:
        names = ", ".join(repr(name) for name in unknown)
        raise BadUserInput(f"There is no skill {names}: query 'skills' for the catalogue", "skills")
    return tuple(dict.fromkeys(known[key] for key in checked))


async def _state(session: Session, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked fields of a profile's input as new values of ProfileState, by name.

    Raises BadUserInput, with every wrong field.
    """
    with checks.Mistakes() as mistakes:
        own = {name: value for name, value in fields.items() if name not in _PARTS}
        values = mistakes.check(model.columns, own) or {}
        if "profile_document" in fields:
            values["profile_document"] = mistakes.check(model.document, fields["profile_document"])
        if "skills" in fields:
            values["skill_ids"] = await _checked_skills(session, fields["skills"] or (), mistakes)
    return values


async def _checked_skills(session: Session, keys: Sequence[str], mistakes: checks.Mistakes) -> list[UUID]:
    """Return the sorted ids of the skills with these keys; add an error for unknown ones to `mistakes`."""
    try:
        return sorted(await skill_ids(session, keys))
    except BadUserInput as error:
        mistakes.found += [error]
        return []


async def _set_parts(uow: UnitOfWork, musician_id: UUID, values: Mapping[str, Any]) -> None:
    """Write a musician's skills and document to their tables, each only if `values` contains it."""
    if "skill_ids" in values:
        await store.set_skills(uow, musician_id, values["skill_ids"])
    if "profile_document" in values:
        await store.set_document(uow, musician_id, values["profile_document"])


def _facts(profile: Profile, skills: Sequence[SkillRecord]) -> dict[str, Any]:
    own = {"skill_ids": tuple(skill.id for skill in skills), "skills": tuple(skill.name for skill in skills)}
    published = values_of(profile, *_PUBLISHED_COLUMNS)
    return {"musician_id": profile.id, **own, **published}


async def _skills_of(
    session: Session, musician_id: UUID | None, ids: Sequence[UUID] | None
) -> list[SkillRecord]:
    """Return the skills with these ids, ordered by id; `ids` None: the musician's present skills."""
    if ids is not None:
        skills = list((await SKILL_ROWS.by_ids(session, ids)).values())
    else:
        skills = (
            (await store.skills_by_musicians(session, [musician_id])).get(musician_id, [])
            if musician_id
            else []
        )
    return sorted(skills, key=lambda skill: skill.id)


COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {
    CreateProfile: create_profile,
    UpdateProfile: update_profile,
}


RESULTS: Mapping[type[Command[Any]], Reload] = dict.fromkeys((CreateProfile, UpdateProfile), PROFILE_ROWS.get)
"""By command type, the function that loads the profile that an earlier execution of the command returned."""
