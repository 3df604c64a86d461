"""Conditions on the requests, applications and bookings of a list, as values that loaders can use as keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement

from subgraphs.kit import checks
from subgraphs.kit.between import EVER, Between, BetweenInput, between_of
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.geography import Circle
from subgraphs.kit.vocabulary import RequestFilter, RequestStatus
from subgraphs.requests.enums import ApplicationStatus, BookingStatus
from subgraphs.requests.model import MAX_SKILLS
from subgraphs.requests.tables import applications, bookings, requests

Clauses = list[ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class RequestCriteria:
    """Conditions on requests, joined by AND; an empty or None field is no condition."""

    statuses: tuple[str, ...] = ()
    urgency_levels: tuple[str, ...] = ()
    skill_ids: tuple[UUID, ...] = ()
    starts: Between = EVER
    near: Circle | None = None

    @classmethod
    def read(cls, given: RequestFilter | None) -> "RequestCriteria":
        """Return the checked filter. Raises BadUserInput, also for a text, which needs the read model."""
        if given is None:
            return cls()
        if given.text is not None:
            raise BadUserInput("Only the read side can search by text", "filter.text")
        return cls(
            statuses=tuple(status.value for status in given.status or ()),
            urgency_levels=tuple(level.value for level in given.urgency or ()),
            skill_ids=checks.identifiers(given.skills or [], "filter.skills", MAX_SKILLS, "Skill"),
            starts=between_of(given.between, "filter.between"),
            near=given.near.read("filter.near") if given.near else None,
        )

    @classmethod
    def of_client(
        cls, status: Sequence[RequestStatus] | None, between: BetweenInput | None
    ) -> "RequestCriteria":
        """Return the conditions of the list of a client's requests. Raises BadUserInput."""
        return cls(tuple(one.value for one in status or ()), starts=between_of(between))

    def conditions(self) -> Clauses:
        """Return the SQL conditions on the table of requests."""
        clauses = [*self.starts.conditions(requests.c.starts_at)]
        if self.statuses:
            clauses.append(requests.c.status.in_(self.statuses))
        if self.urgency_levels:
            clauses.append(requests.c.urgency_level.in_(self.urgency_levels))
        if self.skill_ids:
            clauses.append(requests.c.required_skill_ids.contains(list(self.skill_ids)))
        if self.near:
            place = (requests.c.latitude, requests.c.longitude)
            clauses += [*self.near.box(*place), self.near.distance(*place) <= self.near.km]
        return clauses


@dataclass(frozen=True, slots=True)
class BookingCriteria:
    """Conditions on bookings, joined by AND; an empty or None field is no condition."""

    statuses: tuple[str, ...] = ()
    starts: Between = EVER

    @classmethod
    def read(cls, status: Sequence[BookingStatus] | None, between: BetweenInput | None) -> "BookingCriteria":
        """Return the checked arguments. Raises BadUserInput."""
        return cls(tuple(one.value for one in status or ()), between_of(between))

    def conditions(self) -> Clauses:
        """Return the SQL conditions on the table of bookings."""
        clauses = [*self.starts.conditions(bookings.c.starts_at)]
        return [*clauses, bookings.c.status.in_(self.statuses)] if self.statuses else clauses


@dataclass(frozen=True, slots=True)
class ApplicationCriteria:
    """Conditions on applications; no statuses: all."""

    statuses: tuple[str, ...] = ()

    @classmethod
    def read(cls, status: Sequence[ApplicationStatus] | None) -> "ApplicationCriteria":
        """Return the conditions of the argument `status`."""
        return cls(tuple(one.value for one in status or ()))

    def conditions(self) -> Clauses:
        """Return the SQL conditions on the table of applications."""
        return [applications.c.status.in_(self.statuses)] if self.statuses else []
