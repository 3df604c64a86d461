"""Every event of a producer against every consumer of it: what is emitted can be read, and what is waited for
is emitted.

Consumers are found by asking the services that the table names: which events their inbox handles, and as what
type each handler reads them. Read models take the payload as rows in SQL; they get every form of each event,
too.
"""

import asyncio
import importlib
import itertools
import types
import typing
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.event_store.projection import apply_next
from subgraphs.kit.messages import Envelope, Event
from subgraphs.kit.queue.inbox import ANY_TYPE, EventHandler, Inbox
from subgraphs.kit.serve import load_bootstrap
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import SigningKeys, fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.matching.model import Match
from subgraphs.notifications.drafts import DRAFTS
from subgraphs.platform.tables import SERVICES
from subgraphs.read_side.app import MIGRATIONS, MODELS, SOURCES
from subgraphs.read_side.log import append_to_log

BEGIN, END = datetime(1990, 1, 1), datetime(2200, 1, 1)  # noqa: DTZ001 - the strategy adds the time zone
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
EXAMPLES = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
NUMBER = st.integers(-(2**31), 2**31 - 1)
BY_NAME: Mapping[str, st.SearchStrategy[Any]] = {
    "rating": st.integers(1, 5),
    "latitude": st.floats(-90, 90),
    "longitude": st.floats(-180, 180),
    "status": st.sampled_from(["open", "in_progress", "assigned", "completed", "cancelled", "expired"]),
    "urgency_level": st.sampled_from(["low", "medium", "high", "urgent"]),
    "currency": st.sampled_from(["EUR", "USD"]),
    "candidates": st.integers(0, 100_000),
}
"""Values of fields whose type does not say what they may be: as their services check them."""
BY_TYPE: Mapping[Any, st.SearchStrategy[Any]] = {
    UUID: st.uuids(),
    str: TEXT,
    int: NUMBER,
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    Decimal: st.decimals(0, 99_999_999, places=2),
    datetime: st.datetimes(BEGIN, END, timezones=st.just(UTC)),
    date: st.dates(date(1990, 1, 1), date(2200, 1, 1)),
    time: st.times(),
}


def values(name: str, annotation: Any) -> st.SearchStrategy[Any]:
    """Every form that a field of an event may have, absence included."""
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin in (types.UnionType, typing.Union):
        return st.one_of([st.none() if each is type(None) else values(name, each) for each in arguments])
    if name in BY_NAME:
        return BY_NAME[name]
    if name == "matches":
        several = st.lists(
            st.builds(Match, **_of(Match)), max_size=3, unique_by=lambda match: match.musician_id
        )
        return several.map(msgspec.to_builtins)
    if annotation in BY_TYPE:
        return BY_TYPE[annotation]
    if origin is tuple:
        return st.lists(values("", arguments[0]), max_size=3).map(tuple)
    if origin is not None and issubclass(origin, Mapping):
        return st.dictionaries(
            TEXT, st.one_of(st.none(), st.booleans(), NUMBER, TEXT, st.lists(TEXT)), max_size=3
        )
    if origin is not None and issubclass(origin, Sequence):
        return st.lists(values("", arguments[0]), max_size=3)
    raise TypeError(f"no values for {name}: {annotation}")


def _of(kind: type) -> dict[str, st.SearchStrategy[Any]]:
    return {name: values(name, hint) for name, hint in typing.get_type_hints(kind).items()}


def instances(event: type[Event]) -> st.SearchStrategy[Event]:
    """Every form of an event."""
    hints = typing.get_type_hints(event)
    given_fields = {field.name: values(field.name, hints[field.name]) for field in fields(event)}
    return st.builds(event, **given_fields)


@cache
def produced(service: str) -> Mapping[str, type[Event]]:
    """The events of a service by name: the leaves of its classes of events."""
    try:
        module = importlib.import_module(f"{SERVICES[service].module}.messages")
    except ModuleNotFoundError:
        return {}
    found = (each for each in vars(module).values() if isinstance(each, type) and issubclass(each, Event))
    return {
        one.__name__: one for one in found if one.__module__ == module.__name__ and one.__name__[0] != "_"
    }


class _Read(Exception):
    """The handler has read the event."""

    def __init__(self, reading: Any) -> None:
        super().__init__(reading)
        self.reading = reading


class _Watched:
    """An envelope that ends its handler as soon as that reads it, and says as what type."""

    event_id = causation_id = aggregate_id = UUID(int=1)
    payload: Mapping[str, Any] = {}

    def __init__(self, event_type: str) -> None:
        self.event_type = event_type

    def read(self, reading: Any) -> Any:
        """Say it."""
        raise _Read(reading)


@dataclass(frozen=True)
class Consumer:
    """A service that handles an event of another one in its own way."""

    service: str
    event_type: str
    sources: tuple[str, ...]
    handler: EventHandler

    def reading(self) -> Any:
        """As what type the handler reads the event."""
        watched: Any = _Watched(self.event_type)
        try:
            if self.service == "notifications":
                list(DRAFTS[self.event_type](watched, datetime.now(UTC)))
            else:
                unit: Any = None
                asyncio.run(_awaited(self.handler(unit, watched)))
        except _Read as found:
            return found.reading
        raise AssertionError(f"{self.service} does not read {self.event_type}")


async def _awaited(work: Any) -> None:
    await work


