"""Tests of the platform's subscriptions: real mutations are reported to the users whom they concern, clients
go on where they were, and a restart of Valkey loses nothing.
"""

import asyncio
import json
import os
import signal
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from subgraphs.platform.control import send_order
from tests.system.conftest import Platform
from tests.system.streams import OPERATIONS, Received, Streams, Way, streams_of

pytestmark = pytest.mark.system
only_processes = pytest.mark.parametrize("platform", ["processes"], indirect=True)
WAYS: tuple[Way, Way] = ("sse", "websocket")
TALK = json.loads((OPERATIONS / "bookingMessages.json").read_text())["id"]
"""The demo accounts' confirmed booking."""
BERLIN = {"latitude": 52.5, "longitude": 13.4, "radiusKm": 30}
SYDNEY = {"latitude": -33.9, "longitude": 151.2, "radiusKm": 30}
STEPS = ["validate_availability", "update_status", "notify_musician", "create_escrow", "block_availability"]
PROFILE = "{ me { musicianProfile { id } } skills { id } }"


class Caller:
    """A user of the platform, who runs operations of schema/operations."""

    def __init__(self, platform: Platform, token: str) -> None:
        self.platform = platform
        self.token = token

    async def run(self, name: str, **variables: Any) -> Any:
        """Run an operation without errors, and return the value of its field."""
        query = (OPERATIONS / f"{name}.graphql").read_text()
        answer = await asyncio.to_thread(self.platform.post, query, variables, self.token)
        assert "errors" not in answer, answer
        (found,) = answer["data"].values()
        assert not found.get("userErrors"), found
        return found

    async def say(self, *texts: str) -> None:
        """Send messages about the demo accounts' booking."""
        for text in texts:
            await self.run("sendMessage", input={"bookingId": TALK, "text": text})


def callers(platform: Platform) -> tuple[Caller, Caller, Caller]:
    """Return a client, a musician, and a client who takes no part."""
    tokens = (platform.token("demo_client"), platform.token("demo_musician"), platform.token_of_new_user())
    host, player, stranger = (Caller(platform, token) for token in tokens)
    return host, player, stranger


async def warm_up(streams: Streams, host: Caller, player: Caller) -> None:
    """Wait until the gateway reads events: it begins with the first subscription."""
    first = streams.open("messageReceived", {}, host.token)
    await streams.ready()
    for caller in (player, host) * 10:
        await caller.say(f"Is anybody there? {uuid4()}")
        for _ in range(20):
            if first.events:
                return
            await asyncio.sleep(0.05)
    raise AssertionError("no event arrives")


def texts(received: Received) -> list[str]:
    """Return the texts of the messages that were received."""
    return [one["text"] for one in received.events]


class Journey:
    """A booking from the request to the confirmation, which each subscription follows in both ways."""

    def __init__(self, host: Caller, player: Caller, stranger: Caller) -> None:
        self.host, self.player, self.stranger = host, player, stranger
        self.of_host: dict[str, list[Received]] = {}
        self.of_player: dict[str, list[Received]] = {}
        self.others: list[Received] = []

    def subscribe(self, streams: Streams) -> None:
        """Open all subscriptions of the parties, and those of others."""
        both = ("bookingUpdated", "notificationReceived", "messageReceived")
        for name in (*both, "newApplication", "sagaProgress", "matchesChanged"):
            self.of_host[name] = [streams.open(name, {}, self.host.token, way) for way in WAYS]
            self.others.append(streams.open(name, {}, self.stranger.token))
        for name in both:
            self.of_player[name] = [streams.open(name, {}, self.player.token, way) for way in WAYS]
        here, there = {"near": BERLIN}, {"near": SYDNEY}
        name = "requestPublished"
        self.of_player[name] = [streams.open(name, here, self.player.token, way) for way in WAYS]
        self.others += [streams.open(name, there, self.player.token)]
        self.others += [streams.open("newApplication", {}, self.player.token)]
        elsewhere = {"id": TALK}
        self.others += [streams.open("bookingUpdated", elsewhere, self.host.token)]

    async def play(self) -> tuple[str, str, str]:
        """Publish, apply, rank, offer, write and confirm; return the request, the saga and the booking."""
        platform = self.host.platform
        found = (await asyncio.to_thread(platform.post, PROFILE, {}, self.player.token))["data"]
        musician, key = found["me"]["musicianProfile"]["id"], uuid4().hex
        money = {"currency": "EUR"}
        wanted = {
            "title": f"A party {key}",
            "eventDate": str(datetime.now(UTC).date() + timedelta(days=200 + int(key[:2], 16))),
            "startTime": "19:00",
            "endTime": "23:00",
            "timeZone": "Europe/Berlin",
            "budgetMin": {"amount": "300", **money},
            "budgetMax": {"amount": "600", **money},
            "location": {"latitude": 52.52, "longitude": 13.405, "city": "Berlin", "country": "DE"},
            "requiredSkills": [found["skills"][0]["id"]],
        }
        published = await self.host.run("publishRequest", input=wanted, key=key)
        request: str = published["request"]["id"]
        price = {"proposedPrice": {"amount": "450", **money}, "message": "With pleasure."}
        await self.player.run("applyToRequest", requestId=request, input=price)
        await self.host.run("findMatches", id=request)
        offer = await self.host.run("assignMusician", requestId=request, musicianId=musician, key=key)
        saga, booking = offer["saga"]["id"], offer["saga"]["booking"]["id"]
        await self.of_player["bookingUpdated"][0].until(1)  # it is offered
        await self.host.run("sendMessage", input={"bookingId": booking, "text": "When do you come?"})
        await self.player.run("sendMessage", input={"bookingId": booking, "text": "At six."})
        await self.player.run("confirmOffer", bookingId=booking, key=key)
        return request, saga, booking


