"""Generates the users of the sample data: clients, and musicians with their skills, places and rates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from random import Random
from typing import Any
from uuid import UUID

from subgraphs.platform.accounts import DEMO_ACCOUNTS, DemoAccount
from subgraphs.platform.sample.catalogue import (
    BAND_THINGS,
    BAND_WORDS,
    FIRST_NAMES,
    GENRES,
    INSTRUMENTS,
    LAST_NAMES,
    STYLES,
    SkillEntry,
    named_id,
)
from subgraphs.platform.sample.places import City

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DEMO_CITY = "Berlin"
SAMPLE_YEAR = 2026  # ages are computed for this year, so that the sample is the same on every day


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """A user with a profile; `since` is the time of the registration."""

    id: UUID
    username: str
    email: str
    user_type: str
    first_name: str
    last_name: str
    phone: str
    born: date
    city: City
    since: datetime


@dataclass(frozen=True, slots=True)
class SampleMusician:
    """A musician's profile. The higher `quality` (0 to 1) is, the better are the ratings in reviews."""

    id: UUID
    person: SamplePerson
    stage_name: str
    bio: str
    rate: Decimal
    experience: int
    latitude: float
    longitude: float
    skills: tuple[SkillEntry, ...]
    availability: dict[str, Any]
    portfolio: tuple[str, ...]
    document: dict[str, Any]
    quality: float


class Weighted:
    """Draws items of a sequence with probabilities proportional to their weights."""

    def __init__(self, items: Sequence[Any], weights: Iterator[float] | Sequence[float]) -> None:
        self.items = items
        self.sums = list(accumulate(weights))

    def draw(self, random: Random) -> Any:
        """Return a random item."""
        return random.choices(self.items, cum_weights=self.sums)[0]


def draw_distinct(random: Random, entries: Weighted, count: int) -> list[SkillEntry]:
    """Draw `count` entries and return them without repetitions, so that the result may be shorter."""
    return list(dict.fromkeys(entries.draw(random) for _ in range(count)))


def make_person(random: Random, number: int, user_type: str, city: City, now: datetime) -> SamplePerson:
    """Return an invented user who has registered before `now`; `number` makes the username unique."""
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    username = f"{first}.{last}.{number}".lower()
    return SamplePerson(
        id=UUID(int=random.getrandbits(128), version=4),
        username=username,
        email=f"{username}@mussikon.example",
        user_type=user_type,
        first_name=first,
        last_name=last,
        phone=f"+99{random.randrange(10**9):09d}",
        born=date(random.randint(1955, 2004), random.randint(1, 12), random.randint(1, 28)),
        city=city,
        since=now - timedelta(days=random.uniform(3, 900)),
    )


def demo_person(account: DemoAccount, city: City, now: datetime) -> SamplePerson:
    """Return the user of a demo account, who has registered 400 days before `now`."""
    first, last = account.username.title().split("_")
    since = now - timedelta(days=400)
    return SamplePerson(
        account.id,
        account.username,
        account.email,
        account.user_type,
        first,
        last,
        "+99000000000",
        date(1990, 5, 17),
        city,
        since,
    )


