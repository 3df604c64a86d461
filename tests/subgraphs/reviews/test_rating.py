"""Tests of rating a booking: by its client, after its completion, once; and of the musician's rating."""

import asyncio
from typing import Any, Protocol
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.global_ids import encode
from subgraphs.kit.testing import ApiUser, Client, SigningKeys

RATE = """mutation($input: RateBookingInput!) {
  rateBooking(input: $input) {
    review { uuid rating text booking { uuid } author { uuid } musician { uuid rating totalReviews } }
    userErrors { code field message }
  }
}"""
EDIT = """mutation($id: ID!, $input: EditReviewInput!) {
  editReview(id: $id, input: $input) {
    review { rating text musician { rating } } userErrors { code field message }
  }
}"""


class Gig(Protocol):
    """A booking of the fixtures."""

    host: ApiUser
    id: UUID
    musician_id: UUID
    musician_user_id: UUID


def said(gig: Gig, rating: int = 5, **changes: Any) -> dict[str, Any]:
    """Return the input of a rating."""
    return {"bookingId": str(gig.id), "rating": rating, **changes}


async def test_a_review_is_published(client: Client, gig: Gig) -> None:
    """A review is returned as given, changes the musician's rating, and is published as an event."""
    words = "Robert'); DROP TABLE reviews;--\nplayed 'til dawn"
    review = (await client.data(RATE, gig.host, input=said(gig, 4, text=words)))["rateBooking"]["review"]
    assert review.pop("uuid")
    assert review == {
        "rating": 4,
        "text": words,
        "booking": {"uuid": str(gig.id)},
        "author": {"uuid": str(gig.host.id)},
        "musician": {"uuid": str(gig.musician_id), "rating": 4.0, "totalReviews": 1},
    }
    told = text("SELECT payload FROM outbox WHERE payload->>'booking_id' = :id").bindparams(id=str(gig.id))
    payload = await client.service.database.fetch_value(told)
    assert payload.pop("review_id")
    assert payload == {
        "booking_id": str(gig.id),
        "musician_id": str(gig.musician_id),
        "musician_user_id": str(gig.musician_user_id),
        "author_id": str(gig.host.id),
        "rating": 4,
    }


async def test_once_only(client: Client, gig: Gig) -> None:
    """Of many concurrent ratings of one booking one is accepted."""
    answers = await asyncio.gather(
        *[client.codes(RATE, gig.host, input=said(gig, n % 5 + 1)) for n in range(6)]
    )
    assert sorted(answers) == [[], *[["CONFLICT"]] * 5]
    answer = await client.entities("Musician", [gig.musician_id], "totalReviews reviews { totalCount }")
    assert answer["data"]["_entities"] == [{"totalReviews": 1, "reviews": {"totalCount": 1}}]


async def test_only_its_client(client: Client, gig: Gig, keys: SigningKeys) -> None:
    """Other clients, the musician, admins and callers without a token cannot rate a booking; an unknown or
    not completed one is NOT_FOUND.
    """
    musician = ApiUser.make(keys, "musician", gig.musician_user_id)
    for person in (ApiUser.make(keys), musician, ApiUser.make(keys, "admin")):
        assert await client.codes(RATE, person, input=said(gig)) == ["FORBIDDEN"]
    assert await client.codes(RATE, None, input=said(gig)) == ["UNAUTHENTICATED"]
    assert await client.codes(RATE, gig.host, input={"bookingId": str(uuid4()), "rating": 5}) == ["NOT_FOUND"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rating": 0}, "rating"),
        ({"rating": 6}, "rating"),
        ({"text": "x" * 2001}, "text"),
        ({"text": "a\0b"}, "text"),
        ({"bookingId": "' or 1=1"}, "bookingId"),
    ],
)
async def test_wrong_input_is_named(client: Client, gig: Gig, changes: dict[str, Any], field: str) -> None:
    """Each wrong value is refused with its field."""
    wanted = said(gig, **{"rating": 5, **changes})
    assert await client.mistakes(RATE, gig.host, input=wanted) == [("BAD_USER_INPUT", field)]


