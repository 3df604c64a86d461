"""The client's side of GraphQL over WebSocket: each message of a server, in both sub-protocols."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.wire.ws_client import (
    DIALECTS,
    LEGACY_WS,
    TRANSPORT_WS,
    Acknowledged,
    Dialect,
    Ended,
    Invalid,
    Next,
    Pong,
    Refused,
    Send,
    Violated,
    WsClient,
)

ACK = b'{"type":"connection_ack"}'
REQUEST = b'{"query":"subscription{x}"}'


@pytest.fixture(params=list(DIALECTS.values()), ids=list(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Each sub-protocol."""
    found: Dialect = request.param
    return found


def running(dialect: Dialect) -> WsClient:
    """Return an acknowledged client with one subscription, whose id is 1."""
    client = WsClient(dialect)
    client.receive(ACK)
    client.subscribe(REQUEST)
    return client


def message(type: str, id: str | None = "1", **more: Any) -> bytes:
    """Return a message of the server."""
    return json.dumps({"type": type, **({} if id is None else {"id": id}), **more}).encode()


def event_type(dialect: Dialect) -> str:
    """Return the type of the messages with events."""
    return "next" if dialect is TRANSPORT_WS else "data"


def test_subscriptions_wait_for_the_acknowledgement(dialect: Dialect) -> None:
    """They are sent in order when it has come; one that was cancelled before is never sent."""
    client = WsClient(dialect)
    assert client.init(b'{"a":"b"}') == b'{"type":"connection_init","payload":{"a":"b"}}'
    ids = [client.subscribe(REQUEST) for _ in range(3)]
    assert ids == [("1", ()), ("2", ()), ("3", ())]
    assert client.cancel("2") == ()
    ready, *sent = client.receive(ACK)
    assert ready == Acknowledged()
    assert [json.loads(one.text) for one in sent if isinstance(one, Send)] == [
        {"id": id, "type": dialect.subscribe.decode(), "payload": json.loads(REQUEST)} for id in "13"
    ]
    id, (send,) = client.subscribe(REQUEST)
    assert (id, json.loads(send.text)["id"]) == ("4", "4")
    assert client.receive(ACK) == ()


def test_events_are_passed_on_as_they_were_written(dialect: Dialect) -> None:
    """Not encoded again: numbers, spaces and the order of members remain."""
    body = b'{"data": {"n": 1.10, "e": 1e-05, "a": "\\u00e9"} }'
    text = b'{"payload": %b ,"id":"1", "type":"%b"}' % (body, event_type(dialect).encode())
    assert running(dialect).receive(text) == (Next("1", body),)


@pytest.mark.parametrize("id", [None, "", "2", "a", "1 "])
def test_messages_for_no_subscription_are_ignored(dialect: Dialect, id: str | None) -> None:
    """They were on their way when it ended, or belong to none."""
    client = running(dialect)
    for type in (event_type(dialect), "error", "complete"):
        assert client.receive(message(type, id, payload={"data": {}})) == ()
    assert client.running == {"1"}


def test_a_subscription_ends_once(dialect: Dialect) -> None:
    """By `complete` or `error`; later messages for it are ignored, and cancelling it sends nothing."""
    for type, payload in (("complete", None), ("error", [{"message": "x"}])):
        client = running(dialect)
        (ended,) = client.receive(message(type, payload=payload))
        assert isinstance(ended, Ended) and (ended.body is None) is (type == "complete")
        assert client.receive(message(event_type(dialect), payload={})) == ()
        assert client.receive(message("complete")) == ()
        assert client.cancel("1") == ()


def test_cancelling_is_sent_once(dialect: Dialect) -> None:
    """For that subscription only; events that were on their way are ignored."""
    client = running(dialect)
    client.subscribe(REQUEST)
    (send,) = client.cancel("1")
    assert json.loads(send.text) == {"id": "1", "type": dialect.cancel.decode()}
    assert client.cancel("1") == ()
    assert client.receive(message(event_type(dialect), payload={})) == ()
    assert client.receive(message(event_type(dialect), "2", payload={})) == (Next("2", b"{}"),)


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        ([{"message": "x", "n": 1.0}], b'{"errors":[{"message": "x", "n": 1.0}]}'),
        ({"message": "x"}, b'{"errors":[{"message": "x"}]}'),
        ({"errors": [{"message": "x"}]}, b'{"errors":[{"message": "x"}]}'),
    ],
)
def test_errors_are_a_response(dialect: Dialect, payload: Any, body: bytes) -> None:
    """A list as in the new protocol, one error as in the legacy one, and an object with a list."""
    assert running(dialect).receive(message("error", payload=payload)) == (Ended("1", body),)


