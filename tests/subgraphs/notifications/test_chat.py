"""Tests of messages: the parties of a booking write to each other, others can neither read nor write."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.errors import Conflict, Forbidden, RateLimited
from subgraphs.kit.global_ids import encode
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, counted_statements
from subgraphs.notifications.chat_model import AT_ONCE, BookingCopy, check_pace, recipient_of
from tests.subgraphs.notifications.test_notifications import booking, told

SEND = """mutation($id: ID!, $text: String!, $key: String) {
  sendMessage(input: {bookingId: $id, text: $text}, idempotencyKey: $key) {
    message { uuid text booking { uuid } author { uuid } } userErrors { code field message } } }"""
LISTED = """messages(first: 2) { totalCount pageInfo { hasNextPage endCursor }
  edges { node { text author { uuid } } } }"""
SENT = "SELECT event_type, aggregate_id, payload FROM outbox WHERE payload ->> 'booking_id' = :id ORDER BY id"


@pytest.fixture
async def talk(tell: Any, person: ApiUser, keys: SigningKeys) -> tuple[str, ApiUser]:
    """The id of a confirmed booking of `person`, and its musician."""
    player = ApiUser.make(keys, "musician")
    facts = booking(person.id, player.id)
    await tell("BookingConfirmed", **facts)
    return str(facts["booking_id"]), player


async def sent(client: Client, by: ApiUser, key: str, words: str) -> dict[str, Any]:
    """Send a message, and return it."""
    found: dict[str, Any] = (await client.data(SEND, by, id=key, text=words))["sendMessage"]["message"]
    return found


async def listed(client: Client, key: str, by: ApiUser | None, selection: str = LISTED) -> Any:
    """Return the messages of a booking, or the codes of the errors."""
    answer = await client.entities("Booking", [key], selection, by)
    if "errors" in answer:
        return [error["extensions"]["code"] for error in answer["errors"]]
    return answer["data"]["_entities"][0]["messages"]


async def test_both_parties_write(client: Client, person: ApiUser, talk: tuple[str, ApiUser]) -> None:
    """Messages are listed with their authors, the newest first, by pages; the event has no text."""
    key, player = talk
    first = await sent(client, person, encode("Booking", key), " When?\nAt 5? ")
    assert (first["text"], first["booking"], first["author"]) == (
        "When?\nAt 5?",
        {"uuid": key},
        {"uuid": str(person.id)},
    )
    for words in ("At 6.", "Fine."):
        await sent(client, player, key, words)
    page = await listed(client, key, person)
    assert [edge["node"]["text"] for edge in page["edges"]] == ["Fine.", "At 6."]
    assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (3, True)
    rest = f'messages(last: 5, after: "{page["pageInfo"]["endCursor"]}") {{ edges {{ node {{ text }} }} }}'
    assert await listed(client, key, player, rest) == {"edges": [{"node": {"text": "When?\nAt 5?"}}]}
    rows = await client.service.database.fetch_all(text(SENT), id=key)
    events = [row for row in rows if row.event_type == "MessageSent"]
    assert [str(row.aggregate_id) for row in events] == [key] * 3
    assert events[0].payload == {
        "message_id": first["uuid"],
        "booking_id": key,
        "author_id": str(person.id),
        "recipient_id": str(player.id),
    }


async def test_only_parties(
    client: Client, person: ApiUser, talk: tuple[str, ApiUser], keys: SigningKeys
) -> None:
    """Strangers can neither read nor write; admins read, as a list and as an entity."""
    key, _ = talk
    message = await sent(client, person, key, "Hello")
    stranger, admin = ApiUser.make(keys, "musician"), ApiUser.make(keys, "admin")
    for by, code in ((None, "UNAUTHENTICATED"), (stranger, "FORBIDDEN")):
        assert await listed(client, key, by) == [code]
        assert await client.codes(SEND, by, id=key, text="Hello") == [code]
        answer = await client.entities("Message", [message["uuid"]], "text", by)
        assert (answer["data"]["_entities"], answer["errors"][0]["extensions"]["code"]) == ([None], code)
    assert (await listed(client, key, admin))["totalCount"] == 1
    assert await client.codes(SEND, admin, id=key, text="Hello") == ["FORBIDDEN"]
    found = await client.entities("Message", [message["uuid"], uuid4(), "x"], "text", admin)
    assert found == {"data": {"_entities": [{"text": "Hello"}, None, None]}}


async def test_wrong_input(client: Client, person: ApiUser, talk: tuple[str, ApiUser]) -> None:
    """Every wrong field is named; an unknown booking is not found, and has no messages."""
    key, _ = talk
    mistakes = await client.mistakes(SEND, person, id=encode("User", key), text=" \n")
    assert mistakes == [("BAD_USER_INPUT", "bookingId"), ("BAD_USER_INPUT", "text")]
    for words in ("x" * 2001, "\u200b\u2060 \u3164", "a\x00b"):
        assert await client.mistakes(SEND, person, id=key, text=words) == [("BAD_USER_INPUT", "text")]
    assert (await sent(client, person, key, "x" * 2000))["text"] == "x" * 2000
    assert (await sent(client, person, key, "👩‍👧"))["text"] == "👩‍👧"
    nowhere = str(uuid4())
    assert await client.mistakes(SEND, person, id=nowhere, text="Hello") == [("NOT_FOUND", None)]
    assert (await listed(client, nowhere, person))["totalCount"] == 0


@pytest.mark.parametrize("ended", ["BookingCancelled", "BookingUndone"])
async def test_not_about_a_cancelled_booking(
    client: Client, tell: Any, person: ApiUser, keys: SigningKeys, ended: str
) -> None:
    """After the end of a booking its messages can be read, and none is added, until it is restored."""
    facts = booking(person.id, ApiUser.make(keys, "musician").id)
    key = str(facts["booking_id"])
    await tell("BookingMade", **{**facts, "status": "pending"})
    await sent(client, person, key, "Hello")
    await tell(ended, position=2, **{**facts, "status": "cancelled"})
    assert await client.mistakes(SEND, person, id=key, text="Hello?") == [("CONFLICT", None)]
    assert (await listed(client, key, person))["totalCount"] == 1
    await tell("BookingConfirmed", **facts)  # an older event that arrives late
    assert await client.mistakes(SEND, person, id=key, text="Hello?") == [("CONFLICT", None)]
    await tell("BookingRestored", position=3, **facts)
    await sent(client, person, key, "Hello again")


async def test_once_for_a_key(
    client: Client, person: ApiUser, talk: tuple[str, ApiUser], keys: SigningKeys
) -> None:
    """A repeated mutation returns the first message, also after a week; the key is refused for another text,
    and free after a refusal.
    """
    key, player = talk
    first = await client.data(SEND, person, id=key, text="Hello", key="1")
    assert await client.data(SEND, person, id=key, text="Hello", key="1") == first
    assert await client.codes(SEND, person, id=key, text="Bye", key="1") == ["IDEMPOTENCY_KEY_REUSED"]
    await client.service.database.execute(text("DELETE FROM mutation_keys"))
    assert await client.data(SEND, person, id=key, text="Hello", key="1") == first
    other = await client.data(SEND, player, id=key, text="Hello", key="1")
    assert other != first
    stranger = ApiUser.make(keys, "client")
    for _ in range(2):
        assert await client.codes(SEND, stranger, id=key, text="Hello", key="1") == ["FORBIDDEN"]
    assert (await listed(client, key, person))["totalCount"] == 2


async def test_a_minute_has_a_limit(client: Client, person: ApiUser, talk: tuple[str, ApiUser]) -> None:
    """A party may write 20 messages a minute about a booking; the other party is not limited by that."""
    key, player = talk
    for number in range(AT_ONCE):
        await sent(client, person, key, str(number))
    answer = await client.send(SEND, person, id=key, text="20")
    assert answer["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert 0 < answer["errors"][0]["extensions"]["retryAfterSeconds"] <= 60
    await sent(client, player, key, "Slowly")
    earlier = "UPDATE chat_messages SET sent_at = sent_at - interval '61 seconds' WHERE booking_id = :id"
    await client.service.database.execute(text(earlier).bindparams(id=UUID(key)))
    await sent(client, person, key, "20")


async def test_the_recipient_is_notified_once_until_it_is_read(
    client: Client, person: ApiUser, talk: tuple[str, ApiUser]
) -> None:
    """Several messages give one notification, without the text; after it was read, the next one."""
    key, player = talk
    for words in ("A secret", "Another one"):
        await sent(client, person, key, words)
    [note] = await told(client, player)
    assert (note["type"], note["title"], note["booking"]) == ("MESSAGE", "New message: A band", {"uuid": key})
    assert "secret" not in note["message"]
    assert await told(client, person) == []
    await client.data(
        "mutation($id: ID!) { markNotificationRead(id: $id) { userErrors { code } } }", player, id=note["id"]
    )
    await sent(client, person, key, "A third")
    assert len(await told(client, player)) == 2


async def test_many_bookings_take_few_statements(
    client: Client, tell: Any, person: ApiUser, talk: tuple[str, ApiUser], keys: SigningKeys
) -> None:
    """Lists and numbers of messages take one statement each for any number of bookings."""
    ids = [talk[0]]
    for _ in range(10):
        facts = booking(person.id, uuid4())
        await tell("BookingConfirmed", **facts)
        ids.append(str(facts["booking_id"]))
    for key in ids:
        await sent(client, person, key, "Hello")
    with counted_statements(client.service.database) as statements:
        answer = await client.entities("Booking", ids, LISTED, person)
    assert [one["messages"]["totalCount"] for one in answer["data"]["_entities"]] == [1] * 11
    assert len(statements) == 3  # the bookings, the pages, the numbers


def test_the_rules() -> None:
    """Who writes to whom, and when the next message may follow."""
    host, player, now = uuid4(), uuid4(), datetime.now(UTC)
    known: dict[str, Any] = {
        "booking_id": uuid4(),
        "request_id": uuid4(),
        "title": "",
        "position": 1,
        "version": 1,
    }
    standing = BookingCopy(**known, client_id=host, musician_user_id=player, status="completed")
    assert (recipient_of(standing, host), recipient_of(standing, player)) == (player, host)
    with pytest.raises(Forbidden):
        recipient_of(standing, uuid4())
    with pytest.raises(Conflict):
        recipient_of(BookingCopy(**known, client_id=host, musician_user_id=player, status="cancelled"), host)
    times = [now - timedelta(seconds=number) for number in range(AT_ONCE)]
    check_pace(times[:-1], now)
    with pytest.raises(RateLimited) as refused:
        check_pace(times, now)
    assert refused.value.extensions == {"retryAfterSeconds": 41}
    check_pace(times, now + timedelta(seconds=41))
