"""Tests of the history of requests and bookings: past states, changes by SQL, and repair of rows that differ
from their events.
"""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from subgraphs.kit import budget
from subgraphs.kit.event_store.events import VersionConflict
from subgraphs.kit.event_store.sourced import EventSourcedTable, RowDrift
from subgraphs.kit.global_ids import encode
from subgraphs.kit.history import entries
from subgraphs.kit.testing import ApiUser, Client, load_rows
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.requests import steps
from subgraphs.requests.aggregates import BOOKINGS, REQUESTS
from subgraphs.requests.handlers import change_request_unchecked
from subgraphs.requests.tables import REQUEST_ROWS, requests
from tests.subgraphs.requests.test_bookings import Player, booked, carry, publish

UPDATE = """mutation($id: ID!, $input: UpdateRequestInput!) {
  updateRequest(id: $id, input: $input) { request { title } userErrors { code field message } } }"""
HISTORY = """query($id: ID!, $before: Int) {
  requestHistory(id: $id, first: 3, before: $before) { version type changes createdBy } }"""
AS_OF = """query($id: ID!, $version: Int, $time: DateTime) {
  requestAsOf(id: $id, version: $version, time: $time) { version state } }"""


async def drifts(client: Client, about: EventSourcedTable[Any, Any]) -> list[RowDrift]:
    """Return all rows that differ from their streams."""
    found: list[RowDrift] = []
    after: UUID | None = UUID(int=0)
    while after is not None:
        async with UnitOfWork(client.service.database) as uow:
            verified = await about.verify(uow, after)
            found, after = [*found, *verified.drifts], verified.next
    return found


async def by_hand(client: Client, statement: str, **values: Any) -> None:
    """Execute a statement by SQL, as a user of the database would."""
    await client.service.database.execute(text(statement).bindparams(**values))


async def retitled(client: Client, host: ApiUser, times: int) -> str:
    """Create a request whose title was changed this number of times."""
    request = await publish(client, host)
    for number in range(times):
        await client.data(UPDATE, host, id=request, input={"title": f"Title {number}"})
    return request


async def test_a_request_is_rebuilt_at_any_version_and_time(client: Client, host: ApiUser) -> None:
    """Twelve changes make thirteen versions and a snapshot; each past state is found by version and
    by time.
    """
    request = await retitled(client, host, 12)
    database, stream = client.service.database, REQUESTS.aggregate.stream(UUID(request))
    kept = text("SELECT version, state_data ->> 'title' FROM snapshots WHERE aggregate_id = :id")
    assert [tuple(row) for row in await database.fetch_all(kept, id=stream.aggregate_id)] == [(10, "Title 8")]
    for version, title in ((1, "A band"), (2, "Title 0"), (10, "Title 8"), (11, "Title 9"), (13, "Title 11")):
        found = (await client.data(AS_OF, host, id=request, version=version))["requestAsOf"]
        assert (found["version"], found["state"]["title"]) == (version, title)
    times = text("SELECT occurred_at FROM events WHERE aggregate_id = :id AND version = 4")
    time: datetime = await database.fetch_value(times, id=UUID(request))
    found = (await client.data(AS_OF, host, id=request, time=time.isoformat()))["requestAsOf"]
    assert (found["version"], found["state"]["title"]) == (4, "Title 2")
    assert (await client.data(AS_OF, host, id=request))["requestAsOf"]["state"]["title"] == "Title 11"
    assert await client.codes(AS_OF, host, id=request, version=14) == ["NOT_FOUND"]
    assert await client.codes(AS_OF, host, id=request, version=-1) == ["BAD_USER_INPUT"]
    assert await client.codes(AS_OF, host, id=request, version=1, time=time.isoformat()) == ["BAD_USER_INPUT"]
    assert await drifts(client, REQUESTS) == []