class MusicianMaker:
    """Makes the profiles of musicians; the rate depends on city, skills and experience."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.instruments = Weighted(INSTRUMENTS, [one.share for one in INSTRUMENTS])
        self.genres = Weighted(GENRES, [one.share for one in GENRES])
        self.styles = Weighted(STYLES, [one.share for one in STYLES])

    def make(self, person: SamplePerson) -> SampleMusician:
        """Return the musician's profile of a user."""
        random = self.random
        age = SAMPLE_YEAR - person.born.year
        experience = min(int(random.gammavariate(2.0, 4.0)), max(age - 15, 0), 60)
        skills = self._skills()
        latitude, longitude = person.city.near(random, 6)
        return SampleMusician(
            id=named_id(f"musician/{person.username}")
            if person.username.startswith("demo_")
            else UUID(int=random.getrandbits(128), version=4),
            person=person,
            stage_name=self._stage_name(person),
            bio=self._bio(person, skills, experience),
            rate=self._rate(person.city, skills, experience),
            experience=experience,
            latitude=latitude,
            longitude=longitude,
            skills=skills,
            availability=self._availability(),
            portfolio=tuple(
                f"https://media.mussikon.example/{person.username}/{n}" for n in range(random.randint(0, 4))
            ),
            document=self._document(skills),
            quality=random.betavariate(5, 2),
        )

    def _skills(self) -> tuple[SkillEntry, ...]:
        random = self.random
        chosen = draw_distinct(random, self.instruments, random.choice((1, 1, 1, 2, 2, 3)))
        chosen += draw_distinct(random, self.genres, random.choice((1, 2, 2, 3, 4)))
        chosen += draw_distinct(random, self.styles, random.choice((1, 1, 2, 3)))
        return tuple(chosen)

    def _stage_name(self, person: SamplePerson) -> str:
        if self.random.random() < 0.35:
            return f"{self.random.choice(BAND_WORDS)} {self.random.choice(BAND_THINGS)}"
        return f"{person.first_name} {person.last_name}"

    def _bio(self, person: SamplePerson, skills: Sequence[SkillEntry], experience: int) -> str:
        played = " and ".join(one.name.lower() for one in skills if one.category == "instrument")
        genres = ", ".join(one.name for one in skills if one.category == "genre")
        years = f"{experience} years on stage" if experience > 1 else "New on stage"
        return f"{person.first_name} from {person.city.name}: {played}. {genres}. {years}."

    def _rate(self, city: City, skills: Sequence[SkillEntry], experience: int) -> Decimal:
        rate = (
            city.rate
            * skills[0].price
            * (0.7 + 0.035 * min(experience, 25))
            * self.random.lognormvariate(0, 0.22)
        )
        step = 5 if rate < 400 else 50
        return Decimal(max(step, round(rate / step) * step)).quantize(Decimal("0.01"))

    def _availability(self) -> dict[str, Any]:
        week: dict[str, Any] = {}
        for index, day in enumerate(DAYS):
            if index >= 5 and self.random.random() < 0.9:
                week[day] = [{"from": "10:00", "to": "23:30"}]
            elif index < 5 and self.random.random() < (0.85 if index == 4 else 0.55):
                week[day] = [{"from": self.random.choice(("17:00", "18:00", "19:00")), "to": "23:30"}]
        return week

    def _document(self, skills: Sequence[SkillEntry]) -> dict[str, Any]:
        outlets = random_subset(self.random, ("City Paper", "Radio Two", "The Weekly", "Live Guide"), 0.3)
        rider = random_subset(
            self.random, ("PA for 100 people", "piano, tuned", "parking", "hot meal", "power, 230 V"), 0.4
        )
        return {
            "press": [{"outlet": one, "stars": self.random.randint(3, 5)} for one in outlets],
            "rider": rider,
            "mainly": skills[0].name,
        }


def random_subset(random: Random, items: Sequence[str], share: float) -> list[str]:
    """Return some of the items in their order; each is chosen with the probability `share`."""
    return [one for one in items if random.random() < share]


@dataclass(frozen=True, slots=True)
class People:
    """All users of the sample data, by type of user."""

    clients: list[SamplePerson]
    musicians: list[SampleMusician]
    admins: list[SamplePerson]


def make_people(seed: int, musicians: int, places: Sequence[City], now: datetime) -> People:
    """Return the users: `musicians` musicians and half as many clients, each with a demo account,
    and one admin.

    They live in `places`. The same seed gives the same users; registrations are before `now`.
    """
    random = Random(f"{seed}/people")
    drawn = Weighted(places, [one.population**0.85 for one in places])
    demo_city = next(one for one in places if one.name == DEMO_CITY)
    demo = {one.user_type: demo_person(one, demo_city, now) for one in DEMO_ACCOUNTS}
    maker = MusicianMaker(Random(f"{seed}/musicians"))
    players = [demo["musician"]]
    players += [
        make_person(random, number, "musician", drawn.draw(random), now) for number in range(1, musicians)
    ]
    clients = [demo["client"]]
    clients += [
        make_person(random, musicians + n, "client", drawn.draw(random), now)
        for n in range(1, musicians // 2)
    ]
    return People(clients, [maker.make(one) for one in players], [demo["admin"]])
