"""Generates the requests of the sample data, with their applications and bookings.

Applicants live near the client, and no musician has two bookings at the same time.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID
from zoneinfo import ZoneInfo

from subgraphs.platform.sample.catalogue import (
    GENRES,
    INSTRUMENTS,
    OCCASIONS,
    STYLES,
    Occasion,
    SkillEntry,
    named_id,
)
from subgraphs.platform.sample.people import People, SampleMusician, SamplePerson, Weighted
from subgraphs.requests.life import ANSWER_WITHIN

_GENRE = {one.name: one for one in GENRES}
_STYLE = {one.name: one for one in STYLES}
BEST_APPLIES = 0.85
"""The probability that the best musician of a city applies to a request there.

So a few musicians have many bookings and most have few, as in reality.
"""
URGENCIES = Weighted(("low", "medium", "high", "urgent"), (20, 55, 18, 7))


@dataclass(slots=True)
class SampleApplication:
    """A musician's application to a request; `at`: the time of the application."""

    id: UUID
    musician: SampleMusician
    price: Decimal
    message: str
    status: str
    at: datetime


@dataclass(slots=True)
class Gig:
    """A request with its applications and its booking.

    `at`: the time of its publication; `booked`: the accepted application; `booking_status`: None without a
    booking.
    """

    id: UUID
    client: SamplePerson
    title: str
    day: date
    start: time
    end: time
    starts_at: datetime
    ends_at: datetime
    latitude: float
    longitude: float
    budget: tuple[Decimal, Decimal]
    skills: tuple[SkillEntry, ...]
    urgency: str
    status: str
    at: datetime
    applications: list[SampleApplication] = field(default_factory=list)
    booked: SampleApplication | None = None
    booking_id: UUID | None = None
    booking_status: str | None = None

    def expires_at(self, now: datetime) -> datetime | None:
        """Return until when an offer can be confirmed, if it was made `now`; None for other bookings."""
        pending = self.booking_status == "pending"
        return min(now + ANSWER_WITHIN, self.starts_at) if pending else None


class MusicianIndex:
    """Finds the musicians who may apply to a request, by city and instrument."""

    def __init__(self, musicians: Sequence[SampleMusician]) -> None:
        self.by_city: dict[tuple[str, str], list[SampleMusician]] = defaultdict(list)
        self.by_skill: dict[tuple[str, str, str], list[SampleMusician]] = defaultdict(list)
        self.by_country: dict[str, list[SampleMusician]] = defaultdict(list)
        for one in musicians:
            place = (one.person.city.country, one.person.city.name)
            self.by_city[place].append(one)
            self.by_country[one.person.city.country].append(one)
            for skill in one.skills:
                if skill.category == "instrument":
                    self.by_skill[(*place, skill.name)].append(one)
        self.best = {place: max(there, key=lambda one: one.quality) for place, there in self.by_city.items()}

    def best_musician(self, client: SamplePerson) -> SampleMusician | None:
        """Return the musician with the highest quality in a client's city, None if it has no musicians."""
        return self.best.get((client.city.country, client.city.name))

    def draw(self, random: Random, client: SamplePerson, instrument: str, count: int) -> list[SampleMusician]:
        """Draw up to `count` musicians who play the instrument in the client's city.

        If there are none, draw from all musicians of the city, or else of the country.
        """
        place = (client.city.country, client.city.name)
        for pool in (self.by_skill[(*place, instrument)], self.by_city[place], self.by_country[place[0]]):
            if pool:
                return random.sample(pool, min(count, len(pool)))
        return []