@pytest.mark.parametrize("payload", [[], None, "x", 7, [7], [{}], [{"message": 7}], {}, {"errors": []}])
def test_errors_that_are_none(dialect: Dialect, payload: Any) -> None:
    """The subscription fails, and no other one."""
    client = running(dialect)
    (found,) = client.receive(message("error", payload=payload))
    assert isinstance(found, Invalid) and found.reason.startswith("expected ")
    assert client.running == set()


@pytest.mark.parametrize("payload", [None, 7, "x", [], [{"data": {}}], True])
def test_events_that_are_no_responses(dialect: Dialect, payload: Any) -> None:
    """The subscription fails, and is cancelled at the server."""
    client = running(dialect)
    send, found = client.receive(message(event_type(dialect), payload=payload))
    assert isinstance(send, Send) and json.loads(send.text)["id"] == "1"
    assert isinstance(found, Invalid) and found.id == "1"


def test_pings() -> None:
    """They are answered with their payload, also before the acknowledgement; pongs are ignored."""
    client = WsClient(TRANSPORT_WS)
    assert client.receive(b'{"type":"ping"}') == (Pong(b'{"type":"pong"}'),)
    assert client.receive(b'{"type":"ping","payload":{"a":1}}') == (
        Pong(b'{"type":"pong","payload":{"a":1}}'),
    )
    assert client.receive(b'{"type":"pong","payload":{"a":1}}') == ()
    assert not client.acknowledged


@pytest.mark.parametrize(
    ("payload", "reason"),
    [({"message": "no token"}, "no token"), ("no", "no"), (None, ""), ([7], ""), ({"message": 7}, "")],
)
def test_a_refused_connection(payload: Any, reason: str) -> None:
    """The legacy protocol has a message for it."""
    client = WsClient(LEGACY_WS)
    assert client.receive(message("connection_error", None, payload=payload)) == (Refused(reason),)
    assert client.receive(b'{"type":"connection_error"}') == (Refused(""),)
    assert client.receive(b'{"type":"connection_error","payload":%b}' % (b"9" * 5_000)) == (Refused(""),)


def test_keep_alives() -> None:
    """The legacy protocol's are ignored."""
    assert WsClient(LEGACY_WS).receive(b'{"type":"ka"}') == ()


@pytest.mark.parametrize(
    "text",
    [b"", b"x", b"[]", b"7", b'"x"', b"{}", b'{"type":7}', b'{"type":"next","id":7}', b'{"type":"next"',
     b'{"type":"next","id":"1","payload":' + b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_message(dialect: Dialect, text: bytes) -> None:
    """The connection is closed, with a reason."""
    (found,) = running(dialect).receive(text)
    assert isinstance(found, Violated) and found.reason.startswith("expected a message")
    assert len(found.reason) < 300


@pytest.mark.parametrize("type", ["ka", "data", "subscribe", "x" * 1_000, ""])
def test_unknown_messages(type: str) -> None:
    """They break the new protocol; servers of the legacy one are forgiven."""
    (found,) = running(TRANSPORT_WS).receive(message(type, payload={}))
    assert isinstance(found, Violated) and len(found.reason) < 200
    assert running(LEGACY_WS).receive(message(type if type != "data" else "next", payload={})) == ()


TYPES = some.sampled_from(
    ["connection_ack", "connection_error", "ping", "pong", "ka", "next", "data", "error", "complete", "x"]
)
MESSAGES = some.fixed_dictionaries(
    {"type": TYPES},
    optional={
        "id": some.sampled_from(["1", "2", "3", ""]),
        "payload": some.sampled_from([None, {}, [], {"data": None}, [{"message": "x"}], {"message": "x"}, 7]),
    },
)


@given(some.sampled_from(list(DIALECTS.values())), some.lists(MESSAGES, max_size=30))
def test_no_order_of_messages_confuses_the_client(dialect: Dialect, messages: list[Any]) -> None:
    """Each subscription ends at most once, has no event after its end, and none before it was sent."""
    client = WsClient(dialect)
    client.subscribe(REQUEST)
    client.subscribe(REQUEST)
    sent: set[str] = set()
    over: set[str] = set()
    for one in messages:
        for action in client.receive(json.dumps(one).encode()):
            if isinstance(action, Send) and dialect.subscribe in action.text:
                sent.add(json.loads(action.text)["id"])
            elif isinstance(action, Next | Ended | Invalid):
                assert action.id in sent - over
                over |= {action.id} if not isinstance(action, Next) else set()
    assert client.running == sent - over