@pytest.fixture(scope="module")
def inboxes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Inbox]:
    """The inbox of every service that has one."""
    keys = SigningKeys.make(tmp_path_factory.mktemp("keys"))
    found: dict[str, Inbox] = {}
    for row in SERVICES:
        private = keys.service if row.signs == "services" else keys.private
        settings = ServiceSettings(
            *(
                row.name,
                "postgresql://nobody@127.0.0.1:1/nothing",
                "redis://127.0.0.1:1/0",
                keys.public,
                private,
            ),
            event_sources=SERVICES.others(row.name),
        )
        parts = load_bootstrap(row.name)(settings).parts
        found.update((row.name, part) for part in parts if isinstance(part, Inbox))
    return found


@pytest.fixture(scope="module")
def consumers(inboxes: Mapping[str, Inbox]) -> list[Consumer]:
    """Every handler of a type of event."""
    return [
        Consumer(service, event_type, tuple(inbox.sources), handler)
        for service, inbox in inboxes.items()
        for event_type, handler in inbox.handlers.items()
        if event_type != ANY_TYPE
    ]


def test_consumers_are_found(consumers: list[Consumer], inboxes: Mapping[str, Inbox]) -> None:
    """The ones that are known, so that an empty list does not pass for a clean one."""
    assert {"matching", "requests", "reviews", "notifications", "calendar"} <= {
        each.service for each in consumers
    }
    assert {name for name, inbox in inboxes.items() if ANY_TYPE in inbox.handlers} == {
        "events",
        "read_side",
        "sync",
    }
    assert sum(len(produced(service)) for service in SERVICES.names) >= 20


def test_every_event_that_is_waited_for_is_emitted(consumers: list[Consumer]) -> None:
    """By exactly one of the services whose events the consumer reads; also those that read models take."""
    wanted = [(one.service, one.event_type, one.sources) for one in consumers]
    wanted += [("read_side", name, SOURCES) for model in MODELS for name in model().handlers]
    producers = {one[:2]: [source for source in one[2] if one[1] in produced(source)] for one in wanted}
    assert {each: found for each, found in producers.items() if len(found) != 1} == {}


def test_names_of_sources_are_services(inboxes: Mapping[str, Inbox]) -> None:
    """Whom an inbox listens to is in the table, and is not the service itself."""
    for service, inbox in inboxes.items():
        assert set(inbox.sources) <= set(SERVICES.others(service))


@EXAMPLES
@given(data=st.data())
def check_reading(event: type[Event], reading: Any, data: st.DataObject) -> None:
    """A consumer reads every form of an event, and in each field that it reads the value that was emitted."""
    emitted = data.draw(instances(event))
    payload = orjson.loads(orjson.dumps(emitted.payload()))
    read = msgspec.convert(payload, reading, strict=False)
    about: Any = msgspec.inspect.type_info(reading)
    for field in about.fields:
        if hasattr(emitted, field.name):
            value, original = getattr(read, field.name), getattr(emitted, field.name)
            assert value == (list(original) if isinstance(value, list) else original), field.name
        else:
            assert not field.required, f"{field.name} is not in {event.__name__}"


def test_what_is_emitted_can_be_read(consumers: list[Consumer]) -> None:
    """Every form of every event, as the type that its consumer reads it as."""
    checked = 0
    for consumer in consumers:
        for source in consumer.sources:
            if event := produced(source).get(consumer.event_type):
                check_reading(event, consumer.reading())
                checked += 1
    assert checked == len(consumers)


def forms(event: type[Event]) -> list[Event]:
    """Some forms of an event, the same at every run."""
    found: list[Event] = []

    @EXAMPLES
    @given(instances(event))
    def collect(one: Event) -> None:
        found.append(one)

    collect()
    return found


def envelopes(service: str, event: type[Event], positions: Iterator[int]) -> list[Envelope]:
    """Some forms of an event, as the queue hands them over."""
    return [
        Envelope(
            event_id=uuid4(),
            source=service,
            position=next(positions),
            event_type=event.__name__,
            aggregate_type=event.aggregate_type,
            aggregate_id=one.aggregate_id,
            occurred_at=datetime.now(UTC),
            payload=orjson.loads(orjson.dumps(one.payload())),
        )
        for one in forms(event)
    ]


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """The read side's database, without the service."""
    async with fresh_database(postgres_url, "read_contract") as url:
        database = Database(url)
        await database.migrate(MIGRATIONS)
        yield database
        await database.close()


async def test_read_models_take_every_form(database: Database) -> None:
    """All that the sources of the read side emit, as rows in SQL: nothing stops a projection, and every event
    is applied."""
    positions, names = itertools.count(1), {name for model in MODELS for name in model().handlers}
    expected = 0
    async with UnitOfWork(database) as uow:
        for source in SOURCES:
            for name, event in produced(source).items():
                for envelope in envelopes(source, event, positions):
                    await append_to_log(uow, envelope)
                    expected += name in names
    applied = 0
    for model in MODELS:
        projection = model()
        async with UnitOfWork(database) as uow:
            while await apply_next(uow, projection):
                pass
        found = "SELECT events_applied FROM projection_checkpoints WHERE name = :name"
        count = await database.fetch_value(text(found), name=projection.name)
        assert count > 0, projection.name
        applied += count
    assert applied >= expected > 0


def test_a_field_that_is_missing_would_be_noticed() -> None:
    """The contract is one that can fail: a consumer that wants more than is emitted, or something else, is
    named."""

    class More(msgspec.Struct):
        user_id: UUID
        shoe_size: int

    class Other(msgspec.Struct):
        username: UUID

    for reading in (More, Other):
        with pytest.raises(msgspec.ValidationError):
            check_reading(produced("users")["UserRegistered"], reading)