class GigMaker:
    """Makes requests for events before and after `now`; past events have taken place or were cancelled."""

    def __init__(self, seed: int, people: People, now: datetime) -> None:
        self.random = Random(f"{seed}/gigs")
        self.people = people
        self.now = now
        self.index = MusicianIndex(people.musicians)
        self.occasions = Weighted(OCCASIONS, [one.share for one in OCCASIONS])
        self.instruments = Weighted(INSTRUMENTS, [one.share for one in INSTRUMENTS])
        self.taken: dict[UUID, list[tuple[datetime, datetime]]] = defaultdict(list)

    def make(self, count: int) -> Iterator[Gig]:
        """Yield the demo client's requests, then `count` others."""
        yield from self.demo()
        for _ in range(count):
            client = self.random.choice(self.people.clients)
            days = self.random.randint(-180, 90)
            yield self.with_outcome(self.request(client, self.occasions.draw(self.random), days or 1))

    def demo(self) -> Iterator[Gig]:
        """Yield the demo client's requests.

        One is open, one has applications, one is booked, and two are completed, of which one has no review.
        """
        client, player = self.people.clients[0], self.people.musicians[0]
        stories = (
            ("open", 40, "open"),
            ("choosing", 30, "in_progress"),
            ("booked", 20, "assigned"),
            ("played", -20, "completed"),
            ("unrated", -4, "completed"),
        )
        for name, days, status in stories:
            gig = self.request(client, OCCASIONS[0], days)
            gig.id, gig.status, gig.urgency = named_id(f"request/{name}"), status, "high"
            if status != "open":
                gig.applications = [self.application(gig, player)]
                others = self.index.draw(self.random, client, gig.skills[0].name, 4)
                gig.applications += [self.application(gig, one) for one in others if one is not player]
            if status in ("assigned", "completed"):
                self.book(gig, gig.applications[0], "confirmed" if status == "assigned" else "completed")
                gig.booking_id = named_id(f"booking/{name}")
            yield gig

    def request(self, client: SamplePerson, occasion: Occasion, days: int) -> Gig:
        """Return a request for an event `days` after now (negative: before).

        The event is moved to a weekend with the probability `occasion.weekend`.
        """
        random = self.random
        day = (self.now + timedelta(days=days)).date()
        if random.random() < occasion.weekend:
            day += timedelta(days=(random.choice((4, 5, 5, 6)) - day.weekday()) % 7 * (1 if days > 0 else 0))
        start = time(random.randint(*occasion.starts), random.choice((0, 30)))
        hours = random.choice(occasion.hours)
        zone = ZoneInfo(client.city.time_zone)
        starts_at = datetime.combine(day, start, zone)
        ends_at = datetime.fromtimestamp(starts_at.timestamp() + hours * 3600, zone)
        skills = self.skills_for(occasion)
        cost = client.city.rate * hours * random.uniform(0.9, 1.6)
        latitude, longitude = client.city.near(random, 5)
        return Gig(
            id=UUID(int=random.getrandbits(128), version=4),
            client=client,
            title=f"{random.choice(occasion.titles)} in {client.city.name}",
            day=day,
            start=start,
            end=ends_at.time(),
            starts_at=starts_at,
            ends_at=ends_at,
            latitude=latitude,
            longitude=longitude,
            budget=(_money(cost * 0.6), _money(cost * 1.3)),
            skills=skills,
            urgency=URGENCIES.draw(random),
            status="open",
            at=min(starts_at, self.now) - timedelta(days=random.uniform(1, 45)),
        )

    def skills_for(self, occasion: Occasion) -> tuple[SkillEntry, ...]:
        """Return the skills that a request requires: one instrument, often a genre, sometimes a style."""
        random = self.random
        chosen: list[SkillEntry] = [self.instruments.draw(random)]
        if random.random() < 0.7:
            chosen.append(_GENRE[random.choice(occasion.genres)])
        if random.random() < 0.3:
            chosen.append(_STYLE[occasion.style])
        return tuple(chosen)

    def with_outcome(self, gig: Gig) -> Gig:
        """Cancel a request, or add applications and perhaps a booking to it; return the request."""
        random = self.random
        past = gig.ends_at < self.now
        if random.random() < 0.08:
            gig.status = "cancelled"
            return gig
        wanted = 0 if not past and random.random() < 0.45 else random.choice((1, 2, 3, 3, 4, 6))
        applicants = self.index.draw(random, gig.client, gig.skills[0].name, wanted)
        star = self.index.best_musician(gig.client)
        if applicants and star is not None and star not in applicants and random.random() < BEST_APPLIES:
            applicants = [star, *applicants]
        gig.applications = [self.application(gig, one) for one in applicants]
        gig.status = "in_progress" if gig.applications else "open"
        if gig.applications and (past or random.random() < 0.4):
            free = next((one for one in gig.applications if self.is_free(one.musician, gig)), None)
            if free is not None:
                self.book(
                    gig, free, "completed" if past else random.choice(("pending", "confirmed", "confirmed"))
                )
        if past and gig.booked is None:
            gig.status = "cancelled"
        return gig

    def application(self, gig: Gig, musician: SampleMusician) -> SampleApplication:
        """Return an application with a price near the musician's rate for the hours of the event."""
        random = self.random
        hours = (gig.ends_at.timestamp() - gig.starts_at.timestamp()) / 3600
        price = _money(float(musician.rate) * hours * random.uniform(0.9, 1.15))
        message = f"I would love to play at your event. {musician.bio}"
        at = gig.at + (min(self.now, gig.starts_at) - gig.at) * random.uniform(0.05, 0.6)
        return SampleApplication(
            UUID(int=random.getrandbits(128), version=4), musician, price, message, "pending", at
        )

    def is_free(self, musician: SampleMusician, gig: Gig) -> bool:
        """Return whether a musician has no other booking at the time of a request."""
        return all(gig.ends_at <= start or end <= gig.starts_at for start, end in self.taken[musician.id])

    def book(self, gig: Gig, chosen: SampleApplication, status: str) -> None:
        """Accept the application `chosen`, reject the others, and add a booking with this status."""
        self.taken[chosen.musician.id].append((gig.starts_at, gig.ends_at))
        for one in gig.applications:
            one.status = "accepted" if one is chosen else "rejected"
        gig.booked, gig.booking_status = chosen, status
        gig.booking_id = UUID(int=self.random.getrandbits(128), version=4)
        gig.status = "completed" if status == "completed" else "assigned"


def _money(amount: float) -> Decimal:
    step = 5 if amount < 2000 else 50
    return Decimal(max(step, round(amount / step) * step)).quantize(Decimal("0.01"))