async def test_mutations_are_reported_to_those_whom_they_concern(platform: Platform) -> None:
    """Each subscription of both parties receives the events of a booking over SSE and WebSocket; others
    receive none of them.
    """
    host, player, stranger = callers(platform)
    async with streams_of(platform) as streams:
        await warm_up(streams, host, player)
        journey = Journey(host, player, stranger)
        journey.subscribe(streams)
        await streams.ready()
        request, saga, booking = await journey.play()
        for of_party in (journey.of_host, journey.of_player):
            for one in of_party["bookingUpdated"]:
                changes = [(item["id"], item["status"]) for item in await one.until(2)]
                assert changes == [(booking, "PENDING"), (booking, "CONFIRMED")]
            for one in of_party["messageReceived"]:
                written = [(item["booking"]["id"], item["text"]) for item in await one.until(2)]
                assert written == [(booking, "When do you come?"), (booking, "At six.")]
        for one in journey.of_player["requestPublished"]:
            assert [item["id"] for item in await one.until(1)] == [request]
        for one in journey.of_host["newApplication"]:
            assert [item["request"]["id"] for item in await one.until(1)] == [request]
        for one in journey.of_host["matchesChanged"]:
            assert [item["request"]["id"] for item in await one.until(1)] == [request]
        for one in journey.of_host["notificationReceived"]:
            kinds = {item["type"] for item in await one.until(3)}
            assert kinds >= {"NEW_APPLICATION", "MESSAGE", "REQUEST_UPDATE"}
        for one in journey.of_player["notificationReceived"]:
            assert [item["type"] for item in await one.until(3)] == [
                "REQUEST_UPDATE",
                "MESSAGE",
                "REQUEST_UPDATE",
            ]
        for one in journey.of_host["sagaProgress"]:
            own = [item for item in await one.until(len(STEPS) + 2) if item["id"] == saga]
            assert (own[0]["type"], own[-1]["status"]) == ("ASSIGNMENT", "COMPLETED")
            steps = list(dict.fromkeys(item["currentStep"] for item in own if item["currentStep"]))
            assert steps == [step for step in STEPS if step in steps]
        assert [one.name for one in journey.others if one.events or one.errors] == []


async def test_who_may_not_subscribe(platform: Platform) -> None:
    """Without a token, and for new requests without the role of a musician, the stream is one error."""
    async with streams_of(platform) as streams:
        client = platform.token("demo_client")
        refused = [streams.open("notificationReceived", {}, "", way) for way in WAYS]
        refused += [streams.open("requestPublished", {}, client, way) for way in WAYS]
        for one in refused:
            assert (await one.failure(), one.events) == (["UNAUTHORIZED_FIELD_OR_TYPE"], [])


@only_processes
@pytest.mark.parametrize("way", WAYS)
async def test_a_client_goes_on_where_it_was(platform: Platform, way: Way) -> None:
    """After a cursor a client receives exactly what it has missed, in order, then what comes; any other text
    is an error.
    """
    host, player, _ = callers(platform)
    async with streams_of(platform) as streams:
        await warm_up(streams, host, player)
        given: tuple[str, Any, str, Way] = ("messageReceived", {"bookingId": TALK}, player.token, way)
        before = streams.open(*given)
        await streams.ready()
        await host.say("One")
        await player.say("Two")
        await before.until(2)
        await streams.close()
        await host.say("Three", "Four")
        await player.say("Five")
        for after, missed in ((before.cursors[-1], 3), (before.cursors[0], 4)):
            again = streams.open(*given, after)
            await again.until(missed)
            assert texts(again) == ["Two", "Three", "Four", "Five"][-missed:]
            assert again.notices == [{}] * missed
        await streams.ready()
        await host.say("Six")
        assert [one["text"] for one in (await again.until(5))][-2:] == ["Five", "Six"]
        wrong = streams.open(*given, "not a cursor")
        assert await wrong.failure() == ["INVALID_CURSOR"]


@only_processes
async def test_a_restart_of_valkey_loses_nothing(platform: Platform) -> None:
    """Valkey is killed while messages are sent: a client that stays, and one that comes back afterwards,
    receive each message once and in order.
    """
    host, player, _ = callers(platform)
    async with streams_of(platform) as streams:
        await warm_up(streams, host, player)
        stays = streams.open("messageReceived", {"bookingId": TALK}, player.token)
        await streams.ready()
        sent = [f"{number}: {uuid4()}" for number in range(9)]
        await player.say(*sent[:3])
        await stays.until(3)
        valkey = (await asyncio.to_thread(send_order, platform.data / "run", "status"))["valkey"]
        os.kill(valkey["pid"], signal.SIGKILL)
        await player.say(*sent[3:6])
        await stays.until(6)
        await player.say(*sent[6:])
        await stays.until(9)
        back = streams.open(
            "messageReceived", {"bookingId": TALK}, player.token, "websocket", stays.cursors[1]
        )
        await back.until(7)
        assert texts(stays) == sent
        assert texts(back) == sent[2:]
        assert (stays.errors, back.errors) == ([], [])
