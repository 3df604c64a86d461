"""Tests of reviews as entities and in lists, and of the copies of bookings."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.testing import ApiUser, Client, SigningKeys, counted_statements, entries_of

NESTED = (
    "reviews(first: 3) { totalCount pageInfo { hasNextPage endCursor }"
    " edges { node { uuid rating musician { uuid } } } }"
)
CROWD = """
    WITH gigs AS (
        INSERT INTO completed_bookings
        SELECT gen_random_uuid(), gen_random_uuid(), (ARRAY[:ann, :bob]::uuid[])[1 + n % 2], m, m, 'crowd',
            now(), now()
        FROM unnest(CAST(:musicians AS uuid[])) AS m, generate_series(1, 5) AS n
        RETURNING booking_id, client_id, musician_id)
    INSERT INTO reviews (id, booking_id, musician_id, author_id, rating, created_at)
    SELECT gen_random_uuid(), booking_id, musician_id, client_id, 1 + row_number() OVER () % 5,
           '2020-01-01'::timestamptz + (row_number() OVER () / 7) * interval '1 day' FROM gigs"""


class Requests(Protocol):
    """The requests service of the fixtures."""

    tell: Callable[..., Awaitable[None]]
    complete: Callable[..., Awaitable[None]]


Crowd = tuple[list[UUID], list[UUID], UUID]


@pytest.fixture(scope="module")
async def crowd(client: Client) -> Crowd:
    """Fifty musicians with five reviews each: their ids, those of the reviews (the newest first), and an
    author.
    """
    musicians, ann = [uuid4() for _ in range(50)], uuid4()
    database = client.service.database
    await database.execute(text(CROWD).bindparams(ann=ann, bob=uuid4(), musicians=musicians))
    rows = await database.fetch_all(text("SELECT id FROM reviews ORDER BY created_at DESC, id DESC"))
    return musicians, [row.id for row in rows], ann


async def test_fields_are_for_everybody(client: Client, crowd: Crowd, keys: SigningKeys) -> None:
    """Reviews are public: every field has the same value without a token, for others and with
    forged headers.
    """
    musicians, reviews, ann = crowd
    every: dict[str, tuple[str, str]] = {
        "Review": (
            str(reviews[0]),
            "id uuid rating text createdAt updatedAt booking { uuid } author { uuid } musician { uuid }",
        ),
        "Musician": (str(musicians[0]), "id uuid rating totalReviews reviews { totalCount }"),
        "User": (str(ann), "id uuid reviewsWritten { totalCount edges { node { uuid } } }"),
        "Booking": (str(uuid4()), "id uuid review { uuid }"),
    }
    for name, (key, selection) in every.items():
        asked = await client.data(f'{{ __type(name: "{name}") {{ fields {{ name }} }} }}')
        assert all(f"{field['name']} " in f"{selection} " for field in asked["__type"]["fields"])
        expected = await client.entities(name, [key], selection)
        assert "errors" not in expected
        for person in (
            ApiUser.make(keys),
            ApiUser.make(keys, "admin"),
            ApiUser(ann, "none", {"x-user-id": str(ann)}),
        ):
            assert await client.entities(name, [key], selection, person) == expected
        refused = ApiUser(ann, "none", {"authorization": "Bearer a.b.c"})
        assert (await client.entities(name, [key], selection, refused))["data"] is None


async def test_no_statement_too_many(client: Client, crowd: Crowd) -> None:
    """Fifty entities of each type with their lists take one statement for each table or sum."""
    musicians, reviews, ann = crowd
    bookings = await client.entities("Review", reviews[:50], "booking { uuid }")
    ids = [review["booking"]["uuid"] for review in bookings["data"]["_entities"]]
    written = "reviewsWritten(first: 2) { totalCount edges { node { rating } } }"
    for name, keys_of, selection, most in [
        (
            "Review",
            reviews[:50],
            "id uuid rating text createdAt updatedAt booking { uuid review { uuid } }"
            " musician { uuid rating }",
            3,
        ),
        ("Musician", musicians, f"rating totalReviews {NESTED}", 2),
        ("User", [ann, *[uuid4() for _ in range(49)]], written, 2),
        ("Booking", ids, "review { uuid rating }", 1),
    ]:
        with counted_statements(client.service.database) as statements:
            answer = await client.entities(name, keys_of, selection)
        assert "errors" not in answer
        assert len(statements) == most
    with counted_statements(client.service.database) as statements:
        await client.data(
            "{ latestReviews(first: 50) { edges { node {"
            " uuid musician { rating } booking { review { uuid } } } } } }"
        )
    assert len(statements) == 3


async def test_nested_pages(client: Client, crowd: Crowd) -> None:
    """Each musician has the newest own reviews, and the next page continues them."""
    musicians, reviews, _ = crowd
    place = {str(key): n for n, key in enumerate(reviews)}
    answer = await client.entities("Musician", musicians, f"uuid {NESTED}")
    for musician in answer["data"]["_entities"]:
        page = musician["reviews"]
        nodes = [edge["node"] for edge in page["edges"]]
        assert (page["totalCount"], len(nodes), page["pageInfo"]["hasNextPage"]) == (5, 3, True)
        assert {node["musician"]["uuid"] for node in nodes} == {musician["uuid"]}
        assert [place[node["uuid"]] for node in nodes] == sorted(place[node["uuid"]] for node in nodes)
    first = answer["data"]["_entities"][0]["reviews"]
    follow = NESTED.replace("first: 3", f'first: 3, after: "{first["pageInfo"]["endCursor"]}"')
    rest = (await client.entities("Musician", musicians[:1], follow))["data"]["_entities"][0]["reviews"]
    assert (len(rest["edges"]), rest["pageInfo"]["hasNextPage"]) == (2, False)
    assert not {edge["node"]["uuid"] for edge in rest["edges"]} & {
        edge["node"]["uuid"] for edge in first["edges"]
    }


async def test_the_list_of_all(client: Client, crowd: Crowd) -> None:
    """The pages together have every review once, the newest first."""
    query = """query($after: String) { latestReviews(first: 100, after: $after) {
        totalCount pageInfo { hasNextPage endCursor } edges { node { uuid } } } }"""
    found: list[str] = []
    after: str | None = None
    more = True
    while more:
        page = (await client.data(query, after=after))["latestReviews"]
        found += [edge["node"]["uuid"] for edge in page["edges"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert found == [str(key) for key in crowd[1]]
    assert page["totalCount"] == len(found)


async def test_bad_arguments_and_unknown_ids(client: Client) -> None:
    """Wrong pages are errors of their fields; unknown ids are null or empty."""
    for arguments in ("first: 0", "first: 101", 'after: "x"'):
        assert await client.codes(f"{{ latestReviews({arguments}) {{ totalCount }} }}") == ["BAD_USER_INPUT"]
        nested = await client.entities("Musician", [uuid4()], f"id reviews({arguments}) {{ totalCount }}")
        assert nested["errors"][0]["path"] == ["_entities", 0, "reviews"]
        assert nested["data"]["_entities"][0]["reviews"] is None
    assert await client.data('{ review(id: "x") { uuid } }') == {"review": None}
    selection = "rating totalReviews reviews { totalCount edges { node { uuid } } }"
    nothing = {"rating": None, "totalReviews": 0, "reviews": {"totalCount": 0, "edges": []}}
    answer = await client.entities("Musician", [uuid4(), "x", ""], selection)
    assert answer == {"data": {"_entities": [nothing] * 3}}
    assert (await client.entities("Booking", ["x"], "review { uuid }"))["data"]["_entities"] == [
        {"review": None}
    ]


async def test_bookings_come_by_events(client: Client, requests: Requests, host: ApiUser, gig: Any) -> None:
    """Only completed bookings are copied; repeated and other events change nothing."""
    other = type(gig)(host)
    await requests.tell(other, "BookingConfirmed")
    await requests.tell(gig)
    last = type(gig)(host)
    await requests.complete(last)
    rows = await client.service.database.fetch_all(
        text("SELECT booking_id, title FROM completed_bookings WHERE client_id = :id").bindparams(id=host.id)
    )
    assert {row.booking_id for row in rows} == {gig.id, last.id}
    assert {row.title for row in rows} == {"Garden party"}


async def test_reviews_are_told(client: Client, requests: Any, gig: Any) -> None:
    """The event of a review is published on the service's stream."""
    rate = "mutation($id: ID!) { rateBooking(input: {bookingId: $id, rating: 5}) { review { uuid } } }"
    review = (await client.data(rate, gig.host, id=str(gig.id)))["rateBooking"]["review"]["uuid"]
    for _ in range(250):
        entries = await entries_of(requests.queue.redis, "reviews")
        told = [fields[b"event_type"] for fields in entries if fields[b"aggregate_id"].decode() == review]
        if told:
            break
        await asyncio.sleep(0.02)
    assert told == [b"ReviewPublished"]
