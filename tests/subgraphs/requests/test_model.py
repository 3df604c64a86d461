"""The rules of requests, applications and bookings without a database."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as some

from subgraphs.kit.errors import BadUserInput, Conflict, SeveralMistakes
from subgraphs.kit.event_store.events import VersionConflict
from subgraphs.kit.identity import Identity
from subgraphs.kit.vocabulary import RequestStatus
from subgraphs.requests import enums, life, model
from subgraphs.requests.messages import Budget, Place, TimeChanges, UpdateRequest
from subgraphs.requests.records import ApplicationRecord, BookingRecord, RequestRecord

NOW = datetime(2027, 1, 1, tzinfo=UTC)
CLIENT, PLAYER, STRANGER = uuid4(), uuid4(), uuid4()
STATUSES = {
    "request": {status.value for status in RequestStatus},
    "application": {status.value for status in enums.ApplicationStatus},
    "booking": {status.value for status in enums.BookingStatus},
}


def request(status: str = "open", starts_at: datetime = NOW + timedelta(days=1)) -> RequestRecord:
    """Return a request of CLIENT for an event of four hours."""
    return RequestRecord(
        id=uuid4(),
        client_id=CLIENT,
        title="A band",
        description="",
        event_date=date(2027, 1, 2),
        start_time=time(0),
        end_time=time(4),
        time_zone="UTC",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=4),
        budget_min=Decimal("100.00"),
        budget_max=Decimal("300.00"),
        currency="CHF",
        latitude=52.5,
        longitude=13.4,
        address="",
        city="Berlin",
        country="DE",
        required_skill_ids=[],
        status=status,
        urgency_level="medium",
        version=1,
        created_at=NOW,
        updated_at=NOW,
    )


def application(status: str = "pending") -> ApplicationRecord:
    """Return an application of PLAYER."""
    return ApplicationRecord(
        id=uuid4(),
        request_id=uuid4(),
        musician_id=uuid4(),
        musician_user_id=PLAYER,
        message="",
        proposed_price=Decimal("250.00"),
        status=status,
        created_at=NOW,
        updated_at=NOW,
    )


def booking(status: str = "confirmed", ends_at: datetime = NOW) -> BookingRecord:
    """Return a booking of PLAYER by CLIENT."""
    return BookingRecord(
        id=uuid4(),
        request_id=uuid4(),
        application_id=None,
        client_id=CLIENT,
        musician_id=uuid4(),
        musician_user_id=PLAYER,
        starts_at=ends_at - timedelta(hours=4),
        ends_at=ends_at,
        time_zone="UTC",
        price=Decimal("250.00"),
        currency="EUR",
        status=status,
        expires_at=None,
        is_offered=True,
        objection="",
        version=1,
        created_at=NOW,
        updated_at=NOW,
    )


def allowed(check: Callable[..., None], *arguments: Any) -> bool:
    """Return whether a check raises no Conflict."""
    try:
        check(*arguments)
    except Conflict:
        return False
    return True


@pytest.mark.parametrize("what", ["request", "application", "booking"])
def test_the_tables_know_every_status(what: str) -> None:
    """The tables of transitions have the statuses of the schema, and every status can be reached from the
    first.
    """
    table = model.TRANSITIONS[what]
    reached = set().union(*table.values())
    assert table.keys() | reached == STATUSES[what]
    first = {"request": "open", "application": "pending", "booking": "pending"}[what]
    assert STATUSES[what] - reached <= {first}
    for before in STATUSES[what]:
        for after in STATUSES[what]:
            assert allowed(model.check_transition, what, before, after) == (after in table.get(before, ()))


@pytest.mark.parametrize(
    ("what", "final"),
    [
        ("request", {"completed", "cancelled"}),
        ("application", {"rejected"}),
        ("booking", {"completed", "cancelled"}),
    ],
)
def test_final_statuses(what: str, final: set[str]) -> None:
    """No status follows a final one."""
    assert STATUSES[what] - model.TRANSITIONS[what].keys() == final


def test_a_refused_transition_names_both_statuses() -> None:
    """The message has both statuses in words, without underscores."""
    with pytest.raises(Conflict, match="The request is completed, so it cannot become in progress"):
        model.check_transition("request", "completed", "in_progress")


@given(some.sampled_from(sorted(STATUSES["request"])), some.integers(-3, 3))
def test_deadlines_of_a_request(status: str, hours: int) -> None:
    """Musicians can apply and be booked before the event starts; applications need an open request."""
    event = request(status, NOW + timedelta(hours=hours))
    is_open = status in ("open", "in_progress")
    assert allowed(model.check_accepts_applications, event, PLAYER, NOW) == (is_open and hours > 0)
    assert allowed(life.check_bookable, event, NOW) == (is_open and hours > 0)
    assert allowed(model.check_changeable, event) == is_open
    assert not allowed(model.check_accepts_applications, event, CLIENT, NOW)


@pytest.mark.parametrize("status", sorted(STATUSES["application"]))
def test_only_a_pending_application_is_closed_or_assigned(status: str) -> None:
    """An accepted application cannot be closed without its booking."""
    for after in ("rejected", "withdrawn"):
        assert allowed(model.check_closable, application(status), after) == (status == "pending")
    assert allowed(life.check_assignable, application(status)) == (status == "pending")


def update(**changes: Any) -> UpdateRequest:
    """Return a command by which the client changes a request."""
    return UpdateRequest(by=Identity(CLIENT, "client"), request_id=uuid4(), **changes)


def test_changes_of_a_request() -> None:
    """Only provided values change; a budget is checked with the bound that is not changed."""
    budget = {"budget_min": Decimal("100.00"), "budget_max": Decimal("300.00"), "currency": "CHF"}
    assert model.changed(request(), update(), NOW) == budget
    assert model.changed(request(), update(title=" A duo ", budget_min=Decimal(300)), NOW) == {
        "title": "A duo",
        "budget_min": Decimal("300.00"),
        "budget_max": Decimal("300.00"),
        "currency": "CHF",
    }
    with pytest.raises(BadUserInput, match="budgetMin"):
        model.changed(request(), update(budget_min=Decimal("300.01")), NOW)
    with pytest.raises(Conflict, match="assigned"):
        model.changed(request("assigned"), update(title="x"), NOW)
    with pytest.raises(VersionConflict):
        model.changed(request(), update(title="x", expected_version=2), NOW)
    assert model.changed(request(), update(title="x", expected_version=1), NOW)["title"] == "x"
    with pytest.raises(BadUserInput, match="change both amounts"):
        model.changed(request(), update(budget_max=Decimal(400), currency="EUR"), NOW)


def test_changes_of_time_and_place() -> None:
    """New local times are checked as a whole, with the old values of those that do not change."""
    found = model.changed(request(), update(times=TimeChanges(event_date=date(2027, 5, 1))), NOW)
    assert found["starts_at"] == datetime(2027, 5, 1, tzinfo=UTC)
    assert (found["event_date"], found["end_time"]) == (date(2027, 5, 1), time(4))
    found = model.changed(request(), update(times=TimeChanges(time_zone="Europe/Berlin")), NOW)
    assert found["starts_at"] == datetime(2027, 1, 1, 23, tzinfo=UTC)
    found = model.changed(request(), update(place=Place(latitude=1.0, longitude=2.0, city=" Rome ")), NOW)
    assert (found["latitude"], found["city"], found["country"]) == (1.0, "Rome", "")
    with pytest.raises(SeveralMistakes) as caught:
        wrong = update(
            title="",
            times=TimeChanges(event_date=date(2020, 1, 1)),
            place=Place(latitude=91.0, longitude=0.0),
        )
        model.changed(request(), wrong, NOW)
    fields = [part.extensions["field"] for part in caught.value.parts]
    assert fields == ["eventDate", "location.latitude", "title"]


MONEY = some.decimals(min_value=0, max_value="99999999.99", places=2)


@given(MONEY, MONEY)
def test_budgets(least: Decimal, most: Decimal) -> None:
    """Two amounts in order, with cents, are a budget; in the other order they are refused."""
    if least <= most:
        assert model.check_budget(Budget(least=least, most=most)) == Budget(least=least, most=most)
    else:
        with pytest.raises(BadUserInput):
            model.check_budget(Budget(least=least, most=most))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"latitude": 90.1}, "location.latitude"),
        ({"longitude": float("nan")}, "location.longitude"),
        ({"country": "de"}, "location.country"),
        ({"country": "DEU"}, "location.country"),
        ({"city": "x" * 121}, "location.city"),
    ],
)
def test_wrong_places_are_refused(change: dict[str, Any], field: str) -> None:
    """Each wrong value raises an error that names its field."""
    with pytest.raises(BadUserInput) as caught:
        model.check_place(Place(**{"latitude": 0.0, "longitude": 0.0, **change}))
    assert caught.value.extensions["field"] == field


@given(some.lists(some.sampled_from([UUID(int=number) for number in range(25)]), max_size=30))
def test_skills(skills: list[UUID]) -> None:
    """At most 20 skills are accepted; repetitions are dropped, and the order is not changed."""
    if len(skills) > model.MAX_SKILLS:
        with pytest.raises(BadUserInput, match="at most 20"):
            model.check_skills(tuple(skills))
    else:
        assert model.check_skills(tuple(skills)) == tuple(dict.fromkeys(skills))
