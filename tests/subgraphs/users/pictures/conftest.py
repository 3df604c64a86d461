"""Fixtures of the tests of pictures: a users service with a folder of pictures, and its HTTP endpoint."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Client, Running
from subgraphs.users.app import bootstrap
from subgraphs.users.pictures.cleaner import PictureCleaner

PUBLIC = "https://pictures.example/of/"
PAYLOAD = (
    "{ user { uuid isActive profile { profilePictureUrl firstName } } userErrors { code field message } }"
)
UPLOAD = (
    "mutation($picture: Upload!, $key: String)"
    f"{{ uploadProfilePicture(picture: $picture, idempotencyKey: $key) {PAYLOAD} }}"
)
REMOVE = f"mutation($key: String) {{ removeProfilePicture(idempotencyKey: $key) {PAYLOAD} }}"
UPDATE = f"mutation($input: UpdateProfileInput!) {{ updateProfile(input: $input) {PAYLOAD} }}"
SEEN = "query($id: ID!) { user(id: $id) { profile { profilePictureUrl } } }"
EVENTS = text("SELECT event_type FROM outbox WHERE aggregate_id = :id ORDER BY id")


@dataclass
class Gallery:
    """The users service as its clients see it, and what it has stored."""

    service: Service
    http: httpx.AsyncClient
    folder: Path
    cleaner: PictureCleaner
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.service)

    async def send(self, person: ApiUser | None, content: bytes, key: str | None = None) -> dict[str, Any]:
        """Upload a file with a name and a type that are wrong, and return the response."""
        operations = {"query": UPLOAD, "variables": {"picture": None, "key": key}}
        answer = await self.http.post(
            "/graphql",
            data={"operations": json.dumps(operations), "map": '{"0": ["variables.picture"]}'},
            files={"0": ("../evil.html", content, "text/html")},
            headers=dict(person.headers) if person else {},
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def upload(self, person: ApiUser, content: bytes, key: str | None = None) -> str:
        """Upload a picture, and return the name under which it is stored."""
        answer = await self.send(person, content, key)
        assert "errors" not in answer, answer
        payload = answer["data"]["uploadProfilePicture"]
        assert payload["userErrors"] == []
        url: str = payload["user"]["profile"]["profilePictureUrl"]
        assert url.startswith(PUBLIC)
        return url.removeprefix(PUBLIC)

    async def seen(self, person: ApiUser) -> str | None:
        """Return the URL of a user's picture as anybody sees it."""
        answer = await self.client.data(SEEN, id=str(person.id))
        found: str | None = answer["user"]["profile"]["profilePictureUrl"]
        return found

    @property
    def stored(self) -> Mapping[str, bytes]:
        """The files in the store."""
        return {path.name: path.read_bytes() for path in self.folder.glob("*") if path.is_file()}

    async def rows(self) -> dict[str, bool]:
        """Return whether the cleaner is going to look at a picture, by name."""
        found = await self.service.database.fetch_all(text("SELECT name, check_at FROM pictures"))
        return {row.name: row.check_at is not None for row in found}

    async def events(self, person: ApiUser) -> list[str]:
        """Return the types of the events about a user."""
        return [row.event_type for row in await self.service.database.fetch_all(EVENTS, id=person.id)]

    async def let_time_pass(self) -> None:
        """Let the time to look at all waiting pictures come, and look."""
        for statement in (
            "UPDATE pictures SET check_at = now() WHERE check_at > now()",
            "UPDATE picture_uploads SET expires_at = now() - interval '1 second'",
        ):
            await self.service.database.execute(text(statement))
        await self.cleaner.clean()


@asynccontextmanager
async def gallery_of(running: Running, own: Mapping[str, str], folder: Path) -> AsyncIterator[Gallery]:
    """Run a users service with variables of its own. Its cleaner works only when a test says so."""

    def make(settings: ServiceSettings) -> Service:
        service = bootstrap(replace(settings, own={"PICTURES_PUBLIC_URL": PUBLIC, **own}))
        cleaners.extend(part for part in service.parts if isinstance(part, PictureCleaner))
        service.parts = [part for part in service.parts if part not in cleaners]
        return service

    cleaners: list[PictureCleaner] = []
    async with running("users", make) as service:
        transport = httpx.ASGITransport(service.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://users") as http:
            yield Gallery(service, http, folder, cleaners[0])


@pytest.fixture(scope="module")
async def gallery(running: Running, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gallery]:
    """A users service with a folder of pictures."""
    folder = tmp_path_factory.mktemp("gallery") / "pictures"
    async with gallery_of(running, {"PICTURES": str(folder)}, folder) as found:
        yield found


@pytest.fixture(scope="module")
def client(gallery: Gallery) -> Client:
    """A client of the same service, with which `register` makes accounts."""
    return gallery.client
