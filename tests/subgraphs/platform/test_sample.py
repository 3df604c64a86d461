"""Tests of the sample data: it is the same for the same seed, and follows the services' rules."""

import re
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from subgraphs.platform.sample.catalogue import OCCASIONS, SKILLS
from subgraphs.platform.sample.gig_tables import reviews_of
from subgraphs.platform.sample.load import MUSICIANS, make_sample_data
from subgraphs.platform.sample.places import RATES, cities
from subgraphs.platform.sample.social import MAX_DEGREE, connections
from subgraphs.platform.sample.table import SampleData
from subgraphs.platform.sample.timer_tables import TIMER_TABLES

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MIGRATION = Path(__file__).parents[3] / "subgraphs/musicians/migrations/0002_skills.sql"


@pytest.fixture(scope="module")
def world() -> SampleData:
    """Sample data with 600 musicians."""
    return make_sample_data(600, NOW)


def test_ids_and_names_are_the_same_on_every_day(world: SampleData) -> None:
    """The same seed gives the same people on every day."""
    later = make_sample_data(600, NOW + timedelta(days=45, hours=7))
    assert [one.id for one in world.people.musicians] == [one.id for one in later.people.musicians]
    assert [one.username for one in world.people.clients] == [one.username for one in later.people.clients]
    assert [one.rate for one in world.people.musicians] == [one.rate for one in later.people.musicians]
    assert [one.id for one in world.gigs[:5]] == [one.id for one in later.gigs[:5]]


def test_every_skill_is_in_the_catalogue() -> None:
    """Names and ids of skills are those of the musicians service's migration."""
    known = set(re.findall(r"\('((?:[^']|'')+)', '(?:instrument|genre|style)'", MIGRATION.read_text()))
    names = {one.name for one in SKILLS}
    assert names <= known
    assert {genre for one in OCCASIONS for genre in (*one.genres, one.style)} <= names


def test_nobody_plays_twice_at_once(world: SampleData) -> None:
    """Bookings of one musician do not overlap."""
    taken = defaultdict(list)
    for gig in world.gigs:
        if gig.booked is not None and gig.booking_status != "cancelled":
            taken[gig.booked.musician.id].append((gig.starts_at.timestamp(), gig.ends_at.timestamp()))
    assert len(taken) > 100
    for slots in taken.values():
        slots.sort()
        assert all(one[1] <= other[0] for one, other in pairwise(slots))


def test_requests_keep_the_rules(world: SampleData) -> None:
    """Times, budgets and statuses are valid in the requests service, and past events have a final status."""
    for gig in world.gigs:
        assert timedelta(0) < gig.ends_at - gig.starts_at <= timedelta(hours=24)
        assert gig.start != gig.end
        assert 0 <= gig.budget[0] <= gig.budget[1]
        assert gig.at <= NOW
        accepted = [one for one in gig.applications if one.status == "accepted"]
        assert accepted == ([gig.booked] if gig.booked else [])
        assert len({one.musician.id for one in gig.applications}) == len(gig.applications)
        assert (gig.status in ("assigned", "completed")) == (gig.booked is not None)
        if gig.ends_at < NOW:
            assert gig.status in ("completed", "cancelled")
    statuses = Counter(gig.status for gig in world.gigs)
    assert set(statuses) == {"open", "in_progress", "assigned", "completed", "cancelled"}


def test_rates_make_sense(world: SampleData) -> None:
    """Hourly rates are near the country's average, and higher with experience."""
    relative = {one.id: float(one.rate) / RATES[one.person.city.country] for one in world.people.musicians}
    assert 0.6 < median(relative.values()) < 1.5
    young = [relative[one.id] for one in world.people.musicians if one.experience <= 3]
    old = [relative[one.id] for one in world.people.musicians if one.experience >= 12]
    assert median(old) > 1.2 * median(young)


def test_cities_are_real() -> None:
    """Cities have a time zone and a currency, and `near` returns a place near the centre."""
    places = {one.name: one for one in cities()}
    berlin = places["Berlin"]
    assert (berlin.time_zone, berlin.currency) == ("Europe/Berlin", "EUR")
    assert abs(berlin.latitude - 52.52) < 0.1


def test_connections_are_few_for_most_and_many_for_some(world: SampleData) -> None:
    """The median degree is one to three, some degrees are many times higher, and none is above the
    maximum.
    """
    people = [(one.person.id, one.person.city.name) for one in world.people.musicians]
    people += [(one.id, one.city.name) for one in world.people.clients]
    pairs = connections(1, people)
    assert pairs == connections(1, people)
    degrees = Counter(person for pair in pairs for person in pair)
    assert 1 <= median(degrees.values()) <= 3
    assert 15 < max(degrees.values()) <= MAX_DEGREE
    assert all(one != other for one, other in pairs)
    assert len(set(pairs)) == len(pairs)


def test_somebody_is_at_the_top() -> None:
    """In the small sample data some musicians have enough good reviews for `topMusicians`, most have not."""
    ratings = defaultdict(list)
    small = make_sample_data(MUSICIANS["small"], NOW)
    for _, _, musician, _, rating, *_ in reviews_of(small):
        ratings[musician].append(rating)
    top = [one for one in ratings.values() if len(one) >= 10 and sum(one) / len(one) >= 4.5]
    assert 1 <= len(top) <= 20
    assert median(len(one) for one in ratings.values()) <= 2


def test_every_standing_booking_has_its_timer(world: SampleData) -> None:
    """An offer expires, and a confirmed booking is paid, by a saga that waits; it began with the booking."""
    sagas, steps = (list(table.rows(world)) for table in TIMER_TABLES)
    standing = [gig for gig, _ in world.booked() if gig.booking_status in ("pending", "confirmed")]
    bookings = Counter(str(gig.booking_id) for gig in standing)
    assert Counter(row[4]["bookingId"] for row in sagas) == bookings
    assert {row[1] for row in sagas} == {"offer_expiry", "booking_payout"}
    assert all(begun <= NOW < at for *_, begun, at in sagas)
    numbers = Counter(row[0] for row in steps)
    assert all(numbers[row[0]] == row[3] for row in sagas)
