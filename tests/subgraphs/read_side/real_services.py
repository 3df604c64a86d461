"""The read side and the services that it needs, all real, behind a real gateway, in one process; shared by
tests.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text

from gateway.app import create_app
from gateway.settings import AuthenticationSettings, IssuerSettings, Settings
from gateway.transport.local import LocalTransport
from subgraphs.kit.keys import write_key_set
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Bootstrap, Client, Running, SigningKeys
from subgraphs.matching.app import bootstrap as matching
from subgraphs.musicians.app import bootstrap as musicians
from subgraphs.platform.options import SCHEMA
from subgraphs.platform.tables import SERVICES
from subgraphs.read_side.app import bootstrap as read_side
from subgraphs.requests.app import bootstrap as requests
from subgraphs.reviews.app import bootstrap as reviews
from subgraphs.users.app import bootstrap as users

COMMAND_SIDE = {
    "users": users,
    "musicians": musicians,
    "reviews": reviews,
    "requests": requests,
    "matching": matching,
}
SUPERGRAPH = (SCHEMA / "supergraph.graphql").read_text()
ERRORS = "userErrors { code field message }"
REGISTER = f"""mutation($input: RegisterInput!) {{
    register(input: $input) {{ session {{ user {{ uuid }} }} {ERRORS} }} }}"""
PROFILE = f"""mutation($input: CreateMusicianProfileInput!) {{
    createMusicianProfile(input: $input) {{ musician {{ uuid }} {ERRORS} }} }}"""
PUBLISH = f"""mutation($input: PublishRequestInput!) {{
    publishRequest(input: $input) {{ request {{ uuid }} {ERRORS} }} }}"""
APPLY = f"""mutation($id: ID!) {{
    made: applyToRequest(requestId: $id, input: {{proposedPrice: {{amount: "400", currency: "EUR"}}}}) {{
        application {{ uuid }} {ERRORS} }} }}"""
RATE = f"""mutation($id: ID!) {{
    rateBooking(input: {{bookingId: $id, rating: 4}}) {{ review {{ uuid }} {ERRORS} }} }}"""
FIND = f"mutation($id: ID!) {{ made: findMatches(requestId: $id) {{ result {{ uuid }} {ERRORS} }} }}"
COMPLETED = text(
    "WITH paid AS (INSERT INTO paid_bookings VALUES (:booking, true, 2)) INSERT INTO completed_bookings"
    " (booking_id, request_id, client_id, musician_id, musician_user_id, ends_at, completed_at) "
    "VALUES (:booking, :booking, :client, :musician, :user, now(), now())"
)


@dataclass
class RealServices:
    """The services by name, the gateway, and the users of the test."""

    services: dict[str, Service]
    gateway: httpx.AsyncClient
    keys: SigningKeys
    host: ApiUser
    admin: ApiUser
    piano: str
    request: str
    musicians: list[str]
    review: str

    async def send(self, query: str, person: ApiUser | None = None, **variables: Any) -> dict[str, Any]:
        """Send a query to the gateway, and return the response."""
        headers = dict(person.headers) if person else {}
        body = {"query": query, "variables": variables}
        found: dict[str, Any] = (
            await self.gateway.post("/graphql", json=body, headers=headers, timeout=30)
        ).json()
        return found

    async def source(
        self, query: str, wanted: str, person: ApiUser | None = None, **variables: Any
    ) -> dict[str, Any]:
        """Repeat a query until the field `found` comes from the source `wanted`, for up to twenty seconds."""
        answer: dict[str, Any] = {}
        for _ in range(200):
            answer = await self.send(query, person, **variables)
            if answer.get("extensions", {}).get("readModel", {}).get("found", {}).get("source") == wanted:
                return answer
            await asyncio.sleep(0.1)
        raise AssertionError(answer)

    def client(self, service: str) -> Client:
        """Return a client of a service."""
        return Client(self.services[service])

    async def musician(self, name: str, rate: int, city: str = "Berlin") -> tuple[ApiUser, str]:
        """Create a musician with a profile, who plays the piano."""
        person = await self.person("musician", name)
        place = {"latitude": 52.5, "longitude": 13.4, "city": city, "country": "DE"}
        given = {
            "stageName": name,
            "hourlyRate": {"amount": str(rate), "currency": "EUR"},
            "skills": [self.piano],
            "location": place,
            "bio": "Plays",
        }
        made = await self.client("musicians").data(PROFILE, person, input=given)
        return person, made["createMusicianProfile"]["musician"]["uuid"]

    async def person(self, role: str, name: str) -> ApiUser:
        """Register a user."""
        account = {
            "username": name,
            "email": f"{name}@mail.example",
            "password": "correct horse",
            "userType": role.upper(),
        }
        made = await self.client("users").data(REGISTER, input=account)
        return ApiUser.make(self.keys, role, UUID(made["register"]["session"]["user"]["uuid"]))


@asynccontextmanager
async def real_services(
    running: Running,
    settings: ServiceSettings,
    keys: SigningKeys,
    threshold: float,
    more: Mapping[str, Bootstrap] | None = None,
) -> AsyncIterator[RealServices]:
    """Yield three musicians, one of them with a review, and a request with an application and a ranking, all
    of them in the read models.

    `more`: further services by name.
    """
    async with AsyncExitStack() as stack:
        services = {
            name: await stack.enter_async_context(running(name, make))
            for name, make in {**COMMAND_SIDE, **(more or {})}.items()
        }
        way = LocalTransport({name: service.execute for name, service in services.items()})
        reads = read_side(settings, way, threshold)
        await reads.start()
        stack.push_async_callback(reads.stop)
        services["read_side"] = reads
        gateway = await stack.enter_async_context(_gateway(services, keys))
        nobody = ApiUser.make(keys, "client")
        made = RealServices(services, gateway, keys, nobody, ApiUser.make(keys, "admin"), "", "", [], "")
        await _populate(made)
        yield made


@asynccontextmanager
async def _gateway(services: Mapping[str, Service], keys: SigningKeys) -> AsyncIterator[httpx.AsyncClient]:
    local = {name: service.execute for name, service in services.items()}
    key_set = keys.public.with_name("jwks.json")
    write_key_set(key_set, keys.public)
    users = AuthenticationSettings((IssuerSettings("users", jwks_file=str(key_set)),))
    settings = Settings(extensions=frozenset(SERVICES.extensions), authentication=users)
    app = create_app(SUPERGRAPH, settings, local)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        yield client


async def _populate(made: RealServices) -> None:
    made.host = await made.person("client", "countess")
    skills = (await made.client("musicians").data("{ skills { uuid name } }"))["skills"]
    (made.piano,) = (skill["uuid"] for skill in skills if skill["name"] == "Piano")
    players = [await made.musician(f"band{number}", 30 + number) for number in range(3)]
    made.musicians = [key for _, key in players]
    day = (datetime.now(UTC) + timedelta(days=40)).date().isoformat()
    wanted = {
        "title": "A band for the garden",
        "eventDate": day,
        "startTime": "18:00",
        "endTime": "22:00",
        "timeZone": "Europe/Berlin",
        "budgetMin": {"amount": "100", "currency": "EUR"},
        "budgetMax": {"amount": "500", "currency": "EUR"},
        "location": {"latitude": 52.5, "longitude": 13.4, "city": "Berlin", "country": "DE"},
        "requiredSkills": [made.piano],
    }
    published = await made.client("requests").data(PUBLISH, made.host, input=wanted)
    made.request = published["publishRequest"]["request"]["uuid"]
    booking = uuid4()
    who = {"client": made.host.id, "musician": UUID(made.musicians[0]), "user": players[0][0].id}
    await made.services["reviews"].database.execute(COMPLETED.bindparams(booking=booking, **who))
    rated = await made.client("reviews").data(RATE, made.host, id=str(booking))
    made.review = rated["rateBooking"]["review"]["uuid"]
    await _patiently(made.client("requests"), APPLY, players[0][0], made.request)
    await _patiently(made.client("matching"), FIND, made.host, made.request)


async def _patiently(client: Client, query: str, person: ApiUser, key: str) -> None:
    """Repeat a request that fails until the service has received the events of the others."""
    answer: dict[str, Any] = {}
    for _ in range(500):
        answer = await client.send(query, person, id=key)
        if "errors" not in answer and not answer["data"]["made"]["userErrors"]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(answer)