async def test_ids_in_a_history_are_global(client: Client, host: ApiUser) -> None:
    """Users in a history have the ids that clients see everywhere else."""
    request = await publish(client, host)
    [entry] = (await client.data(HISTORY, host, id=request))["requestHistory"]
    state = (await client.data(AS_OF, host, id=request))["requestAsOf"]["state"]
    owner = encode("User", host.id)
    assert (entry["createdBy"], entry["changes"]["clientId"], state["clientId"]) == (owner, owner, owner)


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-02:00", "2026-11-22T12:00:00"]
)
async def test_a_time_that_is_none_is_refused(client: Client, host: ApiUser, time: str) -> None:
    """A time outside of the calendar in UTC, or without an offset, is BAD_USER_INPUT."""
    assert await client.codes(AS_OF, host, id=await publish(client, host), time=time) == ["BAD_USER_INPUT"]


async def test_history_is_paged_and_for_its_owner(
    client: Client, host: ApiUser, stranger: ApiUser, admin: ApiUser
) -> None:
    """Changes are listed with their authors, the newest first; other users are refused."""
    request = await retitled(client, host, 4)
    page = (await client.data(HISTORY, host, id=request))["requestHistory"]
    assert [one["version"] for one in page] == [5, 4, 3]
    assert page[0] == {
        "version": 5,
        "type": "RequestUpdated",
        "changes": page[0]["changes"],
        "createdBy": encode("User", host.id),
    }
    assert page[0]["changes"]["title"] == "Title 3"
    rest = (await client.data(HISTORY, admin, id=request, before=3))["requestHistory"]
    assert [one["type"] for one in rest] == ["RequestUpdated", "RequestPublished"]
    assert await client.codes(HISTORY, stranger, id=request) == ["FORBIDDEN"]
    assert await client.codes(HISTORY, None, id=request) == ["UNAUTHENTICATED"]
    assert await client.codes(AS_OF, stranger, id=request) == ["FORBIDDEN"]
    assert await client.codes(HISTORY, host, id=str(uuid4())) == ["NOT_FOUND"]


async def test_changes_count_as_elements_of_lists(client: Client, host: ApiUser) -> None:
    """Changes count in the request's budget of list elements."""
    request = UUID(await retitled(client, host, 4))
    budget.begin()
    budget.spend(budget.MAX_ELEMENTS - 7)
    assert len(await entries(client.service.database, REQUESTS, request)) == 5
    with pytest.raises(budget.TooManyElements):
        await entries(client.service.database, REQUESTS, request)


async def test_a_change_by_hand_is_an_event_and_is_told(
    client: Client, host: ApiUser, admin: ApiUser
) -> None:
    """A change of a row by SQL is an event in its history, is published, and the service continues
    from it.
    """
    request = await retitled(client, host, 1)
    await by_hand(
        client,
        "UPDATE musician_requests SET title = 'By hand', budget_max = 777 WHERE id = :id",
        id=UUID(request),
    )
    newest = (await client.data(HISTORY, host, id=request))["requestHistory"][0]
    assert newest["version"] == 3
    assert newest["changes"] == {"title": "By hand", "budgetMax": 777.0}
    assert newest["createdBy"] == "database"
    assert (await client.data(HISTORY, admin, id=request))["requestHistory"][0]["createdBy"].startswith(
        "database:"
    )
    told = text("SELECT * FROM outbox WHERE aggregate_id = :id ORDER BY id")
    rows = await client.service.database.fetch_all(told, id=UUID(request))
    assert [row.version for row in rows] == [1, 2, 3]
    assert set(rows[2].payload) == set(rows[1].payload)
    assert (rows[2].event_type, rows[2].payload["title"]) == ("RequestUpdated", "By hand")
    await client.data(UPDATE, host, id=request, input={"description": "Bring a bass"})
    state = (await client.data(AS_OF, host, id=request))["requestAsOf"]
    assert (state["version"], state["state"]["title"], state["state"]["budgetMax"]) == (
        4,
        "By hand",
        "777.00",
    )
    assert await drifts(client, REQUESTS) == []