async def test_all_wrong_fields_at_once(client: Client, gig: Gig) -> None:
    """A review with two wrong fields names both."""
    wanted = said(gig, 9, text="x" * 2001)
    assert await client.mistakes(RATE, gig.host, input=wanted) == [
        ("BAD_USER_INPUT", "rating"),
        ("BAD_USER_INPUT", "text"),
    ]


async def test_a_key_rates_once(client: Client, gig: Gig) -> None:
    """The same mutation with the same key returns the first review; with other input it is refused."""
    query = RATE.replace("$input: RateBookingInput!", "$input: RateBookingInput!, $key: String").replace(
        "input: $input", "input: $input, idempotencyKey: $key"
    )
    first = await client.data(query, gig.host, input=said(gig), key="my key")
    assert await client.data(query, gig.host, input=said(gig), key="my key") == first
    assert await client.codes(query, gig.host, input=said(gig, 1), key="my key") == ["IDEMPOTENCY_KEY_REUSED"]
    assert await client.mistakes(query, gig.host, input=said(gig), key="") == [
        ("BAD_USER_INPUT", "idempotencyKey")
    ]
    status = '{ reviewCommand(idempotencyKey: "my key") { type status } }'
    assert (await client.data(status, gig.host))["reviewCommand"] == {
        "type": "RateBooking",
        "status": "COMPLETED",
    }


async def test_a_review_is_edited_for_a_day(client: Client, gig: Gig, keys: SigningKeys) -> None:
    """Its author may change rating and text, others may not, and nobody after a day."""
    review = (await client.data(RATE, gig.host, input=said(gig, 2, text="Late")))["rateBooking"]["review"]
    changed = await client.data(EDIT, gig.host, id=encode("Review", review["uuid"]), input={"rating": 4})
    assert changed["editReview"]["review"] == {"rating": 4, "text": "Late", "musician": {"rating": 4.0}}
    assert await client.codes(EDIT, ApiUser.make(keys), id=review["uuid"], input={}) == ["FORBIDDEN"]
    assert await client.mistakes(EDIT, gig.host, id=review["uuid"], input={"rating": 0}) == [
        ("BAD_USER_INPUT", "rating")
    ]
    older = "UPDATE reviews SET created_at = created_at - interval '1 day' WHERE id = :id"
    await client.service.database.execute(text(older).bindparams(id=UUID(review["uuid"])))
    assert await client.codes(EDIT, gig.host, id=review["uuid"], input={"rating": 5}) == ["CONFLICT"]
    assert await client.mistakes(EDIT, gig.host, id=encode("User", review["uuid"]), input={}) == [
        ("BAD_USER_INPUT", "id")
    ]


async def test_sums_follow_every_change(client: Client, gig: Gig) -> None:
    """The sum and number of ratings are right also after SQL has inserted, changed and deleted reviews."""
    database = client.service.database

    async def reputation() -> Any:
        answer = await client.entities("Musician", [gig.musician_id], "rating totalReviews")
        return answer["data"]["_entities"][0]

    bookings = """INSERT INTO completed_bookings
        SELECT gen_random_uuid(), gen_random_uuid(), :host, :musician, :musician, 'bulk', now(), now()
        FROM generate_series(1, 3)"""
    ids = {"host": gig.host.id, "musician": gig.musician_id}
    await database.execute(text(bookings).bindparams(**ids))
    reviews = """INSERT INTO reviews (id, booking_id, musician_id, author_id, rating)
        SELECT gen_random_uuid(), booking_id, musician_id, client_id, 1 + row_number() OVER ()
        FROM completed_bookings WHERE musician_id = :id AND title = 'bulk'"""
    await database.execute(text(reviews).bindparams(id=gig.musician_id))
    assert await reputation() == {"rating": 3.0, "totalReviews": 3}
    for change, expected in [
        (
            "UPDATE reviews SET rating = 5 WHERE rating = 3 AND musician_id = :id",
            {"rating": 3.67, "totalReviews": 3},
        ),
        ("DELETE FROM reviews WHERE rating = 5 AND musician_id = :id", {"rating": 3.0, "totalReviews": 2}),
        ("DELETE FROM reviews WHERE musician_id = :id", {"rating": None, "totalReviews": 0}),
    ]:
        await database.execute(text(change).bindparams(id=gig.musician_id))
        assert await reputation() == expected
