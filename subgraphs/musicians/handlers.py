"""The use cases of the musicians service."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID, uuid4

from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.database import Session
from subgraphs.kit.errors import BadUserInput, Conflict, NotFound
from subgraphs.kit.messages import Command
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.musicians import model, store
from subgraphs.musicians.messages import CreateProfile, MusicianProfileCreated, MusicianProfileUpdated, UpdateProfile
from subgraphs.musicians.model import Profile

_TOLD: Final = (
    *("user_id", "stage_name", "hourly_rate", "currency", "experience_years"),
    *("latitude", "longitude", "bio", "address", "city", "country"),
    *("availability_schedule", "portfolio_urls", "created_at"),
)


async def create_profile(uow: UnitOfWork, command: CreateProfile) -> Profile:
    """Make a user's one profile, with its skills and document."""
    columns = model.columns(_own_columns(command.values))
    musician_id = uuid4()
    if not await store.add(uow, {"id": musician_id, "user_id": command.user_id, **columns}):
        raise Conflict("You have a profile already: change it with updateMusicianProfile")
    await _set_parts(uow, musician_id, command.values)
    profile = (await store.profiles_by_ids(uow, [musician_id]))[musician_id]
    uow.emit(MusicianProfileCreated(**await _told(uow, profile)))
    return profile


async def update_profile(uow: UnitOfWork, command: UpdateProfile) -> Profile:
    """Change a user's profile."""
    columns = model.columns(_own_columns(command.values))
    if (profile := await store.change(uow, command.user_id, columns)) is None:
        raise NotFound("You have no profile yet: make one with createMusicianProfile")
    await _set_parts(uow, profile.id, command.values)
    uow.emit(MusicianProfileUpdated(**await _told(uow, profile)))
    return profile


async def skill_ids(session: Session, keys: Sequence[str]) -> tuple[UUID, ...]:
    """The ids of skills that a caller named by id or name; an unknown one is an error that says which."""
    wanted = model.skill_keys(keys)
    known = await store.skills_by_keys(session, wanted) if wanted else {}
    if unknown := [key for key in wanted if key.lower() not in known]:
        raise BadUserInput(f"There is no skill {unknown[0]!r}: ask for 'skills' to see all", "skills")
    return tuple(dict.fromkeys(known[key.lower()] for key in wanted))


async def _set_parts(uow: UnitOfWork, musician_id: UUID, values: Mapping[str, Any]) -> None:
    """Skills and document are tables of their own."""
    if "skills" in values:
        await store.set_skills(uow, musician_id, await skill_ids(uow, values["skills"] or ()))
    if "profile_document" in values:
        await store.set_document(uow, musician_id, model.document(values["profile_document"]))


async def _told(uow: UnitOfWork, profile: Profile) -> dict[str, Any]:
    columns = asdict(profile)
    found = (await store.skills_by_musicians(uow, [profile.id])).get(profile.id, [])
    skills = sorted(found, key=lambda skill: skill.id)
    own = {"skill_ids": tuple(skill.id for skill in skills), "skills": tuple(skill.name for skill in skills)}
    return {"musician_id": profile.id, **own, **{name: columns[name] for name in _TOLD}}


def _own_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in {"skills", "profile_document"}}


COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {
    CreateProfile: create_profile,
    UpdateProfile: update_profile,
}
EVENT_HANDLERS: Mapping[str, Any] = {}