@pytest.mark.parametrize("ending", ["NOTHING", "UPDATE SET title = excluded.title"])
async def test_only_what_became_of_an_insert_is_recorded(client: Client, host: ApiUser, ending: str) -> None:
    """With `ON CONFLICT` a skipped row has no event, and a changed row has that of the change only."""
    request = await retitled(client, host, 2)
    row = 'jsonb_populate_record(own, \'{"version": 1, "title": "Other", "description": "Never seen"}\')'
    insert = (
        f"INSERT INTO musician_requests SELECT ({row}).* FROM musician_requests AS own WHERE id = :id"
        f" ON CONFLICT (id) DO {ending}"
    )
    await by_hand(client, insert, id=UUID(request))
    told = text("SELECT version, event_type, payload FROM outbox WHERE aggregate_id = :id AND version > 3")
    rows = await client.service.database.fetch_all(told, id=UUID(request))
    changed = [] if ending == "NOTHING" else [(4, "RequestUpdated", "Other", "")]
    assert [
        (one.version, one.event_type, one.payload["title"], one.payload["description"]) for one in rows
    ] == changed
    assert await drifts(client, REQUESTS) == []


async def test_a_row_added_by_hand_is_an_event_and_is_told(client: Client, host: ApiUser) -> None:
    """The history of a row that SQL has inserted begins with all its values."""
    model, added = await publish(client, host), uuid4()
    changed = "jsonb_build_object('id', cast(:added AS uuid), 'title', 'Added', 'version', 9)"
    row = f"jsonb_populate_record(own, {changed})"
    insert = f"INSERT INTO musician_requests SELECT ({row}).* FROM musician_requests AS own WHERE id = :id"
    await by_hand(client, insert, id=UUID(model), added=added)
    told = text("SELECT version, event_type, payload FROM outbox WHERE aggregate_id = :id ORDER BY id")
    (first,) = await client.service.database.fetch_all(told, id=added)
    assert (first.version, first.event_type, first.payload["title"]) == (1, "RequestPublished", "Added")
    await client.data(UPDATE, host, id=str(added), input={"title": "Ours"})
    state = (await client.data(AS_OF, host, id=str(added)))["requestAsOf"]
    assert (state["version"], state["state"]["title"]) == (2, "Ours")
    assert await drifts(client, REQUESTS) == []


async def test_rows_are_neither_deleted_nor_given_another_id(client: Client, host: ApiUser) -> None:
    """The database refuses to delete an event-sourced row or to change its id."""
    request = UUID(await publish(client, host))
    with pytest.raises(IntegrityError, match="not deleted"):
        await by_hand(client, "DELETE FROM musician_requests WHERE id = :id", id=request)
    with pytest.raises(IntegrityError, match="stays"):
        await by_hand(
            client,
            "UPDATE musician_requests SET id = gen_random_uuid(), title = 'x' WHERE id = :id",
            id=request,
        )


async def test_drift_is_found_and_repaired(client: Client, host: ApiUser) -> None:
    """A row that was changed without the trigger gets the state of its events."""
    request = UUID(await retitled(client, host, 2))
    async with UnitOfWork(client.service.database) as uow:
        await uow.execute(text("SELECT set_config('mussikon.loading', 'on', true)"))
        changed = text("UPDATE musician_requests SET title = 'Wrong', status = 'completed' WHERE id = :id")
        await uow.execute(changed.bindparams(id=request))
    assert await drifts(client, REQUESTS) == [RowDrift(request, ("title", "status"))]
    assert await drifts(client, REQUESTS) == []
    row = (await REQUEST_ROWS.by_ids(client.service.database, [request]))[request]
    assert (row.title, row.status, row.version) == ("Title 1", "open", 3)


async def test_of_two_writers_one_is_refused(client: Client, host: ApiUser) -> None:
    """A writer whose object was changed meanwhile gets VERSION_CONFLICT, and writes nothing."""
    request = UUID(await publish(client, host))
    database = client.service.database
    seen = (await REQUEST_ROWS.by_ids(database, [request]))[request]

    async def retitle(title: str) -> None:
        async with UnitOfWork(database) as uow:
            await change_request_unchecked(uow, seen, {"title": title})

    results = await asyncio.gather(retitle("one"), retitle("two"), return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [VersionConflict]
    row = (await REQUEST_ROWS.by_ids(database, [request]))[request]
    assert row.version == 2
    assert row.title == ("one" if results[0] is None else "two")


async def test_bookings_are_what_their_events_say(client: Client, host: ApiUser, player: Player) -> None:
    """The history of a booking has its creation, confirmation and cancellation; its musician may see it."""
    _, _, booking = await booked(client, host, player)
    await carry(client, steps.confirm, bookingId=booking, byUserId=str(player[0].id))
    await carry(client, steps.cancel, bookingId=booking, requestId=None, byUserId=str(host.id))
    query = """query($id: ID!) {
        bookingHistory(id: $id) { type changes } bookingAsOf(id: $id, version: 3) { state } }"""
    data = await client.data(query, player[0], id=booking)
    types = [one["type"] for one in data["bookingHistory"]]
    assert types == ["BookingCancelled", "BookingConfirmed", "BookingOffered", "BookingMade"]
    assert data["bookingHistory"][0]["changes"] == {"status": "cancelled"}
    assert (data["bookingAsOf"]["state"]["status"], data["bookingAsOf"]["state"]["price"]) == (
        "confirmed",
        "400.00",
    )
    assert await drifts(client, BOOKINGS) == []


LOAD = (
    "INSERT INTO musician_requests (id, version, {columns})"
    " SELECT '{copy}', 7, {columns} FROM musician_requests WHERE id = '{id}'"
)


async def test_a_row_without_events_stays_as_it_is(client: Client, host: ApiUser) -> None:
    """A loaded row without a stream is not changed, because its values are nowhere else."""
    request, copy, database = UUID(await publish(client, host)), uuid4(), client.service.database
    columns = ", ".join(column.name for column in requests.c if column.name not in ("id", "version"))
    await load_rows(database, LOAD.format(columns=columns, copy=copy, id=request))
    before = await REQUEST_ROWS.by_ids(database, [copy])
    assert await drifts(client, REQUESTS) == []
    assert await REQUEST_ROWS.by_ids(database, [copy]) == before
    await database.fetch_value(
        text("SELECT adopt_rows('musician_request', 'musician_requests', 'RequestPublished')")
    )
    assert (await REQUESTS.aggregate.load(database, REQUESTS.aggregate.stream(copy))).state.title == "A band"


async def test_loaded_rows_get_a_history(client: Client, host: ApiUser) -> None:
    """Rows that were loaded in bulk get a first event with their values, once, which is not published."""
    request, copy = UUID(await publish(client, host)), uuid4()
    columns = ", ".join(column.name for column in requests.c if column.name not in ("id", "version"))
    adopt = text("SELECT adopt_rows('musician_request', 'musician_requests', 'RequestPublished')")
    async with UnitOfWork(client.service.database) as uow:
        await uow.execute(text("SELECT set_config('mussikon.loading', 'on', true)"))
        insert = (
            f"INSERT INTO musician_requests (id, version, {columns})"
            f" SELECT :copy, 7, {columns} FROM musician_requests WHERE id = :id"
        )
        await uow.execute(text(insert).bindparams(copy=copy, id=request))
        assert await uow.fetch_value(adopt) == 1
        assert await uow.fetch_value(adopt) == 0
    rows = await REQUEST_ROWS.by_ids(client.service.database, [request, copy])
    assert rows[copy].version == 1
    one, other = [
        await REQUESTS.aggregate.load(client.service.database, REQUESTS.aggregate.stream(key)) for key in rows
    ]
    assert one.state == other.state
    assert (
        await client.service.database.fetch_value(
            text("SELECT count(*) FROM outbox WHERE aggregate_id = :id"), id=copy
        )
        == 0
    )
    assert await drifts(client, REQUESTS) == []
